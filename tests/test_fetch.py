"""``circle15 fetch`` against a stand-in for Overpass on loopback: what it writes, and what goes wrong on the way."""

import json
import math
import re
import socket
import tomllib
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from circle15 import cli
from circle15.config import load_config
from circle15.errors import ComputeError, ConfigError, InputError, InstallationError, Notes, OutputError
from circle15.inputs import fetch as library
from circle15.inputs import osm_access, overpass
from circle15.inputs.mapping import Mapping, load_mapping
from circle15.inputs.osm import read_osm_places
from circle15.inputs.streets import read_streets
from circle15.standard.load import load_standard
from circle15.tables import MODES
from osm_kit import MILLI_M, PLAIN, write_osm
from overpass_kit import CROSS, PLACES, Overpass, matches, node, serving, way

TOML = """
[run]
name = "test"
standard = "pudong-2021"
as_of = 2025
[network]
source = "data/network.graphml"
min_component_nodes = 1
[committees]
source = "committees.csv"
[[facilities]]
source = "facilities.csv"
type_column = "type_id"
"""
GEOD = pyproj.Geod(ellps="WGS84")
UTM = pyproj.CRS.from_epsg(32651)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(overpass, "PAUSES_S", (0.0, 0.0))
    with serving(Overpass(CROSS, PLACES)) as one:
        yield one


@pytest.fixture
def config(tmp_path) -> Path:
    (tmp_path / "committees.csv").write_text(
        "committee_id,name,kind,town_id,zone,lon,lat\n"
        "c1,Middle,residents,t,urban,121.5,31.2\n"
        "c2,South,residents,t,urban,121.5,31.196\n",
        encoding="utf-8",
    )
    path = tmp_path / "run.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def fetch(config: Path, server: Overpass, *options: str) -> int:
    return cli.run(["fetch", str(config), "--overpass-url", server.url, *options])


class Silent:
    """A listener that forgets; may interrupt at the n-th answer."""

    def __init__(self, interrupt_at: int = 0) -> None:
        self.left = interrupt_at
        self.stages: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append(name)

    def advance(self, n: int = 1) -> None:
        self.left -= n
        if self.left == 0:
            raise KeyboardInterrupt


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# what comes out ----------------------------------------------------------------------------------------------------


def test_a_district_is_fetched_and_computed(config, server, tmp_path, capsys):
    assert fetch(config, server) == 0
    out, err = capsys.readouterr()
    assert server.asked == (1, 1)
    assert set(server.paths) == {"/api/interpreter"}
    assert files(tmp_path) == {"run.toml", "committees.csv", "data/network.graphml", "osm_facilities.gpkg"}
    assert "3,000 m around every committee" in err
    assert "OpenStreetMap contributors" in err

    snippet = tomllib.loads(out)["facilities"]
    assert snippet[0]["source"] == "osm_facilities.gpkg"
    covers = snippet[0]["covers"]
    mapping, standard = load_mapping("osm", Path()), load_standard("pudong-2021", Path())
    assert covers == [t.id for t in standard.types if t.id in mapping.covers()]
    config.write_text(TOML.split("[[facilities]]", maxsplit=1)[0] + out, encoding="utf-8")
    assert cli.run(["compute", str(config), "--out", str(tmp_path / "out"), "--no-cache", "-q"]) == 0
    table = pd.read_csv(tmp_path / "out" / "csv" / "verdicts.csv").set_index(["committee_id", "type_id"])
    reach = table[table["requirement_id"].str.endswith(".reach")]
    # by hand: along the meridian at 4 km/h, c1 from y = 0, c2 from y = -4 thousandths of a degree
    for committee, start in (("c1", 31.2), ("c2", 31.196)):
        metres = GEOD.inv(121.5, start, 121.5, 31.206)[2]
        row = reach.loc[(committee, "kindergarten")]
        assert row["time_s"] == pytest.approx(metres * 3.6 / 4, rel=1e-3)  # UTM is off by 0.0004
        assert row["facility_id"] == "n201"
        assert row["verdict"] == ("pass" if metres <= 1000 else "fail")
    assert reach.loc[("c1", "pharmacy")]["verdict"] == "pass"
    assert reach.loc[("c1", "wet_market")]["facility_id"] == "n205"
    assert reach.loc[("c1", "metro_station")]["reason"] == "none_exists"
    assert reach.loc[("c1", "elderly_canteen")]["reason"] == "no_facility_data"


