"""The assess room: verdicts with reasons, people covered, rates; by hand-worked numbers."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.assess.coverage import CellVerdicts, both, judge_cells, sum_people
from circle15.assess.rates import combine, judge_committees, rate
from circle15.assess.reach import Access, disc_leaves, judge
from circle15.standard.resolve import Rules

NAN = float("nan")


def rules(reason, threshold_s=900.0, min_count=1) -> Rules:
    reason = np.array(reason, dtype=object)
    applies = reason == ""
    return Rules(
        requirement_id="a.reach",
        type_id="a",
        mode=np.where(applies, "walk", "").astype(object),
        threshold_s=np.where(applies, threshold_s, NAN),
        reason=reason,
        min_count=np.full(len(reason), min_count),
        headline=True,
        rule=applies.astype(np.int64),
    )


def access(n=1, **given) -> Access:
    base = {
        "on_network": np.ones(n, dtype=bool),
        "time_s": np.full(n, NAN),
        "distance_m": np.full(n, NAN),
        "facility": np.full(n, -1),
        "count_within": np.zeros(n, dtype=np.int64),
        "any_path": np.zeros(n, dtype=bool),
        "lost_nearby": np.zeros(n, dtype=bool),
    }
    return Access(**{**base, **{k: np.array([v] * n) for k, v in given.items()}})


@pytest.mark.parametrize(
    ("given_access", "covered", "exists", "verdict", "reason"),
    [
        ({"time_s": 900.0, "count_within": 1, "any_path": True}, True, True, "pass", "within"),
        ({"time_s": 900.1, "any_path": True}, True, True, "fail", "too_far"),
        ({"any_path": True}, True, True, "fail", "too_far"),  # beyond the search limit, but a path exists
        ({}, True, True, "fail", "none_reachable"),
        ({}, True, False, "fail", "none_exists"),
        ({}, False, False, "unknown", "no_facility_data"),
        ({"time_s": 1200.0, "any_path": True}, False, True, "unknown", "no_facility_data"),
        ({"time_s": 100.0, "count_within": 1, "any_path": True}, False, True, "unknown", "no_facility_data"),
        ({"on_network": False, "count_within": 1}, True, True, "unknown", "off_network"),
        ({"on_network": False}, False, False, "unknown", "off_network"),
        ({"lost_nearby": True, "any_path": True}, True, True, "unknown", "facility_off_network"),
        ({"lost_nearby": True, "time_s": 5.0, "count_within": 1}, True, True, "pass", "within"),
    ],
)
def test_each_reason(given_access, covered, exists, verdict, reason):
    got = judge(rules([""]), access(**given_access), covered, exists)
    assert (got[0][0], got[1][0]) == (verdict, reason)


def test_exempt_before_all_else():
    near = access(2, time_s=1.0, count_within=5, any_path=True)
    verdict, reason = judge(rules(["no_zone", "not_required"]), near, True, True)
    assert verdict.tolist() == ["exempt", "exempt"]
    assert reason.tolist() == ["no_zone", "not_required"]


def test_fewer_than_asked_fails_although_one_is_near():
    verdict, reason = judge(rules([""], min_count=2), access(time_s=10.0, count_within=1, any_path=True), True, True)
    assert (verdict[0], reason[0]) == ("fail", "too_few")


def test_a_disc_that_touches_the_edge_from_inside_stays():
    square = shapely.box(0, 0, 100, 100)
    xy = np.array([[50.0, 50.0], [50.0, 50.0], [150.0, 50.0], [50.0, 50.0]])
    assert disc_leaves(square, xy, np.array([50.0, 50.001, 1.0, NAN])).tolist() == [False, True, True, False]


def test_every_disc_leaves_an_extent_without_inside():
    assert disc_leaves(shapely.Point(0, 0), np.array([[0.0, 0.0]]), np.array([1.0])).tolist() == [True]


# people ----------------------------------------------------------------------------------------------------------


def test_people_are_judged_by_their_committee_s_threshold():
    committee = np.array([0, 0, 1, -1, 1, 2])
    time_s = np.array([900.0, 900.1, 901.0, 1.0, NAN, 1.0])
    on = np.array([True, True, True, True, False, True])
    threshold = np.array([900.0, 1000.0, NAN])  # committee 2 is exempt
    cells = judge_cells(time_s, on, committee, threshold, True, np.zeros(6, dtype=bool))
    assert cells.covered.tolist() == [True, False, True, False, False, False]
    people = sum_people(cells, np.array([1.0, 2, 4, 8, 16, 32]), committee, 3)
    assert people.population.tolist() == [3, 20, 32]
    np.testing.assert_array_equal(people.covered, [1, 4, NAN])
    np.testing.assert_array_equal(people.unknown, [0, 16, NAN])


def test_without_data_on_the_type_everybody_is_unknown():
    cells = judge_cells(np.array([1.0]), np.array([True]), np.array([0]), np.array([900.0]), False, np.array([False]))
    people = sum_people(cells, np.array([7.0]), np.array([0]), 1)
    assert (people.covered[0], people.unknown[0]) == (0, 7)


def test_a_cell_beside_a_facility_off_the_network_is_covered_by_another_or_unknown():
    everybody = np.zeros(2, dtype=np.int64)
    near = np.array([True, True])
    cells = judge_cells(np.array([10.0, 2000.0]), near, everybody, np.array([900.0]), True, near)
    assert (cells.known.tolist(), cells.covered.tolist()) == ([True, False], [True, False])


def verdicts(letters: str) -> CellVerdicts:
    """p covered, f not covered, u unknown, - not asked."""
    array = np.array(list(letters))
    return CellVerdicts(array != "-", np.isin(array, ["p", "f"]), array == "p")


def test_two_requirements_must_both_hold():
    got = both(verdicts("ppppffffuuuu----"), verdicts("pfu-pfu-pfu-pfu-"))
    want = verdicts("pfupffffufuupfu-")
    np.testing.assert_array_equal(got.asked, want.asked)
    np.testing.assert_array_equal(got.known, want.known)
    np.testing.assert_array_equal(got.covered, want.covered)


# rates -----------------------------------------------------------------------------------------------------------


def test_fail_outweighs_unknown_outweighs_pass_outweighs_exempt():
    one = np.array(["fail", "unknown", "pass", "exempt", "pass"], dtype=object)
    other = np.array(["unknown", "pass", "exempt", "exempt", "pass"], dtype=object)
    assert combine([one, other]).tolist() == ["fail", "unknown", "pass", "exempt", "pass"]


def items() -> pd.DataFrame:
    rows = [
        # committee, zone, verdict, edge, population, covered, unknown
        ("a", "z1", "pass", False, 10, 8, 0),
        ("a", "z1", "pass", False, 10, 10, 0),
        ("b", "z1", "pass", False, 20, 15, 5),
        ("b", "z1", "fail", True, 20, 5, 0),
        ("c", "z2", "unknown", False, 30, 0, 30),
        ("c", "z2", "pass", False, 30, 30, 0),
        ("d", "", "exempt", False, NAN, NAN, NAN),
        ("d", "", "exempt", False, NAN, NAN, NAN),
    ]
    names = "committee_id zone verdict edge_affected population population_covered population_unknown"
    return pd.DataFrame(rows, columns=names.split())


def test_district_rates_by_hand():
    row = rate(items(), None).iloc[0]
    assert [row[c] for c in ("passed", "failed", "unknown", "exempt", "edge_affected")] == [4, 1, 1, 2, 1]
    assert row.item_rate == pytest.approx(4 / 5)
    assert row.item_rate_without_edge == pytest.approx(4 / 4)
    assert row.committee_rate == pytest.approx(1 / 2)  # a passes, b fails, c is unknown, d exempt
    assert (row.population, row.population_covered, row.population_unknown) == (120, 68, 35)
    assert row.population_rate == pytest.approx(68 / 85)


def test_rates_by_zone_leave_out_rows_without_zone():
    table = rate(items(), "zone").set_index("zone")
    assert table.index.tolist() == ["z1", "z2"]
    assert table.item_rate.tolist() == pytest.approx([3 / 4, 1.0])
    assert table.committee_rate.loc["z1"] == pytest.approx(1 / 2)
    assert np.isnan(table.committee_rate.loc["z2"])  # its only committee is unknown


def test_nothing_known_is_no_rate():
    row = rate(items()[items().verdict == "exempt"], None).iloc[0]
    assert np.isnan(row.item_rate)
    assert np.isnan(row.population_rate)


def test_a_committee_fails_by_one_item_and_is_unknown_before_it_passes():
    table = judge_committees(items())
    assert table.verdict.to_dict() == {"a": "pass", "b": "fail", "c": "unknown", "d": "exempt"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["pass", "fail", "unknown", "exempt"])), min_size=1))
def test_every_item_is_counted_once_and_rates_lie_between_0_and_1(rows):
    table = pd.DataFrame(rows, columns=["committee_id", "verdict"]).assign(
        edge_affected=False, population=1.0, population_covered=0.5, population_unknown=0.0
    )
    row = rate(table, None).iloc[0]
    assert row.passed + row.failed + row.unknown + row.exempt == len(rows)
    for name in ("item_rate", "committee_rate", "population_rate"):
        assert np.isnan(row[name]) or 0 <= row[name] <= 1
