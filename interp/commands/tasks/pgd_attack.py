"""pgd_attack: accuracy under attack, by the paper's protocol or by the strong one."""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.commands.tasks.shared_options import RadiusOptions, WorkersOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number
from interp.core.batches import attack_blocks
from interp.core.errors import InputError
from interp.core.names import ITERATES, PRECISIONS, STRENGTHS
from interp.core.options import option

# Options that one of the protocols takes alone.
REFERENCE, STRONG = ("iterate", "attack_precision"), ("queries", "workers", "ray")


@dataclass(frozen=True, kw_only=True)
class AccuracyOptions(WorkersOptions, RadiusOptions):
    """Options of pgd_attack."""

    title: ClassVar[str] = "attacks"
    usual_radii: ClassVar[str] = "by the dataset, for your own colour images 0, 2, 4 and 8 of 255"

    protocol: str = option(
        "reference",
        "reference is the paper's; strong is the worst case over several attacks and AutoAttack, with flags, a leaderboard and what broke "
        "each image; quick leaves AutoAttack out",
        choices=("reference", *STRENGTHS),
        names_file=True,
    )
    restarts: int | None = option(
        None,
        "random starts; 0 starts at the image, as the paper did",
        parse=whole_number(0),
        usual="0, in the strong and the quick protocol 5",
    )
    iterate: str = option("last", "which iterate of PGD counts, first is the first to succeed", choices=ITERATES)
    attack_precision: str = option("float32", "precision; auto takes the faster one", choices=(*PRECISIONS, "auto"))
    queries: int = option(
        1000, "queries of the black-box attack in the strong and quick protocol", parse=whole_number(1)
    )

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        for name in STRONG if self.protocol == "reference" else REFERENCE:
            if name in given:
                other = "reference" if name in REFERENCE else "strong or quick"
                raise InputError(
                    f"--{name.replace('_', '-')} is for --protocol {other}: leave it out for --protocol {self.protocol}"
                )
        if self.protocol != "reference" and self.restarts == 0:
            raise InputError(
                f"--protocol {self.protocol} needs random starts: leave --restarts out, or give at least 1"
            )


def pgd_attack(run: Run[AccuracyOptions]) -> TaskResult:
    """Accuracies, a radius a row."""
    return _reference(run) if run.options.protocol == "reference" else _strong(run)


def _reference(run: Run[AccuracyOptions]) -> TaskResult:
    from interp.attacks import ProjectedGradientDescent, faster_precision
    from interp.evaluation import accuracy_curve
    from interp.report import accuracy_figure

    options = run.options
    attack = ProjectedGradientDescent(
        epsilon=max(options.radii),
        step_size=options.step_size,
        steps=options.steps,
        random_start=bool(options.restarts),
        restarts=max(options.restarts or 0, 1),
        iterate=options.iterate,
        norm=options.ball,
    )
    precision = options.attack_precision
    if precision == "auto":
        precision = faster_precision(attack, *run.attacked)
    with run.progress(len(options.radii)) as tick:
        curve = accuracy_curve(
            *run.attacked,
            replace(attack, precision=precision),
            options.radii,
            carry=bool(options.restarts) or options.iterate != "last",
            report=tick,
            **run.attack_settings,
        )
    return TaskResult(curve, pictures={"accuracy": accuracy_figure({run.name: curve})})


def _strong(run: Run[AccuracyOptions]) -> TaskResult:
    from interp.core.parallel import open_workers
    from interp.evaluation import StrongProtocol, validity
    from interp.report import validity_figure

    options = run.options
    protocol = StrongProtocol(
        steps=options.steps,
        step_size=options.step_size,
        restarts=options.restarts or 5,
        queries=options.queries,
        norm=options.ball,
        strength=options.protocol,
    )
    blocks = attack_blocks(len(run.sample), run.sample.image_shape)
    # Many images take hours: what is finished is kept.
    settings = {**run.attack_settings, "folder": options.output_dir / "blocks" / run.name}
    with (
        open_workers(options.workers or 1, options.ray) as workers,
        run.progress(len(blocks) * len(options.radii)) as tick,
    ):
        settings |= {"workers": workers, "report": tick}
        found = validity(run.model, run.sample.images, run.labels, options.radii, protocol, **settings)
    pictures = {"accuracy": validity_figure({run.name: found})} if found.rows else {}
    return TaskResult(found, record={"indices": run.indices.tolist()}, pictures=pictures)
