"""The images that results are of, loaded once for all that are evaluated on them."""

from pathlib import Path

from interp.data import ALIASES, Dataset, load

# Tasks that train, whose results are of the images of all splits.
RETRAINING = ("roar", "kar")


class UsedData:
    """Splits of datasets from a folder of datasets."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._tests: dict[str, Dataset] = {}
        self._identities: dict[tuple[str, str], str] = {}

    def test(self, dataset: str) -> Dataset:
        """The test images of a dataset. Raises InputError."""
        name = ALIASES.get(dataset, dataset)
        if name not in self._tests:
            self._tests[name] = load(name, "test", data_dir=self._data_dir)
        return self._tests[name]

    def identities(self, dataset: str, task: str) -> dict[str, str]:
        """Which images a result of a task is of, by split. Raises InputError."""
        splits = ("test", "train", "validation") if task in RETRAINING else ("test",)
        return {split: self._identity(ALIASES.get(dataset, dataset), split) for split in splits}

    def _identity(self, name: str, split: str) -> str:
        if (name, split) not in self._identities:
            data = self.test(name) if split == "test" else load(name, split, data_dir=self._data_dir)
            self._identities[name, split] = data.identity
        return self._identities[name, split]
