"""Pictures of comparisons of explanations: curves over what was replaced, and means of all methods under all measures."""

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from interp.core.checks import check_instance
from interp.core.drawing import ShownFigure, plain_text
from interp.core.errors import InputError
from interp.evaluation import Faithfulness
from interp.report.saliency_figures import legend_beside, line_style


def faithfulness_figure(found: Faithfulness) -> Figure:
    """Draw methods down, measures across: means with their standard errors, coloured by rank, the best in dark green.

    Args:
        found: What `benchmark_explanations` returned.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_instance("the comparison", found, Faithfulness, "faithfulness(model, images, labels, ['gradient'])")
    means = [[found.mean(method, measure) for measure in found.measures] for method in found.methods]
    values = np.array([[np.nan if mean.value is None else mean.value for mean in row] for row in means])
    signs = np.array([1 if facts.higher_is_better else -1 for facts in found.measures.values()])
    ranks = stats.rankdata(values * signs, axis=0, nan_policy="omit")
    figure = ShownFigure(
        figsize=(2.2 + 1.1 * len(found.measures), 1.2 + 0.42 * len(found.methods)), layout="constrained"
    )
    axes = figure.add_subplot()
    axes.imshow(ranks, cmap="Greens", vmin=0, vmax=len(found.methods) * 1.2, aspect="auto")
    arrows = ["higher" if facts.higher_is_better else "lower" for facts in found.measures.values()]
    names = [f"{plain_text(name)}\n({arrow})" for name, arrow in zip(found.measures, arrows, strict=True)]
    axes.set_xticks(range(len(names)), names, fontsize=7)
    axes.set_yticks(range(len(found.methods)), list(map(plain_text, found.methods)), fontsize=8)
    for (row, column), rank in np.ndenumerate(ranks):
        mean = means[row][column]
        told = "-" if mean.value is None else f"{mean.value:.3g}"
        error = "" if mean.standard_error is None else f"\n+-{mean.standard_error:.2g}"
        colour = "white" if rank > 0.8 * len(found.methods) else "black"
        axes.text(column, row, told + error, ha="center", va="center", fontsize=6, color=colour)
    return figure


def faithfulness_curves_figure(found: Faithfulness) -> Figure:
    """Draw the mean probability of the label against the share of replaced pixels, a panel a measure.

    Bands are one standard error.

    Args:
        found: What `benchmark_explanations` returned.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described, or no measure has a curve.
    """
    check_instance("the comparison", found, Faithfulness, "faithfulness(model, images, labels, ['gradient'])")
    if not found.curves:
        raise InputError("no measure of this comparison has a curve: measure deletion, insertion or ROAD as well")
    figure = ShownFigure(figsize=(1.8 + 3.4 * len(found.curves), 3.4), layout="constrained")
    panels = figure.subplots(1, len(found.curves), squeeze=False)[0]
    for axes, (name, curve) in zip(panels, found.curves.items(), strict=True):
        for place, method in enumerate(found.methods):
            means, errors = curve.means[place], np.nan_to_num(curve.standard_errors[place])
            style = line_style(place, method)
            axes.plot(curve.shares, means, label=plain_text(method), **style)
            axes.fill_between(curve.shares, means - errors, means + errors, color=style["color"], alpha=0.12, lw=0)
        axes.set(xlabel="share of the pixels", ylim=(-0.02, 1.02))
        axes.set_title(plain_text(name), fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("probability of the class")
    legend_beside(panels[-1])
    return figure
