"""Sub-batches side by side give what one batch gives."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from interp.core import compiled, streams
from interp.core.threads import AT_ONCE, PER_OPERATION, count_cores, share_cores_among_streams


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_order(count):
    assert list(streams.side_by_side(lambda item: item**2, range(7), count)) == [0, 1, 4, 9, 16, 25, 36]


def test_two_streams_are_under_way_at_once():
    both = threading.Barrier(2, timeout=20)
    assert sorted(streams.side_by_side(lambda item: both.wait() * 0 + item, [1, 2], 2)) == [1, 2]


def test_nothing_begins_after_an_error():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("first")
        threading.Event().wait(0.05)

    with pytest.raises(ValueError, match="first"):
        list(streams.side_by_side(work, range(50), 2))
    assert len(begun) < 10


@pytest.mark.parametrize(("rows", "batch_size"), [(1, 250), (3, 250), (7, 250), (50, 250), (50, 8), (9, 1)])
def test_batches_keep_rows_and_bound(rows, batch_size, monkeypatch):
    monkeypatch.setattr(compiled, "count_streams", lambda: 2)
    sizes = []

    def double(values, labels):
        sizes.append(len(values))
        return 2 * values, labels

    values, labels = tf.random.stateless_uniform((rows, 2), (1, 2)), tf.range(rows)
    doubled, kept = compiled.run_in_batches(double, (values, labels), batch_size)
    np.testing.assert_array_equal(doubled, 2 * values)
    np.testing.assert_array_equal(kept, labels)
    assert max(sizes) <= -(-min(rows, batch_size) // 2)


@pytest.mark.parametrize(
    ("per_operation", "at_once", "expected"),
    [("", "", min(2, count_cores())), ("1", "2", 2), ("1", "1", 1), ("2", "2", 1), ("4", "16", 4), ("1", "64", 4)],
)
def test_streams_follow_the_threads(per_operation, at_once, expected, monkeypatch):
    if tf.config.threading.get_intra_op_parallelism_threads():
        pytest.skip("this process has chosen its threads by tf.config")
    monkeypatch.setenv(PER_OPERATION, per_operation)
    monkeypatch.setenv(AT_ONCE, at_once)
    assert streams.count_streams() == expected


def test_sharing_keeps_what_is_set(monkeypatch):
    monkeypatch.setenv(PER_OPERATION, "7")
    monkeypatch.delenv(AT_ONCE, raising=False)
    share_cores_among_streams()
    assert streams.from_environment(PER_OPERATION) == 7
    assert streams.from_environment(AT_ONCE) == count_cores()


def test_a_slow_first_item_does_not_let_others_begin_after_an_error():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("second")
        threading.Event().wait(0.3)
        return item

    results = streams.side_by_side(work, range(50), 2)
    with pytest.raises(ValueError, match="second"):
        list(results)
    assert len(begun) <= 3
