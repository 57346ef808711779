"""Strategies that share a training among devices or machines."""

import os
import zlib
from typing import TYPE_CHECKING

from interp.core.errors import InputError, check_choice

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multiworker")
MOST_REPLICAS = 64


def make_strategy(name: str, replicas: int | None = None) -> "tf.distribute.Strategy":
    """Return the tf.distribute strategy: none, mirrored (all GPUs, or logical CPUs), multiworker (from TF_CONFIG).

    `replicas` logical CPUs, 2 by default, stand in where there is no GPU; they must be made before TensorFlow computes
    anything. Raises InputError.
    """
    import tensorflow as tf

    check_choice("strategy", name, STRATEGIES)
    if replicas is not None and name != "mirrored":
        raise InputError(f"--replicas {replicas} came with --strategy {name}, it goes with mirrored only: leave it out")
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
    if count > MOST_REPLICAS:
        raise InputError(f"{count} logical CPUs were asked for, at most {MOST_REPLICAS} make sense")
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


def check_agreement(step: int, arguments: str) -> None:
    """Raise an InputError on every process when processes of the strategy in scope start from different steps or arguments.

    One that does not see the checkpoints of the others would silently add gradients of other steps to theirs.
    """
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return

    @tf.function
    def sums(values: tf.Tensor) -> tf.Tensor:
        def add(mine: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.stack([mine, mine**2]))

        return strategy.experimental_local_results(strategy.run(add, (values,)))[0]

    totals, squares = sums(
        tf.constant([float(step), float(zlib.crc32(arguments.encode()) % 10_000)], tf.float64)
    ).numpy()
    if not (replicas * squares == totals**2).all():
        raise InputError(
            "the workers start from different steps or arguments: give all the same command, and a --networks-dir that they share"
        )
