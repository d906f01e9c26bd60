"""The verdicts on the paper's claims follow from intervals alone, and find the truth where it is known."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from accessibility import need_chromium, violations_of
from commands import command

from amb.atlas.make import atlas_of, plan_of, run
from amb.atlas.request import make_request
from amb.errors import SpecError
from amb.paper.effort import EFFORTS
from amb.paper.layer_claims import activations_by_generator, dip, farther, gap, growth
from amb.paper.solver_claims import alike, final, seconds, steps
from amb.paper.studies import PaperData, run_studies
from amb.paper.verdict import Claim, tally
from amb.stats.resampling import difference_of_groups, interval, ratio_interval, ratio_of_groups

WORDS = ("4.1", "claim", "how", "figure")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.2, 1.8, "holds"),
        (1.0, 2.0, "holds"),
        (0.9, 1.5, "cannot be decided"),
        (1.5, 2.5, "cannot be decided"),
        (0.1, 0.9, "does not hold"),
        (2.1, 3.0, "does not hold"),
        (np.nan, np.nan, "cannot be decided"),
        (0.5, 3.0, "cannot be decided"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_claimed_range(low: float, high: float, verdict: str) -> None:
    assert Claim(*WORDS, (low + high) / 2, low, high, 1.0, 2.0).verdict == verdict


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95% intervals of a mean, a ratio and a difference, for 30 values: between 90 and 98% of 200 samples."""
    rng = np.random.default_rng(0)
    hits = np.zeros(4)
    for _ in range(200):
        a, b = rng.gamma(4, 0.25, 30), rng.gamma(4, 0.5, 30)
        hits += [
            interval(a, resamples=300)[0] <= 1 <= interval(a, resamples=300)[1],
            (lambda r: r[0] <= 2 <= r[1])(ratio_interval(b, a, resamples=300)),
            (lambda r: r[1] <= 2 <= r[2])(ratio_of_groups(b, a, resamples=300)),
            (lambda r: r[1] <= 1 <= r[2])(difference_of_groups(b, a, resamples=300)),
        ]
    assert (hits / 200 >= 0.89).all()
    assert (hits / 200 <= 0.985).all()


def test_few_values_have_no_interval() -> None:
    """A bootstrap of four values claims more than they show."""
    assert np.isnan(interval(np.ones(4))).all()
    value, low, high = ratio_of_groups(np.full(9, 2.0), np.ones(4))
    assert value == 2
    assert np.isnan([low, high]).all()


def made_up(gain: float, units: int = 12, status: str = "ok") -> SimpleNamespace:
    """Runs in which tensor trains reach `gain` times Portfolio's activation, in half the queries."""
    rng = np.random.default_rng(1)
    rows, traces = [], {}
    for unit in range(units):
        top = rng.uniform(0.3, 0.5)
        for solver, factor, half in (("protes", gain, 20), ("tt-b", gain, 20), ("portfolio", 1.0, 40)):
            problem = f"g/n/l/{unit}"
            trace = np.minimum(np.arange(1, 101) / half, 1) * top * factor
            traces[problem, solver, 0] = trace
            rows.append((problem, solver, 0, 100, status if solver == "portfolio" else "ok", trace[-1], trace.max()))
    columns = ["problem", "solver", "seed", "budget", "status", "final", "best"]
    runs = SimpleNamespace(runs=with_failures(pd.DataFrame(rows, columns=columns)), traces=traces)
    return SimpleNamespace(effort=EFFORTS["quick"], runs=runs)


