"""How far an interpretation moved."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.core.names import NORMS, SELECTIONS
from interp.discrepancy.agreement import kendall_tau, pearson_r, spearman_r, top_k_overlap
from interp.discrepancy.class_discrepancy import (
    class_discrepancy,
    class_distances,
    class_weights,
    select_classes,
    softmax_weighted_discrepancy,
    true_class_discrepancy,
)
from interp.discrepancy.measures import (
    MEASURES,
    CentreShift,
    Cosine,
    KendallTau,
    MapMeasure,
    MassOnMask,
    Pearson,
    Spearman,
    StructuralSimilarity,
    TopKOverlap,
    find_measure,
)

__all__ = [
    "MEASURES",
    "NORMS",
    "SELECTIONS",
    "CentreShift",
    "Cosine",
    "KendallTau",
    "MapMeasure",
    "MassOnMask",
    "Pearson",
    "Spearman",
    "StructuralSimilarity",
    "TopKOverlap",
    "class_discrepancy",
    "class_distances",
    "class_weights",
    "find_measure",
    "kendall_tau",
    "pearson_r",
    "select_classes",
    "softmax_weighted_discrepancy",
    "spearman_r",
    "top_k_overlap",
    "true_class_discrepancy",
]
