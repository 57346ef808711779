"""The page in a real browser for keyboards, screen readers and print: keys that are really pressed, roles and names, and contrasts."""

import json

import pytest

from site_pages.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")


@pytest.fixture
def opened(networks, tmp_path):
    networks.write(tmp_path / "networks.html")
    with Browser(tmp_path / "profile") as browser:
        browser.open((tmp_path / "networks.html").as_uri())
        yield browser
        assert browser.errors() == []


def tab_to(browser, selector):
    """Press Tab until a part of the page has the focus."""
    for _ in range(40):
        browser.press("Tab")
        if browser.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            return
    pytest.fail(f"Tab does not reach {selector}")


@pytest.mark.integration
def test_all_of_it_is_done_with_keys(opened):
    rows = "Array.from(document.querySelectorAll('tbody tr:not(.away)')).map((row) => row.cells[0].textContent)"
    found = "document.querySelector('.tools').elements.found.value"
    opened.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    assert opened.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    # The link leads into the results: what Tab reaches next is the head of their first table.
    opened.press("Enter", "Tab")
    assert opened.evaluate("[location.hash, document.activeElement.textContent]") == ["#main", "network"]
    opened.press(" ")
    assert opened.evaluate(rows) == ["Adv", "Int", "Normal"]
    opened.press("Enter")
    assert opened.evaluate(rows) == ["Normal", "Int", "Adv"]
    assert opened.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
    tab_to(opened, "svg .mark")
    assert opened.evaluate("document.getElementById('tip').textContent") == "Normal: 0.9 at eps 0"
    opened.press("Tab", "Tab")
    assert opened.evaluate("document.getElementById('tip').textContent") == "Int: 0.8 at eps 0"
    tab_to(opened, ".gallery select[name=network]")
    opened.press("ArrowDown")
    picked = "Array.from(document.querySelectorAll('.gallery figure')).find((each) => !each.hidden).innerText.trim()"
    assert opened.evaluate(picked) == "caption of 1: two Int CAM"
    tab_to(opened, "summary")
    opened.press("Enter")
    assert opened.evaluate("document.querySelector('details').open")
    tab_to(opened, "[name=find]")
    opened.press("n", "o", "r")
    assert opened.evaluate(found) == "1 of 3 networks"
    tab_to(opened, "[name=first]")
    opened.press("ArrowDown", "ArrowDown")
    assert opened.evaluate("document.activeElement.value") == "Int"
    assert opened.evaluate(rows) == ["Int"]
    tab_to(opened, "[type=reset]")
    opened.press(" ")
    assert opened.evaluate(f"new Promise((done) => setTimeout(() => done({found}), 50))") == "3 of 3 networks"
    tab_to(opened, "[name=theme]")
    opened.press(" ")
    assert opened.evaluate("[document.documentElement.dataset.theme, document.activeElement.ariaPressed]") == [
        "dark",
        "true",
    ]


@pytest.mark.integration
def test_a_screen_reader_gets_roles_and_names(opened):
    told = opened.accessible()
    expected = [
        ("RootWebArea", "Networks"),
        ("link", "Skip to the results"),
        ("heading", "Networks"),
        ("navigation", "Contents"),
        ("form", "What is shown"),
        ("searchbox", "find networks"),
        ("combobox", "compare"),
        ("combobox", "with"),
        ("button", "Show all"),
        ("button", "Dark"),
        ("status", ""),
        ("main", ""),
        ("heading", "Tables"),
        ("columnheader", "network"),
        ("button", "network"),
        ("columnheader", "accuracy"),
        ("button", "accuracy"),
        ("group", "accuracy against eps"),
        ("image", "Normal: 0.25 at eps 0.1"),
        ("combobox", "network"),
        ("combobox", "method"),
        ("image", "caption of 1: two Normal CAM"),
        ("image", "of Adv"),
        ("DisclosureTriangle", "Settings"),
    ]
    assert [each for each in expected if each not in told] == []
    named = ("link", "button", "searchbox", "combobox", "columnheader", "image", "form", "navigation")
    assert [role for role, name in told if role in named and not name.strip()] == []


# Texts whose contrast with what is behind them is below 4.5 to 1, as WCAG 2 computes it.
CONTRASTS = """(() => {
  const colour = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return { of: [red, green, blue], alpha };
  };
  const over = (top, below) => top.of.map((each, place) => top.alpha * each + (1 - top.alpha) * below[place]);
  const light = (of) => of.map((each) => each / 255).map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => element
    ? over(colour(getComputedStyle(element).backgroundColor), behind(element.parentElement)) : [255, 255, 255];
  const wrong = [];
  let seen = 0;
  const check = (element, style, text) => {
    if (!element.getClientRects().length || element.matches(":disabled")) return;
    const back = behind(element), drawn = over(colour(element instanceof SVGElement ? style.fill : style.color), back);
    const [bright, dark] = [light(drawn), light(back)].sort((a, b) => b - a);
    seen += 1;
    if ((bright + 0.05) / (dark + 0.05) < 4.5) wrong.push(`${element.tagName} ${text.trim()}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement: element } = walker.currentNode;
    if (data.trim() && !element.matches("script, option")) check(element, getComputedStyle(element), data);
  }
  document.querySelectorAll("input, select").forEach((each) => check(each, getComputedStyle(each), each.name));
  document.querySelectorAll("th button").forEach((each) => check(each, getComputedStyle(each, "::after"), "the arrow"));
  return [seen, wrong];
})()"""


@pytest.mark.integration
def test_texts_stand_out_in_light_and_dark_and_in_print(opened, tmp_path):
    for medium, scheme in (("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")):
        opened.media(medium, scheme)
        opened.open((tmp_path / "networks.html").as_uri())
        back = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(23, 25, 28)" if (medium, scheme) == ("screen", "dark") else "rgb(255, 255, 255)")
        opened.evaluate("document.querySelector('details').open = true; document.querySelector('svg .mark').focus()")
        seen, wrong = opened.evaluate(CONTRASTS)
        assert seen > 30
        assert wrong == []
    opened.media()
    opened.open((tmp_path / "networks.html").as_uri())
    opened.evaluate("document.documentElement.style.setProperty('--soft', '#888')")
    assert "FIGCAPTION how" in opened.evaluate(CONTRASTS)[1]


@pytest.mark.integration
def test_a_printed_page_shows_results_and_no_controls(opened):
    controls = ".tools, .picker, nav, .skip, .csv, select, input, [name=theme]"
    shown = "Array.from(document.querySelectorAll({})).filter((each) => each.checkVisibility()).length"
    assert opened.evaluate(shown.format(json.dumps(controls))) > 8
    opened.media("print")
    assert opened.evaluate(shown.format(json.dumps(controls))) == 0
    assert opened.evaluate(shown.format("'table, svg.curves, .gallery img, main > figure > img'")) == 4
    arrows = (
        "Array.from(document.querySelectorAll('th button')).map((each) => getComputedStyle(each, '::after').content)"
    )
    assert set(opened.evaluate(arrows)) == {"none"}
