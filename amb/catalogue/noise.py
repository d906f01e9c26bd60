"""Noise by spec, `...[noise=poisson,trials=4]`: the same for every problem, built-in or third-party."""

import copy
import hashlib
from collections.abc import Mapping

from amb.catalogue.reference_points import stored_point
from amb.contracts.noise import Noise
from amb.contracts.problem import Problem
from amb.errors import SpecError
from amb.spec import Spec, Value

SIGMA = 0.1


def with_noise(problem: Problem, options: Mapping[str, Value]) -> Problem:
    """The problem as solvers observe it under noise; the noise enters id and fingerprint.

    Raises:
        SpecError: a wrong or missing option, or noise of unknown size.
    """
    if not options:
        return problem
    noise = _noise(problem, dict(options))
    noisy = copy.copy(problem)
    spec = Spec.parse(problem.id)
    noisy.id = str(Spec(spec.name, tuple(sorted({**dict(spec.options), **options}.items()))))
    noisy.noise = noise
    noisy.fingerprint = hashlib.sha256(f"{problem.fingerprint} {noise!r}".encode()).hexdigest()[:16]
    return noisy


def _noise(problem: Problem, options: dict[str, Value]) -> Noise:
    kind = options.pop("noise", None)
    if kind is None:
        raise SpecError(f"{', '.join(options)}: noise options without noise; add noise=poisson, bernoulli or gaussian")
    trials = options.pop("trials", 1)
    wrong = set(options) - ({"sigma", "std"} if kind == "gaussian" else {"spikes"})
    if kind in ("poisson", "bernoulli", "gaussian") and wrong:
        takes = "sigma or std, and trials" if kind == "gaussian" else "spikes and trials"
        raise SpecError(f"{kind} noise takes {takes}, not {', '.join(sorted(wrong))}")
    spikes, std = options.get("spikes", problem.spikes), options.get("std")
    if kind in ("poisson", "bernoulli") and spikes is None:
        raise SpecError(
            f"{problem.id} counts no spikes, so the size of {kind} noise is unknown: give the number of spikes that an "
            "activation of 1 stands for, such as spikes=100, or use noise=gaussian"
        )
    if kind == "gaussian" and std is None:
        std = _relative(problem, options.get("sigma", SIGMA))
    elif "sigma" in options:
        raise SpecError("gaussian noise takes sigma or std, not both")
    return Noise(kind, trials, spikes if kind != "gaussian" else None, std)  # type: ignore[arg-type]


def _relative(problem: Problem, sigma: Value) -> float:
    if isinstance(sigma, bool | str) or not 0 <= sigma <= 1e9:
        raise SpecError(f"sigma must be a number, at least 0, got {sigma!r}")
    point = stored_point(problem.id, problem.fingerprint)
    if point is None:
        raise SpecError(
            f"sigma is a share of the gap between chance and the best known value, and no suite has reference points "
            f"of {problem.id}: give the standard deviation itself, such as std=0.05"
        )
    return float(sigma) * (point.best - point.chance)
