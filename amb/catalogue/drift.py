"""Whether a study ran on the networks that are installed, and whether those are intact; this imports plug-ins."""

from collections.abc import Iterator

import numpy as np

from amb.catalogue import problems as registry
from amb.contracts.problem import Problem
from amb.errors import AmbError
from amb.foreign import in_a_line
from amb.interruption import from_user
from amb.spec import ProblemId
from amb.study.health import Finding
from amb.study.study import Study


def examine_networks(study: Study) -> Iterator[Finding]:
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


def _fails(problem: Problem) -> str | None:
    try:
        problem.evaluate(problem.space.sample_prior(1, np.random.default_rng(0)))
    except BaseException as cause:
        if from_user(cause):
            raise
        return in_a_line(cause)
    return None
