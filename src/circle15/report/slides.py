"""A picture of the size of a slide: title, source, legend, scale bar, north, and files that are the same each time."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from circle15.report.fonts import families_for
from circle15.report.scale import length_text, round_length

SIZE_IN, DPI = (13.333, 7.5), 150
"""A slide of 16:9; 2000 × 1125 pixels."""
MAP_BOX = (0.035, 0.085, 0.68, 0.79)
PANEL_LEFT = 0.735
LEGEND_ROW = 0.038
"""Height of a line of the legend, as a share of the picture's."""
INK, QUIET, BORDER, LAND = "#222222", "#666666", "#333333", "#f4f2ee"
TITLE_PT, TEXT_PT, SMALL_PT, LEAST_PT = 22, 13, 10, 7
NAME_WIDTH = 24
FEW_NAMES = 12
"""Names up to this number are written larger."""
MARGIN = 0.04
"""Of a map, as a share of its longer side."""
BAR_SHARE = 0.25
"""The scale bar is at most this share of the map's width."""


def slide(title: str, note: str, source: str) -> Figure:
    """Return an empty picture with a title, a line below it, and where it comes from."""
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.035, 0.945, title, fontsize=TITLE_PT, color=INK, weight="bold", va="center")
    figure.text(0.035, 0.897, note, fontsize=TEXT_PT, color=QUIET, va="center")
    figure.text(0.035, 0.03, source, fontsize=SMALL_PT, color=QUIET, va="center")
    return figure


def map_axes(figure: Figure, bounds: npt.ArrayLike, north: str) -> Axes:
    """Return axes for a map of some bounds, with scale bar and an arrow to the north of the run's CRS.

    Parameters
    ----------
    figure : Figure
        Of `slide`.
    bounds : array of 4 floats
        West, south, east, north in metres.
    north : str
        What the arrow says.
    """
    axes = figure.add_axes(MAP_BOX)
    axes.set(xticks=[], yticks=[], facecolor="white")
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
    west, south, east, top = np.asarray(bounds, dtype=float)
    margin = MARGIN * max(east - west, top - south, 1000.0)
    width, height = east - west + 2 * margin, top - south + 2 * margin
    shape = MAP_BOX[2] * SIZE_IN[0] / (MAP_BOX[3] * SIZE_IN[1])
    width, height = max(width, height * shape), max(height, width / shape)
    x, y = (west + east) / 2, (south + top) / 2
    axes.set(xlim=(x - width / 2, x + width / 2), ylim=(y - height / 2, y + height / 2), aspect="equal")
    _scale_bar(figure, width)
    _north(figure, north)
    return axes


def _scale_bar(figure: Figure, width_m: float) -> None:
    """Draw a bar of a round length below the legend, as long as that is on the map."""
    length = round_length(width_m * BAR_SHARE)
    axes = figure.add_axes((PANEL_LEFT, 0.085, 0.2, 0.06), frameon=False, xticks=[], yticks=[])
    axes.set_label("scale")
    metres_across = 0.2 / MAP_BOX[2] * width_m
    axes.set(xlim=(0, metres_across), ylim=(0, 1))
    for number, colour in enumerate((INK, "white")):
        left = number * length / 2
        corners = [(left, 0.1), (left + length / 2, 0.1), (left + length / 2, 0.3), (left, 0.3)]
        axes.add_patch(Polygon(corners, facecolor=colour, edgecolor=INK, linewidth=0.8, clip_on=False))
    axes.text(0, 0.42, "0", fontsize=SMALL_PT, color=INK, ha="center")
    axes.text(length, 0.42, length_text(length), fontsize=SMALL_PT, color=INK, ha="center")


