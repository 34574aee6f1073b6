"""Where facilities are entered: points, trails, areas; against places worked out by hand."""

import numpy as np
import shapely

from circle15.errors import Notes
from circle15.network.entrances import MEETING_STEP_M, find_entrances
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Places, nearest
from kit import make_network, make_streets

STREET = [[(0, 0), (2000, 0)]]


def seconds(lines, shape, start, notes=None):
    """The time on foot from `start` to the one facility `shape`."""
    network = make_network(make_streets(lines))
    geometry = np.array([shape], dtype=object)
    xy, facility = find_entrances(network, geometry, 300.0, Notes() if notes is None else notes)
    places = Places(snap_to_end(network, xy, 300.0), xy, facility)
    return nearest(network, snap_to_begin(network, np.array([start], dtype=float), 300.0), places, 1e6).time_s[0]


def test_an_area_is_entered_where_a_street_crosses_its_boundary():
    park = shapely.box(1000, -100, 1400, 100)
    assert seconds(STREET, park, (200, 0)) == 800 * 0.9
    assert seconds(STREET, park, (1900, 0)) == 500 * 0.9


def test_an_area_along_a_street_is_entered_all_along_it():
    """A park that shares its side with a street, as areas and streets do in OSM."""
    park = shapely.box(1000, 0, 1900, 300)
    assert seconds(STREET, park, (1503, 0)) <= MEETING_STEP_M / 2 * 0.9


def test_an_area_beside_a_street_is_entered_at_every_nearest_place():
    park = shapely.box(1000, 20, 1900, 300)
    notes = Notes()
    assert seconds(STREET, park, (1503, 0), notes) <= (20 + MEETING_STEP_M / 2) * 0.9
    assert seconds(STREET, park, (100, 0)) == (900 + 20) * 0.9
    assert [(n.code, n.count) for n in notes.items] == [("facilities.walk.areas_not_crossed", 1)]


def test_a_far_part_that_a_street_crosses_does_not_shut_a_near_one():
    park = shapely.MultiPolygon([shapely.box(1500, -50, 1600, 50), shapely.box(100, 20, 200, 60)])
    assert seconds(STREET, park, (50, 0)) == (50 + 20) * 0.9


def test_a_trail_is_entered_where_a_street_crosses_it():
    trail = shapely.LineString([(1023, -500), (1023, 500)])  # its samples lie at 0, 50, 100 m … from y = -500
    assert seconds(STREET, trail, (23, 0)) == 1000 * 0.9
    between = shapely.LineString([(1023, -510), (1023, 530)])  # and here not on the street
    assert seconds(STREET, between, (23, 0)) == 1000 * 0.9


def test_an_area_far_from_any_street_has_no_entrance():
    assert np.isnan(seconds(STREET, shapely.box(1000, 400, 1100, 500), (200, 0)))


def test_points_and_multipoints_are_their_own_entrances():
    network = make_network(make_streets(STREET))
    shapes = np.array([shapely.Point(5, 5), shapely.MultiPoint([(1, 1), (2, 2)])], dtype=object)
    xy, facility = find_entrances(network, shapes, 300.0, Notes())
    assert xy.tolist() == [[5, 5], [1, 1], [2, 2]]
    assert facility.tolist() == [0, 1, 1]
