"""Gini, Palma, Lorenz against an independent package, double loops, closed forms and the axioms of inequality."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inequality.gini import Gini

from circle15.assess.equity import equity_table, gini, lorenz, lorenz_table, palma

NAN = float("nan")

units = st.lists(st.tuples(st.one_of(st.just(0.0), st.floats(0.01, 1000)), st.integers(1, 50)), min_size=2, max_size=25)


def arrays(pairs) -> tuple[np.ndarray, np.ndarray]:
    access, people = np.array(pairs, dtype=float).T
    assume(access.max() > 0)
    return access, people


def gini_by_loops(access, people) -> float:
    share = people / people.sum()
    mean = sum(w * a for w, a in zip(share, access, strict=True))
    total = 0.0
    for wi, ai in zip(share, access, strict=True):
        for wj, aj in zip(share, access, strict=True):
            total += wi * wj * abs(ai - aj)
    return total / (2 * mean)


def one_by_one(access, people) -> np.ndarray:
    """Everybody's access, one entry a person, in rising order."""
    return np.sort(np.repeat(access, people.astype(int)))


# Gini --------------------------------------------------------------------------------------------------------------


def test_gini_by_hand():
    """Access 1, 2, 3 of one person each: differences 1 + 1 + 2 twice = 8, ÷ 9 ÷ (2 × 2) = 2/9."""
    assert gini(np.array([3.0, 1, 2]), np.ones(3)) == pytest.approx(2 / 9, abs=1e-15)


@given(units)
def test_gini_equals_the_double_sum(pairs):
    access, people = arrays(pairs)
    assert gini(access, people) == pytest.approx(gini_by_loops(access, people), abs=1e-12)


@given(units)
def test_gini_equals_that_of_an_independent_package_person_by_person(pairs):
    access, people = arrays(pairs)
    assert gini(access, people) == pytest.approx(Gini(one_by_one(access, people)).g, abs=1e-10)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
def test_one_group_has_all(share):
    """Where a share of the people has all, and all the same, the coefficient is 1 − share."""
    assert gini(np.array([0.0, 7.0]), np.array([1 - share, share])) == pytest.approx(1 - share, abs=1e-15)


def test_gini_of_the_uniform_distribution():
    """Access 1 … n of one person each: (n² − 1) ÷ 3n, divided by n + 1."""
    n = 100_000
    assert gini(np.arange(1.0, n + 1), np.ones(n)) == pytest.approx((n - 1) / (3 * n), abs=1e-12)


@given(units, st.floats(0.01, 100))
def test_scale_and_replication_change_nothing(pairs, factor):
    access, people = arrays(pairs)
    for other in ((access * factor, people), (access, people * factor), (np.tile(access, 3), np.tile(people, 3))):
        assert gini(*other) == pytest.approx(gini(access, people), abs=1e-9)
        assert palma(*other) == pytest.approx(palma(access, people), rel=1e-6, nan_ok=True)


@given(units, st.data())
def test_a_transfer_from_the_better_to_the_worse_served_lowers_gini(pairs, data):
    access, people = arrays(pairs)
    people = np.ones(len(access))
    low, high = np.argmin(access), np.argmax(access)
    assume(access[high] - access[low] > 0.01)
    moved = data.draw(st.floats(0.001, 0.5)) * (access[high] - access[low])
    after = access.copy()
    after[low] += moved
    after[high] -= moved
    assert gini(after, people) < gini(access, people)


@given(units)
def test_a_larger_access_for_all_lowers_gini(pairs):
    access, people = arrays(pairs)
    assert gini(access + 10, people) <= gini(access, people) + 1e-15


