"""Floating catchments: the pairs in reach against networkx; the methods against loops, a peer and hand calculation."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from access import fca, weights
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.assess.catchment import (
    Catchment,
    check_balance,
    committee_access,
    two_step,
    weights_2sfca,
    weights_gaussian,
    weights_steps,
)
from circle15.errors import ComputeError
from circle15.network import catchment as catchment_room
from circle15.network.catchment import catchment_pairs
from circle15.network.snap import snap_to_begin
from circle15.network.travel import nearest
from kit import CYCLE, DRIVE, WALK, Oracle, make_network, make_streets, random_streets
from test_network import CROSS, places

STEPS = [(5.0, 1.0), (10.0, 0.68), (15.0, 0.22)]
METHODS = {
    "2sfca": lambda t: weights_2sfca(t, 900.0),
    "e2sfca": lambda t: weights_steps(t, STEPS),
    "gaussian": lambda t: weights_gaussian(t, 900.0),
}


def cells_at(network, xy):
    return snap_to_begin(network, np.asarray(xy, dtype=float).reshape(-1, 2), 300.0)


def random_case(seed, speeds):
    """Cells and facilities on a random network: one to three entrances each, some off the network, rows with gaps."""
    rng = np.random.default_rng(seed)
    streets = random_streets(rng, 6)
    cell_xy, door_xy = rng.uniform(-80, 580, (20, 2)), rng.uniform(-80, 580, (9, 2))
    cell_xy[3], door_xy[4], door_xy[8] = (5000, 0), (5000, 300), (5000, 600)
    facility = np.array([7, 2, 2, 11, 2, 7, 4, 15, 20])  # 20 has no other entrance than the one off the network
    network = make_network(streets, speeds)
    return streets, network, cell_xy, door_xy, facility


# pairs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speeds", "limit_s"), [(WALK, 380.0), (CYCLE, 140.0), (DRIVE, 150.0)], ids=lambda x: "")
@pytest.mark.parametrize("seed", range(3))
def test_pairs_agree_with_networkx_on_the_uncontracted_streets(seed, speeds, limit_s):
    streets, network, cell_xy, door_xy, facility = random_case(seed, speeds)
    oracle = Oracle(streets, speeds)
    truth = np.full((len(cell_xy), facility.max() + 1), np.inf)
    for j, door in zip(facility, door_xy, strict=True):
        truth[:, j] = np.minimum(truth[:, j], [oracle(at, door) for at in cell_xy])
    cells, doors = cells_at(network, cell_xy), places(network, door_xy, facility)
    assert (cells.edge[:, None] == doors.snapped.edge).any(axis=0).sum() > 1  # some share an edge
    pairs = catchment_pairs(network, cells, doors, limit_s)
    wanted = [(j, i) for j in range(truth.shape[1]) for i in range(len(cell_xy)) if truth[i, j] <= limit_s]
    assert list(zip(pairs.facility.tolist(), pairs.cell.tolist(), strict=True)) == wanted
    assert 20 < len(wanted) < 0.8 * np.isfinite(truth).sum()
    assert not {3} & set(pairs.cell.tolist())
    np.testing.assert_allclose(pairs.time_s, truth[pairs.cell, pairs.facility], atol=1e-9)
    assert (pairs.cell.dtype, pairs.facility.dtype, pairs.time_s.dtype) == (np.int64, np.int64, np.float64)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_least_time_of_a_cell_is_that_of_the_search_from_all_facilities(seed):
    _, network, cell_xy, door_xy, facility = random_case(seed, WALK)
    cells, doors = cells_at(network, cell_xy), places(network, door_xy, facility)
    pairs = catchment_pairs(network, cells, doors, 400.0)
    least = np.full(len(cells), np.inf)
    np.minimum.at(least, pairs.cell, pairs.time_s)
    np.testing.assert_array_equal(least, np.nan_to_num(nearest(network, cells, doors, 400.0).time_s, nan=np.inf))


@pytest.mark.parametrize("chunk", [1, 200, 1000])
def test_the_size_of_a_block_changes_nothing(monkeypatch, chunk):
    _, network, cell_xy, door_xy, facility = random_case(1, WALK)
    asked = network, cells_at(network, cell_xy), places(network, door_xy, facility), 500.0
    whole = catchment_pairs(*asked)
    assert len(np.unique(whole.facility)) == 5
    monkeypatch.setattr(catchment_room, "CHUNK_CELLS", chunk)
    parts = catchment_pairs(*asked)
    for name in ("cell", "facility", "time_s"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_larger_limit_only_adds_pairs(seed):
    _, network, cell_xy, door_xy, facility = random_case(seed, CYCLE)
    asked = network, cells_at(network, cell_xy), places(network, door_xy, facility)
    small, large = catchment_pairs(*asked, 90.0), catchment_pairs(*asked, 200.0)
    inside = large.time_s <= 90.0
    np.testing.assert_array_equal(large.cell[inside], small.cell)
    np.testing.assert_array_equal(large.facility[inside], small.facility)
    np.testing.assert_array_equal(large.time_s[inside], small.time_s)


@pytest.mark.parametrize(("length", "count"), [(1000.0, 1), (1000.001, 0)])
@pytest.mark.parametrize("pieces", range(2, 61, 7))
def test_exactly_the_limit_is_within(pieces, length, count):
    """From junction to junction, in pieces whose sum comes out just above or below what it is on paper."""
    x = np.cumsum(np.random.default_rng(pieces).dirichlet(np.ones(pieces))) * length
    x = np.concatenate([[0.0], x[:-1], [length]])
    # side streets first: the cell then stands on one, and every way of it passes the junction
    lines = [[(a, 0), (a, y)] for a in x for y in (-25, 25)] + [[(a, 0), (b, 0)] for a, b in pairwise(x)]
    network = make_network(make_streets(lines))
    pairs = catchment_pairs(network, cells_at(network, [(0, 0)]), places(network, [(length, 0)]), 900.0)
    assert len(pairs.time_s) == count
    assert pairs.time_s == pytest.approx([900.0] * count, abs=1e-9)


def test_both_access_legs_and_the_nearer_entrance_count():
    network = make_network(make_streets(CROSS))
    doors = places(network, [(900, -30), (700, 50)], facility=[5, 5])
    pairs = catchment_pairs(network, cells_at(network, [(400, 20)]), doors, 900.0)
    assert pairs.facility.tolist() == [5]
    assert pairs.time_s == pytest.approx([(20 + 100 + 200 + 50) * 0.9])


def test_on_one_edge_the_direction_counts():
    ring = [[(0, 0), (300, 0)], [(300, 0), (300, 100), (0, 100), (0, 0)]]
    network = make_network(make_streets(ring, [1, 1]), CYCLE)
    pairs = catchment_pairs(network, cells_at(network, [(200, 0)]), places(network, [(250, 0), (150, 0)]), 900.0)
    assert pairs.time_s == pytest.approx([50 * 0.3, (800 - 50) * 0.3])
    ahead = catchment_pairs(network, cells_at(network, [(200, 0)]), places(network, [(250, 0), (150, 0)]), 20.0)
    assert ahead.facility.tolist() == [0]


def test_no_way_at_all_takes_no_time():
    network = make_network(make_streets(CROSS))
    pairs = catchment_pairs(network, cells_at(network, [(500, 0), (300, 0)]), places(network, [(500, 0)]), 0.0)
    assert (pairs.cell.tolist(), pairs.time_s.tolist()) == ([0], [0.0])


@pytest.mark.parametrize(("cell_xy", "door_xy"), [([], [(0, 0)]), ([(0, 0)], []), ([(9e5, 0)], [(9e5, 0)]), ([], [])])
def test_without_cells_or_facilities_on_the_network_there_are_no_pairs(cell_xy, door_xy):
    network = make_network(make_streets(CROSS))
    pairs = catchment_pairs(network, cells_at(network, cell_xy), places(network, door_xy), math.inf)
    assert (len(pairs.cell), len(pairs.facility), len(pairs.time_s)) == (0, 0, 0)


@pytest.mark.parametrize("limit_s", [-1.0, math.nan])
def test_what_is_no_limit_is_refused(limit_s):
    network = make_network(make_streets(CROSS))
    with pytest.raises(ValueError, match="no limit"):
        catchment_pairs(network, cells_at(network, [(0, 0)]), places(network, [(0, 0)]), limit_s)


# weights ---------------------------------------------------------------------------------------------------------


def test_weights_of_2sfca_are_inclusive():
    times = np.array([0.0, 899.0, 900.0, 900.0 + 5e-7, 900.01, np.nan, np.inf])
    assert weights_2sfca(times, 900.0).tolist() == [1, 1, 1, 1, 0, 0, 0]


def test_weights_of_zones_include_their_upper_limit():
    times = np.array([0.0, 300.0, 300.0 + 5e-7, 300.01, 600.0, 600.01, 900.0, 900.01, np.nan])
    assert weights_steps(times, STEPS).tolist() == [1, 1, 1, 0.68, 0.68, 0.22, 0.22, 0, 0]


@pytest.mark.parametrize(
    "steps",
    [[], [(10.0, 1.0), (5.0, 0.5)], [(5.0, 1.0), (5.0, 0.5)], [(0.0, 1.0)], [(math.inf, 1.0)], [(math.nan, 1.0)]],
)
def test_zones_that_do_not_ascend_are_refused(steps):
    with pytest.raises(ValueError, match="must ascend"):
        weights_steps(np.array([1.0]), steps)


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_zones_without_a_weight_are_refused(weight):
    with pytest.raises(ValueError, match="must be 0 or more"):
        weights_steps(np.array([1.0]), [(5.0, weight)])


def dai(time_s: float, limit_s: float = 900.0) -> float:
    """Dai 2010 as it is printed."""
    if not time_s <= limit_s:
        return 0.0
    return (math.exp(-((time_s / limit_s) ** 2) / 2) - math.exp(-1 / 2)) / (1 - math.exp(-1 / 2))


def test_gaussian_weights_are_those_of_the_formula():
    times = np.linspace(0, 1000, 2001)
    np.testing.assert_allclose(weights_gaussian(times, 900.0), [dai(t) for t in times], atol=1e-15)
    # half way: [exp(-1/8) - exp(-1/2)] / [1 - exp(-1/2)] = (0.8824969 - 0.6065307) / 0.3934693
    assert weights_gaussian(np.array([0.0, 450.0, 900.0, 900.01, np.nan]), 900.0) == pytest.approx(
        [1.0, 0.7013665, 0.0, 0.0, 0.0], abs=1e-7
    )


def test_rounding_does_not_decide_whether_a_time_is_the_limit_of_a_gaussian():
    assert weights_gaussian(900.0 + np.array([-5e-7, -1e-12, 0.0, 1e-12, 5e-7]), 900.0).tolist() == [0.0] * 5
    assert weights_gaussian(np.array([899.999]), 900.0)[0] == pytest.approx(dai(899.999), rel=1e-6)


@pytest.mark.parametrize("limit_s", [0.0, -1.0, math.nan, math.inf])
def test_weights_without_a_limit_are_refused(limit_s):
    for weigh in (weights_2sfca, weights_gaussian):
        with pytest.raises(ValueError, match="no limit"):
            weigh(np.array([1.0]), limit_s)


# two steps -------------------------------------------------------------------------------------------------------


def test_an_example_by_hand():
    """Cells of 100, 50 and 50 people; the first two reach facility 0 with 30, the last two facility 1 with 10.

    2SFCA: R = 30 / 150, 10 / 100; A = 0.2, 0.3, 0.1. With half the weight for cell 1 at facility 0: R_0 = 30 / 125 =
    0.24; A = 0.24, 0.12 + 0.1, 0.1.
    """
    cell, facility = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1])
    people, supply = np.array([100.0, 50.0, 50.0]), np.array([30.0, 10.0])
    plain = two_step(cell, facility, np.ones(4), people, supply)
    assert plain.ratio == pytest.approx([0.2, 0.1])
    assert plain.access == pytest.approx([0.2, 0.3, 0.1])
    assert (plain.reached_supply, plain.unreached_supply) == (40.0, 0.0)
    half = two_step(cell, facility, np.array([1, 0.5, 1, 1]), people, supply)
    assert half.ratio == pytest.approx([0.24, 0.1])
    assert half.access == pytest.approx([0.24, 0.22, 0.1])


def random_pairs(seed, cells=60, facilities=12):
    rng = np.random.default_rng(seed)
    time_s = rng.uniform(0, 2500, (facilities, cells))
    facility, cell = np.nonzero(time_s <= 900.0)
    people = np.round(rng.uniform(0, 300, cells)) * (rng.random(cells) > 0.2)
    supply = np.round(rng.uniform(0, 100, facilities)) * (rng.random(facilities) > 0.2)
    return cell, facility, time_s[facility, cell], people, supply


def by_loops(time_s, weigh, people, supply):
    """The formulas as sums over all cells and facilities; `time_s` by (facility, cell), infinite out of reach."""
    w = [[weigh(t) if math.isfinite(t) else 0.0 for t in row] for row in time_s]
    ratio = []
    for j, offered in enumerate(supply):
        demand = sum(people[k] * w[j][k] for k in range(len(people)))
        ratio.append(offered / demand if demand > 0 else 0.0)
    return np.array([sum(ratio[j] * w[j][i] for j in range(len(supply))) for i in range(len(people))])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_access_is_that_of_the_sums(seed, method):
    cell, facility, time_s, people, supply = random_pairs(seed)
    every = np.full((len(supply), len(people)), np.inf)
    every[facility, cell] = time_s
    one = {"2sfca": lambda t: 1.0, "e2sfca": weights.step_fn({60 * m: w for m, w in STEPS}), "gaussian": dai}[method]
    mine = two_step(cell, facility, METHODS[method](time_s), people, supply)
    np.testing.assert_allclose(mine.access, by_loops(every, one, people, supply), rtol=1e-12, atol=1e-15)
    assert (mine.access > 0).sum() > 40


def by_access(cell, facility, time_s, people, supply, weigh):
    """The same by the package access, which drops cells without anything in reach."""
    demand = pd.DataFrame({"geoid": np.arange(len(people)), "people": people})
    offered = pd.DataFrame({"supply": supply}, index=pd.Index(np.arange(len(supply)), name="geoid"))
    cost = pd.DataFrame({"origin": cell, "dest": facility, "cost": time_s})
    found = fca.two_stage_fca(demand, offered, cost, 900.0, demand_name="people", supply_name="supply", weight_fn=weigh)
    return found.reindex(np.arange(len(people)), fill_value=0.0).to_numpy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_access_is_that_of_a_peer(seed, method):
    """The package's own `weights.gaussian` is exp(-x² / 2σ²), without Dai's cut, so it is handed Dai's formula."""
    cell, facility, time_s, people, supply = random_pairs(seed)
    weigh = {"2sfca": None, "e2sfca": weights.step_fn({60 * m: w for m, w in STEPS}), "gaussian": dai}[method]
    mine = two_step(cell, facility, METHODS[method](time_s), people, supply)
    theirs = by_access(cell, facility, time_s, people, supply, weigh)
    np.testing.assert_allclose(mine.access, theirs, rtol=1e-12, atol=1e-15)


