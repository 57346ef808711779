"""The attribution methods that `--methods` names, made for a network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from interp import attributions
from interp.attributions import Attribution
from interp.commands.tasks.listing import ATTRIBUTIONS, ENSEMBLES
from interp.commands.tasks.setting import Setting
from interp.core.errors import InputError, check_choice

# Integrated gradients whose completeness gap is a larger share of the logit's change, or of one logit where that changes less, are told of.
GAP_SHARE = 0.05
# Images that are looked at for it.
GAP_IMAGES = 50

Make = Callable[[keras.Model], Attribution]

# Classes by the names of the listing.
METHODS: dict[str, type[Any]] = {
    "random": attributions.RandomBaseline,
    "gradient": attributions.VanillaGradient,
    "input_x_gradient": attributions.InputXGradient,
    "deconvnet": attributions.DeconvNet,
    "guided_backprop": attributions.GuidedBackprop,
    "integrated_gradients": attributions.IntegratedGradients,
    "grad_cam": attributions.GradCAM,
    "grad_cam++": attributions.GradCAMPlusPlus,
    "guided_grad_cam": attributions.GuidedGradCAM,
    "cam": attributions.CAM,
}
NOISY: dict[str, type[Any]] = {
    "smooth_grad": attributions.SmoothGrad,
    "smooth_grad_squared": attributions.SmoothGradSquared,
    "smooth_grad_var": attributions.SmoothGradVar,
}
TAKES_LAYER = ("grad_cam", "grad_cam++", "guided_grad_cam")


def make(name: str, setting: Setting, model: keras.Model, *, samples: int) -> Attribution:
    """The method of this name, an ensemble over the gradient or, as ensemble:method, over another method. Raises InputError."""
    arguments = setting.arguments
    ensemble, _, base = name.partition(":")
    if ensemble in NOISY:
        inner = make(base or "gradient", setting, model, samples=samples)
        return NOISY[ensemble](inner, samples=samples, noise_level=arguments.noise_level, seed=arguments.seed)
    options: dict[str, Any] = {}
    if name in TAKES_LAYER:
        options["layer"] = arguments.layer
    elif name == "integrated_gradients":
        options["steps"] = arguments.points
    elif name == "random":
        options["seed"] = arguments.seed
    return METHODS[check_choice("method", name, [*ATTRIBUTIONS, *ENSEMBLES])](model, **options)


def chosen_methods(setting: Setting, default: tuple[str, ...], *, samples: int) -> tuple[dict[str, Make], list[str]]:
    """Return what makes each method asked for, and notes: why methods of the default were left out, whose maps miss completeness.

    The random baseline comes first.

    A method that was asked for and cannot explain this network is an InputError.
    """
    asked = setting.arguments.methods
    names = list(dict.fromkeys(["random", *(asked or default)]))
    kept: dict[str, Make] = {}
    notes = []
    for name in names:
        factory = partial(make, name, setting, samples=samples)
        try:
            factory(setting.model).explain(setting.images[:1], setting.labels[:1])
        except InputError as error:
            if asked or (setting.arguments.layer is not None and name in ("grad_cam", "grad_cam++")):
                raise
            notes.append(f"{name} left out: {error}")
            continue
        kept[name] = factory
        if name == "integrated_gradients":
            notes += gap_notes(setting, setting.arguments.points)
    return kept, notes


def gap_notes(setting: Setting, points: int = 32) -> list[str]:
    """A note where integrated gradients of the setting's images by so many points do not add up to the change of the logit."""
    images, labels = setting.images[:GAP_IMAGES], setting.labels[:GAP_IMAGES]
    found = attributions.IntegratedGradients(setting.model, steps=points).explain(images, labels)
    gaps = found.values["gap"]
    missed = gaps > GAP_SHARE * np.maximum(np.abs(found.maps.sum((1, 2, 3))), 1)
    if not missed.any():
        return []
    return [
        f"integrated gradients by {points} points of {missed.sum()} of {len(gaps)} images do not add up to the change of the logit: "
        f"they miss more than {100 * GAP_SHARE:g}% of it, by up to {gaps.max():.3g} logits; --points raises the number in attributions"
    ]


def shown_gaps(setting: Setting) -> list[str]:
    """The same of tasks whose --inp_method is ig."""
    return gap_notes(setting) if setting.method == "ig" else []
