"""One line on stderr that says what went wrong; in a terminal it is wrapped between words."""

import sys

from amb.study.untrusted import plain
from amb.text import wrapped


def complain(message: str) -> None:
    """Print `amb: <message>` on stderr, whole in a pipe or a file."""
    line = plain(f"amb: {message}")
    print(wrapped(line) if sys.stderr.isatty() else line, file=sys.stderr, flush=True)
