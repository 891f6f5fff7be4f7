import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.label_table import LabelTable
from aifashion.records import CropRule, HeadSpec
from aifashion.tasks.attribute_data import check_crop, crop_rule_of
from aifashion.tasks.attributes import AttributeTask
from aifashion.vocabulary import vocabulary_from
from small_attributes import save_photo, shards, write_labelled, write_rows

ALL = AttributeConfig(val_fraction=0.25)


def load_tables(data: Path, config: AttributeConfig) -> tuple[LabelTable, LabelTable]:
    return AttributeTask.to_train(config, data).parts(data)


def names(table: LabelTable) -> list[str]:
    return [table.photos.name(row) for row in range(len(table))]


# -------------------------------------------------------------------------------------------------------- attributes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_labelled(tmp_path, {"skirt_length": 20, "neck_design": 12, "pant_length": 8})
    return tmp_path


def test_all_tasks_together(data: Path):
    train, val = load_tables(data, ALL)
    assert [head.name for head in train.heads] == [head.name for head in val.heads] == list(ATTRIBUTE_TASKS)
    assert (len(train), len(val)) == (30, 10)
    # A quarter of every task's photos.
    tasks = [name.split("/")[2] for name in names(val)]
    assert {task: tasks.count(task) for task in tasks} == {
        "skirt_length_labels": 5,
        "neck_design_labels": 3,
        "pant_length_labels": 2,
    }
    assert sorted(names(train) + names(val))[0].startswith("base/Images/") and not set(names(train)) & set(names(val))


def test_of_one_task_its_photos_and_its_head_alone(data: Path):
    whole = load_tables(data, ALL)
    for task, count in (("skirt_length", 20), ("neck_design", 12)):
        parts = load_tables(data, replace(ALL, task=task))
        for part, both in zip(parts, whole, strict=True):
            assert [head.name for head in part.heads] == [task] and part.codes.shape == (len(part), 1)
            assert (part.codes >= 0).all()
            # The same split as that of all tasks.
            assert names(part) == [name for name in names(both) if f"/{task}_labels/" in name]
        assert sum(map(len, parts)) == count
        target, known = parts[0].target(0, np.arange(len(parts[0])))
        expected = [int(name[-7:-4]) % len(ATTRIBUTE_TASKS[task]) for name in names(parts[0])]
        assert known.all() and target.argmax(axis=1).tolist() == expected


def test_lengths_are_ordinal_or_classes_like_any_other(data: Path):
    kinds = {
        choice: {head.name: head.kind for head in load_tables(data, replace(ALL, length_heads=choice))[0].heads}
        for choice in ("ordinal", "exclusive")
    }
    assert {name for name, kind in kinds["ordinal"].items() if kind == "ordinal"} == {
        "coat_length", "pant_length", "skirt_length", "sleeve_length"
    }  # fmt: skip
    assert set(kinds["exclusive"].values()) == {"exclusive"}