def test_facilities_are_those_of_the_osm_reader(config, server, tmp_path):
    """The same elements as a file, read with ``from_osm``, hold the same facilities."""
    assert fetch(config, server, "-q") == 0
    found = gpd.read_file(tmp_path / "osm_facilities.gpkg").set_index("facility_id").sort_index()
    nodes = {e["id"]: ((e["lon"]) * 1000, (e["lat"]) * 1000) for e in PLACES if e["type"] == "node"}
    ways = {e["id"]: (e["nodes"], e["tags"]) for e in PLACES if e["type"] == "way"}
    parks = {
        e["id"]: ([(m["type"], m["ref"], m["role"]) for m in e["members"]], e["tags"])
        for e in PLACES
        if e["type"] == "relation"
    }
    tags = {e["id"]: e.get("tags", {}) for e in PLACES if e["type"] == "node"}
    file = write_osm(tmp_path / "places.osm", nodes, ways, parks, tags)
    expected = read_osm_places(file, found.crs, load_mapping("osm", Path()), Notes())
    expected = expected[expected["facility_id"] != "n299"].set_index("facility_id").sort_index()
    assert list(found.index) == list(expected.index) == ["n201", "n202", "n203", "n205", "r251", "w221"]
    assert list(found["type_id"]) == list(expected["type_id"])
    assert list(found["name"].fillna("")) == list(expected["name"])
    assert (shapely.hausdorff_distance(found.geometry.array, expected.geometry.array) < 1e-6).all()
    # by hand: (4 + 1 - 1) × 0.001° × 0.001°
    side = GEOD.inv(121.5, 31.198, 121.501, 31.198)[2] * GEOD.inv(121.5, 31.1975, 121.5, 31.1985)[2]
    assert found.loc["r251"].geometry.area == pytest.approx(4 * side, rel=2e-3)
    assert found.loc["r251", "type_id"] == "community_park"
    assert json.loads(found.loc["n203", "tags"]) == {"highway": "bus_stop", "name": "West"}
    assert json.loads(found.loc["w221", "tags"]) == {"amenity": "school", "name": "东小学"}


def test_notes_tell_what_was_merged_and_left_out(config, server, capsys):
    assert fetch(config, server) == 0
    err = capsys.readouterr().err
    assert "osm_facilities.gpkg: 1 bus_stop merged" in err
    assert "1 multi_sport_court left out" in err
    assert "1 facilities outside of the area were left out" in err


def test_access_tags_survive(config, server, tmp_path):
    """By hand: who may use the streets of the cross, and in which direction."""
    assert fetch(config, server, "-q") == 0
    streets = read_streets(
        tmp_path / "data/network.graphml", UTM, layer=None, source_crs=None, ferries=False, notes=Notes()
    )
    middle = {ref: _utm(x, y) for ref, x, y in ((4, 0, 4), (6, -8, 0), (3, 0, 0), (8, 4, 0), (9, 8, 0), (10, 4, 4))}
    graphs = {mode: _graph(streets, mode) for mode in MODES}
    at = {ref: _node_at(streets, xy) for ref, xy in middle.items()}

    def open_to(start: int, stop: int) -> set[str]:
        ends = (at[start], at[stop])
        return {m for m in MODES if None not in ends and graphs[m].has_edge(*ends)}

    assert open_to(6, 3) == {"walk", "cycle", "drive"}
    assert open_to(3, 6) == {"walk", "cycle"}  # against a one-way street: oneway:bicycle = no
    assert open_to(3, 8) == open_to(8, 9) == {"walk"}  # steps
    assert open_to(4, 10) == set()  # private
    assert open_to(8, 10) == open_to(10, 8) == {"cycle"}  # foot = no
    assert at[9] is not None


def _utm(x: float, y: float) -> tuple[float, float]:
    return pyproj.Transformer.from_crs(4326, UTM, always_xy=True).transform(121.5 + x / 1000, 31.2 + y / 1000)


def _node_at(streets, xy) -> int | None:
    away = np.hypot(*(streets.node_xy - np.array(xy)).T)
    return int(away.argmin()) if away.min() < 0.1 else None


