"""The other end of `IsolatedSolver`: a process that holds one solver and answers until its pipe closes."""

import faulthandler
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import BinaryIO

import numpy as np

from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import SolverSpec, refuse_own_weights, resolve
from amb.clock import CLOCK
from amb.contracts.solver import Solver
from amb.contracts.space import Space
from amb.errors import AmbError, SolverError
from amb.foreign import contained, explained, in_a_line, text_of
from amb.interruption import is_a
from amb.run import answers
from amb.run.isolation.code import told_code
from amb.run.isolation.messages import pack, unpack
from amb.run.isolation.view import Exchange, RemoteView

# A solver that never stops printing must not fill the disk: beyond this size a write fails.
LARGEST_FILE = 1 << 30
LONGEST_TRACEBACK = 20_000


def main() -> None:
    """Serve one solver on stdin and stdout, out of reach of the solver's own prints."""
    _limit_files()
    faulthandler.enable()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that every KeyboardInterrupt is the solver's
    sink.write(pack({}))  # what follows is the solver's
    sink.flush()
    solver: Solver | None = None
    candidates = np.empty((0, 0), dtype=np.int64)
    while True:
        try:
            message, body = unpack(lambda n: _exactly(source, n), 1 << 40)
        except EOFError:
            return
        answer = np.empty(0, dtype=np.int64)
        said: dict[str, object] = {}
        try:
            with contained():
                if solver is None:
                    space = Space(**message["space"])  # type: ignore[arg-type]
                    spec = _find_solver(message, body)
                    start = CLOCK.now()
                    solver = _make_solver(spec, message, space, partial(ask_bench, source, sink))
                    said = {"seconds": CLOCK.since(start), "version": spec.cls.version, "code": told_code(spec)}
                elif message["do"] == "ask":
                    answer = candidates = answers.ask(solver, space, int(str(message["limit"])))
                elif message["do"] == "tell":
                    solver.tell(candidates.copy(), np.frombuffer(body, dtype="<f8").copy())
                else:
                    answer = answers.recommend(solver, space)
        except BaseException as error:  # every one is the solver's: Ctrl-C does not reach this process
            said = {"error": explained(error)[-LONGEST_TRACEBACK:], "line": in_a_line(error)}
            if solver is None and is_a(error, AmbError):
                kind = "refusal" if is_a(error, SolverError) else "wrong option"
                said[kind] = text_of(error)[:LONGEST_TRACEBACK]
        sink.write(pack(said, answer.astype("<i8").tobytes()))
        sink.flush()


def ask_bench(
    source: BinaryIO, sink: BinaryIO, request: Mapping[str, object], content: bytes
) -> tuple[dict[str, object], bytes]:
    """Ask the bench for something in the middle of an answer."""
    sink.write(pack(request, content))
    sink.flush()
    return unpack(lambda n: _exactly(source, n), 1 << 40)


def _find_solver(message: dict[str, object], text: bytes) -> SolverSpec:
    for file in message["files"]:  # type: ignore[attr-defined]
        load_file(str(file), text)
    return resolve(str(message["solver"]))


def _make_solver(spec: SolverSpec, message: dict[str, object], space: Space, exchange: Exchange) -> Solver:
    budget, seed = int(str(message["budget"])), int(str(message["seed"]))
    solver = spec.make(space, budget=budget, seed=seed)
    if message["view"] is not None:
        refuse_own_weights(str(spec), solver.networks, str(message["problem"]))
        solver.look(RemoteView(space, message["view"], exchange))  # type: ignore[arg-type]
    return solver


def _exactly(source: BinaryIO, count: int) -> bytes:
    content = source.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _limit_files() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
