"""What the network sees in an input: class probabilities and their entropy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from amb.contracts.space import FloatArray
from amb.meis.columns import CLASSES


def normalized_entropy(probabilities: FloatArray) -> FloatArray:
    """Entropy of class probabilities, float64[n, classes] -> float64[n], as a share of the uniform distribution's.

    0: one class is certain; 1: all classes are equally likely (section 4.3 of the paper).
    """
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -(probabilities * logarithms).sum(axis=1) / np.log(probabilities.shape[1])


def class_table(probabilities: FloatArray, classes: Sequence[str]) -> pd.DataFrame:
    """The columns `CLASSES`, except `agrees`, for class probabilities, float64[n, classes]."""
    top = probabilities.argmax(axis=1)
    table = pd.DataFrame(
        {
            "class": [classes[i] for i in top],
            "probability": probabilities[np.arange(len(top)), top],
            "entropy": normalized_entropy(probabilities) if len(top) else np.empty(0),
        }
    )
    table["probabilities"] = pd.Series(list(probabilities), dtype=object)
    return table


def agreement(seen: pd.Series, preferred: pd.Series) -> pd.Series:
    """Whether the class seen in an input is the unit's class on the data set; missing where either is unknown."""
    agrees = (seen == preferred).astype("boolean")
    return agrees.mask(seen.isna() | preferred.isna())


def empty(index: pd.Index) -> pd.DataFrame:
    """The columns `CLASSES` of a network that is not a classifier."""
    return pd.DataFrame({name: pd.Series([None] * len(index), index=index, dtype=object) for name in CLASSES})
