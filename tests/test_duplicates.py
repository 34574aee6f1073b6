"""One place in two sources: names, distances, which one goes; and twice in one source."""

import itertools
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.errors import ConfigError, Notes
from circle15.inputs.duplicates import ALIKE, NEAR_M, PlaceName, compatible, settle_duplicates
from circle15.inputs.facilities import read_facilities
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")


def make(*rows: tuple) -> gpd.GeoDataFrame:
    """Return facilities ``(id, source, name, x)`` or ``(id, source, name, x or geometry, type, capacity)``."""
    full = [(*row, *("kindergarten", np.nan)[len(row) - 4 :]) for row in rows]
    data = dict(
        zip(("facility_id", "source", "name", "at", "type_id", "capacity"), zip(*full, strict=True), strict=True)
    )
    shapes = [at if isinstance(at, shapely.Geometry) else shapely.Point(EAST + at, NORTH) for at in data.pop("at")]
    table = gpd.GeoDataFrame(data, geometry=shapes, crs=UTM)
    return table.assign(floor_area_m2=np.nan).sort_values("facility_id", ignore_index=True)


def settle(table, sources="AB", dropping=()):
    notes = Notes()
    kept = settle_duplicates(table, list(sources), set(dropping), notes)
    return list(kept["facility_id"]), {note.code.removeprefix("facilities."): note.rows for note in notes.items}


# names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("金桥幼儿园", "金桥幼儿园"),
        ("金桥幼儿园(总部)", "金桥幼儿园"),
        ("金桥 幼儿园", "金桥幼儿园"),
        ("金桥幼儿园（东园）", "金桥幼儿园(东园)"),
        ("ＯＫ便利店", "ok便利店"),
        ("浦东第一小学", "浦东第1小学"),
        ("上海市浦东新区金桥幼儿园", "金桥幼儿园"),
        ("永辉超市(金桥店)", "永辉超市"),
        ("三林镇中心幼儿园", "中心幼儿园"),
        ("金桥药店", "金桥大药房"),
        ("冰厂田滴水湖幼儿园", "冰厂田滴水湖畔幼儿园"),
        ("浦兴路街道老年活动室", "浦兴路街道老年人活动室"),
        ("公园", "公园"),
        ("S-Market Kamppi", "S Market, Kamppi"),
    ],
)
def test_names_of_one_place(one, other):
    assert compatible(PlaceName(one), PlaceName(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("", "金桥幼儿园"),
        ("第一幼儿园", "第二幼儿园"),
        ("明珠小学", "第二明珠小学"),
        ("东方幼儿园", "东风幼儿园"),
        ("幼儿园", "金桥幼儿园"),
        ("药店", "大药房"),
        ("金桥", "金桥镇文化中心"),
        ("金桥小学(东校区)", "金桥小学(西校区)"),
        ("金桥新村一居老年活动室", "金桥新村二居老年活动室"),
        ("金桥新村1居老年活动室", "金桥新村2居老年活动室"),
        ("永辉超市(金桥店)", "永辉超市(浦东店)"),
        ("华山路100号便利店", "华山路102号便利店"),
        ("Bus terminal A", "Bus terminal B"),
        ("！", "？"),
    ],
)
def test_names_of_two_places(one, other):
    assert not compatible(PlaceName(one), PlaceName(other))


def test_the_least_ratio_is_inclusive():
    assert compatible(PlaceName("张江高科园"), PlaceName("张江高新园"))  # 2 × 4 ÷ 10 = 0.8
    assert ALIKE == 0.8
    assert not compatible(PlaceName("张江科园"), PlaceName("张江新园"))  # 2 × 3 ÷ 8 = 0.75


@given(st.text("金桥张江第一二东12a ()幼儿园药店", max_size=9), st.text("金桥张江第一二东12a ()幼儿园药店", max_size=9))
@settings(max_examples=300)
def test_compatible_is_symmetric_and_reflexive(one, other):
    a, b = PlaceName(one), PlaceName(other)
    assert compatible(a, b) == compatible(b, a)
    assert compatible(a, PlaceName(f" {one} ")) == bool(a.plain)


# places ------------------------------------------------------------------------------------------------------------


