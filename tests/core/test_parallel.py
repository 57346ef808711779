"""Jobs here, in processes, and on Ray."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from interp.core.errors import ComputationError, InputError
from interp.core.parallel import RayTasks, open_workers, run_jobs
from interp.core.sent_once import InFile, SentOnce


def square(number):
    return number * number, os.getpid()


def rounds_to_tf32(_):
    import tensorflow as tf

    return tf.config.experimental.tensor_float_32_execution_enabled(), os.environ["TF_FORCE_GPU_ALLOW_GROWTH"]


def refuse(number):
    if number == 2:
        raise InputError("two is not to be had")
    return number


def die(number):
    if number == 1:
        os._exit(3)
    time.sleep(0.2)
    return number


def end_by(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def jobs(count, asked=None):
    def arguments(number):
        if asked is not None:
            asked.append(number)
        return (number,)

    return ((number, lambda number=number: arguments(number)) for number in range(count))


def test_here():
    with open_workers(1) as workers:
        found = dict(run_jobs(workers, square, jobs(5)))
    assert found == {number: (number * number, os.getpid()) for number in range(5)}


@pytest.mark.integration
def test_in_processes():
    asked, found = [], {}

    def work():
        with open_workers(2) as workers:
            finished = run_jobs(workers, square, jobs(8, asked))
            found.update([next(finished)])
            # Arguments are asked for when somebody is about to take them.
            assert len(asked) <= 5
            found.update(finished)
            assert dict(run_jobs(workers, rounds_to_tf32, jobs(1))) == {0: (False, "true")}
            list(run_jobs(workers, refuse, jobs(4)))

    with pytest.raises(InputError, match="two is not to be had"):
        work()
    assert {number: value for number, (value, _) in found.items()} == {number: number * number for number in range(8)}
    assert os.getpid() not in {process for _, process in found.values()}
    until(lambda: not any(Path(f"/proc/{process}").exists() for _, process in found.values()), 20)


def test_what_a_job_raises_here_is_raised():
    with pytest.raises(InputError, match="two is not to be had"), open_workers(1) as workers:
        list(run_jobs(workers, refuse, jobs(4)))


def test_a_process_that_cannot_be_started_is_told(monkeypatch):
    def submit(*_):
        raise OSError("no process to be had")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    with pytest.raises(OSError, match="no process to be had"), open_workers(2) as workers:
        list(run_jobs(workers, square, jobs(2)))


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """A script whose workers note their numbers and then sleep is killed; nobody is left."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from interp.core.parallel import open_workers, run_jobs\n"
        "def note(folder):\n"
        "    (Path(folder) / f'worker_{os.getpid()}').touch()\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    with open_workers(2) as workers:\n"
        "        list(run_jobs(workers, note, ((n, lambda: (sys.argv[1],)) for n in range(2))))\n"
    )
    process = subprocess.Popen([sys.executable, script, tmp_path])

    until(lambda: len(list(tmp_path.glob("worker_*"))) == 2)
    process.kill()
    process.wait()
    numbers = [int(path.name.removeprefix("worker_")) for path in tmp_path.glob("worker_*")]
    until(lambda: not any(Path(f"/proc/{number}").exists() for number in numbers), 20)


@pytest.mark.slow
def test_a_pool_that_broke_meanwhile_is_told():
    """A worker may die while arguments of the next job are computed here."""

    def arguments(number):
        if number == 3:
            time.sleep(1)
        return (number,)

    def work():
        with open_workers(2) as workers:
            list(
                run_jobs(
                    workers, die, ((number, lambda number=number: arguments(number)) for number in (0, 1, 2, 3, 4))
                )
            )

    with pytest.raises(ComputationError, match=r"a worker process ended by itself \(exit code 3\)"):
        work()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_so():
    with pytest.raises(ComputationError, match="killed, perhaps for want of memory"), open_workers(2) as workers:
        list(run_jobs(workers, end_by, [(number, lambda: (signal.SIGKILL,)) for number in range(2)]))


def end_unless_first(number):
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.integration
def test_a_lost_worker_costs_its_job_only():
    told = {}

    def failed(name, error):
        told[name] = str(error)
        return "lost"

    with open_workers(2) as workers:
        found = dict(run_jobs(workers, end_unless_first, jobs(5), failed=failed))
    assert found == {0: "lost", 1: 1, 2: 2, 3: 3, 4: 4}
    assert list(told) == [0]
    assert "killed, perhaps for want of memory" in told[0]


@pytest.mark.slow
def test_a_signal_that_ends_a_worker_is_named():
    with pytest.raises(ComputationError, match="ended by SIGABRT"), open_workers(2) as workers:
        list(run_jobs(workers, end_by, [(number, lambda: (signal.SIGABRT,)) for number in range(2)]))


