"""What features of images tell about responses: `python -m amb_solvers.image_seeing.predictions`.

For every unit for development, draws of the prior are shown, the inception loop's regression is fitted to the first of
them, and its prediction is correlated with the responses to the others. Prints the median over units for each choice of
features and number of responses; "latents" regresses on the latents themselves, as a black box could.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import amb
from amb.contracts.space import FloatArray
from amb_solvers.image_seeing.features import Features
from amb_solvers.image_seeing.networks import banks
from amb_solvers.image_seeing.regression import Regression
from amb_solvers.shared.tuning_units import tuning_units

CHOICES = ("latents", "gabor", "random", "random+gabor", "ann-resnet+ann-vgg")
FITTED = (50, 200)
TESTED = 200


def correlation(features: NDArray[np.float32], groups: Sequence[slice], values: FloatArray, fitted: int) -> float:
    """Correlation of predictions with the last `TESTED` responses, after fitting to the first `fitted`; 0 if flat."""
    model = Regression(groups)
    model.add(features[:fitted], values[:fitted])
    model.fit()
    if model.flat:
        return 0.0
    predicted, actual = features[-TESTED:] @ model.mean(), values[-TESTED:]
    if not predicted.std() or not actual.std():
        return 0.0
    return float(np.corrcoef(predicted, actual)[0, 1])


def measure(problem_id: str, choices: Sequence[str]) -> dict[str, list[float]]:
    """The correlations of one unit by choice of features, one for each number in `FITTED`."""
    problem = amb.problem(problem_id)
    drawn = problem.space.sample_prior(max(FITTED) + TESTED, np.random.default_rng(1))
    values, images = problem.evaluate(drawn), problem.images(drawn)
    found = {}
    for choice in choices:
        if choice == "latents":
            latents = problem.space.decode(drawn)
            scale = np.maximum(latents.std(axis=0), 1e-9) * np.sqrt(latents.shape[1])
            features = ((latents - latents.mean(axis=0)) / scale).astype(np.float32)
            groups = [slice(0, latents.shape[1])]
        else:
            made = Features(banks(choice.split("+"), problem.view().shape, images), images)
            features, groups = made.sample, made.groups
        found[choice] = [correlation(features, groups, values, number) for number in FITTED]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", nargs="+", default=list(CHOICES))
    chosen = parser.parse_args()
    units = [unit for unit in tuning_units()[0] if unit.startswith("cifar10")]
    cells = [measure(unit, chosen.features) for unit in units]
    print(f"{len(units)} units driven by generators of CIFAR-10\n")
    print(f"| features | {' | '.join(f'{n} responses' for n in FITTED)} |")
    print("|---|" + "---:|" * len(FITTED))
    for choice in chosen.features:
        medians = np.median([cell[choice] for cell in cells], axis=0)
        print(f"| `{choice}` | {' | '.join(f'{value:.2f}' for value in medians)} |", flush=True)


if __name__ == "__main__":
    main()
