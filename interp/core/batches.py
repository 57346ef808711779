"""How many images to have in memory at a time, by their size."""

from math import prod

# Stands for sides of images that a model leaves open; no architecture of keras.applications needs larger ones.
ANY_SIDE = 96
# Attacks hold a few copies of what a network computes for a batch; so many values of images at a time keep even 31 layers on 224x224
# pixels below 4 GiB. Without gradients a layer is let go after the next.
_ATTACKED, _FORWARD = 4 * 224 * 224 * 3, 16 * 224 * 224 * 3
_MOST_ATTACKED, _MOST_FORWARD = 250, 256
# Long attacks keep what they found after so many batches, of small images after so many images.
_BLOCK, _MOST_BLOCK = 8, 500


def attack_batch(image_shape: tuple[int, ...]) -> int:
    """Images (height, width, channels) at a time where gradients are followed."""
    return max(1, min(_ATTACKED // prod(image_shape), _MOST_ATTACKED))


def attack_blocks(count: int, image_shape: tuple[int, ...]) -> list[slice]:
    """The rows of `count` images (height, width, channels) that a long attack takes one after the other: 500, of large images fewer."""
    size = min(_BLOCK * attack_batch(image_shape), _MOST_BLOCK)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def forward_batch(image_shape: tuple[int, ...]) -> int:
    """Images (height, width, channels) at a time where a model only looks at them."""
    return max(1, min(_FORWARD // prod(image_shape), _MOST_FORWARD))
