"""Measured figures, put into the files of the networks they are of."""

from pathlib import Path
from typing import Any

from interp import models
from interp.core.errors import InputError
from interp.core.network_name import NetworkName
from interp.core.used_files import fingerprint
from interp.data import find_dataset
from interp.models.weight_file import weight_metadata
from interp.report.experiment_page import accuracy_curves
from interp.report.record_format import field
from interp.report.records import RecordStore
from results_pages.evidence import Evaluated, Sources
from results_pages.network_tables import network_files, trained


def stamp_networks(sources: Sources) -> list[str]:
    """Put what the records of pgd and validity say of each network into its metadata, as `measured`; return the changed names.

    Raises InputError where a record is missing or is of other weights.
    """
    found = {path: _measured(sources, path) for path in network_files(sources)}
    changed = [path for path, measured in found.items() if weight_metadata(path).get("measured") != measured]
    for path in changed:
        models.save_model(models.load_model(path), path, {"measured": found[path]})
    return [path.stem for path in changed]


def _measured(sources: Sources, path: Path) -> dict[str, Any]:
    name, description = trained(path)
    records = (_record(sources, section, path) for section in ("pgd", "validity"))
    return measured_figures(name, description.schedule.epsilon, *records)


def _record(sources: Sources, section: str, path: Path) -> dict[str, Any]:
    for folder in sources.records:
        record = RecordStore(folder).all(section).get(path.stem)
        if record is not None and record["files"].get(path.name) == fingerprint(path):
            return record
    raise InputError(f"no record of {section} of the weights in {path}: run eval.py 1 --only {section} on it")


def measured_figures(
    name: NetworkName, epsilon: float, pgd: dict[str, Any], validity: dict[str, Any]
) -> dict[str, Any]:
    """Clean accuracy, that under both protocols at the radius of the training, and which images are right, from both records.

    `plain` is the reference protocol on the images of the strong one; `epsilon` 0 stands for the usual radius of the dataset.
    """
    spec = find_dataset(name.dataset)
    epsilon = epsilon or spec.usual_radius
    [curve] = accuracy_curves({str(name): pgd}).values()
    radii = list(curve.epsilons)
    if epsilon not in radii or 0.0 not in radii:
        raise InputError(f"the record of pgd of {name} has no eps {epsilon:g}: {spec.epsilons} are the usual ones")
    at = dict(zip(radii, curve.accuracies, strict=True))
    plain, worst = Evaluated(name, False, validity).one("PGD", "worst case", where="eps", at=epsilon)
    right = field(pgd, "right", name)
    if len(right) != len(radii):
        raise InputError(
            f"the record of pgd of {name} says of {len(right)} of {len(radii)} radii which images are right: evaluate it again"
        )
    flags = [flag for flag in field(validity, "flags", name) if flag.get("eps", epsilon) == epsilon]
    return {
        "images": {"clean": pgd["images"], "reference": pgd["images"], "strong": validity["images"]},
        "sample": {"seed": field(field(pgd, "arguments", name), "seed", name), "data": pgd["data"]},
        "epsilon": epsilon,
        "clean": at[0.0],
        "reference": at[epsilon],
        "plain": plain,
        "strong": worst,
        "flags": [field(flag, "kind", name) for flag in flags],
        "protocols": {"reference": field(pgd, "protocol", name), "strong": field(validity, "protocol", name)},
        "right": {"clean": right[radii.index(0.0)], "reference": right[radii.index(epsilon)]},
    }
