"""The page in a real browser: no errors, tables sort, points say their values, the gallery picks; and without JavaScript all is there."""

import html
import json
import os
import re
import subprocess

import numpy as np
import pytest

from interp.report import Curve, GalleryEntry, Page, map_strip
from site_pages.browser import CHROMIUM, FLAGS, Browser
from site_pages.shown_pages import unfit

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")

# Run in the page after its own script; what it returns is written where the test reads it.
PROBE = """
<script>
const seen = {};
const cells = (column) => Array.from(document.querySelectorAll("tbody tr")).map((row) => row.cells[column].textContent);
const heads = document.querySelectorAll("th button");
heads[1].click(); seen.rising = cells(1);
heads[1].click(); seen.falling = cells(1); seen.sort = heads[1].closest("th").getAttribute("aria-sort");
heads[0].click(); seen.words = cells(0); seen.sorts = document.querySelectorAll("th[aria-sort]").length;
seen.images = Array.from(document.images).map((image) => image.complete && image.naturalWidth > 0);
const shown = () => Array.from(document.querySelectorAll(".gallery figure")).filter((each) => !each.hidden).map((each) => each.innerText);
const select = (name) => document.querySelector(`select[name=${name}]`);
const pick = (name, value) => { select(name).value = value; select(name).dispatchEvent(new Event("change")); };
seen.first = shown();
pick("network", "Int"); seen.other = shown();
pick("method", "IG"); seen.method = shown();
pick("network", "Normal"); seen.fallback = shown(); seen.disabled = Array.from(select("method").options).map((each) => each.disabled);
const mark = document.querySelector("svg .mark");
// A browser without a screen sends the events of focus only sometimes; that the point takes the focus it shows always.
mark.focus(); seen.active = document.activeElement === mark;
mark.dispatchEvent(new FocusEvent("focus")); seen.tip = [document.getElementById("tip").hidden, document.getElementById("tip").textContent];
mark.dispatchEvent(new FocusEvent("blur")); seen.gone = document.getElementById("tip").hidden;
seen.labels = Array.from(document.querySelectorAll("select")).every((each) => each.labels.length === 1);
document.body.innerHTML = "<pre id=seen></pre>";
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>
"""