def _graph(streets, mode: str) -> nx.DiGraph:
    """The streets of a mode with their lengths, by node."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(streets.node_xy)))
    for row, flag in enumerate(streets.access[mode].tolist()):
        line = streets.xy[streets.first[row] : streets.first[row + 1]]
        length = float(np.hypot(*np.diff(line, axis=0).T).sum())
        u, v = int(streets.u[row]), int(streets.v[row])
        for a, b in ((u, v),) * bool(flag & 1) + ((v, u),) * bool(flag & 2):
            known = graph.get_edge_data(a, b, {"m": math.inf})["m"]
            graph.add_edge(a, b, m=min(length, known))
    return graph


# the graph means what the OSM file means ---------------------------------------------------------------------------

HIGHWAYS = ["residential", "footway", "steps", "motorway", "cycleway", "path", "service", "track", "pedestrian"]
EXTRAS = [
    {}, {}, {}, {"oneway": "yes"}, {"oneway": "-1"}, {"oneway": "no"}, {"junction": "roundabout"},
    {"junction": "circular"}, {"oneway": "yes", "oneway:bicycle": "no"}, {"oneway": "yes", "cycleway": "opposite"},
    {"oneway:bicycle": "-1"}, {"oneway": "-1", "cycleway:left:oneway": "no"}, {"oneway": "reversible"},
    {"access": "private"}, {"access": "no", "foot": "yes"}, {"bicycle": "yes"}, {"bicycle": "dismount"},
    {"foot": "no"}, {"motor_vehicle": "no"}, {"motor_vehicle": "yes"}, {"vehicle": "no", "oneway": "yes"},
    {"motorroad": "yes"}, {"oneway": "yes", "bicycle": "designated"},
]  # fmt: skip
BARRIERS = [
    {"barrier": "bollard"}, {"barrier": "gate", "access": "private"}, {"barrier": "gate"}, {"barrier": "stile"},
    {"barrier": "gate", "locked": "yes", "foot": "yes"}, {"barrier": "lift_gate", "motor_vehicle": "no"},
]  # fmt: skip
SIZE = 4


@st.composite
def towns(draw) -> tuple[dict, dict, dict]:
    """Nodes on a jittered lattice, ways along neighbours, some of them twice, and barriers."""
    refs = list(range(1, SIZE * SIZE + 1))
    jitter = st.integers(-200, 200)
    nodes = {ref: ((ref - 1) % SIZE + draw(jitter) / 1000, (ref - 1) // SIZE + draw(jitter) / 1000) for ref in refs}
    ways = {}
    for number in range(draw(st.integers(3, 14))):
        here = draw(st.sampled_from(refs))
        chain = [here]
        for _ in range(draw(st.integers(1, 5))):
            x, y = (here - 1) % SIZE, (here - 1) // SIZE
            steps = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
            near = [b * SIZE + a + 1 for a, b in steps if 0 <= a < SIZE and 0 <= b < SIZE]
            here = draw(st.sampled_from(near))
            chain.append(here)
        tags = {"highway": draw(st.sampled_from(HIGHWAYS))} | draw(st.sampled_from(EXTRAS))
        ways[500 + number] = (chain, tags)
    chosen = draw(st.lists(st.sampled_from(refs), max_size=4, unique=True))
    return nodes, ways, {ref: draw(st.sampled_from(BARRIERS)) for ref in chosen}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(town=towns())
def test_the_graph_takes_everyone_where_the_osm_file_takes_them(town, tmp_path_factory):
    """Distances between all nodes, on foot, by bicycle and by car: the GraphML gives those of the OSM reader."""
    nodes, ways, barriers = town
    folder = tmp_path_factory.mktemp("town")
    file = write_osm(folder / "town.osm", nodes, ways, node_tags=barriers)
    notes = Notes()
    with overpass.connection(
        "http://127.0.0.1:9/api", folder, lambda: None, **library.graph_settings(osm_access.worldwide())
    ):
        raw = osmnx.graph_from_xml(file, simplify=False, retain_all=True)
    graphml = folder / "town.graphml"
    osmnx.save_graphml(library.whole_streets(raw, osm_access.worldwide(), notes), graphml)
    options = {"layer": None, "source_crs": None, "ferries": False}
    if all(osm_access.worldwide().way(tags).flags == osm_access.CLOSED for _, tags in ways.values()):
        with pytest.raises(InputError):
            read_streets(graphml, PLAIN, notes=Notes(), **options)
        return
    expected = read_streets(file, PLAIN, notes=Notes(), **options)
    got = read_streets(graphml, PLAIN, notes=Notes(), **options)
    places = {ref: (x * MILLI_M, y * MILLI_M) for ref, (x, y) in nodes.items() if ref not in barriers}
    # a way that turns back is cut at its turn by one and not by the other: nodes of both are compared
    shared = {ref: xy for ref, xy in places.items() if None not in (_node_at(got, xy), _node_at(expected, xy))}
    for mode in MODES:
        assert _distances(got, mode, shared) == pytest.approx(_distances(expected, mode, shared), abs=1e-3)


def _distances(streets, mode: str, places: dict) -> dict:
    graph = _graph(streets, mode)
    at = {ref: _node_at(streets, xy) for ref, xy in places.items()}
    found = {}
    for start, row in at.items():
        metres = nx.single_source_dijkstra_path_length(graph, row, weight="m")
        found |= {(start, stop): metres[other] for stop, other in at.items() if other in metres and other != row}
    return found


def test_one_way_on_foot_is_told(config, server, capsys):
    server.streets = [*CROSS, way(110, [5, 9], {"highway": "footway", "oneway:foot": "yes"})]
    assert fetch(config, server, "-v") == 0
    assert "1 OSM ways are one-way on foot" in capsys.readouterr().err


# how far -----------------------------------------------------------------------------------------------------------


def test_the_longest_reach_is_that_of_the_fastest_mode():
    """pudong-2021: 15 minutes by bicycle at 12 km/h."""
    assert library.longest_reach_m(load_standard("pudong-2021", Path())) == 3000


def _changed(tmp_path: Path, old: str, new: str):
    source = Path(__file__).parents[1] / "configs" / "standards" / "pudong-2021.toml"
    text = source.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    return load_standard("own.toml", tmp_path)


@pytest.mark.parametrize(("headline", "reach_m"), [("true", 20_000.0), ("false", 3000.0)])
def test_a_car_counts_only_for_the_headline(tmp_path, headline, reach_m):
    """15 minutes at the 80 km/h of a motorway are 20 km."""
    old = 'id = "kindergarten.reach",               kind = "reach", type = "kindergarten",               minutes = 15, '
    new = old + f'mode = "drive", min_count = 1, headline = {headline}, clause = "x" }},\n  {{ '
    new += old.replace("kindergarten.reach", "kindergarten.other")
    assert library.longest_reach_m(_changed(tmp_path, old, new)) == reach_m


@settings(max_examples=30, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(-20_000, 20_000), st.floats(-20_000, 20_000)), min_size=1, max_size=8),
    reach_m=st.floats(200, 6000),
    bearing=st.floats(0, 360),
)
@example(places=[(0, 0), (1065, 70)], reach_m=1066, bearing=177)  # the first corner of the ring was cut off
def test_the_area_holds_everything_in_reach(places, reach_m, bearing):
    xy = np.array(places) + np.array([350_000, 3_450_000])
    committees = gpd.GeoDataFrame({"area": [None] * len(xy)}, geometry=gpd.points_from_xy(*xy.T), crs=UTM)
    area = library.area_around(committees, reach_m)
    edge = xy + reach_m * np.array([math.sin(math.radians(bearing)), math.cos(math.radians(bearing))])
    assert gpd.GeoSeries(gpd.points_from_xy(*edge.T), crs=UTM).to_crs(4326).within(area).all()
    # nor does it grow beyond all measure: the discs, their tolerance and what is cut off corners
    wide = shapely.union_all(shapely.buffer(shapely.points(xy), 1.02 * reach_m + 250))
    rim = [shapely.Polygon(part.exterior) for part in shapely.get_parts(wide)]
    assert gpd.GeoSeries([area], crs=4326).to_crs(UTM).within(shapely.union_all(rim)).all()


def test_a_committee_that_is_an_area_counts_with_all_of_it():
    area = shapely.box(350_000, 3_450_000, 352_000, 3_451_000)
    table = gpd.GeoDataFrame({"area": [area]}, geometry=gpd.GeoSeries([None], crs=UTM), crs=UTM)
    found = gpd.GeoSeries([library.area_around(table, 1000.0)], crs=4326).to_crs(UTM).iloc[0]
    assert found.contains(area.buffer(1000))


def test_buffer_m_wins(config, server, capsys):
    config.write_text(TOML + "[fetch]\nbuffer_m = 800\n")
    assert fetch(config, server) == 0
    assert "asked for 800 m around" in capsys.readouterr().err


# the question ------------------------------------------------------------------------------------------------------


def test_the_query_finds_all_that_the_mapping_finds():
    """Every object that the shipped mapping's own conditions describe is found by some clause."""
    mapping = load_mapping("osm", Path())
    clauses = overpass.clauses_of(mapping)
    checked = 0
    for rule in mapping.types:
        for condition in (*rule.any, *rule.not_within):
            for position in range(max([len(v) for v in condition.tags.values()], default=1)):
                tags = {key: values[min(position, len(values) - 1)] for key, values in condition.tags.items()}
                names = re.split(r"[|()]", condition.name.pattern) if condition.name else [""]
                names += ["".join(re.findall(r"^(\w*)\(?(\w+)", condition.name.pattern)[0])] if condition.name else []
                found = [tags | ({"name:zh": f"上海{name}店"} if condition.name else {}) for name in names]
                found = [full for full in found if condition.has_tags(full)]
                assert found, condition
                for full in found:
                    assert any(matches(clause, full) for clause in clauses), full
                    checked += 1
    assert checked > 100


