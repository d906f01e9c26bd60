"""What is set for all of torch is the user's: a library for Gaussian processes, say, asks for float64 everywhere.

So are torch's random numbers: a network that is seeded beforehand is the same one whether amb has loaded its own or
not.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

PROBLEMS = (
    "cifar10-sngan/snn-cnn/sn1/29",
    "cifar10-sngan-int8/snn-resnet18/sn1/3",
    "cifar10-vqvae/small-stride-a/sn2/3",
    "cifar10-vqvae-int8/snn-cnn/sn2/8",
    "mnist-sngan/mnist-snn/sn2/3",
    "cifar10-sngan/ann-resnet/layer2.0.relu/3",
    "cifar10-sngan/ann-vgg/features.4/3",
    "cifar10-sngan-int8/ann-vgg/classifier/3",
)
SCRIPT = """
import json, sys
import numpy as np, torch
exec(sys.argv[1])
from amb.torch_precision import read_precision
def drawn():
    return torch.default_generator.get_state().numpy().tobytes(), np.random.get_state()[1].tobytes()
before = torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled('cpu'), read_precision(torch)
numbers = drawn()
import amb
answers = {}
for name in sys.argv[2:]:
    problem = amb.problem(name)
    candidates = problem.space.sample(3, np.random.default_rng(0))
    answers[name] = [value.hex() for value in problem.evaluate(candidates).tolist()]
    if "sngan/" in name:
        latents = np.random.default_rng(1).normal(size=(1, problem.space.d)).astype(np.float32)
        value, slope = problem.gradient(latents)
        answers[name] += [float(value[0]).hex(), float(np.asarray(slope).sum()).hex()]
now = torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled('cpu'), read_precision(torch)
assert now == before
assert drawn() == numbers
print(json.dumps(answers))
"""


def _answers(setting: str, problems: Sequence[str] = PROBLEMS) -> dict[str, list[str]]:
    command = [sys.executable, "-c", SCRIPT, setting, *problems]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def usual() -> dict[str, list[str]]:
    return _answers("")


@pytest.mark.parametrize(
    "settings",
    [
        (
            "torch.set_default_dtype(torch.float64)",
            "torch.set_default_device('meta')",
            "torch.use_deterministic_algorithms(True)",
            "torch.set_float32_matmul_precision('medium'); torch.backends.mkldnn.set_flags(False)",
        ),
        (
            "torch.autocast('cpu', torch.bfloat16).__enter__()",  # of float32: with another default it does nothing
            "torch.backends.mkldnn.matmul.fp32_precision = torch.backends.mkldnn.conv.fp32_precision = 'bf16'",
        ),
    ],
    ids=["types and devices", "bfloat16"],
)
def test_shipped_networks_compute_as_ever_whatever_is_set_for_all_of_torch(
    usual: dict[str, list[str]], settings: tuple[str, ...]
) -> None:
    """Every kind of generator and target gives the same bits; settings and random numbers stay as they were."""
    assert _answers("; ".join(settings)) == usual


def test_weights_of_shipped_networks_are_not_rounded_to_a_default_of_half_precision(usual: dict) -> None:  # type: ignore[type-arg]
    """As scripts set that load language models: other values were stored, under the usual names of runs."""
    plain = "cifar10-sngan-int8/ann-vgg/classifier/3"
    assert _answers("torch.set_default_dtype(torch.float16)", [plain])[plain] == usual[plain]


OWN = """
import sys, numpy as np, torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(6272, 6))
paint = torch.nn.Sequential(torch.nn.Linear(8, 3072), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 32, 32)))
exec(sys.argv[1])
import amb
target, generator = amb.target(net, layer="3", name="mine"), amb.generator(paint, latent_dim=8, name="drawn")
images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
pictures = generator.images(np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32))
values = target.activations(images, [("3", 1)] * 3)
print(target.fingerprint, generator.fingerprint, [value.hex() for value in values.tolist()], pictures.sum())
"""


def test_own_networks_are_the_same_whatever_is_set_for_all_of_torch() -> None:
    """Their fingerprints were others, so that every run was repeated; and so were values that a target gave itself."""

    def answers(setting: str) -> str:
        done = subprocess.run([sys.executable, "-c", OWN, setting], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    changed = "torch.set_float32_matmul_precision('medium'); torch.backends.mkldnn.enabled = False"
    assert answers(changed) == answers("")
