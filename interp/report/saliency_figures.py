"""Pictures of attributions and curves of what they are judged by; each function returns a matplotlib figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.attributions import pixel_scores
from interp.core.checks import check_finite, check_instance, check_named
from interp.core.drawing import COLOURS, ShownFigure, colour_limit, plain_text
from interp.core.errors import InputError, check_choice
from interp.evaluation import METRICS, RoarKar, SanityCheck, Selectivity
from interp.evaluation.roar_kar import RANDOM
from interp.report.figures import draw_picture

_STYLES = ("-", "--", ":")


def attributions_figure(images: np.ndarray, maps: Mapping[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw images down, methods across: red speaks for the class, blue against it, each map on its own scale.

    Args:
        images: (n, height, width, channels) in [0, 1].
        maps: Maps (n, height, width, channels) of each method, by its name.
        titles: Texts (n,), what each row shows.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("maps", maps, np.ndarray, "VanillaGradient(model)(images, labels)")
    images = check_finite("images", images)
    scores = {name: pixel_scores(of_method) for name, of_method in maps.items()}
    figure, grid = _grid(len(images), 1 + len(maps))
    for index, row in enumerate(grid):
        _image(row[0], images[index], titles[index])
        for axes, (name, of_method) in zip(row[1:], scores.items(), strict=True):
            map_ = of_method[index]
            scale = colour_limit(map_)
            axes.imshow(map_, cmap="seismic", vmin=-scale, vmax=scale)
            if index == 0:
                axes.set_title(plain_text(name).replace("_", "\n"), fontsize=7)
    return figure


def erased_images_figure(images: np.ndarray, erased: Mapping[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw images down, methods across: each image with the pixels in red that a method's map had erased.

    Args:
        images: (n, height, width, channels) in [0, 1].
        erased: Booleans (n, height, width) of each method by its name, such as `selectivity(...).erased`.
        titles: Texts (n,), what each row shows.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("masks", erased, np.ndarray, "selectivity(...).erased")
    figure, grid = _grid(len(images), 1 + len(erased))
    for index, row in enumerate(grid):
        _image(row[0], images[index], titles[index])
        for axes, (name, of_method) in zip(row[1:], erased.items(), strict=True):
            grey = images[index].mean(-1, keepdims=True)
            shown = images[index].copy() if images.shape[-1] == 3 else np.repeat(grey, 3, -1)
            shown[of_method[index]] = (1, 0.1, 0.1)
            axes.imshow(shown)
            if index == 0:
                axes.set_title(plain_text(name).replace("_", "\n"), fontsize=7)
    return figure


def agreement_figure(methods: Sequence[str], agreement: np.ndarray) -> Figure:
    """Draw the rank correlation between methods, with its figures.

    Args:
        methods: Names of the methods.
        agreement: Correlations (methods, methods) in [-1, 1]; NaN where there is none.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    agreement = np.asarray(agreement)
    if agreement.shape != (len(methods), len(methods)) or not np.issubdtype(agreement.dtype, np.number):
        raise InputError(
            f"the agreement came as {agreement.dtype} of shape {agreement.shape}, expected a number for each pair of methods"
        )
    side = 1.8 + 0.5 * len(methods)
    figure = ShownFigure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(agreement, cmap="RdBu_r", vmin=-1, vmax=1)
    names = [plain_text(name) for name in methods]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for (row, column), value in np.ndenumerate(agreement):
        colour = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="rank correlation")
    return figure


