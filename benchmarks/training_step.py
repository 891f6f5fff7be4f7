"""Measures the share of mining and of the input pipeline in a training step of `lite` at batch 16 and 256 px."""

import os
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from measure import SEED, interleaved, report, seconds
from random_training import training_model

from aifashion.config import keypoint_preset
from aifashion.data_gen.formats.fashionai import load_training_samples
from aifashion.data_gen.keypoint_batches import KeypointExamples, keypoint_batches
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.unet.losses import hardest_keypoint_loss, keypoint_loss

config = keypoint_preset("lite")
CASE = f"lite, batch {config.batch_size}, {config.size} px"

with tempfile.TemporaryDirectory() as folder:
    write_dataset(Path(folder), 64, SEED, config.size, test_count=0)
    samples = load_training_samples(Path(folder))
    batch = next(iter(keypoint_batches(samples, config, 1)))
    make = KeypointExamples(samples, config, 1)
    # CPU time, not wall time: while training, the pipeline runs beside the step.
    pipeline = seconds(lambda: [make(i) for i in range(config.batch_size)], 9, time.process_time)

keras.utils.set_random_seed(SEED)
model = training_model(config)
net = model.net
inputs = {name: batch[name] for name in ("image", "mask")}
step = seconds(lambda: model.train_on_batch(inputs, batch), 9)
step_cpu = seconds(lambda: model.train_on_batch(inputs, batch), 9, time.process_time)
report("training_step", CASE, config.batch_size / step, "images/s")
report("training_step", f"input pipeline / step, CPU time, {CASE}", pipeline / step_cpu, "ratio", "< 0.15")

target, labelled = tf.constant(batch["heatmaps"]), tf.constant(batch["labelled"])
keep = tf.constant(batch["mask"].sum(axis=1) * config.hard_fraction)
predicted = tf.random.stateless_uniform(batch["heatmaps"].shape, (SEED, SEED))


@tf.function
def mined():
    return _gradient(lambda p: hardest_keypoint_loss(target, p, labelled, keep, config.sigma))


@tf.function
def plain():
    return _gradient(lambda p: keypoint_loss(target, p, labelled, config.sigma))


def _gradient(loss):
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        value = tf.reduce_mean(loss(predicted))
    return tf.convert_to_tensor(tape.gradient(value, predicted))


with_mining, without = interleaved([lambda: mined().numpy(), lambda: plain().numpy()], 101)
report("training_step", f"mining / step, {CASE}", max(0.0, with_mining - without) / step, "ratio", "< 0.03")