def test_within_100_m_inclusive():
    table = make(("a1", "A", "金桥幼儿园", 0), ("b1", "B", "金桥幼儿园", 100), ("b2", "B", "金桥幼儿园", 100.001))
    kept, noted = settle(table)
    assert kept == ["a1", "b1", "b2"]
    assert noted == {"duplicates": ("a1 = b1 (100 m)",), "same_place": ("b1 = b2",)}
    assert settle(table, dropping="B")[0] == ["a1", "b2"]


def test_type_and_name_have_to_be_the_same_too():
    table = make(
        ("a1", "A", "金桥幼儿园", 0),
        ("b1", "B", "金桥幼儿园", 10, "affordable_nursery"),
        ("b2", "B", "张江幼儿园", 20),
        ("b3", "B", "", 0),
    )
    assert settle(table, dropping="B") == (["a1", "b1", "b2", "b3"], {})


def test_areas_are_measured_by_their_geometry():
    park = shapely.box(EAST, NORTH - 500, EAST + 1000, NORTH + 500)
    table = make(
        ("a1", "A", "世纪公园", park, "micro_park"),
        ("b1", "B", "世纪公园", 500, "micro_park"),
        ("b2", "B", "世纪公园1号门", 1040, "micro_park"),  # a number more: another place
        ("b3", "B", "浦东世纪公园", 1040, "micro_park"),
        ("b4", "B", "世纪公园", 1101, "micro_park"),
    )
    kept, noted = settle(table, dropping="B")
    assert noted["duplicates"] == ("a1 = b1 (0 m)", "a1 = b3 (40 m)")
    assert kept == ["a1", "b2", "b4"]


def test_the_earlier_source_in_the_configuration_stays():
    table = make(("a1", "A", "金桥幼儿园", 0), ("b1", "B", "金桥幼儿园", 10))
    assert settle(table, "AB", "B")[0] == ["a1"]
    kept, noted = settle(table, "BA", "A")
    assert kept == ["b1"]
    assert noted["duplicates"] == ("b1 = a1 (10 m)",)
    assert noted["duplicates_dropped"] == ("a1",)
    assert settle(table, "AB", "A")[0] == ["a1", "b1"]  # nothing is before A


def test_what_is_dropped_itself_drops_nothing():
    row = [("a", "A", "金桥幼儿园", 0), ("b", "B", "金桥幼儿园", 80), ("c", "C", "金桥幼儿园", 160)]
    assert settle(make(*row), "ABC", "BC")[0] == ["a", "c"]
    assert settle(make(*row), "ABC", "C")[0] == ["a", "b"]


def test_nothing_is_merged_and_what_is_lost_is_told():
    table = make(("a", "A", "甲幼儿园", 0), ("b", "B", "甲幼儿园", 1, "kindergarten", 90.0))
    notes = Notes()
    kept = settle_duplicates(table, ["A", "B"], {"B"}, notes)
    assert np.isnan(kept["capacity"]).all()
    assert "1 of them have a capacity or floor area that the one kept lacks" in notes.items[-1].text
    assert "A and B (1)" in notes.items[0].text


def test_twice_in_one_source_is_told_and_stays():
    table = make(
        ("a1", "A", "甲幼儿园", 0),
        ("a2", "A", "甲 幼儿园", 0.5),
        ("a3", "A", "乙幼儿园", 0),
        ("a4", "A", "甲幼儿园", 2),
        ("a5", "A", "", 50),
        ("a6", "A", "", 50),
    )
    assert settle(table, dropping="A") == (
        ["a1", "a2", "a3", "a4", "a5", "a6"],
        {"same_place": ("a1 = a2", "a5 = a6")},
    )


def test_two_parts_of_a_park_that_touch_are_not_one():
    parts = [shapely.box(EAST + x, NORTH, EAST + x + 50, NORTH + 50) for x in (0, 50)]
    table = make(*[(f"a{i}", "A", "滨江公园", part, "micro_park") for i, part in enumerate(parts)])
    assert settle(table) == (["a0", "a1"], {})


def test_no_facilities_at_all():
    table = make(("a1", "A", "甲", 0)).iloc[:0]
    assert settle(table) == ([], {})


