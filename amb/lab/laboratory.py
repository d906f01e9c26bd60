"""An experiment in a folder: the next block out, responses in. Every operation can be repeated."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from amb.errors import BusyError, LabError
from amb.kept_path import KeptPath
from amb.lab.blocks import (
    BLOCKS,
    PRESENTATIONS,
    block_folder,
    damaged_files,
    is_written,
    refuse_another_journal,
    restore_files,
    write_block,
    written_blocks,
)
from amb.lab.contradictions import refuse_contradiction
from amb.lab.experiment import FILE, Experiment, parse_experiment, read_experiment, settings_text
from amb.lab.history import History, history_of, reference_name
from amb.lab.journal import FILE as JOURNAL
from amb.lab.journal import (
    BlockPlanned,
    Closed,
    Corrected,
    Event,
    JournalContent,
    Responses,
    Start,
    append,
    read_journal,
)
from amb.lab.planning import plan_block
from amb.lab.responses import Row, corrected_rows, new_rows
from amb.lab.searches import Searches, resolve_generator
from amb.lab.start import refuse_another_generator, refuse_changes, start_of
from amb.lab.stimuli import (
    FOLDER,
    Pictures,
    content_hash,
    image_bytes,
    read_image,
    reference_files,
    refuse_shared_names,
)
from amb.lab.toml import LARGEST
from amb.study.durable import flush_file, flush_folder, make_folder, write_whole
from amb.study.links import refuse_outside
from amb.study.lock import Claim, claim, hold, unlocked
from amb.study.log import now
from amb.study.untrusted import plain

LOCK = ".lock"
"""Held by whoever changes an experiment."""

LONGEST_REASON = 1000
"""Characters of a correction's reason."""


