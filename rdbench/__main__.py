"""``python -m rdbench`` and the ``rdbench`` command."""

import sys

from rdbench.cli import app
from rdbench.errors import UserError


def main() -> None:
    """Run the command line; a user's error is one line on stderr and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"rdbench: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
