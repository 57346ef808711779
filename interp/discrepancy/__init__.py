"""How far an interpretation moved."""

from interp.discrepancy.softmax_weighted import class_weights, softmax_weighted_discrepancy, true_class_discrepancy

__all__ = ["class_weights", "softmax_weighted_discrepancy", "true_class_discrepancy"]
