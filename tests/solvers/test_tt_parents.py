"""tt-parents: a train whose cores are written down from the best recent candidates."""

import numpy as np
import pytest

from amb import Space
from amb.catalogue.solvers import resolve
from amb.errors import SpecError
from amb.testing.subject import drive, rows
from amb_solvers.shared.cma_defaults import log_weights
from amb_solvers.tensor_train.tt_parents import TTParents

SPACE = Space.uniform(32, 64)
PREFERRED = np.random.default_rng(5).standard_normal(32)


def peak(candidates: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(SPACE.decode(candidates) - PREFERRED).mean(axis=1))


def solver(**options: float) -> TTParents:
    return TTParents(SPACE, budget=10**6, seed=0, k=4000, **options)  # type: ignore[arg-type]


def test_chains_are_draws_of_the_train() -> None:
    """Contracting the cores gives the probability of neighbouring parents: w_a T[a, b]."""
    one, weights, switching = solver(switching=0.3), log_weights(4), 0.3
    transition = (1 - switching) * np.eye(4) + switching * weights
    chains = one._chains(weights)
    pairs = np.bincount(4 * chains[:, 20] + chains[:, 21], minlength=16).reshape(4, 4) / len(chains)
    np.testing.assert_allclose(pairs, weights[:, None] * transition, atol=0.02)


@pytest.mark.parametrize("contraction", [0.0, 1.0])
def test_kernels_lie_between_the_parents_and_their_mean(contraction: float) -> None:
    one = solver(contraction=contraction, width=1e-9)
    one._parents = np.stack([np.full(32, -1.0), np.full(32, 2.0)])
    drawn = SPACE.decode(one._generate())
    mean = log_weights(2) @ [-1.0, 2.0]
    expected = [mean] if contraction else [-1.0, 2.0]
    nearest = SPACE.decode(SPACE.nearest(np.repeat(np.array(expected)[:, None], 32, axis=1)))[:, 0]
    assert set(np.unique(drawn)) == set(nearest)


def test_it_gets_farther_than_the_train_that_is_fitted() -> None:
    def best(spec: str) -> float:
        return float(
            np.mean(
                [
                    max(v.max() for _, v in drive(resolve(spec).make(SPACE, budget=400, seed=seed), peak))
                    for seed in range(3)
                ]
            )
        )

    assert best("tt-parents") > best("tt-elite") + 0.1


def test_a_candidate_is_a_parent_for_three_batches_only() -> None:
    """A lucky measurement does not stay for ever."""
    one = resolve("tt-parents").make(SPACE, budget=200, seed=0)
    heights = []
    for batch in range(5):
        candidates = one.ask()
        values = np.arange(len(candidates)) + (100.0 if batch == 0 else 0.0)
        one.tell(candidates, values)
        heights.append(one._scores.max() if isinstance(one, TTParents) else 0)
    assert heights == [119, 119, 119, 19, 19]


def test_a_silent_neuron_is_sampled_from_the_prior() -> None:
    one = resolve("tt-parents").make(SPACE, budget=300, seed=0)
    latents = SPACE.decode(rows(drive(one, lambda c: np.zeros(len(c)))))
    assert abs(latents[-100:].mean()) < 0.1
    assert abs(latents[-100:].std() - 1) < 0.1


@pytest.mark.parametrize("option", ["k=0", "parents=0", "switching=1.5", "contraction=-0.1", "width=0.0", "patience=0"])
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(SpecError, match="expected k, parents and patience"):
        resolve(f"tt-parents[{option}]").make(SPACE, budget=10, seed=0)
