"""The explanation methods by the names that commands, attacks and discrepancies take."""

from collections.abc import Callable

from interp.attributions.attribution import Attribution
from interp.attributions.cam import CAM
from interp.attributions.deconvnet import DeconvNet
from interp.attributions.grad_cam import GradCAM
from interp.attributions.grad_cam_plus_plus import GradCAMPlusPlus
from interp.attributions.guided_backprop import GuidedBackprop
from interp.attributions.guided_grad_cam import GuidedGradCAM
from interp.attributions.input_x_gradient import InputXGradient
from interp.attributions.integrated_gradients import IntegratedGradients
from interp.attributions.random_baseline import RandomBaseline
from interp.attributions.representation import Representation
from interp.attributions.smooth_grad import SmoothGrad, SmoothGradSquared, SmoothGradVar
from interp.attributions.vanilla_gradient import VanillaGradient
from interp.core.checks import kind_of
from interp.core.errors import InputError, check_choice

METHODS: dict[str, Attribution] = {
    "random": RandomBaseline(),
    "gradient": VanillaGradient(),
    "input_x_gradient": InputXGradient(),
    "deconvnet": DeconvNet(),
    "guided_backprop": GuidedBackprop(),
    "integrated_gradients": IntegratedGradients(steps=32),
    "grad_cam": GradCAM(),
    "grad_cam++": GradCAMPlusPlus(),
    "guided_grad_cam": GuidedGradCAM(),
    "cam": CAM(),
}
ENSEMBLES: dict[str, Callable[..., Attribution]] = {
    "smooth_grad": SmoothGrad,
    "smooth_grad_squared": SmoothGradSquared,
    "smooth_grad_var": SmoothGradVar,
}
# Those of the paper: Grad-CAM++ in closed form, integrated gradients, feature maps.
INTERPRETATIONS: dict[str, Attribution] = {
    "cam": METHODS["cam"],
    "cam++": CAM(rectified=True),
    "ig": METHODS["integrated_gradients"],
    "representation": Representation(),
}
_NAMED = {**METHODS, **INTERPRETATIONS}


def find_attribution(method: str | Attribution) -> Attribution:
    """Return the description of a method: of an object its settings, of a name the method's usual ones.

    Names are those of METHODS and INTERPRETATIONS; smooth_grad and its sisters stand for ensembles over the gradient, smooth_grad:METHOD
    over another one. Raises InputError.
    """
    if isinstance(method, Attribution):
        return method.without_model()
    if not isinstance(method, str):
        raise InputError(
            f"the explanation came as {kind_of(method)}, expected a name such as 'grad_cam' or an object such as GradCAM()"
        )
    ensemble, colon, base = method.partition(":")
    if ensemble in ENSEMBLES:
        return ENSEMBLES[ensemble](find_attribution(base) if colon else VanillaGradient())
    return _NAMED[check_choice("explanation", method, [*_NAMED, *ENSEMBLES])]


def name_of(method: Attribution) -> str | None:
    """The name by which `find_attribution` finds a method of these settings, None where it has none."""
    return next((name for name, known in _NAMED.items() if known == method), None)
