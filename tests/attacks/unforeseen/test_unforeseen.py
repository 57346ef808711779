"""What the unforeseen attacks promise."""

import dataclasses
import io

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from interp.attacks import accuracy
from interp.attacks.unforeseen import JPEG, Elastic, Fog, Gabor, Snow, canvas
from interp.attacks.unforeseen.gabor import gabor_picture
from interp.attacks.unforeseen.jpeg import CHROMINANCE, LUMINANCE, _spent
from interp.attacks.unforeseen.snow import MEAN, held
from interp.core.errors import InputError

ATTACKS = {
    "fog": Fog(steps=4),
    "gabor": Gabor(steps=4),
    "snow": Snow(steps=4),
    "jpeg linf": JPEG(steps=4),
    "jpeg l2": JPEG(norm="l2", epsilon=8.0, steps=4),
    "jpeg l1": JPEG(norm="l1", epsilon=256.0, steps=4),
    "elastic": Elastic(steps=4),
}
GENERATOR = np.random.RandomState(0)
COLOUR = GENERATOR.uniform(0, 1, (4, 32, 32, 3)).astype(np.float32)
GREY = GENERATOR.uniform(0, 1, (4, 28, 28, 1)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0])


def model_for(images, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(4, 5, 2, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input(images.shape[1:]), *layers])


@pytest.fixture(scope="module")
def models():
    return {"colour": (model_for(COLOUR), COLOUR), "grey": (model_for(GREY), GREY)}


def parts(attack, images, seed=3):
    """Latents within their bounds, what is fixed, and the function from latents to pictures."""
    start, *fixed = attack._draw(tf.constant(images), tf.constant([seed, 0]), 1)
    epsilon = tf.constant(attack.epsilon)
    start = attack._keep(start, tuple(fixed), epsilon)
    clean = canvas.enter(tf.constant(images))
    return start, lambda latents: attack._picture(clean, latents, tuple(fixed), epsilon)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "goal"), [("colour", "untargeted"), ("grey", "random_target")])
@pytest.mark.parametrize("name", ATTACKS)
def test_pictures_are_images_and_the_seed_decides(models, name, goal, kind):
    model, images = models[kind]
    attack = dataclasses.replace(ATTACKS[name], goal=goal)
    pictures = attack(model, images, LABELS, seed=1)
    assert pictures.shape == images.shape
    assert pictures.dtype == np.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert not np.allclose(pictures, images)
    # One step: over many, rounding decides signs of gradients that are almost nothing.
    once = dataclasses.replace(attack, steps=1, step_size=1e-3)
    alone = once(model, images, LABELS, seed=1, batch_size=1)
    np.testing.assert_allclose(alone, once(model, images, LABELS, seed=1), atol=2e-3)
    if name != "jpeg l1" or goal == "random_target":
        # Frank-Wolfe starts at no shift; without a drawn class nothing of it is random.
        assert not np.allclose(attack(model, images, LABELS, seed=2), pictures)