NAMES = ("金桥幼儿园", "浦东金桥幼儿园", "张江幼儿园", "第一幼儿园", "第二幼儿园", "")
PLACES = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(NAMES), st.integers(0, 400)), min_size=1, max_size=14
)


@given(PLACES, st.sets(st.sampled_from("ABC")))
@settings(max_examples=60, deadline=None)
def test_against_brute_force(places, dropping):
    rows = [(f"f{number:02d}", *place) for number, place in enumerate(places)]
    expected = {
        frozenset((one[0], two[0]))
        for one, two in itertools.combinations(rows, 2)
        if one[1] != two[1] and abs(one[3] - two[3]) <= NEAR_M and compatible(PlaceName(one[2]), PlaceName(two[2]))
    }
    kept, noted = settle(make(*rows), "ABC", dropping)
    found = {frozenset(row.split(" (")[0].split(" = ")) for row in noted.get("duplicates", ())}
    assert found == expected
    out: set[str] = set()
    for source in sorted(dropping):
        mine = {row[0] for row in rows if row[1] == source}
        before = {row[0] for row in rows if row[1] < source} - out
        out |= {key for key in mine if any(frozenset((key, other)) in expected for other in before)}
    assert kept == [row[0] for row in rows if row[0] not in out]


# in a run ----------------------------------------------------------------------------------------------------------


def read(folder: Path, notes: Notes, *sources: dict):
    config = make_config(folder, facilities=list(sources))
    return read_facilities(config, STANDARD, UTM, folder / "n.osm.pbf", notes)


def test_drop_duplicates_of_a_source(tmp_path):
    write_text(tmp_path / "a.csv", "name,x,y,closes", f"甲幼儿园,{EAST},{NORTH},", f"乙幼儿园,{EAST},{NORTH},2020")
    write_text(tmp_path / "b.csv", "name,x,y", f"甲幼儿园,{EAST + 5},{NORTH}", f"乙幼儿园,{EAST + 5},{NORTH}")
    one = {"source": "a.csv", "type": "kindergarten", "crs": "EPSG:32651"}
    two = {**one, "source": "b.csv"}
    notes = Notes()
    facilities = read(tmp_path, notes, one, two)
    assert list(facilities.table["facility_id"]) == ["a:1", "b:1", "b:2"]
    assert codes(notes) == {"facilities.not_open": 1, "facilities.duplicates": 1}
    notes = Notes()
    facilities = read(tmp_path, notes, one, {**two, "drop_duplicates": True})
    assert list(facilities.table["facility_id"]) == ["a:1", "b:2"]  # what has closed takes nothing's place
    assert facilities.covered == {"kindergarten": ("a.csv", "b.csv")}
    assert codes(notes)["facilities.duplicates_dropped"] == 1
    with pytest.raises(ConfigError, match=r"facilities\[1\]: drop_duplicates has no earlier source"):
        read(tmp_path, notes, {**one, "drop_duplicates": True}, two)


def test_15000_facilities_take_little_time():
    rng = np.random.default_rng(7)
    words = np.array(list("金桥张江花木洋泾塘桥周浦康三林北蔡川沙惠南"))
    names = ["".join(row) + "幼儿园" for row in words[rng.integers(0, len(words), (7500, 3))]]
    xy = rng.uniform(0, 30_000, (7500, 2)) + np.array([EAST, NORTH])
    both = np.concatenate([xy, xy + rng.uniform(-40, 40, (7500, 2))])
    table = gpd.GeoDataFrame(
        {
            "facility_id": [f"f{i:05d}" for i in range(15_000)],
            "source": ["A"] * 7500 + ["B"] * 7500,
            "name": names * 2,
            "type_id": [f"t{i % 25}" for i in range(7500)] * 2,
            "capacity": np.nan,
            "floor_area_m2": np.nan,
        },
        geometry=shapely.points(both),
        crs=UTM,
    )
    begin = time.process_time()
    kept, noted = settle(table, dropping="B")
    took_s = time.process_time() - begin
    assert kept == [f"f{i:05d}" for i in range(7500)]  # 40 m in x and y are less than 100 m
    assert len(noted["duplicates"]) >= 7500
    assert took_s < 5  # measured: 0.3 s
