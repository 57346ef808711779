"""The networks of the package, as data.

The paper's networks are pre-activation: the first convolution reads the image, every later one reads the
ReLU of its input, and nothing follows the last layer before global average pooling and the head.
All padding is SAME.
"""

import math
from dataclasses import dataclass

from interp.core.errors import check_choice
from interp.core.names import ARCHITECTURE_TAGS


@dataclass(frozen=True)
class Conv:
    """A convolution, with a bias unless something after it has one."""

    filters: int
    size: int
    stride: int = 1
    bias: bool = True


@dataclass(frozen=True)
class Dense:
    """A dense layer with bias."""

    units: int


@dataclass(frozen=True)
class MaxPool:
    """2x2 max pooling with stride 2."""


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation, in inference mode except while training."""


@dataclass(frozen=True)
class ReLU:
    """The nonlinearity, which a caller may replace by another."""


@dataclass(frozen=True)
class Flatten:
    """Maps to one row per image, in height-width-channel order."""


@dataclass(frozen=True)
class Residual:
    """`layers`, whose output gets their input added.

    Where shapes differ the input is pooled and zero-padded, or, if `projected`, goes through a 1x1 convolution without bias.
    """

    layers: "tuple[Layer, ...]"
    projected: bool = False


Layer = Conv | Dense | MaxPool | BatchNorm | ReLU | Flatten | Residual


@dataclass(frozen=True)
class Architecture:
    """Layers up to the head. `average_pooled` ends in global average pooling and a head without bias, so CAM is defined."""

    name: str
    layers: tuple[Layer, ...]
    average_pooled: bool

    @property
    def file_tag(self) -> str:
        """What stands for it in the names of files."""
        return ARCHITECTURE_TAGS[self.name]


def _block(filters: int, stride: int = 1) -> Residual:
    return Residual((ReLU(), Conv(filters, 3, stride), ReLU(), Conv(filters, 3)))


def _stage(filters: int, stride: int) -> tuple[Residual, ...]:
    return (_block(filters, stride), *(_block(filters) for _ in range(4)))


def _normalised(filters: int) -> tuple[Layer, ...]:
    return (Conv(filters, 3), BatchNorm(), ReLU(), MaxPool())


def _preact_block(filters: int) -> Residual:
    return Residual(
        (BatchNorm(), ReLU(), Conv(filters, 3, bias=False), BatchNorm(), ReLU(), Conv(filters, 3, bias=False))
    )


def _preact_stage(filters: int) -> tuple[Layer, ...]:
    """Two blocks that halve the sides; normalisation and ReLU before the first are shared by both of its branches."""
    wider = (Conv(filters, 3, 2, bias=False), BatchNorm(), ReLU(), Conv(filters, 3, bias=False))
    return (BatchNorm(), ReLU(), Residual(wider, projected=True), _preact_block(filters))


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("small", (Conv(16, 4, 2), ReLU(), Conv(32, 4, 2), ReLU(), Conv(100, 7)), True),
        Architecture("pool", (Conv(32, 5), MaxPool(), ReLU(), Conv(64, 5), MaxPool()), True),
        Architecture("wresnet", (Conv(16, 3), *_stage(16, 1), *_stage(32, 2), *_stage(64, 2)), True),
        Architecture(
            "simple_cnn",
            (*_normalised(32), *_normalised(64), *_normalised(128), Flatten(), Dense(1024), ReLU()),
            False,
        ),
        # He et al. 2016, "Identity Mappings in Deep Residual Networks", for small images: no pooling after the first convolution.
        Architecture(
            "preact_resnet18",
            (
                Conv(64, 3, bias=False),
                *(_preact_block(64) for _ in range(2)),
                *(layer for filters in (128, 256, 512) for layer in _preact_stage(filters)),
                BatchNorm(),
                ReLU(),
            ),
            True,
        ),
    )
}


def find_architecture(name: str) -> Architecture:
    """Return the architecture called `name`, raising InputError with a suggestion for an unknown one."""
    return ARCHITECTURES[check_choice("architecture", name, ARCHITECTURES)]


def weight_shapes(
    architecture: Architecture, image_shape: tuple[int, int, int], classes: int
) -> dict[str, tuple[int, ...]]:
    """The shape of every weight by its path in the Keras network, without building it."""
    shapes, units = _layer_shapes(architecture.layers, image_shape, "")
    shapes["head/kernel"] = (units[-1], classes)
    if not architecture.average_pooled:
        shapes["head/bias"] = (classes,)
    return shapes


def _layer_shapes(
    layers: tuple[Layer, ...], units: tuple[int, ...], prefix: str
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """The shapes of the weights of layers that take outputs of shape `units`, and the shape of what they return."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, name in zip(layers, layer_names(layers, prefix), strict=True):
        match layer:
            case Conv(filters, size, stride, bias):
                height, width, channels = units
                shapes[f"{name}/kernel"] = (size, size, channels, filters)
                if bias:
                    shapes[f"{name}/bias"] = (filters,)
                units = (-(-height // stride), -(-width // stride), filters)
            case Dense(size):
                shapes |= {f"{name}/kernel": (units[-1], size), f"{name}/bias": (size,)}
                units = (size,)
            case MaxPool():
                units = (-(-units[0] // 2), -(-units[1] // 2), units[2])
            case BatchNorm():
                parts = ("gamma", "beta", "moving_mean", "moving_variance")
                shapes |= {f"{name}/{part}": units[-1:] for part in parts}
            case Flatten():
                units = (math.prod(units),)
            case Residual(inner, projected):
                inside, outputs = _layer_shapes(inner, units, f"{name}_")
                shapes |= inside
                if projected:
                    shapes[f"{name}_projection/kernel"] = (1, 1, units[-1], outputs[-1])
                units = outputs
    return shapes, units


def layer_names(layers: tuple[Layer, ...], prefix: str = "") -> list[str]:
    """The names of the Keras layers made of these: their kind, counted."""
    kinds = [type(layer).__name__.lower() for layer in layers]
    return [f"{prefix}{kind}{kinds[: place + 1].count(kind)}" for place, kind in enumerate(kinds)]
