"""What a run is: its plan and its id, its record and its trace."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from math import inf, isfinite, isinf, isnan
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from amb.contracts.space import LEVELS, FloatArray, IntArray
from amb.study.recording import Recording
from amb.study.untrusted import json_object

Status = Literal["ok", "timeout", "crash", "skip"]
"""How a run ended: it spent its budget; it ran out of time; its solver or its evaluation failed; it never began, since
its problem could not be created. The last three are failures, with a reason; for the first see `RunRecord.failed`."""


AnyInts = NDArray[np.integer[Any]]
NO_SUCCESS = "no query succeeded"
NO_ACTIVATION = "the recommended candidate has no activation"
LONGEST_NAME = 1 << 12
LONGEST_MESSAGE = 1 << 22
"""Characters of a message that is read; today's are cut to `KEPT_MESSAGE`."""
KEPT_MESSAGE = 1 << 15
LONGEST_REASON = 1000
LARGEST_COUNT = 1 << 48
LARGEST_INTEGER = 1 << 1023
"""From here on an integer may be beyond any float."""
AT_ONCE = 1 << 20
"""Numbers of a trace that are copied at once: a trace may have 2^28 of them."""
LONGEST_KEY = 1024
"""Bytes of a candidate of 128 dimensions; a digest of as few is slower to compare."""
MOST_SECONDS = float(1 << 48)
"""Nine million years; the sum of all runs' is a number still."""


@dataclass(frozen=True)
class RunPlan:
    """One run that a study asks for.

    Attributes:
        problem: the problem's canonical spec.
        fingerprint: the hash of what the problem's values depend on.
        solver: the solver's canonical spec.
        version: the solver's version.
        seed: the number of the replicate, from 0, as the user gave it.
        budget: queries that may be spent.
        anytime: whether a longer run of this solver contains the shorter ones.
        recording: the neurons that were recorded together with this one; None for a neuron that is searched alone. The
            run then holds the neuron's responses to the presentations of all their searches, and the budget is theirs.
    """

    problem: str
    fingerprint: str
    solver: str
    version: str
    seed: int
    budget: int
    anytime: bool = True
    recording: Recording | None = None

    @classmethod
    def from_content(cls, content: object) -> "RunPlan":
        """The plan from what `dataclasses.asdict` returned; fields that a later version added are ignored.

        Raises:
            ValueError: something is missing, of the wrong type, or out of range.
        """
        entries = _known_fields(cls, content)
        if isinstance(content, Mapping) and "seed" not in entries and "replicate" in content:
            entries["seed"] = content["replicate"]  # its name before 0.2
        for name in ("problem", "fingerprint", "solver", "version"):
            _text(entries, name)
        _whole(entries, "seed", 0)
        _whole(entries, "budget", 1)
        if not isinstance(entries.setdefault("anytime", True), bool):
            raise ValueError("anytime is neither true nor false")
        if entries.get("recording") is not None:
            entries["recording"] = Recording.from_content(entries["recording"])
        plan = cls(**cast(dict[str, Any], entries))
        if plan.recording is not None and not plan.recording.holds(plan.problem, plan.fingerprint):
            raise ValueError("the recording does not have the run's own neuron")
        return plan

    def check(self) -> None:
        """Check that a run of this plan can be stored.

        Raises:
            ValueError: a name is too long, or a number out of range.
        """
        content = dict(vars(self))  # not asdict, which copies: a plan may have ten thousand runs
        if self.recording is not None:
            content["recording"] = asdict(self.recording)
        RunPlan.from_content(content)

    @cached_property
    def run_id(self) -> str:
        """Name of the run on disk: a hash of everything that its trace depends on.

        The budget is part of it only if the solver is not anytime; otherwise a larger budget extends the run.
        """
        parts: list[object] = [self.problem, self.fingerprint, self.solver, self.version, self.seed]
        if not self.anytime:
            parts.append(self.budget)
        if self.recording is not None:
            parts.append(asdict(self.recording))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Problem, solver and seed, for people."""
        together = f" in a recording ({self.recording.sharing})" if self.recording else ""
        return f"{self.problem} {self.solver} #{self.seed}{together}"

    @property
    def stream(self) -> int:
        """What seeds the solver, derived from problem, solver and seed, so that no two runs share a stream."""
        return self._derived(self.seed)

    @cached_property
    def noise_stream(self) -> int:
        """What seeds the noise that the run observes; independent of the solver's stream."""
        return self._derived(self.seed, 1)

    def _derived(self, *key: int) -> int:
        words = hashlib.sha256(json.dumps([self.problem, self.solver]).encode()).digest()
        sequence = np.random.SeedSequence(int.from_bytes(words[:16], "big"), spawn_key=key)
        return int(sequence.generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Seconds:
    """Metered cost of a run: the time for which each stage was under way on its behalf, by `amb.clock`.

    Attributes:
        solver: creating the solver and its calls of ask and tell.
        generator, target: this run's share, by candidates, of the seconds of its batches. Solvers may think meanwhile;
            then the three add up to more than the study took.
    """

    solver: float = 0.0
    generator: float = 0.0
    target: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.solver + other.solver, self.generator + other.generator, self.target + other.target)

    @property
    def evaluation(self) -> float:
        """The generator's and the target's."""
        return self.generator + self.target

    @property
    def total(self) -> float:
        return self.solver + self.evaluation


