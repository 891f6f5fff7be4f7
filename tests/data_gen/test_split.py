from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aifashion.data_gen import split
from aifashion.data_gen.split import load_or_make_split, split_samples
from aifashion.garments import CATEGORIES
from aifashion.records import Sample


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


def test_every_category_gives_its_fraction() -> None:
    samples = make_samples(500)
    _, val = split_samples(samples, np.arange(500), 0.1, seed=3)
    assert Counter(s.category for s in val) == dict.fromkeys(CATEGORIES, 10)


def test_the_seed_decides() -> None:
    samples, groups = make_samples(100), np.arange(100)
    assert split_samples(samples, groups, 0.2, 1) == split_samples(samples, groups, 0.2, 1)
    assert split_samples(samples, groups, 0.2, 1) != split_samples(samples, groups, 0.2, 2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 7.0])
def test_senseless_fractions(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_samples(make_samples(3), [0, 1, 2], fraction, 0)


def test_one_group_for_each_sample() -> None:
    with pytest.raises(ValueError, match="3 samples but 2 group labels"):
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


def test_the_split_is_made_once_and_kept(tmp_path: Path, photos: list[Sample]) -> None:
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
    with pytest.raises(ValueError, match=rf"1 samples are in neither half .*new\.png.*{advice}"):
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
    with pytest.raises(ValueError, match="without the other half"):
        load_or_make_split(tmp_path, photos)


def test_too_few_samples_and_samples_elsewhere(tmp_path: Path, photos: list[Sample]) -> None:
    with pytest.raises(ValueError, match="too few"):
        load_or_make_split(tmp_path, photos[:2], fraction=0.1)
    with pytest.raises(ValueError, match="outside the data folder"):
        load_or_make_split(tmp_path / "elsewhere", photos)


def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, photos: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = split.write_atomic

    def refuse(path: Path, data: str) -> None:
        if path.name == "val_split.csv":
            raise PermissionError(13, "Permission denied")
        write(path, data)

    monkeypatch.setattr(split, "write_atomic", refuse)
    with pytest.warns(UserWarning, match="the split is not kept"):
        train, val = load_or_make_split(tmp_path, photos, fraction=0.5)
    assert len(train) == len(val) == 20
    assert not list(tmp_path.glob("*.csv"))
