"""Imported before all that needs Keras: where it does not run on TensorFlow, an InputError says so, and how to mend it."""

import os

from interp.core.errors import InputError

_REMEDY = (
    "this package computes with TensorFlow: set the environment variable KERAS_BACKEND=tensorflow before Python starts"
)
# Of other libraries that Keras runs on, which its file of settings may name too.
_OTHERS = ("jax", "torch", "openvino")
try:
    import keras
except (ImportError, ValueError) as error:
    _named = os.environ.get("KERAS_BACKEND", "tensorflow")
    if _named == "tensorflow" and not (isinstance(error, ImportError) and error.name in _OTHERS):
        raise
    _told = "its settings name" if _named == "tensorflow" else f"KERAS_BACKEND={_named} names"
    raise InputError(f"Keras cannot run on what {_told} ({error}); {_REMEDY}") from error
if keras.backend.backend() != "tensorflow":
    raise InputError(f"Keras runs on {keras.backend.backend()}; {_REMEDY}")
