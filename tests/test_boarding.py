"""Where a journey may begin and end: tunnels, bridges and their like, streets that lead nowhere, twins, squares."""

import json
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15 import pipeline
from circle15.config import load_config
from circle15.errors import Notes
from circle15.inputs.streets import read_streets
from circle15.network.circles import draw_circles
from circle15.network.entrances import find_entrances
from circle15.network.snap import as_beginnings, passed_over, snap_to_begin, snap_to_end
from circle15.network.travel import find_ranges, nearest
from circle15.tables import BACKWARD, BOTH, FORWARD
from kit import CYCLE, DRIVE, WALK, make_network, make_streets, random_streets
from osm_kit import MILLI_M, PLAIN, write_osm
from street_kit import Quiet, standard
from test_network import places

F, B, X = FORWARD, BACKWARD, BOTH
M_PER_S = 4 / 3.6


def seconds(network, start, goal) -> float:
    """The time from a point to a facility, exactly."""
    origin = snap_to_begin(network, np.array([start], dtype=float), 300.0)
    return float(nearest(network, origin, places(network, [goal]), np.inf).time_s[0])


# what cannot be boarded --------------------------------------------------------------------------------------------

HILL = [
    [(0, 0), (0, 1000)],  # the tunnel
    [(0, 0), (-100, 0)],  # streets at its portals
    [(0, 1000), (-100, 1000)],
    [(-100, 0), (-100, 500)],  # a lane up the hill
]


@pytest.mark.parametrize("speeds", [WALK, CYCLE, DRIVE], ids=lambda speeds: speeds.mode)
def test_who_lives_above_a_tunnel_takes_the_lane(speeds):
    """From (-30, 450): 70 m to the lane, 450 + 100 m to the portal, 1,000 m of tunnel."""
    network = make_network(make_streets(HILL, boards=[False, True, True, True]), speeds)
    kmh = 20.0 if speeds is DRIVE else speeds.kmh
    there = 70 / (speeds.access_kmh / 3.6) + 1550 / (kmh / 3.6)
    assert seconds(network, (-30, 450), (0, 1000)) == pytest.approx(there)
    back = 1550 / (kmh / 3.6) + 70 / (speeds.access_kmh / 3.6)
    assert seconds(network, (0, 1000), (-30, 450)) == pytest.approx(back)


def test_a_tunnel_is_travelled_and_its_portals_are_boarded():
    network = make_network(make_streets(HILL, boards=[False, True, True, True]))
    assert seconds(network, (0, 0), (0, 1000)) == pytest.approx(900)


def test_only_streets_that_agree_in_boarding_are_contracted():
    lines = [[(100 * n, 0), (100 * n + 100, 0)] for n in range(4)]
    network = make_network(make_streets(lines, boards=[True, False, False, True]))
    assert sorted(network.length_m.tolist()) == [100, 100, 200]
    assert network.length_m[~network.boards].tolist() == [200]


def test_nothing_to_board_near_enough_is_off_the_network():
    network = make_network(make_streets(HILL, boards=[False, True, True, True]))
    on = snap_to_begin(network, np.array([[310.0, 500.0], [250.0, 500.0], [250.0, 0.0]]), 300.0).on_network
    assert on.tolist() == [False, False, True]


def test_the_places_that_pass_over_the_nearest_street_are_told():
    network = make_network(make_streets(HILL, boards=[False, True, True, True]))
    xy = np.array([[-30.0, 450.0], [-90.0, 450.0], [250.0, 500.0], [5000.0, 0.0], [np.nan, np.nan]])
    over = passed_over(network, xy, snap_to_begin(network, xy, 300.0), 300.0, begins=True)
    assert over.cannot_board.tolist() == [True, False, True, False, False]
    assert not over.leads_nowhere.any()
    assert over.farther_m[0] == pytest.approx(70 - 30)
    assert np.isnan(over.farther_m[1:]).all()


