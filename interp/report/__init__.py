"""Tables, pictures and pages of results."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.core.map_strip import map_strip
from interp.core.page import GalleryEntry, Page
from interp.core.results import write_table
from interp.core.svg_curves import Curve
from interp.core.tables import NOTHING, Cell, Table, pivot, render, tab_separated
from interp.report.class_maps import class_maps_figure, map_gallery, moved_maps, targeted_maps_figure
from interp.report.explanation_benchmark import benchmark_explanations, write_faithfulness_page
from interp.report.faithfulness_figures import faithfulness_curves_figure, faithfulness_figure
from interp.report.figures import accuracy_figure, history_figure, maps_figure, note_source
from interp.report.leaderboard import Leaderboard
from interp.report.leaderboard_figure import leaderboard_figure
from interp.report.paper_style import paper_style
from interp.report.robust_validation import RobustValidation
from interp.report.robustness_figures import (
    bound_figure,
    panels_figure,
    sneaking_figure,
    tradeoff_figure,
    validity_figure,
)
from interp.report.saliency_figures import (
    agreement_figure,
    attributions_figure,
    correlations_figure,
    erased_images_figure,
    retraining_figure,
    selectivity_figure,
)
from interp.report.show_explanations import show
from interp.report.unforeseen_figures import attacks_gallery, gallery_figure, unforeseen_figure

__all__ = [
    "NOTHING",
    "Cell",
    "Curve",
    "GalleryEntry",
    "Leaderboard",
    "Page",
    "RobustValidation",
    "Table",
    "accuracy_figure",
    "agreement_figure",
    "attacks_gallery",
    "attributions_figure",
    "benchmark_explanations",
    "bound_figure",
    "class_maps_figure",
    "correlations_figure",
    "erased_images_figure",
    "faithfulness_curves_figure",
    "faithfulness_figure",
    "gallery_figure",
    "history_figure",
    "leaderboard_figure",
    "map_gallery",
    "map_strip",
    "maps_figure",
    "moved_maps",
    "note_source",
    "panels_figure",
    "paper_style",
    "pivot",
    "render",
    "retraining_figure",
    "selectivity_figure",
    "show",
    "sneaking_figure",
    "tab_separated",
    "targeted_maps_figure",
    "tradeoff_figure",
    "unforeseen_figure",
    "validity_figure",
    "write_faithfulness_page",
    "write_table",
]
