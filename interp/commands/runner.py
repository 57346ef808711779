"""The one way from options to a record: find and open the network, draw the sample, run the task, draw, record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from interp.commands.experiments import Section
from interp.commands.tasks.chosen_methods import gap_notes
from interp.commands.tasks.shared_options import MapOptions, TaskOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.commands.tasks.task_registry import TASKS
from interp.core.json_fields import to_values
from interp.core.json_values import json_values
from interp.core.network_files import NetworkFile
from interp.core.provenance import describe_run
from interp.core.used_files import UsedFiles
from interp.data.loaded import LoadedDatasets
from interp.report.record_pictures import write_pictures
from interp.report.records import RecordStore

# A value of the option that a section of eval.py goes through, and what was found with it.
Variants = Sequence[tuple[Any, TaskResult]]


def open_run(
    task: str, options: TaskOptions, file: NetworkFile, data: LoadedDatasets, *, quiet: bool = False
) -> Run[Any]:
    """Load the images, open the network in the file, bring it to the contract and check it. Raises InputError."""
    from interp.evaluation import sample_images
    from interp.evaluation.opened_network import check_dataset, open_network
    from interp.evaluation.sample import sample_indices

    files = UsedFiles()
    test = data.test(options.dataset)
    count = options.num_image or min(options.images, len(test))
    sample, targets = sample_images(test, count, seed=options.seed)
    files.add(file.path)
    opened = open_network(
        file, sample, options, lambda most: sample_images(test, min(most, len(test)), seed=options.seed)[0]
    )
    flags = check_dataset(file, opened.model, options.dataset, any_dataset=options.any_dataset)
    return Run(
        task=task,
        options=options,
        file=file,
        opened=replace(opened, flags=[*flags, *opened.flags]),
        sample=sample,
        targets=targets,
        files=files,
        indices=sample_indices(len(test), count, seed=options.seed),
        quiet=quiet,
    )


def run_variants(run: Run[Any], option: str | None, values: Sequence[Any]) -> Variants:
    """Run the task with each value of an option, or once without one."""
    if option is None:
        return [(None, _run_once(run))]
    return [(value, _run_once(replace(run, options=replace(run.options, **{option: value})))) for value in values]


def _run_once(run: Run[Any]) -> TaskResult:
    """Run the task; where it looks at integrated gradients, note whether they are complete."""
    result = TASKS[run.task].function(run)
    looks_at_ig = isinstance(run.options, MapOptions) and run.options.method == "ig"
    return replace(result, notes=[*gap_notes(run), *result.notes]) if looks_at_ig else result


def keep_section(
    store: RecordStore,
    table: str,
    run: Run[Any],
    section: Section,
    made_of: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> None:
    """Run a section on a network, draw its pictures beside its record, and keep that. Raises InputError, ComputationError."""
    variants = run_variants(run, section.option, section.values)
    record = make_record(run, section.option, variants, arguments)
    run.files.check()
    shown = draw(run, section.option, variants, lambda file: store.folder / table / file, with_gallery=True)
    store.keep(table, run.name, {**record, **shown, "made_of": made_of}, run.files)


def make_record(run: Run[Any], option: str | None, variants: Variants, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run, without its pictures: what it was made of, its table, and all that its result says."""
    results = [result for _, result in variants]
    tables, said = [each.result.table() for each in results], [each.result.to_json() for each in results]
    last, figures = results[-1], said[-1]
    lead = [option] if option else []
    found = []
    for flags in (*(to_values(each.flags) for each in results), *(each.get("flags", []) for each in said)):
        found += [flag for flag in flags if flag not in found]
    # What the result says itself is not said twice.
    flags = [*(flag for flag in run.opened.flags if flag["kind"] not in {each["kind"] for each in found}), *found]
    record = {
        **run.opened.record,
        # A name in both would be an error here, not one value over the other.
        **dict(**figures, **last.record),
        **describe_run(dict(arguments)),
        "result": type(last.result).__name__,
        "data": run.sample.source,
        "images": len(run.sample),
        "caption": "; ".join(dict.fromkeys(table.caption for table in tables)),
        "header": [*lead, *tables[-1].header],
        "rows": [
            [*([value] if lead else []), *row]
            for (value, _), table in zip(variants, tables, strict=True)
            for row in table.rows
        ],
        **({"flags": flags} if flags or "flags" in figures else {}),
        "notes": list(dict.fromkeys(note for each in results for note in (*each.notes, *each.result.notes))),
    }
    return dict(json_values(record))


def draw(
    run: Run[Any],
    option: str | None,
    variants: Variants,
    path: Callable[[str], Path],
    *,
    with_gallery: bool = False,
) -> dict[str, Any]:
    """Write pictures, and the gallery of a page, to the files that `path` gives for their names; return their part of the record."""
    pictures = {
        f"{run.name}_{shown}{f'_{option}{value}' if option else ''}": figure
        for value, result in variants
        for shown, figure in result.pictures.items()
    }
    gallery = variants[-1][1].gallery if with_gallery else ()
    return write_pictures(pictures, gallery, path, name=run.name, source=run.sample.source)
