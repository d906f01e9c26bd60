"""Whether a study ran on the networks that are installed, and whether those are intact; this imports plug-ins."""

from collections.abc import Iterator, Sequence

import numpy as np

from amb.catalogue import problems as registry
from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.errors import AmbError
from amb.foreign import in_a_line
from amb.interruption import from_user
from amb.spec import ProblemId
from amb.study.fit import misfit
from amb.study.health import Finding
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord


def examine_networks(study: AnyStudy) -> Iterator[Finding]:
    """Compare the manifest's fingerprints with the installed networks, and evaluate one candidate for each pair.

    A fingerprint covers the checkpoints' sha256; loading a checkpoint compares its file with the digest in its card.
    """
    path = study.folder / "manifest.json"
    tried: dict[str, str | None] = {}
    for name, fingerprint in study.manifest.problems.items():
        try:
            problem = registry.problem(name)
        except AmbError as cause:
            yield Finding(path, f"{name} cannot be loaded: {cause}")
            continue
        pair = ProblemId.parse(name).pair
        if pair not in tried:
            tried[pair] = _fails(problem)
            if tried[pair]:
                yield Finding(path, f"the networks of {pair} cannot be used: {tried[pair]}")
        if problem.fingerprint != fingerprint:
            yield Finding(
                path,
                f"{name} ran on networks with fingerprint {fingerprint[:12]}..., but {problem.fingerprint[:12]}... is "
                "installed: its runs will not be used",
            )


def examine_finals(study: AnyStudy) -> Iterator[Finding]:
    """Evaluate again what stored runs recommend, wherever their networks are installed; no solver is needed.

    A final value that no stored query measured is otherwise only what the record says. Runs on other networks are left
    out, of which `examine_networks` tells.
    """
    runs: dict[tuple[str, str], list[RunRecord]] = {}
    for record, _ in study.compact_records():
        if record.recommended and np.isfinite(record.final):
            runs.setdefault((record.plan.problem, record.plan.fingerprint), []).append(record)
    for (name, fingerprint), records in runs.items():
        try:
            problem = registry.problem(name)
        except AmbError:
            continue
        if problem.fingerprint == fingerprint:
            yield from _wrong_finals(study, problem, records)


def _wrong_finals(study: AnyStudy, problem: Problem, records: Sequence[RunRecord]) -> Iterator[Finding]:
    on_grid = [record for record in records if not misfit(record.recommended, problem.space)]
    measured: dict[tuple[int, ...], float] = {}
    distinct = list(dict.fromkeys(record.recommended for record in on_grid))
    try:
        for i in range(0, len(distinct), _TOGETHER):
            rows = distinct[i : i + _TOGETHER]
            measured.update(zip(rows, asking.activations(problem, np.array(rows)), strict=True))
    except BaseException as cause:
        if from_user(cause):
            raise
        yield Finding(study.folder / "manifest.json", f"{problem.id} cannot be evaluated: {in_a_line(cause)}")
        return
    for record in records:
        value = measured.get(record.recommended)
        if value is not None and np.isclose(value, record.final, rtol=_ROUNDING, atol=0):
            continue
        told = "that lies outside of its grid" if value is None else f"for which its networks give {value:.12g}"
        yield Finding(
            study.run_file(record.plan.run_id),
            f"{record.plan.name} states the final value {record.final:.12g} of a candidate {told}: "
            "get a new copy, or run it again",
        )


_ROUNDING = 1e-6
"""Share by which networks that compute in floating point may differ on another machine."""
_TOGETHER = 256


def _fails(problem: Problem) -> str | None:
    try:
        problem.evaluate(problem.space.sample_prior(1, np.random.default_rng(0)))
    except BaseException as cause:
        if from_user(cause):
            raise
        return in_a_line(cause)
    return None
