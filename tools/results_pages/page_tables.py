"""The tables of the results page, each by the name that marks it, from records alone."""

import inspect
from collections.abc import Callable
from typing import Any

from interp.core.argument_types import fraction
from interp.core.errors import InputError, check_choice
from interp.core.tables import NOTHING, markdown_table, radius_text
from interp.report.record_format import field
from results_pages.cells import plus_minus, words
from results_pages.evidence import Evaluated, Sources, of_family, small_caption
from results_pages.leaderboard_tables import leaderboard, seed_networks, seeds
from results_pages.meanings import meaning
from results_pages.network_tables import classes, networks, times
from results_pages.own_protocols import own_protocol
from results_pages.saliency_tables import agreement, erasing, faithfulness, retraining_agreement, selectivity

WHO = ("method", "trained")
# Losses of accuracy beyond this are listed in words under the table.
TOLD = 0.05


def pgd(sources: Sources, family: str) -> list[str]:
    """Accuracy under the paper's protocol, of the most steps, over all radii, with standard errors."""
    found = of_family(sources, "pgd", family)
    most = max(steps for one in found for (steps,) in one.values("steps"))
    return _accuracies(found, "eps", "steps", most)


def attack(sources: Sources, family: str, folder: str) -> list[str]:
    """Accuracy by the records of `eval_cmd.py --task pgd_attack` in a `folder` beside the directories of `eval.py`."""
    beside = dict.fromkeys(records.parent for records in sources.records)
    found = of_family(Sources(tuple(beside), sources.networks_dir), folder, family)
    rows = []
    for one in found:
        columns = one.values("eps", "accuracy", "standard error")
        rows.append((one, {eps: plus_minus(accuracy, error) for eps, accuracy, error in columns}))
    return _across(found, rows, "eps")


def steps(sources: Sources, family: str, epsilon: str) -> list[str]:
    """Accuracy at one radius over the number of steps of the paper's attack."""
    found = of_family(sources, "pgd", family)
    return _accuracies(found, "steps", "eps", _radius(found[0], epsilon))


def strong(sources: Sources, family: str, epsilon: str) -> list[str]:
    """The paper's protocol beside the strong one at one radius, what was lost, and what was flagged."""
    found = of_family(sources, "validity", family)
    rows, lost = [], []
    for one in found:
        columns = ("PGD", "random starts", "worst case", "standard error", "flags")
        plain, started, worst, error, flags = one.one(*columns, where="eps", at=_radius(one, epsilon))
        if not all(isinstance(value, (int, float)) for value in (plain, worst)):
            raise InputError(f"the record of {one.name} has no accuracies at eps {epsilon}: evaluate it again")
        lost.append((round(plain - worst, 6), one.label, plain, worst))
        cells = (*map(plus_minus, (plain, started)), plus_minus(worst, error), plus_minus(plain - worst), str(flags))
        rows.append((*one.labels, *cells))
    header = (*WHO, f"PGD-200, eps {epsilon}", "random starts", "worst case", "lost", "flagged")
    lines = markdown_table(header, rows)
    worst_first = sorted(lost, key=lambda entry: entry[0], reverse=True)
    much = [f"{label} {plain:.3f} -> {worst:.3f}" for loss, label, plain, worst in worst_first if loss > TOLD]
    if much:
        lines += ["", f"More than {TOLD:g} lost: {'; '.join(much)}."]
    kept = [label for loss, label, _, worst in lost if loss <= TOLD and worst > TOLD]
    if kept:
        lines += ["", f"No more than that: {', '.join(kept)}."]
    return [*lines, "", small_caption(found)]


def protocols(sources: Sources, family: str, networks: str, epsilons: str) -> list[str]:
    """Accuracy by the paper's protocol and by the strong one, with flags, of some networks (adv_100,int_100) at some radii (0.3,0.4)."""
    found = {str(one.name): one for one in of_family(sources, "validity", family)}
    chosen = [found[check_choice("network of the mark", f"{family}_{name}", found)] for name in networks.split(",")]
    rows = []
    for one in chosen:
        cells: dict[str, str] = {}
        for epsilon in epsilons.split(","):
            columns = ("PGD", "worst case", "standard error", "flags")
            plain, worst, error, flags = one.one(*columns, where="eps", at=_radius(one, epsilon))
            cells[f"eps {epsilon}: paper's protocol"] = plus_minus(plain)
            cells[f"eps {epsilon}: strong"] = plus_minus(worst, error)
            cells[f"eps {epsilon}: flagged"] = str(flags)
        rows.append((one, cells))
    return _across(chosen, rows, "")


