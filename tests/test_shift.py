"""Points that lie off the streets as a whole, and points that only lie far from streets."""

import dataclasses

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from circle15.errors import Notes
from circle15.inputs.datum import from_wgs84, to_wgs84
from circle15.network.graph import Network
from circle15.network.shift import CAP_M, MAX_POINTS, best_shift, choose_points, compare_shifts
from circle15.stages.read import check_shift
from circle15.stages.run import Inputs, Networks, Run
from circle15.tables import FacilityTable
from kit import make_network, make_streets, random_streets
from tables_kit import EAST, NORTH, STANDARD, make_config

UTM = pyproj.CRS("EPSG:32651")
GCJ, BD = np.array([418.9, -231.1]), np.array([1055.2, 386.1])
"""How far, in metres east and north, the two maps put a place near Shanghai."""


@pytest.fixture(scope="module")
def town() -> Network:
    """Four kilometres square of bent streets, about 100 m apart, near Shanghai."""
    streets = random_streets(np.random.default_rng(3), size=40, one_way=0.0)
    corner = np.array([EAST, NORTH])
    return make_network(dataclasses.replace(streets, node_xy=streets.node_xy + corner, xy=streets.xy + corner))


def shops(town: Network, count: int, depth_m: float = 8.0, seed: int = 1) -> np.ndarray:
    """Places beside random streets."""
    rng = np.random.default_rng(seed)
    vertex, *_ = town.segments_to_begin
    row = vertex[rng.choice(len(vertex), count, replace=False)]
    start, step = town.xy[row], town.xy[row + 1] - town.xy[row]
    aside = np.column_stack([-step[:, 1], step[:, 0]]) / np.hypot(*step.T)[:, None]
    return start + rng.random((count, 1)) * step + depth_m * rng.choice([-1, 1], (count, 1)) * aside


def hypotheses(xy: np.ndarray) -> dict[str, np.ndarray]:
    return {"gcj02": xy - GCJ, "bd09": xy - BD, "from gcj02": xy + GCJ, "from bd09": xy + BD}


def best(town: Network, xy: np.ndarray):
    xy = xy[choose_points(xy)]
    return best_shift(compare_shifts(town, xy, hypotheses(xy)))


@pytest.mark.parametrize("count", [100, 400])
@pytest.mark.parametrize(
    ("moved_by", "name"),
    [(GCJ, "gcj02"), (BD, "bd09"), (-GCJ, "from gcj02"), (-BD, "from bd09"), (0 * GCJ, None)],
)
def test_the_displacement_is_named_and_right_places_raise_no_alarm(town, count, moved_by, name):
    found = best(town, shops(town, count) + moved_by)
    assert (found.name if found else None) == name
    if found:
        assert 6 < found.moved_m < 8 + 1e-6  # the shops' own depth, less where another street is nearer
        assert found.given_m > 12


@pytest.mark.parametrize("seed", range(8))
def test_places_without_any_relation_to_streets_raise_no_alarm(town, seed):
    rng = np.random.default_rng(seed)
    assert best(town, rng.uniform([EAST, NORTH], [EAST + 4000, NORTH + 4000], (400, 2))) is None


def test_places_far_from_streets_come_nearer_by_any_displacement_and_raise_no_alarm(town):
    """Parks: comparing only with the places as given would take every hypothesis for clear."""
    rng = np.random.default_rng(5)
    anywhere = rng.uniform([EAST, NORTH], [EAST + 3900, NORTH + 3900], (6000, 2))
    away = shapely.distance(shapely.points(anywhere), shapely.multilinestrings([town.lines.tolist()])[0])
    parks = anywhere[away > 35]
    parks = parks[choose_points(parks)]
    assert len(parks) > 150
    shifts = compare_shifts(town, parks, hypotheses(parks))
    assert all(one.given_m - one.moved_m > 15 for one in shifts)
    assert best_shift(shifts) is None


def test_too_few_points_do_not_tell(town):
    xy = shops(town, 14)
    (found,) = compare_shifts(town, xy + GCJ, {"gcj02": xy})
    assert found.points <= 14
    assert not dataclasses.replace(found, z=99.0).clear
    assert dataclasses.replace(found, z=99.0, points=15).clear
    assert best(town, np.empty((0, 2))) is None


def test_the_figures_by_hand():
    """Inside a square of streets 1 km wide, 30 and 40 m above the lower side, moved down to 10 m above it.

    The gains are 20 and 30 m: mean 25, standard deviation √50, error 5, so z = 5. Moved as far sideways and up, the
    points are 30, 50, 30 and 40, 70, 40 m away: 36.67 and 50 on average, 26.67 and 40 more than 10; mean 33.33, error
    6.67: 5 too.
    """
    square = [(0, 0), (1000, 0), (1000, 1000), (0, 1000), (0, 0)]
    dead_ends = [[(x, y), (3 * x - 1000, 3 * y - 1000)] for x, y in square[:4]]
    network = make_network(make_streets([*(square[i : i + 2] for i in range(4)), *dead_ends]))
    xy = np.array([(400.0, 30.0), (600.0, 40.0)])
    (found,) = compare_shifts(network, xy, {"down": np.array([(400.0, 10.0), (600.0, 10.0)])})
    assert (found.name, found.points, found.given_m, found.moved_m) == ("down", 2, 35.0, 10.0)
    assert found.elsewhere_m == pytest.approx((110 / 3 + 50) / 2)
    assert found.z == pytest.approx(5.0)
    capped = np.array([(500.0, 500.0), (400.0, 400.0)])
    (found,) = compare_shifts(network, capped, {"little": capped + 50.0})
    assert (found.given_m, found.moved_m, found.z) == (CAP_M, CAP_M, 0.0)


