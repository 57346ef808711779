"""The Keras network of the package: logits, features and the maps that explain them."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import compile_for, rows_like
from interp.core.errors import InputError, check_choice
from interp.core.path_gradients import mean_path_gradient, quadrature
from interp.models.architectures import Conv, find_architecture
from interp.models.body import DTYPE, LAYOUT, Activation, Body
from interp.models.linear_tail import DenseTail, FoldedTail, LayeredTail, Tail
from interp.models.low_precision import cast_layers
from interp.models.pixel_layout import fastest_layout

# What may stand in for ReLU in a map.
ACTIVATIONS = ("relu", "softplus", "elu", "gelu", "silu")


@keras.saving.register_keras_serializable(package="interp")
class Network(keras.Model):
    """A network of this package: a functional Keras model whose logits and maps have fast, exact forms.

    `net(images)` gives logits (n, K). `metadata` says where the weights come from. The weights are those of Keras's initializers until
    others are set; `build_network` draws those of the paper.

    Args:
        architecture: A name in ARCHITECTURES, such as "small".
        image_shape: (height, width, channels) of an image.
        classes: Number of classes, at least 2.
        fold_tail: Whether the linear layers at the end are computed as one, with the same result.
        name: Name of the Keras model (default: the architecture).

    Raises:
        InputError: The architecture is unknown, or a number is out of its range.
    """

    def __init__(
        self,
        architecture: str,
        image_shape: tuple[int, int, int],
        classes: int,
        *,
        fold_tail: bool = True,
        name: str | None = None,
    ) -> None:
        check_number("classes", classes, minimum=2, whole=True)
        sides = tuple(image_shape) if isinstance(image_shape, Iterable) else ()
        if len(sides) != 3:
            raise InputError(f"image_shape came as {str(image_shape)[:80]}, expected (height, width, channels)")
        for side in sides:
            check_number("image_shape", side, minimum=1, whole=True)
        specification = find_architecture(architecture)
        body = Body(specification.layers)
        inputs = keras.Input(sides, dtype=DTYPE, name="images")
        outputs = body(inputs)
        if specification.average_pooled:
            outputs = keras.layers.GlobalAveragePooling2D(data_format=LAYOUT, dtype=DTYPE, name="average")(outputs)
        head = keras.layers.Dense(classes, use_bias=not specification.average_pooled, dtype=DTYPE, name="head")
        super().__init__(inputs=inputs, outputs=head(outputs), name=name or architecture)
        self.dtype_policy = keras.DTypePolicy(DTYPE)
        self.architecture = specification.name
        self.image_shape = tuple(int(side) for side in sides)
        self.classes = int(classes)
        self.fold_tail = fold_tail
        self.metadata: Any = {}
        self.layout = fastest_layout(specification.layers[0], self.image_shape[:2])
        self._body = body
        self._head = head
        self._average_pooled = specification.average_pooled
        # The last convolution belongs to the tail when no nonlinearity follows it.
        self._tail_convolution = body.layers[-1] if isinstance(specification.layers[-1], Conv) else None
        self._depth = len(body.layers) - (self._tail_convolution is not None)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this network, for Keras to save."""
        return {
            "architecture": self.architecture,
            "image_shape": self.image_shape,
            "classes": self.classes,
            "fold_tail": self.fold_tail,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Network":
        return cls(**config)

    def kernel_layers(self) -> list[Any]:
        """Convolutions and dense layers in order, the head last."""
        return [*self._body.kernels(), self._head]

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Compute the logits.

        Args:
            inputs: float32 (n, height, width, channels) in [0, 1].
            training: Whether batch normalisation is in training mode.
            mask: Not used.

        Returns:
            float32 logits (n, K).
        """
        return self.tail().logits(self.activations(inputs, training=bool(training)))

    # The parts of a forward pass, for interp.models.prepared, which prepares them once for many passes.

    def activations(
        self, images: tf.Tensor, *, activation: Activation | None = None, training: bool = False
    ) -> tf.Tensor:
        """Compute the outputs of the last nonlinearity, which the tail reads.

        Args:
            images: float32 (n, height, width, channels) in [0, 1].
            activation: What replaces every ReLU (default: nothing).
            training: Whether batch normalisation is in training mode.

        Returns:
            The outputs.
        """
        return self._body(images, activation=activation, training=training, last=self._depth)

    def layer_outputs(self, images: tf.Tensor, index: int) -> tf.Tensor:
        """Compute the outputs of one layer before the pooling and the head.

        Args:
            images: float32 (n, height, width, channels) in [0, 1].
            index: Number of the layer, from 0, or from -1 backwards.

        Returns:
            The outputs.

        Raises:
            InputError: There is no such layer.
        """
        count = len(self._body.layers)
        if not -count <= index < count:
            raise InputError(f"no layer {index}: {self.architecture} has layers 0 to {count - 1}, -1 is the last")
        return self._body(images, last=index % count + 1)

    @property
    def first_layer(self) -> Any:
        """The convolution that reads the image."""
        return self._body.layers[0]

    def activations_after_first(self, outputs: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Outputs of the last nonlinearity from those of the first convolution."""
        return self._body(outputs, training=training, first=1, last=self._depth)

    def cast_after_first(self, precision: tf.DType) -> Callable[[tf.Tensor], tf.Tensor]:
        """`activations_after_first` in inference mode and another precision, the weights cast once."""
        return cast_layers(self._body, first=1, last=self._depth, precision=precision)

    def tail(self) -> Tail:
        """The linear rest of the network with its present weights."""
        head = tf.convert_to_tensor(self._head.kernel)
        if not self._average_pooled:
            return DenseTail(head, tf.convert_to_tensor(self._head.bias))
        if self._tail_convolution is None:
            return LayeredTail(head)
        kernel, bias = (
            tf.convert_to_tensor(weight) for weight in (self._tail_convolution.kernel, self._tail_convolution.bias)
        )
        if not self.fold_tail:
            return LayeredTail(head, (kernel, bias))
        return FoldedTail(kernel, bias, head, tuple(self._tail_convolution.output.shape[1:3]))

    # Maps, in the terms of Boopathy et al. 2020.

    def features(self, images: Any) -> tf.Tensor:
        """Compute the last feature maps before average pooling.

        Args:
            images: float32 (n, height, width, channels) in [0, 1].

        Returns:
            Feature maps (n, h, w, d).

        Raises:
            InputError: The images cannot be used, or the network has no average pooling.
        """
        return self.tail().features(self.activations(check_images(images, self.image_shape)))

    def cam(self, images: Any) -> tf.Tensor:
        """Compute the class activation maps of all classes (Zhou et al. 2016).

        Args:
            images: float32 (n, height, width, channels) in [0, 1].

        Returns:
            Maps (n, h, w, K); their mean over (h, w) is the logits.

        Raises:
            InputError: The images cannot be used, or the network has no average pooling.
        """
        return self.tail().maps(self.activations(check_images(images, self.image_shape)))

    def grad_cam_plus_plus(self, images: Any) -> tf.Tensor:
        """Compute Grad-CAM++ of all classes in its closed form for average pooling, the sum over channels c of A_c relu(W_ck).

        Args:
            images: float32 (n, height, width, channels) in [0, 1].

        Returns:
            Maps (n, h, w, K).

        Raises:
            InputError: The images cannot be used, or the network has no average pooling.
        """
        return self.tail().rectified().maps(self.activations(check_images(images, self.image_shape)))

    def integrated_gradients(
        self,
        images: Any,
        labels: Any,
        *,
        steps: int = 32,
        rule: str = "gauss_legendre",
        activation: str | None = None,
        chunk_size: int = 512,
        return_gap: bool = False,
    ) -> Any:
        """Compute integrated gradients of each image's label logit from a black image (Sundararajan et al. 2017).

        The paper's code has steps=100, rule="right" and activation="softplus".

        Args:
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes that are explained.
            steps: Number of points of the integral.
            rule: Quadrature rule: "gauss_legendre", "midpoint", "right" or "left".
            activation: Name of what replaces every ReLU, such as "softplus" (default: nothing).
            chunk_size: Number of points in memory at a time.
            return_gap: Whether the gap |sum of the map - (f(image) - f(black))| is returned too.

        Returns:
            Maps, shape of `images`; with `return_gap` also the gaps (n,).

        Raises:
            InputError: The images or labels cannot be used, or a setting is out of its range or unknown.
        """
        images = check_images(images, self.image_shape)
        labels = check_labels(labels, images, self.classes)
        check_number("steps", steps, minimum=1, whole=True)
        check_number("chunk_size", chunk_size, minimum=1, whole=True)
        if activation is not None:
            check_choice("activation", activation, ACTIVATIONS)
        positions, weights = (tf.constant(part) for part in quadrature(rule, steps))
        reference = weakref.ref(self)

        def integrate(images: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor, weights: tf.Tensor) -> Any:
            network = reference()
            return network._integrate_block(images, labels, positions, weights, chunk_size, activation)  # type: ignore[union-attr]

        signature = rows_like((images, labels, positions, weights))
        compiled = compile_for(self, ("integrated gradients", chunk_size, activation), integrate, signature)
        blocks = [
            compiled(images[first : first + chunk_size], labels[first : first + chunk_size], positions, weights)
            for first in range(0, images.shape[0], chunk_size)
        ]
        maps, gaps = (tf.concat(part, 0) for part in zip(*blocks, strict=True))
        return (maps, gaps) if return_gap else maps

    def _integrate_block(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        positions: tf.Tensor,
        weights: tf.Tensor,
        chunk_size: int,
        activation: str | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        tail = self.tail()
        replacement = None if activation is None else keras.activations.get(activation)

        def score(points: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            logits = tail.logits(self.activations(points, activation=replacement))
            return tf.gather(logits, tf.gather(labels, rows), batch_dims=1)

        black = tf.zeros_like(images)
        maps = images * mean_path_gradient(score, black, images, positions, weights, chunk_size=chunk_size)
        rows = tf.range(tf.shape(images)[0])
        change = score(images, rows) - score(black, rows)
        return maps, tf.abs(tf.reduce_sum(maps, (1, 2, 3)) - change)
