"""DiffROAR (Shah et al. 2021), of retrainings of ROAR and KAR that are there: does the map tell the top from the bottom?"""

from collections.abc import Mapping, Sequence

import numpy as np

from interp.evaluation.erasure import Protocol
from interp.evaluation.roar_kar_result import Retrained
from interp.evaluation.statistics import Mean, mean_of


def diff_roar(
    accuracies: Mapping[str, float],
    methods: Sequence[str],
    ratios: Sequence[float],
    seeds: Sequence[int],
    protocol: Protocol,
) -> dict[str, tuple[Mean, ...]]:
    """Accuracy without the bottom share minus accuracy without the top share at each ratio, by method.

    Args:
        accuracies: of retrainings, by the names they have in a record.
        methods: their names.
        ratios: shares of the pixels that are gone.
        seeds: of the retrainings, which are compared pair by pair.
        protocol: of the retrainings; where the ratio of KAR is what is kept, the one that leaves as much is taken.

    Returns:
        Mean and standard error over the seeds; a method that lacks a retraining is left out.
    """
    found = {}
    for method in methods:
        means = []
        for ratio in ratios:
            wanted = 1 - ratio if protocol.kar_keeps else ratio
            # As the list of ratios spells it.
            opposite = next((each for each in ratios if np.isclose(each, wanted)), wanted)
            bottom = [Retrained("kar", method, opposite, seed).key() for seed in seeds]
            top = [Retrained("roar", method, ratio, seed).key() for seed in seeds]
            if not all(key in accuracies for key in (*bottom, *top)):
                break
            means.append(mean_of(accuracies[low] - accuracies[high] for low, high in zip(bottom, top, strict=True)))
        else:
            found[method] = tuple(means)
    return found
