"""Checkpoints: what is written comes back, and what was damaged is refused in words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from amb.errors import CheckpointError
from amb_problems import checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.v1"
    checkpoint.save(path, {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(3)}, {"seed": 5, "data": "ü"})
    return path


def test_tensors_and_facts_come_back(saved: Path) -> None:
    """A round trip keeps values, shapes, types and the card's facts; a dot in the name is no suffix."""
    tensors, card = checkpoint.load(saved)
    assert torch.equal(torch.arange(6.0).view(2, 3), tensors["w"])
    assert tensors["n"].dtype == torch.int64
    assert card.name == "net.v1"
    assert card.facts == {"seed": 5, "data": "ü"}
    assert checkpoint.fingerprint(saved) == card.sha256


def test_facts_can_be_added_later(saved: Path) -> None:
    """Amending a card keeps its other facts and the digest, and the pair still loads."""
    before = checkpoint.fingerprint(saved)
    checkpoint.amend(saved, metrics={"accuracy": 0.7}, seed=6)
    _, card = checkpoint.load(saved)
    assert card.facts == {"seed": 6, "data": "ü", "metrics": {"accuracy": 0.7}}
    assert card.sha256 == before


def test_either_file_names_the_checkpoint(saved: Path) -> None:
    """A path may name the pair, the tensors or the card."""
    for suffix in ("", ".safetensors", ".card.json"):
        assert checkpoint.load(saved.with_name(saved.name + suffix))[1].name == "net.v1"


def test_layouts_in_memory_do_not_matter(tmp_path: Path) -> None:
    """A tensor with its channels last in memory comes back with the same values at the same indices."""
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    checkpoint.save(tmp_path / "net", {"x": images.contiguous(memory_format=torch.channels_last)}, {})
    assert torch.equal(images, checkpoint.load(tmp_path / "net")[0]["x"])


def test_damage_is_found(saved: Path) -> None:
    """One flipped bit: the error names the file, both digests and the mend."""
    file = saved.with_name("net.v1.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.v1\.safetensors is damaged.*\w{64}.*\w{64}.*train"):
        checkpoint.load(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".card.json"])
def test_a_missing_half_is_named(saved: Path, suffix: str) -> None:
    """Tensors without a card, and a card without tensors, are refused by the name of what lacks."""
    saved.with_name(saved.name + suffix).unlink()
    with pytest.raises(CheckpointError, match=suffix.replace(".", r"\.") + " cannot be read"):
        checkpoint.load(saved)


def test_a_card_that_is_no_card(saved: Path) -> None:
    """Broken JSON, and JSON without a digest, are both refused as cards."""
    file = saved.with_name("net.v1.card.json")
    for text in ("{", "[]", '{"schema": 1}'):
        file.write_text(text)
        with pytest.raises(CheckpointError, match="no model card"):
            checkpoint.read_card(saved)


def test_a_card_of_the_future(saved: Path) -> None:
    """An unknown schema asks for an update instead of guessing."""
    file = saved.with_name("net.v1.card.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 99}))
    with pytest.raises(CheckpointError, match=r"99.*update"):
        checkpoint.read_card(saved)


def test_an_unknown_name_gives_the_nearest() -> None:
    """A misspelt shipped checkpoint is answered with the right name."""
    with pytest.raises(CheckpointError, match="cifar10-sngan"):
        checkpoint.load("cifar10-snagn")


def test_an_unwritable_folder_is_an_error_in_words(tmp_path: Path) -> None:
    """A file where the folder should be: one clear error, no half checkpoint."""
    (tmp_path / "folder").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoint.save(tmp_path / "folder" / "net", {"w": torch.zeros(1)}, {})


def test_fingerprints_load_nothing_heavy() -> None:
    """Listing problems with their digests must not import torch."""
    code = (
        "import sys; from amb_problems import checkpoint; checkpoint.fingerprint('cifar10-sngan'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_shipped_checkpoint_is_whole() -> None:
    """What the wheel carries matches its cards, and each card says what it was trained on."""
    names = checkpoint.shipped()
    assert "cifar10-sngan" in names
    for name in names:
        tensors, card = checkpoint.load(name)
        assert tensors
        assert "data" in card.facts
