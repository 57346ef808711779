"""Models that cannot be brought to the contract: refused in one line that says the way out."""

import keras
import pytest

from interp.core.errors import InputError
from interp.models import adapt
from tests.models.models_of_users import IMAGES, LABELS, SHAPE, body, two_outputs

L = keras.layers


def functional(make, shape=SHAPE, **arguments):
    inputs = keras.Input(shape, **arguments)
    return keras.Model(inputs, make(inputs))


class Odds(L.Layer):
    def call(self, inputs):
        return keras.ops.exp(inputs) / keras.ops.sum(keras.ops.exp(inputs), -1, keepdims=True)


REFUSED = {
    "a scale before its own": (
        lambda: body(L.Dense(4), first=(L.Rescaling(1 / 127.5, -1.0),)),
        {"scale": "tf"},
        "came as 'tf', but the model scales images of 0..255 itself: use scale='0..255'",
    ),
    "no model": (lambda: "model", {}, "the model came as str"),
    "no evidence": (lambda: body(L.Dense(4)), {"scale": "auto"}, "no evidence"),
    "an unknown scale": (lambda: body(L.Dense(4)), {"scale": "0..25"}, r"did you mean '0\.\.255'"),
    "a scale that is none": (lambda: body(L.Dense(4)), {"scale": 255}, "scale came as int"),
    "channels": (lambda: body(L.Dense(4)), {"scale": ((0.5, 0.5), 0.2)}, "one for each of 3 channels"),
    "a mean of 0..255": (lambda: body(L.Dense(4)), {"scale": (120.0, 60.0)}, "divide mean and std"),
    "a std of 0": (lambda: body(L.Dense(4)), {"scale": (0.5, 0.0)}, "above 0"),
    "a scale of three channels": (
        lambda: functional(lambda x: L.Dense(2)(L.Flatten()(x)), (4, 4, 1)),
        {"scale": "imagenet"},
        "of three channels",
    ),
    "images alone": (lambda: body(L.Dense(4)), {"images": IMAGES}, "give both"),
    "several outputs": (lambda: two_outputs(named=False), {}, "say which, as in output='kind'"),
    "several named outputs": (lambda: two_outputs(named=True), {}, "say which, as in output="),
    "another name": (lambda: two_outputs(named=True), {"output": "kinds"}, "did you mean 'kind'"),
    "another number": (lambda: two_outputs(named=False), {"output": 2}, "no output 2"),
    "maps": (lambda: functional(L.Conv2D(4, 3)), {}, "one row of class scores"),
    "whole numbers": (
        lambda: functional(lambda x: keras.ops.cast(L.Flatten()(x), "int32")),
        {},
        "one row of class scores",
    ),
    "a regression": (lambda: body(L.Dense(1)), {}, "single number without a sigmoid"),
    "a softmax of one unit": (lambda: body(L.Dense(1, activation="softmax")), {}, "no class"),
    "probabilities of another making": (lambda: body(L.Dense(4), Odds()), {}, "cannot be had|cannot be cut"),
    "rows of pixels": (lambda: functional(L.Dense(4), (300,)), {}, r"keras\.layers\.Reshape"),
    "whole pixels": (lambda: functional(lambda x: L.Flatten()(x), dtype="uint8"), {}, "no gradient passes"),
    "channels first": (lambda: functional(L.Flatten(), (3, 8, 8)), {}, "Permute"),
    "other images": (
        lambda: body(L.Dense(4)),
        {"images": IMAGES[:, 1:], "labels": LABELS},
        r"takes \(n, [\w, ]+\): resize",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case):
    make, arguments, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        adapt(make(), **{"scale": "0..1", **arguments})
    assert "\n" not in str(caught.value)
