"""`plan`: a ledger by year, by hand and against every schedule there is; milestones, town folders, the plan itself."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from circle15 import cli
from circle15.config import load_plan_config
from circle15.errors import ComputeError, ConfigError, InputError
from circle15.percent import text_of_milestone
from circle15.plan.covering import gather
from circle15.plan.schedule import Calendar, schedule
from circle15.plan.solver import Limits
from circle15.planning import programme
from planning_kit import Done, Planned, Verified, read_csv, street, with_ledger
from street_kit import REACH, Quiet, standard

ROOT = Path(__file__).parents[1]
ENDS = [{"committee_id": "C1", "x": 0}, {"committee_id": "C2", "x": 1500}, {"committee_id": "C3", "x": 2800}]
F = {"facility_id": "F", "type": "a", "x": 1500}
"""Of C2 alone: 1500 m from C1 and 1300 m from C3."""
CELLS = [{"x": 0, "total": 10}, {"x": 100, "total": 5}, {"x": 1500, "total": 20}, {"x": 2800, "total": 40}]
FEW = {"project_id": "Few", "type_id": "a", "x": 200, "cost": 5}
"""200 m from C1: 15 people."""
MANY = {"project_id": "Many", "type_id": "a", "x": 2700, "cost": 5}
"""100 m from C3: 40 people."""
NOBODY = {"project_id": "Nobody", "type_id": "a", "x": 1400, "cost": 5}
"""C2's 20 people have F already; C1 and C3 are 1400 m off."""


def sections(budgets: str = "", percent: str = "[]", more: str = "") -> str:
    money = f"budgets = {budgets}\n" if budgets else ""
    return f"[plan]\nyears = [2024, 2025, 2026]\n{money}started_percent = {percent}\n{more}"


def plan_of(folder: Path, projects, plan: str = "", as_of: int | None = None, **more) -> Planned:
    cells = more.pop("cells", CELLS)
    committees, facilities = more.pop("committees", ENDS), more.pop("facilities", [F])
    rules = more.pop("rules", REACH)
    config = street(
        folder, standard(rules), committees, facilities, cells, projects=projects, sections=plan or sections(), **more
    )
    return Planned(config, as_of=as_of)


# schedules by hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("projects", "plan", "starts", "people"),
    [
        # one a year: the one with more people first
        ([FEW, MANY], sections("[5, 5, 5]"), {"Few": 2025, "Many": 2024}, [40, 55, 55]),
        # money for both: both at once
        ([FEW, MANY], sections("[10, 0, 0]"), {"Few": 2024, "Many": 2024}, [55, 55, 55]),
        # nothing may start in the first year
        ([FEW, MANY], sections("[4, 5, 5]"), {"Few": 2026, "Many": 2025}, [0, 40, 55]),
        # Many can't be had before 2025
        ([FEW, {**MANY, "earliest_year": 2025}], sections("[5, 5, 5]"), {"Few": 2024, "Many": 2025}, [15, 55, 55]),
        # Many has a year of its own, and its budget is used up then
        ([FEW, {**MANY, "start_year": 2025}], sections("[0, 5, 5]"), {"Few": 2026, "Many": 2025}, [0, 40, 55]),
        # what began keeps its year, whoever would be better off
        (
            [{**FEW, "start_year": 2024, "status": "started"}, MANY],
            sections("[5, 5, 5]"),
            {"Few": 2024, "Many": 2025},
            [15, 55, 55],
        ),
        # so does what is done, by the year that it was planned for
        (
            [{**FEW, "plan_year": 2024, "status": "done"}, MANY],
            sections("[5, 5, 5]"),
            {"Few": 2024, "Many": 2025},
            [15, 55, 55],
        ),
        # all have to start in the second year: what serves nobody too
        (
            [FEW, MANY, NOBODY],
            sections("[5, 10, 5]", "[33.3333, 100]"),
            {"Few": 2025, "Many": 2024, "Nobody": 2025},
            [40, 55, 55],
        ),
        # a year to build: by the end of 2024 nothing is open
        ([FEW, MANY], sections("[5, 5, 5]", more="build_years = 1\n"), {"Few": 2025, "Many": 2024}, [0, 40, 55]),
    ],
    ids=[
        *("one a year", "both at once", "nothing at first", "earliest year", "fixed start", "started"),
        *("done", "milestone", "a year to build"),
    ],
)
def test_who_comes_first(tmp_path, projects, plan, starts, people):
    run = plan_of(tmp_path, projects, plan)
    rows = run.table("ledger").set_index("project_id")
    found = rows.start_year.fillna(rows.plan_year).astype(int).to_dict()
    assert found == starts
    programme = run.table("programme").set_index("year")
    assert programme.people.tolist() == pytest.approx(people)
    for year in (2024, 2025, 2026):
        begun = [name for name, one in starts.items() if one == year]
        assert (programme.starts[year], programme.cost[year]) == (len(begun), 5 * len(begun))
        share = 100 * sum(one <= year for one in starts.values()) / len(starts)
        assert programme.started_percent[year] == pytest.approx(share)
    assert run.manifest["plan"]["people_years"] == pytest.approx(sum(people))
    assert run.manifest["plan"]["bound"] >= sum(people) * (1 - 1e-9)
    later = 1 if "build_years" in plan else 0
    scheduled = rows[rows.status == "planned"]
    scheduled = scheduled[scheduled.open_year.notna()]
    assert (scheduled.open_year == scheduled.start_year + later).all()
    # what the schedule says of each year is what is found when the ledger is verified
    effects = run.table("effects").query("by == 'district'")
    before = effects.population_covered.iloc[0]
    for row in effects[effects.state == "after"].itertuples():
        assert row.population_covered - before == pytest.approx(people[int(row.year) - 2024])


