"""Architectures, the Keras network with its maps, and weight files."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.models.adaptation import Adaptation, adapt, find_adaptation
from interp.models.architectures import ARCHITECTURES
from interp.models.initialisation import build_network
from interp.models.loading import load_model
from interp.models.model_check import check_model
from interp.models.network import Network
from interp.models.prepared import PreparedModel, prepare
from interp.models.weight_file import save_model

__all__ = [
    "ARCHITECTURES",
    "Adaptation",
    "Network",
    "PreparedModel",
    "adapt",
    "build_network",
    "check_model",
    "find_adaptation",
    "load_model",
    "prepare",
    "save_model",
]
