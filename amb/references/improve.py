"""Raising stored best known values to those that a study's runs found."""

from dataclasses import dataclass, replace

import numpy as np

from amb.catalogue.problems import problem
from amb.catalogue.reference_points import References
from amb.spec import without_noise
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord, Trace


@dataclass(frozen=True)
class Improved:
    """Reference points after a study.

    Attributes:
        references: the points.
        unknown: problems of which the study has a higher value than the best known one now, but not its candidate: a
            published study keeps few.
    """

    references: References
    unknown: tuple[str, ...] = ()


def improved(references: References, study: AnyStudy) -> Improved:
    """The reference points with best known values raised to those that a study's runs found.

    A run counts if its problem's fingerprint, noise included, is that of the installed networks; its values count
    without noise, and only those of candidates that the study holds.
    """
    points, highest = dict(references.points), dict[str, float]()
    for record, trace in study.records():
        plan, name = record.plan, without_noise(record.plan.problem)
        point = points.get(name)
        seen = float(np.max(trace.clean, where=np.isfinite(trace.clean), initial=-np.inf))
        best, candidate, which = _best_known(record, trace)
        del trace  # gone when the next is read: each may take gigabytes
        if point is None or max(seen, best) <= point.best:
            continue
        if problem(plan.problem).fingerprint != plan.fingerprint or problem(name).fingerprint != point.fingerprint:
            continue
        highest[name] = max(seen, highest.get(name, -np.inf))
        if best > point.best:
            provenance = f"{which} of {plan.solver} on {plan.problem}, seed {plan.seed}"
            points[name] = replace(point, best=best, candidate=candidate, provenance=provenance)
    unknown = tuple(name for name, value in highest.items() if value > points[name].best)
    return Improved(replace(references, points=points), unknown)


def _best_known(record: RunRecord, trace: Trace) -> tuple[float, tuple[int, ...], str]:
    """The highest value of a run without noise whose candidate is known, the candidate, and which of the run's it is.

    Without any, minus infinity.
    """
    clean = np.where(np.isfinite(trace.clean) & trace.kept, trace.clean, -np.inf)
    winner = int(clean.argmax()) if len(clean) else 0
    best = float(clean.max(initial=-np.inf))
    if record.recommended and record.final > best:
        return record.final, record.recommended, "recommendation"
    candidate = tuple(int(level) for level in trace.candidates[winner]) if len(clean) else ()
    return best, candidate, f"query {winner + 1}"