def test_a_started_project_opens_when_it_is_built(tmp_path):
    """It began in 2024 and takes a year, as the schedule reckons: it is open in 2025 in all the tables."""
    rows = [{**FEW, "start_year": 2024, "status": "started"}, {**MANY, "earliest_year": 2025}]
    run = plan_of(tmp_path, rows, sections(more="build_years = 1\n"))
    programme = run.table("programme").set_index("year")
    assert programme.people.tolist() == [0, 15, 55]
    assert programme.opens.tolist() == [0, 1, 1]
    effects = run.table("effects").query("by == 'district' and state == 'after'")
    assert dict(zip(effects.year.astype(int), effects.passed, strict=True)) == {2025: 2, 2026: 3}


def test_a_closing_keeps_its_year(tmp_path):
    """F closes in 2026, when its successor opens; nothing is gained by closing it any earlier."""
    closing = {"project_id": "Z", "action": "close", "facility_id": "F", "open_year": 2026}
    successor = {**NOBODY, "earliest_year": 2026}
    run = plan_of(tmp_path, [closing, successor])
    effects = run.table("effects").query("by == 'district'")
    assert effects.passed.tolist() == [1, 1]
    assert run.table("ledger").set_index("project_id").open_year["Z"] == 2026


def test_a_row_of_several_units_counts_as_many(tmp_path):
    """12 units, a third of which has to start in 2024, and money for one row a year: it is the row of ten."""
    ten = {"project_id": "Ten", "type_id": "a", "units": 10, "cost": 5}
    run = plan_of(tmp_path, [ten, FEW, MANY], sections("[5, 5, 5]", "[33.3333]"))
    assert run.starts()["Ten"] == 2024
    row = run.milestone("started_2024")
    assert row.value_planned >= row.target
    assert run.table("programme").started_percent.iloc[0] == pytest.approx(1000 / 12)


def test_without_people_budgets_decide(tmp_path):
    run = plan_of(tmp_path, [FEW, MANY], sections("[5, 5, 0]"), cells=None)
    assert sorted(run.starts().values()) == [2024, 2025]
    assert run.codes()["plan.no_population"] == 2


def test_weights_change_who_comes_first(tmp_path):
    """C1's 15 people count threefold: 45 are more than 40."""
    committees = [{**ENDS[0], "town_id": "T2"}, *ENDS[1:]]
    weights = "[suggest.weights]\ntowns = { T2 = 3 }\n"
    run = plan_of(tmp_path, [FEW, MANY], sections("[5, 5, 5]") + weights, committees=committees)
    assert run.starts() == {"Few": 2024, "Many": 2025}


