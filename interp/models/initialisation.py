"""Untrained networks, the same numbers for the same seed on every machine."""

import keras
import numpy as np

from interp.core.checks import check_number
from interp.models.network import Network


def build_network(
    architecture: str, image_shape: tuple[int, int, int], classes: int, *, seed: int = 99, fold_tail: bool = True
) -> Network:
    """Make an untrained network: every kernel normal with scale 1 / sqrt(fan_in), biases 0.

    Order and generator are those of the paper's code (NumPy's legacy generator, layer by layer with the head last, each kernel drawn as
    (out, k * k * in)), so seed 99 starts where its trainings started.

    Args:
        architecture: A name in ARCHITECTURES, such as "small".
        image_shape: (height, width, channels) of an image.
        classes: Number of classes, at least 2.
        seed: Seed of the weights.
        fold_tail: Whether the linear layers at the end are computed as one, with the same result.

    Returns:
        A Network.

    Raises:
        InputError: The architecture is unknown, or a number is out of its range.
    """
    network = Network(architecture, image_shape, classes, fold_tail=fold_tail)
    initialise(network, seed)
    return network


def initialise(network: Network, seed: int) -> None:
    """Give `network` the weights that `build_network` with this seed gives a new one. Raises InputError."""
    check_number("seed", seed, minimum=0, whole=True)
    generator = np.random.RandomState(seed)
    for layer in network.kernel_layers():
        shape = layer.kernel.shape
        fan_in = int(np.prod(shape[:-1]))
        drawn = generator.normal(scale=1 / np.sqrt(fan_in), size=(shape[-1], fan_in))
        layer.kernel.assign(drawn.T.reshape(shape).astype(np.float32))
        if layer.bias is not None:
            layer.bias.assign(np.zeros(layer.bias.shape, np.float32))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable, value in (
                (layer.gamma, 1),
                (layer.beta, 0),
                (layer.moving_mean, 0),
                (layer.moving_variance, 1),
            ):
                variable.assign(np.full(variable.shape, value, np.float32))
