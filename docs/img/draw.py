"""Draw the layers of a run's GeoPackage on its streets: `python docs/img/draw.py`; needs the dev extra (matplotlib).

Runs nothing: compute first. The pictures show what the files hold and nothing else; streets and water are read from
the network's own file.
"""

import argparse
import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pyogrio
import shapely
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from PIL import Image

from circle15.config import load_config
from circle15.errors import Notes
from circle15.inputs.streets import read_streets

WALK, CYCLE = "#1f77b4", "#2ca02c"
VERDICT = {"pass": "#2a9d3a", "fail": "#d1342f", "unknown": "#8a8a8a", "exempt": "#ffffff"}
WATER, STREET = "#cfe3f1", "#9b9b9b"
COLOURS_KEPT = 96


def main() -> None:
    """Draw three panels: service circles, one type's verdicts, gaps a committee."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/sample.toml"))
    parser.add_argument("--run", type=Path, default=Path("out/sample"), help="folder of the run")
    parser.add_argument("--type", default="community_health_center", help="type of the middle panel")
    parser.add_argument("--to", type=Path, default=Path("docs/img/sample.png"))
    parser.add_argument("--width", type=float, default=13.5, help="inches")
    parser.add_argument("--every", type=int, default=5, help="draw every n-th service circle only")
    given = parser.parse_args()
    mpl.rcParams.update({"font.size": 9, "axes.titlesize": 10, "figure.dpi": 110})

    file = given.run / "circle15.gpkg"
    layers = {str(name) for name, _ in pyogrio.list_layers(file)}
    read = {name: pyogrio.read_dataframe(file, layer=name) for name in layers}
    crs = read["committees"].crs
    config = load_config(given.config)
    path = config.resolve(config.network.source)
    streets = street_lines(path, crs)
    water = water_areas(path, crs)

    west, south, east, north = read["service_circles"].total_bounds
    shape = (north - south) / (east - west)
    figure, axes = plt.subplots(1, 3, figsize=(given.width, given.width / 3.02 * shape / 0.86))
    for ax in axes:
        base(ax, streets, water, read)
    draw_circles(axes[0], read, given.every)
    draw_type(axes[1], read, given.type)
    draw_gaps(axes[2], read)
    for ax in axes:
        ax.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    scale_bar(axes[0], west, south, east, north)
    figure.subplots_adjust(left=0.005, right=0.995, top=0.95, bottom=0.09, wspace=0.02)
    save(figure, given.to)


def street_lines(path: Path, crs: object) -> list[np.ndarray]:
    """Return every street as an array of coordinates."""
    streets = read_streets(path, crs, layer=None, source_crs=None, ferries=False, notes=Notes())
    return np.split(streets.xy, streets.first[1:-1])


def water_areas(path: Path, crs: object) -> gpd.GeoDataFrame:
    """Return the water areas of an OSM file; none for other files."""
    try:
        areas = pyogrio.read_dataframe(path, layer="multipolygons")
    except (pyogrio.errors.DataLayerError, pyogrio.errors.DataSourceError, shapely.errors.GEOSException):
        return gpd.GeoDataFrame(geometry=[], crs=crs)
    return areas[areas["natural"].isin(["water"])].to_crs(crs)


def base(ax: Axes, streets: list[np.ndarray], water: gpd.GeoDataFrame, read: dict[str, gpd.GeoDataFrame]) -> None:
    """Draw water, streets, and the committees' areas or towns' outlines where there are any."""
    if len(water):
        water.plot(ax=ax, color=WATER, zorder=0)
    ax.add_collection(LineCollection(streets, colors=STREET, linewidths=0.25, zorder=1))
    if "towns" in read and (shapely.get_dimensions(read["towns"].geometry.to_numpy()) > 1).any():
        read["towns"].boundary.plot(ax=ax, color="#444444", linewidth=0.9, linestyle="--", zorder=4)


def draw_circles(ax: Axes, read: dict[str, gpd.GeoDataFrame], every: int) -> None:
    """Draw the service circles by mode, and the centres they belong to."""
    circles, committees = read["service_circles"], read["committees"]
    shown = circles.iloc[::every]
    for mode, colour in (("cycle", CYCLE), ("walk", WALK)):
        part = shown[shown["mode"] == mode]
        if len(part):
            part.plot(ax=ax, facecolor=colour, edgecolor="none", alpha=0.13, zorder=2)
            part.boundary.plot(ax=ax, color=colour, linewidth=0.5, alpha=0.8, zorder=3)
    centres = committees[committees["committee_id"].isin(shown["committee_id"])]
    centres.plot(ax=ax, color="black", markersize=5, zorder=5)
    modes = [m for m in ("walk", "cycle") if (shown["mode"] == m).any()]
    ax.set_title(f"service circles, 15 min ({len(shown)} of {len(circles)} shown)")
    handles = [Line2D([], [], color={"walk": WALK, "cycle": CYCLE}[m], lw=4, alpha=0.5, label=m) for m in modes]
    legend_below(ax, handles)


def draw_type(ax: Axes, read: dict[str, gpd.GeoDataFrame], type_id: str) -> None:
    """Draw one type's facilities and every committee by its verdict."""
    verdicts = read["verdicts"]
    mine = verdicts[(verdicts["type_id"] == type_id) & verdicts["headline"]]
    handles = []
    size = 46 if len(mine) < 100 else 5
    for verdict, colour in VERDICT.items():
        part = mine[mine["verdict"] == verdict]
        if len(part):
            edge = {"edgecolor": "black", "linewidth": 0.5 if size > 5 else 0.1}
            part.plot(ax=ax, facecolor=colour, markersize=size, zorder=5, **edge)
            label = f"{verdict} ({len(part)})"
            handles.append(Line2D([], [], marker="o", ls="", mfc=colour, mec="black", mew=0.5, label=label))
    facilities = read["facilities"]
    places = facilities[facilities["type_id"] == type_id]
    places.plot(ax=ax, marker="P", color="#f2b400", edgecolor="black", linewidth=0.5, markersize=size * 1.5, zorder=6)
    handles.append(Line2D([], [], marker="P", ls="", mfc="#f2b400", mec="black", label=f"facility ({len(places)})"))
    ax.set_title(f"committees by verdict: {type_id}")
    legend_below(ax, handles)


