"""Records of any damage: every table, page and figure that is made of them comes out, or one line says which record is wrong and how."""

import base64
import copy
import json
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.commands.evaluate_network import main as evaluate_network
from interp.commands.experiments import SECTIONS
from interp.core.errors import InputError
from interp.core.network_name import parse_name
from interp.models import build_network
from interp.report import tab_separated
from interp.report.experiment_page import (
    PICTURES,
    captions,
    families,
    section_remarks,
    show_section,
    shown_table,
    sources,
    write_page,
)
from interp.report.records import RecordStore, shared_table
from results_pages.evidence import Sources, find_results
from results_pages.measured_figures import measured_figures
from results_pages.network_tables import trained
from results_pages.page_pictures import curves_figure
from results_pages.page_tables import make_table

ROOT = Path(__file__).parents[2]
# A record of every section that has its own kind of table, and the words of the marks that are made of it.
RECORDS = {
    "pgd": ["pgd FAMILY", "steps FAMILY EPS"],
    "validity": ["strong FAMILY EPS"],
    "aai": ["aai FAMILY"],
    "topk": ["topk FAMILY"],
    "bound": ["bound FAMILY"],
    "isa": ["isa FAMILY"],
    "uar": ["uar FAMILY untargeted"],
    "selectivity": ["selectivity FAMILY"],
    "roar": ["erasing FAMILY roar"],
    "saliency": [],
}
VALUES = (
    5,
    -1,
    0,
    1.5,
    True,
    None,
    "x",
    "",
    "-",
    [],
    {},
    [[]],
    "../../secret",
    "/etc/passwd",
    10**400,
    1e308,
    "\x00",
    [1, "a"],
)


# Those that are only told together.
COMPANION = {"pgd": "validity", "validity": "pgd", "isa": "isa_reference"}


def sound(section, name="*"):
    """A record of the repository with all that a record may have, by the name of its network."""
    path = min(ROOT.glob(f"docs/results/*/{section}/{name}.json"))
    record = json.loads(path.read_text())
    record.setdefault("notes", ["a note"])
    record["flags"] = [*record.get("flags", []), {"eps": 0.1, "kind": "k", "text": "t"}]
    record["gallery"] = [{"image": "1", "method": "CAM", "caption": "c", "file": "picture.webp"}]
    return path.stem, record


def places(value, path=()):
    """Every place in a value of JSON."""
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


def damaged(record, rng):
    """The record with one or two changes: a value replaced, taken out, doubled or cut short."""
    changed = copy.deepcopy(record)
    for _ in range(rng.randint(1, 3)):
        known = [
            path for path in places(changed) if path and path[0] not in ("versions", "platform", "cores", "finished")
        ]
        # As likely in a field of its own as in one of a hundred cells.
        first = sorted({path[0] for path in known})
        first = first[rng.randint(len(first))]
        known = [path for path in known if path[0] == first]
        path = known[rng.randint(len(known))]
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        kind = rng.randint(4)
        value = holder[path[-1]]
        if kind == 0:
            del holder[path[-1]]
        elif kind == 1 and isinstance(value, list) and value:
            holder[path[-1]] = value[:-1] if rng.rand() < 0.5 else [*value, value[-1]]
        else:
            holder[path[-1]] = VALUES[rng.randint(len(VALUES))]
    return changed


def everything(folder, section, name):
    """All that is made of the records of a folder."""
    records = RecordStore(folder).all(section)
    table = shared_table(records)
    shown_table(records).text()
    tab_separated(table.header, table.rows)
    captions(records), sources(records), section_remarks(records)
    number = next(number for number, group in SECTIONS.items() if section in group)
    write_page(
        folder / "report.html", "t", {name: each.help for name, each in SECTIONS[number].items()}, RecordStore(folder)
    )
    for group in families(records).values() if section in PICTURES else ():
        PICTURES[section](group)
    found, family = Sources(find_results([folder]), folder), name.rsplit("_", 2)[0]
    for mark in RECORDS[section]:
        make_table(found, mark.replace("FAMILY", family).replace("EPS", "8/255").split())
    if section in ("pgd", "validity"):
        curves_figure(found, family)
        store = RecordStore(folder)
        measured_figures(parse_name(name), 8 / 255, store.all("pgd")[name], store.all("validity")[name])


