"""What `amb problems` lists and shows: the same as a table and as data, whatever a plug-in does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from amb import Suite
from amb.catalogue import plugins
from amb.catalogue.overview import _suite, overview
from amb.cli.app import app
from amb.errors import SpecError

RETINA = Path(__file__).parents[1] / "plugins" / "retina.py"
TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug-ins of other tests' files are not there."""
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.KINDS})


def shown(*words: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["problems", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_list_says_what_there_is_to_choose_from() -> None:
    listed = json.loads(shown("list", "--json"))
    assert listed == overview()
    assert list(listed) == ["suites", "generators", "targets"]
    rows = {table: {row["name"]: row for row in listed[table]} for table in listed}
    quick = rows["suites"]["quick"]
    assert (quick["version"], quick["problems"], quick["budget"]) == (2, 12, 500)
    assert quick["description"].startswith("Three units")
    assert rows["generators"]["mnist-sngan"]["images"] == "28x28x1"
    assert rows["targets"]["snn-cnn"] | {"from": ""} == {
        "name": "snn-cnn", "images": "32x32x3", "layers": 4, "units": 238, "from": "",
    }  # fmt: skip
    assert "module" not in rows["targets"]
    text = shown("list")
    assert "Any generator composes with any target of the same image size" in text
    assert all(name in text for table in rows.values() for name in table)


def test_plugins_of_a_file_are_listed_with_it() -> None:
    """A target, and a family registered whole, which is composed of nothing."""
    listed = json.loads(shown("list", "--json", "--plugin", str(RETINA), "--plugin", str(TOY)))
    assert {"name": "retina", "images": "32x32x3", "layers": 2, "units": 35, "from": str(RETINA)} in listed["targets"]
    assert listed["families"] == [{"name": "toy/bowl", "layers": 2, "units": 14, "from": str(TOY)}]
    assert "other family" in shown("list", "--plugin", str(TOY))


def test_a_plugin_that_fails_is_listed_with_its_error(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "import amb\n\nclass Broken(amb.Generator):\n    name, latent_dim, fingerprint = 'broken', 2, '1'\n"
        "    def _render(self, latents):\n        return None\n"
    )
    listed = json.loads(shown("list", "--json", "--plugin", str(file)))
    (row,) = (row for row in listed["generators"] if row["name"] == "broken")
    assert "does not set shape" in row["error"]
    assert row["from"] == str(file)
    assert "does not set shape" in shown("list", "--plugin", str(file))


def test_a_pair_is_shown_with_both_cards_and_its_layers() -> None:
    data = json.loads(shown("show", "cifar10-sngan/snn-cnn", "--json"))
    assert data["layers"] == {"sn1": 64, "sn2": 64, "sn3": 100, "out": 10}
    assert data["generator"]["images"] == data["target"]["images"] == "32x32x3"
    assert data["generator"]["latent"] == "128 dimensions"
    assert data["target"]["accuracy"] == "76.2% of 10000 test images"
    text = shown("show", "cifar10-sngan/snn-cnn")
    for card in (data["generator"], data["target"]):
        assert all(str(value) in text for name, value in card.items() if name != "fingerprint")
        assert card["fingerprint"][:12] in text
    assert "sn3" in text


@pytest.mark.parametrize("name", ["cifar10-vqvae", "snn-resnet18", "quick", "quick-2"])
def test_a_part_is_shown_by_its_name(name: str) -> None:
    assert name.removesuffix("-1") in shown("show", name)
    assert json.loads(shown("show", name, "--json"))


def test_a_problem_shows_the_cards_of_both_networks() -> None:
    """Composed ones too, which were registered nowhere."""
    facts = json.loads(shown("show", "toy/snn-cnn/out/3", "--json"))
    assert facts["target accuracy"] == "76.2% of 10000 test images"
    assert "exact" in facts["target arithmetic"]
    facts = json.loads(shown("show", "cifar10-vqvae/ann-vgg/prob/3", "--json"))
    assert "floating point" in facts["target arithmetic"]
    assert facts["generator method"].startswith("VQ-VAE")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "quik"], "did you mean quick"),
        (["show", "snn-cmn"], "did you mean snn-cnn"),
        (["show", "cifar10-sngan/snn-cmn"], "did you mean snn-cnn"),
        (["list", "*-sngam/snn-cnn/sn1/0"], "no generator matches '*-sngam'; did you mean mnist-sngan"),
        (["list", "mnist-sngan/snn-cnn/sn1/0"], "28x28x1, target snn-cnn takes 32x32x3"),
        (["list", "toy/*/sn1/0..63"], "toy/small-max-a/sn1; its units are 0..15"),
    ],
)
def test_errors_name_what_came_and_the_nearest(words: list[str], says: str) -> None:
    with pytest.raises(SpecError) as refusal:
        CliRunner().invoke(app, ["problems", *words], catch_exceptions=False)
    assert says in str(refusal.value)


def test_a_suite_with_a_family_of_its_own_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of its other problems was shown as that of all, and a problem that is named twice counted twice."""
    plugins.load_file(TOY)
    composed, own = "mnist-sngan/mnist-snn/out/1", "toy/bowl/near/0"
    alone, mixed = (Suite("s", 1, names, 5, 1, "Some.") for names in ((composed, composed), (composed, own)))
    monkeypatch.setattr("amb.catalogue.overview.suite", {"alone": alone, "mixed": mixed}.__getitem__)
    assert (_suite("alone")["sizes"], _suite("alone")["problems"]) == (["128x64"], 1)
    assert _suite("mixed")["sizes"] == []
