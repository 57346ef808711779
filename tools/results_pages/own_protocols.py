"""The table of the methods made for robust explanations, each by the attack and measure of its own paper, beside Normal."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from interp.core.errors import InputError
from interp.core.tables import markdown_table, radius_text
from interp.evaluation import AgreementCurve, ExplanationValidity, Mean
from interp.evaluation.statistics import STANDARD_ERRORS
from results_pages.cells import plus_minus
from results_pages.evidence import Evaluated, Sources, of_family

# Below a directory of records: the same sections by other protocols, which the tables of that directory do not mix with theirs.
OWN = "own_protocol"
NORMAL = "normal"
# The sections of eval.py: attacks on gradients, of which a figure is one search alone, and the protocol of Chen et al. 2019.
SEARCHES, CHEN = "explanations", "aai"
# Ends what the protocols of some records begin with, which differs from network to network.
COUNTED = "those classified right; "


@dataclass(frozen=True)
class OwnFigure:
    """What the paper of a method reports: a measure of maps after one search of a section, and both in words."""

    tag: str
    section: str
    search: str
    measure: str
    attack: str
    title: str


_NOISE = "gradients, a random point"
_TARGET = "gradients, led to a given map"
_RANKS = "gradients, 50 strongest positions"
_CHEN = "integrated gradients, 200 strongest positions"
FIGURES = (
    OwnFigure("lga", SEARCHES, "noise", "cosine", _NOISE, "cosine"),
    OwnFigure("lga", SEARCHES, "target", "cosine", _TARGET, "cosine"),
    OwnFigure("hessian", SEARCHES, "target", "Pearson", _TARGET, "Pearson r"),
    OwnFigure("hessian", SEARCHES, "target", "SSIM", _TARGET, "SSIM"),
    OwnFigure("r2et", SEARCHES, "top_k_overlap", "top-50 overlap", _RANKS, "top-50 overlap"),
    OwnFigure("igr", CHEN, "top_k", "kendall_tau", _CHEN, "Kendall tau"),
    OwnFigure("igr", CHEN, "top_k", "top_k_overlap", _CHEN, "top-100 overlap"),
    OwnFigure("art", CHEN, "top_k", "kendall_tau", _CHEN, "Kendall tau"),
    OwnFigure("art", CHEN, "top_k", "top_k_overlap", _CHEN, "top-100 overlap"),
)


def own_protocol(sources: Sources, family: str) -> list[str]:
    """Each figure of a method beside Normal's, and by how many standard errors of their difference it is better.

    Raises InputError where a network or a figure is missing.
    """
    beside = Sources(tuple(folder / OWN for folder in sources.records), sources.networks_dir)
    found = {section: of_family(beside, section, family) for section in (SEARCHES, CHEN)}
    rows: list[tuple[str, ...]] = []
    for figure in FIGURES:
        ours, normal = (_one(found[figure.section], tag) for tag in (figure.tag, NORMAL))
        known = _means(normal, figure)
        for epsilon, mean in _means(ours, figure).items():
            if epsilon not in known:
                raise InputError(f"the record of {normal.name} has no radius {epsilon:g}: evaluate it again")
            what = ours.name.title, figure.attack, figure.title, radius_text(epsilon)
            rows.append((*what, *_compared(mean, known[epsilon], str(ours.name))))
    header = (
        *("method", "maps, attack", "measure", "eps", "images", "the method's", "Normal's"),
        *("difference", "in standard errors", "aim holds"),
    )
    all_found = [one for each in found.values() for one in each]
    protocols = dict.fromkeys(one.record["protocol"].split(COUNTED)[-1] for one in all_found)
    data = dict.fromkeys(one.record["data"] for one in all_found)
    counted = "images that are classified right, the method's and Normal's; figures of gradients are after one of the searches alone"
    told = "; ".join((counted, " / ".join(protocols), ", ".join(data)))
    return [*markdown_table(header, rows), "", f"<small>{told}</small>"]


def _one(found: Sequence[Evaluated], tag: str) -> Evaluated:
    """The record of this project's network of a method. Raises InputError."""
    ours = [one for one in found if one.name.tag == tag and not one.published]
    if len(ours) != 1:
        raise InputError(f"{len(ours)} networks of {tag} were measured by their own protocol, expected one")
    return ours[0]


def _means(one: Evaluated, figure: OwnFigure) -> dict[float, Mean]:
    """The figure of a network at each radius. Raises InputError."""
    if figure.section == CHEN:
        return {row.epsilon: getattr(row, figure.measure) for row in AgreementCurve.from_json(one.record).rows}
    found = {
        row.epsilon: moved.by_search[figure.search]
        for row in ExplanationValidity.from_json(one.record).rows
        for moved in row.measures
        if moved.measure == figure.measure and figure.search in moved.by_search
    }
    if not found:
        raise InputError(f"the record of {one.name} has no {figure.measure} after {figure.search}: evaluate it again")
    return found


def _compared(ours: Mean, normal: Mean, name: str) -> tuple[str, ...]:
    """The cells of both means, and of their difference beside its standard error, as if they were of other images."""
    if ours.value is None or normal.value is None or ours.standard_error is None or normal.standard_error is None:
        raise InputError(f"{name} or the Normal network has too few images for a standard error: evaluate more of them")
    difference, error = ours.value - normal.value, hypot(ours.standard_error, normal.standard_error)
    if not error:
        raise InputError(f"all images of {name} and of the Normal network have one value: evaluate more of them")
    return (
        f"{ours.count}, {normal.count}",
        *(plus_minus(*mean.cells) for mean in (ours, normal)),
        plus_minus(difference, error),
        f"{difference / error:.1f}",
        "yes" if difference > STANDARD_ERRORS * error else "no",
    )
