"""The pictures of the results page: curves from records, and what a top-k attack makes of the maps of each network."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from interp import data, models
from interp.attacks import TopKInterpretation, correct
from interp.attributions import InterpretationMaps
from interp.core.errors import InputError
from interp.core.files import replacing
from interp.discrepancy.agreement import kendall_tau
from interp.evaluation import sample_images
from interp.models.architectures import find_architecture
from interp.models.weight_file import weight_metadata
from interp.report import maps_figure, note_source, panels_figure
from interp.report.experiment_page import accuracy_curves
from results_pages.evidence import Evaluated, Sources, of_family, short_labels
from results_pages.network_tables import network_files, trained

SEED, CANDIDATES, COLUMNS = 99, 50, 2


def draw_pictures(sources: Sources, folder: Path, data_dir: Path | None = None) -> list[Path]:
    """Draw curves and maps of every family of several networks, to compare them, and return the files. Raises InputError."""
    families: dict[str, list[Path]] = {}
    for path in network_files(sources):
        families.setdefault(trained(path)[0].family, []).append(path)
    drawn = []
    for family, (path, *others) in families.items():
        if not others:
            continue
        figures = {"accuracy": curves_figure(sources, family)}
        # Only networks that end in average pooling and one dense layer have class activation maps.
        if find_architecture(weight_metadata(path)["architecture"]).average_pooled:
            figures["cam"] = attacked_maps_figure(sources, family, data_dir)
        for name, figure in figures.items():
            drawn.append(folder / f"results_{name}_{family}.png")
            with replacing(drawn[-1]) as temporary:
                figure.savefig(temporary, dpi=110)
    return drawn


def curves_figure(sources: Sources, family: str) -> Figure:
    """Accuracy against eps: the paper's protocol and the strong one across, networks of here and published ones down."""
    pgd, validity = (of_family(sources, section, family) for section in ("pgd", "validity"))
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    lines: set[tuple[int, int, str]] = set()
    for is_published, who in ((False, "trained here"), (True, "published")):
        names = list(dict.fromkeys(one.name for one in (*pgd, *validity) if one.published == is_published))
        labels = dict(zip(names, short_labels(names), strict=True))
        lines |= {(name.order, name.epochs, label) for name, label in labels.items()}
        for title, found in (("the paper's protocol", pgd), ("strong protocol", validity)):
            panels[f"{who}: {title}"] = {
                labels[one.name]: _curve(one) for one in found if one.published == is_published
            }
    shown = {title: curves for title, curves in panels.items() if curves}
    figure = panels_figure(shown, list(dict.fromkeys(label for *_, label in sorted(lines))))
    return note_source(figure, "; ".join(dict.fromkeys(one.record["data"] for one in pgd)))


def attacked_maps_figure(sources: Sources, family: str, data_dir: Path | None) -> Figure:
    """A network a row: an image, its class activation map, and both after a top-k attack on the map, for a few images."""
    files = {trained(path)[0]: path for path in network_files(sources)}
    names = sorted((name for name in files if name.family == family), key=lambda name: (name.order, name.epochs))
    networks = {name: models.load_model(files[name]) for name in names}
    dataset = names[0].dataset
    epsilon = max(data.find_dataset(dataset).map_epsilons)
    sample, _ = sample_images(data.load(dataset, "test", data_dir=data_dir), CANDIDATES, seed=SEED)
    right = np.all([correct(network, sample.images, sample.labels) for network in networks.values()], 0)
    shown = np.flatnonzero(right)[:COLUMNS]
    if len(shown) < COLUMNS:
        raise InputError(f"the networks of {family} agree on too few images to show")
    images, labels = np.asarray(sample.images)[shown], sample.labels[shown]
    attack, maps = TopKInterpretation(epsilon=epsilon), InterpretationMaps(name="cam")
    rows = []
    for label, network in zip(short_labels(names), networks.values(), strict=True):
        attacked = attack(network, images, labels, seed=SEED)
        clean_maps, moved_maps = (maps(network, batch, labels[:, None])[:, 0] for batch in (images, attacked))
        taus = kendall_tau(*(batch.reshape(len(images), -1) for batch in (clean_maps, moved_maps)))
        row: list[tuple[str, np.ndarray, np.ndarray | None]] = []
        for index in range(len(images)):
            row.append((label, images[index], None))
            row.append(("CAM", images[index], clean_maps[index]))
            row.append((f"attacked, eps {epsilon:.2g}", attacked[index], None))
            row.append((f"CAM, tau {taus[index]:.2f}", attacked[index], moved_maps[index]))
        rows.append(row)
    return note_source(maps_figure(rows), sample.source)


def _curve(one: Evaluated) -> tuple[list[float], list[float]]:
    """Radii and accuracies of a record of pgd, of the most steps, or of validity, of the worst case."""
    if "steps" in one.record["header"]:
        [curve] = accuracy_curves({str(one.name): dict(one.record)}).values()
        return list(curve.epsilons), list(curve.accuracies)
    points = [
        point for point in one.values("eps", "worst case") if all(isinstance(part, (int, float)) for part in point)
    ]
    return [eps for eps, _ in points], [accuracy for _, accuracy in points]
