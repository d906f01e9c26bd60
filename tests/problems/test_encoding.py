"""Input noise: another stimulus in every frame."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from amb.catalogue.problems import problem
from amb.contracts.noise import Queries
from amb.errors import SpecError
from amb_problems.encoding import Encoding
from amb_problems.engine.evaluator import Evaluator
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.lif import LIFNeuron
from amb_problems.targets.spiking.stages import network_of

PAIR = "cifar10-sngan/snn-cnn"


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3), st.integers(0, 2**32))
def test_rates_are_the_pixels_and_black_and_white_are_certain(pixel: list[int], seed: int) -> None:
    image = np.array([[pixel, [0, 0, 0], [255, 255, 255]]], np.uint8)
    frames = Encoding("bernoulli").frames(image, 400, np.random.default_rng(seed))
    assert frames.shape == (400, 1, 3, 3)
    assert set(np.unique(frames).tolist()) <= {0, 255}
    assert np.abs(frames[:, 0, 0].mean(axis=0) - pixel).max() < 5 * 127.5 / 20
    assert not frames[:, 0, 1].any()
    assert (frames[:, 0, 2] == 255).all()


def test_gaussian_frames_scatter_about_the_image() -> None:
    image = np.full((4, 4, 3), 128, np.uint8)
    frames = Encoding("gaussian", 20.0).frames(image, 300, np.random.default_rng(0))
    assert frames.dtype == np.uint8
    assert frames.mean() == pytest.approx(128, abs=1)
    assert frames.std() == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize(("name", "layer"), [("snn-cnn", "sn1"), ("snn-cnn", "out"), ("snn-resnet18", "layer1.0.sn2")])
def test_frames_are_counted_as_the_frameworks_network_would(name: str, layer: str) -> None:
    """Against the plain network, whose neurons are stepped with one frame after the other."""
    target, rng = ExactNetwork.load(name), np.random.default_rng(0)
    shown = rng.integers(0, 256, (3, target.frames, *target.shape), dtype=np.uint8)
    network = target.build(lambda: LIFNeuron(target.lif))
    counted = np.zeros((3, 2), np.int64)
    with torch.inference_mode():
        for t in range(target.frames):
            for firing in network.walk(target.input(shown[:, t])):
                if firing.layer == layer:
                    spikes = firing.spikes[:, [1, 4]].numpy()
                    counted += spikes.reshape(3, 2, -1).sum(2).astype(np.int64)
                    break
    for backend in ("auto", "eager"):
        evaluator = Evaluator(network_of(target), backend=backend)  # type: ignore[arg-type]
        assert np.array_equal(evaluator.frame_counts(3, lambda i: shown[i], layer, (1, 4)), counted)


def test_still_frames_give_what_the_closed_form_gives() -> None:
    made = problem(f"{PAIR}/sn2/7")
    target = made.pair.target  # type: ignore[attr-defined]
    image = made.images(made.space.sample_prior(1, np.random.default_rng(0)))
    still = np.repeat(image, target.frames, axis=0)
    found = target.frame_activations(1, lambda _: still, "sn2", (7,))
    assert np.array_equal(found, target.all_activations(image, [("sn2", 7)]))


def test_what_a_query_sees_depends_on_its_number_alone() -> None:
    noisy, plain = problem(f"{PAIR}/sn1/29[input=bernoulli]"), problem(f"{PAIR}/sn1/29")
    batch = plain.space.sample_prior(4, np.random.default_rng(0))
    together = type(noisy).observe_together(
        [noisy, plain, noisy], [batch, batch[:2], batch[2:]], [Queries(5, 0), Queries(5, 0), Queries(5, 2)]
    )
    assert np.array_equal(together.values[0][2:], together.values[2])
    assert np.array_equal(together.clean[0], plain.evaluate(batch))
    assert np.array_equal(together.values[1], together.clean[1])
    assert not np.array_equal(together.values[0], together.clean[0])


def test_input_noise_is_part_of_the_key_and_of_the_facts() -> None:
    specs = ["", "[input=bernoulli]", "[input=gaussian]", "[deviation=10.0,input=gaussian]"]
    made = [problem(f"{PAIR}/sn1/29{options}") for options in specs]
    assert len({one.fingerprint for one in made}) == len(specs)
    assert [one.id for one in made] == [f"{PAIR}/sn1/29{options}" for options in specs]
    assert "every frame" in str(made[1].facts()["input"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (f"{PAIR}/sn1/0[input=pink]", "bernoulli or gaussian"),
        (f"{PAIR}/sn1/0[deviation=3]", "is an option of input=gaussian"),
        (f"{PAIR}/sn1/0[input=bernoulli,deviation=3]", "takes no deviation"),
        (f"{PAIR}/sn1/0[input=gaussian,deviation=0]", "above 0"),
        ("cifar10-sngan/ann-vgg/features.0/0[input=bernoulli]", "does not take single frames"),
    ],
)
def test_bad_encodings_are_refused(spec: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        problem(spec)
