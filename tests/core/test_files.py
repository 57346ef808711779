"""Files appear complete or not at all."""

import json

import pytest

from interp.core.errors import InputError
from interp.core.files import check_writable, replacing, write_json, write_text


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
