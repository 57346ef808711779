"""Train the networks of a numbered script; see `python train.py --help`."""

import sys

from interp.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
