"""A tensor train as a density that can be sampled and fitted: the state of the PROTES solvers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.space import FloatArray, IntArray
from amb_solvers.tensor_train.compiler import Floats
from amb_solvers.tensor_train.contraction import sweep
from amb_solvers.tensor_train.fitting import ascend, gradient_to_the_left
from amb_solvers.tensor_train.sampling import draw

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # optax's defaults


class TensorTrain:
    """A density over multi-indices, p(x) = prod_j |Q_j Y_j[x_j] Z_j| / sum_i |Q_j Y_j[i] Z_j|.

    Args:
        levels: int[d], levels of each mode.
        r: rank, the same between all modes.
        rng: draws the initial cores, uniform over [0, 1) as the `protes` package does.
        rate: Adam's learning rate.
        dtype: float32 (the package's default) or float64.
    """

    def __init__(
        self, levels: IntArray, r: int, rng: np.random.Generator, *, rate: float, dtype: type[np.floating]
    ) -> None:
        self.r = r
        self.rate = rate
        self.steps = 0
        self.offsets: IntArray = np.concatenate([[0], np.cumsum(levels * r * r)]).astype(np.int64)
        size = int(self.offsets[-1])
        self.cores: Floats = rng.random(size).astype(dtype)
        self.first: Floats = np.zeros(size, dtype)
        self.second: Floats = np.zeros(size, dtype)
        self._w: Floats = np.empty(size // r, dtype)
        self._z: Floats = np.empty((self.d, r), dtype)
        self._norms: Floats = np.ones(self.d, dtype)
        self._fresh = False  # whether the interfaces belong to the current cores

    @property
    def d(self) -> int:
        """Number of modes."""
        return len(self.offsets) - 1

    def core(self, mode: int) -> Floats:
        """One core as a view, float[r, r, levels[mode]].

        Only row 0 of the first core and column 0 of the last one matter.
        """
        return self.cores[self.offsets[mode] : self.offsets[mode + 1]].reshape(self.r, self.r, -1)

    def sample(self, variates: FloatArray) -> IntArray:
        """Draw multi-indices, int64[k, d], from uniform variates over (0, 1], float[k, d]."""
        self._contract()
        return draw(self.cores, self.offsets, self.r, self._w, np.asarray(variates, self.cores.dtype))

    def fit(self, elite: ArrayLike, *, steps: int = 1) -> None:
        """Take Adam's steps towards a higher mean log-likelihood of the elite, int64[m, d]."""
        chosen = np.ascontiguousarray(elite, dtype=np.int64)
        for _ in range(steps):
            self.steps += 1
            hyper = (self.rate, BETA1, BETA2, EPS, 1 - BETA1**self.steps, 1 - BETA2**self.steps)
            self._ascend(chosen, np.array(hyper, self.cores.dtype), self.first, self.second)
            self._fresh = False

    def gradient(self, elite: ArrayLike) -> Floats:
        """Derivative of mean(-log p) over the elite with respect to the cores, in their layout; changes nothing."""
        out = np.zeros_like(self.cores)
        only_gradient = np.array([0, 0, 0, 1, 1, 1], self.cores.dtype)
        self._ascend(np.ascontiguousarray(elite, dtype=np.int64), only_gradient, out, np.zeros_like(out))
        return out

    def log_likelihood(self, index: ArrayLike) -> FloatArray:
        """log p of multi-indices int[k, d], float64[k]; plain numpy, for checking and inspection."""
        self._contract()
        rows = np.asarray(index, dtype=np.int64)
        out = np.zeros(len(rows))
        for s, row in enumerate(rows):
            q = np.eye(1, self.r)[0]
            for j, x in enumerate(row):
                w = self._w[self.offsets[j] // self.r : self.offsets[j + 1] // self.r].reshape(self.r, -1)
                g = np.abs(q @ w)
                out[s] += np.log(g[x] / g.sum())
                q = q @ self.core(j)[:, :, x]
                q /= np.linalg.norm(q)
        return out

    def _contract(self) -> None:
        if not self._fresh:
            sweep(self.cores, self.offsets, self.r, self._w, self._z, self._norms)
            self._fresh = True

    def _ascend(self, elite: IntArray, adam: Floats, first: Floats, second: Floats) -> None:
        self._contract()
        dtype = self.cores.dtype
        dw = np.empty_like(self._w)
        q = np.empty((self.d, len(elite), self.r), dtype)
        du = np.empty((self.d, len(elite), self.r), dtype)
        gradient_to_the_left(self.cores, self.offsets, self.r, self._w, elite, dw, q, du)
        ascend(self.cores, first, second, self.offsets, self.r, self._z, self._norms, elite, dw, q, du, adam)

    def __getstate__(self) -> dict[str, object]:
        """Everything except what `sweep` recomputes, bit for bit."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_w", "_z", "_norms")}

    def __setstate__(self, state: dict[str, NDArray[np.int64]]) -> None:
        self.__dict__.update(state)
        self._w = np.empty(len(self.cores) // self.r, self.cores.dtype)
        self._z = np.empty((self.d, self.r), self.cores.dtype)
        self._norms = np.ones(self.d, self.cores.dtype)
        self._fresh = False
