"""Siting against trying everything, against spopt, and against what can be worked out by hand."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pulp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from spopt.locate import LSCP, MCLP

import siting_kit as kit
from circle15.errors import Circle15Error
from circle15.plan.budget import greedy_people, other_spending, spend
from circle15.plan.closing import close_all, other_programmes
from circle15.plan.covering import gather
from circle15.plan.greedy import greedy_cover
from circle15.plan.problem import reachable_demands
from circle15.plan.solver import INFEASIBLE, OPTIMAL, STOPPED, Limits, Model, Solver, solve
from siting_kit import EXACT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulp")  # spopt's way of calling it

ANY = np.inf
NEAR = 1e-6  # of values that went through the solver
LOOSE = Limits(gap=0.1)
BUDGETS = (0.0, 1.0, 3.0, 7.5, 12.0)

seeds = st.integers(0, 10**6)


def cases(count: int):
    return settings(max_examples=count, deadline=None, derandomize=True)


def same(value: float, expected: float) -> bool:
    return abs(value - expected) <= NEAR * max(1.0, abs(expected))


def before_now() -> Limits:
    return Limits(gap=0.0, deadline=time.monotonic() - 1.0)


def stopped() -> Limits:
    limits = Limits(gap=0.0)
    limits.stop.set()
    return limits


def coverage_of(problem, cells):
    """Coverage from ``(people, need, [names of options as 'site type'])``."""
    names = kit.named(problem, np.ones(len(problem.option_site), dtype=bool))
    pairs = [(cell, names.index(name)) for cell, (_, _, of) in enumerate(cells) for name in of]
    pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return gather(
        np.array([people for people, _, _ in cells], dtype=float),
        np.array([need for _, need, _ in cells], dtype=np.int64),
        pairs[:, 0],
        pairs[:, 1],
        len(names),
        np.zeros(len(cells), dtype=np.int64),
    )


# the oracle itself, by hand


def test_the_oracle_on_a_problem_worked_out_by_hand():
    # two types at a (1 + 2 + 2 = 5), or one there and one at b (1 + 2 + 4 + 0.5 = 7.5); a has room for one only
    problem = kit.siting(
        {"a": (1, 100), "b": (4, ANY)},
        [("a", "x", 2, 80), ("a", "y", 2, 80), ("b", "y", 0.5, 80)],
        [(1, {0: 1}), (1, {1: 1, 2: 1})],
    )
    assert kit.best_closing(problem) == (2, 7.5)
    assert kit.best_closing(replace(problem, floor_area_m2=np.array([160.0, ANY]))) == (2, 5.0)
    assert len(kit.every_choice(problem)) == 6


@cases(20)
@given(seeds)
def test_a_choice_costs_meets_and_fits_as_the_oracle_has_it(seed):
    problem = kit.random_town(seed).siting
    chosen = np.random.default_rng(seed).random(len(problem.option_site)) < 0.5
    assert problem.cost(chosen) == pytest.approx(kit.costs(problem, chosen[None])[0])
    assert (problem.met(chosen) == kit.met(problem, chosen[None])[0]).all()
    assert problem.fits(chosen) == kit.sound(problem, chosen)


# closing everything


@cases(80)
@given(seeds, st.booleans(), st.booleans())
def test_closing_is_what_trying_everything_finds(seed, room, amounts):
    problem = kit.random_town(seed, room=room, amounts=amounts).siting
    demands, cost = kit.best_closing(problem)
    found = close_all(problem, EXACT)
    assert kit.sound(problem, found.chosen)
    assert (found.closed == kit.met(problem, found.chosen[None])[0]).all()
    assert found.closed.sum() == demands
    assert same(found.value, kit.costs(problem, found.chosen[None])[0])
    assert same(found.value, cost)
    assert same(found.bound, cost)
    assert found.gap <= NEAR
    assert found.complete
    if not room:
        assert (found.closed == (problem.gives.toarray().sum(axis=1) >= problem.need * (1 - kit.OVER))).all()
    for row in np.flatnonzero(found.chosen):  # nothing is in it for nothing, even where it is free
        fewer = found.chosen.copy()
        fewer[row] = False
        assert not kit.met(problem, fewer[None])[0][found.closed].all()


@cases(40)
@given(seeds)
def test_a_gap_is_kept_and_its_bound_holds(seed):
    problem = kit.random_town(seed).siting
    demands, cost = kit.best_closing(problem)
    found = close_all(problem, LOOSE)
    assert found.closed.sum() == demands
    assert kit.sound(problem, found.chosen)
    assert found.bound <= cost + NEAR
    assert found.value <= cost / 0.9 + NEAR
    assert found.gap <= 0.1 + NEAR


@cases(40)
@given(seeds)
def test_closing_is_never_worse_than_greedy(seed):
    problem = kit.random_town(seed).siting
    greedy, found = greedy_cover(problem), close_all(problem, EXACT)
    assert kit.sound(problem, greedy)
    count = kit.met(problem, greedy[None]).sum()
    assert found.closed.sum() >= count
    if found.closed.sum() == count:
        assert found.value <= kit.costs(problem, greedy[None])[0] + NEAR


@cases(30)
@given(seeds, st.integers(0, 5))
def test_another_candidate_never_costs_more(seed, site):
    problem = kit.random_town(seed, room=False).siting
    fewer = close_all(kit.without_site(problem, site % len(problem.site_id)), EXACT)
    # what only the further candidate can meet isn't asked of either
    more = close_all(problem.of_demands(np.flatnonzero(fewer.closed)), EXACT)
    assert more.closed.all()
    assert more.value <= fewer.value + NEAR


@cases(30)
@given(seeds)
def test_another_demand_never_costs_less(seed):
    problem = kit.random_town(seed, room=False).siting
    values = [close_all(problem.of_demands(np.arange(count)), EXACT).value for count in range(1 + len(problem.need))]
    assert values[0] == 0
    assert all(more >= less - NEAR for less, more in pairwise(values))


@pytest.mark.parametrize("seed", range(12))
def test_with_one_type_at_unit_cost_it_is_location_set_covering(seed):
    rng = np.random.default_rng(seed)
    demands, sites = 12 + seed * 5, 8 + seed * 2
    gap_m = np.hypot(*(rng.random((demands, 1, 2)) - rng.random((1, sites, 2))).transpose(2, 0, 1))
    gap_m = gap_m[gap_m.min(axis=1) <= 0.25]
    peer = LSCP.from_cost_matrix(gap_m, 0.25).solve(pulp.PULP_CBC_CMD(msg=False))
    count = sum(one.value() > 0.5 for one in peer.fac_vars)
    found = close_all(kit.one_type(gap_m <= 0.25), EXACT)
    assert found.closed.all()
    assert (found.value, found.bound) == (count, pytest.approx(count))


def by_cbc(problem):
    """The least cost of meeting every demand: the rows of the model as the method has them, written out for CBC."""
    peer = pulp.LpProblem("covering")
    takes = [pulp.LpVariable(f"y{row}", cat="Binary") for row in range(len(problem.option_site))]
    opens = [pulp.LpVariable(f"z{row}", cat="Binary") for row in range(len(problem.site_id))]
    peer += pulp.lpDot(problem.option_cost.tolist(), takes) + pulp.lpDot(problem.fixed_cost.tolist(), opens)
    for need, row in zip(problem.need.tolist(), problem.gives.toarray(), strict=True):
        peer += pulp.lpSum(float(row[option]) * takes[option] for option in np.flatnonzero(row)) >= need
    for site, floor in enumerate(problem.floor_area_m2.tolist()):
        own = np.flatnonzero(problem.option_site == site)
        for option in own:
            peer += takes[option] <= opens[site]
        if np.isfinite(floor):
            peer += pulp.lpSum(float(problem.option_area_m2[option]) * takes[option] for option in own) <= floor
    peer.solve(pulp.PULP_CBC_CMD(msg=False))
    assert pulp.LpStatus[peer.status] == "Optimal"
    return pulp.value(peer.objective)


@pytest.mark.parametrize("seed", range(10))
def test_with_one_type_and_costs_another_solver_finds_the_same(seed):
    # spopt's set covering has no costs
    rng = np.random.default_rng(100 + seed)
    gap_m = np.hypot(*(rng.random((70, 1, 2)) - rng.random((1, 30, 2))).transpose(2, 0, 1))
    near = gap_m[gap_m.min(axis=1) <= 0.25] <= 0.25
    cost = rng.integers(1, 9, 30).astype(float)
    least = by_cbc(kit.one_type(near, cost))
    found = close_all(kit.one_type(near, cost), EXACT)
    assert found.closed.all()
    assert (found.value, found.bound) == (pytest.approx(least), pytest.approx(least))


# by hand


def test_two_types_under_one_roof_share_its_fixed_cost():
    # apart: 10 + 1 + 10 + 1 = 22; in c: 15 + 3 + 3 = 21; with a fixed cost of 17: 23
    problem = kit.siting(
        {"a": (10, ANY), "b": (10, ANY), "c": (15, ANY)},
        [("a", "x", 1, 0), ("b", "y", 1, 0), ("c", "x", 3, 0), ("c", "y", 3, 0)],
        [(1, {0: 1, 2: 1}), (1, {1: 1, 3: 1})],
    )
    found = close_all(problem, EXACT)
    assert (kit.named(problem, found.chosen), found.value) == (["c x", "c y"], 21)
    dearer = replace(problem, fixed_cost=np.array([10.0, 10.0, 17.0]))
    found = close_all(dearer, EXACT)
    assert (kit.named(dearer, found.chosen), found.value) == (["a x", "b y"], 22)


def test_a_site_with_room_for_one_of_two_types():
    options = [("a", "x", 1, 60), ("a", "y", 1, 60), ("b", "y", 1, 60)]
    demands = [(1, {0: 1}), (1, {1: 1, 2: 1})]
    roomy = kit.siting({"a": (1, 120), "b": (5, 60)}, options, demands)
    found = close_all(roomy, EXACT)
    assert (kit.named(roomy, found.chosen), found.value) == (["a x", "a y"], 3)
    tight = kit.siting({"a": (1, 119), "b": (5, 60)}, options, demands)
    found = close_all(tight, EXACT)
    assert (kit.named(tight, found.chosen), found.value) == (["a x", "b y"], 8)
    # without b one of the two stays open: y, which would cost as much, has two demands to x's one
    alone = kit.siting({"a": (1, 119)}, options[:2], [(1, {0: 1}), (1, {1: 1}), (1, {1: 1})])
    found = close_all(alone, EXACT)
    assert (kit.named(alone, found.chosen), found.value) == (["a y"], 2)
    assert found.closed.tolist() == [False, True, True]
    assert found.complete


def test_several_facilities_and_amounts():
    # two of three clinics: the two cheapest
    clinics = kit.siting(
        {"a": (3, ANY), "b": (2, ANY), "c": (4, ANY)},
        [("a", "x", 0, 0), ("b", "x", 0, 0), ("c", "x", 0, 0)],
        [(2, {0: 1, 1: 1, 2: 1})],
    )
    found = close_all(clinics, EXACT)
    assert (kit.named(clinics, found.chosen), found.value) == (["a x", "b x"], 5)
    # 500 m²: 300 + 200 cost 6 + 3, 450 alone isn't enough, 450 + 200 cost 5 + 3
    halls = kit.siting(
        {"a": (6, ANY), "b": (5, ANY), "c": (3, ANY)},
        [("a", "x", 0, 0), ("b", "x", 0, 0), ("c", "x", 0, 0)],
        [(500, {0: 300, 1: 450, 2: 200})],
    )
    found = close_all(halls, EXACT)
    assert (kit.named(halls, found.chosen), found.value) == (["b x", "c x"], 8)
    short = replace(halls, need=np.array([651.0]))
    found = close_all(short, EXACT)
    assert (kit.named(short, found.chosen), found.value) == (["a x", "b x"], 11)
    # more than there is at all
    found = close_all(replace(halls, need=np.array([951.0])), EXACT)
    assert (found.chosen.any(), found.closed.any(), found.value) == (False, False, 0)


def test_what_no_option_reaches_stays_open_and_spoils_nothing():
    problem = kit.siting(
        {"a": (1, ANY), "b": (2, 10)},
        [("a", "x", 0, 0), ("b", "x", 0, 0), ("b", "y", 0, 11)],
        [(1, {}), (1, {0: 1, 1: 1}), (1, {2: 1}), (3, {0: 1, 1: 1})],
    )
    assert reachable_demands(problem).tolist() == [False, True, False, False]
    found = close_all(problem, EXACT)
    assert kit.named(problem, found.chosen) == ["a x"]
    assert found.closed.tolist() == [False, True, False, False]
    assert (found.value, found.bound, found.complete) == (1, 1, True)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6, 1e9])
@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_costs_of_any_size(unit, gap):
    # a ring of five, each demand by two neighbours: three sites, not all three cheap ones (4, the next are 5 and 6)
    ring = np.eye(5, dtype=bool) | np.eye(5, k=1, dtype=bool) | np.eye(5, k=-4, dtype=bool)
    problem = kit.one_type(ring, np.array([3.0, 1.0, 3.0, 1.0, 2.0]) * unit)
    found = close_all(problem, Limits(gap=gap))
    assert kit.best_closing(problem) == (5, pytest.approx(4 * unit))
    assert found.value == pytest.approx(4 * unit)
    assert found.gap <= gap + NEAR


def test_a_cost_of_a_thousandth_beside_ten_millions():
    near = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    problem = kit.one_type(near, np.array([1e7, 2e-3, 1e-3]))
    found = close_all(problem, EXACT)
    assert kit.named(problem, found.chosen) == ["s000 clinic", "s002 clinic"]


@pytest.mark.parametrize("much", [1e3, 1e6, 1e9])
def test_an_option_that_gives_far_more_than_is_needed(much):
    # a costs 3 and meets all; b and c cost 1 each and do so together
    problem = kit.siting(
        {"a": (3, ANY), "b": (1, ANY), "c": (1, ANY)},
        [(site, "x", 0, 0) for site in "abc"],
        [(1, {0: much, 1: 0.5, 2: 0.5}), (1, {0: much, 1: 0.3, 2: 0.8}), (1, {0: much, 1: 0.5, 2: 0.6})],
    )
    found = close_all(problem, EXACT)
    assert (kit.named(problem, found.chosen), found.value) == (["b x", "c x"], 2)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e5])
def test_a_floor_area_is_missed_by_less_than_a_millionth(size):
    # both types at a would take 0.4 millionths more than there is: a x 1 + b y 1 + 5
    problem = kit.siting(
        {"a": (1, size), "b": (1, ANY)},
        [("a", "x", 0, 0.5 * size), ("a", "y", 0, 0.5000004 * size), ("b", "x", 5.5, 0), ("b", "y", 5, 0)],
        [(1, {0: 1, 2: 1}), (1, {1: 1, 3: 1})],
    )
    found = close_all(problem, EXACT)
    assert (kit.named(problem, found.chosen), found.value) == (["a x", "b y"], 7)
    assert found.bound == pytest.approx(7)


def test_sums_that_round_are_no_breach_of_a_floor_area():
    # 0.1 + 0.2 > 0.3 by the last bit
    problem = kit.siting({"a": (1, 0.3)}, [("a", "x", 0, 0.1), ("a", "y", 0, 0.2)], [(1, {0: 1}), (1, {1: 1})])
    for chosen in (close_all(problem, EXACT).chosen, greedy_cover(problem)):
        assert chosen.all()


def test_greedy_takes_in_what_needs_no_room_when_rounding_leaves_less_than_none():
    # 0.3 - 0.1 - 0.2 is -3e-17
    problem = kit.siting(
        {"a": (1, 0.3)},
        [("a", "w", 0, 0.1), ("a", "x", 0, 0.2), ("a", "y", 9, 0)],
        [(1, {0: 1}), (1, {1: 1}), (1, {2: 1})],
    )
    assert greedy_cover(problem).all()
    cells = [(9, 1, ["a w"]), (8, 1, ["a x"]), (1, 1, ["a y"])]
    assert greedy_people(problem, coverage_of(problem, cells), 10.0).all()


def test_problems_of_nothing():
    nothing = kit.siting({}, [], [])
    no_sites = kit.siting({}, [], [(1, {})])
    no_options = kit.siting({"a": (1, ANY)}, [], [(1, {})])
    no_demands = kit.siting({"a": (1, ANY)}, [("a", "x", 1, 0)], [])
    for problem in (nothing, no_sites, no_options, no_demands):
        found = close_all(problem, EXACT)
        assert (found.chosen.any(), found.closed.any(), found.value, found.bound) == (False, False, 0, 0)
        assert (found.parts, found.complete, found.gap) == (0, True, 0)
        assert other_programmes(problem, found, 3, 0.5, EXACT) == []


def test_free_sites_no_room_and_doubled_demands():
    free = kit.siting({"a": (0, ANY)}, [("a", "x", 0, 0)], [(1, {0: 1})] * 3)
    found = close_all(free, EXACT)
    assert (found.closed.all(), found.value, found.bound, found.gap) == (True, 0, 0, 0)
    for area, closed in ((0.0, True), (1e-12, False), (5.0, False)):
        full = kit.siting({"a": (1, 0)}, [("a", "x", 0, area)], [(1, {0: 1})])
        assert close_all(full, EXACT).closed.tolist() == [closed]
    twice = kit.siting({"a": (2, ANY), "b": (1, ANY)}, [(s, "x", 0, 0) for s in "ab"], [(1, {0: 1, 1: 1})] * 4)
    assert (close_all(twice, EXACT).value, close_all(twice, EXACT).closed.sum()) == (1, 4)


# the same answer again


def test_of_equal_sites_the_one_with_the_lowest_id():
    near = np.ones((4, 5), dtype=bool)
    problem = kit.one_type(near)
    assert kit.named(problem, close_all(problem, EXACT).chosen) == ["s000 clinic"]
    problem = replace(problem, need=np.full(4, 2.0))
    assert kit.named(problem, close_all(problem, EXACT).chosen) == ["s000 clinic", "s001 clinic"]


@cases(40)
@given(seeds)
def test_no_site_in_a_programme_has_an_equal_with_a_lower_id(seed):
    problem = kit.random_town(seed, room=False, amounts=False, types=1).siting
    problem = replace(
        problem, fixed_cost=np.ones_like(problem.fixed_cost), option_cost=np.zeros_like(problem.option_cost)
    )
    chosen = close_all(problem, EXACT).chosen
    closed = kit.met(problem, chosen[None])[0]
    for row in np.flatnonzero(chosen):
        for lower in np.flatnonzero(~chosen[:row]):
            other = chosen.copy()
            other[[row, lower]] = [False, True]
            assert not kit.met(problem, other[None])[0][closed].all(), (lower, row)


def test_of_equal_sites_a_budget_buys_the_one_with_the_lowest_id():
    # 10 people at either; 9 more who need two clinics reach b and never have them
    problem = kit.siting({"a": (1, ANY), "b": (1, ANY)}, [(site, "x", 0, 0) for site in "ab"], [])
    cells = [(10, 1, ["a x", "b x"]), (9, 2, ["b x"])]
    found = spend(problem, coverage_of(problem, cells), 1.0, EXACT)
    assert (kit.named(problem, found.chosen), found.value) == (["a x"], 10)


@cases(20)
@given(seeds)
def test_the_order_of_the_input_decides_nothing(seed):
    problem = kit.random_town(seed).siting
    rng = np.random.default_rng(seed)
    sites = {
        problem.site_id[row]: (problem.fixed_cost[row], problem.floor_area_m2[row])
        for row in rng.permutation(len(problem.site_id))
    }
    order = rng.permutation(len(problem.option_site))
    options = [
        (
            problem.site_id[problem.option_site[row]],
            problem.option_type[row],
            problem.option_cost[row],
            problem.option_area_m2[row],
        )
        for row in order
    ]
    gives = problem.gives.toarray()[:, order]
    again = kit.siting(
        sites, options, [(need, dict(enumerate(row))) for need, row in zip(problem.need, gives, strict=True)]
    )
    first, second = close_all(problem, EXACT), close_all(again, EXACT)
    assert kit.named(problem, first.chosen) == kit.named(again, second.chosen)
    third = close_all(problem, EXACT)
    assert first.chosen.tobytes() == third.chosen.tobytes()
    assert (first.value, first.bound) == (third.value, third.bound)
    # demands in another order may change which of equal programmes it is, not what it costs
    other = close_all(problem.of_demands(rng.permutation(len(problem.need))), EXACT)
    assert (other.closed.sum(), other.value) == (first.closed.sum(), pytest.approx(first.value))


# parts


@cases(25)
@given(seeds)
def test_two_copies_far_apart_cost_twice_as_much(seed):
    problem = kit.random_town(seed).siting
    demands, cost = kit.best_closing(problem)
    found = close_all(kit.far_apart(problem), EXACT)
    assert found.closed.sum() == 2 * demands
    assert same(found.value, 2 * cost)
    assert found.parts == 2 * close_all(problem, EXACT).parts


@cases(40)
@given(seeds)
def test_parts_share_nothing_and_leave_nothing_out(seed):
    problem = kit.random_town(seed).siting
    parts = problem.components()
    gives = problem.gives.toarray()
    joined = [(problem.option_site[option], demand) for demand, option in np.argwhere(gives > 0)]
    assert sorted(row for sites, _ in parts for row in sites) == sorted({int(site) for site, _ in joined})
    assert sorted(row for _, demands in parts for row in demands) == sorted({int(demand) for _, demand in joined})
    of_site = {site: number for number, (sites, _) in enumerate(parts) for site in sites}
    of_demand = {demand: number for number, (_, demands) in enumerate(parts) for demand in demands}
    assert all(of_site[site] == of_demand[demand] for site, demand in joined)
    assert [sites[0] for sites, _ in parts] == sorted(sites[0] for sites, _ in parts)
    # each part is one: from its first site all of it can be reached
    for sites, demands in parts:
        seen, more = {("site", sites[0])}, True
        while more:
            before = len(seen)
            for site, demand in joined:
                if ("site", site) in seen or ("demand", demand) in seen:
                    seen |= {("site", site), ("demand", demand)}
            more = len(seen) > before
        assert len(seen) == len(sites) + len(demands)


def test_parts_by_hand():
    problem = kit.siting(
        {"a": (1, ANY), "b": (1, ANY), "c": (1, ANY), "d": (1, ANY)},
        [("a", "x", 0, 0), ("b", "x", 0, 0), ("b", "y", 0, 0), ("c", "y", 0, 0), ("d", "x", 0, 0)],
        [(1, {4: 1}), (1, {0: 1, 1: 1}), (1, {2: 1}), (1, {})],
    )
    assert [(sites.tolist(), demands.tolist()) for sites, demands in problem.components()] == [
        ([0, 1], [1, 2]),
        ([3], [0]),
    ]


# the most people for a budget


@cases(60)
@given(seeds, st.sampled_from(BUDGETS))
def test_a_budget_serves_as_many_as_trying_everything_does(seed, budget):
    town = kit.random_town(seed)
    most = kit.best_spending(town, budget)
    found = spend(town.siting, town.coverage, budget, EXACT)
    assert kit.sound(town.siting, found.chosen)
    assert kit.costs(town.siting, found.chosen[None])[0] <= budget * (1 + kit.OVER)
    assert same(found.value, kit.people(town, found.chosen[None])[0])
    assert same(found.value, most)
    assert same(found.bound, most)
    assert found.complete
    assert (found.closed == kit.met(town.siting, found.chosen[None])[0]).all()
    # within the gap
    near = spend(town.siting, town.coverage, budget, LOOSE)
    assert near.bound >= most - NEAR
    assert near.bound >= near.value - NEAR
    assert near.value >= 0.9 * most - NEAR
    for by_cost in (True, False):
        greedy = greedy_people(town.siting, town.coverage, budget, by_cost=by_cost)
        assert kit.sound(town.siting, greedy)
        assert kit.costs(town.siting, greedy[None])[0] <= budget * (1 + kit.OVER)
        assert kit.people(town, greedy[None])[0] <= found.value + NEAR


@pytest.mark.parametrize(("seed", "room", "amounts"), [(84, False, True), (135, False, False), (226, True, True)])
def test_budgets_at_which_a_first_programme_once_led_the_solver_astray(seed, room, amounts):
    town = kit.random_town(seed, room=room, amounts=amounts)
    found = spend(town.siting, town.coverage, 7.5, EXACT)
    most = kit.best_spending(town, 7.5)
    assert (found.value, found.bound, found.complete) == (pytest.approx(most), pytest.approx(most), True)


@cases(25)
@given(seeds)
def test_more_money_never_serves_fewer(seed):
    town = kit.random_town(seed)
    values = [spend(town.siting, town.coverage, budget, EXACT).value for budget in BUDGETS]
    assert all(more >= less - NEAR for less, more in pairwise(values))
    assert spend(town.siting, town.coverage, 1e6, EXACT).value == pytest.approx(
        kit.people(town, kit.every_choice(town.siting)).max()
    )


@pytest.mark.parametrize("seed", range(5))
def test_with_unit_costs_it_is_maximal_covering(seed):
    rng = np.random.default_rng(seed)
    demands, sites = 40, 12
    gap_m = np.hypot(*(rng.random((demands, 1, 2)) - rng.random((1, sites, 2))).transpose(2, 0, 1))
    weight = rng.integers(1, 500, demands).astype(float)
    problem = kit.one_type(gap_m <= 0.2)
    cell, option = np.nonzero(gap_m <= 0.2)
    one = np.ones(demands, dtype=np.int64)
    coverage = gather(weight, one, cell, option, sites, rng.integers(0, 3, demands))
    for count in (1, 2, 4, 7):
        peer = MCLP.from_cost_matrix(gap_m, weight, 0.2, count).solve(pulp.PULP_CBC_CMD(msg=False))
        opened = np.array([var.value() > 0.5 for var in peer.fac_vars])
        most = weight[(gap_m[:, opened] <= 0.2).any(axis=1)].sum()
        found = spend(problem, coverage, float(count), EXACT)
        assert (found.value, found.bound) == (most, pytest.approx(most))


def test_the_last_yuan_of_a_budget_counts():
    problem = kit.siting({"a": (5e6, ANY), "b": (5e6 + 4, ANY)}, [(site, "x", 0, 0) for site in "ab"], [])
    coverage = coverage_of(problem, [(5, 1, ["a x"]), (6, 1, ["b x"])])
    for budget, people in ((5e6 - 1, 0), (5e6, 5), (5e6 + 4, 6), (1e7, 6), (1e7 + 3, 6), (1e7 + 4, 11), (1e9, 11)):
        found = spend(problem, coverage, budget, EXACT)
        assert (found.value, found.bound) == (people, pytest.approx(people)), budget
        assert problem.cost(found.chosen) <= budget


def test_a_budget_in_a_unit_that_makes_it_small():
    problem = kit.siting({"a": (5e-7, ANY), "b": (6e-7, ANY)}, [(site, "x", 0, 0) for site in "ab"], [])
    coverage = coverage_of(problem, [(5, 1, ["a x"]), (6, 1, ["b x"])])
    for budget, people in ((4e-7, 0), (5e-7, 5), (1e-6, 6), (1.1e-6, 11)):
        assert spend(problem, coverage, budget, EXACT).value == people, budget


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1.0, 1e6, 1e9])
def test_people_of_any_weight(unit):
    # of 3, 2, 2 and 4 people b serves all but the third, c all but the first, a the first alone
    problem = kit.one_type(np.zeros((0, 3), dtype=bool))
    cells = [(3, 1, (0, 1)), (2, 1, (1,)), (2, 1, (2,)), (4, 1, (1, 2))]
    cells = [(people * unit, need, [f"s{row:03d} clinic" for row in of]) for people, need, of in cells]
    found = spend(problem, coverage_of(problem, cells), 1.0, EXACT)
    assert kit.named(problem, found.chosen) == ["s001 clinic"]
    assert (found.value, found.bound) == (pytest.approx(9 * unit), pytest.approx(9 * unit))
    assert found.complete


def test_budgets_for_nothing_and_for_nobody():
    problem = kit.siting({"a": (1, ANY)}, [("a", "x", 1, 0)], [])
    nobody = coverage_of(problem, [])
    weightless = coverage_of(problem, [(0, 1, ["a x"])])
    too_many = coverage_of(problem, [(5, 3, ["a x"])])
    for coverage in (nobody, weightless, too_many):
        found = spend(problem, coverage, 9.0, EXACT)
        assert (found.chosen.any(), found.value, found.complete) == (False, 0, True)
        assert found.bound == pytest.approx(0)
    some = coverage_of(problem, [(5, 1, ["a x"])])
    for budget, value in ((0.0, 0), (1.99, 0), (2.0, 5)):
        found = spend(problem, some, budget, EXACT)
        assert (found.value, found.bound, found.complete) == (value, pytest.approx(value), True)
    for empty in (kit.siting({}, [], [(1, {})]), kit.siting({"a": (1, ANY)}, [], [])):
        found = spend(empty, coverage_of(empty, [(5, 1, [])]), 9.0, EXACT)
        assert (len(found.chosen), found.value, found.bound) == (0, 0, 0)


def test_a_budget_buys_nothing_that_serves_nobody():
    # b serves those whom a serves already, c nobody; the money would do for all
    problem = kit.siting(dict.fromkeys("abc", (1, ANY)), [(site, "x", 0, 0) for site in "abc"], [])
    coverage = coverage_of(problem, [(7, 1, ["a x"]), (5, 1, ["a x", "b x"]), (9, 2, ["c x"])])
    found = spend(problem, coverage, 9.0, EXACT)
    assert (kit.named(problem, found.chosen), found.value) == (["a x"], 12)


# people's cells


@cases(40)
@given(seeds)
def test_cells_with_the_same_options_are_one_unit(seed):
    town = kit.random_town(seed)
    weight, needs, served, group = town.cells
    expected = {}
    for row in range(len(weight)):
        if weight[row] > 0 and served[row].any():
            key = (tuple(np.flatnonzero(served[row])), needs[row], group[row])
            expected[key] = expected.get(key, 0.0) + weight[row]
    units = town.coverage
    found = {
        (tuple(np.flatnonzero(row)), need, of): people
        for row, need, of, people in zip(units.reach.toarray(), units.need, units.group, units.weight, strict=True)
    }
    assert len(units.weight) == len(found)
    assert found == pytest.approx(expected)


@cases(20)
@given(seeds)
def test_people_served_counted_one_by_one(seed):
    town = kit.random_town(seed)
    weight, needs, served, _ = town.cells
    opened = np.random.default_rng(seed).random(served.shape[1]) < 0.5
    total = 0.0
    for row in range(len(weight)):
        if sum(1 for option in np.flatnonzero(served[row]) if opened[option]) >= needs[row]:
            total += weight[row]
    assert town.coverage.value(opened.astype(float)) == pytest.approx(total)


def test_cells_by_hand():
    units = gather(
        np.array([4.0, 6.0, 0.0, 5.0, 2.0, 1.0, 8.0]),
        np.array([1, 1, 1, 1, 2, 1, 1]),
        np.array([0, 1, 1, 0, 2, 4, 4, 5, 5, 6, 6]),
        np.array([2, 0, 2, 0, 1, 0, 2, 2, 0, 2, 0]),
        3,
        np.array([0, 0, 0, 0, 0, 1, 0]),
    )
    # cells 0, 1 and 6 are alike; 2 has nobody, 3 no option, 4 needs two, 5 is of another group
    assert units.weight.tolist() == [18, 2, 1]
    assert units.need.tolist() == [1, 2, 1]
    assert units.group.tolist() == [0, 0, 1]
    assert units.reach.toarray().tolist() == [[1, 0, 1]] * 3
    assert [units.value(np.array(one, dtype=float)) for one in ([0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1])] == [
        0,
        19,
        0,
        21,
    ]


# alternatives


@cases(30)
@given(seeds)
def test_alternatives_meet_the_same_at_nearly_the_same_cost(seed):
    problem = kit.random_town(seed).siting
    first = close_all(problem, EXACT)
    others = other_programmes(problem, first, 4, 0.3, EXACT)
    assert len(others) <= 4
    seen = [first.chosen.tobytes()]
    for one in others:
        assert kit.met(problem, one.chosen[None])[0][first.closed].all()
        assert kit.sound(problem, one.chosen)
        assert same(one.value, kit.costs(problem, one.chosen[None])[0])
        assert one.value <= 1.3 * first.value + NEAR
        assert one.bound <= one.value + NEAR
        assert one.chosen.tobytes() not in seen
        seen.append(one.chosen.tobytes())


@cases(25)
@given(seeds, st.sampled_from(BUDGETS))
def test_other_spending_serves_nearly_as_many(seed, budget):
    town = kit.random_town(seed)
    first = spend(town.siting, town.coverage, budget, EXACT)
    others = other_spending(town.siting, town.coverage, first, 3, 0.2, budget, EXACT)
    assert len(others) <= 3
    seen = [first.chosen.tobytes()]
    for one in others:
        assert kit.sound(town.siting, one.chosen)
        assert kit.costs(town.siting, one.chosen[None])[0] <= budget * (1 + kit.OVER)
        assert same(one.value, kit.people(town, one.chosen[None])[0])
        assert one.value >= 0.8 * first.value - NEAR
        assert one.chosen.tobytes() not in seen
        seen.append(one.chosen.tobytes())


def test_alternatives_by_hand():
    def others(problem, slack, count=5):
        found = other_programmes(problem, close_all(problem, EXACT), count, slack, EXACT)
        return [kit.named(problem, one.chosen) for one in found]

    # only one there is
    assert others(kit.one_type(np.array([[True]])), 5.0) == []
    # a at 1, b at 2: b costs twice as much
    two = kit.one_type(np.array([[True, True]]), np.array([1.0, 2.0]))
    assert others(two, 0.99) == []
    assert others(two, 1.0) == [["s001 clinic"]]
    # two of three
    three = replace(kit.one_type(np.array([[True] * 3])), need=np.array([2.0]))
    pairs = [["s000 clinic", "s002 clinic"], ["s001 clinic", "s002 clinic"]]
    assert sorted(others(three, 0.0)) == pairs
    assert others(three, 0.0, count=1)[0] in pairs
    assert others(three, 0.0, count=0) == []


def test_no_alternative_is_missed():
    # a meets both for 2; b with c, and b with d, do so for 2.5; b is used twice then, which is no reason to stop
    near = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], dtype=bool)
    problem = kit.one_type(near, np.array([2.0, 1.0, 1.5, 1.5]))
    first = close_all(problem, EXACT)
    found = other_programmes(problem, first, 5, 0.3, EXACT)
    assert kit.named(problem, first.chosen) == ["s000 clinic"]
    assert sorted(kit.named(problem, one.chosen) for one in found) == [
        ["s001 clinic", "s002 clinic"],
        ["s001 clinic", "s003 clinic"],
    ]


def test_other_spending_by_hand():
    problem = kit.siting({"a": (1, ANY), "b": (1, ANY), "c": (1, ANY)}, [(site, "x", 0, 0) for site in "abc"], [])
    coverage = coverage_of(problem, [(10, 1, ["a x"]), (9, 1, ["b x"]), (5, 1, ["c x"])])

    def others(budget, slack):
        first = spend(problem, coverage, budget, EXACT)
        found = other_spending(problem, coverage, first, 4, slack, budget, EXACT)
        return [(kit.named(problem, one.chosen), one.value) for one in found]

    assert others(1.0, 0.05) == []
    assert others(1.0, 0.1) == [(["b x"], 9)]
    assert others(1.0, 0.5) == [(["b x"], 9), (["c x"], 5)]
    assert others(3.0, 0.0) == []
    # ten and nine: with c one of the two is in again
    assert others(2.0, 0.25)[0] == (["a x", "c x"], 15)
    alone = kit.siting({"a": (1, ANY)}, [("a", "x", 0, 0)], [])
    coverage = coverage_of(alone, [(10, 1, ["a x"])])
    assert other_spending(alone, coverage, spend(alone, coverage, 1.0, EXACT), 3, 0.5, 1.0, EXACT) == []


# stopping


@pytest.mark.parametrize("limits", [before_now, stopped])
@pytest.mark.parametrize("seed", range(8))
def test_out_of_time_leaves_the_greedy_programme(limits, seed):
    town = kit.random_town(seed, room=False)
    problem = town.siting
    found = close_all(problem, limits())
    reachable = problem.gives.toarray().sum(axis=1) >= problem.need * (1 - kit.OVER)
    assert (found.closed == reachable).all()
    assert found.bound <= kit.best_closing(problem)[1] + NEAR
    greedy = greedy_cover(problem.of_demands(np.flatnonzero(reachable)))
    assert found.value <= kit.costs(problem, greedy[None])[0] + NEAR
    assert found.complete == (not reachable.any())
    people = spend(problem, town.coverage, 7.5, limits())
    assert people.bound >= kit.best_spending(town, 7.5) - NEAR
    assert people.bound >= people.value - NEAR
    assert same(people.value, kit.people(town, people.chosen[None])[0])
    assert kit.costs(problem, people.chosen[None])[0] <= 7.5 + NEAR
    for by_cost in (True, False):
        greedy = greedy_people(problem, town.coverage, 7.5, by_cost=by_cost)
        assert people.value >= kit.people(town, greedy[None])[0] - NEAR
    if people.gap > NEAR:
        assert not people.complete
    assert other_spending(problem, town.coverage, people, 3, 0.3, 7.5, limits()) == []
    assert other_programmes(problem, found, 3, 0.3, limits()) == []


@pytest.mark.parametrize("limits", [before_now, stopped])
def test_out_of_time_where_not_all_fits(limits):
    problem = kit.siting({"a": (1, 10)}, [("a", "x", 0, 10), ("a", "y", 0, 10)], [(1, {0: 1}), (1, {1: 1})])
    found = close_all(problem, limits())
    assert kit.sound(problem, found.chosen)
    assert (found.closed.sum(), found.value, found.complete) == (1, 1, False)
    assert found.bound <= 1


def large(seed: int, sites: int, room: float = 100.0):
    """A problem of three types on many sites with little room, and its people: too large to try everything."""
    rng = np.random.default_rng(seed)
    site_xy, demand_xy, cell_xy = rng.random((sites, 2)), rng.random((3 * sites, 2)), rng.random((200, 2))
    names = [f"s{row:03d}" for row in range(sites)]
    options = [(name, kind, float(rng.integers(1, 9)), 50.0) for name in names for kind in kit.TYPES]
    at = np.repeat(np.arange(sites), 3)
    kinds = np.tile(np.arange(3), sites)

    def near(xy, radius):
        gap_m = np.hypot(*(xy[:, None] - site_xy[at][None]).transpose(2, 0, 1))
        return (gap_m <= radius) & (rng.integers(0, 3, len(xy))[:, None] == kinds[None])

    reach = near(demand_xy, 2.0 / np.sqrt(sites))
    problem = kit.siting(
        {name: (float(rng.integers(3, 20)), room) for name in names},
        options,
        [(1.0, dict.fromkeys(map(int, np.flatnonzero(row)), 1.0)) for row in reach],
    )
    cell, option = np.nonzero(near(cell_xy, 1.5 / np.sqrt(sites)))
    one = np.ones(len(cell_xy), dtype=np.int64)
    return problem, gather(rng.integers(1, 400, 200).astype(float), one, cell, option, len(options), 0 * one)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_of_a_larger_problem_the_bound_holds_too(seed):
    problem, _ = large(seed, 40)
    least = by_cbc(problem)
    exact, near = close_all(problem, EXACT), close_all(problem, LOOSE)
    assert (exact.value, exact.bound) == (pytest.approx(least), pytest.approx(least))
    assert near.bound <= least + NEAR
    assert least - NEAR <= near.value <= least / 0.9 + NEAR
    assert near.closed.all()
    assert problem.fits(near.chosen)


def test_stopped_while_solving_the_best_found_is_kept():
    problem, coverage = large(1, 60)
    limits, told = Limits(gap=0.0), []

    def tell(best, bound):
        told.append((best, bound))
        limits.stop.set()

    limits.tell = tell
    found = spend(problem, coverage, 150.0, limits)
    assert told
    assert not found.complete
    assert problem.fits(found.chosen)
    assert problem.cost(found.chosen) <= 150.0
    greedy = max(
        coverage.value(greedy_people(problem, coverage, 150.0, by_cost=one).astype(float)) for one in (True, False)
    )
    assert greedy <= found.value <= found.bound
    # people, and no more than there are: what is told is what is meant
    assert all(0 <= best <= bound + NEAR for best, bound in told)


def test_a_long_solve_tells_how_far_it_is_and_can_be_ended_from_there():
    problem, _ = large(2, 40)
    limits, told = Limits(gap=0.0), []

    def tell(best, bound):
        told.append((best, bound))
        limits.stop.set()

    limits.tell = tell
    found = close_all(problem, limits)
    assert told
    assert not found.complete
    assert problem.fits(found.chosen)
    assert (found.closed == reachable_demands(problem)).all()
    greedy = greedy_cover(problem.of_demands(np.flatnonzero(found.closed)))
    assert found.bound <= found.value <= problem.cost(greedy) + NEAR


def test_what_is_told_of_a_solve_are_costs_or_people():
    problem, coverage = large(2, 25, room=50.0)
    told = []
    limits = Limits(gap=0.0, tell=lambda best, bound: told.append((best, bound)))
    found = close_all(problem, limits)
    assert not (found.closed == reachable_demands(problem)).all()  # floor areas decide here
    assert told
    assert all(best >= 0 for best, _ in told)
    told.clear()
    people = spend(problem, coverage, 60.0, limits)
    assert told
    assert all(0 <= best <= people.value + NEAR for best, _ in told)
    assert all(bound >= people.value - NEAR for _, bound in told)


def test_a_deadline_holds_for_every_run_of_the_solver(monkeypatch):
    # a clock that a look at it moves on: no second of the machine's own is counted
    problem, coverage = large(3, 60)
    now = [0.0]

    def clock():
        now[0] += 1000.0
        return now[0]

    limits, asked = Limits(gap=0.0, deadline=50_000.0), [0]
    asked_whether = Solver._interrupt

    def count(self, event):
        asked[0] += 1
        if asked[0] > 300:
            limits.stop.set()  # the guard
        asked_whether(self, event)

    monkeypatch.setattr("circle15.plan.solver.time.monotonic", clock)
    monkeypatch.setattr(Solver, "_interrupt", count)
    found = spend(problem, coverage, 150.0, limits)
    assert not limits.stop.is_set()
    assert not found.complete


# the solver


def model(cost, rows, row_lower, row_upper, *, upper=np.inf, whole=True):
    count = len(cost)
    return Model(
        np.array(cost, dtype=float),
        np.zeros(count),
        np.full(count, upper, dtype=float),
        np.full(count, whole),
        sparse.csr_matrix(np.array(rows, dtype=float)),
        np.array(row_lower, dtype=float),
        np.array(row_upper, dtype=float),
    )


def test_the_solver_on_a_textbook_problem(capfd):
    # most of 5x + 4y under 6x + 4y ≤ 24 and x + 2y ≤ 6: 21 at (3, 1.5), in whole numbers 20 at (4, 0)
    sides = [[6, 4], [1, 2]], [-np.inf, -np.inf], [24, 6]
    answer = solve(model([-5, -4], *sides, whole=False), EXACT)
    assert (answer.status, answer.bound) == (OPTIMAL, pytest.approx(-21))
    assert answer.x.tolist() == pytest.approx([3, 1.5])
    answer = solve(model([-5, -4], *sides), EXACT)
    assert (answer.status, answer.bound, answer.x.tolist()) == (OPTIMAL, pytest.approx(-20), [4, 0])
    for start in ([0.0, 0.0], [0.0, 3.0], [4.0, 0.0], [9.0, 9.0]):
        answer = solve(model([-5, -4], *sides), EXACT, start=np.array(start))
        assert answer.x.tolist() == [4, 0]
    answer = solve(model([-5, -4], *sides), EXACT, relaxed=True)
    assert answer.bound == pytest.approx(-21)
    with Solver(model([-5, -4], *sides), EXACT, relaxed=True) as solver:
        assert solver.run().bound == pytest.approx(-21)
        solver.add_rows(sparse.csr_matrix([[1.0, 0.0]]), np.array([2.0]))
        answer = solver.run()  # x ≤ 2: y = 2, 18
        assert (answer.bound, answer.x.tolist()) == (pytest.approx(-18), pytest.approx([2, 2]))
        solver.add_rows(sparse.csr_matrix([[0.0, 2.0]]), np.array([3.0]))
        solver.make_whole()
        answer = solver.run(np.array([0.0, 0.0]))  # y ≤ 1.5: y = 1, x = 2
        assert (answer.bound, answer.x.tolist()) == (pytest.approx(-14), [2, 1])
    assert capfd.readouterr() == ("", "")


def test_a_model_without_a_solution(capfd):
    for start in (None, np.array([1.0])):
        answer = solve(model([1], [[1], [1]], [2, -np.inf], [np.inf, 1]), EXACT, start=start)
        assert (answer.x, answer.status) == (None, INFEASIBLE)
    # whole numbers between a half and nine tenths
    answer = solve(model([1], [[1]], [0.5], [0.9]), EXACT)
    assert (answer.x, answer.status) == (None, INFEASIBLE)
    assert capfd.readouterr() == ("", "")


def test_no_time_at_all_gives_the_start_back():
    one = model([1], [[1]], [2], [np.inf])
    for limits in (before_now(), stopped()):
        answer = solve(one, limits, start=np.array([5.0]))
        assert (answer.x.tolist(), answer.bound, answer.status) == ([5], -np.inf, STOPPED)
        assert solve(one, limits).x is None


def test_an_objective_without_end_is_no_answer():
    with pytest.raises(Circle15Error):
        solve(model([-1, 0], [[0, 1]], [-np.inf], [1], whole=False), EXACT)


MISLED = [682, 2572, 2838]
"""Models whose optimum HiGHS 1.16 loses when it is given this solution to begin with and may simplify the model."""


@pytest.mark.parametrize("seed", MISLED + list(range(60)))
def test_the_solver_against_trying_everything_from_any_start(seed):
    rng = np.random.default_rng(seed)
    columns, rows = int(rng.integers(2, 8)), int(rng.integers(1, 6))
    sides = rng.integers(-3, 4, (rows, columns)) * (rng.random((rows, columns)) < 0.6)
    cost = rng.integers(-9, 10, columns)
    upper = rng.integers(0, 5, rows)
    every = (np.arange(2**columns)[:, None] >> np.arange(columns) & 1).astype(float)
    every = every[(every @ sides.T <= upper).all(axis=1)]
    best = (every @ cost).min()
    start = every[rng.integers(len(every))]
    for given_start in (start, None):
        answer = solve(model(cost, sides, np.full(rows, -np.inf), upper, upper=1), EXACT, start=given_start)
        assert (answer.status, answer.bound) == (OPTIMAL, pytest.approx(best))
        assert answer.x @ cost == pytest.approx(best)


def test_nothing_is_printed(capfd):
    town = kit.random_town(7)
    first = close_all(town.siting, EXACT)
    other_programmes(town.siting, first, 2, 0.3, EXACT)
    people = spend(town.siting, town.coverage, 7.5, EXACT)
    other_spending(town.siting, town.coverage, people, 2, 0.3, 7.5, EXACT)
    close_all(*large(4, 30)[:1], EXACT)
    assert capfd.readouterr() == ("", "")
