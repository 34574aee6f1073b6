"""Reading street networks: splitting, access rules, barriers, ferries, GraphML, line layers, broken files."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import InputError, Notes
from circle15.inputs import osm_access, segments
from circle15.inputs.street_layers import merge_points
from circle15.inputs.streets import read_streets
from circle15.tables import BACKWARD, BOTH, FORWARD, MODES, Streets
from osm_kit import DEGREE_M, MILLI_M, PLAIN, write_osm, write_pbf

DATA = Path(__file__).parents[2] / "shared" / "data"
ROAD = {"highway": "residential"}
F, B, X = FORWARD, BACKWARD, BOTH


def read(path, notes=None, crs=PLAIN, layer=None, source_crs=None, ferries=False) -> Streets:
    return read_streets(
        path, crs, layer=layer, source_crs=source_crs, ferries=ferries, notes=notes if notes is not None else Notes()
    )


def lengths(streets: Streets) -> np.ndarray:
    """Edge lengths by shapely, edge by edge."""
    return np.array([shapely.LineString(streets.xy[a:b]).length for a, b in pairwise(streets.first)])


def pieces(streets: Streets, mode: str) -> int:
    """Number of connected components among the streets that a mode may use."""
    graph = nx.Graph()
    used = streets.access[mode] > 0
    graph.add_edges_from(zip(streets.u[used].tolist(), streets.v[used].tolist(), strict=True))
    return nx.number_connected_components(graph)


def codes(notes: Notes) -> dict[str, int]:
    return {note.code: note.count for note in notes.items}


def check_contract(streets: Streets) -> None:
    """Everything that `tables.Streets` promises."""
    edges = len(streets.u)
    assert streets.u.dtype == np.int32
    assert streets.first.dtype == np.int64
    assert streets.first[0] == 0
    assert streets.first[-1] == len(streets.xy)
    assert (np.diff(streets.first) >= 2).all()
    assert (streets.node_xy[streets.u] == streets.xy[streets.first[:-1]]).all()
    assert (streets.node_xy[streets.v] == streets.xy[streets.first[1:] - 1]).all()
    assert set(streets.access) == set(MODES)
    assert all(flags.dtype == np.uint8 and flags.shape == (edges,) for flags in streets.access.values())
    assert np.stack(list(streets.access.values())).max(axis=0).min() > 0
    assert set(np.unique(np.r_[streets.u, streets.v])) == set(range(len(streets.node_xy)))
    assert streets.road_class.dtype == np.int16
    assert streets.road_class.max() < len(streets.road_classes)
    assert (lengths(streets) > 0).all()


# splitting ---------------------------------------------------------------------------------------------------------

CROSS = {1: (0, 1), 2: (1, 1), 3: (2, 1), 4: (1, 0), 5: (1, 3)}


def test_streets_are_cut_where_they_share_a_node(tmp_path):
    streets = read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 2, 3], ROAD), 11: ([4, 2, 5], ROAD)}))
    check_contract(streets)
    assert len(streets.node_xy) == 5
    assert lengths(streets) == pytest.approx([MILLI_M, MILLI_M, MILLI_M, 2 * MILLI_M], rel=1e-9)
    assert np.bincount(np.r_[streets.u, streets.v]).max() == 4


def test_a_bridge_without_shared_node_is_no_crossing(tmp_path):
    streets = read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 3], ROAD), 11: ([4, 5], ROAD)}))
    assert len(streets.u) == 2
    assert pieces(streets, "walk") == 2


def test_vertices_of_one_street_alone_do_not_cut_it(tmp_path):
    streets = read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 2, 5], ROAD)}))
    assert len(streets.u) == 1
    assert streets.xy == pytest.approx(np.array([[0, 1], [1, 1], [1, 3]]) * MILLI_M)


def test_a_way_that_meets_itself_is_cut_there(tmp_path):
    # 1-2-3-5-2: a lollipop; the loop 2-3-5-2 starts and ends at node 2.
    streets = read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 2, 3, 5, 2], ROAD)}))
    check_contract(streets)
    assert len(streets.u) == 2
    assert (streets.u == streets.v).tolist() == [False, True]
    assert lengths(streets) == pytest.approx(np.array([1, 1 + 5**0.5 + 2]) * MILLI_M)


def test_a_closed_way_is_one_loop(tmp_path):
    streets = read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 2, 4, 1], {**ROAD, "area": "yes"})}))
    assert (streets.u == streets.v).tolist() == [True]


def test_a_street_without_length_joins_its_ends(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0), 3: (1, 0), 4: (2, 0)}
    notes = Notes()
    streets = read(
        write_osm(tmp_path / "a.osm", nodes, {10: ([1, 2], ROAD), 11: ([2, 3], ROAD), 12: ([3, 4], ROAD)}), notes
    )
    check_contract(streets)
    assert len(streets.u) == 2
    assert pieces(streets, "walk") == 1
    assert codes(notes)["streets.zero_length"] == 1


def test_nodes_at_one_place_that_no_street_joins_stay_apart(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0), 3: (1, 0), 4: (2, 0)}
    streets = read(write_osm(tmp_path / "a.osm", nodes, {10: ([1, 2], ROAD), 12: ([3, 4], ROAD)}))
    assert pieces(streets, "walk") == 2


def test_missing_nodes_cut_a_street_and_are_counted(tmp_path):
    nodes = {n: (n, 0) for n in (1, 2, 4, 5, 7)}
    notes = Notes()
    streets = read(write_osm(tmp_path / "a.osm", nodes, {10: ([1, 2, 3, 4, 5, 6, 7], ROAD)}), notes)
    assert sorted(map(tuple, (streets.xy / MILLI_M).round(6).tolist())) == [(1, 0), (2, 0), (4, 0), (5, 0)]
    assert pieces(streets, "walk") == 2
    assert codes(notes)["streets.missing_nodes"] == 2
    assert notes.items[0].rows == ("w10",)


def test_streets_with_one_node_are_left_out_and_counted(tmp_path):
    notes = Notes()
    ways = {10: ([1, 2], ROAD), 11: ([3], ROAD), 12: ([3, 3], ROAD), 13: ([], ROAD)}
    streets = read(write_osm(tmp_path / "a.osm", CROSS, ways), notes)
    assert len(streets.u) == 1
    assert codes(notes)["streets.too_short"] == 3


def test_only_streets_open_to_someone_are_kept(tmp_path):
    notes = Notes()
    ways = {10: ([1, 2], ROAD), 11: ([2, 3], {**ROAD, "access": "no"}), 12: ([4, 2], {"highway": "construction"})}
    streets = read(write_osm(tmp_path / "a.osm", CROSS, ways), notes)
    assert len(streets.u) == 1
    assert codes(notes)["streets.closed"] == 2


def test_pbf_bz2_gz_and_xml_read_alike(tmp_path):
    ways = {10: ([1, 2, 3], {"highway": "primary", "oneway": "yes"}), 11: ([4, 2, 5], ROAD)}
    xml = read(write_osm(tmp_path / "a.osm", CROSS, ways))
    pbf = read(write_pbf(tmp_path / "a.osm.pbf", CROSS, ways))
    zipped = tmp_path / "a.osm.gz"
    zipped.write_bytes(gzip.compress((tmp_path / "a.osm").read_bytes()))
    for other in (pbf, read(zipped)):
        assert (other.xy == xml.xy).all()
        assert (other.u == xml.u).all()
        assert other.road_classes == ("primary", "residential")
        assert [a.tolist() for a in other.access.values()] == [[X, X, X, X], [F, F, X, X], [F, F, X, X]]


@given(st.lists(st.lists(st.integers(1, 16), min_size=2, max_size=6), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_length_and_connection_survive_the_splitting(tmp_path_factory, walks):
    nodes = {n: ((n - 1) % 4, (n - 1) // 4) for n in range(1, 17)}
    steps = [(a, b) for walk in walks for a, b in pairwise(walk) if a != b]
    path = write_osm(tmp_path_factory.mktemp("h") / "a.osm", nodes, {i + 1: (w, ROAD) for i, w in enumerate(walks)})
    if not steps:
        with pytest.raises(InputError):
            read(path)
        return
    streets = read(path)
    check_contract(streets)
    once = {frozenset(step) for step in steps}  # what lies on one another is one street
    long = sum(np.hypot(nodes[a][0] - nodes[b][0], nodes[a][1] - nodes[b][1]) for a, b in once) * MILLI_M
    assert lengths(streets).sum() == pytest.approx(long, rel=1e-9)
    assert pieces(streets, "walk") == nx.number_connected_components(nx.Graph(steps))


# access rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "walk", "cycle", "drive"),
    [
        ("highway=residential", X, X, X),
        ("highway=unclassified;tertiary", X, X, X),
        ("highway=construction", 0, 0, 0),
        ("highway=proposed foot=yes", 0, 0, 0),
        ("highway=abandoned", 0, 0, 0),
        ("highway=razed", 0, 0, 0),
        ("highway=platform", X, 0, 0),
        ("highway=motorway", 0, 0, F),
        ("highway=motorway oneway=no", 0, 0, X),
        ("highway=motorway_link", 0, 0, X),
        ("highway=motorway access=yes", 0, 0, F),
        ("highway=motorway bicycle=yes", 0, F | B, F),
        ("highway=trunk", X, X, X),
        ("highway=trunk motorroad=yes", 0, 0, X),
        ("highway=trunk motorroad=yes foot=yes", X, 0, X),
        ("highway=trunk foot=no", 0, X, X),
        ("highway=busway", 0, 0, 0),
        ("highway=bus_guideway", 0, 0, 0),
        ("highway=raceway", 0, 0, 0),
        ("highway=residential foot=no", 0, X, X),
        ("highway=residential foot=private", 0, X, X),
        ("highway=residential foot=use_sidepath", 0, X, X),
        ("highway=residential bicycle=use_sidepath", X, 0, X),
        ("highway=residential bicycle=dismount", X, 0, X),
        ("highway=footway", X, 0, 0),
        ("highway=footway access=yes", X, 0, 0),
        ("highway=footway bicycle=yes", X, X, 0),
        ("highway=pedestrian bicycle=permissive", X, X, 0),
        ("highway=pedestrian motor_vehicle=delivery", X, 0, 0),
        ("highway=corridor", X, 0, 0),
        ("highway=bridleway", X, 0, 0),
        ("highway=bridleway bicycle=yes", X, X, 0),
        ("highway=steps", X, 0, 0),
        ("highway=steps bicycle=yes", X, X, 0),
        ("highway=steps bicycle=designated", X, X, 0),
        ("highway=steps bicycle=permissive", X, 0, 0),
        ("highway=cycleway", X, X, 0),
        ("highway=cycleway foot=no", 0, X, 0),
        ("highway=path", X, X, 0),
        ("highway=path motor_vehicle=yes", X, X, X),
        ("highway=track", X, X, 0),
        ("highway=track motorcar=designated", X, X, X),
        ("highway=track motor_vehicle=agricultural", X, X, 0),
        ("highway=track vehicle=no", X, 0, 0),
        ("highway=service", X, X, X),
        ("highway=living_street", X, X, X),
        ("highway=road", X, X, X),
        ("highway=residential access=no", 0, 0, 0),
        ("highway=residential access=private", 0, 0, 0),
        ("highway=residential access=agricultural", 0, 0, 0),
        ("highway=residential access=forestry", 0, 0, 0),
        ("highway=residential access=delivery", 0, 0, 0),
        ("highway=residential access=military", 0, 0, 0),
        ("highway=residential access=destination", X, X, X),
        ("highway=residential access=customers", X, X, X),
        ("highway=residential access=private foot=yes", X, 0, 0),
        ("highway=residential access=private foot=permissive bicycle=designated", X, X, 0),
        ("highway=residential access=no vehicle=destination", 0, X, X),
        ("highway=residential access=no motorcar=official", 0, 0, X),
        ("highway=residential motor_vehicle=no", X, X, 0),
        ("highway=residential motor_vehicle=no motorcar=yes", X, X, X),
        ("highway=residential vehicle=no bicycle=yes", X, X, 0),
        ("highway=residential access=some_nonsense", X, X, X),
        ("highway=residential access=no foot=some_nonsense", 0, 0, 0),
        ("highway=residential oneway=yes", X, F, F),
        ("highway=residential oneway=true", X, F, F),
        ("highway=residential oneway=1", X, F, F),
        ("highway=residential oneway=-1", X, B, B),
        ("highway=residential oneway=reverse", X, B, B),
        ("highway=residential oneway=no", X, X, X),
        ("highway=residential oneway=yes oneway:bicycle=no", X, X, F),
        ("highway=residential oneway=yes cycleway=opposite", X, X, F),
        ("highway=residential oneway=yes cycleway=opposite_lane", X, X, F),
        ("highway=residential oneway=yes cycleway:left=opposite_track", X, X, F),
        ("highway=residential oneway=yes cycleway:right=lane", X, F, F),
        ("highway=residential oneway=yes cycleway:left:oneway=-1", X, X, F),
        ("highway=residential oneway=yes cycleway:right:oneway=no", X, X, F),
        ("highway=residential oneway=yes cycleway:both:oneway=no", X, X, F),
        ("highway=residential oneway:bicycle=yes", X, F, X),
        ("highway=residential oneway=yes oneway:foot=yes", F, F, F),
        ("highway=footway oneway:foot=-1", B, 0, 0),
        ("highway=footway foot:backward=no", F, 0, 0),
        ("highway=footway foot:forward=no", B, 0, 0),
        ("highway=primary junction=roundabout", X, F, F),
        ("highway=primary junction=circular", X, F, F),
        ("highway=primary junction=roundabout oneway=no", X, X, X),
        ("route=ferry", X, X, 0),
        ("route=ferry motor_vehicle=yes", X, X, X),
        ("route=ferry foot=no motorcar=yes oneway=yes", 0, F, F),
        ("route=ferry access=private", 0, 0, 0),
    ],
)
def test_access_rules(tags, walk, cycle, drive):
    assert osm_access.worldwide().way(dict(pair.split("=", 1) for pair in tags.split())).flags == (walk, cycle, drive)


@pytest.mark.parametrize(
    ("tags", "passes"),
    [
        ("barrier=gate", (True, True, True)),
        ("barrier=gate locked=yes", (False, False, False)),
        ("barrier=gate access=no", (False, False, False)),
        ("barrier=lift_gate access=private", (False, False, False)),
        ("barrier=lift_gate access=private foot=yes", (True, False, False)),
        ("barrier=gate locked=yes bicycle=designated", (False, True, False)),
        ("barrier=bollard", (True, True, False)),
        ("barrier=bollard motor_vehicle=yes", (True, True, True)),
        ("barrier=cycle_barrier", (True, True, False)),
        ("barrier=cycle_barrier bicycle=no", (True, False, False)),
        ("barrier=stile", (True, False, False)),
        ("barrier=toll_booth", (True, True, True)),
    ],
)
def test_barrier_rules(tags, passes):
    assert osm_access.worldwide().barrier_passes(dict(pair.split("=", 1) for pair in tags.split())) == passes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:20", 1200),
        ("1:05:30", 3930),
        ("20", 1200),
        ("7.5", 450),
        ("PT20M", 1200),
        ("PT1H5M", 3900),
        ("P1DT1M", 86460),
    ]
    + [(bad, None) for bad in ("", None, "soon", "00:00", "PT", "20 min", "1:75")],
)
def test_durations(text, seconds):
    assert osm_access.duration_s(text) == seconds


def test_unknown_access_values_are_told(tmp_path):
    notes = Notes()
    read(write_osm(tmp_path / "a.osm", CROSS, {10: ([1, 2], {**ROAD, "foot": "maybe", "access": "yes"})}), notes)
    assert notes.items[0].code == "streets.unknown_access"
    assert notes.items[0].rows == ("foot=maybe (1: w10)",)


# barriers ----------------------------------------------------------------------------------------------------------


def line_with(tmp_path, tags, ways=None):
    nodes = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (1, 1)}
    return read(write_osm(tmp_path / "a.osm", nodes, ways or {10: ([1, 2, 3], ROAD)}, node_tags={2: tags}))


def test_a_locked_gate_parts_its_sides(tmp_path):
    streets = line_with(tmp_path, {"barrier": "gate", "locked": "yes"})
    check_contract(streets)
    assert [pieces(streets, mode) for mode in MODES] == [2, 2, 2]
    assert lengths(streets).sum() == pytest.approx(2 * MILLI_M - 2 * segments.BARRIER_STUB_M)


def test_a_bollard_parts_only_cars(tmp_path):
    streets = line_with(tmp_path, {"barrier": "bollard"})
    check_contract(streets)
    assert [pieces(streets, mode) for mode in MODES] == [1, 1, 2]
    assert lengths(streets).sum() == pytest.approx(2 * MILLI_M)
    drive = streets.access["drive"] > 0
    assert lengths(streets)[drive] == pytest.approx([MILLI_M - 1, MILLI_M - 1])
    assert lengths(streets)[~drive] == pytest.approx([1, 1])


def test_a_barrier_at_a_junction_closes_every_arm(tmp_path):
    streets = line_with(tmp_path, {"barrier": "bollard"}, {10: ([1, 2, 3], ROAD), 11: ([2, 4], ROAD)})
    check_contract(streets)
    assert [pieces(streets, mode) for mode in MODES] == [1, 1, 3]


def test_barriers_side_by_side_leave_the_street_whole_on_foot(tmp_path):
    nodes = {1: (0, 0), 2: (0.001, 0), 3: (0.002, 0), 4: (1, 0)}  # 11 cm apart
    bollard = {"barrier": "bollard"}
    path = write_osm(tmp_path / "a.osm", nodes, {10: ([1, 2, 3, 4], ROAD)}, node_tags=dict.fromkeys((1, 2, 3), bollard))
    streets = read(path)
    check_contract(streets)
    assert lengths(streets).sum() == pytest.approx(MILLI_M)
    assert pieces(streets, "walk") == 1


def test_an_open_gate_and_a_barrier_off_the_streets_change_nothing(tmp_path):
    assert len(line_with(tmp_path, {"barrier": "gate"}).u) == 1
    nodes = {1: (0, 0), 3: (2, 0), 9: (5, 5)}
    path = write_osm(tmp_path / "a.osm", nodes, {10: ([1, 3], ROAD)}, node_tags={9: {"barrier": "bollard"}})
    assert len(read(path).u) == 1


# ferries -----------------------------------------------------------------------------------------------------------


def ferry_file(tmp_path, **tags):
    ways = {10: ([1, 2], ROAD), 11: ([2, 3, 5], {"route": "ferry", **tags})}
    return write_osm(tmp_path / "a.osm", CROSS, ways)


def test_ferries_are_out_unless_asked(tmp_path):
    notes = Notes()
    assert len(read(ferry_file(tmp_path, duration="00:10"), notes).u) == 1
    assert codes(notes) == {"streets.ferries": 1}


def test_a_ferry_keeps_its_duration(tmp_path):
    streets = read(ferry_file(tmp_path, duration="00:10"), ferries=True)
    check_contract(streets)
    kmh = (1 + 5**0.5) * MILLI_M / 600 * 3.6
    assert streets.speed_kmh == pytest.approx([np.nan, kmh], nan_ok=True)
    assert streets.road_classes[streets.road_class[1]] == "ferry"


def test_a_ferry_without_duration_is_left_out(tmp_path):
    notes = Notes()
    assert len(read(ferry_file(tmp_path, duration="soon"), notes, ferries=True).u) == 1
    assert codes(notes) == {"streets.ferries_without_duration": 1}
    assert notes.items[0].rows == ("w11",)


def test_a_ferry_that_leaves_the_file_is_left_out(tmp_path):
    notes = Notes()
    ways = {10: ([1, 2, 5, 4], ROAD), 11: ([2, 3, 99], {"route": "ferry", "duration": "5"})}
    streets = read(write_osm(tmp_path / "a.osm", CROSS, ways), notes, ferries=True)
    assert streets.road_classes[streets.road_class.max()] == "residential"
    assert codes(notes) == {"streets.missing_nodes": 1, "streets.ferries_cut": 1}


# broken files ------------------------------------------------------------------------------------------------------


def fails(path, match, **kwargs):
    with pytest.raises(InputError, match=match) as caught:
        read(path, **kwargs)
    assert caught.value.exit_code == 3
    assert path.name in str(caught.value)


def test_missing_file(tmp_path):
    fails(tmp_path / "no.osm.pbf", "no such file")


def test_no_streets_at_all(tmp_path):
    fails(write_osm(tmp_path / "a.osm", CROSS, {}), "no streets: .*empty")
    fails(write_osm(tmp_path / "b.osm", CROSS, {10: ([1, 2], {"building": "yes"})}), "no streets")
    fails(write_osm(tmp_path / "c.osm", CROSS, {10: ([1, 2], {"route": "hiking"})}), "none with a highway tag")
    fails(write_osm(tmp_path / "d.osm", CROSS, {10: ([1], ROAD)}), "no street is open")


def test_not_osm(tmp_path):
    for name in ("a.osm.pbf", "a.osm"):
        path = tmp_path / name
        path.write_text("<html>not found</html>")
        fails(path, "cannot be read as OSM")
    (tmp_path / "e.osm.pbf").write_bytes(b"")
    fails(tmp_path / "e.osm.pbf", "e.osm.pbf")


def big_pbf(tmp_path):
    """Enough nodes and streets for several blobs of each."""
    nodes = {n: (n % 200 / 10, n // 200 / 10) for n in range(1, 40001)}
    ways = {n: ([n, n + 1], ROAD) for n in range(1, 40000)}
    return write_pbf(tmp_path / "big.osm.pbf", nodes, ways)


def blob_ends(data: bytes) -> list[int]:
    """Where each blob of a PBF ends: 4 bytes of header size, the header with the blob's size as its last varint."""
    ends, at = [], 0
    while at < len(data):
        header = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 4 + header]
        size, shift = 0, 0
        tail = body[body.rindex(b"\x18") + 1 :] if b"\x18" in body else b""
        for byte in tail:
            size |= (byte & 0x7F) << shift
            shift += 7
        at += 4 + header + size
        ends.append(at)
    return ends


