"""One place that an OSM file draws several times as an area is one facility, and water is no wetter for it."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import Notes
from circle15.inputs.mapping import load_mapping
from circle15.inputs.osm import read_osm_places
from circle15.inputs.osm_copies import SAME_SHARE, drawn_elsewhere
from circle15.inputs.water import read_osm_water
from osm_kit import MILLI_M, PLAIN, write_osm

PARK = {"leisure": "park"}
NODES = {
    # a square of 4 × 4 thousandths of a degree, one of 2 × 2 in its middle, one of 4 × 4 east of it
    1: (0, 0),
    2: (4, 0),
    3: (4, 4),
    4: (0, 4),
    5: (1, 1),
    6: (3, 1),
    7: (3, 3),
    8: (1, 3),
    9: (8, 0),
    10: (8, 4),
}
LARGE, SMALL, EAST = [1, 2, 3, 4, 1], [5, 6, 7, 8, 5], [2, 9, 10, 3, 2]
MAPPING = """
[[types]]
id = "park"
confidence = "high"
any = [{ leisure = "park" }]
[[types]]
id = "playground"
confidence = "high"
any = [{ leisure = "playground" }]
"""
BY_AREA = f"""
[[types]]
id = "large_park"
confidence = "high"
any = [{{ leisure = "park", area_m2 = [{14 * MILLI_M**2}, 1e9] }}]
[[types]]
id = "small_park"
confidence = "high"
any = [{{ leisure = "park", area_m2 = [{3 * MILLI_M**2}, {14 * MILLI_M**2}] }}]
"""


def multipolygon(outer: list[int], inner: list[int] | None = None, **tags: str) -> tuple:
    members = [("way", ref, "outer") for ref in outer] + [("way", ref, "inner") for ref in inner or []]
    return members, {"type": "multipolygon"} | PARK | tags


def named(name: str, **tags: str) -> dict[str, str]:
    return PARK | {"name": name} | tags


def read(folder: Path, ways: dict, relations: dict | None = None, mapping: str = MAPPING, **more):
    path = folder / "mapping.toml"
    path.write_text(mapping, encoding="utf-8")
    notes = Notes()
    file = write_osm(folder / "a.osm", NODES, ways, relations, **more)
    table = read_osm_places(file, PLAIN, load_mapping(str(path), folder), notes)
    copies = {row for note in notes.items if note.code == "osm.drawn_twice" for row in note.rows}
    return dict(zip(table["facility_id"], table["type_id"], strict=True)), copies


def parks(*ids: str) -> dict[str, str]:
    return dict.fromkeys(ids, "park")


ONE_PLACE = {
    "the outer way has the tags, too": (
        {101: (LARGE, PARK), 102: (SMALL, {})},
        {500: multipolygon([101], [102])},
        "r500",
    ),
    "under another name": (
        {101: (LARGE, named("Old")), 102: (SMALL, {})},
        {500: multipolygon([101], [102], name="New")},
        "r500",
    ),
    "two outlines, both with the tags": (
        {101: (SMALL, PARK), 102: (EAST, PARK)},
        {500: multipolygon([101, 102])},
        "r500",
    ),
    "an outline of two lines, both with the tags": (
        {101: ([1, 2, 3], PARK), 102: ([3, 4, 1], PARK)},
        {500: multipolygon([101, 102])},
        "r500",
    ),
    "a member without a role": (
        {101: (LARGE, PARK)},
        {500: ([("way", 101, "")], {"type": "boundary"} | PARK)},
        "r500",
    ),
    "the outline again, along other ways": (
        {101: ([1, 2, 3], {}), 102: ([3, 4, 1], {}), 103: (SMALL, {}), 104: (LARGE, PARK)},
        {500: multipolygon([101, 102], [103])},
        "r500",
    ),
    "two relations of one outline": (
        {101: (LARGE, {})},
        {500: multipolygon([101]), 501: multipolygon([101], name="Garden")},
        "r501",
    ),
    "a closed way twice, one with a name": ({101: (LARGE, PARK), 102: (LARGE[::-1], named("Garden"))}, {}, "w102"),
    "a closed way twice": ({101: (LARGE, PARK), 102: ([2, 3, 4, 1, 2], PARK)}, {}, "w101"),
    "a part of the same name": ({101: (SMALL, named("Garden")), 102: (LARGE, named("Garden"))}, {}, "w102"),
    "neither has a name": ({101: (SMALL, PARK), 102: (LARGE, PARK)}, {}, "w102"),
}


@pytest.mark.parametrize("drawing", ONE_PLACE)
def test_one_place(tmp_path, drawing):
    ways, relations, stays = ONE_PLACE[drawing]
    found, copies = read(tmp_path, ways, relations)
    assert found == parks(stays)
    drawn = {f"w{ref}" for ref, (_, tags) in ways.items() if tags} | {f"r{ref}" for ref in relations}
    assert copies == drawn - {stays}


SEVERAL_PLACES = {
    "a park in the hole of another": (
        {101: (LARGE, {}), 102: (SMALL, PARK)},
        {500: multipolygon([101], [102])},
        parks("r500", "w102"),
    ),
    "a part of another name": (
        {101: (SMALL, named("Rose Garden")), 102: (LARGE, named("Garden"))},
        {},
        parks("w101", "w102"),
    ),
    "two of different names on one outline": (
        {101: (LARGE, named("A")), 102: (LARGE, named("B"))},
        {},
        parks("w101", "w102"),
    ),
    "side by side, of one name": ({101: (LARGE, named("A")), 102: (EAST, named("A"))}, {}, parks("w101", "w102")),
    "a relation that isn't all there": (
        {101: (LARGE, PARK)},
        {500: multipolygon([101, 999])},
        parks("w101"),
    ),
    "of another type": (
        {101: (SMALL, {"leisure": "playground"}), 102: (LARGE, PARK)},
        {},
        {"w101": "playground", "w102": "park"},
    ),
    "a relation's outline of another type": (
        {101: (LARGE, {"leisure": "playground"})},
        {500: multipolygon([101])},
        {"w101": "playground", "r500": "park"},
    ),
    "a relation that only groups": (
        {101: (LARGE, PARK)},
        {500: ([("way", 101, "")], {"type": "site"} | PARK)},
        parks("w101"),
    ),
}


@pytest.mark.parametrize("drawing", SEVERAL_PLACES)
def test_several_places(tmp_path, drawing):
    ways, relations, expected = SEVERAL_PLACES[drawing]
    assert read(tmp_path, ways, relations) == (expected, set())


def test_the_outline_counts_as_no_type_that_follows_from_its_larger_area(tmp_path):
    """16 squares with the pond, 12 without it: small, and not large as well."""
    ways = {101: (LARGE, PARK), 102: (SMALL, {"natural": "water"})}
    found, copies = read(tmp_path, ways, {500: multipolygon([101], [102])}, BY_AREA)
    assert (found, copies) == ({"r500": "small_park"}, {"w101"})


def test_an_island_is_no_water_though_the_shore_is_drawn_as_a_lake(tmp_path):
    """Whether the outer way has the relation's tags or not: 16 squares less the island's 4."""
    lake = {"natural": "water"}
    for tags in ({}, lake):
        ways = {101: (LARGE, tags), 102: (SMALL, {})}
        relations = {500: ([("way", 101, "outer"), ("way", 102, "inner")], {"type": "multipolygon"} | lake)}
        shapes = read_osm_water(write_osm(tmp_path / "a.osm", NODES, ways, relations), PLAIN, Notes())
        island = shapely.Point(2 * MILLI_M, 2 * MILLI_M)
        assert not shapely.intersects(shapes, island).any()
        assert shapely.union_all(shapes).area == pytest.approx(12 * MILLI_M**2, rel=1e-6)


def test_a_shore_whose_relation_is_not_all_there_is_water(tmp_path):
    relations = {500: ([("way", 101, "outer"), ("way", 999, "inner")], {"type": "multipolygon", "natural": "water"})}
    file = write_osm(tmp_path / "a.osm", NODES, {101: (LARGE, {"natural": "water"})}, relations)
    (shape,) = read_osm_water(file, PLAIN, Notes())
    assert shape.area == pytest.approx(16 * MILLI_M**2, rel=1e-6)


squares = st.builds(
    lambda x, y, size, hole: shapely.Polygon(
        shapely.box(x, y, x + size, y + size).exterior,
        [shapely.box(x + 1, y + 1, x + size - 1, y + size - 1).exterior] if hole and size > 2 else [],
    ),
    *(st.integers(0, 4), st.integers(0, 4), st.integers(1, 5), st.booleans()),
)


@given(st.lists(st.tuples(squares, st.sampled_from(["", "A", "B"]), st.sampled_from("wr")), min_size=1, max_size=8))
def test_what_is_left_out_is_drawn_by_what_stays(drawn):
    """Nothing is lost: each area that goes lies in the outline of one that stays, of its name or either has none."""
    shapes = np.array([shape for shape, _, _ in drawn], dtype=object)
    names, ids = [name for _, name, _ in drawn], [f"{kind}{n}" for n, (_, _, kind) in enumerate(drawn)]
    out = drawn_elsewhere(shapes, names, ids)
    filled = [shapely.Polygon(shape.exterior) for shape in shapes]
    stays = np.flatnonzero(~out)
    for row in np.flatnonzero(out):
        share = [
            shapes[row].intersection(filled[k]).area / shapes[row].area
            for k in stays
            if (names[k] == names[row] or "" in (names[k], names[row]))
        ]
        assert max(share) >= SAME_SHARE
    alone = drawn_elsewhere(shapes[stays], [names[k] for k in stays], [ids[k] for k in stays])
    assert not alone.any()
