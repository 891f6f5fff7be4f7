import csv
import errno
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from rich.console import Console

from aifashion.unet import training
from aifashion.unet.normalization import IMAGENET, InputNormalization, InputStatistics, input_layers
from aifashion.unet.optimizers import adamw, warmup_cosine
from aifashion.unet.runs import RunError, best_model
from aifashion.unet.training import Schedule, fit

STEPS, EPOCHS = 5, 3
WANTED = np.array([[2.0], [-1.0], [0.5]], np.float32)


def tiny_net(width: int = 4) -> keras.Model:
    """With all that a step can depend on: batch statistics and the state of a random generator."""
    keras.utils.set_random_seed(3)
    image = keras.Input((3,), name="image")
    x = keras.layers.Dense(width, use_bias=False, name="inner")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    return keras.Model({"image": image}, {"y": keras.layers.Dense(1, name="outer")(x)}, name="tiny")


def batches(epoch: int, first_step: int) -> Iterator[dict[str, np.ndarray]]:
    """Of a linear function; batch s of epoch e is the same at every call."""
    for step in range(first_step, STEPS):
        x = np.random.default_rng([epoch, step]).normal(size=(8, 3)).astype(np.float32)
        yield {"image": x, "y": x @ WANTED}


def objective(targets, outputs) -> dict:
    error = targets["y"] - outputs["y"]
    return {"square": keras.ops.mean(error**2), "size": 0.01 * keras.ops.mean(keras.ops.abs(outputs["y"]))}


def error_of(net: keras.Model) -> float:
    x = np.random.default_rng(99).normal(size=(64, 3)).astype(np.float32)
    return float(np.mean((net.predict_on_batch({"image": x})["y"] - x @ WANTED) ** 2))


def describe(row: dict) -> str:
    return f"epoch {row['epoch']} {row['score']!r}\n"


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


class Stop(Exception):
    """In place of a kill."""


def train(
    run: Path,
    *,
    net: keras.Model | None = None,
    feed: Callable = batches,
    validate: Callable[[keras.Model], dict] | None = None,
    resume: bool = False,
    **schedule,
) -> tuple[keras.Model, list[dict], str]:
    """The network, the history and what was printed. Every call builds all anew, as a new process would."""
    run.mkdir(exist_ok=True)
    net = net or tiny_net()
    stream = io.StringIO()
    history = fit(
        net,
        objective,
        ["square", "size"],
        adamw(warmup_cosine(0.1, 3, EPOCHS * STEPS), 1e-4, 10.0),
        feed,
        lambda: (validate or (lambda net: {"score": error_of(net), "other": 0.5}))(net),
        run,
        Schedule(**{"epochs": EPOCHS, "steps": STEPS, "save_every": 2, **schedule}),
        Console(file=stream, width=200),
        ema=0.9,
        inputs=("image",),
        describe=describe,
        resume=resume,
    )
    return net, history, stream.getvalue()


def newest_state(run: Path) -> dict[str, np.ndarray]:
    """By group and place: Keras numbers the rest of the names through the process."""
    entry = json.loads((run / "states" / "index.json").read_text())[-1]
    arrays = safetensors.numpy.load_file(run / "states" / entry["file"])
    return {name[: name.index("/") + 5]: arrays[name] for name in sorted(arrays)}


def check_same_run(run: Path, other: Path) -> None:
    """Bit by bit: every array of the last state, the models kept and the logs."""
    first, second = newest_state(run), newest_state(other)
    assert list(first) == list(second)
    for place in first:
        assert first[place].tobytes() == second[place].tobytes(), place
    for name in ("history.csv", "val.log", "best.json"):
        assert (run / name).read_text() == (other / name).read_text()
    epochs = [[entry["epoch"] for entry in json.loads((r / "models" / "index.json").read_text())] for r in (run, other)]
    assert epochs[0] == epochs[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("whole")
    train(run)
    return run


# One run


def test_training_lowers_the_error_and_writes_the_run_folder(tmp_path):
    start = error_of(tiny_net())
    run = tmp_path / "run"
    net, history, _ = train(run)
    assert history[-1]["score"] < 0.5 * start
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert list(history[0]) == ["epoch", "learning_rate", "square", "size", "score", "other"]
    assert history[-1]["learning_rate"] == pytest.approx(0.001)  # a hundredth of the peak
    with (run / "history.csv").open(newline="") as file:
        assert [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)] == history
    assert (run / "val.log").read_text() == "".join(describe(row) for row in history)
    names = {path.name for path in run.iterdir()}
    assert names == {"history.csv", "val.log", "best.json", "states", "models", "tensorboard"}
    assert len(list((run / "states").glob("*.safetensors"))) == 2
    assert len(list((run / "tensorboard").iterdir())) == 1
    best = best_model(run, pytest.fail)
    assert best.score == min(row["score"] for row in history)
    # The file holds the averaged weights that were scored; the network goes on with its own.
    other = tiny_net()
    other.load_weights(best.path)
    assert error_of(other) == best.score != error_of(net)


