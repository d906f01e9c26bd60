"""Faults of a user's own module are refused in a sentence, and its process stays as it was."""

import copy
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.catalogue.given import name_problems
from amb.errors import CheckpointError, DataError, SpecError
from amb_problems import checkpoint, natural
from amb_problems.cards import TargetCard

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):
    """A convolution, with what a test adds to its forward pass."""

    def __init__(self, after=lambda x: x) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.c = torch.nn.Conv2d(3, 8, 5)
        self.after = after

    def forward(self, x):  # type: ignore[no-untyped-def]
        """The convolution."""
        return self.after(self.c(x))


class Itself(Net):
    """A module whose copy is itself."""

    def __deepcopy__(self, memo):  # type: ignore[no-untyped-def]
        return self


class Shallow(Net):
    """A module whose copy shares its weights."""

    def __deepcopy__(self, memo):  # type: ignore[no-untyped-def]
        return copy.copy(self)


@pytest.mark.parametrize("kind", [Itself, Shallow])
def test_a_module_whose_copy_shares_its_weights_is_refused(kind: type[Net]) -> None:
    """What the user does to the weights later would change values under the same fingerprint."""
    module = kind().train()
    with pytest.raises(SpecError, match="cannot be copied"):
        amb.target(module, name="net")
    assert module.training


def _raises(error: BaseException):  # type: ignore[no-untyped-def]
    def after(x):  # type: ignore[no-untyped-def]
        raise error

    return after


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), ZeroDivisionError()])
def test_a_module_that_raises_anything_is_refused_in_a_sentence(error: BaseException) -> None:
    """A forward pass that exits must not end the user's session."""
    with pytest.raises(SpecError, match=type(error).__name__):
        dict(amb.target(Net(_raises(error)), name="net").layers)
    with pytest.raises(SpecError, match=type(error).__name__):
        dict(amb.target(lambda: _raises(error)(0), name="net").layers)
    with pytest.raises(SpecError, match=type(error).__name__):
        dict(amb.target(Net(), name="net", frames=2, reset=_raises(error)).layers)


def test_weights_and_moments_that_are_not_numbers_are_called_so() -> None:
    """NaN is not a memory."""
    module = Net()
    module.c.weight.data[0] = float("nan")
    with pytest.raises(SpecError, match=r"c\.weight hold NaN"):
        dict(amb.target(module, name="net").layers)
    for size, says in ((float("-inf"), "NaN or infinite numbers"), (-1e38, r"numbers of size 1e\+38, beyond 1e\+12")):
        module.c.weight.data[0] = size
        with pytest.raises(SpecError, match=rf"target net: its weights c\.weight hold {says}; load or train others"):
            dict(amb.target(module, name="net").layers)
    for mean in (float("nan"), "x"):
        with pytest.raises(SpecError, match="mean must be a finite number"):
            amb.target(Net(), name="net", mean=mean)
    with pytest.raises(SpecError, match="name 5 cannot"):
        amb.target(Net(), name=5)


def test_a_layer_that_answers_with_no_number_is_refused_by_name() -> None:
    """Each factor is a number, their product is none: every query would fail, without a word about the network."""
    target = amb.target(Net(lambda x: x.abs() * 1e30 * 1e30), name="net")
    with pytest.raises(
        SpecError, match=r"layer output of target net responds with NaN or infinity, to a grey image and"
    ):
        target.problem("toy", 0, layer="output").warm_up()
    target.problem("toy", 0, layer="c").warm_up()
    flat = amb.target(Net(lambda x: x / (x - x.mean((2, 3), keepdim=True)).std((1, 2, 3), keepdim=True)), name="flat")
    flat.problem("toy", 0, layer="output").warm_up()  # NaN for a grey image alone: those queries fail


