"""The network of an exported file as a PyTorch and as a plain Keras model, both unfolded, and both checked against its logits."""

from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def to_torch(array: np.ndarray) -> Any:
    """A tensor on the GPU where PyTorch has one."""
    import torch

    return torch.tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")


def torch_network(arrays: Arrays) -> Any:
    """A torch.nn.Sequential that takes (n, channels, height, width), on the GPU where there is one."""
    import torch
    from torch import nn

    class Mean(nn.Module):
        def forward(self, maps: Any) -> Any:
            return maps.mean((2, 3))

    channels = arrays["images"].shape[-1]
    convolutions = [nn.Conv2d(channels, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1), nn.Conv2d(32, 100, 7, 1, 3)]
    for number, layer in enumerate(convolutions):
        layer.weight.data = torch.tensor(arrays[f"kernel{number}"].transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(arrays[f"bias{number}"])
    head = nn.Linear(100, 10, bias=False)
    head.weight.data = torch.tensor(arrays["kernel3"].T.copy())
    first, second, third = convolutions
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third, Mean(), head).eval()
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
    """A keras.Sequential."""
    import keras
    from keras import layers

    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 4, 2, "same", activation="relu"),
            layers.Conv2D(32, 4, 2, "same", activation="relu"),
            layers.Conv2D(100, 7, 1, "same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, use_bias=False),
        ]
    )
    names = ("kernel0", "bias0", "kernel1", "bias1", "kernel2", "bias2", "kernel3")
    network.set_weights([arrays[name] for name in names])
    _check(network(arrays["images"]).numpy(), arrays)
    return network


def _check(logits: np.ndarray, arrays: Arrays) -> None:
    difference = np.abs(logits - arrays["logits"]).max()
    if difference > 1e-3:
        raise RuntimeError(f"the network made here differs from the exported one by {difference:.2g} in its logits")
