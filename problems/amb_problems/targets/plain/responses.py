"""Responses of any torch module's layers to images: the mean of every unit, recorded by hooks.

An image's responses are the same, bit for bit, alone and in any batch: the module is at rest before every presentation,
each pass runs on one thread, and images share a pass only in batches of sizes that give the same bits (`batches`). A
shipped network sees one image at a time, its mean is taken in float32.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from amb.contracts.images import Shape, check_images
from amb.contracts.target import Layers, check_unit
from amb.errors import SpecError
from amb.foreign import in_a_line
from amb_problems.targets.plain.batches import split
from amb_problems.targets.plain.copies import Copy, Pool
from amb_problems.targets.plain.neurons import is_neuron
from amb_problems.targets.plain.passes import Plan, means
from amb_problems.targets.plain.randomness import seeded
from amb_problems.targets.plain.survey import Choices, Survey, survey
from amb_problems.threads import one_thread_each

UInt8Array = npt.NDArray[np.uint8]
Images = UInt8Array | Tensor
"""uint8 `[n, h, w, c]`; a tensor may already be on the device."""
FloatArray = npt.NDArray[np.floating]

CHUNK = 1
"""Images of a shipped network at a time. Sixteen would be two to four times as fast, but a 1x1 convolution treats all
rows of all images as one matrix, and some processors sum its odd rows in a different order: the DenseNet's
probabilities then differ in the last bit."""
_PLAIN = {"dark": 32, "grey": 128}


@dataclass(frozen=True)
class Source:
    """A module and how it is shown images.

    Attributes:
        pool: its copies.
        prepare: maps uint8 images `[n, h, w, c]`, on the device, to the module's input.
        shape: shape of the images, `(h, w, c)`.
        device: the device that it runs on.
        name: name of the module in messages.
    """

    pool: Pool
    prepare: Callable[[Tensor], Tensor]
    shape: Shape
    device: torch.device
    name: str

    def probes(self, kind: str, number: int) -> Tensor:
        """uint8 images that are the same in every process: dark, grey, random, or faint: random around grey."""
        if kind in _PLAIN:
            return torch.full((number, *self.shape), _PLAIN[kind], dtype=torch.uint8, device=self.device)
        low, high = (96, 160) if kind == "faint" else (0, 256)
        random = np.random.default_rng(number).integers(low, high, (number, *self.shape), dtype=np.uint8)
        return torch.from_numpy(random).to(self.device)


def fails(shape: Shape, error: BaseException) -> SpecError:
    """The error for a module that cannot be shown an image."""
    reason = in_a_line(error)
    return SpecError(f"the network fails on a grey image {list(shape)}: {reason}{_likely_fix(reason)}")


def _likely_fix(reason: str) -> str:
    """What to state, where torch's or SpikingJelly's message shows that the network takes another shape."""
    if "[T, N" in reason:
        return "; if it takes all time steps in one call, state frames=N, multistep=True"
    another = "for images of another size, state shape=(height, width, channels)"
    if "cannot be multiplied" in reason:
        return f"; {another}; for flattened images, pass nn.Sequential(nn.Flatten(), network)"
    return f"; {another}" if "channels" in reason else ""


class Responses:
    """The units' mean responses in a module's layers.

    A layer is called as its submodule. Where a submodule is called several times in a pass, and not in time, the later
    calls are `<name>_1`, `<name>_2`, …, as torchvision's feature extraction calls them, without names that submodules
    have.

    Args:
        source: the module.
        survey: its layers.
        plan: how it is run.
        identity: a hash of what the module is.
    """

    def __init__(self, source: Source, survey: Survey, plan: Plan, *, identity: str = "") -> None:
        self.source, self.survey, self.plan, self.identity = source, survey, plan, identity
        self.layers = Layers({name: layer.units for name, layer in survey.layers.items()}, survey.refused)
        self.shapes: Mapping[str, tuple[int, ...]] = {name: layer.map for name, layer in survey.layers.items()}

    @classmethod
    def of_shipped(
        cls,
        module: nn.Module,
        *,
        prepare: Callable[[Tensor], Tensor],
        shape: Shape = (32, 32, 3),
        device: str = "cpu",
        name: str = "module",
    ) -> "Responses":
        """Those of a network without memory that takes float32 `[n, c, h, w]`, one image at a time.

        Args:
            module: it is set to evaluation mode, on `device`.
            prepare, shape, device, name: as in `Source`.

        Raises:
            SpecError: it fails on a grey image.
        """
        module.eval().requires_grad_(False).float().to(device)
        source = Source(Pool(module), prepare, shape, torch.device(device), name)
        plan = Plan(exact=False)
        with torch.inference_mode():
            try:
                found = survey(source.pool, lambda kind, n: plan.input(prepare(source.probes(kind, n))), Choices())
            except Exception as error:  # a module may raise anything
                raise fails(shape, error) from error
        return cls(source, found, plan)

    @property
    def module(self) -> nn.Module:
        """The module, which is copied and never run."""
        return self.source.pool.module

    def means(self, images: Images, layers: Iterable[str]) -> dict[str, FloatArray]:
        """Mean responses of all units of some layers: `[n, units]` each.

        Raises:
            SpecError: no such layer, or images of the wrong shape or type.
        """
        requested = tuple(dict.fromkeys(layers))
        for layer in requested:
            check_unit(self.layers, layer, 0)
        pixels = self._checked(images)
        jobs = self._jobs(requested, range(len(pixels)))
        answers = one_thread_each(lambda job: self._answer(pixels, job), jobs)
        empty = {layer: np.zeros((0, self.layers[layer]), self._dtype) for layer in requested}
        return {layer: np.concatenate([each[layer] for each in [empty, *answers]]) for layer in requested}

    def own(self, images: Images, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The mean response of unit `units[i]`, a (layer, unit) pair, to image `i`: `[n]`.

        Raises:
            SpecError: no such layer or unit, a number of units other than that of the images, or images of the wrong
                shape or type.
        """
        if len(units) != len(images):
            raise SpecError(f"expected one unit for each image, got {len(units)} for {len(images)}")
        rows: dict[str, list[int]] = {layer: [] for layer in self.layers}
        for row, (layer, unit) in enumerate(units):
            check_unit(self.layers, layer, unit)
            rows[layer].append(row)
        pixels = self._checked(images)
        # Shallow layers together: threads that share the work then finish at about the same time.
        jobs = [job for layer, some in rows.items() for job in self._jobs((layer,), some)]
        result = np.zeros(len(units), self._dtype)
        for job, answer in zip(jobs, one_thread_each(lambda job: self._answer(pixels, job), jobs), strict=True):
            chosen = [units[row][1] for row in job.rows]
            result[list(job.rows)] = answer[job.layers[0]][np.arange(len(job.rows)), chosen]
        return result

    def differentiable(self, pixels: Tensor, layer: str) -> Tensor:
        """Mean responses of a layer's units, float32 `[n, units]`, through which gradients flow.

        Args:
            pixels: float32 `[n, h, w, c]` in 0..255, on the device.
            layer: one of the layers.
        """
        check_unit(self.layers, layer, 0)
        if len(pixels) > 1 and (self.plan.identity is not None or self.plan.mixes):
            return torch.cat([self.differentiable(one, layer) for one in pixels.split(1)])
        x = self.plan.input(self.source.prepare(pixels.clone()))  # it may change its argument in place
        # A used copy's buffers may be inference tensors, through which no gradient flows.
        with self.source.pool.fresh() as copy, self._seeds(pixels.round().to(torch.uint8)):
            plan = replace(self.plan, once=False)  # the image may be on a graph of its own
            return means(copy.rest(), [x] * plan.passes, self.survey.layers, [layer], plan)[layer].float()

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Outputs of the module's rectifiers, float32 `[n, ...]` each, through which gradients flow.

        Args:
            pixels: float32 `[n, h, w, c]` in 0..255, on the device.

        Raises:
            SpecError: the module is presented in several steps or passes, or gives no outputs of `[n, ...]`.
        """
        if self.plan.passes > 1 or self.plan.multistep is not None:
            raise SpecError(f"{self.source.name} is shown an image over several steps, so it has no single maps")
        found: list[Tensor] = []
        with self.source.pool.fresh() as copy:
            network = copy.rest()
            parts = list(network.modules())
            rectifiers: list[nn.Module] = [part for part in parts if isinstance(part, nn.ReLU)]
            layers = rectifiers or [part for part in parts if not list(part.children())]
            hooks = [part.register_forward_hook(lambda _, __, output: found.append(output)) for part in layers]
            try:
                network(self.plan.input(self.source.prepare(pixels.clone())))
            finally:
                for hook in hooks:
                    hook.remove()
        maps = [part for part in found if isinstance(part, Tensor) and part.ndim in (2, 4) and len(part) == len(pixels)]
        if not maps:
            raise SpecError(f"{self.source.name} has no layer whose output is maps of every image")
        return maps

    def shown(self, copy: Copy, images: Tensor, layers: Sequence[str], *, sizes: bool = False) -> dict[str, Tensor]:
        """The layers' mean responses to images in one batch, `[n, units]` each, on a copy that is brought to rest.

        With `sizes`, the means of their sizes, without signs.
        """
        with self.plan.mode(), self._seeds(images):
            x = self.plan.input(self.source.prepare(images.to(self.source.device)))
            inputs = [x] * self.plan.passes
            answers = means(copy.rest(), inputs, self.survey.layers, layers, self.plan, sizes=sizes)
            return {layer: answer.detach() for layer, answer in answers.items()}

    def spikes(self) -> dict[str, int]:
        """The largest possible number of spikes of a unit in a presentation, by layer of neurons.

        Neurons that answer with anything but 0 and 1, such as graded spikes or potentials, count none: on three images
        their sums are not whole numbers.
        """
        modules = dict(self.module.named_modules())
        counts = {
            name: layer.values * self.plan.passes
            for name, layer in self.survey.layers.items()
            if is_neuron(modules[layer.module])
        }
        images = torch.cat([self.source.probes("grey", 1), self.source.probes("random", 2)])
        sums = {name: mean * counts[name] for name, mean in self.means(images, counts).items()}
        whole = {name: np.abs(total - np.rint(total)).max() < 1e-6 for name, total in sums.items()}
        return {n: count for n, count in counts.items() if whole[n] and sums[n].min() >= 0 and sums[n].max() <= count}

    def framed(self, frames: UInt8Array, layer: str) -> FloatArray:
        """The mean responses of a layer's units to one stimulus that changes, `[units]`: another image in every frame.

        Args:
            frames: uint8 `[frames, h, w, c]`.
            layer: one of the layers.

        Raises:
            SpecError: no such layer, or frames of the wrong shape or type.
        """
        check_unit(self.layers, layer, 0)
        pixels = self._checked(frames)
        with self.source.pool.borrowed() as copy, self.plan.mode(), self._seeds(pixels):
            x = self.source.prepare(pixels.to(self.source.device)).to(self.plan.dtype)[:, None]
            inputs = list(x) if self.plan.multistep is None else [x.contiguous()]
            return means(copy.rest(), inputs, self.survey.layers, [layer], self.plan)[layer][0].cpu().numpy()

    def _answer(self, pixels: Tensor, job: "_Job") -> dict[str, FloatArray]:
        first, count = job.rows[0], len(job.rows)
        if job.size == count and job.rows == tuple(range(first, first + count)):
            images = pixels[first : first + count]
        else:
            images = pixels[[*job.rows, *[job.rows[-1]] * (job.size - count)]]
        with self.source.pool.borrowed() as copy:
            answers = self.shown(copy, images, job.layers)
        return {layer: answer[: len(job.rows)].cpu().numpy() for layer, answer in answers.items()}

    def _jobs(self, layers: tuple[str, ...], rows: Sequence[int]) -> "list[_Job]":
        jobs, start = [], 0
        for count, size in split(len(rows), self.plan.sizes, self.plan.best, torch.get_num_threads()):
            jobs.append(_Job(layers, tuple(rows[start : start + count]), size))
            start += count
        return jobs

    def _checked(self, images: Images) -> Tensor:
        check_images(images, self.source.shape, f"target {self.source.name}")
        return images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))

    def _seeds(self, images: Tensor) -> "AbstractContextManager[None]":
        if self.plan.identity is None:
            return nullcontext()
        return seeded(images, self.plan.identity, self.source.device)

    @property
    def _dtype(self) -> type[np.floating]:
        return np.float64 if self.plan.exact else np.float32


@dataclass(frozen=True)
class _Job:
    """Images that are shown in one batch.

    Attributes:
        layers: whose responses are wanted.
        rows: the images.
        size: of the batch; it is filled with the last image.
    """

    layers: tuple[str, ...]
    rows: tuple[int, ...]
    size: int
