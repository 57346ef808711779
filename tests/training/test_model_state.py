"""What a model has besides weights while it is trained: statistics of batch normalisation, draws of dropout, losses of layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.models import adapt, build_network
from interp.training import CheckpointFolder, Checkpointing, RobustModel, plain_schedule, train, usual_schedule
from interp.training.model_state import ModelState
from interp.training.replica_statistics import check_shared_statistics
from interp.training.step import make_step
from tests.training.models_of_users import ATTACKED, SHAPE, L, nested, normalised, pictures


@pytest.mark.integration
@pytest.mark.parametrize(("chosen", "seen"), [("clean", "clean"), ("attacked", "attacked"), ("each", "both")])
@pytest.mark.parametrize("tag", ["adv", "trades"])
def test_whose_statistics_batch_normalisation_keeps(tag, chosen, seen):
    """By hand: momentum .9, one step from mean 0."""
    model, data = normalised(), pictures(8)
    images, labels = tf.constant(np.asarray(data.images[:])), tf.constant(data.labels)
    convolution, norm = model.layers[0], model.layers[1]
    step = make_step(model, tag, keras.optimizers.SGD(0.0), ATTACKED, penalty_weight=1.0, batch_statistics=chosen)
    step(images, labels, tf.constant(0.05), tf.constant([0, 0], tf.int64), tf.constant(0.0))
    clean = tf.reduce_mean(convolution(images), (0, 1, 2)).numpy()
    mean = norm.moving_mean.numpy()
    if seen == "clean":
        np.testing.assert_allclose(mean, 0.1 * clean, atol=1e-5)
    elif seen == "attacked":
        assert np.abs(mean - 0.1 * clean).max() > 1e-4
        assert np.abs(mean - 0.1 * clean).max() < 0.1 * 0.05 * 27
    elif tag == "trades":
        # Both passes: .9 of one tenth of the first and a tenth of the second.
        assert np.abs(mean - 0.19 * clean).max() < 0.1 * 0.05 * 27
        assert np.abs(mean - 0.1 * clean).max() > 1e-3
    else:
        # Adv's loss looks at attacked images alone.
        assert 1e-4 < np.abs(mean - 0.1 * clean).max() < 0.1 * 0.05 * 27


def test_what_a_pass_in_training_mode_moves_is_found_in_its_graph():
    model = nested()
    state = ModelState(adapt(model, scale="0..1"), SHAPE)
    # The frozen normalisation stays as it is.
    assert [variable.name for variable in state.statistics] == ["moving_mean", "moving_variance"]
    assert len(state.seeds) == 1
    assert not state.is_half
    network = ModelState(build_network("simple_cnn", SHAPE, 3), SHAPE)
    assert len(network.statistics) == 6


@pytest.mark.integration
def test_clean_and_attacked_images_meet_the_same_dropout():
    """With a radius of 0 their maps and probabilities are the same, so TRADES has no second term."""
    model = normalised(dropout=0.5)
    data = pictures(8)
    schedule = usual_schedule(8, 0.0, epochs=1, batch_size=8)
    losses = []
    for weight in (0.0, 100.0):
        model = normalised(dropout=0.5)
        losses.append(train(model, "trades", data, schedule, penalty_weight=weight)[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.integration
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path):
    """Bitwise, with dropout, batch normalisation, augmentation by layers and an optimizer with its own schedule of rates."""
    data = pictures(40)
    schedule = usual_schedule(40, 0.05, epochs=3, batch_size=8, attack_steps=2)

    def run(folder, stop_after=None):
        model = normalised(dropout=0.4)
        flips = keras.Sequential([L.RandomFlip("horizontal"), L.RandomTranslation(0.1, 0.1)])
        optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.05, 15), momentum=0.9)

        def report(progress):
            if progress.step == stop_after:
                raise KeyboardInterrupt

        checkpointing = Checkpointing(folder=CheckpointFolder(folder), every_steps=4)
        train(
            model, "int", data, schedule, augment=flips, optimizer=optimizer, checkpointing=checkpointing, report=report
        )
        return model.get_weights()

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop_after=9)
    resumed, whole = run(tmp_path / "cut"), run(tmp_path / "whole")
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.integration
def test_activity_losses_count_with_fixed_statistics():
    """A layer with such a loss is called as it is, however often it was called before."""
    keras.utils.set_random_seed(1)
    layers = [L.Conv2D(4, 3, activity_regularizer="l2"), L.BatchNormalization(), L.ReLU(), L.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input(SHAPE), *layers, L.Dense(3)])
    data = pictures()
    logits = model(data.images, training=False)
    own = keras.losses.sparse_categorical_crossentropy(data.labels, logits, from_logits=True).numpy().mean()
    expected = own + float(sum(model.losses))
    still = plain_schedule(epochs=1, batch_size=24, learning_rate=1e-12)
    for statistics in ("fixed", "each", "fixed"):
        told = train(model, "normal", data, still, batch_statistics=statistics)
        if statistics == "fixed":
            assert told[-1]["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.integration
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_losses_of_layers_in_half_precision_count(policy):
    """They come in the precision of their layer, and could not be added to the loss, which is in float32."""
    images, labels = np.asarray(pictures().images[:]), pictures().labels
    still = plain_schedule(epochs=1, batch_size=24, learning_rate=1e-12)
    weights, losses = [], []
    for precision in ("float32", policy):
        keras.utils.set_random_seed(1)
        maps = L.Conv2D(4, 3, activity_regularizer="l2", kernel_regularizer="l2", dtype=precision)
        ends = [L.GlobalAveragePooling2D(dtype="float32"), L.Dense(3, dtype="float32")]
        model = keras.Sequential([keras.Input(SHAPE), maps, *ends])
        # Initial weights depend on their precision.
        weights = weights or model.get_weights()
        model.set_weights(weights)
        [told] = train(model, "normal", pictures(), still)
        robust = RobustModel(model, "normal", still)
        robust.compile(keras.optimizers.SGD(1e-12))
        fitted = robust.fit(images, labels, batch_size=24, verbose=0, validation_data=(images, labels)).history
        losses.append([told["loss"], fitted["loss"][0], fitted["val_loss"][0]])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.01)


def test_frozen_weights_of_a_network_are_no_statistics():
    """Several replicas were refused such a network, and told to freeze what is frozen."""
    network = build_network("simple_cnn", SHAPE, 3)
    for layer in network.layers[:4]:
        layer.trainable = False
    state = ModelState(network, SHAPE)
    check_shared_statistics(network, state.statistics)
    assert {variable.name for variable in state.statistics} == {"moving_mean", "moving_variance"}
    assert not ModelState(build_network("small", SHAPE, 3), SHAPE).statistics
