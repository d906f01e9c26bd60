"""Checkpoints: what is written comes back, and what was damaged or does not fit is refused clearly."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

import amb
from amb.catalogue.families import compose
from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.cards import LIFConstants, SNGANCard, SNGANShape, SpikingTargetCard, TargetCard, as_json, parse
from amb_problems.first_fingerprints import FIRST
from amb_problems.generators import inference
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator
from amb_problems.generators.torch_generator import SNGANGenerator, TorchGenerator
from amb_problems.generators.vqvae_generator import VQVAEGenerator
from amb_problems.targets.plain.target import PlainTarget
from amb_problems.targets.spiking.target import SpikingTarget

SHIPPED = Path(checkpoint.__file__).parent / "checkpoints"
CARD = SNGANCard(shape=SNGANShape(latent=5, widths=(8, 4)), seed=5, data="ü")
TARGET = {
    "schema": 1,
    "sha256": "0",
    "kind": "spiking target",
    "network": "SpikingCNN",
    "arguments": {"widths": [4, 4]},
    "lif": {"decay": 0.9, "threshold": 1, "strict": True},
    "frames": 20,
    "activation": "spikes / (frames * positions)",
    "layers": {"sn1": [4, 14, 14]},
    "remark": "entries that no field declares are allowed",
}
"""A target's card with what its loader needs."""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.v1"
    checkpoint.save(path, {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(3)}, CARD)
    return path


def test_tensors_and_card_come_back(saved: Path) -> None:
    """A round trip keeps values, shapes, types and the card's fields; a dot in the name is not a suffix."""
    tensors, card = checkpoint.load(saved, SNGANCard)
    assert torch.equal(torch.arange(6.0).view(2, 3), tensors["w"])
    assert tensors["n"].dtype == torch.int64
    assert card == replace(CARD, name="net.v1", sha256=card.sha256)
    assert checkpoint.fingerprint(saved) == card.fingerprint


def test_entries_can_be_added_later(saved: Path) -> None:
    """Amending a card keeps its other entries, declared or not, and the digest; the pair still loads."""
    before, fingerprint = checkpoint.read_card(saved).sha256, checkpoint.fingerprint(saved)
    checkpoint.amend(saved, metrics={"accuracy": 0.7}, seed=6, remark="kept")
    checkpoint.amend(saved, steps=3)
    _, card = checkpoint.load(saved)
    assert card == replace(CARD, name="net.v1", sha256=before, seed=6, steps=3, metrics={"accuracy": 0.7})
    assert json.loads(saved.with_name("net.v1.card.json").read_text())["remark"] == "kept"
    assert checkpoint.fingerprint(saved) == fingerprint, "its values depend on none of these"


DECISIVE = {
    "network": "SpikingStack",
    "arguments": {"widths": [4, 5]},
    "layers": {"sn1": [4, 15, 15]},
    "outputs": {"fc": [10, 1, 1]},
    "lif": {"threshold": 1.5},
    "frames": 21,
}


@pytest.mark.parametrize("entry", DECISIVE)
def test_what_values_depend_on_is_in_the_fingerprint(tmp_path: Path, entry: str) -> None:
    """A study must not take runs of one neuron, or one number of frames, for those of another."""
    card = parse(TARGET, "net", SpikingTargetCard)
    assert set(card.decisive) == set(DECISIVE)
    checkpoint.save(tmp_path / "net", {"w": torch.zeros(1)}, card)
    before = checkpoint.fingerprint(tmp_path / "net")
    checkpoint.amend(tmp_path / "net", **{entry: DECISIVE[entry]})
    assert checkpoint.fingerprint(tmp_path / "net") != before


def test_the_order_of_layers_is_in_the_fingerprint(tmp_path: Path) -> None:
    """The last one is the readout."""
    cards = [parse(TARGET | {"layers": dict(layers)}, "net", TargetCard) for layers in (LAYERS, LAYERS[::-1])]
    assert len({card.fingerprint for card in cards}) == 2


LAYERS = [("sn1", [4, 14, 14]), ("sn2", [4, 5, 5])]


