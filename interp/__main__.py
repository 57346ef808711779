"""`python -m interp`, the same as the console command `interp`."""

import sys

from interp.commands.console import main

if __name__ == "__main__":
    sys.exit(main())
