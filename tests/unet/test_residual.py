import json
from pathlib import Path

import formula_weights
import keras
import numpy as np
import pytest
from parity import GOLDEN, kept, outputs, shapes_of
from parity_table import PUBLISHED, deviations, measured_times
from small_residuals import SMALL

from aifashion.config import BACKBONE_NETWORKS
from aifashion.unet.backbones import BACKBONES, WeightsError, build_backbone
from aifashion.unet.backbones.classifiers import CLASSIFIERS, build_classifier_backbone
from aifashion.unet.backbones.conversion import load_state
from aifashion.unet.backbones.residual import RESIDUAL, build_residual
from aifashion.unet.backbones.torch_layers import GroupedConv
from aifashion.unet.keypoint_net import NETWORKS

REFERENCES = json.loads(GOLDEN.read_text())
OF_EACH_KIND = (
    "resnet18d",
    "resnext50_32x4d",
    "resnest50d",
    "res2net50_26w_4s",
    "iresnet50",
    "legacy_seresnext50_32x4d",
)


def test_the_names():
    assert set(RESIDUAL) <= set(BACKBONES) and set(RESIDUAL) <= set(CLASSIFIERS)
    # Those of the configuration are written down there, since it is read without Keras.
    assert set(BACKBONE_NETWORKS) | {"v11", "resnet50", "lite"} == set(NETWORKS)
    # No name says two things: networks of keras.applications keep theirs.
    assert not {name for name in RESIDUAL if name.lower() in {a.lower() for a in dir(keras.applications)}}


def test_every_network_was_compared_and_has_the_published_size():
    assert set(REFERENCES) == set(RESIDUAL) == set(PUBLISHED)
    for name, found in REFERENCES.items():
        assert found["facts"]["error"] < 1e-4 and not deviations(name, found["facts"]), name


@pytest.mark.parametrize("name", ["resnet18d", *(pytest.param(n, marks=pytest.mark.slow) for n in OF_EACH_KIND[1:])])
def test_outputs_are_those_of_the_reference_in_pytorch(name):
    net = build_residual(name, (None, None, 3))
    state = formula_weights.state(shapes_of(name, net))
    load_state(net, name, state, "the formula")
    for side in formula_weights.SIZES:
        for key, found in outputs(name, net, state, side).items():
            expected, own = REFERENCES[name]["outputs"][f"{side}/{key}"], kept(found)
            assert own["shape"] == expected["shape"], key
            for number in ("mean", "deviation", "largest", "values"):
                tolerance = 1e-4 * expected["largest"]
                np.testing.assert_allclose(
                    own[number], expected[number], 0, tolerance, err_msg=f"{side}/{key} {number}"
                )


@pytest.mark.parametrize("kind", SMALL)
def test_strides(kind, monkeypatch):
    monkeypatch.setitem(RESIDUAL, kind, SMALL[kind])
    outputs = build_residual(kind, (64, 96, 3)).output
    strides = {"P2": 4, "P3": 8, "P4": 16, "P5": 32}
    assert {level: x.shape[1:3] for level, x in outputs.items()} == {
        level: (64 // stride, 96 // stride) for level, stride in strides.items()
    }


def test_both_stages_have_the_same_backbone():
    """The weights of a keypoint network's backbone are in the order of the classifier's."""
    pyramid, classifier = build_backbone("resnet18_torch", (64, 64, 3)), build_classifier_backbone("resnet18_torch")
    assert pyramid.name == "resnet18_torch_backbone" and classifier.name == "backbone"
    assert [w.path for w in pyramid.weights] == [w.path for w in classifier.weights]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "efficientnetb0"])
def test_pyramids_of_keras_applications(name):
    pyramid = build_backbone(name, (64, 96, 3))
    assert {level: x.shape[1:3] for level, x in pyramid.output.items()} == {
        "P2": (16, 24),
        "P3": (8, 12),
        "P4": (4, 6),
        "P5": (2, 3),
    }
    classifier = build_classifier_backbone(name)
    assert [w.shape for w in pyramid.weights] == [w.shape for w in classifier.weights]


@pytest.mark.parametrize("name", ["resnet50d", "iresnet50"])
def test_there_are_no_imagenet_weights_in_keras(name):
    with pytest.raises(WeightsError, match=rf"no weights of {name}: give --weights a checkpoint .* hf://timm/{name}"):
        build_backbone(name, (64, 64, 3), "imagenet")


def test_a_checkpoint_for_a_network_of_keras_applications():
    path = Path(__file__).with_name("nothing.pth")
    with pytest.raises(WeightsError, match="no weights file at"):
        build_backbone("lite", (64, 64, 3), path)


# --------------------------------------------------------------------------------------------- grouped convolutions


@pytest.mark.parametrize(("groups", "channels", "filters"), [(2, 4, 8), (32, 128, 128), (64, 256, 128), (4, 128, 64)])
@pytest.mark.parametrize("stride", [1, 2])
def test_grouped_convolution_is_that_of_every_group(groups, channels, filters, stride):
    layer = GroupedConv(filters, 3, strides=stride, groups=groups, use_bias=False, padding="valid")
    x = np.random.default_rng(0).normal(size=(2, 9, 8, channels)).astype(np.float32)
    found = np.asarray(layer(x))
    kernel = np.asarray(layer.kernel)
    assert kernel.shape == (3, 3, channels // groups, filters)
    parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    expected = np.concatenate([np.asarray(keras.ops.conv(a, b, strides=stride)) for a, b in parts], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_grouped_convolution_learns():
    import tensorflow as tf

    layer = GroupedConv(64, 3, groups=32, padding="same")
    x = tf.random.normal((1, 4, 4, 64))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value)
    assert gradient.shape == layer.kernel.shape and np.isfinite(gradient).all() and np.abs(gradient).min() > 0


def test_the_table_tells_the_last_times_that_were_measured(tmp_path):
    rows = [("resnet18d", "Keras", 2), ("resnet18d", "runtime", 0.25), ("resnet18d", "Keras", 1.129)]
    lines = [f'backbone_forward,"{name}, 224 px: {mode} by PyTorch",{value}\n' for name, mode, value in rows]
    lines += ['backbone_forward,"resnet18d, 224 px: graph",77\n', 'peers,"resnet34d, 224 px: Keras by PyTorch",1\n']
    (tmp_path / "results.csv").write_text("".join(["benchmark,case,value\n", *lines]))
    assert measured_times(tmp_path / "results.csv") == {"resnet18d": ["1.13", "0.25"]}