def test_a_bridge_is_no_entrance_of_the_park_below():
    """A bridge crosses the park from west to east; a street runs beside its southern edge, 40 m away."""
    park = shapely.box(100, 0, 300, 200)
    lines = [[(0, 100), (400, 100)], [(0, 100), (0, -40)], [(0, -40), (400, -40)]]
    streets = make_streets(lines, boards=[False, True, True])
    xy, _ = find_entrances(make_network(streets), np.array([park], dtype=object), 300.0, Notes())
    assert (xy[:, 1] == 0).all()
    with_stairs, _ = find_entrances(make_network(make_streets(lines)), np.array([park], dtype=object), 300.0, Notes())
    assert with_stairs.tolist() == [[100, 100], [300, 100]]


def test_a_circle_claims_no_land_above_a_tunnel():
    streets = make_streets(HILL, boards=[False, True, True, True])
    drawn = {}
    for name, own in (("tunnel", streets), ("street", make_streets(HILL))):
        network = make_network(own)
        xy = np.array([[0.0, 0.0]])
        origins, limit = snap_to_begin(network, xy, 300.0), np.array([900.0])
        drawn[name] = draw_circles(network, find_ranges(network, origins, limit), origins, xy, limit)[0]
    above = shapely.Point(0, 500)
    assert drawn["street"].contains(above)
    assert not drawn["tunnel"].contains(above)
    assert drawn["tunnel"].contains(shapely.Point(-90, 300))


# what leads nowhere ------------------------------------------------------------------------------------------------

SPUR = [[(-500, 0), (0, 0)], [(0, 0), (500, 0)], [(0, 0), (0, 200)]]


@pytest.mark.parametrize("flag", [F, B])
def test_a_blind_one_way_spur_is_left_for_the_next_street(flag):
    """At (10, 150): 10 m from a spur. What leads into it only is no beginning, what leads out of it only no end."""
    network = make_network(make_streets(SPUR, [X, X, flag]), CYCLE)
    m_per_s = 12 / 3.6
    along, over = (10 + 150 + 300) / m_per_s, (150 + 290) / m_per_s
    assert seconds(network, (10, 150), (300, 0)) == pytest.approx(over if flag == F else along)
    assert seconds(network, (300, 0), (10, 150)) == pytest.approx(along if flag == F else over)


def test_a_ring_that_one_cannot_leave_is_no_place_to_begin():
    """The spur ends in a two-way lane and a ring: everybody gets around in there, and nobody out."""
    lines = [*SPUR, [(0, 200), (100, 200)], [(100, 200), (100, 300)], [(100, 300), (0, 200)]]
    network = make_network(make_streets(lines, [X, X, F, X, X, X]), CYCLE)
    xy = np.array([[50.0, 205.0]])
    began, ended = snap_to_begin(network, xy, 300.0), snap_to_end(network, xy, 300.0)
    assert began.leg_m == pytest.approx([205.0])
    assert ended.leg_m == pytest.approx([5.0])
    over = passed_over(network, xy, began, 300.0, begins=True)
    assert over.leads_nowhere.tolist() == [True]
    assert over.farther_m == pytest.approx([200.0])
    assert as_beginnings(network, xy, ended, 300.0).leg_m == pytest.approx([205.0])


def test_each_piece_of_a_network_has_a_core():
    island = [[(0, 2000), (100, 2000)], [(100, 2000), (100, 2100)]]
    network = make_network(make_streets([*SPUR, *island], [X, X, F, X, F]), CYCLE)
    assert network.begins.sum() == 3
    assert network.ends.all()


def test_where_no_street_leads_back_every_street_will_do():
    network = make_network(make_streets([[(0, 0), (100, 0)], [(100, 0), (100, 100)]], [F, F]), CYCLE)
    assert network.begins.all()
    assert network.ends.all()
    assert seconds(network, (50, 0), (100, 50)) == pytest.approx(100 / (12 / 3.6))


