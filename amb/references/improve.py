"""Raising stored best known values to those that a study's runs found."""

from dataclasses import replace

import numpy as np

from amb.catalogue.problems import problem
from amb.catalogue.reference_points import References
from amb.spec import without_noise
from amb.study.published import AnyStudy


def improved(references: References, study: AnyStudy) -> References:
    """The reference points with best known values raised to those that a study's runs found.

    A run counts if its problem's fingerprint, noise included, is that of the installed networks; its values count
    without noise.
    """
    points = dict(references.points)
    for record, trace in study.records():
        plan, name = record.plan, without_noise(record.plan.problem)
        point = points.get(name)
        clean = np.where(np.isfinite(trace.clean), trace.clean, -np.inf)
        if point is None or not len(clean) or clean.max() <= point.best:
            continue
        if problem(plan.problem).fingerprint == plan.fingerprint and problem(name).fingerprint == point.fingerprint:
            winner = int(clean.argmax())
            points[name] = replace(
                point,
                best=float(clean[winner]),
                candidate=tuple(int(level) for level in trace.candidates[winner]),
                provenance=f"query {winner + 1} of {plan.solver} on {plan.problem}, seed {plan.seed}",
            )
    return replace(references, points=points)
