"""Interpretations of clean and attacked images side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from interp.attributions import InterpretationMaps
from interp.core.checks import check_finite, check_images, check_instance, check_named
from interp.core.errors import InputError
from interp.core.map_strip import map_strip
from interp.core.page import GalleryEntry
from interp.core.tables import counted
from interp.data import Dataset
from interp.evaluation.predictions import predict
from interp.report.figures import maps_figure

Cell = tuple[str, np.ndarray, np.ndarray | None]
# What a map is called in a title.
TITLES = {"cam": "CAM", "cam++": "Grad-CAM++", "ig": "IG"}


def class_maps_figure(model: keras.Model, sample: Dataset, attacked: np.ndarray, interpretation: str = "cam") -> Figure:
    """Draw images clean and attacked, with the maps of the label and of the strongest other class, a row an image.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        sample: Dataset whose images are shown.
        attacked: float32 (n, height, width, channels) in [0, 1], the same images after an attack.
        interpretation: Name of the explanation method.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described, or the model does not have such maps.
    """
    images, labels, names = _parts(sample)
    attacked = _like("attacked", attacked, images)
    logits = predict(model, attacked).copy()
    predicted = logits.argmax(-1)
    logits[np.arange(len(logits)), labels] = -np.inf
    classes = np.stack([labels, logits.argmax(-1)], -1)
    maps = InterpretationMaps(name=interpretation)
    clean_maps, attacked_maps = (_flat_colours(maps(model, batch, classes)) for batch in (images, attacked))
    title = TITLES.get(interpretation, interpretation)
    rows = []
    for index, (label, shown) in enumerate(zip(labels, classes, strict=True)):
        row: list[Cell] = [
            (f"image: {names[label]}", images[index], None),
            (f"attacked: seen as {names[predicted[index]]}", attacked[index], None),
        ]
        for place, class_ in enumerate(shown):
            row.append((f"{title} of {names[class_]}", images[index], clean_maps[index, place]))
            row.append(("the same, attacked", attacked[index], attacked_maps[index, place]))
        rows.append(row)
    return maps_figure(rows)


def map_gallery(network: str, model: keras.Model, sample: Dataset, attacked: np.ndarray) -> list[GalleryEntry]:
    """Return a gallery of images clean and attacked, each with the map of its label, by the maps of the paper.

    Args:
        network: Name of the model.
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        sample: Dataset whose images are shown.
        attacked: float32 (n, height, width, channels) in [0, 1], the same images after an attack.

    Returns:
        An entry for each image and each of CAM, Grad-CAM++ and integrated gradients that the model has.

    Raises:
        InputError: The model or the images cannot be used.
    """
    images, labels, names = _parts(sample)
    attacked = _like("attacked", attacked, images)
    predicted = np.argmax(predict(model, attacked), -1)
    entries = []
    for method, title in TITLES.items():
        maps = InterpretationMaps(name=method)
        try:
            clean, moved = (_flat_colours(maps(model, batch, labels[:, None]))[:, 0] for batch in (images, attacked))
        except InputError:
            # Without average pooling and one dense layer at its end, a model has no class activation maps.
            continue
        for index, label in enumerate(labels):
            shown = (
                (images[index], None),
                (images[index], clean[index]),
                (attacked[index], None),
                (attacked[index], moved[index]),
            )
            caption = (
                f"{names[label]}, {network}: image, {title} of {names[label]}, the image attacked (seen as {names[predicted[index]]}), "
                f"{title} there"
            )
            entries.append(GalleryEntry(f"{index + 1}: {names[label]}", network, title, map_strip(shown), caption))
    return entries


def targeted_maps_figure(
    stages: Mapping[str, np.ndarray], maps: Mapping[str, np.ndarray], classes: np.ndarray, names: Sequence[str]
) -> Figure:
    """Draw the stages of an attack, at each the image and its maps of the true and the target class, a row an image.

    Args:
        stages: Images (n, height, width, channels) in [0, 1] of each stage, by its name.
        maps: Their maps (n, 2, height, width, ...), by the same names.
        classes: Integers (n, 2), the true and the target classes.
        names: Names of all classes.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_named("stages", stages, np.ndarray, "images")
    check_named("maps", maps, np.ndarray, "maps")
    if set(stages) != set(maps):
        raise InputError(f"maps are of {', '.join(maps)}, stages are {', '.join(stages)}: give both the same names")
    chosen = check_finite("classes", classes)
    if chosen.ndim != 2 or chosen.shape[1] != 2 or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(
            f"classes came as {chosen.dtype} {chosen.shape}, expected integers (n, 2): true and target classes"
        )
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(names):
        raise InputError(
            f"classes lie in {chosen.min()} to {chosen.max()}, names are of 0 to {len(names) - 1}: give names of all classes"
        )
    for stage, images in stages.items():
        if len(check_images(images)) != len(chosen) or maps[stage].shape[:2] != chosen.shape:
            raise InputError(
                f"{stage} has images {images.shape} and maps {maps[stage].shape}, expected those of {len(chosen)} pairs of classes: "
                "(n, height, width, channels) and (n, 2, height, width)"
            )
    flat = {stage: _flat_colours(values) for stage, values in maps.items()}
    rows = []
    for index, pair in enumerate(classes):
        row: list[Cell] = []
        for stage, images in stages.items():
            row.append((stage, images[index], None))
            row += [
                (f"map of {names[class_]}", images[index], flat[stage][index, place])
                for place, class_ in enumerate(pair)
            ]
        rows.append(row)
    return maps_figure(rows)


