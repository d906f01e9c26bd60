"""How commands run: what they print at first, which signals they receive, and how they end when interrupted."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from amb.cli.complaints import complain
from amb.interruption import SIGNALS, Interrupted, Receiver, from_user, is_receiver

if TYPE_CHECKING:
    from amb.run.progress import Progress

REPEAT = "nothing is lost, and the command can be repeated"


class Running(Receiver):
    """A context in which a command runs: Ctrl-C, SIGTERM and SIGHUP raise `Interrupted`.

    What follows is the end of the process: there the signals have their usual effect, which prints no traceback.
    """

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError, AttributeError):  # printed, so that a signal cannot lose it any more
            sys.stdout.flush()
        self.leave()
        _receive_no_more()


def end_interrupted(error: KeyboardInterrupt, kept: str = REPEAT) -> NoReturn:
    """Say in one line what is kept, and exit with the status that shells count: 130 after Ctrl-C, 143 after SIGTERM."""
    _receive_no_more()
    number = error.number if isinstance(error, Interrupted) else signal.SIGINT
    with suppress(OSError, ValueError):  # a terminal or pipe that is gone
        sys.stdout.flush()
        print(file=sys.stderr)
        complain(f"interrupted; {kept}")
    sys.exit(128 + number)


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
def interruptible(*studies: Path) -> Iterator[None]:
    """End an interrupted command with one line that says what is kept: of studies, their runs."""
    try:
        yield
    except KeyboardInterrupt as error:
        if not from_user(error):
            raise
        end_interrupted(error) if not studies else end_interrupted(error, _kept_in(studies))


def _receive_no_more() -> None:
    for number in SIGNALS:
        if is_receiver(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _kept_in(studies: Sequence[Path]) -> str:
    begun = [study for study in studies if study.exists()] or studies[:1]
    return f"{'; '.join(map(_runs_in, begun))}. The same command resumes them."


def _runs_in(study: Path) -> str:
    from amb.study.journal import find_journals, read_journal
    from amb.text import plural

    finished = len(list((study / "runs").glob("*.parquet")))
    journals = find_journals(study / "journal")
    queries = sum(len(content.known.trace) for path in journals if (content := read_journal(path)))
    return (
        f"{study} keeps {plural(finished, 'finished run')}, and {plural(queries, 'query', 'queries')} of "
        f"{plural(len(journals), 'unfinished run')}"
    )