def test_no_attribute_files(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no FashionAI attribute"):
        load_tables(tmp_path, ALL)


# ------------------------------------------------------------------------------------------------ styles and products


def test_styles_are_split_by_name(tmp_path: Path):
    config = AttributeConfig(task="style", val_fraction=0.25)
    train, val = load_tables(shards(tmp_path / "a", 400), config)
    # 400 draws with a chance of a quarter: five standard deviations of 8.7.
    assert abs(len(val) - 100) < 44 and sorted(names(train) + names(val)) == sorted(f"{i}.jpg" for i in range(400))
    assert (train.heads[0].name, train.heads[0].kind, train.heads[0].classes) == ("style", "independent", STYLES)
    # A photo stays on its side when others are added.
    more, more_val = load_tables(shards(tmp_path / "b", 500), config)
    assert set(names(train)) <= set(names(more)) and set(names(val)) <= set(names(more_val))
    assert names(load_tables(tmp_path / "a", replace(config, seed=1))[1]) != names(val)
    assert len(load_tables(tmp_path / "a", replace(config, val_fraction=0.5))[1]) > 150
    rows = np.random.default_rng(0).integers(0, 2, (400, len(STYLES)))
    target, _ = val.target(0, np.arange(len(val)))
    np.testing.assert_array_equal(target, rows[[int(name[:-4]) for name in names(val)]])


def test_styles_that_cannot_be_trained_on(tmp_path: Path):
    config = AttributeConfig(task="style", val_fraction=0.1)
    with pytest.raises(ValueError, match="have no labels: nothing to train on"):
        load_tables(shards(tmp_path / "bare", 9, labelled=False), config)
    with pytest.raises(ValueError, match=r"1 photos are too few for a validation fraction of 0\.1"):
        load_tables(shards(tmp_path / "one", 1), config)
    with pytest.raises(FileNotFoundError, match="no shards"):
        load_tables(tmp_path / "nowhere", config)


def test_products_have_their_own_two_lists(tmp_path: Path):
    for i in range(3):
        save_photo(tmp_path / "train" / f"{i}.jpg", i)
    (tmp_path / "train.txt").write_text("train/0.jpg 2\ntrain/1.jpg 0\n")
    (tmp_path / "val.txt").write_text("train/2.jpg 1\n")
    train, val = load_tables(tmp_path, AttributeConfig(task="product"))
    assert names(train) == ["train/0.jpg", "train/1.jpg"] and names(val) == ["train/2.jpg"]
    assert train.codes.tolist() == [[2], [0]] and train.heads == val.heads and len(train.heads[0].classes) == 3


def test_a_trained_classifier_keeps_its_classes(tmp_path: Path, caplog):
    (tmp_path / "train.txt").write_text("0.jpg 2\n1.jpg 0\n")
    (tmp_path / "val.txt").write_text("2.jpg 1\n")
    config = AttributeConfig(task="product")
    # More than the lists name, and by names that they do not tell.
    heads = (HeadSpec("product", "exclusive", ("shirt", "skirt", "coat", "hat", "bag")),)
    for table in AttributeTask(config, heads).parts(tmp_path):
        assert table.heads == heads and table.target(0, np.arange(1))[0].shape == (1, 5)
    few = (HeadSpec("product", "exclusive", ("shirt", "skirt")),)
    train, _ = AttributeTask(config, few).parts(tmp_path)
    assert list(train.photos.names) == ["1.jpg"]
    assert "train.txt:1: label '2'; expected a class, a whole number 0..1" in caplog.text


VOCABULARY = {
    "name": "hats",
    "categories": {"hat": {"keypoints": ["brim_left", "brim_right"]}},
    "attributes": {
        "brim": {"kind": "exclusive", "classes": ["none", "small", "wide"]},
        "crown_height": {"kind": "ordinal", "classes": ["flat", "high"]},
    },
}


def test_attributes_of_another_vocabulary_come_in_the_same_files(tmp_path: Path):
    rows = [(f"Images/{i}.jpg", "brim", "nny" if i % 2 else "ymn") for i in range(8)]
    for i in range(8):
        save_photo(tmp_path / "base" / "Images" / f"{i}.jpg", i)
    write_rows(tmp_path / "base" / "Annotations" / "label.csv", rows)
    config = AttributeConfig(vocabulary=vocabulary_from(VOCABULARY), val_fraction=0.25)
    train, val = load_tables(tmp_path, config)
    assert [head.name for head in train.heads] == ["brim", "crown_height"] and len(train) + len(val) == 8
    assert (train.codes[:, 1] == -1).all() and train.heads[1].kind == "ordinal"
    assert [head.name for head in load_tables(tmp_path, replace(config, task="brim"))[0].heads] == ["brim"]
    with pytest.raises(ValueError, match=r"label\.csv:1: unknown task 'brim_labels'; expected one of coat_length"):
        load_tables(tmp_path, ALL)
    write_rows(tmp_path / "base" / "Annotations" / "label.csv", [("Images/0.jpg", "brim", "nyn" * 2)])
    with pytest.raises(ValueError, match="6 letters; expected one for each of the 3 classes of brim_labels"):
        load_tables(tmp_path, config)


# ------------------------------------------------------------------------------------------------------------- crops


def test_photos_must_be_the_crops_that_are_asked_for(tmp_path: Path):
    question = tmp_path / "attributes" / "rank" / "Tests" / "question.csv"
    for path in (tmp_path, tmp_path / "attributes", question):
        check_crop(path, CropRule())
        for kind in ("heatmap", "keypoints", "cam"):
            with pytest.raises(ValueError, match=rf"are whole, .* make the crops first, .* --out DIR --crop {kind}"):
                check_crop(path, CropRule(kind))
    (tmp_path / "crops.json").write_text(json.dumps({"crop": "heatmap", "margin": 0.05}))
    for path in (tmp_path, tmp_path / "attributes", question):
        check_crop(path, CropRule("heatmap"))
        assert crop_rule_of(path) == CropRule("heatmap", 0.05, 0.2)
        for kind in ("image", "keypoints"):
            with pytest.raises(ValueError, match=f"are crops of kind heatmap, but the classifier is for kind {kind}"):
                check_crop(path, CropRule(kind))


def test_crops_of_another_margin_are_named_with_both(tmp_path: Path):
    write_labelled(tmp_path, {"skirt_length": 4})
    rule = {"kind": "heatmap", "margin": 0.25, "threshold": 0.2}
    (tmp_path / "crops.json").write_text(json.dumps({"crop": rule}))
    assert crop_rule_of(tmp_path) == CropRule("heatmap", 0.25, 0.2)
    with pytest.raises(
        ValueError, match=r"cropped with margin 0\.25 and threshold 0\.2, but the classifier is for margin 0\.05 and"
    ):
        check_crop(tmp_path, CropRule("heatmap"))
    with pytest.raises(ValueError, match=r"cropped with margin 0\.25"):
        AttributeTask(AttributeConfig(crop=CropRule("heatmap"))).parts(tmp_path)
    (tmp_path / "crops.json").write_text(json.dumps({"crop": {"kind": "heatmap"}}))
    with pytest.raises(ValueError, match=r"crops\.json does not name the rule of the crops"):
        crop_rule_of(tmp_path)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("all", "no FashionAI attribute files in "),
        ("skirt_length", "no FashionAI attribute files in "),
        ("style", "no shards in "),
        ("product", r"no train\.txt in "),
    ],
)
def test_a_folder_without_photos_is_not_said_to_have_whole_ones(tmp_path: Path, task: str, reason: str):
    heads = (HeadSpec("product", "exclusive", ("a", "b")),) if task == "product" else ()
    config = AttributeConfig(task=task, crop=CropRule("heatmap"))
    with pytest.raises(FileNotFoundError, match=reason):
        AttributeTask(config, heads).parts(tmp_path)