def aai(sources: Sources, family: str) -> list[str]:
    """Kendall tau of maps before and after the top-k attack: of images that kept their prediction, how many did, and of all."""
    found = of_family(sources, "aai", family)
    columns = ("eps", "Kendall tau", "standard error", "unchanged", "tau of all", "its standard error")
    rows = []
    for one in found:
        cells = {}
        for eps, tau, error, unchanged, tau_of_all, error_of_all in one.values(*columns):
            cells[f"{_key(eps)}: kept"] = f"{plus_minus(tau, error)} ({unchanged})"
            cells[f"{_key(eps)}: all"] = plus_minus(tau_of_all, error_of_all)
        rows.append((one, cells))
    return _across(found, rows, "eps")


def explanations(sources: Sources, family: str, measure: str) -> list[str]:
    """How far explanations can be moved with the prediction kept, by a measure: beside noise, the strongest attack; and the flags."""
    title = measure.replace("_", " ")
    found = of_family(sources, "explanations", family)
    rows: list[tuple[Evaluated, dict[str, str]]] = []
    for one in sorted(found, key=lambda one: str(one.record["explanation"])):
        cells: dict[str, str] = {}
        columns = ("eps", "measure", "noise", "corner noise", "strongest attack", "standard error", "flags")
        for eps, of, noise, corner, strongest, error, flags in one.values(*columns):
            if of == title:
                cells[f"eps {radius_text(eps)}: noise"] = f"{plus_minus(noise)}, {plus_minus(corner)}"
                cells[f"eps {radius_text(eps)}: attack"] = plus_minus(strongest, error)
                cells[f"eps {radius_text(eps)}: flagged"] = str(flags)
        rows.append((one, cells))
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    if not names:
        raise InputError(
            f"no record of explanations of {family} is by the measure {title!r}: correct the mark in the page"
        )
    body = [
        (words(one.record["explanation"]), *one.labels, *(cells.get(name, NOTHING) for name in names))
        for one, cells in rows
    ]
    return [*markdown_table(("explanation", *WHO, *names), body), "", small_caption(found)]


def topk(sources: Sources, family: str) -> list[str]:
    """Share of the strongest positions that a network has in common with the Normal one."""
    found = of_family(sources, "topk", family)
    columns = ("against", "top-k overlap", "standard error")
    rows = []
    for one in found:
        rows += [
            (*one.labels, plus_minus(overlap, error), str(against)) for against, overlap, error in one.values(*columns)
        ]
    return [*markdown_table((*WHO, "top-k overlap", "with"), rows), "", small_caption(found)]


def isa(sources: Sources, family: str) -> list[str]:
    """Normalised discrepancy that sneaking attacks are left with, along both directions."""
    rows = []
    all_found: list[Evaluated] = []
    both = [of_family(sources, section, family) for section in ("isa", "isa_reference")]
    names = [one.name for one in both[0]]
    if names != [one.name for one in both[1]]:
        raise InputError(f"isa and isa_reference of {family} are of other networks: evaluate what is missing")
    for found in zip(*both, strict=True):
        cells: list[str] = []
        for one in found:
            count, value = one.one("qualified", "discrepancy", where="penalty", at="all")
            cells += [str(count), plus_minus(value, field(one.record, "standard_error", one.name), digits=2)]
        rows.append((*found[0].labels, *cells))
        all_found += found
    header = (*WHO, "images (sign)", "discrepancy", "images (reference)", "discrepancy")
    return [*markdown_table(header, rows), "", small_caption(all_found)]


def bound(sources: Sources, family: str) -> list[str]:
    """Smallest radii with margin and discrepancy there."""
    found = of_family(sources, "bound", family)
    columns = ("broken", "images", "mean eps", "mean margin", "mean discrepancy", "discrepancy below margin")
    rows = []
    for one in found:
        rows += [
            (*one.labels, f"{broken} of {images}", *map(_short, means))
            for broken, images, *means in one.values(*columns)
        ]
    return [*markdown_table((*WHO, *columns[:1], *columns[2:]), rows), "", small_caption(found)]