def test_the_losses_of_the_history_are_means_over_the_epoch(tmp_path):
    image = keras.Input((3,), name="image")
    net = keras.Model({"image": image}, {"y": keras.layers.Dense(1)(image)})
    steps = list(batches(1, 0))
    outputs = [net.predict_on_batch({"image": batch["image"]})["y"] for batch in steps]
    expected = [float(np.mean((batch["y"] - y) ** 2)) for batch, y in zip(steps, outputs, strict=True)]
    (row,) = fit(
        net,
        objective,
        ["square", "size"],
        adamw(1e-12, 0.0, 0.0),
        batches,
        lambda: {"score": 0.0},
        tmp_path,
        Schedule(1, STEPS),
        Console(file=io.StringIO()),
        inputs=("image",),
    )
    assert row["square"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert abs(expected[-1] - row["square"]) > 0.01


def test_the_score_is_that_of_the_averaged_weights(tmp_path):
    seen = []

    def validate(net: keras.Model) -> dict:
        seen.append([np.array(weight) for weight in net.get_weights()])
        return {"score": 1.0 / len(seen)}

    net, _, _ = train(tmp_path / "run", validate=validate)
    best = tiny_net()
    best.load_weights(best_model(tmp_path / "run", pytest.fail).path)
    for saved, scored in zip(best.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(saved, scored)
    assert not np.array_equal(net.get_weights()[0], seen[-1][0])


def test_a_training_of_few_steps_moves_what_it_keeps(tmp_path):
    start = tiny_net().get_weights()
    run = tmp_path / "run"
    train(run, epochs=1, steps=3)
    kept = tiny_net()
    kept.load_weights(best_model(run, pytest.fail).path)
    assert not np.array_equal(kept.get_weights()[0], start[0])


@pytest.mark.parametrize("schedule", [{"epochs": 0}, {"steps": 0}, {"save_every": 0}, {"keep_models": -1}])
def test_schedules_that_make_no_sense(schedule):
    with pytest.raises(ValueError, match=r"nothing to train|at least 1 step"):
        Schedule(**{"epochs": 1, "steps": 1, **schedule})


# Stopped and resumed


def stopped_feed(epoch: int, step: int) -> Callable:
    """Stops instead of giving batch `step` of `epoch`."""

    def feed(of_epoch: int, first_step: int):
        for number, batch in enumerate(batches(of_epoch, first_step), start=first_step):
            if (of_epoch, number) == (epoch, step):
                raise Stop
            yield batch

    return feed


def stop_at_call(monkeypatch: pytest.MonkeyPatch, name: str, number: int, after: bool) -> None:
    """Stops before or after the call `number`, counted from 1, of a function that `fit` uses."""
    real, calls = getattr(training, name), []

    def stopping(*args, **kwargs):
        calls.append(name)
        if len(calls) < number or after:
            real(*args, **kwargs)
        if len(calls) == number:
            raise Stop

    monkeypatch.setattr(training, name, stopping)


def resumed(run: Path) -> str:
    """Goes on from a start that differs in every weight, so that nothing but the state can make it the same."""
    net = tiny_net()
    keras.utils.set_random_seed(4)
    net.set_weights([np.full(weight.shape, 0.25) for weight in net.weights])
    for variable in net.variables:
        if variable.dtype == "uint32":  # the dropout's random generator
            variable.assign(np.full(variable.shape, 77, np.uint32))
    return train(run, net=net, resume=True)[2]


@pytest.mark.parametrize(
    ("epoch", "step", "state"), [slow(1, 0, (1, 0)), (1, 3, (1, 2)), slow(2, 0, (2, 0)), slow(3, 4, (3, 4))]
)
def test_stopped_while_training(tmp_path, whole, epoch, step, state):
    run = tmp_path / "run"
    with pytest.raises(Stop):
        train(run, feed=stopped_feed(epoch, step))
    assert f"Resumed {run} at epoch {state[0]}, step {state[1]}." in resumed(run)
    check_same_run(run, whole)


@pytest.mark.slow
def test_stopped_while_validating_and_again_later(tmp_path, whole):
    run, scores = tmp_path / "run", []

    def validate(net: keras.Model) -> dict:
        scores.append(error_of(net))
        if len(scores) == 2:
            raise Stop
        return {"score": scores[-1], "other": 0.5}

    with pytest.raises(Stop):
        train(run, validate=validate)
    with pytest.raises(Stop):
        train(run, feed=stopped_feed(3, 1), resume=True)
    resumed(run)
    check_same_run(run, whole)


@pytest.mark.parametrize(
    ("name", "number", "after"),
    [
        slow("save_state", 1, False),  # nothing is kept: it starts from the beginning
        slow("save_state", 4, False),  # the model of the epoch is there, its state is not
        slow("save_model", 2, True),
        ("write_history", 3, False),  # the state is there, the logs are of the epoch before
    ],
)
def test_stopped_while_saving(tmp_path, whole, monkeypatch, name, number, after):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at_call(patch, name, number, after)
        with pytest.raises(Stop):
            train(run)
    if number == 1:
        train(run, resume=True)
    else:
        resumed(run)
    check_same_run(run, whole)


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(tmp_path, whole):
    run = tmp_path / "run"
    _, history, _ = train(run)
    (run / "history.csv").unlink()
    _, again, _ = train(run, resume=True)
    assert again == history
    check_same_run(run, whole)


@pytest.mark.slow
def test_a_damaged_state_costs_only_the_steps_since_the_one_before(tmp_path, whole):
    run = tmp_path / "run"
    with pytest.raises(Stop):
        train(run, feed=stopped_feed(2, 3))
    newest = run / "states" / json.loads((run / "states" / "index.json").read_text())[-1]["file"]
    newest.write_bytes(newest.read_bytes()[:100])
    text = resumed(run)
    assert "is missing or damaged" in text and "at epoch 2, step 0." in text
    check_same_run(run, whole)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_state(tmp_path, whole):
    run = tmp_path / "run"

    def feed(epoch: int, first_step: int):
        for step, batch in enumerate(batches(epoch, first_step), start=first_step):
            yield {**batch, "y": batch["y"] * np.nan} if (epoch, step) == (2, 3) else batch

    with pytest.raises(FloatingPointError, match=r"epoch 2, step 4.*smaller --learning-rate"):
        train(run, feed=feed)
    assert all(np.isfinite(array).all() for array in newest_state(run).values())
    resumed(run)
    check_same_run(run, whole)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_keeps_its_state(tmp_path, whole, monkeypatch):
    run, real, calls = tmp_path / "run", training.save_state, []

    def save_state(*args) -> None:
        calls.append(args)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_state", save_state)
        with pytest.raises(OSError, match="No space left"):
            train(run)
    resumed(run)
    check_same_run(run, whole)


def test_the_state_of_another_network_is_refused(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Stop):
        train(run, feed=stopped_feed(1, 3))
    with pytest.raises(RunError, match="belongs to another network or optimizer"):
        train(run, net=tiny_net(width=5), resume=True)


def normalising_net() -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((3,), name="image")
    x = InputNormalization(name="normalise")(image)
    return keras.Model({"image": image}, {"y": keras.layers.Dense(1, name="outer")(x)}, name="tiny")


@pytest.mark.parametrize("older", [False, True])
def test_a_state_keeps_how_the_input_is_normalised(tmp_path, older):
    """States of before have nothing of it, and were all of networks with the statistics of ImageNet."""
    run, started = tmp_path / "run", normalising_net()
    if not older:
        next(input_layers(started)).assign(InputStatistics((0.5,) * 3, (0.25,) * 3))
    with pytest.raises(Stop):
        train(run, net=started, feed=stopped_feed(1, 3))
    index = run / "states" / "index.json"
    entry = json.loads(index.read_text())[-1]
    state = run / "states" / entry["file"]
    with safetensors.safe_open(state, framework="numpy") as file:
        progress = file.metadata()
    arrays = safetensors.numpy.load_file(state)
    assert sum(name.startswith("input/") for name in arrays) == 2
    if older:
        data = safetensors.numpy.save({n: a for n, a in arrays.items() if not n.startswith("input/")}, progress)
        state.write_bytes(data)
        index.write_text(json.dumps([entry | {"sha256": hashlib.sha256(data).hexdigest()}]))
    resumed_net, _, _ = train(run, net=normalising_net(), resume=True)
    found = [np.asarray(weight) for weight in next(input_layers(resumed_net)).weights]
    expected = IMAGENET.pixels if older else ([127.5] * 3, [(255 / 4) ** 2] * 3)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