class Spiking(torch.nn.Module):
    """Neurons with a memory of their own behind a normalization, and a second layer."""

    def __init__(self, variance: float = 1.0, decay: float = 0.5) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv, self.norm, self.neuron = torch.nn.Conv2d(3, 4, 5), torch.nn.BatchNorm2d(4), Neuron(decay)
            self.head = torch.nn.Conv2d(4, 2, 3)
        self.norm.running_var.fill_(variance)

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Rates of the second layer."""
        return self.head(self.neuron(self.norm(self.conv(x))))


class Neuron(torch.nn.Module):
    """Fires above 0.1."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay, self.v = decay, torch.zeros(1)

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Spikes."""
        self.v = self.v * self.decay + x
        return (self.v > 0.1).float()


@pytest.mark.parametrize(
    ("network", "bad", "whole"),
    [
        (Spiking(variance=float("nan")), "norm", ["conv"]),
        (Spiking(variance=-1.0), "norm", ["conv"]),
        (Spiking(decay=float("nan")), "neuron", ["conv", "norm"]),
    ],
)
def test_silence_for_want_of_numbers_is_refused(network: Spiking, bad: str, whole: list[str]) -> None:
    """A potential that is NaN reaches no threshold: the neurons never fired, and all behind them had finite values."""
    target = amb.target(network.eval(), name="net", frames=3)
    assert [*target.layers] == whole
    with pytest.raises(SpecError, match=f"layer head of net cannot be measured: {bad} gives or holds NaN or infinity"):
        target.problem("toy", 0, layer="head")
    assert {"head", "neuron"} <= dict(amb.target(Spiking().eval(), name="net", frames=3).layers).keys()


def test_a_mean_of_finite_responses_is_finite() -> None:
    """The sum of a large map exceeds float32, its mean does not."""
    problem = amb.target(Net(lambda x: x * 1e38), name="net").problem("toy", 0, layer="output")
    small = amb.target(Net(), name="net").problem("toy", 0, layer="c")
    candidates = problem.space.sample(2, np.random.default_rng(1))
    np.testing.assert_allclose(problem.evaluate(candidates), 1e38 * small.evaluate(candidates), rtol=1e-4)


def test_a_forward_pass_changes_nothing_of_the_process() -> None:
    """All networks that are created later would compute in another precision, or with other random numbers."""

    def double(x):  # type: ignore[no-untyped-def]
        torch.set_default_dtype(torch.float64)
        return x

    with pytest.raises(SpecError, match="default dtype"):
        dict(amb.target(Net(double), name="net").layers)
    assert torch.get_default_dtype() == torch.float32

    def seeds(x):  # type: ignore[no-untyped-def]
        torch.manual_seed(1)
        return x

    before = torch.get_rng_state()
    problem = amb.target(Net(seeds), name="net").problem("toy", 0, layer="c")
    problem.evaluate(problem.space.sample(2, np.random.default_rng(1)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("side", [None, [], "x", 0, True, 10**11])
def test_a_card_whose_images_have_no_size_is_invalid(side: object, tmp_path: Path) -> None:
    """A hand-made card is refused with its file."""
    shipped = Path(checkpoint.__file__).parent / "checkpoints" / "mnist-snn.card.json"
    card = json.loads(shipped.read_text())
    del card["entries_sha256"]
    card["arguments"]["side"] = side
    (tmp_path / "net.card.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"net\.card\.json: `arguments\.side` is"):
        checkpoint.read_card(tmp_path / "net", TargetCard)


def test_damaged_natural_responses_are_not_absent_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Percentiles must not vanish in silence."""
    whole = natural.file_of("mnist-snn").read_bytes()
    monkeypatch.setattr(natural, "file_of", lambda name: tmp_path / f"{name}.npz")
    assert natural.load("net", "") is None
    for damaged in (whole[: len(whole) // 2], whole[:200] + b"\xff" * 50 + whole[250:], b""):
        (tmp_path / "net.npz").write_bytes(damaged)
        with pytest.raises(DataError, match="is damaged"):
            natural.load("net", "")


class Named(torch.nn.Module):
    """A convolution in a layer of any name."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleDict({layer: torch.nn.Conv2d(3, 2, 9, 9)})

    def forward(self, x):  # type: ignore[no-untyped-def]
        """The convolution."""
        return next(iter(self.parts.values()))(x)


@pytest.mark.parametrize(("layer", "sign"), [("a b", " "), ("q,w", ","), ("b/c", "/"), ("z[1]", "["), ("é", "é")])
def test_a_layer_whose_name_cannot_be_in_an_id_is_refused_when_its_problem_is_made(layer: str, sign: str) -> None:
    """The problem could be evaluated, and was refused when it was compared, with a hint to use other letters."""
    target = amb.target(Named(layer), name="own")
    with pytest.raises(SpecError, match=f"has '{re.escape(sign)}' in its name.*rename the submodule"):
        target.problem("toy", 0, layer=f"parts.{layer}")


def test_a_layer_named_with_signs_of_globs_can_be_compared() -> None:
    """The message told to write what was written."""
    problem = amb.target(Named("s*?"), name="own").problem("toy", 0, layer="parts.s*?")
    assert name_problems(problem) == (["toy/own/parts.s*?/0"], {problem.id: problem})


def test_a_layer_whose_responses_cancel_out_is_not_taken_for_one_that_mixes_images() -> None:
    """Means behind an instance norm are rounding errors, which differ in a batch; one over the batch mixes images."""
    torch.manual_seed(0)
    norms = {norm: torch.nn.Sequential(torch.nn.Conv2d(3, 4, 9, 3), norm(4), torch.nn.ReLU()) for norm in _NORMS}
    assert list(amb.target(norms[torch.nn.InstanceNorm2d], name="own").layers) == ["0", "1", "2"]
    with pytest.raises(SpecError, match="layer 1 gives an image other values beside other images"):
        _ = amb.target(norms[_NORMS[1]], name="own").layers


class ChannelsLast(torch.nn.Module):
    """As einops' Rearrange("b c h w -> b h w c")."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1)


def test_rows_of_an_image_that_is_not_square_are_not_taken_for_units() -> None:
    """Behind a permutation each row of the map was a unit, where no layer has its units in the last axis."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), ChannelsLast(), torch.nn.ReLU())
    wide = amb.target(network, name="wide", shape=(32, 48, 3))
    assert dict(wide.layers) == {"0": 8}
    with pytest.raises(SpecError, match=r"output \[1, 28, 44, 8\] may hold the units; state channel_axis="):
        wide.problem("toy", 0, layer="2")
    stated = amb.target(network, name="wide", shape=(32, 48, 3), channel_axis={"1": -1, "2": -1})
    assert dict(stated.layers) == {"0": 8, "1": 8, "2": 8}


class Scaled(torch.nn.Module):
    """Scales its input by what it finds in the whole batch, as preprocessing functions do by a slip."""

    def __init__(self, scale: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.scale = scale
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = torch.nn.Conv2d(3, 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self.scale(x)).relu()


@pytest.mark.parametrize(
    "scale",
    [
        lambda x: (x - x.min()) / (x.max() - x.min()),
        lambda x: x / x.max(),
        lambda x: x / 255 if x.max() > 0.9 else x,
    ],
    ids=["to its range", "to its brightest pixel", "where it is not scaled yet"],
)
def test_a_network_that_scales_a_batch_by_its_brightest_image_is_refused(scale: Callable) -> None:
    """Images of one brightness did not show it, and most values of a comparison were wrong."""
    with pytest.raises(SpecError, match=r"gives an image other values beside other images"):
        amb.target(Scaled(scale), name="scaled").problem("toy", 0)


def _in_eight_bits(x: torch.Tensor) -> torch.Tensor:
    scale = x.abs().max() / 127
    return (x / scale).round() * scale


def _clipped(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(x.min() + 0.01, x.max() - 0.01)


def _spikes_until_each_has_twenty(x: torch.Tensor) -> torch.Tensor:
    potential, spikes, steps = torch.zeros_like(x), torch.zeros_like(x), 0
    while spikes.amax((1, 2, 3)).min() < 20:
        potential, steps = potential + x, steps + 1
        spiking = (potential >= 1).float()
        potential, spikes = potential - spiking, spikes + spiking
    return spikes / steps


@pytest.mark.parametrize("scale", [_in_eight_bits, _clipped, _spikes_until_each_has_twenty])
def test_an_image_keeps_its_values_beside_any_other_where_a_network_mixes_a_batch_slightly(scale: Callable) -> None:
    """Less than rounding may change a response, so it is no reason to refuse: each image is shown alone."""
    random = np.random.default_rng(0)
    images = np.stack([random.integers(low, 256 - low, (32, 32, 3)).astype(np.uint8) for low in range(0, 128, 4)])
    target = amb.target(Scaled(scale), name="scaled")
    units = [("output", 0)] * len(images)
    alone = [target.activations(image[None], units[:1]) for image in images]
    np.testing.assert_array_equal(target.activations(images, units), np.concatenate(alone))
    pixels = torch.from_numpy(images[:4]).float()
    single = torch.cat([target.relaxed(pixel, "output") for pixel in pixels.split(1)])
    assert torch.equal(target.relaxed(pixels, "output"), single)


_NORMS = torch.nn.InstanceNorm2d, functools.partial(torch.nn.BatchNorm2d, track_running_stats=False)
