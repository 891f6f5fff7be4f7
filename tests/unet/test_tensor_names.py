import pytest

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.tensor_names import (
    is_known,
    known_prefix,
    nearest,
    prefix_of,
    without_prefix,
    without_wrappers,
)

WANTED = {"conv1.weight", "bn1.bias", "layer1.0.conv1.weight"}


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["module.a", "module.b"], "module."),
        (["module.model.a", "module.b"], "module."),
        (["module.a", "b"], ""),
        (["model.backbone.a", "model.backbone.b.c"], "model.backbone."),
        (["modules.a", "modules.b"], ""),
        ([], ""),
    ],
)
def test_known_prefixes_of_all_names(names, prefix):
    assert known_prefix(names) == prefix


@pytest.mark.parametrize("prefix", ["", "module.", "student.cnn.", "a.", "conv1.weight."])
def test_the_prefix_behind_which_the_wanted_tensors_are(prefix):
    names = [f"{prefix}{name}" for name in WANTED]
    assert prefix_of([*names, "head.weight", "module.head.weight"], WANTED) == prefix


def test_without_more_behind_a_prefix_there_is_none():
    assert prefix_of([*WANTED, *(f"model.{name}" for name in WANTED)], WANTED) == ""
    assert prefix_of(["x", "y.z"], WANTED) == ""
    assert prefix_of([*(f"b.{name}" for name in WANTED), "a.conv1.weight"], WANTED) == "b."


def test_names_after_it_was_taken_off():
    assert without_prefix({"m.a": 1, "b": 2}, "m.") == {"a": 1, "b": 2}
    with pytest.raises(WeightsError, match="two tensors are called a once"):
        without_prefix({"m.a": 1, "a": 2}, "m.")
    assert without_wrappers({"_orig_mod.a._orig_mod.b": 1}) == ({"a.b": 1}, ["_orig_mod."])


def test_what_is_known():
    assert is_known("module._orig_mod.backbone.") and not is_known("student.") and not is_known("")


def test_the_nearest_names():
    assert nearest("ResNet50", ["resnet50d", "vgg", "resnest50d"]) == "nearest are resnet50d, resnest50d"
    assert nearest("x", ["resnet50d", "vgg"]) == "expected one of resnet50d, vgg"