def draw_gaps(ax: Axes, read: dict[str, gpd.GeoDataFrame]) -> None:
    """Draw how many gaps each committee has over all types, on the population cells."""
    if "cells" in read:
        cells = read["cells"]
        lost = cells["status"] != "assigned"
        big = np.sqrt(cells["total"] / cells["total"].quantile(0.99)).clip(0, 1) * (3 if len(cells) > 2000 else 8)
        cells[~lost].plot(ax=ax, color="#b58ac9", markersize=big[~lost], alpha=0.6, zorder=2, linewidth=0)
        if lost.any():
            cells[lost].plot(ax=ax, color="#b0b0b0", markersize=big[lost], alpha=0.8, zorder=2, linewidth=0)
    committees = read["committees"].copy()
    many = len(committees) > 100
    judged = committees["passed"] + committees["failed"] > 0
    with_gaps = committees[judged]
    with_gaps.plot(ax=ax, column="failed", cmap="OrRd", vmin=0, markersize=7 if many else 150, edgecolor="black",
                   linewidth=0.1 if many else 0.5, zorder=5)  # fmt: skip
    committees[~judged].plot(ax=ax, facecolor="white", edgecolor="black", linewidth=0.4, zorder=5,
                             markersize=7 if many else 80, marker="X")  # fmt: skip
    if not many:
        half = with_gaps["failed"].max() / 2
        for point, count in zip(with_gaps.geometry, with_gaps["failed"], strict=True):
            colour = "white" if count > half else "black"
            ax.annotate(str(count), (point.x, point.y), ha="center", va="center", fontsize=7, color=colour, zorder=6)
    handles = [
        Line2D([], [], marker="o", ls="", mfc="#ef6548", mec="black", mew=0.5, label="committee, its gaps"),
        Line2D([], [], marker="o", ls="", color="#b58ac9", ms=4, label="people"),
    ]
    if (~judged).any():
        handles.insert(1, Line2D([], [], marker="X", ls="", mfc="white", mec="black", label="exempt or unknown"))
    if "cells" in read and (read["cells"]["status"] != "assigned").any():
        handles.append(Line2D([], [], marker="o", ls="", color="#b0b0b0", ms=4, label="people in no committee"))
    ax.set_title(f"gaps over all types ({len(read['gaps'])})")
    legend_below(ax, handles)


def legend_below(ax: Axes, handles: list[Line2D]) -> None:
    """Put the legend under the map, where it hides nothing."""
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.005), "ncols": 3}
    ax.legend(handles=handles, columnspacing=1.0, handletextpad=0.3, frameon=False, fontsize=8, **place)


def scale_bar(ax: Axes, west: float, south: float, east: float, north: float) -> None:
    """Draw a kilometre."""
    x, y = east - 1000 - 0.03 * (east - west), south + 0.03 * (north - south)
    ax.plot([x, x + 1000], [y, y], color="black", linewidth=2.5, zorder=9, solid_capstyle="butt")
    ax.annotate("1 km", (x + 500, y), xytext=(0, 3), textcoords="offset points", ha="center", zorder=9)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a PNG of few colours: small enough for a repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(COLOURS_KEPT, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    sys.stderr.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
