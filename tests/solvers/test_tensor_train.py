"""The native engine against automatic differentiation, optax, and the protes package itself."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from amb.contracts.space import FloatArray, IntArray
from amb_solvers.tensor_train.density import TensorTrain

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
package = pytest.importorskip("protes.protes")

from jax.experimental import enable_x64  # noqa: E402 - only where jax is

SHAPES = [(7, 4, 3), (12, 2, 5)]  # d, n, r


def make(d: int, n: int, r: int, *, negative: bool = False, seed: int = 0) -> TensorTrain:
    rng = np.random.default_rng(seed)
    train = TensorTrain(np.full(d, n), r, rng, rate=0.05, dtype=np.float64)
    if negative:
        train.cores -= 0.4
    return train


def package_cores(train: TensorTrain) -> list[FloatArray]:
    """The train as the package stores it: [1, n, r], [d - 2, r, n, r], [r, n, 1]."""
    cores = [train.core(j).transpose(0, 2, 1).copy() for j in range(train.d)]
    return [cores[0][:1], np.stack(cores[1:-1]), cores[-1][:, :, :1]]


def engine_layout(cores: list[Any], train: TensorTrain) -> FloatArray:
    """The package's arrays in the engine's layout, zero where the engine only pads."""
    left, middle, right = (np.asarray(core) for core in cores)
    out = TensorTrain.__new__(TensorTrain)
    out.__dict__.update(train.__dict__, cores=np.zeros_like(train.cores))
    out.core(0)[:1] = left.transpose(0, 2, 1)
    for j in range(1, train.d - 1):
        out.core(j)[:] = middle[j - 1].transpose(0, 2, 1)
    out.core(train.d - 1)[:, :1] = right.transpose(0, 2, 1)
    return out.cores


def package_loss(cores: list[Any], rows: IntArray) -> Any:
    import jax.numpy as jnp

    left, middle, right = cores
    interfaces = package._interface_matrices(middle, right)
    likelihood = jax.vmap(package._likelihood, (None, None, None, None, 0))
    return -jnp.mean(likelihood(left, middle, right, interfaces, rows))


@pytest.mark.parametrize(("shape", "negative", "m"), [*product(SHAPES, [False, True], [1, 4])])
def test_gradient_is_that_of_automatic_differentiation(shape: tuple[int, int, int], negative: bool, m: int) -> None:
    """The closed form equals JAX's derivative of the package's loss to 1e-12, relative to the largest, also
    where cores are negative."""
    train = make(*shape, negative=negative)
    rows = np.random.default_rng(1).integers(0, shape[1], size=(m, shape[0]))
    with enable_x64():
        loss, gradient = jax.jit(jax.value_and_grad(package_loss))(package_cores(train), rows)
        expected = engine_layout(gradient, train)
    np.testing.assert_allclose(train.gradient(rows), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert -train.log_likelihood(rows).mean() == pytest.approx(float(loss), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_are_those_of_optax(shape: tuple[int, int, int]) -> None:
    """Eight steps of the fused Adam equal eight of optax's along JAX's gradients."""
    train = make(*shape)
    rows = np.random.default_rng(2).integers(0, shape[1], size=(3, shape[0]))
    with enable_x64():
        cores: Any = [jax.numpy.asarray(core) for core in package_cores(train)]
        adam = optax.adam(0.05)
        state = adam.init(cores)
        gradient = jax.jit(jax.grad(package_loss))
        for _ in range(8):
            updates, state = adam.update(gradient(cores, rows), state)
            cores = optax.apply_updates(cores, updates)
        expected = engine_layout(cores, train)
    train.fit(rows, steps=8)
    np.testing.assert_allclose(engine_layout(package_cores(train), train), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("k_gd", "maximize"), [(3, False), pytest.param(1, True, marks=pytest.mark.slow)])
def test_repeats_the_package_on_the_package_s_random_bits(k_gd: int, maximize: bool) -> None:
    """In double precision, from the package's cores and on its variates, the engine asks the package's
    candidates for the first batches; later, rounding decides, for the method is chaotic."""
    d, n, k, k_top, batches = 16, 4, 10, 2, 5
    target = np.random.default_rng(3).integers(0, n, d)
    asked: list[IntArray] = []

    def objective(rows: Any) -> FloatArray:
        asked.append(np.asarray(rows))
        values = np.exp(-np.abs(asked[-1] - target).mean(axis=1))
        return values if maximize else -values

    with enable_x64():
        package.protes(objective, d, n, m=k * batches, k=k, k_top=k_top, k_gd=k_gd, seed=5, is_max=maximize)
        rest, key = jax.random.split(jax.random.PRNGKey(5))
        cores = package._generate_initial(d, n, 5, key)
        train = make(d, n, 5)
        train.cores = engine_layout(cores, train)
        for rows in asked:
            rest, key = jax.random.split(rest)
            variates = [
                [1 - float(jax.random.uniform(one, dtype=np.float64)) for one in jax.random.split(key_of_row, d)]
                for key_of_row in jax.random.split(key, k)
            ]
            np.testing.assert_array_equal(train.sample(np.array(variates)), rows)
            values = np.exp(-np.abs(rows - target).mean(axis=1))
            order = np.argsort(values, kind="stable")[::-1] if maximize else np.argsort(-values, kind="stable")
            train.fit(rows[order[:k_top]], steps=k_gd)


def test_samples_come_from_the_density() -> None:
    """Frequencies of 40,000 draws fit the density's own probabilities (chi-squared, at the 0.1% level)."""
    from scipy.stats import chisquare

    train = make(3, 3, 2, negative=True)
    rows = train.sample(1 - np.random.default_rng(4).random((40_000, 3)))
    every = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    p = np.exp(train.log_likelihood(every))
    assert p.sum() == pytest.approx(1)
    counts = np.bincount(rows @ np.array([9, 3, 1]), minlength=27)
    likely = p * len(rows) > 5
    assert chisquare(counts[likely], p[likely] * counts[likely].sum() / p[likely].sum()).pvalue > 0.001


def test_a_vanished_train_samples_without_failing() -> None:
    """Zero cores yield neither NaN nor an index outside the grid."""
    train = make(4, 3, 2)
    train.cores[:] = 0
    rows = train.sample(np.full((5, 4), 0.5))
    assert ((rows >= 0) & (rows < 3)).all()
    train.fit(rows)
    assert np.isfinite(train.cores).all()


def test_levels_may_differ_between_modes() -> None:
    """A ragged train has a gradient that agrees with finite differences."""
    train = TensorTrain(np.array([3, 1, 5, 2]), 3, np.random.default_rng(0), rate=0.05, dtype=np.float64)
    rows = np.array([[2, 0, 4, 1], [0, 0, 3, 1]])
    gradient = train.gradient(rows)
    for at in np.random.default_rng(1).choice(len(gradient), 20, replace=False):
        loss = []
        for step in (1e-6, -1e-6):
            moved = TensorTrain.__new__(TensorTrain)
            moved.__setstate__({**train.__getstate__(), "cores": train.cores.copy()})
            moved.cores[at] += step
            loss.append(-moved.log_likelihood(rows).mean())
        assert gradient[at] == pytest.approx((loss[0] - loss[1]) / 2e-6, abs=1e-6)
