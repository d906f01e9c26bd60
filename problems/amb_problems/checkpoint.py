"""Checkpoints: tensors in a safetensors file (never a pickle), and a model card in JSON beside it.

The card holds the digest of the tensors' file, so a torn download or a mixed-up pair is found on loading,
and a study can record which weights it ran on without loading them.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amb.errors import CheckpointError, unknown
from amb.study.durable import write_whole
from amb.study.untrusted import MEBIBYTE, json_object, read_bytes

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 1
# Bytes that are read at most of tensors and of a card.
LARGEST_TENSORS = 8192 * MEBIBYTE
LARGEST_CARD = 64 * MEBIBYTE
_TENSORS, _CARD = ".safetensors", ".card.json"


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself: the digest of its tensors, and facts as plain JSON values."""

    name: str
    schema: int
    sha256: str
    facts: Mapping[str, Any]
    """Data, recipe, seed, metrics and whatever the loader of this checkpoint needs."""

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The facts that `amb problems show` prints: those that the entry `facts` lists."""
        return {key: self.facts[key] for key in self.facts.get("facts", ())}


def save(path: Path, tensors: Mapping[str, "Tensor"], card: Mapping[str, object]) -> Card:
    """Write `<path>.safetensors` and `<path>.card.json`, each whole and renamed into place.

    `path` may carry the suffix `.safetensors` or none. The card gets the schema version and the digest.
    """
    from safetensors.torch import save as serialize

    base = _base(path)
    content = serialize({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    _write(base.with_name(base.name + _TENSORS), content)
    return _write_card(base, digest, card)


def amend(path: Path, **facts: object) -> Card:
    """Add facts to the card of a checkpoint, or replace them; the tensors stay as they are.

    Raises:
        CheckpointError: a card that is missing, damaged or cannot be written.
    """
    base = _base(path)
    old = _read_card(base)
    return _write_card(base, old.sha256, {**old.facts, **facts})


def load(name_or_path: str | Path) -> tuple[dict[str, "Tensor"], Card]:
    """The tensors and the card of a shipped checkpoint (by name) or of one's own (by path), verified.

    Raises:
        CheckpointError: a file that is missing, damaged or of another schema.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialize

    base = _locate(name_or_path)
    card = _read_card(base)
    file = base.with_name(base.name + _TENSORS)
    content = _read(file, LARGEST_TENSORS)
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise CheckpointError(f"{file} is damaged: its card expects sha256 {card.sha256}, found {found}; {_mend(base)}")
    try:
        return deserialize(content), card
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{file} is no safetensors file ({error}); {_mend(base)}") from error


def read_card(name_or_path: str | Path) -> Card:
    """The card alone; nothing heavy is imported and the tensors are not read."""
    return _read_card(_locate(name_or_path))


def fingerprint(name_or_path: str | Path) -> str:
    """The sha256 of the tensors' file as the card states it, without reading the tensors."""
    return read_card(name_or_path).sha256


def shipped() -> tuple[str, ...]:
    """The names of the checkpoints in the package, sorted."""
    folder = _package_folder()
    return tuple(sorted(file.name.removesuffix(_CARD) for file in folder.glob(f"*{_CARD}")))


def _package_folder() -> Path:
    # A real folder: pip unpacks wheels, and nothing here supports running from a zip.
    return Path(str(resources.files("amb_problems") / "checkpoints"))


def _locate(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path) or os.sep in name_or_path or name_or_path.endswith(_TENSORS):
        return _base(Path(name_or_path))
    base = _package_folder() / name_or_path
    if not any(base.with_name(base.name + suffix).is_file() for suffix in (_CARD, _TENSORS)):
        raise unknown("checkpoint", name_or_path, shipped(), CheckpointError)
    return base


def _base(path: Path) -> Path:
    # Not Path.stem: a name may hold dots.
    return path.with_name(path.name.removesuffix(_TENSORS).removesuffix(_CARD))


def _read_card(base: Path) -> Card:
    file = base.with_name(base.name + _CARD)
    try:
        facts = json_object(_read(file, LARGEST_CARD))
        schema, digest = facts.pop("schema"), str(facts.pop("sha256"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is no model card ({error!r}); {_mend(base)}") from error
    if schema != SCHEMA:
        raise CheckpointError(f"{file} has schema {schema!r}, this version reads {SCHEMA}; update amb")
    return Card(base.name, SCHEMA, digest, facts)


def _read(file: Path, most: int) -> bytes:
    try:
        return read_bytes(file, most, links=True)
    except OSError as error:
        base = _base(file)
        raise CheckpointError(f"{file} cannot be read ({error.strerror}); {_mend(base)}") from error


def _mend(base: Path) -> str:
    if base.parent == _package_folder():
        return "install amb again (pip install --force-reinstall amb)"
    return f"write it again with `amb train {base.name}`"


def _write_card(base: Path, digest: str, facts: Mapping[str, object]) -> Card:
    header = {"schema": SCHEMA, "sha256": digest}
    text = json.dumps(header | dict(facts), indent=2, ensure_ascii=False) + "\n"
    _write(base.with_name(base.name + _CARD), text.encode())
    return Card(base.name, SCHEMA, digest, dict(facts))


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content, error=None)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be written ({error.strerror}); choose another place") from error
