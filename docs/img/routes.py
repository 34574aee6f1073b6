"""Check five verdicts of Porto Alegre by networkx on the uncontracted streets, and draw the routes.

`python docs/img/routes.py RUN_FOLDER`, after the run of docs/examples/porto_alegre.toml. Streets come from
circle15's reader; snapping, times and routes from networkx and plain geometry (`tests/kit.py`).
"""

import dataclasses
import sys
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pyogrio
import shapely
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parents[1] / "tests")]

from draw import save, street_lines  # noqa: E402 - found by the line above

from circle15.config import load_config  # noqa: E402
from circle15.errors import Notes  # noqa: E402
from circle15.inputs.streets import read_streets  # noqa: E402
from kit import WALK, Oracle  # noqa: E402

CONFIG = HERE.parent / "examples" / "porto_alegre.toml"
CASES = (
    ("89a90129947ffff", "community_health_station", "a  a pass near the threshold"),
    ("89a901286afffff", "community_health_station", "b  a fail just beyond it"),
    ("89a9012a237ffff", "bus_stop", "c  a far fail"),
    ("89a9012896fffff", "primary_school", "d  off the network"),
    ("89a90129847ffff", "bus_stop", "e  a stop 149 m away, and an obstacle"),
    ("89a90128407ffff", "primary_school", "f  a school 306 m away, and an obstacle"),
)
METRES_PER_S = 4.0 / 3.6
LIMIT_S = 3600.0
MIN_NODES = 100


