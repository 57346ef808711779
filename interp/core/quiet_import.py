"""TensorFlow without its start-up notes, Keras on it, and how both use a GPU."""

import importlib
import os
import sys
import tempfile

# Whether TensorFlow takes a GPU's memory as it is needed, not all of it at once.
MEMORY_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


def import_tensorflow() -> None:
    """Import Keras and TensorFlow without what C++ writes on standard error meanwhile; after a failed import it is shown.

    On a GPU memory is taken as it is needed, unless MEMORY_GROWTH says otherwise, so that several processes can share it. What is
    float32 is computed in float32: TensorFlow's default on a GPU is TF32, products of 10 bits, by which another class may win.

    Raises InputError where Keras runs on something else.
    """
    os.environ.setdefault(MEMORY_GROWTH, "true")
    if "interp.core.keras_backend" not in sys.modules:
        _import_quietly()
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def _import_quietly() -> None:
    try:
        kept = os.dup(2)
    except OSError:
        # Closed, so nothing is written there.
        importlib.import_module("interp.core.keras_backend")
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("interp.core.keras_backend")
            importlib.import_module("tensorflow")
        except ImportError:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
