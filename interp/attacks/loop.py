"""The one loop of every gradient attack."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import tensorflow as tf

from interp.core import gradients
from interp.core.errors import InputError


class Evaluation(NamedTuple):
    """What an objective says of a batch of points, each of shape (n,)."""

    value: tf.Tensor  # to be raised
    harm: tf.Tensor  # by which the worst iterate of an image is chosen


Objective = Callable[[tf.Tensor], Evaluation]
Move = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def ascend(
    objective: Objective,
    move: Move,
    start: tf.Tensor,
    steps: tf.Tensor | int,
    *,
    keep_worst: bool = False,
    momentum: float = 0.0,
) -> tf.Tensor:
    """Raise a per-image value for `steps` steps and return the points reached, shape of `start`. For use inside tf.function.

    `objective(points)` gives an Evaluation, `move(points, gradient, step)` the next points, projected. With `keep_worst` each
    image's point of largest harm over all iterates, the start included, is returned, else the last one. With `momentum` (heavy ball)
    the gradient that `move` gets is scaled to a mean size of 1 an image and added to that many times the last one.
    """
    memory = (tf.zeros_like(start),) if momentum else ()

    def next_points(
        step: tf.Tensor, points: tf.Tensor, gradient: tf.Tensor, memory: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        if memory:
            gradient = heavy_ball(gradient, memory[0], momentum)
            memory = (_shaped(gradient, start),)
        return _shaped(move(points, gradient, step), start), memory

    if not keep_worst:

        def body(step: tf.Tensor, points: tf.Tensor, memory: tuple[tf.Tensor, ...]) -> tuple[Any, ...]:
            gradient, _ = value_and_gradient(objective, points)
            return step + 1, *next_points(step, points, gradient, memory)

        return tf.while_loop(lambda step, *_: step < steps, body, (0, start, memory))[1]

    def worst_body(
        step: tf.Tensor, points: tf.Tensor, memory: tuple[tf.Tensor, ...], worst: tf.Tensor, most_harm: tf.Tensor
    ) -> tuple[Any, ...]:
        gradient, evaluation = value_and_gradient(objective, points)
        worst, most_harm = worse(points, evaluation.harm, worst, most_harm)
        return step + 1, *next_points(step, points, gradient, memory), worst, most_harm

    no_harm = tf.fill([tf.shape(start)[0]], start.dtype.min)
    state = (0, start, memory, start, no_harm)
    _, last, _, worst, most_harm = tf.while_loop(lambda step, *_: step < steps, worst_body, state)
    return worse(last, objective(last).harm, worst, most_harm)[0]


def heavy_ball(gradient: tf.Tensor, last: tf.Tensor, momentum: float) -> tf.Tensor:
    """The gradient of each image at a mean size of 1, so that steps far apart in size count alike, and `momentum` times the last one."""
    size = tf.reduce_mean(tf.abs(gradient), range(1, len(gradient.shape)), keepdims=True)
    return momentum * last + tf.math.divide_no_nan(gradient, size)


class Rows(Protocol):
    """What belongs to each image of a batch: a NamedTuple of tensors, or of tuples of tensors, of one row an image."""

    @property
    def worst(self) -> tf.Tensor:
        """The points of largest harm so far."""

    @property
    def harm(self) -> tf.Tensor:
        """Their harm (n,): 0 or more where nothing more is to be done."""


AnyRows = TypeVar("AnyRows", bound=Rows)
AnyTensors = TypeVar("AnyTensors")


class Climb(NamedTuple):
    """The rows of an ascent: where it is, what else its objective and its moves need of each image, and the worst so far."""

    points: tf.Tensor
    facts: Any
    worst: tf.Tensor
    harm: tf.Tensor


def ascend_until_broken(
    objective: Callable[[tf.Tensor, Any], Evaluation],
    move: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Any], tf.Tensor],
    start: tf.Tensor,
    facts: Any,
    steps: tf.Tensor | int,
    *,
    images: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`ascend` that leaves each image at its first harm of 0 or more; return the points of largest harm, and that harm (n,).

    `facts`, a NamedTuple of one row an image, is the last argument of `objective` and `move`; `images` are as in `until_broken`.
    """

    def step(number: tf.Tensor, rows: Climb) -> Climb:
        gradient, evaluation = value_and_gradient(lambda points: objective(points, rows.facts), rows.points)
        worst, harm = worse(rows.points, evaluation.harm, rows.worst, rows.harm)
        return Climb(move(rows.points, gradient, number, rows.facts), rows.facts, worst, harm)

    rows = Climb(start, facts, start, tf.fill([tf.shape(start)[0]], start.dtype.min))
    # One more, because a step judges the points that it moves on from.
    return until_broken(step, rows, steps + 1, images=images)


