"""Untrusted pickles: arrays are read exactly, and nothing in any file ever runs."""

import codecs
import contextlib
import gc
import os
import pickle
import pickletools
import subprocess
import sys
import time

import numpy as np
import pytest

from interp.core import pickles
from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle


@pytest.fixture
def small_heap():
    """Nothing of other tests is looked through when a deep value makes the garbage collector run."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def write(tmp_path, content):
    path = tmp_path / "file.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=3))
    return path


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_as_they_were(tmp_path, protocol):
    content = [
        (np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.float32(np.nan)),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)),),
        {"data": np.arange(5, dtype=np.uint8), "labels": [1, 2]},
        (np.arange(3, dtype=">i4"),),
        [2**40, -1, 0, True, False, 2.5, None, "text\n\\", b"", b"a\xff\n", np.int64(7)],
        (np.zeros((0, 3)), np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)),
    ]
    read = read_array_pickle(write(tmp_path, pickle.dumps(content, protocol)))
    np.testing.assert_array_equal(read[0][0], content[0][0])
    assert read[0][0].dtype == np.float32
    assert np.isnan(read[0][1])
    np.testing.assert_array_equal(read[1][0], content[1][0])
    np.testing.assert_array_equal(read[2]["data"], content[2]["data"])
    np.testing.assert_array_equal(read[3][0], content[3][0])
    assert read[4] == content[4]
    assert read[5][0].shape == (0, 3)
    np.testing.assert_array_equal(read[5][1], content[5][1])


def test_an_array_that_python_2_pickled_is_read(tmp_path):
    """Its bytes are texts there; written by hand, since Python 3 does not write such files."""
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03\x00\x80\xfftb."
    )
    np.testing.assert_array_equal(read_array_pickle(write(tmp_path, content)), np.array([0, 128, 255], np.uint8))


@pytest.mark.parametrize("protocol", [0, 1])
def test_the_text_protocols_of_python_2_are_read(tmp_path, protocol):
    """Written by hand, as Python 2 writes {"data": np.array([0, 128, 10], np.uint8), "n": [5, 6L]}."""
    text = (lambda value: repr(value)[1:].encode()) if protocol == 0 else (lambda value: value)
    letters = {0: lambda value: b"S" + text(value) + b"\n", 1: lambda value: b"U" + bytes([len(value)]) + value}[
        protocol
    ]
    content = (
        b"(d"
        + letters(b"data")
        + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt"
        + letters(b"b")
        + b"tR(I1\n(I3\ntcnumpy\ndtype\n("
        + letters(b"u1")
        + b"I0\nI1\ntR(I3\n"
        + letters(b"|")
        + b"NNNI-1\nI-1\nI0\ntbI00\n"
        + letters(b"\x00\x80\n")
        + b"tbs"
        + letters(b"n")
        + b"(lI5\naL6L\nas."
    )
    read = read_array_pickle(write(tmp_path, content))
    np.testing.assert_array_equal(read["data"], np.array([0, 128, 10], np.uint8))
    assert read["n"] == [5, 6]


def test_calls_are_refused_and_not_made(tmp_path):
    marker = tmp_path / "marker"
    for content in (
        Calls(os.system, f"touch {marker}"),
        [(np.zeros(3), Calls(os.mkdir, str(marker)))],
        Calls(eval, f"open({str(marker)!r}, 'w')"),
        {"key": [[Calls(os.system, f"touch {marker}")]]},
        Calls(codecs.encode, "text", "hex"),
        Calls(bytes, 10**9),
        Calls(bytearray, 10**9),
    ):
        with pytest.raises(InputError, match="refused"):
            read_array_pickle(write(tmp_path, content))
        assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        np.array([object(), None]),
        np.array([{"a": 1}], dtype=object),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["text"]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        [{1, 2}],
        {1: 2.0},
        [bytearray(b"x")],
        np.ma.masked_array([1.0]),
        np.random.RandomState(0),
    ],
)
def test_objects_are_refused(tmp_path, content):
    with pytest.raises(InputError, match="refused"):
        read_array_pickle(write(tmp_path, content))


def test_every_truncation_is_refused(tmp_path):
    whole = pickle.dumps([(np.zeros((2, 2), np.float32), np.float32(1))], protocol=3)
    for length in range(len(whole)):
        with pytest.raises(InputError) as caught:
            read_array_pickle(write(tmp_path, whole[:length]))
        assert "\n" not in str(caught.value)


def test_a_flipped_byte_never_ends_in_anything_but_a_value_or_a_refusal(tmp_path):
    whole = pickle.dumps([(np.arange(4, dtype=np.float32), np.float32(1))], protocol=3)
    for position in range(len(whole)):
        for value in (0, 1, ord("("), ord("R"), ord("c"), ord("."), whole[position] ^ 0x80, 255):
            changed = bytearray(whole)
            changed[position] = value
            with contextlib.suppress(InputError):
                read_array_pickle(write(tmp_path, bytes(changed)))


def nested(levels, width):
    """A list of one shared list of one shared list ...: a few bytes that stand for width ** levels elements."""
    value = [1.0]
    for _ in range(levels):
        value = [value] * width
    return value


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"N" + b"r\x00\xe1\xf5\x05" + b".",  # a memo index of 10 ** 8
        b"\x80\x03}(" + b"(" * 40 + b"tt" * 20 + b"Ku.",
        b"\x80\x04" + b"\x8e" + (2**62).to_bytes(8, "little") + b"abc.",  # 2 ** 62 bytes announced
        b"(" * 100_000 + b".",
        b"]" * 100_000 + b"a" * 99_999 + b".",
        b"cnumpy.core.multiarray\nscalar\n(N}U\x0c__defaults__(K\x01K\x02tstb.",
        b"cnumpy.core.multiarray\nscalar\n}U\x03abcK\x02sb.",
        b"\x82\x01.",  # an extension code
        b"Pid\n.",  # a persistent id
        b"(i__builtin__\neval\n.",
        b"ccopyreg\n_reconstructor\n.",
        b"cnumpy\nndarray\n.",
        b"",
        b".",
    ],
)
def test_crafted_files_are_done_with_at_once(tmp_path, small_heap, content):
    before = dict(vars(pickles))
    began = time.process_time()
    with contextlib.suppress(InputError):
        read_array_pickle(write(tmp_path, content))
    assert time.process_time() - began < 1
    assert dict(vars(pickles)) == before


def test_shared_lists_cost_no_more_than_they_are_long(tmp_path):
    began = time.process_time()
    value = read_array_pickle(write(tmp_path, pickle.dumps(nested(7, 1000), protocol=3)))
    assert time.process_time() - began < 1
    assert len(value) == 1000


def doubled(times):
    """Instructions for a tuple of two of a tuple of two of a tuple ...: three bytes double it."""
    return b"N" + b"".join(b"q\x00h\x00\x86" for _ in range(times))


GLOBAL = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
TYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x89\x88\x87Rq\x01(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
LONG_TEXT = b"X" + (4_000_000).to_bytes(4, "little") + b"x" * 4_000_000
LONG_BYTES = b"B" + (4_000_000).to_bytes(4, "little") + b"x" * 4_000_000
STATE = b"(K\x01J" + (4_000_000).to_bytes(4, "little") + b"\x85h\x01\x89h\x00tb"
COSTLY = {
    "a shared tuple is named": doubled(60) + b"h\x00\x93.",
    "a shared tuple is a type": b"cnumpy\ndtype\n" + doubled(60) + b"\x85R.",
    "a shared tuple is a key": b"}" + doubled(60) + b"Ns.",
    "a shared tuple is a shape": b"cnumpy.core.multiarray\nscalar\n" + doubled(60) + b"R.",
    "a shared tuple is the result": doubled(60) + b".",
    "an array has many places in the memo and is built as often": TYPE
    + b"K\x00\x85q\x02C\x00q\x03"
    + GLOBAL
    + b"q\x04"
    + b"\x94" * 20_000
    + b"(h\x04" * 20_000
    + b"(Nh\x02h\x01\x89h\x03tb"
    + b"h\x02h\x01\x89h\x03tb" * 20_000
    + b".",
    "one text is many arrays": LONG_TEXT + b"q\x00" + TYPE + b"](" + (GLOBAL + STATE) * 400 + b"e\x87.",
    "one text is many bytes": LONG_TEXT
    + b"q\x00("
    + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 400
    + b"t.",
    "one text is many names": LONG_TEXT + b"q\x00" + b"h\x00h\x00\x93" * 1000 + b".",
    "one text is the order of many arrays": LONG_BYTES
    + b"q\x00"
    + TYPE
    + b"("
    + (b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01J" + (4_000_000).to_bytes(4, "little") + b"\x85h\x00tR") * 400
    + b"t.",
    "equal long keys": LONG_BYTES + b"q\x00" + LONG_BYTES + b"q\x01}h\x00Ns" + b"h\x01Ns" * 100_000 + b"\x87.",
    "tuples in tuples": b"N" + b"\x85" * 100_000 + b".",
    "tuples in tuples, compared": b"N" + b"\x85" * 100_000 + b"q\x00}h\x00h\x00s.",
    "lists in lists in dicts": b"]" * 100_000 + b"a" * 99_999 + b".",
    "a list in itself": b"]q\x00h\x00a.",
    "many dicts": b"(" + b"}" * 8_000_000 + b"l.",
    "a large number": b"L" + b"9" * 4_000_000 + b"L\n.",
    "a product of large numbers": b"cnumpy.core.multiarray\nscalar\n"
    + b"\x8b"
    + (2_000_000).to_bytes(4, "little")
    + b"\x7f" * 2_000_000
    + b".",
}


@pytest.mark.parametrize("content", COSTLY.values(), ids=COSTLY)
def test_work_and_memory_are_bounded_by_the_size_of_the_file(tmp_path, content):
    """In a process of its own, with 400 MB beyond what it starts with and ten seconds."""
    path = write(tmp_path, content)
    script = f"""
