"""How a user's module is to be measured: found by showing it a few images, and verified before the first value.

What must hold is that a value is a function of the image alone. Where that cannot be had, the module is refused with
the reason.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from amb.contracts.images import Shape
from amb.errors import AmbError, SpecError, unknown
from amb.interruption import from_user
from amb_problems.checkpoint import unusable
from amb_problems.targets.plain import neurons
from amb_problems.targets.plain.batches import SIZES, exact_sizes, fastest_size, mixes
from amb_problems.targets.plain.copies import Pool, Reset
from amb_problems.targets.plain.fingerprint import identity
from amb_problems.targets.plain.midway import puts_back
from amb_problems.targets.plain.numbers import without_numbers
from amb_problems.targets.plain.outside import Outside
from amb_problems.targets.plain.passes import Plan, means
from amb_problems.targets.plain.randomness import generators, kept, seeded
from amb_problems.targets.plain.responses import Responses, Source, fails
from amb_problems.targets.plain.rest import blank, equal, memory, tensors_in, weights, weights_changed
from amb_problems.targets.plain.survey import Choices, Survey, survey
from amb_problems.targets.plain.trace import ROOT
from amb_problems.tensor_content import computes_in, same_values
from amb_problems.threads import one_thread_each
from amb_problems.torch_state import restore_settings, shared_settings


@dataclass(frozen=True)
class Request:
    """What a user states about a module; see `OwnTarget`."""

    prepare: Callable[[Tensor], Tensor]
    shape: Shape
    frames: int | None
    multistep: bool
    device: str
    name: str
    choices: Choices
    reset: Reset | None


def examined(module: nn.Module, request: Request, settings: object) -> Responses:
    """The responses of a private copy of a user's module.

    Args:
        module: the private copy; it is moved to the device and brought to rest.
        request: what the user states.
        settings: what the user states, for the hash of what the network is.

    Raises:
        SpecError: the module fails, cannot be measured, or answers differently when an image is shown again.
    """

    def examine(_: None) -> Responses:
        with torch.inference_mode(False), torch.enable_grad(), kept(torch.device(request.device)):
            before = shared_settings()
            try:
                responses = _Examination(module, request, settings).responses()
                if changed := [name for name, value in shared_settings().items() if value != before[name]]:
                    raise SpecError(
                        f"target {request.name}: its forward pass changes torch's {changed[0]}, which the whole "
                        "process shares; set it outside of the module"
                    )
                return responses
            except BaseException as error:  # a user's module may raise anything
                if from_user(error) or isinstance(error, AmbError):
                    raise
                raise fails(request.shape, error) from error
            finally:
                restore_settings(before)

    return one_thread_each(examine, [None])[0]


class _Examination:
    def __init__(self, module: nn.Module, request: Request, settings: object) -> None:
        self.request, self.settings = request, settings
        self.owner, self.device = f"target {request.name}", torch.device(request.device)
        for name, numbers in module.named_parameters():
            if fault := unusable(numbers):
                raise SpecError(f"{self.owner}: its weights {name} hold {fault}; load or train others")
        module.to(self.device)
        self.outside = Outside(module)
        if request.multistep:
            _take_many_steps(module, request.frames)
        if _wants(request.choices, "membrane"):
            neurons.keep_membranes(module)
        self._bring_to_rest(module)
        pool = Pool(module, request.reset)
        self.source = Source(pool, request.prepare, request.shape, self.device, request.name)
        self.plastic: list[str] = []
        self.draws = False
        self.plan = Plan(multistep=request.frames if request.multistep else None, dtype=computes_in(module))

    def responses(self) -> Responses:
        """Run the whole examination."""
        self._find_mode()
        self._check_outside()
        assigned = self._try()
        network = identity(self.source.pool.module, self.settings, assigned)
        with self.plan.mode():
            if self.draws:
                self.plan.identity = network
            found = self._survey()
            self._refuse_without_numbers(found)
        responses = Responses(self.source, found, self.plan, identity=network)
        self._verify(responses)
        with self.plan.mode():
            self._set_passes(found, self._carried(found))
        repeats = self.plan.passes > 1 or any(len(layer.calls) > 1 for layer in found.layers.values())
        if repeats:
            self._verify(responses, once=not self.plastic and not self.plan.finished and self.plan.gradients != "on")
        if found.batches and self.plan.identity is None:
            self._find_order(responses)
            if not self.plan.mixes:
                self._verify_neighbours(responses)
                self._find_batches(responses)
        return responses

    def _bring_to_rest(self, module: nn.Module) -> None:
        neurons.reset(module)
        if self.request.reset is not None:
            before = weights(module)
            with neurons.registered(module):
                self.request.reset(module)
            if changed := next(weights_changed(before, module), None):
                raise SpecError(f"{self.owner}: reset= changes the weights {changed}; pass one that resets memory only")

    def _find_mode(self) -> None:
        """Run without gradients if the module can."""
        # Tensors of inference mode would stay in a module that is run itself.
        for mode in ("off", "on") if self.source.pool.single else ("inference", "off", "on"):
            self.plan.gradients = mode
            try:
                with self.source.pool.borrowed() as copy, self.plan.mode():
                    copy.rest()(self._input("grey", 1))
            except Exception as error:  # a user's module may raise anything
                if mode == "on":
                    raise fails(self.request.shape, error) from error
            else:
                return

    def _check_outside(self) -> None:
        """What a pass keeps outside of the module must not change the answer to another image."""
        changed = self.outside.changed()
        if not changed:
            return
        # What a cache may take for the first: the same pixels, in another order behind the border.
        first = self.source.probes("random", 1)
        second = first.clone()
        second[:, 1:-1, 1:-1] = first[:, 1:-1, 1:-1].flip(1, 2)

        def answer(*images: Tensor) -> list[Tensor]:
            """The last image's, after the others."""
            self.outside.restore()
            found: list[Tensor] = []
            with self.source.pool.borrowed() as copy, self.plan.mode():
                for image in images:
                    with seeded(image, "outside", self.device):
                        output = copy.rest()(self.plan.input(self.source.prepare(image)))
                    found = [tensor.detach().clone() for tensor in tensors_in(output)]
            return found

        try:
            alone = answer(first), answer(second)
            if not equal(answer(first), alone[0]):
                return  # random numbers, of which the verification tells
            if equal(answer(second, first), alone[0]) and equal(answer(first, second), alone[1]):
                return
        finally:
            self.outside.restore()
        raise SpecError(
            f"{self.owner} answers an image with what its forward pass has kept of another, outside of the module "
            f"({', '.join(changed[:3])}): keep it in attributes of the module, which are put back before every image, "
            "or nowhere"
        )

    def _try(self) -> set[str]:
        """See what a pass does: whether it draws random numbers, changes weights, and all that it assigns."""
        _seed_otherwise()
        drawn = generators(self.device)
        with self.source.pool.borrowed() as copy:
            before = weights(copy.rest())
            assigned: set[str] = set()
            for kind in ("grey", "random"):
                show = partial(copy.module, self._input(kind, 1))
                with self.plan.mode():
                    if kind == "grey":
                        show()
                    else:
                        self.plan.finished = puts_back(copy.module, show, self.outside.changed)
                assigned |= copy.snapshot.changed()
            self.plastic = list(weights_changed(before, copy.module))
            copy.rest()
        self.draws = generators(self.device) != drawn
        if self.plastic or self.plan.finished:
            pool = Pool(self.source.pool.module, self.request.reset, share=False)
            self.source = replace(self.source, pool=pool)
        elif self.plan.gradients != "on":
            for parameter in self.source.pool.module.parameters():
                if parameter.is_leaf:
                    parameter.requires_grad_(False)
        return assigned

    def _survey(self) -> Survey:
        try:
            found = survey(self.source.pool, self._input, self.request.choices)
        except SpecError:
            raise
        except Exception as error:
            raise fails(self.request.shape, error) from error
        _check_choices(found, self.request.choices, self.owner)
        return found

    def _refuse_without_numbers(self, found: Survey) -> None:
        """Layers at and behind one that has no numbers for any image: neurons with such a potential are silent."""
        passes = 1 if self.request.multistep else self.request.frames or 1
        with self.source.pool.borrowed() as copy:
            shown = []
            for images in (self.source.probes("grey", 1), *self.source.probes("random", 2).split(1)):
                x = self.plan.input(self.source.prepare(images))
                with self._seeds(images):
                    shown.append(without_numbers(copy.rest(), x, passes))
        order = list(shown[0])
        bad = next((name for name in order if all(each.get(name) for each in shown)), None)
        if bad is None:
            return
        for name, layer in list(found.layers.items()):
            if layer.module in order[order.index(bad) :]:
                del found.layers[name]
                found.refused[name] = (
                    f"{bad or ROOT} gives or holds NaN or infinity for every image tried, and what follows it is no "
                    "response"
                )

    def _carried(self, found: Survey) -> list[str]:
        """Submodules whose memory is another when an image is shown again without rest; "" if only answers differ."""
        names, states, answers = tuple(found.layers), [], []
        images = self.source.probes("random", 1)
        with self.source.pool.borrowed() as copy:
            copy.rest()
            for _ in range(2):
                with self._seeds(images):
                    x = [self._input("random", 1)]
                    try:
                        answers.append(means(copy.module, x, found.layers, names, self.plan, whole=True))
                    except SpecError:  # it answers without calling all layers again, from what it has kept
                        if not answers or not (kept := copy.snapshot.changed()):
                            raise
                        return sorted({path.rpartition(".")[0] for path in kept})
                states.append(memory(copy.module, parameters=bool(self.plastic)))
            changed, draws = copy.snapshot.changed(), copy.snapshot.draws
        moved = [name for name, held in states[1].items() if not equal(states[0].get(name, []), held)]
        if not moved and any(not same_values(answers[0][name], answers[1][name]) for name in names):
            moved = [] if draws else [""]
        if moved and self.request.reset is None:
            self._check_blank(changed)
        return moved

    def _check_blank(self, changed: set[str]) -> None:
        """A memory of the user's own must not hold what the module was shown before."""
        with self.source.pool.borrowed() as copy:
            copy.rest()
            parts = dict(copy.module.named_modules())
            for path in sorted(changed):
                name, _, attribute = path.rpartition(".")
                part = parts.get(name)
                if part is None or neurons.has_memory(part):
                    continue
                if not blank(getattr(part, attribute, None)):
                    raise SpecError(
                        f"{self.owner}: {path.strip('.')} is a memory that is not at rest; pass reset=, a function "
                        "that puts the module at rest"
                    )

    def _set_passes(self, found: Survey, carried: list[str]) -> None:
        frames = self.request.frames
        if frames is not None:
            repeats = carried or self.plan.identity is not None
            self.plan.passes = frames if repeats and not self.request.multistep else 1
            return
        parts = dict(self.source.pool.module.named_modules())
        still = [
            name for name in carried if found.calls.get(name, 0) < 2 and getattr(parts[name], "step_mode", "s") != "m"
        ]
        if carried and len(still) == len(carried):
            raise SpecError(
                f"{self.owner} keeps a memory from one forward pass to the next (in {still[0] or 'the module'}); state "
                "how many passes each image is shown for, from rest, with frames= (frames=1 for one)"
            )

    def _verify(self, responses: Responses, *, once: bool = False) -> None:
        """The same images again, in another order, on another copy: the same values, or the module is refused.

        With `once`, the second time with layers computed once that see the image in every step, and from then on if
        they allow it: weights may change from step to step.
        """
        self.seen: dict[int, dict[str, Tensor]] = {}
        differing = self._differing(responses, (0, 1, 2))
        if once and differing is None:
            gradients = self.plan.gradients
            self.plan.once, self.plan.gradients = True, "off"  # tensors of inference mode do not count their changes
            if self._differing(responses, (2, 0, 1)) is None:
                return
            self.plan.once, self.plan.gradients = False, gradients
        differing = differing or self._differing(responses, (2, 0, 1))
        if differing is not None:
            self._refuse(differing)

    def _differing(self, responses: Responses, order: Sequence[int]) -> str | None:
        """A layer whose values of some of the three images are not those that were seen before."""
        names = tuple(responses.layers)
        images = [self.source.probes("grey", 1), *self.source.probes("random", 2).split(1)]
        with self.source.pool.fresh() as copy:
            for index in order:
                answer = responses.shown(copy, images[index], names)
                first = self.seen.setdefault(index, answer)
                for name in names:
                    if not same_values(first[name], answer[name]):
                        return name
        return None

    def _verify_neighbours(self, responses: Responses) -> None:
        """In a batch an image's values may round differently, but must be of the same size.

        One image has less contrast than the others: what is scaled by the brightest pixel of a batch shows it there.
        """
        names, faint = tuple(responses.layers), self.source.probes("faint", 1)
        images = torch.cat([self.source.probes("random", 2), faint])
        with self.source.pool.fresh() as copy:
            together = responses.shown(copy, images, names)
        with self.source.pool.fresh() as copy:
            last = responses.shown(copy, faint, names)
        alone = {name: torch.cat([self.seen[1][name], self.seen[2][name], last[name]]) for name in names}
        far = {name: (together[name] - alone[name]).abs().mean() for name in names}
        most = {name: max(alone[name].abs().mean(), together[name].abs().mean()) for name in names}
        apart = [name for name in names if far[name] > _ROUNDING * most[name]]
        if not apart:
            return
        with self.source.pool.fresh() as copy:
            sizes = responses.shown(copy, images, apart, sizes=True)
        for name in apart:
            if far[name] > _CANCELLED * sizes[name].mean():
                raise SpecError(
                    f"{self.owner}: layer {name} gives an image other values beside other images: the module mixes the "
                    "images of a batch, as batch norms without running statistics do"
                )

    def _refuse(self, layer: str) -> None:
        if self.plan.identity is not None:
            raise SpecError(
                f"{self.owner}: layer {layer} draws random numbers that cannot be seeded: the same image gives "
                "different values; let it draw from torch's global generator"
            )
        raise SpecError(
            f"{self.owner}: layer {layer} gives different values when the same image is shown again: something "
            "outlasts a presentation; pass reset=, a function that puts the module at rest"
        )

    def _find_batches(self, responses: Responses) -> None:
        names, layers = tuple(responses.layers), responses.survey.layers.values()
        images = self.source.probes("random", SIZES[-1])
        with self.source.pool.borrowed() as copy:

            def run(batch: Tensor) -> dict[str, Tensor]:
                return responses.shown(copy, batch, names)

            if mixes(run, torch.cat([self.source.probes(kind, 1) for kind in ("random", "faint", "grey", "dark")])):
                self.plan.mixes = True
                return
            calls = sum(len(layer.calls) for layer in layers)
            sizes = exact_sizes(run, images, values_per_call=responses.survey.values / max(calls, 1))
            if len(sizes) > 1:
                best, alike = fastest_size(run, images[: sizes[-1]], sizes)
                if alike:
                    self.plan.sizes, self.plan.best = sizes, best

    def _find_order(self, responses: Responses) -> None:
        """Of layers whose axis of images also holds steps: which of the two runs faster.

        A layer that is silent for the images tried does not tell, so that each image is shown alone.
        """
        folded = [name for name, layer in responses.survey.layers.items() if layer.folded]
        if not folded:
            return
        images = self.source.probes("random", 3)
        answers: dict[bool, dict[str, Tensor]] = {}
        with self.source.pool.borrowed() as copy:
            each = [responses.shown(copy, image, folded) for image in images.split(1)]
            for first in (True, False):
                self.plan.steps_first = dict.fromkeys(folded, first)
                answers[first] = responses.shown(copy, images, folded)
        alone = {name: torch.cat([answer[name] for answer in each]) for name in folded}
        far = {first: {n: (answers[first][n] - alone[n]).abs().max() for n in folded} for first in answers}
        self.plan.steps_first = {name: bool(far[True][name] <= far[False][name]) for name in folded}
        self.plan.mixes = any(same_values(answers[True][name], answers[False][name]) for name in folded)

    def _input(self, kind: str, number: int) -> Tensor:
        return self.plan.input(self.source.prepare(self.source.probes(kind, number)))

    def _seeds(self, images: Tensor) -> "AbstractContextManager[None]":
        if self.plan.identity is None:
            return nullcontext()
        return seeded(images, self.plan.identity, self.device)


