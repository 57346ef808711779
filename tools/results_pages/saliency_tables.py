"""The tables of attribution methods on the results page: retraining, erasing, and the measures that ask the model."""

import math

import numpy as np

from interp.core.errors import InputError
from interp.core.tables import NOTHING, Cell, markdown_table
from interp.discrepancy.agreement import kendall_tau
from interp.evaluation.roar_kar_result import RANDOM
from results_pages.cells import plus_minus, words
from results_pages.evidence import Evaluated, Sources, of_family, small_caption

# So many measures with their errors stand side by side on a page.
ACROSS = 5


def erasing(sources: Sources, family: str, section: str) -> list[str]:
    """ROAR or KAR: accuracy after retraining, a method a row, ratios across; what beats the random baseline is bold."""
    found = of_family(sources, section, family)
    lines = []
    for one in found:
        lines += _head_of(one, found)
        table: dict[str, dict[float, str]] = {}
        columns = ("method", "ratio", "accuracy", "standard error", "beats random")
        for method, ratio, accuracy, error, beats in one.values(*columns):
            cell = plus_minus(accuracy, error)
            table.setdefault(method, {})[ratio] = f"**{cell}**" if beats == "yes" else cell
        ratios = list(dict.fromkeys(ratio for cells in table.values() for ratio in cells))
        rows = [(words(method), *(cells.get(ratio, NOTHING) for ratio in ratios)) for method, cells in table.items()]
        lines += [*markdown_table(("method", *(f"erased {ratio:g}" for ratio in ratios)), rows), ""]
    return [*lines, small_caption(found)]


def selectivity(sources: Sources, family: str) -> list[str]:
    """The probability of the class while the strongest pixels are erased, a method a row, smallest area first."""
    found = of_family(sources, "selectivity", family)
    lines = []
    for one in found:
        lines += _head_of(one, found)
        names = tuple(name for name in one.record["header"] if name != "method")
        rows = sorted(one.values("area", "method", *names), key=lambda row: _or_last(row[0]))
        cells = [(words(method), *map(plus_minus, values)) for _, method, *values in rows]
        lines += [*markdown_table(("method", *names), cells), ""]
    return [*lines, small_caption(found)]


def _head_of(one: Evaluated, found: list[Evaluated]) -> list[str]:
    """Which network a table is of, where it is one of several."""
    return [f"{one.label}:", ""] if len(found) > 1 else []


def faithfulness(sources: Sources, family: str) -> list[str]:
    """Methods by all measures that ask the model, a method a row; what beats both controls, noise and edges, is bold."""
    lines = []
    for one in of_family(sources, "faithfulness", family):
        table: dict[str, dict[str, str]] = {}
        columns = ("method", "measure", "value", "standard error", "better", "beats")
        for method, measure, value, error, better, beats in one.values(*columns):
            cell, name = plus_minus(value, error), f"{words(measure)} ({better})"
            table.setdefault(method, {})[name] = f"**{cell}**" if beats == "random, edges" else cell
        names = list(next(iter(table.values())))
        lines += [f"{one.label}:", ""]
        for first in range(0, len(names), ACROSS):
            few = names[first : first + ACROSS]
            rows = [(words(method), *(cells.get(name, NOTHING) for name in few)) for method, cells in table.items()]
            lines += [*markdown_table(("method", *few), rows), ""]
        lines += [small_caption([one]), ""]
    return lines[:-1]


def agreement(sources: Sources, family: str) -> list[str]:
    """Kendall tau of the rankings that each two measures give the methods, mean over the networks of a family."""
    found = of_family(sources, "faithfulness", family)
    measures = list(found[0].record["measures"])
    if any(list(one.record["measures"]) != measures for one in found):
        raise InputError(f"records of faithfulness for {family} are of other measures each: evaluate them again")
    taus = np.array([one.record["agreement"] for one in found], np.float64)
    defined = np.isfinite(taus)
    sums = np.where(defined, taus, 0).sum(0)
    means = np.divide(sums, defined.sum(0), out=np.full(sums.shape, np.nan), where=defined.any(0))
    # Numbers in place of names, which would make each column as wide as a name.
    header = ("measure", *(str(number) for number in range(1, len(measures))))
    body = []
    for place, name in enumerate(measures):
        cells = [_tau_cell(mean) for mean in means[place, :place]]
        body.append((f"{place + 1} {words(name)}", *cells, *("" for _ in range(len(measures) - 1 - place))))
    return [*markdown_table(header, body), "", f"<small>{', '.join(one.label for one in found)}</small>"]


def retraining_agreement(sources: Sources, family: str) -> list[str]:
    """Kendall tau of the rankings by selectivity, ROAR and KAR with those by the measures that ask the model, over the methods of all."""
    asked, erased = _only(sources, "faithfulness", family), _only(sources, "selectivity", family)
    # Higher is better in all of them. A figure that is not defined ranks nothing, and its method stands in no table.
    rankings = {"selectivity": {method: -area for method, area in erased.values("method", "area") if _is_number(area)}}
    for section, sign in (("roar", -1), ("kar", 1)):
        for method, ratio, accuracy in _only(sources, section, family).values("method", "ratio", "accuracy"):
            if _is_number(accuracy):
                rankings.setdefault(f"{section.upper()} {ratio:g}", {})[method] = sign * accuracy
    measures: dict[str, dict[str, float]] = {}
    for method, measure, value, better in asked.values("method", "measure", "value", "better"):
        if _is_number(value):
            measures.setdefault(measure, {})[method] = value if better == "higher" else -value
    all_rankings = [*measures.values(), *rankings.values()]
    methods = [one for one in all_rankings[0] if one != RANDOM and all(one in each for each in all_rankings)]

    def row(measure: dict[str, float]) -> list[str]:
        values = np.array([[each[one] for one in methods] for each in (measure, *rankings.values())])
        taus = kendall_tau(np.tile(values[:1], (len(rankings), 1)), values[1:])
        return [_tau_cell(tau) for tau in taus]

    rows = [(words(name), *row(measure)) for name, measure in measures.items()]
    of_methods = f"<small>{asked.label}; methods: {', '.join(map(words, methods))}</small>"
    return [*markdown_table(("measure", *rankings), rows), "", of_methods]


def _tau_cell(tau: float) -> str:
    """A Kendall tau, which is not defined where one ranking has all methods alike."""
    return plus_minus(None if np.isnan(tau) else float(tau), digits=2)


def _only(sources: Sources, section: str, family: str) -> Evaluated:
    """What was found of the only network of a family. Raises InputError where there are several."""
    found = of_family(sources, section, family)
    if len(found) > 1:
        raise InputError(
            f"{len(found)} networks of {family} have records of {section}, this table is of one: take the mark from the page"
        )
    return found[0]


def _is_number(value: Cell) -> bool:
    return isinstance(value, (int, float))


def _or_last(value: Cell) -> float:
    """What sorts by a number, undefined ones last."""
    return value if isinstance(value, (int, float)) else math.inf
