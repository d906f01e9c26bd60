"""The problem contract: a stimulus space and a neuron's response to it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.noise import Noise, Queries
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import CandidateError, SpecError

UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """What one joint evaluation of several problems observed and cost.

    Attributes:
        values: what the solvers are told, one float64[n_i] for each problem.
        clean: the same without noise, never shown to a solver.
        generator_seconds, target_seconds: time spent making images and measuring responses, whole batch.
    """

    values: list[FloatArray]
    clean: list[FloatArray]
    generator_seconds: float = 0.0
    target_seconds: float = 0.0


class Problem(ABC):
    """A generator, a target network and a unit of it: find the candidate that excites the unit most.

    Attributes:
        id: ``<generator>/<target>/<layer>/<unit>``; of a group of units, the mean of which counts, ``.../3+7+12``.
        space: the grid that is searched.
        group: problems of one group can be evaluated in one batch (they share generator and target).
        fingerprint: a hash of everything that the values depend on (checkpoints, formula); part of the key
            of a run, so that a changed network never meets old results.
        noise: through which solvers see it; None: they see the activation itself.
        spikes: how many spikes an activation of 1 stands for; None: it counts none.
    """

    id: str
    space: Space
    fingerprint: str
    noise: Noise | None = None
    spikes: int | None = None
    _shown: int = 0

    @property
    def group(self) -> str:
        return self.id

    def evaluate(self, candidates: ArrayLike) -> FloatArray:
        """Activations of candidates, int[n, d] -> float64[n]: what a solver is told.

        Where there is noise, an object's queries are numbered from 0 in the order of calls, and their noise depends on
        the number: a script that makes the problem anew observes the same.

        Raises:
            CandidateError: wrong shape, type or range; nothing is evaluated then.
        """
        index = self.space.check(candidates)
        queries = Queries(int.from_bytes(sha256(self.id.encode()).digest()[:8], "big"), self._shown)
        self._shown += len(index)
        return self.observe_together([self], [index], [queries]).values[0]

    def warm_up(self) -> None:  # noqa: B027 - optional by design
        """Compile and load whatever the first evaluation would, so that no run is charged for it.

        Called once before the clocks start; it must not measure the unit: in a laboratory that would be a
        trial. By default nothing is done.
        """

    @classmethod
    @abstractmethod
    def evaluate_together(cls, problems: Sequence["Problem"], batches: Sequence[IntArray]) -> Evaluation:
        """Evaluate batch `i` on problem `i`, all of one `group`, in one pass, without `noise`.

        What one batch observes must not depend, in any bit, on the others. The batches have passed `Space.check`;
        candidates from anywhere else go through `evaluate`.
        """

    @classmethod
    def observe_together(
        cls, problems: Sequence["Problem"], batches: Sequence[IntArray], queries: Sequence[Queries]
    ) -> Evaluation:
        """As `evaluate_together`, each problem seen through its noise; `queries` says which queries a batch is."""
        evaluation = cls.evaluate_together(problems, batches)
        if len(evaluation.values) != len(problems):
            return evaluation  # the runner says what is wrong with it
        start = perf_counter()
        rows = zip(problems, batches, evaluation.values, queries, strict=True)
        seen = [problem._observed(batch, values, numbers) for problem, batch, values, numbers in rows]
        return replace(evaluation, values=seen, target_seconds=evaluation.target_seconds + perf_counter() - start)

    def _observed(self, candidates: IntArray, values: FloatArray, queries: Queries) -> FloatArray:
        """What is told of a batch whose values without noise are known."""
        return values if self.noise is None else self.noise.observe(values, queries)

    @abstractmethod
    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli as they would be shown, uint8[n, h, w, c]."""

    def encode(self, images: UInt8Array) -> IntArray:
        """Candidates whose stimuli are near given images: for solvers that start from natural ones. Optional.

        Args:
            images: uint8[n, h, w, c], of the stimuli's size.

        Returns:
            int64[n, d].

        Raises:
            SpecError: the problem has no encoder, or images of another size or type.
        """
        raise SpecError(f"{self.id} has no encoder: it finds no candidates of given images")

    @classmethod
    def respond_together(cls, problems: Sequence["Problem"], images: UInt8Array) -> FloatArray:
        """Noise-free activations of several problems, all of one `group`, for images from anywhere.

        Optional: reference points need it (`amb references`), solvers never see it.

        Args:
            problems: whose units answer.
            images: uint8[n, h, w, c], such as natural images of a data set.

        Returns:
            float64[n, len(problems)].

        Raises:
            SpecError: these problems can show no images but their own.
        """
        raise SpecError(f"{problems[0].id} shows no images but those of its candidates (respond_together)")

    def gradient(self, latents: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Relaxed activations of latents, and their gradients: for white-box solvers and reference points.

        Optional. The activation may be a differentiable stand-in (surrogate spikes, fewer frames), so what counts is
        `evaluate` of the nearest grid point. Like an activation, a gradient depends on its own latent only, to the
        bit on one device.

        Args:
            latents: float[n, d], coordinates in the space's box, on the grid or between its points; with n = 0 it costs
                nothing and says whether there are gradients.

        Returns:
            float64[n] and float64[n, d].

        Raises:
            SpecError: the problem has no gradients.
        """
        raise SpecError(f"{self.id} has no gradients: a white-box solver cannot search it")

    def facts(self) -> Mapping[str, object]:
        """Names and numbers for `amb problems show`."""
        return {"id": self.id, "modes": self.space.d, "levels": int(self.space.levels.max())}


class FunctionProblem(Problem):
    """A problem made of a plain function, for one's own objective and for tests.

    Args:
        function: int64[n, d] -> float[n].
        space: the grid.
        id: its name in tables.
        render: int64[n, d] -> uint8[n, h, w, c]; without it, the candidate itself as a grey square.
        version: change it when the function changes.
    """

    def __init__(self, function, space: Space, *, id: str, render=None, version: str = "1") -> None:  # type: ignore[no-untyped-def]
        self.function = function
        self.space = space
        self.id = id
        self.render = render
        self.fingerprint = f"function-{id}-{version}"

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[IntArray]) -> Evaluation:
        values = []
        start = perf_counter()
        for problem, batch in zip(problems, batches, strict=True):
            assert isinstance(problem, FunctionProblem)
            observed = np.asarray(problem.function(batch), dtype=np.float64)
            if observed.shape != (len(batch),):
                raise CandidateError(f"{problem.id}: {len(batch)} values expected, got {list(observed.shape)}")
            values.append(observed)
        return Evaluation(values, [v.copy() for v in values], 0.0, perf_counter() - start)

    def images(self, candidates: ArrayLike) -> UInt8Array:
        index = self.space.check(candidates)
        if self.render is not None:
            return np.asarray(self.render(index), dtype=np.uint8)
        side = int(np.ceil(np.sqrt(self.space.d)))
        grey = np.zeros((len(index), side * side), dtype=np.uint8)
        grey[:, : self.space.d] = np.rint(index * (255 / np.maximum(self.space.levels - 1, 1)))
        return grey.reshape(-1, side, side, 1)
