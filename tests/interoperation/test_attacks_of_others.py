"""Foolbox and ART attack a network of this project as any Keras model, and find the robust accuracy that this project measures.

They are installed in an environment of their own: `make test-peers`.
"""

import numpy as np
import pytest
import tensorflow as tf

import interp

EPSILON, SIZE, STEPS = 0.3, 0.01, 40
# One image of two hundred: where two logits are almost equal, the order of float32 sums decides.
NEARLY = 0.005 + 1e-9


@pytest.fixture(scope="module")
def net():
    return interp.load_model("mnist_smallgap_adv_20")


@pytest.fixture(scope="module")
def test_images(data_dir):
    return interp.data.load("mnist", "test", data_dir=data_dir).take(200)


@pytest.fixture(scope="module")
def measured(net, test_images):
    attack = interp.attacks.ProjectedGradientDescent(epsilon=EPSILON, step_size=SIZE, steps=STEPS)
    return robust_accuracy(net, attack(net, test_images.images, test_images.labels), test_images)


def robust_accuracy(net, attacked, test):
    """Share of attacked images that the network gets right; they must be images, and within the radius."""
    attacked = np.asarray(attacked)
    assert np.abs(attacked - test.images).max() <= EPSILON + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    return float(np.mean(np.argmax(net(attacked), -1) == test.labels))


@pytest.mark.integration
def test_foolbox_finds_the_same_robust_accuracy(net, test_images, measured):
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed: make test-peers")
    model = foolbox.TensorFlowModel(net, bounds=(0, 1), device="/CPU:0")
    images, labels = tf.constant(test_images.images), tf.constant(test_images.labels)
    clean = float(np.mean(np.argmax(net(test_images.images), -1) == test_images.labels))
    assert foolbox.accuracy(model, images, labels) == pytest.approx(clean)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=SIZE, steps=STEPS, random_start=False)
    _, attacked, broken = attack(model, images, labels, epsilons=EPSILON)
    theirs = robust_accuracy(net, attacked, test_images)
    assert theirs == pytest.approx(1 - float(np.mean(broken)))
    assert theirs == pytest.approx(measured, abs=NEARLY)
    assert theirs < clean - 0.03


def test_art_finds_the_same_robust_accuracy(net, test_images, measured):
    pytest.importorskip("art", reason="ART is not installed: make test-peers")
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        model=net,
        nb_classes=10,
        input_shape=(28, 28, 1),
        loss_object=tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )
    logits = classifier.predict(test_images.images)
    np.testing.assert_allclose(logits, net(test_images.images), atol=1e-4)
    attack = ProjectedGradientDescent(
        classifier, eps=EPSILON, eps_step=SIZE, max_iter=STEPS, batch_size=200, verbose=False
    )
    attacked = attack.generate(test_images.images, np.eye(10, dtype=np.float32)[test_images.labels])
    assert robust_accuracy(net, attacked, test_images) == pytest.approx(measured, abs=NEARLY)


def test_attacked_images_of_others_are_images_here(net, test_images):
    """What Foolbox gives, a tensor, goes into evaluations and attributions of this project as it is."""
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed: make test-peers")
    model = foolbox.TensorFlowModel(net, bounds=(0, 1), device="/CPU:0")
    images, labels = tf.constant(test_images.images[:8]), tf.constant(test_images.labels[:8])
    _, attacked, _ = foolbox.attacks.LinfFastGradientAttack()(model, images, labels, epsilons=EPSILON)
    maps = interp.attributions.GradCAM(net)(attacked, labels)
    assert tf.is_tensor(maps)
    np.testing.assert_array_equal(maps, interp.attributions.GradCAM(net)(np.asarray(attacked), np.asarray(labels)))
