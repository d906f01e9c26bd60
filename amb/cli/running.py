"""What long commands print when they are interrupted."""

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
        sys.exit(INTERRUPTED)
