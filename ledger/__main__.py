"""`python -m ledger`, the auditor's tool; its commands stand in `ledger.cli`."""

import sys

from ledger.cli import main

if __name__ == "__main__":
    sys.exit(main())
