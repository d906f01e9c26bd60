"""The problem contract: a stimulus space and a neuron's response to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.clock import CLOCK
from amb.contracts.conditions import Conditions
from amb.contracts.content import Content
from amb.contracts.noise import Noise, Queries
from amb.contracts.returned import Attribute, is_column, is_text, numbers
from amb.contracts.space import FloatArray, IntArray, Space
from amb.contracts.view import RenderedView, View, draw_levels, drawn
from amb.errors import PluginError, SpecError
from amb.fingerprint import fingerprint
from amb.spec import explained
from amb.text import angled

UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """The values and the cost of one joint evaluation of several problems.

    Attributes:
        values: what the solvers observe, one float64[n_i] for each problem.
        clean: the same without noise, never shown to a solver.
        generator_seconds, target_seconds: time spent on making images and on computing responses, for the whole batch.
    """

    values: list[FloatArray]
    clean: list[FloatArray]
    generator_seconds: float = 0.0
    target_seconds: float = 0.0

    def checked(self, problems: Sequence["Problem"], batches: Sequence[IntArray]) -> "Evaluation":
        """The same, with its values as float64, if every candidate has a value.

        Arrays that are right as they are stay the problem's own: whoever keeps them copies them.

        Raises:
            PluginError: the number of arrays or of values is wrong, they are not numbers, or seconds are below 0.
        """
        columns = []
        for name, column in (("values", self.values), ("clean", self.clean)):
            if not (isinstance(column, list | tuple) or (isinstance(column, np.ndarray) and column.ndim)):
                raise PluginError(
                    f"{problems[0].id}: evaluate_together returned {name} = {column!r:.40}; expected a list of arrays, "
                    "one for each problem"
                )
            if len(column) != len(problems):
                raise PluginError(
                    f"{problems[0].id}: evaluate_together returned {len(column)} arrays of {name} for "
                    f"{len(problems)} problems"
                )
            rows = zip(problems, batches, column, strict=True)
            columns.append(
                [
                    # Nearly all are, and to call `numbers` for one value takes as long as all else that is done for it.
                    values if is_column(values, len(batch)) else numbers(values, (len(batch),), f"{one.id}: {name}")
                    for one, batch, values in rows
                ]
            )
        for name in ("generator_seconds", "target_seconds"):
            spent = getattr(self, name)
            if isinstance(spent, bool) or not isinstance(spent, int | float | np.number) or not 0 <= spent < np.inf:
                what = f"{name} = {spent!r:.40}"
                raise PluginError(f"{problems[0].id}: evaluate_together returned {what}; it is finite and at least 0")
        return replace(self, values=columns[0], clean=columns[1])


Evaluation.__init__ = explained("amb.Evaluation")(Evaluation.__init__)  # type: ignore[method-assign]


class Problem(ABC):
    """A generator, a target network and one of its units: find the candidate that excites the unit most.

    Attributes:
        id: ``<generator>/<target>/<layer>/<unit>``; ``.../3+7+12`` for the mean of a group of units.
        space: the grid that is searched.
        group: problems of one group can be evaluated in one batch (they share generator and target).
        fingerprint: a hash of everything that the values depend on (checkpoints, formula). A run's id depends on
            it, so results of a different network are never reused.
        noise: the noise in what solvers observe; None if they observe the activation itself.
        conditions: what else distinguishes a trial from the activation (drift, adaptation, ...); None if nothing does.
        spikes: how many spikes an activation of 1 stands for; None if the problem counts none.
        classes: names of the classes that the network tells apart; () if it is not known to be a classifier.
        layers: the network's layers in its order; () if they are not known.
        threaded: whether a batch may be evaluated in another thread while solvers think. That saves time if most of the
            evaluation is compiled code which releases the interpreter's lock. The problem must then neither need the
            thread in which it was created nor use what belongs to the process as a whole: global random generators,
            the working directory.
        tells_options: whether the fingerprint depends on every option of the problem's id, so that two ids of one unit
            with equal fingerprints are one problem.
        made_of: what the fingerprint was made of, if that may change afterwards; None otherwise.
    """

    id: str
    space: Space
    fingerprint: str
    noise: Noise | None = None
    conditions: Conditions | None = None
    spikes: int | None = None
    classes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    threaded: bool = False
    tells_options: bool = False
    made_of: Content | None = None
    _shown: int = 0
    _before: FloatArray = np.empty(0)

    def __repr__(self) -> str:
        return angled(self, lambda: f"problem {self.id}: {self.space.size}")

    @property
    def group(self) -> str:
        return self.id

    @property
    def memory(self) -> int:
        """How many queries back an observed value depends on what was shown; 0 without adaptation."""
        return 0 if self.conditions is None else self.conditions.memory

    def evaluate(self, candidates: ArrayLike) -> FloatArray:
        """Activations of candidates, int[n, d] -> float64[n], as a solver observes them.

        With noise or conditions, an object numbers its queries from 0 in the order of calls, and what it observes
        depends on the query's number and on what was shown before: a script that creates the problem again observes
        the same values.

        Raises:
            CandidateError: wrong shape, type or range; then nothing has been evaluated.
        """
        index = self.space.check(candidates)
        seed = int.from_bytes(sha256(self.id.encode()).digest()[:8], "big")
        evaluation = self.observe_together([self], [index], [Queries(seed, self._shown, self._before)])
        self._shown += len(index)
        if self.memory:
            self._before = np.r_[self._before, evaluation.clean[0]][-self.memory :]
        return evaluation.values[0].copy()  # the array may be the problem's own

    def warm_up(self) -> None:  # noqa: B027 - optional by design
        """Compile and load what the first evaluation needs, so that no run is charged for it.

        Called once before the clocks start. It must not query the unit: in a laboratory, that would be a trial.
        By default it does nothing.
        """

    @classmethod
    @abstractmethod
    def evaluate_together(cls, problems: Sequence["Problem"], batches: Sequence[IntArray]) -> Evaluation:
        """Evaluate batch `i` on problem `i`, all of one `group`, in one pass, without `noise`.

        A value depends on its own candidate alone; in particular, the values of one batch must not depend, in any bit,
        on the other batches. Of a class of your own, some candidates are tried before the first run
        (`amb.contracts.alone`). The batches have passed `Space.check`; candidates from anywhere else go through
        `evaluate`.
        """

    @classmethod
    def observe_together(
        cls, problems: Sequence["Problem"], batches: Sequence[IntArray], queries: Sequence[Queries]
    ) -> Evaluation:
        """`evaluate_together`, as solvers observe it; `queries[i]` says which queries batch `i` contains.

        Raises:
            PluginError: a number of values other than that of the candidates.
        """
        evaluation = cls.evaluate_together(list(problems), list(batches)).checked(problems, batches)
        start = CLOCK.now()
        rows = zip(problems, batches, evaluation.values, evaluation.clean, queries, strict=True)
        observed = [one._observed(index, values, clean, q) for one, index, values, clean, q in rows]
        return replace(evaluation, values=observed, target_seconds=evaluation.target_seconds + CLOCK.since(start))

    def _observed(self, candidates: IntArray, values: FloatArray, clean: FloatArray, queries: Queries) -> FloatArray:
        """The values that a solver observes for a batch whose noise-free values are known."""
        responses = self._responses(candidates, values, queries)
        if self.conditions is not None:
            return self.conditions.observe(responses, clean, queries, self.noise)
        return responses if self.noise is None else self.noise.observe(responses, queries)

    def _responses(self, candidates: IntArray, values: FloatArray, queries: Queries) -> FloatArray:
        """The neuron's responses before they are measured: the values, unless the stimuli themselves are random."""
        return values

    @abstractmethod
    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli as they would be shown, uint8[n, h, w, c]."""

    def encode(self, images: UInt8Array) -> IntArray:
        """Candidates whose stimuli are near given images, for solvers that start from natural images. Optional.

        Args:
            images: uint8[n, h, w, c], the size of the stimuli.

        Returns:
            int64[n, d].

        Raises:
            SpecError: the problem has no encoder, or images of the wrong size or type.
        """
        raise SpecError(f"{self.id} has no encoder, so it cannot turn images into candidates")

    @classmethod
    def respond_together(cls, problems: Sequence["Problem"], images: UInt8Array) -> FloatArray:
        """Noise-free activations of several problems, all of one `group`, for images from anywhere.

        Optional: `amb references` needs it, and solvers never see it.

        Args:
            problems: the problems whose units respond.
            images: uint8[n, h, w, c], such as natural images of a data set.

        Returns:
            float64[n, len(problems)].

        Raises:
            SpecError: these problems respond to their own candidates only.
        """
        raise SpecError(f"{problems[0].id} responds to its own candidates only, not to other images")

    def classify(self, images: UInt8Array, *, presentations: int = 1, seed: int = 0) -> FloatArray:
        """The network's class probabilities for images from anywhere, float64[n, classes]. Optional.

        Args:
            images: uint8[n, h, w, c].
            presentations: how often each image is shown where the problem's input is noisy (`[input=bernoulli]`);
                probabilities are averaged over them. Without noise, one presentation says it all.
            seed: of the noise.

        Raises:
            SpecError: the network is not a classifier.
        """
        raise SpecError(f"{self.id}: the network is not known to be a classifier, so it has no class probabilities")

    def gradient(self, latents: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Relaxed activations of latents, and their gradients: for white-box solvers and reference points.

        Optional. The activation may be a differentiable approximation (surrogate spikes, fewer frames); the value that
        counts is `evaluate` at the nearest grid point. Like an activation, a gradient depends on its own latent only,
        bit for bit on one device.

        Args:
            latents: float[n, d], coordinates in the space's box, on the grid or between its points. A call with n = 0
                costs nothing and shows whether there are gradients.

        Returns:
            float64[n] and float64[n, d].

        Raises:
            SpecError: the problem has no gradients.
        """
        raise SpecError(f"{self.id} has no gradients, so a white-box solver cannot search it")

    def view(self) -> View:
        """What an image-seeing solver may see: the generator behind this problem's grid. Optional.

        The view must not lead to the target: it holds the generator, never `self`.

        Raises:
            SpecError: the problem offers no view.
        """
        raise SpecError(
            f"{self.id} offers no view of its images, so an image-seeing solver cannot search it: override Problem.view"
        )

    def facts(self) -> Mapping[str, object]:
        """Names and numbers for `amb problems show`."""
        return {"id": self.id, "dimensions": self.space.d, "levels": int(self.space.levels.max())}