@dataclass(frozen=True)
class Block:
    """A block to present.

    Attributes:
        number: from 1.
        folder: its pictures and `presentations.csv`.
        trials: all its trials.
        missing: those that have no response yet.
        restored: its files that were missing or changed, and were written again; they may have been presented so.
    """

    number: int
    folder: Path
    trials: range
    missing: tuple[int, ...]
    restored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What became of responses.

    Attributes:
        new: responses and rejections that were recorded.
        known: those that had been recorded before, with the same values.
        block: the block that is open now, or None.
        missing: its trials that lack a response.
    """

    new: int
    known: int
    block: int | None
    missing: tuple[int, ...]


@dataclass(frozen=True)
class Correction:
    """What became of a correction.

    Attributes:
        corrected: responses and rejections that count from now on instead of others.
        new: those of trials that had none yet.
        known: those that were recorded so already.
        restarted: the searches whose solvers were told wrong values, and the first block proposed by them.
    """

    corrected: int
    new: int
    known: int
    restarted: Mapping[str, int]


class Laboratory:
    """The experiment in a folder; what other processes do to it is seen by every call.

    Life cycle::

        lab = Laboratory(folder)
        while (block := lab.next_block()) is not None:
            lab.tell(read_responses(file, lab.experiment), source=file.name)

    Args:
        folder: the experiment.
        patience: seconds to wait for another process that works on the experiment; then a call raises BusyError.

    Raises:
        LabError: the folder holds no experiment, its blocks are elsewhere, or its journal is damaged.
        SpecError: the folder is no path.
    """

    def __init__(self, folder: str | Path, *, patience: float = math.inf) -> None:
        self._kept = KeptPath(folder)
        refuse_outside(self.folder, [BLOCKS], LabError)
        self._patience = patience
        self.experiment = read_experiment(self.folder)
        self.history = History()
        self._content = JournalContent()
        self._searches: Searches | None = None
        self._replayed = 0  # events that the solvers have seen
        self._settled = (0, 0)  # size and checksum of the journal that the disk has
        self.refresh()

    @property
    def folder(self) -> Path:
        """Where the experiment is; the same folder whatever the current one is."""
        return self._kept.absolute

    @property
    def shown(self) -> Path:
        """The same for messages: as it was given, while that leads there."""
        return self._kept.shown

    def refresh(self) -> None:
        """Read the settings, and what was added to the journal since the last call.

        Raises:
            LabError: they are damaged, an event contradicts those before it, settings were changed that the past
                depends on, or the journal is not the one by which the blocks were made.
        """
        written = written_blocks(self.folder)
        content = read_journal(self.folder, self._content)
        refuse_another_journal(self.folder, written, content, begun=bool(self._content.events))
        experiment = read_experiment(self.folder)
        if content.events:
            assert isinstance(content.events[0], Start)  # the reader has checked it
            refuse_changes(content.events[0].experiment, experiment)
        if content.events[: len(self._content.events)] != self._content.events:
            self.history, self._searches, self._content = History(), None, JournalContent()
        known = self._content.events
        line = len(known)
        try:
            for event in content.events[len(known) :]:
                line += 1
                refuse_contradiction(event, self.history)
                self.history.add(event)
        except ValueError as cause:
            self.history = history_of(known)  # what is known stays of one moment
            raise LabError(
                f"line {line} of {self.shown / JOURNAL} contradicts those before it ({cause}); restore the file from "
                "a backup: responses to all later trials depend on it"
            ) from cause
        self._content, self.experiment = content, experiment

    def next_block(self, *, close: int | None = None) -> Block | None:
        """The open block, or else a new one; its files are written, whole, if they are missing.

        Args:
            close: the number of a block whose missing trials count as lost; nothing happens if it is complete already.

        Returns:
            The block; None if the budget is spent.

        Raises:
            LabError: the folder cannot be written, a solver failed, or there is no block `close`.
        """
        with self._alone():
            if close is not None:
                self._close(close)
            if self.history.open_block is None and self._plan() is None:
                return None
            return self._write_block(self.history.blocks[-1])

    def open_block(self) -> Block | None:
        """The block that lacks responses, its files written if they are missing; None if there is none."""
        with self._alone():
            if self.history.open_block is None:
                return None
            return self._write_block(self.history.blocks[-1])

    def tell(self, rows: Sequence[Row], *, source: str) -> Receipt:
        """Record responses; when this returns, the disk has them.

        Args:
            rows: what was read from a file or a request.
            source: where they come from, for the journal.

        Raises:
            LabError: a row is impossible or contradicts what is recorded; then none of them is recorded.
        """
        with self._alone():
            new = new_rows(rows, self.history)
            if new:
                self._append(_responses(new, source))
            block = self.history.open_block
            missing = () if block is None else tuple(self.history.missing(block))
            return Receipt(len(new), len(rows) - len(new), block, missing)

    def correct(self, rows: Sequence[Row], *, block: int, reason: str, source: str) -> Correction:
        """Replace responses that were recorded wrong; the journal keeps both, and when this returns, the disk has them.

        A solver that was told one of them is brought back to where it was before, and is told the right ones when the
        next block is planned. The stimuli that it proposed meanwhile stay what they are; it learns the responses to
        them as it learns those to other searches' stimuli.

        Args:
            rows: what was read from a file; those that agree with what is recorded change nothing, and those of trials
                without a response are recorded.
            block: the block to which all of them belong.
            reason: what was wrong.
            source: where the rows come from.

        Raises:
            LabError: a row is impossible or of another block; then nothing is recorded.
        """
        reason = " ".join(plain(reason).split())
        if not 1 <= len(reason) <= LONGEST_REASON:
            raise LabError(f"a correction needs a reason of 1 to {LONGEST_REASON:,} characters, got {len(reason):,}")
        with self._alone():
            changed, new = corrected_rows(rows, block, self.history)
            added = _responses(new, source) if new else None
            restarted: dict[str, int] = {}
            if changed:
                right = _responses(changed, source)
                before = tuple(self.history.value(row.trial, row.neuron) for row in changed)
                event = Corrected(
                    block,
                    _utf8(reason),
                    right.source,
                    right.trials,
                    right.neurons,
                    right.values,
                    before,
                    {},
                    right.time,
                    added,
                )
                after = history_of([*self._content.events, event])
                stimuli = {after.trials[trial - 1].stimulus for trial in event.trials}
                found = {search.name: after.misled_from(search, stimuli) for search in after.experiment.searches}
                restarted = {name: first for name, first in found.items() if first is not None}
                self._append(structs.replace(event, restarted=restarted))
            elif added:
                self._append(added)
            return Correction(len(changed), len(new), len(rows) - len(changed) - len(new), restarted)

    def pictures(self) -> Pictures:
        """Draws this experiment's stimuli.

        Raises:
            LabError: its generator is no longer the one that it began with.
        """
        generator, grid = resolve_generator(self.experiment.generator)
        if (start := self.history.start) is not None:
            refuse_another_generator(start, generator, grid)
        return Pictures(self.experiment.screen, generator, grid, reference_files(self.folder))

    def block_folder(self, number: int) -> Path:
        """The folder of a block's pictures."""
        return block_folder(self.folder, number)

    def settle(self) -> None:
        """Wait until the disk has what was found, so that it may be called recorded.

        A process that was killed may have written a line or a block, and not waited.

        Raises:
            LabError: the disk failed.
        """
        found = self._content.size, self._content.crc
        if found == self._settled:
            return
        blocks = self.folder / BLOCKS  # it is made once the disk has the journal's name
        try:
            flush_file(self.folder / JOURNAL)
            flush_folder(blocks if blocks.is_dir() else self.folder)
        except OSError as cause:
            raise LabError(f"cannot write to {self.shown}: {cause.strerror or cause}") from cause
        self._settled = found

    def _alone(self) -> Claim:
        """The experiment's lock, and its state under it, which the disk has."""
        lock = claim(self.folder / LOCK, wait=True, limit=self._patience)
        if lock is None:
            raise BusyError(
                f"another process has held {self.shown / LOCK} for {self._patience:g} s; ask again, and if it was "
                "stopped (Ctrl-Z), let it go on"
            )
        try:
            self.refresh()
            self.settle()
        except BaseException:
            lock.release()
            raise
        return lock

    def _append(self, *events: Event) -> None:
        self._content = append(self.folder, self._content, *events)
        self._settled = self._content.size, self._content.crc
        for event in events:
            self.history.add(event)

    def _close(self, number: int) -> None:
        if not 1 <= number <= len(self.history.blocks):
            raise LabError(f"there is no block {number} to close; blocks so far: {len(self.history.blocks)}")
        if self.history.missing(number):
            self._append(Closed(number, now()))

    def _plan(self) -> BlockPlanned | None:
        """A new block; the solvers go on by it, and are forgotten if anything fails before it is in the journal."""
        files = reference_files(self.folder)
        refuse_shared_names(self.experiment, files)
        references = {name: content_hash(path) for name, path in files.items()}
        for name, seen in self.history.references.items():
            if references.get(name, seen) != seen:
                raise LabError(
                    f"the image of {name} in {FOLDER}/ is not the one that was presented before; give the new one "
                    "another name"
                )
        for path in files.values():  # a block that cannot be drawn would stay open
            read_image(path)
        generator, grid = resolve_generator(self.experiment.generator)
        begins, history = self.history.start is None, self.history
        if begins:  # it is written with the first block: until then, all settings may be changed
            history = history_of([start_of(self.experiment, references=len(references))])
        start = history.start
        assert start is not None
        refuse_another_generator(start, generator, grid)
        searches, self._searches = self._searches, None
        unseen = self._content.events[self._replayed :]
        restarted = any(isinstance(event, Corrected) and event.restarted for event in unseen)
        trials = self.experiment.trials  # which may have been changed since the solvers were made
        if searches is None or restarted or searches.trials != trials:
            searches, self._replayed = Searches(start, generator.view(grid), trials=trials, limits=self._limits()), 0
        counting = {(name, one.block) for name, asked in self.history.asked.items() for one in asked}
        for event in self._content.events[self._replayed :]:
            if isinstance(event, BlockPlanned):
                for ask in event.asks:
                    if (ask.search, event.block) in counting:
                        searches.replay(ask)
                    else:
                        searches.pass_over(ask)
        planned = plan_block(self.experiment, history, searches, references)
        if planned is not None:
            self._append(*[start] * begins, planned)
            self._searches = searches
        elif begins:
            raise LabError(
                f"trials = {self.experiment.trials} in {FILE} is too small for a block with a candidate of each "
                "search; raise it, or lower the numbers in [block]"
            )
        self._replayed = len(self._content.events)
        return planned

    def _limits(self) -> Counter[str]:
        """How many candidates each search was asked for at most, in all blocks."""
        limits: Counter[str] = Counter()
        for event in self._content.events:
            for ask in event.asks if isinstance(event, BlockPlanned) else ():
                limits[ask.search] += ask.limit
        return limits

    def _write_block(self, planned: BlockPlanned) -> Block:
        """A block, its files written unless they are there as they were written."""
        folder = self.block_folder(planned.block)
        damaged: list[str] = []
        if not is_written(folder):
            names = list(dict.fromkeys(p.stimulus for p in planned.order))
            checksum = self._content.blocks()[planned.block - 1]
            write_block(folder, planned, checksum, self.pictures().draw(names, self.history))
        elif damaged := damaged_files(folder, planned):
            names = [file.removesuffix(".png") for file in damaged if file != PRESENTATIONS]
            restore_files(folder, planned, damaged, self.pictures().draw(names, self.history))
        trials = range(planned.first, planned.first + len(planned.order))
        return Block(planned.block, folder, trials, tuple(self.history.missing(planned.block)), tuple(damaged))