class Standing(NamedTuple):
    """How a run stood after some of its queries.

    Attributes:
        status, queries, distinct, final, timing, message: as in `RunRecord`.
        best: the number of the best query, from 0; None if none succeeded.
        share: of the run's queries that were these.
    """

    status: Status
    queries: int
    best: int | None
    distinct: int | None
    final: float
    share: float
    timing: bool
    message: str

    @property
    def failed(self) -> bool:
        """See `RunRecord.failed`."""
        return _failed(self.status, self.final)

    @property
    def reason(self) -> str:
        """See `RunRecord.reason`."""
        return _reason(self.status, self.final, self.message)


@dataclass(frozen=True)
class RunRecord:
    """How a run ended. Record and trace are all that is kept of a run.

    Attributes:
        plan: what was asked for.
        status: "ok", or why it stopped early.
        queries: candidates evaluated; `distinct`, how many of them differ, None where candidates were not kept.
        recommended: the candidate that the solver recommends, or () if it never got that far or it was not kept.
        final: the recommended candidate's noise-free activation, or NaN.
        solver_seconds, generator_seconds, target_seconds: metered cost, see `Seconds`.
        timing: True if the run had the machine to itself, so that it supports wall-time claims.
        message: the reason for a failure, with its traceback.
    """

    plan: RunPlan
    status: Status
    queries: int
    distinct: int | None
    recommended: tuple[int, ...]
    final: float
    solver_seconds: float
    generator_seconds: float
    target_seconds: float
    timing: bool = False
    message: str = ""

    def __post_init__(self) -> None:
        """What no reader takes is not kept: long messages are cut, and halves of characters in them (bytes of a file's
        name, for instance) spelled out; an infinite activation is none."""
        if self.message:
            text = self.message.encode(errors="backslashreplace").decode()
            if len(text) > KEPT_MESSAGE:
                text = f"{text[: KEPT_MESSAGE // 2]} ... {text[-KEPT_MESSAGE // 2 + 5 :]}"
            object.__setattr__(self, "message", text)
        if isinf(self.final):
            object.__setattr__(self, "final", np.nan)

    @property
    def seconds(self) -> Seconds:
        """The metered cost."""
        return Seconds(self.solver_seconds, self.generator_seconds, self.target_seconds)

    @property
    def failed(self) -> bool:
        """Whether the run stopped early, or recommends a candidate without an activation.

        Everything that counts failures uses this property. A run with status "ok" and no `final` has spent its budget:
        it has failed, but a larger budget extends it like any other.
        """
        return _failed(self.status, self.final)

    @property
    def outcome(self) -> str:
        """The status, or "no activation" for a run that spent its budget and still failed."""
        return "no activation" if self.status == "ok" and self.failed else self.status

    @property
    def reason(self) -> str:
        """What failed, without the traceback: the last line of the message. Empty if the run did not fail."""
        return _reason(self.status, self.final, self.message)

    @property
    def broke_off(self) -> bool:
        """Whether it failed before it had spent its budget, which any larger one would have met as well."""
        return self.status != "ok" and self.queries < self.plan.budget and self.plan.anytime

    def standing(self, trace: "Trace", budget: int) -> "Standing":
        """How the run stood after `budget` queries, fewer than its own; see `at_budget`."""
        n = min(budget, len(trace))
        values = trace.values[:n]
        failed = np.isnan(values)
        best = None if failed.all() else int(np.argmax(np.where(failed, -np.inf, values)))
        status: Status = "ok" if n == budget else self.status
        return Standing(
            status=status,
            queries=n,
            best=best,
            distinct=distinct(trace.candidates[:n]),
            final=np.nan if best is None else float(trace.clean[best]),
            share=n / max(len(trace), 1),
            timing=self.timing and n == len(trace),
            message=self.message if status != "ok" else NO_SUCCESS if best is None else "",
        )

    def at_budget(self, trace: "Trace", budget: int) -> tuple["RunRecord", "Trace"]:
        """The run as it stood after `budget` queries; `trace` is the trace of the whole run.

        It recommends the best candidate observed by then. Its seconds are a share of the whole run's, so they support
        no claim about time. Published studies keep few candidates: where some are missing, `distinct` is None and
        `recommended` is (), but `final` is still the noise-free value of the best query. After more queries than its
        budget, a run that broke off stands as it did then; others are returned with their own budget.

        Raises:
            ValueError: the solver plans for its budget, so a smaller one would have asked for different candidates.
        """
        if budget >= self.plan.budget:
            return (replace(self, plan=replace(self.plan, budget=budget)) if self.broke_off else self), trace
        if not self.plan.anytime:
            raise ValueError(f"{self.plan.solver} plans for its budget: its first {budget} queries are not a run")
        stood, part = self.standing(trace, budget), trace.first(budget)
        known = stood.best is not None and part.kept[stood.best]
        record = replace(
            self,
            plan=replace(self.plan, budget=budget),
            status=stood.status,
            queries=stood.queries,
            distinct=stood.distinct,
            recommended=tuple(part.candidates[stood.best].tolist()) if known else (),
            final=stood.final,
            solver_seconds=self.solver_seconds * stood.share,
            generator_seconds=self.generator_seconds * stood.share,
            target_seconds=self.target_seconds * stood.share,
            timing=stood.timing,
            message=stood.message,
        )
        return record, part

    def check(self, trace: "Trace") -> None:
        """Check that a record and a trace, as read from a file, belong together and do not contradict each other.

        Raises:
            ValueError: they do.
        """
        n, d = trace.candidates.shape
        sizes = trace.batches.tolist()  # whose sum, as an array's, would wrap around
        if trace.batches.ndim != 1 or min(sizes, default=1) < 1 or sum(sizes) != len(trace):
            raise ValueError("the sizes of its batches are not positive or do not add up to its queries")
        if not self.queries == n == len(trace.values) == len(trace.clean):
            raise ValueError(f"its record says {self.queries} queries, its trace holds {n}")
        if n > self.plan.budget or (self.status == "ok" and n < self.plan.budget and self.plan.recording is None):
            raise ValueError(f"its record says {self.status} with a budget of {self.plan.budget}, its trace holds {n}")
        if self.distinct is not None and not min(n, 1) <= self.distinct <= n:
            raise ValueError(f"its record says that {self.distinct} of {n} candidates differ")
        if np.isinf(trace.values).any() or np.isinf(trace.clean).any():
            raise ValueError("it has infinite values")
        if len(self.recommended) not in (0, d):
            raise ValueError(f"it recommends {len(self.recommended)} levels in {d} dimensions")
        if not self.recommended and not isnan(self.final):
            raise ValueError(f"its final value is {self.final}, but it recommends no candidate")
        self.check_final(trace.candidates, trace.clean)

    def check_final(self, candidates: AnyInts, clean: FloatArray) -> None:
        """Check the final value against the first of some queries that asked for the recommended candidate.

        Raises:
            ValueError: it was measured as another one.
        """
        if not self.recommended:
            return
        recommended = np.array(self.recommended)
        for first, rows in blocks(candidates):
            seen = np.flatnonzero(rows[:, 0] == recommended[0])  # few, of which all levels count
            seen = seen[(rows[seen] == recommended).all(axis=1)]
            if seen.size:
                if np.isfinite(measured := clean[first + seen[0]]) and measured != self.final:
                    raise ValueError(f"its final value is {self.final}, but the candidate was measured as {measured}")
                return

    def to_json(self) -> str:
        """The record as JSON; NaN is written as null."""
        # Not asdict: it copies every index of the recommended candidate separately.
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        content["plan"] = asdict(self.plan)
        content["final"] = None if np.isnan(self.final) else self.final
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        """The record that `to_json` wrote; fields that a later version added are ignored.

        Raises:
            ValueError: something is missing, of the wrong type, or out of range.
        """
        entries = _known_fields(cls, json_object(text))
        entries["plan"] = RunPlan.from_content(entries.get("plan"))
        if entries.get("status") not in get_args(Status):
            raise ValueError(f"its status is not one of {', '.join(get_args(Status))}")
        _whole(entries, "queries", 0)
        if entries.get("distinct", 0) is not None:
            _whole(entries, "distinct", 0)
        levels = entries.get("recommended")
        if not isinstance(levels, list) or not all(type(x) is int and 0 <= x < LEVELS for x in levels):
            raise ValueError("its recommended candidate is not a list of levels")
        entries["recommended"] = tuple(levels)
        entries["final"] = np.nan if entries.get("final", 0) is None else _number(entries, "final")
        for name in ("solver_seconds", "generator_seconds", "target_seconds"):
            if not 0 <= _number(entries, name) <= MOST_SECONDS:
                raise ValueError(f"{name} is negative or too large")
        if not isinstance(entries.setdefault("timing", False), bool):
            raise ValueError("timing is neither true nor false")
        entries.setdefault("message", "")
        _text(entries, "message", LONGEST_MESSAGE)
        return cls(**cast(dict[str, Any], entries))