def test_a_large_part_that_cannot_be_left_stays():
    """Two lattices of 144 and 121 junctions, joined by a one-way street: no mistake of the map, but a valley."""

    def lattice(x0: float, size: int) -> list:
        steps = [(i, j) for i in range(size) for j in range(size)]
        right = [[(x0 + 50 * i, 50 * j), (x0 + 50 * i + 50, 50 * j)] for i, j in steps if i + 1 < size]
        return right + [[(x0 + 50 * i, 50 * j), (x0 + 50 * i, 50 * j + 50)] for i, j in steps if j + 1 < size]

    west, east = lattice(0, 12), lattice(2000, 11)
    lines = [*west, *east, [(550, 0), (2000, 0)]]
    network = make_network(make_streets(lines, [*[X] * (len(west) + len(east)), F]), CYCLE)
    assert network.begins.all()
    small = lattice(2000, 5)
    network = make_network(make_streets([*west, *small, lines[-1]], [*[X] * (len(west) + len(small)), F]), CYCLE)
    assert snap_to_begin(network, np.array([[2050.0, 50.0]]), 300.0).edge.tolist() == [-1]


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_who_is_on_the_network_reaches_and_is_reached(seed):
    """From wherever a journey may begin, some path leads to the end of a journey in the same piece's core."""
    rng = np.random.default_rng(seed)
    network = make_network(random_streets(rng, 5, one_way=0.5), CYCLE)
    whole = make_network(random_streets(np.random.default_rng(seed), 5, one_way=0.5), WALK)
    assert network.begins.any()
    assert network.ends.any()
    both = np.flatnonzero(network.begins & network.ends)
    assert len(both)
    assert whole.nodes > 0
    xy = rng.uniform(-50, 450, (8, 2))
    start, end = snap_to_begin(network, xy, 300.0), snap_to_end(network, xy, 300.0)
    assert network.begins[start.edge[start.on_network]].all()
    assert network.ends[end.edge[end.on_network]].all()
    # nothing that may be begun on lies nearer than what was taken
    tree = network.segments_of(network.begins)[-1]
    away = np.array([tree.geometries[tree.nearest(shapely.Point(at))].distance(shapely.Point(at)) for at in xy])
    np.testing.assert_allclose(start.leg_m[start.on_network], away[start.on_network], atol=1e-9)


# twins -------------------------------------------------------------------------------------------------------------


def read(path: Path, notes: Notes | None = None, crs=PLAIN):
    notes = Notes() if notes is None else notes
    return read_streets(path, crs, layer=None, source_crs=None, ferries=False, notes=notes)


def test_one_line_a_direction_is_one_street_in_an_osm_file(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0)}
    ways = {10: ([1, 2, 3], {"highway": "primary", "oneway": "yes"}),
            11: ([3, 2, 1], {"highway": "primary", "oneway": "yes"})}  # fmt: skip
    notes = Notes()
    streets = read(write_osm(tmp_path / "a.osm", nodes, ways), notes)
    assert streets.access["cycle"].tolist() == [X, X]
    assert {note.code: note.count for note in notes.items} == {"streets.twins": 2}
    assert len(make_network(streets, CYCLE).u) == 1


def test_a_twin_of_another_class_keeps_the_modes_of_both(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0)}
    ways = {
        10: ([1, 2], {"highway": "cycleway", "oneway": "yes"}),
        11: ([2, 1], {"highway": "primary", "oneway": "yes"}),
    }
    streets = read(write_osm(tmp_path / "a.osm", nodes, ways))
    assert [streets.access[mode].tolist() for mode in ("walk", "cycle", "drive")] == [[X], [X], [B]]
    assert streets.road_classes[streets.road_class[0]] == "primary"  # a car's speed


def test_a_car_is_as_slow_as_on_the_slower_of_twins(tmp_path):
    """Primary eastwards, 40 km/h; residential westwards, 20 km/h: 20 km/h both ways, so that nothing is too fast."""
    nodes = {1: (0, 0), 2: (9, 0)}
    one_way = {"oneway": "yes"}
    ways = {10: ([1, 2], {"highway": "primary", **one_way}), 11: ([2, 1], {"highway": "residential", **one_way})}
    network = make_network(read(write_osm(tmp_path / "a.osm", nodes, ways)), DRIVE)
    assert network.time_s == pytest.approx([9 * MILLI_M / (20 / 3.6)])


