"""TensorFlow without its start-up notes, and Keras on it."""

import importlib
import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Import Keras and TensorFlow without what C++ writes on standard error meanwhile; after a failed import it is shown.

    Raises InputError where Keras runs on something else.
    """
    if "interp.core.keras_backend" in sys.modules:
        return
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
