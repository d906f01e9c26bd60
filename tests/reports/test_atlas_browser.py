"""The page of an atlas in a headless Chromium, as a person would use it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accessibility import load_axe, start_chromium, violations, violations_of

import amb
from amb.atlas.make import Atlas, atlas_of, plan_of, run
from amb.atlas.report import write_page
from amb.atlas.request import make_request
from amb_reports.atlas.neighbours import nearest
from amb_reports.atlas.payload import payload

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_thread")]

READY = "return document.documentElement.dataset.ready"
DESKTOP, PHONE = (1280, 900), (360, 780)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    request = make_request("mnist-snn", units=4)
    plan = plan_of(request, solvers="random,one-plus-lambda", budget=40, seeds=2)
    return atlas_of(request, run(plan, tmp_path_factory.mktemp("atlas") / "study"))


@pytest.fixture(scope="module")
def page(atlas: Atlas) -> Path:
    file = atlas.study.folder / "atlas.html"
    assert write_page(atlas, file) == []
    return file


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    browser = start_chromium(browser="ALL")
    yield browser
    browser.quit()


def until(driver, script: str):  # type: ignore[no-untyped-def]
    end = time.monotonic() + 30
    while not (value := driver.execute_script(script)):
        assert time.monotonic() < end, f"never true: {script}"
        time.sleep(0.05)
    return value


def show(driver, page: Path, view: str = "", size: tuple[int, int] = DESKTOP) -> None:  # type: ignore[no-untyped-def]
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#{view}")
    until(driver, READY)


def press(driver, *keys: str) -> None:  # type: ignore[no-untyped-def]
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def test_every_unit_has_its_image_and_nothing_goes_wrong(driver, page: Path, atlas: Atlas) -> None:  # type: ignore[no-untyped-def]
    show(driver, page)
    assert driver.execute_script("return document.querySelectorAll('.tile').length") == 16
    assert driver.execute_script("return [...document.querySelectorAll('.layer h2')].map(e => e.textContent)") == [
        *atlas.request.units
    ]
    image = driver.execute_script("return document.querySelector('.tile').style.backgroundImage")
    assert image.startswith('url("blob:')
    severe = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_axe_finds_no_violation(page: Path) -> None:
    assert violations_of(page) == []


def test_axe_finds_no_violation_in_an_open_sheet(driver, page: Path, atlas: Atlas) -> None:  # type: ignore[no-untyped-def]
    best = atlas.measures.meis.reset_index(drop=True)
    show(driver, page, f"input={best[best['best']].index[0]}")
    until(driver, "return document.querySelector('#sheet[open] dl')")
    load_axe(driver)
    assert violations(driver) == []


def test_the_page_shows_what_was_measured(driver, page: Path, atlas: Atlas) -> None:  # type: ignore[no-untyped-def]
    """A unit's sheet says the activation, the percentile and the class that the tables hold."""
    best = atlas.measures.meis.reset_index(drop=True)
    row = best[best["best"] & (best["layer"] == "out")].iloc[0]
    show(driver, page, f"input={row.name}")
    words = until(driver, "return document.querySelector('#sheet[open] dl')?.textContent")
    assert f"{row.activation:.3f}" in words
    assert f"{row['class']} {round(100 * row.probability)}%" in words
    assert f"{row.selectivity:.2f}" in words


def test_sorting_by_activation_orders_each_layer(driver, page: Path) -> None:  # type: ignore[no-untyped-def]
    show(driver, page, "sort=activation")
    values = driver.execute_script(
        "return [...document.querySelectorAll('.layer')].map(l => [...l.querySelectorAll('.tile')]"
        ".map(t => page.data.of.activation[t.dataset.input]))"
    )
    assert all(layer == sorted(layer, reverse=True) for layer in values)
    assert len(values) == 4


def test_the_keyboard_walks_opens_steps_and_closes(driver, page: Path) -> None:  # type: ignore[no-untyped-def]
    from selenium.webdriver.common.keys import Keys

    show(driver, page)
    driver.execute_script("document.querySelector('.tile').focus()")
    press(driver, Keys.ARROW_RIGHT, Keys.ENTER)
    second = until(driver, "return document.getElementById('sheet-title')?.textContent")
    press(driver, Keys.ARROW_RIGHT)
    until(driver, f"return document.getElementById('sheet-title').textContent !== {second!r}")
    press(driver, Keys.ESCAPE)
    # A dialog is closed first; what its page does then follows in an event of its own.
    until(driver, "return !document.getElementById('sheet').open")
    until(driver, "return document.activeElement.classList.contains('tile')")
    until(driver, "return !location.hash.includes('input')")


