"""Training of a target network as a classifier, in phases, resumable to the step.

A spiking network starts in its rate relaxation (frames 0), where training is cheap, and continues with surrogate
gradients at a few frames; a plain network may start on crops of the images. Every random decision of a step is a
function of (seed, step): a training that is killed and resumed takes the same steps as an uninterrupted one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from amb_problems.targets.normalize import normalize
from amb_problems.targets.spiking.surrogate import set_frames
from amb_problems.training import state
from amb_problems.training.precision import has_bfloat16
from amb_problems.training.sampling import batch_rows, stream

SMOOTHING = 0.05
"""Label smoothing of all losses."""

Loss = Callable[[Any, Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(network, normalized images, labels, frames) to the loss and the class scores `[n, classes]`."""


@dataclass(frozen=True)
class Phase:
    """Epochs at one number of frames (0: without spikes), under one cycle of the learning rate.

    With `crop` the network sees squares of that side, cut at random, instead of whole images.
    """

    frames: int
    epochs: int
    peak: float
    crop: int | None = None


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained: SGD with Nesterov momentum, on mirrored and shifted images."""

    phases: tuple[Phase, ...]
    loss: Loss
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.2
    shift: int = 4
    mirror: bool = True


def augment(images: Tensor, generator: torch.Generator, *, shift: int, mirror: bool, crop: int | None = None) -> Tensor:
    """Normalized images, shifted at random by up to `shift` pixels (the border becomes mid-grey) and mirrored.

    With `crop`: squares of that side, cut at random from the images without a shift.
    """
    n, _, height, width = images.shape
    if crop is not None:
        shift, offsets, height, width = 0, height - crop, crop, crop
    else:
        offsets = 2 * shift
    corners = torch.randint(0, offsets + 1, (2, n), generator=generator)
    mirrored = (torch.rand(n, generator=generator) < 0.5).logical_and(torch.tensor(mirror))
    padded = nn.functional.pad(images, (shift, shift, shift, shift))
    result = torch.empty((n, images.shape[1], height, width)).contiguous(memory_format=torch.channels_last)
    for i, (top, left, flip) in enumerate(zip(*corners.tolist(), mirrored.tolist(), strict=True)):
        part = padded[i, :, top : top + height, left : left + width]
        result[i] = part.flip(2) if flip else part
    return result


def learning_rate(phase: Phase, warmup: float, done: float) -> float:
    """One cycle: linear up to the peak, then half a cosine down to zero; `done` is the share of the phase, 0..1."""
    if done < warmup:
        return phase.peak * max(done / warmup, 0.02)
    return phase.peak * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


class ClassifierTraining:
    """A network in training; a `Training` for `Session`. The position is the phase and the step within it."""

    def __init__(
        self,
        network: nn.Module,
        recipe: ClassifierRecipe,
        images: Tensor,
        labels: Tensor,
        *,
        seed: int,
        device: str = "cpu",
    ):
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.images, self.labels = recipe, images, labels
        self.seed, self.device = seed, device
        self.autocast = has_bfloat16(device)
        self.phase = self.step = 0
        matrices = [p for p in network.parameters() if p.ndim > 1]
        vectors = [p for p in network.parameters() if p.ndim <= 1]  # biases and batch norms do not decay
        self.optimizer = torch.optim.SGD(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=recipe.phases[0].peak,
            momentum=recipe.momentum,
            nesterov=True,
        )

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch; its last, incomplete batch is left out."""
        return len(self.images) // self.recipe.batch

    @property
    def phase_ends(self) -> list[int]:
        """Number of steps taken at the end of each phase."""
        return list(accumulate(self.epoch_steps * phase.epochs for phase in self.recipe.phases))

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return self.phase_ends[-1]

    @property
    def done(self) -> int:
        """Steps taken, all phases."""
        return [0, *self.phase_ends][self.phase] + self.step

    @property
    def frames(self) -> int:
        """Frames of the phase of the latest step."""
        return self.recipe.phases[min(self.phase, len(self.recipe.phases) - 1)].frames

    def advance(self) -> Mapping[str, Tensor | float]:
        """Take one step; returns loss, accuracy on its batch and phase."""
        while self.step >= self.epoch_steps * self.recipe.phases[self.phase].epochs:
            self.phase, self.step = self.phase + 1, 0
        recipe, phase = self.recipe, self.recipe.phases[self.phase]
        set_frames(self.network, phase.frames)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(phase, recipe.warmup, self.step / (self.epoch_steps * phase.epochs))
        batch, labels = self._batch(phase)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        chance = self._chance()
        with chance, torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.autocast):
            loss, scores = recipe.loss(self.network, batch, labels, phase.frames)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        accuracy = (scores.argmax(1) == labels).float().mean()
        return {"loss": loss.detach(), "accuracy": accuracy, "phase": float(self.phase)}

    def tensors(self) -> dict[str, Tensor]:
        """The state, except for the position."""
        return state.module_tensors(self.network, "network") | state.optimizer_tensors(self.optimizer, "optimizer")

    def position(self) -> dict[str, int]:
        """The phase and the steps taken in it."""
        return {"phase": self.phase, "step": self.step}

    def restore(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Continue from saved tensors and their position."""
        phases = self.recipe.phases
        phase = state.count(position, "phase", len(phases))
        step = state.count(position, "step", self.epoch_steps * phases[phase].epochs if phase < len(phases) else 0)
        self.phase, self.step = phase, step
        state.restore_module(self.network, tensors, "network")
        state.restore_optimizer(self.optimizer, tensors, "optimizer", begun=0 < self.done < self.steps)

    def provenance(self, **settings: object) -> dict[str, Any]:
        """The entry `training` of a target's card; `settings` are added to the recipe."""
        recipe = {key: value for key, value in asdict(self.recipe).items() if key != "loss"}
        return {
            "recipe": recipe | {"loss": self.recipe.loss.__name__, "label smoothing": SMOOTHING, **settings},
            "precision": "bfloat16 autocast, float32 weights" if self.autocast else "float32",
            "seed": self.seed,
            "steps": self.done,
            "steps planned": self.steps,
            "date": datetime.now(UTC).date().isoformat(),
        }

    @contextmanager
    def _chance(self) -> Iterator[None]:
        """What dropout draws in a forward pass, from torch's global generator, follows from the seed and the step."""
        device = torch.device(self.device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(stream(self.seed, f"phase {self.phase} dropout", self.step).initial_seed())
            yield

    def _batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """The step's images, augmented, and their labels."""
        recipe, purpose = self.recipe, f"phase {self.phase}"
        rows = batch_rows(len(self.images), recipe.batch, seed=self.seed, index=self.step, purpose=f"{purpose} order")
        generator = stream(self.seed, f"{purpose} crops", self.step)
        batch = augment(
            normalize(self.images[rows]), generator, shift=recipe.shift, mirror=recipe.mirror, crop=phase.crop
        )
        return batch.to(self.device), self.labels[rows].to(self.device)


def reestimate(network: nn.Module, images: Tensor, frames: int, *, batch: int = 100) -> None:
    """Re-estimate the batch norms' statistics at `frames` frames, over uint8 `images`, in float32.

    The statistics of a spiking layer depend on the number of frames: without this, a network trained at 4 frames loses
    half its accuracy at 20.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    set_frames(network, frames)
    network.train()
    with torch.no_grad():
        for chunk in images.split(batch):
            network(normalize(chunk))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
