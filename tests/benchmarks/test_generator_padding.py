"""A generator's padding against whole chunks of sixteen, as ratios inside one process."""

from functools import partial
from statistics import median
from time import perf_counter

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import amb
from amb.contracts.generator import chunks
from amb_problems.generators.torch_generator import TorchGenerator

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize(("rows", "least"), [(1, 2.5), (5, 1.7), (18, 1.2)])
def test_few_images_do_not_cost_a_whole_chunk(benchmark: BenchmarkFixture, rows: int, least: float) -> None:
    """A lone query does not render sixteen images."""
    generator = amb.generator("cifar10-sngan")
    assert isinstance(generator, TorchGenerator)
    space = generator.grid().space
    latents = generator.grid().latents(space.sample(rows, np.random.default_rng(0)))
    whole, padded = partial(generator._render_all, chunks(latents, 16)), partial(generator.images, latents)
    assert np.array_equal(np.concatenate(whole())[:rows], padded())
    ratios = []
    for _ in range(7):
        start = perf_counter()
        whole()
        middle = perf_counter()
        padded()
        ratios.append((middle - start) / (perf_counter() - middle))
    benchmark.pedantic(padded, rounds=3)
    benchmark.extra_info["times as fast as a whole chunk"] = round(median(ratios), 2)
    assert median(ratios) > least
