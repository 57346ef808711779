"""What a training objective may look at: the network's outputs for clean and attacked images, each computed at most once."""

from functools import cached_property

import tensorflow as tf

from interp.attacks.classification import margin
from interp.attacks.searched_maps import flat
from interp.attributions import CAM, Attribution
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel
from interp.training.model_state import TrainingMode


class View:
    """One forward pass over a batch of points; logits and maps share the activations, and are computed when first asked for.

    With `training` the pass is one in training mode. Maps are those of the `explanation`, class activation maps without one; `rows`
    (n,), the places of the images in the whole batch, are what its random draws depend on.
    """

    def __init__(
        self,
        forward: PreparedModel,
        points: tf.Tensor,
        *,
        training: TrainingMode | None = None,
        explanation: Attribution | None = None,
        rows: tf.Tensor | None = None,
    ) -> None:
        self.forward, self.points, self.training, self.rows = forward, points, training, rows
        self.explanation = explanation or CAM()
        self._outputs: tuple[tf.Tensor | None, tf.Tensor] | None = None
        self.losses: list[tf.Tensor] = []
        self._label_map: tf.Tensor | None = None

    @cached_property
    def lifted(self) -> tf.Tensor:
        """The points after the first convolution, which is affine."""
        return self.forward.lift(self.points)

    def run(self) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Pass the points, if that was not done: what the linear end of the network reads, None where that is not known, and logits."""
        if self._outputs is None:
            if self.training is None:
                activations = self.forward.activations(self.points)
                self._outputs = activations, self.forward.tail.logits(activations)
            else:
                *outputs, self.losses = self.training.run(self.forward, self.points)
                self._outputs = outputs[0], outputs[1]
        return self._outputs

    @property
    def activations(self) -> tf.Tensor:
        """What the linear end of the network reads. Raises InputError."""
        activations, _ = self.run()
        if activations is None:
            raise InputError(
                "in training mode the model puts something else than dropout between average pooling and head, so its class maps are not "
                "known: compare those of another explanation, such as grad_cam"
            )
        return activations

    @property
    def logits(self) -> tf.Tensor:
        return self.run()[1]

    def count_correct(self, labels: tf.Tensor, sampled: int | None = None) -> tf.Tensor:
        """How many images the network gets right, in the pass that the objective asked for.

        Where it asked for none, one is made in inference mode, as one in training mode would move the statistics of batch normalisation;
        with `sampled`, of so many of the first images, which stand for all.
        """
        count = tf.cast(tf.shape(labels)[0], tf.float32)
        logits = View(self.forward, self.points[:sampled]).logits if self._outputs is None else self.logits
        right = margin(logits, labels[: tf.shape(logits)[0]]) < 0
        return count * tf.reduce_mean(tf.cast(right, tf.float32))

    @cached_property
    def maps(self) -> tf.Tensor:
        """Maps of all classes: class activation maps (n, h, w, K), of other methods flat (n, 1, positions, K)."""
        if isinstance(self.explanation, CAM):
            return self.explanation.of_all_classes(self.forward, self.activations)
        # A pass of which nothing but the shape is used: a model of a class of its own does not say how many classes it has.
        classes = tf.range(View(self.forward, self.points).logits.shape[-1], dtype=tf.int64)
        return _flat_last(self.maps_of(tf.tile(classes[None], [tf.shape(self.points)[0], 1])))

    def maps_with(self, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps among which are those of the `labels` (n,) of the images, always the same ones, and their places (n,) on the last axis."""
        if isinstance(self.explanation, CAM):
            # All of them are one convolution.
            return self.maps, labels
        return _flat_last(self.label_map(labels)[:, None]), tf.zeros_like(labels)

    def label_map(self, labels: tf.Tensor) -> tf.Tensor:
        """The map (n, height, width, ...) of each image's label, always the same ones. Raises InputError."""
        if isinstance(self.explanation, CAM):
            return tf.gather(self.maps, labels, axis=3, batch_dims=1)
        if self._label_map is None:
            self._label_map = self.maps_of(labels[:, None])[:, 0]
        return self._label_map

    def maps_of(self, classes: tf.Tensor) -> tf.Tensor:
        """Maps (n, m, height, width, ...) of the classes (n, m), differentiable in the weights too. Raises InputError."""
        if tf.executing_eagerly():
            raise InputError(
                f"the maps of {self.explanation.name} are computed in compiled functions, and this training step runs eagerly: leave "
                "out run_eagerly"
            )
        rows = tf.range(tf.shape(self.points)[0]) if self.rows is None else self.rows
        return self.explanation.for_training().maps(self.forward, self.points, classes, rows).maps

    def at(self, points: tf.Tensor, *, training: TrainingMode | None = None) -> "View":
        """The same network's view of other points."""
        return View(self.forward, points, training=training, explanation=self.explanation, rows=self.rows)

    def logits_along(self, lifted: tf.Tensor) -> tf.Tensor:
        """Logits on lifted points of a path, in inference mode: what is integrated belongs to each image alone."""
        return self.forward.logits_of_lifted(lifted)


def _flat_last(maps: tf.Tensor) -> tf.Tensor:
    """Maps (n, m, height, width, ...) as (n, 1, positions, m)."""
    return tf.transpose(flat(maps), (0, 2, 1))[:, None]


class Pair:
    """Clean and attacked views of the same images, with their labels and the weight of the objective's second term.

    `searching` says that the attacked points are searched and the weights stand still; `directions` are random ones, of the shape of the
    images.
    """

    def __init__(
        self,
        clean: View,
        attacked: View,
        labels: tf.Tensor,
        penalty_weight: float,
        *,
        searching: bool = False,
        directions: tf.Tensor | None = None,
    ) -> None:
        self.directions = directions
        self.clean, self.attacked, self.labels, self.penalty_weight = clean, attacked, labels, penalty_weight
        self.searching = searching

    @property
    def losses(self) -> list[tf.Tensor]:
        """The model's own losses, of one pass in training mode."""
        return self.attacked.losses or self.clean.losses
