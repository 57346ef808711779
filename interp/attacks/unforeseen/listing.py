"""The unforeseen attacks by name, with the budgets they are evaluated at, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from interp.attacks.unforeseen.elastic import Elastic
from interp.attacks.unforeseen.fog import Fog
from interp.attacks.unforeseen.gabor import Gabor
from interp.attacks.unforeseen.jpeg import JPEG
from interp.attacks.unforeseen.snow import Snow
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack
from interp.core.errors import check_choice


@dataclass(frozen=True)
class Budgeted:
    """An attack, its default budget, the budgets of a curve, and the default one of 224x224 images where that is another."""

    make: Callable[..., UnforeseenAttack]
    budget: float
    budgets: tuple[float, ...]
    large_budget: float | None = None

    def default(self, side: int) -> float:
        """The default budget for images of this side."""
        return self.large_budget if self.large_budget is not None and side >= 128 else self.budget


UNFORESEEN: dict[str, Budgeted] = {
    "fog": Budgeted(Fog, 2048.0, (128.0, 256.0, 512.0, 2048.0, 4096.0, 8192.0)),
    "snow": Budgeted(Snow, 2.0, (0.0625, 0.125, 0.25, 2.0, 8.0, 16.0)),
    "gabor": Budgeted(Gabor, 400.0, (6.25, 12.5, 25.0, 400.0, 800.0, 1600.0)),
    "jpeg_linf": Budgeted(
        partial(JPEG, norm="linf"), 0.25, (0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0), large_budget=0.062
    ),
    "jpeg_l2": Budgeted(partial(JPEG, norm="l2"), 8.0, (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)),
    "jpeg_l1": Budgeted(partial(JPEG, norm="l1"), 256.0, (2.0, 8.0, 64.0, 256.0, 512.0, 1024.0)),
    "elastic": Budgeted(Elastic, 1.0, (0.125, 0.25, 0.5, 1.0, 2.0, 8.0)),
}


def make_unforeseen(name: str, epsilon: float, **settings: Any) -> UnforeseenAttack:
    """Return the attack of this name at a budget. Raises InputError."""
    return UNFORESEEN[check_choice("unforeseen attack", name, UNFORESEEN)].make(epsilon=epsilon, **settings)
