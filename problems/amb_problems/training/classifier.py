"""Training of a target network as a classifier, in phases, resumable to the step.

A spiking network starts in its rate relaxation (frames 0), where training is cheap, and goes on with surrogate
gradients at a few frames; a plain network may start on crops of the images. Every random decision of a step is a
function of (seed, step): a killed training that resumes takes the steps that it would have taken.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from amb_problems.training import state
from amb_problems.training.surrogate import set_frames

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


@dataclass(frozen=True)
class Step:
    """A training step done: where it stands and how it went."""

    phase: int
    step: int
    steps: int
    loss: float
    accuracy: float


def has_bfloat16(device: str) -> bool:
    """Whether the device computes in bfloat16 by itself; where it is emulated, training is 13 times slower by it."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def normalize(images: Tensor) -> Tensor:
    """`(u8 - 128) / 64`: uint8 `[n, h, w, c]` to float32 `[n, c, h, w]`, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().sub_(128.0).div_(64.0)


def augment(images: Tensor, generator: torch.Generator, *, shift: int, mirror: bool, crop: int | None = None) -> Tensor:
    """Normalized images, shifted at random by up to `shift` pixels (mid-grey moves in) and mirrored.

    With `crop`: squares of that side, cut at random from the images as they are.
    """
    n, _, height, width = images.shape
    if crop is not None:
        shift, room, height, width = 0, height - crop, crop, crop
    else:
        room = 2 * shift
    corners = torch.randint(0, room + 1, (2, n), generator=generator)
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
    """A network in training; iterate over `run()` to take the steps, keep `tensors()` and `position` to go on later."""

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
    def precision(self) -> str:
        """How the steps are computed, for the model card."""
        return "bfloat16 autocast, float32 weights" if self.autocast else "float32"

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch; its last, incomplete batch is left out."""
        return len(self.images) // self.recipe.batch

    @property
    def total_steps(self) -> int:
        """Steps of all phases."""
        return self.epoch_steps * sum(phase.epochs for phase in self.recipe.phases)

    @property
    def done_steps(self) -> int:
        """Steps taken, all phases."""
        return self.epoch_steps * sum(p.epochs for p in self.recipe.phases[: self.phase]) + self.step

    def run(self) -> Iterator[Step]:
        """Take the remaining steps, one an iteration."""
        for number in range(self.phase, len(self.recipe.phases)):
            phase = self.recipe.phases[number]
            set_frames(self.network, phase.frames)
            steps = self.epoch_steps * phase.epochs
            while self.step < steps:
                yield self._advance(phase, steps)
            self.phase, self.step = number + 1, 0

    def _advance(self, phase: Phase, steps: int) -> Step:
        recipe, purpose = self.recipe, f"phase {self.phase}"
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(phase, recipe.warmup, self.step / steps)
        epoch, position = divmod(self.step, self.epoch_steps)
        order = torch.randperm(len(self.images), generator=state.stream(self.seed, f"{purpose} order", epoch))
        rows = order[position * recipe.batch : (position + 1) * recipe.batch]
        generator = state.stream(self.seed, f"{purpose} crops", self.step)
        batch = augment(
            normalize(self.images[rows]), generator, shift=recipe.shift, mirror=recipe.mirror, crop=phase.crop
        )
        batch, labels = batch.to(self.device), self.labels[rows].to(self.device)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.autocast):
            loss, scores = recipe.loss(self.network, batch, labels, phase.frames)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        accuracy = (scores.argmax(1) == labels).float().mean()
        return Step(self.phase, self.step, steps, float(loss.detach()), float(accuracy))

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to go on, but for `phase` and `step`."""
        return state.module_tensors(self.network, "network") | state.optimizer_tensors(self.optimizer, "optimizer")

    def restore(self, tensors: dict[str, Tensor], phase: int, step: int) -> None:
        """Put back what `tensors` gave, and the place where it was taken."""
        state.restore_module(self.network, tensors, "network")
        state.restore_optimizer(self.optimizer, tensors, "optimizer")
        self.phase, self.step = phase, step


def reestimate(network: nn.Module, images: Tensor, frames: int, *, batch: int = 100) -> None:
    """Measure the batch norms' statistics anew at `frames` frames, over uint8 `images`, in float32.

    The statistics of a spiking layer depend on the number of frames: without this, a network trained at 4 frames loses
    half its accuracy at 20.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    set_frames(network, frames)
    network.train()
    with torch.no_grad():
        for chunk in images.split(batch):
            network(normalize(chunk))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
