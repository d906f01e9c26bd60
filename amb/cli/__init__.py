"""The command line. Commands import what they need only when they run, so that `amb --help` is fast."""

import sys
from io import TextIOWrapper
from typing import NoReturn

from amb.errors import AmbError
from amb.study.untrusted import plain


def main() -> None:
    """Entry point of the `amb` command: bad input ends in one line on stderr and exit status 2.

    So does whatever the code of a plug-in raises, `sys.exit` included.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a character shows a question mark
            stream.reconfigure(errors="replace")
    try:
        if sys.argv[1:] == ["--version"]:  # at once: the commands take longer to import than this takes
            from amb.cli.version import print_version

            print_version()
            return
        from amb.cli.app import app

        app()
    except AmbError as error:
        _fail(error)
    except BaseException as error:
        from amb.catalogue.plugins import blame

        culprit = blame(error)
        if culprit is None:
            raise
        _fail(culprit)


def _fail(error: AmbError) -> NoReturn:
    print(plain(f"amb: {error}"), file=sys.stderr)
    sys.exit(2)
