"""leaderboard: what the strong protocols leave of the predictions and of the explanations of a network, at one radius."""

from dataclasses import dataclass
from typing import Any, ClassVar

from interp.commands.tasks.chosen_methods import gap_notes
from interp.commands.tasks.shared_options import MAPS, RadiusOptions, WorkersOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number, words
from interp.core.attribution_options import check_method
from interp.core.batches import attack_blocks
from interp.core.errors import InputError
from interp.core.options import option
from interp.data import find_dataset
from interp.data.user_spec import usual_l2_radius


@dataclass(frozen=True, kw_only=True)
class LeaderboardOptions(WorkersOptions, RadiusOptions):
    """Options of leaderboard."""

    title: ClassVar[str] = "attacks"
    usual_radii: ClassVar[str] = "one by the dataset, for your own colour images 8 of 255"

    restarts: int = option(5, "random starts of the attacks on predictions", parse=whole_number(1))
    queries: int = option(1000, "queries of the black-box attack on predictions", parse=whole_number(1))
    explanations: list[str] | None = option(
        None, "whose maps are attacked", parse=words, usual="cam, or grad_cam where there is none, ig and gradient"
    )
    explanation_images: int = option(50, "images whose maps are attacked", parse=whole_number(1))
    explanation_steps: int = option(100, "steps of each attack on maps", parse=whole_number(1))
    trained_by: str | None = option(None, "who trained the network", usual="by its file: here, published or given")

    @property
    def radii(self) -> tuple[float, ...]:
        """The one radius."""
        spec = find_dataset(self.dataset)
        return tuple(self.epsilons or [usual_l2_radius(spec.shape) if self.norm == "l2" else spec.usual_radius])

    def check(self, given: frozenset[str]) -> None:
        if self.epsilons and (len(self.epsilons) > 1 or not self.epsilons[0]):
            raise InputError("a row of the leaderboard is of one radius above 0: give --epsilons one, such as 8/255")
        super().check(given)
        for name in self.explanations or ():
            check_method(name, MAPS)


def leaderboard(run: Run[LeaderboardOptions]) -> TaskResult:
    """The row of the network."""
    from interp.attacks import ExplanationAttack
    from interp.core.parallel import open_workers
    from interp.evaluation import Flag, LeaderboardRow, StrongProtocol, explanation_validity, validity
    from interp.evaluation.leaderboard_explanations import leaderboard_explanations
    from interp.evaluation.leaderboard_row import MEASURE, other_settings
    from interp.evaluation.network_facts import network_facts

    options, sample, radii = run.options, run.sample, run.options.radii
    strength: dict[str, Any] = {"steps": options.steps, "restarts": options.restarts, "queries": options.queries}
    protocol = StrongProtocol(step_size=options.step_size, norm=options.ball, **strength)
    attack = ExplanationAttack(epsilon=radii[0], norm=options.ball, measures=[MEASURE], steps=options.explanation_steps)
    facts = network_facts(run.file, run.opened, options.dataset, options.trained_by)
    explanations, notes = leaderboard_explanations(run.model, sample.take(1).images, options.explanations)
    few = sample.take(min(options.explanation_images, len(sample)))
    own, kept = run.attack_settings, options.output_dir / "blocks" / run.name
    with run.progress(len(attack_blocks(len(sample), sample.image_shape)) + len(explanations) * attack.parts) as tick:
        with open_workers(options.workers or 1, options.ray) as workers:
            settings = {**own, "folder": kept, "workers": workers, "report": tick}
            found = validity(run.model, sample.images, run.labels, radii, protocol, **settings)
        moved = [
            explanation_validity(run.model, few.images, few.labels, name, radii, attack, report=tick, **own)
            for name in explanations
        ]
    flags = [*(Flag(**flag) for flag in run.opened.flags), *other_settings(protocol, attack)]
    row = LeaderboardRow.of(facts, found, moved, source=sample.source, flags=flags)
    notes += gap_notes(run) if "ig" in explanations else []
    by_image = {"predictions": found.to_json(), "explanations": [each.to_json() for each in moved]}
    return TaskResult(row, notes, record={"indices": run.indices.tolist(), "by_image": by_image})