def _north(figure: Figure, word: str) -> None:
    axes = figure.add_axes((0.945, 0.085, 0.03, 0.085), frameon=False, xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    axes.add_patch(Polygon([(0.5, 0.7), (0.2, 0.0), (0.5, 0.14)], facecolor=INK, edgecolor=INK, linewidth=0.8))
    axes.add_patch(Polygon([(0.5, 0.7), (0.8, 0.0), (0.5, 0.14)], facecolor="white", edgecolor=INK, linewidth=0.8))
    axes.text(0.5, 0.76, word, fontsize=SMALL_PT, color=INK, ha="center", va="bottom")


def legend(
    figure: Figure, title: str, handles: Sequence[Artist], notes: Sequence[str] = (), top: float = 0.875
) -> None:
    """Write a legend at the right of a map, and notes below it."""
    placed = figure.legend(
        handles=list(handles), title=title, loc="upper left", bbox_to_anchor=(PANEL_LEFT - 0.008, top), frameon=False,
        fontsize=TEXT_PT, title_fontsize=TEXT_PT, alignment="left", handlelength=1.4, labelspacing=0.55,
    )  # fmt: skip
    placed.get_title().set_fontweight("bold")
    bottom = top - LEGEND_ROW * (len(handles) + 1) - 0.035
    for number, note in enumerate(notes):
        figure.text(PANEL_LEFT, bottom - 0.04 * number, note, fontsize=SMALL_PT, color=QUIET, va="top")


def patch(label: str, colour: str) -> Patch:
    """Return a swatch of a legend."""
    return Patch(facecolor=colour, edgecolor="#888888", linewidth=0.6, label=label)


def draw_areas(axes: Axes, areas: npt.NDArray[np.object_], colours: Sequence[str]) -> None:
    """Fill polygons, one colour each."""
    kept = [(area, colour) for area, colour in zip(areas, colours, strict=True) if area is not None]
    outlines = [_outline(area) for area, _ in kept]
    axes.add_collection(
        PathCollection(outlines, facecolors=[c for _, c in kept], edgecolors="white", linewidths=0.6, zorder=1),
        autolim=False,
    )


def _outline(area: shapely.Geometry) -> Outline:
    """Return a polygon's rings as one path: holes run the other way, and so stay empty."""
    parts = [shapely.orient_polygons(part) for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return Outline.make_compound_path(*(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings))


def draw_borders(axes: Axes, towns: gpd.GeoDataFrame | None) -> bool:
    """Draw the borders of the towns that have an area; return whether any has."""
    if towns is None:
        return False
    areas = [area for area in towns.geometry if area is not None and area.geom_type.endswith("Polygon")]
    lines = [shapely.get_coordinates(line) for area in areas for line in shapely.get_parts(shapely.boundary(area))]
    axes.add_collection(LineCollection(lines, colors=BORDER, linewidths=1.6, zorder=2), autolim=False)
    return bool(lines)


def draw_names(axes: Axes, names: Sequence[str], points: npt.NDArray[np.object_]) -> int:
    """Write names at points where there is room, in their order; return how many had none."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    size = TEXT_PT if len(names) <= FEW_NAMES else SMALL_PT
    placed: list[Text] = []
    for name, point in zip(names, points, strict=True):
        label = axes.text(point.x, point.y, short(name), fontsize=size, color=INK, ha="center", va="center", zorder=6)
        label.set_path_effects([withStroke(linewidth=3, foreground="white")])
        placed.append(label)
    set_fonts(figure)
    taken: list[Bbox] = []
    left_out = 0
    for label in placed:
        box = label.get_window_extent(renderer)
        if any(box.overlaps(other) for other in taken):
            label.remove()
            left_out += 1
        else:
            taken.append(box)
    return left_out


def short(text: str, most: int = NAME_WIDTH) -> str:
    """Return a name on one line, cut with … where it is longer than there is room; wide characters count twice."""
    flat = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    width, kept = 0, ""
    for one in flat:
        width += 2 if ord(one) > WIDE_FROM else 1
        if width > most:
            return kept + "…"
        kept += one
    return kept


WIDE_FROM = 0x2E7F
"""Characters from here on are Chinese or as wide."""


def set_fonts(figure: Figure) -> None:
    """Give all texts fonts that hold them, and take none of them for a formula.

    Raises
    ------
    OutputError
        If the installed fonts lack a character.
    """
    every = figure.findobj(Text)
    families = families_for(text.get_text() for text in every if isinstance(text, Text))
    for text in every:
        assert isinstance(text, Text)
        text.set_fontfamily(families)
        text.set_parse_math(False)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a picture as PNG and SVG; the same content makes the same bytes."""
    set_fonts(figure)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    with mpl.rc_context({"svg.hashsalt": "circle15", "svg.fonttype": "path"}):
        figure.savefig(png, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return [png, svg]