@pytest.mark.parametrize("name", ATTACKS)
def test_gradients_by_finite_differences(name):
    """Along the gradient itself, where the difference is largest beside rounding; budgets small enough that little is clipped."""
    images = COLOUR[:1] * 0.3 + 0.3
    small = {"fog": 64.0, "gabor": 10.0, "snow": 0.05}
    attack = dataclasses.replace(ATTACKS[name], **({"epsilon": small[name]} if name in small else {}))
    latents, picture = parts(attack, images)
    weights = tf.constant(np.random.RandomState(5).normal(size=images.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        value = tf.reduce_sum(weights * picture(latents))
    gradient = tape.gradient(value, latents)
    length = tf.norm(gradient)
    assert float(length) > 0
    if name == "gabor":
        picture = gabor_with_constant_gain(attack, images, latents)
    step = {"fog": 0.02, "snow": 0.02, "gabor": 1e-3}.get(name, 0.05)
    ends = [float(tf.reduce_sum(weights * picture(latents + sign * step * gradient / length))) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(length), rel=0.03)


def gabor_with_constant_gain(attack, images, latents):
    """The picture with mean and gain as they are at `latents`, which is what the gradient is of."""
    _, mask, kernels = attack._draw(tf.constant(images), tf.constant([3, 0]), 1)

    def noise(latents):
        return canvas.filtered((latents * mask)[:, None], kernels[:, None])

    mean = tf.reduce_mean(noise(latents), (1, 2), keepdims=True)
    contrast = tf.abs(noise(latents) - mean)
    gain = 1.001 / (0.001 + contrast / tf.reduce_max(contrast, (1, 2), keepdims=True))

    def picture(latents):
        equalised = mean + (noise(latents) - mean) * gain
        equalised -= tf.reduce_min(equalised, (1, 2), keepdims=True)
        return gabor_picture(
            tf.constant(images), equalised / tf.reduce_max(equalised, (1, 2), keepdims=True), attack.epsilon
        )

    return picture


@pytest.mark.parametrize("name", ATTACKS)
def test_latents_stay_in_their_sets(name):
    attack = ATTACKS[name]
    start, *fixed = attack._draw(tf.constant(COLOUR), tf.constant([1, 2]), 1)
    epsilon = attack.epsilon
    wild = start + 10 * tf.constant(GENERATOR.normal(size=start.shape), tf.float32)
    kept = attack._keep(wild, tuple(fixed), tf.constant(epsilon))
    np.testing.assert_allclose(attack._keep(kept, tuple(fixed), tf.constant(epsilon)), kept, atol=1e-5)
    low, high = float(tf.reduce_min(kept)), float(tf.reduce_max(kept))
    match name:
        case "fog":
            assert (low, high) == (0, 1)
        case "gabor":
            assert (low, high) == (-1, 1)
            assert not np.any(np.where(fixed[0] == 0, kept, 0))
        case "snow":
            assert low > 0
            assert high <= 1
            assert np.mean(kept, (2, 3)).max() <= MEAN + 1e-6
        case "jpeg l2":
            assert np.abs(kept).max() <= 2
            assert np.linalg.norm(kept, axis=1).max() <= epsilon + 1e-4
        case "jpeg l1":
            assert np.abs(kept).max() <= 2
        case _:
            assert np.abs(kept).max() <= epsilon


def test_frank_wolfe_spends_its_budget_on_the_largest_gradients():
    gradient = tf.constant([[0.1, -3.0, 2.0, 0.5]])
    np.testing.assert_allclose(_spent(gradient, tf.constant(5.0)), [[0, -2, 2, 1]])
    np.testing.assert_allclose(_spent(gradient, tf.constant(0.5)), [[0, -0.5, 0, 0]])
    attack = dataclasses.replace(ATTACKS["jpeg l1"], steps=20)
    latents = tf.zeros((1, 4))
    for step in range(20):
        gradient = tf.constant(GENERATOR.normal(size=(1, 4)), tf.float32)
        latents = attack._move(latents, gradient, tf.constant(step), tf.constant(0.0), tf.constant(3.0))
        assert np.abs(latents).sum() <= 3 + 1e-5


def test_snow_is_held_back_region_by_region():
    intensities = tf.constant(GENERATOR.uniform(0.1, 1, (2, 7, 12, 8)), tf.float32)
    kept = held(intensities).numpy()
    upper, lower = kept[:, :, :8], kept[:, :, 8:]
    np.testing.assert_allclose(upper.mean((2, 3)), MEAN, rtol=1e-5)
    np.testing.assert_allclose(lower.mean((2, 3)), MEAN, rtol=1e-5)
    sparse = tf.constant(GENERATOR.uniform(0, 0.2, (1, 7, 8, 8)), tf.float32)
    np.testing.assert_allclose(held(sparse), np.maximum(sparse, 1e-9), rtol=1e-6)


def test_without_a_budget_the_picture_is_the_clean_one():
    clean = tf.constant(COLOUR)
    halved = np.asarray(_halved_chroma(COLOUR))
    for name, expected in (("gabor", COLOUR), ("elastic", COLOUR), ("jpeg linf", halved), ("jpeg l2", halved)):
        attack = ATTACKS[name]
        latents, *fixed = attack._draw(clean, tf.constant([0, 0]), 1)
        zero = tf.constant(0.0)
        picture = attack._picture(clean, attack._keep(latents, tuple(fixed), zero), tuple(fixed), zero)
        np.testing.assert_allclose(picture, expected, atol=2e-4, err_msg=name)
    latents, *fixed = ATTACKS["snow"]._draw(clean, tf.constant([0, 0]), 1)
    grey = (COLOUR * [0.2126, 0.7152, 0.0722]).sum(-1, keepdims=True)
    pale = np.clip(0.75 * COLOUR + 0.25 * np.maximum(COLOUR, 1.5 * grey + 0.5), 0, 1)
    np.testing.assert_allclose(
        ATTACKS["snow"]._picture(clean, latents, tuple(fixed), tf.constant(0.0)), pale, atol=1e-5
    )


def _halved_chroma(images):
    colours = cv2.COLOR_RGB2YCrCb
    codes = np.stack([cv2.cvtColor(image, colours) for image in images])
    small = codes[..., 1:].reshape(len(codes), 16, 2, 16, 2, 2).mean((2, 4))
    codes[..., 1:] = small.repeat(2, 1).repeat(2, 2)
    return np.clip(np.stack([cv2.cvtColor(code, cv2.COLOR_YCrCb2RGB) for code in codes]), 0, 1)


def test_jpeg_agrees_with_another_coder():
    """Pillow at the standard tables with 4:2:0 rounds coefficients, which moves each by at most half a step of its table."""
    smooth = cv2.GaussianBlur(COLOUR[0], (0, 0), 4)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    buffer = io.BytesIO()
    picture = Image.fromarray(np.uint8(255 * smooth + 0.5))
    tables = [LUMINANCE.astype(int).ravel().tolist(), CHROMINANCE.astype(int).ravel().tolist()]
    picture.save(buffer, "JPEG", quality=50, subsampling="4:2:0")
    decoded = np.asarray(Image.open(buffer), np.float32) / 255
    opened = Image.open(buffer)
    assert sorted(opened.quantization) == [0, 1]
    assert sorted(opened.quantization[0]) == sorted(tables[0])
    assert sorted(opened.quantization[1]) == sorted(tables[1])
    ours = JPEG(epsilon=1e-9, steps=1)._picture(tf.constant(smooth[None]), tf.zeros((1, 1536)), (), tf.constant(0.0))[0]
    difference = np.abs(np.asarray(ours) - decoded)
    # Pillow also smooths between the halved chroma pixels.
    assert difference.mean() < 0.03
    assert np.abs(smooth - decoded).mean() > 0


@pytest.mark.slow
def test_a_larger_budget_harms_more(models):
    model, images = models["colour"]
    right = np.asarray(model(images)).argmax(-1)
    for name, attack in ATTACKS.items():
        harms = []
        for factor in (1 / 64, 1.0):
            found = dataclasses.replace(attack, epsilon=attack.epsilon * factor, goal="untargeted", steps=20)(
                model, images, right
            )
            logits = np.array(model(found))
            own = logits[range(4), right]
            logits[range(4), right] = -np.inf
            harms.append((logits.max(1) - own).mean())
        assert harms[1] > harms[0], name


@pytest.mark.integration
def test_restarts_only_harm_more(models):
    model, images = models["colour"]
    right = np.asarray(model(images)).argmax(-1)
    attack = dataclasses.replace(ATTACKS["fog"], goal="untargeted", epsilon=50.0)
    once, thrice = (
        accuracy(model, dataclasses.replace(attack, restarts=restarts)(model, images, right), right)
        for restarts in (1, 3)
    )
    assert thrice <= once


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fog(epsilon=0), "epsilon came as 0"),
        (lambda: Snow(epsilon=-1), "epsilon came as -1"),
        (lambda: Gabor(steps=0), "steps came as 0"),
        (lambda: Elastic(restarts=0), "restarts came as 0"),
        (lambda: JPEG(norm="l3"), "unknown norm 'l3'"),
        (lambda: JPEG(goal="targeted"), "unknown goal 'targeted'"),
        (lambda: Fog(step_size=0), "step_size came as 0"),
        (lambda: Fog(steps=1)(model_for(COLOUR[..., :2]), COLOUR[..., :2], LABELS), "came with 2 channels"),
    ],
)
def test_wrong_settings_are_refused(make, said):
    with pytest.raises(InputError) as caught:
        make()
    assert said in str(caught.value)
