"""The figures of a ledger of projects: small ledgers by hand, and the plan itself against the tables read off it."""

import copy
import math
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plan_kit
import standard_kit
from circle15 import tables
from circle15.plan.ledger import disagreements, is_late, ledger_figures, ledger_targets, milestones
from circle15.standard.load import load_standard
from circle15.standard.model import Standard

ROOT = Path(__file__).parent.parent
PLANS = ROOT / "configs" / "plans"
TEXT = plan_kit.REFERENCE / "action_plan_2021-2023.txt"
needs_reference = pytest.mark.skipif(not TEXT.exists(), reason="the plan and its tables are not part of the project")
NAN = float("nan")
MEANS = {"盘活存量": "reuse", "复合利用": "compound", "规划完善": "new"}
TARGETS = (
    {"id": "third", "operator": ">=", "value": 33.3333, "unit": "%", "due": 2021},
    {"id": "all_started", "operator": "=", "value": 100, "unit": "%", "due": 2022},
    {"id": "at_least_ten", "domain": "care", "operator": ">=", "value": 10, "unit": "projects", "due": 2023},
    {"id": "exactly_ten", "domain": "care", "operator": "=", "value": 10, "unit": "projects", "due": 2023},
)


def small_standard(*targets: dict) -> Standard:
    """Types a and b of the domain care, type z of the domain play."""
    raw = copy.deepcopy(standard_kit.of_all_kinds())
    raw["domains"] = [
        {"id": "play", "zh": "玩", "en": "Play", "clause": "2"},
        {"id": "care", "zh": "养", "en": "Care", "clause": "2"},
    ]
    for one in raw["types"]:
        one["domain"] = "play" if one["id"] == "z" else "care"
    raw["targets"] = [
        {"zh": "标", "en": "Target", "clause": "12", "measured_by": "ledger"} | one for one in targets or TARGETS
    ]
    return Standard.parse(raw, "a test")


SMALL = small_standard()


def ledger(*rows: dict) -> pd.DataFrame:
    """A ledger as it comes from its reader: text is "" and numbers are NaN where nothing is given."""
    table = pd.DataFrame(list(rows) or None, index=range(len(rows)))
    for number, column in enumerate(tables.PROJECTS):
        if column.name not in table:
            table.insert(number, column.name, pd.Series("" if column.dtype == "text" else NAN, index=table.index))
        fill = table[column.name]
        table[column.name] = fill.fillna("").astype(object) if column.dtype == "text" else fill.astype(float)
    for name in ("marginal", "domain"):
        table[name] = (table[name] if name in table else pd.Series("", index=table.index)).fillna("").astype(object)
    more = table["at_least"] if "at_least" in table else pd.Series(False, index=table.index)
    table["at_least"] = more.eq(True)
    return table


def year(type_id: str, plan_year: int, units: float = NAN, **more) -> dict:
    return {"marginal": "year", "type_id": type_id, "plan_year": plan_year, "units": units, "status": "planned"} | more


def means(type_id: str, one: str, units: float = NAN, **more) -> dict:
    return {"marginal": "means", "type_id": type_id, "means": one, "units": units, "status": "planned"} | more


def total(domain: str, units: float, **more) -> dict:
    return {"marginal": "total", "domain": domain, "units": units, "status": "planned"} | more


def project(status: str = "planned", type_id: str = "a", units: float = 1, **more) -> dict:
    return {"type_id": type_id, "status": status, "units": units} | more


def figure(figures: pd.DataFrame, basis: str, by: str, key: str) -> pd.Series:
    (one,) = figures[(figures.basis == basis) & (figures.by == by) & (figures.key == key)].iloc
    return one


def keys(figures: pd.DataFrame, basis: str, by: str) -> list[str]:
    return figures.key[(figures.basis == basis) & (figures.by == by)].tolist()


# Figures -----------------------------------------------------------------------------------------------------------


def of_five_rows() -> pd.DataFrame:
    return ledger(
        project("done", "a", 2, plan_year=2021, open_year=2021, means="new", town_id="T2", cost=10, department="甲"),
        project("started", "a", 1, plan_year=2022, means="reuse", town_id="T1", cost=5, department="甲、乙"),
        project("planned", "b", 4, plan_year=2021, means="new", town_id="T1", department="乙; 丙"),
        project("planned", "z", 3, start_year=2023, means="new", town_id="T1", cost=7, department="乙|乙"),
        project("planned", "z", NAN, plan_year=2023, cost=0.5),
    )


