"""Access rules: what tags say by the shipped files, lists and words of any case, and a district's own file."""

from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.access_rules import load_rules, rules_paths
from circle15.inputs.osm_access import ACCESS_KEYS, Access, worldwide
from circle15.inputs.streets import read_streets
from circle15.inputs.tag_values import tag_text
from circle15.tables import BACKWARD, BOTH, FORWARD
from osm_kit import PLAIN, write_osm

WORLD, CHINA = worldwide(), Access(load_rules("cn"))
F, B, X = FORWARD, BACKWARD, BOTH
ALL, NONE = (True, True, True), (False, False, False)


def tags_of(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


def read(path: Path, notes: Notes | None = None, crs=PLAIN, **options):
    notes = Notes() if notes is None else notes
    return read_streets(path, crs, layer=None, source_crs=None, ferries=False, notes=notes, **options)


# where one may board -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "boards"),
    [
        ("highway=residential", ALL),
        ("highway=residential bridge=yes", NONE),
        ("highway=footway bridge=viaduct layer=1", NONE),
        ("highway=residential bridge=no", ALL),
        ("highway=residential bridge=F", ALL),  # as a shapefile writes it
        ("highway=residential bridge=T", NONE),
        ("highway=path bridge=boardwalk", ALL),
        ("highway=track bridge=low_water_crossing", ALL),
        ("highway=footway bridge=yes indoor=yes", ALL),  # a skywalk has doors
        ("highway=footway bridge=yes level=1", NONE),  # a footbridge that somebody gave a level
        ("highway=primary tunnel=yes layer=-1", NONE),
        ("highway=footway tunnel=yes", NONE),
        ("highway=footway tunnel=building_passage", ALL),
        ("highway=footway tunnel=yes level=-1", ALL),  # a concourse
        ("highway=footway tunnel=yes level=0", NONE),  # the ground, and what a table has in every row
        ("highway=footway tunnel=yes indoor=yes", ALL),
        ("highway=corridor tunnel=yes", ALL),
        ("highway=footway covered=yes layer=-1", ALL),
        ("highway=footway tunnel=no", ALL),
        ("highway=footway tunnel=building_passage;yes", NONE),  # of a list the strictest
        ("highway=motorway", NONE),
        ("highway=motorway_link", NONE),
        ("highway=trunk motorroad=yes", (True, True, False)),
        ("highway=primary;motorway", NONE),
        ("route=ferry", NONE),
        ("railway=platform", ALL),
        ("railway=platform layer=-2", NONE),
        ("highway=platform level=-1", NONE),
        ("public_transport=platform location=underground", NONE),
        ("highway=steps layer=-1", ALL),
    ],
)
def test_where_one_may_board(text, boards):
    assert WORLD.way(tags_of(text)).boards == boards


