"""Pictures of unforeseen attacks and curves over their budgets; each function returns a matplotlib figure."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from matplotlib.figure import Figure

from interp.attacks.unforeseen import UNFORESEEN, make_unforeseen
from interp.core.checks import check_finite, check_instance, check_listed, check_named
from interp.core.drawing import COLOURS, ShownFigure, plain_text
from interp.core.errors import check_choice
from interp.data import Dataset
from interp.evaluation import UnforeseenAccuracy
from interp.report.figures import draw_picture

# Parts of the usual budget in a gallery, and the steps of its attacks.
_PARTS, _STEPS = (1 / 16, 1 / 4, 1.0), 20


def gallery_figure(images: np.ndarray, pictures: Mapping[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw images down, clean and under each attack and budget across.

    Args:
        images: (n, height, width, channels) in [0, 1].
        pictures: The images under each attack, (n, height, width, channels), by its name.
        titles: Texts (n,), what each row shows.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    images = check_finite("images", images)
    check_named("pictures", pictures, np.ndarray, "Fog()(model, images, labels)")
    columns = {"clean": images, **pictures}
    figure = ShownFigure(figsize=(0.85 * len(columns), 0.85 * len(images) + 0.5), layout="constrained")
    grid = figure.subplots(len(images), len(columns), squeeze=False)
    for index, row in enumerate(grid):
        for axes, (name, shown) in zip(row, columns.items(), strict=True):
            draw_picture(axes, shown[index])
            axes.set_xticks([])
            axes.set_yticks([])
            if index == 0:
                axes.set_title(plain_text(name), fontsize=7)
        row[0].set_ylabel(plain_text(titles[index]), fontsize=7)
    return figure


def attacks_gallery(model: keras.Model, sample: Dataset, names: Sequence[str], *, seed: int = 99) -> Figure:
    """Draw images clean and under unforeseen attacks at three budgets: a sixteenth, a quarter and all of the usual one.

    Attacks take 20 steps.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        sample: Dataset whose images are shown.
        names: Names of the attacks, as in ["fog", "jpeg_linf"].
        seed: Seed of all random draws.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described, or an attack is unknown.
    """
    check_instance("the sample", sample, Dataset, "data.load('digits', 'test').take(8)")
    check_listed("the attacks", names, "['fog', 'snow']")
    for name in names:
        check_choice("unforeseen attack", name, UNFORESEEN)
    columns = {}
    for name in names:
        for part in _PARTS:
            epsilon = part * UNFORESEEN[name].default(max(sample.image_shape[:2]))
            attack = make_unforeseen(name, epsilon, steps=_STEPS)
            columns[f"{name}\n{epsilon:g}"] = attack(model, sample.images, sample.labels, seed=seed)
    return gallery_figure(np.asarray(sample.images), columns, [sample.class_names[label] for label in sample.labels])


def unforeseen_figure(found: Sequence[UnforeseenAccuracy]) -> Figure:
    """Draw accuracy against the budget, a panel an attack, a line a goal, one standard error as a band.

    Args:
        found: What `unforeseen_accuracy` returned.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_listed("the accuracies", found, "what unforeseen_accuracy(...) returns")
    for row in found:
        check_instance("an accuracy", row, UnforeseenAccuracy, "those that unforeseen_accuracy(...) returns")
    names = list(dict.fromkeys(row.attack for row in found))
    figure = ShownFigure(figsize=(2.6 * len(names), 2.8), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        goals = list(dict.fromkeys(row.goal for row in found if row.attack == name))
        for goal, colour in zip(goals, COLOURS, strict=False):
            rows = [row for row in found if (row.attack, row.goal) == (name, goal)]
            rows.sort(key=lambda row: row.epsilon)
            radii = [row.epsilon for row in rows]
            values = np.array([row.accuracy for row in rows])
            errors = np.array([row.standard_error for row in rows])
            axes.plot(radii, values, marker="o", ms=3, color=colour, label=goal.replace("_", " "))
            axes.fill_between(radii, values - errors, values + errors, color=colour, alpha=0.15, lw=0)
        axes.set(title=plain_text(name), xlabel="budget", xscale="log", ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy")
    panels[-1].legend(frameon=False, fontsize=8)
    return figure
