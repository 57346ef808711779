"""A network from its file to the contract, checked against the images that it is evaluated on before any long work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import forward_batch
from interp.core.command_line import one_line
from interp.core.errors import ArgumentError, InputError
from interp.core.json_fields import to_values
from interp.core.model_options import OPTION_NAMES, ModelOptions
from interp.core.names import AUTO, OTHER_DATASET
from interp.core.network_files import OLDER, WEIGHTS, WHOLE, NetworkFile
from interp.data import Dataset, dataset_names, find_dataset
from interp.evaluation.flags import chance_accuracy, random_output
from interp.evaluation.predictions import is_right, predict, repeated_calls
from interp.models import Adaptation, Network, find_adaptation, load_model
from interp.models.adaptation import count_classes
from interp.models.keras_file import read_keras_file
from interp.models.scale_evidence import UndecidedScaleError

# How many images are to say which scale a model was trained on, one attempt after the other, and whether its accuracy is above chance.
EVIDENCE, JUDGED = (128, 500), 100
# More values of images are not loaded for that, 500 images of 224x224 pixels in colour.
MOST_VALUES = 500 * 224 * 224 * 3

# Gives the first so many images of a test set in the order in which the sample is drawn, all where there are fewer.
Draw = Callable[[int], Dataset]


@dataclass(frozen=True)
class OpenedNetwork:
    """A network on the contract, with what there is to say of it before long work, and what a record says of it."""

    model: keras.Model
    said: Sequence[str] = ()
    flags: Sequence[dict[str, Any]] = ()
    record: dict[str, Any] = field(default_factory=dict)


def open_network(file: NetworkFile, sample: Dataset, options: ModelOptions, draw: Draw | None = None) -> OpenedNetwork:
    """Load a network, bring it to the contract, measure its clean accuracy, and ask whether its outputs are drawn.

    Args:
        file: where it comes from.
        sample: the images that it is evaluated on.
        options: what was said of it.
        draw: gives the images that say which scale a model was trained on, and whether its accuracy is above chance (default: the sample).

    Returns:
        The network, lines on its scale and its accuracy, flags, and values for a record.

    Raises:
        InputError: for what cannot be read, does not fit the images, or is not told by the options.
    """

    def images(count: int) -> Dataset:
        return sample if draw is None or len(sample) >= count else draw(min(count, max(_most(sample), len(sample))))

    try:
        loaded = load_file(file, sample, options)
        found = _adapt(file, loaded, sample, images, options)
    except ArgumentError as error:
        raise error.with_options(OPTION_NAMES) from error
    record: dict[str, Any] = {"network": _origin(loaded)}
    said = []
    if found is not None:
        said.append(f"input scale of {file.name}: {_told(found.scale)}, as {found.reason}")
        record["network"] |= {"input scale": _told(found.scale), "reason": found.reason}
    model = loaded if found is None else found.model
    judged = images(JUDGED)
    together = forward_batch(sample.image_shape)
    right = is_right(predict(model, judged.images, batch_size=together), judged.labels)
    drawn = random_output(*repeated_calls(model, tf.constant(judged.images[:together])))
    own = right[: len(sample)]
    said.append(f"clean accuracy of {file.name}: {own.mean():.3f} ({own.sum()} of {len(own)} images)")
    flags = to_values((*chance_accuracy(right, judged.labels, sample.classes), *drawn))
    said += [f"flagged: {flag['text']}" for flag in flags]
    record["clean_accuracy"] = {"accuracy": float(own.mean()), "images": len(own)}
    return OpenedNetwork(model, said, flags, record)


def check_dataset(
    file: NetworkFile, model: keras.Model, dataset: str, *, any_dataset: bool = False
) -> list[dict[str, Any]]:
    """Raise InputError for a network that says it was trained on another dataset; with `any_dataset`, return a flag that says so."""
    said = model.metadata.get("dataset") if isinstance(model, Network) else None
    if not isinstance(said, str) or said.lower() in find_dataset(dataset).names:
        return []
    said = one_line(said)[:40]
    if not any_dataset:
        raise InputError(
            f"{file.path.name} says that it was trained on {said}, it is to be evaluated on {dataset}: choose --dataset {said}, or add "
            "--any-dataset if that is meant"
        )
    return [{"kind": OTHER_DATASET, "text": f"{file.name} was trained on {said}, the images are of {dataset}"}]


def load_file(file: NetworkFile, data: Dataset, options: ModelOptions) -> keras.Model:
    """The model of a file as it was saved, for images and classes of `data` where the file does not say them. Raises InputError."""
    objects = {text.partition(":")[2]: text for text in options.custom_objects or ()}
    if file.application is not None:
        return load_model(file.application, weights=file.path, image_shape=data.image_shape, classes=data.classes)
    if file.path.name.endswith(WEIGHTS):
        return read_keras_file(
            file.path, architecture=options.network_type, image_shape=data.image_shape, classes=data.classes
        )
    whole = file.path.name.endswith((WHOLE, *OLDER))
    return load_model(file.path, architecture=options.network_type, custom_objects=objects if whole else None)


def _adapt(
    file: NetworkFile, model: keras.Model, sample: Dataset, images: Draw, options: ModelOptions
) -> Adaptation | None:
    """The adaptation of a model that is not of this package. Raises InputError where the model does not fit the images."""
    of_package = type(model) is Network
    if of_package and (options.input_scale not in (AUTO, "0..1") or options.output is not None):
        named = "--output" if options.output is not None else "--input-scale"
        raise InputError(
            f"{file.name} is a network of this package, which takes images in [0, 1] and has one output: leave {named} out for it"
        )
    _check_images(file, model, sample)
    first = sample.take(1)
    classes = model.classes if of_package else count_classes(model, first.images, options.output)
    if classes != sample.classes:
        listed = "" if sample.name in dataset_names() else ", or list all its classes in classes.txt of the directory"
        raise InputError(
            f"{file.name} tells {classes} classes apart, {sample.name} has {sample.classes}: choose the dataset it was trained on{listed}"
        )
    if of_package:
        return None
    # They are in memory at once, as the images of a long evaluation need not be.
    most = min(max(_most(sample), EVIDENCE[0]), EVIDENCE[-1])
    for count in EVIDENCE:
        shown = images(count)
        shown = shown.take(min(len(shown), most))
        try:
            return find_adaptation(
                model,
                scale=options.input_scale,
                output=options.output,
                images=np.asarray(shown.images),
                labels=shown.labels,
            )
        except UndecidedScaleError:
            # Where more images were asked for and there are no more, or no further attempt, nothing is guessed.
            if len(shown) == most or len(shown) < count:
                raise
    return None


def _most(sample: Dataset) -> int:
    """How many images of this size are loaded at once to judge a model."""
    return max(1, MOST_VALUES // int(np.prod(sample.image_shape)))


def _check_images(file: NetworkFile, model: keras.Model, sample: Dataset) -> None:
    """Raise InputError, with the way out, where a model takes images of other sides or channels."""
    inputs = list(getattr(model, "inputs", None) or [])
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        # Its own refusal says more.
        return
    wanted, shape = tuple(inputs[0].shape[1:]), sample.image_shape
    if all(side in (None, own) for side, own in zip(wanted, shape, strict=True)):
        return
    if wanted[0] in (1, 3) and wanted[-1] not in (1, 3):
        return
    problem = f"{file.name} takes images of shape {wanted}, those of {sample.name} have {shape}"
    of_model = tuple(own if side is None else side for side, own in zip(wanted, shape, strict=True))
    is_known, channels = sample.name in dataset_names(), wanted[-1] not in (None, shape[-1])
    if channels and of_model[-1] not in (1, 3):
        raise InputError(f"{problem}: images in grey have 1 channel, all others 3; choose a model of {shape[-1]}")
    if not is_known:
        size = f" --image-size {of_model[0]},{of_model[1]}" if of_model[:2] != shape[:2] else ""
        color = f" --color-mode {'rgb' if of_model[-1] == 3 else 'grayscale'}" if channels else ""
        raise InputError(f"{problem}: give{size}{color}")
    if not channels:
        raise InputError(f"{problem}: choose the dataset it was trained on")
    mend = {
        3: "keras.Model(images, model(keras.layers.Concatenate()([images] * 3)))",
        1: "keras.Model(images, model(keras.ops.image.rgb_to_grayscale(images)))",
    }[of_model[-1]]
    raise InputError(
        f"{problem}: choose the images it was trained on, or save {mend} with images = keras.Input({(*of_model[:2], shape[-1])})"
    )


def _origin(model: keras.Model) -> dict[str, Any]:
    """Where the weights come from, as far as the network's file says it."""
    return dict(model.metadata) if isinstance(model, Network) else {"class": type(model).__name__}


def _told(scale: Any) -> str:
    """A scale as the command line spells it."""
    if isinstance(scale, str):
        return scale
    return ",".join(f"{value:g}" for part in scale for value in part)