def test_a_truncated_pbf_is_refused_wherever_it_is_cut_among_the_nodes(tmp_path):
    path = big_pbf(tmp_path)
    data = path.read_bytes()
    ends = blob_ends(data)
    assert ends[-1] == len(data)
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(data[: len(data) // 2 + 1])
    fails(cut, "truncated|ends before its ways")
    cut.write_bytes(data[:-7])
    fails(cut, "truncated")
    cut.write_bytes(data[: ends[1]])  # whole blobs, nodes only
    fails(cut, "ends before its ways")


def test_most_nodes_missing_means_a_broken_file(tmp_path):
    nodes = {1: (0, 0), 2: (1, 0)}
    ways = {10: ([1, 2], ROAD), 11: ([3, 4, 5], ROAD), 12: ([6, 7], ROAD)}
    fails(write_osm(tmp_path / "a.osm", nodes, ways), "5 of 7 nodes")


def test_negative_ids_have_their_own_message(tmp_path):
    fails(write_osm(tmp_path / "a.osm", {-1: (0, 0), -2: (1, 0)}, {5: ([-1, -2], ROAD)}), "negative ids")


def test_coordinates_out_of_the_run_crs(tmp_path):
    path = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (1000, 0)}, {10: ([1, 2], ROAD)})
    polar = "+proj=gnom +lat_0=90 +lon_0=0 +R=6378137 +units=m"  # the equator lies at infinity
    fails(path, "have no place in", crs=polar)


