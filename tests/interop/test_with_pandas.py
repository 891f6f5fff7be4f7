"""pandas and polars read and write the long table, and its rows become supervision's key points."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.interop
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet  # noqa: E402
from aifashion.data_gen.formats.point_table import read_point_table, write_point_table  # noqa: E402
from aifashion.records import Keypoints  # noqa: E402
from aifashion.vocabulary import load_vocabulary  # noqa: E402

VOCABULARY = load_vocabulary()
SKIRT = VOCABULARY.definitions[VOCABULARY.category_index("skirt")].keypoints


def written(path: Path) -> Path:
    points = Keypoints(np.array([[10, 20], [90.5, 21], [5, 110], [-1, -1]]), np.array([1, 1, 0, -1]))
    skirt = LabelledGarment("1", "skirt", SKIRT, points, (5.0, 18.0, 92.0, 112.0))
    photos = (LabelledPhoto("a.jpg", (120, 130), (skirt,)), LabelledPhoto("none.jpg", (60, 50), ()))
    write_point_table(LabelSet(path.parent, path.parent, photos), path, VOCABULARY)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_pandas_reads_the_types_and_values(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"t.{ending}")
    frame = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert frame["x"].tolist()[:3] == [10, 90.5, 5] and frame["x"].dtype == "float64"
    assert frame["state"].tolist()[:3] == ["visible", "visible", "hidden"]
    assert frame["width"].tolist() == [120, 120, 120, 60] and frame["keypoint"].isna().tolist()[-1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_pandas_writes_back_is_read_the_same(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"t.{ending}")
    before = read_point_table(path)
    if ending == "csv":
        pd.read_csv(path).to_csv(path, index=False)
    else:
        pd.read_parquet(path).to_parquet(path)
    after = read_point_table(path)
    assert not after.problems and [p.size for p in after.photos] == [(120, 130), (60, 50)]
    first, second = (found.photos[0].garments[0] for found in (before, after))
    assert first.keypoints == second.keypoints and first.names == second.names and first.box == second.box


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_polars_writes_back_is_read_the_same(tmp_path: Path, ending: str) -> None:
    pl = pytest.importorskip("polars")
    path = written(tmp_path / f"t.{ending}")
    before = read_point_table(path)
    if ending == "csv":
        pl.read_csv(path).write_csv(path)
    else:
        pl.read_parquet(path).write_parquet(path)
    after = read_point_table(path)
    assert not after.problems and len(after.photos) == 2
    assert before.photos[0].garments[0].keypoints == after.photos[0].garments[0].keypoints


def test_its_rows_become_key_points_of_supervision(tmp_path: Path) -> None:
    """As docs/data_set_formats.md shows."""
    sv = pytest.importorskip("supervision")
    frame = pd.read_csv(written(tmp_path / "t.csv")).dropna(subset="keypoint")
    wide = frame.pivot(index=["photo", "garment_id"], columns="keypoint", values=["x", "y"]).fillna(0)
    xy = np.stack([wide["x"].reindex(columns=SKIRT, fill_value=0), wide["y"].reindex(columns=SKIRT, fill_value=0)], -1)
    points = sv.KeyPoints(xy=xy.astype(np.float32))
    assert points.xy.shape == (1, 4, 2) and points.xy[0, 3].tolist() == [0, 0]
    canvas = sv.VertexAnnotator(color=sv.Color.WHITE, radius=1).annotate(np.zeros((130, 120, 3), np.uint8), points)
    assert canvas[20, 10].any() and canvas[110, 5].any() and not canvas[0, 0].any()
