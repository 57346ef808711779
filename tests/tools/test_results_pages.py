"""The results page: tables from records alone, figures put into the networks, and what is missing named."""

import json
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.commands.evaluate import main as evaluate
from interp.core.bits import bits_of_hex
from interp.core.errors import InputError
from interp.models import build_network
from interp.training import Schedule, describe, find_objective
from results_pages.__main__ import PAGES, main
from results_pages.evidence import Sources, find_results
from results_pages.page_pictures import attacked_maps_figure, curves_figure

ROOT = Path(__file__).parents[2]
NAMES = ("mnist_smallgap_normal_1", "mnist_smallgap_int_1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two networks with what a training writes into them, and their records, evaluated on digits for the sake of speed."""
    folder = tmp_path_factory.mktemp("results")
    schedule = Schedule(
        epochs=1,
        batch_size=50,
        learning_rates=((0, 1e-3),),
        epsilon=0.1,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.1,
    )
    arguments = {"number": 1, "profile": "cpu", "only": ["mnist_smallgap_int"]}
    for seed, name in enumerate(NAMES):
        description = describe(find_objective(name.split("_")[2]), schedule, 99)
        metadata = {**description, "data": "scikit-learn", "seconds": 90.0, "run": {"arguments": arguments}}
        network = build_network("small", (28, 28, 1), 10, seed=seed)
        interp.save_model(network, folder / "networks" / f"{name}.safetensors", metadata)
    networks = [f"--networks-dir={folder / 'networks'}", "--networks", *NAMES]
    common = ["--dataset=digits", "--num-image=6", f"--out={folder / 'records'}", *networks]
    evaluate(["1", "--only", "pgd", "--task-options=--epsilons=0,0.1", *common])
    evaluate(["1", "--only", "aai", "topk", *common])
    # Kept beside it, since it takes long: what the strong protocol would say.
    for name in NAMES:
        record = json.loads((folder / "records" / "pgd" / f"{name}.json").read_text())
        radii = [row[1] for row in record["rows"] if row[0] == 200]
        record["header"] = ["eps", "PGD", "random starts", "worst case", "standard error", "flags"]
        record["rows"] = [[eps, 0.9, 0.8, 0.45, 0.1, "-"] for eps in radii]
        record["flags"] = []
        path = folder / "records" / "validity" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record))
    return folder


def options(made, page, *more):
    return [
        f"--records={made / 'records'}",
        f"--networks-dir={made / 'networks'}",
        f"--pages={page}",
        *more,
    ]


def marks(page, *tables):
    page.write_text("".join(f"text\n<!-- table {table} -->\n<!-- end -->\n" for table in tables))


def errors_of(made, name):
    """The standard errors of the accuracies of 200 steps."""
    rows = json.loads((made / "records" / "pgd" / f"{name}.json").read_text())["rows"]
    return [row[3] for row in rows if row[0] == 200]


@pytest.mark.integration
def test_tables_hold_the_figures_of_the_records(call, made, tmp_path):
    page = tmp_path / "page.md"
    of_both = "protocols mnist_smallgap int_1 0,0.1"
    marks(
        page,
        "pgd mnist_smallgap",
        "steps mnist_smallgap 0.1",
        "strong mnist_smallgap 0.1",
        of_both,
        "aai mnist_smallgap",
    )
    result = call(main, options(made, page))
    assert result.returncode == 0, result.stderr
    record = json.loads((made / "records" / "pgd" / f"{NAMES[1]}.json").read_text())
    clean = next(row for row in record["rows"] if row[:2] == [200, 0.0])
    text = page.read_text()
    assert f"| Int | here, 1 epoch | {clean[2]:.3f} |" in text
    errors = [error for name in NAMES for error in errors_of(made, name)]
    assert f"one standard error: at most {max(errors):.3f}; 6 images" in text
    assert "*Share of images that are still classified right when every pixel may move by eps" in text
    assert "at eps 0.1 by the number of attack steps" in text
    assert text.index("| Normal |") < text.index("| Int |")
    assert "6 images; PGD-200" in text
    assert record["data"] in text
    assert "| Int | here, 1 epoch | 0.900 | 0.800 | 0.450 ± 0.100 | 0.450 | - |" in text
    assert "Int (here, 1 epoch) 0.900 -> 0.450" in text
    assert "| Int | here, 1 epoch | 0.900 | 0.450 ± 0.100 | - | 0.900 | 0.450 ± 0.100 | - |" in text
    again = page.read_bytes()
    assert call(main, options(made, page)).returncode == 0
    assert page.read_bytes() == again