def test_points_beyond_the_network_do_not_count(town):
    """Half of them lie where no street is known: they say nothing, neither as given nor as displaced."""
    xy = shops(town, 200)
    outside = np.array([EAST - 5000.0, NORTH]) + np.random.default_rng(2).uniform(0, 1000, (200, 2))
    both = np.concatenate([xy, outside])
    for there in (both - GCJ, both + np.array([5000.0, 0.0])):
        found = compare_shifts(town, both, {"there": there})
        assert all(one.points <= 200 for one in found)
    assert compare_shifts(town, outside, {"there": outside + GCJ}) == []


def test_points_are_chosen_one_a_square_evenly_and_in_any_order(town):
    mall = np.full((1000, 2), [EAST + 10.0, NORTH + 10.0]) + np.random.default_rng(1).uniform(0, 50, (1000, 2))
    assert len(choose_points(mall)) == 1
    xy = np.random.default_rng(4).uniform([EAST, NORTH], [EAST + 9000, NORTH + 9000], (5000, 2))
    xy[7] = np.nan
    rows = choose_points(xy)
    assert len(rows) == len(set(rows)) == MAX_POINTS
    assert 7 not in rows
    squares = np.floor(xy[rows] / 3000)
    _, counts = np.unique(squares - squares.min(axis=0), axis=0, return_counts=True)
    assert counts.min() > 0.5 * MAX_POINTS / 16  # evenly: 3 km squares, some only half inside
    order = np.random.default_rng(6).permutation(len(xy))
    assert np.array_equal(xy[order][choose_points(xy[order])], xy[rows])


# the stage ---------------------------------------------------------------------------------------------------------


def degrees(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pyproj.Transformer.from_crs(UTM, 4326, always_xy=True).transform(*xy.T)


def metres(lon_lat) -> np.ndarray:
    return np.column_stack(pyproj.Transformer.from_crs(4326, UTM, always_xy=True).transform(*lon_lat))


def told(town: Network, tmp_path, facilities, committees=None, **keys) -> list[tuple[str, str]]:
    """Run the check on facilities as they were read, and return code and text of its notes."""
    item = {"source": "schools.csv", "type": "kindergarten", **keys}
    config = make_config(tmp_path, facilities=[item])
    table = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*facilities.T), crs=UTM).assign(source="schools.csv")
    places = committees if committees is not None else facilities[:0]
    centres = gpd.GeoDataFrame({"area": [None] * len(places)}, geometry=gpd.points_from_xy(*places.T), crs=UTM)
    inputs = Inputs(UTM, centres, None, FacilityTable(table, {}, {"schools.csv": None}))
    run = Run(config, STANDARD, {}, None, Notes(), None)
    check_shift(run, inputs, Networks({"walk": town}, "key"))
    return [(note.code, note.text) for note in run.notes.items]


@pytest.mark.parametrize(
    ("declared", "true", "says"),
    [
        ("wgs84", "gcj02", "as GCJ-02"),
        ("wgs84", "bd09", "as BD-09"),
        ("gcj02", "wgs84", "as WGS 84"),
        ("bd09", "wgs84", "as WGS 84"),
        ("bd09", "gcj02", "as GCJ-02"),
        ("gcj02", "bd09", "as BD-09"),
        ("gcj02", "gcj02", None),
        ("bd09", "bd09", None),
        ("wgs84", "wgs84", None),
    ],
)
def test_a_datum_that_was_declared_wrongly_is_noted(town, tmp_path, declared, true, says):
    in_the_file = from_wgs84(*degrees(shops(town, 300)), true)
    as_read = metres(to_wgs84(*in_the_file, declared))
    notes = told(town, tmp_path, as_read, datum=declared)
    assert [code for code, _ in notes] == (["facilities.shifted"] if says else [])
    if says:
        assert f"schools.csv: its places look shifted against the streets; they fit better {says} (" in notes[0][1]
        assert f'Is its datum "{declared}", and that of the streets "wgs84"?' in notes[0][1]


def test_an_offset_taken_off_twice_is_noted(town, tmp_path):
    """Somebody converted the file before, and wrongly so."""
    as_read = metres(to_wgs84(*degrees(shops(town, 300)), "gcj02"))
    ((code, text),) = told(town, tmp_path, as_read)
    assert code == "facilities.shifted"
    assert "if GCJ-02's offset was taken off without need" in text


def test_committees_are_looked_at_too(town, tmp_path):
    places = shops(town, 300)
    moved = metres(from_wgs84(*degrees(places), "gcj02"))
    ((code, text),) = told(town, tmp_path, places, committees=moved)
    assert code == "committees.shifted"
    assert text.startswith("committees.csv: ")


def test_what_cannot_be_shifted_is_not_looked_at(town, tmp_path):
    places = shops(town, 300) + GCJ
    assert told(town, tmp_path, places, from_osm=True) == []
    assert told(town, tmp_path, places[:29]) == []
    areas = gpd.GeoDataFrame(geometry=shapely.buffer(shapely.points(places), 30), crs=UTM).assign(source="schools.csv")
    run = Run(make_config(tmp_path), STANDARD, {}, None, Notes(), None)
    centres = gpd.GeoDataFrame({"area": []}, geometry=[], crs=UTM)
    check_shift(
        run, Inputs(UTM, centres, None, FacilityTable(areas, {}, {"schools.csv": None})), Networks({"walk": town}, "")
    )
    assert run.notes.items == []


def test_outside_china_there_is_no_such_offset(town, tmp_path):
    """The same streets and shops in the same zone's metres, 5,000 km south."""
    south = np.array([0.0, -5_000_000.0])
    network = dataclasses.replace(town, node_xy=town.node_xy + south, xy=town.xy + south)
    assert told(network, tmp_path, shops(town, 300) + GCJ + south) == []
