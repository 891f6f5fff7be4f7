"""The models that a run folder keeps."""

import json

import keras
import numpy as np
import pytest

from aifashion.unet.runs import (
    RunError,
    best_model,
    load_weights,
    save_model,
)
from run_parts import (
    change,
    cut,
    epochs_kept,
    files_in,
    full_disk,
    no_warning,
    save_epochs,
    tiny_net,
)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([9.5, 10.0, 11.0], 1),  # as text, 10.0 comes before 9.5
        ([10.0, 9.5, 11.0], 2),
        ([2e-05, 0.5, 0.1], 1),
        ([float("nan"), 0.9, 1.2], 2),
        ([0.3, float("nan"), 0.4], 1),
        ([0.4, 0.3, 0.3], 3),  # of equal ones the later
        ([float("inf"), float("nan"), float("nan")], 1),
    ],
)
def test_the_best_model_has_the_lowest_number(tmp_path, net, scores, best):
    save_epochs(tmp_path, net, scores)
    found = best_model(tmp_path, no_warning)
    assert (found.epoch, found.path.name) == (best, f"epoch_{best:03d}.weights.h5")
    assert found.score == scores[best - 1]
    listed = json.loads((tmp_path / "best.json").read_text())
    assert (listed["epoch"], listed["file"]) == (best, found.path.name)
    load_weights(net, found.path)
    assert np.unique(net.get_weights()[0]).tolist() == [best]


@pytest.mark.parametrize(("keep", "kept"), [(0, [2]), (1, [2, 6]), (3, [2, 4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])])
def test_the_best_and_the_last_models_are_kept(tmp_path, net, keep, kept):
    save_epochs(tmp_path, net, [0.5, 0.1, 0.4, 0.3, 0.2, 0.6], keep)
    assert epochs_kept(tmp_path) == kept


def test_a_better_model_takes_the_place_of_the_best(tmp_path, net):
    save_epochs(tmp_path, net, [0.2, 0.5, 0.4, 0.1], keep=1)
    assert epochs_kept(tmp_path) == [4]


def test_epochs_that_are_trained_again_replace_what_came_of_them(tmp_path, net):
    save_epochs(tmp_path, net, [0.5, 0.1, 0.4], keep=5)
    net.set_weights([np.full(weight.shape, 7.0) for weight in net.weights])
    save_model(tmp_path, net, 2, 0.6, keep=5)  # resumed from a state of epoch 2
    assert epochs_kept(tmp_path) == [1, 2]
    assert best_model(tmp_path, no_warning).epoch == 1
    load_weights(net, best_model(tmp_path, no_warning, epoch=2).path)
    assert net.get_weights()[0][0, 0] == 7


def test_a_damaged_best_model_is_passed_over_with_a_word(tmp_path, net):
    save_epochs(tmp_path, net, [0.1, 0.3, 0.2], keep=3)
    warnings: list[str] = []
    change(tmp_path / "models" / "epoch_001.weights.h5")
    assert best_model(tmp_path, warnings.append).epoch == 3
    assert len(warnings) == 1 and "epoch_001.weights.h5 is damaged" in warnings[0]
    (tmp_path / "models" / "epoch_003.weights.h5").unlink()
    assert best_model(tmp_path, warnings.append).epoch == 2
    cut(tmp_path / "models" / "epoch_002.weights.h5")
    told = len(warnings)
    with pytest.raises(RunError, match=r"no intact model: .*epoch_001.* is damaged .*; .*_003.* is missing; .*_002"):
        best_model(tmp_path, warnings.append)
    assert len(warnings) == told + 2  # there is nothing to fall back to for the last


def test_the_only_model_is_damaged(tmp_path, net):
    save_epochs(tmp_path, net, [0.1], keep=1)
    path = tmp_path / "models" / "epoch_001.weights.h5"
    change(path)
    message = rf"no intact model: {path} is damaged \(its sha256 does not match\)\. Restore a file from a copy"
    with pytest.raises(RunError, match=message):
        best_model(tmp_path, no_warning)
    path.unlink()
    with pytest.raises(RunError, match=rf"no intact model: {path} is missing\. Restore a file"):
        best_model(tmp_path, no_warning)


def test_the_model_of_a_certain_epoch_is_damaged(tmp_path, net):
    save_epochs(tmp_path, net, [0.1, 0.2], keep=2)
    change(tmp_path / "models" / "epoch_002.weights.h5")
    with pytest.raises(RunError, match=r"no intact model of epoch 2: .* from a copy, or name another --epoch \(1\)"):
        best_model(tmp_path, no_warning, epoch=2)


def test_a_certain_epoch(tmp_path, net):
    save_epochs(tmp_path, net, [0.1, 0.3, 0.2, 0.4], keep=1)
    assert best_model(tmp_path, no_warning, epoch=4).score == 0.4
    with pytest.raises(RunError, match=r"keeps no model of epoch 3; it has those of epochs \[1, 4\]"):
        best_model(tmp_path, no_warning, epoch=3)


def test_no_model_yet(tmp_path):
    with pytest.raises(RunError, match="no usable model yet: train it for at least one epoch"):
        best_model(tmp_path, no_warning)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_disk_that_fills_up_leaves_the_models_before(tmp_path, net, monkeypatch, writes):
    save_epochs(tmp_path, net, [0.2, 0.3])
    with monkeypatch.context() as patch:
        full_disk(patch, writes)
        with pytest.raises(OSError, match="No space left on device"):
            save_model(tmp_path, net, 3, 0.1, keep=2)
    assert best_model(tmp_path, no_warning).epoch == 1
    assert not [name for name in files_in(tmp_path / "models") if name.startswith(".")]


def test_weights_of_another_network(tmp_path, net):
    path = tmp_path / "other.weights.h5"
    tiny_net(units=3).save_weights(path)
    with pytest.raises(RunError, match=r"other\.weights\.h5 does not fit tiny: .*another network or set of categories"):
        load_weights(net, path)
    path.write_text("no HDF5")
    with pytest.raises(RunError, match="does not fit tiny"):
        load_weights(net, path)
    with pytest.raises(RunError, match=r"no weights file at .*nowhere\.weights\.h5$"):
        load_weights(net, tmp_path / "nowhere.weights.h5")


def test_epochs_without_a_score_are_json_and_agree_on_the_best(tmp_path):
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for epoch in (1, 2):
        save_model(tmp_path, net, epoch, float("nan"), keep=3)
    best = json.loads((tmp_path / "best.json").read_text())
    found = best_model(tmp_path, pytest.fail)
    assert best["score"] is None and best["epoch"] == found.epoch == 2 and np.isnan(found.score)
    save_model(tmp_path, net, 3, 0.5, keep=3)
    assert best_model(tmp_path, pytest.fail).epoch == 3