def write(folder, section, name, record):
    (folder / section).mkdir(exist_ok=True)
    (folder / section / f"{name}.json").write_text(json.dumps(record))


def check(folder, section, cases, seed):
    name, record = sound(section)
    (folder / "settings.json").write_text("{}")
    write(folder, section, name, record)
    if section in COMPANION:
        write(folder, COMPANION[section], *sound(COMPANION[section], name))
    everything(folder, section, name)
    rng, messages = np.random.RandomState(seed), []
    for _ in range(cases):
        case = damaged(record, rng)
        write(folder, section, name, case)
        try:
            everything(folder, section, name)
        except InputError as error:
            messages.append(str(error))
            assert "\n" not in messages[-1], case
            assert name in messages[-1], case
    assert len(messages) > cases // 10


@pytest.mark.parametrize("section", RECORDS)
def test_damaged_records_are_named_or_harmless(tmp_path, section):
    check(tmp_path, section, 40, 0)


@pytest.mark.fuzz
@pytest.mark.parametrize("section", RECORDS)
def test_many_damaged_records(tmp_path, section):
    check(tmp_path, section, 600, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pictures": 5}, "pictures came as 5, expected a list"),
        ({"flags": [{"eps": "x", "text": "t"}]}, "flags[0].eps came as 'x', expected a number"),
        ({"flags": [{"eps": 0.1}]}, "the record.flags[0] has no 'text'"),
        ({"notes": [None]}, "notes[0] came as None, expected a text"),
        ({"rows": [[1, 2]]}, "rows[0] came as [1, 2], expected a list of 6 cells"),
        ({"header": ["eps", "eps"]}, "expected names of columns, each once"),
        ({"images": 0}, "images came as 0, expected a number from 1 to"),
        ({"files": {"../net.pkl": "0"}}, "the name of a file came as '../net.pkl', expected one beside the record"),
        ({"pictures": ["/path/secret"]}, "the name of a file came as '/path/secret'"),
        ({"pictures": ["../../secret.png"]}, "expected one beside the record, without a directory"),
        ({"pictures": ["."]}, "expected one beside the record, without a directory"),
        (
            {"gallery": [{"image": "1", "method": "m", "caption": "c", "file": "a/b"}]},
            "the name of a file came as 'a/b'",
        ),
    ],
)
def test_a_message_says_what_is_wrong(tmp_path, changes, said):
    name, record = sound("bound")
    write(tmp_path, "bound", name, {**record, **changes})
    with pytest.raises(InputError) as told:
        RecordStore(tmp_path).all("bound")
    assert said in str(told.value)
    assert str(tmp_path / "bound" / f"{name}.json") in str(told.value)
    assert str(told.value).endswith("remove it")


def test_figures_that_do_not_fit_each_other_are_not_drawn(tmp_path):
    name, record = sound("bound")
    write(tmp_path, "bound", name, {**record, "margins": [1.0]})
    with pytest.raises(InputError, match=f"the record of {name} is not what it should be .* evaluate it again"):
        PICTURES["bound"](RecordStore(tmp_path).all("bound"))


def test_a_picture_of_all_networks_that_is_gone_costs_no_result(tmp_path):
    name, record = sound("bound")
    write(tmp_path, "bound", name, record)
    made = tmp_path / "report.html", "t", {"bound": "b"}, RecordStore(tmp_path)
    told = "is gone; evaluate this section again, which draws it"
    assert told in write_page(*made).read_text()
    # That is all a run of a section does where every result is kept.
    show_section("bound", RecordStore(tmp_path), "tsv")
    assert told not in write_page(*made).read_text()