def test_shipped_fingerprints_are_those_that_stored_runs_know() -> None:
    """They are digests of tensors' files, also for the states in the course of a training."""
    states = [path for name in checkpoint.shipped() for path in checkpoint.states(name)]
    cards = [checkpoint.read_card(name) for name in (*checkpoint.shipped(), *states)]
    assert len(cards) >= len(FIRST) == 46
    assert sum(card.fingerprint == card.sha256 for card in cards) == len(FIRST)
    assert replace(checkpoint.read_card("snn-cnn", SpikingTargetCard), frames=99).fingerprint not in FIRST


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (float("nan"), "NaN or infinite numbers"),
        (float("inf"), "NaN or infinite numbers"),
        (-1e38, r"numbers of size 1e\+38, beyond 1e\+12"),
    ],
)
def test_weights_that_are_no_usable_numbers_are_refused(tmp_path: Path, number: float, says: str) -> None:
    """A training that diverged leaves them; a network of them gives NaN, black images, or neurons that never fire."""
    weights = torch.ones(3)
    weights[1] = number
    checkpoint.save(tmp_path / "net", {"n": torch.tensor(3), "w": weights}, CARD)
    with pytest.raises(CheckpointError, match=rf"net\.safetensors: w holds {says}.*train it again"):
        checkpoint.load(tmp_path / "net")


def test_either_file_names_the_checkpoint(saved: Path) -> None:
    """A path may name the pair, the tensors or the card."""
    for suffix in ("", ".safetensors", ".card.json"):
        assert checkpoint.load(saved.with_name(saved.name + suffix))[1].name == "net.v1"


def test_layouts_in_memory_do_not_matter(tmp_path: Path) -> None:
    """A tensor with its channels last in memory comes back with the same values at the same indices."""
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    checkpoint.save(tmp_path / "net", {"x": images.contiguous(memory_format=torch.channels_last)}, CARD)
    assert torch.equal(images, checkpoint.load(tmp_path / "net")[0]["x"])


def test_damage_is_found(saved: Path) -> None:
    """One flipped bit: the error names the file, both digests and the fix."""
    file = saved.with_name("net.v1.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.v1\.safetensors is damaged.*\w{64}.*\w{64}.*train"):
        checkpoint.load(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".card.json"])
def test_a_missing_half_is_named(saved: Path, suffix: str) -> None:
    """Tensors without a card, and a card without tensors, are refused by the name of the missing file."""
    saved.with_name(saved.name + suffix).unlink()
    with pytest.raises(CheckpointError, match=suffix.replace(".", r"\.") + " cannot be read"):
        checkpoint.load(saved)


def test_a_file_that_is_not_a_card(saved: Path) -> None:
    """Broken JSON, and JSON without a digest, are both refused as cards."""
    file = saved.with_name("net.v1.card.json")
    for text in ("{", "[]", '{"schema": 1}'):
        file.write_text(text)
        with pytest.raises(CheckpointError, match="not a model card"):
            checkpoint.read_card(saved)


