"""A filter of its own for each image."""

import tensorflow as tf


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
