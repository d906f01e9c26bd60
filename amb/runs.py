"""What a run is: its plan, its key, its seed and its record."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np

from amb.contracts.space import FloatArray, IntArray

Status = Literal["ok", "target", "timeout", "crash", "skip"]
"""How a run ended: its budget spent; stopped early at a target value; out of time; its solver or its evaluation
failed; never begun, as its problem could not be made. The last three are failures, with a reason."""


@dataclass(frozen=True)
class RunPlan:
    """One run that a study asks for.

    Attributes:
        problem: the problem's canonical spec.
        fingerprint: the hash of what the problem's values depend on.
        solver: the solver's canonical spec.
        version: the solver's version.
        replicate: number of the repetition, from 0.
        budget: queries that may be spent.
        anytime: whether a longer run of this solver contains the shorter ones.
    """

    problem: str
    fingerprint: str
    solver: str
    version: str
    replicate: int
    budget: int
    anytime: bool = True

    @property
    def key(self) -> str:
        """Name of the run on disk: a hash of everything that its trace depends on.

        The budget is part of it only where the solver is not anytime; else raising it extends the run.
        """
        parts = [self.problem, self.fingerprint, self.solver, self.version, self.replicate]
        if not self.anytime:
            parts.append(self.budget)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Problem, solver and replicate, for people."""
        return f"{self.problem} {self.solver} #{self.replicate}"

    @property
    def seed(self) -> int:
        """The solver's seed, derived from problem, solver and replicate, so no two runs share a stream."""
        words = hashlib.sha256(json.dumps([self.problem, self.solver]).encode()).digest()
        sequence = np.random.SeedSequence(int.from_bytes(words[:16], "big"), spawn_key=(self.replicate,))
        return int(sequence.generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Seconds:
    """Metered cost of a run, by where it arose."""

    solver: float = 0.0
    generator: float = 0.0
    target: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.solver + other.solver, self.generator + other.generator, self.target + other.target)

    @property
    def evaluation(self) -> float:
        """What is not the solver's."""
        return self.generator + self.target

    @property
    def total(self) -> float:
        return self.solver + self.evaluation


@dataclass(frozen=True)
class RunRecord:
    """How a run ended; with its trace, all that is kept of it.

    Attributes:
        plan: what was asked for.
        status: "ok", or why it stopped early.
        queries: candidates evaluated; `distinct`, how many of them differ.
        recommended: the candidate that the solver stands by, or () if it never got that far.
        final: the recommended candidate's noise-free activation, or NaN.
        solver_seconds, generator_seconds, target_seconds: metered cost; in lockstep, generator and target
            seconds are this run's share of each batch, by candidates.
        timing: True if the run had the machine for itself, so that wall-time claims may rest on it.
        message: the reason of a failure, with its traceback.
    """

    plan: RunPlan
    status: Status
    queries: int
    distinct: int
    recommended: tuple[int, ...]
    final: float
    solver_seconds: float
    generator_seconds: float
    target_seconds: float
    timing: bool = False
    message: str = ""

    @property
    def seconds(self) -> Seconds:
        """The metered cost as one."""
        return Seconds(self.solver_seconds, self.generator_seconds, self.target_seconds)

    @property
    def failed(self) -> bool:
        """Whether the run ended otherwise than it should."""
        return self.status not in ("ok", "target")

    @property
    def reason(self) -> str:
        """The last line of the message: what failed, without the traceback."""
        lines = self.message.strip().splitlines()
        return lines[-1].strip() if lines else ""

    def to_json(self) -> str:
        """The record as JSON; NaN is written as null."""
        # Not asdict: it copies every index of the recommended candidate by itself.
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        content["plan"] = asdict(self.plan)
        content["final"] = None if np.isnan(self.final) else self.final
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        """The record that `to_json` wrote; fields that a later version added are ignored."""
        content = json.loads(text)
        known = {f.name for f in fields(cls)}
        content = {key: value for key, value in content.items() if key in known}
        content["plan"] = RunPlan(**content["plan"])
        content["recommended"] = tuple(content["recommended"])
        content["final"] = np.nan if content["final"] is None else float(content["final"])
        return cls(**content)


@dataclass(frozen=True)
class Trace:
    """What a run observed, in query order.

    Attributes:
        candidates: int64[queries, d].
        values: float64[queries], what the solver was told; NaN where a query failed.
        clean: float64[queries], the same without noise.
        batches: int64[asks], sizes of the batches asked; their sum is the number of queries.
    """

    candidates: IntArray
    values: FloatArray
    clean: FloatArray
    batches: IntArray

    @classmethod
    def empty(cls, d: int) -> "Trace":
        """A trace without queries in `d` modes."""
        none = np.empty(0)
        return cls(np.empty((0, d), np.int64), none, none, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, first: int, last: int) -> tuple[IntArray, FloatArray, FloatArray]:
        """Candidates, values and clean values of queries `first` to `last` - 1."""
        return self.candidates[first:last], self.values[first:last], self.clean[first:last]


@dataclass(frozen=True)
class Known:
    """What earlier processes observed of a run, and what that cost."""

    trace: Trace
    seconds: Seconds = Seconds()
