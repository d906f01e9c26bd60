"""Pages in Chromium, examined by axe-core: what keeps people with other senses or devices from reading them."""

import shutil
import time
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SIZES, SCHEMES = ((1280, 900), (390, 844)), ("light", "dark")

_RUN = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))));
"""


def start_chromium(**logs: str) -> Any:
    """A driver of a headless Chromium with these logs; skips the test where either is not installed."""
    need_chromium()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", logs)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(60)
    return driver


def need_chromium() -> None:
    """Skip the test where Chromium or its driver is not installed."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("needs Debian's packages chromium and chromium-driver")


def load_axe(driver: Any) -> None:
    """Load axe-core into the page that a driver shows, whatever the page's policy; skips where it is not installed."""
    if find_spec("axe_playwright_python") is None:
        pytest.skip("needs the package axe-playwright-python, which carries axe-core")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})


def violations(driver: Any) -> list[str]:
    """Every rule of axe-core that the page now violates, and where."""
    found: list[str] = driver.execute_async_script(_RUN)
    return found


def violations_of(page: Path) -> list[str]:
    """Violations of a page on a desktop and a phone, light and dark, with all disclosures open."""
    found = []
    driver = start_chromium()
    try:
        for size in SIZES:
            for scheme in SCHEMES:
                driver.set_window_size(*size)
                feature = {"name": "prefers-color-scheme", "value": scheme}
                driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
                driver.get(page.as_uri())
                driver.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
                time.sleep(0.3)
                load_axe(driver)
                found += [f"{size} {scheme}: {one}" for one in violations(driver)]
    finally:
        driver.quit()
    return found
