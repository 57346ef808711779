"""What is said of integrated gradients that do not add up, by hand."""

from types import SimpleNamespace

import numpy as np

from interp.attributions import Explanation
from interp.evaluation import completeness
from interp.evaluation.completeness import completeness_notes


def test_the_largest_gap_is_one_of_images_that_miss(monkeypatch):
    """A gap of 4 is less than 5% of a change of 100, one of 0.2 is more than that of a change of 1."""
    maps = np.array([100.0, 1.0]).reshape(2, 1, 1, 1)
    found = Explanation(maps, "integrated gradients", None, {"gap": np.array([4.0, 0.2])})
    method = SimpleNamespace(explain=lambda *_: found)
    monkeypatch.setattr(completeness, "IntegratedGradients", lambda *_, **__: method)
    [note] = completeness_notes(None, np.full((2, 1, 1, 1), 0.5, np.float32), [0, 1])
    assert "of 1 of 2 images" in note
    assert note.endswith("by up to 0.2 logits")
