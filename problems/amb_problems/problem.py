"""Problems composed of a generator and a target network: one latent grid, one unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.clock import CLOCK
from amb.contracts import returned
from amb.contracts.generator import Generator, Grid
from amb.contracts.images import check_images
from amb.contracts.noise import Queries
from amb.contracts.problem import Evaluation, Problem, UInt8Array
from amb.contracts.space import FloatArray, IntArray
from amb.contracts.target import Target
from amb.errors import SpecError
from amb_problems.abilities import (
    ClassifiesFrames,
    CountsSpikes,
    DifferentiableGenerator,
    DifferentiableTarget,
    ManyUnits,
    SeesFrames,
    Units,
)
from amb_problems.encoding import Encoding
from amb_problems.generators.view import GeneratorView
from amb_problems.presentation import present
from amb_problems.torch_state import usual_torch
from amb_problems.trial import verify_generator, verify_numbers, verify_target


@dataclass(frozen=True, eq=False)
class Pair:
    """A generator and a target, loaded on one device; all their problems share the pair, and hence batches."""

    generator: Generator
    target: Target
    device: str
    warm: set[tuple[str, tuple[int, ...], bool]] = field(default_factory=set, repr=False)
    """The layers and units for which everything is compiled and allocated."""

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "warm": set()}  # where it is unpickled, nothing is

    @property
    def name(self) -> str:
        """``<generator>/<target>``."""
        return f"{self.generator.name}/{self.target.name}"

    @property
    def fingerprints(self) -> tuple[str, str]:
        """Fingerprints of generator and target: sha256 of the checkpoints, or versions."""
        return self.generator.fingerprint, self.target.fingerprint

    def facts(self) -> Mapping[str, object]:
        """The cards of both, under names with a prefix."""
        parts: dict[str, Generator | Target] = {"generator": self.generator, "target": self.target}
        cards = {part: returned.facts(one, f"{part} {one.name}") for part, one in parts.items()}
        return {f"{part} {key}": value for part, card in cards.items() for key, value in card.items()}


class NetworkProblem(Problem):
    """How strongly a unit of a target, or several units on average, responds to the image of a grid point.

    The target defines what an activation is: for a spiking layer, the unit's spikes divided by frames and by positions
        of
    its feature map, in [0, 1].

    Args:
        pair: generator and target.
        layer, units: the units to drive; several units are ascending and distinct.
        grid: the generator's latents as a grid.
        id: the canonical id.
        encoding: how the frames of a stimulus are drawn at random; None: every frame is the image itself.

    Raises:
        SpecError: an encoding for a target that does not take single frames.
    """

    tells_options = True

    def __init__(
        self,
        pair: Pair,
        layer: str,
        units: tuple[int, ...],
        grid: Grid,
        *,
        id: str,
        encoding: Encoding | None = None,
    ) -> None:
        self.pair = pair
        self.layer = layer
        self.units = units
        self.grid = grid
        self.space = grid.space
        self.id = id
        self.encoding = encoding
        self.classes = pair.target.classes
        self.layers = tuple(pair.target.layers)
        self.threaded = pair.generator.threaded and pair.target.threaded
        if encoding is not None and (not isinstance(pair.target, SeesFrames) or pair.target.frames is None):
            raise SpecError(
                f"{id}: target {pair.target.name} does not take single frames, so it has no option "
                f"input={encoding.kind}; spiking targets do, a module of your own if it has frames="
            )
        if isinstance(pair.target, CountsSpikes) and layer in pair.target.spikes:
            self.spikes = pair.target.spikes[layer] * len(units)
        words = [*pair.fingerprints, *grid.content()]
        if encoding is not None:
            words.append(repr(encoding))
        self.fingerprint = sha256(" ".join(words).encode()).hexdigest()[:16]

    @cached_property
    def group(self) -> str:
        """All problems of one pair and grid are evaluated together; two networks that share a name are two pairs."""
        return f"{self.pair.name}@{self.pair.device} {' '.join(self.pair.fingerprints)} {self.grid.fingerprint}"

    @usual_torch()
    def warm_up(self) -> None:
        """Show the units one grey image, from the latent at the origin, and try networks written elsewhere.

        Once for all problems of the pair that have the same units.

        Raises:
            SpecError: the units respond with no number.
            PluginError: a value depends on more than its own candidate.
        """
        what = self.layer, self.units, self.encoding is not None
        if what in self.pair.warm:
            return
        grey = np.full_like(self.pair.generator.images(np.zeros((1, self.space.d), np.float32)), 128)
        verify_numbers(self.pair.target, self.layer, self._respond, grey)
        verify_generator(self.pair.generator, self.grid)
        verify_target(self.pair.target, self._respond)
        if self.encoding is not None:
            assert isinstance(self.pair.target, SeesFrames)
            still = np.repeat(grey, self.pair.target.frames or 1, axis=0)
            self.pair.target.frame_activations(1, lambda _: still, self.layer, self.units)
        self.pair.warm.add(what)

    @classmethod
    @usual_torch()
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[IntArray]) -> Evaluation:
        """One pass through generator and target for all problems of a pair, one more for each group of units."""
        members = [problem for problem in problems if isinstance(problem, NetworkProblem)]
        pair = members[0].pair
        if (
            len(members) > 1
            and all(b is batches[0] or np.array_equal(b, batches[0]) for b in batches[1:])
            and all(member.group == members[0].group for member in members[1:])  # else they are other images
        ):
            return cls._evaluate_recording(members, batches[0])
        alone = [i for i, p in enumerate(members) if len(p.units) == 1]
        values: dict[int, FloatArray] = {}
        generator_seconds = target_seconds = 0.0
        if alone:
            units = [(members[i].layer, members[i].units[0]) for i in alone for _ in batches[i]]
            latents = _latents([members[i].grid for i in alone], [batches[i] for i in alone])
            responses = present(pair.generator, pair.target, latents, units, device=pair.device)
            generator_seconds, target_seconds = responses.generator_seconds, responses.target_seconds
            first = 0
            for i in alone:
                values[i] = responses.activations[first : first + len(batches[i])]
                first += len(batches[i])
        for i in set(range(len(members))) - set(alone):
            start = CLOCK.now()
            images = members[i].images(batches[i])
            middle = CLOCK.now()
            values[i] = members[i]._respond(images)
            generator_seconds += max(0.0, middle - start)
            target_seconds += CLOCK.since(middle)
        ordered = [values[i] for i in range(len(members))]
        return Evaluation(ordered, [value.copy() for value in ordered], generator_seconds, target_seconds)

    @classmethod
    def _evaluate_recording(cls, members: Sequence["NetworkProblem"], batch: IntArray) -> Evaluation:
        """The same candidates for all problems: every image is made and seen once, and all units respond to it."""
        start = CLOCK.now()
        images = members[0].images(batch)
        middle = CLOCK.now()
        responses = cls.respond_together(members, images)
        columns = [responses[:, i].copy() for i in range(len(members))]
        clean = [column.copy() for column in columns]
        return Evaluation(columns, clean, max(0.0, middle - start), CLOCK.since(middle))

    def _respond(self, images: UInt8Array) -> FloatArray:
        """Activations for images, float64[n]."""
        return _mean(_responses(self.pair.target, images, [(self.layer, unit) for unit in self.units]))

    def _responses(self, candidates: IntArray, values: FloatArray, queries: Queries) -> FloatArray:
        """The responses to random frames, if there are any."""
        return values if self.encoding is None else self._responses_to_frames(self.encoding, candidates, queries)

    @usual_torch()
    def _responses_to_frames(self, encoding: Encoding, candidates: IntArray, queries: Queries) -> FloatArray:
        target, images = self.pair.target, self.images(candidates)
        assert isinstance(target, SeesFrames)
        number = target.frames or 1

        def frames(row: int) -> UInt8Array:
            return encoding.frames(images[row], number, queries.rng(row, stream=1))

        responses = target.frame_activations(len(images), frames, self.layer, self.units)
        return _mean(returned.numbers(responses, (len(images), len(self.units)), f"target {target.name}"))

    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli as they would be shown, uint8[n, h, w, c]."""
        return self.view().images(candidates)

    def view(self) -> GeneratorView:
        """The generator on its grid, without the target."""
        return GeneratorView(self.pair.generator, self.grid, device=self.pair.device)

    @usual_torch()
    def encode(self, images: UInt8Array) -> IntArray:
        """Candidates int64[n, d] whose stimuli are near the given images, uint8[n, h, w, c]."""
        generator = self.pair.generator
        found = generator.encode(returned.copied(images))
        latents = returned.numbers(found, (len(images), generator.latent_dim), f"the encoder of {generator.name}")
        return self.grid.candidates(latents)

    @classmethod
    @usual_torch()
    def respond_together(cls, problems: Sequence[Problem], images: UInt8Array) -> FloatArray:
        """Activations of all problems of a pair for images from anywhere, float64[n, problems]."""
        members = [problem for problem in problems if isinstance(problem, NetworkProblem)]
        units = list(dict.fromkeys((p.layer, unit) for p in members for unit in p.units))
        responses, column = _responses(members[0].pair.target, images, units), {unit: i for i, unit in enumerate(units)}
        means = [_mean(responses[:, [column[p.layer, unit] for unit in p.units]]) for p in members]
        return np.stack(means, axis=1)

    @usual_torch()
    def classify(self, images: UInt8Array, *, presentations: int = 1, seed: int = 0) -> FloatArray:
        """The target's class probabilities; averaged over presentations if the frames are random."""
        target, encoding = self.pair.target, self.encoding
        check_images(images, target.shape, f"target {target.name}")
        expected = len(images), len(self.classes)
        if encoding is None:
            return returned.numbers(target.classify(returned.copied(images)), expected, f"target {target.name}")
        if not isinstance(target, ClassifiesFrames):
            raise SpecError(f"target {target.name} has no class probabilities for single frames; leave out the input")
        total = np.zeros(expected)
        for presentation in range(presentations):

            def frames(row: int, presentation: int = presentation) -> UInt8Array:
                rng = np.random.default_rng([seed, presentation, row])
                return encoding.frames(images[row], target.frames or 1, rng)

            total += returned.numbers(target.classify_frames(len(images), frames), expected, f"target {target.name}")
        return total / presentations

    @usual_torch()
    def gradient(self, latents: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Gradients through generator and target; for spiking networks, of surrogate spikes over at most 20 frames."""
        from amb_problems.gradients import gradients

        generator, target = self.pair.generator, self.pair.target
        if not (isinstance(generator, DifferentiableGenerator) and isinstance(target, DifferentiableTarget)):
            blocking = target if isinstance(generator, DifferentiableGenerator) else generator
            raise SpecError(
                f"{self.id} has no gradients: {blocking.name} is not differentiable; white-box solvers cannot search it"
            )
        points = self.space.real_rows(latents, "latents")
        self.space.nearest(points)  # refuses NaN
        if not len(points):
            return np.empty(0), np.empty_like(points)
        return gradients(generator, target, self.layer, self.units, points, device=self.pair.device)

    def facts(self) -> Mapping[str, object]:
        """Names and numbers for `amb problems show`."""
        space = self.space
        size = f"{space.d} dimensions x {int(space.levels.max())} "
        if not space.ordinal:
            levels = "codes without order"
        elif self.grid.numbering is not None:
            levels = "codes in an order"
        else:
            levels = f"levels, {space.grid} in [{space.low:g}, {space.high:g}]"
        return {
            "problem": self.id,
            "grid": size + levels,
            "activation": self.pair.target.activation
            + (f"; mean of {len(self.units)} units" if len(self.units) > 1 else ""),
            **({} if self.encoding is None else {"input": f"{self.encoding.kind}, redrawn in every frame"}),
            **self.pair.facts(),
            "checkpoints": ", ".join(self.pair.fingerprints),
        }


def _latents(grids: Sequence[Grid], batches: Sequence[IntArray]) -> NDArray[np.float32]:
    """The latents of checked batches, one after another, float32[n, d]."""
    if all(grid is grids[0] for grid in grids):  # one look-up for all
        return grids[0].latents_checked(np.concatenate(batches))
    return np.concatenate([grid.latents_checked(batch) for grid, batch in zip(grids, batches, strict=True)])


def _responses(target: Target, images: UInt8Array, units: Units) -> FloatArray:
    """The response of every unit to every image, float64[n, len(units)], in one pass if the target can.

    The target is given copies of the images: it may change them in place, and the caller's are used again.
    """
    source = f"target {target.name}"
    if isinstance(target, ManyUnits):
        responses = target.all_activations(returned.copied(images), list(units))
        return returned.numbers(responses, (len(images), len(units)), source)
    each = []
    for unit in units:
        responses = target.activations(returned.copied(images), [unit] * len(images))
        each.append(returned.numbers(responses, (len(images),), source))
    return np.stack(each, axis=1)


def _mean(responses: FloatArray) -> FloatArray:
    """The mean over units, added one by one: an image's mean does not depend on the other images, bit for bit."""
    total = responses[:, 0].copy()
    for column in range(1, responses.shape[1]):
        total += responses[:, column]
    return total / responses.shape[1]
