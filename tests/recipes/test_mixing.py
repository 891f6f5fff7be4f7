import csv
from pathlib import Path

import numpy as np
import pytest
from mixing import Share, mix_attributes, mix_keypoints

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.fashionai import write_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import load_attribute_table
from aifashion.data_gen.formats.folders import CROPS_FILE
from aifashion.data_gen.keypoint_sets import load_training_parts
from aifashion.data_gen.split import ATTRIBUTE_PREFIX, split_table, write_split
from aifashion.records import Keypoints, Sample

SHOWN = [KEYPOINTS.index(name) for name in ("waistband_left", "waistband_right")]


def keypoint_set(folder: Path, photos: dict[str, str], held: str, bare: str = "") -> Path:
    """photos: name -> category. held: the name of the validation photo. bare: names without a keypoint, as letters."""
    samples = []
    for number, (name, category) in enumerate(photos.items()):
        path = folder / "train" / f"Images/{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{folder.name} {name}".encode())
        state = np.full(24, -1)
        state[SHOWN] = -1 if name in bare else 1
        xy = np.where(state[:, None] == 1, [[10.5 + number, 20]], -1)
        xy[SHOWN[1]] += (30, 0) if name not in bare else 0
        samples.append(Sample(f"Images/{name}.jpg", path, category, Keypoints(xy, state)))
    lists = folder / "train" / "Annotations"
    lists.mkdir(parents=True)
    write_keypoint_csv(lists / "train.csv", samples, decimals=1)
    halves = [[s for s in samples if (s.path.stem == held) == val] for val in (False, True)]
    write_split(folder, (halves[0], halves[1]))
    return folder


def seen(samples: list[Sample]) -> list[str]:
    return sorted(sample.path.read_text() for sample in samples)


def test_an_epoch_sees_as_much_of_each_set_as_it_should(tmp_path):
    photos = {"a": "skirt", "b": "skirt", "c": "skirt", "d": "skirt", "e": "none", "f": "none"}
    laid = keypoint_set(tmp_path / "laid", photos, held="a", bare="bcdef")
    drawn = keypoint_set(tmp_path / "drawn", dict.fromkeys("ghij", "skirt"), held="g")
    worn = keypoint_set(tmp_path / "worn", dict.fromkeys("kl", "skirt"), held="k")
    shares = [
        Share("laid", laid, bare=1),
        Share("drawn", drawn, most=2, validates=False),
        Share("worn", worn, repeat=2),
    ]
    assert mix_keypoints(tmp_path / "mix", shares) == (1 + 1 + 2 + 2, 2)
    train, val = load_training_parts(tmp_path / "mix", KeypointConfig())
    assert seen(val) == ["laid a", "worn k"]
    texts = seen(train)
    assert texts.count("worn l") == 2 and sum(t.startswith("drawn") for t in texts) == 2 and "drawn g" not in texts
    assert (
        sum(s.category == "none" for s in train) == 1 and sum(t in ("laid b", "laid c", "laid d") for t in texts) == 1
    )
    (point,) = {tuple(s.keypoints.xy[SHOWN[0]]) for s in train if s.keypoints and s.path.read_text() == "worn l"}
    assert point == (11.5, 20)


def test_another_seed_chooses_others_and_the_same_mix_goes_on(tmp_path):
    drawn = keypoint_set(tmp_path / "drawn", {f"p{i}": "skirt" for i in range(40)}, held="p0")

    def chosen(out: str, seed: int) -> list[str]:
        mix_keypoints(tmp_path / out, [Share("drawn", drawn, most=10)], seed)
        return seen(load_training_parts(tmp_path / out, KeypointConfig())[0])

    first = chosen("one", 0)
    assert chosen("one", 0) == chosen("two", 0) == first != chosen("three", 1)
    with pytest.raises(FileExistsError, match="one was begun with seed 0, not 1"):
        chosen("one", 1)


def test_what_a_lower_precision_costs_is_measured_on_all_photos(tmp_path):
    laid = keypoint_set(tmp_path / "laid", dict.fromkeys("abc", "skirt"), held="a")
    assert mix_keypoints(tmp_path / "mix", [Share("laid", laid, repeat=2)], both=True) == (3, 3)
    halves = load_training_parts(tmp_path / "mix", KeypointConfig())
    assert seen(halves[0]) == seen(halves[1]) == ["laid a", "laid b", "laid c"]


def attribute_set(folder: Path, names: str) -> Path:
    lists = folder / "base" / "Annotations"
    lists.mkdir(parents=True)
    rows = []
    for name in names:
        photo = folder / f"base/Images/skirt_length_labels/{name}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(f"{folder.name} {name}".encode())
        rows += [f"Images/skirt_length_labels/{name}.jpg,skirt_length_labels,nymnnn"]
        rows += [f"Images/skirt_length_labels/{name}.jpg,sleeve_length_labels,nnnnnnnyn"]
    (lists / "label.csv").write_text("".join(f"{row}\n" for row in rows))
    return folder


def test_attributes_are_split_by_the_set_that_the_crops_are_of(tmp_path):
    crops, drawn = attribute_set(tmp_path / "crops", "abc"), attribute_set(tmp_path / "drawn", "defg")
    source = tmp_path / "source"
    source.mkdir()
    for name, photos in (("train", "ac"), ("val", "b")):
        with (source / f"{ATTRIBUTE_PREFIX}{name}_split.csv").open("w") as file:
            rows = [["skirt", "skirt_length", f"attributes/base/Images/{photo}.jpg"] for photo in photos]
            csv.writer(file).writerows([["image_id", "image_category", "path"], *rows])
    shares = [Share("laid", crops, repeat=2, split=source), Share("drawn", drawn, most=3, validates=False)]
    assert mix_attributes(tmp_path / "mix", shares) == (2 * 2 + 3, 1)
    train, val = split_table(tmp_path / "mix", load_attribute_table(tmp_path / "mix"))
    assert [val.photos.path(row).read_text() for row in range(len(val))] == ["crops b"]
    texts = [train.photos.path(row).read_text() for row in range(len(train))]
    assert sorted(texts)[:4] == ["crops a", "crops a", "crops c", "crops c"] and len(texts) == 7
    assert (train.codes >= 0).sum(axis=1).tolist() == [2] * 7
    assert not (tmp_path / "mix" / CROPS_FILE).exists()


def test_a_mix_of_crops_says_how_they_were_made(tmp_path):
    sets = [attribute_set(tmp_path / name, "ab") for name in ("one", "two")]
    for folder in sets:
        (folder / CROPS_FILE).write_text('{"kind": "heatmap"}')
    shares = [Share(folder.name, folder) for folder in sets]
    mix_attributes(tmp_path / "mix", shares, both=True)
    assert (tmp_path / "mix" / CROPS_FILE).read_text() == '{"kind": "heatmap"}'
    (sets[1] / CROPS_FILE).write_text('{"kind": "keypoints"}')
    with pytest.raises(ValueError, match="one, two are not crops of one kind by one network"):
        mix_attributes(tmp_path / "other", shares)
