"""What commands that run for long do when they are interrupted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERRUPTED = 130


@contextmanager
def interruptible(study: Path) -> Iterator[None]:
    """Turn Ctrl-C into one line that says what is kept, and exit status 130."""
    try:
        yield
    except KeyboardInterrupt:
        finished = len(list((study / "runs").glob("*.parquet")))
        under_way = len(list((study / "journal").glob("*.arrows")))
        print(
            f"\namb: interrupted; {study} keeps {finished} finished runs, {under_way} journals. "
            "The same command goes on from there.",
            file=sys.stderr,
        )
        sys.exit(INTERRUPTED)
