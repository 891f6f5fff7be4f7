from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aifashion.data_gen import split
from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.label_table import LabelTable, PhotoFiles
from aifashion.data_gen.split import load_or_make_split, split_samples, split_table
from aifashion.records import HeadSpec, Sample


def make_samples(count: int, root: Path = Path("data")) -> list[Sample]:
    ids = [f"Images/{CATEGORIES[i % 5]}/{i}.png" for i in range(count)]
    return [Sample(image_id, root / "train" / image_id, CATEGORIES[i % 5]) for i, image_id in enumerate(ids)]


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 60), min_size=1, max_size=120),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_groups_stay_together_and_every_sample_is_on_one_side(groups: list[int], fraction: float, seed: int) -> None:
    samples = make_samples(len(groups))
    train, val = split_samples(samples, groups, fraction, seed)
    group_of = dict(zip((s.image_id for s in samples), groups, strict=True))
    assert not {group_of[s.image_id] for s in train} & {group_of[s.image_id] for s in val}
    order = {s.image_id: i for i, s in enumerate(samples)}
    for half in (train, val):
        assert [order[s.image_id] for s in half] == sorted(order[s.image_id] for s in half)
    assert sorted(order[s.image_id] for s in train + val) == list(range(len(samples)))


def test_every_category_has_its_fraction_in_val() -> None:
    samples = make_samples(500)
    _, val = split_samples(samples, np.arange(500), 0.1, seed=3)
    assert Counter(s.category for s in val) == dict.fromkeys(CATEGORIES, 10)


def test_the_split_depends_on_the_seed() -> None:
    samples, groups = make_samples(100), np.arange(100)
    assert split_samples(samples, groups, 0.2, 1) == split_samples(samples, groups, 0.2, 1)
    assert split_samples(samples, groups, 0.2, 1) != split_samples(samples, groups, 0.2, 2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 7.0])
def test_fractions_outside_0_to_1_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_samples(make_samples(3), [0, 1, 2], fraction, 0)


def test_every_sample_needs_a_group() -> None:
    with pytest.raises(ValueError, match="3 samples but 2 group numbers"):
        split_samples(make_samples(3), [0, 1], 0.5, 0)


@pytest.fixture
def photos(tmp_path: Path) -> list[Sample]:
    """40 samples; each photo of noise comes twice."""
    samples = make_samples(40, tmp_path)
    for i, sample in enumerate(samples):
        sample.path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i // 10 * 5 + i % 5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).save(sample.path)
    return samples


def test_the_split_is_made_once_and_stored(tmp_path: Path, photos: list[Sample]) -> None:
    train, val = load_or_make_split(tmp_path, photos, fraction=0.5, seed=1)
    assert len(val) == 20 and len(train) == 20
    content = {s.path: s.path.read_bytes() for s in photos}
    assert not {content[s.path] for s in train} & {content[s.path] for s in val}
    lines = (tmp_path / "val_split.csv").read_text().splitlines()
    assert lines[0] == "image_id,image_category,path"
    assert lines[1] == f"{val[0].image_id},{val[0].category},train/{val[0].image_id}"
    assert load_or_make_split(tmp_path, photos, fraction=0.1, seed=2) == (train, val)
    assert load_or_make_split(tmp_path, photos[::-1]) == (train, val)