def until_broken(
    body: Callable[[tf.Tensor, AnyRows], AnyRows],
    rows: AnyRows,
    steps: tf.Tensor | int,
    *,
    segment: int = 5,
    images: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Repeat `body(step, rows)` and return the `worst` of each row and its `harm`. For use inside tf.function.

    Rows of harm 0 or more are broken; after every `segment` steps they leave, and the others go on in a smaller batch. `images` (n,)
    numbers the image of each row where several rows are of one: they leave together.
    """

    def step_on(step: tf.Tensor, rows: Any) -> tuple[tf.Tensor, AnyRows]:
        broken = rows.harm >= 0
        moved: Any = body(step, rows)
        # The first success is kept, not the worst of those until the segment ends.
        worst = choose(broken, rows.worst, moved.worst)
        return step + 1, moved._replace(worst=worst, harm=tf.where(broken, rows.harm, moved.harm))

    def run_segment(
        step: tf.Tensor, standing: tf.Tensor, rows: AnyRows, worst: tf.Tensor, harm: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, AnyRows, tf.Tensor, tf.Tensor]:
        last = tf.minimum(step + segment, steps)
        _, rows = tf.while_loop(lambda step, _: step < last, step_on, (step, rows))
        worst = tf.tensor_scatter_nd_update(worst, standing[:, None], rows.worst)
        harm = tf.tensor_scatter_nd_update(harm, standing[:, None], rows.harm)
        # A NaN leaves too: the attack as a whole reports it.
        stands = rows.harm < 0
        if images is not None:
            most = tf.math.unsorted_segment_max(harm, images, tf.size(harm))
            stands &= tf.gather(most, tf.gather(images, standing)) < 0
        stay = tf.where(stands)[:, 0]
        rows = tf.nest.map_structure(lambda value: tf.gather(value, stay), rows)
        return last, tf.gather(standing, stay), rows, worst, harm

    worst, harm = rows.worst, rows.harm
    shapes = tf.nest.map_structure(lambda value: tf.TensorShape([None, *value.shape[1:]]), rows)
    *_, worst, harm = tf.while_loop(
        lambda step, standing, *_: (step < steps) & (tf.size(standing) > 0),
        run_segment,
        (0, tf.range(tf.shape(harm)[0]), rows, worst, harm),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]), shapes, worst.shape, harm.shape),
    )
    return worst, harm


def value_and_gradient(objective: Objective, points: tf.Tensor) -> tuple[tf.Tensor, Evaluation]:
    """Gradient of an objective's value at `points`, and what it says there. Raises InputError where there is no gradient."""
    _, gradient, evaluation = gradients.value_and_gradient(lambda points: _first(objective(points)), points)
    if gradient is None:
        raise InputError(
            "the model's logits do not depend on the images by any differentiable path, so it has no gradient to follow"
        )
    return gradient, evaluation


def _first(evaluation: Evaluation) -> tuple[tf.Tensor, Evaluation]:
    return evaluation.value, evaluation


def mean_of_calls(call: Callable[[], AnyTensors], count: int) -> AnyTensors:
    """The mean of what `count` calls give, tensors nested in any way: an expectation where each call draws anew."""
    first = call()
    if count == 1:
        return first

    def add(number: tf.Tensor, sums: AnyTensors) -> tuple[tf.Tensor, AnyTensors]:
        return number + 1, tf.nest.map_structure(lambda one, other: one + other, sums, call())

    _, sums = tf.while_loop(lambda number, _: number < count, add, (1, first))
    return tf.nest.map_structure(lambda total: total / count, sums)


def worse(points: tf.Tensor, harm: tf.Tensor, worst: tf.Tensor, most_harm: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each image the point of larger harm, and that harm."""
    # A NaN is passed on, not passed over: the attack as a whole reports it.
    more = (harm > most_harm) | tf.math.is_nan(harm)
    return choose(more, points, worst), tf.where(more, harm, most_harm)


def choose(which: tf.Tensor, one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Rows of `one` where `which` (n,) is true, else of `other`, of any rank."""
    # This operation copies rows; tf.where compares shapes and repeats the booleans, which takes several times as long.
    return _shaped(tf.raw_ops.Select(condition=which, x=one, y=other), other)


def _shaped(points: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(points, like.shape)
