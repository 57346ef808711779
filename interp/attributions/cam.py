"""Class activation maps (Zhou et al. 2016), and the features that they are made of."""

from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Attribution, Maps
from interp.attributions.one_layer import look_at_layers
from interp.core.checks import check_instance
from interp.models.network import Network
from interp.models.prepared import PreparedModel

LAST_LAYER = -1


@dataclass(frozen=True, eq=False)
class CAM(Attribution):
    """Class activation map sum_c W_ck A_c (Zhou et al. 2016), upsampled to (n, height, width, 1) when it is called.

    It needs a model that ends in average pooling and one dense layer.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        rectified: Whether the positive part of W is taken alone: Grad-CAM++ in its closed form for average pooling.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model does not have that end.
    """

    at_layer = True

    rectified: bool = field(default=False, kw_only=True)

    def maps(self, model: PreparedModel, points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> Maps:
        activations = model.activations(points)
        return Maps(self.of_activations(model, activations, classes), model.tail.logits(activations))

    def of_activations(self, model: PreparedModel, activations: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """The maps (n, m, h, w), which are linear in what the tail reads."""
        return tf.gather(tf.transpose(self.of_all_classes(model, activations), (0, 3, 1, 2)), classes, batch_dims=1)

    def of_all_classes(self, model: PreparedModel, activations: tf.Tensor) -> tf.Tensor:
        """The maps (n, h, w, K) of all classes."""
        return (model.tail.rectified() if self.rectified else model.tail).maps(activations)


@dataclass(frozen=True, eq=False)
class Representation(Attribution):
    """The outputs of one layer, the same for all classes: for discrepancies and attacks.

    Maps (n, 1, height, width, channels) have more channels than a picture shows.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        index: Number of the layer that is looked at, from 0, or from -2 backwards; -1 is the last feature maps before
            average pooling.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has no maps.
    """

    index: int = field(default=LAST_LAYER, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_instance("index", self.index, (int, np.integer), "-1")

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        # A subclass may compute something else in its call.
        if self.index != LAST_LAYER and type(model) is not Network:
            look_at_layers(model, few, lambda calls: None)
        return None

    def maps(self, model: PreparedModel, points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> Maps:
        activations = model.activations(points)
        last = self.index == LAST_LAYER
        outputs = model.tail.features(activations) if last else model.layer(points, self.index)
        return Maps(outputs[:, None], model.tail.logits(activations))
