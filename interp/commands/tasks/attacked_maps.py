"""vis_cam and attack_and_display: maps of clean and attacked images, in pictures."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from interp.commands.tasks.isa import smallest_radii, sneak
from interp.commands.tasks.shared_options import ClassOptions, MapOptions, PenaltyOptions, RadiusOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import numbers, whole_number
from interp.core.errors import InputError
from interp.core.options import option


@dataclass(frozen=True, kw_only=True)
class MapsOptions(MapOptions, RadiusOptions):
    """Options of vis_cam."""

    images: ClassVar[int] = 8
    usual_radii: ClassVar[str] = f"{RadiusOptions.usual_radii}, of which the largest is taken as of those given"

    restarts: int = option(0, "random starts; 0 starts at the image", parse=whole_number(0))


def vis_cam(run: Run[MapsOptions]) -> TaskResult:
    """A picture, a row an image; the table says what the attack did."""
    from interp.attacks import ProjectedGradientDescent, correct
    from interp.evaluation import AttackedAccuracy, describe_protocol, unreached
    from interp.report import class_maps_figure, map_gallery

    options = run.options
    epsilon = max(options.map_radii)
    attack = ProjectedGradientDescent(
        epsilon=epsilon,
        step_size=options.step_size,
        steps=options.steps,
        norm=options.ball,
        random_start=options.restarts > 0,
        restarts=max(options.restarts, 1),
    )
    attacked = attack(*run.attacked, **run.attack_settings)
    clean, broken = (
        float(correct(run.model, images, run.labels, batch_size=run.batch_size).mean())
        for images in (run.images, attacked)
    )
    flags = unreached(epsilon, attack.step_size, attack.steps)
    protocol = f"maps of {options.method}; {describe_protocol(attack, carry=False)}"
    found = AttackedAccuracy(len(run.labels), epsilon, clean, broken, protocol)
    figure = class_maps_figure(run.model, run.sample, attacked, options.method)
    gallery = map_gallery(run.name, run.model, run.sample, attacked)
    return TaskResult(found, flags=flags, pictures={"maps": figure}, gallery=gallery)


@dataclass(frozen=True, kw_only=True)
class DisplayOptions(ClassOptions, PenaltyOptions):
    """Options of attack_and_display."""

    images: ClassVar[int] = 4

    penalties: list[float] = option((1.25,), "radius of the attack as a multiple of the smallest, one", parse=numbers)

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        if len(self.penalties) > 1:
            told = ",".join(f"{penalty:g}" for penalty in self.penalties)
            raise InputError(f"the pictures are of one penalty, --penalties came as {told}: choose one")


def attack_and_display(run: Run[DisplayOptions]) -> TaskResult:
    """Maps of the true and the target class, clean, at the smallest radius, and attacked sneakily at the penalty."""
    from interp.attributions import InterpretationMaps
    from interp.evaluation import SneakedImages
    from interp.report import targeted_maps_figure

    options = run.options
    smallest = smallest_radii(run)
    found = sneak(run, options.num_class, smallest)
    rows, names = found.qualified, run.sample.class_names
    classes = np.stack([run.labels[rows], run.targets[rows]], -1)
    named = [tuple(names[label] for label in column) for column in classes.T]
    protocol = f"{options.method}, {options.num_class}, {options.settings}"
    shown = SneakedImages(found.count, rows, named[0], named[1], found.epsilons[0], found.discrepancies[0], protocol)
    if not len(rows):
        return TaskResult(shown, flags=found.flags)
    stages = {
        "clean": run.images[rows],
        "smallest eps": smallest.adversarial[rows],
        f"sneaking, {found.penalties[0]:g} x": found.adversarial[0],
    }
    explain = InterpretationMaps(name=options.method)
    maps = {name: explain(run.model, images, classes, places=rows) for name, images in stages.items()}
    pictures = {"maps": targeted_maps_figure(stages, maps, classes, names)}
    return TaskResult(shown, flags=found.flags, pictures=pictures)
