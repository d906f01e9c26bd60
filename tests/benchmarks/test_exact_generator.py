"""Exact generators against those in float32, as ratios inside one process."""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import amb

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]


@pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="without dot products of bytes integers gain less")
@pytest.mark.parametrize("rows", [1, 5, 18, 160])
@pytest.mark.parametrize(
    ("name", "least"), [("cifar10-sngan-int8", 2.5), ("mnist-sngan-int8", 1.5), ("cifar10-vqvae-int8", 1.5)]
)
def test_integers_are_faster(benchmark: BenchmarkFixture, name: str, rows: int, least: float) -> None:
    """On a processor with dot products of bytes; CPU time, both generators in turn."""
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