def twins_of_a_layer(folder: Path) -> Path:
    lines = [shapely.LineString([(0, 0), (900, 0)]), shapely.LineString([(900, 0), (700, 0), (200, 0), (0, 0)])]
    gpd.GeoDataFrame({"oneway": ["yes"] * 2}, geometry=lines, crs="EPSG:32651").to_file(folder / "a.gpkg")
    return folder / "a.gpkg"


def twins_of_a_graph(folder: Path) -> Path:
    made = nx.MultiDiGraph(crs="EPSG:32651")
    for number in range(2):
        made.add_node(number, x=900.0 * number, y=0.0)
    made.add_edge(0, 1, osmid=1, highway="primary")
    made.add_edge(1, 0, osmid=2, highway="primary", geometry=shapely.LineString([(900, 0), (300, 0), (0, 0)]))
    osmnx.save_graphml(made, folder / "a.graphml")
    return folder / "a.graphml"


@pytest.mark.parametrize("write", [twins_of_a_layer, twins_of_a_graph])
def test_twins_that_have_vertices_of_their_own(tmp_path, write):
    """One street of 900 m: from its middle one rides to either side."""
    network = make_network(read(write(tmp_path), crs="EPSG:32651"), CYCLE)
    assert network.length_m.tolist() == [pytest.approx(900)]
    assert seconds(network, (450, 0), (800, 0)) == pytest.approx(350 / (12 / 3.6))
    assert seconds(network, (450, 0), (100, 0)) == pytest.approx(350 / (12 / 3.6))


def test_twins_of_an_osm_file_whose_nodes_are_at_the_same_places(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0), 12: (1, 0)}
    one_way = {"highway": "primary", "oneway": "yes"}
    streets = read(write_osm(tmp_path / "a.osm", nodes, {10: ([1, 2, 3], one_way), 11: ([3, 12, 1], one_way)}))
    assert streets.access["cycle"].tolist() == [X, X]


def test_a_bridge_on_top_of_a_street_is_no_twin(tmp_path):
    lines = [shapely.LineString([(0, 0), (900, 0)]), shapely.LineString([(900, 0), (700, 0), (0, 0)])]
    table = {"highway": "primary", "oneway": "yes", "bridge": ["yes", None]}
    gpd.GeoDataFrame(table, geometry=lines, crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    assert sorted(read(tmp_path / "a.gpkg", crs="EPSG:32651").access["drive"].tolist()) == [F, F]


def test_twins_beside_a_bollard(tmp_path):
    """By bicycle one street, by car two: a metre on each side of the bollard is closed."""
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0)}
    one_way = {"highway": "primary", "oneway": "yes"}
    ways = {10: ([1, 2, 3], one_way), 11: ([3, 2, 1], one_way)}
    streets = read(write_osm(tmp_path / "a.osm", nodes, ways, node_tags={2: {"barrier": "bollard"}}))
    assert set(streets.access["cycle"].tolist()) == {X}
    assert make_network(streets, CYCLE).length_m.tolist() == [pytest.approx(2 * MILLI_M)]
    assert make_network(streets, DRIVE).length_m.tolist() == [pytest.approx(MILLI_M - 1)] * 2


