"""The attribution methods that `--methods` names, made for a network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from interp import attributions
from interp.attributions import Attribution
from interp.commands.tasks.listing import ATTRIBUTIONS, ENSEMBLES
from interp.commands.tasks.setting import Setting
from interp.core.errors import InputError, check_choice

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
    """Return what makes each method asked for, and why methods of the default were left out; the random baseline comes first.

    A method that was asked for and cannot explain this network is an InputError.
    """
    asked = setting.arguments.methods
    names = list(dict.fromkeys(["random", *(asked or default)]))
    kept: dict[str, Make] = {}
    left_out = []
    for name in names:
        factory = partial(make, name, setting, samples=samples)
        try:
            factory(setting.model).explain(setting.images[:1], setting.labels[:1])
        except InputError as error:
            if asked or (setting.arguments.layer is not None and name in ("grad_cam", "grad_cam++")):
                raise
            left_out.append(f"{name} left out: {error}")
            continue
        kept[name] = factory
    return kept, left_out
