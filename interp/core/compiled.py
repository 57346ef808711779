"""Compiled functions that outlive one call, and batches run through them."""

import threading
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import ANY_SIDE
from interp.core.streams import count_streams, side_by_side

# Graphs of one model that are kept at most (an attack on explanations takes three, up to 100 MB); those asked for longest ago go first.
MOST_SHARED = 32


class _Kept:
    """What is kept for one model that has these parts."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts, self.values, self.lock = parts, dict[Hashable, Any](), threading.RLock()


# Weak references: a model that is no longer used is freed, and what was kept for it too.
_SHARED: "weakref.WeakKeyDictionary[Any, _Kept]" = weakref.WeakKeyDictionary()
_LOCK = threading.RLock()


def keep_for(model: Any, key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what is kept for `model` and `key`, made by `make` when there is nothing.

    All that use one model share it as long as the model lives and its layers stay the same: keys say all that shapes what is made, and
    what is made must not hold the model.
    """
    kept = _kept_for(model)
    with kept.lock:
        # The one that was asked for last stands last.
        kept.values[key] = value = kept.values.pop(key) if key in kept.values else make()
        while len(kept.values) > MOST_SHARED:
            del kept.values[next(iter(kept.values))]
        return value


def compile_for(model: Any, key: Hashable, function: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> Any:
    """Return what is kept for `model`, `key` and `signature`, or the `function` compiled; its first argument are images.

    Compiling takes longer than running a short attack.
    """

    def compile_function() -> Any:
        # A concrete function skips TensorFlow's dispatch, and its warning that many alike functions were traced.
        compiled = tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
        drop_dead_losses(model, signature[0])
        return compiled

    return keep_for(model, (key, *signature), compile_function)


def bind_for(
    model: Any, key: Hashable, function: Callable[..., Any], arrays: Sequence[Any], numbers: Mapping[str, Any]
) -> Any:
    """Return a function of rows like those of the `arrays` alone: `function` compiled for rows and the `numbers` by name.

    Numbers are arguments of the compiled function, so that variants which differ in numbers only share it.
    """
    scalars = [tf.constant(number) for number in numbers.values()]
    signature = [*rows_like(arrays), *(tf.TensorSpec([], scalar.dtype) for scalar in scalars)]

    def run(*arguments: tf.Tensor) -> Any:
        return function(*arguments[: len(arrays)], dict(zip(numbers, arguments[len(arrays) :], strict=True)))

    compiled = compile_for(model, key, run, signature)
    return lambda *rows: compiled(*rows, *scalars)


def _kept_for(model: Any) -> _Kept:
    with _LOCK:
        known, parts = _SHARED.get(model), parts_of(model)
        if known is None or not are_same(parts, known.parts):
            known = _SHARED[model] = _Kept(parts)
        return known


def parts_of(model: Any) -> list[Any]:
    """What tells that layers of a model were added, exchanged or adapted: its variables, and what else its layers compute with."""
    return [*model.variables, *_settings(model)]


def are_same(parts: list[Any], others: list[Any]) -> bool:
    """Whether two lists hold the same objects."""
    return list(map(id, parts)) == list(map(id, others))


def _settings(layer: Any) -> list[Any]:
    found = [getattr(layer, "activation", None)]
    if isinstance(layer, keras.layers.Normalization):
        # No variables: `adapt` makes them anew.
        found += [layer.mean, layer.variance]
    elif isinstance(layer, keras.layers.Rescaling):
        found += [layer.scale, layer.offset]
    # Weak references, of which a layer has one: a layer may hold the model.
    inside = getattr(layer, "layers", None) or ()
    return [*found, *(each for inner in inside for each in (weakref.ref(inner), *_settings(inner)))]


def rows_like(arrays: Sequence[Any]) -> list[tf.TensorSpec]:
    """The shapes and types of any number of rows like those of the `arrays`."""
    return [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in arrays]


def drop_dead_losses(model: Any, images: tf.TensorSpec) -> None:
    """Leave no tensors of a traced graph in `model.losses`, which a layer with an activity regulariser or `add_loss` puts there.

    They cannot be used outside of that graph. A call with values replaces them, as any later call of the model does.
    """
    with tf.init_scope():
        of_values = type(tf.constant(0.0))
        if any(tf.is_tensor(loss) and not isinstance(loss, of_values) for loss in getattr(model, "losses", ())):
            count, *sides = images.shape
            model(tf.zeros([count or 1, *(side or ANY_SIDE for side in sides)]), training=False)


def run_in_batches(
    function: Callable[..., tuple[tf.Tensor, ...]], arrays: Sequence[Any], batch_size: int
) -> tuple[tf.Tensor, ...]:
    """Call `function` on at most `batch_size` rows of all `arrays` at a time and join each of its results.

    Those rows are shared out to streams that run side by side.
    """
    total = arrays[0].shape[0]
    together = min(total, batch_size)
    streams = min(count_streams(), together)
    size = -(-together // streams)

    def run(first: int) -> tuple[tf.Tensor, ...]:
        return function(*(array[first : first + size] for array in arrays))

    parts = list(side_by_side(run, range(0, total, size), streams))
    return parts[0] if len(parts) == 1 else tuple(tf.concat(part, 0) for part in zip(*parts, strict=True))


def like(given: Any, result: tf.Tensor) -> Any:
    """Return `result` as what came in: a NumPy array for a NumPy array, else a tensor."""
    return result.numpy() if isinstance(given, np.ndarray) else result
