"""The exact generator against the float32 one, as ratios inside one process."""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import amb

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]


@pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="without dot products of bytes integers gain less")
@pytest.mark.parametrize(("rows", "least"), [(1, 3.0), (5, 2.5), (18, 2.5), (160, 2.5)])
def test_integers_are_faster(benchmark: BenchmarkFixture, rows: int, least: float) -> None:
    """On a processor with dot products of bytes; CPU time, both generators in turn."""
    exact, real = amb.generator("cifar10-sngan-int8"), amb.generator("cifar10-sngan")
    latents = np.random.default_rng(0).standard_normal((rows, 128), np.float32)
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
