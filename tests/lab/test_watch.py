"""`amb lab watch`: files are recorded when they are whole, and mistakes do not stop the evening."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from amb.errors import LabError
from amb.lab.arrivals import stamp_of
from amb.lab.laboratory import Laboratory
from amb.lab.watch import PATIENCE, QUIET, Finished, Refused, Told, Wrote, watch

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


def test_a_file_of_equal_size_and_time_has_changed(folder: Path) -> None:
    """A rig that renames files of one row over another, on a share with coarse times: trials were lost."""
    folder.mkdir()
    file, later = folder / "a.csv", folder / "b.csv"
    for path in (file, later):
        path.write_text(f"trial,response\n{1 if path == file else 2},0.5\n")
    time.sleep(0.05)  # more than the clock of a file system ticks
    later.chmod(0o600)
    for path in (file, later):
        os.utime(path, ns=(0, 0))
        time.sleep(0.05)
    before = stamp_of(file)
    later.replace(file)
    assert stamp_of(file) != before


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


def test_a_file_is_recorded_once_the_disk_has_room_for_it(
    folder: Path, file_limit: Callable[[int | None], None]
) -> None:
    """The fault is not in the file, which will not change; it is said once."""
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")

    def sleep(seconds: float) -> None:
        rig.sleep(seconds)
        if rig.looks == 10:
            file_limit(None)

    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=sleep):
        events.append(event)
        if isinstance(event, Wrote):
            (rig.inbox / "1.csv").write_text(csv_of(rows_for(lab, event.block)))
            file_limit((folder / "journal.jsonl").stat().st_size)
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]
    assert "nothing was recorded" in events[1].reason


def test_the_first_block_is_written_once_the_disk_has_room_for_it(
    folder: Path, file_limit: Callable[[int | None], None]
) -> None:
    lab = new_experiment(folder, trials=27)
    events = watch(lab, folder / "inbox", every=1, sleep=lambda _: file_limit(None))
    file_limit(0)
    first, second = next(events), next(events)
    assert isinstance(first, Refused)
    assert "watching goes on once this is over" in first.reason
    assert isinstance(second, Wrote)


def test_a_first_block_that_cannot_be_made_ends_it_at_once(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    (folder / "experiment.toml").write_bytes(b"")
    with pytest.raises(LabError, match="missing required field"):
        next(iter(watch(lab, folder / "inbox", every=1, sleep=lambda seconds: pytest.fail("it waits"))))


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


SPIKES = "trial,time\n" + "".join(f"{trial},{time}\n" for trial in range(1, 27) for time in (60, 120, 180))
"""Three spikes in each of the 26 trials of a block: 15 spikes/s."""


def watched(lab: Laboratory, rig: Rig) -> list:
    """What happens until the experiment is finished."""
    return list(watch(lab, rig.inbox, every=1, sleep=rig.sleep))


def test_spikes_that_are_still_being_written_are_waited_for(folder: Path) -> None:
    """A file that ends between two spikes of trial 26 would give it 10 spikes/s for good."""
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    torn = SPIKES.removesuffix("26,180\n")
    rig.steps = [("s.csv", torn), *[("notes.txt", "x")] * 4, ("s.csv", SPIKES)]
    assert [type(event) for event in watched(lab, rig)] == [Wrote, Told, Finished]
    assert [lab.history.value(trial, "n1") for trial in range(1, 27)] == [15.0] * 26
    assert rig.looks >= 5 + QUIET


def test_spikes_whose_file_says_that_it_ends_are_recorded_at_once(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    rig.steps = [("s.csv", SPIKES + "end\n")]
    assert [type(event) for event in watched(lab, rig)] == [Wrote, Told, Finished]
    assert rig.looks < QUIET


def test_a_rig_that_ends_its_files_can_have_torn_ones_refused_however_long_it_takes(folder: Path) -> None:
    lab = new_experiment(folder, trials=27, changes={"end_row = false": "end_row = true "})
    rig = Rig(folder / "inbox")
    rig.steps = [("s.csv", SPIKES.removesuffix("26,180\n")), *[("notes.txt", "x")] * 100, ("s.csv", SPIKES + "end\n")]
    events = watched(lab, rig)
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]
    assert "has no row 'end' at its end" in events[1].reason
    assert lab.history.value(26, "n1") == 15.0


def test_a_file_is_read_again_once_files_need_no_end(folder: Path) -> None:
    """What was refused under an earlier setting was never looked at again."""
    lab = new_experiment(folder, trials=27, changes={"end_row = false": "end_row = true "})
    settings, looks = folder / "experiment.toml", 0
    rig = Rig(folder / "inbox")
    rig.steps = [("s.csv", SPIKES)]

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 20:
            settings.write_text(settings.read_text().replace("end_row = true ", "end_row = false"))
        rig.sleep(seconds)

    events = list(watch(lab, rig.inbox, every=1, sleep=sleep))
    assert [type(event) for event in events] == [Wrote, Refused, Told, Finished]


def test_a_matlab_file_without_its_last_variables_is_waited_for(folder: Path) -> None:
    """A file has no end of its own, and without `rejected` a rejected trial has a response."""
    lab = new_experiment(folder, trials=27)
    inbox, looks = folder / "inbox", 0
    trials = np.arange(1.0, 27)
    contents = []
    for variables in ({}, {"rejected": trials == 3}):
        savemat(folder / "r.mat", {"trial": trials, "response": trials, **variables})
        contents.append((folder / "r.mat").read_bytes())
    assert contents[1].startswith(contents[0][128:], 128)

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        assert looks < 50, "the watcher waits for ever"
        if looks in (1, 5):
            (inbox / "r.mat").write_bytes(contents[looks // 5])

    assert [type(event) for event in watch(lab, inbox, every=1, sleep=sleep)] == [Wrote, Told, Finished]
    assert [lab.history.value(trial, "n1") for trial in (2, 3, 4)] == [2.0, None, 4.0]


def test_a_file_that_is_refused_by_the_experiment_is_named(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    rig.steps = [("a.csv", "trial,n1\n999,1\n"), ("b.csv", "trial,n1\n999,1\n"), *[("notes.txt", "x")] * 5]
    rig.steps += [("c.csv", "trial,n1\n" + "".join(f"{trial},1\n" for trial in range(1, 27)))]
    events = watched(lab, rig)
    assert [type(event) for event in events] == [Wrote, Refused, Refused, Told, Finished]
    assert [event.reason.partition(": ")[0] for event in events[1:3]] == [f"{rig.inbox}/{name}.csv" for name in "ab"]


def answers_eio(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.symlink_to("/proc/self/mem")


def renamed(path: Path) -> None:
    path.rename(path.with_name("kept"))


def emptied(path: Path) -> None:
    path.with_name("kept").write_bytes(path.read_bytes())
    path.write_bytes(b"")


AWAY = {
    "the settings cannot be read": ("experiment.toml", answers_eio, "Input/output error"),
    "the settings are replaced": ("experiment.toml", renamed, "it has no experiment.toml"),
    "the settings are half saved": ("experiment.toml", emptied, "missing required field"),
    "the journal is away": ("journal.jsonl", renamed, "is missing"),
    "the journal cannot be read": ("journal.jsonl", answers_eio, "it is a symbolic link"),
    "the blocks are away": ("blocks", answers_eio, "Not a directory"),
    "the folder is renamed": ("", renamed, "is gone: it was renamed, or its disk or share is away"),
}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file here that answers EIO")
@pytest.mark.parametrize(("name", "fault", "reason"), AWAY.values(), ids=AWAY)
def test_an_experiment_that_is_away_for_a_while_is_reported_once_and_goes_on(
    folder: Path, name: str, fault: Callable[[Path], None], reason: str
) -> None:
    """A share that is remounted, a folder that is renamed and back, settings that an editor replaces."""
    lab = new_experiment(folder, trials=60)
    place = folder / name
    rig = Rig(folder.parent / "inbox")

    def sleep(seconds: float) -> None:
        if rig.looks == 3:
            fault(place)
        if rig.looks == 30:
            if place.is_symlink() or place.is_file():
                place.unlink()
            place.with_name("kept").rename(place)
        rig.sleep(seconds)

    events = []
    for event in watch(lab, rig.inbox, every=1, sleep=sleep):
        events.append(event)
        if isinstance(event, Wrote):
            waits = [("notes.txt", "x")] * (6 if event.block.number == 1 else 0)
            rig.steps = [*waits, (f"{event.block.number}.csv", csv_of(rows_for(lab, event.block)))]
    kinds = [type(event) for event in events]
    assert kinds == [Wrote, Refused, *[Told, Wrote] * (kinds.count(Wrote) - 1), Told, Finished]
    assert kinds.count(Wrote) > 1
    assert reason in events[1].reason
    assert events[1].file == folder


def test_settings_that_stay_wrong_end_it(folder: Path) -> None:
    lab = new_experiment(folder, trials=27)
    rig = Rig(folder / "inbox")
    events = watch(lab, rig.inbox, every=1, sleep=rig.sleep)
    assert isinstance(next(events), Wrote)
    (folder / "experiment.toml").write_bytes(b"")
    assert isinstance(next(events), Refused)
    with pytest.raises(LabError, match="missing required field"):
        next(events)
    assert rig.looks >= PATIENCE
