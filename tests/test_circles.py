"""Service circles: they show what is reached, and never land that the network doesn't reach."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.network.circles import BESIDE_M, PIXEL_M, SIMPLIFY_M, draw_circles
from circle15.network.snap import snap_to_begin
from circle15.network.travel import find_ranges
from kit import WALK, Oracle, make_network, make_streets, random_streets

SLACK_M = PIXEL_M * np.sqrt(2) + SIMPLIFY_M
"""Half a pixel's diagonal on either side, and the simplification."""


def circle(network, xy, minutes):
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    limit = np.full(len(xy), minutes * 60.0)
    origins = snap_to_begin(network, xy, 300.0)
    return draw_circles(network, find_ranges(network, origins, limit), origins, xy, limit)


def test_a_straight_street_gives_a_strip_as_long_as_the_walk():
    network = make_network(make_streets([[(0, 0), (5000, 0)]]))
    (shape,) = circle(network, [(2500, 0)], 15)
    west, south, east, north = shape.bounds
    np.testing.assert_allclose([west, east], [1500, 3500], atol=SLACK_M + BESIDE_M)
    np.testing.assert_allclose([south, north], [-BESIDE_M, BESIDE_M], atol=SLACK_M)
    assert shape.is_valid


def test_the_other_bank_of_a_river_without_a_bridge_is_not_claimed():
    banks = [[(0, 0), (3000, 0)], [(0, 200), (3000, 200)]]
    (shape,) = circle(make_network(make_streets(banks)), [(1500, 0)], 15)
    assert shape.bounds[3] < 100 + SLACK_M
    bridge = [[(0, 0), (1400, 0)], [(1400, 0), (3000, 0)], [(0, 200), (1400, 200)], [(1400, 200), (3000, 200)]]
    (over,) = circle(make_network(make_streets([*bridge, [(1400, 0), (1400, 200)]])), [(1500, 0)], 15)
    assert over.bounds[3] > 200
    assert shapely.Point(1400, 200).within(over)


def test_a_parallel_street_that_is_not_reached_is_not_claimed_however_near():
    apart = [[(0, 0), (3000, 0)], [(0, 60), (3000, 60)]]
    (shape,) = circle(make_network(make_streets(apart)), [(1500, 0)], 15)
    assert shape.bounds[3] < 30 + SLACK_M


def test_an_edge_that_is_reached_in_part_is_claimed_in_part():
    network = make_network(make_streets([[(0, 0), (400, 0)]]))
    (shape,) = circle(network, [(100, 0)], 3)  # 200 m on foot: half of the one edge that it lies on
    west, _, east, _ = shape.bounds
    np.testing.assert_allclose([west, east], [-BESIDE_M, 300], atol=SLACK_M)


def test_none_is_drawn_off_the_network_or_where_none_is_asked():
    network = make_network(make_streets([[(0, 0), (400, 0)]]))
    xy = np.array([[100.0, 0.0], [100.0, 900.0], [200.0, 0.0]])
    origins = snap_to_begin(network, xy, 300.0)
    limit = np.array([np.nan, 900.0, 900.0])
    shapes = draw_circles(network, find_ranges(network, origins, limit), origins, xy, limit)
    assert [s is None for s in shapes] == [True, True, False]


def test_committees_far_apart_are_drawn_each_by_itself():
    """A raster over both would have 16 million pixels a street."""
    network = make_network(make_streets([[(0, 0), (1000, 0)], [(9e5, 9e5), (9e5 + 1000, 9e5)]]))
    near, far = circle(network, [(500, 0), (9e5 + 500, 9e5)], 3)
    np.testing.assert_allclose(np.array(far.bounds) - 9e5, near.bounds, atol=SLACK_M)


def test_nothing_within_the_limit_gives_an_empty_circle():
    network = make_network(make_streets([[(0, 0), (400, 0)]]))
    (shape,) = circle(network, [(200, 290)], 1)  # the access leg alone takes 261 s
    assert shape.is_empty


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_drawn_land_is_near_a_reached_street_and_reached_streets_are_drawn(seed):
    rng = np.random.default_rng(seed)
    streets = random_streets(rng, 6, one_way=0.0)
    network = make_network(streets)
    xy = rng.uniform(100, 400, (1, 2))
    (shape,) = circle(network, xy, 5)
    time = Oracle(streets, WALK)
    lines = shapely.linestrings(network.xy, indices=np.repeat(np.arange(len(network.u)), np.diff(network.first)))
    places = [line.interpolate(s) for line in lines for s in np.linspace(0, line.length, 7)[1:-1]]
    seconds = np.array([time(xy[0], (p.x, p.y)) for p in places])
    slack_s = SLACK_M * 0.9
    for place, s in zip(places, seconds, strict=True):
        if s <= 300 - slack_s:
            assert shape.distance(place) <= SLACK_M
        if s > 300 + 2 * slack_s + BESIDE_M * 0.9:
            near = [
                q
                for q, t in zip(places, seconds, strict=True)
                if t <= 300 + slack_s and q.distance(place) < 2 * SLACK_M
            ]
            assert near or not place.within(shape.buffer(-PIXEL_M))
