"""Commands of `amb` in processes of their own that need not import numpy, torch and the like again.

A new interpreter imports those for seconds, a command of a test works for tenths of one. So all commands are forks of
one process that has imported these packages, and nothing of amb: what amb imports, reads from its environment and
leaves behind is as in a new interpreter. What is about the interpreter itself, such as start-up, signals, limits,
encodings and variables that libraries read when they are imported, starts its own.
"""

import atexit
import gc
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

LARGE = (
    *("numpy", "scipy.stats", "scipy.optimize", "pandas", "pyarrow.parquet", "pyarrow.compute"),
    *("torch", "safetensors", "numba", "numba.extending"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image"),
    *(
        "msgspec",
        "pydantic.main",
        "pydantic.types",
        "jinja2",
        "platformdirs",
        "typer",
        "rich.console",
        "rich.progress",
        "rich.table",
    ),
)


def command(
    *words: object, cwd: Path | None = None, width: int | None = None, check: bool = False,
    environment: Mapping[str, str] | None = None, seconds: float = 300,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run `amb` with these words, without input, and return its exit status and what it printed.

    Args:
        words: arguments; a `Path` is given as its text.
        cwd: folder in which the command runs; None: the one of the tests.
        width: columns of the terminal.
        check: whether to raise `subprocess.CalledProcessError` unless the exit status is 0.
        environment: variables that are added to those of the tests.
        seconds: the command is killed after these.
    """
    settings = {**os.environ, **({} if width is None else {"COLUMNS": str(width)}), **(environment or {})}
    arguments = [str(word) for word in words]
    with tempfile.TemporaryDirectory(prefix="amb-command-") as folder:
        printed, told = Path(folder, "stdout"), Path(folder, "stderr")
        request = [arguments, str(cwd or Path.cwd()), settings, str(printed), str(told)]
        status = _ask(json.dumps(request), seconds)
        texts = (file.read_text(encoding="utf-8") for file in (printed, told))
        done = subprocess.CompletedProcess(["amb", *arguments], status, *texts)
    if check:
        done.check_returncode()
    return done


def _ask(request: str, seconds: float) -> int:
    """Have a request run; its exit status, negative for a signal."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{request}\n".encode())
    server.stdin.flush()
    number = int(server.stdout.readline())
    ended, _, _ = select.select([server.stdout], [], [], seconds)
    if not ended:
        os.kill(number, 9)
    status = int(server.stdout.readline())
    assert ended, f"the command did not end within {seconds} seconds: {request}"
    return status


@cache
def _server() -> subprocess.Popen[bytes]:
    """The process of which commands are forks; it ends with the tests."""
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    atexit.register(_end, server, os.getpid())
    return server


def _end(server: subprocess.Popen[bytes], owner: int) -> None:
    """End the server by an empty request, unless this is a fork of the process that started it."""
    if os.getpid() == owner:
        server.communicate(b"\n")


def _serve() -> None:
    """Answer each request with the number of its process and, when it has ended, its exit status.

    Returns in the processes of commands, in which everything is as asked for but `amb` has not begun.
    """
    for name in LARGE:
        import_module(name)
    gc.collect()
    gc.freeze()  # what stays shared need not be copied
    while (request := sys.stdin.buffer.readline()).strip():
        number = os.fork()
        if number == 0:
            _become(*json.loads(request))
            return
        os.write(1, f"{number}\n".encode())
        _, status = os.waitpid(number, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    sys.exit()


def _become(words: list[str], folder: str, environment: dict[str, str], printed: str, told: str) -> None:
    """Take over a command's streams, folder, variables and arguments."""
    import numpy as np

    writing = os.O_WRONLY | os.O_CREAT
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, printed, writing), (2, told, writing)):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    np.random.seed()  # noqa: NPY002  # a new interpreter's global generator differs, too
    sys.argv = ["amb", *words]


def _run() -> int:
    """Run `amb` to the end of its threads and what is registered for the end; its exit status."""
    status: object = 0
    try:
        runpy.run_module("amb", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    _serve()
    os._exit(_run())  # taking down the interpreter with all that is imported takes a second
