import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.records import HeadSpec
from aifashion.unet.attribute_net import build_attribute_net
from aifashion.unet.backbones import WeightsError, classifiers
from aifashion.unet.backbones.applications import FAMILIES, NORMALISATION, normalised
from aifashion.unet.backbones.classifiers import CLASSIFIERS, build_classifier_backbone
from aifashion.unet.backbones.published import PUBLISHED
from aifashion.unet.weight_average import WeightAverage

SMALL = ("lite", "mobilenetv3small")
# Others differ from one of these in depth or width alone.
OF_EACH_KIND = [
    *("resnet50", "vgg16", "resnet50v2", "inceptionv3", "inceptionresnetv2", "xception", "mobilenet", "mobilenetv2"),
    *("densenet121", "efficientnetb0", "efficientnetv2b0", "convnexttiny"),
]
OF_EACH_FAMILY = ["resnet50", "mobilenetv2", "densenet121", "efficientnetb0", "mobilenetv3small"]
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def photos(count: int = 2, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size[1], size[0], 3)).astype(np.float32)


def application_of(name: str):
    """The name and the function in keras.applications, and its module, which has `preprocess_input`."""
    (application,) = (full for full in NORMALISATION if full.lower() == name)
    make = getattr(keras.applications, application)
    return application, make, sys.modules[make.__module__]


APPLICATIONS = [name.lower() for name in NORMALISATION]


def test_the_menu():
    assert set(CLASSIFIERS) == {"lite", *APPLICATIONS, *PUBLISHED}
    assert len(NORMALISATION) == sum(map(len, FAMILIES.values()))  # none in two families
    for wanted in ("resnet152v2", "inceptionv3", "xception", "densenet201", "efficientnetb7", "vgg16"):
        assert wanted in CLASSIFIERS


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in OF_EACH_KIND)])
def test_models_build_for_any_size(name):
    backbone = build_classifier_backbone(name)
    assert backbone.name == "backbone" and backbone.input.shape == (None, None, None, 3)
    batch, height, width, features = backbone.output.shape
    assert (batch, height, width) == (None, None, None) and features >= 160
    if name in SMALL:
        for size, cells in (((64, 64), (2, 2)), ((96, 160), (5, 3))):
            assert backbone(photos(1, size)).shape == (1, *cells, features)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_models_take_a_training_step(name):
    backbone = build_classifier_backbone(name)
    assert np.isfinite(backbone(photos(2, (96, 96)), training=True)).all()
    average = WeightAverage(backbone, 0.999)
    average.update(WeightAverage.every)
    average.swap()


def test_an_unknown_model():
    with pytest.raises(ValueError, match="unknown model 'resnet51'; expected one of lite, resnet50, resnet101"):
        build_classifier_backbone("resnet51")


# ------------------------------------------------------------------------------------------------- the normalisation


@pytest.mark.parametrize("application", NORMALISATION)
def test_inputs_are_normalised_as_keras_applications_does(application):
    image = photos()
    found = keras.ops.convert_to_numpy(normalised(keras.ops.convert_to_tensor(image), application))
    module = sys.modules[getattr(keras.applications, application).__module__]
    expected = module.preprocess_input(image.copy())
    if NORMALISATION[application] == "efficientnet":
        # The network subtracts the mean and divides by the deviation. Its published weights want that divided by the
        # root of the deviation, which keras.applications adds within the network, where it fetches them.
        assert (expected == image).all()
        found, expected = (found / 255 - MEAN) / DEVIATION, (image / 255 - MEAN) / DEVIATION / np.sqrt(DEVIATION)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-4)


def published(name: str, folder: Path) -> Path:
    """A weights file such as keras.applications fetches, with uneven weights."""
    _, make, _ = application_of(name)
    body = make(include_top=False, weights=None, input_shape=(None, None, 3))
    rng = np.random.default_rng(1)
    # A fresh network has means of 0 and variances of 1, whichever layer they are loaded into.
    body.set_weights([w * rng.uniform(0.8, 1.2, w.shape) + (w.ndim == 1) * 0.01 for w in body.get_weights()])
    for layer in body.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.set_weights([MEAN, DEVIATION**2, np.array(0)])
    path = folder / f"{name}.weights.h5"
    body.save_weights(path)
    return path


def fetching(monkeypatch, name: str, answer) -> None:
    _, _, module = application_of(name)
    monkeypatch.setattr(f"{module.__name__}.file_utils.get_file", answer)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_FAMILY)
def test_features_are_those_of_the_application(name, tmp_path, monkeypatch):
    path = published(name, tmp_path)
    fetching(monkeypatch, name, lambda *args, **kwargs: str(path))
    _, make, module = application_of(name)
    reference = make(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    image = photos(1, (224, 224))
    expected = np.asarray(reference(module.preprocess_input(image.copy()), training=False))
    fetched, from_file = build_classifier_backbone(name, "imagenet"), build_classifier_backbone(name, path)
    # A resumed run gets its weights one by one, into a network that started at random.
    restored = build_classifier_backbone(name)
    for variable, weight in zip(restored.weights, fetched.weights, strict=True):
        variable.assign(weight)
    for backbone in (fetched, from_file, restored):
        np.testing.assert_allclose(backbone(image, training=False), expected, 1e-3, 1e-4 * np.abs(expected).max())


# ------------------------------------------------------------------------------------------------------- the weights


def test_imagenet_weights_that_cannot_be_fetched(monkeypatch):
    def make(include_top, weights, input_shape):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://example.org/x.h5: None -- [Errno -3] no name\nmore")
        return keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(2, 3)], name="Xception")

    monkeypatch.setattr(keras.applications, "Xception", make)
    with pytest.raises(WeightsError) as caught:
        build_classifier_backbone("xception", "imagenet")
    assert str(caught.value) == (
        "the ImageNet weights of Xception could not be fetched "
        "(URL fetch failure on https://example.org/x.h5: None -- [Errno -3] no name)"
    )


def test_weights_that_do_not_fit(tmp_path):
    path = tmp_path / "dense.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(WeightsError, match=r"dense\.weights\.h5 does not fit lite_backbone"):
        build_classifier_backbone("lite", path)
    with pytest.raises(WeightsError, match="no ImageNet weights"):
        build_classifier_backbone("lite", "imagenet")


def test_the_backbone_of_a_user_in_the_documentation(monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "backbones_use.md").read_text(encoding="utf-8")
    (code,) = (block.partition("```")[0] for block in text.split("```python\n")[1:] if "def build_mine" in block)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", dict(classifiers.CLASSIFIERS))
    exec(code, vars(classifiers))
    heads = [HeadSpec("length", "ordinal", ("short", "knee", "long"))]
    outputs = build_attribute_net("mine", heads)({"image": photos(3, (96, 64))})
    assert outputs["length"].shape == (3, 2)
    assert len(code.strip().splitlines()) <= 12
