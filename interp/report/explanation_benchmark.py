"""One call from a model and images to a comparison of explanations, and its page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from interp.attributions import Attribution
from interp.core.checks import check_instance, check_number, kind_of
from interp.core.errors import InputError
from interp.core.files import check_writable
from interp.core.page import Page
from interp.core.parallel import open_workers
from interp.core.svg_curves import Curve
from interp.core.tables import counted
from interp.data import DATASETS, Dataset
from interp.evaluation import Faithfulness, Measure, faithfulness, ink
from interp.report.faithfulness_figures import faithfulness_figure
from interp.report.saliency_figures import agreement_figure


def benchmark_explanations(
    model: keras.Model,
    data: Dataset | tuple[Any, Any],
    methods: Sequence[str] | Mapping[str, str | Attribution],
    measures: Sequence[str] | Mapping[str, str | Measure] | None = None,
    *,
    masks: Any = None,
    seed: int = 0,
    batch_size: int | None = None,
    workers: int = 1,
    ray: str | None = None,
    folder: str | Path | None = None,
    page: str | Path | None = None,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> Faithfulness:
    """Compare explanations of a model by several measures, beside the random baseline and the edges of the image.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        data: A Dataset, or images, float32 (n, height, width, channels) in [0, 1], and labels, integers (n,).
        methods: Names of methods, or names with methods, as in {"mine": GradCAM(layer="conv2d_7")}.
        measures: Names of measures, or names with measures (default: all that can be had).
        masks: Booleans (n, height, width), where the object is; the pointing game needs them (default: the ink, of the
            datasets that are drawn on black).
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time (default: by their size).
        workers: Number of processes; more than one need a script that stands under `if __name__ == "__main__":`.
        ray: Address of a Ray cluster in place of processes; "local" starts one (default: none).
        folder: Directory where finished pairs of method and measure are kept, so that a stopped call can go on
            (default: nothing is kept).
        page: HTML file that a report is written to (default: none).
        report: Called with (what is done, number done, number in all).

    Returns:
        A Faithfulness: to_dataframe(), agreement, to_json(); interp.report.faithfulness_figure draws it.

    Raises:
        InputError: An argument is not as described, a method cannot explain the model, or the page cannot be written.

    Example:
        ```python
        found = interp.benchmark_explanations(model, (images, labels), ["gradient", "grad_cam"], page="report.html")
        print(found.to_dataframe())
        ```
    """
    check_number("workers", workers, minimum=1, whole=True)
    for name, path in (("folder", folder), ("page", page)):
        if path is not None:
            check_instance(name, path, (str, Path), f"'gen_images/{name}'")
    if page is not None:
        # Before long work rather than after it.
        check_writable(Path(page).parent)
    images, labels, known = _images(data)
    with open_workers(workers, ray) as runners:
        found = faithfulness(
            model,
            images,
            labels,
            methods,
            measures,
            masks=known if masks is None else masks,
            seed=seed,
            batch_size=batch_size,
            folder=None if folder is None else Path(folder),
            workers=runners,
            report=report,
        )
    if page is not None:
        write_faithfulness_page(found, page)
    return found


def write_faithfulness_page(found: Faithfulness, path: str | Path, title: str = "Explanations compared") -> None:
    """Write a comparison as one HTML file: means, curves, how far measures agree, and the table.

    Args:
        found: What `benchmark_explanations` returned.
        path: HTML file that the page is written to, completely or not at all.
        title: Title and first heading of the page.

    Raises:
        InputError: An argument is not as described, or the file cannot be written.
    """
    check_instance("the comparison", found, Faithfulness, "faithfulness(model, images, labels, ['gradient'])")
    page = Page(title)
    page.text(found.caption)
    page.heading("Means")
    page.figure(
        faithfulness_figure(found),
        "means with standard errors, coloured by rank under each measure, the best in dark green",
    )
    for name, curve in found.curves.items():
        page.heading(f"Curves of {name}")
        lines = {
            method: Curve(curve.shares, means.tolist(), np.nan_to_num(errors).tolist())
            for method, means, errors in zip(found.methods, curve.means, curve.standard_errors, strict=True)
        }
        told = (
            f"{name}: mean probability of the class over {counted(found.count, 'image')}; bands are one standard error"
        )
        page.curves(lines, "share of the pixels", "probability", told)
    page.heading("Do measures agree")
    page.figure(
        agreement_figure(tuple(found.measures), found.agreement),
        "Kendall tau of the rankings of the methods by their means",
    )
    over_images = [
        [np.nan if mean.value is None else mean.value for mean in row] for row in found.agreement_over_images
    ]
    page.figure(
        agreement_figure(tuple(found.measures), np.array(over_images)),
        "the same of the rankings on each image, mean over the images",
    )
    for note in found.notes:
        page.text(note)
    page.heading("Table")
    table = found.table()
    page.table(table.header, table.rows, table.caption)
    page.write(path)


def _images(data: Any) -> tuple[Any, Any, np.ndarray | None]:
    """Images, labels, and the masks that are known. Raises InputError."""
    if isinstance(data, Dataset):
        # A set of your own is not known.
        on_black = data.name in DATASETS and DATASETS[data.name].drawn_on_black
        images = np.asarray(data.images)
        return images, data.labels, ink(images) if on_black else None
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise InputError(
            f"data came as {kind_of(data)}, expected a Dataset, or images and labels as in (images, labels)"
        )
    return data[0], data[1], None