def test_figures_of_real_projects_by_hand():
    figures = ledger_figures(of_five_rows(), SMALL, 2022)
    every = figure(figures, "projects", "all", "")
    # 2 + 1 + 4 + 3, and one row without a number is one project; the 4 of 2021 are late in 2022
    assert (every.projects, every.planned, every.started, every.done, every.late) == (11, 8, 1, 2, 4)
    assert (every.cost, every.cost_missing, bool(every.at_least)) == (22.5, 4, False)
    assert every.share_started == pytest.approx(100 * 3 / 11)
    by_hand = {
        ("domain", "care"): (7, 3, 4, 100 * 3 / 7),
        ("domain", "play"): (4, 0, 0, 0),
        ("type", "a"): (3, 3, 0, 100),
        ("type", "b"): (4, 0, 4, 0),
        ("year", "2021"): (6, 2, 4, 100 * 2 / 6),
        ("year", "2022"): (1, 1, 0, 100),
        ("year", "2023"): (4, 0, 0, 0),  # 3 by their start_year, for they have no plan_year
        ("means", "reuse"): (1, 1, 0, 100),
        ("means", "new"): (9, 2, 4, 100 * 2 / 9),
        ("means", ""): (1, 0, 0, 0),
        ("town", "T1"): (8, 1, 4, 100 / 8),
        ("status", "planned"): (8, 0, 4, 0),
    }
    for (by, key), (number, begun, late, percent) in by_hand.items():
        one = figure(figures, "projects", by, key)
        assert (one.projects, one.started + one.done, one.late) == (number, begun, late), (by, key)
        assert one.share_started == pytest.approx(percent), (by, key)


def test_keys_stand_in_the_standards_order_and_those_without_last():
    figures = ledger_figures(of_five_rows(), SMALL, 2022)
    assert keys(figures, "projects", "domain") == ["play", "care"]
    assert keys(figures, "projects", "type") == ["a", "b", "z"]
    assert keys(figures, "projects", "means") == ["reuse", "new", ""]
    assert keys(figures, "projects", "status") == ["planned", "started", "done"]
    assert keys(figures, "projects", "town") == ["T1", "T2", ""]
    named = figures[figures.by.isin(["domain", "type"])].set_index("key")
    assert named.loc["care", ["name_zh", "name_en"]].tolist() == ["养", "Care"]
    assert named.loc["z", ["name_zh", "name_en"]].tolist() == ["戊", "Z"]


def test_a_shared_department_counts_for_each_and_once():
    figures = ledger_figures(of_five_rows(), SMALL, 2022)
    found = {key: figure(figures, "projects", "department", key).projects for key in ("甲", "乙", "丙", "")}
    assert found == {"甲": 3, "乙": 8, "丙": 4, "": 1}


@pytest.mark.parametrize("mark", ["、", ",", ";", "|", " ; "])
def test_what_parts_departments(mark):
    figures = ledger_figures(ledger(project(department=f"甲{mark}乙")), SMALL, 2022)
    assert set(keys(figures, "projects", "department")) == {"甲", "乙"}


def test_a_grouping_that_no_row_has_a_key_for_is_left_out():
    figures = ledger_figures(ledger(project(plan_year=2022)), SMALL, 2022)
    assert figures.by.tolist() == ["all", "domain", "type", "year", "status"]
    assert math.isnan(figures.cost[0])
    assert figures.cost_missing[0] == 1


def test_marginals_by_hand_divide_by_printed_totals():
    table = ledger(
        year("a", 2021, 3, status="started", start_year=2021, department="甲、丁"),
        year("a", 2022, department="甲、丁"),
        year("z", 2021, 1, status="started", department="乙、丁"),
        year("z", 2022, 4, department="乙、丁"),
        means("a", "new", 3),
        total("care", 12, at_least=True, department="甲、丁"),
    )
    figures = ledger_figures(table, SMALL, 2023)
    every = figure(figures, "year", "all", "")
    assert (every.projects, bool(every.at_least), every.late) == (8, True, 4)
    assert every.share_started == pytest.approx(100 * 4 / 17)  # 12 printed, and 1 + 4 without a printed total
    assert figure(figures, "year", "domain", "care").share_started == 25
    assert figure(figures, "year", "domain", "play").share_started == 20
    assert figure(figures, "year", "type", "a").share_started == 100
    assert figure(figures, "year", "department", "甲").share_started == 25
    assert figure(figures, "year", "department", "丁").share_started == pytest.approx(100 * 4 / 17)
    one = figure(figures, "means", "means", "new")
    assert (one.projects, bool(one.at_least)) == (3, False)
    assert one[["planned", "started", "done", "late", "cost", "share_started"]].isna().all()
    whole = figure(figures, "total", "all", "")
    assert (whole.projects, bool(whole.at_least)) == (12, True)
    assert set(figures.by[figures.basis == "means"]) == {"all", "domain", "type", "means"}
    assert set(figures.by[figures.basis == "total"]) == {"all", "domain", "department"}


def test_real_projects_beside_marginals_are_never_added_up():
    marginals = [year("a", 2021, 5), means("a", "new", 5), total("care", 6)]
    figures = ledger_figures(ledger(project("started", units=2), *marginals), SMALL, 2021)
    alone = figures[figures.by == "all"].set_index("basis")
    assert alone.projects.to_dict() == {"projects": 2, "year": 5, "means": 5, "total": 6}
    assert alone.share_started["projects"] == 100  # of the real ones, not of 6 printed
    assert alone.share_started["year"] == 0


