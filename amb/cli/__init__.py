"""The command line. Commands import what they need only when they run, so that `amb --help` is fast."""

import sys

from amb.errors import AmbError
from amb.study.untrusted import plain


def main() -> None:
    """Entry point of the `amb` command: bad input ends in one line on stderr and exit status 2."""
    from amb.cli.app import app

    try:
        app()
    except AmbError as error:
        print(plain(f"amb: {error}"), file=sys.stderr)
        sys.exit(2)
