"""What commands that run something print at first, and what they print and return when they are interrupted."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amb.foreign import Interrupted

if TYPE_CHECKING:
    from amb.run.progress import Progress


def interrupted_status(error: KeyboardInterrupt) -> int:
    """The exit status of an interrupted command, as shells count: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def announced(*, as_json: bool) -> "Progress":
    """The display of a command that runs something, which has said already what is prepared.

    Call it before imports that take seconds.
    """
    from rich.console import Console

    from amb.run.display import display

    progress = display(Console(stderr=as_json))
    progress.prepare()
    return progress


@contextmanager
def interruptible(study: Path) -> Iterator[None]:
    """Turn Ctrl-C or SIGTERM into one line that says what is kept, and exit status 130 or 143."""
    try:
        yield
    except KeyboardInterrupt as error:
        from amb.study.journal import find_journals, read_journal
        from amb.text import plural

        finished = len(list((study / "runs").glob("*.parquet")))
        journals = find_journals(study / "journal")
        queries = sum(len(content.known.trace) for path in journals if (content := read_journal(path)))
        print(
            f"\namb: interrupted; {study} keeps {plural(finished, 'finished run')}, and "
            f"{plural(queries, 'query', 'queries')} of {plural(len(journals), 'unfinished run')}. "
            "The same command resumes them.",
            file=sys.stderr,
        )
        sys.exit(interrupted_status(error))