def main() -> None:
    """Print circle15's figures beside those of networkx, and draw."""
    run = Path(sys.argv[1])
    file = run / "circle15.gpkg"
    committees, facilities, circles, areas = (
        pyogrio.read_dataframe(file, layer=name)
        for name in ("committees", "facilities", "service_circles", "facility_areas")
    )
    facilities = pd.concat([facilities, areas])
    verdicts = pd.read_csv(run / "csv" / "verdicts.csv", dtype={"facility_id": str})
    config = load_config(CONFIG)
    path = config.resolve(config.network.source)
    streets = read_streets(path, committees.crs, layer=None, source_crs=None, ferries=False, notes=Notes())
    whole = Oracle(streets, WALK, 1e9)
    oracle = Oracle(without_small_pieces(streets, whole.graph), WALK, 1e9)
    lines = street_lines(path, committees.crs)

    figure, axes = plt.subplots(2, 3, figsize=(13.5, 9.2))
    for ax, (committee_id, type_id, title) in zip(axes.flat, CASES, strict=True):
        mine = verdicts[(verdicts.committee_id == committee_id) & (verdicts.type_id == type_id)].iloc[0]
        centre = committees.set_index("committee_id").geometry[committee_id]
        places = facilities[facilities.type_id == type_id].set_index("facility_id").geometry
        found = nearest(oracle, centre, places)
        legs = [one._foot(np.array(centre.coords[0]), "from")[2] * METRES_PER_S for one in (whole, oracle)]
        straight = places.distance(centre)
        print(
            f"{title[0]} {committee_id} {type_id}: circle15 {mine.verdict} {mine.reason} {mine.time_s:.3f} s "
            f"{mine.facility_id} edge_affected={mine.edge_affected} | networkx {found[0]:.3f} s {found[1]} "
            f"| nearest street {legs[0]:.1f} m, of those kept {legs[1]:.1f} m "
            f"| nearest by straight line {straight.min():.0f} m {straight.idxmin()}"
        )
        draw(ax, lines, centre, places, found, circles[circles.committee_id == committee_id], title)
        time = "" if np.isnan(mine.time_s) else f", {mine.time_s:.1f} s"
        ax.set_title(f"{title}\n{type_id}: {mine.verdict}, {mine.reason}{time}", fontsize=9, loc="left")
    handles = [
        Line2D([], [], marker="o", ls="", color="black", label="committee"),
        Line2D([], [], marker="P", ls="", mfc="#f2b400", mec="black", ms=8, label="facility of the type"),
        Line2D([], [], color="#d1342f", lw=2, label="fastest route by networkx"),
        Line2D([], [], color="#1f77b4", lw=4, alpha=0.4, label="service circle of the run"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    save(figure, HERE / "porto_alegre_routes.png")


def without_small_pieces(streets, graph):
    """Close the streets of pieces that are too small, as the run does: fewer than 100 junctions and ends."""
    keep = set()
    for piece in nx.weakly_connected_components(graph):
        if sum(graph.degree(n) // 2 != 2 for n in piece) >= MIN_NODES:
            keep |= {n[1] for n in piece if n[0] == "n"}
    stays = np.isin(streets.u, list(keep))
    flags = np.where(stays, streets.access["walk"], 0).astype(np.uint8)
    return dataclasses.replace(streets, access={**streets.access, "walk": flags})


def nearest(oracle: Oracle, centre: shapely.Point, places: gpd.GeoSeries) -> tuple[float, str, list[np.ndarray]]:
    """Return seconds, id and route of the facility that is nearest on foot, by one search over all streets."""
    near, foot, leg = oracle._foot(np.array(centre.coords[0]), "from")
    oracle._attach("from", near, foot)
    times, paths = nx.single_source_dijkstra(oracle.graph, "from", cutoff=LIMIT_S, weight="s")
    best: tuple[float, str, list[np.ndarray]] = (np.inf, "", [])
    xy = {}
    for one, two, start, end, *_ in oracle.pieces:
        xy[one], xy[two] = start, end
    for name, place in places.items():
        if place.geom_type != "Point" or place.distance(centre) > LIMIT_S * METRES_PER_S:
            continue
        there, stop, back = oracle._foot(np.array(place.coords[0]), "to")
        one, two, start, end, *_ = oracle.pieces[there]
        for node, at in ((one, start), (two, end)):
            total = leg + times.get(node, np.inf) + np.hypot(*(stop - at)) / METRES_PER_S + back
            if total < best[0]:
                inner = [xy[n] for n in paths[node][1:]]
                best = (total, str(name), [np.array(centre.coords[0]), foot, *inner, stop, np.array(place.coords[0])])
    oracle.graph.remove_node("from")
    return best


def draw(ax: Axes, lines, centre, places, found, circle, title: str) -> None:
    """Draw one case: streets, circle, route."""
    route = np.array(found[2]) if found[2] else np.array([centre.coords[0]])
    box = np.vstack([route, np.array(circle.total_bounds).reshape(2, 2) if len(circle) else route])
    low, high = box.min(axis=0), box.max(axis=0)
    middle, half = (low + high) / 2, max((high - low).max() / 2 * 1.08, 700.0)
    ax.add_collection(LineCollection(lines, colors="#9b9b9b", linewidths=0.5))
    if len(circle):
        circle.plot(ax=ax, facecolor="#1f77b4", alpha=0.2)
        circle.boundary.plot(ax=ax, color="#1f77b4", linewidth=0.7)
    if title[0] != "d":
        ax.plot(*route.T, color="#d1342f", linewidth=1.8)
    points = shapely.get_coordinates(places.centroid.to_numpy())
    ax.scatter(*points.T, marker="P", color="#f2b400", edgecolor="black", linewidth=0.5, s=50, zorder=4)
    ax.scatter(centre.x, centre.y, color="black", s=22, zorder=5)
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    ax.plot([middle[0] + half * 0.1, middle[0] + half * 0.1 + 500], [middle[1] - half * 0.93] * 2, "k", lw=2.5)
    ax.annotate("500 m", (middle[0] + half * 0.1 + 250, middle[1] - half * 0.93), xytext=(0, 3),
                textcoords="offset points", ha="center", fontsize=8)  # fmt: skip


if __name__ == "__main__":
    main()