def test_an_empty_ledger_has_no_figures():
    empty = ledger()
    assert ledger_figures(empty, SMALL, 2022).empty
    assert disagreements(empty, SMALL).empty
    assert is_late(empty, 2022).shape == (0,)
    found = milestones(empty, SMALL, [2021, 2022], [50], 2023)
    assert found.milestone.tolist() == ["started_2021", "done_2022"]
    assert set(found.verdict + found.reason) == {"unknown" + tables.NOTHING_JUDGED}
    assert found.value.isna().all()
    targets = ledger_targets(empty, SMALL, 2023)
    assert set(targets.verdict + targets.reason) == {"unknown" + tables.NOTHING_JUDGED}


STATUS = st.sampled_from(tables.STATUSES)
YEAR = st.one_of(st.just(NAN), st.integers(2020, 2025).map(float))
ROW = st.fixed_dictionaries(
    {
        "marginal": st.sampled_from(["", "", "year", "means", "total"]),
        "type_id": st.sampled_from(["a", "b", "z"]),
        "status": STATUS,
        "units": st.one_of(st.just(NAN), st.integers(0, 9).map(float)),
        "at_least": st.booleans(),
        "plan_year": YEAR,
        "start_year": YEAR,
        "open_year": YEAR,
        "means": st.sampled_from(["", *tables.MEANS]),
        "town_id": st.sampled_from(["", "T1", "T2"]),
        "department": st.sampled_from(["", "甲", "乙", "甲、乙"]),
        "cost": st.one_of(st.just(NAN), st.integers(0, 50).map(float)),
    }
)
LEDGER = st.lists(ROW, min_size=1, max_size=12)


@given(LEDGER)
@settings(deadline=None, max_examples=40)
def test_figures_of_each_grouping_add_up_to_all(rows):
    figures = ledger_figures(ledger(*rows), SMALL, 2022)
    sums = ["projects", "planned", "started", "done", "late", "cost", "cost_missing"]
    for (basis, by), group in figures.groupby(["basis", "by"]):
        every = figure(figures, basis, "all", "")
        if by == "department":  # shared projects count for each department
            assert (group[sums].sum() >= every[sums].fillna(0).astype(float) - 1e-9).all()
        else:
            assert group[sums].sum().tolist() == pytest.approx(every[sums].fillna(0).tolist()), (basis, by)
        assert group["at_least"].any() == every["at_least"]
    dated = figures[figures.basis.isin(["projects", "year"])]
    assert (dated.planned + dated.started + dated.done == dated.projects).all()
    assert (dated.late <= dated.planned + dated.started).all()


@given(LEDGER, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=20)
def test_the_order_of_rows_changes_nothing(rows, random):
    other = list(rows)
    random.shuffle(other)
    one, two = ledger(*rows), ledger(*other)
    pd.testing.assert_frame_equal(ledger_figures(one, SMALL, 2022), ledger_figures(two, SMALL, 2022))
    pd.testing.assert_frame_equal(disagreements(one, SMALL), disagreements(two, SMALL))
    pd.testing.assert_frame_equal(ledger_targets(one, SMALL, 2022), ledger_targets(two, SMALL, 2022))


# Late --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "late_from"),
    [
        (project("planned", plan_year=2021), 2022),
        (project("planned", plan_year=2021, start_year=2023), 2024),  # the start was put off
        (project("planned", start_year=2021), 2022),
        (project("planned", plan_year=2030, open_year=2022), 2023),
        (project("started", plan_year=2021, start_year=2021), None),  # no year in which it should open
        (project("started", start_year=2021, open_year=2022), 2023),
        (project("done", plan_year=2021, start_year=2021, open_year=2021), None),
        (project("planned"), None),
        (year("a", 2022, 5), 2023),
        (means("a", "new", 5), None),
    ],
)
def test_late_once_the_year_has_passed(row, late_from):
    table = ledger(row)
    if late_from is None:
        assert not is_late(table, 2199)[0]
    else:
        assert [bool(is_late(table, y)[0]) for y in (late_from - 1, late_from, late_from + 1)] == [False, True, True]


# Milestones --------------------------------------------------------------------------------------------------------


def of_ten_projects() -> pd.DataFrame:
    return ledger(
        project("done", units=1, start_year=2020, open_year=2022),
        project("started", units=2, start_year=2021),
        project("started", units=1, plan_year=2022),
        project("planned", units=3, plan_year=2021, start_year=2022),
        project("planned", units=2, plan_year=2023, open_year=2024),
        project("planned", units=1),
    )


