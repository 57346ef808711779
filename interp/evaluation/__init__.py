"""How well predictions and explanations hold up."""

from interp.evaluation.accuracy_curve import AccuracyCurve, accuracy_curve, describe_protocol
from interp.evaluation.sample import sample_images

__all__ = ["AccuracyCurve", "accuracy_curve", "describe_protocol", "sample_images"]
