"""Real faults: a disk that takes no more, several terminals at once, and solvers of every kind that are resumed."""

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from commands import command
from PIL import Image

from amb.errors import LabError, SpecError
from amb.lab import laboratory
from amb.lab.blocks import presentations, write_block
from amb.lab.experiment import template
from amb.lab.journal import FILE, Closed, Responses, append, read_journal
from amb.lab.laboratory import Laboratory, create
from amb.lab.rehearsal import answer, subject_of
from amb.lab.report import write_report
from amb.lab.responses import Row
from amb.lab.stimuli import read_image
from amb.lab.subject import Subject, read_subject

from .conftest import finish, new_experiment, rows_for


def csv_file(path: Path, rows: list) -> Path:
    path.write_text("trial,neuron,response\n" + "".join(f"{r.trial},{r.neuron},{r.value!r}\n" for r in rows))
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process")
def test_a_disk_that_takes_no_more_loses_nothing(folder: Path) -> None:
    """The write fails in the middle of a line; the journal is as before, and the same command succeeds later."""
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    file = csv_file(folder.parent / "r.csv", rows_for(lab, block))
    before = (folder / FILE).read_bytes()
    # -B: where a file may not grow, Python 3.11 leaves torn byte code, which no later import reads.
    tell = [sys.executable, "-B", "-m", "amb", "lab", "tell", str(folder), str(file)]

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, len(before) + 100))

    failed = subprocess.run(tell, preexec_fn=full, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "nothing was recorded: repeat the command" in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert (folder / FILE).read_bytes() == before
    subprocess.run(tell, check=True, capture_output=True)
    assert Laboratory(folder).history.open_block is None


def test_terminals_that_work_at_the_same_time_take_turns(folder: Path) -> None:
    """Four processes tell a quarter of the block each, while two others ask for the next block."""
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    files = [csv_file(folder.parent / f"{i}.csv", rows[i::4]) for i in range(4)]
    commands = [["tell", str(folder), str(file)] for file in files] + [["next", str(folder), "--json"]] * 2
    running = [
        subprocess.Popen([sys.executable, "-m", "amb", "lab", *words], stdout=subprocess.PIPE, text=True)
        for words in commands
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 6
    assert all(json.loads(text)["block"] in (1, 2) for text in printed[4:])
    after = Laboratory(folder)
    assert not after.history.missing(1)
    assert [after.history.value(row.trial, row.neuron) for row in rows] == [row.value for row in rows]
    assert len(after.history.blocks) <= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="locks")
def test_of_two_experiments_that_begin_in_one_folder_the_second_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins while the first, which has found the folder empty, is about to write its settings."""
    texts = [
        template(generator="toy", neurons=names, solver="cma", together=False, trials=100, seed=0)
        for names in (("n1",), ("n2",))
    ]
    came, refused = threading.Event(), []
    write, lock = laboratory.write_whole, laboratory.hold

    def second() -> None:
        try:
            create(folder, texts[1])
        except LabError as error:
            refused.append(str(error))
        came.set()

    other = threading.Thread(target=second)

    def write_late(*arguments: object, **options: object) -> None:
        if threading.current_thread() is not other:
            other.start()
            came.wait()
        write(*arguments, **options)  # type: ignore[arg-type]

    def knock(*arguments: object, **options: object) -> object:
        if threading.current_thread() is other:
            came.set()
        return lock(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(laboratory, "write_whole", write_late)
    monkeypatch.setattr(laboratory, "hold", knock)
    create(folder, texts[0])
    other.join()
    assert (folder / "experiment.toml").read_text() == texts[0]
    assert len(refused) == 1
    assert "holds another experiment already" in refused[0]


@pytest.mark.parametrize("solver", ["tt-b", "ttopt", "xdream-ga", "local-search", "portfolio", "sphere-cma[k=8]"])
def test_every_kind_of_solver_is_resumed_where_it_was(folder: Path, tmp_path: Path, solver: str) -> None:
    """In batches or one by one, with a schedule or without; some trials are lost, and each block has a new process."""
    changes = {"repeats = 2": "repeats = 1", "retries = 1": "retries = 0"}
    steady = new_experiment(folder, solver=solver, trials=120, changes=changes)
    finish(steady, skip=lambda n: n % 7 == 0, blocks=4)
    new_experiment(tmp_path / "again", solver=solver, trials=120, changes=changes)
    for _ in range(4):
        finish(Laboratory(tmp_path / "again"), skip=lambda n: n % 7 == 0, blocks=1)
    again = Laboratory(tmp_path / "again")
    assert again.history.candidates == steady.history.candidates
    assert [b.asks for b in again.history.blocks] == [b.asks for b in steady.history.blocks]


@pytest.mark.parametrize("fault", ["emptied", "missing", "older", "of another experiment"])
def test_an_experiment_never_starts_over_by_a_journal_that_is_not_its_own(folder: Path, fault: str) -> None:
    """Every trial is on an animal: no command plans, writes or records anything, and says what to do in one line."""
    lab = new_experiment(folder)
    finish(lab, blocks=1)
    journal = folder / FILE
    backup = journal.read_bytes()
    finish(lab, blocks=1)
    if fault == "emptied":
        journal.write_bytes(b"")
    elif fault == "missing":
        journal.unlink()
    elif fault == "older":
        journal.write_bytes(backup)
    else:  # of the same settings, so that nothing but its past tells the two apart
        other = new_experiment(folder.parent / "other")
        finish(other, blocks=2)
        journal.write_bytes((other.folder / FILE).read_bytes())
    file = csv_file(folder.parent / "r.csv", [])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for words in (["next", str(folder)], ["tell", str(folder), str(file)], ["status", str(folder)]):
        refused = command("lab", *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert " ".join(refused.stderr.split()).startswith("amb: ")
        assert "restore the file from a backup" in " ".join(refused.stderr.split())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_pictures_that_were_deleted_are_written_again_by_the_experiments_own_journal(folder: Path) -> None:
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    before = {path.name: path.read_bytes() for path in block.folder.iterdir()}
    shutil.rmtree(folder / "blocks")
    again = Laboratory(folder).next_block()
    assert again is not None
    assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == before


def test_a_journal_that_was_away_for_a_moment_is_not_begun_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share comes back between the reading of the journal, which it did not have, and the first line of a new one."""
    lab = new_experiment(folder)
    finish(lab, blocks=1)
    journal, away = folder / FILE, folder / "away"
    before = journal.read_bytes()
    shutil.rmtree(folder / "blocks")  # of which nothing is there either
    journal.rename(away)
    begin = laboratory.start_of

    def comes_back(*arguments: object, **options: object) -> object:
        away.rename(journal)
        return begin(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(laboratory, "start_of", comes_back)
    with pytest.raises(LabError, match="was changed since it was read; nothing was recorded: repeat the command"):
        Laboratory(folder).next_block()
    assert journal.read_bytes() == before


@pytest.mark.parametrize("change", ["longer", "shorter", "gone"])
def test_lines_of_another_process_are_never_cut_off(folder: Path, change: str) -> None:
    """Without locks, as on some shares, both processes write at the end that they have read."""
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    journal = folder / FILE
    known, rows = read_journal(folder), rows_for(lab, block)
    lab.tell(rows[:5], source="another process")
    if change != "longer":
        os.truncate(journal, known.size - 10)
    before = journal.read_bytes()
    if change == "gone":
        journal.unlink()
    with pytest.raises(LabError, match="nothing was recorded: repeat the command"):
        append(folder, known, Closed(1, ""))
    assert not journal.exists() if change == "gone" else journal.read_bytes() == before


def test_a_snapshot_by_hard_links_stays_as_it_is(folder: Path) -> None:
    """As `cp -al` and `rsync --link-dest` make it: neither sees what is told to the other."""
    lab = new_experiment(folder)
    block = lab.next_block()
    assert block is not None
    snapshot = folder.with_name("snapshot")
    shutil.copytree(folder, snapshot, copy_function=os.link)
    (folder / FILE).chmod(0o640)
    before = (snapshot / FILE).read_bytes()
    rows = rows_for(lab, block)
    lab.tell(rows[:5], source="mine")
    assert (snapshot / FILE).read_bytes() == before
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o640
    inode = (folder / FILE).stat().st_ino
    lab.tell(rows[5:10], source="mine")
    assert (folder / FILE).stat().st_ino == inode
    told = (folder / FILE).read_bytes()
    Laboratory(snapshot).tell(rows[:3], source="a rehearsal")
    assert (folder / FILE).read_bytes() == told
    assert len(read_journal(folder).events) == 4
    assert len(read_journal(snapshot).events) == 3


def test_settings_nested_without_end_are_refused(folder: Path) -> None:
    new_experiment(folder)
    (folder / "experiment.toml").write_text("a = " + "[" * 20_000 + "]" * 20_000)
    with pytest.raises(LabError, match="nested too deeply"):
        Laboratory(folder)


@pytest.mark.parametrize("field", ["event", "note"])
def test_a_journal_nested_without_end_is_damaged(folder: Path, field: str) -> None:
    lab = new_experiment(folder)
    lab.next_block()
    with (folder / FILE).open("a") as journal:
        journal.write(f'{{"crc":"0","event":1,"{field}":' + "[" * 50_000 + "]" * 50_000 + "}\n")
    with pytest.raises(LabError, match=r"line 3 of .* is damaged .*nested too deeply"):
        Laboratory(folder)


def rewritten(folder: Path, change: Callable[[list[dict]], None]) -> None:
    """Change the events of a journal, and give all lines the right checksums."""
    events = [json.loads(line)["event"] for line in (folder / FILE).read_text().splitlines()]
    change(events)
    crc, lines = 0, []
    for event in events:
        encoded = json.dumps(event, separators=(",", ":")).encode()
        crc = zlib.crc32(encoded, crc)
        lines.append(b'{"crc":"%08x","event":%b}\n' % (crc, encoded))
    (folder / FILE).write_bytes(b"".join(lines))


def first(events: list[dict], kind: str) -> dict:
    return next(event for event in events if event["type"] == kind)


CONTRADICTIONS: dict[str, tuple[Callable[[list[dict]], object], int]] = {
    "trials have": (lambda events: first(events, "responses")["values"].pop(), 3),
    "there is no trial 0": (lambda events: first(events, "responses")["trials"].__setitem__(0, 0), 3),
    "there is no neuron 'x'": (lambda events: first(events, "responses")["neurons"].__setitem__(0, "x"), 3),
    "begins with trial 7": (lambda events: first(events, "block").update(first=7), 2),
    "is not of": (lambda events: events[3]["asks"][0]["candidates"][1].pop(), 4),
    "was told": (lambda events: events[3]["asks"][0]["told"].pop(), 4),
    "has asked twice": (lambda events: events[3]["asks"].append(events[3]["asks"][0]), 4),
    "there is no candidate ''": (lambda events: first(events, "block")["order"].__setitem__(0, ["", "candidate"]), 2),
    "there is no reference 'ref-image0'": (lambda events: first(events, "block").update(references={}), 2),
    "there is no search 'x'": (lambda events: first(events, "block")["asks"][0].update(search="x"), 2),
    "there is no stimulus 'x'": (lambda events: events[3].update(leaders={"n1": "x"}), 4),
    "has no solver": (lambda events: events[0].update(solvers={}), 1),
    "starts for the second time": (lambda events: events.insert(1, events[0]), 2),
    "there is no block 9": (lambda events: events.append({"type": "closed", "block": 9, "time": ""}), 5),
    "values before": (lambda events: first(events, "corrected")["before"].pop(), 5),
}


def test_a_journal_that_contradicts_itself_is_refused_by_its_line(folder: Path) -> None:
    lab = new_experiment(folder, references=1)
    finish(lab, blocks=1)
    lab.next_block()
    shutil.rmtree(folder / "blocks")
    right = (folder / FILE).read_bytes()
    rewritten(folder, lambda events: None)
    assert (folder / FILE).read_bytes() == right
    Laboratory(folder)
    for message, (change, line) in CONTRADICTIONS.items():
        (folder / FILE).write_bytes(right)
        if message == "values before":
            lab.refresh()
            rows = [Row(1, "n1", 5.0)]
            lab.correct(rows, block=1, reason="wrong", source="test")
        rewritten(folder, change)
        for opened in (lambda: Laboratory(folder), lab.refresh):
            with pytest.raises(LabError, match=f"line {line} of .* contradicts those before it .*{message}"):
                opened()


def test_candidates_of_another_grid_are_refused_when_they_are_drawn(folder: Path) -> None:
    new_experiment(folder).next_block()
    shutil.rmtree(folder / "blocks")
    rewritten(folder, lambda events: [levels.pop() for levels in first(events, "block")["asks"][0]["candidates"]][:0])
    with pytest.raises(LabError, match="the journal is of another generator or grid"):
        Laboratory(folder).next_block()


def test_a_laboratory_takes_a_folder_as_text_with_the_home_expanded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_experiment(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert Laboratory(f"~/{folder.name}").folder == folder


NO_FILES = {
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else Path.touch,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a file of half a gigabyte": lambda path: path.write_bytes(b"") or os.truncate(path, 1 << 29),
    "other bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices")
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_never_waited_for_nor_read_without_end(
    folder: Path, make: Callable[[Path], object], tmp_path: Path
) -> None:
    """In place of the settings, the subject, a table, a picture and a reference image."""
    lab = new_experiment(folder, references=1)
    block = lab.next_block()
    assert block is not None
    picture, table = sorted(block.folder.glob("*.png"))[0], block.folder / "presentations.csv"
    image = next((folder / "references").iterdir())
    readers: dict[Path, Callable[[], object]] = {
        folder / "subject.toml": lambda: read_subject(folder / "subject.toml"),
        picture: lambda: read_image(picture),
        table: lambda: presentations(folder, block.number),
        image: lambda: create(folder, text, [tmp_path / image.name]),
        folder / "experiment.toml": lambda: create(folder, text),
    }
    text = (folder / "experiment.toml").read_text()
    shutil.copy(image, tmp_path / image.name)
    for path, read in readers.items():
        content = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        make(path)
        with pytest.raises(LabError) as refused:
            read()
        assert "\n" not in str(refused.value)
        if path in (picture, table) and not path.is_dir() and not path.is_fifo():
            again = Laboratory(folder).next_block()
            assert again is not None
            assert again.restored == (path.name,)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        path.write_bytes(content)


def test_an_image_of_another_kind_than_its_name_says_runs_no_program(tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript."""
    Image.new("RGB", (8, 8)).save(tmp_path / "image.eps")
    (tmp_path / "image.eps").rename(tmp_path / "image.png")
    with pytest.raises(LabError, match="cannot read the image"):
        read_image(tmp_path / "image.png")


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_an_image_that_unfolds_is_refused_by_its_size(tmp_path: Path) -> None:
    for side in (10_001, 14_000):
        Image.new("1", (side, side)).save(tmp_path / "image.png")
        with pytest.raises(LabError, match=f"{side} x {side} pixels|{side**2} pixels"):
            read_image(tmp_path / "image.png")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS = {
    "a picture is deleted": (".png", Path.unlink),
    "a picture is cut": (".png", lambda path: os.truncate(path, 20)),
    "a picture is another one": (".png", flip),
    "the table is deleted": (".csv", Path.unlink),
    "the table is emptied": (".csv", lambda path: os.truncate(path, 0)),
    "the table has lost rows": (".csv", lambda path: path.write_text("".join(path.open().readlines()[:-3]))),
    "the table is reordered": (".csv", lambda path: path.write_text("".join(sorted(path.open().readlines())[::-1]))),
}


@pytest.mark.parametrize(("suffix", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_damaged_file_of_the_open_block_is_written_again_and_named(
    folder: Path, suffix: str, fault: Callable[[Path], object]
) -> None:
    """A rig would present another stimulus than the one whose response is recorded. What a user put there stays."""
    block = new_experiment(folder).next_block()
    assert block is not None
    (block.folder / "responses.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in block.folder.iterdir()}
    damaged = next(path for path in sorted(block.folder.iterdir()) if path.suffix == suffix)
    fault(damaged)
    again = Laboratory(folder).next_block()
    assert again is not None
    assert again.restored == (damaged.name,)
    assert {path.name: path.read_bytes() for path in block.folder.iterdir()} == before
    assert Laboratory(folder).next_block() == block


def test_a_disk_that_takes_two_pictures_for_one_is_refused(folder: Path) -> None:
    """As macOS and Windows do with n1 and N1; any disk does with these."""
    lab = new_experiment(folder)
    lab.next_block()
    picture = read_image(next((folder / "blocks").rglob("*.png")))
    block = folder / "blocks" / "block-002"
    with pytest.raises(LabError, match="would replace another one"):
        write_block(
            block, lab.history.blocks[0], "0", {"n1-0001": np.asarray(picture), "./n1-0001": np.asarray(picture)}
        )
    assert not block.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize("place", ["blocks", "blocks/block-001", "report", "responses"])
def test_nothing_is_written_through_a_link_to_the_outside(folder: Path, tmp_path: Path, place: str) -> None:
    """An experiment may be somebody else's."""
    lab, elsewhere = new_experiment(folder), tmp_path / "elsewhere"
    block = lab.next_block()
    assert block is not None
    if (folder / place).exists():
        (folder / place).rename(tmp_path / "away")
    elsewhere.mkdir()
    (folder / place).symlink_to(elsewhere)
    work: dict[str, Callable[[], object]] = {
        "report": lambda: write_report(lab),
        "responses": lambda: answer(lab, cast(Subject, None), block),
    }
    with pytest.raises(LabError, match="points outside" if place in ("blocks", "responses") else "symbolic link"):
        work.get(place, lambda: Laboratory(folder).next_block())()
    assert not list(elsewhere.iterdir())


def test_an_unfinished_block_that_is_a_link_is_begun_anew(folder: Path, tmp_path: Path) -> None:
    (folder / "blocks").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (folder / "blocks" / ".block-001.tmp").symlink_to(tmp_path / "elsewhere")
    block = new_experiment(folder).next_block()
    assert block is not None
    assert (block.folder / "presentations.csv").is_file()
    assert not block.folder.is_symlink()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_names_that_are_not_utf8_are_refused_or_recorded(folder: Path) -> None:
    """The journal, which is JSON, cannot hold such a stimulus, and need not hold the file's name as it is."""
    lab = new_experiment(folder, references=1)
    image = folder / "references" / "image0.png"
    odd = image.with_name(os.fsdecode(b"\xff.png"))
    image.rename(odd)
    with pytest.raises(SpecError, match="is not UTF-8, which tables and pages need; rename the folder or file"):
        lab.next_block()
    odd.rename(image)
    block = lab.next_block()
    assert block is not None
    lab.tell(rows_for(lab, block), source=os.fsdecode(b"\xff.csv"))
    event = read_journal(folder).events[-1]
    assert isinstance(event, Responses)
    assert event.source == "\\udcff.csv"


@pytest.mark.parametrize("other", ["\u00e9t\u00e9.bmp", "\u00c9T\u00c9.png", "e\u0301te\u0301.png"])
def test_reference_images_whose_pictures_some_disk_takes_for_one_are_refused(folder: Path, other: str) -> None:
    """They differ in the suffix, the case or the form of Unicode only; the second picture would replace the first."""
    lab = new_experiment(folder, references=1)
    image = folder / "references" / "image0.png"
    shutil.copy(image, image.with_name("\u00e9t\u00e9.png"))
    shutil.copy(image, image.with_name(other))
    with pytest.raises(LabError, match=r"would have one name, ref-.*: rename one of them"):
        lab.next_block()


@pytest.mark.parametrize("name", ["experiment.toml", "subject.toml"])
def test_settings_that_are_no_text_are_refused(folder: Path, name: str) -> None:
    """A pipe was waited for, and another encoding ended `new` with a traceback."""
    lab = new_experiment(folder)
    (folder / name).unlink(missing_ok=True)
    text = template(generator="toy", neurons=["n1"], solver="cma", together=False, trials=100, seed=0)
    for make, reason in (
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.write_bytes(b"# \xff"), "byte 3 "),
    ):
        make(folder / name)
        with pytest.raises(LabError, match=f"cannot read .*{name}: .*{reason}"):
            _ = create(folder, text) if name == "experiment.toml" else subject_of(lab)
        (folder / name).unlink()


def test_settings_that_an_editor_of_windows_saved_are_read(folder: Path) -> None:
    """It begins the file with a mark, which was taken for an invalid statement."""
    lab = new_experiment(folder)
    (folder / "experiment.toml").write_text((folder / "experiment.toml").read_text(), encoding="utf-8-sig")
    assert Laboratory(folder).experiment == lab.experiment
