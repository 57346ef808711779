"""`train.py` that was stopped goes on, or counts a network as finished, only where all that it was asked is the same."""

import contextlib
import signal
import subprocess
import time
from dataclasses import replace

import pytest

import interp
from interp.commands.train import main
from interp.core.digest import digest
from interp.core.files import locked
from interp.training import signals, training_job
from interp.training.recipes import recipes
from tests.commands.train_command import SMOKE, command, run


@pytest.fixture
def stopped(monkeypatch):
    """Inside, a run of train.py stops after its first step."""

    @contextlib.contextmanager
    def stopping():
        stop = signals.StopRequest()
        stop.signal = signal.SIGTERM
        with monkeypatch.context() as patch:
            patch.setattr(training_job, "stop_requests", lambda: contextlib.nullcontext(stop))
            yield

    return stopping


@pytest.mark.slow
def test_a_network_starts_with_the_weights_of_another(tmp_path, call, monkeypatch, stopped):
    """And goes on, or counts as finished, only where that is still the same."""
    first, second = (
        row for row in recipes(1) if row.name in ("mnist_smallgap_normal_100", "mnist_smallgap_intone_100")
    )
    started = replace(second, objective="normal", variant="_on", start=first)
    monkeypatch.setattr("interp.commands.train.recipes", lambda number: [first, started])
    everything = [*SMOKE, *command(tmp_path)[2:]]
    name, arguments = "digits_smallgap_normal_on_1", [*everything, "--only", "digits_smallgap_normal_on_1"]
    result = call(main, arguments)
    assert result.returncode == 2
    assert f"{name} starts with digits_smallgap_normal_1" in result.stderr
    assert call(main, [*everything, "--only", "digits_smallgap_normal_1"]).returncode == 0
    start = tmp_path / "networks" / "digits_smallgap_normal_1.safetensors"
    original, weights = start.read_bytes(), interp.load_model(start).get_weights()
    with stopped():
        assert "stopped after step 1 of 4" in call(main, arguments).stderr
    other = interp.models.build_network("small", (28, 28, 1), 10, seed=7)
    interp.save_model(other, start)
    refused = f"network.start_weights was {digest(weights)!r} and is {digest(other.get_weights())!r}"
    assert refused in call(main, arguments).stderr
    start.write_bytes(original)
    assert call(main, everything).returncode == 0
    metadata = interp.load_model(tmp_path / "networks" / f"{name}.safetensors").metadata
    assert (metadata["start"], metadata["start_weights"]) == ("digits_smallgap_normal_1", digest(weights))
    interp.save_model(other, start)
    assert "start_weights was" in call(main, arguments).stderr
    start.unlink()
    assert "is there already" in call(main, arguments).stdout
    monkeypatch.setattr("interp.commands.train.recipes", lambda number: [first, replace(started, start=None)])
    assert "start was 'digits_smallgap_normal_1' and is none" in call(main, arguments).stderr


@pytest.mark.integration
def test_a_finished_network_was_judged_on_the_same_validation_images(tmp_path, call):
    arguments = [*SMOKE, "--only", "mnist_smallgap_normal", *command(tmp_path)[2:]]
    assert call(main, arguments).returncode == 0
    target = tmp_path / "networks" / "digits_smallgap_normal_1.safetensors"
    network = interp.load_model(target)
    made = dict(network.metadata)
    interp.save_model(network, target, {**made, "validation_images": "others"})
    assert "validation_images was 'others' and is 'scikit-learn digits" in call(main, arguments).stderr
    del made["validation_images"]
    interp.save_model(network, target, made)
    assert "is there already" in call(main, arguments).stdout


