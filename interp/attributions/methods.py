"""The methods by name, with what is known of them, as data."""

from collections.abc import Mapping
from typing import Any

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
from interp.attributions.smooth_grad import SmoothGrad, SmoothGradSquared, SmoothGradVar
from interp.attributions.vanilla_gradient import VanillaGradient

METHODS: Mapping[str, type[Attribution]] = {
    "random": RandomBaseline,
    "gradient": VanillaGradient,
    "input_x_gradient": InputXGradient,
    "deconvnet": DeconvNet,
    "guided_backprop": GuidedBackprop,
    "integrated_gradients": IntegratedGradients,
    "grad_cam": GradCAM,
    "grad_cam++": GradCAMPlusPlus,
    "guided_grad_cam": GuidedGradCAM,
    "cam": CAM,
}
ENSEMBLES: Mapping[str, type[Any]] = {
    "smooth_grad": SmoothGrad,
    "smooth_grad_squared": SmoothGradSquared,
    "smooth_grad_var": SmoothGradVar,
}
READ_LAYERS = tuple(name for name, method in METHODS.items() if method.reads_layers)
