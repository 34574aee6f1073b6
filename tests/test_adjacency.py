"""Facilities near facilities: along the network against networkx, in a straight line against all pairs."""

import dataclasses

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.network.adjacency import nearest_places, straight_m
from circle15.network.snap import as_beginnings
from circle15.units import distance_m, travel_time_s
from kit import CYCLE, DRIVE, WALK, Oracle, make_network, make_streets, random_streets
from test_network import CROSS, places

TOLERANCE_M = 1e-6


def points(xy):
    return np.asarray(shapely.points(np.asarray(xy, dtype=float).reshape(-1, 2)))


def shapes_of(xy, facility):
    """One multipoint a facility, in ascending order of its number."""
    return np.array([shapely.MultiPoint(xy[facility == one]) for one in np.unique(facility)], dtype=object)


# along the network -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speeds", "limit_s"), [(WALK, 300.0), (CYCLE, 100.0), (DRIVE, 100.0)], ids=lambda x: "")
@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_agrees_with_networkx_on_the_uncontracted_streets(seed, speeds, limit_s):
    rng = np.random.default_rng(seed)
    streets = random_streets(rng, 6)
    start, end = rng.uniform(-80, 580, (14, 2)), rng.uniform(-80, 580, (6, 2))
    start[2], start[5], end[1] = (5000, 0), (5000, 50), (5000, 10)  # off the network
    stations, stops = np.array([9, 1, 6, 1, 1, 9, 3, 3, 4, 5, 8, 7, 2, 0]), np.array([4, 4, 2, 7, 7, 1])
    oracle = Oracle(streets, speeds)
    truth = np.full((10, 8), np.inf)
    for i, a in zip(stations, start, strict=True):
        for j, b in zip(stops, end, strict=True):
            truth[i, j] = min(truth[i, j], oracle(a, b))
    network = make_network(streets, speeds)
    stations_at = places(network, start, stations)
    begins = as_beginnings(network, stations_at.xy, stations_at.snapped, 300.0)
    stations_at = dataclasses.replace(stations_at, snapped=begins)
    found = nearest_places(network, stations_at, places(network, end, stops), limit_s)
    assert found.origin.tolist() == list(range(10))
    inside = truth.min(axis=1) <= limit_s
    assert 0 < inside.sum() < 10
    np.testing.assert_allclose(found.time_s[inside], truth.min(axis=1)[inside], atol=1e-9)
    assert (found.facility == np.where(inside, truth.argmin(axis=1), -1)).all()
    assert np.isnan(found.time_s[~inside]).all()
    assert np.isnan(found.distance_m[~inside]).all()
    assert found.facility[6] == -1  # its only entrance is off the network
    if speeds is not DRIVE:
        np.testing.assert_allclose(found.distance_m, distance_m(found.time_s, speeds.kmh))


@pytest.mark.parametrize(("away", "near"), [(99.9, True), (100.0, True), (100.001, False), (150.0, False)])
def test_a_stop_within_a_hundred_metres_is_inclusive(away, near):
    """An entrance 15 m north of a street, a stop 5 m south of it, `away` metres along both legs and the street."""
    network = make_network(make_streets([[(0, 0), (37.3, 0)], [(37.3, 0), (37.3, 90)], [(37.3, 0), (500, 0)]]))
    station = places(network, [(11.7, 15)])
    stop = places(network, [(11.7 + away - 20, -5)])
    found = nearest_places(network, station, stop, 900.0)
    assert found.distance_m[0] == pytest.approx(away, abs=1e-9)
    assert bool(found.distance_m[0] <= 100 + TOLERANCE_M) is near
    limited = nearest_places(network, station, stop, float(travel_time_s(100.0, 4.0)))
    assert bool(limited.facility[0] == 0) is near


def test_a_straight_line_crosses_what_the_street_goes_round():
    """The share of metro stations with a bus stop within 100 m, and the straight line beside it."""
    u_shape = [[(0, 0), (400, 0)], [(400, 0), (400, 60)], [(400, 60), (0, 60)], [(400, 0), (500, 0)]]
    network = make_network(make_streets(u_shape))
    stations, stops = [(100, 0), (350, 0), (480, 0)], [(100, 60), (390, 60)]
    found = nearest_places(network, places(network, stations), places(network, stops), 900.0)
    assert found.distance_m == pytest.approx([300 + 60 + 10, 50 + 60 + 10, 80 + 60 + 10])
    assert found.facility.tolist() == [1, 1, 1]
    straight = straight_m(points(stations), points(stops))
    assert straight == pytest.approx([60, np.hypot(40, 60), np.hypot(90, 60)])
    assert (found.distance_m <= 100).tolist() == [False, False, False]
    assert (straight <= 100).tolist() == [True, True, False]