WORDS = st.sampled_from(["a", "b", "cafe", "x.y", "1", "2", "1;2", "*", "9-10", 'q"t'])


@st.composite
def mappings(draw) -> Mapping:
    def condition() -> dict:
        keys = draw(st.lists(st.sampled_from(["amenity", "shop", "level", "bus"]), max_size=2, unique=True))
        found = {key: draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)) for key in keys}
        if not keys or draw(st.booleans()):
            found["name"] = draw(st.sampled_from(["市场", "a(b|c)", "^学.$", "x+"]))
        return found

    rules = [
        {"id": f"t{n}", "confidence": "high", "any": [condition() for _ in range(draw(st.integers(1, 3)))]}
        for n in range(draw(st.integers(1, 4)))
    ]
    return Mapping.model_validate({"types": rules})


@settings(max_examples=300, deadline=None)
@given(
    mapping=mappings(),
    tags=st.dictionaries(
        st.sampled_from(["amenity", "shop", "level", "bus", "name", "name:zh"]),
        st.sampled_from(
            ["a", "b", "a;b", "cafe, b", "x.y", "xzy", "1", "1-3", "2;1", "市场", "ab", "学校", "xx", 'q"t']
        ),
        max_size=5,
    ),
)
def test_no_object_that_a_mapping_may_find_is_left_behind(mapping, tags):
    if mapping.may_find(tags):
        assert any(matches(clause, tags) for clause in overpass.clauses_of(mapping))


