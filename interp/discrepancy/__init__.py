"""How far an interpretation moved."""

from interp.discrepancy.softmax_weighted import softmax_weighted_discrepancy, true_class_discrepancy

__all__ = ["softmax_weighted_discrepancy", "true_class_discrepancy"]
