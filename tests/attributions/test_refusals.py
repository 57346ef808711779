"""What cannot be explained is refused in one line."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import attributions
from interp.attributions import (
    CAM,
    GradCAM,
    GuidedBackprop,
    IntegratedGradients,
    InterpretationMaps,
    RandomBaseline,
    Representation,
    SmoothGrad,
    VanillaGradient,
)
from interp.core.errors import InputError

L = keras.layers
IMAGES, LABELS = np.random.RandomState(0).rand(2, 8, 8, 1).astype(np.float32), np.array([0, 1])


def sequential(*layers):
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


def ends(*layers):
    return sequential(L.Conv2D(2, 3, name="conv"), L.Flatten(name="flat"), *layers)


def shared():
    inputs, relu = keras.Input((8, 8, 1)), L.ReLU(name="relu")
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(relu(L.Conv2D(2, 3, padding="same")(relu(inputs))))))


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(2)

    def call(self, inputs):
        return self.dense(keras.ops.reshape(inputs, (-1, 64)))


class Different(keras.Model):
    """A functional model that computes something else."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def different():
    inputs = keras.Input((8, 8, 1))
    return Different(inputs, L.Dense(2)(L.Flatten()(L.Conv2D(2, 3)(inputs))))


class Holding(L.Layer):
    """A layer inside a layer."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


def hard_sigmoid():
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(keras.ops.hard_sigmoid(L.Conv2D(2, 3)(inputs)))))


class OnlyEager(Subclass):
    """Runs on real images alone."""

    def call(self, inputs):
        return super().call(inputs) * float(inputs.numpy().max())


def only_eager():
    return OnlyEager()


compiled_relu = tf.function(keras.ops.relu)


@pytest.mark.parametrize(
    ("make", "method", "said"),
    [
        (lambda: ends(L.Dense(2)), lambda m: GradCAM(m, layer="cnv"), "did you mean 'conv'?"),
        (
            lambda: ends(L.Dense(2)),
            lambda m: GradCAM(m, layer="flat"),
            "no spatial output (n, height, width, channels): choose one of conv",
        ),
        (shared, lambda m: GradCAM(m, layer="relu"), "expected one of relu:0, "),
        (lambda: sequential(L.Flatten(), L.Dense(2)), GradCAM, "no layer of the model has a spatial output"),
        (lambda: ends(L.Dense(2)), CAM, "CAM needs a model that ends in"),
        (
            lambda: sequential(L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(4, activation="relu"), L.Dense(2)),
            CAM,
            "CAM needs a model that ends in",
        ),
        (Subclass, GradCAM, "the layers of Subclass cannot be followed"),
        (different, GradCAM, "Different computes something else than its layers"),
        (different, lambda m: Representation(m, index=0), "Different computes something else than its layers"),
        (lambda: ends(L.Dense(4, activation="gelu"), L.Dense(2)), GuidedBackprop, "no rule for gelu (layer dense"),
        (lambda: ends(L.LeakyReLU(), L.Dense(2)), GuidedBackprop, "no rule for LeakyReLU (layer leaky_re_lu"),
        (lambda: ends(L.PReLU(), L.Dense(2)), GuidedBackprop, "no rule for PReLU"),
        (lambda: ends(L.ReLU(negative_slope=0.1), L.Dense(2)), GuidedBackprop, "no rule for ReLU with a slope"),
        (lambda: ends(L.Activation("hard_silu"), L.Dense(2)), attributions.DeconvNet, "no rule for hard_silu"),
        (lambda: ends(keras.Sequential([L.Dense(3, "tanh")]), L.Dense(2)), GuidedBackprop, "no rule for tanh"),
        (lambda: ends(L.Lambda(keras.ops.tanh), L.Dense(2)), GuidedBackprop, "no rule for Tanh (operation "),
        (
            lambda: ends(L.Lambda(lambda x: keras.ops.maximum(x, 0.0)), L.Dense(2)),
            GuidedBackprop,
            "no rule for Maximum",
        ),
        (lambda: ends(L.Lambda(compiled_relu), L.Dense(2)), GuidedBackprop, "no rule for PartitionedCall"),
        (
            lambda: ends(L.Lambda(lambda x: keras.ops.maximum(x, 0.1 * x)), L.Dense(2)),
            GuidedBackprop,
            "no rule for Maximum",
        ),
        (
            lambda: ends(L.Lambda(lambda x: keras.ops.where(x > 0, x, 0.0)), L.Dense(2)),
            GuidedBackprop,
            "no rule for Greater",
        ),
        (lambda: ends(L.Lambda(lambda x: x * x), L.Dense(2)), GuidedBackprop, "no rule for Mul"),
        (lambda: ends(L.Lambda(keras.ops.sin), L.Dense(2)), GuidedBackprop, "no rule for Sin"),
        (lambda: ends(Holding(L.PReLU()), L.Dense(2)), GuidedBackprop, "no rule for PReLU"),
        (hard_sigmoid, GuidedBackprop, "no rule for HardSigmoid"),
        (
            lambda: sequential(L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Softmax(), L.Dense(2)),
            CAM,
            "CAM needs a model that ends in",
        ),
        (only_eager, VanillaGradient, "the model runs, but not in a compiled function"),
        (lambda: ends(L.Dense(2, activation="gelu")), attributions.GuidedGradCAM, "no rule for gelu"),
        (lambda: ends(L.Dense(1)), VanillaGradient, "at least 2 classes"),
        (lambda: ends(L.Dense(1, activation="sigmoid")), VanillaGradient, "at least 2 classes"),
        (lambda: sequential(L.Conv2D(2, 3)), VanillaGradient, "the model returned shape"),
        (
            lambda: ends(L.Dense(3, activation="softmax"), L.Lambda(lambda p: p[:, ::-1] * 1.0)),
            VanillaGradient,
            "does not end in a softmax that can be cut",
        ),
        (
            lambda: ends(L.Dense(2), L.Lambda(lambda z: keras.ops.round(3 * z) + 5)),
            VanillaGradient,
            "any differentiable path",
        ),
    ],
)
def test_models(make, method, said):
    model = make()
    explain = method(model)
    with pytest.raises(InputError) as caught:
        explain(IMAGES, LABELS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def model():
    return ends(L.Dense(2))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda m: VanillaGradient("network"), "the model came as str, expected a keras.Model"),
        (lambda m: VanillaGradient(m, chunk_size=0), "chunk_size came as 0"),
        (lambda m: SmoothGrad(VanillaGradient(m), samples=0), "samples came as 0"),
        (lambda m: SmoothGrad(VanillaGradient(m), noise_level=-1), "noise_level came as -1"),
        (lambda m: SmoothGrad(VanillaGradient(m), seed=-1), "seed came as -1"),
        (lambda m: SmoothGrad(m), "expected an instance such as VanillaGradient(model)"),
        (lambda m: RandomBaseline(m, seed=0.5), "seed came as 0.5"),
        (lambda m: IntegratedGradients(m, steps=0), "steps came as 0"),
        (lambda m: IntegratedGradients(m, rule="simpson"), "unknown quadrature rule 'simpson'"),
        (lambda m: IntegratedGradients(m, steps=5000), "expected at most 2048"),
        (lambda m: IntegratedGradients(m, baseline="grey"), "unknown baseline 'grey'"),
        (lambda m: IntegratedGradients(m, baseline=[1, [2]]), "baseline cannot be read as one array"),
        (lambda m: IntegratedGradients(m, baseline=None), "baseline came as None"),
        (lambda m: IntegratedGradients(m, tolerance=0), "tolerance came as 0"),
        (lambda m: IntegratedGradients(m, baseline=2), "baseline came with values in [2, 2], expected [0, 1]"),
        (
            lambda m: IntegratedGradients(m, baseline=np.zeros((8, 8), np.float32)),
            "baseline came as float32 of shape (8, 8)",
        ),
        (
            lambda m: IntegratedGradients(m, baseline=np.zeros((4, 4, 1), np.float32))(IMAGES, LABELS),
            "baseline came with shape (4, 4, 1)",
        ),
        (lambda m: VanillaGradient(m)(IMAGES * 255, LABELS), "rescale them"),
        (lambda m: VanillaGradient(m)(IMAGES, [0, 2]), "the network has classes 0 to 1"),
        (lambda m: VanillaGradient(m)(IMAGES, [0]), "1 label came with 2 images"),
        (lambda m: Representation(m, index=1.5), "index came as float"),
        (lambda m: Representation(m, index="a"), "index came as str"),
        (
            lambda m: InterpretationMaps(name="gradient")(m, IMAGES, [[0.7], [1.2]]),
            "classes came as float64, expected integers",
        ),
        (
            lambda m: InterpretationMaps(name="gradient")(m, IMAGES, tf.constant([[0], [2]])),
            "the network has classes 0 to 1",
        ),
        (lambda m: InterpretationMaps(name="gradient")(m, IMAGES, [0, 1]), "classes came with shape (2,)"),
        (lambda m: InterpretationMaps(name="gradient")(m, IMAGES, [["a"], ["b"]]), "classes came as list of"),
        (lambda m: attributions.pixel_scores(np.zeros((2, 3, 3))), "maps came with shape (2, 3, 3)"),
        (lambda m: attributions.pixel_scores(np.zeros((2, 3, 3, 1)), "abs"), "unknown ranking 'abs'"),
    ],
)
def test_settings(model, make, said):
    with pytest.raises(InputError) as caught:
        make(model)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_maps_that_are_not_finite_are_told():
    """Only some images meet the root of 0."""
    inputs = keras.Input((8, 8, 1))
    flat = L.Flatten()(inputs)
    model = keras.Model(inputs, L.Dense(2)(keras.ops.sqrt(flat)))
    images = np.concatenate([IMAGES + 0.01, np.zeros((1, 8, 8, 1), np.float32)]).clip(0, 1)
    with pytest.raises(InputError, match=r"the maps of 1 of 3 images are NaN or infinite \(the first is image 2\)"):
        VanillaGradient(model)(images, [0, 1, 0])
