"""``python -m rdbench`` and the ``rdbench`` command."""

import sys

from rdbench.cli import app
from rdbench.cli.signs import replace_missing_signs
from rdbench.errors import InterruptedSweepError, UserError, plain
from rdbench.execute.output import output


def main() -> None:
    """Run the command line; a user's error is one line on stderr, and exit code 2 or the one that it names."""
    replace_missing_signs()
    try:
        with output(BrokenPipeError):  # who closes a pipe has seen enough
            app()
    except UserError as error:
        print(plain(f"rdbench: {error}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except InterruptedSweepError as interruption:
        print(plain(f"rdbench: {interruption}"), file=sys.stderr)
        sys.exit(interruption.exit_code)


if __name__ == "__main__":
    main()
