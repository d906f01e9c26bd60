"""What an experiment's events amount to: trials, responses, and what is still open."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from unicodedata import normalize

import numpy as np

from amb.contracts.space import FloatArray
from amb.lab.experiment import Experiment, Search
from amb.lab.journal import Ask, BlockPlanned, Closed, Corrected, Event, Learned, Presentation, Responses, Start


@dataclass(frozen=True)
class Trial:
    """One presentation.

    Attributes:
        number: from 1, over the whole experiment.
        block: its block's number.
        stimulus: the stimulus' name.
        kind: candidate, best, reference or blank.
    """

    number: int
    block: int
    stimulus: str
    kind: str


@dataclass(frozen=True)
class Candidate:
    """A stimulus that a solver asked for.

    Attributes:
        stimulus: its name, ``<search>-<number>``.
        search: whose.
        levels: the grid point.
        block: in which it was first presented.
    """

    stimulus: str
    search: str
    levels: tuple[int, ...]
    block: int


@dataclass(frozen=True)
class Asked:
    """What a solver asked for at the beginning of a block, with the names of the stimuli."""

    block: int
    stimuli: tuple[str, ...]
    ask: Ask


@dataclass
class History:
    """The state of an experiment after some events; `add` them in order.

    Attributes:
        start: the first event.
        neurons: all recorded neurons, to look one up among many.
        trials: all trials planned; trial n is `trials[n - 1]`.
        candidates: all candidates by stimulus name, in the order asked.
        asked: what each search's solver was told and asked for, as far as that still counts.
        misled: candidates that a solver proposed from responses that were corrected later; their responses count as any
            others, but the solver that proposed them was brought back to where it was before.
        learned: stimuli that each search has learned, besides those that its solver awaited.
        generation: the candidates that each search asked for last and that its solver awaits values for.
        references: hash of every reference image presented so far, by stimulus name.
        closed: blocks whose missing trials are lost.
        blocks: what was planned, block n is `blocks[n - 1]`.
        corrections: what was corrected, in order.
    """

    start: Start | None = None
    neurons: frozenset[str] = frozenset()
    trials: list[Trial] = field(default_factory=list)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    asked: defaultdict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    misled: set[str] = field(default_factory=set)
    learned: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    generation: dict[str, tuple[str, ...]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    blocks: list[BlockPlanned] = field(default_factory=list)
    corrections: list[Corrected] = field(default_factory=list)
    _values: dict[tuple[int, str], float | None] = field(default_factory=dict)  # of trial and neuron
    _shown: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # trials by stimulus
    _names: dict[str, str] = field(default_factory=dict)  # of stimuli, which differ in more than case
    _asked: Counter[str] = field(default_factory=Counter)  # candidates by search

    def add(self, event: Event) -> None:
        """Account for one more event, which does not contradict those before, see `amb.lab.contradictions`."""
        match event:
            case Start():
                self.start, self.neurons = event, frozenset(event.experiment.neurons)
            case BlockPlanned():
                self._plan(event)
            case Responses():
                self._record(event)
            case Closed():
                self.closed.add(event.block)
            case Corrected():
                self._record(event)
                if event.added:
                    self._record(event.added)
                self._bring_back(event.restarted)
                self.corrections.append(event)

    def _record(self, event: Responses | Corrected) -> None:
        rows = zip(event.trials, event.neurons, event.values, strict=True)
        self._values.update({(trial, neuron): value for trial, neuron, value in rows})

    def _bring_back(self, restarted: Mapping[str, int]) -> None:
        """Forget what solvers did from the block on that was proposed from wrong responses."""
        for search, block in restarted.items():
            self.misled.update(name for one in self.asked[search] if one.block >= block for name in one.stimuli)
            kept = self.asked[search] = [one for one in self.asked[search] if one.block < block]
            self.generation[search] = kept[-1].stimuli if kept else ()
            self.learned[search] = {learned.stimulus for one in kept for learned in one.ask.learned}

    def _plan(self, event: BlockPlanned) -> None:
        for ask in event.asks:
            self._ask(ask, event.block)
        for number, presentation in enumerate(event.order, event.first):
            self.trials.append(Trial(number, event.block, presentation.stimulus, presentation.kind))
            self._shown[presentation.stimulus].append(number)
            self._names[fold(presentation.stimulus)] = presentation.stimulus
        self.references.update(event.references)
        self.blocks.append(event)

    def _ask(self, ask: Ask, block: int) -> None:
        names = self.names(ask)
        self._asked[ask.search] += len(names)
        for name, levels in zip(names, ask.candidates, strict=True):
            self.candidates[name] = Candidate(name, ask.search, levels, block)
        self.generation[ask.search] = tuple(names)
        self.asked[ask.search].append(Asked(block, tuple(names), ask))
        self.learned[ask.search] |= {learned.stimulus for learned in ask.learned}

    def names(self, ask: Ask) -> list[str]:
        """The names of the stimuli that a search asks for next."""
        first = 1 + self._asked[ask.search]
        return [stimulus_name(ask.search, number) for number in range(first, first + len(ask.candidates))]

    @property
    def experiment(self) -> Experiment:
        """The settings at the start."""
        assert self.start is not None
        return self.start.experiment

    def recorded(self, trial: int, neuron: str) -> bool:
        """Whether there is a response, or a rejection, of a neuron in a trial."""
        return (trial, neuron) in self._values

    def value(self, trial: int, neuron: str) -> float | None:
        """The response of a neuron in a trial; None if there is none or the trial was rejected."""
        return self._values.get((trial, neuron))

    def missing(self, block: int) -> list[int]:
        """Numbers of the trials of a block that lack a response of some neuron; none if the block is closed."""
        if block in self.closed:
            return []
        planned = self.blocks[block - 1]
        neurons = self.experiment.neurons
        numbers = range(planned.first, planned.first + len(planned.order))
        return [n for n in numbers if any((n, neuron) not in self._values for neuron in neurons)]

    @property
    def open_block(self) -> int | None:
        """The number of the block that is being presented; None if every block has all its responses."""
        last = len(self.blocks)
        return last if last and self.missing(last) else None

    def response(self, trial: int, neurons: Sequence[str]) -> float:
        """The mean response of some neurons in a trial; NaN unless all of them have one.

        The mean of those that happen to have one would compare different neurons between trials.
        """
        if len(neurons) == 1:  # the mean of one number takes many times as long as the number
            value = self._values.get((trial, neurons[0]))
            return np.nan if value is None else float(value)
        values = [self._values.get((trial, neuron)) for neuron in neurons]
        return float(np.mean([np.nan if value is None else value for value in values]))

    def responses(
        self, stimulus: str, neurons: Sequence[str], *, kinds: Sequence[str] = (), before: float = inf
    ) -> FloatArray:
        """The valid responses to a stimulus, in the order of trials.

        Args:
            stimulus: its name.
            neurons: whose mean is the response.
            kinds: of these presentations only, if there are any.
            before: of trials before this one only.
        """
        trials = [n for n in self._shown[stimulus] if n < before and (not kinds or self.trials[n - 1].kind in kinds)]
        return self._valid(trials, neurons)

    def _valid(self, trials: Sequence[int], neurons: Sequence[str]) -> FloatArray:
        values = np.array([self.response(n, neurons) for n in trials], dtype=np.float64)
        return values[~np.isnan(values)]

    def leaders(self, search: str) -> dict[int, str]:
        """By block, the stimulus that it presented as the best so far of a search; other searches had others."""
        return {one.block: one.leaders[search] for one in self.blocks if search in one.leaders}

    def retests(self, stimulus: str, search: Search) -> FloatArray:
        """The valid responses to a stimulus where it was presented as the best so far of this search.

        Where it was presented as another search's, this one had not chosen it: it may have done so for these responses.
        """
        leaders = self.leaders(search.name)
        shown = (self.trials[n - 1] for n in self._shown[stimulus])
        own = [t.number for t in shown if t.kind == "best" and leaders.get(t.block) == stimulus]
        return self._valid(own, search.neurons)

    def presented(self, name: str) -> str | None:
        """The stimulus of that name, in whatever case; None: none was presented."""
        return self._names.get(fold(name))

    def unanswered(self, search: Search, *, retries: int) -> list[str]:
        """Stimuli that a search awaits, of which no trial was valid, and that may be presented again."""
        again = []
        for stimulus in self.generation.get(search.name, ()):
            blocks = {self.trials[n - 1].block for n in self._shown[stimulus]}
            if len(blocks) <= retries and not len(self.responses(stimulus, search.neurons)):
                again.append(stimulus)
        return again

    def misled_from(self, search: Search, stimuli: Collection[str]) -> int | None:
        """The first block for which a search's solver was told other values of some stimuli than those that count now.

        None if it was told none, or the same.
        """
        awaited: tuple[str, ...] = ()
        for one in self.asked[search.name]:
            first = self.blocks[one.block - 1].first
            told = zip(awaited, one.ask.told, strict=False)  # before its first candidates, a solver is told nothing
            known = [*told, *((learned.stimulus, learned.value) for learned in one.ask.learned)]
            if any(self._mean(name, search, before=first) != value for name, value in known if name in stimuli):
                return one.block
            awaited = one.stimuli
        return None

    def _mean(self, stimulus: str, search: Search, *, before: float = inf) -> float | None:
        """What a solver is told of a stimulus: the mean of its valid trials before one; None if there are none."""
        valid = self.responses(stimulus, search.neurons, kinds=("candidate",), before=before)
        return float(valid.mean()) if len(valid) else None

    def told(self, search: Search) -> tuple[float | None, ...]:
        """Values of the candidates that a search awaits: means of their valid trials, None where there are none."""
        return tuple(self._mean(stimulus, search) for stimulus in self.generation[search.name])

    def to_learn(self, search: Search, *, share: bool) -> tuple[Learned, ...]:
        """Stimuli with valid responses of a search's neurons that its solver does not know yet.

        Args:
            search: whose.
            share: whether it learns other searches' stimuli; else only those that its own solver proposed when it was
                misled.
        """
        found = []
        for stimulus, candidate in self.candidates.items():
            own = candidate.search == search.name
            foreign = stimulus in self.misled if own else share
            if foreign and stimulus not in self.learned[search.name]:
                value = self._mean(stimulus, search)
                if value is not None:
                    found.append(Learned(stimulus, value))
        return tuple(found)

    def leader(self, search: Search) -> str | None:
        """The best stimulus so far of a search; among those of all searches, if they share them."""
        return self.best(search.neurons, None if self.start and self.experiment.share else search.name)

    def best(self, neurons: Sequence[str], search: str | None = None) -> str | None:
        """The stimulus that drives some neurons most; None before the first valid response to a candidate.

        Compared are means that are shrunk towards the mean of all candidates as if each had one more trial of that
        value, so that a single lucky trial does not win over a stimulus that was presented often.

        Args:
            neurons: their mean response counts.
            search: only candidates of this search.
        """
        means = self._shrunk(neurons, search)
        return max(means, key=means.__getitem__) if means else None

    def _shrunk(self, neurons: Sequence[str], search: str | None) -> Mapping[str, float]:
        names = [c.stimulus for c in self.candidates.values() if search in (None, c.search)]
        seen = {name: values for name in names if len(values := self.responses(name, neurons))}
        if not seen:
            return {}
        overall = float(np.mean([values.mean() for values in seen.values()]))
        return {name: (values.sum() + overall) / (len(values) + 1) for name, values in seen.items()}


def history_of(events: Sequence[Event]) -> History:
    """The state after these events."""
    history = History()
    for event in events:
        history.add(event)
    return history


def stimulus_name(search: str, number: int) -> str:
    """The name of a candidate's stimulus: ``n1-0007``."""
    return f"{search}-{number:04d}"


def fold(name: str) -> str:
    """What is the same for two names that Windows, macOS or a share of theirs takes for one file's."""
    return normalize("NFC", normalize("NFC", name).casefold())


def reference_name(stem: str) -> str:
    """The name of a reference image's stimulus."""
    return f"ref-{stem}"


BLANK = Presentation("blank", "blank")
