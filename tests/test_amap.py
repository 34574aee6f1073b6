"""Amap's codes and names → types: against the table that the mapping was made from, and by hand."""

import csv
import itertools
import math
import re
from pathlib import Path

import geopandas as gpd
import pyproj
import pytest
import shapely

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.codes import CodeBook
from circle15.inputs.facilities import read_facilities
from circle15.inputs.mapping import load_mapping
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "amap_typecodes.csv"
AMAP = load_mapping("amap", Path(), {one.id for one in STANDARD.types})
BOOK = CodeBook(AMAP)
HECTARE_M2 = 10_000.0
SOURCE = {"source": "poi.csv", "type_column": "typecode", "mapping": "amap", "columns": {"facility_id": "id"}}


def poi(folder: Path, *rows: str, notes: Notes | None = None, **keys):
    """Read places ``id,typecode,name`` that lie 50 m apart."""
    lines = [f"{row},{EAST + 50 * number},{NORTH}" for number, row in enumerate(rows)]
    write_text(folder / "poi.csv", "id,typecode,name,x,y", *lines)
    return read(folder, {**SOURCE, "crs": "EPSG:32651", "datum": "wgs84", **keys}, notes=notes)


def read(folder: Path, *sources: dict, notes: Notes | None = None):
    config = make_config(folder, facilities=list(sources))
    return read_facilities(config, STANDARD, UTM, folder / "n.osm.pbf", notes if notes is not None else Notes())


def found(facilities) -> dict[str, str]:
    return dict(zip(facilities.table["facility_id"], facilities.table["type_id"], strict=True))


def rows_of(notes: Notes, code: str) -> tuple[str, ...]:
    return next(note.rows for note in notes.items if note.code == code)


# against the table -------------------------------------------------------------------------------------------------


def holds(name_filter: str, name: str, area_m2: float) -> bool:
    """Whether a filter holds in the table's own notation: (a)-(b) is a and not b, (a)? asks for nothing."""
    if "area" in name_filter:
        low, high = (10, math.inf) if name_filter.startswith("area>=10ha") else (1, 10)
        return low * HECTARE_M2 <= area_m2 < high * HECTARE_M2
    if not name_filter or name_filter.endswith("?"):
        return True
    wanted, _, unwanted = name_filter.partition("-")
    return bool(re.search(wanted, name)) and not (unwanted and re.search(unwanted, name))


def words(name_filter: str) -> set[str]:
    return set() if "area" in name_filter else set(re.findall(r"[^()|?-]+", name_filter))


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    if not REFERENCE.exists():
        pytest.skip("../shared/reference is absent")
    with REFERENCE.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # Where we are stricter than the table: an outdoor fitness place is a court only by its name.
    (court,) = [row for row in rows if (row["type_id"], row["amap_code"]) == ("multi_sport_court", "080108")]
    assert court["name_filter"] == ""
    court["name_filter"] = "(球场|运动场|篮球|足球|网球|羽毛球|乒乓)"
    return rows


def test_every_code_with_every_name_and_area_is_what_the_table_says(table):
    every = sorted({row["amap_code"] for row in table} | {"999999"})
    single = sorted({word for row in table for word in words(row["name_filter"])})
    of_code = {code: [row for row in table if row["amap_code"] == code] for code in every}
    areas = (math.nan, 9_999.0, 10_000.0, 99_999.0, 100_000.0)
    compared = 0
    for code in every:
        own = sorted({word for row in of_code[code] for word in words(row["name_filter"])})
        names = ["", "某处", *single, *("".join(pair) for pair in itertools.permutations(own, 2))]
        for name, area_m2 in itertools.product(names, areas):
            expected = {row["type_id"] for row in of_code[code] if holds(row["name_filter"], name, area_m2)}
            assert set(BOOK.find(code, name, area_m2).types) == expected, (code, name, area_m2)
            compared += 1
    assert compared > 20_000


