"""How often the nearest street is one that nobody can board there, or one that leads nowhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pyproj
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from circle15.errors import Notes
from circle15.inputs.streets import read_streets
from circle15.network.graph import ModeSpeeds, build_network
from circle15.network.snap import passed_over, snap_to_begin

MODES = (
    ModeSpeeds("walk", 4.0, 4.0, {}, float("nan")),
    ModeSpeeds("cycle", 12.0, 12.0, {}, float("nan")),
    ModeSpeeds("drive", float("nan"), 4.0, {}, 30.0),
)
MAX_SNAP_M, MIN_NODES = 300.0, 100


def random_places(path: Path, places: int, seed: int) -> list[dict[str, float | str]]:
    """Return a row a mode on places drawn evenly from the box of its streets, of those within 300 m of one."""
    rows: list[dict[str, float | str]] = []
    streets = read_streets(path, _utm(path), layer=None, source_crs=None, ferries=False, notes=Notes())
    for speeds in MODES:
        network = build_network(streets, speeds, MIN_NODES, Notes())
        low, high = network.node_xy.min(axis=0), network.node_xy.max(axis=0)
        xy = np.random.default_rng(seed).uniform(low, high, (places, 2))
        snapped = snap_to_begin(network, xy, MAX_SNAP_M)
        over = passed_over(network, xy, snapped, MAX_SNAP_M, begins=True)
        passed = over.cannot_board | over.leads_nowhere
        near = int((snapped.on_network | passed).sum())
        closed = ~network.boards
        rows.append({
            "mode": speeds.mode,
            "near_a_street": near,
            "cannot_board_percent": 100 * float(over.cannot_board.sum()) / near,
            "leads_nowhere_percent": 100 * float(over.leads_nowhere.sum()) / near,
            "farther_median_m": float(pd.Series(over.farther_m[passed]).median()),
            "farther_max_m": float(pd.Series(over.farther_m[passed]).max()),
            "closed_km": float(network.length_m[closed].sum()) / 1000,
            "km": float(network.length_m.sum()) / 1000,
        })  # fmt: skip
    return rows


def _utm(path: Path) -> pyproj.CRS:
    west, south, east, north = pyogrio.read_bounds(path, layer="lines")[1][:, 0]
    x, y = (west + east) / 2, (south + north) / 2
    [zone, *_] = query_utm_crs_info(datum_name="WGS 84", area_of_interest=AreaOfInterest(x, y, x, y))
    return pyproj.CRS.from_epsg(int(zone.code))
