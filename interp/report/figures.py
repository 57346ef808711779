"""Figures, drawn without a display; each function returns a matplotlib figure."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interp.core.checks import check_finite, check_instance, check_listed, check_named, kind_of
from interp.core.drawing import COLOURS, ShownFigure, plain_text
from interp.core.errors import InputError
from interp.evaluation import AccuracyCurve


def accuracy_figure(curves: Mapping[str, AccuracyCurve], *, training_epsilon: float | None = None) -> Figure:
    """Draw accuracy under attack against eps, a line a network, with one standard error as a band.

    Args:
        curves: What `accuracy_curve` returned, by the names of the networks.
        training_epsilon: Radius that the networks were trained with, which is marked (default: none).

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("curves", curves, AccuracyCurve, "accuracy_curve(...)")
    figure = ShownFigure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        values, errors = np.array(curve.accuracies), np.array(curve.standard_errors)
        axes.plot(curve.epsilons, values, marker="o", color=colour, label=plain_text(name))
        axes.fill_between(
            curve.epsilons,
            np.clip(values - errors, 0, 1),
            np.clip(values + errors, 0, 1),
            color=colour,
            alpha=0.15,
            lw=0,
        )
    if training_epsilon is not None:
        axes.axvline(training_epsilon, color="grey", ls=":", lw=1)
        axes.annotate(
            "training eps", (training_epsilon, 1.02), ha="center", va="bottom", color="grey", annotation_clip=False
        )
    axes.set(xlabel="eps of the attack", ylabel="accuracy", ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def note_source(figure: Figure, source: str) -> Figure:
    """Write below a picture which images it was made of.

    Args:
        figure: The picture, which is changed.
        source: The text.

    Returns:
        The same figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_instance("the picture", figure, Figure, "maps_figure(...)")
    check_instance("the text", source, str, "'100 test images of MNIST'")
    figure.supxlabel(plain_text(source), fontsize=7, color="grey")
    return figure


def maps_figure(
    rows: Sequence[Sequence[tuple[str, np.ndarray, np.ndarray | None]]], *, shared_scale: bool = True
) -> Figure:
    """Draw a grid of images, with maps over them in grey: red speaks for the class, blue against it.

    Args:
        rows: Of each row the pictures: (title, image (height, width, channels) in [0, 1], signed map (h, w) or None).
        shared_scale: Whether the maps of a row share one colour scale, so that what an attack moved can be compared;
            False is for maps of different methods, which have different units.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described, or a map is not finite.
    """
    if (
        not isinstance(rows, Sequence)
        or not all(isinstance(row, (list, tuple)) and len(row) for row in rows)
        or not len(rows)
    ):
        raise InputError(f"rows came as {kind_of(rows)}, expected rows of (title, image, map or None)")
    columns = max(len(row) for row in rows)
    figure = ShownFigure(figsize=(1.55 * columns, 1.8 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, row in zip(grid, rows, strict=True):
        for _, _, map_ in row:
            if map_ is not None:
                check_finite("maps", map_)
        scales = [0.0 if map_ is None else float(np.abs(map_).max()) for _, _, map_ in row]
        if shared_scale:
            scales = [max(scales, default=0.0)] * len(row)
        for axes in axes_row:
            axes.axis("off")
        for axes, (title, image, map_), largest in zip(axes_row, row, scales, strict=False):
            if map_ is None:
                draw_picture(axes, image)
            else:
                draw_map(axes, image, map_, largest or 1.0)
            axes.set_title(plain_text(title), fontsize=8)
    return figure


def draw_picture(axes: Axes, image: np.ndarray) -> None:
    """Draw an image (height, width, channels): three channels in colour, others by their mean in grey."""
    axes.imshow(image if image.shape[-1] == 3 else image.mean(-1), cmap="gray", vmin=0, vmax=1)


def draw_map(axes: Axes, image: np.ndarray, map_: np.ndarray, limit: float, opacity: float = 0.55) -> None:
    """Draw a signed map (h, w) over its image in grey, in colours that end at the magnitude `limit`."""
    height, width = image.shape[:2]
    axes.imshow(image.mean(-1), cmap="gray", vmin=0, vmax=1)
    enlarged = cv2.resize(map_.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    axes.imshow(enlarged, cmap="seismic", vmin=-limit, vmax=limit, alpha=opacity)


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draw loss and accuracies of a training against the epoch, side by side.

    Args:
        history: What `train` returned: the measures of each epoch by name.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_listed("the history", history, "what train(...) returns")
    for measures in history:
        check_instance("an epoch of the history", measures, Mapping, "those of what train(...) returns")
    labels = {
        "accuracy": "training",
        "robust_accuracy": "training, attacked",
        "validation_accuracy": "validation",
        "validation_robust_accuracy": "validation, attacked",
    }
    figure = ShownFigure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    marker = "o" if len(history) < 30 else None
    loss.plot(epochs, [measures["loss"] for measures in history], color=COLOURS[0], marker=marker)
    loss.set(xlabel="epoch", ylabel="training loss")
    for (name, label), colour in zip(labels.items(), COLOURS, strict=False):
        if name in history[-1]:
            accuracy.plot(epochs, [measures[name] for measures in history], color=colour, label=label, marker=marker)
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(-0.02, 1.02))
    accuracy.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    return figure