# osmnx GraphML -----------------------------------------------------------------------------------------------------


def save_graph(path, edges, crs="EPSG:4326", nodes=None):
    graph = nx.MultiDiGraph(**({"crs": crs} if crs else {}))
    for name, (x, y) in (nodes or {1: (0, 0), 2: (0.001, 0), 3: (0.002, 0)}).items():
        graph.add_node(name, x=x, y=y)
    for u, v, data in edges:
        graph.add_edge(u, v, osmid=1, length=1.0, **data)
    osmnx.save_graphml(graph, path)
    return path


def test_graphml_twins_are_one_street_and_single_edges_one_way(tmp_path):
    bend = shapely.LineString([(0.001, 0), (0.001, 0.001), (0.002, 0)])
    edges = [
        (1, 2, {"highway": "residential", "oneway": True}),
        (2, 3, {"highway": "residential", "geometry": bend, "oneway": False}),
        (3, 2, {"highway": "residential", "geometry": bend.reverse(), "oneway": False}),
        (3, 2, {"highway": "footway"}),
    ]
    streets = read(save_graph(tmp_path / "a.graphml", edges))
    check_contract(streets)
    assert len(streets.u) == 3
    assert streets.access["walk"].tolist() == [X, X, X]
    assert streets.access["cycle"].tolist() == [F, X, 0]
    assert streets.access["drive"].tolist() == [F, X, 0]
    assert lengths(streets) == pytest.approx(np.array([1, 1 + 2**0.5, 1]) * MILLI_M)


