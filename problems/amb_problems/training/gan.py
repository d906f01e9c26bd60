"""Training of the SN-GANs: `amb train cifar10-sngan`, `amb train mnist-sngan`."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, unknown
from amb_problems import checkpoint, data
from amb_problems.generators.network import SNGANGenerator
from amb_problems.generators.sngan import SNGAN, SNGANShape
from amb_problems.training import state
from amb_problems.training.gan_step import GANRecipe, GANTraining
from amb_problems.training.quality import firing_rates, judge

RECIPES: Mapping[str, GANRecipe] = MappingProxyType(
    {
        "cifar10-sngan": GANRecipe(
            dataset="cifar10",
            shape=SNGANShape(),
            discriminator=(64, 64, 128, 128),
            flip=True,
            steps=14_243,
            judge=("snn-cnn", "sn3"),
        ),
        "mnist-sngan": GANRecipe(
            dataset="mnist",
            shape=SNGANShape(bottom=7, widths=(128, 64, 32), channels=1),
            discriminator=(32, 64, 128),
            flip=False,
            steps=4_000,
        ),
    }
)
"""The trainings by the name of the checkpoint that they make."""

_REPORT_STEPS = 50
_SAVE_SECONDS, _SHEET_SECONDS = 120.0, 600.0


def train(
    *,
    name: str,
    data: Path,
    out: Path,
    seed: int,
    device: str,
    minutes: float | None,
    resume: bool = True,
    progress: Callable[[TrainingProgress], None],
) -> None:
    """Train the generator `name` and write its checkpoint and card into `out`.

    The state is kept in `out` every two minutes and taken up again with `resume`; a sheet of samples and an
    interim checkpoint are written every ten minutes. The learning rates stay constant for the first half of
    the recipe's steps and then fall linearly to zero. After `minutes` the training stops, with its state and
    a checkpoint of what it has come to; called again, it goes on from there.

    Raises:
        SpecError: no such generator.
        DataError: the images or the saved state cannot be read, or the state is of another seed.
    """
    if name not in RECIPES:
        raise unknown("generator to train", name, RECIPES)
    _Sitting(name, data, out, seed, device, minutes, resume).run(progress)


class _Sitting:
    """One process's share of a training: the clock, what is written when, and when it ends."""

    def __init__(
        self, name: str, folder: Path, out: Path, seed: int, device: str, minutes: float | None, resume: bool
    ) -> None:
        self.name, self.out, self.seed, self.minutes = name, out, seed, minutes
        self.recipe = RECIPES[name]
        self.images = data.load(cast(data.DatasetName, self.recipe.dataset), folder)
        self.training = GANTraining(self.recipe, self.images.train_images, seed=seed, device=device)
        self.state_file = out / f"{name}.state.safetensors"
        self.seconds_before = 0.0
        self.started = time.monotonic()
        if resume and (stored := state.load_state(self.state_file)):
            tensors, facts = stored
            if facts["seed"] != seed:
                raise DataError(
                    f"{self.state_file} is of a training with seed {facts['seed']}, asked for is {seed}; "
                    "choose another folder, or do not resume"
                )
            self.training.restore(tensors, facts["done"])
            self.seconds_before = facts["seconds"]

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training so far, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def finished(self) -> bool:
        """Whether all the recipe's steps are done."""
        return self.training.done >= self.recipe.steps

    def run(self, progress: Callable[[TrainingProgress], None]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        saved = shown = time.monotonic()
        deadline = self.started + 60 * self.minutes if self.minutes is not None else math.inf
        while not self.finished and time.monotonic() < deadline:
            metrics = self.training.advance(min(1.0, 2 * (1 - self.training.done / self.recipe.steps)))
            if self.training.done % _REPORT_STEPS == 0:
                self._report(progress, {key: float(value) for key, value in metrics.items()})
            if time.monotonic() - saved > _SAVE_SECONDS:
                self._save()
                saved = time.monotonic()
            if time.monotonic() - shown > _SHEET_SECONDS:
                self._export(self.training.averaged_generator())
                shown = time.monotonic()
        self._save()
        self._export(self.training.averaged_generator(batches=20))
        if self.finished:
            self._judge()
        self._report(progress, {})

    def _report(self, progress: Callable[[TrainingProgress], None], metrics: dict[str, float]) -> None:
        progress(TrainingProgress(self.training.done, self.recipe.steps, metrics))

    def _save(self) -> None:
        facts = {"done": self.training.done, "seconds": self.seconds, "seed": self.seed}
        state.save_state(self.state_file, self.training.tensors(), facts)

    def _export(self, generator: SNGAN) -> None:
        checkpoint.save(self.out / self.name, generator.state_dict(), self._card())
        latents = self.training.latents("sheet", 0, 128)
        with torch.no_grad():
            images = generator(latents).float().cpu()
        write_sheet(self.out / f"{self.name}-{self.training.done:06d}.png", images)

    def _judge(self) -> None:
        """Write the distance to the data's test half into the card, where the judge is shipped."""
        if self.recipe.judge is None or self.recipe.judge[0] not in checkpoint.shipped():
            return
        features, title = firing_rates(*self.recipe.judge)
        generator = SNGANGenerator(self.out / self.name)
        quality = judge(generator, features, self.images.train_images, self.images.test_images, seed=self.seed)
        checkpoint.amend(self.out / self.name, metrics=quality.as_metrics(title))

    def _card(self) -> dict[str, object]:
        return {
            "kind": "sngan",
            "facts": ["data", "method", "steps"],
            "shape": self.recipe.shape.as_json(),
            "prior": "standard normal",
            "data": self.images.source,
            "method": "SN-GAN (Miyato et al. 2018): hinge loss, spectral normalization, averaged generator",
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "steps": self.training.done,
            "training_seconds": round(self.seconds),
            "finished": self.finished,
            "torch": torch.__version__,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "metrics": {},
        }


def write_sheet(file: Path, images: torch.Tensor, *, columns: int = 16, scale: int = 2) -> None:
    """Write images [n, c, h, w] in [-1, 1] as one PNG, `columns` to a row, enlarged `scale` times."""
    from PIL import Image

    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels = torch.nn.functional.pad(pixels, (1, 1, 1, 1), value=255)
    count, channels, height, width = pixels.shape
    rows = count // columns
    grid = pixels[: rows * columns].view(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    sheet = grid.reshape(rows * height, columns * width, channels).expand(-1, -1, 3).contiguous()
    picture = Image.fromarray(sheet.numpy())
    picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.NEAREST).save(file)
