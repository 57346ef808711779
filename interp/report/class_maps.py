"""Class activation maps of clean and attacked images side by side."""

import numpy as np
from matplotlib.figure import Figure

from interp.data import Dataset
from interp.models.network import Network
from interp.report.figures import maps_figure


def class_maps_figure(network: Network, sample: Dataset, attacked: np.ndarray) -> Figure:
    """A row an image: clean and attacked image, and on both the CAM of its class and of the strongest other class.

    `attacked` (n, height, width, channels) are the images of `sample` after an attack. Raises InputError for a network
    without CAM.
    """
    images, labels, class_names = np.asarray(sample.images), sample.labels, sample.class_names
    clean_maps, attacked_maps = network.cam(images).numpy(), network.cam(attacked).numpy()
    logits = np.array(network(attacked))
    predicted = logits.argmax(-1)
    logits[np.arange(len(logits)), labels] = -np.inf
    rows = []
    for index, (label, other) in enumerate(zip(labels, logits.argmax(-1), strict=True)):
        row: list[tuple[str, np.ndarray, np.ndarray | None]] = [
            (f"image: {class_names[label]}", images[index], None),
            (f"attacked: seen as {class_names[predicted[index]]}", attacked[index], None),
        ]
        for shown in (label, other):
            row.append((f"CAM of {class_names[shown]}", images[index], clean_maps[index, ..., shown]))
            row.append(("the same, attacked", attacked[index], attacked_maps[index, ..., shown]))
        rows.append(row)
    return maps_figure(rows)