def test_graphml_one_way_against_the_order_of_nodes(tmp_path):
    streets = read(save_graph(tmp_path / "a.graphml", [(2, 1, {"highway": "primary"})]))
    start = streets.node_xy[streets.u[0]]
    east = start[0] > streets.node_xy[streets.v[0]][0]
    assert streets.access["drive"][0] == (F if east else B)


def test_graphml_lists_access_and_missing_classes(tmp_path):
    notes = Notes()
    edges = [
        (1, 2, {"highway": ["motorway", "primary"]}),
        (1, 3, {"highway": "residential", "access": "private", "foot": "yes"}),
        (2, 3, {}),
    ]
    streets = read(save_graph(tmp_path / "a.graphml", edges), notes)
    assert codes(notes) == {"streets.several_classes": 1, "streets.no_highway": 1}
    assert streets.access["walk"].tolist() == [0, X, X]
    assert streets.access["drive"].tolist() == [F, 0, F]
    assert streets.road_classes == ("motorway;primary", "residential", "unknown")


def test_graphml_in_a_projected_crs(tmp_path):
    nodes = {1: (500000.0, 0.0), 2: (500300.0, 400.0), 3: (500000.0, 400.0)}
    path = save_graph(tmp_path / "a.graphml", [(1, 2, {"highway": "path"})], "EPSG:32629", nodes)
    assert lengths(read(path, crs="EPSG:32629")) == pytest.approx([500])