def test_milestones_of_real_projects_by_hand():
    found = milestones(of_ten_projects(), SMALL, [2021, 2022, 2023], [33.3333, 100], 2022).set_index("milestone")
    assert found.index.tolist() == ["started_2021", "started_2022", "done_2023"]
    assert found.basis.unique().tolist() == ["projects"]
    assert found.projects.tolist() == [10, 10, 10]
    # started by 2021: 1 + 2; by 2022 one more. Done: 1
    assert found.counted.tolist() == [3, 4, 1]
    assert found.value.tolist() == [30, 40, 10]
    # if all goes as written: by 2021 the same 3; by 2022 also 1 and 3; done by 2023: 1, 1 and 3, for 2 open in 2024,
    # and of 2 that started nobody wrote when they open
    assert found.value_planned.tolist() == [30, 70, 50]
    assert found.missing.tolist() == [1, 6, 9]  # 33.3333 % of 10 is 4
    assert found.verdict.tolist() == ["fail", "fail", "exempt"]
    assert found.reason.tolist() == [tables.BELOW_TARGET, tables.BELOW_TARGET, tables.NOT_DUE]
    assert found.due.tolist() == [2021, 2022, 2023]
    assert found.loc["done_2023", "name_en"] == "Projects done by the end of 2023"
    assert found.loc["started_2021", "name_zh"] == "至2021年底已启动项目占比"


@pytest.mark.parametrize(
    ("started", "as_of", "verdict", "missing"),
    [(3, 2021, "fail", 1), (3, 2020, "exempt", 1), (4, 2021, "pass", 0), (4, 2020, "pass", 0), (12, 2021, "pass", 0)],
)
def test_a_third_of_twelve_is_four_and_counts_early(started, as_of, verdict, missing):
    table = ledger(project("started", units=started, start_year=2020), project("planned", units=12 - started))
    first = milestones(table, SMALL, [2021], [33.3333], as_of).iloc[0]
    assert (first.verdict, first.missing) == (verdict, missing)


def test_what_has_started_ahead_of_its_plan_has_started():
    """No year of its start is written: it was no later than the ledger's."""
    table = ledger(project("started", plan_year=2025), project("done"))
    found = milestones(table, SMALL, [2021, 2022], [100, 100], 2022)
    assert found.counted.tolist() == [0, 2, 1]


def test_a_percentage_without_a_year_is_no_milestone():
    found = milestones(ledger(project("done", plan_year=2024)), SMALL, [2024], [50, 100], 2024)
    assert found.milestone.tolist() == ["started_2024", "done_2024"]
    assert found.verdict.tolist() == ["pass", "pass"]


def test_milestones_of_lists_are_shares_of_the_printed_total():
    table = ledger(
        year("a", 2021, 3, status="started"), year("a", 2022, 5), total("care", 10), project("done", units=7)
    )
    found = milestones(table, SMALL, [2021, 2022], [33.3333], 2022)
    assert found.basis.tolist() == ["projects", "projects", "year", "year"]
    assert found.counted.tolist() == [0, 7, 3, 0]  # nobody wrote when the 7 were done: by 2022
    assert found.projects.tolist() == [7, 7, 10, 10]
    assert found.value.tolist() == [0, 100, 30, 0]
    assert found.value_planned.tolist() == [0, 100, 30, 80]


@pytest.mark.parametrize(
    ("rows", "verdict", "reason"),
    [
        # 3 of at least 6 may be any share up to half
        ([year("a", 2021, 3, status="started"), total("care", 6, at_least=True)], "unknown", tables.SOME_UNKNOWN),
        ([year("a", 2021, 1, status="started"), total("care", 6, at_least=True)], "fail", tables.BELOW_TARGET),
        # at least 1 of 6 may be a third
        ([year("a", 2021, 1, status="started", at_least=True), total("care", 6)], "unknown", tables.SOME_UNKNOWN),
        ([year("a", 2021, 2, status="started", at_least=True), total("care", 6)], "pass", tables.TARGET_MET),
        # without a printed total: what is missing are projects not started, or started ones
        ([year("a", 2021, 3, status="started"), year("a", 2022)], "unknown", tables.SOME_UNKNOWN),
        ([year("a", 2021, 3, status="started"), year("a", 2021, status="started")], "pass", tables.TARGET_MET),
        # a list that leaves out numbers doesn't make a printed total larger
        ([year("a", 2021, 3, status="started"), year("a", 2022), total("care", 6)], "pass", tables.TARGET_MET),
    ],
)
def test_a_share_with_numbers_left_out_is_judged_only_where_it_is_certain(rows, verdict, reason):
    first = milestones(ledger(*rows), SMALL, [2021], [33.3333], 2021).iloc[0]
    assert (first.verdict, first.reason) == (verdict, reason)
    target = ledger_targets(ledger(*rows), SMALL, 2021).set_index("target_id").loc["third"]
    assert (target.verdict, target.reason) == (verdict, reason)


@given(LEDGER)
@settings(deadline=None, max_examples=30)
def test_a_later_year_counts_no_fewer(rows):
    found = milestones(ledger(*rows), SMALL, [2020, 2021, 2022, 2023, 2024], [100] * 5, 2022)
    for _, one in found[found.milestone.str.startswith("started")].groupby("basis"):
        assert one.counted.is_monotonic_increasing
        assert (one.value.isna() | (one.value <= one.value_planned)).all()