@pytest.mark.parametrize("pattern", [r"\d+号", "(?i)market", "a.*?b", r"\bshop"])
def test_a_name_that_the_server_cannot_search_for(pattern, config, server, tmp_path, capsys):
    (tmp_path / "own.toml").write_text(
        f"[[types]]\nid = 'kindergarten'\nconfidence = 'high'\nany = [{{ name = '{pattern}' }}]\n", encoding="utf-8"
    )
    config.write_text(TOML + '[fetch]\nmapping = "own.toml"\n')
    assert fetch(config, server) == 2
    assert "can't search for" in capsys.readouterr().err
    assert server.asked[1] == 0
    tagged = Mapping.model_validate(
        {"types": [{"id": "x", "confidence": "low", "any": [{"shop": "mall", "name": pattern}]}]}
    )
    assert overpass.clauses_of(tagged) == ['["shop"~"(^|[;,]) *(mall) *($|[;,])"]']


# files that are there ----------------------------------------------------------------------------------------------


def test_what_is_there_is_kept_until_fresh(config, server, tmp_path, capsys):
    assert fetch(config, server, "-q") == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("data/network.graphml", "osm_facilities.gpkg")}
    first = capsys.readouterr().out
    assert fetch(config, server) == 0
    out, err = capsys.readouterr()
    assert server.asked == (1, 1)
    assert out == first
    assert err.count("kept, it was there") == 2
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert fetch(config, server, "--fresh", "-q") == 0
    assert server.asked == (2, 2)


def test_only_what_is_missing_is_fetched(config, server, tmp_path):
    assert fetch(config, server, "-q") == 0
    (tmp_path / "osm_facilities.gpkg").unlink()
    assert fetch(config, server, "-q") == 0
    assert server.asked == (1, 2)


def test_a_failure_leaves_what_was_there(config, server, tmp_path):
    assert fetch(config, server, "-q") == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("data/network.graphml", "osm_facilities.gpkg")}
    server.troubles = [(200, json.dumps({"elements": CROSS})), (400, "no")]
    assert fetch(config, server, "--fresh", "-q") == 4
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not [name for name in files(tmp_path) if ".part" in name]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("data/network.graphml", "data/network.osm.pbf", "network.osm.pbf"),
        ('type_column = "type_id"', 'type_column = "type_id"\n[fetch]\nfacilities = "x.csv"', "x.csv"),
        ('type_column = "type_id"', 'type_column = "type_id"\n[fetch]\nmapping = "osn"', 'no mapping "osn"'),
    ],
)
def test_names_that_cannot_be(config, server, capsys, old, new, told):
    config.write_text(TOML.replace(old, new))
    assert fetch(config, server) == 2
    assert told in capsys.readouterr().err
    assert server.asked == (0, 0)


