"""Exact generators against those in float32, as ratios inside one process."""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import amb
from amb_problems.engine import processor
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.sngan_in_pairs import SNGANInPairs
from amb_problems.generators.exact.sngan_rendering import SNGANRendering

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]


VNNI = torch.cpu._is_vnni_supported()
PAIRS = processor.only_avx2()


@pytest.mark.skipif(
    not (VNNI or PAIRS), reason="without dot products of bytes or loops of their own integers gain less"
)
@pytest.mark.parametrize("rows", [1, 5, 18, 160])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("cifar10-sngan-int8", 2.5 if VNNI else 1.8),
        ("mnist-sngan-int8", 1.5),
        pytest.param("cifar10-vqvae-int8", 1.5, marks=pytest.mark.skipif(not VNNI, reason="no loops of its own")),
    ],
)
def test_integers_are_faster(benchmark: BenchmarkFixture, name: str, rows: int, least: float) -> None:
    """On a processor with dot products of bytes, or with AVX2 alone; CPU time, both generators in turn."""
    exact, real = amb.generator(name), amb.generator(name.removesuffix("-int8"))
    grid = exact.grid()
    latents = grid.latents(grid.space.sample_prior(rows, np.random.default_rng(0)))
    repeats = max(1, 64 // rows)
    exact.images(latents)
    real.images(latents)
    ratios, micros = [], []
    for _ in range(7):
        start = process_time()
        for _ in range(repeats):
            real.images(latents)
        middle = process_time()
        for _ in range(repeats):
            exact.images(latents)
        end = process_time()
        ratios.append((middle - start) / (end - middle))
        micros.append([1e6 * seconds / repeats / rows for seconds in (middle - start, end - middle)])
    benchmark.pedantic(exact.images, args=(latents,), rounds=3)
    benchmark.extra_info["times as fast as float32"] = round(median(ratios), 2)
    benchmark.extra_info["µs an image, float32 and int8"] = np.median(micros, axis=0).round().tolist()
    assert median(ratios) > least


@pytest.mark.skipif(not PAIRS, reason="this processor has something better than AVX2")
@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize("name", ["cifar10-sngan-int8", "mnist-sngan-int8"])
def test_loops_of_their_own_are_faster_than_the_engine(benchmark: BenchmarkFixture, name: str, rows: int) -> None:
    """On a processor with AVX2 alone, where `processor.only_avx2` chooses them; CPU time, both in turn."""
    generator = amb.generator(name)
    assert isinstance(generator, ExactSNGANGenerator)
    table = generator.network.table  # loads the layers, too
    assert isinstance(table, torch.Tensor)
    parts = generator._sizes, generator._layers, table
    pairs, engine = SNGANInPairs(*parts), SNGANRendering(*parts, torch.device("cpu"))
    latents = torch.from_numpy(np.random.default_rng(0).standard_normal((rows, generator.latent_dim), np.float32))
    repeats = 32 // rows
    engine(latents)
    pairs(latents)
    ratios = []
    for _ in range(7):
        start = process_time()
        for _ in range(repeats):
            engine(latents)
        middle = process_time()
        for _ in range(repeats):
            pairs(latents)
        ratios.append((middle - start) / (process_time() - middle))
    benchmark.pedantic(pairs, args=(latents,), rounds=3)
    benchmark.extra_info["times as fast as the engine"] = round(median(ratios), 2)
    assert median(ratios) > 1.1
