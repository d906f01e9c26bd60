"""Noise and recording conditions by spec, `...[noise=poisson,drift=0.3]`: the same for every problem."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import fields

from amb.catalogue.reference_points import stored_point
from amb.contracts.conditions import Conditions
from amb.contracts.noise import Noise
from amb.contracts.problem import Problem
from amb.contracts.trial_effects import TrialEffects
from amb.errors import SpecError
from amb.spec import NOISE_OPTIONS, TRIAL_OPTIONS, Spec, Value

SIGMA = 0.1


def observed_with(problem: Problem, options: Mapping[str, Value]) -> Problem:
    """The problem as solvers observe it under noise and recording conditions; both enter id and fingerprint.

    Args:
        problem: the problem without them.
        options: `amb.spec.NOISE_OPTIONS` and `TRIAL_OPTIONS`.

    Raises:
        SpecError: a wrong or missing option, or noise or adaptation of unknown size.
    """
    if not options:
        return problem
    noise = _noise(problem, {name: value for name, value in options.items() if name in NOISE_OPTIONS})
    conditions = _conditions(problem, {name: v for name, v in options.items() if name in TRIAL_OPTIONS}, noise)
    observed = copy.copy(problem)
    spec = Spec.parse(problem.id)
    observed.id = str(Spec(spec.name, tuple(sorted({**dict(spec.options), **options}.items()))))
    observed.noise, observed.conditions = noise, conditions
    hashed = " ".join([problem.fingerprint, *(repr(part) for part in (noise, conditions) if part is not None)])
    observed.fingerprint = hashlib.sha256(hashed.encode()).hexdigest()[:16]
    return observed


def _conditions(problem: Problem, options: dict[str, Value], noise: Noise | None) -> Conditions | None:
    if not options:
        return None
    if options.get("burst", 1) != 1 and (noise is None or noise.kind != "poisson"):
        raise SpecError("burst needs noise=poisson, whose spikes come in bursts")
    references = options.pop("references", 0)
    if (options.get("adaptation") or references) and "strong" not in options:
        options["strong"] = _strong(problem)
    values = {field.name: options[field.name] for field in fields(TrialEffects) if field.name in options}
    return Conditions(TrialEffects(**values), references)  # type: ignore[arg-type]


def _strong(problem: Problem) -> float:
    point = stored_point(problem.id, problem.fingerprint)
    if point is None or not point.best > 0:
        raise SpecError(
            f"adaptation and references are stated on the scale of a strong response, and no suite has a best known "
            f"value of {problem.id}: give an activation that counts as strong, such as strong=0.5"
        )
    return point.best


def _noise(problem: Problem, options: dict[str, Value]) -> Noise | None:
    if not options:
        return None
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
