"""Pictures and pages of results."""

from interp.report.class_maps import class_maps_figure
from interp.report.figures import accuracy_figure, maps_figure
from interp.report.page import Page

__all__ = ["Page", "accuracy_figure", "class_maps_figure", "maps_figure"]
