"""Evaluate all networks of an experiment; see `python eval.py --help`."""

import sys

from interp.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
