"""Faults at enumerated moments of whatever writes: SIGKILL at a system call, and a disk that takes no more.

Run as a script, in a process of its own: `killing.py FOLDER --kills 300`, `--limits 5` for full disks, or both. Every
work of `killing_work.py` has its own copy of the same folder. An undisturbed run counts the calls by which it changes
the folder (`moments.c`); then the process is killed at calls that are evenly spread over all of them, at a write after
half of its bytes. After each kill, every file under its final name must be whole, none may be missing, and no study or
experiment may hold less than before. In the end the same work must succeed without any repair, leave what an
undisturbed one leaves, and no temporary file.

Workers are forked from a parent that has everything imported, so that faults hit work and not an interpreter that
starts. Prints one JSON object.
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from amb.errors import AmbError
from amb.study.journal import find_journals, read_journal
from amb.study.traces import read_run

ROW = 3
"""Kills in a row before the work may end, unless a work asks for more."""

Loss = dict[str, int]


@dataclass(frozen=True)
class Work:
    """Something that writes into a folder.

    Attributes:
        name: of the work.
        words: what follows `amb` on the command line.
        call: what is called instead of `amb`, in the folder.
        before: what is called first, in the folder that all works begin with.
        writes: files and folders that must be equal to the undisturbed ones in the end.
        outcome: what else must be equal: computed from the folder.
        check: called with the folder and the number of kills when the work has ended after them.
        row: kills in a row before the work may end.
    """

    name: str
    words: Sequence[str] = ()
    call: Callable[[], object] | None = None
    before: Callable[[], object] | None = None
    writes: Sequence[str] = ()
    outcome: Callable[[Path], object] = field(default=lambda folder: None)
    check: Callable[[Path, int], object] = field(default=lambda folder, kills: None)
    row: int = ROW


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its exit status, or None if it was killed; its calls that changed the folder; its errors."""

    status: int | None
    calls: int
    errors: str


def with_moments(folder: Path) -> None:
    """Restart this script with the calls counted."""
    if "AMB_MOMENTS" in os.environ:
        del os.environ["LD_PRELOAD"]  # the programs that are started from here need no counting
        return
    library = folder / "moments.so"
    source = Path(__file__).with_name("moments.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    named = {"LD_PRELOAD": str(library), "AMB_MOMENTS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **named})


def perform(work: Work, folder: Path, *, moment: int = 0, limit: int | None = None) -> Ended:
    """Fork a process that does the work in a folder.

    Args:
        work: what to do.
        folder: where.
        moment: the call at which it is killed, from 1; 0: none.
        limit: bytes beyond which no file can grow.
    """
    calls, errors = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(errors[1], 2)
            os.close(errors[1])  # so that the pipe ends with this process
            sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
            if limit is not None:
                sys.dont_write_bytecode = True  # Python 3.11 would leave torn files
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            moments = ctypes.CDLL(None)
            moments.moments_arm(os.fsencode(folder), ctypes.c_long(moment))
            status = _status(work)
            moments.moments_count.restype = ctypes.c_long
            os.write(calls[1], str(moments.moments_count()).encode())
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(calls[1])
    os.close(errors[1])
    with open(errors[0], "rb") as lines, open(calls[0], "rb") as count:
        said, counted = lines.read().decode(errors="replace"), count.read()
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL, f"{work.name} died of signal {os.WTERMSIG(ended)}: {said}"
        return Ended(None, 0, said)
    return Ended(os.WEXITSTATUS(ended), int(counted or 0), said)


