"""Measure how the shipped networks respond to their data sets, and write what is shipped with them.

`python -m amb_problems.tables.natural --data DIR snn-cnn mnist-snn` writes `natural_responses/<target>.npz`, or with
`--states` those of the states of the targets in the course of their trainings.
"""

import argparse
import io
from pathlib import Path

import numpy as np

from amb.catalogue.families import compose
from amb.catalogue.targets import target as find_target
from amb.contracts.target import Target
from amb.meis.natural import measure
from amb.study.durable import make_folder, write_whole
from amb_problems import natural

GENERATORS = {"mnist": "mnist-sngan", "cifar10": "cifar10-sngan"}
"""A generator of each data set: its family knows the data set."""
TARGETS = {"mnist-snn": "mnist", "snn-cnn": "cifar10", "snn-resnet18": "cifar10", "snn-resnet18-paper": "cifar10"}


def write(target: Target, generator: str, data: Path) -> Path:
    """Measure all units of a target on the test half of its data set, which the generator knows; write the file."""
    family = compose(generator, target)
    units = [(layer, unit) for layer, number in family.layers().items() for unit in range(number)]
    problems = [family.problem(layer, unit) for layer, unit in units]
    responses = measure(problems, family, data, progress=lambda line: print(f"{target.name}: {line}", flush=True))
    file = natural.file_of(target.name)
    make_folder(file.parent)
    content = io.BytesIO()  # on a full disk, numpy would leave an archive open that complains later
    np.savez_compressed(content, **responses.arrays())
    write_whole(file, content.getvalue(), error=None)
    return file


def main() -> None:
    """Write the files of the targets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=list(TARGETS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--states", action="store_true", help="only the states of their trainings")
    arguments = parser.parse_args()
    for name in arguments.targets:
        target = find_target(name)
        for one in target.states() if arguments.states else [target]:
            print(write(one, GENERATORS[TARGETS[name]], arguments.data))


if __name__ == "__main__":
    main()
