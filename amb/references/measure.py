"""Measuring reference points: chance, the best natural image, and the best known value of a problem."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from amb.catalogue import problems as registry
from amb.catalogue.families import problem_of
from amb.catalogue.reference_points import References
from amb.contracts import asking
from amb.contracts.family import layers_of
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.reference import Reference, RoundTrip
from amb.contracts.space import FloatArray, IntArray
from amb.contracts.suite import Suite
from amb.errors import SpecError
from amb.foreign import contained
from amb.references.ascent import Effort, ascend, has_gradients
from amb.references.resume import Cache
from amb.spec import ProblemId, without_noise
from amb.text import activation

_BLOCK = 1024
"""Images at a time, so that progress is visible."""


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

    Every generator and target runs once, no matter in how many suites their problems are.

    Args:
        suites: the problems.
        data: folder of the data sets.
        device: where networks run.
        effort: how much to spend.
        progress: receives a line for each step.
        state: a folder for measurements, so that the same call continues after a kill.

    Raises:
        SpecError: a problem that cannot show other images than its own.
        DataError: the data set can be neither read nor downloaded.
    """
    measurement = Measurement(suites, data=data, device=device, effort=effort, progress=progress, cache=Cache(state))
    for names in measurement.groups():
        measurement.measure_group(names)
    return [measurement.collect(suite) for suite in suites]


@dataclass(frozen=True)
class Sample:
    """Candidates and every problem's responses to their images.

    Attributes:
        candidates: int64[n, d].
        responses: float64[n, problems].
    """

    candidates: IntArray
    responses: FloatArray

    def of(self, column: int) -> tuple[IntArray, FloatArray]:
        """The candidates, and the responses of one problem, float64[n]."""
        return self.candidates, self.responses[:, column]


@dataclass(frozen=True)
class Stimuli:
    """The stimuli that the units of a group have been shown, and their responses.

    Attributes:
        random: latents of the prior.
        natural: responses to natural images, float64[n, problems]; None: there is no data set.
        encoded: the natural images through the generator's encoder; None: no data set, or no encoder.
        shown: a hash of the natural images; "" if there are none.
    """

    random: Sample
    natural: FloatArray | None
    encoded: Sample | None
    shown: str = ""


