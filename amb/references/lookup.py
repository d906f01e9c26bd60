"""The reference points of a problem, with noise or without, as its suite stores them."""

from amb.catalogue.problems import problem
from amb.catalogue.reference_points import of_suite, stored_point, stored_points
from amb.contracts.reference import Reference
from amb.spec import Spec, without_noise


def reference(problem_id: str, *, fingerprint: str | None = None) -> Reference | None:
    """The reference points of a problem, if a suite has them for these weights and this grid.

    They are noise-free: a problem with noise has those of the same problem without.

    Args:
        problem_id: as in a suite, with noise or without.
        fingerprint: of that problem, noise included, as a run records it; None: that of the installed networks. The
            problem is created, to learn its weights, if there is no fingerprint or the problem has noise, which enters
            the fingerprint.

    Raises:
        DataError: a suite's file is damaged.
        SpecError, CheckpointError: the problem has to be created, and cannot be.
    """
    name = without_noise(problem_id)
    # Points have the name without options that are stated at their defaults, and their fingerprint.
    listed = next((one for one in (name, Spec.parse(name).name) if stored_points(one)), None)
    if listed is None:
        return None
    if name == problem_id and fingerprint is not None:
        return stored_point(listed, fingerprint)
    if fingerprint is not None and fingerprint != problem(problem_id).fingerprint:
        return None
    return stored_point(listed, problem(name).fingerprint)


def stale(suite_name: str) -> list[str]:
    """Problems of a suite whose stored reference points belong to different weights or a different grid."""
    stored = of_suite(suite_name)
    points = {} if stored is None else stored.points
    return [name for name, point in points.items() if point.fingerprint != problem(name).fingerprint]
