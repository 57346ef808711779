"""What a report is made of, altered at random: a page, or one line that says what is wrong, never half of either."""

import json
import shutil
from pathlib import Path

import pytest

import interp
from interp.core.errors import InputError
from interp.core.json_values import parse_json
from interp.models import build_network
from interp.report.experiment_page import (
    PICTURES,
    captions,
    families,
    section_remarks,
    shown_table,
    sources,
    write_page,
)
from interp.report.records import RecordStore
from results_pages.evidence import Sources, find_results
from results_pages.page_tables import make_table

pytestmark = pytest.mark.fuzz
CASES = 400
RECORDS = Path(__file__).resolve().parents[2] / "docs" / "results"
# A record of each section that a report draws something else of, by where it lies.
SECTIONS = {
    "pgd": "accuracy/pgd/mnist_smallgap_int_20.json",
    "validity": "main/validity/mnist_smallgap_int_20.json",
    "aai": "main/aai/mnist_smallgap_int_20.json",
    "topk": "main/topk/mnist_smallgap_int_20.json",
    "bound": "additional/bound/mnist_smallgap_int_20.json",
    "isa": "additional/isa/mnist_smallgap_int_20.json",
    "uar": "unforeseen/uar/cifar_smallgap_int_20.json",
    "roar": "whitebox/roar/mnist_simplecnn_normal_5.json",
    "selectivity": "whitebox/selectivity/mnist_simplecnn_normal_5.json",
}
# What stands at the marks of the page of results, for the sections that it shows.
MARKS = {
    "pgd": ["pgd mnist_smallgap", "steps mnist_smallgap 0.3"],
    "validity": ["strong mnist_smallgap 0.3"],
    "aai": ["aai mnist_smallgap"],
    "topk": ["topk mnist_smallgap"],
    "bound": ["bound mnist_smallgap"],
    "uar": ["uar cifar_smallgap random_target"],
}


def record_of(section):
    """A kept record, its long lists cut to a few images."""
    record = json.loads((RECORDS / SECTIONS[section]).read_text())
    count = min(record["images"], 4)
    for name in ("epsilons", "margins", "discrepancies", "broken", "qualified"):
        if isinstance(record.get(name), list) and len(record[name]) > count:
            record[name] = record[name][:count]
    return record


@pytest.fixture
def one_line_or_done(altered, patience):
    """A function that writes altered records to `path` and uses them: each is refused by one line, or used."""

    def check(path, record, use, seed, cases=CASES):
        failed = {}
        for number, text in enumerate(altered(record, seed, cases)):
            path.write_text(text)
            try:
                with patience():
                    use()
            except InputError as error:
                if "\n" in str(error) or len(str(error)) > 1_000:
                    failed[number] = f"InputError of {len(str(error))} characters"
            except Exception as error:
                failed[number] = f"{type(error).__name__}: {error}"[:200]
        assert not failed

    return check


@pytest.mark.parametrize("section", SECTIONS)
def test_records_of_reports(tmp_path, one_line_or_done, section):
    folder = tmp_path / "results"
    (folder / section).mkdir(parents=True)
    path, results = folder / section / Path(SECTIONS[section]).name, RecordStore(folder)
    record = record_of(section)
    record["gallery"] = [{"image": "0", "method": "cam", "file": "a.png", "caption": "c"}]
    record["pictures"] = ["a.png"]
    record.setdefault("notes", ["n"])
    record.setdefault("flags", [{"text": "t", "eps": 0.1, "kind": "k"}])
    page = tmp_path / "report.html"

    def use():
        records = results.all(section)
        shown_table(records).texts()
        captions(records), section_remarks(records), sources(records)
        for group in families(records).values():
            if section in PICTURES:
                PICTURES[section](group)
        page.unlink(missing_ok=True)
        write_page(page, "title", {section: "what it shows"}, results)
        assert "</html>" in page.read_text(encoding="utf-8")

    path.write_text(json.dumps(record))
    use()
    one_line_or_done(path, record, use, 0)


@pytest.mark.parametrize("section", MARKS)
def test_records_of_pages(tmp_path, one_line_or_done, section):
    folder = tmp_path / "results"
    (folder / section).mkdir(parents=True)
    (folder / "settings.json").write_text('{"number": 1, "num_image": null, "seed": 99}')
    path = folder / section / Path(SECTIONS[section]).name
    found = Sources(find_results([folder]), tmp_path)

    def use():
        for mark in MARKS[section]:
            make_table(found, mark.split())

    path.write_text(json.dumps(record_of(section)))
    use()
    one_line_or_done(path, record_of(section), use, 1)


def test_metadata_of_listed_networks(tmp_path, one_line_or_done):
    name = "mnist_smallgap_int_20"
    shutil.copy(Path(interp.__file__).parents[1] / "networks" / f"{name}.safetensors", tmp_path)
    network = interp.load_model(tmp_path / f"{name}.safetensors")
    described = {key: value for key, value in network.metadata.items() if key not in ("format", "image_shape")}
    described = {key: value for key, value in described.items() if key not in ("architecture", "classes", "history")}
    text, blank = tmp_path / "metadata.json", build_network("small", (28, 28, 1), 10)

    def use():
        try:
            metadata = parse_json(text.read_text())
        except ValueError:
            return
        interp.save_model(blank, tmp_path / f"{name}.safetensors", metadata)
        for mark in ("networks", "times", "classes smallgap"):
            make_table(Sources((), tmp_path), mark.split())

    one_line_or_done(text, described, use, 2, 100)


def test_sections_of_other_records(tmp_path, one_line_or_done):
    """The name of the section is what is wrong: what one section draws is asked of the records of another."""
    failed = []
    for section in SECTIONS:
        for other in SECTIONS:
            folder = tmp_path / f"{section}_{other}"
            (folder / other).mkdir(parents=True)
            (folder / other / Path(SECTIONS[section]).name).write_text(json.dumps(record_of(section)))
            try:
                for group in families(RecordStore(folder).all(other)).values():
                    if other in PICTURES:
                        PICTURES[other](group)
                write_page(folder / "report.html", "title", {other: "what it shows"}, RecordStore(folder))
            except InputError:
                pass
            except Exception as error:
                failed.append(f"{section} as {other}: {type(error).__name__}: {error}"[:200])
    assert not failed
