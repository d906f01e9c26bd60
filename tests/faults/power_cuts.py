"""A disk on which the power fails: what a command writes is recorded, and every state that a cut may leave is rebuilt.

`record` runs a command under strace. `Disk` replays its calls and knows, at any point, what had been flushed. What had
not may be there or not: data of a file may be missing, zero or cut; names may have reached the disk without the data
behind them, or not at all. Names in one folder reach it in the order in which they were changed, and a rename is whole.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

CALLS = (
    "openat,open,creat,write,pwrite64,writev,sendfile,copy_file_range,lseek,ftruncate,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,close,dup,dup2,dup3,fcntl,clone,clone3,fork,vfork"
)
Call = tuple[str, list[str], int]
Data = Literal["all", "none", "zero", "half"]


@dataclass(eq=False)
class Node:
    """A file or a folder: its content now, and that part of it which was flushed."""

    folder: bool = False
    data: bytearray = field(default_factory=bytearray)
    flushed: bytes = b""


@dataclass(eq=False)
class Change:
    """A change of names, which the disk makes whole or not at all."""

    entries: list[tuple[Node, str, Node | None]]
    kept: bool = False

    def touches(self, folder: Node) -> bool:
        return any(place is folder for place, _, _ in self.entries)


def record(command: list[str], log: Path, env: dict[str, str], *, ends: int = 0) -> list[Call]:
    """Run a command under strace; its calls in the order in which they returned. `ends` is its exit status."""
    words = ["strace", "-f", "--seccomp-bpf", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-e", "signal=none"]
    words += ["-o", str(log)]
    done = subprocess.run([*words, *command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
    return list(_parsed(log))


def _parsed(log: Path) -> Iterator[Call]:
    begun: dict[str, str] = {}
    calls: list[tuple[str, Call]] = []
    for line in log.read_text().splitlines():
        process, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = begun.pop(process, "") + resumed[1]
        if (found := re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)) and int(found[3]) >= 0:
            calls.append((process, (found[1], _split(found[2]), int(found[3]))))
    # Programs that the command starts write nothing on the disk, and their descriptors are others.
    births = ("clone", "clone3", "fork", "vfork")
    programs = {str(n) for _, (name, words, n) in calls if name in births and "CLONE_THREAD" not in str(words)}
    for process, call in calls:
        if process not in programs and call[0] not in births:
            yield call


def _split(words: str) -> list[str]:
    return [word.strip() for word in re.findall(r'(?:"[^"]*"(?:\.\.\.)?|[^,"\[\]{}]|\[[^\]]*\]|\{[^}]*\})+', words)]


def _bytes(word: str) -> bytes:
    assert not word.endswith("..."), "strace cut a string"
    return bytes.fromhex(word.strip('"').replace("\\x", ""))


class Disk:
    """Replays recorded calls on the folder `root`, which is on the disk as it is now; `marks` is a file outside it."""

    def __init__(self, root: Path, marks: Path) -> None:
        self.root, self.marks_file = str(root), str(marks)
        self.top = self._load(root)
        self.names: dict[int, dict[str, Node]] = {}
        self.changes: list[Change] = []
        self.marks: list[str] = []
        self._open: dict[int, tuple[Node | str | None, list[int], bool, str]] = {}

    def _load(self, path: Path) -> Node:
        node = Node(path.is_dir())
        if node.folder:
            self._tree = getattr(self, "_tree", {})
            self._tree[id(node)] = (node, {child.name: self._load(child) for child in path.iterdir()})
        else:
            node.data = bytearray(path.read_bytes())
            node.flushed = bytes(node.data)
        return node

    def _entries(self, folder: Node, changes: list[Change]) -> dict[str, Node]:
        entries = dict(self._tree.get(id(folder), (folder, {}))[1])
        for change in changes:
            for place, name, node in change.entries:
                if place is folder:
                    entries.pop(name, None)
                    if node is not None:
                        entries[name] = node
        return entries

    def _find(self, path: str) -> tuple[Node, str, Node | None] | None:
        """The folder, the name and what it names; None outside the root."""
        if not path.startswith(self.root + "/"):
            return None
        folder, parts = self.top, path[len(self.root) + 1 :].rstrip("/").split("/")
        for part in parts[:-1]:
            folder = self._entries(folder, self.changes)[part]
        return folder, parts[-1], self._entries(folder, self.changes).get(parts[-1])

    def _path(self, directory: str, word: str) -> str:
        path = _bytes(word).decode()
        if path.startswith("/"):
            return path
        base = "" if directory == "AT_FDCWD" else self._open.get(int(directory), (None, [0], False, ""))[3]
        return f"{base}/{path}"

    def apply(self, call: Call) -> bool:
        """Apply one call; whether it concerned the disk."""
        name, words, result = call
        if name in ("open", "creat"):
            name, words = "openat", ["AT_FDCWD", words[0], words[1] if name == "open" else "O_CREAT|O_TRUNC"]
        if name == "openat":
            return self._opened(self._path(words[0], words[1]), words[2], result)
        if name in ("dup", "dup2", "dup3") or (name == "fcntl" and "F_DUPFD" in words[1]):
            if int(words[0]) in self._open:
                self._open[result] = self._open[int(words[0])]
            return False
        if name in ("link", "linkat"):
            return self._linked(name, words)
        if name in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"):
            return self._renamed(name, words)
        node, place, append, _ = self._open.get(int(words[0]), (None, [0], False, ""))
        if name == "close":
            self._open.pop(int(words[0]), None)
            return False
        if name in ("write", "writev") and node == "marks":
            self.marks += _bytes(words[1]).decode().split("\n")[:-1]
            return True
        if name == "copy_file_range":
            node, place, append, _ = self._open.get(int(words[2]), (None, [0], False, ""))
        if not isinstance(node, Node):
            return False
        if name in ("write", "pwrite64"):
            content = _bytes(words[1])[:result]
            at = int(words[3]) if name == "pwrite64" else len(node.data) if append else place[0]
            self._write(node, at, content)
            if name == "write":
                place[0] = at + result
            return True
        if name == "writev":
            content = b"".join(map(_bytes, re.findall(r'iov_base=("[^"]*")', words[1])))[:result]
            self._write(node, len(node.data) if append else place[0], content)
            place[0] += result
            return True
        if name in ("sendfile", "copy_file_range"):
            source, from_, _, _ = self._open[int(words[1] if name == "sendfile" else words[0])]
            assert isinstance(source, Node), "a copy from outside the disk"
            at = int(re.findall(r"\d+", words[2])[0]) if words[2][0] == "[" else from_[0]
            self._write(node, place[0], bytes(source.data[at : at + result]))
            place[0] += result
            from_[0] = at + result
            return True
        if name == "lseek":
            place[0] = result
        elif name == "ftruncate":
            size = int(words[1])
            node.data = node.data[:size] + bytearray(max(0, size - len(node.data)))
            return True
        elif name in ("fsync", "fdatasync"):
            node.flushed = bytes(node.data)
            for change in self.changes:
                change.kept |= node.folder and change.touches(node)
            return True
        return False

    def _write(self, node: Node, at: int, content: bytes) -> None:
        node.data.extend(bytes(max(0, at - len(node.data))))
        node.data[at : at + len(content)] = content

    def _opened(self, path: str, flags: str, descriptor: int) -> bool:
        changed = False
        if path == self.marks_file:
            self._open[descriptor] = ("marks", [0], True, path)
            return False
        if path.rstrip("/") == self.root:
            self._open[descriptor] = (self.top, [0], False, path)
            return False
        found = self._find(path)
        if found is None:
            self._open[descriptor] = (None, [0], False, path)
            return False
        folder, name, node = found
        if node is None:
            node, changed = Node(), True
            self.changes.append(Change([(folder, name, node)]))
        elif "O_TRUNC" in flags:
            node.data, changed = bytearray(), True
        self._open[descriptor] = (node, [0], "O_APPEND" in flags, path)
        return changed

    def _linked(self, name: str, words: list[str]) -> bool:
        pairs = (("AT_FDCWD", words[0]), ("AT_FDCWD", words[1])) if name == "link" else (words[:2], words[2:4])
        old, new = (self._find(self._path(*pair)) for pair in pairs)
        if old is None or new is None:
            return False
        self.changes.append(Change([(new[0], new[1], old[2])]))
        return True

    def _renamed(self, name: str, words: list[str]) -> bool:
        if name.startswith("rename"):
            pairs = (("AT_FDCWD", words[0]), ("AT_FDCWD", words[1])) if name == "rename" else (words[:2], words[2:4])
            old, new = (self._find(self._path(*pair)) for pair in pairs)
            if old is None or new is None:
                return False
            left = new[2] if "RENAME_EXCHANGE" in words[-1] else None
            self.changes.append(Change([(old[0], old[1], left), (new[0], new[1], old[2])]))
            return True
        path = self._path(*words[:2]) if name.endswith("at") else self._path("AT_FDCWD", words[0])
        found = self._find(path)
        if found is None:
            return False
        made = Node(folder=True) if name.startswith("mkdir") else None
        self.changes.append(Change([(found[0], found[1], made)]))
        return True

    def end_process(self) -> None:
        """The process whose calls were applied is gone; what it had not flushed is still to be."""
        self._open.clear()

    def states(self, rng: np.random.Generator, more: int) -> Iterator[dict[str, bytes | None]]:
        """What the disk may hold if the power fails now, by path; None for a folder. `more` of them are drawn."""
        pending = [change for change in self.changes if not change.kept]
        yield self._state(set(map(id, pending)), lambda _: "none")
        yield self._state(set(map(id, pending)), lambda _: "zero")
        yield self._state(set(map(id, pending)), lambda _: "half")
        yield self._state(set(), lambda _: "all")
        yield self._state(set(), lambda _: "none")
        folders = {id(place): place for change in pending for place, _, _ in change.entries}
        for _ in range(more):
            chosen: set[int] = set()
            for place in folders.values():
                there = [change for change in pending if change.touches(place)]
                chosen |= set(map(id, there[: rng.integers(len(there) + 1)]))
            yield self._state(chosen, lambda _: str(rng.choice(["all", "none", "zero", "half"])))

    def everything(self) -> dict[str, bytes | None]:
        """What the disk holds if the power does not fail."""
        return self._state(set(map(id, self.changes)), lambda _: "all")

    def _state(self, chosen: set[int], policy) -> dict[str, bytes | None]:  # type: ignore[no-untyped-def]
        changes = [change for change in self.changes if change.kept or id(change) in chosen]
        state: dict[str, bytes | None] = {}

        def walk(folder: Node, path: str) -> None:
            for name, node in self._entries(folder, changes).items():
                if node.folder:
                    state[path + name] = None
                    walk(node, path + name + "/")
                else:
                    state[path + name] = _survived(node, policy(node))

        walk(self.top, "")
        return state


def _survived(node: Node, data: Data) -> bytes:
    if data == "all" or node.data == node.flushed:
        return bytes(node.data)
    if data == "none":
        return node.flushed
    size, kept = len(node.data), min(len(node.flushed), len(node.data))
    if data == "zero":
        return node.flushed[:kept] + bytes(size - kept)
    return bytes(node.data[: kept + (size - kept) // 2])


def lay_out(state: dict[str, bytes | None], root: Path) -> None:
    """Write a state into an empty folder."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, content in sorted(state.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)