def test_a_line_that_turns_back_on_itself_is_one_street(tmp_path):
    line = shapely.LineString([(0, 0), (300, 0), (600, 0), (300, 0), (0, 0)])
    gpd.GeoDataFrame({"oneway": ["yes"]}, geometry=[line], crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    streets = read(tmp_path / "a.gpkg", crs="EPSG:32651")
    assert streets.access["drive"].tolist() == [X, X]


def test_lines_that_share_only_their_ends_stay_apart(tmp_path):
    lines = [shapely.LineString([(0, 0), (300, 0)]), shapely.LineString([(300, 0), (150, 40), (0, 0)])]
    gpd.GeoDataFrame({"oneway": ["yes", "yes"]}, geometry=lines, crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    notes = Notes()
    assert read(tmp_path / "a.gpkg", notes, "EPSG:32651").access["drive"].tolist() == [F, F]
    assert "streets.twins" not in {note.code for note in notes.items}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([F, B, X])), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_twins_are_open_where_one_of_them_is(rows):
    """By hand: the directions of all lines between two points, whichever way each was drawn."""
    import tempfile  # noqa: PLC0415 - hypothesis runs the test many times in one fixture

    rows = [(a, b, flag) for a, b, flag in rows if a != b]
    if not rows:
        return
    at = [(0, 0), (100, 0), (100, 100), (0, 100), (50, 180), (-80, 50)]
    words = {F: "yes", B: "-1", X: "no"}
    with tempfile.TemporaryDirectory() as folder:
        lines = [shapely.LineString([at[a], at[b]]) for a, b, _ in rows]
        table = gpd.GeoDataFrame({"oneway": [words[flag] for *_, flag in rows]}, geometry=lines, crs="EPSG:32651")
        table.to_file(Path(folder) / "a.gpkg")
        streets = read(Path(folder) / "a.gpkg", crs="EPSG:32651")
    expected: dict[frozenset, set] = {}
    for a, b, flag in rows:
        ways = {(a, b)} if flag & F else set()
        ways |= {(b, a)} if flag & B else set()
        expected.setdefault(frozenset((a, b)), set()).update(ways)
    number = {xy: n for n, xy in enumerate(at)}
    got = {}
    for edge, flag in enumerate(streets.access["drive"].tolist()):
        ends = [number[tuple(streets.xy[row].tolist())] for row in (streets.first[edge], streets.first[edge + 1] - 1)]
        ways = ({tuple(ends)} if flag & F else set()) | ({tuple(ends[::-1])} if flag & B else set())
        assert frozenset(ends) not in got
        got[frozenset(ends)] = ways
    assert got == expected


# squares and platforms ---------------------------------------------------------------------------------------------

SQUARE = {1: (0, 0), 2: (2, 0), 3: (2, 2), 4: (0, 2), 5: (-2, 0), 6: (4, 2), 7: (0.5, 0.5), 8: (1.5, 0.5), 9: (1, 1.5)}


@pytest.mark.parametrize("tag", ["highway=pedestrian", "railway=platform", "highway=platform", "highway=footway"])
def test_a_square_that_is_a_relation_is_walked_along(tmp_path, tag):
    """From the street at its south-west to the one at its north-east: two sides of the square."""
    ways = {
        10: ([1, 2, 3], {}),
        11: ([3, 4, 1], {"source": "survey"}),
        12: ([7, 8, 9, 7], {}),
        13: ([5, 1], {"highway": "residential"}),
        14: ([3, 6], {"highway": "residential"}),
    }
    members = [("way", 10, "outer"), ("way", 11, "outer"), ("way", 12, "inner")]
    notes = Notes()
    path = write_osm(
        tmp_path / "a.osm", SQUARE, ways, {20: (members, {"type": "multipolygon", **dict([tag.split("=")])})}
    )
    network = make_network(read(path, notes))
    metres = (2 + 4 + 2) * MILLI_M
    assert seconds(network, (-2 * MILLI_M, 0), (4 * MILLI_M, 2 * MILLI_M)) == pytest.approx(metres / M_PER_S)
    assert {note.code: note.count for note in notes.items} == {"streets.outlines": 3}


def test_a_street_that_ends_at_a_hole_of_a_square_is_joined(tmp_path):
    """A pavilion with a door at its south-west corner, 0.5 of a side from the square's: 0.71 across, then along it."""
    ways = {
        10: ([1, 2, 3, 4, 1], {}),
        12: ([7, 8, 9, 7], {}),
        13: ([5, 1], {"highway": "residential"}),
        14: ([7, 10], {"highway": "footway"}),
    }
    members = [("way", 10, "outer"), ("way", 12, "inner")]
    relation = {20: (members, {"type": "multipolygon", "highway": "pedestrian"})}
    path = write_osm(tmp_path / "a.osm", {**SQUARE, 10: (0.7, 0.6)}, ways, relation)
    network = make_network(read(path))
    metres = (2 + np.hypot(0.5, 0.5) + np.hypot(0.2, 0.1)) * MILLI_M
    door = (0.7 * MILLI_M, 0.6 * MILLI_M)
    assert seconds(network, (-2 * MILLI_M, 0), door) == pytest.approx(metres / M_PER_S, rel=1e-6)


def test_an_outline_with_a_street_s_tags_keeps_them(tmp_path):
    ways = {10: ([1, 2, 3, 4, 1], {"highway": "steps"}), 13: ([5, 1], {"highway": "residential"})}
    relation = {20: ([("way", 10, "outer")], {"type": "multipolygon", "highway": "pedestrian"})}
    notes = Notes()
    streets = read(write_osm(tmp_path / "a.osm", SQUARE, ways, relation), notes)
    assert set(streets.road_classes) == {"steps", "residential"}
    assert not notes.items


def test_a_relation_of_another_kind_is_no_street(tmp_path):
    ways = {10: ([1, 2], {}), 13: ([5, 1], {"highway": "residential"})}
    relations = {20: ([("way", 10, "")], {"type": "route", "route": "bus", "highway": "x"}),
                 21: ([("way", 10, "outer")], {"type": "multipolygon", "landuse": "grass"})}  # fmt: skip
    assert len(read(write_osm(tmp_path / "a.osm", SQUARE, ways, relations)).u) == 1


@pytest.mark.parametrize("tags", [{"railway": "platform"}, {"highway": "elevator"}, {"public_transport": "platform"}])
def test_platforms_and_lifts_join_what_they_touch(tmp_path, tags):
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (3, 0)}
    ways = {10: ([1, 2], {"highway": "footway"}), 11: ([2, 3], tags), 12: ([3, 4], {"highway": "footway"})}
    network = make_network(read(write_osm(tmp_path / "a.osm", nodes, ways)))
    assert seconds(network, (0, 0), (3 * MILLI_M, 0)) == pytest.approx(3 * MILLI_M / M_PER_S)


