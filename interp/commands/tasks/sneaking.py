"""min_pgd_attack, isa_*, tradeoff_* and attack_and_display: targeted attacks at and above the smallest radius."""

import numpy as np

from interp.attacks import InterpretabilitySneaking, MinimumEpsilonResult
from interp.attributions import InterpretationMaps
from interp.commands.tasks.accuracy import flag_records
from interp.commands.tasks.attributions import shown_gaps
from interp.commands.tasks.setting import Outcome, Setting
from interp.discrepancy import SELECTIONS
from interp.evaluation import BoundCheck, Mean, Sneaking, bound_check, mean_of, sneaking
from interp.report import NOTHING, Cell, Table, bound_figure, sneaking_figure, targeted_maps_figure, tradeoff_figure


def min_pgd_attack(setting: Setting) -> Outcome:
    """The smallest radii with margin and discrepancy, one row."""
    arguments = setting.arguments
    found = bound_check(
        setting.model,
        setting.images,
        setting.labels,
        setting.targets,
        setting.minimum_epsilon(),
        interpretation=setting.method,
        classes=arguments.num_class,
        norm=arguments.norm,
        seed=arguments.seed,
        batch_size=setting.batch_size(),
    )
    table = Table(BOUND_HEADER, (bound_row(found),), f"{found.count} images; {_protocol(setting)}")
    record = {name: getattr(found, name).tolist() for name in ("broken", "epsilons", "margins", "discrepancies")}
    record |= {"bounded": found.bounded, "protocol": _protocol(setting)}
    record |= {"flags": flag_records(found.flags), "notes": shown_gaps(setting)}
    return Outcome(table, record, {"bound": bound_figure({setting.name: found})} if len(found.broken) else {})


BOUND_HEADER = ("images", "broken", "mean eps", "mean margin", "mean discrepancy", "discrepancy below margin")


def bound_row(found: BoundCheck) -> tuple[Cell, ...]:
    """A network's row under BOUND_HEADER."""
    means = (found.epsilon.value, found.margin.value, found.discrepancy.value)
    below = NOTHING if found.below_margin is None else found.below_margin
    return found.count, len(found.broken), *means, below


def isa(setting: Setting) -> Outcome:
    """Normalised discrepancy and agreement of maps, a penalty a row and one over all."""
    found = _sneak(setting, setting.arguments.num_class)
    points = zip(
        found.penalties,
        *(found.at(values) for values in (found.epsilons, found.discrepancies, found.kendall_taus, found.pearson_rs)),
        strict=True,
    )
    counts = (found.count, found.broken, len(found.qualified))
    rows = [(f"{penalty:g}", *counts, *(mean.value for mean in means), NOTHING) for penalty, *means in points]
    overall = tuple(_over_points(values) for values in (found.kendall_taus, found.pearson_rs))
    rows.append(
        ("all", *counts, NOTHING, found.discrepancy.value, *(mean.value for mean in overall), found.slope.value)
    )
    caption = (
        f"{found.count} images, of which {found.preferring} prefer their target when clean, {found.broken} were broken and "
        f"{len(found.qualified)} qualified; {_protocol(setting)}"
    )
    header = (
        "penalty",
        "images",
        "broken",
        "qualified",
        "mean eps",
        "discrepancy",
        "Kendall tau",
        "Pearson r",
        "slope",
    )
    record = {
        "protocol": _protocol(setting),
        "standard_error": found.discrepancy.standard_error,
        "qualified": found.qualified.tolist(),
        "epsilons": found.epsilons.tolist(),
        "discrepancies": found.discrepancies.tolist(),
        "flags": flag_records(found.flags),
        "notes": shown_gaps(setting),
    }
    pictures = {"discrepancy": sneaking_figure({setting.name: found})} if len(found.qualified) else {}
    return Outcome(Table(header, tuple(rows), caption), record, pictures)


def tradeoff(setting: Setting) -> Outcome:
    """Discrepancy against the radius for each image, one curve for each class selection."""
    selections = ("one_class",) if setting.method == "representation" else SELECTIONS
    curves: dict[str, Sneaking] = {}
    smallest = _smallest(setting)
    with setting.progress(len(selections)) as tick:
        for selection in selections:
            curves[selection] = _sneak(setting, selection, smallest)
            tick()
    named = {"representation": curves["one_class"]} if setting.method == "representation" else curves
    rows = [
        (int(image), label, penalty, float(found.epsilons[point, index]), float(found.discrepancies[point, index]))
        for label, found in named.items()
        for index, image in enumerate(found.qualified)
        for point, penalty in enumerate(found.penalties)
    ]
    table = Table(
        ("image", "classes", "penalty", "eps", "discrepancy"),
        tuple(rows) or ((None, None, None, None, None),),
        f"{len(setting.labels)} images; {_protocol(setting)}",
    )
    if not rows:
        return Outcome(table)
    return Outcome(
        table, {"notes": shown_gaps(setting)}, {"tradeoff": tradeoff_figure(setting.sample, setting.targets, named)}
    )


def attack_and_display(setting: Setting) -> Outcome:
    """Maps of the true and the target class, clean, at the smallest radius, and attacked sneakily at the first penalty."""
    arguments = setting.arguments
    smallest = _smallest(setting)
    found = _sneak(setting, arguments.num_class, smallest)
    rows = found.qualified
    header = ("image", "true class", "target", "eps", "discrepancy")
    names = setting.sample.class_names
    table = Table(
        header,
        tuple(
            (
                int(image),
                names[setting.labels[image]],
                names[setting.targets[image]],
                float(found.epsilons[0, index]),
                float(found.discrepancies[0, index]),
            )
            for index, image in enumerate(rows)
        )
        or ((None,) * len(header),),
        f"{found.count} images, {len(rows)} qualified; {_protocol(setting)}",
    )
    if not len(rows):
        return Outcome(table)
    classes = np.stack([setting.labels[rows], setting.targets[rows]], -1)
    stages = {
        "clean": setting.images[rows],
        "smallest eps": smallest.adversarial[rows],
        f"sneaking, {found.penalties[0]:g} x": found.adversarial[0],
    }
    explain = InterpretationMaps(name=setting.method)
    maps = {name: explain(setting.model, images, classes) for name, images in stages.items()}
    return Outcome(table, {"notes": shown_gaps(setting)}, {"maps": targeted_maps_figure(stages, maps, classes, names)})


def _smallest(setting: Setting) -> MinimumEpsilonResult:
    return setting.minimum_epsilon()(
        setting.model,
        setting.images,
        setting.targets,
        seed=setting.arguments.seed,
        batch_size=setting.batch_size(),
    )


def _sneak(setting: Setting, classes: str, smallest: MinimumEpsilonResult | None = None) -> Sneaking:
    arguments = setting.arguments
    attack = InterpretabilitySneaking(
        interpretation=setting.method,
        classes=classes,
        norm=arguments.norm,
        steps=setting.targeted_steps(),
        direction=arguments.direction,
        layer=arguments.rep_l,
    )
    return sneaking(
        setting.model,
        setting.images,
        setting.labels,
        setting.targets,
        attack,
        setting.minimum_epsilon(),
        arguments.penalties,
        smallest=smallest,
        seed=arguments.seed,
        batch_size=setting.batch_size(),
    )


def _over_points(values: np.ndarray) -> Mean:
    return mean_of(values.mean(0)) if values.size else mean_of([])


def _protocol(setting: Setting) -> str:
    arguments = setting.arguments
    return (
        f"{setting.method}, {arguments.num_class}, {arguments.norm}, direction {arguments.direction}, "
        f"{setting.targeted_steps()} steps a round"
    )
