"""Layer-wise relevance propagation (Bach et al. 2015), its rules by layer as in Montavon et al. (2019)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfOneClass, of_labels
from interp.attributions.one_layer import look_at_layers
from interp.attributions.relevance_rules import (
    PRODUCTS,
    RULES,
    Shares,
    channel_axis,
    check_rule,
    makes_probabilities,
    no_rule,
    takes_normalisation,
)
from interp.core.checks import check_number, kind_of
from interp.core.errors import InputError, check_choice
from interp.models.image_scale import ImageScale
from interp.models.model_graph import ancestors, unit_behind
from interp.models.prepared import PreparedModel
from interp.models.recorded_model import LayerCall


@dataclass(frozen=True, eq=False)
class LRP(OfOneClass):
    """Layer-wise relevance propagation (Bach et al. 2015), its rules by layer as in Montavon et al. (2019).

    The relevance of each pixel for the label's logit, passed back layer by layer; maps have the shape of the images.
    The rule "epsilon" shares the relevance of z = sum_i w_i x_i + b out by w_i x_i / (z + epsilon sign z), "zplus" by
    the positive w_i x_i alone. ReLU, dropout and scaling of pixels pass it on, batch normalisation is folded into the
    layer before it, sums share out by their terms, average pooling by what it averages, and in maximum pooling the
    winner takes all. `explain(...).values` has `bias`, what the biases took, and `conservation`, |sum of the map + bias
    - logit|: what was lost to epsilon, and where zplus found nothing positive.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        rules: "epsilon" or "zplus" for all dense and convolutional layers, or a dictionary from names or kinds of
            layers to a rule, such as {"Conv2D": "zplus", "conv1": "epsilon"}; names go before kinds, and layers that it
            leaves out have "epsilon".
        epsilon: What sums are moved away from 0 by; above 0.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model is neither functional nor
            Sequential, lacks a layer of `rules`, or has a layer without a rule, which is named.

    Example:
        `LRP(model, rules={"Conv2D": "zplus", "Dense": "epsilon"})(images, labels)`
    """

    values = ("bias", "conservation")

    rules: str | Mapping[str, str] = field(default="epsilon", kw_only=True)
    epsilon: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.rules, (str, Mapping)):
            raise InputError(
                f"rules came as {kind_of(self.rules)}, expected one of {', '.join(RULES)}, or layers with rules"
            )
        for rule in [self.rules] if isinstance(self.rules, str) else self.rules.values():
            check_choice("rule", rule, RULES)
        check_number("epsilon", self.epsilon, minimum=0, strict=True)

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        look_at_layers(model, few, lambda calls: None)
        return None

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        logits, calls = model.recorded_logits(points)
        images = model.leave(points)
        bias, pixels = tf.ones_like(images[:, 0, 0, 0]), tf.ones_like(images)
        shares = self._shares_of_logits(model, calls, pixels, bias)
        start = of_labels(logits, labels)[:, None] * tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        relevance, taken = tf.gradients(shares, [pixels, bias], start)
        if relevance is None:
            raise InputError(
                "the logits do not depend on the images by any layer, so there is no relevance to pass back"
            )
        # Without biases none takes anything.
        taken = tf.zeros_like(bias) if taken is None else taken
        gap = tf.reduce_sum(relevance, (1, 2, 3)) + taken - of_labels(logits, labels)
        return Maps(relevance, logits, (taken, tf.abs(gap)))

    def _shares_of_logits(
        self, model: PreparedModel, calls: list[LayerCall], pixels: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """The shares (n, K) of the logits, as functions of those of the pixels and the biases. Raises InputError."""
        ruled = [call for call in calls if call.is_used]
        shares, rules, folded = Shares(bias, self.epsilon), self._rules(ruled), _folded(ruled)
        for call in ruled:
            check_rule(call)
        normalised = {id(call) for call in folded.values()}
        remaining = iter(calls)
        probabilities: list[tuple[LayerCall, tf.Tensor]] = []

        def stand_in(layer: Any, given: tuple[Any, ...], arguments: dict[str, Any]) -> tf.Tensor:
            if isinstance(layer, ImageScale):
                return tf.reverse(given[0], [-1]) if layer.reverse else given[0]
            call = next(remaining)
            if not call.is_used:
                return call.output
            share = tf.nest.flatten(given)[0]
            if id(call) in normalised:
                return share
            if type(layer) in PRODUCTS:
                found = shares.of_linear(call, share, rules[call.name], folded.get(id(call)))
            else:
                found = shares.of_call(call, given, arguments)
            if makes_probabilities(call):
                probabilities.append((call, found))
            return found

        logits = model.logits_with(pixels, stand_in)
        # At the end a softmax or sigmoid is cut; anywhere else it has no rule.
        used = {tensor.op for tensor in ancestors(logits)}
        for call, found in probabilities:
            if found.op in used:
                raise no_rule(call)
        unit = unit_behind(logits)
        # Both logits of a sigmoid unit are multiples of its own, and have its shares.
        return logits if unit is None else tf.repeat(unit, 2, axis=1)

    def _rules(self, calls: list[LayerCall]) -> dict[str, str]:
        """The rule of each layer with a kernel, by the name of its call. Raises InputError for a layer that is not there."""
        linear = [call for call in calls if type(call.layer) in PRODUCTS]
        if isinstance(self.rules, str):
            return {call.name: self.rules for call in linear}
        names = {call.name: (call.name, call.layer.name, type(call.layer).__name__) for call in linear}
        for name in self.rules:
            check_choice("layer of the rules", name, sorted({each for known in names.values() for each in known}))
        return {
            call: next((self.rules[name] for name in known if name in self.rules), "epsilon")
            for call, known in names.items()
        }


def _folded(calls: list[LayerCall]) -> dict[int, LayerCall]:
    """By the identity of a call of a layer with a kernel, the batch normalisation that alone reads what it gave, channel by channel."""
    readers: dict[int, list[LayerCall]] = {}
    for call in calls:
        for tensor in tf.nest.flatten(call.inputs):
            readers.setdefault(id(tensor), []).append(call)
    found = {}
    for call in calls:
        reading = readers.get(id(call.output), [])
        if (
            len(reading) == 1
            and type(reading[0].layer) is keras.layers.BatchNormalization
            and takes_normalisation(call)
        ):
            rank = len(call.output.shape)
            if reading[0].layer.axis % rank == channel_axis(call.layer, rank):
                found[id(call)] = reading[0]
    return found
