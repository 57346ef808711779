"""Datasets that several evaluations are of, each split loaded once."""

from collections.abc import Sequence
from pathlib import Path

from interp.data import Dataset, find_dataset, load


class LoadedDatasets:
    """Splits of datasets by name, from a directory of datasets; the `seed` draws those that are drawn."""

    def __init__(self, data_dir: Path | None, seed: int = 99) -> None:
        self._data_dir, self._seed = data_dir, seed
        self._tests: dict[str, Dataset] = {}
        self._identities: dict[tuple[str, str], str] = {}

    def test(self, dataset: str) -> Dataset:
        """The test images of a dataset, which stay in memory. Raises InputError."""
        name = find_dataset(dataset).name
        if name not in self._tests:
            self._tests[name] = load(name, "test", data_dir=self._data_dir, seed=self._seed)
        return self._tests[name]

    def identities(self, dataset: str, splits: Sequence[str]) -> dict[str, str]:
        """The digests of the images and labels of splits. Raises InputError."""
        name = find_dataset(dataset).name
        for split in splits:
            if (name, split) not in self._identities:
                found = (
                    self.test(name) if split == "test" else load(name, split, data_dir=self._data_dir, seed=self._seed)
                )
                self._identities[name, split] = found.identity
        return {split: self._identities[name, split] for split in splits}
