"""Every breach of the data contract is one clear line."""

import pickle
import re

import numpy as np
import pytest
import tensorflow as tf

from interp.core.checks import (
    check_images,
    check_labels,
    check_listed,
    check_logits,
    check_named,
    check_number,
    check_penalties,
)
from interp.core.errors import ArgumentError, InputError, check_choice

GOOD = np.full((2, 4, 4, 1), 0.5, np.float32)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD.astype(np.float64), "float64, expected float32"),
        ((GOOD * 255).astype(np.uint8), "divide by 255"),
        ((GOOD * 65535).astype(np.uint16), "divide by 65535"),
        (GOOD[0], r"shape \(4, 4, 1\)"),
        (GOOD * 3, r"values in \[1.5, 1.5\], expected \[0, 1\]"),
        (GOOD - 1, "expected"),
        (GOOD * np.float32("nan"), "NaN"),
        (GOOD[:0], "empty"),
        ([GOOD, GOOD[0]], "cannot be read as one array"),
        ("picture.png", "string"),
    ],
)
def test_bad_images_are_refused_in_one_line(images, message):
    with pytest.raises(InputError, match=message) as caught:
        check_images(images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("channels", "shape", "said", "mend"),
    [
        (1, (8, 8, 1), "resize them", lambda images: tf.image.resize(images, (8, 8))),
        (1, (4, 4, 3), "np.repeat(images, 3, -1)", lambda images: np.repeat(images, 3, -1)),
        (
            3,
            (4, 4, 1),
            "tf.image.rgb_to_grayscale(images).numpy()",
            lambda images: tf.image.rgb_to_grayscale(images).numpy(),
        ),
        (4, (4, 4, 3), "images[..., :3]", lambda images: images[..., :3]),
        (2, (None, None, 3), "give images of 3 channels", lambda images: np.repeat(images[..., :1], 3, -1)),
    ],
)
def test_images_of_other_channels_are_told_what_brings_them_there(channels, shape, said, mend):
    images = np.repeat(GOOD, channels, -1)
    with pytest.raises(InputError, match=f"{re.escape(said)}$"):
        check_images(images, shape)
    check_images(mend(images), shape)


def test_one_nan_among_good_values_is_found():
    images = GOOD.copy()
    images[1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        check_images(images)


def test_images_of_another_size_name_both_sizes():
    with pytest.raises(InputError, match=r"\(2, 4, 4, 1\), the network takes \(n, 28, 28, 1\)"):
        check_images(GOOD, (28, 28, 1))


def test_rounding_errors_of_a_perturbation_pass():
    checked = check_images(GOOD * 2 + np.float32(1e-6))
    assert checked.shape == (2, 4, 4, 1)
    assert np.max(checked) == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 1.0], "expected integers"),
        ([[1, 0], [0, 1]], "argmax"),
        ([0, 1, 2], "one label per image"),
        ([0, 3], r"\[0, 3\], the network has classes 0 to 2"),
        ([-1, 0], "classes 0 to 2"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        check_labels(labels, tf.constant(GOOD), 3)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (tf.constant([[0.2, 0.8], [0.5, 0.5]]), "probabilities"),
        (tf.constant([[1.0], [2.0]]), "at least 2 classes: interp.models.adapt"),
        (tf.zeros((2, 3, 3)), r"shape \(2, 3, 3\)"),
        (tf.constant([[np.nan, 1.0]]), "NaN"),
        ([tf.zeros((2, 3))], "list"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(logits, message):
    with pytest.raises(InputError, match=message):
        check_logits(logits)


def test_zero_logits_are_not_taken_for_probabilities():
    check_logits(tf.zeros((2, 3)))
    check_logits(tf.constant([[2.0, -1.0]]))


@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf"), "3", None, True, 10**400, 1e39])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(InputError, match="epsilon"):
        check_number("epsilon", value, minimum=0, strict=True)


def test_a_number_that_is_an_array_is_told_in_one_line():
    with pytest.raises(
        InputError, match=r"^steps came as \[\[0. 0.\] \[0. 0.\]\], expected a whole number of at least 1$"
    ):
        check_number("steps", np.zeros((2, 2)), minimum=1, whole=True)


def test_a_penalty_that_is_too_large_is_not_told_to_be_at_least_1():
    with pytest.raises(InputError, match="less than 1e6"):
        check_penalties([2e6])


def test_whole_numbers_fit_into_32_bits():
    check_number("seed", 2**31 - 1, minimum=0, whole=True)
    with pytest.raises(InputError, match="at most 2147483647"):
        check_number("seed", 2**31, minimum=0, whole=True)


def test_a_fraction_is_no_whole_number():
    with pytest.raises(InputError, match="whole"):
        check_number("steps", 1.5, minimum=1, whole=True)
    check_number("steps", np.int32(2), minimum=1, whole=True)
    check_number("epsilon", np.float32(0.3), minimum=0)


@pytest.mark.parametrize(
    ("maps", "came"), [(np.zeros((2, 3)), "ndarray"), ({}, "an empty dictionary"), ([], "list"), (None, "NoneType")]
)
def test_what_has_no_names_is_told(maps, came):
    with pytest.raises(InputError, match=f"maps came as {came}, expected names with instances"):
        check_named("maps", maps, np.ndarray, "np.zeros((2, 3))")


@pytest.mark.parametrize("epsilons", [np.array(0.3), "0.3", b"0.3", 0.3, None])
def test_what_is_no_list_is_told(epsilons):
    with pytest.raises(InputError, match=r"epsilons came as .*, expected a list such as"):
        check_listed("epsilons", epsilons, "[0.1, 0.3]")


@pytest.mark.parametrize("epsilons", [[0.1, [0.2, 0.3]], (0.1,), range(3), np.array([0.1])])
def test_a_list_is_one_whatever_stands_in_it(epsilons):
    check_listed("epsilons", epsilons, "[0.1, 0.3]")


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        check_choice("dataset", "minst", ["mnist", "cifar10"])


@pytest.mark.parametrize(
    ("value", "meant"), [("GradCAM", "grad_cam"), ("Grad-CAM++", "grad_cam++"), ("ig", "integrated_gradients")]
)
def test_other_spellings_and_initials_are_suggested(value: str, meant: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"did you mean {meant!r}? ")):
        check_choice(
            "explanation", value, ["gradient", "grad_cam", "grad_cam++", "integrated_gradients", "guided_grad_cam"]
        )


@pytest.mark.parametrize("value", ["integrated_gradients", "IntegratedGradients", "integrated gradients"])
def test_a_name_suggests_its_initials_where_those_are_a_name(value: str) -> None:
    with pytest.raises(InputError, match="did you mean 'ig'"):
        check_choice("--inp-method", value, ["cam", "ig", "gradient", "expected_gradients"])


def test_an_error_of_a_worker_is_still_spelled_as_a_command_line():
    error = ArgumentError("say <scale=tf>, or leave <scale=> out")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "say scale='tf', or leave scale= out"
    assert str(again.with_options({"scale": "--input-scale"})) == "say --input-scale tf, or leave --input-scale out"


def test_a_keras_tensor_of_symbolic_images_is_checked_for_shape_only():
    @tf.function
    def inside(images):
        return check_images(images, (4, 4, 1))

    assert inside(tf.constant(GOOD * 9)).shape == (2, 4, 4, 1)
