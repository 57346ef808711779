"""Sections of `eval.py` on networks, as jobs that run here, in other processes or on a cluster."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.experiments import Section
from interp.commands.networks import NetworkOnDataset
from interp.commands.tasks.task_registry import TASKS
from interp.core.errors import ArgumentError, ComputationError, InputError
from interp.core.json_values import json_values
from interp.core.model_options import MODEL_OPTIONS
from interp.core.names import OTHER_DATASET
from interp.core.network_files import find_used
from interp.core.options import make
from interp.core.tensorflow_errors import computation_error

if TYPE_CHECKING:
    from interp.commands.evaluate import ExperimentOptions
    from interp.data.loaded import LoadedDatasets

# Options of tasks that eval.py takes itself, for all sections.
SHARED = ("num_image", "seed", "any_dataset", "networks_dir", "data_dir", "workers", "ray", *MODEL_OPTIONS)


@dataclass(frozen=True)
class SectionJob:
    """A section on a network: the options of its task, and the directory that gets the record of that `name`."""

    name: str
    section: Section
    given: Mapping[str, Any]
    network: NetworkOnDataset
    options: "ExperimentOptions"
    folder: Path

    def made_of(self, splits: Mapping[str, str]) -> dict[str, Any]:
        """What the record is made of besides files, with the digests of the dataset's `splits`."""
        network = self.network
        told = {
            "dataset": network.dataset,
            "file": network.file.path.name,
            "section": asdict(self.section),
            "data": splits,
        }
        if not network.file.is_of_this_package:
            model = {each: getattr(self.options, each) for each in MODEL_OPTIONS}
            told["model"] = model | {"name": network.file.application}
        # As JSON has it: with lists only.
        made: dict[str, Any] = json_values(json.loads(json.dumps(told, default=str)))
        return made

    def is_kept(self, data: "LoadedDatasets") -> bool:
        """Whether the directory has the record already. Raises InputError."""
        from interp.report.records import RecordStore

        find = partial(
            find_used, self.network.file.path, self.section.arguments, networks_dir=self.options.networks_dir
        )
        made_of = self.made_of(self.splits(data))
        record = RecordStore(self.folder).current(self.name, self.network.name, made_of, find)
        # Where another dataset is not meant, its network is refused, not taken from a run where it was.
        foreign = any(flag.get("kind", "").startswith(OTHER_DATASET) for flag in (record or {}).get("flags", []))
        return record is not None and (self.options.any_dataset or not foreign)

    def splits(self, data: "LoadedDatasets") -> dict[str, str]:
        """The digests of the splits that the task uses. Raises InputError."""
        return data.identities(self.network.dataset, TASKS[self.section.task].options.splits)

    @property
    def task_options(self) -> Any:
        """The options of the task: its own defaults where nothing is shared. Raises InputError."""
        kind = TASKS[self.section.task].options
        passed = SHARED if kind.has_all_workers else set(SHARED) - {"workers", "ray"}
        shared = {each.name: getattr(self.options, each.name) for each in fields(kind) if each.name in passed}
        told = {option: value for option, value in shared.items() if value is not None}
        # What takes long is kept beside the results, shared by sections that need the same.
        own = {"dataset": self.network.dataset, "network": str(self.network.file.path), "output_dir": self.folder}
        return make(kind, {**self.given, **told, **own})


@dataclass(frozen=True)
class SectionResult:
    """What came of a job: why it failed, if it did, and what is to be said of its network."""

    failed: str | None = None
    said: tuple[str, ...] = ()


def evaluate_section(job: SectionJob, data: "LoadedDatasets | None" = None) -> SectionResult:
    """Run a section on a network and keep its record; without `data` this process loads what it needs, once for all jobs."""
    from interp.commands.runner import keep_section, open_run
    from interp.report.records import RecordStore

    said: tuple[str, ...] = ()
    try:
        if job.options.dataset is not None:
            # From here on this process knows a directory of images by its name.
            job.options.find(job.options.dataset)
        data = data or _loaded(job.options.data_dir)
        run = open_run(job.section.task, job.task_options, job.network.file, data, quiet=True)
        said = tuple(run.opened.said)
        made_of = job.made_of(job.splits(data))
        # The task has a seed where none was given.
        arguments = {**asdict(job.options), "seed": run.options.seed}
        keep_section(RecordStore(job.folder), job.name, run, job.section, made_of, arguments)
    except ArgumentError as error:
        return SectionResult(str(error.with_options({"interpretation": "--task-options=--inp-method="})), said)
    except (InputError, ComputationError) as error:
        return SectionResult(str(error), said)
    except Exception as error:
        failure = computation_error(error)
        if failure is None:
            raise
        return SectionResult(str(failure), said)
    return SectionResult(said=said)


@cache
def _loaded(data_dir: Path | None) -> "LoadedDatasets":
    """The datasets of a worker."""
    from interp.data.loaded import LoadedDatasets

    return LoadedDatasets(data_dir)