def uar(sources: Sources, family: str, goal: str) -> list[str]:
    """Accuracy under unforeseen attacks of one goal at their default budgets."""
    found = of_family(sources, "uar", family)
    columns = ("attack", "goal", "budget", "accuracy", "standard error")
    rows = []
    for one in found:
        cells = {
            f"{words(attack)} {budget:g}": (accuracy, error)
            for attack, towards, budget, accuracy, error in one.values(*columns)
            if towards == goal
        }
        if not cells:
            raise InputError(f"the record of {one.name} has no goal {goal!r}: correct the mark in the page")
        rows.append((one, cells))
    return _narrow(found, rows, "")


def _accuracies(found: list[Evaluated], across: str, fixed: str, value: float) -> list[str]:
    """Accuracies over one setting of the attack, where the other has a value."""
    rows = []
    for one in found:
        columns = one.values(across, fixed, "accuracy", "standard error")
        rows.append((one, {key: (figure, error) for key, other, figure, error in columns if other == value}))
    return _narrow(found, rows, across)


def _narrow(found: list[Evaluated], rows: list[tuple[Evaluated, dict[Any, tuple[Any, Any]]]], what: str) -> list[str]:
    """As `_across`, of figures with their standard errors: the largest error is told below the table, which stays narrow."""
    errors = [error for _, cells in rows for _, error in cells.values() if isinstance(error, (int, float))]
    figures = [(one, {key: plus_minus(figure) for key, (figure, _) in cells.items()}) for one, cells in rows]
    lines = _across(found, figures, what)
    if errors:
        lines[-1] = lines[-1].replace("<small>", f"<small>one standard error: at most {max(errors):.3f}; ", 1)
    return lines


def _radius(one: Evaluated, text: str) -> float:
    """The radius of a record that a mark means: 0.3, or 8/255. Raises InputError."""
    radii = {eps for (eps,) in one.values("eps") if isinstance(eps, (int, float))}
    try:
        wanted = fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"the radius {text!r} of a mark is no number: correct it in the page") from error
    near = [eps for eps in radii if abs(eps - wanted) < 1e-6]
    if not near:
        raise InputError(f"the record of {one.name} has no radius {text}: correct the mark in the page")
    return near[0]


def _across(found: list[Evaluated], rows: list[tuple[Evaluated, dict[Any, str]]], what: str) -> list[str]:
    """A row a network, a column each key of the cells."""
    keys = list(dict.fromkeys(key for _, cells in rows for key in cells))
    header = (*WHO, *(f"{what} {_key(key)}".strip() for key in keys))
    body = [(*one.labels, *(cells.get(key, NOTHING) for key in keys)) for one, cells in rows]
    return [*markdown_table(header, body), "", small_caption(found)]


def _key(key: Any) -> str:
    return radius_text(key) if isinstance(key, float) else str(key)


def _short(value: Any) -> str:
    return "none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


# By the name of each function.
TABLES: dict[str, Callable[..., list[str]]] = {
    table.__name__: table
    for table in (
        *(pgd, attack, steps, strong, protocols, aai, explanations, topk, isa, bound, uar),
        *(erasing, selectivity, faithfulness, agreement, retraining_agreement),
        *(networks, times, classes, leaderboard, seeds, seed_networks, own_protocol),
    )
}


def make_table(sources: Sources, mark: list[str]) -> list[str]:
    """The lines that the words of a mark ask for: the table, the family of networks, and what else it takes. Raises InputError."""
    name, *arguments = mark
    table = TABLES[check_choice("table of the page", name, TABLES)]
    expected = [one for one in inspect.signature(table).parameters if one != "sources"]
    if len(arguments) != len(expected):
        raise InputError(f"the mark 'table {' '.join(mark)}' should be: table {name} {' '.join(expected).upper()}")
    lines = table(sources, *arguments)
    says = [meaning(name, dict(zip(expected, arguments))), ""] if any(line.startswith("|") for line in lines) else []
    return [*says, *lines]
