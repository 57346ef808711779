"""A page of networks, as a browser is to show it."""

import numpy as np
import pytest

from interp.core.map_strip import png_of_strips
from interp.report import Curve, GalleryEntry, Page, map_strip


@pytest.fixture
def networks(tmp_path):
    """Three networks in a table, of which some have a curve, images in a gallery, a picture; and details."""
    page = Page("Networks")
    page.heading("Tables")
    page.table(("network", "accuracy"), [("Normal", 0.12345678), ("Int", 0.5), ("Adv", None)], "how")
    page.curves(
        {"Normal": Curve((0, 0.1), (0.9, 0.25)), "Int": Curve((0, 0.1), (0.8, 0.5))},
        "eps",
        "accuracy",
        "drawn",
        of_networks=True,
    )
    strip = map_strip([(np.zeros((8, 8, 1)), None)])
    chosen = [("1: two", "Normal", "CAM"), ("1: two", "Int", "CAM"), ("1: two", "Int", "IG")]
    page.gallery([GalleryEntry(*names, strip, f"caption of {' '.join(names)}") for names in chosen])
    (tmp_path / "adv.png").write_bytes(png_of_strips([[(np.zeros((8, 8, 1)), None)]]))
    page.picture(tmp_path / "adv.png", "of Adv", "Adv")
    page.details("Settings", "seed 99")
    return page