@pytest.mark.integration
def test_stamped_networks_carry_what_was_measured_once(call, made, tmp_path):
    page = tmp_path / "page.md"
    marks(page, "networks", "times", "topk mnist_smallgap")
    file = made / "networks" / f"{NAMES[1]}.safetensors"
    before = interp.load_model(file)
    result = call(main, options(made, page))
    assert result.returncode == 2
    assert "was not measured" in result.stderr
    result = call(main, options(made, page, "--stamp"))
    assert result.returncode == 0, result.stderr
    assert f"measured figures put into {NAMES[1]}" in result.stdout
    network = interp.load_model(file)
    measured = network.metadata["measured"]
    assert measured["epsilon"] == 0.1
    assert bits_of_hex(measured["right"]["clean"], 2).mean() == pytest.approx(measured["clean"])
    assert all(
        np.array_equal(one, other) for one, other in zip(network.get_weights(), before.get_weights(), strict=True)
    )
    assert {key: value for key, value in network.metadata.items() if key != "measured"} == before.metadata
    written = file.read_bytes(), page.read_bytes()
    assert "put into" not in call(main, options(made, page, "--stamp")).stdout
    assert (file.read_bytes(), page.read_bytes()) == written
    assert "`train.py 1 --profile cpu --only mnist_smallgap_int`" in page.read_text()
    assert "| Int | 1.5 (90 s) |" in page.read_text()


@pytest.mark.integration
def test_curves_show_both_protocols(made):
    figure = curves_figure(Sources(find_results([made / "records"]), made / "networks"), "mnist_smallgap")
    plain, strong = figure.axes
    assert [axes.get_title() for axes in (plain, strong)] == [
        "trained here: the paper's protocol",
        "trained here: strong protocol",
    ]
    assert set(strong.lines[0].get_ydata()) == {0.45}
    record = json.loads((made / "records" / "pgd" / f"{NAMES[1]}.json").read_text())
    expected = [row[2] for row in record["rows"] if row[0] == 200]
    # Normal first, as in the table of methods, though Int comes first by name.
    assert list(plain.lines[1].get_ydata()) == expected
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Normal", "Int"]


def test_attacked_maps_need_images_that_all_networks_get_right(made, data_dir):
    # Networks that were not trained agree on hardly an image.
    with pytest.raises(InputError, match="agree on too few images"):
        attacked_maps_figure(Sources(find_results([made / "records"]), made / "networks"), "mnist_smallgap", data_dir)


@pytest.mark.slow
def test_attacked_maps_are_drawn_for_every_network(data_dir):
    sources = Sources(find_results([ROOT / "docs" / "results"]), ROOT / "networks")
    figure = attacked_maps_figure(sources, "mnist_smallgap", data_dir)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["Normal", "CAM", "attacked, eps 0.3", titles[3]]
    networks = list((ROOT / "networks").glob("mnist_smallgap_*.safetensors"))
    assert sum(title.startswith("CAM, tau ") for title in titles) == 2 * len(networks) >= 2 * 12


@pytest.mark.integration
def test_networks_of_elsewhere_are_named(call, made, tmp_path):
    page = tmp_path / "page.md"
    marks(page, "times")
    interp.save_model(build_network("small", (28, 28, 1), 10), tmp_path / "networks" / "mine.safetensors", {})
    for more in ([], ["--stamp"]):
        result = call(main, [*options(made, page, *more), f"--networks-dir={tmp_path / 'networks'}"])
        assert result.returncode == 2
        assert "is no network of train.py" in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.integration
def test_other_weights_are_not_stamped(call, made, tmp_path):
    page = tmp_path / "page.md"
    marks(page, "times")
    networks = tmp_path / "networks"
    network = build_network("small", (28, 28, 1), 10, seed=7)
    metadata = interp.load_model(made / "networks" / f"{NAMES[0]}.safetensors").metadata
    interp.save_model(network, networks / f"{NAMES[0]}.safetensors", metadata)
    before = (networks / f"{NAMES[0]}.safetensors").read_bytes()
    result = call(main, [*options(made, page, "--stamp"), f"--networks-dir={networks}"])
    assert result.returncode == 2
    assert "no record of pgd of the weights" in result.stderr
    assert (networks / f"{NAMES[0]}.safetensors").read_bytes() == before


