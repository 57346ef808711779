"""Pictures of all networks of a section together, drawn from their kept results."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from interp.evaluation import AccuracyCurve, BoundCheck
from interp.report import accuracy_figure, bound_figure

Records = Mapping[str, dict[str, Any]]


def accuracy_curves(records: Records) -> dict[str, AccuracyCurve]:
    """Accuracy against eps for the last variant, the one of most steps, by network."""
    curves = {}
    for name, record in records.items():
        header, rows = record["header"], record["rows"]
        at = [header.index(column) for column in ("eps", "accuracy")]
        last = [row for row in rows if row[0] == rows[-1][0]] if header[0] != "eps" else rows
        epsilons, values = (tuple(row[column] for row in last) for column in at)
        curves[name] = AccuracyCurve(epsilons, values, record["images"], record["caption"])
    return curves


def accuracies(records: Records) -> Figure:
    """The same as a picture."""
    return accuracy_figure(accuracy_curves(records))


def bounds(records: Records) -> Figure:
    """Margin against discrepancy, a point an image."""
    found = {}
    for name, record in records.items():
        epsilons, margins, discrepancies = (
            np.array(record[key], float) for key in ("epsilons", "margins", "discrepancies")
        )
        found[name] = BoundCheck(record["images"], np.array(record["broken"]), epsilons, margins, discrepancies)
    return bound_figure(found)


PICTURES: dict[str, Callable[[Records], Figure]] = {"pgd": accuracies, "grid": accuracies, "bound": bounds}


def families(records: Records) -> dict[str, dict[str, dict[str, Any]]]:
    """The records by dataset and architecture, which a picture shows together."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for name, record in records.items():
        groups.setdefault("_".join(name.split("_")[:2]), {})[name] = record
    return groups
