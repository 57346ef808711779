"""Files appear complete or not at all."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from interp.core.errors import InputError
from interp.core.files import check_writable, locked, replacing, visible_files, write_json, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.txt"
    write_text(target, "old")

    def fail():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.txt"]


def test_folders_are_made_and_the_suffix_is_kept(tmp_path):
    with replacing(tmp_path / "a" / "b" / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    assert (tmp_path / "a" / "b" / "picture.png").read_bytes() == b"x"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "file" / "result.txt", "text")


def test_asking_whether_a_folder_can_be_written_leaves_it_alone(tmp_path):
    (tmp_path / "probe").write_text("mine")
    check_writable(tmp_path)
    check_writable(tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "probe"]
    assert (tmp_path / "probe").read_text() == "mine"
    with pytest.raises(InputError, match="choose a folder that can be written"):
        check_writable(tmp_path / "probe" / "under")


def test_json_refuses_nan_and_round_trips(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_what_a_killed_writer_left_is_passed_over_and_then_removed(tmp_path):
    killed = f"""
import os, signal, sys
from interp.core.files import replacing
with replacing({str(tmp_path / "a.json")!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.read_text() == "half"
    assert visible_files(tmp_path, ".json") == []
    # Whichever file is written next in the folder.
    write_text(tmp_path / "b.json", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_a_writer_that_lives_keeps_its_file(tmp_path):
    with replacing(tmp_path / "a.json") as first, replacing(tmp_path / "a.json") as second:
        write_text(tmp_path / "b.json", "whole")
        first.write_text("first")
        second.write_text("second")
        assert first != second
    assert (tmp_path / "a.json").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_files_of_others_are_no_leftovers(tmp_path):
    names = [".a-settings.json", ".b-abcdefgh.json", ".interp-writing-note", ".hidden.json"]
    for name in names:
        (tmp_path / name).write_text("mine")
    write_text(tmp_path / "a.json", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "a.json"])


def test_visible_files_are_files_of_these_suffixes(tmp_path):
    for name in ("b.pkl", "a.safetensors", ".a-abcdefgh.safetensors", "c.txt", ".pkl"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.pkl").mkdir()
    assert [path.name for path in visible_files(tmp_path, (".safetensors", ".pkl"))] == ["a.safetensors", "b.pkl"]
    assert visible_files(tmp_path / "nowhere", ".pkl") == []
    assert visible_files(tmp_path / "c.txt", ".pkl") == []


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_not_taken_for_another_process(tmp_path, monkeypatch, number):
    with (
        locked(tmp_path / "held"),
        pytest.raises(InputError, match="another process works in"),
        locked(tmp_path / "held"),
    ):
        pass

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "free", wait=True), locked(tmp_path / "free"):
        write_text(tmp_path / "free" / "result.txt", "text")
    assert (tmp_path / "free" / "result.txt").read_text() == "text"


def test_a_lock_that_fails_otherwise_is_told(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(InputError, match="cannot lock"), locked(tmp_path / "held"):
        pass
