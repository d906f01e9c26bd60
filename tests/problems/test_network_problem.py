import numpy as np
import pytest

from amb import Space
from amb.catalogue.problems import problem
from amb.errors import CandidateError, SpecError

IDS = [f"cifar10-sngan/snn-cnn/{unit}" for unit in ("sn1/5", "sn2/7", "sn3/11", "out/3")]


def candidates(n: int, seed: int = 0) -> np.ndarray:
    return problem(IDS[0]).space.sample_prior(n, np.random.default_rng(seed))


def test_a_value_does_not_depend_on_the_batch() -> None:
    """Alone, with other problems, and at any place of a batch: the same activation, bit for bit."""
    problems = [problem(spec) for spec in IDS]
    batch = candidates(24)
    crowd = type(problems[0]).evaluate_together(problems, [batch, batch[::-1], batch[3:20], batch[5:6]])
    assert np.array_equal(crowd.values[0], problems[0].evaluate(batch))
    assert np.array_equal(crowd.values[1][::-1], problems[1].evaluate(batch))
    alone = np.concatenate([problems[2].evaluate(row[None]) for row in batch[3:20]])
    assert np.array_equal(crowd.values[2], alone)
    assert crowd.values[3][0] == problems[3].evaluate(batch)[5]
    assert crowd.generator_seconds > 0
    assert crowd.target_seconds > 0


def test_neurons_of_a_recording_respond_as_each_does_alone() -> None:
    """All see the same images, which are made and shown once: the values are the same, bit for bit."""
    names = ("cifar10-sngan/snn-cnn/sn1/29", "cifar10-sngan/snn-cnn/sn2/8", "cifar10-sngan/snn-cnn/sn1/29+32")
    neurons = [problem(name) for name in names]
    batch = neurons[0].space.sample(5, np.random.default_rng(0))
    together = type(neurons[0]).evaluate_together(neurons, [batch] * 3)
    for one, values, clean in zip(neurons, together.values, together.clean, strict=True):
        np.testing.assert_array_equal(values, one.evaluate(batch))
        np.testing.assert_array_equal(clean, values)


def test_evaluating_again_gives_the_same_as_networks_start_from_rest() -> None:
    one = problem(IDS[2])
    batch = candidates(8)
    assert np.array_equal(one.evaluate(batch), one.evaluate(batch))


def test_activations_are_shares_of_the_spikes_that_were_possible() -> None:
    """Frames times positions of the feature map, against the plain frame-by-frame network."""
    from amb_problems.targets.spiking.exact_network import ExactNetwork

    one = problem(IDS[1])
    batch = candidates(4)
    counts = ExactNetwork.load("snn-cnn").counts(one.images(batch), {"sn2": [7]})["sn2"][:, 0]
    assert np.array_equal(one.evaluate(batch), counts / (100 * 5 * 5))


@pytest.mark.parametrize("wrong", [np.zeros((2, 127), int), np.full((1, 128), 64), np.zeros((1, 128))])
def test_wrong_candidates_are_refused_before_anything_is_evaluated(wrong: np.ndarray) -> None:
    with pytest.raises(CandidateError):
        problem(IDS[0]).evaluate(wrong)


def test_both_grids_are_on_offer_and_are_different_problems() -> None:
    even, quantile = problem(IDS[0]), problem(f"{IDS[0]}[grid=quantile]")
    assert even.space.axis(0)[0] == -4
    assert isinstance(quantile.space, Space)
    assert -3 < quantile.space.axis(0)[0] < -2
    assert even.fingerprint != quantile.fingerprint
    assert quantile.id.endswith("[grid=quantile]")


@pytest.mark.parametrize(
    ("spec", "says"), [("[grid=odd]", "'even' or 'quantile'"), ("[gird=even]", "did you mean grid")]
)
def test_bad_options_are_refused(spec: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        problem(IDS[0] + spec)


def test_images_are_what_a_screen_shows() -> None:
    images = problem(IDS[0]).images(candidates(3))
    assert images.shape == (3, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images.std() > 20, "a generator that makes grey nothing is broken"