def test_graphml_of_an_undirected_graph_is_open_both_ways(tmp_path):
    graph = nx.MultiGraph(crs="EPSG:4326")
    graph.add_node("a", x="0.0", y="0.0")
    graph.add_node("b", x="0.001", y="0.0")
    graph.add_edge("a", "b", highway="residential")
    nx.write_graphml(graph, tmp_path / "a.graphml")
    assert read(tmp_path / "a.graphml").access["drive"].tolist() == [X]


def test_broken_graphml(tmp_path):
    edge = [(1, 2, {"highway": "primary"})]
    fails(save_graph(tmp_path / "a.graphml", edge, crs=None), "names no CRS")
    assert len(read(tmp_path / "a.graphml", source_crs="EPSG:4326").u) == 1
    fails(save_graph(tmp_path / "b.graphml", edge, nodes={1: (0, float("nan")), 2: (1, 1)}), "node 1")
    fails(save_graph(tmp_path / "c.graphml", []), "no edges")
    (tmp_path / "d.graphml").write_text("hello")
    fails(tmp_path / "d.graphml", "cannot be read as osmnx GraphML")


# line layers -------------------------------------------------------------------------------------------------------


def save_lines(path, lines, crs="EPSG:32629", **columns):
    shapes = [
        line if line is None or isinstance(line, shapely.Geometry) else shapely.LineString(line) for line in lines
    ]
    gpd.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path, driver="GPKG")
    return path


