"""What facilities offer: sums by town, what may be missing, and nothing counted twice; every figure by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circle15.assess.quality import attribute_of
from circle15.assess.scopes import (
    Adjacent,
    Areas,
    Stock,
    adjacency_rows,
    presence_rows,
    provision_rows,
    quality_rows,
    summary_row,
    total_rows,
)
from circle15.assess.supply import added_since, judge_amount, shares, sum_by, supply_of
from circle15.standard.model import Standard
from circle15.standard.requirements import Adjacency, Presence, Provision, Quality, Total
from circle15.toml import parse_toml

NAN = float("nan")
INF = float("inf")

ENTRY = 'zh = "x", en = "x", domain = "d", tier = "community", named_in = "x", clause = "1"'
STANDARD_TOML = f"""
id = "t"
zh = "t"
en = "t"
status = "official"
source = "s"
zones = [{{ id = "z", zh = "z", en = "z", modes = {{ residents = "walk", village = "walk" }} }}]
domains = [{{ id = "d", zh = "d", en = "d", clause = "1" }}]
types = [
  {{ id = "nine_year", {ENTRY}, provides = ["primary", "junior"] }},
  {{ id = "primary", {ENTRY} }},
  {{ id = "junior", {ENTRY} }},
]
[[requirements]]
id = "p.reach"
kind = "reach"
type = "primary"
minutes = 15
mode = "walk"
headline = true
clause = "1"
[target]
percent = 100
due = 2023
clause = "1"
[service_circle]
minutes = 15
[speeds_kmh]
walk = 4
cycle = 12
drive = {{ default = 30 }}
"""
STANDARD = Standard.parse(parse_toml(STANDARD_TOML.encode(), "t.toml"), "t.toml")
ALL = {"nine_year": ("a",), "primary": ("a",), "junior": ("a",)}


def schools(**more) -> pd.DataFrame:
    """Three schools: 1000 places from the first to the ninth year, 500 in a primary school, a junior one untold."""
    return pd.DataFrame(
        {
            "facility_id": ["n", "p", "j"],
            "type_id": ["nine_year", "primary", "junior"],
            "capacity": [1000.0, 500.0, NAN],
            "floor_area_m2": [NAN, 40.0, 60.0],
            "opens": [2015.0, 2022.0, NAN],
            **more,
        }
    )


def make_stock(table=None, covered=ALL, town=("x", "x", "y"), as_of=2023) -> Stock:
    return Stock(STANDARD, schools() if table is None else table, covered, np.array(town, dtype=object), as_of)


def towns(people=(2000.0, 1000.0), facility=(0, 0, 1)) -> Areas:
    persons = {"total": np.array(people), "age_0_2": np.array(people) / 100}
    return Areas("town", ("x", "y"), np.array(facility), persons)


def district(people=3000.0, facility=(0, 0, 0)) -> Areas:
    return Areas("district", ("",), np.array(facility), {"total": np.array([people])})


def provision(**keys) -> Provision:
    base = {"id": "r", "kind": "provision", "types": ["primary"], "scope": "town", "measure": "capacity"}
    return Provision.model_validate({**base, "unit": "places", "at_least": 300.0, "clause": "1", **keys})


def test_capacity_belongs_to_its_own_type_and_is_unknown_for_what_it_provides_beside():
    supply = supply_of(STANDARD, schools(), ["primary"], "capacity")
    assert supply.serving.tolist() == [True, True, False]
    assert supply.low.tolist() == [0.0, 500.0, 0.0]
    assert supply.high.tolist() == [1000.0, 500.0, 0.0]  # all thousand may be for the first five years


def test_a_column_says_how_much_is_for_what_is_provided():
    table = schools(capacity_as_primary=[600, NAN, NAN], capacity_as_junior=["400", "", ""])
    primary, junior = (supply_of(STANDARD, table, [t], "capacity") for t in ("primary", "junior"))
    assert primary.low.tolist() == primary.high.tolist() == [600.0, 500.0, 0.0]
    assert junior.low.tolist() == [400.0, 0.0, 0.0]
    assert junior.high.tolist() == [400.0, 0.0, INF]


def test_one_facility_counts_once_for_a_group_of_types():
    table = schools(capacity_as_primary=[600, NAN, NAN], capacity_as_junior=[400, NAN, NAN])
    supply = supply_of(STANDARD, table, ["nine_year", "primary", "junior"], "capacity")
    assert supply.low.tolist() == [1000.0, 500.0, 0.0]
    assert supply_of(STANDARD, table, ["primary", "junior"], "count").low.tolist() == [1.0, 1.0, 1.0]


@given(
    st.lists(
        st.tuples(st.sampled_from(["nine_year", "primary", "junior"]), st.floats(0, 1e4), st.floats(0, 1)),
        min_size=1,
        max_size=8,
    )
)
def test_over_all_types_nothing_is_counted_twice(rows):
    """A school's own part and those of what it provides add up to what it has, so the types' sums do to the whole."""
    kinds, capacity, part = zip(*rows, strict=True)
    nine = np.array([k == "nine_year" for k in kinds])
    whole = np.array(capacity)
    table = pd.DataFrame(
        {
            "facility_id": [str(n) for n in range(len(rows))],
            "type_id": kinds,
            "capacity": whole,
            "capacity_as_primary": np.where(nine, whole * np.array(part) / 2, NAN),
            "capacity_as_junior": np.where(nine, whole * (1 - np.array(part)) / 3, NAN),
        }
    )
    each = [supply_of(STANDARD, table, [t], "capacity") for t in ("nine_year", "primary", "junior")]
    assert sum(one.low.sum() for one in each) == pytest.approx(whole.sum())
    together = supply_of(STANDARD, table, ["nine_year", "primary", "junior"], "capacity")
    assert together.low == pytest.approx(whole)
    assert together.high == pytest.approx(whole)


def test_a_part_that_is_not_told_is_at_most_what_is_left():
    table = schools(capacity_as_primary=[600, NAN, NAN])
    junior = supply_of(STANDARD, table, ["junior"], "capacity")
    assert (junior.low[0], junior.high[0]) == (0.0, 400.0)
    own = supply_of(STANDARD, table, ["nine_year"], "capacity")  # some of the 400 may be for the junior school
    assert (own.low[0], own.high[0]) == (0.0, 400.0)
    both = supply_of(STANDARD, table, ["primary", "junior"], "capacity")
    assert (both.low[0], both.high[0]) == (600.0, 1000.0)


def test_added_since_counts_what_opened_by_then_for_sure_and_the_untold_at_most():
    supply = added_since(schools(), 2021, supply_of(STANDARD, schools(), ["primary", "junior"], "count"), 2023)
    assert supply.low.tolist() == [0.0, 1.0, 0.0]
    assert supply.high.tolist() == [0.0, 1.0, 1.0]
    none = added_since(schools(), 2023, supply_of(STANDARD, schools(), ["junior"], "count"), 2022)
    assert none.high.tolist() == [0.0, 0.0, 0.0]  # what is open in 2022 did not open in 2023


def test_sums_leave_out_what_lies_in_no_town():
    supply = supply_of(STANDARD, schools(), ["primary", "junior"], "count")
    low, _ = sum_by(supply, np.array([1, -1, 1]), 3)
    assert low.tolist() == [0.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("low", "high", "covered", "verdict", "reason"),
    [
        (300.0, 300.0, True, "pass", "enough"),
        (299.9, 299.9, True, "fail", "too_little"),
        (299.9, 300.0, True, "unknown", "amount_unknown"),
        (299.9, INF, True, "unknown", "amount_unknown"),
        (300.0, INF, True, "pass", "enough"),
        (NAN, NAN, True, "unknown", "no_people"),
        (400.0, 400.0, False, "unknown", "no_facility_data"),
        (0.1 + 0.2, 0.3, True, "fail", "too_little"),
    ],
)
def test_both_ends_of_an_amount_decide(low, high, covered, verdict, reason):
    found = judge_amount(np.array([low]), np.array([high]), 300.0, covered)
    assert (found[0][0], found[1][0]) == (verdict, reason)


def test_what_adds_up_to_the_target_on_paper_reaches_it():
    """0.1 + 0.2 is a hair more than 0.3 in floating point, and 0.7 + 0.1 a hair less than 0.8."""
    assert 0.7 + 0.1 < 0.8
    amount = np.array([0.7 + 0.1])
    assert judge_amount(amount, amount, 0.8, covered=True)[0][0] == "pass"


def test_provision_by_town():
    # x: 500 sure places (1500 at most) for 2000 people are 250 (750) per 1000; y has no primary school
    rows = provision_rows(provision(), make_stock(), towns())
    assert rows["value"].tolist() == [250.0, 0.0]
    assert rows["value_high"].tolist()[0] == 750.0
    assert np.isnan(rows["value_high"].tolist()[1])
    assert rows["verdict"].tolist() == ["unknown", "fail"]
    assert rows["reason"].tolist() == ["amount_unknown", "below_target"]
    assert rows["shortfall"].tolist()[1] == 300.0
    assert set(rows["unit"]) == {"places per 1000 people"}


def test_provision_for_a_group_and_for_one_that_is_not_known():
    # 500 places for 20 children under three
    rows = provision_rows(provision(group="age_0_2", per=1.0, at_least=25.0), make_stock(), towns())
    assert rows["value"].tolist()[0] == 25.0
    assert rows["verdict"].tolist()[0] == "pass"
    assert rows["unit"].tolist()[0] == "places per 1 people of age_0_2"
    rows = provision_rows(provision(group="age_60_plus"), make_stock(), towns())
    assert set(rows["reason"]) == {"no_group_data"}
    assert set(rows["verdict"]) == {"unknown"}


def test_a_town_without_people_is_unknown():
    rows = provision_rows(provision(measure="count"), make_stock(), towns(people=(2000.0, 0.0)))
    assert rows["reason"].tolist()[1] == "no_people"


def test_a_type_that_no_source_covers_leaves_fails_open_and_passes_stand():
    stock = make_stock(covered={"primary": ("a",)})
    both = provision(types=["primary", "junior"], measure="count", per=2000.0, at_least=1.0)
    rows = provision_rows(both, stock, towns(facility=(0, 0, -1)))
    assert rows["verdict"].tolist() == ["pass", "unknown"]
    rows = provision_rows(both, make_stock(covered={}), towns())
    assert set(rows["reason"]) == {"no_facility_data"}
    assert rows["value"].isna().all()


def test_presence_in_every_town_and_how_many_have_it():
    one = Presence.model_validate({"id": "r", "kind": "presence", "types": ["primary"], "clause": "1", "due": 2023})
    rows = presence_rows(one, make_stock(), towns())
    assert rows["value"].tolist() == [2.0, 0.0]  # the nine-year school provides a primary one
    assert rows["verdict"].tolist() == ["pass", "fail"]
    whole = summary_row(rows).iloc[0]
    assert (whole["value"], whole["target"], whole["unit"], whole["shortfall"]) == (1.0, 2.0, "towns", 1.0)
    assert (whole["scope"], whole["scope_id"], whole["verdict"]) == ("district", "", "fail")
    early = summary_row(presence_rows(one, make_stock(as_of=2022), towns())).iloc[0]
    assert (early["verdict"], early["reason"], early["value"]) == ("exempt", "not_due", 1.0)


def test_totals_of_stock_and_of_what_was_added():
    base = {"id": "r", "kind": "total", "types": ["primary"], "measure": "capacity", "unit": "places", "clause": "1"}
    stock = Total.model_validate({**base, "at_least": 500.0, "due": 2023})
    assert total_rows(stock, make_stock(), district()).iloc[0][["value", "verdict"]].tolist() == [500.0, "pass"]
    added = Total.model_validate({**base, "at_least": 600.0, "due": 2025, "since": 2021})
    row = total_rows(added, make_stock(), district()).iloc[0]
    # the nine-year school opened in 2015, so 500 places and no more were added
    assert (row["value"], row["verdict"], row["reason"], row["shortfall"]) == (500.0, "exempt", "not_due", 100.0)
    late = total_rows(added, make_stock(as_of=2025), district()).iloc[0]
    assert (late["verdict"], late["reason"]) == ("fail", "below_target")


def quality(**keys) -> Quality:
    base = {"id": "q", "kind": "quality", "types": ["primary"], "scope": "town", "attribute": "ok", "clause": "1"}
    return Quality.model_validate({**base, "percent": 100.0, **keys})


@pytest.mark.parametrize(
    ("asked", "values", "yes", "unknown"),
    [
        ({"equals": True}, ["是", "no", ""], [True, False, False], [False, False, True]),
        ({"equals": True}, [1, 0, 2], [True, False, False], [False, False, True]),
        ({"equals": False}, ["Yes", "FALSE", None], [False, True, False], [False, False, True]),
        ({"one_of": ["A", "B"]}, ["A", "C", " B "], [True, False, True], [False, False, False]),
        ({"at_least": 3.0}, ["3", "2.9", "x"], [True, False, False], [False, False, True]),
        ({"equals": "甲"}, ["甲", "乙", None], [True, False, False], [False, False, True]),
        ({"equals": 2.0}, ["2", "3", ""], [True, False, False], [False, False, True]),
    ],
)
def test_attributes(asked, values, yes, unknown):
    found = attribute_of(schools(ok=values), quality(**asked))
    assert found.yes.tolist() == yes
    assert found.unknown.tolist() == unknown


def test_without_the_column_nothing_is_known():
    found = attribute_of(schools(), quality(equals=True))
    assert found.unknown.all()
    assert not found.yes.any()


def test_quality_by_town_with_each_facility():
    rows, checks = quality_rows(quality(equals=True), make_stock(schools(ok=["yes", "", "no"])), towns())
    # x: one of two surely, both at most; y has no primary school
    assert rows["value"].tolist()[0] == 50.0
    assert rows["value_high"].tolist()[0] == 100.0
    assert rows["verdict"].tolist() == ["unknown", "exempt"]
    assert rows["reason"].tolist() == ["attribute_unknown", "no_facility"]
    assert checks[["facility_id", "town_id", "verdict", "reason"]].to_numpy().tolist() == [
        ["n", "x", "pass", "with_attribute"],
        ["p", "x", "unknown", "attribute_unknown"],
    ]


def test_adjacency_is_inclusive_and_shows_the_straight_line():
    one = Adjacency.model_validate(
        {
            "id": "m",
            "kind": "adjacency",
            "types": ["primary"],
            "to_types": ["junior"],
            "scope": "district",
            "metres": 100.0,
            "percent": 95.0,
            "clause": "1",
        }
    )
    table = pd.DataFrame({"facility_id": list("abcdj"), "type_id": ["primary"] * 4 + ["junior"], "opens": NAN})
    found = Adjacent(
        row=np.arange(4),
        distance_m=np.array([100.0, 100.1, NAN, NAN]),
        straight_m=np.array([80.0, 99.0, 500.0, 90.0]),
        other=np.array([4, 4, -1, -1]),
        unknown=np.array([False, False, False, True]),
    )
    stock = make_stock(table, town=["x"] * 5)
    rows, checks = adjacency_rows(one, stock, district(facility=[0] * 5), found)
    row = rows.iloc[0]
    assert (row["value"], row["value_high"], row["value_straight"]) == (25.0, 50.0, 75.0)
    assert (row["verdict"], row["shortfall"]) == ("fail", 70.0)
    assert checks["verdict"].tolist() == ["pass", "fail", "fail", "unknown"]
    assert checks["reason"].tolist() == ["within", "too_far", "too_far", "off_network"]
    assert checks["other_facility_id"].tolist() == ["j", "j", "", ""]
    rows, checks = adjacency_rows(
        one, make_stock(table, {"primary": "a"}, ["x"] * 5), district(facility=[0] * 5), found
    )
    assert checks["verdict"].tolist() == ["pass", "unknown", "unknown", "unknown"]
    assert rows.iloc[0]["reason"] == "no_facility_data"


def test_shares_by_place_by_hand():
    low, high = shares(np.array([True, False, False]), np.array([False, True, False]), np.array([0, 0, 0]), 2)
    assert low[0] == pytest.approx(100 / 3)
    assert high[0] == pytest.approx(200 / 3)
    assert np.isnan(low[1])