@dataclass(frozen=True)
class Trace:
    """What a run observed, in query order.

    Attributes:
        candidates: int64[queries, d]; -1 where a published study did not keep them.
        values: float64[queries], what the solver received; NaN where a query failed.
        clean: float64[queries], the same without noise.
        batches: int64[asks], sizes of the batches asked; their sum is the number of queries.
    """

    candidates: IntArray
    values: FloatArray
    clean: FloatArray
    batches: IntArray

    @classmethod
    def empty(cls, d: int) -> "Trace":
        """A trace without queries in `d` dimensions."""
        none = np.empty(0)
        return cls(np.empty((0, d), np.int64), none, none, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, first: int, last: int) -> tuple[IntArray, FloatArray, FloatArray]:
        """Candidates, values and clean values of queries `first` to `last` - 1."""
        return self.candidates[first:last], self.values[first:last], self.clean[first:last]

    @property
    def observed(self) -> FloatArray:
        """float64[queries], without noise, NaN where a query failed: what best values and curves are made of."""
        return np.where(np.isnan(self.values), np.nan, self.clean)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """bool[queries]: whether the query's candidate is known."""
        return self.candidates.min(axis=1) >= 0

    def first(self, queries: int) -> "Trace":
        """The first queries, at most all; a batch that extends beyond them is cut."""
        n = min(queries, len(self))
        batches = np.diff(np.minimum(np.cumsum(self.batches), n), prepend=0)
        return Trace(*self.rows(0, n), batches[batches > 0])


