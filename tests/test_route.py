"""The route behind one verdict: exact times, geometry that fits them, directions kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.network.route import ACCESS, STREET, nearest_few, route
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Places, nearest
from kit import CYCLE, DRIVE, WALK, Oracle, make_network, make_streets, random_streets

M_PER_S = 4.0 / 3.6
CROSS = [[(0, 0), (500, 0)], [(500, 0), (1000, 0)], [(500, 0), (500, 400)]]


def places(network, xy, facility=None, max_snap_m=300.0) -> Places:
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    rows = np.arange(len(xy)) if facility is None else np.asarray(facility)
    return Places(snap_to_end(network, xy, max_snap_m), xy, rows.astype(np.int64))


def one(network, a, b, facility=None):
    a = np.asarray(a, dtype=float)
    return route(network, snap_to_begin(network, a[None], 300.0), a, places(network, b, facility))


def coordinates(line) -> list[tuple[float, float]]:
    return [(round(x, 6), round(y, 6)) for x, y in line.coords]


def holds_together(found, a, b) -> None:
    """The parts add up, the geometry is as long as they say, and the legs join its ends to the two points."""
    assert found.time_s == pytest.approx(sum(part.time_s for part in found.parts), abs=1e-9)
    assert found.distance_m == pytest.approx(sum(part.length_m for part in found.parts), abs=1e-9)
    assert found.line.length == pytest.approx(found.distance_m, abs=1e-3)
    assert found.first_leg.length + found.way.length + found.last_leg.length == pytest.approx(
        found.distance_m, abs=1e-3
    )
    assert coordinates(found.first_leg)[0] == pytest.approx(tuple(a), abs=1e-5)
    assert coordinates(found.last_leg)[-1] == pytest.approx(tuple(b), abs=1e-5)


def test_a_route_over_a_corner_by_hand():
    found = one(make_network(make_streets(CROSS)), (100, 30), [(520, 300)])
    assert found.distance_m == pytest.approx(30 + 400 + 300 + 20)
    assert found.time_s == pytest.approx(750 / M_PER_S)
    assert coordinates(found.first_leg) == [(100, 30), (100, 0)]
    assert coordinates(found.way) == [(100, 0), (500, 0), (500, 300)]
    assert coordinates(found.last_leg) == [(500, 300), (520, 300)]
    assert [part.kind for part in found.parts] == [ACCESS, STREET, STREET, ACCESS]
    assert [part.length_m for part in found.parts] == pytest.approx([30, 400, 300, 20])
    holds_together(found, (100, 30), (520, 300))


def test_the_inner_vertices_of_every_edge_are_kept():
    bent = [[(0, 0), (0, 100), (100, 100)], [(100, 100), (200, 100)], [(100, 100), (100, 300)], [(200, 100), (200, 0)]]
    found = one(make_network(make_streets(bent)), (0, 50), [(200, 50)])
    assert coordinates(found.way) == [(0, 50), (0, 100), (100, 100), (200, 100), (200, 50)]
    assert found.first_leg.length == found.last_leg.length == 0
    assert [part.kind for part in found.parts] == [STREET, STREET]


def test_on_one_edge_the_way_is_the_piece_between():
    found = one(make_network(make_streets(CROSS)), (400, -10), [(100, 10)])
    assert coordinates(found.way) == [(400, 0), (100, 0)]
    assert found.time_s == pytest.approx(320 / M_PER_S)


def test_on_one_edge_the_way_around_may_be_the_only_one():
    ring = [[(0, 0), (300, 0)], [(300, 0), (300, 100), (0, 100), (0, 0)], [(0, 0), (-50, 0)], [(300, 0), (350, 0)]]
    network = make_network(make_streets(ring, [1, 1, 3, 3]))
    found = one(network, (200, 0), [(100, 0)])
    assert coordinates(found.way) == [(200, 0), (300, 0), (300, 100), (0, 100), (0, 0), (100, 0)]
    assert found.distance_m == pytest.approx(100 + 500 + 100)


def test_both_points_at_one_spot_make_a_route_of_nothing():
    found = one(make_network(make_streets(CROSS)), (500, 0), [(500, 0)])
    assert (found.time_s, found.distance_m, found.parts) == (0.0, 0.0, ())
    assert found.way.length == found.line.length == 0


def test_of_several_entrances_the_nearest_one_is_named():
    found = one(make_network(make_streets(CROSS)), (450, 0), [(0, 0), (500, 40), (1000, 0)], [7, 7, 7])
    assert found.entrance == 1
    assert found.distance_m == pytest.approx(90)


def test_no_route_off_the_network_or_against_a_one_way_street():
    network = make_network(make_streets(CROSS, [1, 1, 1]))
    assert one(network, (0, 5000), [(100, 0)]) is None
    assert one(network, (100, 0), [(100, 5000)]) is None
    assert one(network, (900, 0), [(100, 0)]) is None
    assert one(network, (100, 0), np.empty((0, 2))) is None


def test_by_car_each_part_has_the_time_of_its_class():
    streets = make_streets([[(0, 0), (400, 0)], [(400, 0), (800, 0)]], classes=["primary", "residential"])
    found = one(make_network(streets, DRIVE), (0, 10), [(800, 0)])
    assert [part.time_s for part in found.parts] == pytest.approx([10 / M_PER_S, 400 / (40 / 3.6), 400 / (20 / 3.6)])


def test_nearest_few_come_in_order_and_each_facility_once():
    network = make_network(make_streets(CROSS))
    targets = places(network, [(0, 0), (500, 100), (480, 0), (1000, 0), (500, 0), (0, 9999)], [0, 1, 1, 2, 3, 4])
    start = snap_to_begin(network, np.array([[500.0, 0.0]]), 300.0)
    found = nearest_few(network, start, targets, 3)
    assert found.facility.tolist() == [3, 1, 0]
    assert found.entrance.tolist() == [4, 2, 0]
    assert found.time_s.tolist() == pytest.approx([0, 20 / M_PER_S, 500 / M_PER_S])
    assert nearest_few(network, start, targets, 9).facility.tolist() == [3, 1, 0, 2]
    assert nearest_few(network, start, targets, 9, 450.0).facility.tolist() == [3, 1, 0, 2]  # 500 m in exactly 450 s
    assert nearest_few(network, start, targets, 9, 449.9).facility.tolist() == [3, 1]
    assert not len(nearest_few(network, snap_to_begin(network, np.array([[0.0, 9999.0]]), 300.0), targets, 3).facility)


def edge_directions(streets, mode: str) -> dict[tuple, int]:
    """Every straight piece by its two ends: 1 along, 2 against, 3 both."""
    known: dict[tuple, int] = {}
    for e, flag in enumerate(streets.access[mode].tolist()):
        for a, b in pairwise(streets.xy[streets.first[e] : streets.first[e + 1]].tolist()):
            known[(*a, *b)] = known.get((*a, *b), 0) | flag & 1
            known[(*b, *a)] = known.get((*b, *a), 0) | flag >> 1
    return known


def check_directions(streets, mode: str, way) -> None:
    """Each step of the way lies on some piece of street that is open in its direction."""
    pieces = [(np.array(k[:2]), np.array(k[2:])) for k, is_open in edge_directions(streets, mode).items() if is_open]
    start, stop = (np.array([p[i] for p in pieces]) for i in (0, 1))
    lines = shapely.linestrings(np.stack([start, stop], axis=1))
    for a, b in pairwise(np.array(way.coords)):
        if np.hypot(*(b - a)) < 1e-5:  # a place at a node is on every street there
            continue
        on = (shapely.distance(lines, shapely.Point(a)) < 1e-5) & (shapely.distance(lines, shapely.Point(b)) < 1e-5)
        ahead = ((b - a) * (stop - start)).sum(axis=1) > 0
        assert (on & ahead).any(), (a, b)


@given(st.integers(0, 10_000), st.sampled_from([WALK, CYCLE, DRIVE]))
@settings(max_examples=40, deadline=None)
def test_a_route_is_as_long_as_the_survey_and_networkx_say_and_keeps_directions(seed, speeds):
    rng = np.random.default_rng(seed)
    streets = random_streets(rng, 5, one_way=0.4)
    network, time = make_network(streets, speeds), Oracle(streets, speeds)
    a, b = rng.uniform(-50, 450, (2, 5, 2))
    b[0] = a[0] + 1.0  # often on one edge
    points, targets = snap_to_begin(network, a, 300.0), places(network, b, [0, 0, 1, 2, 3])
    for i in range(len(a)):
        for facility in range(4):
            own = targets.of_one(facility)
            surveyed = nearest(network, points.take(np.array([i])), own, np.inf)
            found = route(network, points.take(np.array([i])), a[i], own)
            expected = min(time(a[i], xy) for xy in own.xy)
            if found is None:
                assert np.isnan(surveyed.time_s[0])
                assert expected == np.inf
                continue
            assert found.time_s == pytest.approx(expected, abs=1e-6)
            assert found.time_s == pytest.approx(surveyed.time_s[0], abs=1e-6)
            assert found.distance_m == pytest.approx(surveyed.distance_m[0], abs=1e-3)
            holds_together(found, a[i], own.xy[found.entrance])
            check_directions(streets, speeds.mode, found.way)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_nearest_few_are_those_of_networkx(seed):
    rng = np.random.default_rng(seed)
    streets = random_streets(rng, 5)
    network, time = make_network(streets), Oracle(streets, WALK)
    a, b = rng.uniform(-50, 450, 2), rng.uniform(-50, 450, (8, 2))
    owner = rng.integers(0, 5, 8)
    found = nearest_few(network, snap_to_begin(network, a[None], 300.0), places(network, b, owner), 3)
    best = {f: min(time(a, xy) for xy in b[owner == f]) for f in set(owner.tolist())}
    expected = sorted((s, f) for f, s in best.items() if np.isfinite(s))[:3]
    np.testing.assert_allclose(found.time_s, [s for s, _ in expected], atol=1e-6)
    np.testing.assert_allclose([best[f] for f in found.facility.tolist()], found.time_s, atol=1e-6)
