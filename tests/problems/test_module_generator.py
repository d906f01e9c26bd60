"""A user's own torch module as a generator: the paper's SN-GAN and VQ-VAE in their own forward style, and odd ones."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import amb
from amb.errors import CandidateError, PluginError, SpecError
from amb_problems.abilities import DifferentiableGenerator
from amb_problems.generators.torch_generator import TorchGenerator

RNG = np.random.default_rng(0)


class Block(nn.Module):
    """An upsampling residual block, as in SN-GAN."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1),
        )  # fmt: skip
        self.bypass = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.bypass(x)


class SNGAN(nn.Module):
    """128 -> 4x4 -> 32x32, three blocks, tanh; the paper's has 256 channels."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.dense = nn.Linear(128, 4 * 4 * width)
        self.model = nn.Sequential(
            Block(width, width), Block(width, width), Block(width, width), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.model(self.dense(z).view(len(z), -1, 4, 4))


class VQVAE(nn.Module):
    """8x8 positions of 512 codes of 64 dimensions; its forward pass goes from images to images."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1))
        self.codebook = nn.Embedding(512, 64)
        self.decoder = nn.Sequential(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1))

    def codes(self, x: Tensor) -> Tensor:
        z = self.encoder(x).permute(0, 2, 3, 1).flatten(0, 2)
        return torch.cdist(z, self.codebook.weight).argmin(1).view(len(x), -1)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(self.codebook(codes).view(-1, 8, 8, 64).permute(0, 3, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.codes(x))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def vqvae(**options: object) -> amb.Generator:
    return amb.generator(
        seeded(VQVAE), latent_dim=64, codes=512, decode=VQVAE.decode, encode=VQVAE.codes, name="my-vqvae", **options
    )


def test_a_gan_is_rendered_as_its_own_forward_pass_does() -> None:
    """Rounded to 256 levels; the same bits alone and in a batch; the module stays as it was, in training mode."""
    network = seeded(SNGAN)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = amb.generator(network, latent_dim=128, name="my-gan")
    latents = RNG.standard_normal((20, 128)).astype(np.float32)
    images = generator.images(latents)
    with torch.no_grad():
        plain = seeded(SNGAN).eval()(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy()
    assert np.abs(images - (plain + 1) * 127.5).max() <= 0.5 + 1e-2
    assert images.std() > 1
    assert all(np.array_equal(images[i : i + 1], generator.images(latents[i : i + 1])) for i in (0, 7, 19))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_gan_composes_with_any_target() -> None:
    """Both grids, gradients, and a search."""
    generator = amb.generator(seeded(SNGAN), latent_dim=128, name="my-gan")
    assert isinstance(generator, DifferentiableGenerator)
    problem = amb.target("snn-cnn").problem(generator, 3, layer="sn1", grid="quantile")
    assert problem.id == "my-gan/snn-cnn/sn1/3[grid=quantile]"
    values, slopes = problem.gradient(RNG.standard_normal((2, 128)))
    assert np.isfinite(values).all()
    assert np.abs(slopes).max() > 0
    solver = amb.solver("tt-s", problem.space, budget=12, seed=0)
    while solver.remaining:
        candidates = solver.ask()
        solver.tell(candidates, problem.evaluate(candidates))


def test_a_vqvae_searches_codes() -> None:
    """64 positions of 512 codes, unordered or by their numbers; images find their codes."""
    generator = vqvae()
    assert not isinstance(generator, DifferentiableGenerator)
    target = amb.target("snn-cnn")
    unordered = target.problem(generator, 3, layer="sn1")
    ordered = target.problem(generator, 3, layer="sn1", codes="index")
    assert (unordered.space.kind, ordered.space.kind) == ("categorical", "ordinal")
    assert unordered.space.levels.tolist() == [512] * 64 == ordered.space.levels.tolist()
    candidates = unordered.space.sample(3, np.random.default_rng(0))
    assert np.array_equal(unordered.evaluate(candidates), ordered.evaluate(candidates))
    with torch.no_grad():
        network = seeded(VQVAE)
        plain = network.decode(torch.from_numpy(candidates)).permute(0, 2, 3, 1).numpy()
        codes = network.codes(torch.from_numpy(unordered.images(candidates)).permute(0, 3, 1, 2) / 127.5 - 1)
    assert np.abs(unordered.images(candidates) - np.clip((plain + 1) * 127.5, 0, 255)).max() <= 0.5 + 1e-2
    assert np.mean(unordered.encode(unordered.images(candidates)) == codes.numpy()) > 0.99
    with pytest.raises(CandidateError, match=r"numbers of codes, integers in 0\.\.511"):
        generator.images(np.full((1, 64), 512.0))


def test_a_module_may_have_another_scale_and_size() -> None:
    """0 to 1, one channel, not square."""
    network = nn.Sequential(nn.Linear(5, 6 * 8), nn.Sigmoid(), nn.Unflatten(1, (1, 6, 8)))
    generator = amb.generator(network, latent_dim=5, black=0.0, shape=(6, 8, 1), name="grey")
    latents = RNG.standard_normal((3, 5)).astype(np.float32)
    with torch.no_grad():
        plain = network(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy()
    assert np.abs(generator.images(latents) - plain * 255).max() <= 0.5 + 1e-3


def test_fingerprints_tell_modules_apart() -> None:
    """By weights, by scale, by version; equal modules have equal ones."""
    prints = [
        amb.generator(seeded(SNGAN), latent_dim=128).fingerprint,
        amb.generator(seeded(lambda: SNGAN(24)), latent_dim=128).fingerprint,
        amb.generator(seeded(SNGAN), latent_dim=128, white=2.0).fingerprint,
        amb.generator(seeded(SNGAN), latent_dim=128, version="2").fingerprint,
        vqvae().fingerprint,
    ]
    assert len(set(prints)) == 5
    assert prints[0] == amb.generator(lambda: seeded(SNGAN), latent_dim=128).fingerprint
    network = seeded(SNGAN)
    generator = amb.generator(network, latent_dim=128)
    with torch.no_grad():
        network.dense.weight.zero_()  # type: ignore[union-attr,operator]
    assert generator.fingerprint == prints[0], "a private copy"


class Lazy(nn.Module):
    """Makes a ramp when it is first needed, and keeps its last latents."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.ramp = nn.Linear(4, 3 * 32 * 32), None
        self._last = None

    def forward(self, z: Tensor) -> Tensor:
        if self.ramp is None:
            self.ramp = torch.linspace(0, 1, 32)
        self._last = z
        return self.dense(z).view(-1, 3, 32, 32).tanh() * self.ramp


def test_a_fingerprint_does_not_depend_on_images_that_were_made_before() -> None:
    network = seeded(Lazy)
    prints = []
    for look in (False, True):
        generator = amb.generator(network, latent_dim=4)
        if look:
            generator.images(np.zeros((1, 4), np.float32))
        prints.append(generator.fingerprint)
    network(torch.ones(1, 4))
    prints.append(amb.generator(network, latent_dim=4).fingerprint)
    assert len(set(prints)) == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: amb.generator(3), "expected a generator's name, an amb.Generator or a torch module, got 3"),
        (lambda: amb.generator(SNGAN()), "missing a required argument: 'latent_dim'"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, code=3), "code"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, codes=0), "codes must be a whole number of at least 1"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, black=1.0), "black and white must differ"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, black=1j), "black must be a finite number, got 1j"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, white=True), "white must be a finite number, got True"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, decode=3), "functions of the module and a tensor"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, name="a/b"), "name is its name in problem ids"),
        (lambda: amb.generator(SNGAN(), latent_dim=0), "latent_dim is the number of coordinates"),
        (lambda: amb.generator(lambda: 3, latent_dim=128).images(np.zeros((1, 128))), "returned int"),
        (lambda: amb.generator(nn.Linear(4, 5), latent_dim=4).images(np.zeros((1, 4))), r"returned \[16, 5\]"),
        (lambda: amb.generator(SNGAN(), latent_dim=128, shape=(28, 28, 1)).images(np.zeros((1, 128))), "32, 32"),
        (lambda: amb.generator(SNGAN(), latent_dim=128).encode(np.zeros((1, 32, 32, 3), np.uint8)), "give one with"),
        (lambda: amb.generator("module"), "unknown generator 'module'"),
        (lambda: amb.generator("toy", latent_dim=3), "only a module of your own takes options"),
    ],
)  # fmt: skip
def test_a_wrong_module_is_refused_in_one_line(make: Callable[[], object], says: str) -> None:
    with pytest.raises((SpecError, PluginError), match=says) as raised:
        make()
    assert "\n" not in str(raised.value)


def of_bytes(kind: torch.dtype) -> nn.Module:
    """Grey levels 0 to 255."""

    class Bytes(SNGAN):
        def forward(self, latents: Tensor) -> Tensor:
            return (128 + 100 * super().forward(latents)).round().to(kind)

    return seeded(Bytes)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (torch.uint8, r"images of torch\.uint8, 0 to 255, which cannot be black=-1 and white=1; .* black=0, white=255"),
        (
            torch.int64,
            "the same image of all latents tried, as its module's values, .* are cut to black=-1 and white=1",
        ),
        (
            torch.float32,
            "the same image of all latents tried, as its module's values, .* are cut to black=-1 and white=1",
        ),
    ],
)
def test_a_scale_that_is_not_the_modules_is_refused(kind: torch.dtype, says: str) -> None:
    """Every image was white, and nothing said so."""
    latents = RNG.standard_normal((3, 128)).astype(np.float32)
    with pytest.raises(SpecError, match=says):
        amb.generator(of_bytes(kind), latent_dim=128).images(latents)
    images = amb.generator(of_bytes(kind), latent_dim=128, black=0, white=255).images(latents)
    with torch.no_grad():
        plain = of_bytes(kind).eval()(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(images, plain)
    assert len(np.unique(images)) > 2


@pytest.mark.parametrize("change", [lambda x: x * torch.nan, lambda x: x + torch.rand_like(x)], ids=["nan", "random"])
def test_a_module_whose_images_are_never_the_same_is_refused(change: Callable[[Tensor], Tensor]) -> None:
    """No batch size gives a latent the same bits; the reason is said."""

    class Odd(SNGAN):
        def forward(self, latents: Tensor) -> Tensor:
            return change(super().forward(latents))

    with pytest.raises(PluginError, match="answers the same latents with other numbers, or with NaN"):
        amb.generator(Odd(), latent_dim=128, name="odd").images(np.zeros((1, 128), np.float32))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda x: x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), "another place"),
        (lambda x: x + 0.01 * torch.arange(len(x))[:, None, None, None], "another place"),
        (lambda x: x - 0.1 * x.mean(0), "beside other latents"),
    ],
    ids=["noise of a fixed seed", "number of the row", "mean of the batch"],
)
def test_a_module_whose_rows_are_not_apart_is_refused(change: Callable[[Tensor], Tensor], where: str) -> None:
    """A latent's image depended on where in the batch it stood, and so did its value."""

    class Odd(SNGAN):
        def forward(self, latents: Tensor) -> Tensor:
            return change(super().forward(latents))

    with pytest.raises(SpecError, match=f"another image of the same latents .*{where}.* keep the rows apart"):
        amb.generator(seeded(Odd), latent_dim=128, name="odd").images(np.zeros((1, 128), np.float32))


def test_a_latent_has_the_same_bits_at_any_place_of_a_batch() -> None:
    """Kernels that add several rows at a time round the remaining ones otherwise; then the batches are smaller."""
    torch.manual_seed(0)
    for width, kind, inputs in ((7, nn.ReLU, 33), (513, nn.SiLU, 12), (64, nn.ReLU, 12)):
        module = nn.Sequential(
            nn.Linear(inputs, width), kind(), nn.Linear(width, 3 * 8 * 8), nn.Unflatten(1, (3, 8, 8))
        )
        generator = amb.generator(module, latent_dim=inputs, shape=(8, 8, 3))
        assert isinstance(generator, TorchGenerator)
        rows = RNG.standard_normal((16, inputs)).astype(np.float32)

        def outputs(rows: np.ndarray, generator: TorchGenerator = generator) -> Tensor:
            return torch.cat([generator._outputs(chunk) for chunk in generator._padding.chunks(rows)])[: len(rows)]

        assert torch.equal(outputs(rows[::-1].copy()), outputs(rows).flip(0))