@pytest.mark.parametrize("url", ["overpass-api.de", "ftp://x/api", "http://"])
def test_an_address_that_is_none(config, capsys, url):
    assert cli.run(["fetch", str(config), "--overpass-url", url]) == 2
    assert "no address of an Overpass server" in capsys.readouterr().err


def test_the_address_of_the_configuration(config, server):
    config.write_text(TOML + f'[fetch]\noverpass_url = "{server.url}"\n')
    assert cli.run(["fetch", str(config), "-q"]) == 0
    assert server.asked == (1, 1)


def test_a_place_that_cannot_be_written(config, server, tmp_path, capsys):
    (tmp_path / "data").write_text("a file where a folder should be")
    assert fetch(config, server) == 5
    assert "data" in capsys.readouterr().err


# trouble -----------------------------------------------------------------------------------------------------------

BUSY = [(429, "rate_limited"), (504, "<html>Gateway Timeout</html>"), (503, "")]


@pytest.mark.parametrize("trouble", [*BUSY, None], ids=["429", "504", "503", "hangs up"])
def test_trouble_that_passes_is_waited_for(config, server, tmp_path, capsys, trouble):
    server.troubles = [trouble]
    assert fetch(config, server) == 0
    assert server.asked == (2, 1)
    assert "waiting 0 s" in capsys.readouterr().err
    assert (tmp_path / "data/network.graphml").exists()


@pytest.mark.parametrize("trouble", [*BUSY, None], ids=["429", "504", "503", "hangs up"])
def test_trouble_that_stays_ends_the_fetch(config, server, tmp_path, capsys, trouble):
    server.troubles = [trouble] * 3
    assert fetch(config, server) == 4
    out, err = capsys.readouterr()
    assert server.asked == (3, 0)
    assert out == ""
    assert "127.0.0.1" in err
    assert "--overpass-url" in err
    assert "3 times" in err
    assert "Traceback" not in err
    assert not (tmp_path / "data/network.graphml").exists()


def test_nobody_listens(config, monkeypatch, capsys):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(overpass, "PAUSES_S", (0.0,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
        assert cli.run(["fetch", str(config), "--overpass-url", url]) == 4
    err = capsys.readouterr().err
    assert "Connection refused" in err
    assert "Traceback" not in err


def test_a_name_without_address(config, monkeypatch, capsys):
    """No name server is asked: the look-up fails here, and osmnx's own second way is off."""

    def unknown(*_: object) -> str:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(overpass, "PAUSES_S", ())
    monkeypatch.setattr(socket, "gethostbyname", unknown)
    monkeypatch.setattr("osmnx._http._original_getaddrinfo", unknown)
    assert cli.run(["fetch", str(config), "--overpass-url", "http://overpass.invalid/api"]) == 4
    assert "overpass.invalid: cannot be reached (Name or service not known)" in capsys.readouterr().err


WAY_ONLY = {"elements": [{"type": "way", "id": 1, "nodes": [1, 2], "tags": {"highway": "path"}}]}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html><body>Please log in</body></html>", "answers with no JSON: Please log in"),
        ("", "answers with no JSON"),
        ("[]", "no OpenStreetMap data"),
        ('{"elements": [{"type": "node", "id": 1}]}', "no OpenStreetMap data"),
        ('{"elements": 3}', "no OpenStreetMap data"),
        (json.dumps(WAY_ONLY), "ways without their nodes"),
        ('{"remark": "runtime error: Query timed out", "elements": []}', "stopped before the end: runtime error"),
    ],
)
def test_garbage_is_refused_and_not_kept(config, server, tmp_path, capsys, body, told):
    server.troubles = [(200, body)] * 3
    assert fetch(config, server) == 4
    assert told in capsys.readouterr().err
    assert not [name for name in files(tmp_path) if name.endswith(".json")]
    server.troubles = []
    assert fetch(config, server, "-q") == 0


def test_half_an_answer_is_no_answer(config, server, tmp_path):
    """A server that runs out of time sends what it has and a remark; the streets would look whole."""
    half = json.dumps({"elements": CROSS[:12], "remark": "runtime error: Query timed out"})
    server.troubles = [(200, half)]
    assert fetch(config, server, "-q") == 0
    assert server.asked == (2, 1)
    assert ">103<" in (tmp_path / "data/network.graphml").read_text(encoding="utf-8")  # the steps that were cut off