def test_files_that_do_not_fit_are_refused(tmp_path: Path, photos: list[Sample]) -> None:
    load_or_make_split(tmp_path, photos, fraction=0.5)
    advice = r"delete train_split\.csv and val_split\.csv"
    with pytest.raises(ValueError, match=rf"_split\.csv:\d+: .* is not among the 39 training samples; {advice}"):
        load_or_make_split(tmp_path, photos[1:])
    new = Sample("Images/skirt/new.png", tmp_path / "train/Images/skirt/new.png", "skirt")
    with pytest.raises(ValueError, match=rf"1 samples, such as .*new\.png.*{advice}"):
        load_or_make_split(tmp_path, [*photos, new])
    train, val = tmp_path / "train_split.csv", tmp_path / "val_split.csv"
    whole = val.read_text()
    val.write_text(whole + train.read_text().splitlines()[1] + "\n")
    with pytest.raises(ValueError, match=rf"val_split\.csv:22: .* again, first at .*train_split\.csv:2; {advice}"):
        load_or_make_split(tmp_path, photos)
    val.write_text(whole.replace("image_category", "category", 1))
    with pytest.raises(ValueError, match=r"val_split\.csv:1: columns"):
        load_or_make_split(tmp_path, photos)
    val.unlink()
    with pytest.raises(ValueError, match=r"train_split\.csv: there is no val_split\.csv beside it; delete"):
        load_or_make_split(tmp_path, photos)


def test_too_few_samples_and_samples_outside_the_folder_are_refused(tmp_path: Path, photos: list[Sample]) -> None:
    with pytest.raises(ValueError, match="too few"):
        load_or_make_split(tmp_path, photos[:2], fraction=0.1)
    with pytest.raises(ValueError, match="outside the data folder"):
        load_or_make_split(tmp_path / "elsewhere", photos)


