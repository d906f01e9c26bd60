"""Problems and networks as pickles: what was loaded and compiled stays behind, and values are the same."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import amb
from amb.contracts.problem import Problem
from amb.errors import CheckpointError

pytestmark = pytest.mark.usefixtures("one_thread")


def of_own_networks() -> Problem:
    pixels = nn.Sequential(nn.Linear(8, 3 * 16 * 16), nn.Tanh(), nn.Unflatten(1, (3, 16, 16)))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    generator = amb.generator(pixels, latent_dim=8, shape=(16, 16, 3), name="own-pixels")
    return amb.target(network, shape=(16, 16, 3), name="own-network").problem(generator, 2, layer="1")


MADE: dict[str, Callable[[], Problem]] = {
    name: lambda name=name: amb.problem(name)  # type: ignore[misc]
    for name in (
        "cifar10-sngan/snn-cnn/sn1/29",
        "cifar10-sngan-int8/snn-cnn/sn1/29[input=bernoulli]",
        "cifar10-vqvae/ann-vgg/features.0/3[noise=gaussian,std=0.1]",
        "cifar10-vqvae-int8/snn-cnn/sn2/1+3",
        "mnist-sngan/mnist-snn/sn1/0",
        "toy/ann-vgg/prob/3",
    )
}


@pytest.mark.parametrize("make", [*MADE.values(), of_own_networks], ids=[*MADE, "own networks"])
def test_a_problem_pickled_after_evaluation_evaluates_equal_to_the_bit(make: Callable[[], Problem]) -> None:
    problem = make()
    candidates = problem.space.sample(5, np.random.default_rng(0))
    problem.warm_up()
    images = problem.images(candidates)
    problem.evaluate(candidates)
    copy = pickle.loads(pickle.dumps(problem))
    assert (copy.id, copy.fingerprint) == (problem.id, problem.fingerprint)
    copy.warm_up()
    assert np.array_equal(copy.images(candidates), images)
    # With noise, both go on with the same number of the query.
    assert np.array_equal(copy.evaluate(candidates), problem.evaluate(candidates), equal_nan=True)


@pytest.mark.parametrize("name", ["mnist-sngan", "mnist-sngan-int8", "cifar10-vqvae", "own-pixels"])
def test_a_generator_on_a_gpu_is_there_in_a_copy_too(name: str) -> None:
    """Its network stayed on the processor, and its latents did not; here, the device `meta` stands for a GPU."""
    pixels = nn.Sequential(nn.Linear(8, 3 * 16 * 16), nn.Unflatten(1, (3, 16, 16)))
    own = name.startswith("own")
    generator = amb.generator(pixels, latent_dim=8, shape=(16, 16, 3), name=name) if own else amb.generator(name)
    copy = pickle.loads(pickle.dumps(generator.on("meta")))
    assert copy.device == "meta"
    assert {weights.device.type for weights in copy.network.parameters()} == {"meta"}


def made_anew(layers: Callable[[], list[nn.Module]]) -> Callable[[], nn.Module]:
    """A function that makes a network, as one that reads weights from a file."""

    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(WRITTEN["seed"])
            return nn.Sequential(*layers())

    return make


WRITTEN = {"seed": 0}
"""What is in the file."""


@pytest.mark.parametrize("part", ["generator", "target"])
def test_a_network_that_a_function_makes_again_otherwise_is_refused(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a copy, whose values would be stored under the fingerprint of the network before."""
    source: object = "toy"
    network = made_anew(lambda: [nn.Conv2d(3, 4, 3), nn.ReLU()])
    if part == "generator":
        pixels = made_anew(lambda: [nn.Linear(8, 3 * 32 * 32), nn.Tanh(), nn.Unflatten(1, (3, 32, 32))])
        source, network = amb.generator(pixels, latent_dim=8, name="own-pixels"), network()
    problem = amb.target(network, name="own-network").problem(source, 2, layer="1")
    candidates = problem.space.sample(2, np.random.default_rng(0))
    values = problem.evaluate(candidates)
    assert np.array_equal(deepcopy(problem).evaluate(candidates), values)
    monkeypatch.setitem(WRITTEN, "seed", 1)
    with pytest.raises(CheckpointError, match=rf"^{part} own-.* another one than before.* make the {part} again, or "):
        deepcopy(problem).evaluate(candidates)
    assert np.array_equal(problem.evaluate(candidates), values)


def test_a_copy_on_a_device_leaves_the_generator_on_the_processor_alone() -> None:
    """Both hold the module that the user gave, and the copy moved it."""
    module = nn.Sequential(nn.Linear(8, 3 * 32 * 32), nn.Tanh(), nn.Unflatten(1, (3, 32, 32)))
    generator = amb.generator(module, latent_dim=8, name="own-pixels")
    latents = np.zeros((1, 8), np.float32)
    images = generator.images(latents)
    elsewhere = copy(generator.on("meta"))
    elsewhere.__dict__.pop("network", None)
    assert next(elsewhere.network.parameters()).device.type == "meta"
    assert np.array_equal(generator.images(latents), images)


SPAWNING = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import amb, numpy as np
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 5), nn.ReLU()
    def forward(self, x):
        return self.relu(self.conv(x))

def evaluate(problem):
    return problem.evaluate(problem.space.sample_prior(2, np.random.default_rng(0))).tolist()

def seeded():
    import torch
    torch.manual_seed(0)
    return Net()

if __name__ == "__main__":
    problems = [amb.target(made, name="mine").problem("toy", 1, layer="relu") for made in (Net(), seeded)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for problem in problems:
            assert evaluate(problem) == pool.submit(evaluate, problem).result()
"""


def test_a_network_of_a_script_is_the_same_in_a_process_that_is_spawned(tmp_path: Path) -> None:
    """There the script is called otherwise, and its classes with it: the network was refused as another one."""
    (tmp_path / "script.py").write_text(SPAWNING)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=600)
