"""The report in a real browser: drawn completely, without an error, without a request."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.report.synthetic_run import FILAMENT, write_run

from setclosure.experiments.report import build_report

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)
FIGURES = {
    f"fig-{name}" for name in ("predictions", "errors", "distribution", "snapshots", "permutation", "closure", "losses")
}

DRAWN = """
return [...document.querySelectorAll("figure.wide")].map(figure => {
  const sizes = [...figure.querySelectorAll(".plot.js-plotly-plot .main-svg")].map(svg => {
    const box = svg.getBoundingClientRect(); return Math.min(box.width, box.height); });
  const marks = figure.querySelectorAll(".trace, .hm").length;
  return [figure.id, sizes.length ? Math.max(...sizes) : 0, marks];
});
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or CHROMEDRIVER is None:
        message = "no Chromium and chromedriver found; install both to test the report as a reader sees it"
        if os.environ.get("SETCLOSURE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    yield driver
    driver.quit()


def _open(browser: Any, report: Path) -> None:
    browser.get_log("browser")
    browser.get(report.as_uri())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [{}, {"system": FILAMENT, "seeds": (0, 1, 2), "species": ("a", "b")}, {"shared_times": False}],
    ids=["unequal-lengths", "seeds-species-samples", "unequal-times"],
)
def test_every_figure_is_drawn_and_nothing_is_fetched(browser: Any, tmp_path: Path, arguments: dict[str, Any]) -> None:
    _open(browser, build_report(write_run(tmp_path / "run", **arguments)))
    drawn = {key: (size, marks) for key, size, marks in browser.execute_script(DRAWN)}
    stochastic = arguments.get("system") is FILAMENT
    assert set(drawn) == FIGURES | ({"fig-spread"} if stochastic else set())
    assert all(size > 100 and marks > 0 for size, marks in drawn.values()), drawn
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []
    levels = browser.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert levels.count(2) == 12 + stochastic
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_selector_changes_the_curves(browser: Any, tmp_path: Path) -> None:
    _open(browser, build_report(write_run(tmp_path / "run")))
    read = "return document.querySelector('#fig-predictions .plot')._fullData[0].y[0]"
    before = browser.execute_script(read)
    browser.execute_script("document.querySelectorAll('#fig-predictions input')[1].click()")
    titles = browser.execute_script(
        "return document.querySelector('#fig-predictions .plot').layout.annotations.map(a => a.text)"
    )
    assert browser.execute_script(read) != before
    assert "trajectory 7: diverged at frame 40" in titles
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_foreign_text_cannot_run(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", configuration="name: <script>window.foreign = 1</script>\n")
    hostile = "<img src=x onerror='window.foreign = 1'></script><script>window.foreign = 1</script>"
    for file, words in {
        "run.json": (
            "Example CPU", "complete", "Hotter box", "Flocks at", "Birds", "pair energy", "nm", "birds", "density",
            "temperature", "train.zarr", "vx", "same distribution", "The flock",
        ),
        "metrics.json": ("hotter", "outside"),
        "naive.json": ("persistence",),
        "seconds.json": ("encode",),
        "seed-0/history.json": ("stage_two",),
    }.items():  # fmt: skip
        text = (run / file).read_text()
        for word in words:
            assert word in text
            text = text.replace(word, hostile)
        (run / file).write_text(text)
    evaluation = run / "seed-0" / "evaluation"
    shutil.move(evaluation / "hotter.npz", evaluation / "<b onmouseover=foreign>.npz")
    _open(browser, build_report(run))
    assert browser.execute_script("return window.foreign === undefined")
    assert browser.execute_script("return document.querySelectorAll('img, b[onmouseover]').length") == 0
    assert "<script>window.foreign = 1</script>" in browser.execute_script(
        "return document.querySelector('#configuration pre').textContent"
    )
    assert browser.get_log("browser") == []
