"""The engine against the framework's own forward pass through the whole network, as ratios inside one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from amb_problems.engine.allocator import keep_memory
from amb_problems.engine.convolution import has_integers
from amb_problems.engine.evaluator import Evaluator
from amb_problems.tables import engine_speed
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.stages import network_of

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]

LEAST = [
    ("snn-cnn", "sn1", 200),
    ("snn-cnn", "sn2", 20),
    ("snn-cnn", "out", 5),
    ("snn-resnet18", "sn1", 200),
    ("snn-resnet18", "layer1.0.sn2", 20),
    ("snn-resnet18", "layer4.1.sn2", 5),
]
IMAGES = 64

PEAK_MEMORY = """
import re, torch
from pathlib import Path
from amb_problems.tables import engine_speed
from amb_problems.targets.spiking.stages import network_of
from amb_problems.engine.evaluator import Evaluator
from amb_problems.targets.spiking.exact_network import ExactNetwork

torch.set_num_threads(1)
evaluator = Evaluator(network_of(ExactNetwork.load("{target}")))
images = engine_speed.stimuli(320)
def count(n):
    evaluator.counts(images[:n], [("{layer}", 0)] * n)
    # Not ru_maxrss: a new process inherits its parent's.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(count(16), count(320))
"""


@pytest.fixture(scope="module")
def frameworks() -> dict[str, float]:
    """Seconds an image of each target's framework, filled in as they are measured."""
    return {}


@pytest.mark.parametrize(("name", "layer", "least"), LEAST)
def test_a_probe_is_many_times_faster_than_the_framework(
    benchmark: BenchmarkFixture, frameworks: dict[str, float], name: str, layer: str, least: float
) -> None:
    """One unit of a layer, all frames, an image: the ratios that the project promises, at least."""
    pytest.importorskip("snntorch" if name == "snn-cnn" else "spikingjelly")
    target, images = ExactNetwork.load(name), engine_speed.stimuli(IMAGES)
    if name not in frameworks:
        frameworks[name] = engine_speed.framework_seconds(target, images[:16])
    evaluator = Evaluator(network_of(target))
    benchmark(evaluator.counts, images, [(layer, 0)] * IMAGES)
    ratio = frameworks[name] / (benchmark.stats.stats.min / IMAGES)
    benchmark.extra_info["times the framework"] = round(ratio, 1)
    assert ratio >= least


def test_integers_beat_floats(benchmark: BenchmarkFixture) -> None:
    """Whatever arithmetic is found fastest here, it pays for a whole deep probe."""
    network, images = network_of(ExactNetwork.load("snn-resnet18")), engine_speed.stimuli(IMAGES)
    probes = [("layer4.1.sn2", 0)] * IMAGES
    floats = Evaluator(network, backend="floats")
    seconds = engine_speed.best_seconds(lambda: floats.counts(images, probes))
    chosen = Evaluator(network)
    benchmark(chosen.counts, images, probes)
    ratio = seconds / benchmark.stats.stats.min
    benchmark.extra_info.update({"algorithm": chosen.algorithm, "times float32": round(ratio, 1)})
    assert ratio >= 1.5


@pytest.mark.parametrize(("name", "layer"), [("snn-cnn", "out"), ("snn-resnet18", "layer4.1.sn2")])
def test_deep_convolutions_reach_half_of_the_integer_peak(benchmark: BenchmarkFixture, name: str, layer: str) -> None:
    """Operations a second inside a deep probe's convolutions, over those of one large convolution.

    The ResNet's 32 channels and 4x4 maps fill a quarter to a half of AMX's tiles: there it reaches a third.
    """
    if not has_integers():
        pytest.skip("no integer convolution here")
    evaluator = Evaluator(network_of(ExactNetwork.load(name)), backend="integers")
    images = engine_speed.stimuli(IMAGES)
    peak = engine_speed.peaks()["int8"]
    speed = benchmark.pedantic(engine_speed.speed, args=(evaluator, layer, images), rounds=1)
    share = speed.convolution_rate / peak
    benchmark.extra_info["of the int8 peak"] = f"{share:.0%}"
    tiles = torch.cpu._is_amx_tile_supported() and name == "snn-resnet18"
    assert share >= (0.33 if tiles else 0.5)


@pytest.mark.parametrize(("name", "layer"), [("snn-cnn", "out"), ("snn-resnet18", "layer4.1.sn2")])
def test_memory_does_not_grow_with_the_batch(benchmark: BenchmarkFixture, name: str, layer: str) -> None:
    """Twenty times the images in one call need the memory of one chunk."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here to read the peak from")
    code = PEAK_MEMORY.format(target=name, layer=layer)
    run = benchmark.pedantic(
        subprocess.run, args=([sys.executable, "-c", code],), rounds=1,
        kwargs={"check": True, "capture_output": True, "text": True, "env": dict(os.environ)},
    )  # fmt: skip
    chunk, batch = map(float, run.stdout.split())
    benchmark.extra_info["MB for one chunk, for twenty"] = (round(chunk), round(batch))
    assert batch - chunk < 64


PAGE_FAULTS = """
import resource, sys, torch
from amb_problems.engine import evaluator
from amb_problems.tables import engine_speed
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.stages import network_of

torch.set_num_threads(1)
if sys.argv[1] == "returned":
    evaluator.keep_memory = lambda: False
engine = evaluator.Evaluator(network_of(ExactNetwork.load("snn-resnet18")), backend="integers")
images = engine_speed.stimuli(64)
def count():
    engine.counts(images, [("layer4.1.sn2", 0)] * 64)
for _ in range(3):
    count()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
count()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 64)
"""


def test_memory_of_a_layer_is_reused_by_the_next(benchmark: BenchmarkFixture) -> None:
    """Page faults an image of a deep probe in steady state: nearly none, and less than where memory is returned."""
    if not has_integers() or not keep_memory():
        pytest.skip("no integer convolution here, or another C library than glibc")

    def faults(what: str) -> float:
        command = [sys.executable, "-c", PAGE_FAULTS, what]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    returned = faults("returned")
    kept = benchmark.pedantic(faults, args=("kept",), rounds=1)
    benchmark.extra_info["page faults an image, before and now"] = (round(returned), round(kept))
    assert kept < 20
    assert kept <= returned
