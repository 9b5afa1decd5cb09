"""Tests of the report in a headless browser: a choice is drawn, counts equal the table, nothing leaves the machine."""

import time

import numpy as np
import pandas as pd
import pytest
import synthetic
from browser import PATH, Browser

from magan import keys
from magan.report.page import render
from magan.tasks.batch_correction.explorer import BINS, explorer
from magan.tasks.batch_correction.safety_gate import gate

pytestmark = pytest.mark.skipif(PATH is None, reason="no Chromium; apt-get install chromium")

WIDTHS = (400, 900, 1600)
PLACE = ("batch", "person_2")
VERDICT = {"arm": "magan", "word": "safe but", "sentence": "Safe but for CD3 (peaks in T cells).", "put_back": {}}


@pytest.fixture(scope="module")
def cells():
    """Held-out cells before and after a map, with samples; a population is only in the reference."""
    truth, mapped = synthetic.batch_cells(n=600, n_markers=5)
    truth.obs[keys.SAMPLE] = [f"{batch}_{i % 2}" for i, batch in enumerate(truth.obs[keys.BATCH])]
    truth.obs.loc[truth.obs_names[:30], keys.CELL_TYPE] = "basophils"
    truth.uns["reference"] = "day_1"
    return truth, mapped


@pytest.fixture(scope="module")
def table(cells):
    return gate(*cells)


@pytest.fixture(scope="module")
def address(cells, table, tmp_path_factory):
    metrics = synthetic.batch()
    study = {"name": "demo", "title": "Demo", "verdicts": {PLACE: (VERDICT, table)}}
    study |= {"explorers": {PLACE: explorer(*cells)}, "places": {PLACE: [{"href": "f.tsv", "text": "f", "more": ""}]}}
    page = tmp_path_factory.mktemp("page") / "report.html"
    page.write_text(render(study, synthetic.summarise(metrics), metrics, [], {}))
    return page.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def drawn(browser):
    """Wait until every figure is drawn as chosen."""
    for _ in range(600):
        if browser.run("explorers.every((e) => Object.keys(e.views).length === 3)"):
            return browser.run("explorers[0].drawn")
        time.sleep(0.05)
    raise AssertionError("the figures were not drawn within 30 s")


def choose(browser, **chosen):
    for name, value in chosen.items():
        browser.run(f"explorers[0].form.elements.{name}.value = {value!r}")
    browser.run("explorers[0].form.dispatchEvent(new Event('change'))")
    drawn(browser)


def plotted(browser):
    """Side -> number of cells in the figure of densities, read from the figure itself."""
    rows = browser.run("explorers[0].views.density.data('cells').map((row) => [row.side, row.n])")
    assert len(rows) % BINS == 0
    return pd.DataFrame(rows, columns=["side", "n"]).groupby("side")["n"].sum().to_dict()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_complained_of_or_asked_from_elsewhere(browser, address, width):
    browser.open(address, width)
    drawn(browser)
    assert browser.complaints() == []
    assert browser.requests() == [address]
    assert browser.run("document.documentElement.scrollWidth") <= width
    beyond = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
    assert browser.run(f"{beyond}.filter((e) => !e.closest('.wide, pre')).map((e) => e.outerHTML.slice(0, 80))") == []
    overlap = (
        "[...document.querySelectorAll('.explorer .canvas svg')].every((e) => e.getBoundingClientRect().width > 250)"
    )
    assert browser.run(overlap)


def test_every_choice_is_drawn_with_the_counts_of_the_table(browser, address, table):
    browser.open(address)
    drawn(browser)
    for population, rows in table.groupby("population"):
        row = rows.iloc[0]
        choose(browser, marker=row[keys.MARKER], population=population)
        assert plotted(browser) == {"reference": row["n_reference"], "before": row["n"], "after": row["n"]}
        said = browser.run("document.querySelector('.counts').textContent")
        assert said.startswith(f"{row['n']} cells of day_2") and f"{row['n_reference']} cells of the reference" in said
    choose(browser, population="basophils")
    assert set(plotted(browser)) == {"reference"}
    assert browser.run("document.querySelector('.counts').textContent") == "No cell of basophils in day_2."


def test_densities_are_of_the_cells_before_and_after(browser, address, cells):
    truth, mapped = cells
    browser.open(f"{address}#marker=CD4&population=T+cells")
    drawn(browser)
    rows = pd.DataFrame(browser.run("explorers[0].views.density.data('cells')"))
    inside = truth.obs.loc[mapped.obs_names, keys.CELL_TYPE].to_numpy() == "T cells"
    before = truth[mapped.obs_names, "CD4"].layers[keys.PREPROCESSED].ravel()[inside]
    for side, values in (("before", before), ("after", mapped[:, "CD4"].X.ravel()[inside])):
        here = rows[rows["side"] == side]
        assert np.average(here["x"], weights=here["n"]) == pytest.approx(values.mean(), abs=0.1)
        assert here["share"].sum() == pytest.approx(1)


def test_the_table_sorts_by_a_heading_and_a_marker_in_it_is_drawn(browser, address, table):
    browser.open(address)
    drawn(browser)
    column = "[...document.querySelectorAll('.gate tbody tr')].map((row) => row.cells[{}].textContent)"
    press = "document.querySelectorAll('.gate th button')[{}].click()"
    for up in (False, True):
        browser.run(press.format(3))
        values = [float(text) for text in browser.run(column.format(3))]
        assert values == sorted(table["emd_before"].round(3), reverse=not up)
        state = browser.run("document.querySelectorAll('.gate th')[3].getAttribute('aria-sort')")
        assert state == ("ascending" if up else "descending")
    marker, population = (browser.run(column.format(i))[0] for i in (0, 1))
    browser.run("document.querySelector('.gate tbody button').click()")
    drawn(browser)
    state = browser.run("explorers[0].state")
    assert (state["marker"], state["population"]) == (marker, {"all cells": keys.ALL}.get(population, population))
    assert f"marker={marker}" in browser.run("location.hash")


def test_every_control_has_a_name_and_the_next_marker_is_a_key_away(browser, address):
    browser.open(address)
    drawn(browser)
    controls = "[...document.querySelectorAll('select, button, a')]"
    assert browser.run(f"{controls}.every((e) => (e.ariaLabel || e.textContent || e.labels?.[0].textContent).trim())")
    first = browser.run("explorers[0].state.marker")
    browser.run("document.querySelector('button[data-step=\"1\"]').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    drawn(browser)
    assert browser.run("explorers[0].state.marker") != first


def test_figures_can_be_saved(browser, address):
    browser.open(address)
    drawn(browser)
    save = "document.querySelector('[data-chart=density] .save button:nth-of-type({})').click()"
    browser.run(
        "HTMLAnchorElement.prototype.click = function () { (window.saved ??= []).push([this.download, this.href]) }"
    )
    for button in (1, 2):
        browser.run(save.format(button))
    for _ in range(100):
        if len(saved := browser.run("window.saved || []")) == 2:
            break
        time.sleep(0.05)
    assert [name.split(".")[-1] for name, _ in saved] == ["svg", "png"]
    assert saved[0][1].startswith("data:image/svg+xml,%3Csvg") and saved[1][1].startswith("data:image/png;base64,")


def test_without_scripts_the_verdict_and_the_picture_are_there(browser, address):
    browser.open(address, scripts=False)
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("document.querySelectorAll('table.happened td').length") > 15
    assert browser.run("document.querySelector('.explorer').checkVisibility()") is False
    assert "Use with care" in browser.run("document.querySelector('.card').innerText")
