"""Networks that are handed over clumsily: as files or weights, of odd kinds of numbers, without values, in circles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amb
from amb.errors import PluginError, SpecError

torch = pytest.importorskip("torch")

from amb_problems.tensor_content import content, has_nan, is_finite, same_values  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
NAN, INF = float("nan"), float("inf")


def _filters() -> "torch.nn.Sequential":
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return exec, ("raise RuntimeError('executed')",)


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_file_of_a_network_is_named_as_such_and_never_opened(tmp_path: Path, as_path: type) -> None:
    """A pickle may run any code: who trusts a file loads it."""
    file = tmp_path / "network.pt"
    torch.save({"network": Hostile()}, file)
    for make in (amb.target, lambda source: amb.generator(source, latent_dim=8)):
        with pytest.raises(SpecError, match=r"network\.pt.*weights_only=True"):
            make(as_path(file))


def test_weights_in_place_of_a_network_are_not_printed_but_named() -> None:
    """A state dict has thousands of numbers."""
    weights = _filters().state_dict()
    for make in (amb.target, lambda source: amb.generator(source, latent_dim=8)):
        with pytest.raises(SpecError, match=r"OrderedDict with 2 entries.*load_state_dict") as refusal:
            make(weights)
        assert len(str(refusal.value)) < 300
        assert "\n" not in str(refusal.value)


class Linear(torch.nn.Module):
    """A product with weights that may be sparse, complex or of 8 bits."""

    def __init__(self, change, *, buffer=False) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            weights = change(torch.randn(8, 3072))
        if buffer:
            self.register_buffer("w", weights)
        else:
            self.w = torch.nn.Parameter(weights, requires_grad=False)

    def forward(self, x):  # type: ignore[no-untyped-def]
        """As real numbers."""
        weights = self.w.to_dense() if self.w.layout != torch.strided else self.w
        real = weights.abs() if weights.is_complex() else weights.float()
        return x.flatten(1) @ real.T


KINDS: dict[str, Callable[[Any], Any]] = {
    "sparse": lambda w: (w * (w > 1)).to_sparse(),
    "by rows": lambda w: (w * (w > 1)).to_sparse_csr(),
    "by columns": lambda w: (w * (w > 1)).to_sparse_csc(),
    "complex": lambda w: torch.complex(w, w),
    "eight bits": lambda w: w.to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("buffer", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_any_layout_and_kind_are_measured(kind: str, buffer: bool) -> None:
    """The network is a target as it is; two that differ in one weight have two fingerprints."""
    change = KINDS[kind]
    target = amb.target(lambda: Linear(change, buffer=buffer), name="net")
    expected = Linear(change)(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).contiguous().float() / 255)
    assert target.activations(IMAGES, [("output", 3)] * 3) == pytest.approx(expected[:, 3].double().numpy(), rel=1e-4)

    def other(w):  # type: ignore[no-untyped-def]
        w[5, 7] = 1.625
        return change(w)

    assert amb.target(lambda: Linear(other, buffer=buffer), name="net").fingerprint != target.fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_values_without_a_number_are_found_in_any_kind_of_tensor(kind: str) -> None:
    """NaN in sparse or complex weights is no less NaN; equal tensors are equal, NaN included."""
    change, dense = KINDS[kind], torch.full((2, 3), 2.0)
    broken = dense.clone()
    broken[1, 2] = NAN
    if kind in ("complex", "eight bits"):
        assert has_nan(change(broken))
        assert same_values(change(broken), change(broken))
    endless = dense.clone()
    endless[0, 0] = INF if kind != "eight bits" else NAN
    assert not is_finite((endless.to_sparse if kind == "sparse" else lambda: change(endless))())
    assert is_finite(change(dense))
    assert same_values(change(dense), change(dense))
    assert not same_values(change(dense), change(dense + 1))
    assert all(part.layout == torch.strided and not part.is_complex() for part in content(change(dense)))


def test_nan_is_not_zero_and_infinity_not_the_largest_number() -> None:
    """What replaces numbers that are none would take answers that differ for the same."""
    zero, largest = torch.zeros(2), torch.full((2,), torch.finfo(torch.float32).max)
    assert not same_values(zero, torch.tensor([0.0, NAN]))
    assert not same_values(largest, torch.full((2,), INF))
    assert same_values(torch.tensor([INF, NAN]), torch.tensor([INF, NAN]))


def test_layers_that_return_quantized_tensors_are_refused_and_the_others_measured() -> None:
    """Torch has no search for NaN in a quantized tensor."""

    class Steps(torch.nn.Module):
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.quantize_per_tensor(x, 0.01, 0, torch.qint8)

    class Back(torch.nn.Module):
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x.dequantize()

    target = amb.target(torch.nn.Sequential(*_filters(), Steps(), Back()), name="net", channel_axis={"3": 1})
    assert "2" not in target.layers
    assert target.activations(IMAGES, [("3", 1)] * 3) == pytest.approx(
        target.activations(IMAGES, [("1", 1)] * 3), abs=0.01
    )


def test_weights_without_values_are_called_so() -> None:
    """A network that was built on the device meta waits for its weights."""
    with torch.device("meta"):
        network, made = _filters(), torch.nn.Linear(8, 3072)
    with pytest.raises(SpecError, match=r"0\.weight hold no values, as on the device meta"):
        dict(amb.target(network, name="net").layers)
    with pytest.raises(SpecError, match="weight hold no values, as on the device meta"):
        amb.generator(made, latent_dim=8)


def test_complex_weights_that_are_no_numbers_are_called_so() -> None:
    """They were called a memory that is not at rest."""
    with pytest.raises(SpecError, match="its weights w hold NaN"):
        dict(amb.target(Linear(lambda w: torch.complex(w, w * NAN)), name="net").layers)


def test_a_network_that_holds_itself_is_refused() -> None:
    """Torch walks through it without end."""
    network = _filters()
    network.add_module("me", torch.nn.Sequential())
    network.me.add_module("back", network)
    for source in (network, lambda: network):
        with pytest.raises(SpecError, match=r"the module holds itself, as me\.back"):
            dict(amb.target(source, name="net").layers)


SETTINGS = {
    "deterministic algorithms": (
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.are_deterministic_algorithms_enabled(),
    ),
    "precision of products": (
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: torch.get_float32_matmul_precision() != "highest",
    ),
    "use of oneDNN": (
        lambda: torch.backends.mkldnn.set_flags(False),
        lambda: not torch.backends.mkldnn.enabled,
    ),
    "rounding of denormal numbers": (
        lambda: torch.set_flush_denormal(True),
        lambda: float(torch.tensor(1e-40) * 1) == 0,
    ),
}


@pytest.mark.parametrize("named", SETTINGS)
def test_a_forward_pass_that_changes_the_numbers_of_other_networks_is_refused(named: str) -> None:
    """Otherwise values of other problems would depend on which network was shown an image before."""
    write, is_changed = SETTINGS[named]

    class Setting(torch.nn.Module):
        def forward(self, x):  # type: ignore[no-untyped-def]
            write()
            return x * 2

    with pytest.raises(SpecError, match=f"its forward pass changes torch's {named}"):
        dict(amb.target(torch.nn.Sequential(*_filters(), Setting()), name="net").layers)
    assert not is_changed()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"frames": 10**9}, "frames must be at most 100,000"),
        ({"steps": 10**9}, "steps must be at most 100,000"),
        ({"size": 10**9}, "size must be at most 100,000"),
        ({"channel_axis": "1"}, "channel_axis must be an integer"),
        ({"channel_axis": {"0": "1"}}, "channel_axis must be an integer"),
        ({"time_axis": {"0": 1.5}}, "time_axis must be an integer"),
        ({"select": {"0": (1, 0)}}, "select must be an index or a key"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(option: dict[str, object], says: str) -> None:
    """Before anything is shown a thousand million times."""
    with pytest.raises(SpecError, match=says):
        amb.target(_filters(), **option)


class Painter(torch.nn.Module):
    """Images of eight latents."""

    def __init__(self, after=lambda y: y) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.dense = torch.nn.Linear(8, 3072)
        self.after = after

    def forward(self, z):  # type: ignore[no-untyped-def]
        """Between -1 and 1."""
        return self.after(self.dense(z).tanh().view(len(z), 3, 32, 32))


def _shown(network, **options):  # type: ignore[no-untyped-def]
    generator = amb.generator(network, latent_dim=8, name="mine", **options)
    latents = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    return generator.images(latents), np.concatenate([generator.images(row[None]) for row in latents])


def _exit(y):  # type: ignore[no-untyped-def]
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([np.zeros((32, 32, 3), np.uint8)] * 2, r"takes images uint8 \[n, 32, 32, 3\], not list"),
        (None, "not NoneType"),
        (np.ma.masked_equal(np.zeros((2, 32, 32, 3), np.uint8), 0), "not masked ones"),
    ],
    ids=["list", "nothing", "masked"],
)
def test_what_is_no_array_of_images_is_refused(images, says: str) -> None:  # type: ignore[no-untyped-def]
    target = amb.target(torch.nn.Conv2d(3, 2, 5), layer="output", name="own")
    with pytest.raises(SpecError, match=says):
        target.activations(images, [("output", 0)] * 2)
    with pytest.raises(SpecError, match=says):
        target.all_activations(images, [("output", 0)])


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (Painter(_exit), "its module fails on .*SystemExit: 3"),
        (Painter(lambda y: y.to(torch.cfloat)), "real numbers, its module returned torch.complex64"),
        (torch.nn.Linear(9, 3072), "its module fails on .*cannot be multiplied"),
        (Painter(lambda y: y - y.mean(0, keepdim=True)), "mixes the rows of a batch"),
        (
            torch.nn.Sequential(
                torch.nn.Linear(8, 3072),
                torch.nn.BatchNorm1d(3072, track_running_stats=False),
                torch.nn.Unflatten(1, (3, 32, 32)),
            ),
            "mixes the rows of a batch",
        ),
    ],
)
def test_faults_of_a_generators_module_are_refused_in_a_sentence(network, says: str) -> None:  # type: ignore[no-untyped-def]
    """A batch norm without statistics made an image depend on the images beside it."""
    with pytest.raises(SpecError, match=says):
        _shown(network)


def test_a_module_that_draws_random_numbers_is_not_taken_for_one_that_mixes_rows() -> None:
    """Both give a row other numbers in another batch."""
    with pytest.raises(PluginError, match="draws no random numbers"):
        _shown(Painter(lambda y: y + torch.randn_like(y)))


@pytest.mark.parametrize("change", [lambda m: m.bfloat16(), lambda m: m.double(), torch.jit.script])
def test_generators_of_any_precision_and_scripted_ones_are_shown(change) -> None:  # type: ignore[no-untyped-def]
    """Latents are float32; the module takes numbers of its own kind."""
    plain = torch.nn.Sequential(Painter().dense, torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 32, 32)))
    expected, _ = _shown(plain)
    together, alone = _shown(change(plain))
    assert np.array_equal(together, alone)
    assert np.abs(together.astype(int) - expected).max() <= 4


def test_a_failing_encoder_and_one_of_another_size_are_refused_in_a_sentence() -> None:
    """Its answers must be latents."""
    for encode, says in (
        (lambda net, x: net.dense(x), "encode fails on"),
        (lambda net, x: x, "needs 8 numbers"),
        (lambda net, x: 3, "needs 8 numbers, returned int"),
    ):
        with pytest.raises(SpecError, match=says):
            amb.generator(Painter(), latent_dim=8, encode=encode).encode(IMAGES)


def test_integers_of_numpy_are_integers() -> None:
    """They come out of arrays and tables, and were refused."""
    plain, given = (amb.target(torch.nn.Conv2d(3, 4, 3), size=number) for number in (48, np.int64(48)))
    assert type(given._size) is int  # type: ignore[attr-defined]
    assert dict(given.layers) == dict(plain.layers) == {"output": 4}
    looped = amb.target(torch.nn.Conv2d(3, 4, 3), frames=np.int32(2))
    assert dict(looped.layers) == {"output": 4}
