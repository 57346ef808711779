"""What `eval.py` shows of its records: tables and pictures of all networks of a section, and the page of an experiment."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.core.files import replacing
from interp.core.network_name import split_name
from interp.core.results import Result
from interp.core.tables import Table, pivot
from interp.evaluation import AccuracyCurve, BoundCheck
from interp.report import Curve, GalleryEntry, Page, accuracy_figure, bound_figure, note_source
from interp.report.records import Records, RecordStore, remarks, shared_table, shown_together

R = TypeVar("R", bound=Result)


def shown_table(records: Records) -> Table:
    """The table as people read it: accuracies of several radii beside each other."""
    table = shared_table(records)
    return pivot(table, "eps", "accuracy") if {"eps", "accuracy"} <= set(table.header) else table


def captions(records: Records) -> list[str]:
    """How and on which images the figures were measured, each once."""
    return list(dict.fromkeys(f"{record['caption']}; {record['data']}" for record in records.values()))


def sources(records: Records) -> str:
    """Which images the records are of, each once."""
    return "; ".join(dict.fromkeys(record["data"] for record in records.values()))


def section_remarks(records: Records) -> list[str]:
    """Flags and notes, by network."""
    lines = [line for network, record in records.items() for line in remarks(record, network)]
    older = [network for network, record in records.items() if record.get("made_of", {}).get("data") is None]
    if older and len(older) < len(records):
        lines.append(
            f"evaluated before results said which images they are of, so perhaps on others: {', '.join(older)}"
        )
    return lines


def families(records: Records) -> dict[str, dict[str, dict[str, Any]]]:
    """The records by dataset and architecture, which a picture shows together."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for name, record in records.items():
        groups.setdefault(split_name(name).family, {})[name] = record
    return groups


def accuracy_curves(records: Records) -> dict[str, AccuracyCurve]:
    """Accuracy against eps for the last variant, the one of most steps, by network. Raises InputError."""
    return {name: _read(AccuracyCurve, name, record) for name, record in records.items()}


def accuracies(records: Records) -> Figure:
    """The same as a picture."""
    return accuracy_figure(accuracy_curves(records))


def bounds(records: Records) -> Figure:
    """Margin against discrepancy, a point an image."""
    return bound_figure({name: _read(BoundCheck, name, record) for name, record in records.items()})


def _read(kind: type[R], name: str, record: Mapping[str, Any]) -> R:
    try:
        return kind.from_json(record)
    except InputError as error:
        raise InputError(f"the record of {name} is not what it should be ({error}): evaluate it again") from error


PICTURES: dict[str, Callable[[Records], Figure]] = {
    **dict.fromkeys(("pgd", "grid", "accuracy"), accuracies),
    "bound": bounds,
}


def draw_families(section: str, records: Records, folder: Path) -> list[Path]:
    """Draw the networks of each dataset and architecture together, where a section has such a picture; return the files."""
    written = []
    for family, group in families(records).items() if section in PICTURES else ():
        written.append(folder / f"{section}_{family}.png")
        with replacing(written[-1]) as temporary:
            note_source(PICTURES[section](group), sources(group)).savefig(temporary, dpi=130)
    return written


def _left_out(names: Sequence[str]) -> list[str]:
    return [f"not in the table, evaluated with other options: {', '.join(names)}"] if names else []


def show_section(name: str, store: RecordStore, format: str, asked: Mapping[str, Any] | None = None) -> None:
    """Print the table of a section, of all networks evaluated so far with the options `asked` for, and write it with its pictures."""
    records, others = shown_together(store.all(name), asked)
    if not records:
        print("no network of this section was evaluated")
        return
    written = [store.write_table(name, records, format), *draw_families(name, records, store.folder)]
    told = *section_remarks(records), *_left_out(others)
    for line in (*captions(records), shown_table(records).text(), *told):
        print(line)
    for path in written:
        print(f"wrote {path}")


def write_page(
    path: Path,
    title: str,
    sections: Mapping[str, str],
    store: RecordStore,
    introduction: Sequence[str] = (),
    asked: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Path:
    """Write the page of the sections evaluated so far, each with what it shows in words, and return its path.

    `asked` has the options of the sections that were asked for.
    """
    page = Page(title)
    for paragraph in introduction:
        page.text(paragraph)
    made = {}
    for name, text in sections.items():
        records, others = shown_together(store.all(name), asked.get(name))
        if not records:
            continue
        if others:
            # The pictures that are there may be those of the others.
            draw_families(name, records, path.parent)
        page.heading(f"{name}: {text}")
        table = shown_table(records)
        page.table(table.header, table.rows, "; ".join(captions(records)))
        for line in (*section_remarks(records), *_left_out(others)):
            page.text(line)
        for family, group in families(records).items():
            if PICTURES.get(name) is accuracies:
                curves = {
                    network: Curve(curve.epsilons, curve.accuracies, curve.standard_errors)
                    for network, curve in accuracy_curves(group).items()
                }
                page.curves(
                    curves,
                    "eps",
                    "accuracy",
                    f"{name} of {family}; bands are one standard error; {sources(group)}",
                    of_networks=True,
                )
            elif name in PICTURES:
                _add_picture(page, path.parent / f"{name}_{family}.png", f"{name} of {family}")
        for group in families(records).values():
            _add_gallery(page, path.parent / name, group)
        for network, record in records.items():
            # What curves above say of all networks is not drawn of each again.
            drawn = PICTURES.get(name) is accuracies
            for picture in [] if drawn else record.get("pictures", []):
                shown = picture.removeprefix(f"{network}_").removesuffix(".png").replace("_", " ")
                _add_picture(page, path.parent / name / picture, f"{name} of {network}: {shown}", network)
            told = ("arguments", "versions", "commit", "cores", "finished", "data", "files")
            made[f"{name} of {network}"] = {key: record[key] for key in told if key in record}
    page.heading("How this was made")
    page.details("arguments, versions, commit, files", json.dumps(made, indent=2))
    page.write(path)
    return path


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
    """Whether a picture is there and no link to a file elsewhere, which a report that is shared must not show."""
    return path.is_file() and path.resolve().parent == path.parent.resolve()


def _add_picture(page: Page, path: Path, caption: str, network: str = "") -> None:
    if _is_there(path):
        page.picture(path, caption, network)
    else:
        # Those of all networks are drawn of the records at each run of their section.
        mend = (
            "remove the result beside it and evaluate again"
            if network
            else "evaluate this section again, which draws it"
        )
        page.text(f"{caption}: {path.name} is gone; {mend}")