def test_the_slider_shows_the_evolution_and_other_inputs_are_a_click_away(driver, page: Path) -> None:  # type: ignore[no-untyped-def]
    show(driver, page)
    driver.execute_script("document.querySelector('.tile').click()")
    until(driver, "return document.querySelector('#sheet[open] .large')")
    last = driver.execute_script("return document.querySelector('.large').style.backgroundImage")
    driver.execute_script(
        "const s = document.getElementById('frame'); s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert driver.execute_script("return document.querySelector('.large').style.backgroundImage") != last
    assert "query 1:" in driver.execute_script("return document.querySelector('.words').textContent")
    assert driver.execute_script("return document.querySelectorAll('#inputs .choice').length") == 4
    assert driver.execute_script("return document.querySelectorAll('#neighbours .choice').length") == 8
    before = driver.execute_script("return location.hash")
    driver.execute_script("document.querySelector('#neighbours .choice').click()")
    until(driver, f"return location.hash !== {before!r}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_nothing_is_wider_than_the_screen(driver, page: Path, size: tuple[int, int], theme: str) -> None:  # type: ignore[no-untyped-def]
    show(driver, page, f"theme={theme}", size)
    driver.execute_script("document.getElementById('summaries').open = true")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert driver.execute_script("return document.documentElement.dataset.theme") == theme
    driver.execute_script("document.querySelector('.tile').click()")
    until(driver, "return document.getElementById('sheet').open")
    assert driver.execute_script("const s = document.getElementById('sheet'); return s.scrollWidth <= s.clientWidth")


def test_histograms_agree_with_python(driver, page: Path) -> None:  # type: ignore[no-untyped-def]
    show(driver, page)
    shares = driver.execute_script("return histogram(page.data, page.data.measured[0], 20).shares")
    layer, unit = driver.execute_script("return page.data.measured[0]").split("/")
    expected, _ = amb.histogram(f"mnist-sngan/mnist-snn/{layer}/{unit}", bins=20)
    assert np.array(shares) == pytest.approx(expected, abs=1e-6)
    assert sum(shares) == pytest.approx(1)


def test_neighbours_are_the_most_similar_images() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 4, 4, 1)).astype(np.uint8)
    images[3] = np.clip(images[1].astype(int) + 3, 0, 255)
    near, similar = nearest(images, 2)
    assert near[1, 0] == 3
    assert near[3, 0] == 1
    assert similar[1, 0] > 0.99
    assert all(row not in near[row] for row in range(6))


def test_the_page_stays_small_where_there_are_many_images(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the images exceed the limit, their quality and the frames of the evolutions go down, and a note says so."""
    from amb_reports.atlas import payload as module

    full = payload(atlas)
    monkeypatch.setattr(module, "MOST_BYTES", 40_000)
    small = payload(atlas)

    def size(data: dict[str, object]) -> int:
        return sum(len(sheet["webp"]) for sheet in [*data["sheets"], *data["frames"]["sheets"]])  # type: ignore[index]

    assert full.notes == []
    assert size(small.data) < size(full.data)
    assert "images of each evolution" in small.notes[0]


def test_the_history_of_a_unit_is_a_strip_that_plays(driver, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The sheet shows the unit's input of every state of the training; Play shows them in the large image."""
    request = make_request("mnist-snn", layers=["out"], units=1, history=True)
    plan = plan_of(request, solvers="random", budget=10, seeds=1)
    file = tmp_path / "history.html"
    write_page(atlas_of(request, run(plan, tmp_path / "study")), file)
    show(driver, file)
    assert driver.execute_script("return document.querySelectorAll('.tile').length") == 1
    driver.execute_script("document.querySelector('.tile').click()")
    until(driver, "return document.querySelectorAll('#history .choice').length === 8")
    driver.execute_script("document.getElementById('play-history').click()")
    until(driver, "return document.querySelector('#sheet .words').textContent.startsWith('step 1 of')")
    until(driver, "return document.querySelector('#sheet .words').textContent.startsWith('step 2,808 of')")
