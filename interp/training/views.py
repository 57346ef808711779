"""What a training objective may look at: the network's outputs for clean and attacked images, each computed at most once."""

from functools import cached_property

import tensorflow as tf

from interp.models.linear_tail import Tail
from interp.models.network import Network


class View:
    """One forward pass over a batch; logits and maps share the activations, and are computed when first asked for."""

    def __init__(self, network: Network, tail: Tail, images: tf.Tensor, *, training: bool = False) -> None:
        self.network, self.tail, self.images, self.training = network, tail, images, training

    @cached_property
    def activations(self) -> tf.Tensor:
        return self.network.activations(self.images, training=self.training)

    @cached_property
    def logits(self) -> tf.Tensor:
        return self.tail.logits(self.activations)

    @cached_property
    def maps(self) -> tf.Tensor:
        """Class activation maps of all classes, shape (n, h, w, K)."""
        return self.tail.maps(self.activations)


class Pair:
    """Clean and attacked views of the same images, with their labels and the weights of the objective's terms."""

    def __init__(self, clean: View, attacked: View, labels: tf.Tensor, penalty: float, beta: float) -> None:
        self.clean, self.attacked, self.labels = clean, attacked, labels
        self.penalty, self.beta = penalty, beta
