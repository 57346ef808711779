"""Unforeseen attacks: fog, gabor noise, snow, JPEG and elastic deformation (Kang et al. 2019)."""

from interp.attacks.unforeseen.elastic import Elastic
from interp.attacks.unforeseen.fog import Fog
from interp.attacks.unforeseen.gabor import Gabor
from interp.attacks.unforeseen.jpeg import JPEG
from interp.attacks.unforeseen.listing import UNFORESEEN, make_unforeseen
from interp.attacks.unforeseen.snow import Snow
from interp.attacks.unforeseen.unforeseen import GOALS, UnforeseenAttack
from interp.core.names import SCORED

__all__ = [
    "GOALS",
    "JPEG",
    "SCORED",
    "UNFORESEEN",
    "Elastic",
    "Fog",
    "Gabor",
    "Snow",
    "UnforeseenAttack",
    "make_unforeseen",
]