# who may pass ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("highway=residential access=No", (0, 0, 0)),
        ("highway=residential access=PRIVATE", (0, 0, 0)),
        ("highway=Residential foot=NO", (0, X, X)),
        ("highway=residential access=yes;no", (0, 0, 0)),
        ("highway=residential access=no;yes", (0, 0, 0)),
        ("highway=residential foot=no;designated", (0, X, X)),
        ("highway=residential foot=yes;maybe", (X, X, X)),  # the unknown word says nothing
        ("highway=motorway;residential", (0, 0, X & F)),
        ("highway=residential;footway", (X, 0, 0)),
        ("highway=construction;residential", (0, 0, 0)),
        # directions
        ("highway=steps conveying=forward", (F, 0, 0)),
        ("highway=steps conveying=backward", (B, 0, 0)),
        ("highway=steps conveying=reversible", (X, 0, 0)),
        ("highway=footway conveying=yes", (X, 0, 0)),
        ("highway=steps conveying=yes oneway=yes", (F, 0, 0)),
        ("highway=steps conveying=forward;yes", (F, 0, 0)),
        ("highway=steps conveying=forward;backward", (0, 0, 0)),
        ("highway=residential oneway=yes;no", (X, F, F)),
        ("highway=residential oneway=-1;yes", (X, 0, 0)),
        ("highway=footway oneway:foot=yes;no", (F, 0, 0)),
        ("highway=residential junction=roundabout;yes", (X, F, F)),
        ("highway=residential foot=no,yes", (0, X, X)),
        ("highway=residential foot=ｎｏ", (0, X, X)),
        ("highway=residential bicycle:backward=no", (X, F, X)),
        ("highway=residential bicycle:forward=no", (X, B, X)),
        ("highway=residential vehicle:backward=no", (X, F, F)),
        ("highway=residential vehicle:backward=no bicycle=yes", (X, X, F)),
        ("highway=residential motor_vehicle:forward=no", (X, X, B)),
        ("highway=residential oneway=yes bicycle:backward=yes", (X, X, F)),
        ("highway=residential oneway=yes vehicle:backward=yes", (X, F, F)),  # no mode's own tag
        ("highway=residential access:forward=no", (B, B, B)),
        ("highway=path foot:backward=private", (F, X, 0)),
        # what one could not enter before
        ("highway=elevator", (X, 0, 0)),
        ("highway=elevator bicycle=yes", (X, X, 0)),
        ("railway=platform", (X, 0, 0)),
        ("public_transport=platform foot=no", (0, 0, 0)),
    ],
)
def test_who_may_pass(text, flags):
    assert WORLD.way(tags_of(text)).flags == flags


@pytest.mark.parametrize(
    ("barrier", "passes"),
    [
        ("wall", (False, False, False)),
        ("fence", (False, False, False)),
        ("hedge", (False, False, False)),
        ("debris", (True, False, False)),
        ("chain", (True, True, False)),
        ("jersey_barrier", (True, True, False)),
        ("bus_trap", (True, True, False)),
        ("Bollard", (True, True, False)),
        ("gate", ALL),
        ("kerb", ALL),
        ("gate;wall", (False, False, False)),
    ],
)
def test_barriers(barrier, passes):
    assert WORLD.barrier_passes({"barrier": barrier}) == passes


def test_a_mode_s_own_tag_opens_a_barrier():
    assert WORLD.barrier_passes({"barrier": "wall", "foot": "yes"}) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "world", "china"),
    [
        ("highway=trunk", X, X),
        ("highway=trunk lanes=3 oneway=yes maxspeed=80", 0, 0),  # Las Palmas
        ("highway=trunk lanes=3 oneway=yes maxspeed=50", 0, 0),
        ("highway=trunk lanes=3", X, X),  # one and a half a direction
        ("highway=trunk lanes=6", 0, 0),
        ("highway=trunk lanes=2;3 oneway=yes", 0, 0),  # of a list the most
        ("highway=trunk maxspeed=80 oneway=yes", 0, 0),
        ("highway=trunk maxspeed=80", X, 0),  # a country road of two lanes
        ("highway=trunk maxspeed=100 lanes=2", X, 0),
        ("highway=trunk maxspeed=100 lanes=4", 0, 0),
        ("highway=trunk maxspeed=50mph lanes=4", 0, 0),  # 80.5 km/h
        ("highway=trunk maxspeed=45mph lanes=4", X, X),  # 72.4 km/h
        ("highway=trunk maxspeed=80km/h lanes=4", 0, 0),
        ("highway=trunk maxspeed=80kmh lanes=4", 0, 0),
        ("highway=trunk maxspeed=CN:urban lanes=4", X, X),
        ("highway=trunk maxspeed=79 oneway=yes", X, X),
        ("highway=trunk_link maxspeed=80 oneway=yes", 0, 0),
        ("highway=trunk expressway=yes", 0, 0),
        ("highway=trunk maxspeed=80 oneway=yes sidewalk=both", X, X),
        ("highway=trunk maxspeed=80 oneway=yes sidewalk=separate", 0, 0),  # another line is the pavement
        ("highway=trunk maxspeed=80 oneway=yes sidewalk=no", 0, 0),
        ("highway=trunk maxspeed=80 oneway=yes cycleway:right=lane", X, X),
        ("highway=trunk maxspeed=80 oneway=yes foot=yes", X, X),
        ("highway=trunk maxspeed=80 oneway=yes access=yes", 0, 0),
        ("highway=trunk bridge=yes oneway=yes", X, 0),  # an elevated road
        ("highway=trunk bridge=yes", X, X),
        ("highway=trunk tunnel=yes oneway=yes", X, 0),
        ("highway=primary lanes=6 maxspeed=80", X, X),
        ("highway=trunk motorroad=yes", 0, 0),
    ],
)
def test_fast_roads_on_foot(text, world, china):
    for access, expected in ((WORLD, world), (CHINA, china)):
        way = access.way(tags_of(text))
        assert way.flags[0] == expected
        assert way.flags[2], "cars go on"


