"""Products of bytes in pairs, on processors with AVX2 alone: the same bits, and used there only."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import codegen

import amb
from amb_problems.engine import pair_loops, processor
from amb_problems.engine.convolution import Convolution
from amb_problems.engine.pair_products import PairLayer
from amb_problems.engine.stages import Affine
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.sngan_in_pairs import SNGANInPairs
from amb_problems.generators.exact.sngan_rendering import SNGANRendering

avx2 = pytest.mark.skipif("+avx2" not in codegen.get_host_cpu_features().split(","), reason="a processor without AVX2")


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("+sse2,+avx,+avx2,+fma,-avx512f,-avxvnni", True),
        ("+sse2,+avx,-avx2", False),
        ("+avx2,+avx512f,-avx512vnni", False),
        ("+avx2,+avx512f,+avx512vnni,+amx-int8", False),
        ("+avx2,-avx512f,+avxvnni", False),
        ("+neon,+dotprod", False),
        ("", False),
    ],
)
def test_only_processors_with_nothing_better_than_avx2_use_these_loops(features: str, expected: bool) -> None:
    assert processor.only_avx2(features) == expected


@pytest.mark.parametrize(("only_avx2", "kind"), [(True, SNGANInPairs), (False, SNGANRendering)])
def test_a_generator_renders_as_the_processor_is_fastest(
    monkeypatch: pytest.MonkeyPatch, only_avx2: bool, kind: type
) -> None:
    monkeypatch.setattr(processor, "only_avx2", lambda: only_avx2)
    generator = amb.generator("mnist-sngan-int8")
    assert isinstance(generator, ExactSNGANGenerator)
    generator.__dict__.pop("rendering", None)
    assert type(generator.rendering) is kind
    generator.__dict__.pop("rendering")


@avx2
@pytest.mark.parametrize("name", [pytest.param("cifar10-sngan-int8", marks=pytest.mark.slow), "mnist-sngan-int8"])
def test_images_are_those_of_the_engine(name: str) -> None:
    """Latents of the prior, wide ones, and those beyond the range of bytes; alone and together."""
    generator = amb.generator(name)
    assert isinstance(generator, ExactSNGANGenerator)
    latents = np.random.default_rng(5).standard_normal((9, generator.latent_dim)).astype(np.float32)
    latents[3:6] *= 2.3
    latents[6:] *= 10
    table = generator.network.table
    assert SNGANInPairs.fits(generator._sizes, generator._layers)
    pairs = SNGANInPairs(generator._sizes, generator._layers, table)
    engine = SNGANRendering(generator._sizes, generator._layers, table, torch.device("cpu"))
    with torch.inference_mode():
        shown = torch.from_numpy(latents)
        assert torch.equal(engine(shown), pairs(shown))
        assert torch.equal(engine(shown)[4:5], pairs(shown[4:5]))


@avx2
@given(
    side=st.integers(1, 7),
    fours=st.integers(1, 12),
    outputs=st.sampled_from([1, 3, 8, 16, 24, 32]),
    shape=st.sampled_from([(1, 0), (2, 1), (3, 1)]),
    signed=st.booleans(),
    weights=st.sampled_from(["few", "any", "least", "most"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_currents_are_those_of_the_convolution(
    side: int, fours: int, outputs: int, shape: tuple[int, int], signed: bool, weights: str, seed: int
) -> None:
    """Any map; also where all bytes and weights are the largest, whose products fill 16 bits."""
    kernel, padding = shape
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-128, 128, (outputs, 4 * fours, kernel, kernel), generator=generator, dtype=torch.int8)
    if weights == "few":
        weight[torch.rand(weight.shape, generator=generator) < 0.9] //= 16
    elif weights != "any":
        weight[:] = -128 if weights == "least" else 127
    affine = Affine(weight, torch.full((outputs,), 0.25), torch.arange(float(outputs)) / 4, padding=padding)
    assert PairLayer.fits(affine, signed=signed)
    maps = torch.randint(0, 256 if signed else 128, (4, side, side, 4 * fours), generator=generator, dtype=torch.uint8)
    maps[2], maps[3] = 255 if signed else 127, 0
    layer = PairLayer(affine, side, signed=signed)
    given_maps = torch.cat([maps >> 1, maps - (maps >> 1)], 3) if signed else maps
    frame = torch.nn.functional.pad(given_maps, (0, 0, *[padding] * 4), value=64 if signed else 0).contiguous()
    expected = Convolution(affine, side, arithmetic="floats", pixels=signed)(maps)
    out = np.full((*expected.shape[:3], layer.outputs), np.nan, np.float32)
    pair_loops.convolve(frame.numpy(), layer.arguments, out)
    assert np.array_equal(expected.numpy(), out[..., :outputs])


def test_layers_that_do_not_fit_are_refused() -> None:
    def affine(inputs: int, weight: int, stride: int = 1) -> Affine:
        filled = torch.full((8, inputs, 3, 3), weight, dtype=torch.int8)
        return Affine(filled, torch.full((8,), 0.25), torch.zeros(8), stride=stride)

    assert PairLayer.fits(affine(8, 127))
    assert not PairLayer.fits(affine(8, 127, stride=2))
    assert not PairLayer.fits(affine(6, 127))
    assert PairLayer.fits(affine(112, 127))
    assert not PairLayer.fits(affine(116, 127))  # 116 * 9 * 127 * 127 exceeds 24 bits
    assert not PairLayer.fits(affine(112, 127), signed=True)
