"""The console command `interp`, and how soon mistakes are reported."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.commands.console import COMMANDS, main
from interp.commands.evaluate_network import main as task
from interp.core.command_line import alike
from interp.models import build_network

ROOT = Path(__file__).parents[2]


def test_it_lists_its_commands_and_suggests_the_nearest(call):
    result = call(main, ["--help"])
    assert result.returncode == 0
    assert all(f"interp {name} " in result.stdout for name in COMMANDS)
    assert call(main, []).returncode == 2
    assert call(main, ["--version"]).stdout == f"interp {interp.__version__}\n"
    result = call(main, ["evla"])
    assert result.returncode == 2
    assert "did you mean 'eval'?" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_the_one_of_its_script(call, name):
    result = call(main, [name, "--help"])
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: interp {name}")
    assert "without it" not in result.stdout


def test_a_task_may_be_named_without_its_option(call):
    result = call(main, ["task", "roar", "--help"])
    assert "--ratios" in result.stdout
    assert "retraining without the strongest pixels" in result.stdout
    # Its help says so, that of the script names the option.
    assert result.stdout.startswith("usage: interp task roar ")
    assert "\n  interp task pgd_attack --dataset" in call(main, ["task", "--help"]).stdout
    assert "eval_cmd.py --task pgd_attack --dataset" in call(task, ["--help"]).stdout


def test_names_of_options_take_both_spellings():
    assert alike(["--num_image", "a_b", "--out-dir=a_b", "-x_y", "--a b_c"]) == [
        *("--num-image", "a_b", "--out-dir=a_b", "-x_y", "--a b_c")
    ]


MISTAKES = [
    ["eval_cmd.py", "--task", "pgd_atack"],
    ["eval_cmd.py", "--task", "pgd_attack", "--dataset", "minst", "--network", "mnist_smallgap_int_20"],
    ["eval_cmd.py", "--task", "pgd_attack", "--dataset", "mnist", "--network", "mnist_smallgap_imt_20"],
    ["eval_cmd.py", "--task", "roar", "--dataset", "mnist", "--network", "mnist_smallgap_int_20", "--k", "3"],
    ["eval.py", "1", "--only", "pdg"],
    ["eval.py", "3", "--only", "roar", "--task-options", "--rations 0.5"],
    ["train.py", "1", "--only", "mnist_smallgap_imt"],
    ["train.py", "1", "--dataset", "minst"],
    ["train.py", "1", "--norm", "l2", "--explanation", "cam", "--only", "mnist_smallgap_imt"],
    ["-m", "interp", "demo", "--dataset", "digitz"],
]


@pytest.mark.integration
@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_mistakes_are_reported_before_tensorflow_is_imported(words):
    watch = (
        "import sys, runpy; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__') if sys.argv[0] != '-m' else "
        "(sys.argv.pop(0), runpy.run_module(sys.argv[0], run_name='__main__'))\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", watch, *words], capture_output=True, text=True, check=False, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2, done.stderr
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == 1
    # Seconds of the processor: on a busy machine others say nothing.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.integration
def test_records_of_an_earlier_version_share_the_table(call, tmp_path):
    """One file for all networks, named after options that may play no part; the discrepancy's norm was called norm."""
    network = interp.save_model(build_network("small", (28, 28, 1), 10), tmp_path / "mine.safetensors")
    common = ["--task=min_pgd_attack", "--dataset=digits", "--num_image=2", "--steps=1", f"--network={network}"]
    common += [f"--output_dir={tmp_path / 'out'}", f"--picture_dir={tmp_path}"]
    assert call(task, common).returncode == 0
    record = json.loads(next((tmp_path / "out").glob("*/mine.json")).read_text())
    arguments = {**record["arguments"], "iterate": "last", "k": 8, "rep_l": -1}
    arguments["norm"] = arguments.pop("discrepancy_norm")
    earlier = {name: record[name] for name in ("caption", "header", "rows", "splits")}
    other = {**earlier, "arguments": {**arguments, "seed": 5}}
    path = tmp_path / "out" / "l1_two_class_min_pgd_attack_digits_cam.json"
    path.write_text(json.dumps({"before": {**earlier, "arguments": arguments}, "other seed": other}))
    before = path.read_bytes()
    result = call(task, common)
    assert result.returncode == 0, result.stderr
    assert "not in the table, evaluated by other options or on other images: other seed\n" in result.stdout
    lines = (tmp_path / "out" / "min_pgd_attack_digits_cam_l1_two_class.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["network", "before", "mine"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(("format", "suffix"), [("csv", "csv"), ("markdown", "md"), ("html", "html")])
def test_tables_in_other_formats(call, tmp_path, format, suffix):
    network = interp.save_model(build_network("small", (28, 28, 1), 10), tmp_path / "mine.safetensors")
    common = ["--task=intr_topk", "--dataset=digits", "--num_image=2", f"--network={network}", f"--against={network}"]
    result = call(task, [*common, f"--output-dir={tmp_path}", f"--picture-dir={tmp_path}", f"--format={format}"])
    assert result.returncode == 0, result.stderr
    text = (tmp_path / f"intr_topk_digits_cam.{suffix}").read_text()
    assert "mine" in text
    assert "top-k overlap" in text