def test_a_peer_s_bell_without_the_cut_is_another_method():
    cell, facility, time_s, people, supply = random_pairs(0)
    bell = weights.gaussian(900.0)
    assert bell(900.0) == pytest.approx(math.exp(-0.5))  # Dai: 0
    theirs = by_access(cell, facility, time_s, people, supply, bell)
    same = two_step(cell, facility, np.exp(-((time_s / 900.0) ** 2) / 2), people, supply).access
    np.testing.assert_allclose(same, theirs, rtol=1e-12, atol=1e-15)
    assert np.abs(two_step(cell, facility, METHODS["gaussian"](time_s), people, supply).access - theirs).max() > 0.01


amounts = st.floats(1e-3, 1e6) | st.just(0.0)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_people_have_together_what_is_in_reach(data):
    cells, facilities = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    people = np.array(data.draw(st.lists(amounts, min_size=cells, max_size=cells)))
    supply = np.array(data.draw(st.lists(amounts, min_size=facilities, max_size=facilities)))
    pairs = data.draw(st.sets(st.tuples(st.integers(0, cells - 1), st.integers(0, facilities - 1))))
    cell, facility = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    time_s = np.array(data.draw(st.lists(st.floats(0, 950), min_size=len(cell), max_size=len(cell))))
    for weigh in METHODS.values():
        weight = weigh(time_s)
        found = two_step(cell, facility, weight, people, supply)
        reached = {int(j) for i, j, w in zip(cell, facility, weight, strict=True) if people[i] * w > 0}
        assert found.reached_supply == pytest.approx(sum(supply[j] for j in sorted(reached)), rel=1e-12)
        assert found.reached_supply + found.unreached_supply == pytest.approx(supply.sum(), rel=1e-12)
        assert (people * found.access).sum() == pytest.approx(found.reached_supply, rel=1e-9)
        assert (found.access >= 0).all()
        assert set(np.flatnonzero(~np.isnan(found.ratio)).tolist()) == reached


