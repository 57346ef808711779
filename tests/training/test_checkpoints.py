"""Checkpoints: complete or absent, checked before use, and true to the run they came from."""

import os
import shutil
import subprocess

import numpy as np
import pytest

from interp.core.errors import InputError
from interp.training.checkpoints import MANIFEST, STATE, Checkpoint, CheckpointFolder, check_arguments


def checkpoint(step):
    arrays = {"network/w": np.full((50, 3), step, np.float32), "optimizer/0": np.array(step, np.int64)}
    return Checkpoint(step, arrays, {"step": step, "sums": {"loss": 0.1 + 0.2}}, {"seed": 99})


@pytest.fixture
def folder(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    for step in (10, 20, 30):
        folder.save(checkpoint(step))
    return folder


def refuse(message):
    pytest.fail(f"nothing should be wrong: {message}")


def test_the_newest_comes_back_whole_and_two_are_kept(folder):
    newest = folder.load_newest(refuse)
    assert newest.step == 30
    np.testing.assert_array_equal(newest.arrays["network/w"], checkpoint(30).arrays["network/w"])
    assert newest.arrays["optimizer/0"].dtype == np.int64
    assert newest.progress == checkpoint(30).progress
    assert sorted(path.name for path in folder.folder.iterdir()) == ["step_00000020", "step_00000030"]


def test_no_folder_is_no_checkpoint(tmp_path):
    assert CheckpointFolder(tmp_path / "nothing").load_newest(refuse) is None


@pytest.mark.parametrize("name", [STATE, MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_byte_is_found_and_the_one_before_taken(folder, name, place):
    path = folder.folder / "step_00000030" / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1
    assert "step_00000030" in told[0]
    folder.save(checkpoint(30))
    assert folder.load_newest(refuse).step == 30


@pytest.mark.parametrize("name", [STATE, MANIFEST])
def test_a_missing_or_cut_file_is_found(folder, name):
    path = folder.folder / "step_00000030" / name
    path.write_bytes(path.read_bytes()[:-1])
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1
    (folder.folder / "step_00000020" / name).unlink()
    assert folder.load_newest(told.append) is None
    assert len(told) == 2


def test_new_checkpoints_do_not_give_way_to_damaged_ones(folder):
    """The run starts over from step 0, below the numbers of the damaged ones."""
    for path in folder.folder.glob("step_*"):
        (path / STATE).write_bytes(b"")
    told = []
    assert folder.load_newest(told.append) is None
    assert len(told) == 2
    for step in (5, 10, 15):
        folder.save(checkpoint(step))
    assert folder.load_newest(refuse).step == 15
    assert sorted(path.name for path in folder.folder.glob("step_*")) == ["step_00000010", "step_00000015"]
    assert len(list(folder.folder.glob("damaged_*"))) == 2


def test_leftovers_of_a_killed_write_are_not_checkpoints_and_go(folder):
    leftover = folder.folder / ".writing-abc"
    shutil.copytree(folder.folder / "step_00000030", leftover)
    assert folder.load_newest(refuse).step == 30
    folder.save(checkpoint(40))
    assert not leftover.exists()


def test_other_arguments_are_named():
    check_arguments("it", {"seed": 99, "ramp": [0, 1]}, {"seed": 99, "ramp": (0, 1)})
    with pytest.raises(
        InputError, match=r"it was made with other arguments: a\.epsilon was 0\.1 and is 0\.2; new was None and is 1"
    ) as caught:
        check_arguments("it", {"seed": 99, "a": {"epsilon": 0.1}}, {"seed": 99, "a": {"epsilon": 0.2}, "new": 1})
    assert "seed" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    try:
        folder = CheckpointFolder(disk / "checkpoints")
        folder.save(checkpoint(1))
        big = Checkpoint(2, {"w": np.zeros(100_000, np.float32)}, {}, {})
        with pytest.raises(InputError, match="No space left on device; earlier checkpoints are intact"):
            folder.save(big)
        assert folder.load_newest(refuse).step == 1
        assert [path.name for path in folder.folder.iterdir()] == ["step_00000001"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        CheckpointFolder(tmp_path / "file" / "checkpoints").save(checkpoint(1))