import resource
from pathlib import Path
import numpy
from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle
from interp.data.cifar10_batches import read_python
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 400_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
for read in (read_array_pickle, read_python):
    try:
        read(Path({str(path)!r}))
    except InputError as error:
        assert "damaged or cut off" not in str(error) or not isinstance(error.__cause__, MemoryError), error
        assert len(str(error)) < 400
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_messages_are_short_whatever_the_file_says(tmp_path):
    content = b"c" + b"x" * 100_000 + b"\n" + b"y\x00\x1b" * 1000 + b"\n."
    with pytest.raises(InputError) as caught:
        read_array_pickle(write(tmp_path, content))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_lying_shape_is_refused(tmp_path):
    whole = pickle.dumps(np.zeros(200, np.float32), protocol=3)
    huge = whole.replace(b"K\xc8", b"K\xc9")
    assert huge != whole
    with pytest.raises(InputError, match="800 bytes, its shape needs 804"):
        read_array_pickle(write(tmp_path, huge))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.pkl"):
        read_array_pickle(tmp_path / "nothing.pkl")


def test_published_files_need_only_the_four_names(reference_dir):
    names = set()
    for path in (reference_dir / "networks").glob("*.pkl"):
        names |= {
            argument for operation, argument, _ in pickletools.genops(path.read_bytes()) if operation.name == "GLOBAL"
        }
        read_array_pickle(path)
    assert names == {
        "numpy.core.multiarray _reconstruct",
        "numpy.core.multiarray scalar",
        "numpy ndarray",
        "numpy dtype",
    }
