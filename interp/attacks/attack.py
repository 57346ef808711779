"""What all attacks on a Keras model share: settings, checks, batches, restarts, compiled functions."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.goals import Classes, Goal, Untargeted, check_goal
from interp.core.checks import MOST_STEPS, check_images, check_labels, check_number, check_radius
from interp.core.compiled import bind_for, keep_for, like, run_in_batches
from interp.core.errors import InputError
from interp.models.model_check import check_model_once, run_for_logits
from interp.models.prepared import prepare

Number = bool | int | float
NUMBERS: dict[str, Callable[[Any], Number]] = {"bool": bool, "int": int, "float": float}


def static(default: Any = dataclasses.MISSING, *, key: Callable[[Any], Hashable] = lambda value: value) -> Any:
    """A setting that shapes the graph, so that another one needs another graph; `key` says what of the value does."""
    return dataclasses.field(default=default, metadata={"key": key})


def number(default: Any, *, read: Callable[[Any], Number]) -> Any:
    """A setting that `read` makes a number of, from the attack. Fields of type bool, int or float are numbers without saying so."""
    return dataclasses.field(default=default, metadata={"read": read})


def structure(attack: Any) -> Hashable:
    """What of an attack shapes its graph: its class, and its static settings. Attacks that agree on it share one."""
    return type(attack), *(
        each.metadata["key"](getattr(attack, each.name)) for each in _settings(attack) if "key" in each.metadata
    )


def numbers(attack: Any) -> dict[str, Number]:
    """The other settings by name, which the graph takes as scalars."""
    return {each.name: _read(attack, each) for each in _settings(attack) if "key" not in each.metadata}


def _settings(attack: Any) -> list[dataclasses.Field[Any]]:
    return [each for each in dataclasses.fields(attack) if not each.name.startswith("_")]


def _read(attack: Any, setting: dataclasses.Field[Any]) -> Number:
    if "read" in setting.metadata:
        return setting.metadata["read"](attack)
    # Types are words in modules that postpone the evaluation of annotations.
    kind = NUMBERS.get(setting.type if isinstance(setting.type, str) else getattr(setting.type, "__name__", ""))
    if kind is None:
        raise TypeError(
            f"the setting {setting.name} of {type(attack).__name__} is no number: mark it as static, {setting.name}: ... = static(...)"
        )
    return kind(getattr(attack, setting.name))


class Batch(NamedTuple):
    """What an attack works on inside its compiled function: n rows, what was drawn for each, and its numbers by name.

    A row is an image, or one of several directions of one image: `together` (n,) numbers the image of each row.
    """

    model: keras.Model
    images: tf.Tensor
    classes: Classes
    draws: tuple[tf.Tensor, ...]
    numbers: Mapping[str, tf.Tensor]
    together: tf.Tensor | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """An attack that moves images: `attack(model, images, labels)` gives adversarial images of the same shape.

    Settings are static or numbers, as their fields say. Variants made by dataclasses.replace share their compiled graphs.
    """

    def __call__(self, model: keras.Model, images: Any, labels: Any, *, seed: int = 0, batch_size: int = 250) -> Any:
        """Return adversarial images.

        A model that draws numbers of its own in inference gives no result twice.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the true classes.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            Adversarial images, float32 (n, height, width, channels) in [0, 1]: an array for an array, else a tensor. No
            gradient flows through them.

        Raises:
            InputError: An argument cannot be used, or the model's gradient or logits are NaN or infinite under attack.
        """
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        count = check_model_once(model, originals)
        truth = check_labels(labels, originals, count)
        keep_for(model, ("checked", structure(self), tuple(originals.shape[1:])), lambda: self._check(model, originals))
        clean = cache(lambda: run_in_batches(lambda rows: (run_for_logits(model, rows),), (originals,), batch_size)[0])
        first = self._goal.targets(truth, count, seed, 0, clean)
        starts = (
            (self._goal.targets(truth, count, seed, restart, clean) if restart else first, *draws)
            for restart, draws in enumerate(self._draws(originals, first, seed))
        )
        worst, most_harm = self.search(model, (originals, truth, *next(starts)), batch_size)
        for draws in starts:
            rows = tf.where(most_harm < 0)[:, 0] if self._leaves_broken else tf.range(len(originals), dtype=tf.int64)
            if not len(rows):
                break
            again = tuple(tf.gather(array, rows) for array in (originals, truth, *draws))
            found, harm = self.search(model, again, batch_size, rows)
            grew = harm > tf.gather(most_harm, rows)
            rows = rows[grew]
            worst = tf.tensor_scatter_nd_update(worst, rows[:, None], found[grew])
            most_harm = tf.tensor_scatter_nd_update(most_harm, rows[:, None], harm[grew])
        return like(images, worst)

    def search(
        self, model: keras.Model, arrays: tuple[tf.Tensor, ...], batch_size: int, places: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Run once from given starts; return what was found (n, height, width, channels) and its harm (n,).

        `arrays` are images, labels, targets as the goal gives them, and what `_starts` would draw for each, with a second axis of m
        where the targets are (n, m). `places` (n,) number the images, where they are some of a call's. Raises InputError where the
        model's outputs are not finite.
        """

        def run(images: tf.Tensor, labels: tf.Tensor, targets: tf.Tensor, *arguments: Any) -> tuple[tf.Tensor, ...]:
            *draws, numbers = arguments
            several = targets.shape[1] if targets.shape.rank > 1 else None
            together = None if several is None else tf.repeat(tf.range(tf.shape(images)[0]), several)
            if several is not None:
                images, labels = (tf.repeat(array, several, axis=0) for array in (images, labels))
                targets, *draws = (flat(array) for array in (targets, *draws))
            classes = Classes(labels, targets)
            found = self._run(Batch(model, images, classes, tuple(draws), numbers, together))
            harm = self._goal.harm(prepare(model, rearrange=True).classify(found), classes)
            return (found, harm) if several is None else _worst_direction(found, harm, several)

        compiled = bind_for(model, structure(self), run, arrays, numbers(self))
        directions = arrays[2].shape[1] if arrays[2].shape.rank > 1 else 1
        found, harm = run_in_batches(compiled, arrays, max(1, batch_size // directions))
        _check_finite(found, harm, np.arange(len(arrays[0])) if places is None else np.asarray(places))
        return found, harm

    def _draws(self, images: tf.Tensor, targets: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        """What is drawn at each restart, for each of the directions of an image its own."""
        if targets.shape.rank == 1:
            yield from self._starts(images, seed)
            return
        for draws in self._starts(tf.repeat(images, targets.shape[1], axis=0), seed):
            yield tuple(tf.reshape(draw, (*targets.shape, *draw.shape[1:])) for draw in draws)

    def _check(self, model: keras.Model, images: tf.Tensor) -> None:
        """Raise InputError where `model` cannot be attacked on such images: before the search."""
        return None

    @property
    def _goal(self) -> Goal:
        """What is to be reached; of two results of an image that of more harm to it is returned."""
        return Untargeted()

    @property
    def _leaves_broken(self) -> bool:
        """Whether an image that has reached the goal once is not attacked again."""
        return False

    @abstractmethod
    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        """Yield, once per restart, where to start and what else is drawn for each image; the worst result of each is kept."""

    @abstractmethod
    def _run(self, batch: Batch) -> tf.Tensor:
        """Attack one batch inside a compiled function."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictionAttack(Attack):
    """An attack on predictions that has a `goal`; an image that has reached it is not attacked again. Raises InputError."""

    goal: Goal = static(Untargeted(), key=type)

    def __post_init__(self) -> None:
        check_goal(self.goal)

    @property
    def _goal(self) -> Goal:
        return self.goal

    @property
    def _leaves_broken(self) -> bool:
        return True


def check_steps(epsilon: float, step_size: float, steps: int, norm: str = "linf") -> None:
    """Check the settings that attacks of steps in a ball share. Raises InputError."""
    check_radius("epsilon", epsilon, norm)
    check_number("step_size", step_size, minimum=0, strict=True)
    check_radius("step_size", step_size, norm)
    check_number("steps", steps, minimum=1, whole=True, maximum=MOST_STEPS)


def flat(rows: tf.Tensor) -> tf.Tensor:
    """Rows (n, m, ...) as (n m, ...)."""
    return tf.reshape(rows, (-1, *rows.shape[2:]))


def _worst_direction(found: tf.Tensor, harm: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each image's `count` rows the one of most harm, and that harm."""
    # A NaN is passed on, not passed over.
    ranks = tf.where(tf.math.is_nan(harm), harm.dtype.max, harm)
    best = tf.argmax(tf.reshape(ranks, (-1, count)), 1, tf.int32)
    best += count * tf.range(tf.size(best))
    return tf.gather(found, best), tf.gather(harm, best)


def _check_finite(found: tf.Tensor, harm: tf.Tensor, places: np.ndarray) -> None:
    finite = tf.reduce_all(tf.math.is_finite(found), (1, 2, 3)) & tf.math.is_finite(harm)
    if not tf.reduce_all(finite):
        broken = tf.where(~finite)[:, 0]
        raise InputError(
            f"the model's gradient or logits are NaN or infinite on {len(broken)} of {len(finite)} images under attack (the first "
            f"is image {places[int(broken[0])]}), so they cannot be attacked: look for divisions, roots and logarithms at 0 in the model"
        )
