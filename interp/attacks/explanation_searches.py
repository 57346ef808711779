"""The searches of the strong attack on explanations: which there are, from where they start, and what each finds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from interp.attacks.map_comparison import CLEAN, MapComparison
from interp.attacks.map_objectives import OBJECTIVES
from interp.attacks.map_search import GradientSearch, Searched, SquareSearch
from interp.attacks.square_moves import draw_keys, stripes, tiles
from interp.core.balls import find_ball
from interp.discrepancy.measures import TopKOverlap

if TYPE_CHECKING:
    from interp.attacks.explanation_attack import ExplanationAttack

CARRIED, NOISE, CORNERS, SQUARES = "carried", "noise", "corner noise", "squares"
# What is not searched by gradients.
CONTROLS = (CLEAN, CARRIED, NOISE, CORNERS, SQUARES)
# Beside the objectives of the measures asked for.
ALWAYS = ("top_k", "target")
USUAL_K = 8
# What draws of each kind depend on beside the seed, so that none is that of another kind.
NOISE_DRAWS, CORNER_DRAWS, START_DRAWS = 1_000_000, 2_000_000, 3_000_000

# An objective, and the number of its random start.
Start = tuple[str, int]


def plan(attack: "ExplanationAttack") -> list[Start]:
    """The gradient searches: that for the first measure from several random starts, the others from one."""
    wanted = list(dict.fromkeys([*(measure.objective for measure in attack.chosen), *ALWAYS]))
    return [*((wanted[0], number) for number in range(attack.restarts)), *((name, 0) for name in wanted[1:])]


def candidates(attack: "ExplanationAttack", state: MapComparison, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Points of every search, by its name."""
    ball, radius = find_ball(attack.norm), tf.constant(attack.epsilon, tf.float32)
    for number in range(attack.restarts):
        yield NOISE, ball.random_point(state.images, attack.epsilon, (seed, NOISE_DRAWS + number)).numpy()
        drawn = tf.random.stateless_normal(state.images.shape, (seed, CORNER_DRAWS + number))
        yield CORNERS, ball.project(state.images + radius * ball.steepest(drawn), state.images, radius).numpy()
    starts, mirrored = plan(attack), state.clean[:, ::-1, ::-1]
    together = max(1, state.batch_size // len(state.images))
    for first in range(0, len(starts), together):
        some = starts[first : first + together]
        for (objective, number), points in follow_gradients(attack, state, some, seed, mirrored):
            yield f"{objective} {number + 1}", points
    if attack.queries:
        yield SQUARES, _try_squares(attack, state, seed)


def follow_gradients(
    attack: "ExplanationAttack", state: MapComparison, starts: Sequence[Start], seed: int, targets: np.ndarray
) -> Iterator[tuple[Start, np.ndarray]]:
    """Run these searches side by side, and give the points that each found; `targets` are what the objective target leads to."""
    search = GradientSearch(steps=attack.steps, **_settings(attack, state))
    ball, places = find_ball(attack.norm), list(OBJECTIVES)
    drawn = [
        ball.random_point(
            state.images, attack.epsilon, (seed, START_DRAWS + len(places) * number + places.index(objective))
        )
        for objective, number in starts
    ]
    which = [tf.one_hot(tf.fill([len(state.images)], places.index(objective)), len(places)) for objective, _ in starts]
    rows = Searched(*(tf.concat([each] * len(starts), 0) for each in state.rows(targets)))
    found = search(state.model, rows, tf.concat(drawn, 0), tf.concat(which, 0), seed, state.batch_size)
    # Start by start, so that how many run side by side does not decide which of two equals comes first.
    parts = [np.split(points, len(starts)) for points in found]
    for place, start in enumerate(starts):
        yield from ((start, each[place]) for each in parts)


def _try_squares(attack: "ExplanationAttack", state: MapComparison, seed: int) -> np.ndarray:
    search = SquareSearch(steps=attack.queries, **_settings(attack, state))
    start = (stripes if attack.norm == "linf" else tiles)(state.images, attack.epsilon, seed)
    place = list(OBJECTIVES).index(state.measures[0].objective)
    which = tf.one_hot(tf.fill([len(state.images)], place), len(OBJECTIVES))
    keys = draw_keys(len(state.images), seed)
    return search(state.model, state.rows(state.clean), start, keys, which, seed, state.batch_size)


def _settings(attack: "ExplanationAttack", state: MapComparison) -> dict[str, Any]:
    counted = [measure for measure in state.measures if isinstance(measure, TopKOverlap)]
    positions = int(np.prod(state.clean.shape[1:]))
    return {
        "epsilon": attack.epsilon,
        "norm": attack.norm,
        "explanation": attack.explanation,
        "magnitude": attack.ranking == "magnitude",
        "k": counted[0].count(positions) if counted else min(USUAL_K, positions),
    }
