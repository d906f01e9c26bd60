"""`amb lab watch`: files are recorded when they are whole, and mistakes do not stop the evening."""

import os
import resource
from pathlib import Path

import pytest

from amb.lab.laboratory import Laboratory
from amb.lab.watch import Finished, Refused, Told, Wrote, watch

from .conftest import new_experiment, rows_for


def csv_of(rows: list) -> str:
    return "trial,neuron,response\n" + "".join(f"{r.trial},{r.neuron},{r.value!r}\n" for r in rows)


class Rig:
    """Writes files while the watcher sleeps, in the way given by `steps`: name and text at each look."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.steps: list[tuple[str, str]] = []
        self.looks = 0

    def sleep(self, seconds: float) -> None:
        self.looks += 1
        assert self.looks < 200, "the watcher waits for ever"
        if self.steps:
            name, text = self.steps.pop(0)
            path = self.inbox / name
            path.write_text(text)
            os.utime(path, ns=(self.looks * 10**9, self.looks * 10**9))


def test_an_experiment_by_files(folder: Path) -> None:
    lab = new_experiment(folder, trials=60, references=1)
    rig = Rig(folder / "inbox")
    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=rig.sleep):
        events.append(event)
        if isinstance(event, Wrote):
            text = csv_of(rows_for(lab, event.block))
            half = text.index("\n", len(text) // 2) + 1
            # While it is being written, a file is not read, although its first half would be a partial block.
            rig.steps += [(f"{event.block.number}.csv", text[:half]), (f"{event.block.number}.csv", text)]
    assert isinstance(events[-1], Finished)
    told = [event for event in events if isinstance(event, Told)]
    assert [event.file.name for event in told] == [f"{n}.csv" for n in range(1, len(told) + 1)]
    assert all(event.receipt.block is None for event in told)
    assert len(Laboratory(folder).history.trials) > 50


def test_a_wrong_file_is_reported_once_and_read_again_when_it_changes(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=rig.sleep):
        events.append(event)
        if isinstance(event, Wrote):
            right = csv_of(rows_for(lab, event.block))
            rig.steps += [("r.csv", right.replace("n1", "n9")), *[("notes.txt", "x")] * 5, ("r.csv", right)]
    refused = [event for event in events if isinstance(event, Refused)]
    assert len(refused) == 1
    assert "unknown neuron 'n9'" in refused[0].reason
    assert isinstance(events[-1], Finished)


def test_a_restart_reads_the_same_files_and_changes_nothing(folder: Path) -> None:
    lab = new_experiment(folder, trials=60)
    rig = Rig(folder / "inbox")
    for event in watch(lab, rig.inbox, every=1, sleep=rig.sleep):
        if isinstance(event, Wrote) and event.block.number == 2:
            break
        if isinstance(event, Wrote):
            rig.steps += [("1.csv", csv_of(rows_for(lab, event.block)))]
    journal = (folder / "journal.jsonl").read_bytes()
    again = Laboratory(folder)
    seen = []
    for event in watch(again, rig.inbox, every=1, sleep=rig.sleep):
        seen.append(event)
        if isinstance(event, Told):
            break
    assert seen[-1].receipt.new == 0
    assert (folder / "journal.jsonl").read_bytes() == journal


def test_what_another_terminal_does_is_noticed(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=rig.sleep):
        events.append(event)
        if isinstance(event, Wrote):
            Laboratory(folder).tell(rows_for(lab, event.block), source="another terminal")
    assert isinstance(events[-1], Finished)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file here that answers EIO")
def test_a_file_that_the_disk_does_not_return_is_recorded_once_it_does(folder: Path) -> None:
    """The fault is said once, and the file, which need not change, is read again at every look."""
    lab = new_experiment(folder, trials=27)
    inbox = folder / "inbox"
    link, looks = inbox / "1.csv", 0
    arrived: list[bytes] = []

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        assert looks < 50, "the watcher waits for ever"
        if looks == 10:
            link.unlink()
            link.write_bytes(arrived[-1])

    events = []
    for event in watch(lab, inbox, every=1, sleep=sleep):
        events.append(event)
        if isinstance(event, Wrote):
            arrived.append(csv_of(rows_for(lab, event.block)).encode())
            link.symlink_to("/proc/self/mem")
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]
    assert "Input/output error" in events[1].reason


def test_a_file_is_recorded_once_the_disk_has_room_for_it(folder: Path) -> None:
    """The fault is not in the file, which will not change; it is said once."""
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def sleep(seconds: float) -> None:
        rig.sleep(seconds)
        if rig.looks == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    events = []
    try:
        for event in watch(lab, rig.inbox, every=1, sleep=sleep):
            events.append(event)
            if isinstance(event, Wrote):
                (rig.inbox / "1.csv").write_text(csv_of(rows_for(lab, event.block)))
                resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "journal.jsonl").stat().st_size, limits[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]
    assert "nothing was recorded" in events[1].reason


def test_a_file_that_comes_before_its_block_is_recorded_with_it(folder: Path) -> None:
    lab = new_experiment(folder, trials=60)
    rig = Rig(folder / "inbox")
    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=rig.sleep):
        events.append(event)
        if isinstance(event, Wrote) and event.block.number == 1:
            first = csv_of(rows_for(lab, event.block))
            early = f"trial,n1\n{event.block.trials.stop},2.5\n"
            rig.steps = [("2.csv", early), *[("notes.txt", "x")] * 5, ("1.csv", first)]
        if isinstance(event, Told) and event.file.name == "2.csv":
            break
    assert [type(event) for event in events] == [Wrote, Refused, Told, Wrote, Told]
    assert events[-1].receipt.new == 1


def test_an_inbox_that_is_away_for_a_while_is_reported_once(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    away = folder / "away"

    def sleep(seconds: float) -> None:
        if rig.looks == 9:
            away.rename(rig.inbox)
        rig.sleep(seconds)

    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=sleep):
        events.append(event)
        if isinstance(event, Wrote):
            (rig.inbox / "1.csv").write_text(csv_of(rows_for(lab, event.block)))
            rig.inbox.rename(away)
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]
    assert "cannot read the folder" in events[1].reason
