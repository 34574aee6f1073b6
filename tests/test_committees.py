"""Committees: kinds, zones, centres and areas."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.committees import choose_centres, read_committees, run_crs
from circle15.inputs.sharing import share_cells
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
HEAD = "committee_id,name,kind,town_id,zone,lon,lat"
ROWS = (
    "007,甲居委会,居委会,T1,urban,121.5,31.2",
    "010,乙村委会,村委,T1,远郊地区,121.6,31.1",
    "002,丙居委会,residential_committee,T2,,121.55,31.15",
)


def read(folder: Path, *rows: str, notes: Notes | None = None, crs=UTM, **keys) -> gpd.GeoDataFrame:
    write_text(folder / "committees.csv", HEAD, *rows)
    config = make_config(folder, committees={"source": "committees.csv", **keys})
    return read_committees(config, crs, STANDARD, notes if notes is not None else Notes())


def square(x: float, y: float, size: float = 100.0) -> shapely.Polygon:
    return shapely.box(EAST + x, NORTH + y, EAST + x + size, NORTH + y + size)


def areas(path: Path, shapes: dict[str, shapely.Geometry], **columns) -> str:
    table = gpd.GeoDataFrame({"committee_id": list(shapes), **columns}, geometry=list(shapes.values()), crs=UTM)
    table.to_file(path)
    return path.name


def cells(*rows: tuple[str, float, float, float]) -> gpd.GeoDataFrame:
    points = [shapely.Point(EAST + x, NORTH + y) for _, x, y, _ in rows]
    return gpd.GeoDataFrame({"cell_id": [r[0] for r in rows], "total": [r[3] for r in rows]}, geometry=points, crs=UTM)


def from_areas(folder: Path, shapes: dict[str, shapely.Geometry], notes: Notes | None = None) -> gpd.GeoDataFrame:
    n = len(shapes)
    source = areas(folder / "c.gpkg", shapes, kind=["居委"] * n, town_id=["T"] * n, zone=["urban"] * n)
    config = make_config(folder, committees={"source": source})
    return read_committees(config, UTM, STANDARD, notes if notes is not None else Notes())


# points ------------------------------------------------------------------------------------------------------------


def test_points_are_centres(tmp_path):
    notes = Notes()
    table = read(tmp_path, *ROWS, notes=notes)
    assert list(table["committee_id"]) == ["002", "007", "010"]
    assert list(table["kind"]) == ["residents", "residents", "village"]
    assert list(table["zone"]) == ["", "urban", "rural"]
    assert table["area"].isna().all()
    assert table.crs == UTM
    east, north = pyproj.Transformer.from_crs(4326, UTM, always_xy=True).transform(121.5, 31.2)
    assert table.geometry.iloc[1].distance(shapely.Point(east, north)) < 1e-6
    assert codes(notes) == {"committees.no_zone": 1}


@given(order=st.permutations(ROWS))
def test_the_order_of_the_file_does_not_matter(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    one, other = read(folder, *ROWS), read(folder, *order)
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
    assert one.geometry.geom_equals(other.geometry).all()


def test_everything_wrong_with_a_file_comes_at_once(tmp_path):
    rows = (
        "007,甲,居委会,T1,urban,121.5,31.2",
        "007,乙,小区,T1,urban,121.6,31.1",
        ",丙,居委,,Urbann,121.6,31.1",
        "9,丁,居委,T1,urban,31.1,121.6",
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, *rows)
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        "latitudes are beyond 90 degrees": ("9",),
        '"kind" has "小区"': ("007",),
        '"committee_id" is empty': ("row 3",),
        '"committee_id" occurs more than once': ("007",),
        '"town_id" is empty': ("row 3",),
        '"zone" has "Urbann"': ("row 3",),
    }


def test_unknown_keys_and_missing_columns(tmp_path):
    with pytest.raises(ConfigError, match=r'unknown key "knid".*Did you mean "kind"'):
        read(tmp_path, *ROWS, columns={"knid": "kind"})
    write_text(tmp_path / "committees.csv", "committee_id,lon,lat", "1,121.5,31.2")
    with pytest.raises(InputError, match=r'no column "kind"[\s\S]*no column "town_id"'):
        read_committees(make_config(tmp_path), UTM, STANDARD, Notes())


def test_lines_are_no_committees(tmp_path):
    line = shapely.LineString([(EAST, NORTH), (EAST + 1, NORTH)])
    with pytest.raises(InputError, match=r"holds LineString"):
        from_areas(tmp_path, {"a": line})


def test_the_same_centre_twice_is_noted(tmp_path):
    notes = Notes()
    read(tmp_path, ROWS[0], ROWS[0].replace("007", "008"), notes=notes)
    assert codes(notes) == {"committees.same_centre": 2}
    assert notes.items[0].rows == ("007", "008")


# CRS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("EPSG:3857", "does not measure in true metres"),
        ("EPSG:3395", "does not measure in true metres"),
        ("EPSG:4326", "in degrees"),
        ("EPSG:2263", "not in metres"),
        ("EPSG:99999999", "no known CRS"),
    ],
)
def test_a_crs_that_cannot_measure(tmp_path, crs, message):
    with pytest.raises(ConfigError, match=message):
        run_crs(make_config(tmp_path, crs=crs))


def test_a_crs_from_elsewhere(tmp_path):
    far = pyproj.CRS("EPSG:32649")  # its meridian, 111° E, is 10.5° west of the committees
    with pytest.raises(ConfigError, match=r"off by 1.*% in length"):
        read(tmp_path, *ROWS, crs=far)


@pytest.mark.parametrize("crs", ["EPSG:32651", "EPSG:4549", "EPSG:4550"])
def test_a_metric_crs(tmp_path, crs):
    assert run_crs(make_config(tmp_path, crs=crs)) == pyproj.CRS(crs)
    assert read(tmp_path, *ROWS, crs=pyproj.CRS(crs)).crs == pyproj.CRS(crs)


def test_without_a_crs_the_local_utm_zone(tmp_path):
    assert run_crs(make_config(tmp_path, crs=None)) is None
    assert read(tmp_path, *ROWS, crs=None).crs == UTM
    porto = read(tmp_path, "1,a,居委,T,urban,-8.6,41.15", crs=None)  # 12° W to 6° W is zone 29
    assert porto.crs == pyproj.CRS("EPSG:32629")


# areas -------------------------------------------------------------------------------------------------------------


def test_polygons_are_areas_without_a_centre(tmp_path):
    table = from_areas(tmp_path, {"b": square(0, 0), "a": square(100, 0)})
    assert list(table["committee_id"]) == ["a", "b"]
    assert table.geometry.isna().all()
    assert table["area"].iloc[0].equals(square(100, 0))


def test_areas_from_a_second_file(tmp_path):
    notes = Notes()
    source = areas(tmp_path / "areas.gpkg", {"010": square(0, 0)})
    table = read(tmp_path, *ROWS, notes=notes, areas={"source": source}).set_index("committee_id")
    assert table["area"]["010"].equals(square(0, 0))
    assert table["area"].isna().to_dict() == {"002": True, "007": True, "010": False}
    assert codes(notes) == {"committees.no_zone": 1, "committees.no_area": 2}


def test_a_table_without_coordinates_takes_all_from_the_areas(tmp_path):
    write_text(tmp_path / "committees.csv", "committee_id,kind,town_id,zone", "1,居委,T,urban", "2,村委,T,urban")
    source = areas(tmp_path / "areas.gpkg", {"1": square(0, 0), "2": square(100, 0)})
    config = make_config(tmp_path, committees={"source": "committees.csv", "areas": {"source": source}})
    table = read_committees(config, None, STANDARD, Notes())
    assert table.crs == UTM
    assert table.geometry.isna().all()
    assert table["area"].iloc[1].equals(square(100, 0))


def test_what_can_be_wrong_with_areas(tmp_path):
    source = areas(tmp_path / "areas.gpkg", {"010": square(0, 0), "999": square(1, 0)})
    with pytest.raises(InputError, match=r"areas of committees that do not exist \(1 row: 999\)"):
        read(tmp_path, *ROWS, areas={"source": source})
    areas(tmp_path / "twice.gpkg", {"1": square(0, 0), "2": square(1, 0)}, code=["010", "010"])
    with pytest.raises(InputError, match=r'"committee_id" occurs more than once'):
        read(tmp_path, *ROWS, areas={"source": "twice.gpkg", "columns": {"committee_id": "code"}})
    source = areas(tmp_path / "one.gpkg", {"007": square(0, 0)})
    with pytest.raises(InputError, match=r"neither centre nor area \(1 row: 010\)"):
        read(tmp_path, ROWS[0], "010,乙,村委,T1,urban,,", areas={"source": source})


def test_points_are_no_areas(tmp_path):
    source = areas(tmp_path / "areas.gpkg", {"010": shapely.Point(EAST, NORTH)})
    with pytest.raises(InputError, match=r"holds Point"):
        read(tmp_path, *ROWS, areas={"source": source})


# cells and centres -------------------------------------------------------------------------------------------------


def test_cells_belong_to_the_area_that_holds_them(tmp_path):
    # b and a share the boundary x = 100; c overlaps a from x = 150 on.
    committees = from_areas(tmp_path, {"b": square(0, 0), "a": square(100, 0), "c": square(150, 0)})
    notes = Notes()
    people = cells(("1", 50, 50, 1), ("2", 100, 50, 2), ("3", 160, 50, 4), ("4", 240, 50, 8), ("5", 500, 50, 16))
    _, rows = share_cells(people, committees, None, None, Path(), notes)
    ids = [committees["committee_id"].iloc[row] if row >= 0 else None for row in rows]
    assert ids == ["b", "a", "a", "c", None]
    assert codes(notes) == {"population.several_areas": 2}
    assert "(6 people)" in notes.items[0].text
    turned = committees.iloc[::-1].reset_index(drop=True)
    _, backwards = share_cells(people, turned, None, None, Path(), Notes())
    assert list(2 - backwards[:4]) == list(rows[:4])
    assert backwards[4] == -1


def test_a_centre_lies_where_the_people_are(tmp_path):
    committees = from_areas(tmp_path, {"a": square(0, 0), "b": square(200, 0)})
    people = cells(("1", 10, 10, 1), ("2", 90, 10, 3), ("3", 90, 90, 0))
    notes = Notes()
    table = choose_centres(committees, *share_cells(people, committees, None, None, Path(), notes), notes)
    assert table.geometry.iloc[0].equals(shapely.Point(EAST + 70, NORTH + 10))  # (1 · 10 + 3 · 90) / 4
    assert square(200, 0).contains(table.geometry.iloc[1])
    assert table.crs == UTM
    assert codes(notes) == {"committees.centre_mean": 1, "committees.centre_area": 1}


def test_a_centre_never_leaves_its_area(tmp_path):
    # A U: the mean of its two arms, (50, 90), lies in the notch, 40 m from both cells.
    u = square(0, 0).difference(shapely.box(EAST + 20, NORTH + 20, EAST + 80, NORTH + 100))
    committees = from_areas(tmp_path, {"u": u})
    people = cells(("z", 90, 90, 5), ("k", 10, 90, 5), ("a", 50, 10, 0))
    notes = Notes()
    table = choose_centres(committees, *share_cells(people, committees, None, None, Path(), notes), notes)
    assert table.geometry.iloc[0].equals(shapely.Point(EAST + 10, NORTH + 90))
    assert codes(notes) == {"committees.centre_cell": 1}


def test_given_centres_stay(tmp_path):
    committees = read(tmp_path, *ROWS)
    table = choose_centres(committees, None, np.empty(0, dtype=np.int64), Notes())
    assert table.geometry.geom_equals(committees.geometry).all()


def test_without_population_centres_are_representative_points(tmp_path):
    committees = from_areas(tmp_path, {"a": square(0, 0)})
    notes = Notes()
    table = choose_centres(committees, None, np.empty(0, dtype=np.int64), notes)
    assert square(0, 0).contains(table.geometry.iloc[0])
    assert codes(notes) == {"committees.centre_area": 1}
