"""Optimizers and the schedules that they follow."""

import keras


def warmup_cosine(peak: float, warmup_steps: int, total_steps: int, decay: bool = True):
    """From zero to `peak` over the warm-up, then along a cosine to 1% of it, or constant without `decay`."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else peak,
        decay_steps=max(1, total_steps - warmup_steps),
        alpha=0.01 if decay else 1.0,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def adamw(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """AdamW (arXiv:1711.05101). Biases and batch-norm weights do not decay; clip_norm 0 does not clip."""
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=weight_decay or None, global_clipnorm=clip_norm or None, epsilon=1e-7
    )
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