def test_unknown_words_are_named_once_with_a_known_one_beside():
    tags = {"highway": "path", "access": "yes;Tuesday", "foot": "no", "bicycle:forward": "ja", "oneway": "backward"}
    assert WORLD.unknown_values(tags) == ["access=yes;Tuesday", "bicycle:forward=ja", "oneway=backward"]


VALUES = st.sampled_from(["yes", "no", "private", "designated", "destination", "maybe"])


@given(st.sampled_from(sorted(WORLD.known_classes)), st.dictionaries(st.sampled_from(ACCESS_KEYS), VALUES), VALUES)
def test_one_more_value_in_a_list_never_opens_what_one_closes(highway, tags, more):
    for key, value in tags.items():
        alone = WORLD.way({**tags, "highway": highway})
        both = WORLD.way({**tags, "highway": highway, key: f"{value};{more}"})
        other = WORLD.way({**tags, "highway": highway, key: f"{more};{value}"})
        assert both == other
        if "maybe" not in (value, more):
            assert all(b & ~a == 0 for a, b in zip(alone.flags, both.flags, strict=True))


# a file of one's own -----------------------------------------------------------------------------------------------


def own(folder: Path, text: str, name: str = "own.toml") -> Access:
    (folder / name).write_text(text, encoding="utf-8")
    return Access(load_rules(name, folder))


def test_an_own_file_changes_what_it_names_and_nothing_else(tmp_path):
    access = own(tmp_path, 'extends = "osm"\n[classes]\nclosed_to_walk = ["motorway", "primary"]\n')
    assert access.way({"highway": "primary"}).flags == (0, X, X)
    assert access.way({"highway": "busway"}).flags[0] == X  # no longer closed by its class
    assert access.way({"highway": "busway", "foot": "no"}).flags[0] == 0
    assert access.way({"highway": "construction"}).flags == (0, 0, 0)


def test_capitals_of_an_own_file_say_the_same(tmp_path):
    access = own(tmp_path, 'extends = "osm"\n[classes]\nclosed_to_walk = ["Primary "]\n')
    assert access.way({"highway": "primary"}).flags == (0, X, X)


def test_own_files_extend_one_another_and_all_are_named(tmp_path):
    own(tmp_path, 'extends = "cn"\n[barriers]\nclosed_to_all = []\n', "base.toml")
    access = own(tmp_path, 'extends = "base.toml"\n[fast_roads.trunk]\nclasses = ["trunk", "primary"]\n')
    assert access.barrier_passes({"barrier": "wall"}) == ALL
    assert access.way({"highway": "primary", "maxspeed": "80"}).flags[0] == 0  # cn's condition on more classes
    assert [path.name for path in rules_paths("own.toml", tmp_path)] == ["own.toml", "base.toml", "cn.toml", "osm.toml"]