UTM = {"crs": "EPSG:32629"}
TEE = [[(500000, 0), (500100, 0), (500200, 0)], [(500100, 0), (500100, 50)], [(500150, -10), (500150, 10)]]


def test_lines_meet_at_shared_vertices_only(tmp_path):
    notes = Notes()
    streets = read(save_lines(tmp_path / "a.gpkg", TEE), notes, **UTM)
    check_contract(streets)
    assert lengths(streets) == pytest.approx([100, 100, 50, 20])
    assert pieces(streets, "walk") == 2
    assert all((flags == X).all() for flags in streets.access.values())
    assert codes(notes) == {"streets.no_highway": 3}


@pytest.mark.parametrize(("gap", "joined"), [(0.0099, 1), (0.0101, 2)])
def test_vertices_within_a_centimetre_are_one(tmp_path, gap, joined):
    lines = [[(500000, 0), (500100, 0)], [(500100 + gap, 0), (500200, 0)]]
    assert pieces(read(save_lines(tmp_path / "a.gpkg", lines), **UTM), "walk") == joined


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_merging_points_agrees_with_all_pairs(points):
    xy = np.array(points, dtype=float) * [0.006, 10.0]
    near = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= 0.01
    count, group = csgraph.connected_components(sparse.csr_matrix(near))
    merged_xy, number = merge_points(xy, 0.01)
    assert len(merged_xy) == count
    assert ((number[:, None] == number[None]) == (group[:, None] == group[None])).all()