SCRIPT = """
import sys
from interp.core.parallel import open_workers, run_jobs
from interp.core.sent_once import SentOnce
{before}
{guard}
    with open_workers(2) as workers:
        print(sorted(value for _, value in run_jobs(workers, abs, ((n, lambda n=n: (-n,)) for n in range(3)))))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "before", "told"),
    [
        ("if __name__ == '__main__':", "", None),
        ("if True:", "", "put what it does under `if __name__ == '__main__':`"),
        # Without a guard, and it fails in the worker before it comes to ask for workers.
        ("if True:", "if __name__ != '__main__': raise KeyError('lost')", "ended by itself (exit code 1)"),
        (
            "if __name__ == '__main__':",
            "if __name__ != '__main__': import nothing_of_this_name",
            "ended by itself (exit code 1)",
        ),
    ],
)
def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path, guard, before, told):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard=guard, before=before))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    if told is None:
        assert done.stdout == "[0, 1, 2]\n", done.stderr
        return
    assert done.returncode
    assert told in done.stderr.splitlines()[-1]
    assert "for want of memory" not in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_without_a_cluster_is_told_at_once(address):
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(InputError, match="no Ray cluster at"), open_workers(1, address):
        pass


class RayError(Exception):
    """As Ray's."""


class RayTaskError(RayError):
    """As Ray's: around the error of a job, with the traceback for its text."""

    def __init__(self, cause):
        super().__init__(f"ray::_alone() (pid=7)\n  File parallel.py, line 3\n{cause!r}")
        self.cause = cause

    def as_instanceof_cause(self):
        return self


def ray_tasks(error):
    """Tasks of a cluster whose jobs all end with this error."""

    def get(_):
        raise error

    kinds = SimpleNamespace(RayTaskError=RayTaskError, RayError=RayError)
    return RayTasks(SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0}, get=get, exceptions=kinds))


def test_what_a_task_of_ray_raises_is_raised_without_its_traceback():
    refused = InputError("two is not to be had")
    with pytest.raises(InputError) as caught:
        ray_tasks(RayTaskError(refused)).result("a task")
    assert caught.value is refused


@pytest.mark.parametrize(("said", "told"), [("it died\nat noon", "it died"), ("", "RayError")])
def test_a_lost_task_of_ray_is_told_in_one_line(said, told):
    with pytest.raises(ComputationError) as caught:
        ray_tasks(RayError(said)).result("a task")
    assert str(caught.value) == f"the Ray cluster lost a job: {told}"


class Heavy(SentOnce):
    """Tells where and how often it was unpickled."""

    unpickled = 0

    def __init__(self, *parts):
        super().__init__(*parts)
        type(self).unpickled += 1


def look_at(heavy, number):
    return heavy.parts[0].sum() + number, os.getpid(), Heavy.unpickled


def shared_jobs(heavy):
    return ((number, lambda number=number: (heavy, number)) for number in range(6))


@pytest.mark.integration
def test_what_jobs_share_is_read_once_by_each_process_and_its_file_goes_with_it():
    heavy = Heavy(np.ones(1000))
    with open_workers(2) as workers:
        found = dict(run_jobs(workers, look_at, shared_jobs(heavy)))
    assert {number: total for number, (total, _, _) in found.items()} == {number: 1000 + number for number in range(6)}
    assert all(times == 1 for _, _, times in found.values())
    path = next(iter(heavy._places.values())).path
    assert path.stat().st_size > 8000
    # A job says where the bytes lie.
    assert len(pickle.dumps(heavy)) < 500
    del heavy, workers
    gc.collect()
    assert not path.exists()


def test_a_shared_file_that_cannot_be_written_goes_too(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TypeError):
        InFile.put("text, not bytes")
    gc.collect()
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
def test_on_ray():
    """A job's errors are raised here, and what jobs share lies once in the store of the cluster."""
    pytest.importorskip("ray", reason="Ray is not installed")
    heavy = Heavy(np.ones(1000))
    with open_workers(1, "local") as workers:
        squares = dict(run_jobs(workers, square, jobs(4)))
        shared = dict(run_jobs(workers, look_at, shared_jobs(heavy)))
        assert dict(run_jobs(workers, rounds_to_tf32, jobs(1))) == {0: (False, "true")}
        with pytest.raises(InputError, match=r"^two is not to be had$"):
            list(run_jobs(workers, refuse, jobs(4)))
    assert {number: value for number, (value, _) in squares.items()} == {0: 0, 1: 1, 2: 4, 3: 9}
    assert os.getpid() not in {process for _, process in squares.values()}
    assert {number: total for number, (total, _, _) in shared.items()} == {number: 1000 + number for number in range(6)}
    for process in {process for _, process, _ in shared.values()}:
        assert max(times for _, each, times in shared.values() if each == process) == 1
    assert len(heavy._places) == 1