# Targets -----------------------------------------------------------------------------------------------------------


def target_of(rows: list[dict], target_id: str, as_of: int = 2023) -> tuple[float, str, str]:
    one = ledger_targets(ledger(*rows), SMALL, as_of).set_index("target_id").loc[target_id]
    return one.measured, one.verdict, one.reason


@pytest.mark.parametrize(
    ("rows", "as_of", "at_least_ten", "exactly_ten"),
    [
        ([total("care", 10)], 2023, "pass", "pass"),
        ([total("care", 10, at_least=True)], 2023, "pass", "unknown"),
        ([total("care", 9, at_least=True)], 2023, "unknown", "unknown"),
        ([total("care", 11, at_least=True)], 2023, "pass", "fail"),
        ([total("care", 9)], 2023, "fail", "fail"),
        ([total("care", 9)], 2022, "exempt", "exempt"),
        ([total("play", 10)], 2023, "unknown", "unknown"),
        ([year("a", 2021, 4), year("b", 2022, 6)], 2023, "pass", "pass"),
        ([year("a", 2021, 10), total("care", 9)], 2023, "fail", "fail"),  # the printed total comes before the list
        ([project(units=9), total("care", 10)], 2023, "fail", "fail"),  # and real projects before both
        ([project(units=10), year("a", 2021, 3)], 2023, "pass", "pass"),
        ([project("planned", "z", 10), total("care", 10)], 2023, "fail", "fail"),  # none of them is of care
    ],
)
def test_targets_in_projects(rows, as_of, at_least_ten, exactly_ten):
    assert target_of(rows, "at_least_ten", as_of)[1] == at_least_ten
    assert target_of(rows, "exactly_ten", as_of)[1] == exactly_ten


def test_targets_in_percent_by_hand():
    rows = [project("started", units=1, start_year=2021), project("started", units=2, start_year=2022), project()]
    assert target_of(rows, "third", 2023) == (25, "fail", tables.BELOW_TARGET)
    assert target_of(rows, "all_started", 2023) == (75, "fail", tables.BELOW_TARGET)
    assert target_of(rows, "all_started", 2021) == (75, "exempt", tables.NOT_DUE)
    assert target_of(rows[:2], "all_started", 2021) == (100, "pass", tables.TARGET_MET)


def test_more_than_a_printed_total_is_all_of_it():
    rows = [year("a", 2021, 12, status="started"), total("care", 10)]
    assert target_of(rows, "all_started") == (120, "pass", tables.TARGET_MET)


def test_a_target_of_one_domain_looks_at_that_domain():
    share = {"id": "half", "domain": "play", "operator": ">=", "value": 50, "unit": "%", "due": 2022}
    table = ledger(project("started", "z", 1, start_year=2021), project("planned", "z", 3), project("started"))
    one = ledger_targets(table, small_standard(share), 2022).iloc[0]
    assert (one.measured, one.measured_target, one.measured_unit, one.verdict) == (25, 50, "%", "fail")


# Disagreements -----------------------------------------------------------------------------------------------------

AGREEING = [
    *[year("a", 2021, 4), year("a", 2022, 2), year("z", 2021, 3)],
    *[means("a", "reuse", 5), means("a", "new", 1), means("z", "new", 3)],
    *[total("care", 6), total("play", 3)],
]


def lines(rows: list[dict]) -> list[tuple]:
    found = disagreements(ledger(*rows), SMALL)
    assert (found.difference == found.value_b - found.value_a).all()
    return list(found[["domain", "type_id", "check", "value_a", "value_b"]].itertuples(index=False, name=None))


def test_lists_that_agree_give_nothing():
    """7 of 9 are listed for 2021, all 9 by 2022."""
    assert lines(AGREEING) == []


