"""Responses that were recorded wrong: both values stay on record, and solvers go on as if never told the wrong ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from commands import command

from amb.errors import LabError
from amb.lab.journal import FILE, Corrected, read_journal
from amb.lab.laboratory import Laboratory
from amb.lab.report import write_report
from amb.lab.response_files import read_responses
from amb.lab.responses import Row
from amb.lab.watch import Refused, Told, Wrote, watch

from .conftest import finish, new_experiment, rows_for

ONCE = {"repeats = 2": "repeats = 1", "retries = 1": "retries = 0"}


def wrong(rows: list[Row]) -> list[Row]:
    """Responses as if the trials had been numbered backwards."""
    return [replace(row, value=other.value) for row, other in zip(rows, reversed(rows), strict=True)]


def answered(lab: Laboratory, as_recorded: Callable[[list[Row]], list[Row]] = lambda rows: rows) -> list[Row]:
    """Answer the next block; its right responses."""
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    lab.tell(as_recorded(rows), source="test")
    return rows


def asked(lab: Laboratory, block: int) -> dict[str, tuple]:
    return {ask.search: ask.candidates for ask in lab.history.blocks[block - 1].asks}


def told(lab: Laboratory, block: int) -> dict[str, tuple]:
    return {ask.search: ask.told for ask in lab.history.blocks[block - 1].asks}


def test_the_last_block_is_corrected_before_anything_was_proposed_from_it(folder: Path, tmp_path: Path) -> None:
    right, lab = new_experiment(folder), new_experiment(tmp_path / "wrong")
    answered(right)
    rows = answered(lab, wrong)
    done = lab.correct(rows, block=1, reason="numbered backwards", source="right.csv")
    assert done.corrected + done.known == len(rows)
    assert done.corrected > 0
    assert done.restarted == {}
    for one in (right, lab):
        finish(one)
    assert [b.asks for b in lab.history.blocks] == [b.asks for b in right.history.blocks]
    assert not lab.history.misled


@pytest.mark.parametrize("solver", ["sphere-cma", "tt-b", "portfolio"])
def test_a_solver_that_was_told_wrong_values_goes_on_as_if_it_had_not(
    folder: Path, tmp_path: Path, solver: str
) -> None:
    """Two blocks later, and again by another process; of solvers that do not learn, so that nothing else is told."""
    changes = {**ONCE, "share = true": "share = false"}
    right = new_experiment(folder, solver=solver, trials=400, changes=changes)
    lab = new_experiment(tmp_path / "wrong", solver=solver, trials=400, changes=changes)
    for _ in range(5):
        answered(right)
    answered(lab)
    rows = answered(lab, wrong)
    for _ in range(2):
        answered(lab)
    before = (lab.folder / FILE).read_bytes()
    done = lab.correct(rows, block=2, reason="numbered backwards", source="right.csv")
    assert done.restarted == {"n1": 3}
    assert (lab.folder / FILE).read_bytes().startswith(before)
    assert lab.history.misled == {c.stimulus for c in lab.history.candidates.values() if c.block in (3, 4)}
    for block in (5, 6):  # 3 and 4 of the experiment where nothing was wrong
        open_block = Laboratory(lab.folder).next_block()
        assert open_block is not None
        lab.refresh()
        assert asked(lab, block) == asked(right, block - 2)
        if block == 5:
            # The same stimuli in other trials, whose noise differs: the responses are those of the first time.
            values = dict(zip(asked(right, 3)["n1"], told(right, 4)["n1"], strict=True))
            levels = {c.stimulus: c.levels for c in lab.history.candidates.values()}
            shown = {n: levels.get(lab.history.trials[n - 1].stimulus, ()) for n in open_block.missing}
            lab.tell([Row(n, "n1", values.get(grid_point, 0.0)) for n, grid_point in shown.items()], source="test")
    assert told(lab, 5) == told(right, 3)
    assert told(lab, 6) == told(right, 4)


def test_what_was_proposed_from_wrong_values_is_learned_and_stays_on_record(folder: Path) -> None:
    """A block is open when the correction comes, another search learned a wrong value, and the evening goes on."""
    lab = new_experiment(folder, neurons=("a", "b"), solver="one-plus-lambda", trials=300, changes=ONCE)
    answered(lab)
    rows = answered(lab, lambda rows: [replace(row, value=1e6) if row.neuron == "b" else row for row in rows])
    assert lab.next_block() is not None
    assert not lab.history.misled
    done = lab.correct([r for r in rows if r.neuron == "b"], block=2, reason="the amplifier", source="right.csv")
    assert done.restarted == {"b": 3}
    lost = {c.stimulus for c in lab.history.candidates.values() if c.search == "b" and c.block == 3}
    assert lab.history.misled == lost
    assert lab.history.open_block == 3
    finish(lab, blocks=1)
    finish(Laboratory(folder), blocks=3)  # in another process
    lab.refresh()
    asks = {(planned.block, ask.search): ask for planned in lab.history.blocks for ask in planned.asks}
    assert lost <= {one.stimulus for one in asks[4, "b"].learned}
    assert lost <= {one.stimulus for one in asks[4, "a"].learned}
    values = [value for block in (4, 5, 6) for value in asks[block, "b"].told]
    assert all(value is None or abs(value) < 1e3 for value in values)
    assert all(abs(one.value) < 1e3 for block in (4, 5, 6) for one in asks[block, "b"].learned)
    everything = [value for block in (3,) for value in asks[block, "b"].told]
    assert max(v for v in everything if v is not None) == 1e6  # still on record
    assert Laboratory(folder).history.candidates == lab.history.candidates


def test_a_search_that_learned_a_wrong_value_of_another_goes_back_too(folder: Path) -> None:
    """One wrong response of one neuron to another search's stimulus."""
    lab = new_experiment(folder, neurons=("a", "b"), solver="cma", trials=300, changes=ONCE)
    rows = answered(lab)
    answered(lab)
    lab.next_block()
    of = {trial.number: lab.history.candidates.get(trial.stimulus) for trial in lab.history.trials}
    foreign = next(r for r in rows if r.neuron == "a" and (c := of[r.trial]) is not None and c.search == "b")
    done = lab.correct([replace(foreign, value=7.0)], block=1, reason="noise", source="x")
    assert done.restarted == {"a": 2}
    finish(lab, blocks=2)
    finish(Laboratory(folder), blocks=1)
    learned = [one for ask in Laboratory(folder).history.blocks[3].asks if ask.search == "a" for one in ask.learned]
    assert (foreign_name := of[foreign.trial]) is not None
    assert [one.value for one in learned if one.stimulus == foreign_name.stimulus] == [7.0]