def with_failures(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.assign(failed=runs["status"] != "ok")


@pytest.mark.parametrize(("gain", "verdict"), [(1.15, "holds"), (1.0, "holds"), (0.8, "does not hold")])
def test_better_equal_and_worse_tensor_trains_are_told_apart(gain: float, verdict: str) -> None:
    claim = final(made_up(gain))
    assert claim.verdict == verdict
    assert claim.value == pytest.approx(gain)


def test_claims_without_data_say_nothing_about_effects() -> None:
    """Layers that a network does not have, or one method only: no number, no effect, no verdict."""
    measures = SimpleNamespace(distances=pd.DataFrame(columns=["layer", "generator", "between", "problem", "latent"]))
    atlas = SimpleNamespace(measures=measures, request=SimpleNamespace(generators=("g",)))
    meis = pd.DataFrame(columns=["best", "generator", "layer", "activation"]).astype({"best": bool})
    data = SimpleNamespace(atlas=atlas, meis=meis, layers=("a", "b"))
    for claim in (farther(data), growth(data), dip(data, "layer3.1", ("layer3.0",))):
        assert (claim.number, claim.effect, claim.verdict) == ("–", "", "cannot be decided")


def test_faster_climbs_need_fewer_queries() -> None:
    claim = steps(made_up(1.0))
    assert claim.verdict == "holds"
    assert claim.value == pytest.approx(0.5, rel=0.05)


def test_units_on_which_all_need_their_budget_are_no_evidence_of_fewer_queries() -> None:
    """The mean of equal logarithms was lower than each of them."""
    solvers = ("protes", "tt-b", "tt-s", "portfolio")
    rows = [(f"g/n/l/{unit}", solver, 0, 223, "ok", 0.0, 0.0) for unit in range(12) for solver in solvers]
    runs = with_failures(pd.DataFrame(rows, columns=["problem", "solver", "seed", "budget", "status", "final", "best"]))
    traces = {(problem, solver, 0): np.zeros(223) for problem, solver, *_ in rows}
    claim = steps(SimpleNamespace(effort=EFFORTS["quick"], runs=SimpleNamespace(runs=runs, traces=traces)))
    assert claim.value == 1
    assert claim.effect == "fewer on 0% of the units"


def timed(ratio: float) -> SimpleNamespace:
    """Five seeds in which Portfolio takes about `ratio` times as long as tensor trains."""
    rows = [
        ("g/n/l/0", solver, seed, "ok", (1 + seed / 50) * factor, 0.0, 0.0)
        for solver, factor in (("protes", 1.0), ("portfolio", ratio))
        for seed in range(5)
    ]
    columns = ["problem", "solver", "seed", "status", "solver_seconds", "generator_seconds", "target_seconds"]
    runs = with_failures(pd.DataFrame(rows, columns=columns))
    return SimpleNamespace(effort=EFFORTS["quick"], curves=SimpleNamespace(runs=runs))


@pytest.mark.parametrize(("ratio", "verdict"), [(7.4, "holds"), (3.0, "holds"), (1.5, "does not hold")])
def test_a_claim_says_the_range_that_it_is_judged_by(ratio: float, verdict: str) -> None:
    """ "2 to 4 times faster" was judged by "at least 2", so that 7.4 times held: words and range must say the same."""
    claim = seconds(timed(ratio))
    assert claim.verdict == verdict
    assert claim.range == "at least 2"
    assert "at least 2 times faster" in claim.claim
    assert "at least equal" in final(made_up(1.0)).claim


def test_the_tally_is_in_plain_english() -> None:
    """1 holds, but 2 hold and 0 hold."""

    def words(*intervals: tuple[float, float]) -> list[str]:
        claims = [Claim(*WORDS, low, low, high, 1.0, 2.0) for low, high in intervals]
        return [f"{number} {text}" for _, number, text in tally(claims)]

    holds, fails, open_ = (1.2, 1.8), (0.1, 0.9), (0.5, 1.5)
    assert words(holds, fails, open_) == ["1 holds", "1 does not hold", "1 cannot be decided"]
    assert words(holds, holds, fails, fails) == ["2 hold", "2 do not hold", "0 cannot be decided"]


def test_the_first_generator_is_the_gan_whatever_its_name(tmp_path: Path) -> None:
    """Pairs stood in the order of their names, so that the VQ-VAE reached 156% of the GAN's activation, not 64%."""
    names = ("toy", "cifar10-sngan-int8")
    request = make_request("snn-cnn", generators=names, layers=["out"], units=2)
    units = run(plan_of(request, solvers="random,one-plus-lambda", budget=6, seeds=1), tmp_path / "units")
    atlas = atlas_of(request, units)
    nothing = SimpleNamespace()
    data = PaperData(EFFORTS["quick"], "snn-cnn", ("out",), nothing, atlas, nothing, None)
    gan, vqvae = (activation.mean() for activation in activations_by_generator(data, "out"))
    assert gan != vqvae
    assert gap(data, "out", "early", 0, 1).value == pytest.approx(1 - vqvae / gan)
    assert list(atlas.measures.layers["generator"]) == list(names)
    assert data.random.name == names[0]
    assert f"random images: {data.random['similarity']:.2f}" in alike(data).effect


def test_runs_that_a_solver_refused_are_not_counted_as_slow() -> None:
    """Portfolio refuses codes without order: its skipped runs say nothing about queries."""
    assert steps(made_up(1.0, status="skip")).verdict == "cannot be decided"


def test_units_with_failed_runs_count_for_neither_side_and_are_named() -> None:
    """A solver had the mean of its runs that had not failed, and the seconds in which it broke off."""
    data, curves = made_up(0.8), timed(3.0)
    expected = [claim(made_up(0.8)).value for claim in (final, steps)]
    runs, whole = data.runs.runs, curves.curves.runs
    runs.loc[runs.index[:2], ["status", "final", "failed"]] = ["crash", np.nan, True]
    runs.loc[runs["problem"] == "g/n/l/0", "best"] = 9.0
    again = runs[runs["problem"] == "g/n/l/1"].assign(seed=1, final=[np.nan, 9.0, 9.0], failed=[True, False, False])
    data.runs.runs = pd.concat([runs, again], ignore_index=True)
    data.runs.traces |= {(row.problem, row.solver, 1): np.zeros(100) for row in again.itertuples()}
    whole.loc[whole.index[0], ["status", "failed", "solver_seconds"]] = ["crash", True, 1e-6]
    for claim, value in zip((final(data), steps(data)), expected, strict=True):
        assert claim.data == "10 units; 2 units with 3 failed runs left out"
        assert claim.value == pytest.approx(value)
    assert seconds(curves).data == "4 pairs of runs; 1 pair with 1 failed run left out"
    assert seconds(curves).value == pytest.approx(3.0)


@pytest.mark.browser
def test_the_command_ends_with_a_page_that_a_browser_shows(tmp_path: Path) -> None:
    """`amb paper --effort quick`, with fewer units and queries, writes verdicts and figures 5 to 11."""
    need_chromium()
    words = "paper --effort quick --network snn-cnn --units 5 --budget 20 --curve-budget 30 --study p --json"
    done = command(*words.split(), cwd=tmp_path, check=True)
    content = json.loads(done.stdout)
    verdicts = [row["verdict"] for row in content["claims"]]
    assert len(verdicts) == 13
    assert set(verdicts) <= {"holds", "does not hold", "cannot be decided"}
    page = tmp_path / "p" / "paper.html"
    shot = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert [f'id="figure-{number}"' in shot for number in (5, 6, 7, 8, 9, 10, 11)] == [True] * 7
    assert shot.count("<article") == 13
    assert sum(verdict in shot for verdict in set(verdicts)) == len(set(verdicts))
    assert violations_of(page) == []


def test_without_generators_the_command_takes_one_that_fits(tmp_path: Path) -> None:
    words = (
        "paper --effort quick --network mnist-snn --units 1 --budget 5 --curve-budget 5 --study p --json --generators ,"
    )
    done = command(*words.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p" / "paper.html").exists()


def test_an_interrupted_command_says_what_both_studies_keep(tmp_path: Path) -> None:
    """While figure 5 ran, the line said that nothing was under way."""
    words = "paper --network mnist-snn --units 1 --budget 2 --curve-budget 100000 --generators , --study p"
    process = subprocess.Popen(
        [sys.executable, "-m", "amb", *words.split()],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("p/curves/journal/*.journal")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = " ".join(process.communicate(timeout=60)[1].split())
    assert process.returncode == 143
    assert re.search(r"p/units keeps [1-9]\d* finished runs, and 0 queries of 0 unfinished runs; p/curves keeps ", said)
    assert re.search(r" of 1 unfinished run. The same command resumes them\.", said)


def test_a_network_without_spiking_layers_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the paper's claims are about spiking layers, and ann-vgg has none"):
        run_studies(tmp_path / "p", EFFORTS["quick"], network="ann-vgg")
    assert not (tmp_path / "p").exists()
