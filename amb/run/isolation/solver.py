"""A solver in its own process, which may hang, crash or run out of memory without affecting other runs."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from time import monotonic

import numpy as np

from amb.catalogue.plugin_modules import path_of
from amb.catalogue.solvers import SolverSpec, view_of
from amb.clock import CLOCK
from amb.contracts.handed_view import HandedView
from amb.contracts.problem import Problem
from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.contracts.view import View
from amb.errors import AmbError, SolverError, SpecError
from amb.interruption import how_ended
from amb.run.isolation.code import is_edited, is_other, told_code
from amb.run.isolation.descendants import resident_bytes
from amb.run.isolation.messages import BadMessage, pack, unpack
from amb.run.isolation.view import LARGEST, described
from amb.run.isolation.view import answer as answer_view
from amb.run.limits import OutOfTime
from amb.sight import CLASSES
from amb.study.runs import RunPlan

# How often a busy process is checked, and how much of its output a failure's message quotes.
LOOK_SECONDS = 0.02
# How long the supervisor of a process may take to end it.
PATIENCE_SECONDS = 5.0
TAIL_BYTES = 4000


class Refusal(SolverError):
    """The solver refused its problem when it was created."""


class NoProcess(AmbError):
    """The machine denies a process to a solver (files, memory, processes): no fault of the solver."""


class OtherCode(NoProcess):
    """The file of a solver was edited after the command had imported it."""


class RaisedInProcess(SolverError):
    """An exception that the solver raised in its process.

    Attributes:
        traceback: as it was printed there.
    """

    def __init__(self, line: str, traceback: str) -> None:
        super().__init__(line)
        self.traceback = traceback


class IsolatedSolver(Solver):
    """Passes `ask`, `tell` and `recommend` on to the actual solver in a fresh process, and checks the answers.

    Candidates come back as raw integers and are checked like any solver's. The process is killed, with all processes
    that it has started, when it is closed, when its time or memory is spent, and when this process dies.

    Args:
        spec: the actual solver.
        view: what it may see of the problem if it is image-seeing; it stays in this process, and only pixels and slopes
            go through the pipe. None for any other solver.
        memory: bytes of resident memory that its process and those it starts may use; None for no limit.

    Attributes:
        patience: seconds that the next call may take; None for no limit.
        making: seconds that `start` spent on making the solver, without imports.

    Raises:
        SolverError: a white-box solver, which needs the problem itself.
    """

    kinds = frozenset({"ordinal", "categorical"})

    def __init__(
        self, spec: SolverSpec, space: Space, plan: RunPlan, *, view: View | None = None, memory: int | None = None
    ) -> None:
        super().__init__(space, budget=plan.budget, seed=plan.stream)
        if spec.cls.sees == "gradients":
            raise SolverError(f"{spec} is given the problem itself, so it cannot run isolated; leave --isolate out")
        if (spec.cls.sees == "images") != (view is not None):
            raise SolverError(f"{spec} sees {CLASSES[spec.cls.sees].knows}")
        self._view = view
        self._begun = False
        self.patience: float | None = None
        self.making = 0.0
        self._memory = memory
        try:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            self._process = self._begin(spec.plugin.location)
        except OSError as cause:
            raise NoProcess(
                f"cannot begin a process for {spec}: {cause.strerror or cause}; nothing is stored about its run, so "
                "repeat the command when there is room"
            ) from cause
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._meant, self._code, self._text = spec, told_code(spec), spec.plugin.text
        self._introduction: Mapping[str, object] | None = {
            "solver": str(spec),
            "files": [spec.plugin.location] if spec.plugin.from_file else [],
            "space": _plain(space),
            "budget": plan.budget,
            "seed": plan.stream,
            "view": None if view is None else described(view),
            "problem": "" if view is None else plan.problem,
        }

    def _begin(self, location: str) -> "subprocess.Popen[bytes]":
        """The process of the solver at this location, which waits for its introduction.

        Raises:
            OSError: there is no room for one.
        """
        paths = os.pathsep.join(path or os.getcwd() for path in path_of(location))
        return subprocess.Popen(
            # -P: a file in the current folder must not pass for a module of the solver's.
            [sys.executable, "-P", "-m", "amb.run.isolation.supervisor", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C reaches only the bench, which then ends its solvers
            bufsize=0,
        )

    def close(self) -> None:
        """End the process; idempotent."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                stream.close()

    def begin(self) -> None:
        """Wait until the process has imported the bench, which no timeout limits; only the first call waits.

        Raises:
            SolverError: it died.
        """
        if not self._begun:
            self._begun = True
            self._unpack(0, None)

    def start(self) -> None:
        """Wait until the process has imported and made its solver; only the first call waits.

        Raises:
            SolverError: the solver could not be made.
        OtherCode: its code has been edited.
        """
        self.begin()
        if self._introduction is not None:
            introduction, self._introduction = self._introduction, None
            start = monotonic()
            try:
                answer = self._exchange(pack(introduction, self._text), rows=0)[0]
            except AmbError as cause:
                if is_edited(self._meant):
                    raise self._edited() from cause
                raise
            if answer.get("version") != self._meant.cls.version or is_other(self._code, answer.get("code")):
                raise self._edited()
            said = answer.get("seconds")
            # It is the solver's process that says so: no more than it took as seen from here.
            self.making = min(max(said, 0.0), monotonic() - start) if isinstance(said, float) else 0.0

    def _edited(self) -> OtherCode:
        return OtherCode(
            f"the code of {self._meant} was edited while this command ran, so that its process has another than the "
            "command: nothing is stored about its run; repeat the command, with another version of the solver if it "
            "asks for other candidates now"
        )

    def recommend(self) -> IntArray:
        """The candidate that the actual solver recommends, int64[d]."""
        return self._call({"do": "recommend"}, rows=1)[0]

    def _ask(self, limit: int) -> IntArray:
        return self._call({"do": "ask", "limit": limit}, rows=limit)

    def _tell(self, candidates: IntArray, values: FloatArray) -> None:
        self._call({"do": "tell"}, body=np.ascontiguousarray(values, dtype="<f8").tobytes(), rows=0)

    def _call(self, message: Mapping[str, object], *, rows: int, body: bytes = b"") -> IntArray:
        self.start()
        return self._exchange(pack(message, body), rows=rows)[1]

    def _exchange(self, message: bytes, *, rows: int) -> tuple[dict[str, object], IntArray]:
        end = None if self.patience is None else CLOCK.now() + self.patience
        self._send(message, end)
        answer, content = self._unpack(rows, end)
        while self._view is not None and "view" in answer:
            self._serve(self._view, answer, content, rows, end)
            answer, content = self._unpack(rows, end)
        if "refusal" in answer:
            raise Refusal(str(answer["refusal"]))
        if "wrong option" in answer:
            raise SpecError(str(answer["wrong option"]))
        if "error" in answer:
            raise RaisedInProcess(str(answer.get("line")), str(answer["error"]))
        if len(content) % (self.space.d * 8):
            raise SolverError(f"the solver's process sent {len(content)} bytes, not rows of {self.space.d} levels")
        return answer, np.frombuffer(content, dtype="<i8").reshape(-1, self.space.d).astype(np.int64)

    def _unpack(self, rows: int, end: float | None) -> tuple[dict[str, object], bytes]:
        longest = rows * self.space.d * 8
        if self._view is not None:
            longest = max(longest, LARGEST)
        try:
            return unpack(lambda n: self._receive(n, end), longest)
        except BadMessage as cause:
            raise SolverError(f"the solver's process sent {cause}") from cause

    def _serve(self, view: View, request: Mapping[str, object], body: bytes, rows: int, end: float | None) -> None:
        """Answer a request for images or slopes."""

        def exchange(message: Mapping[str, object], content: bytes) -> tuple[dict[str, object], bytes]:
            self._send(pack(message, content), end)
            reply, back = self._unpack(rows, end)
            if "error" in reply:
                raise RaisedInProcess(str(reply.get("line")), str(reply["error"]))
            return reply, back

        try:
            self._send(pack({}, answer_view(view, request, body, exchange)), end)
        except SolverError:
            raise
        except AmbError as refusal:
            self._send(pack({"failure": str(refusal)}), end)

    def _send(self, message: bytes, end: float | None) -> None:
        rest = memoryview(message)
        while rest:
            self._wait(self._to, select.POLLOUT, end)
            try:
                rest = rest[os.write(self._to, rest) :]
            except BlockingIOError:
                continue
            except OSError as cause:
                raise self._died() from cause

    def _receive(self, count: int, end: float | None) -> bytes:
        parts: list[bytes] = []
        while count:
            self._wait(self._from, select.POLLIN, end)
            try:
                part = os.read(self._from, min(count, 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise self._died()
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _wait(self, descriptor: int, event: int, end: float | None) -> None:
        """Wait until the pipe is ready; meanwhile check time and memory."""
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(LOOK_SECONDS * 1000):
            if end is not None and CLOCK.now() > end:
                raise OutOfTime
            self._check_memory()
        self._check_memory()

    def _check_memory(self) -> None:
        if self._memory is not None and (used := resident_bytes(self._process.pid)) > self._memory:
            raise SolverError(
                f"the solver's process uses {used / 2**20:,.0f} MiB; its limit is {self._memory / 2**20:,.0f} MiB"
            )

    def _died(self) -> SolverError:
        how = how_ended(self._process.wait())
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - TAIL_BYTES))
        tail = self._stderr.read().decode(errors="replace").strip()
        words = f"; its last output: {' '.join(tail.split())}" if tail else ""
        return SolverError(f"the solver's process {how}{words}")


def _plain(space: Space) -> dict[str, object]:
    content = {f.name: getattr(space, f.name) for f in fields(space) if f.init}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in content.items()}


def isolated(spec: SolverSpec, problem: Problem, plan: RunPlan, *, memory: int | None = None) -> IsolatedSolver:
    """A solver in a process of its own, with no more of the problem than its class may see.

    Raises:
        SolverError: a white-box solver; or an image-seeing one, and the problem offers no view.
    """
    view = HandedView(view_of(problem)) if spec.cls.sees == "images" else None
    return IsolatedSolver(spec, problem.space, plan, view=view, memory=memory)
