"""Groups of units: `layer/3+7+12` is driven by the mean of its units."""

import numpy as np
import pytest
import torch

import amb
from amb.catalogue.problems import expand, problem
from amb.errors import SpecError

PAIR = "cifar10-sngan/snn-cnn"


def candidates(n: int) -> np.ndarray:
    return problem(f"{PAIR}/sn1/0").space.sample_prior(n, np.random.default_rng(0))


def test_a_group_is_the_mean_of_its_units_in_a_batch_too() -> None:
    group, alone = problem(f"{PAIR}/sn2/51+3+8"), [problem(f"{PAIR}/sn2/{unit}") for unit in (3, 8, 51)]
    batch = candidates(5)
    expected = np.mean([one.evaluate(batch) for one in alone], axis=0)
    assert group.id == f"{PAIR}/sn2/3+8+51"
    assert np.allclose(group.evaluate(batch), expected, rtol=0, atol=1e-15)
    crowd = type(group).evaluate_together([alone[0], group, alone[1], group], [batch, batch, batch[1:3], batch[2:4]])
    assert np.array_equal(crowd.values[1], group.evaluate(batch))
    assert np.array_equal(crowd.values[2], alone[1].evaluate(batch[1:3]))
    assert np.array_equal(crowd.values[3], group.evaluate(batch)[2:4])
    assert group.spikes == 3 * 100 * 5 * 5


def test_images_from_anywhere_and_gradients_meet_groups() -> None:
    group, other = problem(f"{PAIR}/sn1/3+8"), problem(f"{PAIR}/sn1/5")
    batch = candidates(3)
    found = type(group).respond_together([other, group], group.images(batch))
    assert np.array_equal(found, np.stack([other.evaluate(batch), group.evaluate(batch)], axis=1))
    latents = group.space.decode(batch[:1])
    slopes = [problem(f"{PAIR}/sn1/{unit}").gradient(latents)[1] for unit in (3, 8)]
    assert np.allclose(group.gradient(latents)[1], np.mean(slopes, axis=0), rtol=1e-4, atol=1e-7)


def test_a_target_that_measures_one_unit_at_a_time_has_groups_too() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.ReLU())
    family = amb.target(module, name="filters").family("cifar10-sngan")
    batch = candidates(3)
    expected = sum(family.problem("1", unit).evaluate(batch) for unit in (0, 2)) / 2
    assert np.array_equal(family.group("1", (0, 2)).evaluate(batch), expected)


def test_groups_are_written_one_way() -> None:
    assert expand(f"{PAIR}/sn1/12+3+7,{PAIR}/sn1/3+7+12") == [f"{PAIR}/sn1/3+7+12"]
    assert expand(f"{PAIR}/sn?/3+1") == [f"{PAIR}/sn{number}/1+3" for number in (1, 2, 3)]
    assert problem(f"{PAIR}/sn1/5+2[grid=quantile,noise=bernoulli]").id == (
        f"{PAIR}/sn1/2+5[grid=quantile,noise=bernoulli]"
    )


@pytest.mark.parametrize(
    ("unit", "says"), [("3+3", "twice"), ("3+64", "0..63"), ("3+", "3\\+7\\+12"), ("+3", "3\\+7\\+12")]
)
def test_bad_groups_are_refused(unit: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        problem(f"{PAIR}/sn1/{unit}")


def test_a_family_without_groups_says_so(toy: object) -> None:
    with pytest.raises(SpecError, match="single units only"):
        problem("toy/bowl/near/1+2")
