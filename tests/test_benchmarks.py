"""The benchmarks' generator gives the same district for the same seed, in the shape that its README promises."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import numpy as np
import osmium
import pyproj
import pytest

from circle15.config import load_config
from circle15.errors import Notes
from circle15.inputs.streets import read_streets
from circle15.network.graph import ModeSpeeds, build_network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCALE = 0.02
CRS = pyproj.CRS("EPSG:32651")
FILES = ("network.osm.pbf", "committees.gpkg", "cells.gpkg", "facilities.gpkg", "parks.gpkg", "stations.gpkg")
WALK = ModeSpeeds("walk", 4.0, 4.0, {}, float("nan"))


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return {name: importlib.import_module(name) for name in ("city", "district", "variants")}
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def made(modules, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("district")
    modules["district"].make_district("city", SCALE, folder, seed=7)
    return folder


@pytest.fixture(scope="module")
def walk(made):
    streets = read_streets(made / "network.osm.pbf", CRS, layer=None, source_crs=None, ferries=False, notes=Notes())
    return build_network(streets, WALK, 100, Notes())


def test_same_seed_same_bytes(modules, made, tmp_path):
    modules["district"].make_district("city", SCALE, tmp_path, seed=7)
    for name in (*FILES, "district.toml"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes(), name


def test_another_seed_gives_other_streets(modules, made, tmp_path):
    modules["city"].write_city(tmp_path / "other.osm.pbf", SCALE, seed=8)
    assert (tmp_path / "other.osm.pbf").read_bytes() != (made / "network.osm.pbf").read_bytes()


def test_numbers_follow_the_scale(made):
    facilities = sum(len(gpd.read_file(made / f"{name}.gpkg")) for name in ("facilities", "parks", "stations"))
    assert (
        len(gpd.read_file(made / "committees.gpkg")) == 31
    )  # 1,526 / 50 = 30.5, rounded to the even number's neighbour
    assert facilities == 300  # 15,000 / 50
    assert len(gpd.read_file(made / "cells.gpkg")) == 2400  # 120,000 / 50
    assert load_config(made / "district.toml").run.standard == "pudong-2021"


def test_every_type_occurs_and_is_covered(modules, made):
    types = {t for name in ("facilities", "parks", "stations") for t in gpd.read_file(made / f"{name}.gpkg")["type"]}
    covered = {t for one in load_config(made / "district.toml").facilities for t in (one.covers or [one.type])}
    assert types == covered == set(modules["district"].SHARES)
    assert len(types) == 37


@pytest.mark.parametrize("count", [300, 3750, 15_000])
def test_allotment_sums_up(modules, count):
    shares = modules["district"].allot(count)
    assert sum(shares.values()) == count
    assert min(shares.values()) >= 1


@pytest.mark.parametrize("real", [True, False])
def test_committees_at_full_size(modules, monkeypatch, real):
    district = modules["district"]
    if real and not district.PUDONG.exists():
        pytest.skip("the list of Pudong's committees is not beside this checkout")
    if not real:
        monkeypatch.setattr(district, "PUDONG", Path("absent.csv"))
    table = district.list_committees(1.0)
    assert len(table) == 1526
    assert table["committee_id"].is_unique
    towns = table.drop_duplicates("town_id")["zone"].value_counts().to_dict()
    assert towns == {"urban": 12, "urbanizing": 16, "rural": 8 + 6}  # the 6 that are in no zone of the plan are rural
    assert not ((table["zone"] == "urban") & (table["kind"] == "village")).any()


def test_places_lie_near_streets(made, walk):
    for name in ("committees", "facilities"):
        points = gpd.read_file(made / f"{name}.gpkg").to_crs(CRS)
        _, away = walk_lines(walk).sindex.nearest(points.geometry, return_all=False, return_distance=True)
        assert away.max() <= 100  # 80 m, and what the random place itself may be off a street that was left out


def walk_lines(network) -> gpd.GeoSeries:
    return gpd.GeoSeries(network.lines, crs=CRS)


def test_streets_are_shaped_like_a_city(walk):
    degree = np.bincount(np.concatenate([walk.u, walk.v]))
    # dead ends, T-junctions, crossings: a lattice would have four arms nearly everywhere
    assert 0.15 < np.mean(degree == 1) < 0.4
    assert 0.4 < np.mean(degree == 3) < 0.75
    assert np.mean(degree >= 4) < 0.25
    assert len(walk.xy) > 2 * walk.nodes  # vertices of curves between the crossings
    spread = np.percentile(walk.length_m, [10, 90])
    assert spread[1] > 5 * spread[0]


def test_full_size_has_150_000_crossings(walk):
    assert walk.nodes / SCALE > 150_000


def test_streets_have_a_hierarchy_a_river_and_one_ways(made):
    kinds: dict[str, int] = {}
    one_way = bridges = 0
    for way in osmium.FileProcessor(str(made / "network.osm.pbf"), osmium.osm.WAY):
        kinds[way.tags["highway"]] = kinds.get(way.tags["highway"], 0) + 1
        one_way += way.tags.get("oneway") in ("yes", "-1") and way.tags["highway"] != "motorway"
        bridges += way.tags.get("bridge") == "yes" and not way.tags["highway"].startswith("motorway")
    expected = {"motorway", "motorway_link", "primary", "secondary", "tertiary", "unclassified", "residential"}
    assert expected | {"living_street", "service", "footway"} == set(kinds)
    assert one_way > 50
    assert bridges == 9


def test_explode_keeps_every_metre(modules, walk):
    exploded = modules["variants"].explode(walk)
    assert exploded.length_m.sum() == pytest.approx(walk.length_m.sum(), rel=1e-9)
    assert exploded.time_s.sum() == pytest.approx(walk.time_s.sum(), rel=1e-9)
    assert exploded.nodes == walk.nodes + int((np.diff(walk.first) - 2).sum())  # every inner vertex is a node now
    assert (np.diff(exploded.first) == 2).all()


def test_node_snapping_puts_points_at_nodes(modules, walk):
    xy = walk.node_xy[:50] + np.array([3.0, 4.0])
    snapped = modules["variants"].snap_to_node(walk, xy, 300.0)
    edge = snapped.edge
    ends = np.where((snapped.along_m == 0)[:, None], walk.node_xy[walk.u[edge]], walk.node_xy[walk.v[edge]])
    assert np.allclose(np.hypot(*(ends - xy).T), snapped.leg_m)
    assert (snapped.leg_m <= 5.0 + 1e-9).all()  # 3-4-5: its own node is 5 m away, another may be nearer
    assert np.allclose(snapped.leg_s, snapped.leg_m * 3.6 / 4.0)