def test_a_folder_that_cannot_be_written_to_gives_a_warning(
    tmp_path: Path, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = split.write_atomic

    def refuse(path: Path, data: str) -> None:
        if path.name == "val_split.csv":
            raise PermissionError(13, "Permission denied")
        write(path, data)

    monkeypatch.setattr(split, "write_atomic", refuse)
    with pytest.warns(UserWarning, match="the split is not stored"):
        train, val = load_or_make_split(tmp_path, photos, fraction=0.5)
    assert len(train) == len(val) == 20
    assert not list(tmp_path.glob("*.csv"))


HEADS = tuple(HeadSpec(name, "exclusive", ("no", "yes")) for name in ("collar", "length", "sleeve"))


def make_table(root: Path, photos: int = 60) -> LabelTable:
    """Of every six photos, three are labelled for the first head, two for the second and one for the third; the last
    photo is labelled for all three, in three rows."""
    names = [f"shop/{i}.png" for i in range(photos)] + [f"shop/{photos - 1}.png"] * 2
    codes = np.full((len(names), 3), -1, np.int32)
    for row in range(photos):
        codes[row, (0, 0, 0, 1, 1, 2)[row % 6]] = row % 2
    codes[-2, 0], codes[-1, 1] = 1, 0
    for i, name in enumerate(names[:photos]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
    return LabelTable(PhotoFiles(root, names), HEADS, codes, (None,) * 3)


def rows_of(table: LabelTable) -> list[tuple[str, list[int]]]:
    return [(table.photos.name(row), codes) for row, codes in enumerate(table.codes.tolist())]


def test_every_head_of_a_table_has_its_fraction_in_val(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    train, val = split_table(tmp_path, table, 0.2, seed=1)
    # 30, 20 and 10 photos; the one with three rows counts for the label of its first row, that of the third head.
    first = Counter((val.codes >= 0).argmax(axis=1).tolist())
    several = sum(name == "shop/59.png" for name, _ in rows_of(val))
    assert several in (0, 3)
    if several:
        first -= Counter({0: 1, 1: 1})
    assert first == {0: 6, 1: 4, 2: 2}
    assert (train.heads, train.targets, val.heads, val.targets) == (HEADS, table.targets) * 2
    # Each row once, with its labels, in the order of the table.
    order = {name: row for row, name in enumerate(f"shop/{i}.png" for i in range(60))}
    for half in (train, val):
        positions = [order[name] for name, _ in rows_of(half)]
        assert [p for p in positions if p != 59] == sorted(p for p in positions if p != 59)
    assert sorted(rows_of(train) + rows_of(val)) == sorted(rows_of(table))


def test_all_rows_of_a_photo_and_its_copies_are_on_one_side(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    for number in range(30):  # every photo of the second half repeats one of the first
        (tmp_path / f"shop/{number + 30}.png").write_bytes((tmp_path / f"shop/{number}.png").read_bytes())
    for seed in range(4):
        train, val = split_table(tmp_path, table, 0.5, seed)
        pictures = [{int(name[5:-4]) % 30 for name, _ in rows_of(half)} for half in (train, val)]
        assert all(pictures) and not pictures[0] & pictures[1]
        for kept in tmp_path.glob("*.csv"):
            kept.unlink()


def test_the_split_of_a_table_is_stored_beside_that_of_the_keypoints(tmp_path: Path, photos: list[Sample]) -> None:
    load_or_make_split(tmp_path, photos, fraction=0.5)
    table = make_table(tmp_path)
    train, val = split_table(tmp_path, table, 0.2, seed=1)
    names = ["attribute_train_split.csv", "attribute_val_split.csv", "train_split.csv", "val_split.csv"]
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == names
    lines = (tmp_path / "attribute_val_split.csv").read_text().splitlines()
    assert len(lines) == 1 + len({name for name, _ in rows_of(val)})
    image_id, head, path = lines[1].split(",")
    assert image_id == path == rows_of(val)[0][0] and head in ("collar", "length", "sleeve")
    # Another fraction, another seed and rows in another order do not change the stored split.
    again = split_table(tmp_path, table.select(np.arange(len(table))[::-1]), 0.5, seed=2)
    for half, other in zip((train, val), again, strict=True):
        assert sorted(rows_of(half)) == sorted(rows_of(other))
    for name in names[:2]:
        (tmp_path / name).unlink()
    assert rows_of(split_table(tmp_path, table, 0.2, seed=1)[1]) == rows_of(val)
    for name in names[:2]:
        (tmp_path / name).unlink()
    assert rows_of(split_table(tmp_path, table, 0.2, seed=2)[1]) != rows_of(val)


def test_photos_of_a_table_that_were_added_later_are_refused(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    split_table(tmp_path, table.select(np.arange(50)))
    with pytest.raises(
        ValueError, match=r"10 samples, such as .*attribute_val_split\.csv; delete attribute_train_split\.csv"
    ):
        split_table(tmp_path, table)


def test_a_table_of_photos_that_are_not_files_cannot_be_split(tmp_path: Path) -> None:
    class Elsewhere:
        def __len__(self) -> int:
            return 0

    table = LabelTable(Elsewhere(), HEADS, np.zeros((0, 3), np.int32), (None,) * 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs photos in files; got Elsewhere"):
        split_table(tmp_path, table)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", r"val_split\.csv:1: columns none, since the file is empty"),
        (b"a,b\n", r"val_split\.csv:1: columns a,b; expected image_id,image_category,path"),
        (b"image_id,image_category,path\n", r"val_split\.csv: no row below the header"),
        (b"image_id,image_category,path\nx,skirt\n", r"val_split\.csv:2: 2 cells"),
        (b"image_id,image_category,path\nx,skirt,a.png,b\n", r"val_split\.csv:2: 4 cells"),
        (b'image_id,image_category,path\n"x,skirt,a.png\n', r"val_split\.csv:\d: not a CSV"),
        (b"image_id,image_category,path\nx,skirt,\xff\n", r"val_split\.csv:2: not UTF-8 text"),
        (b"\x1f\x8b\x08", r"val_split\.csv: the file is compressed \(gzip\)"),
    ],
)
def test_a_damaged_file_of_the_split_is_named_with_its_line(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "train_split.csv").write_text("image_id,image_category,path\na,skirt,a.png\n")
    (tmp_path / "val_split.csv").write_bytes(text)
    samples = [Sample(name, tmp_path / f"{name}.png", "skirt") for name in "ab"]
    with pytest.raises(ValueError, match=rf"{reason}.*; delete train_split\.csv and val_split\.csv in "):
        load_or_make_split(tmp_path, samples)
