"""The page of the plan's figures: against the catalogue, against the tables read off the plan, and the plan's text."""

import re
from pathlib import Path

import pytest

import plan_kit
from circle15.standard.load import load_standard
from circle15.standard.model import Standard

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "explanation" / "plan-figures.md").read_text(encoding="utf-8")
PLAN = plan_kit.REFERENCE / "action_plan_2021-2023.txt"
needs_reference = pytest.mark.skipif(not PLAN.exists(), reason="the plan and its tables are not part of the project")


@pytest.fixture(scope="module")
def pudong() -> Standard:
    return load_standard("pudong-2021", Path())


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    section = re.split(r"(?m)^## ", PAGE.split(f"## {heading}\n", 1)[1])[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_dated_figures_are_the_targets_of_the_catalogue(pudong):
    rows = rows_of("Dated figures")
    assert len(rows) == len(pudong.targets) == 30
    for row, one in zip(rows, pudong.targets, strict=True):
        place, _, quote = one.clause.partition(" ")
        assert row[:5] == [place, quote, f"{one.operator} {one.value:g} {one.unit}", str(one.due), f"`{one.id}`"]
        if one.requirement:
            assert row[5] == f"requirement `{one.requirement}`"
        else:
            assert row[5] == ("ledger (later)" if one.measured_by == "ledger" else f"measured by `{one.measured_by}`")


FIGURES = {
    "elderly_floor_area": lambda one: (one.at_least, one.per) == (40, 1000),
    "new_beds": lambda one: (one.at_least, one.measure) == (5590, "capacity"),
    "district_institutions": lambda one: (one.at_least, one.measure) == (5, "count"),
    "new_places": lambda one: (one.at_least, one.measure) == (3000, "capacity"),
    "guidance_station_coverage": lambda one: (one.at_least, one.scope) == (1, "town"),
    "community_fitness_center_coverage": lambda one: (one.at_least, one.scope) == (1, "town"),
    "elderly_fitness_home_coverage": lambda one: (one.at_least, one.scope) == (1, "town"),
    "metro_bus_link_share": lambda one: one.percent == 95,
    "metro_bus_link_distance": lambda one: one.metres == 100,
    "standard_wet_market_share": lambda one: one.percent == 100,
    "green_walk_min": lambda one: (one.minutes, one.mode) == (5, "walk"),
    "green_walk_max": lambda one: (one.minutes, one.mode) == (10, "walk"),
    "scenery_cycle": lambda one: (one.minutes, one.mode) == (15, "cycle"),
    "large_park_drive": lambda one: (one.minutes, one.mode) == (30, "drive"),
    "parks_total": lambda one: (one.at_least, one.since, one.due) == (200, None, 2025),
}


def test_requirements_ask_for_the_figures_of_their_targets(pudong):
    by_id = {one.id: one for one in pudong.requirements}
    assert set(FIGURES) == {one.id for one in pudong.targets if one.requirement}
    for one in pudong.targets:
        if one.requirement:
            requirement = by_id[one.requirement]
            assert FIGURES[one.id](requirement), one.id
            assert requirement.due in (None, one.due)
            if one.operator in (">=", "=") and one.unit not in ("%", "streets/towns"):
                assert requirement.at_least == one.value


def test_other_names_of_the_catalogue_on_the_page_exist(pudong):
    known = {one.id for one in (*pudong.requirements, *pudong.types, *pudong.domains, *pudong.targets)}
    known |= {one.group for one in pudong.types if one.group} | {
        "item_rate",
        "types",
        "longest_minutes",
        "needs_ledger",
    }
    assert {word for word in re.findall(r"`([a-z_0-9.]+)`", PAGE) if word not in known} <= {
        "unknown",
        ".reach",
        "domains",
    }


@needs_reference
def test_projects_by_type_and_domain_are_those_of_the_tables():
    for heading, lines in (
        ("Projects by type", plan_kit.type_lines()),
        ("Projects by domain", plan_kit.domain_lines()),
    ):
        expected = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert rows_of(heading) == expected
    assert len(rows_of("Projects by type")) == 32
    assert len(rows_of("Projects by domain")) == 10


@needs_reference
def test_printed_sums_of_the_tables_are_their_sums():
    """domain_totals.csv carries sums of its own: all of them are formed anew."""
    for row, line in zip(plan_kit.rows("domain_totals.csv"), rows_of("Projects by domain"), strict=True):
        assert line[1] == row["printed_total"] + "+" * (row["total_at_least"] == "1")
        listed = [row[f"listed_{year}"] for year in plan_kit.YEARS]
        assert line[2:7] == [*listed, row["sum_by_year"], row["sum_by_means_listed"]]
        assert float(line[7].split()[0]) == pytest.approx(100 * float(row["share_2021_of_total"]), abs=0.051)
        third = 3 * int(line[2]) >= int(row["printed_total"])
        assert third == (row["meets_one_third"] == "1")


@needs_reference
def test_disagreements_are_those_that_the_sums_show():
    """Types whose sums by year and by means differ, domains whose sum is not the printed total, and a third of 570."""
    shown = rows_of("Where the plan's sums disagree")
    by_type = {line[0].strip("`"): (line[5], line[9]) for line in rows_of("Projects by type")}
    differing = {t: sums for t, sums in by_type.items() if sums[0] != sums[1] and "+" not in "".join(sums)}
    told = {
        re.findall(r"`(\w+)`, by year and by means", row[0])[0]: (row[1], row[2])
        for row in shown
        if "by year" in row[0]
    }
    assert told == differing
    totals = {line[0].strip("`"): (line[5], line[1]) for line in rows_of("Projects by domain")}
    unlisted = {d: sums for d, sums in totals.items() if sums[0] != sums[1] and d != "ALL"}
    assert {row[0].split(",")[0]: (row[1], row[2]) for row in shown if "listed and total" in row[0]} == unlisted
    every = rows_of("Projects by domain")[-1]
    whole = int(every[1].rstrip("+"))
    (third,) = [row for row in shown if row[0].startswith("a third")]
    assert third[1:3] == [f"{every[2]} of {whole}", str(whole // 3)]
    assert third[3].startswith(every[7])
    (started,) = [row for row in shown if row[0].startswith("2022")]
    assert started[1].startswith(str(int(every[2]) + int(every[3])))
    assert (started[2], started[3].split()[0]) == (str(whole), every[4])
    reference = plan_kit.rows("discrepancies.csv")
    assert {r["type_id"] for r in reference if r["check"] == "by_year vs by_means"} == set(differing)


@needs_reference
def test_the_tables_of_projects_are_what_the_plan_prints():
    """Read off the text a second time: 2021年…类型N项, and by means."""
    zh = {row["type_id"]: row["type_zh"] for row in plan_kit.rows("plan_projects.csv")}
    zh |= {"nine_year_school": "九年一贯制", "bus_stop": "公交线路"}
    text = PLAN.read_text(encoding="utf-8")
    paragraphs = [line for line in text.splitlines() if line.startswith("(2)行动计划。") and re.search(r"\d项", line)]
    assert len(paragraphs) == 9
    found: dict[tuple[str, str], int] = {}
    for paragraph in paragraphs:
        years, means = re.split("具体通过|主要通过", paragraph, maxsplit=1)
        parts = [(y, p) for y, p in re.findall(r"(202[123])年(.*?)(?=202[123]年|$)", years.split("项目", 1)[1])]
        parts += re.findall(r"(盘活存量|复合利用|规划完善)(.*?)(?=通过|$)", means)
        for label, part in parts:
            for type_id, name in zh.items():
                for number in re.findall(rf"{re.escape(name)}(?:不少于)?(\d+)[项条]", part):
                    found[type_id, label] = int(number)
    expected = {
        (r["type_id"], r["year"]): int(r["count"]) for r in plan_kit.rows("plan_projects.csv") if r["count"] != "0"
    }
    expected |= {(r["type_id"], r["means"]): int(r["count"]) for r in plan_kit.rows("plan_means.csv") if r["count"]}
    assert found == expected


@needs_reference
def test_no_number_of_the_plan_is_left_out():
    """Every figure in the plan's text stands somewhere on the page."""
    text = PLAN.read_text(encoding="utf-8")
    on_page = set(re.findall(r"\d+", PAGE))
    assert set(re.findall(r"\d+", text)) - on_page == set()
