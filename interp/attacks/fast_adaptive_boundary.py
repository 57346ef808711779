"""FAB, the fast adaptive boundary attack, in its targeted form (Croce and Hein 2020, arXiv 1907.02044)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from interp.attacks.attack import Attack, Batch, static
from interp.attacks.goals import Classes, Goal, Likeliest
from interp.attacks.loop import Evaluation, choose, until_broken, value_and_gradient
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.hyperplanes import step_to_hyperplane
from interp.models.prepared import prepare

# A step goes so much beyond the boundary, at most this share of it from the image itself; a point beyond the boundary is drawn back.
OVERSHOOT, MOST_BIAS, BACKWARD = 1.05, 0.1, 0.9
# The way from an image to what was found is halved so often.
HALVINGS = 3


@dataclass(frozen=True, kw_only=True)
class FastAdaptiveBoundary(Attack):
    """FAB: steps onto the linearised boundary to a class, drawn towards the image (Croce and Hein 2020).

    So the nearest point beyond the boundary is found. Boundaries to several classes are searched side by side; an image
    is left once a point beyond one of them is within `epsilon`. It does not depend on how logits are scaled.

    Args:
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        steps: Number of steps, at least 1.
        targets: How many of the likeliest other classes are followed, at least 1.
        restarts: Number of starts, at least 1: the first at the image, others at random within half of the radius.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    epsilon: float
    steps: int = 100
    targets: int = static(9)
    restarts: int = 1
    norm: str = static("linf")

    def __post_init__(self) -> None:
        find_ball(self.norm)
        check_radius("epsilon", self.epsilon, self.norm)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("targets", self.targets, minimum=1, whole=True)
        check_number("restarts", self.restarts, minimum=1, whole=True)

    @property
    def _goal(self) -> Goal:
        return Likeliest(self.targets)

    @property
    def _leaves_broken(self) -> bool:
        return True

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        yield (images,)
        for restart in range(1, self.restarts):
            yield (find_ball(self.norm).random_point(images, self.epsilon / 2, (seed, restart)),)

    def _run(self, batch: Batch) -> tf.Tensor:
        epsilon, steps = batch.numbers["epsilon"], batch.numbers["steps"]
        ball, goal = find_ball(self.norm), self._goal
        forward = prepare(batch.model, rearrange=ball.pixelwise)

        def harm_at(points: tf.Tensor, classes: Classes) -> tf.Tensor:
            return goal.harm(forward.logits(points), classes)

        def step(number: tf.Tensor, rows: _Rows) -> _Rows:
            def lead(points: tf.Tensor) -> Evaluation:
                outputs = forward.logits(points)
                return Evaluation(goal.lead(outputs, rows.classes), goal.harm(outputs, rows.classes))

            points, centre = rows.points, rows.centre
            gradient, found = value_and_gradient(lead, points)
            gradient = forward.without_margin(gradient)
            # Both projections, of the point and of the image, in one.
            offset = -found.value
            from_centre = offset + tf.reduce_sum(gradient * (points - centre), (1, 2, 3))
            moves = step_to_hyperplane(
                tf.concat([points, centre], 0),
                tf.concat([gradient, gradient], 0),
                tf.concat([offset, from_centre], 0),
                self.norm,
            )
            near, far = tf.split(moves, 2)
            sizes = ball.size(near), ball.size(far)
            bias = tf.minimum(tf.math.divide_no_nan(sizes[0], sizes[0] + sizes[1]), MOST_BIAS)[:, None, None, None]
            moved = (1 - bias) * (points + OVERSHOOT * near) + bias * (centre + OVERSHOOT * far)
            moved = tf.clip_by_value(moved, 0.0, 1.0)
            harm = harm_at(moved, rows.classes)
            distance = ball.size(moved - centre)
            nearer = (harm >= 0) & (distance < rows.distance)
            distance = tf.where(nearer, distance, rows.distance)
            return rows._replace(
                points=choose(harm >= 0, centre + BACKWARD * (moved - centre), moved),
                worst=choose(nearer, moved, rows.worst),
                distance=distance,
                # NaN leaves, too; the attack as a whole reports it.
                harm=tf.where(tf.math.is_nan(harm), harm, tf.where(distance <= epsilon, 1.0, -1.0)),
            )

        centre, start = forward.enter(batch.images), forward.enter(batch.draws[0])
        clean = harm_at(centre, batch.classes) >= 0
        nowhere = tf.fill(tf.shape(clean), start.dtype.max)
        rows = _Rows(batch.classes, centre, start, start, tf.where(clean, 0.0, nowhere), tf.where(clean, 1.0, -1.0))
        found, _ = until_broken(step, rows, steps, images=batch.together)
        found = choose(clean, centre, found)
        beyond = harm_at(found, batch.classes) >= 0
        low = centre
        for _ in range(HALVINGS):
            middle = (low + found) / 2
            broken = beyond & (harm_at(middle, batch.classes) >= 0)
            low, found = choose(broken, low, middle), choose(broken, middle, found)
        return ball.project(forward.leave(found), batch.images, epsilon)


class _Rows(NamedTuple):
    """What belongs to each row: the image, where the search is, and the nearest point beyond the boundary with its distance."""

    classes: Classes
    centre: tf.Tensor
    points: tf.Tensor
    worst: tf.Tensor
    distance: tf.Tensor
    harm: tf.Tensor
