"""The Square attack: random search without gradients (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from interp.attacks.attack import Batch, PredictionAttack, static
from interp.attacks.goals import Classes
from interp.attacks.loop import choose, until_broken, worse
from interp.attacks.square_moves import MovedMass, Squares, Surroundings, draw_keys, stripes, tiles
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import InputError
from interp.models.prepared import prepare


@dataclass(frozen=True, kw_only=True)
class Square(PredictionAttack):
    """Random squares, kept where they raise the margin towards the goal: a black box (Andriushchenko et al. 2020).

    In linf squares are of +-`epsilon` per channel, in l2 the mass of one window moves to another. It starts at a random
    pattern of size `epsilon`. What gradients miss because they are masked, this finds.

    Args:
        goal: What is to be reached: Untargeted() (any class but the label), Targeted(classes), RandomTarget() or
            Likeliest().
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        steps: Number of queries for each image, at least 1; fewer are asked once the goal is reached.
        share: Share of the pixels that the first squares cover: above 0, at most 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    epsilon: float
    steps: int = static(1000)
    share: float = static(0.8)
    norm: str = static("linf")

    def __post_init__(self) -> None:
        super().__post_init__()
        find_ball(self.norm)
        check_radius("epsilon", self.epsilon, self.norm)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("share", self.share, minimum=0, strict=True)
        if self.share > 1:
            raise InputError(f"share came as {self.share}, expected at most 1")

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        start = (stripes if self.norm == "linf" else tiles)(images, self.epsilon, seed)
        yield start, draw_keys(len(images), seed), tf.fill([len(images)], tf.constant(seed, tf.int64))

    def _run(self, batch: Batch) -> tf.Tensor:
        start, keys, seeds = batch.draws
        epsilon, ball, shape = batch.numbers["epsilon"], find_ball(self.norm), tuple(batch.images.shape[1:])
        forward = prepare(batch.model, rearrange=ball.pixelwise)
        # All rows are of one call, so they have one seed.
        settings = self.steps, self.share, seeds[0]
        moves = Squares(forward, shape, *settings) if self.norm == "linf" else MovedMass(shape, epsilon, *settings)

        def harm_of(state: tf.Tensor, limits: tuple[tf.Tensor, ...], classes: Classes) -> tf.Tensor:
            return self.goal.harm(forward.logits(moves.points(state, limits)), classes)

        def step(number: tf.Tensor, rows: _Rows) -> _Rows:
            tried = moves.tried(number, rows.worst, rows.around)
            harm = harm_of(tried, rows.around.limits, rows.classes)
            worst, harm = worse(tried, harm, rows.worst, rows.harm)
            return rows._replace(worst=worst, harm=harm)

        entered = forward.enter(batch.images)
        limits = ball.limits(batch.images, epsilon, forward.enter)
        first = moves.state(forward.enter(start), limits)
        # An image that is there already stays as it is.
        clean = self.goal.harm(forward.logits(entered), batch.classes)
        harm = tf.where(clean < 0, harm_of(first, limits, batch.classes), clean)
        rows = _Rows(batch.classes, Surroundings(limits, keys), first, harm)
        found, _ = until_broken(step, rows, self.steps, segment=20, images=batch.together)
        return forward.leave(choose(clean < 0, moves.points(found, limits), entered))


class _Rows(NamedTuple):
    """What belongs to each image: the ball around it, and the points of most harm so far."""

    classes: Classes
    around: Surroundings
    worst: tf.Tensor
    harm: tf.Tensor
