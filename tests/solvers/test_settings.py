"""Settings that carry a paper's name are the paper's."""

import pytest

from amb.catalogue.solvers import resolve

# Pospelov et al., arXiv:2401.10748, Methods: the baseline PROTES, TT-s, TT-b; `tt` and `tt-exp` are their framework's.
SETTINGS = {
    "protes": {"k": 10, "k_top": 1, "quantized": False},
    "tt-s": {"k": 5, "k_top": 1, "quantized": True},
    "tt-b": {"k": 25, "k_top": 5, "quantized": True},
    "tt": {"k": 10, "k_top": 1, "quantized": True, "order": "little"},
    "tt-exp": {"k": 100, "k_top": 10, "lr": 0.1, "quantized": True, "order": "little"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_papers_settings(name: str) -> None:
    """What the paper leaves open has the PROTES package's defaults: one gradient step, rank 5, rate 0.05."""
    package = {"k_gd": 1, "lr": 0.05, "r": 5}
    options = resolve(name).options
    assert {key: options[key] for key in {**package, **SETTINGS[name]}} == {**package, **SETTINGS[name]}


@pytest.mark.parametrize(("name", "batch"), [("protes", 10), ("tt-s", 5), ("tt-b", 25), ("tt", 10), ("tt-exp", 100)])
def test_a_batch_is_k(name: str, batch: int) -> None:
    from amb import Space

    assert len(resolve(name).make(Space.uniform(128, 64), budget=1000, seed=0).ask()) == batch


def test_xdream_s_published_settings() -> None:
    """Those of XDream's experiments, as docs/guides/solvers.md says."""
    published = {"k": 20, "selectivity": 2.0, "mutation_rate": 0.5, "mutation_size": 0.5, "heritability": 0.5}
    assert dict(resolve("xdream-ga").options) == {**published, "keep": 0}
