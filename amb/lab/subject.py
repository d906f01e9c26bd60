"""A simulated subject: it sees a block's pictures, and its neurons answer with spikes, as living ones do.

It follows the protocol of a rig: it reads `presentations.csv` and the PNG files of a block, and writes a file with
responses. A trial's spikes depend on the subject's settings and seed, the trial's number and the pictures shown up to
then, so a rehearsal that was interrupted and repeated gives the same responses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import asdict
from PIL import Image

from amb.catalogue.problems import problem
from amb.contracts import asking
from amb.contracts.noise import Queries
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.contracts.trial_effects import BASELINE, TrialEffects
from amb.errors import LabError, SpecError
from amb.foreign import contained
from amb.lab.blocks import presentations
from amb.lab.experiment import Experiment, refuse_repeated
from amb.lab.searches import stream
from amb.lab.stimuli import read_image
from amb.lab.toml import parse_settings, read_text, toml_text
from amb.references.lookup import reference

FILE = "subject.toml"
MOST_SPIKES = 100_000
"""Spikes of one neuron in one trial: at 1,000 spikes per second, the longest response has 60,000."""
MOST_OF_BLOCK = 8_000_000
BEFORE = AFTER = 100.0
"""Milliseconds that are recorded before stimulus onset, and after the response ends."""

Milliseconds = Annotated[float, Meta(ge=0, le=60_000)]


class Neuron(Struct, frozen=True, forbid_unknown_fields=True):
    """A simulated neuron.

    Attributes:
        name: as in the experiment.
        problem: the problem whose unit it is; the generator of its id does not matter, for it sees pictures.
        strong: the activation at which it fires at `rate`.
        rate: spikes per second.
        baseline: spikes per second without a stimulus.
    """

    name: str
    problem: str
    strong: Annotated[float, Meta(gt=0)] = 1.0
    rate: Annotated[float, Meta(ge=0, le=1e5)] = 60.0
    baseline: Annotated[float, Meta(ge=0, le=1e5)] = 2.0


class Effects(Struct, frozen=True, forbid_unknown_fields=True):
    """See `amb.contracts.trial_effects.TrialEffects`."""

    drift: float = 0.15
    drift_trials: float = 100.0
    adaptation: float = 0.3
    adaptation_trials: float = 3.0
    burst: float = 1.2
    lost: float = 0.05


class SubjectSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A subject.

    Attributes:
        neuron: its neurons.
        seed: of everything random about it.
        latency: milliseconds from stimulus onset to the response.
        duration: milliseconds that the response lasts.
        effects: what distinguishes its trials from activations.
    """

    neuron: Annotated[tuple[Neuron, ...], Meta(min_length=1)]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    latency: Milliseconds = 60.0
    duration: Annotated[float, Meta(gt=0, le=60_000)] = 180.0
    effects: Effects = Effects()


@dataclass(frozen=True)
class SpikeTrain:
    """What one neuron did in one trial.

    Attributes:
        trial, neuron: which.
        times: milliseconds after stimulus onset; None if the trial was lost.
    """

    trial: int
    neuron: str
    times: FloatArray | None


