"""Strategies that share a training among devices or machines."""

import os
from typing import TYPE_CHECKING

from interp.core.errors import InputError, check_choice

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multiworker")


def make_strategy(name: str, replicas: int | None = None) -> "tf.distribute.Strategy":
    """Return the tf.distribute strategy: none, mirrored (all GPUs, or logical CPUs), multiworker (from TF_CONFIG).

    `replicas` logical CPUs, 2 by default, stand in where there is no GPU; they must be made before TensorFlow computes
    anything. Raises InputError.
    """
    import tensorflow as tf

    check_choice("strategy", name, STRATEGIES)
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "multiworker":
        if "TF_CONFIG" not in os.environ:
            raise InputError(
                "--strategy multiworker needs the environment variable TF_CONFIG, which names the workers; set it on each"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    if tf.config.list_physical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    count = replicas or 2
    try:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(count)])
    except RuntimeError as error:
        raise InputError(
            "logical CPUs must be made before TensorFlow computes anything: choose the strategy first"
        ) from error
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(count)])


def is_chief(strategy: "tf.distribute.Strategy") -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (resolver.task_type == "worker" and resolver.task_id == 0)
