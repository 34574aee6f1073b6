"""Facilities: types, claims, years, ids and extents over several sources."""

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs import facilities
from circle15.inputs.facilities import read_facilities
from circle15.inputs.mapping import Mapping
from circle15.tables import FacilityTable, clean_text
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
HEAD = "id,type,name,opens,closes,x,y"
COLUMNS = {"facility_id": "id"}
MANY = {"source": "many.csv", "type_column": "type", "columns": COLUMNS, "crs": "EPSG:32651"}


def row(key: str, kind: str = "pharmacy", opens="", closes="", x: float = 0, y: float = 0) -> str:
    return f"{key},{kind},{key}号,{opens},{closes},{EAST + x},{NORTH + y}"


def read(folder: Path, *sources: dict, notes: Notes | None = None, network: str = "n.osm.pbf", **run) -> FacilityTable:
    config = make_config(folder, facilities=list(sources), **run)
    return read_facilities(config, STANDARD, UTM, folder / network, notes if notes is not None else Notes())


def many(folder: Path, *rows: str, notes: Notes | None = None, **keys) -> FacilityTable:
    write_text(folder / "many.csv", HEAD, *rows)
    return read(folder, {**MANY, **keys}, notes=notes)


@pytest.fixture
def mapping(monkeypatch):
    """A mapping of three codes that claims one type, and an OSM file of two places."""
    known = {"0141": "kindergarten", "090": "pharmacy", "777": "opera_house"}
    types = [
        {"id": "kindergarten", "confidence": "high", "any": [{"amenity": "kindergarten"}]},
        {"id": "pharmacy", "confidence": "low"},
    ]
    stub = Mapping.model_validate({"codes": known, "types": types})
    monkeypatch.setattr(facilities, "load_mapping", lambda name, folder: stub)

    def places(path, crs, mapping, notes):
        data = {"facility_id": ["n1", "w2"], "type_id": ["pharmacy", "kindergarten"], "name": ["", "甲"]}
        points = [shapely.Point(EAST, NORTH), shapely.box(EAST, NORTH, EAST + 1, NORTH + 1)]
        return gpd.GeoDataFrame({**data, "confidence": ["low", "high"]}, geometry=points, crs=crs)

    monkeypatch.setattr(facilities, "read_osm_places", places)


# types and claims --------------------------------------------------------------------------------------------------


def test_one_type_for_a_file(tmp_path):
    write_text(tmp_path / "shops.csv", "code,x,y", f"007,{EAST},{NORTH}", f"08,{EAST + 1},{NORTH}")
    found = read(
        tmp_path,
        {"source": "shops.csv", "type": "pharmacy", "crs": "EPSG:32651", "columns": {"facility_id": "code"}},
    )
    assert list(found.table["facility_id"]) == ["007", "08"]
    assert set(found.table["type_id"]) == {"pharmacy"}
    assert set(found.table["source"]) == {"shops.csv"}
    assert found.covered == {"pharmacy": ("shops.csv",)}


def test_a_type_column_covers_what_occurs_in_it(tmp_path):
    found = many(tmp_path, row("a"), row("b", "kindergarten"))
    assert found.covered == {"kindergarten": ("many.csv",), "pharmacy": ("many.csv",)}
    assert list(found.table["name"]) == ["a号", "b号"]


def test_covers_claims_types_with_none(tmp_path):
    found = many(tmp_path, row("a"), covers=["pharmacy", "micro_park"])
    assert list(found.covered) == ["micro_park", "pharmacy"]  # the order of the standard
    notes = Notes()
    found = many(tmp_path, row("a"), row("b", "kindergarten"), covers=[], notes=notes)
    assert found.covered == {}
    assert len(found.table) == 2
    assert codes(notes) == {"facilities.not_covered": 2}
    assert "kindergarten (1), pharmacy (1)" in notes.items[0].text


def test_unknown_types_name_rows_and_the_nearest(tmp_path):
    with pytest.raises(InputError) as caught:
        many(tmp_path, row("a", "pharmcy"), row("b"), row("c", "pharmcy"), row("d", ""))
    found = {problem.what: problem for problem in caught.value.problems}
    assert found['unknown type "pharmcy"'].rows == ("a", "c")
    assert 'Did you mean "pharmacy"' in found['unknown type "pharmcy"'].remedy
    assert found['"type_id" is empty'].rows == ("d",)


def test_unknown_types_in_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r'facilities\[1\]: unknown type "parmacy".*"pharmacy"'):
        many(tmp_path, row("a"), covers=["parmacy"])
    with pytest.raises(ConfigError, match=r'unknown type "school"'):
        read(tmp_path, {"source": "many.csv", "type": "school"})
    with pytest.raises(ConfigError, match=r"type_column and set.type_id"):
        many(tmp_path, row("a"), set={"type_id": "pharmacy"})


