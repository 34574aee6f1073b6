"""Runs on open data that is not part of the project; every test skips where the data is absent."""

import dataclasses
from functools import lru_cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest

from circle15.errors import Notes
from circle15.inputs.streets import read_streets
from circle15.network.graph import Network, build_network
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.survey import survey
from circle15.network.travel import Places, Router
from kit import WALK, Oracle

DATA = Path(__file__).parents[2] / "shared" / "data"

CRS = pyproj.CRS(32722)
PAIRS, COMMITTEES, FACILITIES = 240, 60, 60
LIMIT_S = 6 * 3600.0
"""Long enough for every pair of the city, so that every one is compared."""


@lru_cache(maxsize=1)
def city() -> tuple[Network, Oracle]:
    """The network of Porto Alegre on foot, and an oracle that knows what is in it: both engines are held against it."""
    streets = read_streets(
        DATA / "porto_alegre/poa_osm.pbf", CRS, layer=None, source_crs=None, ferries=False, notes=Notes()
    )
    network = build_network(streets, WALK, 100, Notes())
    kept = {tuple(p) for p in network.xy.tolist()}
    inside = np.array([tuple(streets.xy[i]) in kept for i in streets.first[:-1]])
    flags = np.where(inside, streets.access["walk"], 0).astype(np.uint8)
    return network, Oracle(dataclasses.replace(streets, access={**streets.access, "walk": flags}), WALK)


@lru_cache(maxsize=PAIRS)
def true_time_s(start: tuple[float, ...], goal: tuple[float, ...]) -> float:
    return float(city()[1](start, goal, cutoff_s=LIMIT_S))


@pytest.mark.skipif(not (DATA / "porto_alegre").is_dir(), reason="the data of Porto Alegre is not beside the project")
@pytest.mark.parametrize("engine", ["scipy", "pandana"])
def test_times_in_porto_alegre_agree_with_networkx_on_the_uncontracted_graph(engine):
    """240 random hexagon × school pairs, snapping and access legs included; at most 0.1 s apart."""
    network, _ = city()
    grid = pd.read_csv(DATA / "porto_alegre/poa_hexgrid.csv")
    points = gpd.GeoSeries(gpd.points_from_xy(grid.lon, grid.lat), crs=4326).to_crs(CRS)
    xy = np.stack([points.x, points.y], axis=1)
    rng = np.random.default_rng(7)
    start, goal = xy[rng.choice(len(xy), COMMITTEES, replace=False)], xy[(grid.schools > 0).to_numpy()]
    goal = goal[rng.choice(len(goal), FACILITIES, replace=False)]
    limit = np.full(COMMITTEES, LIMIT_S)
    places = Places(snap_to_end(network, goal, 300.0), goal, np.arange(FACILITIES))
    router = Router(network, snap_to_begin(network, start, 300.0), start, limit, engine)
    found = survey(router, places, snap_to_begin(network, start, 300.0), limit, (LIMIT_S,))
    got = np.full((COMMITTEES, FACILITIES), np.inf)
    got[found.pairs.origin, found.pairs.facility] = found.pairs.time_s

    i, j = np.divmod(rng.choice(COMMITTEES * FACILITIES, PAIRS, replace=False), FACILITIES)
    truth = np.array([true_time_s(tuple(start[a]), tuple(goal[b])) for a, b in zip(i, j, strict=True)])
    truth = np.where(truth <= LIMIT_S, truth, np.inf)
    both = np.isfinite(truth)
    assert (np.isfinite(got[i, j]) == both).all()
    assert both.sum() >= 200
    worst = np.abs(got[i, j][both] - truth[both]).max()
    print(f"{engine}: {both.sum()} pairs compared, largest difference {worst:.2g} s")
    assert worst < 0.1
