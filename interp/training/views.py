"""What a training objective may look at: the network's outputs for clean and attacked images, each computed at most once."""

from functools import cached_property

import tensorflow as tf

from interp.models.prepared import PreparedModel


class View:
    """One forward pass over a batch of points; logits and maps share the activations, and are computed when first asked for.

    `training` turns batch normalisation to the statistics of the batch.
    """

    def __init__(self, forward: PreparedModel, points: tf.Tensor, *, training: bool = False) -> None:
        self.forward, self.points, self.training = forward, points, training

    @cached_property
    def lifted(self) -> tf.Tensor:
        """The points after the first convolution, which is affine."""
        return self.forward.lift(self.points)

    @cached_property
    def activations(self) -> tf.Tensor:
        return self.forward.activations(self.points, training=self.training)

    @cached_property
    def logits(self) -> tf.Tensor:
        return self.forward.tail.logits(self.activations)

    @property
    def measured_logits(self) -> tf.Tensor:
        """Logits for a measure: those at hand if the objective asked for them, else of a pass in inference mode.

        A pass in training mode made for a measure would move the statistics of batch normalisation.
        """
        return self.logits if "activations" in self.__dict__ else View(self.forward, self.points).logits

    @cached_property
    def maps(self) -> tf.Tensor:
        """Class activation maps of all classes, shape (n, h, w, K)."""
        return self.forward.tail.maps(self.activations)

    def at(self, points: tf.Tensor) -> "View":
        """The same network's view of other points."""
        return View(self.forward, points, training=self.training)

    def logits_along(self, lifted: tf.Tensor) -> tf.Tensor:
        """Logits on lifted points of a path, in inference mode: what is integrated belongs to each image alone."""
        return self.forward.logits_of_lifted(lifted)


class Pair:
    """Clean and attacked views of the same images, with their labels and the weight of the objective's second term.

    `searching` says that the attacked points are searched and the weights stand still.
    """

    def __init__(
        self, clean: View, attacked: View, labels: tf.Tensor, penalty_weight: float, *, searching: bool = False
    ) -> None:
        self.clean, self.attacked, self.labels, self.penalty_weight = clean, attacked, labels, penalty_weight
        self.searching = searching
