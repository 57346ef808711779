"""Networks and images for the tests of the models room."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def reference_arrays(reference_dir):
    """Measured outputs of two published networks."""
    return np.load(reference_dir / "reference" / "networks.npz")