def test_confidence_and_codes_are_those_of_the_table(table):
    assert {(row["type_id"], row["confidence"]) for row in table} == {(r.id, r.confidence) for r in AMAP.types}
    assert BOOK.codes == {row["amap_code"] for row in table}
    assert {row["type_id"] for row in table} == {one.id for one in STANDARD.types}
    covered = {row["type_id"] for row in table if row["confidence"] != "low"}
    assert set(AMAP.covers_by_codes()) == covered


# one place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "name", "types"),
    [
        ("141204", "金桥幼儿园", ("kindergarten",)),
        ("141202", "洋泾中学", ("junior_middle_school",)),
        ("141202", "洋泾高级中学", ("senior_secondary_school",)),
        ("141202", "建平实验学校", ("nine_year_school",)),
        ("141202", "东昌完全中学", ("junior_middle_school", "senior_secondary_school")),
        ("090100", "仁济医院", ("medical_center",)),
        ("090100", "塘桥社区卫生服务中心", ("community_health_center",)),
        ("150702", "浦东大道(公交站)", ("bus_stop",)),
        ("150702", "金桥公交枢纽", ("bus_hub", "bus_stop")),
        ("141204|141203", "金桥学校", ("kindergarten", "primary_school", "nine_year_school")),
        ("141203 | 141203", "金桥小学", ("primary_school",)),
        ("090601|999999", "国大药房", ("pharmacy",)),
        ("090900", "仁济医院", ()),
        ("", "仁济医院", ()),
    ],
)
def test_by_hand(field, name, types):
    assert BOOK.find(field, name).types == types


def test_zeros_in_front_come_back_where_the_mapping_has_that_code():
    lost = BOOK.find("90601", "国大药房")
    assert (lost.types, lost.padded) == (("pharmacy",), True)
    assert not BOOK.find("090601", "国大药房").padded
    assert BOOK.find("0601", "").types == ()  # 000601 is no code
    assert not BOOK.find("41204", "").known


# a table -----------------------------------------------------------------------------------------------------------


def test_rows_are_left_out_by_code_by_name_and_for_want_of_an_area(tmp_path):
    notes = Notes()
    facilities = poi(
        tmp_path,
        "a,141204,金桥幼儿园",
        "b,141206,金桥驾校",
        "c,050100,某饭店",
        "d,050100,某饭店二",
        "e,110101,世纪公园",
        "f,110101,金桥口袋公园",
        notes=notes,
    )
    assert found(facilities) == {"a": "kindergarten", "f": "micro_park"}
    assert facilities.table["typecode"].tolist() == ["141204", "110101"]
    noted = codes(notes)
    assert noted.pop("facilities.types_without_places") == len(facilities.covered) - 1
    assert noted == {
        "facilities.unmapped": 2,
        "facilities.name_not_of_type": 1,
        "facilities.no_area": 2,
        "facilities.not_covered": 1,
    }
    assert rows_of(notes, "facilities.name_not_of_type") == ("b",)
    assert rows_of(notes, "facilities.no_area") == ("e", "f")
    text = {note.code: note.text for note in notes.items}
    assert "050100 (2)" in text["facilities.unmapped"]
    assert "141206 (1)" in text["facilities.name_not_of_type"]
    assert "1 of them are of no other type" in text["facilities.no_area"]


def test_a_place_of_several_types_stands_once_for_each(tmp_path):
    notes = Notes()
    facilities = poi(tmp_path, "B01,150702,金桥枢纽", "B02,150702,金桥路", notes=notes)
    assert found(facilities) == {"B01/bus_hub": "bus_hub", "B01/bus_stop": "bus_stop", "B02": "bus_stop"}
    assert rows_of(notes, "facilities.several_types") == ("B01",)
    assert facilities.table["name"].tolist() == ["金桥枢纽", "金桥枢纽", "金桥路"]


