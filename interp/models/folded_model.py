"""A functional or Sequential model in inference mode with its layers folded, where that is what the model computes."""

import threading
import weakref
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import ANY_SIDE
from interp.core.compiled import are_same, parts_of
from interp.core.errors import InputError
from interp.models.adapted_model import AdaptedModel
from interp.models.folding import Folded, FoldedLayers, find_folded
from interp.models.network import Network
from interp.models.recorded_model import LayerCall, RecordedModel, find_call, functional_class

# How far logits of the folded model may be from the model's own, as a share of the largest: what rounding does, and no more.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class FoldedModel:
    """What of a model can be folded: its layers in the order of their calls, their names, and which the last maps come from."""

    layers: list[Any]
    names: list[str]
    folded: dict[int, Folded]
    last: int | None

    def prepare(self, model: keras.Model) -> "FoldedPass":
        """The model with its present weights folded; to be made once, outside of a loop over images."""
        # The caller may be building a graph, to which the stand-ins for layers do not belong.
        with tf.init_scope():
            recorded = RecordedModel(model)
        return FoldedPass(recorded, self, FoldedLayers(self.layers, self.folded))


@dataclass(frozen=True)
class FoldedPass:
    """Passes through a folded model, inside of a graph."""

    recorded: RecordedModel
    model: FoldedModel
    stand_ins: FoldedLayers

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """What the model returns for images."""
        return self.recorded.with_stand_ins(images, self.stand_ins.pass_through())

    def with_calls(self, images: tf.Tensor, layer: str | None) -> tuple[tf.Tensor, list[LayerCall]]:
        """The same, and the calls of the layers, of which the one that `layer` names has its own outputs; None is that of the last maps."""
        if layer is None:
            whole = set() if self.model.last is None else {self.model.last}
        else:
            whole = {
                place for place, name in enumerate(self.model.names) if name == layer or name.endswith(f"/{layer}")
            }
        stand_ins = FoldedLayers(self.model.layers, self.model.folded, frozenset(whole))
        return self.recorded(images, stand_ins.pass_through())


_FOUND: "weakref.WeakKeyDictionary[keras.Model, tuple[list[Any], FoldedModel | None]]" = weakref.WeakKeyDictionary()
_LOCK = threading.RLock()


def find_folded_model(model: keras.Model) -> FoldedModel | None:
    """What of `model` can be folded; None where nothing can, or where its layers are not what it computes.

    Looked for once, as long as the variables and activations of the model are the same.
    """
    with _LOCK:
        parts, known = parts_of(model), _FOUND.get(model)
        if known is None or not are_same(parts, known[0]):
            with tf.init_scope():
                known = _FOUND[model] = parts, _find(model)
        return known[1]


def _find(model: keras.Model) -> FoldedModel | None:
    inputs = getattr(model, "inputs", None) or []
    # What a class adds in its call may change nothing now, and something with the weights of later.
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or not _computes_its_layers(model):
        return None
    try:
        recorded = RecordedModel(model)
    except Exception:
        # As below: what cannot be followed is called as it is.
        return None
    found: list[FoldedModel] = []

    def compare(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        outputs, calls = recorded(images, around=True)
        folded = find_folded(calls, outputs)
        if not folded or not tf.is_tensor(outputs):
            return ()
        named = FoldedModel([call.layer for call in calls], [call.name for call in calls], folded, _last(calls))
        found.append(named)
        stand_ins = FoldedLayers(named.layers, folded)
        return recorded.with_stand_ins(images, stand_ins.pass_through()), model(images, training=False)

    shape = [side or ANY_SIDE for side in inputs[0].shape[1:]]
    images = tf.random.stateless_uniform([2, *shape], (0, 0))
    try:
        results = tf.function(compare, autograph=False).get_concrete_function(images)(images)
    except Exception:
        # Whatever is wrong with the model is told by the call of the model itself.
        return None
    if not results:
        return None
    ours, own = (np.asarray(each, np.float64) for each in results)
    near = ours.shape == own.shape and np.abs(ours - own).max() <= TOLERANCE * np.abs(own).max()
    return found[0] if near else None


def _computes_its_layers(model: keras.Model) -> bool:
    """Whether no functional or Sequential class in a model has a call of its own."""
    kinds = (keras.Sequential, functional_class())
    known = [each.call for each in (*kinds, AdaptedModel, Network)]
    return all(type(each).call in known for each in model._flatten_layers() if isinstance(each, kinds))


def _last(calls: list[LayerCall]) -> int | None:
    try:
        chosen = find_call(calls, None)
    except InputError:
        return None
    return next(place for place, call in enumerate(calls) if call is chosen)
