"""Pictures and pages of results."""

from interp.report.class_maps import class_maps_figure
from interp.report.figures import accuracy_figure, history_figure, maps_figure
from interp.report.page import Page

__all__ = ["Page", "accuracy_figure", "class_maps_figure", "history_figure", "maps_figure"]