def _status(work: Work) -> int:
    if work.call is not None:
        try:
            work.call()
        except AmbError as error:
            print(f"amb: {error}", file=sys.stderr)
            return 2
        return 0
    from amb.cli import main

    sys.argv = ["amb", *work.words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def torture(work: Work, base: Path, folder: Path, kills: int) -> dict[str, object]:
    """Kill the work at moments that are evenly spread over its calls; let it end after every few of them."""
    expected, calls = _undisturbed(work, base, folder)
    moments = [1 + i * (calls - 1) // max(kills - 1, 1) for i in range(kills)]
    faults: list[str] = []
    done = rounds = 0
    while moments:
        rough = folder / f"rough-{rounds}"
        shutil.copytree(base, rough)
        there, held, here = _files(rough), stored(rough), 0
        while moments and here < work.row:
            moment = moments[0]
            ended = perform(work, rough, moment=moment)
            if ended.status is not None:
                faults += [f"it failed: {ended.errors[-500:]}"] * bool(ended.status)
                if not here:  # from the beginning, it has fewer calls this time
                    moments[0] = moment * 9 // 10
                break
            del moments[0]
            here += 1
            where = f"killed at call {moment} of {calls} ({here} in a row): "
            faults += [where + torn for torn in torn_files(rough)]
            faults += [f"{where}{name} is missing" for name in sorted(there - _files(rough))]
            now = stored(rough)
            faults += [f"{where}{n} of {held[n]} are left of {n}" for n in held if now.get(n, 0) < held[n]]
            held = now
        done, rounds = done + here, rounds + 1
        faults += _end(work, rough, expected, here)
        if faults:
            break
        shutil.rmtree(rough)
    return {"kills": done, "rounds": rounds, "calls": calls, "faults": [f"{work.name}: {fault}" for fault in faults]}


def starve(work: Work, base: Path, folder: Path, limits: int) -> dict[str, object]:
    """Do the work on a disk on which no file can grow beyond a limit; then again, without one."""
    expected, _ = _undisturbed(work, base, folder)
    written = _sizes(folder / "quiet").items() - _sizes(base).items()
    sizes = sorted({size for _, (size, _) in written if size})
    faults: list[str] = []
    refused = 0
    for number in range(limits):
        limit = sizes[(2 * number + 1) * len(sizes) // (2 * limits)] - 1
        rough = folder / f"rough-{number}"
        shutil.copytree(base, rough)
        there, held = _files(rough), stored(rough)
        ended = perform(work, rough, limit=limit)
        where = f"limited to {limit:,} bytes: "
        refused += bool(ended.status)
        if ended.status and (ended.status != 2 or not _is_one_line(ended.errors)):
            faults.append(f"{where}status {ended.status}, {ended.errors[-500:]!r}")
        faults += [where + torn for torn in torn_files(rough)]
        faults += [f"{where}{name} is missing" for name in sorted(there - _files(rough))]
        now = stored(rough)
        faults += [f"{where}{now.get(n, 0)} of {held[n]} are left of {n}" for n in held if now.get(n, 0) < held[n]]
        faults += _end(work, rough, expected, 1)
        if faults:
            break
        shutil.rmtree(rough)
    return {"limits": limits, "refused": refused, "faults": [f"{work.name}: {fault}" for fault in faults]}


def _sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(f.relative_to(folder)): (f.stat().st_size, f.stat().st_mtime_ns) for f in files}


def _is_one_line(errors: str) -> bool:
    """Whether the errors end in one sentence of amb, without a traceback; progress may be above it."""
    lines = [line for line in errors.splitlines() if line.strip()]
    return bool(lines) and "Traceback" not in errors and sum(line.startswith("amb: ") for line in lines) == 1


def _undisturbed(work: Work, base: Path, folder: Path) -> tuple[object, int]:
    """What the work leaves in the end if nothing disturbs it, and how many calls it makes."""
    quiet = folder / "quiet"
    shutil.copytree(base, quiet)
    ended = perform(work, quiet)
    assert ended.status == 0, (work.name, ended)
    assert ended.calls > 0, f"{work.name} changed nothing"
    return _outcome(work, quiet), ended.calls


def _outcome(work: Work, folder: Path) -> object:
    files = {}
    for name in work.writes:
        place = folder / name
        for path in sorted(place.rglob("[!.]*")) if place.is_dir() else [place]:
            content = path.read_bytes() if path.is_file() else b""
            files[str(path.relative_to(folder))] = b"" if path.suffix in (".md", ".csv", ".tex") else content
    return work.outcome(folder), files


def _end(work: Work, folder: Path, expected: object, kills: int) -> list[str]:
    """Do the work to its end; what is wrong then."""
    ended = perform(work, folder)
    if ended.status != 0:
        return [f"it cannot be repeated: {ended.errors[-500:]}"]
    faults = [] if _outcome(work, folder) == expected else [f"the outcome differs in {folder}"]
    work.check(folder, kills)
    left = [path for path in folder.rglob("*") if path.suffix in (".tmp", ".new", ".lock", ".part")]
    left += folder.rglob(".*-draft-*")
    left += [path for journals in folder.rglob("journal") for path in find_journals(journals)]
    return faults + [f"{path.relative_to(folder)} is left over" for path in left if "damaged" not in path.parts]


def _files(folder: Path) -> set[str]:
    """Files under their final names; a journal ends with its run."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not {"damaged", "journal"} & set(path.parts)
        and path.suffix not in (".tmp", ".new", ".lock", ".part")
    }


def stored(folder: Path) -> Loss:
    """How many queries of every run are on disk, and how many events of every experiment."""
    held: Loss = {}
    for path in folder.rglob("*"):
        study = str(path.parent.parent.relative_to(folder)) if path.parent != folder else ""
        if "damaged" in path.parts or path.name.startswith(".") or not path.is_file():
            continue
        if path.parent.name == "runs" and path.suffix == ".parquet":
            queries = len(read_run(path)[1])
        elif path.parent.name == "journal" and path.suffix == ".journal":
            content = read_journal(path)
            queries = 0 if content is None else len(content.known.trace)
        elif path.name == "journal.jsonl":
            held[str(path.relative_to(folder))] = path.read_bytes().count(b"\n")
            continue
        else:
            continue
        name = f"{study}/{path.stem}"
        held[name] = max(held.get(name, 0), queries)
    return held


def torn_files(folder: Path) -> list[str]:
    """Files under their final names that cannot be read to their end."""
    torn = []
    for name in sorted(_files(folder)):
        path = folder / name
        try:
            content = path.read_bytes()
            if path.suffix == ".parquet":
                pq.read_table(path)
            elif path.suffix == ".json":
                # Behind a measured reference point stands a line with its digest.
                json.loads(content.partition(b"\nsha256 ")[0])
            elif path.suffix in (".html", ".svg"):
                assert content.rstrip().endswith((b"</html>", b"</svg>"))
            elif path.suffix == ".png":
                assert content.endswith(b"IEND\xaeB`\x82")
            elif path.suffix == ".safetensors":
                from safetensors.numpy import load

                load(content)
            elif path.suffix in (".csv", ".tex", ".md", ".toml"):
                assert content.endswith(b"\n")
        except Exception as cause:
            torn.append(f"{name}: {type(cause).__name__}: {cause}")
    return torn


def named(works: Sequence[Work], words: str) -> list[Work]:
    """The works whose names hold one of some words, separated by commas."""
    chosen = [work for work in works if any(word in work.name for word in words.split(","))]
    assert chosen, f"there is no work {words}"
    return chosen


def shared(works: Sequence[Work], kills: int) -> list[tuple[Work, int]]:
    """Each work with its share of the kills, if there is one for it."""
    shares = [kills // len(works) + (number < kills % len(works)) for number in range(len(works))] if works else []
    return [(work, share) for work, share in zip(works, shares, strict=True) if share]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=0, help="of all works together")
    parser.add_argument("--limits", type=int, default=0, help="of file sizes, of each work")
    parser.add_argument("--kill", default="", help="works whose names hold one of these words, separated by commas")
    parser.add_argument("--limit", default="", help="the same, of those that are limited")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with_moments(asked.folder)
    import killing_work

    killing_work.preload()
    folder = asked.folder.resolve()
    killed = named(killing_work.WORKS, asked.kill) if asked.kills else []
    limited = named(killing_work.WORKS, asked.limit) if asked.limits else []
    base = folder / "base"
    killing_work.prepare(base, [*killed, *limited])
    report: dict[str, dict[str, object]] = {}
    started = time.monotonic()
    for number, (work, kills) in enumerate([*shared(killed, asked.kills), *((work, 0) for work in limited)]):
        place = folder / str(number)
        place.mkdir()
        began = time.monotonic()
        name = work.name if kills else f"{work.name}, limited"
        found = torture(work, base, place, kills) if kills else starve(work, base, place, asked.limits)
        report[name] = {**found, "seconds": round(time.monotonic() - began, 1)}
        print(name, report[name], file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            shutil.rmtree(place / "quiet")
    print(
        json.dumps(
            {
                "kills": sum(int(str(one.get("kills", 0))) for one in report.values()),
                "refused": sum(int(str(one.get("refused", 0))) for one in report.values()),
                "faults": [fault for one in report.values() for fault in one["faults"]],  # type: ignore[attr-defined]
                "seconds": round(time.monotonic() - started, 1),
                "works": report,
            }
        )
    )


if __name__ == "__main__":
    main()
