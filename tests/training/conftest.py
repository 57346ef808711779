"""What tests of trainings share."""

import pytest

from interp import data


@pytest.fixture(scope="session")
def digits():
    """A hundred digits to train on, and as many to validate on."""
    return {split: data.load("digits", split).take(100) for split in ("train", "validation")}
