"""explanation_attack: how far explanations can be moved while the prediction stays, by the strong protocol for explanations."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp.commands.tasks.shared_options import BallOptions, MapOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import number, whole_number, words
from interp.core.errors import InputError
from interp.core.names import MEASURES, PREDICTIONS, RANKINGS
from interp.core.options import option

if TYPE_CHECKING:
    from interp.attacks import ExplanationAttack

# Images in the picture.
SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class ExplanationOptions(MapOptions, BallOptions):
    """Options of explanation_attack."""

    images: ClassVar[int] = 100

    measures: list[str] | None = option(
        None, "measures; the first one gives flags and pictures", parse=words, choices=MEASURES, usual="all"
    )
    k: float = option(8, "strongest positions, below 1 a share of all", parse=number(above=0))
    tolerance: int = option(0, "rows and columns by which strongest positions may differ", parse=whole_number(0))
    ranking: str = option("signed", "how maps are compared, by magnitudes summed over channels", choices=RANKINGS)
    prediction: str = option("kept", "whether the prediction must stay", choices=PREDICTIONS)
    steps: int = option(100, "steps of each search", parse=whole_number(1))
    restarts: int = option(3, "random starts of the search for the first measure", parse=whole_number(1))
    queries: int = option(200, "queries of the search without gradients", parse=whole_number(0))

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        for name in ("k", "tolerance"):
            if name in given and self.measures and "top_k_overlap" not in self.measures:
                raise InputError(
                    f"--{name} is for the measure top_k_overlap: add it to --measures, or leave --{name} out"
                )


def explanation_attack(run: Run[ExplanationOptions]) -> TaskResult:
    """A radius and measure a row, and pictures of what was moved."""
    from interp.attacks import ExplanationAttack
    from interp.discrepancy import TopKOverlap

    options = run.options
    overlap = TopKOverlap(k=int(options.k) if float(options.k).is_integer() else options.k, radius=options.tolerance)
    attack = ExplanationAttack(
        epsilon=0.0,
        norm=options.ball,
        measures=[overlap if name == "top_k_overlap" else name for name in options.measures or MEASURES],
        ranking=options.ranking,
        prediction=options.prediction,
        steps=options.steps,
        restarts=options.restarts,
        queries=options.queries,
    )
    return judge_explanations(run, attack)


def judge_explanations(run: Run[Any], attack: "ExplanationAttack") -> TaskResult:
    """Run the strong protocol with these settings and draw what it found at the largest radius."""
    from interp.attacks.explanation_searches import NOISE_DRAWS
    from interp.core.balls import find_ball
    from interp.evaluation.explanation_validity import validity_with_images
    from interp.report import moved_maps

    options, radii = run.options, sorted(run.options.map_radii)
    steps = sum(replace(attack, epsilon=epsilon).parts for epsilon in radii)
    with run.progress(steps) as tick:
        found, last = validity_with_images(
            *run.attacked, options.method, radii, attack, report=tick, **run.attack_settings
        )
    if last is None or not max(radii):
        return TaskResult(found)
    measure = attack.chosen[0]
    values = last.values[measure.title]
    shown = [place for place in np.argsort(-measure.loss(values), kind="stable") if np.isfinite(values[place])][:SHOWN]
    if not shown:
        return TaskResult(found)
    chosen = np.asarray(run.images[np.array(found.places)])
    noise = find_ball(attack.norm).random_point(chosen, max(radii), (options.seed, NOISE_DRAWS)).numpy()
    sample = run.sample.take(np.array(found.places)[shown])
    points = {"with noise": noise[shown], "attacked": last.adversarial[measure.title][shown]}
    figure, gallery = moved_maps(
        run.name, run.model, sample, points, options.method, max(radii), values[shown], measure.title, places=shown
    )
    return TaskResult(found, pictures={"moved_maps": figure}, gallery=gallery)