# whole runs --------------------------------------------------------------------------------------------------------


def run(folder: Path, lines: list[dict], committees: dict, facility, requirements: str, **keys) -> pipeline.Outcome:
    """Compute a district of streets drawn in metres east and north of a corner, a facility and some committees."""
    x0, y0 = 350_000, 3_450_000
    shapes = [shapely.LineString([(x0 + x, y0 + y) for x, y in line.pop("xy")]) for line in lines]
    gpd.GeoDataFrame(pd.DataFrame(lines), geometry=shapes, crs="EPSG:32651").to_file(folder / "net.gpkg")
    rows = [
        {"committee_id": name, "kind": "residents", "town_id": "T", "zone": "u", "x": x0 + x, "y": y0 + y}
        for name, (x, y) in committees.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "committees.csv", index=False)
    place = {"facility_id": "F", "type": "a", "x": x0 + facility[0], "y": y0 + facility[1]}
    pd.DataFrame([place]).to_csv(folder / "facilities.csv", index=False)
    (folder / "own.toml").write_text(standard(requirements), encoding="utf-8")
    more = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    (folder / "config.toml").write_text(
        f"""
[run]
name = "x"
standard = "own.toml"
as_of = 2023
crs = "EPSG:32651"
[network]
source = "net.gpkg"
min_component_nodes = 1
{more}
[committees]
source = "committees.csv"
crs = "EPSG:32651"
[[facilities]]
source = "facilities.csv"
crs = "EPSG:32651"
type_column = "type"
covers = ["a"]
""",
        encoding="utf-8",
    )
    return pipeline.compute(load_config(folder / "config.toml"), out=folder / "out", progress=Quiet())


