"""`interp reproduce`: the paper's tables and pictures from a directory of networks, and a stopped run goes on."""

import json

import pytest

from interp.commands.console import main
from interp.commands.evaluate import SECTIONS
from interp.commands.reproduce import parse
from interp.models import build_network, save_model


def test_it_is_experiment_4_on_the_networks_of_a_directory(tmp_path):
    save_model(build_network("small", (28, 28, 1), 10), tmp_path / "mnist_smallgap_int_1.safetensors")
    asked = parse([str(tmp_path), "--num-image", "7", "--workers", "2"], "interp reproduce")
    assert list(asked.sections) == list(SECTIONS[4])
    assert (asked.options.number, asked.options.num_image, asked.options.workers) == (4, 7, 2)
    assert asked.options.networks_dir == tmp_path
    assert not asked.needs_all


def test_the_paper_s_protocol_comes_first_and_every_strong_one_is_there():
    def is_strong(section):
        return "strong" in (*section.arguments, *section.help.split())

    strong = [name for name, section in SECTIONS[4].items() if is_strong(section)]
    assert strong == ["validity", "explanations", "isa_strong"]
    assert list(SECTIONS[4])[-3:] == strong


@pytest.mark.slow
def test_tables_pictures_and_a_page_of_what_is_there(call, tmp_path):
    published = tmp_path / "published"
    for tag in ("normal", "int"):
        save_model(build_network("small", (28, 28, 1), 10, seed=3), published / f"digits_smallgap_{tag}_1.safetensors")
    out = tmp_path / "out"
    words = ["reproduce", str(published), "--dataset=digits", "--num-image=3", f"--out={out}", "--format=latex"]
    words += ["--only", "aai", "topk", "cam"]
    result = call(main, words)
    # The other networks of the paper are no failure.
    assert result.returncode == 0, result.stderr
    assert "missing" not in result.stderr
    for name, networks in {"aai": ["int", "normal"], "topk": ["int"], "cam": ["int", "normal"]}.items():
        assert sorted(path.stem for path in (out / name).glob("*.json")) == [
            f"digits_smallgap_{tag}_1" for tag in networks
        ]
    assert r"\toprule" in (out / "aai.tex").read_text()
    assert "strongest positions shared with the Normal network" in (out / "report.html").read_text()
    # A record that is gone is measured again, the others are kept.
    kept, gone = out / "aai" / "digits_smallgap_int_1.json", out / "topk" / "digits_smallgap_int_1.json"
    before = json.loads(kept.read_text())["finished"]
    gone.unlink()
    assert call(main, words).returncode == 0
    assert gone.exists()
    assert json.loads(kept.read_text())["finished"] == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{}/nothing"], "nothing is no directory: give that of the paper"),
        (["{}"], "holds no networks"),
    ],
)
def test_bad_input_is_one_line(call, tmp_path, words, message):
    result = call(main, ["reproduce", *(word.format(tmp_path) for word in words)])
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