def test_a_report_shows_no_file_from_elsewhere(tmp_path):
    """A picture that is a link to a file elsewhere is as foreign as one whose name leads there."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"what nobody should see")
    name, record = sound("saliency")
    folder = tmp_path / "out"
    own = [f"{name}_own.png", f"{name}_link.png", f"{name}_near.png"]
    entry = {"image": "1", "method": "CAM", "caption": "c", "file": f"{name}_gallery_1.webp"}
    folder.mkdir()
    write(folder, "saliency", name, {**record, "pictures": own, "gallery": [entry]})
    (folder / "settings.json").write_text("{}")
    (folder / "saliency" / own[0]).write_bytes(b"its own")
    (folder / "saliency" / own[1]).symlink_to(secret)
    (folder / "saliency" / own[2]).symlink_to(own[0])
    (folder / "saliency" / entry["file"]).symlink_to(secret)
    text = write_page(folder / "report.html", "t", {"saliency": "s"}, RecordStore(folder)).read_text()
    hidden, shown = (base64.b64encode(content).decode() for content in (secret.read_bytes(), b"its own"))
    assert hidden not in text
    assert text.count(shown) == 2
    assert f"{own[1]} is gone" in text
    # The folder itself may be reached by a link.
    (tmp_path / "linked").symlink_to(folder)
    assert (
        write_page(folder / "again.html", "t", {"saliency": "s"}, RecordStore(tmp_path / "linked"))
        .read_text()
        .count(shown)
        == 2
    )


@pytest.mark.parametrize(
    "left", [".x-abcdefgh.json", ".interp-writing-abcdefgh.json", ".mnist_smallgap_int_20-k3_x9a2b.json"]
)
def test_what_a_killed_write_left_is_no_record(tmp_path, left):
    name, record = sound("pgd")
    write(tmp_path, "pgd", name, record)
    (tmp_path / "pgd" / left).write_text(json.dumps(record))
    (tmp_path / "pgd" / f"half{left}").mkdir()
    assert list(RecordStore(tmp_path).all("pgd")) == [name]


NETWORK_RESULT = {
    "other": {
        "caption": "c",
        "header": ["eps", "accuracy"],
        "rows": [[0.1, 0.5], [0.2, None]],
        "arguments": {"steps": 1, "seed": 99},
        "file": "/somewhere/other.safetensors",
        "flags": [{"eps": 0.1, "kind": "k", "text": "t"}],
        "notes": ["n"],
        "pictures": ["a.png"],
    }
}


@pytest.mark.slow
def test_damaged_records_of_eval_cmd_are_refused_or_harmless_and_stay_as_they_are(call, tmp_path):
    network = interp.save_model(build_network("small", (28, 28, 1), 10), tmp_path / "net.safetensors")
    path = tmp_path / "l1_two_class_min_pgd_attack_digits_cam.json"
    common = ["--task=min_pgd_attack", "--dataset=digits", "--num_image=1", "--steps=1", f"--network={network}"]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    rng, refused = np.random.RandomState(0), 0
    for _ in range(30):
        text = json.dumps(damaged(NETWORK_RESULT, rng))
        path.write_text(text)
        result = call(evaluate_network, common)
        assert "Traceback" not in result.stderr
        if result.returncode:
            refused += 1
            assert str(path) in result.stderr
            assert len(result.stderr.splitlines()) == 1
            assert path.read_text() == text
    assert refused > 5


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": "x"},
        {"schedule": 5},
        {"run": {"arguments": []}},
        {"seed": None},
        {"data": 1},
        {"measured": {"clean": 1}},
        {"measured": "x"},
        {"accuracy_per_class": {"all": "x"}},
        {"method": 3},
        {"schedule": {"epsilon": 0.3}},
        {"run": {"arguments": {"number": 1, "profile": "cpu"}, "versions": []}},
    ],
)
def test_networks_of_damaged_metadata_are_named(tmp_path, changes):
    path = tmp_path / "mnist_smallgap_int_1.safetensors"
    arguments = {"number": 1, "profile": "cpu", "only": None}
    schedule = {"epsilon": 0.3, "epochs": 1, "batch_size": 50, "learning_rates": [[0, 0.001]], "ramp": [0, 0]}
    schedule |= {"attack_steps": 1, "attack_step_size": 0.1}
    metadata = {
        "seconds": 1.0,
        "seed": 9,
        "data": "d",
        "method": "int",
        "schedule": schedule,
        "run": {"arguments": arguments},
    }
    network = build_network("small", (28, 28, 1), 10)
    interp.save_model(network, path, metadata)
    assert trained(path)[0].epochs == 1
    interp.save_model(network, path, {**metadata, **changes})
    with pytest.raises(InputError, match=r"mnist_smallgap_int_1.safetensors is no network of train.py"):
        trained(path)
