"""The HTML report of an experiment: every section with its table, remarks and pictures."""

import json
from pathlib import Path

from interp.commands.experiments.pictures import PICTURES, Records, accuracies, accuracy_curves, families
from interp.commands.experiments.results import Results
from interp.commands.experiments.sections import DESCRIPTIONS, SECTIONS
from interp.commands.experiments.tables import captions, remarks, section_table, shown_table, sources
from interp.report import Curve, GalleryEntry, Page


def write_report(path: Path, number: int, results: Results) -> Path:
    """Write the page of all sections evaluated so far and return its path."""
    page = Page(f"interp: {DESCRIPTIONS[number]}")
    made = {}
    for name, section in SECTIONS[number].items():
        records = results.all(name)
        if not records:
            continue
        page.heading(f"{name}: {section.help}")
        table = shown_table(section_table(records))
        page.table(table.header, table.texts(), "; ".join(captions(records)))
        for line in remarks(records):
            page.text(line)
        for family, group in families(records).items() if name in PICTURES else ():
            if PICTURES[name] is accuracies:
                _add_curves(
                    page, group, f"{name} of {family}; bands are one standard error; {'; '.join(sources(group))}"
                )
            else:
                _add_picture(page, path.parent / f"{name}_{family}.png", f"{name} of {family}")
        for group in families(records).values():
            _add_gallery(page, path.parent / name, group)
        for network, record in records.items():
            for picture in record.get("pictures", []):
                shown = picture.removeprefix(f"{network}_").removesuffix(".png").replace("_", " ")
                _add_picture(page, path.parent / name / picture, f"{name} of {network}: {shown}")
            told = ("arguments", "versions", "commit", "cores", "finished", "data", "files")
            made[f"{name} of {network}"] = {key: record[key] for key in told if key in record}
    page.heading("How this was made")
    page.details("arguments, versions, commit, files", json.dumps(made, indent=2))
    page.write(path)
    return path


def _add_curves(page: Page, records: Records, caption: str) -> None:
    curves = {
        name: Curve(curve.epsilons, curve.accuracies, curve.standard_errors)
        for name, curve in accuracy_curves(records).items()
    }
    page.curves(curves, "eps", "accuracy", caption)


def _add_gallery(page: Page, folder: Path, records: Records) -> None:
    """Maps of all networks to pick from, those whose files are still there."""
    entries = [
        GalleryEntry(entry["image"], network, entry["method"], (folder / entry["file"]).read_bytes(), entry["caption"])
        for network, record in records.items()
        for entry in record.get("gallery", ())
        if _is_there(folder / entry["file"])
    ]
    if entries:
        page.gallery(entries)


def _is_there(path: Path) -> bool:
    """Whether a picture is there and no link to a file elsewhere, which would stand in a report that is handed on."""
    return path.is_file() and path.resolve().parent == path.parent.resolve()


def _add_picture(page: Page, path: Path, caption: str) -> None:
    if _is_there(path):
        page.picture(path, caption)
    else:
        page.text(f"{caption}: {path.name} is gone; remove the result beside it and evaluate again")