def test_an_own_tag_of_a_fast_road_is_read(tmp_path):
    rule = 'extends = "osm"\n[fast_roads.x]\nclasses = ["primary"]\nany = [{ tags = { "wall:by" = ["yes"] } }]\n'
    access = own(tmp_path, rule)
    assert access.way({"highway": "primary", "wall:by": "yes"}).flags == (0, 0, X)
    assert access.way({"highway": "primary"}).flags == (X, X, X)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('extends = "osmm"\n', 'no access rules "osmm".*Did you mean "osm"'),
        ('extends = "own.toml"\n', "extends itself"),
        ("extends = 3\n", "extends has to be the name"),
        ('extends = "osm"\n[class]\nnobody = []\n', 'unknown key "class"'),
        ('extends = "osm"\n[classes]\nnobody = "x"\n', "classes.nobody"),
        ('[values]\nopen = ["yes"]\n', '"classes" is missing'),
        ('extends = "osm"\n[fast_roads.trunk]\nany = [{ kmh = -1 }]\n', "fast_roads.trunk.any"),
        ('extends = "absent.toml"\n', "no such file"),
        ('extends = "osm"\n[fast_roads.trunk]\nany = [{}]\n', "asks for nothing"),
        ('extends = "osm"\n[values]\nopen = ["yes", "no"]\n', "no: a word is either open or closed"),
        ('extends = "osm"\n[values]\nresidents = ["owner"]\n', "owner: words for residents"),
        ("extends =\n", "not valid TOML"),
    ],
)
def test_wrong_files_are_told(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        own(tmp_path, text)


# one reading for every format ---------------------------------------------------------------------------------------


def line_layer(folder: Path, columns: dict) -> Path:
    line = shapely.LineString([(0, 0), (100, 0)])
    path = folder / "net.gpkg"
    gpd.GeoDataFrame({key: [value, None] for key, value in columns.items()}, geometry=[line, shapely.LineString(
        [(100, 0), (200, 0)])], crs="EPSG:32651").to_file(path)  # fmt: skip
    return path


def graph(folder: Path, tags: dict, crs="EPSG:32651", nodes=((0.0, 0.0), (100.0, 0.0)), line=None) -> Path:
    made = nx.MultiDiGraph(crs=crs)
    for number, (x, y) in enumerate(nodes):
        made.add_node(number, x=x, y=y)
    shape = {"geometry": line} if line is not None else {}
    made.add_edge(0, 1, osmid=1, length=1.0, **tags, **shape)
    made.add_edge(1, 0, osmid=1, length=1.0, **tags, **({"geometry": line.reverse()} if line is not None else {}))
    path = folder / "net.graphml"
    osmnx.save_graphml(made, path)
    return path


def osm(folder: Path, tags: dict) -> Path:
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0)}
    return write_osm(folder / "net.osm", nodes, {10: ([1, 2], tags), 11: ([2, 3], {"highway": "residential"})})


@pytest.mark.parametrize("value", ["No", "NO ", "yes;no", "private", "no;maybe"])
def test_the_same_words_close_the_same_street_in_every_format(tmp_path, value):
    tags = {"highway": "residential", "foot": value}
    for path, crs in ((osm(tmp_path, tags), PLAIN), (line_layer(tmp_path, tags), "EPSG:32651")):
        assert sorted(read(path, crs=crs).access["walk"].tolist()) == [0, X]
    streets = read(graph(tmp_path, tags), crs="EPSG:32651")
    assert streets.access["walk"].tolist() == [0]
    assert streets.access["cycle"].tolist() == [X]


@pytest.mark.parametrize("order", [["private", "yes"], ["yes", "private"]])
def test_a_list_closes_in_either_order_in_every_format(tmp_path, order):
    layer = line_layer(tmp_path, {"highway": "residential", "access": str(order)})
    assert read(layer, crs="EPSG:32651").access["walk"].tolist() == [X]  # the other street
    parquet = tmp_path / "net.parquet"
    table = gpd.read_file(layer)
    table["access"] = [order, []]  # a column of lists
    table.to_parquet(parquet)
    assert read(parquet, crs="EPSG:32651").access["walk"].tolist() == [X]
    with pytest.raises(InputError, match="no street is open"):
        read(graph(tmp_path, {"highway": "residential", "access": order}), crs="EPSG:32651")


