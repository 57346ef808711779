"""Measured figures, put into the files of the networks they are of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp import models
from interp.commands.experiments.pictures import accuracy_curves
from interp.commands.experiments.results import fingerprint, read_all
from interp.commands.network_name import NetworkName
from interp.commands.record_format import field
from interp.commands.results.evidence import Evaluated, Sources
from interp.commands.results.listing import network_files, trained
from interp.commands.tasks.listing import EPSILONS
from interp.core.errors import InputError

# Radii at which a network that was trained without any is told.
USUAL_RADIUS = {"mnist": 0.3, "cifar": 8 / 255}


def stamp_networks(sources: Sources) -> list[str]:
    """Put what the records of pgd and validity say of each network into its metadata, as `measured`; return the changed names.

    Raises InputError where a record is missing or is of other weights.
    """
    changed = []
    for path in network_files(sources):
        name, metadata = trained(path)
        measured = _measured(name, metadata, _record(sources, "pgd", path), _record(sources, "validity", path))
        if metadata.get("measured") != measured:
            models.save_model(models.load_model(path), path, {"measured": measured})
            changed.append(path.stem)
    return changed


def _record(sources: Sources, section: str, path: Path) -> dict[str, Any]:
    for folder in sources.records:
        record = read_all(folder, section).get(path.stem)
        if record is not None and record["files"].get(path.name) == fingerprint(path):
            return record
    raise InputError(f"no record of {section} of the weights in {path}: run eval.py 1 --only {section} on it")


def _measured(
    name: NetworkName, metadata: Mapping[str, Any], pgd: dict[str, Any], validity: dict[str, Any]
) -> dict[str, Any]:
    """Clean accuracy and that under both protocols at the radius of the training, and which images are right, by the record of pgd.

    `plain` is the reference protocol on the images of the strong one.
    """
    epsilon = metadata["schedule"]["epsilon"] or USUAL_RADIUS[name.dataset]
    [curve] = accuracy_curves({str(name): pgd}).values()
    radii = list(curve.epsilons)
    if epsilon not in radii or 0.0 not in radii:
        raise InputError(
            f"the record of pgd of {name} has no eps {epsilon:g}: {EPSILONS[name.dataset]} are the usual ones"
        )
    at = dict(zip(radii, curve.accuracies, strict=True))
    plain, worst = Evaluated(name, False, validity).one("PGD", "worst case", where="eps", at=epsilon)
    right = field(pgd, "right", name)
    if len(right) != len(radii):
        raise InputError(
            f"the record of pgd of {name} says of {len(right)} of {len(radii)} radii which images are right: evaluate it again"
        )
    return {
        "images": {"clean": pgd["images"], "reference": pgd["images"], "strong": validity["images"]},
        "sample": {"seed": field(field(pgd, "arguments", name), "seed", name), "data": pgd["data"]},
        "epsilon": epsilon,
        "clean": at[0.0],
        "reference": at[epsilon],
        "plain": plain,
        "strong": worst,
        "flags": [
            field(flag, "kind", name) for flag in field(validity, "flags", name) if flag.get("eps", epsilon) == epsilon
        ],
        "protocols": {"reference": field(pgd, "protocol", name), "strong": field(validity, "protocol", name)},
        "right": {"clean": right[radii.index(0.0)], "reference": right[radii.index(epsilon)]},
    }