@given(st.floats(0.01, 1e6), st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_equal_access_is_zero_exactly(access, people):
    assert gini(np.full(len(people), access), np.array(people, dtype=float)) == 0.0
    assert palma(np.full(len(people), access), np.array(people, dtype=float)) == pytest.approx(0.25)


@given(units)
def test_gini_lies_between_0_and_1_and_splitting_a_unit_changes_nothing(pairs):
    access, people = arrays(pairs)
    assert 0 <= gini(access, people) < 1
    split = np.append(access, access[0]), np.append(people, people[0] / 4)
    split[1][0] *= 3 / 4
    assert gini(*split) == pytest.approx(gini(access, people), abs=1e-12)


# Palma and Lorenz --------------------------------------------------------------------------------------------------


def test_palma_by_hand():
    """Ten people with 1 … 10: the best has 10 of 55, the worst four have 1 + 2 + 3 + 4 = 10."""
    assert palma(np.arange(1.0, 11), np.ones(10)) == pytest.approx(1.0)


def test_palma_splits_a_unit_that_straddles_a_cut():
    """Half have 1, half have 3 (of 2 in the mean): worst 40 % have 0.4, best 10 % have 0.3, of the same whole."""
    assert palma(np.array([1.0, 3.0]), np.array([8.0, 8.0])) == pytest.approx(0.3 / 0.4)


@given(units)
def test_palma_equals_counting_heads(pairs):
    access, people = arrays(pairs)
    heads = one_by_one(access, people * 10)  # so that 10 % and 40 % are whole persons
    worst = heads[: len(heads) * 4 // 10].sum()
    expected = heads[len(heads) * 9 // 10 :].sum() / worst if worst > 0 else NAN
    assert palma(access, people) == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("n", range(5, 200, 5))
def test_palma_is_missing_where_exactly_the_worst_40_percent_have_nothing(n):
    access = np.concatenate([np.zeros(n * 2 // 5), np.ones(n * 3 // 5)])
    assert np.isnan(palma(access, np.full(n, 0.7)))


def test_lorenz_by_hand():
    curve = lorenz(np.array([3.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0]), [0, 0.25, 0.5, 0.625, 0.75, 1])
    assert curve == pytest.approx([0, 0, 0, 0.125, 0.25, 1])


@given(units)
def test_gini_is_twice_the_area_above_the_lorenz_curve(pairs):
    access, people = arrays(pairs)
    at = np.append(0, np.cumsum(people[np.argsort(access, kind="stable")])) / people.sum()
    curve = lorenz(access, people, np.clip(at, 0, 1))
    assert gini(access, people) == pytest.approx(1 - 2 * np.trapezoid(curve, at), abs=1e-9)
    assert (np.diff(lorenz(access, people, np.linspace(0, 1, 50)), n=2) >= -1e-12).all()


# what is missing ---------------------------------------------------------------------------------------------------


def test_unknown_access_and_nobody_weigh_nothing():
    access, people = np.array([1.0, NAN, 3.0, 99.0]), np.array([1.0, 50.0, 1.0, 0.0])
    assert gini(access, people) == gini(np.array([1.0, 3.0]), np.ones(2)) == 0.25
    assert palma(access, people) == palma(np.array([1.0, 3.0]), np.ones(2))


@pytest.mark.parametrize(
    ("access", "people"), [([], []), ([NAN], [5.0]), ([1.0], [0.0]), ([0.0, 0.0], [5.0, 1.0])], ids=str
)
def test_nothing_to_measure(access, people):
    access, people = np.array(access), np.array(people)
    assert np.isnan(gini(access, people))
    assert np.isnan(palma(access, people))
    assert np.isnan(lorenz(access, people, [0.0, 0.5])).all()


@pytest.mark.parametrize(("access", "people"), [([-1.0], [1.0]), ([np.inf], [1.0]), ([1.0], [-1.0]), ([1.0], [NAN])])
def test_figures_that_cannot_be(access, people):
    with pytest.raises(ValueError, match="must be finite and not negative"):
        gini(np.array(access), np.array(people))


def test_a_share_outside_0_to_1():
    with pytest.raises(ValueError, match="between 0 and 1"):
        lorenz(np.ones(2), np.ones(2), [1.2])


# tables ------------------------------------------------------------------------------------------------------------


def text(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def test_the_table_of_a_small_district():
    table = equity_table(
        {"park": np.array([0.0, 2, 2, NAN, 1]), "clinic": np.zeros(5)},
        people=np.array([10.0, 30, 10, 5, 50]),
        town=text("s", "s", "n", "n", ""),
        zone=text("rural", "rural", "urban", "urban", ""),
        towns=["s", "n", "empty"],
        zones=["urban", "rural"],
        measure="facilities_within",
    )
    assert list(table["scope_id"]) == ["", "s", "n", "empty", "urban", "rural"] * 2
    parks = table[table.type_id == "park"].set_index(["scope", "scope_id"])
    assert list(parks["people"]) == [100, 40, 10, 0, 10, 40]
    assert list(parks["people_unknown"]) == [5, 0, 5, 0, 5, 0]
    assert list(parks["without_access"])[:3] == [pytest.approx(0.1), pytest.approx(0.25), 0]
    # town s: a quarter has nothing, the others the same
    assert parks.loc[("town", "s"), "gini"] == pytest.approx(0.25)
    # of the worst-served 40 % (16 people) 10 have nothing and 6 have 2; the best 10 % (4 people) have 8
    assert parks.loc[("town", "s"), "palma"] == pytest.approx(8 / 12)
    assert parks.loc[("town", "empty"), "reason"] == "nobody"
    assert np.isnan(parks.loc[("town", "empty"), "without_access"])
    # the district: 10 × 0, 50 × 1, 40 × 2 of 130 in all
    assert parks.loc[("district", ""), "palma"] == pytest.approx(20 / 30)
    assert list(parks["reason"]) == ["", "", "", "nobody", "", ""]
    clinics = table[table.type_id == "clinic"]
    assert clinics["gini"].isna().all()
    assert list(clinics["reason"]) == ["no_access"] * 3 + ["nobody"] + ["no_access"] * 2
    assert list(clinics["without_access"].dropna()) == [1.0] * 5
    assert set(table["measure"]) == {"facilities_within"}


def test_the_worst_40_percent_without_access_have_a_reason():
    table = equity_table(
        {"park": np.array([0.0, 5])}, np.array([1.0, 1]), text("a", "a"), text("z", "z"), [], [], "facilities_within"
    )
    row = table.iloc[0]
    assert (row["gini"], row["reason"], row["without_access"]) == (0.5, "worst_without", 0.5)
    assert np.isnan(row["palma"])


def test_the_lorenz_table():
    table = lorenz_table({"a": np.array([1.0, 3.0]), "b": np.zeros(2)}, np.ones(2))
    assert list(table["share_of_people"])[:11] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert list(table["share_of_access"])[:11] == pytest.approx(
        [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.55, 0.7, 0.85, 1]
    )
    assert table["share_of_access"][11:].isna().all()
    assert lorenz_table({}, np.ones(2)).equals(pd.DataFrame(columns=["type_id", "share_of_people", "share_of_access"]))