@pytest.mark.slow
def test_an_interrupted_run_goes_on(tmp_path):
    arguments = ["1", "--dataset", "digits", "--only", "mnist_smallgap_adv", "--epochs", "2"]
    process = subprocess.Popen(command(tmp_path, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "networks" / ".runs" / "digits_smallgap_adv_2" / "log.jsonl"
    while process.poll() is None and not log.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert len(errors.splitlines()) == 1
    assert "start again to go on from there" in errors
    assert list((log.parent / "checkpoints").glob("step_*"))
    result = run(tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "networks" / "digits_smallgap_adv_2.safetensors").exists()


@pytest.mark.integration
def test_a_retraining_that_was_interrupted_goes_on(tmp_path, monkeypatch, call):
    """A run that --no-resume began anew and that was stopped is resumed, although the old network is there."""
    arguments = [*SMOKE, "--only", "mnist_smallgap_normal", *command(tmp_path)[2:]]
    assert call(main, arguments).returncode == 0
    target = tmp_path / "networks" / "digits_smallgap_normal_1.safetensors"
    before = target.read_bytes()

    stop = signals.StopRequest()
    stop.signal = signal.SIGTERM
    monkeypatch.setattr(training_job, "stop_requests", lambda: contextlib.nullcontext(stop))
    stopped = call(main, [*arguments, "--no-resume"])
    assert stopped.returncode == 143
    told = "stopped after step 1 of 4; start again without --no-resume (in Python resume=True) to go on from there"
    assert told in stopped.stderr
    assert target.read_bytes() == before
    monkeypatch.undo()
    again = call(main, arguments)
    assert again.returncode == 0
    assert "is there already" not in again.stdout
    assert "is there already" in call(main, arguments).stdout


@pytest.mark.integration
@pytest.mark.parametrize(
    ("anew", "told"),
    [
        ([], "start again to go on with the next"),
        # Which would train the first one anew, and without it networks that are there count as finished.
        (["--no-resume"], "name the others with --only to go on with them"),
    ],
)
def test_a_stop_in_one_network_does_not_start_the_next(tmp_path, monkeypatch, call, anew, told):
    """The signal comes with the very last thing that is done for the first network."""
    stop = signals.StopRequest()
    monkeypatch.setattr(training_job, "stop_requests", lambda: contextlib.nullcontext(stop))
    monkeypatch.setattr("interp.models.save_model", lambda *_: setattr(stop, "signal", signal.SIGTERM))
    line = [*SMOKE, *anew, "--only", "mnist_smallgap_normal", "mnist_pool_normal", *command(tmp_path)[2:]]
    result = call(main, line)
    assert result.returncode == 143
    assert f"stopped after network 1 of 2; {told}" in result.stderr


def test_two_processes_do_not_share_a_run(tmp_path, call):
    folder = tmp_path / "networks" / ".runs" / "digits_smallgap_normal_1"
    with locked(folder):
        result = call(main, [*SMOKE, "--only", "mnist_smallgap_normal", *command(tmp_path)[2:]])
    assert result.returncode == 2
    assert "another process works in" in result.stderr


@pytest.mark.integration
def test_the_precision_of_inner_attacks_stays_when_a_training_goes_on(tmp_path, monkeypatch, call):
    """What auto found once is not asked again: another load of the machine may give another answer."""
    arguments = [*SMOKE, "--only", "mnist_smallgap_adv", "--attack-precision", "auto", *command(tmp_path)[2:]]
    monkeypatch.setattr("interp.training.training_job.faster_precision", lambda *_: "bfloat16")
    assert call(main, arguments).returncode == 0
    target = tmp_path / "networks" / "digits_smallgap_adv_1.safetensors"
    assert interp.load_model(target).metadata["schedule"]["attack_precision"] == "bfloat16"
    monkeypatch.setattr("interp.training.training_job.faster_precision", lambda *_: "float32")
    again = call(main, arguments)
    assert again.returncode == 0, again.stderr
    assert "is there already" in again.stdout
    other = call(main, [*arguments, "--attack-precision", "float32"])
    assert other.returncode == 2
    assert "schedule.attack_precision" in other.stderr
    refused = call(main, [*arguments, "--strategy", "multiworker"])
    assert refused.returncode == 2
    assert "workers may time differently" in refused.stderr
