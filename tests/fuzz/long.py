"""Fuzz for long: `python tests/fuzz/long.py --minutes 60 --folder findings`; prints one JSON object at the end.

Readers take turns. A child process does the reading, so that a crash in C is a finding like any other: its input lies
in the folder, as does that of every other finding, beside its traceback.
"""

import argparse
import faulthandler
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import readers as fuzz

CHUNK = 200


def child(reader: fuzz.Reader, seeds: range, findings: Path) -> None:
    """Read mutated inputs; leave every finding as two files, and the input under way as one."""
    faulthandler.enable(open(findings / "crash.txt", "w"))  # noqa: SIM115 - lives as long as the process
    faulthandler.dump_traceback_later(3600, exit=True)  # hung in C, where no signal is heard
    for seed in seeds:
        content = fuzz.seeded(reader, seed)
        (findings / "under-way").write_bytes(content)
        try:
            fuzz.attempt(reader, content)
        except Exception:
            (findings / f"{reader.name}-{seed}").write_bytes(content)
            (findings / f"{reader.name}-{seed}.txt").write_text(traceback.format_exc())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("findings"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    executions: Counter[str] = Counter()
    started, seed = time.monotonic(), asked.seed * 10**9
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        found = fuzz.readers(Path(place))
        while time.monotonic() - started < 60 * asked.minutes:
            for name, reader in found.items():
                pid = os.fork()
                if pid == 0:
                    child(reader, range(seed, seed + CHUNK), asked.folder)
                    os._exit(0)
                _, status = os.waitpid(pid, 0)
                if status:
                    (asked.folder / "under-way").rename(asked.folder / f"{name}-crash-{seed}")
                    (asked.folder / "crash.txt").rename(asked.folder / f"{name}-crash-{seed}.txt")
                executions[name] += CHUNK
            seed += CHUNK
            report = {
                "minutes": round((time.monotonic() - started) / 60, 1),
                "executions": sum(executions.values()),
                "findings": len(list(asked.folder.glob("*-*.txt"))),
            }
            (asked.folder / "progress.json").write_text(json.dumps(report | {"each": executions}))
    print(json.dumps(report))
    sys.exit(bool(report["findings"]))


if __name__ == "__main__":
    main()
