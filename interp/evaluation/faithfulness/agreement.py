"""Whether measures rank methods alike (Tomsett et al. 2020): Kendall tau over the methods, by means and image by image."""

import numpy as np

from interp.evaluation.statistics import Mean, mean_of


def agreement_of_means(values: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (measures, measures) of rankings by the mean of values (methods, measures, n); NaN where there is no ranking."""
    defined = np.isfinite(values)
    sums = np.where(defined, values, 0).sum(-1)
    means = np.divide(sums, defined.sum(-1), out=np.full(sums.shape, np.nan), where=defined.any(-1))
    return _taus(means[..., None])[..., 0]


def agreement_over_images(values: np.ndarray) -> tuple[tuple[Mean, ...], ...]:
    """Mean over the images of Kendall's tau-b between measures, of values (methods, measures, n), where higher is better."""
    taus = _taus(values)
    return tuple(tuple(mean_of(column) for column in row) for row in taus)


def _taus(values: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (measures, measures, n); a pair of methods without two values does not count."""
    first, second = np.triu_indices(len(values), 1)
    signs = np.sign(values[first] - values[second])
    size = values.shape[1]
    taus = np.full((size, size, values.shape[2]), np.nan)
    for row in range(size):
        for column in range(row + 1):
            defined = np.isfinite(signs[:, row]) & np.isfinite(signs[:, column])
            one, other = (np.where(defined, signs[:, place], 0) for place in (row, column))
            scale = np.sqrt((one**2).sum(0) * (other**2).sum(0))
            tau = np.divide((one * other).sum(0), scale, out=np.full(scale.shape, np.nan), where=scale > 0)
            taus[row, column] = taus[column, row] = tau
    return taus
