"""The network of an exported file as a PyTorch and as a plain Keras model, both unfolded, and both checked against its logits.

Both take images in [0, 1], and the PyTorch ones of the larger networks name their last activation `head_activation`.
"""

from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
EFFICIENTNET = "efficientnet_lite0"


def to_torch(array: np.ndarray) -> Any:
    """A tensor on the GPU where PyTorch has one."""
    import torch

    return torch.tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")


def torch_network(arrays: Arrays) -> Any:
    """A torch.nn.Module that takes (n, channels, height, width), on the GPU where there is one."""
    make = {"preact_resnet18": _preact_resnet18, EFFICIENTNET: _efficientnet}.get(str(arrays["network"]), _small)
    network = make(arrays).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    images = to_torch(torch_images(arrays))
    network.to(images.device)
    _check(network(images).cpu().numpy(), arrays)
    return network


def torch_images(arrays: Arrays) -> np.ndarray:
    """Images (n, channels, height, width)."""
    return np.ascontiguousarray(arrays["images"].transpose(0, 3, 1, 2))


def keras_network(arrays: Arrays) -> Any:
    """A keras.Model: of EfficientNet-Lite0 what was ported, behind its scale."""
    import keras

    network = keras.models.load_model(str(arrays["keras"]))
    if str(arrays["network"]) == EFFICIENTNET:
        network = keras.Sequential([keras.Input(network.input_shape[1:]), _scale(), network])
    _check(network(arrays["images"]).numpy(), arrays)
    return network


def scaled(arrays: Arrays) -> np.ndarray:
    """Images as the file of the Keras model takes them."""
    images = arrays["images"]
    return _scale()(images).numpy() if str(arrays["network"]) == EFFICIENTNET else images


def _scale() -> Any:
    import keras
    from blocks import SCALE

    mean, deviation = SCALE
    return keras.layers.Rescaling(1 / deviation, -mean / deviation)


def _kernels(arrays: Arrays) -> list[np.ndarray]:
    """The exported kernels as PyTorch has them."""
    count = sum(name.startswith("kernel") for name in arrays)
    kernels = [arrays[f"kernel{number}"] for number in range(count)]
    return [kernel.transpose(3, 2, 0, 1).copy() if kernel.ndim == 4 else kernel.T.copy() for kernel in kernels]


def _small(arrays: Arrays) -> Any:
    import torch
    from torch import nn

    channels = arrays["images"].shape[-1]
    convolutions = [nn.Conv2d(channels, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1), nn.Conv2d(32, 100, 7, 1, 3)]
    head = nn.Linear(100, 10, bias=False)
    for number, (layer, kernel) in enumerate(zip([*convolutions, head], _kernels(arrays), strict=True)):
        layer.weight.data = torch.tensor(kernel)
        if layer is not head:
            layer.bias.data = torch.tensor(arrays[f"bias{number}"])
    first, second, third = convolutions
    return nn.Sequential(*(first, nn.ReLU(), second, nn.ReLU(), third), *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head))


def _efficientnet(_: Arrays) -> Any:
    from blocks import SCALE
    from torch_model import build_torch_model, read_state

    return build_torch_model(read_state(), SCALE)


def _preact_resnet18(arrays: Arrays) -> Any:
    """Untrained: a normalisation is what it starts as, in Keras and here."""
    import torch
    from torch import nn
    from torch_model import SameConvolution

    def normalisation(channels: int) -> Any:
        return nn.BatchNorm2d(channels, eps=1e-3)

    class Block(nn.Module):
        """Two convolutions; the first block of more channels halves the sides, and projects what its first ReLU gives."""

        def __init__(self, inputs: int, outputs: int):
            super().__init__()
            stride = 1 if inputs == outputs else 2
            self.enter = nn.Sequential(normalisation(inputs), nn.ReLU())
            self.branch = nn.Sequential(
                *(SameConvolution(inputs, outputs, 3, stride), normalisation(outputs), nn.ReLU()),
                SameConvolution(outputs, outputs, 3),
            )
            self.projection = SameConvolution(inputs, outputs, 1, 2) if stride == 2 else None

        def forward(self, x: Any) -> Any:
            active = self.enter(x)
            return self.branch(active) + (x if self.projection is None else self.projection(active))

    class PreactResNet18(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
            self.first = SameConvolution(arrays["images"].shape[-1], 64, 3)
            self.blocks = nn.Sequential(*map(Block, widths[:-1], widths[1:]))
            self.head_activation = nn.Sequential(normalisation(512), nn.ReLU())
            self.head = nn.Linear(512, arrays["logits"].shape[1], bias=False)

        def forward(self, images: Any) -> Any:
            return self.head(self.head_activation(self.blocks(self.first(images))).mean((2, 3)))

    network = PreactResNet18()
    # In the order in which they are applied, as the package lists them.
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer, kernel in zip(layers, _kernels(arrays), strict=True):
        layer.weight.data = torch.tensor(kernel)
    return network


def _check(logits: np.ndarray, arrays: Arrays) -> None:
    difference = np.abs(logits - arrays["logits"]).max()
    if difference > 1e-3:
        raise RuntimeError(f"the network made here differs from the exported one by {difference:.2g} in its logits")