_ROUNDING = 0.05
"""Share of a layer's mean response by which rounding, and the few spikes that it moves, may change values."""
_CANCELLED = 1e-3
"""The same of the mean size of its responses, where these cancel out: means behind an instance norm are rounding."""


def _seed_otherwise() -> None:
    """Seed the global generators so that a module which seeds them itself, even again with the same seed, is seen."""
    torch.manual_seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002
    random.seed(_SEED)


_SEED = 0x5EEDF00D


def _wants(choices: Choices, select: str) -> bool:
    stated = choices.select
    return select in stated.values() if isinstance(stated, Mapping) else stated == select


def _check_choices(found: Survey, choices: Choices, owner: str) -> None:
    """Mappings must name layers, and every choice must say something about one of them."""
    for option, stated in (
        ("select", choices.select),
        ("channel_axis", choices.channel_axis),
        ("time_axis", choices.time_axis),
    ):
        if isinstance(stated, Mapping):
            for name in stated:
                if name not in found.layers and name not in found.refused:
                    raise unknown(f"layer in {option}=", name, found.layers, of=owner)
    for option, why in _FITS_NO_LAYER.items():
        stated = getattr(choices, option)
        if stated is not None and option not in found.used:
            raise SpecError(f"{owner}: {option}={stated!r} fits no layer; {why}")


_FITS_NO_LAYER = {
    "select": "none returns several values",
    "channel_axis": "the axis of the units is known for each, by its class or those before it",
    "time_axis": "none returns several steps in an axis that is not known by its class or those before it",
    "steps": "none is called as often in a pass, or has an axis of that size",
}


def _take_many_steps(module: nn.Module, frames: int | None) -> None:
    """Switch SpikingJelly's modules to multistep mode: `[frames, n, ...]`."""
    if frames is None or not any(neurons.has_step_mode(part) for part in module.modules()):
        raise SpecError("multistep needs SpikingJelly's modules and frames; leave it out for other networks")
    from spikingjelly.activation_based.functional import set_step_mode

    set_step_mode(module, "m")
