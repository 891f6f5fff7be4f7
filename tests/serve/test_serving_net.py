import numpy as np
import pytest
from small_networks import CONFIG, HEADS, TEMPERATURES, some_images

from aifashion.eval.heads import head_probabilities
from aifashion.eval.tta import with_flip
from aifashion.serve.serving_net import attribute_serving_net, keypoint_serving_net
from aifashion.unet.predictors import attribute_predictor, keypoint_predictor

TWINS = CONFIG.vocabulary.twins


@pytest.mark.parametrize("flip", [False, True])
def test_keypoints_heatmaps_and_odds_are_those_of_the_network(keypoint_net, flip):
    serving = keypoint_serving_net(keypoint_net, CONFIG.codec, "dark", TWINS, flip)
    images = some_images(64)
    predict = keypoint_predictor(keypoint_net)
    heatmaps, probabilities = (with_flip(predict, TWINS) if flip else predict)(images)
    mask = np.ones((3, 24), np.float32)
    mask[1, 4:] = 0
    told = serving.predict_on_batch({"image": images, "mask": mask})
    np.testing.assert_allclose(told["heatmaps"], heatmaps * mask[:, None, None], atol=2e-5)
    np.testing.assert_allclose(told["category"], probabilities, atol=1e-5)
    xy, peaks = CONFIG.codec.decode(heatmaps, "dark")
    np.testing.assert_allclose(told["keypoints"][mask > 0][:, :2], xy[mask > 0], atol=5e-3)
    np.testing.assert_allclose(told["keypoints"][..., 2], peaks * mask, atol=2e-5)


def test_a_network_of_one_category_is_sure_of_it(keypoint_net):
    import keras

    alone = keras.Model(keypoint_net.input, {"refined": keypoint_net.output["refined"]})
    serving = keypoint_serving_net(alone, CONFIG.codec, "argmax", TWINS)
    told = serving.predict_on_batch({"image": some_images(64), "mask": np.ones((3, 24), np.float32)})
    np.testing.assert_array_equal(told["category"], np.ones((3, 1)))


@pytest.mark.parametrize("flip", [False, True])
def test_probabilities_of_every_kind_of_head_are_calibrated(attribute_net, flip):
    serving = attribute_serving_net(attribute_net, HEADS, 32, TEMPERATURES, flip)
    images, predict = some_images(32), attribute_predictor(attribute_net)
    told = serving.predict_on_batch({"image": images})
    views = [predict(images), *([predict(images[:, :, ::-1])] if flip else [])]
    for head in HEADS:
        temperature = np.array(TEMPERATURES.get(head.name, 1.0))
        expected = np.mean([head_probabilities(head, view[head.name], temperature) for view in views], axis=0)
        np.testing.assert_allclose(told[head.name], expected, atol=1e-5)
        logits = np.mean([view[head.name] for view in views], axis=0)
        np.testing.assert_allclose(told[f"logits_{head.name}"], logits, atol=1e-4)


def test_features_are_those_of_the_image_itself(attribute_net):
    images = some_images(32)
    told = attribute_serving_net(attribute_net, HEADS, 32, {}, flip=True, features=True).predict_on_batch(
        {"image": images}
    )
    kernel, bias = attribute_net.get_layer("head_colour").get_weights()
    logits = told["features"].mean(axis=(1, 2)) @ kernel + bias
    np.testing.assert_allclose(logits, attribute_predictor(attribute_net)(images)["colour"], atol=1e-3)
