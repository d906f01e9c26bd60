"""Options that several commands share, each declared once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.spec import user_path

if TYPE_CHECKING:
    from amb.run.dask import DaskCluster
    from amb.run.limits import Limits

Solvers = Annotated[
    str,
    typer.Option(
        "--solvers",
        "-s",
        help="Solver specs, separated by commas, such as cma,tt-b\\[k=50].",
        metavar="SPECS",
    ),
]
Problems = Annotated[
    str,
    typer.Option(
        "--problems",
        "-p",
        help="Suites, problem ids, globs or ranges, such as quick or cifar10-sngan/*/sn1/0..7.",
        metavar="SPECS",
    ),
]
OptionalProblems = Annotated[
    str | None,
    typer.Option(
        "--problems",
        "-p",
        help="Suites, problem ids, globs or ranges; by default the suite quick, or the reference study's problems.",
        metavar="SPECS",
    ),
]
WithReference = Annotated[bool, typer.Option("--with-reference", help="Include the published reference solvers.")]
ReferenceFolder = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Include the solvers of this study, written by amb publish.",
        parser=user_path,
    ),
]
Budget = Annotated[
    int | None, typer.Option("--budget", "-b", help="Queries per run; by default the suite's.", metavar="N")
]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", help="Number of seeds, or which ones: 5, 3..7 or 0,2,5; by default the suite's."),
]
StudyFolder = Annotated[
    Path,
    typer.Option(
        "--study",
        help="Folder for runs and reports; stored runs are not repeated.",
        parser=user_path,
    ),
]
Device = Annotated[str, typer.Option("--device", help="Device on which networks are evaluated: cpu or cuda.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file with a plug-in, such as a solver; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Timing = Annotated[bool, typer.Option("--timing", help="One run at a time, so that wall times can be compared.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", help="Time limit per run in seconds, including evaluation.", metavar="SECONDS"),
]
Isolate = Annotated[
    bool,
    typer.Option(
        "--isolate", help="Run each solver in its own process, so that a crash or hang ends only its own run."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", help="Memory limit of each isolated process, such as 500M or 2G.", metavar="SIZE"),
]
Executor = Annotated[
    str | None, typer.Option("--executor", help="dask: run on a Dask cluster instead of in this process.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="An existing Dask scheduler; by default a local one is started.",
        metavar="ADDRESS",
    ),
]
Workers = Annotated[int | None, typer.Option("--workers", help="Processes of a local Dask cluster.", min=1)]
Retry = Annotated[bool, typer.Option("--retry", help="Resume failed runs.")]
Control = Annotated[
    str | None, typer.Option("--control", help="Test every solver against this one only, instead of all pairs.")
]
Metric = Annotated[str, typer.Option("--metric", help="What is compared: final, anytime, queries or seconds.")]
Level = Annotated[
    str,
    typer.Option("--level", help="What the tests count as independent: problems, or the stricter layers or networks."),
]
Look = Annotated[
    int, typer.Option("--look", help="For a study that grows: which of the planned looks at it this is.", min=1)
]
Looks = Annotated[int, typer.Option("--looks", help="How many looks are planned; together they keep --alpha.", min=1)]
Rope = Annotated[
    float,
    typer.Option("--rope", help="Differences below this share of a problem's range count as practically equal."),
]
Alpha = Annotated[float, typer.Option("--alpha", help="Family-wise error rate of the tests.")]

# As `amb.stats.Question` has them, which is too heavy to import for `amb --help`.
DEFAULT_METRIC, DEFAULT_ALPHA, DEFAULT_ROPE, DEFAULT_LEVEL = "final", 0.05, 0.01, "problems"
DEFAULT_STUDY = Path("amb-study")
DEFAULT_SOLVERS = "protes,tt-b,portfolio"


def load_plugins(files: list[Path] | None) -> None:
    """Register the plug-ins of the files given with `--plugin`."""
    from amb.catalogue.plugins import load_file

    for file in files or []:
        load_file(file)


def picture_to_write(out: Path) -> Path:
    """The picture that --out names; see `file_to_write`.

    Raises:
        SpecError: it is a folder, lies in a file, or would replace a file that is no picture.
    """
    from amb.errors import SpecError
    from amb.study.own_files import picture, refuse_others

    file = file_to_write(out)
    refuse_others({file: picture(file)}, "choose another file with --out", SpecError)
    return file


def file_to_write(out: Path) -> Path:
    """The file that --out names, refused before any work if it cannot be one.

    Raises:
        SpecError: it is a folder, or lies in a file.
    """
    from amb.errors import SpecError

    file = user_path(out)
    if not file.name or file.is_dir():
        raise SpecError(f"cannot write {file}: it is a folder; --out names the file to write")
    if parent := next((parent for parent in file.parents if parent.exists() and not parent.is_dir()), None):
        raise SpecError(f"cannot write {file}: {parent} is not a folder; choose another file with --out")
    return file


def limits(timeout: float | None, isolate: bool, memory: str | None) -> "Limits":
    """The limits that these options mean.

    Raises:
        SpecError: a size is invalid, or the limits contradict each other.
    """
    from amb.run.limits import Limits

    return Limits(timeout=timeout, isolate=isolate, memory=None if memory is None else _bytes(memory))


def refuse_unused(why: str, **stated: tuple[object, object]) -> None:
    """Refuse options that would have no effect.

    Args:
        why: what they have no effect with, as in "with --study".
        stated: values and defaults of options, by their names.

    Raises:
        SpecError: one has another value than its default.
    """
    from amb.errors import SpecError

    if unused := [f"--{name.replace('_', '-')}" for name, (value, default) in stated.items() if value != default]:
        verb, it = ("has", "it") if len(unused) == 1 else ("have", "them")
        raise SpecError(f"{', '.join(unused)} {verb} no effect {why}; leave {it} out")


def cluster(
    executor: str | None, scheduler: str | None, workers: int | None, plugins: list[Path] | None
) -> "DaskCluster | None":
    """The cluster that these options ask for; None to run in this process.

    Raises:
        SpecError: there is no such executor, or an option of Dask without --executor dask.
    """
    from amb.errors import SpecError, unknown

    if executor is None:
        if scheduler is not None or workers is not None:
            raise SpecError("--scheduler and --workers need --executor dask")
        return None
    if executor != "dask":
        raise unknown("executor", executor, ["dask"])
    if scheduler is not None and workers is not None:
        raise SpecError("--workers starts a local cluster, --scheduler uses an existing one: give only one of them")
    from amb.run.dask import DaskCluster

    return DaskCluster(scheduler=scheduler, workers=workers, plugins=tuple(plugins or ()))


def _bytes(size: str) -> int:
    import re

    from amb.errors import SpecError

    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kKMGT]?)(?:i?B)?", size.strip())
    if parts is None:
        raise SpecError(f"bad size {size!r:.80}: expected bytes, or a number with K, M, G or T, such as 500M")
    size_in_bytes = float(parts[1]) * 1024 ** " KMGT".index(parts[2].upper() or " ")
    if size_in_bytes >= 2**63:
        raise SpecError(f"bad size {size!r:.80}: expected less than 8 million T")
    return int(size_in_bytes)