@pytest.mark.integration
def test_no_network_is_stamped_where_one_was_not_measured(call, made, tmp_path):
    page, networks = tmp_path / "page.md", tmp_path / "networks"
    marks(page, "times")
    for name in (*NAMES, "mnist_smallgap_trades_1"):
        network = interp.load_model(made / "networks" / f"{name if name in NAMES else NAMES[0]}.safetensors")
        metadata = {key: value for key, value in network.metadata.items() if key != "measured"}
        interp.save_model(network, networks / f"{name}.safetensors", metadata)
    before = {path: path.read_bytes() for path in networks.iterdir()}
    result = call(main, [*options(made, page, "--stamp"), f"--networks-dir={networks}"])
    assert result.returncode == 2
    assert "no record of pgd of the weights in" in result.stderr
    assert {path: path.read_bytes() for path in networks.iterdir()} == before


@pytest.mark.integration
def test_no_picture_is_drawn_for_a_page_whose_records_are_missing(call, made, tmp_path):
    page = tmp_path / "page.md"
    marks(page, "uar mnist_smallgap untargeted")
    result = call(main, options(made, page, f"--pictures={tmp_path / 'pictures'}"))
    assert (result.returncode, (tmp_path / "pictures").exists()) == (2, False)
    assert "no record of uar" in result.stderr


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("pdg mnist_smallgap", "did you mean 'pgd'"),
        ("pgd", "should be: table pgd FAMILY"),
        ("pgd mnist_smallgap 0.3", "should be: table pgd FAMILY"),
        ("pgd cifar_pool", "no record of pgd for cifar_pool"),
        ("strong mnist_smallgap 0.7", "no radius 0.7"),
        ("strong mnist_smallgap 1/0", "is no number"),
        ("protocols mnist_smallgap itn_1 0.1", "did you mean 'mnist_smallgap_int_1'"),
        ("uar mnist_smallgap untargeted", "no record of uar"),
        ("classes simplecnn", "no network of simplecnn"),
    ],
)
def test_marks_that_ask_for_what_is_not_there_are_one_line(call, made, tmp_path, mark, message):
    page = tmp_path / "page.md"
    marks(page, "pgd mnist_smallgap", mark)
    before = page.read_bytes()
    result = call(main, options(made, page))
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert page.read_bytes() == before


@pytest.mark.integration
def test_missing_folders_and_pages_are_one_line(call, made, tmp_path):
    for more in ([f"--records={tmp_path / 'none'}"], [f"--pages={tmp_path / 'none.md'}"]):
        result = call(main, [*options(made, tmp_path / "page.md"), *more])
        assert result.returncode == 2
        assert "none" in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.integration
def test_the_pages_of_the_project_are_those_of_its_records(call, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    written = {tmp_path / str(path).replace("/", "-"): path for path in PAGES}
    for copy, path in written.items():
        copy.write_bytes(path.read_bytes())
    rows, cards = tmp_path / "rows.json", tmp_path / "cards"
    result = call(main, ["--pages", *map(str, written), f"--rows={rows}", f"--cards={cards}"])
    assert result.returncode == 0, result.stderr
    written |= {rows: Path("interp/report/leaderboard.json")}
    written |= {cards / path.name: path for path in Path("networks/cards").iterdir()}
    for copy, path in written.items():
        assert copy.read_bytes() == path.read_bytes(), path
    names = {path.stem for path in Path("networks").glob("*.safetensors")}
    assert {path.stem for path in cards.iterdir()} == names
    readme = Path("networks/README.md").read_text()
    assert all(f"](cards/{name}.md)" in readme for name in names)


@pytest.mark.slow
def test_explanations_stand_beside_noise(call, made, tmp_path):
    """By the explanation and the network, the figures of the record at each radius."""
    networks = [f"--networks-dir={made / 'networks'}", "--networks", *NAMES]
    settings = "--steps 2 --queries 0 --restarts 1 --epsilons 0.1,0.3"
    common = ["--dataset=digits", "--num-image=100", f"--out={tmp_path / 'records'}", f"--task-options={settings}"]
    assert evaluate(["1", "--only", "explanations", *common, *networks]) == 0
    page = tmp_path / "page.md"
    marks(page, "explanations mnist_smallgap Kendall_tau")
    result = call(main, [f"--records={tmp_path / 'records'}", f"--networks-dir={made / 'networks'}", f"--pages={page}"])
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "records" / "explanations" / f"{NAMES[0]}.json").read_text())
    row = dict(zip(record["header"], record["rows"][0], strict=True))
    text = page.read_text()
    assert (
        "| explanation | method | trained | eps 0.1: noise | eps 0.1: attack | eps 0.1: flagged | eps 0.3: noise |"
        in text
    )
    noise = f"{row['noise']:.3f}, {row['corner noise']:.3f}"
    attack = f"{row['strongest attack']:.3f} ± {row['standard error']:.3f}"
    assert f"| cam | Normal | here, 1 epoch | {noise} | {attack} | {row['flags']} |" in text
