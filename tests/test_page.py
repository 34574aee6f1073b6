"""The page in a browser, as a reader meets it: no request, no error, map, lists, language, phone, keyboard.

Chromium is Debian's (``chromium``); where it is absent, these tests say so and are skipped.
"""

import io
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from circle15 import cli
from circle15.report.scale import length_text, round_length
from street_kit import standard
from test_report import AREAS, EVIL, evil_street, rows_of, sample, street  # noqa: F401 - sample is a fixture

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt install chromium)")
ACCENT = (0x6A, 0x3D, 0x9A)
"""The service circle's line in the light theme."""
NUMBER_OF_FOCUS = """() => {
  const seen = (window.seen ||= new Map()), node = document.activeElement;
  if (!seen.has(node)) seen.set(node, seen.size);
  return seen.get(node);
}"""


class Browser:
    """A page with everything that it asked for or complained about."""

    def __init__(self, browser, path: Path, width: int = 1280, height: int = 900, ready=True, **options) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height}, **options)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.url = path.as_uri()
        self.page.goto(self.url)
        if ready:  # pages with a script say so
            self.page.wait_for_selector("html[data-ready=yes]")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def accent_pixels(self) -> int:
        shot = Image.open(io.BytesIO(self.page.locator("#canvas").screenshot())).convert("RGB")
        away = np.abs(np.asarray(shot, dtype=int) - ACCENT).sum(axis=2)
        return int((away < 40).sum())

    def count(self) -> list[int]:
        """Rows that the list of gaps shows, and how many there are."""
        kept, every = self.text("#gap-count").split("/")
        return [int("".join(c for c in part if c.isdigit())) for part in (kept, every)]

    def wait_for_count(self, count: int) -> None:
        """Wait until the list shows so many rows: a form is reset after its event."""
        playwright.expect(self.page.locator("#gap-count")).to_have_text(re.compile(f"^{count} /"))

    def column(self, number: int) -> list[str]:
        return self.page.locator(f"#gap-table tbody tr td:nth-child({number})").all_inner_texts()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def reports(sample, tmp_path_factory) -> dict[str, Path]:  # noqa: F811 - the fixture
    folder = tmp_path_factory.mktemp("pages")
    for name, run in sample.items():
        assert cli.run(["report", str(run), "--out", str(folder / name), "-q"]) == 0
    return {name: folder / name / "report.html" for name in sample}


@pytest.mark.parametrize("command", ["compute", "verify", "plan"])
def test_it_opens_from_a_disk_without_a_request(browser, reports, command):
    one = Browser(browser, reports[command])
    assert one.requests == [one.url]
    assert one.errors == []
    assert one.page.locator("#projects").count() == (0 if command == "compute" else 1)


def test_the_headline_is_the_csv_files(browser, reports, sample):  # noqa: F811
    one = Browser(browser, reports["compute"])
    district = rows_of(sample["compute"], "district")[0]
    shown = one.page.locator(".card .figure").all_inner_texts()
    rates = [float(district[c]) for c in ("item_rate", "committee_rate", "population_rate")]
    for text, rate in zip(shown[:3], rates, strict=True):
        assert 0 <= 100 * rate - float(text.removesuffix(" %")) < 0.1  # rounded down to a tenth
    assert shown[3] == str(len(rows_of(sample["compute"], "gaps")))