def test_a_file_of_spikes_that_was_recorded_too_early_is_taken_whole(folder: Path) -> None:
    """The rig paused within a trial: what was recorded of it is corrected, and the rest recorded, in one step."""
    lab = new_experiment(folder, changes=ONCE)
    block = lab.next_block()
    assert block is not None
    times = [f"{trial},{60 + i}\n" for trial in block.missing for i in range(1 + trial % 3)]
    inbox, looks = folder / "responses", 0
    spikes = inbox / "1.csv"

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 20:
            spikes.write_text("trial,time\n" + "".join(times))

    inbox.mkdir()
    spikes.write_text("trial,time\n" + "".join(times[:7]))
    events = watch(lab, inbox, every=1, sleep=sleep)
    wrote, told, refused = (next(events) for _ in range(3))
    assert isinstance(wrote, Wrote)
    assert isinstance(told, Told)
    assert not told.whole
    assert isinstance(refused, Refused)
    assert "amb lab correct ... --block 1" in refused.reason
    rows = read_responses(spikes, lab.experiment)
    done = Laboratory(folder).correct(rows, block=1, reason="told too early", source="1.csv")
    assert (done.corrected, done.new + done.known) == (1, len(rows) - 1)
    assert done.new > 0
    assert isinstance(next(events), Wrote)  # the next block
    assert [lab.history.value(row.trial, "n1") for row in rows] == [row.value for row in rows]
    assert [len(one.trials) for one in lab.history.corrections] == [1]


