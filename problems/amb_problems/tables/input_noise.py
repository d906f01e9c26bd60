"""How many images spiking networks still recognise when every frame has different noise.

`python -m amb_problems.tables.input_noise --data DIR` prints the table of `docs/guides/problems.md`. The predicted
class is the one whose unit fires most, or whose readout is highest; ties go to the lower class.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amb_problems.data import image_sets
from amb_problems.encoding import Encoding
from amb_problems.targets.spiking.target import SpikingTarget

ENCODINGS = {
    "the image itself": None,
    "`gaussian`, 8": Encoding("gaussian", 8.0),
    "`gaussian`, 32": Encoding("gaussian", 32.0),
    "`bernoulli`": Encoding("bernoulli"),
}
TARGETS: Mapping[str, image_sets.DatasetName] = {
    "snn-cnn": "cifar10",
    "snn-resnet18": "cifar10",
    "snn-resnet18-paper": "cifar10",
    "mnist-snn": "mnist",
}


def accuracy(
    target: SpikingTarget,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    encoding: Encoding | None,
    *,
    seed: int = 0,
) -> float:
    """Share of images that are classified correctly.

    Args:
        target: a network with one unit per class in its last layer.
        images, labels: uint8 `[n, h, w, c]` and int `[n]`.
        encoding: how each frame is drawn; None: every frame is the image itself.
        seed: seed of the frames; every image has its own random generator.
    """

    def frames(row: int) -> npt.NDArray[np.uint8]:
        if encoding is None:
            return np.repeat(images[row][None], target.frames, axis=0)
        return encoding.frames(images[row], target.frames, np.random.default_rng((seed, row)))

    return float((target.frame_scores(len(images), frames).argmax(1) == labels).mean())


def main() -> None:
    """Measure all shipped spiking networks and print the table."""
    parser = argparse.ArgumentParser(description="Accuracy of the spiking networks under noise of the input.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--images", type=int, default=1000, help="test images, from the first")
    arguments = parser.parse_args()
    print("| frames show | " + " | ".join(f"`{name}`" for name in TARGETS) + " |")
    print("|---|" + "---:|" * len(TARGETS))
    datasets = {name: image_sets.load(name, arguments.data) for name in dict.fromkeys(TARGETS.values())}
    evaluated = [(SpikingTarget(name), datasets[dataset]) for name, dataset in TARGETS.items()]
    for label, encoding in ENCODINGS.items():
        cells = []
        for target, images in evaluated:
            sample = images.test_images[: arguments.images], images.test_labels[: arguments.images]
            cells.append(f"{accuracy(target, *sample, encoding):.1%}")
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