@pytest.mark.parametrize("command", ["compute", "verify", "plan"])
def test_a_click_shows_the_committee_with_circle_and_verdicts(browser, reports, sample, command):  # noqa: F811
    """The middle of the map is that of all areas: the committee that lies there is known from the GeoPackage."""
    areas = gpd.read_file(sample[command] / "circle15.gpkg", layer="committee_areas")
    west, south, east, north = areas.total_bounds
    middle = shapely.Point((west + east) / 2, (south + north) / 2)
    near = areas.iloc[areas.distance(middle).argsort(kind="stable")]  # the middle may lie between areas
    one = Browser(browser, reports[command])
    one.page.select_option("#by", "verdict")
    assert one.accent_pixels() == 0
    one.page.locator("#canvas").scroll_into_view_if_needed()
    box = one.page.locator("#canvas").bounding_box()
    # the map fits the bounds of all areas, a fiftieth wider, with a zoom in quarter steps
    fit = min(box["width"] / (1.04 * (east - west)), box["height"] / (1.04 * (north - south)))
    scale = 2.0 ** (math.floor(4 * math.log2(fit)) / 4)

    def click(area: pd.Series) -> str:
        at = area.geometry.representative_point()
        x = box["x"] + box["width"] / 2 + (at.x - middle.x) * scale
        one.page.mouse.click(x, box["y"] + box["height"] / 2 - (at.y - middle.y) * scale)
        return area["committee_id"]

    other = click(near.iloc[1])  # what the first click draws, or a project, must not take the second one
    assert other in one.text("#detail p >> nth=0")
    committee = click(near.iloc[0])
    assert committee in one.text("#detail p >> nth=0")
    assert one.accent_pixels() > 200
    wanted = {}
    for row in rows_of(sample[command], "verdicts"):
        if row["committee_id"] == committee and row["headline"] == "true":
            wanted[row["verdict"]] = wanted.get(row["verdict"], 0) + 1
    heads = one.page.locator("#detail tbody tr").filter(has_not_text="不计入达标率")
    shown = [heads.nth(n).locator(".mark").get_attribute("class").split()[1] for n in range(heads.count())]
    assert {verdict: shown.count(verdict) for verdict in set(shown)} == wanted
    assert one.errors == []


def test_the_search_field_finds_a_committee_by_keyboard(browser, reports, sample):  # noqa: F811
    row = rows_of(sample["compute"], "committees")[7]
    one = Browser(browser, reports["compute"])
    one.page.focus("#find")
    one.page.keyboard.type(row["committee_id"])
    one.page.keyboard.press("Enter")
    assert one.text("#detail h3") == row["name"]
    assert one.accent_pixels() > 0


def test_filters_filter_and_columns_sort(browser, reports, sample):  # noqa: F811
    gaps = rows_of(sample["compute"], "gaps")
    one = Browser(browser, reports["compute"])
    assert one.count() == [len(gaps), len(gaps)]
    towns = sorted({row["town_id"] for row in gaps})
    one.page.select_option("#gap-town", label=towns[0])
    assert one.count()[0] == sum(row["town_id"] == towns[0] for row in gaps)
    assert set(one.column(3)) == {towns[0]}
    one.page.click("#gap-form button[type=reset]")
    one.wait_for_count(len(gaps))
    one.page.fill("#gap-text", gaps[-1]["committee_id"])
    assert one.count()[0] == sum(row["committee_id"] == gaps[-1]["committee_id"] for row in gaps)
    one.page.fill("#gap-text", "")
    one.page.select_option("#gap-reason", "none_exists") if any(r["reason"] == "none_exists" for r in gaps) else None
    one.page.click("#gap-form button[type=reset]")
    one.page.click("#gap-table thead th:nth-child(9) button")
    people = [int(text.replace(",", "")) for text in one.column(9)]
    assert people == sorted((round(float(r["population_affected"])) for r in gaps), reverse=True)[: len(people)]
    assert one.page.get_attribute("#gap-table thead th:nth-child(9)", "aria-sort") == "descending"
    one.page.click("#gap-after")
    assert one.text("#gap-page").startswith("2 /")


def test_a_cell_of_the_matrix_lists_its_gaps(browser, reports, sample):  # noqa: F811
    gaps = rows_of(sample["compute"], "gaps")
    types = [row["type_id"] for row in rows_of(sample["compute"], "types")]
    towns = sorted(row["town_id"] for row in rows_of(sample["compute"], "towns"))
    wanted = gaps[0]
    one = Browser(browser, reports["compute"])
    one.page.click(
        f'.matrix button[data-town="{towns.index(wanted["town_id"])}"][data-type="{types.index(wanted["type_id"])}"]'
    )
    many = sum((row["town_id"], row["type_id"]) == (wanted["town_id"], wanted["type_id"]) for row in gaps)
    one.wait_for_count(many)