def test_line_layer_columns_follow_osm_rules(tmp_path):
    lines = [[(500000 + i * 100, 0), (500100 + i * 100, 0)] for i in range(4)]
    columns = {
        "highway": ["primary", "footway", None, "steps"],
        "oneway": ["yes", None, "-1", ""],
        "foot": ["no", None, None, None],
    }
    notes = Notes()
    streets = read(save_lines(tmp_path / "a.gpkg", lines, **columns), notes, **UTM)
    assert streets.access["walk"].tolist() == [0, X, X, X]
    assert streets.access["cycle"].tolist() == [F, 0, B, 0]
    assert streets.access["drive"].tolist() == [F, 0, B, 0]
    assert streets.road_classes == ("primary", "footway", "unknown", "steps")
    assert codes(notes) == {"streets.no_highway": 1}


def test_tags_in_capitals_count_and_unknown_classes_are_told(tmp_path):
    lines = [[(500000 + i * 100, 0), (500100 + i * 100, 0)] for i in range(3)]
    columns = {"HIGHWAY": ["residential", "高速公路", "motorway"], "OneWay": ["yes", None, None]}
    notes = Notes()
    streets = read(save_lines(tmp_path / "a.gpkg", lines, **columns), notes, **UTM)
    assert streets.access["cycle"].tolist() == [F, X, 0]
    assert streets.access["walk"].tolist() == [X, X, 0]
    assert codes(notes)["streets.unknown_class"] == 1


