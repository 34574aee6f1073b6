"""The sample district is what its script writes and what its README and its plan say; circle15 itself is not asked."""

import csv
import hashlib
import re
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import networkx as nx
import numpy as np
import osmium
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely

from circle15.config import load_config

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
CONFIG = ROOT / "configs" / "sample.toml"
CSV_FILES = {"schools.csv": "utf-8", "shops_gb18030.csv": "gb18030", "bus_stops.csv": "utf-8", "expected.csv": "utf-8"}
LAYERS = {
    "committees.gpkg": ("committees", "committee_areas"),
    "facilities.gpkg": ("facilities",),
    "parks.gpkg": ("parks",),
    "stations.gpkg": ("stations",),
}
PROVIDED_BY = {"primary_school": ("nine_year_school",), "community_park": ("comprehensive_park",)}
RIVER_X = 366570.0
"""Easting of the middle of the river in the north."""
RADIUS_M = {"walk": 1000.0, "cycle": 3000.0}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(SAMPLE))
    try:
        return import_module("make_sample")
    finally:
        sys.path.remove(str(SAMPLE))


@pytest.fixture(scope="module")
def remade(script, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    script.make(folder)
    return folder


@pytest.fixture(scope="module")
def readme() -> dict[str, int]:
    """The counts of the README's table: ``| text | number |``."""
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \|$", (SAMPLE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {text: int(number.replace(",", "")) for text, number in rows}


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return pd.read_csv(SAMPLE / "expected.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def committees() -> gpd.GeoDataFrame:
    return gpd.read_file(SAMPLE / "committees.gpkg", layer="committees").set_index("code")


@pytest.fixture(scope="module")
def facilities() -> gpd.GeoDataFrame:
    """All facilities of all files with type, geometry, opens and closes."""
    parts = [gpd.read_file(SAMPLE / f"{stem}.gpkg") for stem in ("facilities", "parks", "stations")]
    for name, x, y, crs, columns in (
        ("schools.csv", "lon", "lat", "EPSG:4326", {}),
        ("bus_stops.csv", "lon", "lat", "EPSG:4326", {}),
        (
            "shops_gb18030.csv",
            "x",
            "y",
            "EPSG:32651",
            {"编号": "id", "类型": "type", "启用年": "opens", "停用年": "closes"},
        ),
    ):
        table = pd.read_csv(SAMPLE / name, encoding=CSV_FILES[name]).rename(columns=columns)
        points = gpd.points_from_xy(table[x], table[y], crs=crs)
        parts.append(gpd.GeoDataFrame(table, geometry=points).to_crs("EPSG:32651"))
        parts[-1]["type"] = table.get("type", "bus_stop")
    keep = ["id", "type", "opens", "closes", "geometry"]
    return pd.concat([p.reindex(columns=keep) for p in parts], ignore_index=True)


def osm_ways(path: Path) -> list[tuple[dict[str, str], list[int], np.ndarray]]:
    """Tags, node ids and coordinates (metres) of every way."""
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32651", always_xy=True)
    ways = []
    for item in osmium.FileProcessor(str(path)).with_locations():
        if item.is_way():
            xy = to_metres.transform([n.lon for n in item.nodes], [n.lat for n in item.nodes])
            ways.append((dict(item.tags), [n.ref for n in item.nodes], np.transpose(xy)))
    return ways


class Walk:
    """Streets as networkx sees them: one edge for each segment, points put on the nearest one."""

    def __init__(self, ways, closed: set[str], *, one_way: bool) -> None:
        self.graph = nx.DiGraph()
        segments, self.ends = [], []
        for tags, nodes, xy in ways:
            no_entry = tags.get("access") == "private" or tags.get("foot") == "no"
            if "highway" not in tags or no_entry or (tags["highway"] in closed and tags.get("bicycle") != "yes"):
                continue
            turned = one_way and tags.get("oneway") == "-1"
            for i, (a, b) in enumerate(pairwise(nodes)):
                length = float(np.hypot(*(xy[i + 1] - xy[i])))
                both = not (one_way and tags.get("oneway") in ("yes", "-1"))
                for u, v in [(a, b), (b, a)] if both else [(b, a) if turned else (a, b)]:
                    self.graph.add_edge(u, v, length=length)
                segments.append(shapely.LineString(xy[i : i + 2]))
                self.ends.append((a, b))
        self.components = sorted(nx.weakly_connected_components(self.graph), key=len, reverse=True)
        main = [i for i, (a, _) in enumerate(self.ends) if a in self.components[0]]
        self.ends = [self.ends[i] for i in main]
        self.segments = np.array([segments[i] for i in main], dtype=object)
        self.tree = shapely.STRtree(self.segments)

    def snap(self, point: shapely.Point) -> tuple[int, float, float]:
        """Segment, distance from its first end, access leg."""
        i = int(self.tree.nearest(point))
        return i, float(self.segments[i].project(point)), float(self.segments[i].distance(point))

    def attach(self, point: shapely.Point, name: str, *, out: bool) -> None:
        """Join `point` to the two ends of its segment, as start (`out`) or as goal."""
        i, along, leg = self.snap(point)
        a, b = self.ends[i]
        for end, length, inner in ((a, along, (b, a)), (b, self.segments[i].length - along, (a, b))):
            edge = (name, end) if out else (end, name)
            if self.graph.has_edge(*(inner if out else inner[::-1])):
                self.graph.add_edge(*edge, length=length + leg)

    def distance(self, start: shapely.Point, goal: shapely.Point) -> float:
        """Metres from `start` to `goal`, infinite without a path; the two are not on one segment."""
        self.attach(start, "start", out=True)
        self.attach(goal, "goal", out=False)
        try:
            return float(nx.dijkstra_path_length(self.graph, "start", "goal", weight="length"))
        except (nx.NetworkXNoPath, nx.NodeNotFound):
            return float("inf")
        finally:
            self.graph.remove_nodes_from(["start", "goal"])


@pytest.fixture(scope="module")
def ways():
    return osm_ways(SAMPLE / "network.osm.pbf")


@pytest.fixture(scope="module")
def walk(ways) -> Walk:
    return Walk(ways, {"motorway", "motorway_link", "trunk"}, one_way=False)


@pytest.fixture(scope="module")
def cycle(ways) -> Walk:
    return Walk(ways, {"motorway", "motorway_link", "trunk", "footway", "steps"}, one_way=True)


# --- the files are what the script writes -----------------------------------------------------------------------------


def test_two_runs_write_the_same_bytes(script, remade, tmp_path):
    script.make(tmp_path)
    files = sorted(p.name for p in remade.iterdir())
    assert files == sorted(p.name for p in tmp_path.iterdir())
    assert len(files) == 13
    for name in files:
        digests = {hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (remade, tmp_path)}
        assert len(digests) == 1, name


def test_making_it_again_in_place_changes_nothing(script, remade):
    before = {p.name: p.read_bytes() for p in remade.iterdir()}
    script.make(remade)
    assert before == {p.name: p.read_bytes() for p in remade.iterdir()}


@pytest.mark.parametrize(("name", "encoding"), CSV_FILES.items())
def test_committed_csv_is_remade(remade, name, encoding):
    assert (SAMPLE / name).read_text(encoding) == (remade / name).read_text(encoding)


@pytest.mark.parametrize(("name", "layer"), [(n, layer) for n, layers in LAYERS.items() for layer in layers])
def test_committed_layer_is_remade(remade, name, layer):
    old, new = (gpd.read_file(folder / name, layer=layer) for folder in (SAMPLE, remade))
    pd.testing.assert_frame_equal(
        pd.DataFrame(old.drop(columns="geometry")), pd.DataFrame(new.drop(columns="geometry"))
    )
    # Normalised: which corner a polygon starts from may differ between versions of GEOS.
    assert shapely.equals_exact(shapely.normalize(old.geometry), shapely.normalize(new.geometry), tolerance=1e-3).all()
    assert old.crs == new.crs


def test_committed_streets_are_remade(remade):
    old, new = osm_ways(SAMPLE / "network.osm.pbf"), osm_ways(remade / "network.osm.pbf")
    assert [tags for tags, _, _ in old] == [tags for tags, _, _ in new]
    assert [nodes for _, nodes, _ in old] == [nodes for _, nodes, _ in new]
    assert all(np.allclose(a, b, rtol=0, atol=0.05) for (_, _, a), (_, _, b) in zip(old, new, strict=True))


@pytest.mark.parametrize("name", ["population.tif", "age_0_2.tif", "age_60_plus.tif"])
def test_committed_population_is_remade(remade, name):
    with rasterio.open(SAMPLE / name) as old, rasterio.open(remade / name) as new:
        assert (old.crs, old.transform, old.nodata) == (new.crs, new.transform, new.nodata)
        assert np.array_equal(old.read(1), new.read(1))


def test_it_is_small():
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file() and "__pycache__" not in p.parts) < 2_000_000


# --- the README is true -----------------------------------------------------------------------------------------------


def test_readme_counts_the_files(readme, committees, facilities, ways):
    kinds = committees["kind"].value_counts()
    counts = {
        "committees": len(committees),
        "residents' committees (居委)": kinds["居委"],
        "village committees (村委)": kinds["村委"],
        "committees without a zone": int(committees["zone"].isna().sum()),
        "towns": committees["街镇"].nunique(),
        "OSM nodes, water included": len({node for _, nodes, _ in ways for node in nodes}),
        "OSM ways, water included": len(ways),
        "facilities of 37 types": len(facilities),
        "bus stops": int((facilities["type"] == "bus_stop").sum()),
    }
    assert {key: readme[key] for key in counts} == counts


def test_readme_counts_the_people(readme):
    areas = gpd.read_file(SAMPLE / "committees.gpkg", layer="committee_areas")
    with rasterio.open(SAMPLE / "population.tif") as raster:
        persons, transform = raster.read(1), raster.transform
        assert raster.crs.to_epsg() == 32651
        assert raster.res == (100.0, 100.0)
        assert raster.dtypes == ("float32",)
    unknown = persons == -9999
    assert (persons[~unknown] >= 0).all()
    rows, columns = np.nonzero(persons > 0)
    x, y = transform.c + 100 * (columns + 0.5), transform.f - 100 * (rows + 0.5)
    people = persons[rows, columns].astype(int)
    inside = shapely.intersects(areas.union_all(), shapely.points(x, y))
    counts = {
        "people": people.sum(),
        "people outside all committee areas": people[~inside].sum(),
        "pixels without data": unknown.sum(),
    }
    assert {key: readme[key] for key in counts} == counts


# --- the files hold what the sample is for ----------------------------------------------------------------------------


def test_all_37_types_are_there_and_covered(facilities):
    config = load_config(CONFIG)
    covered = [t for source in config.facilities for t in (source.covers or [source.type])]
    is_open = ~(facilities["opens"] > 2023) & ~(facilities["closes"] <= 2023)
    assert len(covered) == len(set(covered)) == 37
    assert set(facilities.loc[is_open, "type"]) == set(covered)
    assert not facilities["id"].duplicated().any()


def test_configuration_names_files_that_exist():
    config = load_config(CONFIG)
    assert config.run.as_of == 2023
    assert config.run.standard == "pudong-2021"
    assert config.committees.areas is not None
    assert config.population is not None
    inputs = (config.network, config.committees, config.committees.areas, config.population, *config.facilities)
    assert all(config.resolve(str(item.source)).is_file() for item in inputs)


def test_one_town_in_each_zone_and_areas_that_hold_their_centres(committees):
    assert committees.groupby("街镇")["zone"].agg(lambda z: "".join(z.dropna().unique())).to_dict() == {
        "示例街道": "urban",
        "样板镇": "urbanizing",
        "模拟镇": "rural",
    }
    areas = gpd.read_file(SAMPLE / "committees.gpkg", layer="committee_areas").set_index("code")
    assert areas.geometry.is_valid.all()
    assert areas.loc[committees.index].geometry.contains(committees.geometry).all()


def test_streets_are_one_large_piece_and_an_island(walk, cycle):
    for network in (walk, cycle):
        large, island = network.components
        junctions = [n for n in large if len({*network.graph.succ[n], *network.graph.pred[n]}) != 2]
        assert len(junctions) > 500
        assert 10 <= len(island) < 100


def test_streets_carry_the_tags_of_real_ones(ways):
    classes = {tags.get("highway") for tags, _, _ in ways}
    assert classes >= {"motorway", "motorway_link", "trunk", "secondary", "tertiary", "unclassified", "residential"}
    assert classes >= {"living_street", "service", "track", "path", "footway", "cycleway", "steps"}
    assert {tags.get("oneway") for tags, _, _ in ways} == {None, "yes", "-1"}
    bridges = [
        tags for tags, _, _ in ways if tags.get("bridge") == "yes" and tags["highway"] in ("secondary", "tertiary")
    ]
    assert len(bridges) == 3
    assert any(tags.get("route") == "ferry" for tags, _, _ in ways)


def test_only_bridges_cross_the_river(ways, walk):
    river = next(shapely.Polygon(xy) for tags, _, xy in ways if tags.get("water") == "river")
    middle = shapely.LineString([(RIVER_X, 3434900), (RIVER_X, 3444200)])
    over = [tags.get("name") for tags, _, xy in ways if "highway" in tags and shapely.LineString(xy).intersects(middle)]
    assert river.intersection(middle).length > 8000
    assert sorted(set(over)) == sorted({"南桥", "北桥", "模拟大桥", "车行隧道", "示例高速"})
    assert sum(s.intersects(middle) for s in walk.segments) == 3


def test_every_park_is_crossed_by_a_footway(walk):
    parks = gpd.read_file(SAMPLE / "parks.gpkg")
    hectares = parks.geometry.area / 10_000
    assert hectares[parks["type"] == "comprehensive_park"].min() >= 10
    assert hectares[parks["type"] == "community_park"].between(1, 10, inclusive="left").all()
    assert hectares[parks["type"] == "micro_park"].between(0.04, 1, inclusive="left").all()
    assert all(len(walk.tree.query(edge, predicate="intersects")) > 0 for edge in parks.geometry.boundary)


def test_streets_reach_beyond_the_committees_but_not_in_the_east(committees, walk):
    west, south, east, north = shapely.total_bounds(walk.segments)
    x, y = committees.geometry.x, committees.geometry.y
    assert min(x.min() - west, y.min() - south, north - y.max()) >= 1200
    assert east - x.max() < 500


def test_off_the_network_are_one_committee_and_two_facilities(committees, facilities, walk, cycle):
    for network in (walk, cycle):
        far = shapely.distance(committees.geometry.to_numpy(), shapely.union_all(network.segments)) > 300
        assert list(committees.index[far]) == ["999003207"]
        far = shapely.distance(facilities.geometry.to_numpy(), shapely.union_all(network.segments)) > 300
        assert sorted(facilities.loc[far, "type"]) == ["elderly_canteen", "public_cultural_facility"]


# --- the planted cases hold -------------------------------------------------------------------------------------------


def mode_of(committee: pd.Series) -> str:
    """The table of reference/zones.csv, by hand."""
    if committee["zone"] == "rural" or (committee["zone"] == "urbanizing" and committee["kind"] == "村委"):
        return "cycle"
    return "walk"


def test_planted_cases_hold_on_an_independent_graph(expected, committees, facilities, walk, cycle):
    is_open = ~(facilities["opens"] > 2023) & ~(facilities["closes"] <= 2023)
    for case in expected[expected["verdict"].isin(["pass", "fail"])].itertuples():
        committee = committees.loc[case.committee_id]
        mode = mode_of(committee)
        network, seconds_per_m = (walk, 0.9) if mode == "walk" else (cycle, 0.3)
        of_type = facilities["type"].isin([case.type_id, *PROVIDED_BY.get(case.type_id, ())])
        snapped = network.tree.query_nearest(facilities.geometry.to_numpy(), return_distance=True, all_matches=False)[1]
        reached = facilities[of_type & is_open & (snapped <= 300)].geometry
        goals = [
            shapely.Point(p)
            for shape in reached
            for p in shapely.get_coordinates(
                shape
                if shape.geom_type != "Polygon"
                else shapely.union_all(network.segments).intersection(shape.boundary)
            )
        ]
        nearest = min(network.distance(committee.geometry, goal) for goal in goals) * seconds_per_m
        assert (nearest <= 900) == (case.verdict == "pass"), case.why
        assert np.isinf(nearest) == ("may leave but not enter" in case.why), case.why
        if case.time_s:
            assert nearest == pytest.approx(float(case.time_s), abs=0.2), case.why
        if "across the river" in case.why:
            reached = reached[reached.x < RIVER_X]
        straight = reached.distance(committee.geometry).min()
        if case.reason == "too_far" and "straight line" in case.why:
            assert straight > RADIUS_M[mode], case.why


def test_planted_off_network_canteen_is_the_only_one_in_range(committees, facilities):
    canteens = facilities[facilities["type"] == "elderly_canteen"].geometry
    metres = canteens.distance(committees.geometry["999003206"]).sort_values().to_numpy()
    assert metres[0] == pytest.approx(np.hypot(750, 650), abs=0.1)
    assert metres[1] > 3000


def test_planted_edge_flags_follow_from_the_extent(expected, committees, walk):
    box = shapely.box(*shapely.total_bounds(walk.segments))
    failed = expected[(expected["verdict"] == "fail") & (expected["edge_affected"] != "")]
    assert {"true", "false"} == set(failed["edge_affected"])
    for case in failed.itertuples():
        committee = committees.loc[case.committee_id]
        disc = committee.geometry.buffer(RADIUS_M[mode_of(committee)])
        assert (not box.contains(disc)) == (case.edge_affected == "true"), case.why


def test_planted_cases_name_what_exists(expected, committees, facilities):
    assert len(expected) == 17
    assert set(expected["committee_id"]) <= set(committees.index)
    assert set(expected["type_id"]) <= set(facilities["type"])
    assert set(expected["reason"]) == {
        "within", "too_far", "no_zone", "off_network", "facility_off_network"
    }  # fmt: skip
    towns = committees.loc[expected.loc[expected["verdict"] == "fail", "committee_id"], "街镇"]
    assert set(towns) == {"示例街道", "样板镇", "模拟镇"}


def test_expected_is_plain_csv():
    with (SAMPLE / "expected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {7}
