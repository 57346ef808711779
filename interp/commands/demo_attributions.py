"""What the demo shows of attributions: maps of each network, and how selective they are."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.data import Dataset
    from interp.models import Network
    from interp.report import Page

STEPS = 40


def add_attributions(page: "Page", title: str, network: "Network", sample: "Dataset") -> "dict[str, Figure]":
    """Add a section on a network to the page and return its pictures by name."""
    import numpy as np

    from interp import attributions
    from interp.evaluation import selectivity
    from interp.report import attributions_figure, selectivity_figure

    methods = {
        "random": attributions.RandomBaseline(network),
        "gradient": attributions.VanillaGradient(network),
        "smooth_grad": attributions.SmoothGrad(attributions.VanillaGradient(network), samples=25),
        "integrated_gradients": attributions.IntegratedGradients(network, steps=32),
        "guided_backprop": attributions.GuidedBackprop(network),
        "grad_cam": attributions.GradCAM(network),
    }
    images = np.asarray(sample.images)
    shown = {name: method(images, sample.labels) for name, method in methods.items() if name != "random"}
    titles = [sample.class_names[label] for label in sample.labels]
    found = {
        name: selectivity(methods[name], images, sample.labels, steps=STEPS)
        for name in ("random", "gradient", "smooth_grad", "integrated_gradients")
    }
    pictures = {"attributions": attributions_figure(images, shown, titles), "selectivity": selectivity_figure(found)}
    page.heading(f"Attributions of {title}")
    page.figure(
        pictures["attributions"],
        f"{title}: red pixels speak for the class of the image, blue ones against it, each map on its own scale. Guided backpropagation "
        "is known to show the image rather than the network (Adebayo et al. 2018).",
    )
    page.figure(
        pictures["selectivity"],
        f"{title}: {len(sample)} images whose strongest patch by a method (about 1% of the image) is erased {STEPS} times over. The "
        "faster a curve falls beside the random one, the more the pixels that the method names matter.",
    )
    return pictures
