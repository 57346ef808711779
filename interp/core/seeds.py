"""Seeds made of another one, so that draws of different use have nothing in common."""

import numpy as np


def derived_seed(seed: int, *place: int) -> int:
    """Return a seed below 2**30 for the use at a `place`: one to three numbers of at least 0, of which the last is not 0."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0]) >> 2
