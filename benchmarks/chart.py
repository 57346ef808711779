"""Bars of what was measured."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from interp.core.files import replacing


def draw(results: dict[str, Any], path: Path) -> None:
    """Cost of each row in U on a logarithmic scale, with the naive version beside it where there is one."""
    rows = [(name, result) for name, result in results.items() if "units" in result][::-1]
    figure, axes = pyplot.subplots(figsize=(10, 0.26 * len(rows) + 1), layout="constrained")
    places = range(len(rows))
    naive = [(place, result["naive_units"]) for place, (_, result) in enumerate(rows) if "naive_units" in result]
    axes.barh(
        [place - 0.2 for place, _ in naive], [units for _, units in naive], 0.4, color="0.75", label="written naively"
    )
    axes.barh(
        [place + 0.2 if "naive_units" in result else place for place, (_, result) in enumerate(rows)],
        [result["units"] for _, result in rows],
        0.4,
        color="#2266aa",
        label="interp",
    )
    for place, (_, result) in enumerate(rows):
        above = 0.2 if "naive_units" in result else 0
        axes.annotate(
            f"{result['units']:.3g}" if result["units"] < 1000 else f"{result['units']:.0f}",
            (result["units"], place + above),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axes.set_yticks(list(places), [name for name, _ in rows], fontsize=7)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xscale("log")
    # Room for the numbers at the ends of the longest bars.
    axes.set_xlim(right=1.6 * axes.get_xlim()[1])
    axes.set_xlabel("U: one forward and gradient pass of MNIST small over 50 images")
    axes.legend(loc="upper right", fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
