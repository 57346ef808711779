"""Datasets that several evaluations are of, each split loaded once."""

from collections.abc import Sequence
from pathlib import Path

from interp.data import Dataset, DatasetSpec, find_dataset

# As `load` draws splits by default.
SPLIT_SEED = 99


class LoadedDatasets:
    """Splits of datasets by name or path, from a directory of datasets; those that are drawn are drawn as for training."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._tests: dict[DatasetSpec, Dataset] = {}
        self._identities: dict[tuple[DatasetSpec, str], str] = {}

    def test(self, dataset: str) -> Dataset:
        """The test images of a dataset, which stay in memory. Raises InputError."""
        spec = find_dataset(dataset)
        if spec not in self._tests:
            self._tests[spec] = spec.load("test", self._data_dir, SPLIT_SEED)
        return self._tests[spec]

    def identities(self, dataset: str, splits: Sequence[str]) -> dict[str, str]:
        """The digests of the images and labels of splits. Raises InputError."""
        spec = find_dataset(dataset)
        for split in splits:
            if (spec, split) not in self._identities:
                found = self.test(dataset) if split == "test" else spec.load(split, self._data_dir, SPLIT_SEED)
                self._identities[spec, split] = found.identity
        return {split: self._identities[spec, split] for split in splits}