def test_a_card_of_the_future(saved: Path) -> None:
    """An unknown schema asks for an update instead of guessing."""
    file = saved.with_name("net.v1.card.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 99}))
    with pytest.raises(CheckpointError, match=r"99.*update"):
        checkpoint.read_card(saved)


@pytest.mark.parametrize("name", checkpoint.shipped())
def test_a_shipped_card_whose_entries_have_changed_is_damaged(name: str, tmp_path: Path) -> None:
    """A threshold of 1.8 instead of 1.0 is another network, whose values would be stored as those of this one."""
    entries = json.loads((SHIPPED / f"{name}.card.json").read_text())
    (tmp_path / "net.card.json").write_text(json.dumps(entries))
    checkpoint.read_card(tmp_path / "net")
    (tmp_path / "net.card.json").write_text(json.dumps(entries | {"sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="damaged: its entries are not those that were written"):
        checkpoint.read_card(tmp_path / "net")
    changed = {key: [value] for key, value in entries.items() if key not in ("schema", "sha256", "entries_sha256")}
    for key, value in changed.items():
        (tmp_path / "net.card.json").write_text(json.dumps(entries | {key: value}))
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.read_card(tmp_path / "net")


def test_an_unknown_name_gives_the_nearest() -> None:
    """A misspelt shipped checkpoint is answered with the right name."""
    with pytest.raises(CheckpointError, match="cifar10-sngan"):
        checkpoint.load("cifar10-snagn")


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    """A file where the folder should be: one clear error, no half checkpoint."""
    (tmp_path / "folder").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write .*/net: .*choose another folder"):
        checkpoint.save(tmp_path / "folder" / "net", {"w": torch.zeros(1)}, CARD)


WRONG = {
    "a text for a number": ({"frames": "20"}, r"`frames`: expected `int`, got `str`"),
    "no frames": ({"frames": 0}, r"`frames`: expected `int` >= 1"),
    "a number for a text": ({"network": 3}, r"`network`: expected `str`, got `int`"),
    "a layer without a width": ({"layers": {"sn1": [4, 14]}}, r"`layers.*`: expected `array` of length 3"),
    "a missing entry": ({"lif": None}, r"missing required field `lif`"),
    "an invalid constant": ({"lif": {"decay": "slow"}}, r"`lif\.decay`: expected `float`, got `str`"),
    "a potential that grows by itself": ({"lif": {"decay": 1.5}}, r"expected a decay from 0 to 1, got 1\.5"),
    "no decay": ({"lif": {"decay": float("nan")}}, r"expected a decay from 0 to 1, got nan"),
    "a neuron that always fires": ({"lif": {"threshold": 0}}, r"expected a positive, finite threshold, got 0"),
    "no layers": ({"layers": {}}, r"`layers`: expected `object` of length >= 1"),
    "a missing kind": ({"kind": None}, r"`kind` is None, expected 'spiking target' or 'plain target'"),
    "an unknown kind": ({"kind": "rnn"}, r"`kind` is 'rnn', expected 'spiking target' or 'plain target'"),
    "another kind": ({"kind": "sngan"}, r"`kind` is 'sngan', expected 'spiking target' or 'plain target'"),
    "a kind that is not a name": ({"kind": []}, r"`kind` is \[\], expected"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_card_that_does_not_fit_is_one_clear_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """The error names the file, the entry, what was expected, and the fix; nothing else reaches the reader."""
    file = tmp_path / "net.card.json"
    entries = {key: value for key, value in (TARGET | change).items() if value is not None}
    file.write_text(json.dumps(entries))
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoint.read_card(tmp_path / "net", TargetCard)
    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert line.endswith("write it again with `amb train net`")
    assert "\n" not in line


def test_a_card_is_typed(tmp_path: Path) -> None:
    """Fields have their types after reading: tuples of sizes, numbers, the neuron's constants."""
    (tmp_path / "net.card.json").write_text(json.dumps(TARGET))
    card = checkpoint.read_card(tmp_path / "net", SpikingTargetCard)
    assert card.layers == {"sn1": (4, 14, 14)}
    assert card.units == {"sn1": 4}
    assert card.lif == LIFConstants(0.9, 1.0, strict=True)
    assert isinstance(card.lif.threshold, float)


def test_a_failed_write_leaves_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while a new checkpoint is written: one clear error, the old pair still loads, no debris."""
    before, files = checkpoint.load(saved), sorted(saved.parent.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device; choose another folder"):
        checkpoint.save(saved, {"w": torch.zeros(3)}, CARD)
    monkeypatch.undo()
    after = checkpoint.load(saved)
    assert after[1] == before[1]
    assert torch.equal(after[0]["w"], before[0]["w"])
    assert sorted(saved.parent.iterdir()) == files


def test_reading_a_card_loads_nothing_heavy() -> None:
    """Listing problems with their digests and layers must not import torch."""
    code = (
        "import sys; from amb_problems import checkpoint; "
        "[checkpoint.read_card(name) for name in checkpoint.shipped()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_shipped_checkpoint_is_whole() -> None:
    """The shipped tensors match their cards, and each card states what the network was trained on."""
    names = checkpoint.shipped()
    assert "cifar10-sngan" in names
    for name in names:
        tensors, card = checkpoint.load(name)
        assert tensors
        assert card.data
        assert card.summary["data"] == card.data


@pytest.mark.parametrize("name", checkpoint.shipped())
def test_shipped_cards_lose_nothing_that_is_declared(name: str) -> None:
    """A card of version 0.1, read and written again, has the same entries except remarks that no field holds."""
    stored = json.loads((SHIPPED / f"{name}.card.json").read_text())
    written = json.loads(json.dumps(as_json(checkpoint.read_card(name))))
    undeclared = {"schema", "sha256", "entries_sha256", "facts", "schedule", "precision", "notes"}
    assert written == {key: value for key, value in stored.items() if key not in undeclared}


def test_shipped_targets_summarize_themselves() -> None:
    """`amb problems show` states data, network and accuracy of a target, and a spiking one's frames and neuron."""
    summary = checkpoint.read_card("snn-cnn").summary
    assert summary["network"] == "SpikingCNN(widths=[64, 64])"
    assert summary["accuracy"] == "76.2% of 10000 test images"
    assert summary["frames"] == 100
    assert summary["neuron"] == "LIF, decay 0.9, fires above the threshold"
    assert list(checkpoint.read_card("ann-vgg").summary) == ["network", "data", "normalization", "weights", "accuracy"]
    assert list(checkpoint.read_card("cifar10-vqvae").summary) == ["data", "method", "steps"]


@pytest.mark.parametrize(
    ("name", "shape"), [("snn-cnn", (32, 32, 3)), ("mnist-snn", (28, 28, 1)), ("ann-vgg", (32, 32, 3))]
)
def test_a_targets_card_gives_the_shape_of_its_images(name: str, shape: tuple[int, int, int]) -> None:
    assert checkpoint.read_card(name, TargetCard).image_shape == shape


def test_sizes_are_compared_before_a_network_is_made() -> None:
    """A generator's card that stated 2^24 channels took 9.5 GB before it was refused; this one would take 4 TB."""
    huge = partial(torch.nn.Linear, 2**20, 2**20)
    with pytest.raises(ValueError, match=r"weight is \[2, 3\] of float32, but the card states \[1048576, 1048576\]"):
        checkpoint.compare_sizes({"weight": torch.zeros(2, 3)}, huge)


@pytest.mark.parametrize("other", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_number_are_refused(other: torch.dtype) -> None:
    """torch converts them without a word."""
    small = partial(torch.nn.Linear, 3, 2)
    checkpoint.compare_sizes({"weight": torch.zeros(2, 3, dtype=torch.float16)}, small)
    with pytest.raises(ValueError, match="but the card states"):
        checkpoint.compare_sizes({"weight": torch.zeros(2, 3, dtype=other)}, small)


@pytest.mark.parametrize("fails", ["net.v1.card.json", "net.v1.safetensors"])
def test_a_full_disk_leaves_the_old_checkpoint_whole(saved: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Whichever of its two files finds no room, the old network can still be loaded."""
    before = {path.name: path.read_bytes() for path in saved.parent.iterdir()}
    sound = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == f".{fails}.tmp":
            raise OSError(errno.ENOSPC, "No space left on device")
        return sound(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.save(saved, {"w": torch.zeros(2, 3), "n": torch.tensor(4)}, CARD)
    assert {path.name: path.read_bytes() for path in saved.parent.iterdir()} == before


def test_a_network_is_loaded_from_where_its_card_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On first use, when the process may work in another folder, with another checkpoint of that name."""
    for name, folder in (("digits-cnn-a", "here"), ("digits-cnn-b", "elsewhere")):
        (tmp_path / folder).mkdir()
        for suffix in (".card.json", ".safetensors"):
            shutil.copy(SHIPPED / f"{name}{suffix}", tmp_path / folder / f"mine{suffix}")
    monkeypatch.chdir(tmp_path / "here")
    target = SpikingTarget(Path("mine"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    images = np.random.default_rng(0).integers(0, 256, (2, *target.shape), dtype=np.uint8)
    layer = next(iter(target.layers))
    expected = SpikingTarget("digits-cnn-a").activations(images, [(layer, 0)] * 2)
    assert np.array_equal(target.activations(images, [(layer, 0)] * 2), expected)


def copied(name: str, to: Path) -> Path:
    """A shipped checkpoint under the same name in another folder, as a path without suffix."""
    for suffix in (".card.json", ".safetensors"):
        shutil.copy(SHIPPED / f"{name}{suffix}", to / f"{name}{suffix}")
    return to / name


def write_anew(path: Path, tensor: str) -> None:
    """What a training that goes on does with its checkpoint: here, one tensor is another."""
    tensors, card = checkpoint.load(path)
    checkpoint.save(path, tensors | {tensor: tensors[tensor].flip(0)}, card)


KINDS: dict[str, tuple[str, Callable[[Path], SpikingTarget | PlainTarget | TorchGenerator], str]] = {
    "spiking target": ("digits-cnn-b", SpikingTarget, "conv1.bias"),
    "plain target": ("ann-densenet", PlainTarget, "classifier.bias"),
    "generator": ("mnist-sngan", SNGANGenerator, "linear.bias"),
    "exact generator": ("mnist-sngan-int8", ExactSNGANGenerator, "screen"),
    "codes": ("cifar10-vqvae", VQVAEGenerator, "codebook"),
    "exact codes": ("cifar10-vqvae-int8", ExactVQVAEGenerator, "screen"),
}
"""A checkpoint of each kind, what reads it, and a tensor."""


@pytest.mark.parametrize(("name", "read", "tensor"), KINDS.values(), ids=KINDS)
def test_weights_that_were_replaced_after_the_card_was_read_are_refused(
    name: str, read: Callable[[Path], SpikingTarget | PlainTarget | TorchGenerator], tensor: str, tmp_path: Path
) -> None:
    """Their values would be stored under the fingerprint of the weights before; so would those of copies."""
    path = copied(name, tmp_path)
    waiting, used = read(path), read(path)
    used.on("cpu")
    write_anew(path, tensor)
    for one in (waiting, deepcopy(used), pickle.loads(pickle.dumps(used))):
        with pytest.raises(CheckpointError, match=rf"^{path}\.safetensors was replaced.*make the .* again$") as caught:
            one.on("cpu")
        assert used.fingerprint[:16] in str(caught.value)
    used.on("cpu")  # it has its own in memory
    assert read(path).on("cpu").fingerprint != used.fingerprint


def test_encoder_and_decoder_are_of_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder's are read once more than the decoder's, from the checkpoint of which that was rounded."""
    origin, exact = (copied(name, tmp_path) for name in ("cifar10-vqvae", "cifar10-vqvae-int8"))
    checkpoint.amend(exact, origin=str(origin))
    sound = inference.restore

    def replaced_meanwhile(*arguments: Any) -> Any:
        restored = sound(*arguments)
        write_anew(origin, "codebook")
        return restored

    monkeypatch.setattr(inference, "restore", replaced_meanwhile)
    with pytest.raises(CheckpointError, match=r"cifar10-vqvae\.safetensors was replaced"):
        ExactVQVAEGenerator(exact).on("cpu")


def test_a_state_is_not_measured_that_was_replaced_after_it_was_listed(tmp_path: Path) -> None:
    """Its run would be stored for the earlier state, which would be given that run in any later process."""
    for step in (290, 2808):
        for suffix in (".card.json", ".safetensors"):
            shutil.copy(
                SHIPPED / "states" / f"mnist-snn-step-{step:06d}{suffix}", tmp_path / f"mnist-snn-step-290{suffix}"
            )
        if step == 290:
            (listed,) = amb.target("mnist-snn").states(tmp_path)
    with pytest.raises(CheckpointError, match="replaced"):
        compose("mnist-sngan", listed).problem("sn2", 3)


@pytest.mark.parametrize("kind", ["renamed", "of two trainings"])
def test_states_that_were_renamed_or_mixed_are_refused(tmp_path: Path, kind: str) -> None:
    """An atlas showed a network after 9 steps that had taken 290, and two trainings as one."""
    for step in (290, 903):
        named = 9 if (kind, step) == ("renamed", 290) else step
        for suffix in (".card.json", ".safetensors"):
            copied = tmp_path / f"mnist-snn-step-{named:06d}{suffix}"
            shutil.copy(SHIPPED / "states" / f"mnist-snn-step-{step:06d}{suffix}", copied)
    if kind == "of two trainings":
        file = tmp_path / "mnist-snn-step-000903.card.json"
        card = json.loads(file.read_text())
        del card["entries_sha256"]
        file.write_text(json.dumps(card | {"training": card["training"] | {"seed": 5}}))
    says = {
        "renamed": r"step-000009\.card\.json says that its network was trained for 290 steps, and its name says 9:",
        "of two trainings": r"two trainings, mnist-snn-step-000290 with seed 1 and mnist-snn-step-000903 with seed 5:",
    }
    with pytest.raises(CheckpointError, match=says[kind]):
        amb.target("mnist-snn").states(tmp_path)


def test_states_are_found_by_their_steps_and_nothing_else_is_one(tmp_path: Path) -> None:
    """Copies ended `amb atlas` in a traceback after all runs, or were shown as other steps."""
    steps = ["000010", "999999", "1000000"]
    others = ["000093-backup", "000093.old", "000093 copy", "000010-2", "1,2", "\u0663", "30"]
    for name in (*(f"net-step-{end}" for end in (*steps, *others)), "net2-step-000030", "a-net-step-000030"):
        (tmp_path / f"{name}.card.json").touch()
        if not name.endswith("-30"):  # a card alone is no network
            (tmp_path / f"{name}.safetensors").touch()
    assert checkpoint.states("net", tmp_path) == tuple(tmp_path / f"net-step-{step}" for step in steps)
    with pytest.raises(CheckpointError, match="write it again with `amb train net --keep N`"):
        checkpoint.read_card(tmp_path / "net-step-000010")
    for suffix in (".card.json", ".safetensors"):
        (tmp_path / f"net-step-10{suffix}").touch()
    with pytest.raises(CheckpointError, match=r"at step 10, net-step-000010 and net-step-10; expected one"):
        checkpoint.states("net", tmp_path)
