"""What a laboratory relies on: blocks as asked for, no response lost or counted twice, and the past kept."""

import csv
import json
import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amb.catalogue import plugins
from amb.contracts.generator import Grid
from amb.contracts.space import Space
from amb.errors import LabError
from amb.lab.blocks import PRESENTATIONS
from amb.lab.experiment import FILE, parse_experiment, template
from amb.lab.journal import FILE as JOURNAL
from amb.lab.laboratory import Laboratory, create
from amb.lab.report import write_report
from amb.lab.response_files import read_responses
from amb.lab.responses import Row
from amb.lab.searches import batch_sizes
from amb.lab.status import why_finished
from amb_problems.generators.toy import ToyGenerator

from .conftest import finish, new_experiment, response, rows_for


def kinds(lab: Laboratory, block: int) -> Counter:
    return Counter(trial.kind for trial in lab.history.trials if trial.block == block)


def trials_of(lab: Laboratory, stimulus: str) -> list[int]:
    return [trial.number for trial in lab.history.trials if trial.stimulus == stimulus]


def narrower(generator: ToyGenerator, *, grid: str) -> Grid:
    return Grid(Space.uniform(generator.latent_dim, 64, low=-2.0, high=2.0, prior="normal", grid=grid))


def rewrite(folder: Path, change: Callable[[str], str]) -> None:
    """Change the events of a journal, and forget the blocks, which would tell that it is not theirs."""
    changed, crc = [], 0
    for line in (folder / JOURNAL).read_text().splitlines():
        event = change(line[line.index('"event":') + 8 : -1])
        crc = zlib.crc32(event.encode(), crc)
        changed.append(f'{{"crc":"{crc:08x}","event":{event}}}\n')
    shutil.rmtree(folder / "blocks")
    (folder / JOURNAL).write_text("".join(changed))


def test_a_block_has_what_the_settings_ask_for(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"), references=3, trials=200)
    finish(lab, blocks=2)
    assert kinds(lab, 1) == {"candidate": 48, "reference": 3, "blank": 2}
    assert kinds(lab, 2) == {"candidate": 48, "reference": 3, "blank": 2, "best": 2}
    shown = Counter(trial.stimulus for trial in lab.history.trials if trial.block == 1)
    assert {shown[name] for name in lab.history.candidates if lab.history.candidates[name].block == 1} == {2}


def test_the_order_is_random_by_the_seed_and_spreads_repeats(folder: Path, tmp_path: Path) -> None:
    orders = []
    for name, seed in [("x", 1), ("y", 1), ("z", 2)]:
        lab = new_experiment(tmp_path / name, seed=seed)
        lab.next_block()
        orders.append([trial.stimulus.split("-")[-1] for trial in lab.history.trials])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])
    halves = [set(orders[0][:13]), set(orders[0][13:])]
    assert len(halves[0] & halves[1]) >= 11  # of twelve stimuli that are presented twice


def test_pictures_have_the_size_and_background_of_the_rig(folder: Path) -> None:
    lab = new_experiment(folder, references=1, changes={"background = 128": "background = [10, 20, 30]"})
    block = lab.next_block()
    assert block is not None
    for path in block.folder.glob("*.png"):
        picture = np.asarray(Image.open(path))
        assert picture.shape == (40, 48, 3)
        assert picture[0, 0].tolist() == [10, 20, 30]
        assert (picture == [10, 20, 30]).all() == (path.stem == "blank")
    assert {path.stem for path in block.folder.glob("*.png")} == {trial.stimulus for trial in lab.history.trials}