def test_a_list_of_classes_in_a_line_layer(tmp_path):
    notes = Notes()
    path = line_layer(tmp_path, {"highway": "['motorway', 'motorway_link']"})
    streets = read(path, notes, "EPSG:32651")
    assert sorted(streets.access["walk"].tolist()) == [0, X]
    assert "streets.unknown_class" not in {note.code for note in notes.items}


def test_unknown_words_are_noted_with_their_rows_in_every_format(tmp_path):
    tags = {"highway": "residential", "foot": "Jein"}
    shown = {}
    for path, crs in ((osm(tmp_path, tags), PLAIN), (line_layer(tmp_path, tags), "EPSG:32651"),
                      (graph(tmp_path, tags), "EPSG:32651")):  # fmt: skip
        notes = Notes()
        read(path, notes, crs)
        [note] = [note for note in notes.items if note.code == "streets.unknown_access"]
        assert note.count == 1
        shown[path.suffix] = note.rows
    assert shown == {".osm": ("foot=Jein (1: w10)",), ".gpkg": ("foot=Jein (1: row 1)",),
                     ".graphml": ("foot=Jein (1: edge 0–1)",)}  # fmt: skip


def test_closed_streets_of_a_graph_are_counted(tmp_path):
    made = nx.MultiDiGraph(crs="EPSG:32651")
    for number in range(3):
        made.add_node(number, x=100.0 * number, y=0.0)
    made.add_edge(0, 1, osmid=1, highway="residential")
    made.add_edge(1, 2, osmid=2, highway="residential", access="private")
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    notes = Notes()
    read(tmp_path / "net.graphml", notes, "EPSG:32651")
    assert [note.count for note in notes.items if note.code == "streets.closed"] == [1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["yes", "no"], "yes;no"), (("a",), "a"), (np.array(["no", "yes"]), "no;yes"), ("['yes', nan]", "yes"),
        ('["a", "b"]', "a;b"), ("{'a'}", "a"), (1.0, "1"), (True, "yes"), (None, ""), (float("nan"), ""), ("nan", ""),
        ("['no' 'yes']", "no;yes"), ("None", ""), ("none", "none"), (" No ", "No"), ("[]", ""),
        ("[__import__('os')]", "__import__('os')"),
        ("['a', ['b', 2.0]]", "a;b;2"), (2, "2"),
    ],
)  # fmt: skip
def test_cells_as_tags(value, text):
    assert tag_text(value) == text


# graphs that are drawn elsewhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "crs",
    ["{'init': 'epsg:32651'}", '{"init": "epsg:32651"}', "epsg:32651", "{'init': 'epsg:32651', 'no_defs': True}",
     "{'proj': 'utm', 'zone': 51, 'datum': 'WGS84', 'units': 'm'}", "+init=epsg:32651 +type=crs"],
)  # fmt: skip
def test_a_crs_as_older_versions_of_osmnx_write_it(tmp_path, crs):
    streets = read(graph(tmp_path, {"highway": "path"}, crs), crs="EPSG:32651")
    assert np.ptp(streets.xy[:, 0]) == 100


def test_an_unknown_crs_of_a_graph_is_a_fault_of_the_file(tmp_path):
    with pytest.raises(InputError, match=r"no known one.*\[network\] crs"):
        read(graph(tmp_path, {"highway": "path"}, "{'init': 'esri:nowhere'}"), crs="EPSG:32651")


@pytest.mark.parametrize("shift", [(0.0, 40.0), (500.0, 0.0), (40_000_000.0, 0.0)])
def test_edges_drawn_elsewhere_than_their_nodes_are_refused(tmp_path, shift):
    line = shapely.LineString([(shift[0], shift[1]), (50 + shift[0], shift[1]), (100 + shift[0], shift[1])])
    with pytest.raises(InputError, match=r"1 of 1 edges are drawn elsewhere.*0–1"):
        read(graph(tmp_path, {"highway": "path"}, line=line), crs="EPSG:32651")