@given(st.integers(0, 1000), st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_a_factor_of_all_weights_and_the_order_of_pairs_change_nothing(seed, factor):
    cell, facility, time_s, people, supply = random_pairs(seed)
    weight = METHODS["gaussian"](time_s)
    one = two_step(cell, facility, weight, people, supply)
    order = np.random.default_rng(seed).permutation(len(cell))
    other = two_step(cell[order], facility[order], factor * weight[order], people, supply)
    np.testing.assert_allclose(one.access, other.access, rtol=1e-9, atol=1e-15)
    twice = two_step(cell, facility, weight, people, 2 * supply)
    np.testing.assert_allclose(twice.access, 2 * one.access, rtol=1e-12)


def test_without_people_nothing_is_reached():
    found = two_step(np.array([0, 1]), np.array([0, 0]), np.ones(2), np.zeros(2), np.array([5.0]))
    assert found.access.tolist() == [0, 0]
    assert np.isnan(found.ratio).tolist() == [True]
    assert (found.reached_supply, found.unreached_supply) == (0.0, 5.0)


def test_a_cell_without_people_has_access_and_takes_no_share():
    found = two_step(np.array([0, 1]), np.array([0, 0]), np.ones(2), np.array([0.0, 10.0]), np.array([5.0]))
    assert found.access.tolist() == [0.5, 0.5]


def test_without_pairs_everything_is_out_of_reach():
    none = np.empty(0, np.int64)
    found = two_step(none, none, np.empty(0), np.array([10.0, 20.0]), np.array([5.0, 2.0]))
    assert found.access.tolist() == [0, 0]
    assert (found.reached_supply, found.unreached_supply) == (0.0, 7.0)
    empty = two_step(none, none, np.empty(0), np.empty(0), np.empty(0))
    assert (len(empty.access), len(empty.ratio)) == (0, 0)


def test_a_facility_only_reached_at_the_gaussian_s_limit_is_not_reached():
    weight = weights_gaussian(np.array([900.0, 450.0]), 900.0)
    found = two_step(np.array([0, 1]), np.array([0, 1]), weight, np.array([10.0, 10.0]), np.array([5.0, 2.0]))
    assert found.access == pytest.approx([0.0, 0.2])
    assert (found.reached_supply, found.unreached_supply) == (2.0, 5.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"supply": [5.0, np.nan]}, "supply: 1 are negative, infinite or not known; the first is row 1"),
        ({"supply": [-5.0, 1.0]}, "supply: 1"),
        ({"people": [1.0, np.nan]}, "people: 1"),
        ({"people": [np.inf, -1.0]}, "people: 2"),
        ({"weights": [1.0, np.nan]}, "weights: 1"),
        ({"weights": [1.0]}, "2 cells, 2 facilities and 1 weights"),
        ({"cell": [0, 2]}, "outside of 2 cells"),
        ({"cell": [0, -1]}, "outside of 2 cells"),
        ({"facility": [0, 2]}, "and 2 facilities"),
        ({"cell": [1, 1], "facility": [0, 0]}, "1 are there more than once"),
    ],
)
def test_wrong_arrays_are_refused(change, message):
    given_ = {"cell": [0, 1], "facility": [0, 1], "weights": [1.0, 1.0], "people": [1.0, 2.0], "supply": [5.0, 6.0]}
    with pytest.raises(ValueError, match=message):
        two_step(**{name: np.array(values) for name, values in (given_ | change).items()})