def verdict(folder: Path, committee: str = "C") -> pd.Series:
    rows = pd.read_csv(folder / "out" / "csv" / "verdicts.csv").set_index(["requirement_id", "committee_id"])
    return rows.sort_index().loc[("a.r", committee)]


WALK_15 = '{ id = "a.r", kind = "reach", type = "a", minutes = 15, mode = "MODE", headline = true, clause = "1" },'


def test_a_run_tells_who_passed_over_a_bridge(tmp_path):
    """The house stands 20 m from a bridge and 90 m from its street: 90 + 500 + 70 + 1,000 m, 1,494 s."""
    lines = [
        {"xy": [(0, 0), (1000, 0)], "highway": "residential", "bridge": "yes"},
        {"xy": [(0, 0), (0, -70)], "highway": "residential", "bridge": None},
        {"xy": [(0, -70), (500, -70)], "highway": "residential", "bridge": None},
        {"xy": [(1000, 0), (1000, 50)], "highway": "residential", "bridge": None},
    ]
    outcome = run(tmp_path, lines, {"C": (500, 20)}, (1000, 0), WALK_15.replace("MODE", "walk"))
    row = verdict(tmp_path)
    assert row["verdict"] == "fail"
    assert row["time_s"] == pytest.approx((90 + 500 + 70 + 1000) * 0.9, abs=0.01)
    notes = {note.code: note for note in outcome.notes.items}
    assert notes["committees.walk.cannot_board"].rows == ("C",)
    assert "up to 70 m farther away" in notes["committees.walk.cannot_board"].text


def test_a_run_with_a_district_s_own_rules(tmp_path):
    """An elevated road of one direction is a street for walkers by the world's rules, and none by China's."""
    lines = [
        {"xy": [(0, 0), (900, 0)], "highway": "trunk", "bridge": "yes", "oneway": "yes"},
        {"xy": [(0, 0), (0, 1000)], "highway": "residential", "bridge": None, "oneway": None},
        {"xy": [(0, 1000), (900, 1000)], "highway": "residential", "bridge": None, "oneway": None},
        {"xy": [(900, 1000), (900, 0)], "highway": "residential", "bridge": None, "oneway": None},
    ]
    asked = WALK_15.replace("MODE", "walk")
    run(tmp_path, [dict(line) for line in lines], {"C": (0, 0)}, (900, 0), asked)
    assert verdict(tmp_path)["verdict"] == "pass"
    outcome = run(tmp_path, lines, {"C": (0, 0)}, (900, 0), asked, access="cn")
    assert verdict(tmp_path)["time_s"] == pytest.approx(2900 * 0.9)
    manifest = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert {"access rules cn", "access rules cn, extends osm"} <= manifest["inputs"].keys()
    assert outcome


def test_a_changed_rules_file_is_a_changed_input(tmp_path):
    """The one street from the house to the facility is closed; on foot these are two pieces then."""
    lines = [
        {"xy": [(0, 0), (900, 0)], "highway": "primary"},
        {"xy": [(0, 0), (0, 50)], "highway": "residential"},
        {"xy": [(900, 0), (900, 50)], "highway": "residential"},
    ]
    own = tmp_path / "own-rules.toml"
    own.write_text('extends = "osm"\n', encoding="utf-8")
    asked = WALK_15.replace("MODE", "walk")
    run(tmp_path, [dict(line) for line in lines], {"C": (0, 0)}, (900, 0), asked, access="own-rules.toml")
    assert verdict(tmp_path)["verdict"] == "pass"
    own.write_text('extends = "osm"\n[classes]\nclosed_to_walk = ["primary"]\n', encoding="utf-8")
    run(tmp_path, lines, {"C": (0, 0)}, (900, 0), asked, access="own-rules.toml")
    assert verdict(tmp_path)["reason"] == "none_reachable"
