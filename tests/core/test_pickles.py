"""Untrusted pickles: arrays are read exactly, and nothing in any file ever runs."""

import contextlib
import os
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle


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


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_back_as_they_were(tmp_path, protocol):
    content = [
        (np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.float32(np.nan)),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)),),
        {"data": np.arange(5, dtype=np.uint8), "labels": [1, 2]},
        (np.arange(3, dtype=">i4"),),
    ]
    read = read_array_pickle(write(tmp_path, pickle.dumps(content, protocol)))
    np.testing.assert_array_equal(read[0][0], content[0][0])
    assert read[0][0].dtype == np.float32
    assert np.isnan(read[0][1])
    np.testing.assert_array_equal(read[1][0], content[1][0])
    np.testing.assert_array_equal(read[2]["data"], content[2]["data"])
    np.testing.assert_array_equal(read[3][0], content[3][0])


def test_an_array_that_python_2_pickled_is_read(tmp_path):
    """Its bytes are texts there; written by hand, since Python 3 does not write such files."""
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03\x00\x80\xfftb."
    )
    np.testing.assert_array_equal(read_array_pickle(write(tmp_path, content)), np.array([0, 128, 255], np.uint8))


@pytest.mark.parametrize("protocol", [2, 5])
def test_names_beyond_the_four_are_refused_even_where_numpy_writes_them(tmp_path, protocol):
    """Protocol 2 of Python 3 calls _codecs.encode for bytes, protocol 5 of NumPy _frombuffer."""
    with pytest.raises(InputError, match="could run code"):
        read_array_pickle(write(tmp_path, pickle.dumps(np.arange(3.0), protocol)))


def test_calls_are_refused_and_not_made(tmp_path):
    marker = tmp_path / "marker"
    for content in (
        Calls(os.system, f"touch {marker}"),
        [(np.zeros(3), Calls(os.mkdir, str(marker)))],
        Calls(eval, f"open({str(marker)!r}, 'w')"),
        {"key": [[Calls(os.system, f"touch {marker}")]]},
    ):
        with pytest.raises(InputError, match="could run code"):
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
        [set()],
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


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_flipped_byte_never_ends_in_anything_but_a_value_or_a_refusal(tmp_path_factory, position, value):
    whole = bytearray(pickle.dumps([(np.arange(4, dtype=np.float32), np.float32(1))], protocol=3))
    whole[position % len(whole)] = value
    path = write(tmp_path_factory.mktemp("flipped"), bytes(whole))
    with contextlib.suppress(InputError):
        read_array_pickle(path)


def test_a_lying_shape_is_refused(tmp_path):
    whole = pickle.dumps(np.zeros(200, np.float32), protocol=3)
    huge = whole.replace(b"K\xc8", b"K\xc9")
    assert huge != whole
    with pytest.raises(InputError, match="800 bytes"):
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
