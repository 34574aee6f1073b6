"""A facility's town: as given, by the committees' areas, or by the nearest committee."""

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.errors import Notes
from circle15.inputs.towns import facility_towns
from tables_kit import EAST, NORTH

UTM = pyproj.CRS("EPSG:32651")


def point(x: float, y: float = 0) -> shapely.Point:
    return shapely.Point(EAST + x, NORTH + y)


def square(x: float, y: float = 0, side: float = 1000) -> shapely.Polygon:
    return shapely.box(EAST + x, NORTH + y, EAST + x + side, NORTH + y + side)


def committees(*rows: tuple) -> gpd.GeoDataFrame:
    """Return committees ``(id, town, centre or None, area or None)``."""
    ids, towns, centres, areas = zip(*rows, strict=True)
    table = gpd.GeoDataFrame({"committee_id": ids, "town_id": towns}, geometry=list(centres), crs=UTM)
    table["area"] = np.array([*areas, None], dtype=object)[:-1]
    return table


def facilities(*shapes, source="a.csv", **columns) -> gpd.GeoDataFrame:
    data = {"facility_id": [f"f{i}" for i in range(len(shapes))], "source": source, **columns}
    return gpd.GeoDataFrame(data, geometry=list(shapes), crs=UTM)


def towns(places, of) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    notes = Notes()
    found = facility_towns(places, of, notes)
    assert found.dtype == object
    return found.tolist(), {note.code: note.rows for note in notes.items}


AREAS = committees(("c1", "north", None, square(0)), ("c2", "south", None, square(1000)))
CENTRES = committees(("c1", "north", point(0), None), ("c2", "south", point(4000), None))


# by area -----------------------------------------------------------------------------------------------------------


def test_by_the_area_that_holds_it():
    places = facilities(point(500, 500), point(1500, 500), point(2500, 500))
    assert towns(places, AREAS) == (["north", "south", ""], {"facilities.town_outside": ("f2",)})


def test_a_boundary_counts_and_the_lowest_id_does():
    places = facilities(point(1000, 500), point(0, 0), point(2000, 1000))
    assert towns(places, AREAS)[0] == ["north", "north", "south"]
    assert towns(places, AREAS.iloc[::-1].reset_index(drop=True))[0] == ["north", "north", "south"]


def test_areas_lines_and_entrances_by_a_point_on_them():
    park = shapely.Polygon([(EAST + x, NORTH + y) for x, y in ((900, 0), (1900, 0), (1900, 900), (900, 900))])
    gates = shapely.MultiPoint([point(1100, 100), point(1200, 100), point(1300, 100)])
    trail = shapely.LineString([point(100, 100), point(200, 900)])
    assert towns(facilities(park, gates, trail), AREAS)[0] == ["south", "south", "north"]


def test_beside_areas_only_a_committee_without_one_takes_what_is_nearest():
    """f0 at the committee without an area, f1 in no area and nearest to the committee that has one."""
    mixed = committees(("c1", "north", point(0), square(0)), ("c2", "south", point(1500), None))
    found, notes = towns(facilities(point(1500), point(-700)), mixed)
    assert found == ["south", ""]
    assert notes == {"facilities.town_nearest": ("f0",), "facilities.town_outside": ("f1",)}


# by the nearest committee ------------------------------------------------------------------------------------------


def test_by_the_nearest_committee_up_to_3_km_inclusive():
    places = facilities(point(1999), point(2001), point(-3000), point(-3000.01), point(7001))
    assert towns(places, CENTRES) == (
        ["north", "south", "north", "", ""],
        {"facilities.town_nearest": ("f0", "f1", "f2"), "facilities.town_outside": ("f3", "f4")},
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_as_near_the_lowest_id(order):
    assert towns(facilities(point(2000), point(2000, 500)), CENTRES.iloc[list(order)])[0] == ["north", "north"]


PLACE = st.tuples(st.integers(-50, 50), st.integers(-50, 50))


@given(st.lists(PLACE, min_size=1, max_size=8), st.lists(PLACE, min_size=1, max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_nearest_against_brute_force(centres, places, random):
    rows = [(f"c{i}", f"t{i % 3}", point(100 * x, 100 * y), None) for i, (x, y) in enumerate(centres)]
    expected = []
    for x, y in places:
        near = min((100**2 * ((x - u) ** 2 + (y - v) ** 2), i) for i, (u, v) in enumerate(centres))
        expected.append(f"t{near[1] % 3}" if near[0] <= 3000**2 else "")
    random.shuffle(rows)
    assert towns(facilities(*[point(100 * x, 100 * y) for x, y in places]), committees(*rows))[0] == expected


# as given ----------------------------------------------------------------------------------------------------------


def test_what_a_source_gives_wins():
    places = facilities(point(500, 500), point(500, 500), point(500, 500), town_id=["south", "", " south "])
    assert towns(places, AREAS) == (["south", "north", "south"], {})


def test_sources_that_give_none_are_placed():
    places = facilities(
        point(500, 500), point(500, 500), point(1500, 500), source=["a", "a", "b"], town_id=["south", "", ""]
    )
    assert towns(places, AREAS)[0] == ["south", "north", "south"]
    assert towns(facilities(point(500, 500), town_id=""), AREAS)[0] == ["north"]


def test_towns_that_no_committee_is_of():
    places = facilities(point(500, 500), point(500, 500), town_id=["east", "north"])
    notes = Notes()
    assert facility_towns(places, AREAS, notes).tolist() == ["", "north"]
    (note,) = notes.items
    assert (note.code, note.rows) == ("facilities.town_unknown", ("f0",))
    assert "east" in note.text


def test_ids_that_were_read_as_numbers():
    of = committees(("c1", "310115001", point(0), None))
    assert towns(facilities(point(9000), town_id=[310115001.0]), of) == (["310115001"], {})
    places = facilities(point(0), point(0), source=["a", "b"], town_id=[310115001.0, np.nan])
    assert towns(places, of)[0] == ["310115001", "310115001"]


def test_no_facilities():
    empty = facilities(point(0)).iloc[:0]
    assert towns(empty, AREAS) == ([], {})
    assert towns(empty, CENTRES) == ([], {})
