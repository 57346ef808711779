"""Curves and scatter plots of attacks on interpretations; each function returns a matplotlib figure."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.core.checks import check_finite, check_named
from interp.core.drawing import COLOURS, ShownFigure, plain_text
from interp.core.errors import InputError, check_choice
from interp.core.tables import counted
from interp.data import Dataset
from interp.evaluation import BoundCheck, Sneaking, Validity
from interp.report.figures import draw_picture


def validity_figure(found: Mapping[str, Validity]) -> Figure:
    """Draw accuracy against eps: PGD alone dashed, the worst case of the strong protocol solid, crosses where flagged.

    Args:
        found: What `validity` returned, by the names of the networks.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("results", found, Validity, "validity(model, images, labels, [0.1])")
    figure, axes = _one(xlabel="eps of the attack", ylabel="accuracy", ylim=(-0.02, 1.02))
    for (name, result), colour in zip(found.items(), COLOURS * len(found), strict=False):
        radii = [row.epsilon for row in result.rows]
        plain = [row.accuracies["PGD"] for row in result.rows]
        axes.plot(radii, plain, color=colour, ls="--", lw=1, label=f"{plain_text(name)}: PGD alone")
        axes.plot(
            radii,
            [row.worst_case for row in result.rows],
            color=colour,
            marker="o",
            label=f"{plain_text(name)}: worst case",
        )
        flagged = [(row.epsilon, row.accuracies["PGD"]) for row in result.rows if row.flags or result.flags]
        if flagged:
            axes.plot(
                *zip(*flagged, strict=True), "x", color="#D55E00", ms=9, mew=2, label=f"{plain_text(name)}: flagged"
            )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def panels_figure(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], order: Sequence[str]
) -> Figure:
    """Draw accuracies against eps in panels, two beside each other, where a name has one look in all of them.

    Args:
        panels: Of each panel, by its title, the lines by name: (radii, accuracies).
        order: All names that there may be, in the order of their looks.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("panels", panels, Mapping, "{'Adv': ([0.0, 0.1], [0.9, 0.8])}")
    for title, lines in panels.items():
        for name, (radii, values) in lines.items():
            check_choice("name of a line", name, list(order))
            if len(check_finite("radii", radii)) != len(check_finite("accuracies", values)):
                raise InputError(
                    f"{name!r} of {title!r} has {counted(len(radii), 'radius', 'radii')} and "
                    f"{counted(len(values), 'accuracy', 'accuracies')}, expected as many of both"
                )
    figure = ShownFigure(figsize=(10, 3.4 * ((len(panels) + 1) // 2)), layout="constrained")
    grid = figure.subplots((len(panels) + 1) // 2, 2, sharex=True, sharey=True, squeeze=False).ravel()
    drawn = {name for lines in panels.values() for name in lines}
    names = [name for name in order if name in drawn]
    looks = {
        name: {"color": COLOURS[index % len(COLOURS)], "ls": ("-", "--")[index // len(COLOURS) % 2]}
        for index, name in enumerate(names)
    }
    handles: dict[str, Artist] = {}
    for axes, (title, lines) in zip(grid, panels.items(), strict=False):
        for name, (radii, values) in lines.items():
            (handles[name],) = axes.plot(radii, values, marker="o", ms=3, lw=1.3, **looks[name])
        axes.set(title=plain_text(title), xlabel="eps of the attack", ylabel="accuracy", ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        # Radii of colour images have many digits.
        axes.locator_params(axis="x", nbins=5)
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes in grid[max(0, len(panels) - 2) : len(panels)]:
        # Also where the panel below it is not there.
        axes.tick_params(labelbottom=True)
    figure.legend(
        [handles[name] for name in names],
        [plain_text(name) for name in names],
        loc="outside right upper",
        frameon=False,
    )
    return figure


def bound_figure(found: Mapping[str, BoundCheck]) -> Figure:
    """Draw discrepancy against margin at the smallest radius, a point an image.

    The bound of Boopathy et al. 2020 says that all lie above the diagonal.

    Args:
        found: What `bound_check` returned, by the names of the networks.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("results", found, BoundCheck, "bound_check(...)")
    figure, axes = _one(xlabel="margin (f_true - f_target) / 2", ylabel="discrepancy at the smallest eps")
    for (name, result), colour in zip(found.items(), COLOURS * len(found), strict=False):
        label = f"{plain_text(name)} ({len(result.broken)} of {result.count})"
        axes.scatter(result.margins, result.discrepancies, s=12, alpha=0.6, color=colour, lw=0, label=label)
    everything = np.concatenate([np.r_[result.margins, 0.0] for result in found.values()])
    ends = np.array([min(everything.min(), 0), everything.max()])
    if all(result.bounded for result in found.values()):
        axes.plot(ends, ends, color="grey", ls=":", label="the bound: discrepancy = margin")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def sneaking_figure(found: Mapping[str, Sneaking]) -> Figure:
    """Draw the mean normalised discrepancy against the penalty, with one standard error.

    Args:
        found: What `sneaking` returned, by the names of the networks.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("results", found, Sneaking, "sneaking(...)")
    figure, axes = _one(xlabel="eps over the smallest eps", ylabel="mean normalised discrepancy")
    for (name, result), colour in zip(found.items(), COLOURS * len(found), strict=False):
        means = result.at(result.discrepancies)
        axes.errorbar(
            result.penalties,
            [np.nan if mean.value is None else mean.value for mean in means],
            yerr=[mean.standard_error or 0 for mean in means],
            color=colour,
            marker="o",
            capsize=3,
            label=f"{plain_text(name)} ({len(result.qualified)} of {result.count})",
        )
    _from_zero(axes)
    axes.legend(frameon=False)
    return figure


def tradeoff_figure(sample: Dataset, targets: np.ndarray, curves: Mapping[str, Sneaking]) -> Figure:
    """Draw discrepancy against eps, one curve for each class selection, a row an image where an attack succeeded.

    Args:
        sample: Dataset of the images that were attacked.
        targets: Integers (n,), the target classes.
        curves: What `sneaking` returned, by the class selection.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: No attack reached its target on any image.
    """
    images = sorted({int(image) for found in curves.values() for image in found.qualified})
    if not images:
        raise InputError(
            "no attack of the curves reached its target on any image: search longer, with more steps or rounds"
        )
    figure = ShownFigure(figsize=(6, 2.2 * len(images)), layout="constrained")
    grid = figure.subplots(len(images), 2, squeeze=False, width_ratios=(1, 2.6))
    # An image may lack some of the curves, the first one, too.
    handles: dict[str, Artist] = {}
    for (picture, axes), image in zip(grid, images, strict=True):
        draw_picture(picture, np.asarray(sample.images[image]))
        picture.axis("off")
        names = sample.class_names
        title = f"{names[sample.labels[image]]}, target {names[targets[image]]}"
        picture.set_title(plain_text(title), fontsize=9)
        for (label, found), colour in zip(curves.items(), COLOURS, strict=False):
            (index,) = np.flatnonzero(found.qualified == image) if image in found.qualified else (None,)
            if index is not None:
                (handles[label.replace("_", " ")],) = axes.plot(
                    found.epsilons[:, index], found.discrepancies[:, index], marker="o", color=colour
                )
        axes.set(xlabel="eps", ylabel="discrepancy")
        _from_zero(axes)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 1].legend(handles.values(), handles, frameon=False, fontsize=8)
    return figure


def _from_zero(axes: Axes) -> None:
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _one(**settings: object) -> tuple[Figure, Axes]:
    figure = ShownFigure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set(**settings)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
