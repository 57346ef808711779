"""What the name of a network's file says, by the paper's naming: mnist_smallgap_int_100."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from interp.core.names import ARCHITECTURE_TAGS, OBJECTIVE_TAGS, OBJECTIVE_TITLES

# Ends the variant of networks trained in l2; names of those trained in linf do not say their norm.
NORM_SUFFIXES = {"linf": "", "l2": "_l2"}
# In the variant of networks whose inner attack raised the cross-entropy in place of the method's own term, before the norm.
CROSS_ENTROPY_SUFFIX = "_ce"
# In the variant of networks whose recipe averages the weights, after the attack.
AVERAGED_SUFFIX = "_averaged"
# What titles say of the ends of a variant, in their order.
_SAID = {CROSS_ENTROPY_SUFFIX: " (CE attack)", AVERAGED_SUFFIX: " (averaged)", NORM_SUFFIXES["l2"]: ", l2"}


class NameWords(NamedTuple):
    """The words of any name: its first two, which name dataset and architecture in the paper's naming, and the rest; "" where it ends."""

    dataset: str
    architecture: str
    method: str

    @property
    def family(self) -> str:
        """The first two words together, by which networks are shown in one picture: mnist_smallgap."""
        return "_".join(filter(None, self[:2]))


@dataclass(frozen=True)
class NetworkName:
    """Prefix of the dataset, tag of the architecture, tag of the objective, epochs, and what sets variants of an objective apart.

    The variant is all that stands between the objective's tag and the epochs: "" for most networks, "005_2" (weight and radius) in
    mnist_smallgap_int005_2_100, "_grad_cam" (explanation) in mnist_smallgap_int_grad_cam_20, "_ce" (inner attack on the cross-entropy) in
    cifar_wresnet_trades6_ce_15, "_averaged" (weights) in cifar_wresnet_fast_averaged_25, "_l2" (norm of the radius) in
    mnist_smallgap_adv_l2_100.
    """

    dataset: str
    architecture: str
    tag: str
    epochs: int
    variant: str = ""

    @property
    def family(self) -> str:
        """Dataset and architecture, whose networks tables and pictures compare: mnist_smallgap."""
        return f"{self.dataset}_{self.architecture}"

    @property
    def unnumbered(self) -> str:
        """The name without epochs, which profiles change: mnist_smallgap_int."""
        return f"{self.family}_{self.tag}{self.variant}"

    @property
    def title(self) -> str:
        """The title of the objective, with an inner attack that is not its own, averaged weights, and the norm of the radius in l2."""
        return self._titled(full=False)

    @property
    def full_title(self) -> str:
        """The title with the rest of the variant, such as the weight and the radius of a grid."""
        return self._titled(full=True)

    def _titled(self, full: bool) -> str:
        rest, words = self.variant, ""
        for suffix, said in reversed(_SAID.items()):
            if rest.endswith(suffix):
                rest, words = rest.removesuffix(suffix), f"{said}{words}"
        return f"{OBJECTIVE_TITLES[self.tag]}{rest.replace('_', ' ') if full else ''}{words}"

    @property
    def order(self) -> int:
        """The place of the objective among all, in which networks are listed."""
        return OBJECTIVE_TAGS.index(self.tag)

    def __str__(self) -> str:
        return f"{self.unnumbered}_{self.epochs}"


# Longest first, as int begins int2 and intadv. A weight follows its objective at once and begins with 0.
_TAGS = "|".join(sorted(OBJECTIVE_TAGS, key=len, reverse=True))
_NAME = re.compile(
    rf"(?P<dataset>[^_]+)_(?P<architecture>{'|'.join(ARCHITECTURE_TAGS.values())})_(?P<tag>{_TAGS})"
    r"(?P<variant>(?:0[0-9]+)?(?:_.+)?)_(?P<epochs>0|[1-9][0-9]{0,8})"
)


def parse_name(stem: str) -> NetworkName | None:
    """Return the parts of a file's name without its suffix, None where it is no such name; str() of them is the name again."""
    found = _NAME.fullmatch(stem)
    if found is None:
        return None
    dataset, architecture, tag, variant, epochs = found.groups()
    return NetworkName(dataset, architecture, tag, int(epochs), variant)


def split_name(stem: str) -> NameWords:
    """Return the words of a name of any kind, such as that of a user's own model."""
    words = stem.split("_", 2)
    return NameWords(*words, *[""] * (3 - len(words)))
