"""The protocol by which robust attribution regularisation (Chen et al. 2019, arXiv 1905.09957) is judged, for comparison with it."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from interp.attacks import TopKInterpretation
from interp.attributions import IntegratedGradients, InterpretationMaps
from interp.core.checks import check_images, check_labels, check_number
from interp.core.errors import InputError
from interp.discrepancy import kendall_tau, pearson_r, top_k_overlap
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.agreement_under_attack import Agreement, AgreementCurve, flat_as_ranked
from interp.evaluation.flags import unreached
from interp.evaluation.predictions import rightly_classified
from interp.evaluation.statistics import mean_of
from interp.models.model_check import check_model

POINTS, ATTACKED, MEASURED, STEPS, STEP_SIZE, RESTARTS = 100, 200, 100, 100, 0.01, 3


def robust_attribution_protocol(
    model: keras.Model,
    images: Any,
    labels: Any,
    epsilons: Sequence[float],
    *,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> AgreementCurve:
    """Attack integrated gradients of images that are classified right, as Chen et al. 2019 do on MNIST.

    Magnitudes of integrated gradients of the label, 100 points, summed over the channels; the top-k attack on the 200 strongest pixels, 100
    steps of 0.01, prediction kept; of 3 random starts the one of least Kendall tau counts, and its overlap of the 100 strongest.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1], of at least 200 pixels.
        labels: Integers (n,), the true classes.
        epsilons: Radii of the ball, for images in [0, 1]; on MNIST the paper takes 0.3.
        norm: Norm of the ball, "linf" or "l2".
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        report: Called after each radius.

    Returns:
        An AgreementCurve of the images classified right, its radii in rising order.

    Raises:
        InputError: The model, images, labels or radii cannot be used, images have too few pixels, or no image is classified right.
    """
    radii, batch = check_epsilons(epsilons, norm), check_images(images)
    check_number("seed", seed, minimum=0, whole=True)
    check_number("batch_size", batch_size, minimum=1, whole=True)
    if int(np.prod(batch.shape[1:3])) < ATTACKED:
        raise InputError(
            f"images came with {batch.shape[1]}x{batch.shape[2]} pixels, this protocol attacks {ATTACKED}: use the strong one"
        )
    truth = check_labels(labels, batch, check_model(model, batch)).numpy()
    rows = np.flatnonzero(rightly_classified(model, batch, truth, batch_size=batch_size))
    chosen, truth, method = batch.numpy()[rows], truth[rows], IntegratedGradients(steps=POINTS)
    explain = InterpretationMaps(name=method)

    def read(points: np.ndarray) -> np.ndarray:
        return flat_as_ranked(explain(model, points, truth[:, None], batch_size=batch_size)[:, 0], "magnitude")

    clean, found = read(chosen), []
    for epsilon in radii:
        attack = TopKInterpretation(
            epsilon=epsilon,
            step_size=STEP_SIZE,
            steps=STEPS,
            norm=norm,
            k=ATTACKED,
            interpretation=method,
            keep_prediction=True,
            ranking="magnitude",
        )
        moved = np.stack(
            [
                read(attack(model, chosen, truth, seed=seed + restart, batch_size=batch_size))
                for restart in range(RESTARTS)
            ]
        )
        taus = np.stack([kendall_tau(clean, maps) for maps in moved])
        best = np.argmin(np.where(np.isfinite(taus), taus, np.inf), 0)
        moved, tau = moved[best, np.arange(len(rows))], taus[best, np.arange(len(rows))]
        found.append(
            Agreement(
                float(epsilon),
                len(rows),
                len(rows),
                mean_of(tau),
                mean_of(pearson_r(clean, moved)),
                mean_of(top_k_overlap(clean, moved, MEASURED)),
                mean_of(tau),
                unreached(epsilon, STEP_SIZE, STEPS),
            )
        )
        report()
    ball = "" if norm == "linf" else f" in {norm}"
    protocol = (
        f"{len(rows)} of {len(batch)} images, those classified right; protocol of Chen et al. 2019: magnitudes of integrated gradients "
        f"({POINTS} points, followed at fewer), top-{ATTACKED} attack{ball} of {STEPS} steps of {STEP_SIZE:g}, prediction kept, of "
        f"{RESTARTS} random starts the least tau, overlap of the {MEASURED} strongest"
    )
    return AgreementCurve(tuple(found), protocol)
