"""Random crops and flips."""

import numpy as np

from interp.training.augmentation import crop_and_flip


def test_every_result_is_a_shifted_or_mirrored_image():
    images = np.random.RandomState(0).rand(30, 6, 7, 3).astype(np.float32)
    found = crop_and_flip(images, (1, 2))
    assert found.dtype == np.float32
    mirrored = 0
    for image, result in zip(images, found, strict=True):
        padded = np.pad(image, [(4, 4), (4, 4), (0, 0)])
        crops = [padded[top : top + 6, left : left + 7] for top in range(9) for left in range(9)]
        plain = any(np.array_equal(result, crop) for crop in crops)
        assert plain or any(np.array_equal(result[:, ::-1], crop) for crop in crops)
        mirrored += not plain
    assert 5 < mirrored < 25


def test_the_draw_follows_seed_and_step():
    images = np.random.RandomState(0).rand(4, 6, 6, 1).astype(np.float32)
    np.testing.assert_array_equal(crop_and_flip(images, (1, 2)), crop_and_flip(images, (1, 2)))
    assert not np.array_equal(crop_and_flip(images, (1, 2)), crop_and_flip(images, (1, 3)))