class Measurement:
    """Reference points of some suites' problems: group by group `measure_group`, then suite by suite `collect`.

    Arguments are those of `measure`; `cache` holds what an earlier call measured.
    """

    def __init__(
        self,
        suites: Sequence[Suite],
        *,
        data: Path | None,
        device: str,
        effort: Effort,
        progress: Callable[[str], None],
        cache: Cache,
    ) -> None:
        self.data, self.device, self.effort, self.progress, self.cache = data, device, effort, progress, cache
        names = dict.fromkeys(without_noise(name) for suite in suites for name in suite.problems)
        self.problems = {name: registry.problem(name, device=device) for name in names}
        self.points: dict[str, Reference] = {}
        self.searched: list[str] = []
        self.dead: list[str] = []

    def groups(self) -> list[list[str]]:
        """The problems grouped by generator, target and grid, so that one pass serves a whole group."""
        groups: dict[tuple[str, int], list[str]] = {}
        for name, problem in self.problems.items():
            groups.setdefault((problem.group, id(problem.space)), []).append(name)
        return list(groups.values())

    def measure_group(self, names: Sequence[str]) -> None:
        """Show a group's units, and all units of their layers, random and natural images; then search."""
        siblings = self._siblings(names)
        stimuli = self._show(names, [self.problems[name] for name in names] + list(siblings.values()))
        for column, name in enumerate(names):
            self._find_points(name, column, stimuli)
        for column, (name, problem) in enumerate(siblings.items(), start=len(names)):
            self._test_dead(name, problem, column, stimuli)

    def collect(self, suite: Suite) -> References:
        """The reference points of one suite, without problems of which all random latents are failed queries."""
        names = dict.fromkeys(without_noise(name) for name in suite.problems)
        layers = {ProblemId.parse(name).address for name in names}
        searched, dead = (
            tuple(name for name in units if ProblemId.parse(name).address in layers)
            for units in (self.searched, self.dead)
        )
        points = {name: self.points[name] for name in names if name in self.points}
        return References(f"{suite.name}-{suite.version}", points, dead, len(searched))

    def _siblings(self, names: Sequence[str]) -> Mapping[str, Problem]:
        """All units of the layers that some problems of one pair are in, except those of earlier groups."""
        pair = ProblemId.parse(names[0]).pair
        family = registry.family(pair)
        units = layers_of(family)
        siblings = {
            f"{pair}/{layer}/{unit}": problem_of(family, layer, (unit,), device=self.device, options={})
            for layer in dict.fromkeys(ProblemId.parse(name).layer for name in names)
            for unit in range(units[layer])
        }
        fresh = {name: problem for name, problem in siblings.items() if name not in self.searched}
        self.searched += fresh
        return fresh

    def _show(self, names: Sequence[str], problems: Sequence[Problem]) -> Stimuli:
        """Random latents, natural images, and those through the encoder, to all problems of a group."""
        one, pair = problems[0], ProblemId.parse(names[0]).pair
        draws = one.space.sample_prior(self.effort.prior, np.random.default_rng(self.effort.seed))
        self.progress(f"{pair}: {self.effort.prior} random latents")
        random = Sample(draws, self._responses(problems, asking.images(one, draws)))
        with contained():
            images = registry.family(pair).natural_images(self.data)
        if images is None:
            return Stimuli(random, None, None)
        natural = self._responses(problems, images)
        codes = self._encode(one, images)
        encoded = None if codes is None else Sample(codes, self._responses(problems, asking.images(one, codes)))
        return Stimuli(random, natural, encoded, sha256(images.tobytes()).hexdigest())

    def _encode(self, problem: Problem, images: UInt8Array) -> IntArray | None:
        """The images' candidates int64[n, d]; None: the generator has no encoder."""
        try:
            codes = asking.encoded(problem, images)
        except SpecError:
            return None
        self.progress(f"{len(images)} images through the encoder and back")
        return codes

    def _responses(self, problems: Sequence[Problem], images: UInt8Array) -> FloatArray:
        """Responses of all problems to images, float64[n, problems], block by block."""
        parts = []
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            respond = partial(asking.responses, problems, block)
            parts.append(self.cache.responses(problems, block, respond))
            self.progress(f"{min(start + _BLOCK, len(images))} of {len(images)} images")
        return np.concatenate(parts)

    def _find_points(self, name: str, column: int, stimuli: Stimuli) -> None:
        problem = self.problems[name]
        if _highest(stimuli.random.of(column)[1]) is None:
            self.progress(f"{name}: left out, since all random latents are failed queries (NaN)")
            return
        find = partial(_point, problem, column, stimuli, self.effort)
        given = (self.effort, stimuli.shown) if stimuli.shown else self.effort
        self.points[name] = point = self.cache.point(name, problem.fingerprint, given, find)
        self.progress(f"{name}: chance {activation(point.chance)}, best known {activation(point.best)}")

    def _test_dead(self, name: str, problem: Problem, column: int, stimuli: Stimuli) -> None:
        """A unit is dead if it responds identically to all images, and a search changes nothing."""
        draws, values = stimuli.random.of(column)
        responses = values if stimuli.natural is None else np.r_[values, stimuli.natural[:, column]]
        if np.ptp(responses) == 0 and ascend(problem, draws, values, self.effort)[0] == responses[0]:
            self.dead.append(name)
            self.progress(f"{name}: dead")


def _point(problem: Problem, column: int, stimuli: Stimuli, effort: Effort) -> Reference:
    """The reference points of the problem whose responses are in a column; NaN, of failed queries, counts nowhere."""
    draws, values = stimuli.random.of(column)
    starts, activations, origin = draws, values, f"the best of {effort.prior} prior draws"
    trip = None
    if stimuli.encoded is not None:
        codes, returned = stimuli.encoded.of(column)
        starts, activations = np.concatenate([draws, codes]), np.concatenate([values, returned])
        origin += f" and {len(codes)} natural images through the encoder"
        if (index := _highest(returned)) is not None:
            trip = RoundTrip(float(returned[index]), index, _levels(codes[index]))
    best, candidate = ascend(problem, starts, activations, effort)
    climbed = f", gradient ascent from the best {effort.starts} of them ({effort.steps} steps)"
    natural = None if stimuli.natural is None else stimuli.natural[:, column]
    shown = None if natural is None else _highest(natural)
    return Reference(
        fingerprint=problem.fingerprint,
        chance=float(np.nanmedian(values)),
        chance_q99=float(np.nanquantile(values, 0.99)),
        natural=None if natural is None or shown is None else float(natural[shown]),
        natural_index=shown,
        best=best,
        candidate=_levels(candidate),
        provenance=f"{origin}{climbed if has_gradients(problem) else ''}, "
        f"{effort.mutations} rounds of mutation on the grid; seed {effort.seed}",
        round_trip=trip,
    )


def _highest(responses: FloatArray) -> int | None:
    """The number of the highest response; None: all are NaN."""
    return None if np.isnan(responses).all() else int(np.nanargmax(responses))


def _levels(candidate: IntArray) -> tuple[int, ...]:
    return tuple(int(level) for level in candidate)
