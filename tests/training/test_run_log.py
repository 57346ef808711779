"""Logs of a training: JSON lines and event files, also after an interruption."""

import json

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