class Subject:
    """Answers the blocks of an experiment.

    Raises:
        LabError: a neuron of the experiment is missing, or one is listed twice, or a number is out of range.
        SpecError: a problem does not exist.
    """

    def __init__(self, settings: SubjectSettings, experiment: Experiment) -> None:
        refuse_repeated(f"{FILE}: neuron", [n.name for n in settings.neuron])
        known = {n.name for n in settings.neuron}
        missing = [name for name in experiment.neurons if name not in known]
        if missing:
            raise LabError(f"{FILE} has no neuron {', '.join(missing)}, which the experiment records")
        self._settings = settings
        self._neurons = [n for n in settings.neuron if n.name in experiment.neurons]
        self._problems = [problem(n.problem) for n in self._neurons]
        self._shapes = [_shape(p) for p in self._problems]
        self._screen = experiment.screen
        self._known: dict[Path, FloatArray] = {}
        effects = asdict(settings.effects)
        try:
            self._effects = [TrialEffects(strong=n.strong, **effects) for n in self._neurons]
        except SpecError as cause:
            raise LabError(f"{FILE}: {cause}") from cause

    def answer(self, folder: Path, block: int) -> list[SpikeTrain]:
        """The spikes of all neurons in all trials of a block of the experiment in `folder`.

        Raises:
            LabError: the block's files are missing or damaged, or the trials have too many spikes.
        """
        shown = presentations(folder, block)
        activations = self._activations([path for _, path in shown])
        before = self._activations(self._pictures_before(folder, block))
        first = shown[0][0]
        seed = self._settings.seed
        lost = self._effects[0].lost_trials(len(shown), Queries(stream(seed, "trials"), first))
        every = [Queries(stream(seed, f"neuron {neuron.name}"), first) for neuron in self._neurons]
        expected = [self._expected(i, activations[:, i], queries, before[:, i]) for i, queries in enumerate(every)]
        self._refuse_many(expected)
        trains = []
        for i, (neuron, queries) in enumerate(zip(self._neurons, every, strict=True)):
            for row, (trial, _) in enumerate(shown):
                times = None if lost[row] else self._spikes(i, float(expected[i][row]), queries, row)
                trains.append(SpikeTrain(trial, neuron.name, times))
        return trains

    def _expected(self, i: int, activations: FloatArray, queries: Queries, before: FloatArray) -> FloatArray:
        """How many spikes each stimulus evokes from neuron i on average, float64[trials]."""
        neuron, means = self._neurons[i], self._effects[i].means(activations, queries, before)
        return means / neuron.strong * neuron.rate * self._settings.duration / 1000

    @property
    def _end(self) -> float:
        """When a trial ends, in milliseconds after stimulus onset."""
        return self._settings.latency + self._settings.duration + AFTER

    def _spontaneous(self, neuron: Neuron) -> float:
        """How many spikes a trial has on average without a stimulus."""
        return neuron.baseline * (self._end + BEFORE) / 1000

    def _refuse_many(self, expected: Sequence[FloatArray]) -> None:
        """Refuse more spikes than recordings have, before memory is taken for them.

        Args:
            expected: of each neuron, the spikes that its trials evoke.

        Raises:
            LabError: a trial has too many, or the block.
        """
        mend = "raise strong, or lower rate, baseline or duration"
        total = 0.0
        for neuron, evoked in zip(self._neurons, expected, strict=True):
            spikes = np.nan_to_num(evoked, nan=0.0).clip(min=0) + self._spontaneous(neuron)
            total += float(spikes.sum())
            if (most := spikes.max(initial=0)) > MOST_SPIKES:
                raise LabError(
                    f"{FILE}: neuron {neuron.name} would have {most:,.0f} spikes in a trial; the limit is "
                    f"{MOST_SPIKES:,}: {mend}"
                )
        if total > MOST_OF_BLOCK:
            raise LabError(
                f"{FILE}: a block would have {total:,.0f} spikes; the limit is {MOST_OF_BLOCK:,}, as in files of "
                f"responses: {mend}"
            )

    def _spikes(self, i: int, expected: float, queries: Queries, row: int) -> FloatArray:
        """Evoked and spontaneous spikes of neuron i in one trial, sorted."""
        settings = self._settings
        evoked = self._effects[i].spike_times(
            expected, queries, row, latency=settings.latency, duration=settings.duration
        )
        rng = queries.rng(row, stream=BASELINE)
        spontaneous = rng.uniform(-BEFORE, self._end, rng.poisson(self._spontaneous(self._neurons[i])))
        return np.sort(np.concatenate([evoked, spontaneous])).round(1)

    def _pictures_before(self, folder: Path, block: int) -> list[Path]:
        """The pictures of the trials before a block, as far back as adaptation reaches."""
        memory = max(effects.memory for effects in self._effects)
        paths: list[Path] = []
        while block > 1 and len(paths) < memory:
            block -= 1
            paths = [path for _, path in presentations(folder, block)] + paths
        return paths[-memory:] if memory else []

    def _activations(self, paths: Sequence[Path]) -> FloatArray:
        """What each picture does to each neuron, float64[pictures, neurons]."""
        new = [path for path in dict.fromkeys(paths) if path not in self._known]
        if new:
            pictures = [self._stimulus(path) for path in new]
            values = np.stack([self._respond(i, pictures) for i in range(len(self._neurons))], axis=1)
            self._known.update(zip(new, values, strict=True))
        return np.array([self._known[path] for path in paths]).reshape(len(paths), len(self._neurons))

    def _respond(self, i: int, pictures: Sequence[Image.Image]) -> FloatArray:
        neuron = self._problems[i]
        images = np.stack([_seen(picture, self._shapes[i]) for picture in pictures])
        return asking.responses([neuron], images)[:, 0]

    def _stimulus(self, path: Path) -> Image.Image:
        """The stimulus in a picture: what is at its centre."""
        screen = self._screen
        left, top = (screen.width - screen.size) // 2, (screen.height - screen.size) // 2
        try:
            return read_image(path).crop((left, top, left + screen.size, top + screen.size))
        except LabError as cause:
            raise LabError(f"{cause}; `amb lab next` writes a block's files again") from cause


