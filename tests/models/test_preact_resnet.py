"""The pre-activation ResNet-18: its parameters counted by hand, its layers by He et al. 2016, training, maps and files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp.attributions import CAM
from interp.models import build_network
from interp.models.body import Shortcut
from interp.training import Schedule, find_objective
from interp.training.step import make_step

STAGES = ((64, 64), (64, 128), (128, 256), (256, 512))


@pytest.fixture(scope="module")
def net():
    network = build_network("preact_resnet18", (8, 8, 3), 5, seed=1)
    generator = np.random.RandomState(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(generator.normal(scale=0.1, size=layer.moving_mean.shape))
            layer.moving_variance.assign(generator.uniform(0.5, 2, size=layer.moving_variance.shape))
            layer.gamma.assign(generator.uniform(0.5, 2, size=layer.gamma.shape))
            layer.beta.assign(generator.normal(scale=0.1, size=layer.beta.shape))
    return network


def images(count=3):
    return np.random.RandomState(2).rand(count, 8, 8, 3).astype(np.float32)


def test_parameters_by_hand():
    """The count of 11,171,146 that is often quoted has no final batch normalisation, and a bias in the head."""
    kernels, normalised = 3 * 3 * 3 * 64, 0
    for entering, filters in STAGES:
        kernels += 9 * entering * filters + 3 * 9 * filters * filters
        kernels += entering * filters if entering != filters else 0
        normalised += entering + 3 * filters
    quoted = kernels + 2 * normalised + 512 * 10 + 10
    assert quoted == 11_171_146
    network = build_network("preact_resnet18", (32, 32, 3), 10)
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert trainable == quoted + 2 * 512 - 10 == 11_172_160
    # And the moving means and variances.
    assert network.count_params() == trainable + 2 * (normalised + 512) == 11_179_968


@pytest.mark.integration
def test_the_forward_pass_is_that_of_the_paper(net):
    """Written once more with plain operations, over the weights in their order."""
    layers = {layer.name: layer for layer in net.layers}

    def normalise(name, maps):
        mean, variance, gamma, beta = (
            np.asarray(getattr(layers[name], part)) for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return np.maximum((maps - mean) / np.sqrt(variance + layers[name].epsilon) * gamma + beta, 0)

    def convolve(name, maps, stride=1):
        assert layers[name].bias is None
        return tf.nn.conv2d(maps, layers[name].kernel, stride, "SAME").numpy()

    def branch(block, maps, stride=1, places=(1, 2)):
        """From the first convolution on."""
        maps = convolve(f"residual{block}_conv1", maps, stride)
        return convolve(f"residual{block}_conv2", normalise(f"residual{block}_batchnorm{places[-1]}", maps))

    maps = convolve("conv1", images())
    for block in (1, 2):
        maps = maps + branch(block, normalise(f"residual{block}_batchnorm1", maps))
    for stage in (1, 2, 3):
        first, second = 2 * stage + 1, 2 * stage + 2
        shared = normalise(f"batchnorm{stage}", maps)
        maps = branch(first, shared, 2, (1,)) + convolve(f"residual{first}_projection", shared, 2)
        maps = maps + branch(second, normalise(f"residual{second}_batchnorm1", maps))
    features = normalise("batchnorm4", maps)
    kernel = net.kernel_layers()[-1].kernel.numpy()
    np.testing.assert_allclose(net(images()), features.mean((1, 2)) @ kernel, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(net.features(images()), features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(net.cam(images()), features @ kernel, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(layer, Shortcut) for layer in net.layers)


@pytest.mark.slow
def test_maps_files_and_training(net, tmp_path):
    labels = np.array([0, 3, 4])
    assert CAM(net)(images(), labels).shape == (3, 8, 8, 1)
    path = interp.save_model(net, tmp_path / "cifar_preactresnet18_normal_1.safetensors")
    loaded = interp.load_model("cifar_preactresnet18_normal_1", networks_dir=tmp_path)
    np.testing.assert_array_equal(loaded(images()), net(images()))
    assert loaded.architecture == "preact_resnet18"
    assert path.stat().st_size > 4 * net.count_params()
    loaded.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [weight.copy() for weight in loaded.get_weights()]
    loaded.fit(images(), labels, epochs=1, verbose=0)
    # Every kernel, gamma, beta and moving statistic takes part.
    moved = [not np.array_equal(was, now) for was, now in zip(before, loaded.get_weights(), strict=True)]
    assert all(moved)


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["adv", "int"])
def test_a_step_of_the_packages_training(net, tag):
    """The loss goes down on the batch; batch normalisation takes its statistics from it."""
    trained = build_network("preact_resnet18", (8, 8, 3), 5, seed=1)
    schedule = Schedule(
        epochs=1,
        batch_size=3,
        learning_rates=((0, 1e-3),),
        epsilon=0.02,
        ramp=(0, 0),
        attack_steps=2,
        attack_step_size=0.01,
    )
    step = make_step(trained, find_objective(tag), keras.optimizers.Adam(1e-3), schedule, penalty_weight=0.1)
    labels = tf.constant([0, 3, 4], tf.int64)
    losses = [
        float(
            step(tf.constant(images()), labels, tf.constant(0.02), tf.constant([0, 0], tf.int64), tf.constant(0.1))[
                "loss"
            ]
        )
        for _ in range(4)
    ]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert np.abs(trained.get_layer("batchnorm4").moving_mean.numpy()).max() > 0