def test_a_mapping_translates_codes(tmp_path, mapping):
    notes = Notes()
    rows = [row("a", "0141"), row("b", "090"), row("c", "5"), row("d", "5"), row("e", "777")]
    found = many(tmp_path, *rows, mapping="amap", notes=notes)
    assert dict(zip(found.table["facility_id"], found.table["type_id"], strict=True)) == {
        "a": "kindergarten",
        "b": "pharmacy",
    }
    assert list(found.table["type"]) == ["0141", "090"]
    assert found.covered == {"kindergarten": ("many.csv",)}
    assert codes(notes) == {
        "facilities.unmapped": 2,
        "facilities.not_in_standard": 1,
        "facilities.not_covered": 1,
    }
    assert "5 (2)" in notes.items[0].text


def test_a_mapping_from_a_file_keeps_leading_zeros(tmp_path):
    write_text(tmp_path / "codes.toml", "[codes]", '"0141" = "kindergarten"', '"141" = "pharmacy"')
    found = many(tmp_path, row("a", "0141"), row("b", "141"), mapping="codes.toml")
    assert list(found.table["type_id"]) == ["kindergarten", "pharmacy"]
    assert list(found.covered) == ["kindergarten", "pharmacy"]


def test_from_osm(tmp_path, mapping):
    notes = Notes()
    found = read(tmp_path, {"from_osm": True}, notes=notes)
    assert list(found.table["facility_id"]) == ["n1", "w2"]
    assert found.covered == {"kindergarten": ("n.osm.pbf",)}
    assert found.extents == {"n.osm.pbf": None}
    assert list(found.table["confidence"]) == ["low", "high"]
    assert codes(notes) == {"facilities.not_covered": 1}
    with pytest.raises(ConfigError, match=r"needs an OSM file, the network is n.gpkg"):
        read(tmp_path, {"from_osm": True}, network="n.gpkg")
    with pytest.raises(ConfigError, match=r'"where" means nothing with from_osm'):
        read(tmp_path, {"from_osm": True, "where": "a > 1"})


# ids ---------------------------------------------------------------------------------------------------------------


def test_ids_are_made_from_file_and_row(tmp_path):
    write_text(tmp_path / "many.csv", HEAD, row("a"), row("b", "kindergarten"))
    one = {"source": "many.csv", "type": "pharmacy", "crs": "EPSG:32651", "where": "type == 'pharmacy'"}
    two = {**one, "type": "kindergarten", "where": "type == 'kindergarten'"}
    found = read(tmp_path, one, two)
    assert list(found.table["facility_id"]) == ["many:1", "many[2]:2"]
    assert found.covered == {"kindergarten": ("many.csv[2]",), "pharmacy": ("many.csv",)}


def test_one_id_twice(tmp_path):
    with pytest.raises(InputError, match=r'"facility_id" occurs more than once \(1 row: a\)'):
        many(tmp_path, row("a"), row("a"))
    write_text(tmp_path / "many.csv", HEAD, row("a"), row("b"))
    with pytest.raises(InputError, match=r'"facility_id" occurs in .*many.csv too \(2 rows: a, b\)'):
        read(tmp_path, MANY, MANY)
    with pytest.raises(InputError, match=r'"facility_id" is empty \(1 row: row 2\)'):
        many(tmp_path, row("a"), row(""))


def test_errors_of_all_sources_come_at_once(tmp_path):
    write_text(tmp_path / "many.csv", HEAD, row("a", "pharmcy"))
    with pytest.raises(InputError) as caught:
        read(tmp_path, MANY, {"source": "none.csv", "type": "pharmacy"})
    assert [problem.what for problem in caught.value.problems] == ['unknown type "pharmcy"', "no such file"]


# years and numbers -------------------------------------------------------------------------------------------------


def test_open_in_the_year(tmp_path):
    rows = [
        row("always"),
        row("opens_then", opens=2023),
        row("opens_later", opens=2024),
        row("closes_then", closes=2023),
        row("closes_later", closes=2024),
        row("was", opens=1990, closes=2000),
    ]
    notes = Notes()
    found = many(tmp_path, *rows, notes=notes)
    assert list(found.table["facility_id"]) == ["always", "closes_later", "opens_then"]
    assert codes(notes) == {"facilities.not_open": 3}
    assert "1 opens later, 2 have closed" in notes.items[0].text


def test_years_that_cannot_be(tmp_path):
    with pytest.raises(InputError) as caught:
        many(tmp_path, row("a", opens=2020, closes=2019), row("c", opens=2020.5))
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        '"closes" is before "opens"': ("a",),
        '"opens" has "2020.5": no year': ("c",),
    }


def test_negative_capacity(tmp_path):
    write_text(tmp_path / "s.csv", "capacity,x,y", f"-5,{EAST},{NORTH}")
    with pytest.raises(InputError, match=r'"capacity" is below 0 \(1 row: s:1\)'):
        read(tmp_path, {"source": "s.csv", "type": "kindergarten", "crs": "EPSG:32651"})


# geometry ----------------------------------------------------------------------------------------------------------


def test_entrances_and_areas_stay_as_they_are(tmp_path):
    park = shapely.box(EAST, NORTH, EAST + 100, NORTH + 100)
    gates = shapely.MultiPoint([(EAST, NORTH), (EAST + 5, NORTH)])
    table = gpd.GeoDataFrame({"facility_id": ["park", "gates"]}, geometry=[park, gates], crs=UTM)
    table.to_parquet(tmp_path / "parks.parquet")
    found = read(tmp_path, {"source": "parks.parquet", "type": "micro_park"})
    assert list(found.table.geometry.geom_type) == ["MultiPoint", "Polygon"]
    assert found.table.crs == UTM


