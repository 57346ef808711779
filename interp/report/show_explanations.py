"""One call from a model and images to a picture of what the model looks at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from interp.attributions import Attribution, find_attribution, pixel_scores
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels, check_number, kind_of
from interp.core.drawing import names_of_classes
from interp.core.errors import InputError, check_choice
from interp.core.files import check_writable, replacing
from interp.data import Dataset
from interp.evaluation.predictions import predict
from interp.models.model_check import find_facts
from interp.models.model_graph import PROBABILITIES
from interp.report.explanation_figure import FILE_DPI, explanation_figure

# Methods that most models have, of three families.
USUAL = ("gradient", "integrated_gradients", "grad_cam")
SCALES = ("map", "row")
FORMATS = ("png", "svg", "pdf")
# Images of a figure: more make a picture that no screen and no page holds.
MOST = 50


def show(
    model: keras.Model,
    images: Any,
    methods: str | Attribution | Sequence[str | Attribution] | Mapping[str, str | Attribution] = USUAL,
    *,
    labels: Any = None,
    class_names: Sequence[str] | None = None,
    scale: str = "map",
    opacity: float = 0.55,
    path: str | Path | None = None,
) -> Figure:
    """Draw what a model looks at: images down, methods across, each map over its image in grey.

    Red speaks for the class, blue against it. The title of a row is the explained class with its probability. Colours
    end where the strongest 0.5% of a map's pixels begin.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid. `interp.models.adapt` makes one of
            a model that does not take images in [0, 1].
        images: One image (height, width, channels) or several (n, height, width, channels), float32 in [0, 1], or a
            Dataset; 50 at most.
        methods: Names of methods, objects such as GradCAM(layer="conv2d_7"), or titles with either.
        labels: Integers (n,), the classes that are explained, or one for all images (default: the predicted ones).
        class_names: Names of all classes (default: those of the Dataset, else "class 3").
        scale: "map" gives each map a colour scale of its own, "row" one to all maps of an image. Maps of different
            methods have different units, so a shared scale suits methods of one kind.
        opacity: Opacity of the maps, from 0 to 1.
        path: File that the figure is written to, .png, .svg or .pdf (default: none).

    Returns:
        A matplotlib figure, which a notebook shows once. It belongs to no window: in a script, give a `path` or call
        its `savefig`.

    Raises:
        InputError: An argument is not as described, or a method cannot explain the model.

    Example:
        ```python
        interp.show(model, images, ["grad_cam", "integrated_gradients"], class_names=("cat", "dog"), path="maps.png")
        ```
    """
    chosen = _methods(methods)
    check_choice("scale", scale, SCALES)
    check_number("opacity", opacity, minimum=0)
    if opacity > 1:
        raise InputError(f"opacity came as {opacity:g}, expected at most 1")
    file = None if path is None else _file(path)
    pictures, names = _pictures(images, class_names)
    logits = predict(model, pictures)
    explained = _explained(labels, logits, pictures)
    told = zip(
        names_of_classes(explained, names, logits.shape[1]),
        _probabilities(model, logits, explained),
        strict=True,
    )
    titles = [(name, _told(value)) for name, value in told]
    maps, layers = [], []
    for _, method in chosen:
        found = method.with_model(model).explain(pictures, explained)
        maps.append(pixel_scores(found.maps))
        layers.append(found.layer)
    columns = [(name, layer) for (name, _), layer in zip(chosen, layers, strict=True)]
    figure = explanation_figure(
        pictures, np.stack(maps, 1), titles, columns, shared_scale=scale == "row", opacity=opacity
    )
    if file is not None:
        with replacing(file) as temporary:
            figure.savefig(temporary, format=file.suffix[1:].lower(), dpi=FILE_DPI)
    return figure


def _methods(given: Any) -> list[tuple[str, Attribution]]:
    """The methods with their titles. Raises InputError."""
    if isinstance(given, (str, Attribution)):
        given = [given]
    if not isinstance(given, (list, tuple, Mapping)) or not given:
        came = f"an empty {kind_of(given)}" if isinstance(given, (list, tuple, Mapping)) else kind_of(given)
        raise InputError(
            f"methods came as {came}, expected a list of names such as ['gradient', 'grad_cam'], or names with instances"
        )
    if isinstance(given, Mapping):
        for title in given:
            check_instance("a title of methods", title, str, "'mine'")
        return [(title, find_attribution(method)) for title, method in given.items()]
    found = [find_attribution(method) for method in given]
    # A title has no room for settings; a mapping gives titles of one's own.
    return [(shown_name(method, settings=False), each) for method, each in zip(given, found, strict=True)]


def _file(path: str | Path) -> Path:
    """The path of a file that can be written, told before long work. Raises InputError."""
    check_instance("the path of the figure", path, (str, Path), "'maps.png'")
    file = Path(path)
    if file.suffix[1:].lower() not in FORMATS:
        raise InputError(f"path came as {str(path)[:80]!r}, expected a name that ends in .png, .svg or .pdf")
    check_writable(file.parent)
    return file


def _pictures(images: Any, class_names: Sequence[str] | None) -> tuple[np.ndarray, Sequence[str] | None]:
    """Images (n, height, width, channels) with the names of classes that are known. Raises InputError."""
    if isinstance(images, Dataset):
        class_names = images.class_names if class_names is None else class_names
        images = images.images[: MOST + 1]
    elif not isinstance(images, (list, tuple)) and len(getattr(images, "shape", ())) == 3:
        images = images[None]
    checked = check_images(images)
    if len(checked) > MOST:
        raise InputError(
            f"more than {MOST} images came, expected at most as many as one figure shows: give images[:{MOST}]"
        )
    return checked.numpy(), class_names


def _explained(labels: Any, logits: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The class (n,) that is explained of each image. Raises InputError."""
    if labels is None:
        return logits.argmax(-1)
    if np.ndim(labels) == 0 and np.issubdtype(np.asarray(labels).dtype, np.integer):
        labels = np.full(len(images), labels)
    return check_labels(labels, tf.convert_to_tensor(images), logits.shape[1]).numpy()


def _probabilities(model: keras.Model, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability (n,) of each label, as the model's own softmax or sigmoid gives it."""
    sigmoid = find_facts(model).ends_in == PROBABILITIES["Sigmoid"]
    of_classes = tf.sigmoid(logits) if sigmoid else tf.nn.softmax(logits)
    return np.take_along_axis(of_classes.numpy(), labels[:, None], 1)[:, 0]


def _told(probability: float) -> str:
    return f"p = {probability:.3f}" if probability >= 0.001 else "p < 0.001"
