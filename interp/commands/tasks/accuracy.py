"""pgd_attack: accuracy under attack, by the paper's protocol or by the strong one."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from interp.attacks import ProjectedGradientDescent, faster_precision
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.bits import hex_bits
from interp.evaluation import Flag, StrongProtocol, Validity, accuracy_curve, validity
from interp.report import NOTHING, Cell, Table, accuracy_figure, validity_figure

DEFAULT_STEPS = 200


def pgd_attack(setting: Setting) -> Outcome:
    """Accuracies, a radius a row."""
    if setting.arguments.protocol == "strong":
        return strong_protocol(setting)
    arguments = setting.arguments
    attack = ProjectedGradientDescent(
        epsilon=max(setting.epsilons),
        step_size=arguments.step_size,
        steps=arguments.steps or DEFAULT_STEPS,
        random_start=bool(arguments.restarts),
        restarts=max(arguments.restarts or 0, 1),
        iterate=arguments.iterate,
    )
    if arguments.attack_precision == "auto":
        precision = faster_precision(attack, setting.model, setting.images, setting.labels)
    else:
        precision = arguments.attack_precision
    attack = replace(attack, precision=precision)
    with setting.progress(len(setting.epsilons)) as tick:
        curve = accuracy_curve(
            setting.model,
            setting.images,
            setting.labels,
            attack,
            setting.epsilons,
            carry=bool(arguments.restarts) or arguments.iterate != "last",
            seed=arguments.seed,
            batch_size=setting.batch_size(),
            report=tick,
        )
    rows = tuple(zip(curve.epsilons, curve.accuracies, curve.standard_errors, strict=True))
    table = Table(("eps", "accuracy", "standard error"), rows, f"{curve.count} images; {curve.protocol}")
    # Image by image, so that networks can be compared on the same images, and a figure be checked on a few.
    right = [hex_bits(row) for row in curve.right]
    record = {"protocol": curve.protocol, "right": right, "flags": flag_records(curve.flags)}
    return Outcome(table, record, {"accuracy": accuracy_figure({setting.name: curve})})


def strong_protocol(setting: Setting) -> Outcome:
    """Accuracies under every attack of the strong protocol, the worst case, and what is flagged."""
    arguments = setting.arguments
    protocol = StrongProtocol(
        steps=arguments.steps or DEFAULT_STEPS,
        step_size=arguments.step_size,
        restarts=5 if arguments.restarts is None else arguments.restarts,
        queries=arguments.queries,
    )
    with setting.progress(len(setting.epsilons)) as tick:
        found = validity(
            setting.model,
            setting.images,
            setting.labels,
            setting.epsilons,
            protocol,
            seed=arguments.seed,
            batch_size=setting.batch_size(),
            report=tick,
        )
    pictures = {"accuracy": validity_figure({setting.name: found})} if found.rows else {}
    return Outcome(validity_table(found, len(setting.labels)), validity_record(found), pictures)


def validity_table(found: Validity, count: int) -> Table:
    """Radii down, attacks across, and the kinds of the flags."""
    attacks = list(dict.fromkeys(name for row in found.rows for name in row.accuracies))
    rows: list[tuple[Cell, ...]] = []
    for row in found.rows:
        kinds = ", ".join(flag.kind for flag in (*found.flags, *row.flags))
        # Without an attack there is one accuracy.
        values = (row.accuracies.get(name, row.accuracies["PGD"]) for name in attacks)
        rows.append((row.epsilon, *values, row.worst_case, row.standard_error, kinds or "-"))
    if not rows:
        rows.append((NOTHING, None, NOTHING, ", ".join(flag.kind for flag in found.flags)))
    header = ("eps", *attacks, "worst case", "standard error", "flags")
    return Table(header, tuple(rows), f"{count} images; {found.protocol}")


def validity_record(found: Validity) -> dict[str, object]:
    """The protocol and the flags in words."""
    return {
        "protocol": found.protocol,
        "flagged": found.flagged,
        "flags": [
            *flag_records(found.flags),
            *(record for row in found.rows for record in flag_records(row.flags, row.epsilon)),
        ],
    }


def flag_records(flags: Iterable[Flag], epsilon: float | None = None) -> list[dict[str, Any]]:
    """Flags for a record, with the radius they are of."""
    at = {} if epsilon is None else {"eps": epsilon}
    return [{**at, "kind": flag.kind, "text": flag.text} for flag in flags]