def _responses(rows: Sequence[Row], source: str) -> Responses:
    trials, neurons, values = zip(*((row.trial, row.neuron, row.value) for row in rows), strict=True)
    return Responses(_utf8(source), trials, neurons, values, now())


def _utf8(text: str) -> str:
    """A text for the journal; a file's name can be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def create(folder: Path, text: str, references: Sequence[Path] = ()) -> Experiment:
    """Make an experiment; nothing happens if it is there already with the same settings.

    Args:
        folder: made if missing.
        text: the settings, as TOML.
        references: images to copy into `references/`.

    Raises:
        LabError: the settings are invalid, an image cannot be shown, the folder holds another experiment, or cannot be
            written.
    """
    experiment = parse_experiment(text, FILE)
    if (size := len(text.encode())) > LARGEST:
        raise LabError(
            f"{FILE} would have {size:,} bytes; the limit is {LARGEST:,}: record fewer neurons in an experiment, or "
            "use shorter names"
        )
    start_of(experiment, references=len(references))
    refuse_shared_names(experiment, {reference_name(image.stem): image for image in references})
    for image in references:
        read_image(image)
    path = folder / FILE
    try:
        make_folder(folder)
        with hold(folder / LOCK, wait=True) or unlocked():
            new = not path.exists()
            if not new and settings_text(folder) != text:
                raise LabError(f"{folder} holds another experiment already; edit {path}, or choose another folder")
            refuse_outside(folder, [FOLDER], LabError)
            for image in references:
                make_folder(folder / FOLDER)
                copy, content = folder / FOLDER / image.name, image_bytes(image)
                if copy.exists() and image_bytes(copy) != content:
                    raise LabError(f"{copy} is another image than {image}; rename one of them")
                write_whole(copy, content, error=None)
            if new:
                write_whole(path, text, error=None)
            else:
                flush_folder(folder)
    except OSError as cause:
        raise LabError(f"cannot make {folder}: {cause.filename or folder}: {cause.strerror or cause}") from cause
    return experiment