def test_a_question_that_the_server_refuses(config, server, capsys):
    server.troubles = [(400, "<html><p>Error</p>: line 1: parse error</html>")]
    assert fetch(config, server) == 4
    assert server.asked == (1, 0)
    assert "answers 400 Bad Request: Error : line 1: parse error" in capsys.readouterr().err


def test_no_street_there(config, server, tmp_path, capsys):
    server.streets = []
    assert fetch(config, server) == 3
    assert "has no street around the committees" in capsys.readouterr().err
    server.streets = CROSS
    assert fetch(config, server, "-q") == 0  # the empty answer was not kept


def test_no_facility_there(config, server, capsys):
    server.places = [node(1, 0, 0)]
    assert fetch(config, server) == 3
    assert "has no facility" in capsys.readouterr().err


def test_committees_that_are_wrong_are_told_before_anything_is_asked(config, server, tmp_path, capsys):
    (tmp_path / "committees.csv").write_text("committee_id,kind,town_id,lon,lat\n")
    assert fetch(config, server) == 3
    assert "committees.csv: has no rows" in capsys.readouterr().err
    assert server.asked == (0, 0)


# resuming ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_pieces(monkeypatch):
    """The area of 3 km around the two committees is asked for in pieces of at most 3 km × 3 km."""
    monkeypatch.setattr(overpass, "QUERY_AREA_M2", 3000.0**2)


def test_an_interrupted_fetch_goes_on_where_it_was(config, server, in_pieces, tmp_path):
    whole = load_config(config)
    library.fetch(whole, overpass_url=server.url, notes=Notes(), progress=Silent())
    every = sorted(server.queries)
    assert len(set(every)) == len(every) > 8
    result = (tmp_path / "data/network.graphml").stat().st_size
    for name in ("data/network.graphml", "osm_facilities.gpkg"):
        (tmp_path / name).unlink()

    streets = server.asked[0]
    for stop in (3, streets):  # at the third answer, and among the facilities
        server.queries.clear()
        with pytest.raises(KeyboardInterrupt):
            library.fetch(whole, overpass_url=server.url, notes=Notes(), progress=Silent(interrupt_at=stop))
        assert len(server.queries) == stop
    assert files(tmp_path).isdisjoint({"data/network.graphml", "osm_facilities.gpkg"})
    server.queries.clear()
    library.fetch(whole, overpass_url=server.url, notes=Notes(), progress=Silent())
    # the answer at which it was interrupted was not kept, the others were
    assert len(server.queries) == len(every) - (3 - 1) - (streets - 1)
    assert (tmp_path / "data/network.graphml").stat().st_size == result
    assert not (tmp_path / "data/network.graphml.osmnx-cache").exists()


def test_an_answer_that_was_cut_off_on_disk_is_asked_for_again(config, server, in_pieces, tmp_path):
    loaded = load_config(config)
    with pytest.raises(KeyboardInterrupt):
        library.fetch(loaded, overpass_url=server.url, notes=Notes(), progress=Silent(interrupt_at=4))
    kept = sorted((tmp_path / "data").rglob("*.json"))
    assert len(kept) == 3
    kept[0].write_text('{"elements": [{"ty')
    asked = len(server.queries)
    library.fetch(loaded, overpass_url=server.url, notes=Notes(), progress=Silent())
    assert len(set(server.queries)) == len(server.queries) - 2  # the one that was cut off, and that of the interruption
    assert len(server.queries) > asked


def test_old_answers_are_not_used(config, server, in_pieces, tmp_path, monkeypatch):
    loaded = load_config(config)
    with pytest.raises(KeyboardInterrupt):
        library.fetch(loaded, overpass_url=server.url, notes=Notes(), progress=Silent(interrupt_at=4))
    monkeypatch.setattr(library, "KEPT_S", -10.0)
    before = list(server.queries)
    library.fetch(loaded, overpass_url=server.url, notes=Notes(), progress=Silent())
    assert set(before) <= set(server.queries[len(before) :])


def test_osmnx_is_afterwards_as_it_was(config, server):
    before = {k: v for k, v in vars(osmnx.settings).items() if not k.startswith("_")}
    look_up = socket.getaddrinfo
    assert fetch(config, server, "-q") == 0
    server.troubles = [(400, "no")]
    assert fetch(config, server, "-q", "--fresh") == 4
    assert {k: v for k, v in vars(osmnx.settings).items() if not k.startswith("_")} == before
    assert socket.getaddrinfo is look_up


def test_pauses_grow():
    assert list(overpass.PAUSES_S) == sorted(set(overpass.PAUSES_S))
    assert len(overpass.PAUSES_S) >= 3