def test_the_scheduled_ledger_verifies_as_it_was_proved(tmp_path):
    run = plan_of(tmp_path, [FEW, MANY], sections("[5, 5, 5]"))
    again = Verified(with_ledger(tmp_path / "config.toml", "out-plan/csv/ledger.csv", more=sections("[5, 5, 5]")))
    for name in ("changes", "effects", "gaps"):
        assert again.bytes_of(f"csv/{name}.csv") == run.bytes_of(f"csv/{name}.csv"), name
    # nothing is left to be scheduled, and all stays as it is
    second = Planned(tmp_path / "again.toml", out="second")
    assert second.starts() == run.starts()
    assert second.manifest["plan"]["scheduled"] is False


# what can't be done -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("projects", "plan", "parts"),
    [
        (
            [FEW, MANY],
            sections("[4, 5, 4]"),
            ["only 1 of 2 projects can be started", "2024: 4, 2025: 5, 2026: 4", "all of them cost 10", "plan.budgets"],
        ),
        (
            [FEW, MANY, NOBODY],
            sections("[5, 5, 5]", "[50, 100]"),
            ["2 of 3 projects have to be started by the end of 2024, and only 1 can be", "plan.started_percent"],
        ),
        (
            [FEW, {**MANY, "earliest_year": 2026}],
            sections("", "[0, 100]"),
            ["2 of 2 projects have to be started by the end of 2025, and only 1 can be"],
        ),
        (
            [{**FEW, "earliest_year": 2026}],
            sections(more="build_years = 1\n"),
            ["may start in 2026 at the earliest and takes 1 years", "plan's last year 2026", "Lengthen plan.years"],
        ),
    ],
)
def test_what_cannot_be_kept_is_named(tmp_path, capsys, projects, plan, parts):
    config = street(tmp_path, standard(REACH), ENDS, [F], CELLS, projects=projects, sections=plan)
    assert cli.run(["plan", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    for part in parts:
        assert part in err
    assert not (tmp_path / "out").exists()


def test_budgets_need_costs(tmp_path):
    projects = [FEW, {name: value for name, value in MANY.items() if name != "cost"}]
    with pytest.raises(InputError, match=r'ledger\.csv.*"cost" is missing, and there are yearly budgets.*Many'):
        plan_of(tmp_path, projects, sections("[5, 5, 5]"))


def test_budgets_for_every_year(tmp_path):
    """That is a fault of the configuration, which the message names."""
    with pytest.raises(ConfigError, match=r"config\.toml.*plan\.budgets has 2 figures for 3 years"):
        plan_of(tmp_path, [FEW], sections("[5, 5]"))


def test_rates_of_items_are_rounded_down_in_milestones_and_shares_of_projects_are_not():
    """78.375 % of items have not reached 78.4 %; 159 of 570 projects are 27.9 %, as the plan prints it."""
    assert text_of_milestone(78.375, 100.0, "items") == "78.3 %"
    assert text_of_milestone(100 * 159 / 570, 33.3, "projects") == "27.9 %"
    assert text_of_milestone(33.26, 33.3, "projects") == "33.2 %"  # never up to the target
    assert text_of_milestone(float("nan"), 100.0, "items") == "–"


def test_a_status_ahead_of_its_own_years_is_noted(tmp_path):
    """Told in 2024: P is done and opens in 2025, Q started in 2025; R opens in 2024, S is only planned."""
    rows = [
        {**FEW, "project_id": "P", "status": "done", "open_year": 2025},
        {**FEW, "project_id": "Q", "status": "started", "start_year": 2025, "open_year": 2026},
        {**FEW, "project_id": "R", "status": "done", "open_year": 2024},
        {**FEW, "project_id": "S", "status": "planned", "open_year": 2026},
    ]
    config = street(tmp_path, standard(REACH), ENDS, [F], CELLS, projects=rows, sections=sections())
    found = programme.plan(load_plan_config(config), out=tmp_path / "o", as_of=2024, progress=Quiet())
    notes = {note.code: note.rows for note in found.notes.items}
    assert notes["projects.ahead"] == ("P", "Q")


def test_a_search_without_time(tmp_path):
    config = street(tmp_path, standard(REACH), ENDS, [F], CELLS, projects=[FEW, MANY], sections=sections("[5, 5, 5]"))
    found = programme.plan(load_plan_config(config), out=tmp_path / "o", time_limit_s=1e-9, progress=Quiet())
    manifest = json.loads((tmp_path / "o" / "run.json").read_text("utf-8"))
    assert manifest["plan"]["reproducible"] is False
    assert "plan.not_reproducible" in {note.code for note in found.notes.items}
    assert sorted(found.tables["ledger"].start_year.astype(int)) in ([2024, 2025], [2024, 2026], [2025, 2026])


# every schedule there is --------------------------------------------------------------------------------------------


def best_of_all(calendar, fixed, earliest, cost, weight, needs, serves) -> float:
    """Return the value of the best of all assignments of years, minus infinity if none keeps to everything."""
    best = -math.inf
    for starts in itertools.product(calendar.years, repeat=len(fixed)):
        last = calendar.years[-1] - calendar.build_years
        kept = all(
            start <= last and not start < first if math.isnan(year) else start == year
            for start, year, first in zip(starts, fixed, earliest, strict=True)
        )
        for year, budget in zip(calendar.years, calendar.budgets, strict=True):
            of_year = [(c, math.isnan(own)) for c, own, s in zip(cost, fixed, starts, strict=True) if s == year]
            left = max(budget - sum(c for c, free in of_year if not free), 0.0)  # what is fixed is paid first
            kept &= sum(c for c, free in of_year if free) <= left + 1e-9
        for year, percent in zip(calendar.years, calendar.started_percent, strict=False):
            kept &= sum(start <= year for start in starts) >= percent / 100 * len(starts) - 1e-9
        if kept:
            value = 0.0
            for year in calendar.years:
                opened = [start + calendar.build_years <= year for start in starts]
                value += sum(
                    people
                    for people, need, own in zip(weight, needs, serves, strict=True)
                    if sum(opened[one] for one in own) >= need
                )
            best = max(best, value)
    return best


def test_the_best_of_all_schedules():
    outcomes = {"found": 0, "impossible": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        projects, units = int(rng.integers(2, 6)), int(rng.integers(1, 7))
        calendar = Calendar(
            (2024, 2025, 2026),
            np.where(rng.random(3) < 0.3, np.inf, rng.integers(2, 12, 3).astype(float)),
            ((), (33.3333,), (33.3333, 100.0), (50.0, 60.0))[rng.integers(0, 4)],
            int(rng.integers(0, 2)),
        )
        fixed = np.where(rng.random(projects) < 0.2, rng.integers(2024, 2027, projects), np.nan).astype(float)
        latest = 2026 - calendar.build_years
        earliest = np.where(rng.random(projects) < 0.3, rng.integers(2024, latest + 1, projects), np.nan).astype(float)
        cost = rng.integers(1, 6, projects).astype(float)
        weight = rng.integers(1, 50, units).astype(float)
        needs = rng.integers(1, 3, units)
        serves = [np.flatnonzero(rng.random(projects) < 0.5) for _ in range(units)]
        unit = np.repeat(np.arange(units), [len(one) for one in serves])
        group = rng.integers(0, 2, units)
        coverage = gather(weight, needs, unit, np.concatenate(serves).astype(np.int64), projects, group)
        best = best_of_all(calendar, fixed, earliest, cost, weight, needs, serves)
        if best == -math.inf:
            with pytest.raises(ComputeError):
                schedule(calendar, fixed, earliest, cost, coverage, Limits(gap=0.0))
            outcomes["impossible"] += 1
            continue
        found = schedule(calendar, fixed, earliest, cost, coverage, Limits(gap=0.0))
        assert found.value == pytest.approx(best), seed
        assert found.people.sum() == pytest.approx(found.value)
        assert found.bound == pytest.approx(best, rel=1e-6)
        assert found.complete
        outcomes["found"] += 1
    assert min(outcomes.values()) > 5


# milestones and status ----------------------------------------------------------------------------------------------

HALF = [
    {**FEW, "start_year": 2024, "open_year": 2025, "status": "started", "department": "区民政局、区教育局"},
    {**MANY, "start_year": 2025, "open_year": 2026, "department": "区教育局"},
]


@pytest.mark.parametrize(
    ("told", "late", "verdicts"),
    [
        (2024, 0, ["pass", "exempt", "exempt", "exempt"]),
        (2025, 0, ["pass", "fail", "exempt", "exempt"]),  # Many should be under way, and isn't
        (2026, 2, ["pass", "fail", "fail", "fail"]),  # Few should be open, Many begun
    ],
)
def test_milestones_by_the_year_in_which_they_are_told(tmp_path, told, late, verdicts):
    run = plan_of(tmp_path, HALF, sections(percent="[33.3333, 100]"), as_of=told)
    rows = run.table("milestones").set_index("milestone")
    assert list(rows.index) == ["started_2024", "started_2025", "done_2026", "reach_2026"]
    assert list(rows.verdict) == verdicts
    assert rows.value.tolist() == pytest.approx([50, 50, 0, 100 / 3], abs=1e-4)
    assert rows.value_planned.tolist() == [50, 100, 100, 100]
    assert rows.missing.tolist() == [0, 1, 2, 2]
    figures = run.table("figures")
    whole = figures[figures.by == "all"].iloc[0]
    assert (whole.projects, whole.planned, whole.started, whole.done, whole.late) == (2, 1, 1, 0, late)
    departments = figures[figures.by == "department"].set_index("key").projects
    assert departments.to_dict() == {"区教育局": 2, "区民政局": 1}


def test_what_is_done_is_reached(tmp_path):
    """All is done and open: in 2026 every item passes, as it is and not only as it was promised."""
    done = [{**one, "status": "done", "start_year": 2024, "open_year": 2025} for one in (FEW, MANY)]
    run = plan_of(tmp_path, done, as_of=2026)
    row = run.milestone("reach_2026")
    assert (row.value, row.value_planned, row.verdict) == (100, 100, "pass")


# a folder a town ----------------------------------------------------------------------------------------------------

NAMES = ["T/1 <script>alert(1)</script>", "a|b", "..", "空镇"]


@pytest.fixture(scope="module")
def towns(tmp_path_factory) -> Planned:
    """C1, who lacks a, in a town of a bad name; C2 with F; C3, who lacks both; and C4, who lacks nothing."""
    committees = [
        {**ENDS[0], "town_id": NAMES[0], "name": "一|居"},
        {**ENDS[1], "town_id": NAMES[1]},
        {**ENDS[2], "town_id": NAMES[2]},
        {"committee_id": "C4", "x": 1300, "town_id": NAMES[3]},
    ]
    projects = [
        {**FEW, "name": "a|b <i>", "town_id": NAMES[0], "means": "reuse", "department": "区民政局", "start_year": 2024},
        {**MANY, "town_id": NAMES[2], "means": "compound", "start_year": 2025, "open_year": 2026},
        {"project_id": "Z", "action": "close", "facility_id": "F", "town_id": NAMES[1], "start_year": 2025}
        | {"open_year": 2025, "means": "new"},
        {"project_id": "N", "type_id": "a", "x": 1400, "town_id": NAMES[3], "start_year": 2024, "cost": 1.5},
    ]
    folder = tmp_path_factory.mktemp("towns")
    reach = REACH + "\n" + REACH.replace("a.r", "b.r").replace('"a"', '"b"')
    plan = sections() + '[suggest]\ncurrency = "万元"\n'
    facilities = [F, {"facility_id": "FB", "type": "b", "x": 900}]
    return plan_of(folder, projects, plan, committees=committees, facilities=facilities, rules=reach)


def test_folders_have_safe_names(towns):
    assert towns.found.towns == ["towns/T_1_script_alert_1_script", "towns/a_b", "towns/town", "towns/空镇"]
    for one in towns.found.towns:
        files = sorted(path.name for path in (towns.folder / one).iterdir())
        assert files == ["README.md", "gaps.csv", "projects.csv", "rates.csv"]
    assert len(list((towns.folder / "towns").iterdir())) == 4


def test_a_towns_page(towns):
    """C1 lacks a (the nearest at 1500 m, 15 people) and has b at 900 m; Few closes the gap."""
    page = towns.page("T_1_script_alert_1_script")
    lines = page.splitlines()
    assert "<script>" not in page
    assert lines[0] == r"# T/1 &lt;script&gt;alert(1)&lt;/script&gt; · 一街镇一策"
    assert "state of 2023 · proved for the end of 2026" in page
    assert "| items 单项达标率 | 50.0 % | 100.0 % |" in lines
    assert "| committees 居村委达标率 | 0.0 % | 100.0 % |" in lines
    # of 30 person × type pairs the 15 of b are covered
    assert "| people 人口覆盖率 | 50.0 % | 100.0 % |" in lines
    assert "Committees 1; items (committee × type) passed 1 → 2, failed 1 → 0, unknown 0 → 0." in page
    assert "| a | 1 | 1 | 0 | 15 |" in lines
    assert r"| a\|b &lt;i&gt; | a | 盘活存量 | 计划 planned | 5 万元 | 区民政局 | 1 |" in lines
    assert "### 2024" in lines
    assert "By means: 盘活存量 1, 复合利用 0, 规划完善 0. Cost in all: 5 万元." in page
    assert "No gap stays open." in page


def test_text_behind_a_table_is_no_row_of_it(towns):
    """In Markdown a table ends at an empty line: what follows at once becomes its last row."""
    for folder in ("T_1_script_alert_1_script", "a_b", "空镇"):
        lines = towns.page(folder).splitlines()
        for line, after in itertools.pairwise(lines):
            assert not line.startswith("|") or after == "" or after.startswith("|"), after


def test_what_stays_open_and_what_was_opened(towns):
    """C2 loses F and finds N 100 m away: nothing opens. C3 has a from Many, and b stays 1900 m off."""
    closing = towns.page("a_b")
    assert "| Z | a | 规划完善 | 计划 planned (close) | – |  | 0 |" in closing.splitlines()
    assert "No gap before the projects." in closing
    assert "No gap stays open." in closing
    third = towns.page("town").splitlines()
    assert "| a | 1 | 1 | 0 | 40 |" in third
    assert "| b | 1 | 0 | 1 | 40 |" in third
    # 1900 m at 4 km/h
    assert "| C3 (C3) | b | too\\_far | 28.5 | 15 |" in third
    assert "| items 单项达标率 | 0.0 % | 50.0 % |" in third


def test_a_town_without_gaps(towns):
    page = towns.page("空镇")
    assert page.startswith("# 空镇 · 一街镇一策")
    assert "No gap before the projects." in page
    assert "| N | a |  | 计划 planned | 1.5 万元 |  | 0 |" in page


def test_town_tables_add_up_to_the_districts(towns):
    folders = [towns.folder / one for one in towns.found.towns]
    gaps = pd.concat([read_csv(folder / "gaps.csv") for folder in folders])
    assert sorted(gaps.committee_id + gaps.type_id) == sorted(
        towns.table("changes").committee_id + towns.table("changes").type_id
    )
    projects = pd.concat([read_csv(folder / "projects.csv") for folder in folders])
    assert sorted(projects.project_id) == sorted(towns.table("projects").project_id)
    assert projects.cost.sum() == towns.table("projects").cost.sum() == 11.5
    rates = pd.concat([read_csv(folder / "rates.csv") for folder in folders])
    effects = towns.table("effects").query("by == 'district'")
    for state, row in (("before", effects.iloc[0]), ("after", effects.iloc[-1])):
        for name in ("passed", "failed", "unknown", "population_covered"):
            assert rates[rates.state == state][name].sum() == row[name], (state, name)


def test_an_empty_ledger_is_a_plan(tmp_path):
    """C1 stays open at 1500 m and C3 at 1300 m; C2's town lacks nothing."""
    run = plan_of(tmp_path, [], committees=[ENDS[0], {**ENDS[1], "town_id": "T2"}, ENDS[2]])
    assert run.table("programme").starts.tolist() == [0, 0, 0]
    assert run.manifest["plan"]["scheduled"] is False
    for page in (run.page("T1"), run.page("T2")):
        assert "No project in this town." in page
    assert "| C1 (C1) | a | too\\_far | 22.5 | 15 |" in run.page("T1")
    assert "| C3 (C3) | a | too\\_far | 19.5 | 15 |" in run.page("T1")
    assert "| items 单项达标率 | 100.0 % | 100.0 % |" in run.page("T2")


# the command, and the plan itself -----------------------------------------------------------------------------------


def test_what_is_printed(tmp_path, capsys):
    config = street(tmp_path, standard(REACH), ENDS, [F], CELLS, projects=[FEW, MANY], sections=sections("[5, 5, 5]"))
    arguments = ["plan", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]
    assert cli.run(arguments) == 0
    text, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in text
    cells = [row.split() for row in text.splitlines()]
    assert ["2024", "1", "1", "5", "5", "50.0", "%"] in cells
    assert ["2026", "0", "0", "0", "5", "100.0", "%"] in cells
    assert ["after", "2025", "100.0", "%", "100.0", "%", "100.0", "%", "3", "0", "0"] in cells
    assert "1 towns' plans below" in text
    assert cli.run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["year"], one["starts"], one["people"]) for one in found["programme"]] == [
        (2024, 1, 40),
        (2025, 1, 55),
        (2026, 0, 55),
    ]
    assert found["towns"] == ["towns/T1"]
    assert [one["milestone"] for one in found["milestones"]] == ["done_2026", "reach_2026"]
    assert found["disagreements"] == []
    assert "towns/T1/README.md" in found["files"]


@pytest.fixture(scope="module")
def pudong(tmp_path_factory) -> Done:
    config = ROOT / "configs" / "plans" / "pudong-2021-2023.toml"
    found = programme.plan(load_plan_config(config), out=tmp_path_factory.mktemp("pudong") / "out", progress=Quiet())
    return Done(found)


def test_the_plans_totals_are_never_added_up(pudong):
    whole = pudong.table("figures").query("by == 'all'").set_index("basis")
    assert whole.projects.to_dict() == {"year": 547, "means": 494, "total": 570}
    assert whole.at_least.all()
    by_year = pudong.table("figures").query("basis == 'year' and by == 'year'").set_index("key").projects
    assert by_year["2021"] == 159
    assert by_year.sum() == 547
    by_means = pudong.table("figures").query("basis == 'means' and by == 'means'")
    assert by_means.projects.sum() == 494
    domains = pudong.table("figures").query("basis == 'total' and by == 'domain'")
    assert domains.projects.sum() == 570
    assert len(domains) == 9
    sums = {547 + 494, 547 + 570, 494 + 570, 547 + 494 + 570}
    assert not sums & set(pudong.table("figures").projects)


def test_what_had_started_in_2021(pudong):
    """159 of 570 are 27.9 %, and not a third: 31 more would have been."""
    row = pudong.table("milestones").set_index("milestone").loc["started_2021"]
    assert (row.counted, row.projects, row.basis) == (159, 570, "year")
    assert round(row.value, 1) == 27.9
    assert (row.verdict, row.missing) == ("fail", 31)
    assert not (pudong.folder / "towns").exists()
    assert not (pudong.folder / "circle15.gpkg").exists()


def test_the_plans_disagreements(pudong):
    rows = pudong.table("disagreements")
    assert len(rows) == 10
    totals = rows[rows.check == "by_year vs total"].set_index("domain")
    # 570 less 547: what the plan counts and does not list by year
    assert totals.difference.sum() == 23
    assert rows[rows.check == "by_means vs total"].difference.sum() == 570 - 494
    share = rows[rows.check.str.startswith("by_year vs ") & (rows.check != "by_year vs total")]
    assert {"159", "190"} <= set(share.value_a.astype(str)) | set(share.value_b.astype(str))


def test_the_plan_on_the_command_line(tmp_path, capsys):
    config = str(ROOT / "configs" / "plans" / "pudong-2021-2023.toml")
    assert cli.run(["plan", config, "-q", "--out", str(tmp_path / "out"), "--as-of", "2023"]) == 0
    text, err = capsys.readouterr()
    assert err == ""
    assert ["all", "547+", "494+", "570+"] in [row.split() for row in text.splitlines()]
    assert text.splitlines()[2].split()[:6] == ["started_2021", "2021", "33.3", "%", "27.9", "%"]
    assert cli.run(["plan", config, "-q", "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["towns"] == []
    assert len(found["disagreements"]) == 10
    assert {one["basis"] for one in found["figures"]} == {"year", "means", "total"}
    assert any(one["verdict"] == "fail" for one in found["ledger_targets"])