def test_a_small_gap_at_a_node_is_bridged(tmp_path):
    """20 m from the node to the line, 60 m along it, 20 m to the other node."""
    line = shapely.LineString([(20, 0), (80, 0)])
    streets = read(graph(tmp_path, {"highway": "path"}, line=line), crs="EPSG:32651")
    assert shapely.LineString(streets.xy).length == pytest.approx(100)


def test_edges_without_their_shape_are_told(tmp_path):
    """Saved as 1,500 m long and drawn as a straight line of 100 m."""
    made = nx.MultiDiGraph(crs="EPSG:32651")
    made.add_node(0, x=0.0, y=0.0)
    made.add_node(1, x=100.0, y=0.0)
    made.add_edge(0, 1, osmid=1, length=1500.0, highway="path")
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    notes = Notes()
    read(tmp_path / "net.graphml", notes, "EPSG:32651")
    [note] = [note for note in notes.items if note.code == "streets.shapes_lost"]
    assert note.count == 1
    assert "up to 1,400 m" in note.text


def test_a_wall_at_a_node_of_a_graph_closes_it(tmp_path):
    made = nx.MultiDiGraph(crs="EPSG:32651")
    for number in range(3):
        made.add_node(number, x=100.0 * number, y=0.0, **({"barrier": "wall"} if number == 1 else {}))
    for tail, head in ((0, 1), (1, 0), (1, 2), (2, 1)):
        made.add_edge(tail, head, osmid=1, highway="path")
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    streets = read(tmp_path / "net.graphml", crs="EPSG:32651")
    ways = nx.Graph(zip(*(ends[streets.access["walk"] > 0].tolist() for ends in (streets.u, streets.v)), strict=True))
    assert nx.number_connected_components(ways) == 2


@pytest.mark.parametrize("start", [0, 1, None])
def test_one_way_streets_of_a_graph_without_directions(tmp_path, start):
    """osmnx keeps where an edge began; without that nothing tells the direction."""
    made = nx.MultiGraph(crs="EPSG:32651")
    made.add_node(0, x=0.0, y=0.0)
    made.add_node(1, x=100.0, y=0.0)
    ends = {} if start is None else {"from": start, "to": 1 - start}
    made.add_edge(0, 1, osmid=1, highway="primary", oneway=True, **ends)
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    if start is None:
        with pytest.raises(InputError, match="the graph has no directions"):
            read(tmp_path / "net.graphml", crs="EPSG:32651")
        return
    streets = read(tmp_path / "net.graphml", crs="EPSG:32651")
    drawn_from_west = streets.xy[0, 0] == 0
    assert streets.access["drive"].tolist() == [F if drawn_from_west == (start == 0) else B]
    assert streets.access["walk"].tolist() == [X]


def test_one_way_on_foot_in_a_graph(tmp_path):
    streets = read(graph(tmp_path, {"highway": "steps", "oneway:foot": "yes", "reversed": False}), crs="EPSG:32651")
    # both edges say that they run with the way, so it is open in both directions, each by its own edge
    assert streets.access["walk"].tolist() == [X]
    made = nx.MultiDiGraph(crs="EPSG:32651")
    made.add_node(0, x=0.0, y=0.0)
    made.add_node(1, x=100.0, y=0.0)
    made.add_edge(0, 1, osmid=1, highway="steps", **{"oneway:foot": "yes"})
    osmnx.save_graphml(made, tmp_path / "one.graphml")
    assert read(tmp_path / "one.graphml", crs="EPSG:32651").access["walk"].tolist() == [F]


