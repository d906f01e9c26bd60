"""One training session: load or start a training, take steps until time is up, save its state, export its checkpoint.

All recipes use it. What a session saves, the next one with the same name, folder and seed resumes.
"""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, unknown
from amb.study.durable import flush_folder, make_folder
from amb.study.lock import Claim, hold
from amb_problems import checkpoint
from amb_problems.checkpoint import state_name
from amb_problems.data import image_sets
from amb_problems.training import state

_REPORT_STEPS = 20
_SAVE_SECONDS = 120.0

AnyRecipe = TypeVar("AnyRecipe")


class Training(Protocol):
    """Networks, optimizers and the number of steps taken."""

    @property
    def done(self) -> int:
        """Number of steps taken."""

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""

    def advance(self) -> Mapping[str, Tensor | float]:
        """Take one step; returns metrics by name."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The state, except for the position."""

    def position(self) -> Mapping[str, int]:
        """The position in the training at which the state was taken, as JSON values."""

    def restore(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Continue from saved tensors and their position."""


@dataclass
class Session:
    """A training of one name, in one folder, for a limited time.

    Attributes:
        name: name of the checkpoint.
        data: folder of the data sets.
        out: folder for state, checkpoint, card and sheets.
        seed: fixes every random decision.
        device: "cpu" or "cuda".
        minutes: time limit; None: until all steps are taken.
        resume: continue from the state in `out`, if there is one.
        progress: called every few steps.
        keep: how many states of the network to store in the course of the training.
    """

    name: str
    data: Path
    out: Path
    seed: int
    device: str
    minutes: float | None
    resume: bool
    progress: Callable[[TrainingProgress], None]
    keep: int = 0
    _images: str = field(default="", init=False)
    _earlier_seconds: float = field(default=0.0, init=False)
    _started: float = field(default_factory=lambda: time.monotonic(), init=False)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's path, without suffix."""
        return self.out / self.name

    @property
    def state_file(self) -> Path:
        """The file of the saved state."""
        return self.out / f"{self.name}.state.safetensors"

    def kept(self, step: int) -> Path:
        """The path of the network as it was after `step` steps, without suffix."""
        return self.out / state_name(self.name, step)

    def sheet(self, step: int) -> Path:
        """The file of the sheet of images drawn after `step` steps."""
        return self.out / f"{self.name}-{step:06d}.png"

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training so far, earlier sessions included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def recipe(self, kind: str, recipes: Mapping[str, AnyRecipe]) -> AnyRecipe:
        """The recipe of this session's name; `kind` says what it trains.

        Raises:
            SpecError: there is no such recipe.
        """
        if self.name not in recipes:
            raise unknown(f"{kind} to train", self.name, recipes)
        return recipes[self.name]

    def images(self, dataset: image_sets.DatasetName, *, trained: int = 1, tested: int = 1) -> image_sets.Dataset:
        """The data set to train and test on.

        Args:
            dataset: its name.
            trained: training images that are needed at least, such as a batch: an epoch has whole ones only.
            tested: test images that are needed at least, to judge the result.

        Raises:
            DataError: it cannot be read or downloaded, or has fewer images.
        """
        images = image_sets.load(dataset, self.data)
        for half, found, least in (
            ("training", len(images.train_images), trained),
            ("test", len(images.test_images), tested),
        ):
            if found < least:
                raise DataError(
                    f"{found} {half} images are too few: {self.name} needs at least {least}; give more, or name "
                    f"a folder without {dataset}, and it is downloaded"
                )
        self._images = _digest(images.train_images, images.train_labels)
        return images

    def run(
        self,
        training: Training,
        export: Callable[[bool], object],
        *,
        milestones: Collection[int] = (),
        export_minutes: float = math.inf,
        export_state: Callable[[Path], object] | None = None,
    ) -> None:
        """Take the remaining steps, at least one, until time is up.

        The state is saved every two minutes, at milestones and at the end. The checkpoint is exported at milestones,
        every `export_minutes` and at the end, even if no step was left to take.

        Args:
            training: the training to advance; resumed first.
            export: writes checkpoint and card; receives whether the session ends.
            milestones: numbers of steps after which the state is saved and exported.
            export_minutes: longest time between two exports.
            export_state: writes the network as it is to a path, at the steps of `kept_steps`.

        Raises:
            DataError: the saved state cannot be read, has another seed or name, was trained on other images, or is
                beyond steps that `keep` needs; the folder has kept networks of an earlier training; or another process
                trains under this name in this folder.
        """
        with self._claim():
            self._run(training, export, milestones, export_minutes, export_state)

    def _claim(self) -> Claim:
        """Keep other processes from this training: of two, the slower one would put the other's state back."""
        lock = self.out / f".{self.name}.lock"
        try:
            make_folder(self.out)
            flush_folder(self.out)  # the state and the networks that a session stored which was killed
            claim = hold(lock)
        except OSError as error:
            raise DataError(f"cannot write to {self.out}: {error.strerror or error}; choose another folder") from error
        if claim is None:
            raise DataError(
                f"another process trains {self.name!r} in {self.out}; wait until it ends, or choose another folder"
            )
        return claim

    def _run(
        self,
        training: Training,
        export: Callable[[bool], object],
        milestones: Collection[int],
        export_minutes: float,
        export_state: Callable[[Path], object] | None,
    ) -> None:
        resumed = self.resume and self._load(training)
        if export_state is not None and not resumed:
            self._refuse_kept()
            if self.keep:
                self._save(training)  # or a kill after the first kept network would leave it to no training
        states = kept_steps(training.steps, self.keep)
        if passed := [step for step in states if step <= training.done and not checkpoint.exists(self.kept(step))]:
            raise DataError(
                f"the training in {self.out} is at step {training.done}, beyond {len(passed)} of the {len(states)} "
                f"steps whose networks --keep {self.keep} stores; restart it without resuming, or leave out --keep"
            )
        if training.done >= training.steps:
            self._report(training, {})
            export(True)
            return
        ends = False
        saved = exported = time.monotonic()
        while not ends:
            metrics = training.advance()
            now = time.monotonic()
            milestone = training.done in milestones
            if training.done in states and export_state is not None:
                export_state(self.kept(training.done))
            ends = training.done >= training.steps or self._time_is_up(now)
            if ends or milestone or training.done % _REPORT_STEPS == 0:
                self._report(training, metrics)
            if ends or milestone or now - saved > _SAVE_SECONDS:
                self._save(training)
                saved = time.monotonic()
            if ends or milestone or now - exported > 60 * export_minutes:
                export(ends)
                exported = time.monotonic()

    def _refuse_kept(self) -> None:
        """Networks that an earlier training kept would count as this one's."""
        if earlier := checkpoint.states(self.name, self.out):
            raise DataError(
                f"{self.out} has {len(earlier)} networks that an earlier training of {self.name!r} kept, such as "
                f"{earlier[0].name}; move them elsewhere, or choose another folder"
            )

    def _time_is_up(self, now: float) -> bool:
        return self.minutes is not None and now - self._started > 60 * self.minutes

    def _report(self, training: Training, metrics: Mapping[str, Tensor | float]) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        self.progress(TrainingProgress(training.done, training.steps, values))

    def _load(self, training: Training) -> bool:
        """Continue from the state in the folder; False if there is none."""
        stored = state.load_state(self.state_file, state.largest_of(training.tensors()))
        if stored is None:
            return False
        tensors, facts = stored
        if facts.get("name", self.name) != self.name:  # version 0.1 stored none
            raise DataError(
                f"{self.state_file} is the state of the training {facts['name']!r}, not of {self.name!r}; "
                "give it its name back, choose another folder, or restart without resuming"
            )
        if facts.get("seed") != self.seed:
            raise DataError(
                f"{self.state_file} was trained with seed {facts.get('seed')}, not {self.seed}; "
                "give that seed, choose another folder, or restart without resuming"
            )
        if facts.get("images", self._images) != self._images:  # earlier versions stored none
            raise DataError(
                f"{self.state_file} was trained on other images than those given; give the same, choose another "
                "folder, or restart without resuming"
            )
        try:
            earlier = float(facts.get("seconds", 0.0))  # version 0.1 stored none for classifiers
            if not 0 <= earlier < math.inf:
                raise ValueError(f"its seconds are {earlier}")
            training.restore(tensors, facts)
            if unknown_tensors := tensors.keys() - training.tensors().keys():
                raise ValueError(f"it has {min(unknown_tensors):.80}, which the recipe has not")
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError, ArithmeticError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self.state_file} does not fit the recipe {self.name!r} ({reason}); "
                "choose another folder, or restart without resuming"
            ) from error
        self._earlier_seconds = earlier
        return True

    def _save(self, training: Training) -> None:
        about = {"seconds": self.seconds, "seed": self.seed, "name": self.name, "images": self._images}
        state.save_state(self.state_file, training.tensors(), {**training.position(), **about})


def _digest(*arrays: "np.ndarray[Any, Any]") -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def kept_steps(steps: int, keep: int) -> tuple[int, ...]:
    """The steps after which the network is stored: `keep` of them, evenly in the logarithm, first and last included.

    Early steps change a network most. Where two fall on one step, there are fewer; with enough, it is every step.
    """
    if keep < 1:
        return ()
    if keep - 1 >= steps * math.log(steps):  # less than a step between any two
        return tuple(range(1, steps + 1))
    return tuple(sorted({round(steps ** (i / max(keep - 1, 1))) for i in range(keep - 1)} | {steps}))


def generator_provenance(session: Session, training: Training) -> dict[str, Any]:
    """Entries of a generator's card: the progress of its training."""
    return {
        "seed": session.seed,
        "steps": training.done,
        "training_seconds": round(session.seconds),
        "finished": training.done >= training.steps,
        "torch": str(torch.__version__),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
