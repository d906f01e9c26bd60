"""The command line. Commands import what they need only when they run, so that `amb --help` is fast."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from amb.cli.byte_code import unreadable_byte_code
from amb.cli.complaints import complain
from amb.cli.environment import leave_out_what_ends_imports, named_variable
from amb.cli.leftovers import outlast_leftovers
from amb.cli.running import Running, end_interrupted
from amb.errors import AmbError
from amb.foreign import in_a_line
from amb.interruption import from_user, swallowed
from amb.memory import release_reserve, take_buffers, wanted
from amb.streams import complete, unwritable

_LACKING = {
    "memory": "there is not enough memory for this command: close other programs, or raise the limit (ulimit -v)",
    "threads": (
        "no more threads or processes can be started for this command: close other programs, or raise their limit "
        "(ulimit -u; --pids-limit of a container)"
    ),
}


def main() -> None:
    """Entry point of the `amb` command: bad input ends in one line on stderr and exit status 2.

    So does whatever the code of a plug-in raises, `sys.exit` included. Ctrl-C, SIGTERM and SIGHUP end in one line and
    exit status 130, 143 and 129.
    """
    complete()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a character shows a question mark
            stream.reconfigure(errors="replace")
    leave_out_what_ends_imports()
    status = 1
    try:
        with Running():
            try:
                _run_and_blame()
            except KeyboardInterrupt as error:
                if not from_user(error):
                    raise
                end_interrupted(error)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        outlast_leftovers(status)


def _run_and_blame() -> None:
    """Run the command; what it raises ends in a line."""
    try:
        try:
            _run()
        finally:
            sys.stdout.flush()
    except AmbError as error:
        _refuse_torn_byte_code(error)
        _fail(str(error))
    except BaseException as error:
        release_reserve()
        if from_user(error):
            raise
        if interruption := swallowed(error):
            end_interrupted(interruption)
        if isinstance(error, OSError) and error.filename is None and (lost := unwritable()):
            _fail(f"cannot write to {lost}: {error.strerror or error}")
        if lacking := wanted(error):
            _fail(_LACKING[lacking])
        if variable := named_variable(error):  # first: what blames plug-ins imports packages, too
            _fail(f"a package cannot use {variable}={os.environ[variable]}: {in_a_line(error)}")
        _refuse_torn_byte_code(error)
        from amb.catalogue.plugins import blame

        culprit = blame(error)  # takes a while, in which a signal may come
        if culprit is None:
            if isinstance(error, OSError) and error.errno is not None:  # a disk, a network, a folder that is gone
                _fail(f"cannot use {'a file' if error.filename is None else error.filename}: {error.strerror}")
            raise
        _fail(str(culprit))


def _refuse_torn_byte_code(error: BaseException) -> None:
    if torn := unreadable_byte_code(error):
        _fail(
            f"Python cannot read {torn}, byte code that was not written whole, as on a full disk: delete the folder "
            f"{torn.parent} and repeat the command"
        )


def _run() -> None:
    if sys.argv[1:] == ["--version"]:  # at once: the commands take longer to import than this takes
        from amb.cli.version import print_version

        print_version()
        return
    _refuse_deleted_folder()
    take_buffers()
    from amb.cli.app import app
    from amb.cli.group import EndOfFile

    try:
        app()
    except EndOfFile as end:
        raise end.error from None


def _refuse_deleted_folder() -> None:
    """Where the current folder is gone, relative paths lead nowhere, and libraries fail to load parts of theirs."""
    try:
        os.getcwd()
    except OSError as error:
        raise AmbError(
            f"the current folder is gone or cannot be read ({error.strerror}); change to another one"
        ) from error


def _fail(message: str) -> NoReturn:
    with suppress(OSError, ValueError):  # stderr may be gone as well
        complain(message)
    sys.exit(2)
