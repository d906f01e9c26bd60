"""What the server says and understands, as JSON; each message has a name in its OpenAPI document."""

from typing import Annotated
from urllib.parse import quote

from msgspec import Meta, Struct

from amb.lab.history import History
from amb.lab.laboratory import Block, Laboratory, Receipt


class TrialMessage(Struct, frozen=True):
    """One presentation: its number, what kind it is, its stimulus, and where to get the picture."""

    trial: int
    kind: str
    stimulus: str
    url: Annotated[str, Meta(description="Path of the PNG file on this server.")]


class BlockMessage(Struct, frozen=True):
    """The block to present. When `finished` is true, the budget is spent, and there are no trials."""

    finished: bool
    block: Annotated[int, Meta(description="Its number, from 1; 0 if there is none.")] = 0
    trials: list[TrialMessage] = []
    missing: Annotated[list[int], Meta(description="Trials that have no response yet.")] = []


class ReceiptMessage(Struct, frozen=True):
    """What became of responses; `complete` says that no open block lacks a response."""

    new: Annotated[int, Meta(description="Responses and rejections recorded.")]
    known: Annotated[int, Meta(description="Recorded before, with the same values.")]
    complete: bool
    missing: Annotated[list[int], Meta(description="Trials of the open block that lack a response.")]


class SearchMessage(Struct, frozen=True):
    """A search and its best stimulus so far; `mean` is null before the first valid response."""

    search: str
    best: str | None
    mean: float | None
    trials: Annotated[int, Meta(description="Valid trials of the best stimulus.")]


class StatusMessage(Struct, frozen=True):
    """How far the experiment is."""

    trials: Annotated[int, Meta(description="Planned so far.")]
    budget: int
    blocks: int
    missing: Annotated[list[int], Meta(description="Trials of the open block that lack a response.")]
    neurons: list[str]
    searches: list[SearchMessage]


class CloseMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """The number of a block whose missing trials are to count as lost."""

    close: int | None = None


class ErrorMessage(Struct, frozen=True):
    """Why a request was refused; nothing was recorded."""

    error: str


def block_message(block: Block | None, history: History) -> BlockMessage:
    """A block with all its trials."""
    if block is None:
        return BlockMessage(finished=True)
    shown = history.trials[block.trials.start - 1 : block.trials.stop - 1]
    trials = [
        TrialMessage(t.number, t.kind, t.stimulus, f"/blocks/{block.number}/{quote(t.stimulus)}.png") for t in shown
    ]
    return BlockMessage(False, block.number, trials, list(block.missing))


def receipt_message(receipt: Receipt) -> ReceiptMessage:
    """What became of responses."""
    return ReceiptMessage(receipt.new, receipt.known, receipt.block is None, list(receipt.missing))


def status_message(lab: Laboratory) -> StatusMessage:
    """How far an experiment is."""
    history, searches = lab.history, []
    for search in lab.experiment.searches:
        best = history.leader(search)
        values = history.responses(best, search.neurons) if best else ()
        mean = float(sum(values) / len(values)) if len(values) else None
        searches.append(SearchMessage(search.name, best, mean, len(values)))
    block = history.open_block
    missing = [] if block is None else history.missing(block)
    blocks = len(history.blocks)
    neurons = list(lab.experiment.neurons)
    return StatusMessage(len(history.trials), lab.experiment.trials, blocks, missing, neurons, searches)