def test_the_extent_is_that_of_all_rows(tmp_path):
    rows = [row("a"), row("b", x=100), row("c", x=100, y=50, opens=2030)]
    found = many(tmp_path, *rows)
    assert len(found.table) == 2
    assert found.extents["many.csv"].area == 2500  # a triangle of 100 m by 50 m, the unopened corner included


# all sources together ----------------------------------------------------------------------------------------------

ROWS = tuple(row(key, kind) for key, kind in (("10", "pharmacy"), ("9", "micro_park"), ("007", "kindergarten")))


@given(order=st.permutations(ROWS))
def test_the_order_of_the_file_does_not_matter(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    one, other = many(folder, *ROWS), many(folder, *order)
    assert list(one.table["facility_id"]) == ["007", "10", "9"]
    assert one.table.drop(columns="geometry").equals(other.table.drop(columns="geometry"))
    assert one.covered == other.covered


def test_other_columns_are_kept_and_have_one_type(tmp_path):
    write_text(tmp_path / "a.csv", "x,y,grade", f"{EAST},{NORTH},01")
    table = gpd.GeoDataFrame({"grade": [2], "area": [1.5]}, geometry=[shapely.Point(EAST, NORTH)], crs=UTM)
    table.to_file(tmp_path / "b.gpkg")
    found = read(
        tmp_path,
        {"source": "a.csv", "type": "pharmacy", "crs": "EPSG:32651"},
        {"source": "b.gpkg", "type": "kindergarten"},
    )
    assert list(found.table["grade"]) == ["01", "2"]
    assert pd.isna(found.table["area"].iloc[0])
    assert found.table["area"].iloc[1] == 1.5


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ([1.0, None], ["1", ""]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([-0.0, 3e15], ["0", "3000000000000000"]),
        ([1, None], ["1", ""]),
        ([True, False], ["True", "False"]),
    ],
)
def test_a_number_reads_alike_alone_and_beside_a_source_of_text(tmp_path, stored, text):
    """A GeoPackage's 1.0 is what a CSV writes as 1: a second source must not make another value of it."""
    points = [shapely.Point(EAST, NORTH), shapely.Point(EAST + 9, NORTH)]
    gpd.GeoDataFrame({"id": ["a", "b"], "grade": stored}, geometry=points, crs=UTM).to_file(tmp_path / "a.gpkg")
    write_text(tmp_path / "b.csv", "id,x,y,grade", f"c,{EAST},{NORTH},甲")
    numbers = {"source": "a.gpkg", "type": "pharmacy", "columns": COLUMNS}
    words = {"source": "b.csv", "type": "kindergarten", "crs": "EPSG:32651", "columns": COLUMNS}
    alone, both = read(tmp_path, numbers).table, read(tmp_path, numbers, words).table
    assert clean_text(alone["grade"]).tolist() == text
    assert both["grade"].tolist() == [*text, "甲"]


def test_a_column_moved_aside_takes_no_other_column_s_name(tmp_path):
    write_text(tmp_path / "a.csv", "id,x,y,source,source_of_file", f"a,{EAST},{NORTH},survey,2024")
    keys = {"source": "a.csv", "type": "pharmacy", "crs": "EPSG:32651", "columns": COLUMNS}
    table = read(tmp_path, keys).table
    assert table[["source", "source_of_file", "source_of_file_of_file"]].to_numpy().tolist() == [
        ["a.csv", "2024", "survey"]
    ]


# parts -------------------------------------------------------------------------------------------------------------


def with_part(folder: Path, column: str, kind: str, whole: str, part: str) -> FacilityTable:
    write_text(folder / "parts.csv", f"id,type,x,y,capacity,{column}", f"a,{kind},{EAST},{NORTH},{whole},{part}")
    return read(folder, {**MANY, "source": "parts.csv"})


def test_parts_are_numbers_and_reach_the_table(tmp_path):
    found = with_part(tmp_path, "capacity_as_primary_school", "nine_year_school", "900", "500")
    assert found.table["capacity_as_primary_school"].tolist() == [500.0]


@pytest.mark.parametrize(
    ("column", "kind", "part", "message"),
    [
        ("capacity_as_primary_school", "nine_year_school", "901", 'add up to more than "capacity"'),
        ("capacity_as_primary_school", "kindergarten", "5", "does not provide primary_school"),
        ("capacity_as_primary_schol", "nine_year_school", "5", 'Did you mean "primary_school"'),
        ("capacity_as_primary_school", "nine_year_school", "many", "is not a number"),
        ("capacity_as_primary_school", "nine_year_school", "-1", "is below 0"),
    ],
)
def test_bad_parts(tmp_path, column, kind, part, message):
    with pytest.raises(InputError) as caught:
        with_part(tmp_path, column, kind, "900", part)
    assert message in str(caught.value)
