"""Measure how the shipped networks respond to their data sets, and write what is shipped with them.

`python -m amb_problems.tables.natural --data DIR snn-cnn mnist-snn` writes `natural_responses/<target>.npz`.
"""

import argparse
from pathlib import Path

import numpy as np

from amb.catalogue.problems import family as find_family
from amb.meis.natural import measure
from amb.study.durable import make_folder, write_whole
from amb_problems import natural

GENERATORS = {"mnist": "mnist-sngan", "cifar10": "cifar10-sngan"}
"""A generator of each data set: its family knows the data set."""
TARGETS = {"mnist-snn": "mnist", "snn-cnn": "cifar10", "snn-resnet18": "cifar10", "snn-resnet18-paper": "cifar10"}


def write(target: str, data: Path) -> Path:
    """Measure all units of a target on the test half of its data set, and write the file."""
    family = find_family(f"{GENERATORS[TARGETS[target]]}/{target}")
    units = [(layer, unit) for layer, number in family.layers().items() for unit in range(number)]
    problems = [family.problem(layer, unit) for layer, unit in units]
    responses = measure(problems, family, data, progress=lambda line: print(f"{target}: {line}", flush=True))
    file = natural.file_of(target)
    make_folder(file.parent)

    def save(path: Path) -> None:
        with path.open("wb") as stream:  # numpy would add its own suffix to a name
            np.savez_compressed(stream, **responses.arrays())

    write_whole(file, save, error=None)
    return file


def main() -> None:
    """Write the files of the targets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=list(TARGETS))
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    for target in arguments.targets:
        print(write(target, arguments.data))


if __name__ == "__main__":
    main()
