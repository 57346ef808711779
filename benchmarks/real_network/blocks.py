"""EfficientNet-Lite0 (Tan and Le 2019, with ReLU6 and without squeeze-and-excitation) as data, for the Keras and the PyTorch model."""

from collections.abc import Iterator
from dataclasses import dataclass

# Height and width of an image, channels after the first and after the last convolution, number of classes.
SIDE, STEM, HEAD, CLASSES = 224, 32, 1280, 1000
EPSILON = 1e-3
# What the weights were trained on: (255 x - 127) / 128 of an image x in [0, 1], written as (mean, standard deviation).
SCALE = (127 / 255, 128 / 255)


@dataclass(frozen=True)
class Block:
    """An inverted residual: expansion by a 1x1 convolution, a depthwise convolution, and a 1x1 convolution without activation."""

    number: int
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int

    @property
    def state(self) -> str:
        """What names of the block's arrays begin with."""
        return f"_blocks.{self.number}."

    @property
    def width(self) -> int:
        """Channels of the depthwise convolution."""
        return self.inputs * self.expansion

    @property
    def is_residual(self) -> bool:
        """Whether the inputs are added to the outputs."""
        return self.stride == 1 and self.inputs == self.outputs


# Repeats, kernel, stride of the first, expansion, inputs, outputs.
_GROUPS = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


def _blocks() -> Iterator[Block]:
    number = 0
    for repeats, kernel, stride, expansion, inputs, outputs in _GROUPS:
        for repeat in range(repeats):
            first = repeat == 0
            yield Block(number, kernel, stride if first else 1, expansion, inputs if first else outputs, outputs)
            number += 1


BLOCKS = tuple(_blocks())