def selectivity_figure(found: Mapping[str, Selectivity]) -> Figure:
    """Draw mean probability of the label and accuracy against the number of erased patches, a line a method.

    Args:
        found: What `selectivity` returned, by the names of the methods.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("curves", found, Selectivity, "selectivity(VanillaGradient(model), images, labels)")
    patch = max(result.patch for result in found.values())
    label_of_steps = "erased pixels" if patch == 1 else f"erased patches of {patch} x {patch} pixels"
    figure = ShownFigure(figsize=(11, 4), layout="constrained")
    for axes, label in zip(figure.subplots(1, 2), ("probability of the class", "accuracy"), strict=True):
        for place, (name, result) in enumerate(found.items()):
            curve = result.mean_probability if label.startswith("probability") else result.accuracy
            axes.plot(range(len(curve)), curve, label=plain_text(name), **line_style(place, name))
        axes.set(xlabel=label_of_steps, ylabel=label, ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
    legend_beside(axes)
    return figure


def correlations_figure(found: SanityCheck) -> Figure:
    """Draw the rank correlation with the maps of the trained network against how much of it is random, a line a method.

    Args:
        found: What `sanity_check` returned.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_instance("the curves", found, SanityCheck, "sanity_check(...)")
    figure = ShownFigure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    stages = ["none", *found.stages]
    for place, (name, means) in enumerate(found.correlations.items()):
        values = [1.0, *(np.nan if mean.value is None else mean.value for mean in means)]
        axes.plot(range(len(stages)), values, marker="o", ms=3, label=plain_text(name), **line_style(place, name))
    axes.axhline(0, color="grey", lw=0.8)
    axes.set_xticks(range(len(stages)), [plain_text(stage) for stage in stages], rotation=30, ha="right", fontsize=8)
    axes.set(xlabel="weights randomised down to", ylabel="rank correlation", ylim=(-1.05, 1.05))
    axes.spines[["top", "right"]].set_visible(False)
    legend_beside(axes)
    return figure


def retraining_figure(found: RoarKar, metric: str) -> Figure:
    """Draw test accuracy after retraining against the ratio, a line a method, the random baseline in black.

    Bands are one standard error; of a single ratio methods stand beside each other.

    Args:
        found: What `roar_kar` returned.
        metric: "roar" or "kar".

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_instance("the accuracies", found, RoarKar, "roar_kar(...)")
    check_choice("metric", metric, METRICS)
    figure = ShownFigure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    ratios = sorted(found.ratios)
    for place, name in enumerate(found.methods):
        means = [found.mean(metric, name, ratio) for ratio in ratios]
        values = np.array([np.nan if mean.value is None else mean.value for mean in means])
        errors = np.array([mean.standard_error or 0.0 for mean in means])
        style = line_style(place, name)
        if len(ratios) == 1:
            # One ratio makes no line: methods beside each other.
            axes.errorbar(place, values[0], errors[0], fmt="o", color=style["color"], capsize=3)
            continue
        axes.plot(ratios, values, marker="o", ms=3, label=plain_text(name), **style)
        axes.fill_between(ratios, values - errors, values + errors, color=style["color"], alpha=0.15, lw=0)
    unerased = found.unerased().value
    if unerased is not None:
        axes.axhline(unerased, color="grey", ls=":", lw=1)
        axes.annotate(
            "not erased", (1.0, unerased), xycoords=("axes fraction", "data"), color="grey", ha="right", va="bottom"
        )
    kept = metric == "kar" and found.protocol.kar_keeps
    what = {"roar": "strongest pixels erased", "kar": "strongest pixels kept" if kept else "weakest pixels erased"}[
        metric
    ]
    axes.set_ylabel("test accuracy after retraining")
    axes.spines[["top", "right"]].set_visible(False)
    if len(ratios) == 1:
        axes.set_xticks(range(len(found.methods)), list(map(plain_text, found.methods)), rotation=30, ha="right")
        axes.set_title(f"{metric.upper()}, {ratios[0]:g} of the {what}", fontsize=10)
    else:
        axes.set(xlabel=f"fraction of the {what}", ylim=(-0.02, 1.02))
        legend_beside(axes)
    return figure


def line_style(place: int, name: str) -> dict[str, Any]:
    """How the line of a method is drawn, the random baseline in black."""
    if name == RANDOM:
        return {"color": "black", "ls": "-", "lw": 2}
    colours = COLOURS[:-1]
    return {"color": colours[place % len(colours)], "ls": _STYLES[place // len(colours) % len(_STYLES)], "lw": 1.3}


def legend_beside(axes: Axes) -> None:
    """Names of the lines right of the axes."""
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    figure = ShownFigure(figsize=(1.05 * columns, 1.05 * rows + 0.35), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    return figure, grid


def _image(axes: Axes, image: np.ndarray, title: str) -> None:
    draw_picture(axes, image)
    axes.set_ylabel(plain_text(title), fontsize=8)
