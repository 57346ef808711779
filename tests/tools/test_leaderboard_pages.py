"""The page of the leaderboard, its shipped rows and the cards of networks: from records alone, and the same for the same records."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.commands.evaluate import main as evaluate
from interp.core.used_files import fingerprint
from interp.models import build_network
from interp.report import leaderboard
from interp.training import OBJECTIVES, Schedule, describe, find_objective
from results_pages.__main__ import main
from tests.report.leaderboard_rows import keep, row

NAMES = ("mnist_smallgap_adv_3", "mnist_smallgap_int_3")
MEASURED = {
    "images": {"clean": 400, "reference": 400, "strong": 100},
    "epsilon": 0.3,
    "clean": 0.9,
    "reference": 0.5,
    "plain": 0.5,
    "strong": 0.36,
    "flags": ["black box"],
    "protocols": {"reference": "PGD of 200 steps", "strong": "all attacks"},
}
SCHEDULE = Schedule(
    epochs=3,
    batch_size=50,
    learning_rates=((0, 1e-3), (90, 1e-4)),
    epsilon=0.3,
    ramp=(10, 20),
    attack_steps=4,
    attack_step_size=0.1,
)
# Their papers have no inner attack; LGA draws noise.
WITHOUT_ATTACKS = {"normal", "lga", "hessian", "r2et"}


def save(folder, name, *, weights_seed=0, **more):
    """A network that was not trained, with the metadata that a training writes."""
    run = {"arguments": {"number": 1, "profile": "cpu"}, "versions": {"keras": "3.15.1"}, "commit": "0a1b"}
    described = describe(find_objective(name.split("_")[2]), SCHEDULE, 7)
    metadata = {**described, "data": "official files", "seconds": 90.0, "run": run, **more}
    network = build_network("small", (28, 28, 1), 10, seed=len(name) + weights_seed)
    return interp.save_model(network, folder / f"{name}.safetensors", metadata)


@pytest.fixture
def networks(tmp_path):
    folder = tmp_path / "networks"
    save(folder, NAMES[0], measured=MEASURED)
    save(folder, NAMES[1])
    return folder


def write(call, tmp_path, records):
    """Write everything and return it by the name of its file."""
    page, out = tmp_path / "page.md", tmp_path / "out"
    if not page.exists():
        page.write_text("text\n<!-- table leaderboard images/board.png -->\n<!-- end -->\nmore\n")
    line = [f"--records={records}", f"--networks-dir={tmp_path / 'networks'}", f"--pages={page}"]
    line += [f"--rows={out / 'rows.json'}", f"--plot={out / 'board.png'}", f"--cards={out / 'cards'}"]
    result = call(main, line)
    assert result.returncode == 0, result.stderr
    files = [page, *(path for path in out.rglob("*") if path.is_file())]
    assert all(f"wrote {path}" in result.stdout for path in files)
    return {path.name: path.read_bytes() for path in files}


def front(card):
    """The metadata of a card: a name and a value of JSON a line."""
    _, lines, _ = card.split("---\n", 2)
    return {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines.splitlines())}


def test_without_records_the_page_says_so(call, networks, tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "settings.json").write_text("{}")
    files = write(call, tmp_path, tmp_path / "records")
    assert files["page.md"].decode().splitlines()[2] == "No network has been measured yet."
    assert json.loads(files["rows.json"]) == {"networks": []}
    assert "board.png" not in files
    assert {f"{name}.md" for name in NAMES} < files.keys()


def keep_seed(folder, seed, strong, cam):
    path = keep(folder, row(NAMES[0], strong, {"cam": cam}), "leaderboard")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "network": {"seed": seed}}))
    (folder / "settings.json").write_text("{}")


def test_seeds_stand_side_by_side_with_the_error_over_them(call, networks, tmp_path):
    records = tmp_path / "records"
    for folder, seed, strong, cam in ((".", 99, 0.5, 0.2), ("seeds/1", 1, 0.7, 0.5), ("seeds/2", 2, 0.6, 0.8)):
        keep_seed(records / folder, seed, strong, cam)
    # Of one seed, and as a published one of none.
    keep(records, row(NAMES[1], 0.25, {"cam": 0.5}), "leaderboard")
    path = records / "leaderboard" / f"{NAMES[1]}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "network": {"seed": 99}}))
    keep(records, row("mnist_smallgap_trades_3", 0.25, {"cam": 0.5}), "leaderboard")
    (tmp_path / "page.md").write_text("<!-- table seeds -->\n<!-- end -->\n")
    files = write(call, tmp_path, records)
    # Errors by hand: the standard deviation of .5, .6, .7 is .1, that of .2, .5, .8 is .3; each over the root of 3.
    assert [line for line in files["page.md"].decode().splitlines() if line.startswith("| ")] == [
        "| network | figure | seed 1 | seed 2 | seed 99 | mean |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        f"| `{NAMES[0]}` | clean | 0.900 | 0.900 | 0.900 | 0.900 ± 0.000 |",
        f"| `{NAMES[0]}` | strong | 0.700 | 0.600 | 0.500 | 0.600 ± 0.058 |",
        f"| `{NAMES[0]}` | cam | 0.500 | 0.800 | 0.200 | 0.500 ± 0.173 |",
    ]
    # Rows of other seeds are no rows of the leaderboard.
    assert len(json.loads(files["rows.json"])["networks"]) == 3


def test_networks_of_other_seeds_stand_on_a_page_of_their_own(call, networks, tmp_path):
    records, page, rows = tmp_path / "records", tmp_path / "page.md", []
    for seed, strong in ((1, 0.7), (2, 0.6)):
        folder = networks / "seeds" / str(seed)
        arguments = {"number": 1, "profile": "cpu", "seed": seed}
        path = save(folder, NAMES[0], run={"arguments": arguments}, seed=seed, weights_seed=seed)
        measured = row(NAMES[0], strong, {"cam": 0.5})
        kept = keep(records / "seeds" / str(seed), measured, "leaderboard")
        record = json.loads(kept.read_text())
        kept.write_text(json.dumps({**record, "files": {path.name: fingerprint(path)}}))
        rows.append((path, fingerprint(path)))
    keep_seed(records, 99, 0.5, 0.2)
    page.write_text("<!-- table seed_networks -->\n<!-- end -->\n")
    text = write(call, tmp_path, records)["page.md"].decode()
    first, second = text.split("## Seed ")[1:]
    for part, strong, (path, weights) in zip((first, second), ("0.700", "0.600"), rows, strict=True):
        assert f"| `{NAMES[0]}` | Adv | 0.900 ± 0.020 | {strong} ± 0.030 | 0.500 ± 0.010 |" in part
        assert f"`{weights[:12]}`" in part
        seed = path.parent.name
        assert part.startswith(seed)
        assert f"Trained by `train.py 1 --profile cpu --seed {seed}`, each with `--networks-dir {path.parent}`." in part
        assert f"records: {records / 'seeds' / seed / 'leaderboard'}, a file a network" in part
    # Without its record a network is not shown with figures of other weights.
    (records / "seeds" / "1" / "leaderboard" / f"{NAMES[0]}.json").write_text(kept.read_text())
    result = call(main, [f"--records={records}", f"--networks-dir={networks}", f"--pages={page}"])
    assert result.returncode == 2
    assert f"no record of leaderboard of the weights in {rows[0][0]}" in result.stderr
    assert page.read_text() == text


def test_two_records_of_one_seed_are_refused(call, networks, tmp_path):
    records, page = tmp_path / "records", tmp_path / "page.md"
    keep_seed(records, 99, 0.5, 0.2)
    keep_seed(records / "seeds" / "1", 99, 0.5, 0.2)
    page.write_text("<!-- table seeds -->\n<!-- end -->\n")
    result = call(main, [f"--records={records}", f"--networks-dir={networks}", f"--pages={page}"])
    assert result.returncode == 2
    assert f"is of seed 99, as another record of {NAMES[0]} is" in result.stderr
    assert "0.5" not in page.read_text()


def test_a_card_says_what_metadata_and_records_say(call, networks, tmp_path):
    records = tmp_path / "records"
    measured = row(NAMES[0], 0.25, {"cam": 0.5})
    path = keep(records, measured, "leaderboard")
    record = json.loads(path.read_text())
    record["files"] = {measured.facts.file: fingerprint(networks / measured.facts.file)}
    path.write_text(json.dumps(record))
    # The record of other weights, which are those of a network that was trained anew.
    keep(records, row(NAMES[1], 0.25, {"cam": 0.5}), "leaderboard")
    (records / "settings.json").write_text("{}")
    files = write(call, tmp_path, records)
    card = files[f"{NAMES[0]}.md"].decode()
    values = front(card)
    assert (values["license"], values["library_name"], values["datasets"]) == ("apache-2.0", "keras", ["mnist"])
    assert {"small", "adv"} < set(values["tags"])
    [model] = values["model-index"]
    [result] = model["results"]
    assert (model["name"], result["dataset"]["name"]) == (NAMES[0], "official files")
    assert [(one["type"], one["value"]) for one in result["metrics"]] == [
        *(("accuracy", value) for value in (0.9, 0.5, 0.36, 0.25)),
        ("kendall_tau", 0.5),
    ]
    assert values["metrics"] == ["accuracy", "kendall_tau"]
    for line in (
        "| training method | Adv (Madry et al. 2018, arXiv 1706.06083) |",
        "| epochs, batch size | 3, 50 |",
        "| learning rate | 0.001 from step 0, 0.0001 from step 90 |",
        "| radius in training | linf eps 0.3, which grows from step 10 to step 20 |",
        "| attack in training | 4 steps of 0.1 |",
        "| seed | 7 |",
        "| command | `train.py 1 --profile cpu` |",
        "| versions | keras 3.15.1 |",
        "| commit | `0a1b` |",
        # sqrt(.36 .64 / 100) = .048
        "| accuracy, strong protocol, eps 0.3 | 0.360 ± 0.048 | 100 | (3) |",
        "| Kendall tau of cam, linf eps 0.3 | 0.500 ± 0.010 (noise 0.900) | 50 | (5) |",
        "- The strong protocol flagged: black box.",
        "- The strong protocol of its figures was without AutoAttack.",
        "- Flagged on the leaderboard: five find more.",
    ):
        assert line in card, line
    assert f"record `{path}`" in card
    other = files[f"{NAMES[1]}.md"].decode()
    assert front(other)["model-index"][0]["results"] == []
    assert "Nothing yet." in other
    assert "nothing is known of its robustness" in other


def test_a_card_says_which_points_of_the_ball_a_method_looks_at(call, tmp_path):
    """Every schedule has a radius and an attack, whether the method looks at them or not."""
    for tag in OBJECTIVES:
        save(tmp_path / "networks", f"mnist_smallgap_{tag}_3")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "settings.json").write_text("{}")
    files = write(call, tmp_path, tmp_path / "records")
    cards = {tag: files[f"mnist_smallgap_{tag}_3.md"].decode() for tag in OBJECTIVES}
    assert {tag for tag, card in cards.items() if "It was trained without attacks" in card} == WITHOUT_ATTACKS
    for tag, card in cards.items():
        assert ("It was trained against attacks in linf of radius 0.3" in card) == (tag not in WITHOUT_ATTACKS)
        assert ("| attack in training | 4 steps of 0.1 |" in card) == (tag not in WITHOUT_ATTACKS)
        assert ("| radius in training | linf eps 0.3" in card) == (tag not in WITHOUT_ATTACKS - {"lga"})
        assert ("though with random noise in linf of radius 0.3" in card) == (tag == "lga")
        assert ("| noise in training | a random point of the ball" in card) == (tag == "lga")


def test_a_card_says_how_the_schedule_went(call, tmp_path):
    schedule = {**describe(find_objective("fast"), SCHEDULE, 7)["schedule"], "attack_steps": 1}
    save(tmp_path / "networks", "mnist_smallgap_fast_3", schedule={**schedule, "rate_shape": "linear"}, keep="best")
    save(tmp_path / "networks", "mnist_smallgap_adv_3", schedule={**schedule, "epsilon": 0.0})
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "settings.json").write_text("{}")
    files = write(call, tmp_path, tmp_path / "records")
    card = files["mnist_smallgap_fast_3.md"].decode()
    assert "| learning rate | 0.001 at step 0, 0.0001 at step 90, along lines between |" in card
    assert "| weights kept | of the epoch that is best on attacked validation images |" in card
    assert "| attack in training | 1 step of 0.1 |" in card
    other = files["mnist_smallgap_adv_3.md"].decode()
    assert "weights kept" not in other
    assert "It was trained without attacks, so" in other
    assert "radius in training" not in other


def test_a_card_says_what_is_unusual(call, tmp_path):
    """All that train.py writes where it is not the default; a weight of 0 is one."""
    schedule = {**describe(find_objective("lga"), SCHEDULE, 7)["schedule"], "attack_precision": "bfloat16"}
    save(
        tmp_path / "networks",
        "mnist_smallgap_lga_3",
        penalty_weight=0.0,
        distance_weight=0.02,
        keep="last",
        patience=3,
        average=0.999,
    )
    save(tmp_path / "networks", "mnist_smallgap_adv_3", schedule=schedule)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "settings.json").write_text("{}")
    files = write(call, tmp_path, tmp_path / "records")
    card = files["mnist_smallgap_lga_3.md"].decode()
    assert "| weight of the penalty | 0 |" in card
    assert "| weight of the squared distance | 0.02 |" in card
    assert "| weights averaged over steps | with a decay of 0.999 |" in card
    assert "| end | early, after 3 epochs no better on attacked validation images |" in card
    other = files["mnist_smallgap_adv_3.md"].decode()
    assert "| its precision | bfloat16 |" in other
    assert "| its precision |" not in card
    for missing in ("| weight of", "| weights averaged", "| end |"):
        assert missing not in other


def test_a_card_says_what_a_network_goes_on_from(call, tmp_path):
    """As the recipe of Fast Adv with averaged weights does, whose command does not name the average."""
    name = "mnist_smallgap_fast_averaged_5"
    arguments = {"number": 10, "profile": "cpu", "only": [name], "average": None}
    more = {"start": "mnist_smallgap_fast_2", "average": 0.995, "keep": "best"}
    save(tmp_path / "networks", name, run={"arguments": arguments}, **more)
    records = tmp_path / "records"
    for each, accuracy, title in (("mnist_smallgap_fast_2", 0.3, "Fast Adv"), (name, 0.4, "Fast Adv (averaged)")):
        keep(records, row(each, accuracy, {"cam": 0.5}, method=title), "leaderboard")
    (records / "settings.json").write_text("{}")
    files = write(call, tmp_path, records)
    card = files[f"{name}.md"].decode()
    for line in (
        "Its training method is Fast Adv (averaged). It is made",
        "| weights at the start | those of mnist_smallgap_fast_2 |",
        "| weights kept | of the epoch that is best on attacked validation images |",
        "| weights averaged over steps | with a decay of 0.995 |",
        f"| command | `train.py 10 --profile cpu --only {name}` |",
        "short, 3 epochs of the profile `cpu` from the weights of mnist_smallgap_fast_2: a longer one",
    ):
        assert line in card, line
    page = files["page.md"].decode()
    assert page.index(f"| `{name}` | Fast Adv (averaged) |") < page.index("| `mnist_smallgap_fast_2` | Fast Adv |")


def test_classes_stand_below_each_other(call, tmp_path):
    """Each dataset has its own classes, and their number."""
    first = save(tmp_path / "networks", NAMES[0], accuracy_per_class={"all": 0.85, "0": 0.9, "1": 0.8})
    second = save(tmp_path / "networks", NAMES[1], accuracy_per_class={"all": 0.5, "cat": 0.5})
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "settings.json").write_text("{}")
    (tmp_path / "page.md").write_text("<!-- table classes smallgap -->\n<!-- end -->\n")
    page = write(call, tmp_path, tmp_path / "records")["page.md"].decode()
    assert [line for line in page.splitlines() if line.startswith("| ")] == [
        f"| images | `{first.stem}` | `{second.stem}` |",
        "| --- | ---: | ---: |",
        "| all | 0.8500 | 0.5000 |",
        "| class 0 | 0 0.900 | cat 0.500 |",
        "| class 1 | 1 0.800 | - |",
    ]


@pytest.mark.slow
def test_two_measured_networks_give_the_same_bytes_again(call, networks, tmp_path, monkeypatch):
    """Real records of eval.py: every figure of the page is one of them, and so is every shipped row."""
    records = tmp_path / "records"
    settings = "--steps 2 --restarts 1 --queries 5 --explanations gradient --explanation-steps 2"
    line = ["1", "--only=leaderboard", "--dataset=digits", "--num-image=40", f"--out={records}"]
    line += [f"--task-options={settings}", "--networks", *(str(networks / f"{name}.safetensors") for name in NAMES)]
    assert call(evaluate, line).returncode == 0
    files = write(call, tmp_path, records)
    assert write(call, tmp_path, records) == files
    page = files["page.md"].decode()
    assert "![Kendall tau of maps against accuracy, both under the strong protocols](images/board.png)" in page
    assert "### digits, small" in page
    assert files["board.png"].startswith(b"\x89PNG")
    for name in NAMES:
        record = json.loads((records / "leaderboard" / f"{name}.json").read_text())
        [moved] = record["explanations"]
        shown = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        figures, facts = ([cell.strip() for cell in line.strip("|").split("|")] for line in shown)
        assert figures[2].startswith(f"{record['clean']['value']:.3f} ± ")
        assert figures[3].startswith(f"{record['strong']['value']:.3f} ± ")
        assert figures[4].startswith(f"{moved['worst_case']['value']:.3f}")
        assert facts[1] == f"{moved['noise']['value']:.3f}, {moved['corner_noise']['value']:.3f}"
        assert facts[-1] == f"`{record['files'][f'{name}.safetensors'][:12]}`"
        assert record["protocol"] in page
    monkeypatch.setattr(leaderboard, "SHIPPED", tmp_path / "out" / "rows.json")
    board = interp.leaderboard()
    assert board == interp.report.Leaderboard(board.rows)
    assert {Path(each.record) for each in board.rows} == {records / "leaderboard" / f"{name}.json" for name in NAMES}
    order = re.findall(r"^\| `(\S+)` \|", page, re.MULTILINE)
    assert order == 2 * [each.facts.name for each in board.rows]
    assert np.all(np.diff([each.strong.value for each in board.rows]) <= 0)


def test_a_damaged_record_is_one_line_and_nothing_is_written(call, networks, tmp_path):
    path = keep(tmp_path / "records", row(NAMES[0], 0.25, {"cam": 0.5}), "leaderboard")
    (tmp_path / "records" / "settings.json").write_text("{}")
    path.write_text(path.read_text().replace("0.25", "25"))
    page = tmp_path / "page.md"
    page.write_text("<!-- table leaderboard images/board.png -->\n<!-- end -->\n")
    before = page.read_bytes()
    line = [f"--records={tmp_path / 'records'}", f"--networks-dir={networks}", f"--pages={page}"]
    result = call(main, [*line, f"--cards={tmp_path / 'cards'}"])
    assert result.returncode == 2
    assert "is no row of the leaderboard" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert page.read_bytes() == before
    assert not (tmp_path / "cards").exists()