def run(path, tmp_path, *options):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    command += [*options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture
def page(tmp_path):
    page = Page("A report")
    page.heading("Tables")
    page.table(("network", "accuracy"), [("b", "0.5"), ("a", "10"), ("c", "-"), ("d", "0.75")], "how")
    page.curves(
        {"Normal": Curve((0, 0.1), (0.9, 0.25), (0.1, 0.1)), "Int": Curve((0, 0.1), (0.8, 0.5))},
        "eps",
        "accuracy",
        "drawn",
    )
    image, map_ = np.random.RandomState(0).rand(8, 8, 1), np.random.RandomState(1).randn(4, 4)
    strip = map_strip([(image, None), (image, map_)])
    chosen = [
        ("1: two", "Normal", "CAM"),
        ("1: two", "Int", "CAM"),
        ("1: two", "Int", "IG"),
        ("2: <four>", "Int", "CAM"),
    ]
    page.gallery([GalleryEntry(*names, strip, f"caption of {' '.join(names)}") for names in chosen])
    page.write(tmp_path / "report.html")
    return tmp_path / "report.html"


def test_a_browser_that_does_not_start_leaves_nothing_open(monkeypatch, tmp_path):
    monkeypatch.setattr("site_pages.browser.CHROMIUM", "false")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises((EOFError, BrokenPipeError)):
        Browser(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.integration
def test_tables_curves_and_gallery_work(page, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    result = run(probed, tmp_path, "--dump-dom")
    assert "CONSOLE" not in result.stderr, result.stderr
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', result.stdout, re.DOTALL)[1]))
    assert seen["rising"] == ["0.5", "0.75", "10", "-"]
    assert seen["falling"] == ["-", "10", "0.75", "0.5"]
    assert seen["sort"] == "descending"
    assert seen["words"] == ["a", "b", "c", "d"]
    assert seen["sorts"] == 1
    assert seen["images"] == [True] * 4
    assert seen["first"] == ["caption of 1: two Normal CAM"]
    assert seen["other"] == ["caption of 1: two Int CAM"]
    assert seen["method"] == ["caption of 1: two Int IG"]
    # Normal has no IG here: the choice falls to what it has.
    assert seen["fallback"] == ["caption of 1: two Normal CAM"]
    assert seen["disabled"] == [False, True]
    assert seen["active"]
    assert seen["tip"] == [False, "Normal: 0.9 at eps 0"]
    assert seen["gone"]
    assert seen["labels"]


CHOOSE = """
<script>
const seen = {};
const form = document.querySelector(".tools").elements;
const change = (name, value) => { form[name].value = value; form[name].dispatchEvent(new Event("input", { bubbles: true })); };
const visible = (selector) => Array.from(document.querySelectorAll(selector)).filter((each) => getComputedStyle(each).display !== "none");
const state = () => ({
  rows: visible("tbody tr").map((row) => row.cells[0].textContent),
  lines: visible("g.line").map((each) => each.dataset.network),
  gallery: visible(".gallery figure").map((each) => each.innerText.trim()),
  figures: visible("main > figure[data-network]").map((each) => each.dataset.network),
  found: form.found.value,
});
seen.all = state();
change("find", "nor"); seen.searched = state();
change("find", "nothing"); seen.none = state();
change("find", ""); change("first", "Normal"); change("second", "Int"); seen.pair = state();
seen.side = getComputedStyle(document.querySelector(".gallery")).display;
const [left, right] = visible(".gallery figure").map((each) => each.getBoundingClientRect());
seen.beside = Math.abs(left.top - right.top) < 1 && left.right <= right.left;
const background = () => getComputedStyle(document.body).backgroundColor;
seen.light = background(); form.theme.click(); seen.dark = background(); seen.pressed = form.theme.getAttribute("aria-pressed");
form.theme.click(); seen.again = background();
const link = document.querySelector("a.csv"); seen.csv = [link.download, atob(link.href.split(",")[1])];
document.querySelector("form.tools").reset();
setTimeout(() => {
  seen.reset = state();
  const order = Array.from(document.querySelectorAll("a, button, input, select, [tabindex]")).filter((each) => each.tabIndex >= 0);
  seen.first = order[0].className;
  seen.unnamed = order.filter((each) => !(each.textContent.trim() || each.labels?.length || each.getAttribute("aria-label"))).length;
  document.body.innerHTML = "<pre id=seen></pre>";
  document.getElementById("seen").textContent = JSON.stringify(seen);
}, 100);
</script>
"""


@pytest.mark.integration
def test_networks_are_found_compared_and_downloaded(networks, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(networks.to_html().replace("</body>", f"{CHOOSE}</body>"))
    result = run(probed, tmp_path, "--dump-dom", "--virtual-time-budget=2000")
    assert "CONSOLE" not in result.stderr, result.stderr
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', result.stdout, re.DOTALL)[1]))
    everything = {
        "rows": ["Normal", "Int", "Adv"],
        "lines": ["Normal", "Int"],
        "gallery": ["caption of 1: two Normal CAM"],
        "figures": ["Adv"],
        "found": "3 of 3 networks",
    }
    assert seen["all"] == seen["reset"] == everything
    assert seen["searched"] == {
        "rows": ["Normal"],
        "lines": ["Normal"],
        "gallery": ["caption of 1: two Normal CAM"],
        "figures": [],
        "found": "1 of 3 networks",
    }
    assert seen["none"] == {"rows": [], "lines": [], "gallery": [], "figures": [], "found": "0 of 3 networks"}
    assert seen["pair"]["rows"] == seen["pair"]["lines"] == ["Normal", "Int"]
    assert seen["pair"]["gallery"] == ["caption of 1: two Normal CAM", "caption of 1: two Int CAM"]
    assert seen["beside"]
    assert seen["side"] == "grid"
    assert seen["light"] == seen["again"] == "rgb(255, 255, 255)"
    assert seen["dark"] == "rgb(23, 25, 28)"
    assert seen["pressed"] == "true"
    # Numbers in full, as they were measured.
    assert seen["csv"] == ["table_1.csv", "network,accuracy\r\nNormal,0.12345678\r\nInt,0.5\r\nAdv,\r\n"]
    # What a keyboard reaches first leads past the tools, and everything that it reaches has a name.
    assert seen["first"] == "skip"
    assert seen["unnamed"] == 0


@pytest.mark.integration
def test_without_javascript_everything_is_there(page, tmp_path):
    without = re.sub(r"<script>.*?</script>", "", page.read_text(), flags=re.DOTALL)
    path = tmp_path / "without.html"
    path.write_text(without)
    picture = tmp_path / "page.png"
    run(path, tmp_path, f"--screenshot={picture}", "--window-size=1000,2400")
    assert picture.stat().st_size > 20_000
    assert without.count("<figure data-image") == 4
    assert "<title>Normal: 0.25 at eps 0.1</title>" in without
    assert 'class="picker" hidden' in without
    assert 'id="tip" role="status" hidden' in without


@pytest.mark.integration
def test_the_page_fits_a_screen_and_a_telephone(networks, page, tmp_path):
    networks.write(tmp_path / "networks.html")
    assert unfit([page, tmp_path / "networks.html"], tmp_path / "profile") == []