def test_the_table_of_presentations_names_a_picture_for_every_trial(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    lines = (block.folder / PRESENTATIONS).read_text().splitlines()
    assert lines[0] == "trial,block,file,kind,stimulus"
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(block.trials)
    assert all((block.folder / line.split(",")[2]).is_file() for line in lines[1:])


def test_next_repeats_the_open_block_and_restores_its_files(folder: Path) -> None:
    lab = new_experiment(folder)
    first = lab.next_block()
    assert first is not None
    files = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    journal = (folder / JOURNAL).read_bytes()
    shutil.rmtree(first.folder)
    assert Laboratory(folder).next_block() == first
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == files
    assert (folder / JOURNAL).read_bytes() == journal


def test_an_experiment_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process works by then (`os.chdir`), beside another experiment of that name."""
    other = new_experiment(folder.parent / "elsewhere" / folder.name)
    new_experiment(folder)
    monkeypatch.chdir(folder.parent)
    lab = Laboratory(folder.name)
    assert (lab.shown, lab.folder) == (Path(folder.name), folder)
    monkeypatch.chdir("elsewhere")
    block = lab.next_block()
    assert block is not None
    lab.tell(rows_for(lab, block), source="a")
    assert block.folder.is_relative_to(folder)
    assert len(Laboratory(folder).history.trials) == len(block.trials)
    assert not Laboratory(other.folder).history.trials


def test_the_solver_learns_the_mean_of_the_valid_repeats(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    lost = trials_of(lab, "n1-0001")[0]
    lab.tell(rows_for(lab, block, skip=lambda n: n == lost), source="a")
    lab.tell([Row(lost, "n1", None)], source="b")
    lab.next_block()
    told = lab.history.blocks[1].asks[0].told
    pictures = {
        trial.number: block.folder / f"{trial.stimulus}.png" for trial in lab.history.trials[: len(block.trials)]
    }
    for i, value in enumerate(told, 1):
        trials = [n for n in trials_of(lab, f"n1-{i:04d}") if n != lost and n in pictures]
        assert value == pytest.approx(np.mean([response(n, "n1", pictures[n]) for n in trials]))
        assert len(trials) == 2 - (i == 1)


def test_a_stimulus_without_a_valid_trial_is_presented_again_before_its_query_fails(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"), trials=300)
    block = lab.next_block()
    assert block is not None
    lab.tell(rows_for(lab, block, skip=lambda n: lab.history.trials[n - 1].stimulus == "a-0003"), source="x")
    second = lab.next_block(close=1)
    assert second is not None
    shown = {trial.stimulus for trial in lab.history.trials if trial.block == 2 and trial.kind == "candidate"}
    assert {name for name in shown if name.startswith("a-")} == {"a-0003"}
    assert [ask.search for ask in lab.history.blocks[1].asks] == ["b"]  # goes on meanwhile
    lab.tell(rows_for(lab, second, skip=lambda n: lab.history.trials[n - 1].stimulus == "a-0003"), source="y")
    lab.next_block(close=2)
    told = {ask.search: ask.told for ask in lab.history.blocks[2].asks}
    assert told["a"][2] is None
    assert None not in told["a"][:2] + told["a"][3:]


def test_a_group_is_searched_by_the_mean_of_its_neurons_and_only_where_all_responded(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"), together=True)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    one = trials_of(lab, "a+b-0001")
    lab.tell([row for row in rows if not (row.trial == one[0] and row.neuron == "b")], source="x")
    lab.tell([Row(one[0], "b", None)], source="y")
    lab.next_block()
    both = [row.value for row in rows if row.trial == one[1]]
    assert lab.history.blocks[1].asks[0].told[0] == pytest.approx(np.mean([v for v in both if v is not None]))


def test_a_partial_block_is_recorded_and_stays_open(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    receipt = lab.tell(rows[:5], source="x")
    assert (receipt.new, receipt.block, len(receipt.missing)) == (5, 1, len(rows) - 5)
    assert lab.next_block() == Laboratory(folder).next_block()
    receipt = lab.tell(rows, source="x")
    assert (receipt.new, receipt.known, receipt.block) == (len(rows) - 5, 5, None)


def test_agreeing_doubles_are_ignored_and_contradicting_ones_refused_whole(folder: Path) -> None:
    lab = new_experiment(folder)
    lab.next_block()
    lab.tell([Row(1, "n1", 2.0), Row(2, "n1", None)], source="x")
    journal = (folder / JOURNAL).read_bytes()
    assert lab.tell([Row(1, "n1", 2.0), Row(2, "n1", None), Row(1, "n1", 2.0)], source="x").new == 0
    for wrong in ([Row(3, "n1", 1.0), Row(1, "n1", 2.5)], [Row(2, "n1", 0.0)], [Row(1, "n1", None)],
                  [Row(4, "n1", 1.0), Row(4, "n1", 1.5)]):  # fmt: skip
        with pytest.raises(LabError, match="nothing of this file was recorded"):
            lab.tell(wrong, source="x")
    assert (folder / JOURNAL).read_bytes() == journal
    assert not lab.history.recorded(3, "n1")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([Row(0, "n1", 1.0)], "no trial 0; trials so far: 1 to 26"),
        ([Row(27, "n1", 1.0)], "no trial 27"),
        ([Row(1, "N1x", 1.0)], "unknown neuron 'N1x'; did you mean n1"),
    ],
)
def test_impossible_rows_are_refused(folder: Path, rows: list[Row], message: str) -> None:
    lab = new_experiment(folder)
    lab.next_block()
    with pytest.raises(LabError, match=message):
        lab.tell(rows, source="x")


def test_closing_a_block_is_idempotent_and_its_lost_trials_stay_lost(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    lab.tell(rows_for(lab, block, skip=lambda n: n == 7), source="x")
    second = lab.next_block(close=1)
    assert second is not None
    assert second.number == 2
    assert lab.next_block(close=1) == second  # not block 2 closed too
    with pytest.raises(LabError, match="trial 7 is lost: block 1 was closed without it"):
        lab.tell([Row(7, "n1", 1.0)], source="x")
    with pytest.raises(LabError, match="no block 9 to close"):
        lab.next_block(close=9)


@pytest.mark.parametrize("trials", [22, 60, 61, 95])
def test_the_budget_is_never_exceeded_and_used_as_far_as_a_block_fits(folder: Path, trials: int) -> None:
    lab = new_experiment(folder, trials=trials)
    finish(lab)
    assert trials - 5 < len(lab.history.trials) <= trials  # a block needs at least 2 + 1 + 2 trials
    assert lab.next_block() is None


def test_a_larger_budget_continues_the_experiment(folder: Path, tmp_path: Path) -> None:
    short, long = new_experiment(folder, trials=60), new_experiment(tmp_path / "long", trials=130)
    finish(short)
    text = (folder / FILE).read_text()
    (folder / FILE).write_text(text.replace("trials = 60", "trials = 130"))
    finish(Laboratory(folder))
    finish(long)
    assert len(Laboratory(folder).history.trials) > 120
    first = [c.levels for c in long.history.candidates.values()]
    assert [c.levels for c in Laboratory(folder).history.candidates.values()][:20] == first[:20]


def change_trials(folder: Path, old: int, new: int) -> None:
    text = (folder / FILE).read_text()
    assert text.count(f"trials = {old}") == 1
    (folder / FILE).write_text(text.replace(f"trials = {old}", f"trials = {new}"))


@pytest.mark.parametrize("solver", ["snes", "cma", "random"])
def test_a_laboratory_that_is_open_works_with_the_budget_of_today(folder: Path, tmp_path: Path, solver: str) -> None:
    """`watch` and `serve` went on with the budget of their start: they ended early, or cut a block short."""
    orders = []
    for place, opened in ((folder, True), (tmp_path / "again", False)):
        lab = new_experiment(place, solver=solver, trials=60, changes={"repeats = 2": "repeats = 1"})
        finish(lab, blocks=1)
        change_trials(place, 60, 130)
        lab = lab if opened else Laboratory(place)
        lab.refresh()
        finish(lab)
        orders.append([(trial.stimulus, trial.kind) for trial in lab.history.trials])
    assert orders[0] == orders[1]
    assert len(orders[0]) > 120


def test_an_open_laboratory_refuses_another_budget_where_the_solver_plans_with_it(folder: Path) -> None:
    lab = new_experiment(folder, solver="portfolio", trials=60)
    finish(lab, blocks=1)
    change_trials(folder, 60, 130)
    for one in (lab, Laboratory(folder)):
        one.refresh()
        with pytest.raises(LabError, match="trials was 60 at the start, and portfolio plans with its whole budget"):
            one.next_block()


@pytest.mark.parametrize("trials", [20, 70])
def test_a_smaller_budget_than_was_spent_ends_the_experiment(folder: Path, trials: int) -> None:
    """It was taken for a package that has changed, since the solvers could not be asked again for all."""
    lab = new_experiment(folder, trials=200, solver="snes")
    finish(lab, blocks=3)
    assert len(lab.history.trials) > 70
    change_trials(folder, 200, trials)
    lab.refresh()
    assert lab.next_block() is None
    assert Laboratory(folder).next_block() is None
    change_trials(folder, trials, 200)
    assert Laboratory(folder).next_block() is not None


def test_a_reference_image_never_shares_its_name_with_a_candidate(folder: Path) -> None:
    """The candidate was presented as the photograph, and drift was measured on it."""
    photograph = folder.parent / "photo-0001.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(photograph)
    text = template(generator="toy", neurons=["ref-photo"], solver="cma", together=False, trials=100, seed=0)
    with pytest.raises(LabError, match=r"photo-0001\.png would be called ref-photo-0001, as a candidate of search"):
        create(folder, text, [photograph])
    create(folder, text)
    (folder / "references").mkdir()
    shutil.copy(photograph, folder / "references")
    with pytest.raises(LabError, match="rename the image"):
        Laboratory(folder).next_block()
    (folder / "references" / photograph.name).rename(folder / "references" / "photo-1.png")
    assert Laboratory(folder).next_block() is not None


def test_nothing_is_fixed_before_the_first_block(folder: Path) -> None:
    """A budget for no block counted as an experiment that was begun, and finished."""
    lab = new_experiment(folder, solver="portfolio", trials=1)
    with pytest.raises(LabError, match=r"trials = 1 in experiment\.toml is too small for a block"):
        lab.next_block()
    text = (folder / FILE).read_text()
    (folder / FILE).write_text(text.replace("trials = 1", "trials = 100").replace('"n1"', '"n7"'))
    assert Laboratory(folder).next_block() is not None
    events = [json.loads(line)["event"]["type"] for line in (folder / JOURNAL).read_text().splitlines()]
    assert events == ["start", "block"]


def test_an_end_by_what_a_solver_planned_is_said(folder: Path) -> None:
    """With fewer repeats from now on, trials are left, but no candidates that it could ask for."""
    few = {"candidates = 20": "candidates = 5", "repeats = 2": "repeats = 4", "blanks = 2": "blanks = 0"}
    lab = new_experiment(folder, solver="annealing", trials=60, changes={**few, "best = 1": "best = 0"})
    finish(lab, blocks=2)
    text = (folder / FILE).read_text()
    (folder / FILE).write_text(text.replace("repeats = 4", "repeats = 1"))
    lab.refresh()
    finish(lab)
    assert len(lab.history.trials) < 30
    assert why_finished(lab).startswith("annealing of search n1 has asked for all ")


def test_settings_on_which_the_past_depends_cannot_change(folder: Path) -> None:
    lab = new_experiment(folder)
    lab.next_block()
    text = (folder / FILE).read_text()
    for old, new, name in [("width = 48", "width = 50", "screen.width"), ("seed = 0", "seed = 1", "seed"),
                           ('"cma"', '"snes"', "search"), ("[50, 250]", "[50, 200]", "response.window")]:  # fmt: skip
        (folder / FILE).write_text(text.replace(old, new))
        with pytest.raises(LabError, match=rf"{name} in experiment.toml was changed after the first block"):
            Laboratory(folder)
    (folder / FILE).write_text(text.replace("candidates = 20", "candidates = 5"))
    finish(Laboratory(folder), blocks=2)
    assert kinds(Laboratory(folder), 2)["candidate"] == 10


def test_reference_images_are_shown_as_viewers_show_them(folder: Path) -> None:
    """A photograph by a phone held upright lay on its side, and clear parts of a picture had its hidden colour."""
    lab = new_experiment(folder)
    (folder / "references").mkdir()
    photograph = np.zeros((20, 20, 3), np.uint8)
    photograph[:10, :, 0], photograph[10:, :, 2] = 255, 255  # red above blue, which is turned
    turned = Image.fromarray(photograph)
    turned.getexif()[0x0112] = 6
    for suffix in ("jpg", "tif"):
        turned.save(folder / "references" / f"turned-{suffix}.{suffix}", exif=turned.getexif())
    clear = np.zeros((20, 20, 4), np.uint8)
    clear[..., 0], clear[:10, :, 3] = 255, 255
    Image.fromarray(clear).save(folder / "references" / "clear.png")
    Image.fromarray(clear).quantize().save(folder / "references" / "palette.png")
    shown = lab.pictures().draw(["ref-turned-jpg", "ref-turned-tif", "ref-clear", "ref-palette"], lab.history)
    for name in ("ref-turned-jpg", "ref-turned-tif"):
        left, right = shown[name][20, [14, 33]].astype(int)
        assert left[2] > 200 > 50 > left[0], "blue"
        assert right[0] > 200 > 50 > right[2], "red"
    for name in ("ref-clear", "ref-palette"):
        above, below = shown[name][[10, 30], 24]
        assert above.tolist() == [255, 0, 0]
        assert below.tolist() == shown[name][0, 0].tolist(), "the background"


@pytest.mark.parametrize(("name", "kind"), [("a.png", np.uint16), ("a.tif", np.uint16), ("a.tif", np.float32)])
def test_reference_images_with_more_than_8_bits_are_refused(folder: Path, name: str, kind: type) -> None:
    """They were shown as white or black squares."""
    image = folder.parent / name
    Image.fromarray(np.linspace(0, 1000, 400).reshape(20, 20).astype(kind)).save(image)
    lab = new_experiment(folder)
    with pytest.raises(LabError, match=r"mode [IF].*; save it with 8 bits per channel"):
        create(folder, (folder / FILE).read_text(), [image])
    (folder / "references").mkdir()
    shutil.copy(image, folder / "references")
    with pytest.raises(LabError, match="save it with 8 bits"):
        lab.next_block()
    assert not lab.history.blocks
    (folder / "references" / name).unlink()
    assert lab.next_block() is not None


def test_the_table_of_a_block_is_read_whatever_the_names_of_its_images(folder: Path) -> None:
    """Characters that part lines in Python parted the rows of presentations.csv."""
    lab = new_experiment(folder, references=1)
    image = folder / "references" / "image0.png"
    shutil.copy(image, image.with_name("a\u2028b\x0b\x1c\x85, c.png"))
    finish(lab, blocks=1)
    table = folder.parent / "responses.csv"
    with (lab.block_folder(1) / PRESENTATIONS).open(newline="", encoding="utf-8") as shown:
        rows = list(csv.DictReader(shown))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "n1"])
        writer.writeheader()
        writer.writerows({**row, "n1": 1} for row in rows)
    assert len(read_responses(table, lab.experiment)) == len(rows)
    shutil.copy(image, image.with_name("a\nb.png"))
    with pytest.raises(LabError, match="has a line break, which parts rows of tables; rename it"):
        lab.next_block()


def test_a_reference_image_cannot_be_replaced(folder: Path) -> None:
    lab = new_experiment(folder, references=1)
    finish(lab, blocks=1)
    Image.new("RGB", (9, 9)).save(folder / "references" / "image0.png")
    with pytest.raises(LabError, match="not the one that was presented before"):
        Laboratory(folder).next_block()


def test_new_is_idempotent_and_never_replaces_another_experiment(folder: Path) -> None:
    new_experiment(folder, references=2)
    new_experiment(folder, references=2)
    with pytest.raises(LabError, match="holds another experiment"):
        new_experiment(folder, trials=7)


def test_a_torn_last_line_is_cut_off_and_other_damage_refused(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    lab.tell(rows[:3], source="x")
    path = folder / JOURNAL
    whole = path.read_bytes()
    start_of_last = whole[:-1].rfind(b"\n") + 1
    for end in (start_of_last + 1, start_of_last + 40, len(whole) - 1):
        for rest in (b"", b"\0" * 40 + b"\n"):
            path.write_bytes(whole[:end] + rest)
            torn = Laboratory(folder)
            assert not torn.history.recorded(1, "n1")
            torn.tell(rows[:3], source="x")
            assert path.read_bytes()[:start_of_last] == whole[:start_of_last]
            assert Laboratory(folder).history.value(1, "n1") == rows[0].value
    for damaged in (whole.replace(b'"limit":20', b'"limit":21'), whole[whole.find(b"\n") + 1 :],
                    whole[:-3] + b"]" + whole[-2:]):  # fmt: skip
        path.write_bytes(damaged)
        with pytest.raises(LabError, match=r"line [123] of .* is damaged"):
            Laboratory(folder)


def test_a_resumed_experiment_asks_for_the_same_stimuli(folder: Path, tmp_path: Path) -> None:
    """Every command in a process of its own is like a new `Laboratory` for each call."""
    steady = new_experiment(folder, neurons=("a", "b"), trials=200)
    finish(steady)
    new_experiment(tmp_path / "again", neurons=("a", "b"), trials=200)
    while (block := Laboratory(tmp_path / "again").next_block()) is not None:
        lab = Laboratory(tmp_path / "again")
        Laboratory(tmp_path / "again").tell(rows_for(lab, block), source="x")
    again = Laboratory(tmp_path / "again")
    assert again.history.candidates == steady.history.candidates
    assert [b.order for b in again.history.blocks] == [b.order for b in steady.history.blocks]


@pytest.mark.usefixtures("one_thread")
def test_a_solver_that_sees_images_is_shown_those_of_the_generator(folder: Path) -> None:
    """A living neuron has no other view; reopened, the search continues where it was."""
    lab = new_experiment(folder, solver="inception-loop[pool=32,steps=2,k=4]", trials=150)
    assert finish(lab, blocks=3) == 3
    block = Laboratory(folder).next_block()
    assert block is not None
    assert block.number == 4


@pytest.mark.parametrize(
    ("changed", "what"), [({"fingerprint": "toy-2"}, "weights"), ({"_grid": narrower}, "latents on its grid")]
)
def test_a_generator_that_would_draw_other_pictures_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], what: str
) -> None:
    """Its candidates are stored as levels: on another grid, they are other stimuli than those that were presented."""
    lab = new_experiment(folder, solver="one-plus-lambda")
    finish(lab, blocks=1)
    shutil.rmtree(folder / "blocks" / "block-001")
    for name, value in changed.items():
        monkeypatch.setattr(ToyGenerator, name, value)
    for draws in (lambda: Laboratory(folder).next_block(), lambda: write_report(Laboratory(folder))):
        with pytest.raises(LabError, match=f"generator toy has other {what} than at the start of the experiment"):
            draws()


def test_an_experiment_begun_before_grids_were_told_goes_on(folder: Path) -> None:
    lab = new_experiment(folder)
    finish(lab, blocks=1)
    rewrite(folder, lambda event: re.sub(r',"grid":"\w+"', "", event))
    assert Laboratory(folder).next_block() is not None


CLUMSY = """
import os, sys
import amb
class Clumsy(amb.Solver):
    def _ask(self, limit):
        raising = os.environ.get("CLUMSY")
        if raising:
            raise eval(raising)
        os.chdir("/")
        os.umask(0o777)
        return self.space.sample(min(limit, 3), self.rng)
"""


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_what_a_solver_does_is_told_in_a_line_and_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str
) -> None:
    """sys.exit(0) ended `next` and `watch` without a word; after a change of the directory, no journal was found."""
    (tmp_path / "clumsy.py").write_text(CLUMSY)
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.KINDS})
    plugins.load_file(tmp_path / "clumsy.py")
    monkeypatch.chdir(tmp_path)
    folder = Path("experiment")
    new_experiment(folder, solver="clumsy")
    monkeypatch.setenv("CLUMSY", raised)
    named = raised.partition("(")[0]
    with pytest.raises(LabError, match=f"the solver of search n1 failed: {named}.*; all responses are kept"):
        Laboratory(folder).next_block()
    with pytest.raises(LabError, match=f"the solver of search n1 failed: {named}"):
        batch_sizes(Laboratory(folder).experiment)
    monkeypatch.delenv("CLUMSY")
    lab = Laboratory(folder)
    assert finish(lab, blocks=2) == 2
    assert os.access(folder / JOURNAL, os.R_OK)
    assert Path.cwd() == tmp_path


def test_a_solver_that_changed_is_refused(folder: Path) -> None:
    lab = new_experiment(folder)
    finish(lab, blocks=1)
    lines = (folder / JOURNAL).read_text().splitlines()
    start = json.loads(lines[0])["event"]
    assert start["solvers"] == {"n1": lab.history.start.solvers["n1"]}  # type: ignore[union-attr]
    rewrite(folder, lambda event: event.replace('"solvers":{"n1":"', '"solvers":{"n1":"0'))
    with pytest.raises(LabError, match="which may ask for other stimuli"):
        Laboratory(folder).next_block()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("candidates = 20", "candiates = 20", "'block.candiates'; did you mean block.candidates"),
        ("candidates = 20", "candidates = 0", "block.candidates: expected `int` >= 1, got 0"),
        ('neurons = ["n1"]\ntrials', "neurons = []\ntrials", "neurons: expected `array` of length >= 1, got"),
        (
            'solver = "cma"\nneurons = ["n1"]',
            'solver = "cma"\nneurons = ["n2"]',
            "unknown neuron of search n2 'n2'; there are: n1",
        ),
        ("window = [50, 250]", "window = [250, 50]", "response.window must be"),
        ("size = 256 ", "size = 300 ", "the stimulus must fit"),
        ('resampling = "bicubic"', 'resampling = "best"', "screen.resampling: invalid enum value 'best'"),
        ("trials = 100", "trials = ", "is not TOML"),
        ("trials = 100", f"trials = {'9' * 5000}", "has a number of thousands of digits; expected whole numbers"),
        ("trials = 100", f"trials = 0x{'f' * 5000}", "trials has a number of 20,000 bits; expected whole numbers"),
        ("window = [50, 250]", f"window = [50, {2**63}]", "response.window has a number of 64 bits"),
    ],
)
def test_wrong_settings_are_explained(old: str, new: str, message: str) -> None:
    text = template(generator="toy", neurons=["n1"], solver="cma", together=False, trials=100, seed=0)
    assert old in text
    with pytest.raises(LabError, match=message):
        parse_experiment(text.replace(old, new), "experiment.toml")


def test_a_search_of_many_neurons_has_a_short_name() -> None:
    """Their names joined are too long for one, and there was no file yet to write another into."""
    names = [f"n{number}" for number in range(100)]
    few, many = (
        parse_experiment(
            template(generator="toy", neurons=some, solver="cma", together=True, trials=100, seed=0), "experiment.toml"
        )
        for some in (names[:3], names)
    )
    assert [search.name for search in few.searches] == ["n0+n1+n2"]
    assert [(search.name, len(search.neurons)) for search in many.searches] == [("all", 100)]


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize(
    "text", [".".join("a" * 400_000) + " = 1", f"[{'.'.join('a' * 3000)}]\n" + "b = 1\n" * 100_000]
)
def test_settings_with_endless_keys_are_refused_at_once(text: str) -> None:
    with pytest.raises(LabError, match=r"line 1 has [0-9,]+ points; a key has two parts at most"):
        parse_experiment(text, "experiment.toml")


def test_what_a_new_experiment_writes_is_read_again(tmp_path: Path) -> None:
    """900 neurons with a point in their names were refused by a line of a file that was not there."""
    neurons = tuple(f"V4.{number}" for number in range(1500))
    text = template(generator="toy", neurons=neurons, solver="cma", together=False, trials=100_000, seed=0)
    create(tmp_path / "many", text)
    assert Laboratory(tmp_path / "many").experiment.neurons == neurons
    with pytest.raises(LabError, match=r"would have [0-9,]+ bytes; the limit is 1,048,576: record fewer neurons"):
        create(tmp_path / "larger", text + "#" * (1 << 20))
    assert not (tmp_path / "larger").exists()


def test_points_of_a_key_behind_a_text_of_several_lines_count() -> None:
    text = 'a = """\n"""\nb = {c = """\n""", d' + ".e" * 100_000 + " = 1}\n"
    with pytest.raises(LabError, match="line 4 has 100,000 points"):
        parse_experiment(text, "experiment.toml")


def test_what_does_not_exist_is_refused_before_the_folder_is_made(folder: Path) -> None:
    for changes, message in [({'"toy"': '"toi"'}, "unknown generator 'toi'"), ({'"cma"': '"cmaa"'}, "unknown solver"),
                             ({'"cma"': '"gradient"'}, "needs the gradients")]:  # fmt: skip
        text = template(generator="toy", neurons=["n1"], solver="cma", together=False, trials=9, seed=0)
        for old, new in changes.items():
            text = text.replace(old, new)
        with pytest.raises(Exception, match=message):
            create(folder, text)
        assert not folder.exists()


def test_a_response_to_another_stimulus_is_refused(folder: Path) -> None:
    """Rows that came out of order: the columns that `presentations.csv` has too tell."""
    lab = new_experiment(folder)
    block = lab.next_block()
    with (block.folder / "presentations.csv").open(newline="") as file:
        shown = list(csv.DictReader(file))
    table = folder / "r.csv"
    for column in ("stimulus", "file"):
        swapped = next(i for i, row in enumerate(shown) if row[column] != shown[0][column])
        stated = [row[column] for row in shown]
        table.write_text(f"trial,{column},n1\n" + "".join(f"{i},{s},2.5\n" for i, s in enumerate(stated, 1)))
        rows = read_responses(table, lab.experiment)
        stated[0], stated[swapped] = stated[swapped], stated[0]
        table.write_text(f"trial,{column},n1\n" + "".join(f"{i},{s},2.5\n" for i, s in enumerate(stated, 1)))
        with pytest.raises(LabError, match=f"trial 1 showed {shown[0]['stimulus']}, not"):
            lab.tell(read_responses(table, lab.experiment), source="r.csv")
        for before, after in (
            ("blocks/block-001/", ""),
            (r"C:\rig\block-001" + "\\", ".png"),
            ("", ".PNG"),
            ("", ".jpg"),
        ):
            said = [before + s.removesuffix(".png").upper() + after for s in stated]  # as a rig may log what it loaded
            table.write_text(f"trial,{column},n1\n" + "".join(f"{i},{s},2.5\n" for i, s in enumerate(said, 1)))
            with pytest.raises(LabError, match=f"trial 1 showed {shown[0]['stimulus']}, not"):
                lab.tell(read_responses(table, lab.experiment), source="r.csv")
    assert lab.history.missing(1) == list(block.trials)
    table.write_text("trial,stimulus,n1\n1,7,2.5\n")  # the user's own numbers
    assert lab.tell(read_responses(table, lab.experiment), source="r.csv").new == 1
    assert lab.tell(rows, source="r.csv").known == 1
