"""``python -m rdbench`` and the ``rdbench`` command."""

import sys

from rdbench.cli import app
from rdbench.cli.signs import replace_missing_signs
from rdbench.errors import InterruptedSweepError, UserError, plain
from rdbench.execute.output import open_closed_streams, output, unstoppable


def main() -> None:
    """Run the command line; a user's error is one line on stderr, and exit code 2 or the one that it names."""
    open_closed_streams()
    replace_missing_signs()
    with unstoppable():  # an error that cannot be shown has its exit code all the same
        try:
            _require_system()
            with output():
                app()
        except (UserError, InterruptedSweepError) as error:
            print(plain(f"rdbench: {error}"), file=sys.stderr)
            sys.exit(error.exit_code)


def _require_system() -> None:
    if sys.platform == "win32":
        raise UserError("found Windows; expected Linux or macOS, whose files and signals a store relies on; use WSL")


if __name__ == "__main__":
    main()