def _failed(status: Status, final: float) -> bool:
    return status != "ok" or isnan(final)


def _reason(status: Status, final: float, message: str) -> str:
    lines = message.strip().splitlines()
    if lines:
        return lines[-1].strip()[:LONGEST_REASON]
    return NO_ACTIVATION if status == "ok" and np.isnan(final) else ""


def distinct(candidates: IntArray) -> int | None:
    """How many of the candidates differ; None if some are unknown."""
    if candidates.min(initial=0) < 0:
        return None
    if candidates.shape[1] == 1:  # numbers of candidates, of thousands of runs
        return len(set(candidates[:, 0].tolist()))
    return len(set(row_keys(candidates)))


def blocks(candidates: AnyInts) -> Iterator[tuple[int, AnyInts]]:
    """The candidates, some rows at a time, with the number of the first: copies of them take little memory."""
    step = max(1, AT_ONCE // candidates.shape[1])
    for first in range(0, len(candidates), step):
        yield first, candidates[first : first + step]


def row_keys(candidates: AnyInts) -> Iterator[bytes]:
    """A key for each candidate, equal for equal ones: its bytes, or a digest of them where they are many."""
    for _, rows in blocks(candidates):
        width = rows.shape[1] * rows.itemsize
        content = rows.tobytes()
        for place in range(0, len(content), width):
            row = content[place : place + width]
            yield row if width <= LONGEST_KEY else blake2b(row, digest_size=16).digest()


def improvements(values: FloatArray) -> IntArray:
    """The queries, from 0, at which the best value so far rose, the first success among them; NaN is a failed query."""
    known = np.where(np.isnan(values), -np.inf, values)
    best = np.maximum.accumulate(known) if len(known) else known
    rose = np.empty(len(best), dtype=np.bool_)
    rose[:1] = best[:1] > -np.inf
    np.greater(best[1:], best[:-1], out=rose[1:])
    return np.flatnonzero(rose)


@dataclass(frozen=True)
class Known:
    """What earlier processes observed of a run, what that cost, and whether the run had the machine to itself."""

    trace: Trace
    seconds: Seconds = Seconds()
    timed: bool = False


def as_seconds(parts: Sequence[object]) -> Seconds:
    """What a journal says that a run has cost.

    Raises:
        ValueError: these are not three numbers, or one is negative or too large.
    """
    if len(parts) != 3 or not all(type(part) in (int, float) and 0 <= part <= MOST_SECONDS for part in parts):  # type: ignore[operator]
        raise ValueError("a batch's seconds are not three numbers, or negative or too large")
    return Seconds(*map(float, parts))  # type: ignore[arg-type]


def _known_fields(cls: type, content: object) -> dict[str, object]:
    if not isinstance(content, Mapping):
        raise ValueError(f"the {cls.__name__} is not a JSON object")
    return {f.name: content[f.name] for f in fields(cls) if f.name in content}


def _text(entries: Mapping[str, object], name: str, longest: int = LONGEST_NAME) -> None:
    value = entries.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"{name} is not a text of at most {longest} characters")
    try:
        value.encode()
    except UnicodeEncodeError as cause:
        raise ValueError(f"{name} contains half a character (a lone surrogate)") from cause


def _whole(entries: Mapping[str, object], name: str, least: int) -> None:
    value = entries.get(name)
    if type(value) is not int or not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{name} is not a whole number of at least {least}")


def _number(entries: Mapping[str, object], name: str) -> float:
    value = entries.get(name)
    if type(value) is int:
        value = float(value) if abs(value) < LARGEST_INTEGER else inf
    if type(value) is not float or not isfinite(value):
        raise ValueError(f"{name} is not a number")
    return value