def test_the_language_switches_everywhere(browser, reports):
    one = Browser(browser, reports["verify"])
    assert one.page.get_attribute("html", "lang") == "zh-CN"
    assert one.text("#gaps h2") == "缺口清单"
    one.page.click("#language")
    assert one.page.get_attribute("html", "lang") == "en"
    assert one.text("#gaps h2") == "Gaps"
    assert one.page.get_attribute("#find", "placeholder") == "name or id"
    assert one.column(5)[0].isascii()
    assert "too far" in one.text("#gap-reason")
    # what stays Chinese is names, clauses and words of the input
    for selector in ("nav", "#effects", "#method h3", "#gap-form label", "#map-form label", "thead"):
        for text in one.page.locator(selector).all_inner_texts():
            for name in ("示例街道", "样板镇", "模拟镇", "万元"):
                text = text.replace(name, "")  # noqa: PLW2901
            assert not any("\u4e00" <= c <= "\u9fff" for c in text), (selector, text)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_scrolls_sideways(browser, reports, width):
    for path in (reports["verify"], *sorted(reports["verify"].parent.glob("towns/*/index.html"))[:1]):
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_dark_and_print(browser, reports):
    one = Browser(browser, reports["compute"], color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = one.page.evaluate(colour)
    one.page.click("#theme")
    light = one.page.evaluate(colour)
    assert (dark, light) == ("rgb(20, 24, 28)", "rgb(255, 255, 255)")
    one.page.emulate_media(media="print")
    assert not one.page.locator(".tools").is_visible()
    assert one.page.locator("#gap-table").is_visible()


def test_paper_holds_every_gap(browser, reports, sample):  # noqa: F811
    """181 of them on a page of 50 a screen."""
    one = Browser(browser, reports["compute"])
    assert len(one.column(1)) == 50
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(one.column(1)) == len(rows_of(sample["compute"], "gaps"))
    assert one.page.locator("details.domain:not([open])").count() == 0
    one.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(one.column(1)) == 50


def test_everything_can_be_reached_by_keyboard(browser, reports):
    """The tab order holds every control, and none keeps the focus."""
    one = Browser(browser, reports["compute"])
    controls = "a[href], button:not([disabled]), select, input, summary, [tabindex='0']"
    visible = one.page.evaluate(
        f"[...document.querySelectorAll({controls!r})].filter(n => n.checkVisibility() && n.tabIndex >= 0).length"
    )
    seen = set()
    one.page.evaluate("document.activeElement.blur()")
    for _ in range(visible + 20):
        one.page.keyboard.press("Tab")
        seen.add(one.page.evaluate(NUMBER_OF_FOCUS))
    assert len(seen) >= visible


def test_arrows_lead_through_the_matrix(browser, reports, sample):  # noqa: F811
    """It is one stop of the tab key, and each cell says what it is of."""
    one = Browser(browser, reports["compute"])
    cells = one.page.locator(".matrix button")
    assert cells.count() > 20
    assert one.page.locator(".matrix button[tabindex='0']").count() == 1
    first, below = (one.page.locator(".matrix tbody tr").nth(n).locator("button") for n in (0, 1))
    first.nth(0).focus()
    one.page.keyboard.press("ArrowUp")  # there is nothing above
    one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("ArrowRight")
    playwright.expect(below.nth(1)).to_be_focused()
    assert one.page.locator(".matrix button[tabindex='0']").count() == 1
    towns = [row["town_id"] for row in rows_of(sample["compute"], "towns")]
    town, kind, rate = below.nth(1).get_attribute("aria-label").split(" · ")
    assert town in towns
    assert kind in {row["name_zh"] for row in rows_of(sample["compute"], "types")}
    assert rate == f"{below.nth(1).inner_text()} %"


def test_what_is_provided_is_told_against_what_is_asked(browser, tmp_path):
    """40 beds for 70 people, who all reach them: 571.4… a thousand, to the thousandth; 600 are asked."""
    asked = (
        '{ id = "a.c", kind = "provision", types = ["a"], measure = "capacity", unit = "beds", per = 1000, '
        'at_least = 600, scope = "committee", method = "2sfca", minutes = 60, mode = "walk", headline = true, '
        'clause = "1" },'
    )
    facilities = [{"facility_id": "F", "type": "a", "x": 1400, "capacity": 40}]
    folder = street(tmp_path, facilities=facilities, text=standard(asked, ("a",)), areas=AREAS)
    assert cli.run(["report", str(folder), "--out", str(tmp_path / "r"), "-q"]) == 0
    one = Browser(browser, tmp_path / "r" / "report.html")
    one.page.fill("#find", "C2")
    one.page.keyboard.press("Enter")
    assert one.page.locator("#detail tbody td").nth(1).inner_text() == "571.429 / 600 beds per 1000 people"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_comparison_opens_from_a_disk_without_a_request(browser, tmp_path, lang):
    """Two streets whose one facility moved; names are hostile, and the page is no wider than a phone."""
    runs = [evil_street(tmp_path / name, x=x) for name, x in (("a", 600), ("b", 2500))]
    out = tmp_path / "compared"
    assert cli.run(["compare", *map(str, runs), "--out", str(out), "--lang", lang, "-q"]) == 0
    one = Browser(browser, out / "compare.html", width=390, ready=False)
    assert (one.requests, one.errors) == ([one.url], [])
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert one.page.locator("#changes tbody tr").count() == len(rows_of(out, "changes")) > 0
    assert " ".join(EVIL.split()) in " ".join(one.page.locator("#changes tbody th").first.text_content().split())


def test_names_break_nothing(browser, tmp_path):
    folder = evil_street(tmp_path)
    assert cli.run(["report", str(folder), "--out", str(tmp_path / "r"), "-q"]) == 0
    one = Browser(browser, tmp_path / "r" / "report.html", width=390)
    dialogs: list[str] = []
    one.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    one.page.fill("#find", "C2")
    one.page.keyboard.press("Enter")
    flat = " ".join(EVIL.split())
    assert " ".join(one.text("#detail h3").split()) == flat
    assert "<b>T</b>" in one.text("#detail p >> nth=0")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (dialogs, one.errors, one.requests) == ([], [], [one.url])
    town = next((tmp_path / "r" / "towns").glob("*/index.html"))
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(town.as_uri())
    assert page.locator("h1").inner_text().startswith("<b>T</b>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_page_and_town_pages_tell_the_same_times(browser, reports, sample):  # noqa: F811
    """The list's times and limits against those of the towns' pages, all gaps."""
    one = Browser(browser, reports["compute"])
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    listed = sorted(zip(one.column(4), one.column(6), one.column(7), strict=True))
    printed = []
    for path in reports["compute"].parent.glob("towns/*/index.html"):
        page = browser.new_page()
        page.goto(path.as_uri())
        columns = [page.locator(f"#gaps tbody td:nth-child({n})").all_inner_texts() for n in (2, 5, 6)]
        printed += list(zip(*columns, strict=True))
    assert listed == sorted(printed)
    assert any(time.startswith("> 45:00") for _, time, _ in listed)  # 15 minutes are searched three times as far


def test_town_pages_hold_their_gaps(browser, reports, sample):  # noqa: F811
    for path in reports["plan"].parent.glob("towns/*/index.html"):
        page = browser.new_page()
        page.goto(path.as_uri())
        town = page.locator("h1").evaluate("node => node.firstChild.textContent").strip()
        gaps = [row for row in rows_of(sample["plan"], "gaps") if row["town_id"] == town]
        assert page.locator("#gaps tbody tr").count() == len(gaps)
        projects = [row for row in rows_of(sample["plan"], "projects") if row["town_id"] == town]
        assert page.locator("#projects tbody tr").count() == len(projects)


# paper and phones ---------------------------------------------------------------------------------------------------


def test_heads_of_lists_are_text_on_paper(browser, reports):
    """A head is repeated on each page, but a button in it is painted on none but the first."""
    one = Browser(browser, reports["plan"])
    for table in ("#gap-table", "#project-table"):
        shown = one.page.locator(f"{table} thead th button").all_inner_texts()
        assert not one.page.locator(f"{table} thead .printed").first.is_visible()
        assert {c.get_attribute("aria-sort") for c in one.page.locator(f"{table} thead th").all()} == {"none"}
        one.page.emulate_media(media="print")
        assert not one.page.locator(f"{table} thead button").first.is_visible()
        assert one.page.locator(f"{table} thead th").all_inner_texts() == shown
        assert one.page.evaluate(f"getComputedStyle(document.querySelector('{table} thead')).display") == (
            "table-header-group"
        )
        one.page.emulate_media(media="screen")


def test_paper_has_no_hints_for_the_screen(browser, reports):
    one = Browser(browser, reports["compute"])
    hints = ("#matrix p.screen", "#gap-count", "#gap-form", ".pager", ".leaflet-control-zoom")
    assert all(one.page.locator(hint).first.is_visible() for hint in hints)
    one.page.emulate_media(media="print")
    assert not any(one.page.locator(hint).first.is_visible() for hint in hints)


def test_the_map_is_drawn_for_paper_and_back(browser, reports):
    """A third of the 273 mm between a page's margins, light, and the screen's view again afterwards."""
    one = Browser(browser, reports["plan"], color_scheme="dark")
    shot = one.page.locator("#canvas").screenshot()
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    box, canvas = one.page.locator("#canvas").bounding_box(), one.page.locator("#canvas canvas").bounding_box()
    assert box["height"] <= 273 / 3 * 96 / 25.4
    assert canvas["height"] >= box["height"]
    assert one.page.get_attribute("html", "data-theme") == "light"
    one.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert one.page.get_attribute("html", "data-theme") is None
    assert one.page.locator("#canvas").screenshot() == shot


def test_codes_do_not_break_in_two(browser, reports):
    """Town, means and status of each project stand on one line, on a screen and on paper's width."""
    one = Browser(browser, reports["plan"])
    lines = """() => Math.max(...[...document.querySelectorAll('#project-table tbody tr')].flatMap((row) =>
      [1, 3, 4, 5].map((n) => { const range = document.createRange(); range.selectNodeContents(row.cells[n]);
        return new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size; })))"""
    assert one.page.evaluate(lines) == 1
    one.page.set_viewport_size({"width": 1032, "height": 700})  # 273 mm
    one.page.emulate_media(media="print")
    assert one.page.evaluate(lines) == 1
    assert one.page.evaluate("document.querySelector('#project-table').offsetWidth") <= 1032


def test_boxes_that_scroll_are_named_stops(browser, reports):
    one = Browser(browser, reports["verify"], width=390)
    playwright.expect(one.page.locator("#gaps .scroll")).to_have_attribute("tabindex", "0")
    boxes = """() => [...document.querySelectorAll('main .scroll')].filter((one) => one.checkVisibility()
      && one.scrollWidth > one.clientWidth + 1).map((one) => [one.tabIndex, one.getAttribute('role'),
      document.getElementById(one.getAttribute('aria-labelledby'))?.textContent.length > 0])"""
    found = one.page.evaluate(boxes)
    assert len(found) > 3
    assert all(own == [0, "region", True] for own in found)
    wide = Browser(browser, reports["verify"], width=1280)
    assert wide.page.locator("#towns .scroll[tabindex]").count() == 0


def test_the_matrix_leaves_room_for_its_figures_on_a_phone(browser, reports):
    one = Browser(browser, reports["compute"], width=390)
    box = one.page.locator("#matrix .scroll").bounding_box()
    for cell in one.page.locator(".matrix tbody th").all()[:5]:
        assert cell.bounding_box()["width"] <= 0.4 * box["width"]


def test_a_town_page_can_be_entered_and_scrolled_by_keyboard(browser, reports):
    path = next(reports["plan"].parent.glob("towns/*/index.html"))
    page = Browser(browser, path, width=390, ready=False).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#summary"
    for box in page.locator("main > section > .scroll").all():
        assert (box.get_attribute("tabindex"), box.get_attribute("role")) == ("0", "region")
        assert page.locator(f"#{box.get_attribute('aria-labelledby')}").inner_text()


def test_the_foot_of_paper_names_the_run(browser, tmp_path):
    """Names are hostile, and what the pages set stays one string of CSS."""
    folder = evil_street(tmp_path)
    assert cli.run(["report", str(folder), "--out", str(tmp_path / "r"), "-q"]) == 0
    town = next((tmp_path / "r" / "towns").glob("*/index.html"))
    for path, ready in ((tmp_path / "r" / "report.html", True), (town, False)):
        one = Browser(browser, path, ready=ready)
        assert one.errors == []
        assert one.page.evaluate("document.documentElement.style.length") == 1
        running = one.page.evaluate("document.documentElement.style.getPropertyValue('--running')")
        assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', running)


def test_a_comparison_on_a_phone_wraps_words_and_not_characters(browser, tmp_path):
    runs = [evil_street(tmp_path / name, x=x) for name, x in (("a", 600), ("b", 2500))]
    out = tmp_path / "compared"
    assert cli.run(["compare", *map(str, runs), "--out", str(out), "--lang", "zh", "-q"]) == 0
    one = Browser(browser, out / "compare.html", width=390, ready=False)
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.getAttribute('href')") == "#content"
    narrowest = "Math.min(...[...document.querySelectorAll('#changes tbody > tr > *')].map((one) => one.offsetWidth))"
    assert one.page.evaluate(narrowest) >= 5 * 16
    for table in one.page.locator("table").all():
        assert table.locator("caption").text_content()
    for box in one.page.locator(".scroll").all():
        assert (box.get_attribute("tabindex"), box.get_attribute("role")) == ("0", "region")


def test_a_towns_map_is_numbered_as_its_list_and_has_a_scale(browser, reports, sample):  # noqa: F811
    areas = gpd.read_file(sample["plan"] / "circle15.gpkg", layer="committee_areas").set_index("committee_id")
    for path in reports["plan"].parent.glob("towns/*/index.html"):
        page = Browser(browser, path, ready=False).page
        names = [text.strip() for text in page.locator(".town-map title").all_text_contents()]
        drawn = [int(text) for text in page.locator(".town-map text.number").all_text_contents()]
        listed = page.locator("#committees tbody th").all_inner_texts()
        assert len(drawn) == len(listed) > 1
        for name, number in zip(names, drawn, strict=True):
            assert listed[number - 1].split()[:2] == [str(number), name]
        west, _, east, _ = areas.loc[[text.split()[-1] for text in listed]].total_bounds
        # two fingers on the map: its width in metres against the bar's
        paths = page.evaluate(
            "[...document.querySelectorAll('.town-map > path')].map((one) => one.getBBox())"
            ".map((box) => [box.x, box.x + box.width])"
        )
        units = max(right for _, right in paths) - min(left for left, _ in paths)
        bar = page.evaluate("document.querySelector('.bar-of-scale path').getBBox().width")
        figure, unit = page.locator(".bar-of-scale text").text_content().split()
        metres = float(figure) * {"m": 1, "km": 1000}[unit]
        assert bar / units == pytest.approx(metres / (east - west), rel=0.01)


def test_lengths_of_scales_are_round():
    assert [round_length(most) for most in (0.3, 1, 4.9, 50, 1234)] == [0.2, 1, 2, 50, 1000]
    assert [length_text(one) for one in (0.2, 500, 2000)] == ["0.2 m", "500 m", "2 km"]