def test_a_sum_that_does_not_add_up_stops_the_run():
    people = np.array([10.0, 0.0])
    right = Catchment(np.array([0.5, 9.0]), np.array([0.5]), 5.0, 0.0)
    assert check_balance(right, people) == 0.0
    for wrong in (0.5 + 1e-8, 0.4, np.nan, np.inf):
        with pytest.raises(ComputeError, match="offer 5"):
            check_balance(Catchment(np.array([wrong, 9.0]), np.array([0.5]), 5.0, 0.0), people)
    with pytest.raises(ComputeError, match="sums up to 5 where"):
        check_balance(Catchment(np.array([0.5, 0.0]), np.array([0.5]), 0.0, 5.0), people)


def test_weights_too_small_for_a_ratio_stop_the_run():
    with pytest.raises(ComputeError, match="floating catchment"):
        two_step(np.array([0]), np.array([0]), np.array([5e-324]), np.array([1.0]), np.array([5.0]))


# committees ------------------------------------------------------------------------------------------------------


def test_the_average_person_of_a_committee():
    access, people = np.array([0.1, 0.4, 0.7, 9.0, 0.3]), np.array([30.0, 10.0, 5.0, 100.0, 0.0])
    mean = committee_access(access, people, np.array([0, 0, 2, -1, 3]), 4)
    assert mean == pytest.approx([(3 + 4) / 40, np.nan, 0.7, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"access": [np.nan, 1.0]}, "access: 1"),
        ({"people": [-1.0, 1.0]}, "people: 1"),
        ({"committee": [0, 2]}, "outside of 2 committees"),
    ],
)
def test_a_committee_of_unknown_access_is_refused(change, message):
    given_ = {"access": [1.0, 2.0], "people": [1.0, 1.0], "committee": [0, 1]} | change
    with pytest.raises(ValueError, match=message):
        committee_access(**{name: np.array(values) for name, values in given_.items()}, committees=2)


def test_a_cell_of_unknown_access_may_be_in_no_committee():
    mean = committee_access(np.array([np.nan, 2.0]), np.array([7.0, 1.0]), np.array([-1, 0]), 1)
    assert mean.tolist() == [2.0]
