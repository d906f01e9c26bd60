"""The other end of `IsolatedSolver`: a process that holds one solver and answers until its pipe closes."""

import ctypes
import faulthandler
import os
import signal
import traceback
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import resolve
from amb.contracts.solver import Solver
from amb.contracts.space import Space
from amb.run.isolation.messages import pack, unpack

PR_SET_PDEATHSIG = 1
# A solver that never stops printing must not fill the disk: beyond this size a write fails.
LARGEST_FILE = 1 << 30
LONGEST_TRACEBACK = 20_000


def main() -> None:
    """Serve one solver on stdin and stdout, out of reach of the solver's own prints."""
    _die_with_parent()
    _limit_files()
    faulthandler.enable()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    solver: Solver | None = None
    candidates = np.empty((0, 0), dtype=np.int64)
    while True:
        try:
            message, body = unpack(lambda n: _exactly(source, n), 1 << 40)
        except EOFError:
            return
        answer = b""
        try:
            if solver is None:
                solver, reply = _make_solver(message), pack({})
            elif message["do"] == "ask":
                candidates = solver.ask(int(str(message["limit"])))
                answer = _integers(candidates)
            elif message["do"] == "tell":
                solver.tell(candidates, np.frombuffer(body, dtype="<f8"))
            else:
                answer = _integers(solver.recommend())
            reply = pack({}, answer)
        except Exception:
            reply = pack({"error": traceback.format_exc()[-LONGEST_TRACEBACK:]})
        sink.write(reply)
        sink.flush()


def _make_solver(message: dict[str, object]) -> Solver:
    for file in message["files"]:  # type: ignore[attr-defined]
        load_file(str(file))
    space = Space(**message["space"])  # type: ignore[arg-type]
    budget, seed = int(str(message["budget"])), int(str(message["seed"]))
    return resolve(str(message["solver"])).make(space, budget=budget, seed=seed)


def _integers(candidates: object) -> bytes:
    """Raw levels; the other side of the pipe checks them.

    Raises:
        TypeError: the candidates are not integers.
    """
    return np.asarray(candidates).astype("<i8", casting="same_kind").tobytes()


def _exactly(source: BinaryIO, count: int) -> bytes:
    content = source.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent; elsewhere the closed pipe ends it at its next answer."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_files() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


if __name__ == "__main__":
    main()
