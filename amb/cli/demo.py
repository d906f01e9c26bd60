"""`amb demo`: one neuron, one optimizer against chance, and the image that it finds, in seconds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli.options import picture_to_write

if TYPE_CHECKING:
    from amb.contracts.problem import Problem, UInt8Array
    from amb.contracts.space import FloatArray, IntArray

PROBLEM = "cifar10-sngan-int8/snn-cnn/out/9"
NEURON = "the output neuron for trucks of a spiking network (snn-cnn, trained on CIFAR-10)"
SOLVER, CHANCE = "cma-diagonal", "random"
BUDGET, SEED = 300, 1
STAGES = (10, 100, 300)
"""Queries after which the best image so far is shown."""
SIDE = 18
ADVICE = "choose another file with --out, such as image.png"


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the image is saved.", metavar="FILE")] = Path(
        "amb-demo.png"
    ),
) -> None:
    """Find the image that excites one neuron most, in seconds: a first look at what amb does."""
    from rich.console import Console

    out = picture_to_write(out)
    _check_format(out)
    console = Console(highlight=False)
    console.print(f"Which image drives {NEURON} hardest?", markup=False)
    with console.status("Loading the networks ..."):
        import amb

        problem = amb.problem(PROBLEM)
        problem.warm_up()
    found = {}
    for solver in (CHANCE, SOLVER):
        with console.status(f"{solver}: {BUDGET} queries ..."):
            found[solver] = _search(problem, solver)
    candidates, values = found[SOLVER]
    best = [int(values[:queries].argmax()) for queries in STAGES]
    images = problem.images([candidates[i] for i in best])
    if console.is_terminal and console.color_system in ("256", "truecolor") and console.encoding.startswith("utf"):
        from amb.cli.half_blocks import GAP, side_by_side

        console.print(side_by_side(list(images), side=SIDE))
        width = SIDE + GAP
        console.print("".join(f"{f'{queries} queries':<{width}}" for queries in STAGES))
        console.print("".join(f"{f'activation {values[i]:.2f}':<{width}}" for i in best))
    else:
        for queries, i in zip(STAGES, best, strict=True):
            console.print(f"{SOLVER} after {queries} queries: activation {values[i]:.2f}")
    console.print(
        f"\n{SOLVER} reaches {values[best[-1]]:.2f} of the highest firing rate in {BUDGET} queries; "
        f"random images reach {found[CHANCE][1].max():.2f}."
    )
    _save(images[-1], out)
    console.print(f"The image: {out}", markup=False)
    console.print(
        "\nNext: `amb compare --solvers random,tt-b,cma-diagonal --budget 100` says which of three optimizers is best "
        "on 12 neurons; `amb solvers list` and `amb problems list` show what else there is.",
        markup=False,
    )


def _search(problem: "Problem", name: str) -> tuple["IntArray", "FloatArray"]:
    """All candidates and their activations, in query order."""
    import numpy as np

    import amb

    solver = amb.solver(name, problem.space, budget=BUDGET, seed=SEED)
    candidates, values = [], []
    while solver.remaining:
        asked = solver.ask()
        values.append(problem.evaluate(asked))
        solver.tell(asked, values[-1])
        candidates.append(asked)
    return np.concatenate(candidates), np.concatenate(values)


def _check_format(file: Path) -> None:
    """Refuse a file whose name says no format, before the search.

    Raises:
        DataError: as by `_save`.
    """
    from amb.errors import DataError
    from amb.reports.images import kind_of

    try:
        kind_of(file)
    except ValueError as cause:
        raise DataError(f"cannot write {file}: {cause}; {ADVICE}") from cause


def _save(image: "UInt8Array", file: Path) -> None:
    """Write an image, enlarged eight times.

    Raises:
        DataError: the file cannot be written.
    """
    from PIL import Image

    from amb.errors import DataError
    from amb.reports.images import as_picture, encoded
    from amb.study.durable import make_folder, write_whole

    picture = as_picture(image)
    large = picture.resize((8 * picture.width, 8 * picture.height), Image.Resampling.NEAREST)
    try:
        make_folder(file.parent)
        content = encoded(large, file)
    except (OSError, ValueError) as cause:
        raise DataError(f"cannot write {file}: {cause}; {ADVICE}") from cause
    write_whole(file, content, error=DataError, advice=ADVICE)