def test_a_standard_that_asks_for_nothing_near_by_needs_a_distance():
    bare = load_standard("pudong-2021", Path()).model_copy(update={"requirements": ()})
    with pytest.raises(ConfigError, match="buffer_m = 3000"):
        library.longest_reach_m(bare)


# from nothing to verdicts ------------------------------------------------------------------------------------------

ROWS = {
    "committees.csv": ["c1,Middle,residents,t,urban,0.5,121.5,31.2", "c2,South,居委,t,urban,,121.5,31.196"],
    "population.csv": ["a,100,5,20,121.5001,31.2001", "b,50,0,10,121.5001,31.1961"],
    "facilities.csv": ["s1,wet_market,One,9,,2010,,121.5,31.203", "s2,wet_market,Two,,,2030-9-1,,121.5,31.2"],
    "entrances.csv": ["s1,121.5,31.2025"],
    "census.csv": ["t,300,10,60"],
    "overrides.csv": ["c1,pharmacy,fail,Wang Fang,2025-06-17,The gate is shut"],
}  # fmt: skip
SWITCHED_ON = {
    "population": ("source", "columns"),
    "population.census": ("source", "by"),
    "facilities": ("entrances",),
    "overrides": ("source",),
}


def switch_on(text: str) -> str:
    """Return the configuration of ``init`` with a few of its lines switched on, the first of each."""
    lines, section = [], ""
    wanted = {(name, key) for name, keys in SWITCHED_ON.items() for key in keys}
    for line in text.splitlines():
        plain = re.sub(r"^#(?=\S)", "", line)
        if head := re.fullmatch(r"\[+([\w.]+)\]+", plain):
            section = head[1]
            on = line if section == "facilities" else plain if section in SWITCHED_ON else line
        else:
            key = (section, plain.split(" ", 1)[0])
            on = plain if key in wanted and line != plain else line
            wanted -= {key} if on != line else set()
        lines.append(on)
    assert not wanted
    return "\n".join(lines)


def test_init_fetch_compute(server, tmp_path, capsys):
    """The templates filled in, the streets and facilities fetched: every table is read and counts."""
    folder = tmp_path / "new"
    config = folder / "circle15.toml"
    assert cli.run(["init", str(folder), "-q"]) == 0
    for name, rows in ROWS.items():
        text = (folder / name).read_text(encoding="utf-8")
        assert {len(row.split(",")) for row in rows} == {len(text.split(","))}
        (folder / name).write_text(text + "\n".join(rows) + "\n", encoding="utf-8")
    config.write_text(switch_on(config.read_text(encoding="utf-8")), encoding="utf-8")
    capsys.readouterr()
    assert fetch(config, server, "-q") == 0
    fetched = capsys.readouterr().out
    config.write_text(config.read_text(encoding="utf-8") + "\n" + fetched, encoding="utf-8")

    assert cli.run(["compute", str(config), "--out", str(tmp_path / "out"), "--no-cache", "-q"]) == 0
    verdicts = pd.read_csv(tmp_path / "out" / "csv" / "verdicts.csv").set_index(["committee_id", "requirement_id"])
    market = verdicts.loc[("c1", "wet_market.reach")]
    metres = GEOD.inv(121.5, 31.2, 121.5, 31.2025)[2]  # to the entrance of s1; s2 opens later
    assert market["facility_id"] == "s1"
    assert market["time_s"] == pytest.approx(metres * 3.6 / 4, rel=1e-3)
    pharmacy = verdicts.loc[("c1", "pharmacy.reach")]
    assert (pharmacy["verdict"], pharmacy["reason"]) == ("fail", "overridden")
    committees = pd.read_csv(tmp_path / "out" / "csv" / "committees.csv").set_index("committee_id")
    assert committees["population"].tolist() == pytest.approx([200, 100])  # 100 and 50 people, scaled to 300


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (OSError("no TLS CA certificate bundle"), ComputeError, "cannot be reached (no TLS CA certificate bundle)"),
        (
            FileNotFoundError(2, "No such file", str(Path(overpass.__file__).with_name("none.json"))),
            InstallationError,
            "none.json",
        ),
        (OSError(28, "No space left on device", "cache/a.json"), OutputError, "cannot be written (No space left"),
    ],
)
def test_only_what_cannot_be_written_is_told_as_that(error, kind, told):
    def ask():
        raise error

    with pytest.raises(kind) as caught:
        overpass.patiently(ask, "streets", "example.org", Silent())
    assert told in str(caught.value)
    assert ("cannot be written" in str(caught.value)) == (kind is OutputError)