def test_any_entrance_leads_to_any_entrance():
    network = make_network(make_streets(CROSS))
    station = places(network, [(100, 0), (300, 10)], facility=[4, 4])
    stop = places(network, [(900, 0), (500, 30), (350, -20)], facility=[0, 8, 3])
    found = nearest_places(network, station, stop, 900.0)
    assert (found.origin.tolist(), found.facility.tolist()) == ([4], [3])
    assert found.distance_m == pytest.approx([10 + 50 + 20])


def test_the_way_runs_from_the_first_to_the_second():
    ring = [[(0, 0), (300, 0)], [(300, 0), (300, 100), (0, 100), (0, 0)]]
    network = make_network(make_streets(ring, [1, 1]), CYCLE)
    one, other = places(network, [(100, 0)]), places(network, [(150, 0)])
    assert nearest_places(network, one, other, 900.0).distance_m == pytest.approx([50])
    assert nearest_places(network, other, one, 900.0).distance_m == pytest.approx([750])


def test_of_equally_near_ones_the_same_is_named_every_time():
    network = make_network(make_streets(CROSS))
    stop = places(network, [(600, 0), (400, 0), (600, 0)], facility=[5, 7, 9])
    assert nearest_places(network, places(network, [(550, 0)]), stop, 900.0).facility.tolist() == [5]
    for xy in ([(650, 0), (350, 0)], [(350, 0), (650, 0)]):  # one entrance is 50 m from rows 5 and 9, the other from 7
        station = places(network, xy, facility=[0, 0])
        assert nearest_places(network, station, stop, 900.0).facility.tolist() == [5]


def test_without_facilities_none_is_near():
    network = make_network(make_streets(CROSS))
    none = places(network, [])
    alone = nearest_places(network, places(network, [(0, 0)]), none, 900.0)
    assert (alone.origin.tolist(), alone.facility.tolist(), np.isnan(alone.distance_m).tolist()) == ([0], [-1], [True])
    assert len(nearest_places(network, none, places(network, [(0, 0)]), 900.0).origin) == 0


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_no_way_is_shorter_than_the_straight_line(seed):
    rng = np.random.default_rng(seed)
    network = make_network(random_streets(rng, 5))
    start, end = rng.uniform(0, 400, (12, 2)), rng.uniform(0, 400, (8, 2))
    stations, stops = np.sort(rng.integers(0, 6, 12)), np.sort(rng.integers(0, 4, 8))
    found = nearest_places(network, places(network, start, stations), places(network, end, stops), np.inf)
    straight = straight_m(shapes_of(start, stations), shapes_of(end, stops))
    reached = found.facility >= 0
    assert (found.distance_m[reached] >= straight[reached] - 1e-9).all()


# in a straight line ----------------------------------------------------------------------------------------------


def test_straight_lines_run_between_the_nearest_points_of_shapes():
    square = shapely.box(0, 0, 100, 100)
    line = shapely.LineString([(200, -50), (200, 150)])
    shapes = np.array([square, shapely.Point(50, 50), line, shapely.MultiPoint([(900, 0), (230, 0)])], dtype=object)
    to = np.array([shapely.Point(130, 40), shapely.Point(100, 100)], dtype=object)
    assert straight_m(shapes, to) == pytest.approx([0.0, np.hypot(50, 50), 70.0, np.hypot(100, 40)])


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_straight_lines_agree_with_all_pairs(seed):
    rng = np.random.default_rng(seed)
    shapes = [shapely.Point(*xy).buffer(r) if r > 5 else shapely.Point(*xy) for *xy, r in rng.uniform(0, 20, (25, 3))]
    one, other = np.array(shapes[:15], dtype=object), np.array(shapes[15:], dtype=object)
    least = np.array([min(a.distance(b) for b in other) for a in one])
    np.testing.assert_allclose(straight_m(one, other), least, atol=1e-12)


def test_missing_and_empty_shapes_are_near_to_nothing():
    shapes = np.array([None, shapely.Point(), shapely.Point(0, 0)], dtype=object)
    to = np.array([shapely.Point(), None, shapely.Point(3, 4)], dtype=object)
    np.testing.assert_array_equal(straight_m(shapes, to), [np.nan, np.nan, 5.0])
    np.testing.assert_array_equal(straight_m(shapes, to[:2]), [np.nan] * 3)
    np.testing.assert_array_equal(straight_m(shapes, np.empty(0, dtype=object)), [np.nan] * 3)
    assert len(straight_m(np.empty(0, dtype=object), to)) == 0