class FunctionProblem(Problem):
    """A problem defined by a plain function, for your own objective and for tests.

    Args:
        function: int64[n, d] -> float[n].
        space: the grid.
        id: its name in tables.
        render: int64[n, d] -> uint8[n, h, w, c]; by default the candidate itself is drawn as a grey square.
        version: change it when the function changes. The space tells itself.

    Raises:
        SpecError: the space is none.
    """

    @explained("amb.FunctionProblem")
    def __init__(
        self,
        function: Callable[[IntArray], ArrayLike],
        space: Space,
        *,
        id: str,
        render: Callable[[IntArray], UInt8Array] | None = None,
        version: str = "1",
    ) -> None:
        if not isinstance(space, Space):
            raise SpecError(f"the space of {id} must be an amb.Space, got {space!r:.80}")
        self.function = function
        self.space = space
        self.id = id
        self.render = render
        self.fingerprint = f"function-{id}-{version}-{_told(space)}"

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[IntArray]) -> Evaluation:
        values = []
        start = CLOCK.now()
        for problem, batch in zip(problems, batches, strict=True):
            assert isinstance(problem, FunctionProblem)
            values.append(numbers(problem.function(batch), (len(batch),), f"the function of {problem.id}"))
        return Evaluation(values, [v.copy() for v in values], 0.0, CLOCK.since(start))

    def images(self, candidates: ArrayLike) -> UInt8Array:
        return drawn(self._renderer(), self.space.check(candidates), f"render of {self.id}")

    def view(self) -> View:
        """What the render function draws; the problem's own function is out of reach."""
        return RenderedView(self.space, self._renderer(), source=f"render of {self.id}")

    def _renderer(self) -> Callable[[IntArray], UInt8Array]:
        if self.render is not None:
            return self.render
        return partial(draw_levels, space=self.space)


def _told(space: Space) -> str:
    """A hash of a space: on another grid, the same candidates are other points."""
    ends = (float(space.low), float(space.high)) if space.kind == "ordinal" else ()
    return fingerprint(space.kind, space.levels, ends, space.prior, space.grid)


def check_batching(problem: Problem) -> None:
    """Refuse a problem that cannot be told by which batches it may join: before its first run.

    Raises:
        PluginError: `group` is no text, or `memory` no number of queries.
    """
    group, memory = problem.group, problem.memory
    if not isinstance(group, str):
        raise PluginError(f"{problem.id}: group is {group!r:.40}, but it must be a text")
    if isinstance(memory, bool) or not isinstance(memory, int | np.integer) or memory < 0:
        raise PluginError(f"{problem.id}: memory is {memory!r:.40}, but it must be a number of queries, at least 0")


REQUIRED = {
    "id": Attribute("its name, such as mine/bowl/only/1", is_text),
    "space": Attribute("the Space that is searched", lambda value: isinstance(value, Space)),
    "fingerprint": Attribute("a text that changes when its values change", is_text),
}
"""What every problem sets."""
