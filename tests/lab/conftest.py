from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amb.lab.experiment import template
from amb.lab.laboratory import Block, Laboratory, create
from amb.lab.responses import Row


def new_experiment(
    folder: Path, *, neurons: tuple[str, ...] = ("n1",), solver: str = "cma", trials: int = 100, references: int = 0,
    seed: int = 0, changes: dict[str, str] | None = None, together: bool = False,
) -> Laboratory:  # fmt: skip
    """A small experiment with the generator `toy`; `changes` replaces text of the template."""
    text = template(generator="toy", neurons=neurons, solver=solver, together=together, trials=trials, seed=seed)
    for old, new in {"width = 256": "width = 48", "height = 256": "height = 40", "size = 256": "size = 32",
                     **(changes or {})}.items():  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    images = []
    for number in range(references):
        path = folder.parent / f"image{number}.png"
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8), "RGB").save(path)
        images.append(path)
    create(folder, text, images)
    return Laboratory(folder)


def response(trial: int, neuron: str, picture: Path) -> float:
    """A smooth function of the picture that differs between neurons, with reproducible noise."""
    pixels = np.asarray(Image.open(picture), dtype=np.float64) / 255
    weight = np.random.default_rng(sum(map(ord, neuron))).standard_normal(pixels.shape)
    noise = np.random.default_rng([trial, *map(ord, neuron)]).standard_normal()
    return float((pixels * weight).mean() * 100 + 0.1 * noise)


def rows_for(lab: Laboratory, block: Block, *, skip: Callable[[int], bool] = lambda trial: False) -> list[Row]:
    """Responses to the block's missing trials, except those to `skip`."""
    trials = {trial.number: trial for trial in lab.history.trials}
    return [
        Row(number, neuron, response(number, neuron, block.folder / f"{trials[number].stimulus}.png"))
        for number in block.missing
        if not skip(number)
        for neuron in lab.experiment.neurons
    ]


def finish(lab: Laboratory, *, skip: Callable[[int], bool] = lambda trial: False, blocks: int = 1000) -> int:
    """Carry the experiment on for some blocks; trials to `skip` are rejected. How many blocks it made."""
    for made in range(blocks):
        block = lab.next_block()
        if block is None:
            return made
        lab.tell(rows_for(lab, block, skip=skip), source="test")
        rejected = [n for n in block.missing if skip(n)]
        lab.tell([Row(n, neuron, None) for n in rejected for neuron in lab.experiment.neurons], source="test")
    return blocks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "experiment"
