"""The Fréchet distance between two samples of features, as Heusel et al. 2017 use it to judge generators."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def frechet_distance(features_a: npt.ArrayLike, features_b: npt.ArrayLike) -> float:
    """Squared Fréchet (2-Wasserstein) distance between normal distributions fitted to [n, d] and [m, d].

    |mean_a - mean_b|² + tr(A + B - 2 (A B)^(1/2)), with the covariances A and B. It is biased upwards for few
    rows: compare only values from the same features and the same numbers of rows.

    Raises:
        ValueError: the samples have different or wrong shapes, or fewer than two rows.
    """
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"expected features [n, d] and [m, d] with n, m > 1, got {a.shape} and {b.shape}")
    shift = a.mean(0) - b.mean(0)
    cov_a, cov_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    # tr (A B)^(1/2) is the sum of the roots of the eigenvalues of A^(1/2) B A^(1/2), which is symmetric, so that no
    # complex numbers occur; eigenvalues rounded below zero are clipped.
    root = _root(cov_a)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    return max(0.0, float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def _root(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    rooted: FloatArray = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return rooted