def test_real_projects_are_no_list():
    assert lines([*AGREEING, project(units=50)]) == []
    assert lines([project(units=50), total("care", 6)]) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (  # a type that only one of the lists names
            year("b", 2021, 2),
            [("care", "b", "by_year vs by_means", 2, 0), ("care", "", "by_year vs total", 8, 6)],
        ),
        (
            means("a", "compound", 1),
            [("care", "a", "by_year vs by_means", 6, 7), ("care", "", "by_means vs total", 7, 6)],
        ),
        (  # a printed total that is larger: 10, of which the lists have 9
            total("play", 1),
            [
                ("play", "", "by_year vs total", 3, 4),
                ("play", "", "by_means vs total", 3, 4),
                ("", "", "by_year vs all_started", 9, 10),
            ],
        ),
        (  # listed for 2023: by 2022 still the 9 that are printed are
            year("z", 2023, 1),
            [("play", "z", "by_year vs by_means", 4, 3), ("play", "", "by_year vs total", 4, 3)],
        ),
        (year("z", 2022), []),  # without a number: it may be none
        (
            means("z", "reuse", 1, at_least=True),
            [("play", "z", "by_year vs by_means", 3, 4), ("play", "z", "by_means vs total", 4, 3)],
        ),
    ],
)
def test_one_row_more_is_named_where_it_disagrees(row, expected):
    assert lines([*AGREEING, row]) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([year("a", 2021, 4), means("a", "new")], []),
        ([year("a", 2021, 4), means("a", "new", 4, at_least=True)], []),
        ([year("a", 2021, 4), means("a", "new", 5, at_least=True)], [("care", "a", "by_year vs by_means", 4, 5)]),
        ([year("a", 2021, 4, at_least=True), means("a", "new", 9, at_least=True)], []),
        ([year("a", 2021, 4), total("care", 3, at_least=True)], []),
        ([year("a", 2021, 4), total("care", 4, at_least=True)], []),
        # what is unlisted is told, whether or not a list says that there is more
        ([year("a", 2021, 4), year("b", 2021), total("care", 5)], [("care", "b", "by_year vs total", 4, 5)]),
        ([year("a", 2021, 4), total("care", 5, at_least=True)], [("care", "", "by_year vs total", 4, 5)]),
        ([means("a", "new"), means("b", "new"), total("care", 5)], [("care", "a|b", "by_means vs total", 0, 5)]),
        # a domain that a marginal doesn't speak of is no disagreement
        ([year("a", 2021, 4), means("z", "new", 1)], []),
        ([year("a", 2021, 4), total("play", 1)], []),
    ],
)
def test_numbers_left_out_disagree_only_if_none_could_agree(rows, expected):
    found = [line for line in lines(rows) if "started" not in line[2] and "third" not in line[2]]
    assert found == expected


def test_notes_of_disagreements():
    rows = [year("a", 2021, 4), year("b", 2021, 2), means("a", "new", 3), means("b", "new", 3)]
    found = disagreements(ledger(*rows, total("care", 5), year("z", 2023, 3), total("play", 9, at_least=True)), SMALL)
    assert found.note.tolist() == [
        *["made up for by other types: the sums of the domain agree"] * 2,
        "at least 6 unlisted",
        *["more is listed than the total says"] * 2,
        "42.9 % of 14; 3 are listed for later years",
    ]


@pytest.mark.parametrize(("first", "told"), [(3, True), (4, False)])
def test_a_list_by_year_that_starts_less_than_the_standard_asks(first, told):
    """A third of 12 is 4."""
    rows = [year("a", 2021, first), year("a", 2022, 12 - first)]
    assert lines(rows) == ([("", "", "by_year vs third", 3, 4)] if told else [])


# The plan itself ---------------------------------------------------------------------------------------------------