HEADER = """\
# A simulated subject for `amb lab simulate`. Each [[neuron]] responds as the unit of a network, `problem`.
# rate: spikes per second at the activation `strong`; baseline: spontaneous spikes per second.
# latency, duration: of the response, in milliseconds after stimulus onset.
# drift: standard deviation of the log gain, over drift_trials trials.
# adaptation: how much a stimulus of activation `strong` suppresses the next responses, over adaptation_trials trials.
# burst: mean spikes per burst; 1 for none. lost: probability that a trial is lost.

"""


def new_settings(neurons: Sequence[str], problems: Sequence[str], *, seed: int, lost: float | None) -> str:
    """The text of a `subject.toml`, one problem for each neuron.

    A neuron fires at its full rate at the best known activation of its problem, or, if none is known, at the best of
    some random stimuli.

    Raises:
        LabError: not as many problems as neurons, or a number out of range.
        SpecError: a problem does not exist.
    """
    if len(problems) != len(neurons):
        raise LabError(f"{len(neurons)} neurons need as many problems, got {len(problems)}; name one for each neuron")
    pairs = zip(neurons, problems, strict=True)
    settings = SubjectSettings(
        tuple(Neuron(name, spec, strong=_strong(spec)) for name, spec in pairs),
        seed=seed,
        effects=Effects() if lost is None else Effects(lost=lost),
    )
    TrialEffects(lost=settings.effects.lost)
    return HEADER + toml_text(settings)


def read_subject(path: Path) -> SubjectSettings:
    """A subject's settings.

    Raises:
        LabError: the file cannot be read, or an entry is wrong.
    """
    return parse_settings(read_text(path), SubjectSettings, str(path))


def _strong(spec: str) -> float:
    known = reference(spec)
    if known is not None and known.best > 0:
        return round(known.best, 4)
    neuron = problem(spec)
    with contained():
        values = neuron.evaluate(neuron.space.sample_prior(64, np.random.default_rng(0)))
    best = float(np.nanmax(values, initial=0.0))
    return round(best, 4) if best >= 1e-3 else 1.0


def _seen(picture: Image.Image, shape: tuple[int, int, int]) -> UInt8Array:
    """A picture at the size that a network sees: each pixel is the mean of those that it covers."""
    height, width, channels = shape
    small = picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small.convert("L") if channels == 1 else small, dtype=np.uint8).reshape(height, width, channels)


def _shape(neuron: Problem) -> tuple[int, int, int]:
    """Height, width and channels of the pictures that a problem's network takes: those of its own stimuli."""
    height, width, channels = asking.images(neuron, np.zeros((1, neuron.space.d), dtype=np.int64)).shape[1:]
    return height, width, channels
