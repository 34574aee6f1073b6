"""Draw a programme: gaps before, suggested sites, gaps after: `python docs/img/plan.py`; needs the dev extra.

Runs nothing: compute, suggest and verify first. The pictures show what their files hold and nothing else; streets and
water are read from the network's own file. Ids stand for names, since not every machine has a font with Chinese.
"""

import argparse
import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pyogrio
from matplotlib import patheffects
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from PIL import Image

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from draw import COLOURS_KEPT, base, legend_below, scale_bar, street_lines, water_areas  # noqa: E402 - found by the line above

from circle15.config import load_config  # noqa: E402

MEANS = {"reuse": "#2a9d3a", "compound": "#7b3fa0", "new": "#e07b00"}
NO_GAP, OPENED = "#a5d6a0", "#1746c0"
MANY = 100
"""From so many committees on, places are too small for figures and ids."""


def main() -> None:
    """Draw three panels: gaps a committee before, sites by means with whom they serve, gaps a committee after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/sample.toml"))
    parser.add_argument("--run", type=Path, default=Path("out/sample"), help="folder of compute")
    parser.add_argument("--suggest", type=Path, default=Path("out/sample-suggest"), help="folder of suggest")
    parser.add_argument("--verify", type=Path, default=Path("out/sample-verify"), help="folder of verify")
    parser.add_argument("--to", type=Path, default=HERE / "sample_plan.png")
    parser.add_argument("--width", type=float, default=13.5, help="inches")
    given = parser.parse_args()
    mpl.rcParams.update({"font.size": 9, "axes.titlesize": 10, "figure.dpi": 110})

    file = given.run / "circle15.gpkg"
    layers = {str(name) for name, _ in pyogrio.list_layers(file)}
    read = {name: pyogrio.read_dataframe(file, layer=name) for name in layers & {"committees", "towns"}}
    suggested = pyogrio.read_dataframe(given.suggest / "circle15.gpkg", layer="suggestions")
    outcomes = pd.read_csv(given.suggest / "csv" / "outcomes.csv", dtype={"scope_id": str}, keep_default_na=False)
    changes = pyogrio.read_dataframe(given.verify / "circle15.gpkg", layer="changes")
    effects = pd.read_csv(given.verify / "csv" / "effects.csv")
    year = int(effects["year"].max())

    committees = read["committees"].set_index("committee_id")
    for state in ("before", "after"):
        failed = changes[changes[state] == "fail"].groupby("committee_id").size()
        committees[state] = failed.reindex(committees.index, fill_value=0)
    most = int(committees["before"].max())

    config = load_config(given.config)
    path = config.resolve(config.network.source)
    streets, water = street_lines(path, committees.crs), water_areas(path, committees.crs)
    xy = np.vstack([committees.get_coordinates(), suggested.get_coordinates()])
    (west, south), (east, north) = xy.min(axis=0), xy.max(axis=0)
    margin = 0.05 * max(east - west, north - south)
    west, south, east, north = west - margin, south - 1.6 * margin, east + margin, north + margin
    height = given.width / 3.02 * (north - south) / (east - west) / 0.87
    figure, axes = plt.subplots(1, 3, figsize=(given.width, height))
    for ax in axes:
        base(ax, streets, water, read)
    draw_gaps(axes[0], committees, "before", most)
    axes[0].set_title(f"before, {year}: {committees['before'].sum()} gaps")
    draw_sites(axes[1], committees, suggested, outcomes)
    draw_gaps(axes[2], committees, "after", most, set(changes.loc[changes["status"] == "opened", "committee_id"]))
    axes[2].set_title(f"with the projects, {year}: {committees['after'].sum()} gaps")
    for ax in axes:
        ax.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    scale_bar(axes[0], west, south, east, north)
    figure.subplots_adjust(left=0.005, right=0.995, top=0.95, bottom=0.09, wspace=0.02)
    save(figure, given.to)


def draw_gaps(ax: Axes, committees: gpd.GeoDataFrame, state: str, most: int, opened: set[str] = frozenset()) -> None:
    """Draw how many gaps each committee has; those where a closure or move opens one have a ring."""
    many = len(committees) > MANY
    judged = committees["passed"] + committees["failed"] > 0
    count = committees[state]
    edge = {"edgecolor": "black", "linewidth": 0.1 if many else 0.5}
    size = 7 if many else 150
    none, some = committees[judged & (count == 0)], committees[judged & (count > 0)].sort_values(state)
    if len(none):
        none.plot(ax=ax, facecolor=NO_GAP, markersize=size * 0.6, zorder=5, **edge)
    if len(some):
        some.plot(ax=ax, column=state, cmap="OrRd", vmin=-most / 4, vmax=most, markersize=size, zorder=6, **edge)
    if (~judged).any():
        committees[~judged].plot(ax=ax, facecolor="white", edgecolor="black", linewidth=0.4, zorder=5,
                                 markersize=7 if many else 80, marker="X")  # fmt: skip
    handles = [Line2D([], [], marker="o", ls="", mfc="#ef6548", mec="black", mew=0.5, label="committee, its gaps")]
    if len(none):
        label = f"no gap ({len(none)})"
        handles.append(Line2D([], [], marker="o", ls="", mfc=NO_GAP, mec="black", mew=0.5, ms=5, label=label))
    if (~judged).any():
        handles.append(Line2D([], [], marker="X", ls="", mfc="white", mec="black", label="exempt, unknown"))
    if opened:
        rings = committees.loc[sorted(opened)]
        rings.plot(ax=ax, facecolor="none", edgecolor=OPENED, linewidth=2, markersize=size * 1.6, zorder=7)
        ring = {"marker": "o", "ls": "", "mfc": "none", "mec": OPENED, "mew": 2}
        handles.append(Line2D([], [], label="one of them opened", **ring))
    if many:
        del handles[0]
        for place, gaps in enumerate(sorted(set(some[state]))):
            colour = mpl.colormaps["OrRd"]((gaps + most / 4) / (most + most / 4))
            label = f"{gaps} gap{'s' * (gaps > 1)} ({(count[judged] == gaps).sum()})"
            dot = Line2D([], [], marker="o", ls="", mfc=colour, mec="black", mew=0.3, ms=5, label=label)
            handles.insert(place, dot)
    else:
        for point, number in zip(some.geometry, some[state], strict=True):
            colour = "white" if number > most / 2 else "black"
            ax.annotate(f"{number}", (point.x, point.y), ha="center", va="center", fontsize=7, color=colour, zorder=8)
    legend_below(ax, handles)


def draw_sites(ax: Axes, committees: gpd.GeoDataFrame, suggested: gpd.GeoDataFrame, outcomes: pd.DataFrame) -> None:
    """Draw the suggested sites by means and number of types, each joined to the committees whose gaps it closes."""
    many = len(committees) > MANY
    sites = suggested.dissolve("candidate_id", aggfunc={"means": "first", "type_id": "size"})
    sites = sites.rename(columns={"type_id": "types"}).sort_values("types", ascending=False)
    closed = outcomes[(outcomes["scope"] == "committee") & (outcomes["status"] == "closed")]
    pairs = closed.assign(project=closed["projects"].str.split("|")).explode("project")
    pairs["site"] = pairs["project"].map(suggested.set_index("project_id")["candidate_id"])
    served = pairs.groupby(["site", "scope_id"]).size().rename("gaps").reset_index()
    lines = [
        [(sites.geometry[site].x, sites.geometry[site].y), (there.x, there.y)]
        for site, there in zip(served["site"], committees.geometry[served["scope_id"]], strict=True)
    ]
    colours = served["site"].map(sites["means"]).map(MEANS)
    widths = 0.6 if many else 0.5 + 0.35 * served["gaps"]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=widths, alpha=0.75, zorder=3))
    left = committees.index.isin(served["scope_id"])
    committees[left].plot(ax=ax, color="black", markersize=1.5 if many else 14, zorder=4, linewidth=0)
    scale = 7 if many else 17
    handles = []
    for means, colour in MEANS.items():
        part = sites[sites["means"] == means]
        if len(part):
            part.plot(ax=ax, marker="s", facecolor=colour, edgecolor="black", linewidth=0.2 if many else 0.6, zorder=5,
                      markersize=scale * part["types"] if many else 60 + scale * part["types"])  # fmt: skip
            label = f"{means} ({len(part)} sites)"
            handles.append(Line2D([], [], marker="s", ls="", mfc=colour, mec="black", mew=0.5, label=label))
    if not many:
        halo = [patheffects.withStroke(linewidth=2, foreground="white")]
        for name, site in sites.iterrows():
            at = (site.geometry.x, site.geometry.y)
            ax.annotate(f"{site['types']}", at, ha="center", va="center", fontsize=7, color="white", zorder=8)
            away = np.sqrt(60 + scale * site["types"]) / 2 + 1
            ax.annotate(name, at, xytext=(0, away), textcoords="offset points", ha="center", va="bottom", fontsize=7,
                        zorder=8, path_effects=halo)  # fmt: skip
    handles += [
        Line2D([], [], marker="o", ls="", color="black", ms=2 if many else 4, label="committee it serves"),
        Line2D([], [], color=MEANS["new"], lw=1, label="closes its gaps"),
    ]
    gaps = int((outcomes["status"] == "closed").sum())
    ax.set_title(f"suggested: {len(sites)} sites, {len(suggested)} projects, {gaps} of {len(outcomes)} gaps closed")
    label = f"size: 1 to {sites['types'].max()} types" if many else "figure: types there"
    handles.append(Line2D([], [], ls="", label=label))
    legend_below(ax, handles)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a PNG of few colours, evenly spread: `draw.save` would take water for places without gaps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    sys.stderr.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
