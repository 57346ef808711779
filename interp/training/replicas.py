"""Strategies that share a training among devices or machines."""

import json
import os
import zlib
from typing import TYPE_CHECKING

from interp.core.errors import ComputationError, InputError, check_choice
from interp.core.tensorflow_errors import cause

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
        _check_workers()
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise InputError(
                f"the workers of TF_CONFIG cannot connect: {cause(str(error)) or type(error).__name__}"
            ) from error
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


def _check_workers() -> None:
    """Raise InputError unless TF_CONFIG names workers and which of them this is; TensorFlow itself may wait for ever."""
    text = os.environ.get("TF_CONFIG")
    example = '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'
    if text is None:
        raise InputError(
            f"--strategy multiworker needs the environment variable TF_CONFIG, which names the workers, such as {example}; set it on each"
        )
    try:
        told = json.loads(text)
        kind, index = told["task"]["type"], told["task"]["index"]
        addresses = [address for name in ("chief", "worker") for address in told["cluster"].get(name, [])]
        mine = told["cluster"][kind][index]
        sound = kind in ("chief", "worker") and type(index) is int and index >= 0 and mine in addresses
        ports = [int(address.rpartition(":")[2]) for address in addresses if address.rpartition(":")[0]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"TF_CONFIG came as {text[:80]!r}, expected such as {example}") from error
    if not sound or len(ports) != len(addresses) or not all(0 < port < 2**16 for port in ports):
        raise InputError(f"TF_CONFIG came as {text[:80]!r}, expected such as {example}, a port of 1 to 65535 each")


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

    mine = tf.constant([float(step), float(zlib.crc32(arguments.encode()) % 10_000)], tf.float64)
    try:
        totals, squares = sums(mine).numpy()
    except tf.errors.OpError as error:
        raise ComputationError(f"the workers cannot connect: {cause(error.message)}; look at their output") from error
    if not (replicas * squares == totals**2).all():
        raise InputError(
            "the workers start from different steps or arguments: give all the same command, and a --networks-dir that they share"
        )
