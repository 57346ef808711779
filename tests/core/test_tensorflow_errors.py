"""Errors of TensorFlow as one line."""

import tensorflow as tf

from interp.core.tensorflow_errors import computation_error


def test_an_error_without_a_word_is_named():
    assert str(computation_error(tf.errors.UnknownError(None, None, " \n"))) == "TensorFlow failed: UnknownError"
    told = str(computation_error(tf.errors.ResourceExhaustedError(None, None, "")))
    assert told.startswith("memory ran out (ResourceExhaustedError): give a smaller --batch-size")
    assert str(computation_error(tf.errors.UnknownError(None, None, "out of luck"))) == "TensorFlow failed: out of luck"
    assert computation_error(ValueError("a fault of ours")) is None
