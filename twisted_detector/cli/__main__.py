"""``python -m twisted_detector.cli``: the command without its script."""

import sys

from twisted_detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