def test_a_correction_that_brings_new_responses_too_is_recorded_whole_or_not_at_all(folder: Path) -> None:
    """The process dies anywhere in the write, or a power failure leaves any part of it unwritten: zeros."""
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    lab.tell(wrong(rows[: len(rows) // 2]), source="wrong.csv")
    known, journal = read_journal(folder), folder / FILE
    done = lab.correct(rows, block=1, reason="numbered backwards", source="right.csv")
    assert done.corrected > 0
    assert done.new > 0
    whole = journal.read_bytes()
    places = range(known.size, len(whole), 97)
    died = [whole[:place] for place in places]
    unwritten = [whole[:place] + bytes(97) + whole[place + 97 :] for place in places]
    for damaged in (*died, *unwritten):
        journal.write_bytes(damaged)
        assert read_journal(folder) == known
    again = Laboratory(folder).correct(rows, block=1, reason="numbered backwards", source="right.csv")
    assert again == done
    assert [Laboratory(folder).history.value(row.trial, row.neuron) for row in rows] == [row.value for row in rows]


def test_references_and_rejections_are_corrected_without_any_solver(folder: Path) -> None:
    lab = new_experiment(folder, references=1, trials=200)
    rows = answered(lab)
    lab.next_block()
    reference = next(r for r in rows if lab.history.trials[r.trial - 1].kind == "reference")
    done = lab.correct([replace(reference, value=None)], block=1, reason="it moved", source="x")
    assert done.restarted == {}
    assert lab.history.value(reference.trial, "n1") is None
    assert lab.correct([replace(reference, value=None)], block=1, reason="again", source="x").corrected == 0
    assert len(lab.history.corrections) == 1


def test_lost_trials_of_a_closed_block_can_be_added(folder: Path) -> None:
    lab = new_experiment(folder, changes=ONCE)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    lab.tell(rows[1:], source="test")
    lab.next_block(close=1)
    with pytest.raises(LabError, match=r"lab correct .* --block 1"):
        lab.tell(rows[:1], source="test")
    lab.correct(rows[:1], block=1, reason="found again", source="x")
    assert lab.history.value(rows[0].trial, "n1") == rows[0].value
    finish(lab, blocks=2)
    assert Laboratory(folder).history.candidates == lab.history.candidates


@pytest.mark.parametrize(
    ("block", "reason", "change", "message"),
    [
        (3, "x", {}, "there is no block 3 to correct; blocks so far: 2"),
        (0, "x", {}, "there is no block 0"),
        (2, "x", {}, "trial 1 belongs to block 1, not to block 2"),
        (1, " \n", {}, "needs a reason"),
        (1, "x" * 1001, {}, "needs a reason"),
        (1, "x", {"trial": 10_000}, "there is no trial 10000"),
        (1, "x", {"neuron": "n2"}, "n2"),
    ],
)
def test_impossible_corrections_are_refused_whole(
    folder: Path, block: int, reason: str, change: dict, message: str
) -> None:
    lab = new_experiment(folder)
    rows = [replace(row, value=3.0) for row in answered(lab)]
    lab.next_block()
    before = (folder / FILE).read_bytes()
    with pytest.raises(LabError, match=message):
        lab.correct([*rows[1:], replace(rows[0], **change)][::-1], block=block, reason=reason, source="x")
    assert (folder / FILE).read_bytes() == before


def test_the_old_file_is_refused_by_what_was_corrected_and_the_right_one_taken(folder: Path) -> None:
    lab = new_experiment(folder)
    rows = answered(lab, wrong)
    with pytest.raises(LabError, match=r"if what is recorded is wrong: `amb lab correct ... --block 1`"):
        lab.tell(rows, source="right.csv")
    lab.correct(rows, block=1, reason="numbered backwards", source="right.csv")
    with pytest.raises(LabError, match=r"until it was corrected to .* \(numbered backwards\)"):
        lab.tell(wrong(rows), source="wrong.csv")
    assert lab.tell(rows, source="right.csv").new == 0


def test_a_watcher_goes_on_after_a_correction_of_another_terminal(folder: Path) -> None:
    """It holds the solvers in memory, and the file that it recorded lies in its folder."""
    lab = new_experiment(folder, trials=120, changes=ONCE)
    inbox = folder / "responses"
    files = 0

    def sleep(seconds: float) -> None:
        nonlocal files
        open_block = Laboratory(folder).open_block()
        if open_block is None or open_block.number <= files:
            return
        files = open_block.number
        rows = rows_for(Laboratory(folder), open_block)
        if files == 3:  # block 2 was wrong, and block 3 is open
            done = Laboratory(folder).correct(kept, block=2, reason="backwards", source="right.csv")
            assert done.restarted == {"n1": 3}
        kept[:] = rows
        shown = wrong(rows) if files == 2 else rows
        text = "trial,n1\n" + "".join(f"{row.trial},{row.value!r}\n" for row in shown)
        (inbox / f"{files}.csv").write_text(text)

    kept: list[Row] = []
    events = list(watch(lab, inbox, every=1, sleep=sleep))
    assert not [event for event in events if isinstance(event, Refused)]
    assert sum(isinstance(event, Wrote) for event in events) == files > 4
    again = Laboratory(folder)
    assert again.history.misled
    assert again.history.candidates == lab.history.candidates


def test_a_correction_on_the_command_line_is_shown_by_all_that_is_exported(folder: Path) -> None:
    lab = new_experiment(folder, trials=200, changes=ONCE)
    rows = answered(lab, wrong)
    answered(lab)
    file = folder.parent / "right.csv"
    file.write_text("trial,n1\n" + "".join(f"{row.trial},{row.value!r}\n" for row in rows))
    words = ["lab", "correct", str(folder), str(file), "--block", "1", "--reason", "numbered\nbackwards <b>"]
    first = command(*words)
    assert first.returncode == 0, first.stderr
    assert "of block 1 corrected" in first.stdout
    assert "search n1 goes on from before block 2" in " ".join(first.stdout.split())
    second = command(*words, "--json")
    assert json.loads(second.stdout)["corrected"] == 0
    state = " ".join(command("lab", "status", str(folder)).stdout.split())
    assert "numbered backwards <b>" in state
    assert "search n1 goes on from before block 2" in state
    after = Laboratory(folder)
    page, table, corrections = write_report(after, folder / "report")
    text = page.read_text(encoding="utf-8")
    assert "numbered backwards &lt;b&gt;" in text
    assert "proposed from wrong responses" in text
    trials, changed = pd.read_csv(table), pd.read_csv(corrections)
    event = after.history.corrections[0]
    assert changed["trial"].tolist() == list(event.trials) == trials["trial"][trials["corrected"]].tolist()
    assert changed["before"].tolist() == pytest.approx(event.before)
    assert changed["after"].tolist() == pytest.approx(event.values)
    misled = trials[trials["misled"]]
    assert set(misled["block"]) == {2}
    assert set(misled["kind"]) == {"candidate"}
    assert isinstance(event, Corrected)


@pytest.mark.parametrize("name", ["block", "Kind", "stimulus", "misled"])
def test_a_neuron_cannot_have_the_name_of_a_column_of_the_report(folder: Path, name: str) -> None:
    with pytest.raises(LabError, match=f"a neuron cannot be called '{name}'"):
        new_experiment(folder, neurons=(name,))
