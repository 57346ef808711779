"""Pictures of all networks of a section together, drawn from their kept results."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from interp.commands.record_format import field
from interp.core.errors import InputError
from interp.evaluation import AccuracyCurve, BoundCheck
from interp.report import accuracy_figure, bound_figure

Records = Mapping[str, dict[str, Any]]


def accuracy_curves(records: Records) -> dict[str, AccuracyCurve]:
    """Accuracy against eps for the last variant, the one of most steps, by network."""
    curves = {}
    for name, record in records.items():
        header, rows = record["header"], record["rows"]
        if not {"eps", "accuracy"} <= set(header):
            raise InputError(f"the record of {name} has no columns eps and accuracy: evaluate it again")
        at = [header.index(column) for column in ("eps", "accuracy")]
        last = [row for row in rows if row[0] == rows[-1][0]] if header[0] != "eps" else rows
        points = [tuple(row[column] for column in at) for row in last]
        if not all(isinstance(value, (int, float)) for point in points for value in point):
            raise InputError(f"the record of {name} has an eps or accuracy that is no number: evaluate it again")
        epsilons, values = zip(*points, strict=True)
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
            np.array(field(record, key, name), float) for key in ("epsilons", "margins", "discrepancies")
        )
        broken = np.array(field(record, "broken", name), int)
        found[name] = BoundCheck(record["images"], broken, epsilons, margins, discrepancies)
    return bound_figure(found)


PICTURES: dict[str, Callable[[Records], Figure]] = {"pgd": accuracies, "grid": accuracies, "bound": bounds}


def families(records: Records) -> dict[str, dict[str, dict[str, Any]]]:
    """The records by dataset and architecture, which a picture shows together."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for name, record in records.items():
        groups.setdefault("_".join(name.split("_")[:2]), {})[name] = record
    return groups