def moved_maps(
    network: str,
    model: keras.Model,
    sample: Dataset,
    points: Mapping[str, np.ndarray],
    explanation: str,
    epsilon: float,
    values: np.ndarray,
    measure: str,
    places: Any = None,
) -> tuple[Figure, list[GalleryEntry]]:
    """Draw explanations that an attack moved, a row an image, and make the same a gallery.

    The last tile of a row is the change of the image, grey where there is none.

    Args:
        network: Name of the model.
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        sample: Dataset whose images are shown.
        points: Further images (n, height, width, channels) in [0, 1] beside them by name, the attacked ones last.
        explanation: Name of the explanation method.
        epsilon: Radius of the ball, for images in [0, 1].
        values: Values (n,) of the measure at the attacked images.
        measure: Name of the measure.
        places: Integers (n,), the places of the images among those that were attacked, which random draws of a method
            depend on (default: these are all).

    Returns:
        A matplotlib figure, and an entry of a gallery for each image.

    Raises:
        InputError: The model or the images cannot be used, or the model does not have such maps.
    """
    images, labels, names = _parts(sample)
    check_named("points", points, np.ndarray, "images")
    stages = {"image": images, **{name: _like(name, batch, images) for name, batch in points.items()}}
    if check_finite("values", values).shape != (len(images),):
        raise InputError(
            f"values came with shape {np.shape(values)}, expected one for each of {counted(len(images), 'image')}"
        )
    explain = InterpretationMaps(name=explanation)
    maps = {
        name: _flat_colours(explain(model, batch, labels[:, None], places=places))[:, 0]
        for name, batch in stages.items()
    }
    *_, attacked = stages.values()
    change = np.clip(0.5 + (attacked - images) / (2 * max(float(np.abs(attacked - images).max()), 1e-9)), 0.0, 1.0)
    title = TITLES.get(explanation, explanation)
    rows, entries = [], []
    for index, label in enumerate(labels):
        row: list[Cell] = []
        for name, batch in stages.items():
            row.append((name if row else f"{name}: {names[label]}", batch[index], None))
            row.append((title, batch[index], maps[name][index]))
        row[-1] = (f"{measure} {values[index]:.2f}", *row[-1][1:])
        row.append(("change", change[index], None))
        rows.append(row)
        caption = (
            f"{names[label]}, {network}: {', '.join(stages)}, each with its {title} of {names[label]}, and the change of the image within "
            f"{epsilon:g}; {measure} {values[index]:.2f}"
        )
        strip = map_strip([cell[1:] for cell in row])
        entries.append(GalleryEntry(f"{index + 1}: {names[label]}", network, f"{title}, moved", strip, caption))
    return maps_figure(rows), entries


def _parts(sample: Dataset) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    check_instance("the sample", sample, Dataset, "data.load('digits', 'test').take(8)")
    return np.asarray(sample.images), sample.labels, sample.class_names


def _like(what: str, batch: np.ndarray, images: np.ndarray) -> np.ndarray:
    checked = check_images(batch).numpy()
    if checked.shape != images.shape:
        raise InputError(
            f"{what} came with shape {checked.shape}, the sample has {images.shape}: give the same images, attacked"
        )
    return checked


def _flat_colours(maps: np.ndarray) -> np.ndarray:
    """Maps (n, m, height, width) of maps that may have a value for each colour."""
    return maps.sum(-1) if maps.ndim == 5 else maps
