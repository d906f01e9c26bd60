"""Checkpoints: tensors in a safetensors file (never a pickle), and a model card in JSON next to it.

The card holds the digests of the tensors' file and of its own entries: loading detects damage or a mixed-up pair, and a
study can record which weights it ran on without loading them.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from amb.errors import CheckpointError, unknown
from amb.foreign import in_a_line
from amb.kept_path import KeptPath
from amb.spec import user_path
from amb.study.durable import make_folder, write_together, write_whole
from amb.study.untrusted import MEBIBYTE, json_object, read_bytes, refuse_unreadable
from amb_problems.cards import AnyCard, Card, TargetCard, as_json, parse

if TYPE_CHECKING:
    from torch import Tensor, nn

SCHEMA = 1
# The largest files that are read.
LARGEST_TENSORS = 8192 * MEBIBYTE
LARGEST_CARD = 64 * MEBIBYTE
_TENSORS, _CARD = ".safetensors", ".card.json"
_ENTRIES = "entries_sha256"
"""The entry that holds the digest of all others."""
_OTHER_FOLDER = "choose another folder"


@dataclass(frozen=True)
class Kept:
    """What an object keeps that reads a checkpoint's card at once and loads the weights later, maybe in a copy of it.

    Attributes:
        place: the checkpoint; a path stays the same wherever the process works later.
        fingerprint: by which problems know the network; `load` refuses weights of any other.
    """

    place: str | Path
    fingerprint: str


def save(path: Path, tensors: Mapping[str, "Tensor"], card: AnyCard) -> AnyCard:
    """Write `<path>.safetensors` and `<path>.card.json`, each durably; returns the card as stored.

    Args:
        path: path of the checkpoint, with or without the suffix `.safetensors`.
        tensors: the tensors by name.
        card: the card, which is stored with the schema version and the digest of the tensors' file.

    Raises:
        CheckpointError: the files cannot be written.
    """
    from safetensors.torch import save as serialize

    base = _base(path)
    content = serialize({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    described = _card_content(hashlib.sha256(content).hexdigest(), as_json(card))
    _make_folder(base)
    files = {base.with_name(base.name + _TENSORS): content, _card_file(base): described}
    write_together(files, error=CheckpointError, advice=_OTHER_FOLDER)  # one is damaged without the other
    return read_card(base, type(card))


def amend(path: Path, **entries: object) -> Card:
    """Add entries to the card of a checkpoint, or replace them; the tensors stay unchanged.

    Raises:
        CheckpointError: the card is missing, invalid or cannot be written.
    """
    base = _base(path)
    content = _read_json(base)
    digest = str(content.pop("sha256"))
    others = {key: value for key, value in content.items() if key != "schema"}
    _write(_card_file(base), _card_content(digest, others | entries))
    return read_card(base)


@overload
def load(source: str | Path | Kept) -> tuple[dict[str, "Tensor"], Card]: ...
@overload
def load(source: str | Path | Kept, expected: type[AnyCard]) -> tuple[dict[str, "Tensor"], AnyCard]: ...
def load(source: str | Path | Kept, expected: type[Card] = Card) -> tuple[dict[str, "Tensor"], Card]:
    """The tensors and the card of a checkpoint, verified.

    Args:
        source: a shipped checkpoint's name, the path of another one, or one whose card was read earlier.
        expected: the kind of card that the reader needs, such as `SNGANCard` or `TargetCard`.

    Raises:
        CheckpointError: a file is missing, damaged, of a different schema or kind, holds NaN or infinity, or was
            replaced since its card was read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialize

    base = _locate(source.place if isinstance(source, Kept) else source)
    card = read_card(base, expected)
    file = base.with_name(base.name + _TENSORS)
    if isinstance(source, Kept) and card.fingerprint != source.fingerprint:
        raise CheckpointError(
            f"{file} was replaced after its card had been read: its fingerprint is now {card.fingerprint[:16]}, "
            f"expected {source.fingerprint[:16]}; {_again(base)}"
        )
    content = _read(file, LARGEST_TENSORS)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise CheckpointError(f"{file} is damaged: its card expects sha256 {card.sha256}, not {digest}; {_fix(base)}")
    try:
        tensors = deserialize(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{file} is not a safetensors file ({error}); {_fix(base)}") from error
    refuse_endless(tensors, str(file))
    return tensors, card


LARGEST_WEIGHT = 1e12
"""Size of a weight from which products and sums may leave float32: a neuron whose potential is NaN is silent."""


def refuse_endless(tensors: Mapping[str, "Tensor"], what: str) -> None:
    """Check that all weights are numbers of a usable size, without which a network's values mean nothing.

    Args:
        tensors: the weights by name.
        what: whose they are, for the message.

    Raises:
        CheckpointError: one is NaN, infinite or beyond `LARGEST_WEIGHT`.
    """
    for name, tensor in tensors.items():
        if fault := unusable(tensor):
            raise CheckpointError(f"{what}: {name} holds {fault}, as after a training that diverged; train it again")


def unusable(weights: "Tensor") -> str:
    """What weights hold with which nothing can be computed; empty if they hold only numbers of a usable size."""
    from amb_problems.tensor_content import content

    if weights.is_meta:
        return "no values, as on the device meta"
    for part in content(weights):
        if not part.is_floating_point() or not part.numel():
            continue
        largest = part.abs().max().item()  # NaN if one is NaN
        if not math.isfinite(largest):
            return "NaN or infinite numbers"
        if largest > LARGEST_WEIGHT:
            return f"numbers of size {largest:.3g}, beyond {LARGEST_WEIGHT:g}"
    return ""


@contextmanager
def fitting(card: Card) -> Iterator[None]:
    """A context in which a network is built from a card and takes the checkpoint's tensors.

    Raises:
        CheckpointError: they do not fit each other, whatever torch raises then.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn from torch's generator, which is the user's
            yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise CheckpointError(f"checkpoint {card.name!r} does not fit its card: {in_a_line(error)}") from error


def compare_sizes(tensors: Mapping[str, "Tensor"], build: "Callable[[], nn.Module]") -> None:
    """Compare tensors with a network before it is made: a card may state sizes for which no memory is enough.

    Args:
        tensors: the weights by name; what the network lacks, or what is missing, is no concern here.
        build: the network, as the card states it.

    Raises:
        ValueError: one has another shape, or is of another kind of number, such as whole ones for fractions.
    """
    import torch

    with torch.device("meta"):
        expected = build().state_dict()
    for name, like in expected.items():
        tensor = tensors.get(name, like)
        if tensor.shape != like.shape or tensor.is_floating_point() != like.is_floating_point() or tensor.is_complex():
            had, states = (f"{list(t.shape)} of {str(t.dtype).removeprefix('torch.')}" for t in (tensor, like))
            raise ValueError(f"{name} is {had}, but the card states {states}")


@overload
def read_card(name_or_path: str | Path) -> Card: ...
@overload
def read_card(name_or_path: str | Path, expected: type[AnyCard]) -> AnyCard: ...
def read_card(name_or_path: str | Path, expected: type[Card] = Card) -> Card:
    """The card alone; reads no tensors and does not import torch.

    Args:
        name_or_path: a shipped checkpoint's name, or the path of another one.
        expected: the kind of card that the reader needs, such as `SNGANCard` or `TargetCard`.

    Raises:
        CheckpointError: the card is missing, invalid, or of a different schema or kind.
    """
    base = _locate(name_or_path)
    try:
        return parse(_read_json(base), base.name, expected)
    except ValueError as error:
        raise CheckpointError(f"{_card_file(base)}: {error}; {_fix(base)}") from error


def fingerprint(name_or_path: str | Path) -> str:
    """The digest by which problems know a network (`Card.fingerprint`), without reading the tensors."""
    return read_card(name_or_path).fingerprint


def state_name(name: str, step: int) -> str:
    """The name of the network `name` as it was after `step` steps of its training."""
    return f"{name}-step-{step:06d}"


def exists(path: Path) -> bool:
    """Whether both files of a checkpoint, a path without suffix, are there."""
    return all(path.with_name(path.name + suffix).is_file() for suffix in (_TENSORS, _CARD))


def states(name: str, folder: Path | None = None) -> tuple[Path, ...]:
    """The states of a network that were kept in the course of its training, oldest first, as paths without suffix.

    Other files, such as a copy `<name>-step-000093-backup`, are passed over.

    Args:
        name: the network's name.
        folder: where; by default those in the package.

    Raises:
        CheckpointError: two states are of one step.
    """
    folder = _package_folder() / "states" if folder is None else folder
    found: dict[int, Path] = {}
    for base in map(_base, sorted(folder.glob(f"*{_CARD}"))):
        if (state := re.fullmatch(rf"{re.escape(name)}-step-([0-9]+)", base.name)) and exists(base):
            first = found.setdefault(step := int(state[1]), base)
            if first != base:
                raise CheckpointError(
                    f"{folder} has two states of {name} at step {step:,}, {first.name} and {base.name}; expected one: "
                    "move the other elsewhere"
                )
    return tuple(found[step] for step in sorted(found))


def states_of_training(name: str, folder: Path | None = None) -> tuple[Path, ...]:
    """As `states`, but of one training, and each of the step that its name says.

    Raises:
        CheckpointError: two states are of one step, or their cards say otherwise or cannot be read.
    """
    found = states(name, folder)
    seeds: dict[str, Path] = {}
    for base in found:
        training = read_card(base, TargetCard).training
        step, seed = int(base.name.rpartition("-")[2]), training.get("seed")
        if training.get("steps", step) != step:
            raise CheckpointError(
                f"{_card_file(base)} says that its network was trained for {training['steps']} steps, and its name "
                f"says {step}: give both files of the state the name that they had"
            )
        if seed is not None:
            seeds.setdefault(str(seed), base)
    if len(seeds) > 1:
        (first, one), (second, other), *_ = seeds.items()
        raise CheckpointError(
            f"{one.parent} has states of two trainings, {one.name} with seed {first} and {other.name} with seed "
            f"{second}: move those of one training elsewhere"
        )
    return found


def shipped() -> tuple[str, ...]:
    """The names of the checkpoints in the package, sorted."""
    folder = _package_folder()
    return tuple(sorted(file.name.removesuffix(_CARD) for file in folder.glob(f"*{_CARD}")))


def _package_folder() -> Path:
    # A real folder: pip unpacks wheels, and running from a zip archive is not supported.
    return Path(str(resources.files("amb_problems") / "checkpoints"))


def kept(name_or_path: str | Path, card: Card) -> Kept:
    """What an object keeps that has read a checkpoint's card and loads the weights later."""
    path = _given_path(name_or_path)
    return Kept(KeptPath(path).absolute if path else name_or_path, card.fingerprint)


def _given_path(name_or_path: str | Path) -> Path | None:
    """None if it is the name of a shipped checkpoint."""
    is_path = isinstance(name_or_path, Path) or os.sep in name_or_path or name_or_path.endswith(_TENSORS)
    return user_path(name_or_path) if is_path else None


def _locate(name_or_path: str | Path) -> Path:
    if path := _given_path(name_or_path):
        return _base(path)
    base = _package_folder() / name_or_path
    if not any(base.with_name(base.name + suffix).is_file() for suffix in (_CARD, _TENSORS)):
        raise unknown("checkpoint", str(name_or_path), shipped(), CheckpointError)
    return base


def _base(path: Path) -> Path:
    # Not Path.stem: a name may contain dots.
    return path.with_name(path.name.removesuffix(_TENSORS).removesuffix(_CARD))


def _card_file(base: Path) -> Path:
    return base.with_name(base.name + _CARD)


def _read_json(base: Path) -> dict[str, Any]:
    """The JSON object of a card, of this schema and with the digest of its tensors.

    What a network computes also depends on entries, such as thresholds; cards of version 0.1 have no digest of them.
    """
    file = _card_file(base)
    try:
        content = json_object(_read(file, LARGEST_CARD))
        schema, _ = content["schema"], content["sha256"]
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"{file} is not a model card ({error!r}); {_fix(base)}") from error
    if schema != SCHEMA:
        raise CheckpointError(f"{file} has schema {schema!r}, but this version of amb reads {SCHEMA}; update amb")
    if _ENTRIES in content and content.pop(_ENTRIES) != _digest(content):
        raise CheckpointError(f"{file} is damaged: its entries are not those that were written; {_fix(base)}")
    return content


