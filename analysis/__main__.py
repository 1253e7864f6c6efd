"""``python -m analysis`` is the command ``reengage``."""

import sys

from analysis.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