def plan_rows() -> pd.DataFrame:
    return pd.read_csv(PLANS / "pudong-2021-2023.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    rows = plan_rows()
    for name in ("units", "plan_year", "start_year"):
        rows[name] = pd.to_numeric(rows[name])
    rows["at_least"] = rows["at_least"].map({"true": True, "false": False})
    return ledger(*rows.to_dict("records"))


@pytest.fixture(scope="module")
def pudong() -> Standard:
    return load_standard("pudong-2021", Path())


def test_the_plans_file_keeps_the_contract_and_the_catalogue(pudong):
    rows = plan_rows()
    assert tables.check_columns(rows.copy(), tables.PROJECTS, "plan", lambda mask: ()) == []
    assert set(rows["at_least"]) == {"true", "false"}
    domain_of = {one.id: one.domain for one in pudong.types if one.named_in == "project_list"}
    clause_of = {one.id: one.clause for one in pudong.types}
    departments = {one.id: "、".join(one.departments) for one in pudong.domains}
    for row in rows.itertuples():
        assert row.department == departments[row.domain]
        if row.marginal == "total":
            assert (row.project_id, row.type_id) == (f"total.{row.domain}", "")
            assert row.clause == next(c for t, c in clause_of.items() if domain_of.get(t) == row.domain)
        else:
            assert row.project_id == f"{row.marginal}.{row.type_id}.{row.plan_year or row.means}"
            assert (row.domain, row.clause) == (domain_of[row.type_id], clause_of[row.type_id])
    for marginal in ("year", "means"):
        assert set(rows.type_id[rows.marginal == marginal]) == set(domain_of)
    assert rows.domain[rows.marginal == "total"].tolist() == [one.id for one in pudong.domains]
    assert len(domain_of) == 32


def test_the_plans_configuration_only_counts_a_ledger():
    config = tomllib.loads((PLANS / "pudong-2021-2023.toml").read_text(encoding="utf-8"))
    assert set(config) == {"run", "projects", "plan"}
    assert (config["run"]["standard"], config["run"]["as_of"]) == ("pudong-2021", 2021)
    assert (PLANS / config["projects"]["source"]).exists()
    assert config["plan"] == {"years": [2021, 2022, 2023]}


def test_sums_of_the_plans_file_by_hand():
    rows = plan_rows()
    units = pd.to_numeric(rows["units"]).fillna(0)
    assert units.groupby(rows["marginal"]).sum().to_dict() == {"year": 547, "means": 494, "total": 570}
    by_year = units[rows.marginal == "year"].groupby(rows["plan_year"]).sum()
    assert by_year.to_dict() == {"2021": 159, "2022": 183, "2023": 205}
    begun = rows[rows.status != "planned"]
    assert set(begun.start_year) == set(begun.plan_year) == {"2021"}
    assert units[begun.index].groupby(begun["status"]).sum().to_dict() == {"started": 142, "done": 17}
    assert set(begun.domain[begun.status == "done"]) == {"commerce"}
    more = rows[rows["at_least"] == "true"].set_index("project_id")["units"]
    assert more.to_dict() == {
        "year.bus_stop.2023": "",
        "year.neighborhood_commerce.2022": "15",
        "year.neighborhood_commerce.2023": "",
        "means.bus_stop.reuse": "",
        "means.neighborhood_commerce.reuse": "",
        "total.transport": "36",
        "total.commerce": "45",
    }
    assert (rows.project_id[rows["units"] == ""].isin(more.index)).all()


@needs_reference
def test_the_plans_rows_are_those_of_the_tables():
    """Built anew from the tables read off the plan, status and departments from its text; both ways."""
    paragraphs = [
        line for line in TEXT.read_text(encoding="utf-8").splitlines() if re.match(r"\(2\)行动计划。三年内", line)
    ]
    totals = [row for row in plan_kit.rows("domain_totals.csv") if row["domain"] != "ALL"]
    assert len(paragraphs) == len(totals) == 9
    of_domain, expected = {}, {}
    for task, (row, paragraph) in enumerate(zip(totals, paragraphs, strict=True), start=1):
        assert row["domain_zh"] in paragraph
        (department,) = re.findall(r"\(责任单位:(.*)\)", paragraph)
        assert department == row["departments"]
        (told,) = re.findall("2021年已(启动|改造)", paragraph)
        status = {"启动": "started", "改造": "done"}[told]
        assert paragraph.count("年已") == 1  # of the other years nothing is told as done or begun
        of_domain[row["domain"]] = (status, department, f"三(二){task}(2)")
        cells = (row["printed_total"], row["total_at_least"] == "1", "planned", "", "")
        expected[("total", row["domain"], "", "", "")] = (*cells, *of_domain[row["domain"]][1:])
    for row in plan_kit.rows("plan_projects.csv"):
        status, *rest = of_domain[row["domain"]]
        more = row["at_least"] == "1"
        first = row["year"] == "2021"
        number = "" if more and row["count"] == "0" else row["count"]
        cells = (number, more, status if first else "planned", row["year"], "2021" if first else "")
        expected[("year", row["domain"], row["type_id"], "", row["year"])] = (*cells, *rest)
    for row in plan_kit.rows("plan_means.csv"):
        key = ("means", row["domain"], row["type_id"], MEANS[row["means"]], "")
        expected[key] = (row["count"], row["count"] == "", "planned", "", "", *of_domain[row["domain"]][1:])
    found = {}
    for row in plan_rows().itertuples():
        cells = (row.units, row.at_least == "true", row.status, row.plan_year, row.start_year)
        found[(row.marginal, row.domain, row.type_id, row.means, row.plan_year)] = (*cells, row.department, row.clause)
    assert found == expected
    assert len(plan_rows()) == len(expected) == 150


def test_the_plans_figures_by_hand(plan, pudong):
    figures = ledger_figures(plan, pudong, 2021)
    every = figure(figures, "year", "all", "")
    assert every[["projects", "planned", "started", "done", "late"]].tolist() == [547, 388, 142, 17, 0]
    assert every.share_started == pytest.approx(100 * 159 / 570)
    assert round(every.share_started, 1) == 27.9
    assert figure(figures, "means", "all", "").projects == 494
    assert figure(figures, "total", "all", "").projects == 570
    # 区教育局 answers for education, sports and childcare: 18 + 24 + 22 of 87 + 78 + 71
    shared = figure(figures, "year", "department", "区教育局")
    assert shared.started == 64
    assert shared.share_started == pytest.approx(100 * 64 / 236)
    assert set(figures.basis) == {"year", "means", "total"}
    assert ledger_figures(plan, pudong, 2023).late.max() == 183  # what is listed for 2022, had nothing happened


@needs_reference
def test_the_plans_figures_are_those_of_the_tables(plan, pudong):
    figures = ledger_figures(plan, pudong, 2021)

    def printed(basis: str, by: str, key: str) -> str:
        one = figure(figures, basis, by, key)
        return f"{one.projects}{'+' * bool(one.at_least)}"

    type_lines = plan_kit.type_lines()
    assert len(type_lines) == 32
    for line in type_lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        type_id = cells[0].strip("`")
        assert (printed("year", "type", type_id), printed("means", "type", type_id)) == (cells[5], cells[9])
    for row in plan_kit.rows("domain_totals.csv"):
        by, key = ("all", "") if row["domain"] == "ALL" else ("domain", row["domain"])
        one = figure(figures, "year", by, key)
        assert one.projects == int(row["sum_by_year"])
        assert one.started + one.done == int(row["listed_2021"])
        assert one.share_started / 100 == pytest.approx(float(row["share_2021_of_total"]), abs=0.00005)
        assert (one.share_started >= 33.3333) == (row["meets_one_third"] == "1")
        assert figure(figures, "means", by, key).projects == int(row["sum_by_means_listed"])
        assert printed("total", by, key) == row["printed_total"] + "+" * (row["total_at_least"] == "1")
    for zh, one in MEANS.items():
        number = sum(int(row["count"] or 0) for row in plan_kit.rows("plan_means.csv") if row["means"] == zh)
        assert figure(figures, "means", "means", one).projects == number


def test_the_plans_milestones_by_hand(plan, pudong):
    found = milestones(plan, pudong, [2021, 2022, 2023], [33.3333, 100], 2021).set_index("milestone")
    assert found.basis.unique().tolist() == ["year"]
    assert found.projects.tolist() == [570] * 3
    assert found.counted.tolist() == [159, 159, 17]
    assert found.missing.tolist() == [31, 411, 553]  # a third of 570 is 190
    assert found.value_planned.tolist() == pytest.approx([100 * n / 570 for n in (159, 342, 547)])
    assert found.verdict.tolist() == ["fail", "exempt", "exempt"]
    assert found.reason.tolist() == [tables.BELOW_TARGET, tables.NOT_DUE, tables.NOT_DUE]


def test_the_plans_targets_by_hand(plan, pudong):
    """The nine printed totals are the nine targets; of the shares, 27.9 % had started."""
    found = ledger_targets(plan, pudong, 2021).set_index("target_id")
    assert set(found.index) == {one.id for one in pudong.targets if one.measured_by == "ledger"}
    counts = found[found.measured_unit == "projects"]
    assert len(counts) == 9
    assert counts.measured.tolist() == counts.measured_target.tolist()
    assert set(counts.verdict) == {"pass"}
    assert found.loc["started_share_2021", ["verdict", "reason"]].tolist() == ["fail", tables.BELOW_TARGET]
    assert found.loc["started_share_2022", ["verdict", "reason"]].tolist() == ["exempt", tables.NOT_DUE]
    assert found.loc["started_share_2021", "measured"] == pytest.approx(27.894737, abs=1e-6)
    assert ledger_targets(plan, pudong, 2022).set_index("target_id").verdict["started_share_2022"] == "fail"


def test_the_plans_disagreements_by_hand(plan, pudong):
    """By means transport lists its 5 hubs and commerce no number; what lists by year leave out is 10 and 13."""
    found = disagreements(plan, pudong).set_index(["check", "domain", "type_id"])
    assert found.difference.to_dict() == {
        ("by_year vs by_means", "health", "community_health_center"): -4,
        ("by_year vs by_means", "health", "community_health_station"): 4,
        ("by_year vs by_means", "elderly_care", "elderly_day_care_center"): -1,
        ("by_year vs by_means", "elderly_care", "elderly_neighborly_point"): 1,
        ("by_year vs total", "transport", "bus_stop"): 10,
        ("by_year vs total", "commerce", "neighborhood_commerce"): 13,
        ("by_means vs total", "transport", "bus_stop"): 31,
        ("by_means vs total", "commerce", "neighborhood_commerce"): 45,
        ("by_year vs started_share_2021", "", ""): 31,
        ("by_year vs started_share_2022", "", ""): 228,
    }
    assert found.note.tolist()[-2:] == [  # 183 + 205 and 205
        "27.9 % of 570; 388 are listed for later years",
        "60.0 % of 570; 205 are listed for later years",
    ]


@needs_reference
def test_the_plans_disagreements_are_those_of_the_table(plan, pudong):
    found = disagreements(plan, pudong)
    checks = {
        "by_year vs by_means": "by_year vs by_means",
        "enumerated vs total": "by_year vs total",
        "one-third started in 2021": "by_year vs started_share_2021",
        "2022 力争全面启动 vs year lists": "by_year vs started_share_2022",
    }
    expected = []
    for row in plan_kit.rows("discrepancies.csv"):
        if row["check"] in checks:
            domain = "" if row["domain"] == "ALL" else row["domain"]
            numbers = [int(re.findall(r"\d+", row[value])[0]) for value in ("value_a", "value_b")]
            expected.append((domain, row["type_id"], checks[row["check"]], *numbers))
    assert len(expected) == 8
    ours = found[found.check != "by_means vs total"]
    cells = ours[["domain", "type_id", "check", "value_a", "value_b"]].itertuples(index=False, name=None)
    assert list(cells) == expected
