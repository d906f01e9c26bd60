"""Problems made of a generator and a target network: one latent grid, one unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.generator import Generator, Grid
from amb.contracts.problem import Evaluation, Problem, UInt8Array
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SpecError
from amb_problems.presentation import present


class Target(Protocol):
    """Measures units' responses to images; a response depends on its own image only, to the bit."""

    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The response of unit `units[i]`, a (layer, channel) pair, to image `i`: float64[n] in [0, 1]."""


@runtime_checkable
class ManyUnits(Protocol):
    """A target that measures many units of one image in one pass."""

    def all_activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The response of every unit to every image: float64[n, len(units)]."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A generator and a target on one device; all their problems share it, and so share batches.

    Attributes:
        name: ``<generator>/<target>``.
        device: where both are.
        digests: sha256 of the checkpoints.
        cards: the models' facts, for people.
        activation: what the target's activations are, in words.
    """

    name: str
    device: str
    generator: Generator
    target: Target
    digests: tuple[str, ...]
    cards: Mapping[str, object]
    activation: str = "mean response of the unit"
    warm: set[tuple[str, int]] = field(default_factory=set, repr=False)
    """The units for which everything is compiled and laid out."""


class NetworkProblem(Problem):
    """How strongly one unit of a target responds to what a generator makes of a grid point.

    What an activation is, the target's model card says: of a spiking layer, the unit's spikes divided by frames and by
    positions of its feature map, in [0, 1].
    """

    def __init__(self, pair: Pair, layer: str, unit: int, grid: Grid, *, id: str) -> None:
        self.pair = pair
        self.layer = layer
        self.unit = unit
        self.grid = grid
        self.space = space = grid.space
        self.id = id
        words = list(pair.digests)
        words.append(f"{space.kind} {space.grid} {space.prior} {space.low} {space.high} {space.levels.tolist()}")
        if grid.numbering is not None:
            words.append(str(grid.numbering.tolist()))
        self.fingerprint = sha256(" ".join(words).encode()).hexdigest()[:16]

    @property
    def group(self) -> str:
        """All problems of one pair are evaluated together."""
        return f"{self.pair.name}@{self.pair.device}"

    def warm_up(self) -> None:
        """Show the unit one grey image, from one latent at the origin; once for all problems of the pair."""
        unit = self.layer, self.unit
        if unit in self.pair.warm:
            return
        self.pair.warm.add(unit)
        images = self.pair.generator.images(np.zeros((1, self.space.d), np.float32))
        self.pair.target.activations(np.full_like(images, 128), [unit])

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[IntArray]) -> Evaluation:
        """One pass through generator and target for all problems of a pair."""
        mine = [problem for problem in problems if isinstance(problem, NetworkProblem)]
        pair = mine[0].pair
        units = [(p.layer, p.unit) for p, batch in zip(mine, batches, strict=True) for _ in batch]
        latents = np.concatenate([p.grid.latents(batch) for p, batch in zip(mine, batches, strict=True)])
        shown = present(pair.generator, pair.target, latents, units, device=pair.device)
        values = np.split(shown.activations, np.cumsum([len(batch) for batch in batches])[:-1])
        return Evaluation(values, [value.copy() for value in values], shown.generator_seconds, shown.target_seconds)

    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli as they would be shown, uint8[n, h, w, c]."""
        return self.pair.generator.images(self.grid.latents(candidates))

    def encode(self, images: UInt8Array) -> IntArray:
        """Candidates int64[n, d] whose stimuli are near the given images, uint8[n, h, w, c]."""
        return self.grid.candidates(self.pair.generator.encode(images))

    @classmethod
    def respond_together(cls, problems: Sequence[Problem], images: UInt8Array) -> FloatArray:
        """Activations of all problems of a pair for images from anywhere, float64[n, problems]."""
        mine = [problem for problem in problems if isinstance(problem, NetworkProblem)]
        target, units = mine[0].pair.target, [(p.layer, p.unit) for p in mine]
        if isinstance(target, ManyUnits):
            return target.all_activations(images, units)
        return np.stack([target.activations(images, [unit] * len(images)) for unit in units], axis=1)

    def gradient(self, latents: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Surrogate gradients through generator and target: of spiking networks, over 20 frames at most."""
        from amb_problems.gradients import DifferentiableGenerator, DifferentiableTarget, gradients

        generator, target = self.pair.generator, self.pair.target
        if not (isinstance(generator, DifferentiableGenerator) and isinstance(target, DifferentiableTarget)):
            culprit = self.pair.name.split("/")[isinstance(generator, DifferentiableGenerator)]
            raise SpecError(
                f"{self.id} has no gradients: none flow through {culprit}; a white-box solver cannot search it"
            )
        points = np.asarray(latents, np.float64)
        self.space.nearest(points)  # refuses wrong shapes and NaN
        if not len(points):
            return np.empty(0), np.empty_like(points)
        return gradients(generator, target, self.layer, (self.unit,), points, device=self.pair.device)

    def facts(self) -> Mapping[str, object]:
        """Names and numbers for `amb problems show`."""
        space = self.space
        size = f"{space.d} modes x {int(space.levels.max())} "
        box = f"levels, {space.grid} in [{space.low:g}, {space.high:g}]" if space.ordinal else "codes without order"
        return {
            "problem": self.id,
            "grid": size + box,
            "activation": self.pair.activation,
            **self.pair.cards,
            "checkpoints": ", ".join(self.pair.digests),
        }
