"""Logs of a training: JSON lines and event files, also after an interruption."""

import json

import pytest
import tensorflow as tf

from interp.core.errors import InputError
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


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b'{"step": 2, "loss": "\xff"}',
        b"[" * 100_000,
        b'{"step": ' + b"[" * 100_000,
        b'{"step": "2"}',
        b'{"step": null}',
        b'{"step": [2]}',
        b'{"step": 1e999}',
        b'{"step": NaN}',
        b'{"step": ' + b"9" * 5000 + b"}",
        b"[2]",
        b"2",
        b'"step"',
        b"",
        b"\x00",
    ],
)
def test_damaged_lines_are_told_and_left_out(tmp_path, line):
    sound = b'{"step": 1, "epoch": 1, "epoch_ended": false, "loss": 1.0}\n'
    (tmp_path / "log.jsonl").write_bytes(sound + line + b"\n" + sound.replace(b"1", b"2", 1))
    told = []
    log = RunLog(tmp_path, every=1, warn=told.append)
    log(progress(3))
    log.close()
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]
    assert len(told) == 1
    assert "1 of 3 lines" in told[0]


def test_a_log_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(InputError, match=r"cannot read .*log\.jsonl"):
        RunLog(tmp_path)(progress(1))
