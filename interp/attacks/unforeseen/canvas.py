"""What unforeseen attacks paint on and with: pictures of images of any size and colour, and a filter of its own for each image."""

import tensorflow as tf

# Blocks of JPEG's halved chroma planes; snow's grids and regions fit too.
BLOCK = 16


def enter(images: tf.Tensor) -> tf.Tensor:
    """Images (n, h, w, 1 or 3) with black around them up to multiples of 16, in three channels."""
    height, width, channels = images.shape[1:]
    if height % BLOCK or width % BLOCK:
        images = tf.pad(images, [[0, 0], _margins(height), _margins(width), [0, 0]])
    return tf.repeat(images, 3, -1) if channels == 1 else images


def leave(pictures: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """What of the pictures lies on images of `shape` (n, height, width, channels); grey is the mean of the channels."""
    height, width, channels = shape[1:]
    top, left = _margins(height)[0], _margins(width)[0]
    cut = pictures[:, top : top + height, left : left + width]
    return tf.reduce_mean(cut, -1, keepdims=True) if channels == 1 else cut


def sides(images: tf.Tensor) -> tuple[int, int]:
    """Height and width of the pictures."""
    height, width = images.shape[1:3]
    return height + sum(_margins(height)), width + sum(_margins(width))


def _margins(side: int) -> tuple[int, int]:
    missing = -side % BLOCK
    return missing // 2, missing - missing // 2


def filtered(maps: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """Maps (n, m, h, w), zero outside, correlated with kernels (n, m, k, k), k odd, and summed over m: (n, h, w).

    Computed in the frequency domain: a convolution with another kernel for each image is slow on a CPU, and slower backwards.
    """
    height, width = maps.shape[2:]
    size = kernels.shape[-1]
    half = size // 2
    lengths = [height + size - 1, width + size - 1]
    # Correlation is convolution with the kernel turned round.
    spectra = tf.signal.rfft2d(maps, lengths) * tf.signal.rfft2d(kernels[..., ::-1, ::-1], lengths)
    everything = tf.signal.irfft2d(tf.reduce_sum(spectra, 1), lengths)
    return everything[:, half : half + height, half : half + width]
