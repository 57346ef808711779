"""Evaluate one network; see `python eval_cmd.py --help`."""

import sys

from interp.commands.evaluate_network import main

if __name__ == "__main__":
    sys.exit(main())
