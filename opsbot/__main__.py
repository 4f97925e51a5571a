"""`python -m opsbot`."""

import sys

from opsbot.cli import main

if __name__ == "__main__":
    sys.exit(main())
