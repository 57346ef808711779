"""TensorFlow without its start-up notes."""

import importlib
import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Import TensorFlow without what its C++ side writes on standard error meanwhile; after a failed import it is shown."""
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        except ImportError:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