def test_capacity_that_stands_twice_is_told(tmp_path):
    write_text(
        tmp_path / "poi.csv",
        "id,typecode,name,capacity,x,y",
        f"a,141202,东昌完全中学,900,{EAST},{NORTH}",
        f"b,141204,金桥幼儿园,90,{EAST},{NORTH}",
    )
    notes = Notes()
    facilities = read(tmp_path, {**SOURCE, "crs": "EPSG:32651", "datum": "wgs84"}, notes=notes)
    assert facilities.table["capacity"].tolist() == [900, 900, 90]
    assert "their capacity stands whole in each" in next(n.text for n in notes.items if "several" in n.code)


def test_points_do_not_cover_what_follows_from_an_area(tmp_path):
    covered = poi(tmp_path, "a,141204,金桥幼儿园").covered
    assert {"kindergarten", "pharmacy", "bus_stop"} <= set(covered)
    assert not {"comprehensive_park", "community_park"} & set(covered)
    claimed = poi(tmp_path, "a,110101,世纪公园", covers=["community_park"]).covered
    assert set(claimed) == {"community_park"}


def parks(folder: Path, notes: Notes, *sides_m: float):
    shapes = [shapely.box(EAST, NORTH, EAST + m, NORTH + m) if m else shapely.Point(EAST, NORTH) for m in sides_m]
    data = {"typecode": ["110101"] * len(shapes), "name": ["某园"] * len(shapes)}
    gpd.GeoDataFrame(data, geometry=shapes, crs=UTM).to_parquet(folder / "parks.parquet")
    return read(folder, {**SOURCE, "source": "parks.parquet", "columns": {}, "datum": "wgs84"}, notes=notes)


def test_polygons_are_measured(tmp_path):
    notes = Notes()
    facilities = parks(tmp_path, notes, 99, 100, 316, 317)  # 0.98, 1, 9.99 and 10.05 ha
    assert found(facilities) == {
        "parks:2": "community_park",
        "parks:3": "community_park",
        "parks:4": "comprehensive_park",
    }
    assert {"community_park", "comprehensive_park"} <= set(facilities.covered)
    assert rows_of(notes, "facilities.area_not_of_type") == ("parks:1",)


def test_one_park_without_a_polygon_takes_the_claim_away(tmp_path):
    facilities = parks(tmp_path, Notes(), 100, 0)
    assert found(facilities) == {"parks:1": "community_park"}
    assert not {"community_park", "comprehensive_park"} & set(facilities.covered)


def test_codes_read_as_numbers(tmp_path):
    data = {"typecode": [90601.0, 141204.0, None], "name": ["国大药房", "金桥幼儿园", "某处"]}
    points = [shapely.Point(EAST + i, NORTH) for i in range(3)]
    gpd.GeoDataFrame(data, geometry=points, crs=UTM).iloc[:2].to_parquet(tmp_path / "poi.parquet")
    notes = Notes()
    facilities = read(tmp_path, {**SOURCE, "source": "poi.parquet", "columns": {}, "datum": "wgs84"}, notes=notes)
    assert found(facilities) == {"poi:1": "pharmacy", "poi:2": "kindergarten"}
    assert rows_of(notes, "facilities.code_zeros") == ("poi:1",)
    assert "90601 (1)" in next(n.text for n in notes.items if n.code == "facilities.code_zeros")


def test_the_datum_has_to_be_declared(tmp_path):
    write_text(tmp_path / "poi.csv", "id,typecode,name,lon,lat", "a,141204,金桥幼儿园,121.5,31.2")
    notes = Notes()
    read(tmp_path, SOURCE, notes=notes)
    (note,) = [n for n in notes.items if n.code == "facilities.amap_datum"]
    assert 'datum = "gcj02"' in note.text
    for datum in ("gcj02", "wgs84"):
        notes = Notes()
        read(tmp_path, {**SOURCE, "datum": datum}, notes=notes)
        assert "facilities.amap_datum" not in codes(notes)
    notes = Notes()
    read(tmp_path, {**SOURCE, "datum": "bd09"}, notes=notes)
    assert "is declared to be bd09" in next(n.text for n in notes.items if n.code == "facilities.amap_datum")