def test_rows_of_a_layer_that_run_against_their_way(tmp_path):
    """An escalator as osmnx saves its edges: a row each way, one of them reversed."""
    lines = [shapely.LineString([(0, 0), (100, 0)]), shapely.LineString([(100, 0), (0, 0)])]
    table = {"highway": "steps", "conveying": "forward", "reversed": [False, True]}
    gpd.GeoDataFrame(table, geometry=lines, crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    streets = read(tmp_path / "a.gpkg", crs="EPSG:32651")
    assert streets.access["walk"].tolist() == [F]
    assert streets.xy[0].tolist() == [0, 0]


def test_ferries_of_a_layer_are_streets_only_if_asked_and_timed(tmp_path):
    """2,000 m in 10 minutes are 12 km/h."""
    lines = [shapely.LineString([(0, 0), (100, 0)]), *[shapely.LineString([(100, 0), (2100, y)]) for y in (0, 50)]]
    table = {"highway": ["path", None, None], "route": [None, "ferry", "ferry"], "duration": [None, "00:10", None]}
    gpd.GeoDataFrame(table, geometry=lines, crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    counts = {}
    for asked in (False, True):
        notes = Notes()
        options = {"layer": None, "source_crs": None, "ferries": asked}
        streets = read_streets(tmp_path / "a.gpkg", "EPSG:32651", notes=notes, **options)
        counts[asked] = {note.code: note.count for note in notes.items if "ferries" in note.code}
        speeds = streets.speed_kmh[~np.isnan(streets.speed_kmh)]
        assert speeds.tolist() == ([pytest.approx(12)] if asked else [])
        assert not any(flags[~np.isnan(streets.speed_kmh)].any() for flags in streets.boards.values())
    assert counts == {False: {"streets.ferries": 2}, True: {"streets.ferries_without_duration": 1}}


def test_ferries_of_a_graph_are_left_out_and_told(tmp_path):
    made = nx.MultiDiGraph(crs="EPSG:32651")
    for number in range(3):
        made.add_node(number, x=100.0 * number, y=0.0)
    made.add_edge(0, 1, osmid=1, highway="path")
    made.add_edge(1, 2, osmid=2, route="ferry", duration="00:10")
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    notes = Notes()
    assert len(read(tmp_path / "net.graphml", notes, "EPSG:32651").u) == 1
    assert [note.rows for note in notes.items if note.code == "streets.ferries"] == [("edge 1–2",)]


def test_what_an_osm_file_says_that_no_rule_knows(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0)}
    ways = {10: ([1, 2], {"highway": "skyway"}), 11: ([2, 3], {"highway": "residential"})}
    path = write_osm(tmp_path / "a.osm", nodes, ways, node_tags={2: {"barrier": "gate", "access": "members_only"}})
    notes = Notes()
    read(path, notes)
    told = {note.code: note for note in notes.items}
    assert "skyway (1)" in told["streets.unknown_class"].text
    assert told["streets.unknown_access"].rows == ("access=members_only (1: n2)",)


def test_a_file_all_of_whose_streets_are_closed_says_so(tmp_path):
    with pytest.raises(InputError, match=r"all of 1 way with a highway tag are closed.*\[network\] access"):
        read(write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (1, 0)}, {10: ([1, 2], {"highway": "construction"})}))


@pytest.mark.parametrize(("old", "new"), [('lat="0.0000000"', 'lat="abc"'), ('ref="1"', 'ref="x"'),
                                          ('version="1"', 'version="one"')])  # fmt: skip
def test_malformed_osm_xml_is_a_fault_of_the_file(tmp_path, old, new):
    path = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (1, 0)}, {10: ([1, 2], {"highway": "residential"})})
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as OSM data"):
        read(path)


def test_an_escalator_in_a_graph_runs_in_its_way_s_direction(tmp_path):
    made = nx.MultiDiGraph(crs="EPSG:32651")
    made.add_node(0, x=0.0, y=0.0)
    made.add_node(1, x=100.0, y=0.0)
    for tail, head, turned in ((0, 1, True), (1, 0, False)):  # the way was drawn from 1 to 0
        made.add_edge(tail, head, osmid=1, highway="steps", conveying="forward", reversed=turned)
    osmnx.save_graphml(made, tmp_path / "net.graphml")
    streets = read(tmp_path / "net.graphml", crs="EPSG:32651")
    from_east = streets.xy[0, 0] == 100
    assert streets.access["walk"].tolist() == [F if from_east else B]
