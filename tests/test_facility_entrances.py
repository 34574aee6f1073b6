"""A table of entrances: joined by id, in place of the facility's own geometry."""

from pathlib import Path

import geopandas as gpd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.facilities import read_facilities
from circle15.stages.read import hash_inputs
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
ENTRANCES = {"source": "gates.csv", "crs": "EPSG:32651", "columns": {"facility_id": "school"}}
SOURCE = {
    "source": "schools.csv",
    "type": "primary_school",
    "crs": "EPSG:32651",
    "columns": {"facility_id": "id"},
    "entrances": ENTRANCES,
}


def schools(folder: Path, *ids: str) -> None:
    """Write schools 1,000 m apart on a line."""
    lines = [f"{key},{EAST + 1000 * number},{NORTH}" for number, key in enumerate(ids)]
    write_text(folder / "schools.csv", "id,x,y", *lines)


def gates(folder: Path, *rows: tuple[str, float, float]) -> None:
    lines = [f"{key},{EAST + x},{NORTH + y}" for key, x, y in rows]
    write_text(folder / "gates.csv", "school,x,y", *lines)


def read(folder: Path, notes: Notes | None = None, **keys):
    config = make_config(folder, facilities=[{**SOURCE, **keys}])
    return read_facilities(config, STANDARD, UTM, folder / "n.osm.pbf", notes if notes is not None else Notes())


def at(shape) -> list[tuple[float, float]]:
    return [(x - EAST, y - NORTH) for x, y in shapely.get_coordinates(shape).tolist()]


def test_entrances_take_the_place_of_the_point(tmp_path):
    schools(tmp_path, "001", "002", "003")
    gates(tmp_path, ("002", 1010, 5), ("001", 0, 40), ("002", 990, -5), ("002", 1010, 5))
    notes = Notes()
    facilities = read(tmp_path, notes)
    shapes = dict(zip(facilities.table["facility_id"], facilities.table.geometry, strict=True))
    assert {key: shape.geom_type for key, shape in shapes.items()} == {
        "001": "MultiPoint",
        "002": "MultiPoint",
        "003": "Point",
    }
    assert at(shapes["001"]) == [(0, 40)]
    assert at(shapes["002"]) == [(990, -5), (1010, 5)]  # by x, each once
    assert at(shapes["003"]) == [(2000, 0)]
    assert codes(notes) == {"facilities.no_entrances": 1}
    assert notes.items[0].rows == ("003",)
    assert facilities.table.crs == UTM
    assert facilities.extents["schools.csv"].length == 2000  # the schools' own line


def test_entrances_take_the_place_of_an_area(tmp_path):
    park = shapely.box(EAST, NORTH, EAST + 1600, NORTH + 800)
    table = gpd.GeoDataFrame({"id": ["p"]}, geometry=[park], crs=UTM)
    table.to_parquet(tmp_path / "parks.parquet")
    gates(tmp_path, ("p", 0, 400), ("p", 1600, 400), ("p", 800, 1300))
    notes = Notes()
    keys = {"source": "parks.parquet", "type_column": "code", "mapping": "own.toml", "type": None, "crs": None}
    table.assign(code="park").to_parquet(tmp_path / "parks.parquet")
    write_text(
        tmp_path / "own.toml",
        '[[types]]\nid = "comprehensive_park"\nconfidence = "high"',
        'any = [{ code = "park", area_m2 = [100000, inf] }]',
    )
    facilities = read(tmp_path, notes, **keys)
    (shape,) = facilities.table.geometry
    assert at(shape) == [(0, 400), (800, 1300), (1600, 400)]
    assert list(facilities.table["type_id"]) == ["comprehensive_park"]  # measured before
    assert codes(notes) == {}  # 500 m from the boundary is not too far


def test_far_entrances_are_noted(tmp_path):
    schools(tmp_path, "a", "b")
    gates(tmp_path, ("a", 300, 400), ("a", 300, 401), ("b", 1000, 0))
    notes = Notes()
    read(tmp_path, notes)
    assert codes(notes) == {"facilities.entrances_far": 1}
    assert notes.items[0].rows == ("a (501 m)",)


def test_entrances_in_another_crs_and_as_multipoints(tmp_path):
    schools(tmp_path, "a", "b")
    points = shapely.MultiPoint([(EAST, NORTH + 10), (EAST + 20, NORTH)])
    table = gpd.GeoDataFrame({"school": ["a"]}, geometry=[points], crs=UTM).to_crs(4326)
    table.to_file(tmp_path / "gates.gpkg")
    facilities = read(tmp_path, entrances={"source": "gates.gpkg", "columns": {"facility_id": "school"}})
    assert at(facilities.table.geometry[0]) == [
        pytest.approx((0, 10), abs=1e-3),
        pytest.approx((20, 0), abs=1e-3),
    ]