def test_names_are_needed(tmp_path):
    write_text(tmp_path / "poi.csv", "id,typecode,x,y", f"a,141204,{EAST},{NORTH}")
    with pytest.raises(InputError, match=r'no column "name".*Map one'):
        read(tmp_path, {**SOURCE, "crs": "EPSG:32651", "datum": "wgs84"})


def test_a_row_without_a_code_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r'"type_id" is empty \(1 row: b\)'):
        poi(tmp_path, "a,141204,金桥幼儿园", "b,,某处")


def test_a_mapping_for_the_other_kind_of_data(tmp_path):
    write_text(tmp_path / "n.osm.pbf", "")
    with pytest.raises(ConfigError, match=r'the mapping "osm" has no codes'):
        poi(tmp_path, "a,141204,金桥幼儿园", mapping="osm")
    with pytest.raises(ConfigError, match=r'the mapping "amap" is not for OSM tags'):
        read(tmp_path, {"from_osm": True, "mapping": "amap"})


# mappings of one's own ---------------------------------------------------------------------------------------------


def test_simple_codes_and_rules_in_one_mapping(tmp_path):
    write_text(
        tmp_path / "own.toml",
        "[codes]",
        'A1 = "pharmacy"',
        '"A|B" = "wet_market"',
        "[[types]]",
        'id = "kindergarten"',
        'confidence = "low"',
        'any = [{ code = "*", name = "幼儿园" }, { amenity = "kindergarten" }]',
    )
    facilities = poi(tmp_path, "1,A1,甲", "2,A|B,乙", "3,C,丙幼儿园", "4,D|A1,丁幼儿园", mapping="own.toml")
    assert found(facilities) == {
        "1": "pharmacy",
        "2": "wet_market",
        "3": "kindergarten",
        "4/kindergarten": "kindergarten",
        "4/pharmacy": "pharmacy",
    }
    assert set(facilities.covered) == {"pharmacy", "wet_market"}


def test_a_condition_on_tags_finds_no_row(tmp_path):
    write_text(
        tmp_path / "own.toml",
        "[[types]]",
        'id = "kindergarten"',
        'confidence = "high"',
        'any = [{ code = "1", amenity = "kindergarten" }, { name = "幼儿园" }]',
        "[[types]]",
        'id = "pharmacy"',
        'confidence = "high"',
        'any = [{ code = "1" }]',
        'none = [{ shop = "*" }]',
    )
    facilities = poi(tmp_path, "a,1,甲幼儿园", mapping="own.toml")
    assert found(facilities) == {"a": "pharmacy"}
    assert set(facilities.covered) == {"pharmacy"}  # the other is for OSM only


def test_a_type_misspelt_in_a_mapping_is_told(tmp_path):
    write_text(tmp_path / "own.toml", "[codes]", 'A = "kindergarden"', 'B = "opera_house"', 'C = "pharmacy"')
    notes = Notes()
    poi(tmp_path, "a,A,甲", "b,B,乙", "c,C,丙", mapping="own.toml", notes=notes)
    assert rows_of(notes, "facilities.mapping_types") == ("kindergarden",)
    assert "is it kindergarten?" in next(n.text for n in notes.items if n.code == "facilities.mapping_types")


def test_the_note_names_the_most_frequent_codes(tmp_path):
    rows = [f"{number},{number % 30:06d},x" for number in range(900, 935)]
    notes = Notes()
    poi(tmp_path, *rows, "z,141204,x", notes=notes)
    text = next(n.text for n in notes.items if n.code == "facilities.unmapped")
    assert "000000 (2), 000001 (2), 000002 (2), 000003 (2), 000004 (2), 000005 (1)" in text
    assert "and 10 other codes" in text