@pytest.mark.parametrize("values", [[1, 0, -1], [1.0, 0.0, -1.0], ["true", "no", "reverse"]])
def test_oneway_alone_binds_wheels(tmp_path, values):
    streets = read(save_lines(tmp_path / "a.gpkg", TEE, oneway=values), **UTM)
    assert streets.access["walk"].tolist() == [X, X, X, X]
    assert streets.access["cycle"].tolist() == [F, F, X, B]
    assert streets.access["drive"].tolist() == [F, F, X, B]


def test_multilines_are_taken_apart_and_heights_dropped(tmp_path):
    shape = shapely.MultiLineString([[(500000, 0, 5), (500100, 0, 9)], [(500300, 0, 5), (500300, 70, 5)]])
    streets = read(save_lines(tmp_path / "a.gpkg", [shape]), **UTM)
    assert lengths(streets) == pytest.approx([100, 70])


def test_layer_in_degrees_is_projected(tmp_path):
    path = tmp_path / "a.geojson"
    gpd.GeoDataFrame(geometry=[shapely.LineString([(0, 0), (0.001, 0)])], crs="EPSG:4326").to_file(path)
    assert lengths(read(path)) == pytest.approx([DEGREE_M / 1000])


@pytest.mark.filterwarnings("ignore:.crs. was not provided")
def test_broken_line_layers(tmp_path):
    fails(
        save_lines(tmp_path / "a.gpkg", [TEE[0], None, shapely.LineString()]), "missing or empty.*row 2, row 3", **UTM
    )
    fails(save_lines(tmp_path / "b.gpkg", [TEE[0], [(1, 1), (1, 1)]]), "invalid.*row 2", **UTM)
    fails(save_lines(tmp_path / "c.gpkg", [shapely.Point(1, 1)]), "holds Point", **UTM)
    fails(save_lines(tmp_path / "d.gpkg", [[(0, 0), (np.inf, 1)]]), "NaN or infinite", **UTM)
    fails(save_lines(tmp_path / "e.gpkg", []), "no rows", **UTM)
    fails(
        save_lines(tmp_path / "f.gpkg", TEE, oneway=["maybe", "yes", "FT"]),
        r"'maybe', 'FT' \(2 rows: row 1, row 3",
        **UTM,
    )
    fails(save_lines(tmp_path / "g.gpkg", TEE, highway=["proposed"] * 3), "no street is open", **UTM)
    path = tmp_path / "h.shp"
    gpd.GeoDataFrame(geometry=[shapely.LineString(line) for line in TEE]).to_file(path)
    fails(path, "CRS", **UTM)
    assert len(read(path, source_crs="EPSG:32629", **UTM).u) == 4


def test_reading_twice_gives_the_same(tmp_path):
    path = big_pbf(tmp_path)
    one, two = read(path), read(path)
    assert one.xy.tobytes() == two.xy.tobytes()
    assert one.u.tobytes() + one.v.tobytes() == two.u.tobytes() + two.v.tobytes()


# real data ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (DATA / "porto_alegre").is_dir(), reason="../shared/data is absent")
def test_porto_alegre_is_as_long_as_its_readme_says():
    streets = read(DATA / "porto_alegre" / "poa_osm.pbf", crs="EPSG:32722")
    check_contract(streets)
    platform = streets.road_class == streets.road_classes.index("platform")  # its README counts none
    walk = lengths(streets)[(streets.access["walk"] > 0) & ~platform].sum() / 1000
    assert walk == pytest.approx(1834, rel=0.01)
