"""Explanation methods for any Keras model: maps that say which pixels a class score rests on.

Each is a description (its settings) that attacks, discrepancies and training objectives take, and with a model explains images.
"""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.attributions.attribution import Attribution, Maps
from interp.attributions.cam import CAM, Representation
from interp.attributions.edge_map import EdgeMap
from interp.attributions.expected_gradients import ExpectedGradients
from interp.attributions.explanation import Explanation
from interp.attributions.grad_cam import GradCAM, GradCAMPlusPlus, GuidedGradCAM, LayerCAM
from interp.attributions.gradients import DeconvNet, GuidedBackprop, InputXGradient, VanillaGradient
from interp.attributions.integrated_gradients import IntegratedGradients
from interp.attributions.interpretation_maps import InterpretationMaps, check_maps
from interp.attributions.lrp import LRP
from interp.attributions.occlusion import Occlusion
from interp.attributions.pixel_scores import pixel_scores
from interp.attributions.random_baseline import RandomBaseline
from interp.attributions.registry import INTERPRETATIONS, configured, find_attribution, name_of
from interp.attributions.rise import RISE
from interp.attributions.score_cam import ScoreCAM
from interp.attributions.smooth_grad import SmoothGrad, SmoothGradSquared, SmoothGradVar
from interp.core.names import RANKINGS

__all__ = [
    "CAM",
    "INTERPRETATIONS",
    "LRP",
    "RANKINGS",
    "RISE",
    "Attribution",
    "DeconvNet",
    "EdgeMap",
    "ExpectedGradients",
    "Explanation",
    "GradCAM",
    "GradCAMPlusPlus",
    "GuidedBackprop",
    "GuidedGradCAM",
    "InputXGradient",
    "IntegratedGradients",
    "InterpretationMaps",
    "LayerCAM",
    "Maps",
    "Occlusion",
    "RandomBaseline",
    "Representation",
    "ScoreCAM",
    "SmoothGrad",
    "SmoothGradSquared",
    "SmoothGradVar",
    "VanillaGradient",
    "check_maps",
    "configured",
    "find_attribution",
    "name_of",
    "pixel_scores",
]
