"""Facilities from OSM, and the mappings that say which tags and codes are which type."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.mapping import Mapping, load_mapping
from circle15.inputs.osm import read_osm_places
from osm_kit import MILLI_M, PLAIN, write_osm

SHARED = Path(__file__).parents[2] / "shared"
OSM = load_mapping("osm", Path())


def places(path, notes=None, mapping=OSM, crs=PLAIN):
    return read_osm_places(path, crs, mapping, notes if notes is not None else Notes())


def types(table) -> dict[str, str]:
    return dict(zip(table["facility_id"], table["type_id"], strict=True))


def codes(notes: Notes) -> dict[str, int]:
    return {note.code: note.count for note in notes.items if note.code != "osm.types_without_places"}


def square(at: int, x: float, y: float, side: float) -> dict:
    """Four nodes from number `at`, the lower left at (x, y), in thousandths of a degree."""
    return {at: (x, y), at + 1: (x + side, y), at + 2: (x + side, y + side), at + 3: (x, y + side)}


def ring(at: int) -> list[int]:
    return [at, at + 1, at + 2, at + 3, at]


# the shipped mapping -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason="../shared/reference is absent")
def test_the_shipped_mapping_has_every_type_with_its_confidence():
    with (SHARED / "reference" / "osm_tags.csv").open(encoding="utf-8") as file:
        wanted = {row["type_id"]: row["confidence"] for row in csv.DictReader(file)}
    assert len(wanted) == 37
    assert {rule.id: rule.confidence for rule in OSM.types} == wanted
    assert set(OSM.covers()) == {name for name, confidence in wanted.items() if confidence != "low"}


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("amenity=kindergarten", {"kindergarten"}),
        ("amenity=kindergarten name=阳光托育中心", {"kindergarten", "affordable_nursery"}),
        ("amenity=childcare", {"affordable_nursery"}),
        ("amenity=school", set()),
        ("amenity=school name=明珠小学", {"primary_school"}),
        ("amenity=school name:zh=明珠小学", {"primary_school"}),
        ("building=yes name=明珠小学", set()),
        ("amenity=school isced:level=1", {"primary_school"}),
        ("amenity=school isced:level=0;1", {"primary_school"}),
        ("amenity=school isced:level=1;2", {"primary_school", "junior_middle_school", "nine_year_school"}),
        ("amenity=school isced:level=1-2", {"primary_school", "junior_middle_school", "nine_year_school"}),
        ("amenity=school isced:level=2-3", {"junior_middle_school", "senior_secondary_school"}),
        ("amenity=school isced:level=12", set()),
        ("amenity=school name=东昌中学", {"junior_middle_school"}),
        ("amenity=school name=建平高级中学", {"senior_secondary_school"}),
        ("amenity=school name=实验学校", {"nine_year_school"}),
        ("amenity=college name=上海职业技术学院", {"senior_secondary_school"}),
        ("amenity=hospital name=东方医院", {"medical_center"}),
        ("amenity=hospital name=宠物医院", set()),
        ("amenity=hospital name=花木社区卫生服务中心", {"community_health_center"}),
        ("amenity=clinic name=花木社区卫生服务站", {"community_health_station"}),
        ("healthcare=centre name=塘桥社区卫生中心", {"community_health_center"}),
        ("amenity=library", {"public_cultural_facility"}),
        ("tourism=museum", {"public_cultural_facility"}),
        ("amenity=community_centre name=社区文化活动中心", {"community_cultural_center"}),
        ("amenity=community_centre name=综合文化站", {"cultural_activity_room"}),
        (
            "amenity=social_facility social_facility=nursing_home social_facility:for=senior",
            {"elderly_care_institution"},
        ),
        ("amenity=social_facility social_facility=nursing_home", set()),
        ("amenity=nursing_home", {"elderly_care_institution"}),
        ("amenity=social_facility name=综合为老服务中心", {"elderly_service_center"}),
        ("amenity=social_facility social_facility=group_home name=长者照护之家", {"elderly_care_home"}),
        ("amenity=restaurant name=社区食堂", {"elderly_canteen"}),
        ("amenity=social_facility social_facility=day_care social_facility:for=senior", {"elderly_day_care_center"}),
        ("building=yes name=老年人日间照料中心", {"elderly_day_care_center"}),
        ("highway=bus_stop name=日间照料中心站", {"bus_stop"}),
        ("name=睦邻点", {"elderly_neighborly_point"}),
        ("amenity=community_centre name=老年活动室", {"elderly_activity_room"}),
        ("leisure=sports_centre name=源深体育中心", {"sports_center"}),
        ("leisure=fitness_centre name=市民健身中心", {"community_fitness_center"}),
        ("leisure=fitness_centre name=金吉鸟", set()),
        ("name=长者运动健康之家", {"elderly_fitness_home"}),
        ("leisure=pitch sport=basketball", {"multi_sport_court"}),
        ("leisure=pitch sport=tennis;badminton", {"multi_sport_court"}),
        ("leisure=pitch sport=cricket", set()),
        ("highway=footway name=滨江绿道", {"fitness_trail"}),
        ("highway=primary name=滨江绿道", set()),
        ("leisure=fitness_station", {"fitness_spot"}),
        ("amenity=bus_station", {"bus_hub"}),
        ("public_transport=station bus=yes", {"bus_hub"}),
        ("highway=bus_stop", {"bus_stop"}),
        ("public_transport=platform", set()),
        ("railway=station station=subway", {"metro_station"}),
        ("railway=station", set()),
        ("railway=subway_entrance", set()),
        ("name=科学育儿指导站", {"parenting_guidance_station"}),
        ("shop=supermarket name=生鲜超市", {"neighborhood_commerce", "fresh_grocery"}),
        ("building=retail name=塘桥邻里中心", {"neighborhood_commerce"}),
        ("amenity=marketplace", {"wet_market"}),
        ("building=retail name=潍坊菜市场", {"wet_market"}),
        ("shop=butcher", {"fresh_grocery"}),
        ("shop=convenience", {"convenience_store"}),
        ("amenity=pharmacy", {"pharmacy"}),
        ("shop=chemist", set()),
        ("shop=chemist name=大药房", {"pharmacy"}),
        ("landuse=village_green", {"micro_park"}),
        ("place=square name=街心花园", {"micro_park"}),
    ],
)
def test_tags_to_types(tags, wanted):
    assert set(OSM.types_of(dict(pair.split("=", 1) for pair in tags.split()))) == wanted


@pytest.mark.parametrize(
    ("area_m2", "wanted"),
    [
        (399.999, ()),
        (400.0, ("micro_park",)),
        (9999.999, ("micro_park",)),
        (10_000.0, ("community_park",)),
        (99_999.999, ("community_park",)),
        (100_000.0, ("comprehensive_park",)),
        (1e9, ("comprehensive_park",)),
        (float("nan"), ()),
    ],
)
def test_park_classes_include_their_lower_bound(area_m2, wanted):
    assert OSM.types_of({"leisure": "park"}, area_m2) == wanted


@given(st.floats(0, 1e8))
def test_a_park_is_of_one_class_at_most(area_m2):
    assert len(OSM.types_of({"leisure": "park"}, area_m2)) == (area_m2 >= 400)


def test_a_private_garden_is_no_micro_park():
    assert OSM.types_of({"leisure": "garden"}, 500.0) == ("micro_park",)
    assert OSM.types_of({"leisure": "garden", "access": "private"}, 500.0) == ()


# shapes ------------------------------------------------------------------------------------------------------------


def test_nodes_ways_and_relations_keep_their_shapes(tmp_path):
    # Outer ring 3 x 3 thousandths, hole 1 x 1: 8 squares of a thousandth are 9.9 ha.
    nodes = {**square(1, 0, 0, 3), **square(5, 1, 1, 1), **square(9, 10, 0, 1), 20: (5, 5), 21: (6, 5), 22: (7, 6)}
    ways = {
        1: (ring(1), {}),
        2: (ring(5), {}),
        3: (ring(9), {"amenity": "hospital", "name": "东方医院"}),
        4: ([20, 21, 22], {"highway": "path", "name": "滨江健身步道"}),
        5: ([20, 21, 22, 20], {"highway": "footway", "name": "环湖绿道"}),
    }
    relations = {
        7: ([("way", 1, "outer"), ("way", 2, "inner")], {"type": "multipolygon", "leisure": "park", "name": "世纪"})
    }
    table = places(write_osm(tmp_path / "a.osm", nodes, ways, relations, {20: {"amenity": "pharmacy"}}))
    assert types(table) == {
        "r7": "community_park",
        "w3": "medical_center",
        "w4": "fitness_trail",
        "w5": "fitness_trail",
        "n20": "pharmacy",
    }
    shape = table.set_index("facility_id").geometry
    assert shape.geom_type.to_dict() == {
        "r7": "Polygon", "w3": "Polygon", "w4": "LineString", "w5": "LineString", "n20": "Point",
    }  # fmt: skip
    assert shape["r7"].area == pytest.approx(8 * MILLI_M**2)
    assert len(shape["r7"].interiors) == 1
    assert shape["w4"].length == pytest.approx((1 + 2**0.5) * MILLI_M)
    assert shape["n20"].coords[0] == pytest.approx((5 * MILLI_M, 5 * MILLI_M))
    assert list(table["confidence"][table["facility_id"] == "w4"]) == ["medium"]
    assert set(table["source"]) == {"a.osm"}
    assert table["opens"].isna().all()
    assert table["closes"].isna().all()


def test_a_relation_of_two_outer_rings_is_a_multipolygon(tmp_path):
    nodes = {**square(1, 0, 0, 1), **square(5, 2, 0, 1)}
    relations = {
        7: ([("way", 1, "outer"), ("way", 2, "outer")], {"type": "multipolygon", "leisure": "park"}),
    }
    table = places(write_osm(tmp_path / "a.osm", nodes, {1: (ring(1), {}), 2: (ring(5), {})}, relations))
    assert types(table) == {"r7": "community_park"}  # 2 x 1.24 ha
    assert table.geometry.iloc[0].geom_type == "MultiPolygon"


def test_the_area_rule_measures_in_the_run_crs(tmp_path):
    # 316.4 m squared are 100,109 m².
    for number, (metres, wanted) in enumerate(
        [(99.9, "micro_park"), (100.1, "community_park"), (316.4, "comprehensive_park")]
    ):
        path = write_osm(
            tmp_path / f"{number}.osm", square(1, 0, 0, metres / MILLI_M), {1: (ring(1), {"leisure": "park"})}
        )
        assert types(places(path)) == {"w1": wanted}


def test_a_place_of_two_types_has_two_ids(tmp_path):
    tags = {1: {"amenity": "kindergarten", "name": "宝宝屋"}}
    table = places(write_osm(tmp_path / "a.osm", {1: (0, 0)}, {}, node_tags=tags))
    assert types(table) == {"n1/kindergarten": "kindergarten", "n1/affordable_nursery": "affordable_nursery"}


def test_what_has_no_usable_shape_is_named(tmp_path):
    nodes = {**square(1, 0, 0, 1), 9: (0, 0)}
    ways = {
        1: ([1, 2, 3, 99, 1], {"leisure": "park"}),  # a node is not in the file
        2: ([98, 99], {"highway": "path", "name": "步道"}),
        3: (ring(1), {}),
    }
    relations = {
        7: ([("way", 55, "outer")], {"type": "multipolygon", "leisure": "park"}),
        8: ([("way", 3, "")], {"type": "route", "route": "fitness_trail"}),
    }
    notes = Notes()
    table = places(write_osm(tmp_path / "a.osm", nodes, ways, relations, {9: {"leisure": "park"}}), notes)
    assert len(table) == 0
    assert codes(notes) == {"osm.no_shape": 4, "osm.no_area": 1}
    assert notes.items[0].rows == (
        "w1 is no closed area in this file",
        "w2 has fewer than two nodes in this file",
        "r7 is no closed area in this file",
        "r8 is of a kind without a shape",
    )


def test_a_park_too_small_for_any_class_is_counted(tmp_path):
    notes = Notes()
    path = write_osm(tmp_path / "a.osm", square(1, 0, 0, 19 / MILLI_M), {1: (ring(1), {"leisure": "park"})})
    assert len(places(path, notes)) == 0
    assert codes(notes) == {"osm.area_out_of_range": 1}


# one place drawn twice ---------------------------------------------------------------------------------------------


def test_a_node_inside_the_area_of_the_same_name_goes(tmp_path):
    nodes = {**square(1, 0, 0, 2), 10: (1, 1), 11: (0.5, 0.5), 12: (5, 5)}
    hospital = {"amenity": "hospital", "name": "东方医院"}
    node_tags = {10: hospital, 11: {**hospital, "name": "仁济医院"}, 12: hospital}
    notes = Notes()
    table = places(write_osm(tmp_path / "a.osm", nodes, {1: (ring(1), hospital)}, node_tags=node_tags), notes)
    assert set(table["facility_id"]) == {"w1", "n11", "n12"}
    assert codes(notes) == {"osm.node_and_area": 1}
    assert notes.items[0].rows == ("n10",)


STOP = {"highway": "bus_stop"}
PLATFORM = {"public_transport": "platform", "bus": "yes"}


@pytest.mark.parametrize(
    ("metres", "first", "second", "kept"),
    [
        (14.9, {**STOP, "name": "A"}, {**PLATFORM, "name": "A"}, {"n1"}),
        (14.9, {**PLATFORM, "name": "A"}, {**STOP, "name": "A"}, {"n2"}),
        (14.9, STOP, PLATFORM, {"n1"}),
        (14.9, STOP, {**PLATFORM, "name": "A"}, {"n2"}),
        (15.1, {**STOP, "name": "A"}, {**PLATFORM, "name": "A"}, {"n1", "n2"}),
        (14.9, {**STOP, "name": "A"}, {**PLATFORM, "name": "B"}, {"n1", "n2"}),
        (14.9, {**STOP, "name": "A"}, {**STOP, "name": "A"}, {"n1", "n2"}),
    ],
)
def test_a_stop_and_its_platform_are_one(tmp_path, metres, first, second, kept):
    notes = Notes()
    nodes = {1: (0, 0), 2: (metres / MILLI_M, 0)}
    table = places(write_osm(tmp_path / "a.osm", nodes, {}, node_tags={1: first, 2: second}), notes)
    assert set(table["facility_id"]) == kept
    assert codes(notes).get("osm.merged", 0) == 2 - len(kept)


def test_pitches_of_schools_do_not_count_unless_shared(tmp_path):
    nodes = {**square(1, 0, 0, 4), 10: (1, 1), 11: (2, 2), 12: (9, 9)}
    pitch = {"leisure": "pitch", "sport": "basketball"}
    node_tags = {10: pitch, 11: {**pitch, "access": "yes"}, 12: pitch}
    notes = Notes()
    school = {1: (ring(1), {"amenity": "school"})}
    table = places(write_osm(tmp_path / "a.osm", nodes, school, node_tags=node_tags), notes)
    assert set(table["facility_id"]) == {"n11", "n12"}
    assert codes(notes) == {"osm.within": 1}
    assert notes.items[0].rows == ("n10",)


def test_metro_entrances_are_counted_and_not_taken(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0)}
    tags = {1: {"railway": "station", "station": "subway"}, 2: {"railway": "subway_entrance"}}
    notes = Notes()
    assert types(places(write_osm(tmp_path / "a.osm", nodes, {}, node_tags=tags), notes)) == {"n1": "metro_station"}
    assert codes(notes) == {"osm.subway_entrances": 1}


# broken files ------------------------------------------------------------------------------------------------------


def test_broken_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        places(tmp_path / "no.osm.pbf")
    (tmp_path / "a.osm.pbf").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as OSM data"):
        places(tmp_path / "a.osm.pbf")


def test_a_file_without_places_gives_an_empty_table_and_says_what_it_claims(tmp_path):
    notes = Notes()
    table = places(write_osm(tmp_path / "a.osm", {1: (0, 0)}, {}), notes)
    assert len(table) == 0
    assert list(table.columns) == [
        "facility_id", "type_id", "name", "confidence", "source", "opens", "closes", "geometry",
    ]  # fmt: skip
    assert table.crs is not None
    assert [(note.code, note.count) for note in notes.items] == [("osm.types_without_places", len(OSM.covers()))]


# mappings ----------------------------------------------------------------------------------------------------------


def load(tmp_path, text, known=None) -> Mapping:
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    return load_mapping("m.toml", tmp_path, known)


def test_codes(tmp_path):
    text = """
        types = [{ id = "nine_year_school", confidence = "low" }]
        [codes]
        "141204" = "kindergarten"
        "141203" = "primary_school"
        "141299" = "nine_year_school"
    """
    mapping = load(tmp_path, text, ["kindergarten", "primary_school", "nine_year_school"])
    assert mapping.codes["141204"] == "kindergarten"
    assert "999999" not in mapping.codes
    assert mapping.covers() == ("kindergarten", "primary_school")


def problems(tmp_path, text, known=None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, known)
    assert caught.value.exit_code == 2
    assert "m.toml" in str(caught.value)
    return str(caught.value)


def test_everything_wrong_with_a_mapping_is_told_at_once(tmp_path):
    text = """
        nmae = "x"
        [[types]]
        id = "pharmacy"
        confidense = "high"
        confidence = "certain"
        any = [{ name = "(" }]
        [[types]]
        id = "parmacy"
        confidence = "high"
        any = [{ area_m2 = [5, 1] }, { shop = 3 }]
    """
    message = problems(tmp_path, text, ["pharmacy"])
    assert 'unknown key "nmae"' in message
    assert 'Did you mean "name"?' in message
    assert 'unknown key "types[1].confidense"' in message
    assert "types[1].confidence" in message
    assert "no regular expression" in message
    assert "has to be [least, below]" in message
    assert "types[2].any[2].shop" in message
    assert 'unknown type "parmacy"' in message
    assert 'Did you mean "pharmacy"?' in message


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('[[types]]\nid = "a"\nconfidence = "low"', "neither any nor a code"),
        ('[[types]]\nid = "a"\nconfidence = "low"\nany = [{}]', "is empty"),
        (
            'types = [{ id = "a", confidence = "low", any = [{ x = "1" }] }, { id = "a", confidence = "low" }]',
            "2 times",
        ),
        ('[codes]\n1 = "b"', 'unknown type "b"'),
        ("[codes]\n1 = 2", "codes.1"),
        ("types = 3", "types"),
        ("types = [", "not valid TOML"),
    ],
)
def test_mappings_that_make_no_sense(tmp_path, text, match):
    assert match in problems(tmp_path, text, ["a"])


def test_a_mapping_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r'no mapping "ozm".*Did you mean "osm"'):
        load_mapping("ozm", tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        load_mapping("no.toml", tmp_path)


# real data ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "data" / "porto_alegre").is_dir(), reason="../shared/data is absent")
def test_porto_alegre_has_the_bus_stops_that_its_readme_counts():
    table = places(SHARED / "data" / "porto_alegre" / "poa_osm.pbf", crs="EPSG:32722")
    assert (table["type_id"] == "bus_stop").sum() == 1054
    assert table["facility_id"].is_unique
    assert np.isfinite(shapely.get_coordinates(table.geometry)).all()
    assert shapely.is_valid(table.geometry.array).all()
