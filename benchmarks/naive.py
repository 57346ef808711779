"""The same works written naively: the network as Keras runs it, one GradientTape pass a step in a compiled loop."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from interp.models import Network, build_network
from interp.training.schedule import Schedule


def pgd(network: Any, images: tf.Tensor, labels: Any, epsilon: float, size: float, steps: int) -> Callable[[], Any]:
    """PGD from the images themselves."""
    labels, model = tf.constant(labels), as_keras(network)

    @tf.function
    def attack(images: tf.Tensor) -> tf.Tensor:
        return _climb(model, images, images, labels, epsilon, size, steps)

    return lambda: attack(images)


def training_step(network: Any, images: tf.Tensor, labels: tf.Tensor, schedule: Schedule) -> Callable[[], Any]:
    """A step of Madry's training."""
    model, optimizer = as_keras(network), keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tuple[tf.Tensor, ...]:
        start = tf.clip_by_value(
            images + tf.random.uniform(tf.shape(images), -schedule.epsilon, schedule.epsilon), 0.0, 1.0
        )
        moved = _climb(model, images, start, labels, schedule.epsilon, schedule.attack_step_size, schedule.attack_steps)
        with tf.GradientTape() as tape:
            logits = model(moved, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        # The accuracies that a training shows are part of the step.
        clean = model(images, training=False)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss, _accuracy(clean, labels), _accuracy(logits, labels)

    return step


def _accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))


def _climb(
    model: Any, images: tf.Tensor, points: tf.Tensor, labels: tf.Tensor, epsilon: float, size: float, steps: int
) -> tf.Tensor:
    for _ in tf.range(steps):
        with tf.GradientTape() as tape:
            tape.watch(points)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(points, training=False))
        points = points + size * tf.sign(tape.gradient(loss, points))
        points = tf.clip_by_value(points, tf.maximum(images - epsilon, 0.0), tf.minimum(images + epsilon, 1.0))
    return points


def as_keras(network: Any) -> Any:
    """The network with all of its layers, run by Keras alone: itself it would fold its tail and use this package's convolutions."""
    if not isinstance(network, Network):
        return network
    model = build_network(network.architecture, network.image_shape, network.classes, fold_tail=False)
    model.set_weights(network.get_weights())
    return keras.Model(model.inputs, model.outputs[0])
