"""Logs of a training: JSON lines and event files, also after an interruption."""

import json

import pytest
import tensorflow as tf

from interp.training import Progress
from interp.training.run_log import RunLog


def progress(step, *, ended=False):
    return Progress(0, step, 10, {"loss": 1 / step}, ended, 100.0, 1.0)


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_lines_come_every_few_steps_and_at_the_end_of_an_epoch(tmp_path):
    log = RunLog(tmp_path, every=2)
    for step in range(1, 6):
        log(progress(step, ended=step == 5))
    log.close()
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 5]
    assert lines(tmp_path)[-1] == {"step": 5, "epoch": 1, "epoch_ended": True, "loss": 0.2}
    assert list((tmp_path / "events").glob("events.out.tfevents.*"))


def test_tensorboard_reads_the_events(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = RunLog(tmp_path, every=2)
    for step in range(1, 6):
        log(progress(step, ended=step == 5))
    log.close()
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    shown = {
        name: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }
    assert shown == {"step/loss": [(2, 0.5), (4, 0.25)], "epoch/loss": [(5, pytest.approx(0.2))]}


def test_a_resumed_run_writes_no_line_twice(tmp_path):
    first = RunLog(tmp_path, every=1)
    for step in range(1, 6):
        first(progress(step))
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 6, "lo')
    again = RunLog(tmp_path, every=1)
    for step in range(4, 8):
        again(progress(step))
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]
