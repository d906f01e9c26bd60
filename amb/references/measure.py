"""Measuring reference points: chance, the best natural image, and the best known value of a problem."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from amb.catalogue import problems as registry
from amb.catalogue.reference_points import References
from amb.contracts.family import Family
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.reference import Reference, RoundTrip
from amb.contracts.space import FloatArray, IntArray
from amb.contracts.suite import Suite
from amb.errors import SpecError
from amb.references.resume import Work
from amb.spec import ProblemId, without_noise

_BLOCK = 1024
"""Images at a time, so that progress is seen."""


@dataclass(frozen=True)
class Effort:
    """How much is spent.

    Attributes:
        prior: random latents, at least 1,000.
        starts: of the gradient ascent: the best of the random latents.
        steps: of the ascent (Adam).
        mutations: rounds of refinement on the grid, 32 candidates each.
        rate: step size of Adam, in the latent's units.
        seed: of all randomness.
    """

    prior: int = 2000
    starts: int = 8
    steps: int = 40
    mutations: int = 20
    rate: float = 0.15
    seed: int = 0


def measure(
    suites: Sequence[Suite],
    *,
    data: Path | None,
    device: str,
    effort: Effort,
    progress: Callable[[str], None],
    state: Path | None = None,
) -> list[References]:
    """Reference points of some suites' problems, and the dead units of their layers; without noise.

    Every generator and target are passed once, whatever suites their problems are in.

    Args:
        suites: the problems.
        data: folder of the data sets.
        device: where networks run.
        effort: how much is spent.
        progress: told what is done, in words.
        state: a folder for what is measured, so that the same call goes on after a kill.

    Raises:
        SpecError: problems that can show no images from anywhere.
        DataError: the data set can be neither read nor downloaded.
    """
    work = Work(state)
    points: dict[str, Reference] = {}
    dead: list[str] = []
    tried: list[str] = []
    wanted = dict.fromkeys(without_noise(name) for suite in suites for name in suite.problems)
    made = {name: registry.problem(name, device=device) for name in wanted}
    groups: dict[tuple[str, int], list[str]] = {}
    for name, problem in made.items():
        groups.setdefault((problem.group, id(problem.space)), []).append(name)
    for names in groups.values():
        family_name = ProblemId.parse(names[0]).pair
        family = registry.family(family_name)
        siblings = _siblings(family, family_name, names, device)
        siblings = {name: unit for name, unit in siblings.items() if name not in tried}
        tried += siblings
        everybody = [made[name] for name in names] + list(siblings.values())
        draws = everybody[0].space.sample_prior(effort.prior, np.random.default_rng(effort.seed))
        progress(f"{family_name}: {effort.prior} random latents")
        chance = _answers(everybody, everybody[0].images(draws), progress, work)
        natural_images = family.natural_images(data)
        natural = None if natural_images is None else _answers(everybody, natural_images, progress, work)
        codes = None if natural_images is None else _encoded(everybody[0], natural_images, progress)
        back = None if codes is None else _answers(everybody, everybody[0].images(codes), progress, work)
        for column, name in enumerate(names):
            shown = None if natural is None else natural[:, column]
            returned = None if codes is None or back is None else (codes, back[:, column])
            find = partial(_point, made[name], (draws, chance[:, column]), shown, returned, effort)
            points[name] = work.point(name, made[name].fingerprint, effort, find)
            progress(f"{name}: chance {points[name].chance:.3f}, best known {points[name].best:.3f}")
        for column, (name, problem) in enumerate(siblings.items(), start=len(names)):
            seen = chance[:, column] if natural is None else np.r_[chance[:, column], natural[:, column]]
            if np.ptp(seen) == 0 and ascend(problem, draws, chance[:, column], effort)[0] == seen[0]:
                dead.append(name)
                progress(f"{name}: dead")
    found = []
    for suite in suites:
        mine = dict.fromkeys(without_noise(name) for name in suite.problems)
        layers = {_layer(name) for name in mine}
        lost = tuple(name for name in dead if _layer(name) in layers)
        searched = sum(_layer(name) in layers for name in tried)
        found.append(References(f"{suite.name}-{suite.version}", {n: points[n] for n in mine}, lost, searched))
    return found


def _layer(name: str) -> str:
    return ProblemId.parse(name).address


def ascend(problem: Problem, draws: IntArray, values: FloatArray, effort: Effort) -> tuple[float, IntArray]:
    """The best grid point that gradient ascent from the best draws, then mutation, find.

    Args:
        problem: what is driven; without gradients, only mutations are made.
        draws: int64[n, d], the candidates to start from.
        values: float64[n], their activations.
        effort: how much is spent.

    Returns:
        The activation, noise-free, and the candidate.
    """
    rng = np.random.default_rng(effort.seed)
    order = np.argsort(-values, kind="stable")[: effort.starts]
    best, champion = float(values[order[0]]), draws[order[0]]

    def challenge(candidates: IntArray) -> None:
        nonlocal best, champion
        clean = type(problem).evaluate_together([problem], [candidates]).clean[0]
        if np.nanmax(clean, initial=-np.inf) > best:
            winner = int(np.nanargmax(clean))
            best, champion = float(clean[winner]), candidates[winner]

    if _has_gradients(problem):
        latents = problem.space.decode(draws[order])
        mean, square = np.zeros_like(latents), np.zeros_like(latents)
        for step in range(1, effort.steps + 1):
            _, slope = problem.gradient(latents)
            mean = 0.9 * mean + 0.1 * slope
            square = 0.99 * square + 0.01 * slope**2
            corrected = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
            latents = np.clip(latents + effort.rate * corrected, problem.space.low, problem.space.high)
            if step % 5 == 0 or step == effort.steps:
                challenge(problem.space.nearest(latents))
    for _ in range(effort.mutations):
        challenge(_mutants(problem, champion, rng))
    return best, champion


def _mutants(problem: Problem, parent: IntArray, rng: np.random.Generator) -> IntArray:
    """32 children: about three modes each, moved by a few levels, or to any code where codes have no order."""
    space = problem.space
    children = np.repeat(parent[None], 32, axis=0)
    chosen = rng.random(children.shape) < 3 / space.d
    moved = children + rng.integers(-6, 7, children.shape) if space.ordinal else space.sample(32, rng)
    return np.where(chosen, np.clip(moved, 0, space.levels - 1), children)


Tried = tuple[IntArray, FloatArray]
"""Candidates int64[n, d] and their activations."""


def _point(
    problem: Problem, drawn: Tried, natural: FloatArray | None, returned: Tried | None, effort: Effort
) -> Reference:
    starts, origin = drawn, f"the best of {effort.prior} prior draws"
    trip = None
    if returned is not None:
        starts = np.concatenate([drawn[0], returned[0]]), np.concatenate([drawn[1], returned[1]])
        origin += f" and {len(returned[0])} natural images through the encoder"
        index = int(returned[1].argmax())
        trip = RoundTrip(float(returned[1][index]), index, tuple(int(level) for level in returned[0][index]))
    best, candidate = ascend(problem, *starts, effort)
    climbed = f", gradient ascent from the best {effort.starts} of them ({effort.steps} steps)"
    return Reference(
        fingerprint=problem.fingerprint,
        chance=float(np.median(drawn[1])),
        chance_q99=float(np.quantile(drawn[1], 0.99)),
        natural=None if natural is None else float(natural.max()),
        natural_index=None if natural is None else int(natural.argmax()),
        best=best,
        candidate=tuple(int(level) for level in candidate),
        provenance=f"{origin}{climbed if _has_gradients(problem) else ''}, "
        f"{effort.mutations} rounds of mutation on the grid; seed {effort.seed}",
        round_trip=trip,
    )


def _has_gradients(problem: Problem) -> bool:
    try:
        problem.gradient(np.empty((0, problem.space.d)))
    except SpecError:
        return False
    return problem.space.ordinal


def _encoded(problem: Problem, images: UInt8Array, progress: Callable[[str], None]) -> IntArray | None:
    """The images' candidates int64[n, d]; None: the generator has no encoder."""
    try:
        codes = problem.encode(images)
    except SpecError:
        return None
    progress(f"{len(images)} images through the encoder and back")
    return codes


def _siblings(family: Family, family_name: str, names: Sequence[str], device: str) -> dict[str, Problem]:
    """All units of the layers that the problems are in."""
    layers = dict.fromkeys(ProblemId.parse(name).layer for name in names)
    units = family.layers()
    return {
        f"{family_name}/{layer}/{unit}": family.problem(layer, unit, device=device)
        for layer in layers
        for unit in range(units[layer])
    }


def _answers(
    problems: Sequence[Problem], images: UInt8Array, progress: Callable[[str], None], work: Work
) -> FloatArray:
    parts = []
    for start in range(0, len(images), _BLOCK):
        some = images[start : start + _BLOCK]
        parts.append(work.answers(problems, some, partial(type(problems[0]).respond_together, problems, some)))
        progress(f"{min(start + _BLOCK, len(images))} of {len(images)} images")
    return np.concatenate(parts)
