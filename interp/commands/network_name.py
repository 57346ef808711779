"""What the name of a network's file says of it, by the paper's naming: mnist_smallgap_int_100."""

import re
from dataclasses import dataclass

from interp.training.objectives import OBJECTIVES, Objective

_PARTS = re.compile(r"([^_]+)_([^_]+)_([^_]+)_(\d+)")


@dataclass(frozen=True)
class NetworkName:
    """Prefix of the dataset, tag of the architecture, tag of the objective, epochs."""

    dataset: str
    architecture: str
    tag: str
    epochs: int

    @property
    def family(self) -> str:
        """Dataset and architecture, of whose networks tables and pictures are: mnist_smallgap."""
        return f"{self.dataset}_{self.architecture}"

    @property
    def objective(self) -> Objective:
        """What was minimised."""
        return OBJECTIVES[self.tag]

    @property
    def order(self) -> int:
        """The place of the objective among all, in which networks are listed."""
        return list(OBJECTIVES).index(self.tag)

    def __str__(self) -> str:
        return f"{self.family}_{self.tag}_{self.epochs}"


def parse_name(stem: str) -> NetworkName | None:
    """The parts of a file's name without its suffix; None where it is no such name."""
    found = _PARTS.fullmatch(stem)
    if found is None or found[3] not in OBJECTIVES:
        return None
    return NetworkName(found[1], found[2], found[3], int(found[4]))