def _digest(entries: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def _read(file: Path, most: int) -> bytes:
    try:
        return read_bytes(file, most, links=True)
    except OSError as error:
        refuse_unreadable(file, error, unless_missing=True)
        base = _base(file)
        raise CheckpointError(f"{file} cannot be read ({error.strerror}); {_fix(base)}") from error


def _fix(base: Path) -> str:
    if _package_folder() in base.parents:
        return "reinstall amb (pip install --force-reinstall amb)"
    if state := re.fullmatch(r"(.+)-step-[0-9]+", base.name):
        return f"write it again with `amb train {state[1]} --keep N`"
    return f"write it again with `amb train {base.name}`"


def _again(base: Path) -> str:
    if base.parent == _package_folder():  # found by its name once in a process
        return "start Python again (in a notebook, restart the kernel)"
    return "make the target or generator again"


def _card_content(digest: str, content: Mapping[str, object]) -> bytes:
    entries = {"schema": SCHEMA, "sha256": digest, **content}
    text = json.dumps(entries | {_ENTRIES: _digest(entries)}, indent=2, ensure_ascii=False) + "\n"
    return text.encode()


def _make_folder(file: Path) -> None:
    try:
        make_folder(file.parent)
    except OSError as error:
        raise CheckpointError(f"cannot write {file}: {error.strerror}; {_OTHER_FOLDER}") from error


def _write(file: Path, content: bytes) -> None:
    write_whole(file, content, error=CheckpointError, advice=_OTHER_FOLDER)