def test_entrances_of_no_facility(tmp_path):
    schools(tmp_path, "a", "b")
    gates(tmp_path, ("a", 0, 0), ("c", 0, 0), ("", 0, 0), ("d", 0, 0))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        "entrances of facilities that do not exist": ("row 2 (c)", "row 4 (d)"),
        '"facility_id" is empty': ("row 3",),
    }
    assert "gates.csv" in str(caught.value)


def test_a_lost_zero_is_named(tmp_path):
    schools(tmp_path, "001", "002")
    gates(tmp_path, ("1", 0, 0), ("002", 0, 0))
    with pytest.raises(
        InputError, match=r'only with zeros in front: "1" here, "001" there \(1 row: row 1 \(1\)\).*as text'
    ):
        read(tmp_path)


def test_faults_of_both_files_come_at_once(tmp_path):
    write_text(tmp_path / "schools.csv", "id,capacity,x,y", f"a,-1,{EAST},{NORTH}")
    gates(tmp_path, ("b", 0, 0))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert [problem.what for problem in caught.value.problems] == [
        '"capacity" is below 0',
        "entrances of facilities that do not exist",
    ]


def test_entrances_of_what_where_leaves_out(tmp_path):
    schools(tmp_path, "a", "b")
    gates(tmp_path, ("a", 0, 10), ("b", 1000, 10))
    notes = Notes()
    facilities = read(tmp_path, notes, where="facility_id == 'a'")
    assert at(facilities.table.geometry[0]) == [(0, 10)]
    assert codes(notes) == {"facilities.where": 1, "facilities.entrances_elsewhere": 1}
    gates(tmp_path, ("c", 0, 10), ("b", 1000, 10))
    with pytest.raises(InputError, match="facilities that do not exist"):
        read(tmp_path, where="facility_id == 'a'")


def test_one_id_twice_names_the_way_out(tmp_path):
    schools(tmp_path, "a", "a")
    gates(tmp_path, ("a", 0, 0))
    with pytest.raises(InputError, match=r"occurs more than once.*named by entrances"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"occurs more than once.*named by entrances"):
        read(tmp_path, entrances=None)


def test_entrances_need_ids_points_and_a_file(tmp_path):
    schools(tmp_path, "a")
    gates(tmp_path, ("a", 0, 0))
    with pytest.raises(ConfigError, match="entrances need facilities with a facility_id"):
        read(tmp_path, columns={})
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path, entrances={**ENTRANCES, "source": "gate.csv"})
    with pytest.raises(InputError, match='no column "facility_id"'):
        read(tmp_path, entrances={**ENTRANCES, "columns": {}})
    table = gpd.GeoDataFrame({"facility_id": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=UTM)
    table.to_parquet(tmp_path / "areas.parquet")
    with pytest.raises(InputError, match="holds Polygon"):
        read(tmp_path, entrances={"source": "areas.parquet"})
    with pytest.raises(ConfigError, match='"entrances" means nothing with from_osm'):
        read_facilities(
            make_config(tmp_path, facilities=[{"from_osm": True, "entrances": ENTRANCES}]),
            STANDARD,
            UTM,
            tmp_path / "n.osm.pbf",
            Notes(),
        )


def test_a_place_of_several_types_has_its_entrances_in_each(tmp_path):
    write_text(tmp_path / "schools.csv", "id,code,x,y", f"a,1|2,{EAST},{NORTH}")
    write_text(tmp_path / "own.toml", "[codes]", '1 = "primary_school"', '2 = "kindergarten"')
    gates(tmp_path, ("a", 3, 4))
    facilities = read(tmp_path, type=None, type_column="code", mapping="own.toml")
    assert list(facilities.table["facility_id"]) == ["a/kindergarten", "a/primary_school"]
    assert [at(shape) for shape in facilities.table.geometry] == [[(3, 4)], [(3, 4)]]


def test_entrances_are_an_input_whose_change_is_seen(tmp_path):
    gates(tmp_path, ("a", 3, 4))
    config = make_config(tmp_path, facilities=[SOURCE])
    before = hash_inputs(config)["gates.csv"]
    gates(tmp_path, ("a", 3, 5))
    assert hash_inputs(config)["gates.csv"] != before


ROWS = (("a", 5.0, 0.0), ("b", 990.0, 3.0), ("a", 1.0, 2.0), ("a", 5.0, -1.0))


@given(order=st.permutations(ROWS))
def test_the_order_of_the_entrances_does_not_matter(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    schools(folder, "a", "b")
    gates(folder, *order)
    one, other = read(folder).table.geometry
    assert at(one) == [(1, 2), (5, -1), (5, 0)]
    assert at(other) == [(990, 3)]
