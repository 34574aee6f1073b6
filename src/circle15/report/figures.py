"""Maps and charts of a run for slides, as PNG and SVG."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from circle15.outputs.colours import MEANS_COLOURS, STEP_COLOURS, STEPS, VERDICT_COLOURS, step_labels
from circle15.outputs.dictionary import Lang, load_dictionary
from circle15.percent import text_of_rate
from circle15.report.facts import Facts
from circle15.report.reading import RunFolder
from circle15.report.slides import (
    BORDER,
    INK,
    LAND,
    LEAST_PT,
    QUIET,
    SMALL_PT,
    TEXT_PT,
    draw_areas,
    draw_borders,
    draw_names,
    legend,
    map_axes,
    patch,
    save,
    short,
    slide,
)
from circle15.report.words import texts
from circle15.tables import MEANS, VERDICTS

OSM = (".pbf", ".osm", ".graphml")
"""Files of streets that come from OpenStreetMap."""
ATTRIBUTION = " © OpenStreetMap contributors"
GAP_CLASSES = ((1, 2), (3, 5), (6, 10), (11, 20), (21, 10_000))
GAP_COLOURS = ("#fee391", "#fec44f", "#fe9929", "#d95f0e", "#993404")
BEFORE = "#b9c6d0"
NO_GAP, NOTHING = "#d9e8f2", VERDICT_COLOURS["unknown"]
FEW, MANY = 60, 400
"""Numbers of committees from which their points are drawn smaller."""
UPRIGHT_TOWNS, TOWNS_MOST, ROWS_MOST = 6, 22, 24
"""Towns up to which their names are written across; most that one matrix, and most rows that one chart can hold."""
DARK = frozenset((STEP_COLOURS[0], STEP_COLOURS[-1]))
BRACKETS: Mapping[Lang, tuple[str, str]] = {"zh": ("（", "）"), "en": (" (", ")")}
ACTION_MARKERS = {"open": "o", "extend": "^", "move": "D", "close": "X"}


def draw_figures(run: RunFolder, folder: Path, lang: Lang) -> list[Path]:
    """Draw what a slide needs of a run: maps of committees and projects, bars of domains and towns, the matrix.

    Parameters
    ----------
    run : RunFolder
        Of ``compute``, ``verify`` or ``plan``. A ledger alone has no detection, and no picture.
    folder : Path
        Where to; made if absent.
    lang : {"zh", "en"}
        Language of titles and legends; names stay as they are.

    Returns
    -------
    list of Path
        PNG and SVG of each picture.

    Raises
    ------
    OutputError
        If the installed fonts lack a character that is to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if "committees" not in run.layers:
        return []
    drawing = _Drawing(Facts(run), lang)
    pictures: dict[str, Callable[[], Figure]] = {
        "map_verdicts": drawing.map_of_verdicts,
        "map_rates": drawing.map_of_rates,
        "map_gaps": drawing.map_of_gaps,
        "chart_domains": drawing.chart_of_domains,
        **drawing.matrices(),
    }
    if len(run.table("effects")):
        pictures |= drawing.charts_of_effects("domain") | drawing.charts_of_effects("town")
    if "projects" in run.layers:
        pictures["map_projects"] = drawing.map_of_projects
    return [path for name, draw in pictures.items() for path in save(draw(), folder, name)]


class _Drawing:
    """What all pictures of a run need."""

    def __init__(self, facts: Facts, lang: Lang) -> None:
        self.facts, self.run, self.lang = facts, facts.run, lang
        self.words = texts("figures", lang)
        self.dictionary = load_dictionary()

    def map_of_verdicts(self) -> Figure:
        """Draw the committees by verdict."""
        verdicts = self.facts.committees["verdict"].tolist()
        figure = self._slide("verdicts", self.words["verdicts_note"])
        classes = [(self._code(one), VERDICT_COLOURS[one], [v == one for v in verdicts]) for one in VERDICTS]
        self._classed_map(figure, classes, self.words["committees"])
        return figure

    def map_of_rates(self) -> Figure:
        """Draw the committees by item rate."""
        table = self.facts.committees
        judged = (table["passed"] + table["failed"]).to_numpy(dtype=float)
        rates = np.divide(
            table["passed"].to_numpy(dtype=float), judged, out=np.full(len(judged), np.nan), where=judged > 0
        )
        figure = self._slide("rates", self.words["rates_note"])
        step = np.digitize(rates, STEPS)
        classes = [
            (label, colour, ((step == number) & ~np.isnan(rates)).tolist())
            for number, (label, colour) in reversed(list(enumerate(zip(step_labels(), STEP_COLOURS, strict=True))))
        ]
        classes.append((self.words["nothing"], NOTHING, np.isnan(rates).tolist()))
        self._classed_map(figure, classes, self.words["committees"])
        return figure

    def map_of_gaps(self) -> Figure:
        """Draw how many headline items of each committee fail."""
        gaps = self.facts.committees["failed"].to_numpy(dtype=int)
        figure = self._slide("gaps", self.words["gaps_note"].format(count=f"{gaps.sum():,}"))
        judged = self.facts.committees[["passed", "failed"]].to_numpy(dtype=float).sum(axis=1) > 0
        classes = [(self.words["no_gap"], NO_GAP, ((gaps == 0) & judged).tolist())]
        for (low, high), colour in zip(GAP_CLASSES, GAP_COLOURS, strict=True):
            high_shown = min(high, max(int(gaps.max(initial=0)), low))
            label = self.words["gap_class" if high_shown > low else "gap_one"].format(low=low, high=high_shown)
            classes.append((label, colour, ((gaps >= low) & (gaps <= high)).tolist()))
        classes.append((self.words["nothing"], NOTHING, (~judged).tolist()))
        self._classed_map(figure, classes, self.words["committees"])
        return figure

    def map_of_projects(self) -> Figure:
        """Draw the projects that have a place, by means (colour) and action (shape)."""
        every = self.facts.projects
        if every is None:
            raise ValueError("the run has no projects")
        has_place = every.geometry.notna() & ~every.geometry.is_empty
        projects = every[has_place]
        notes = [self.words["projects_note"].format(count=f"{every['units'].astype(float).sum():,.0f}")]
        if not has_place.all():
            notes.append(self.words["placeless"].format(count=int((~has_place).sum())))
        figure = self._slide("projects", (" · " if self.lang == "en" else "，").join(notes))
        axes = self._base(figure, [LAND] * len(self.facts.committees), extra=projects)
        means = projects["means"].fillna("").tolist()
        colours = [MEANS_COLOURS.get(one, QUIET) for one in means]
        actions = projects["action"].tolist()
        numbered = self._draw_projects(axes, projects, colours)
        handles: list[Artist] = [
            _mark(self._counted(self._code(one), means.count(one)), "o", MEANS_COLOURS[one])
            for one in MEANS
            if one in means
        ]
        if (others := sum(one not in MEANS for one in means)) > 0:
            handles.append(_mark(self._counted(self.words["no_means"], others), "o", QUIET))
        for action, marker in ACTION_MARKERS.items():
            if action in actions:
                handles.append(_mark(self._counted(self._code(action), actions.count(action)), marker, "white"))
        said = [self.words["several"]] if numbered else []
        if any(area is None for area in self._areas):
            handles.append(_mark(self.words["committee"], ".", LAND))
        if not projects["applied"].astype("boolean").fillna(value=False).all():
            said.append(self.words["unapplied"])
        self._legend(figure, axes, self._code("means"), handles, said)
        return figure

    def _draw_projects(self, axes: Axes, projects: gpd.GeoDataFrame, colours: Sequence[str]) -> bool:
        """Draw one mark for all projects of a kind at a place; return whether any has the number of several."""
        points = projects.geometry.centroid
        applied = projects["applied"].astype("boolean").fillna(value=False)
        keys = [points.x.round(1), points.y.round(1), projects["action"], pd.Series(colours, projects.index), applied]
        marks = pd.concat(keys, axis=1, keys=["x", "y", "action", "colour", "applied"])
        counts = marks.value_counts(sort=False).reset_index(name="count")
        size = 90 if len(counts) <= FEW else 45 if len(counts) <= MANY else 16
        for row in counts.to_dict("records"):
            several = row["count"] > 1 and len(counts) <= MANY
            axes.scatter(
                [row["x"]], [row["y"]], s=size * (2.2 if several else 1), marker=ACTION_MARKERS.get(row["action"], "o"),
                linewidths=1.2, facecolors=row["colour"] if row["applied"] else "white",
                edgecolors="white" if row["applied"] else row["colour"], zorder=4,
            )  # fmt: skip
            if several:
                ink = "white" if row["applied"] else row["colour"]
                axes.text(
                    row["x"], row["y"], str(row["count"]), fontsize=LEAST_PT + 1, color=ink, weight="bold",
                    ha="center", va="center_baseline", zorder=5,
                )  # fmt: skip
        return len(counts) <= MANY and bool((counts["count"] > 1).any())

    def chart_of_domains(self) -> Figure:
        """Draw the item rate of each domain and of the district, with the numbers beside the bars."""
        domains, district = self.run.table("domains"), self.run.table("district")
        rows = pd.concat([domains, district], ignore_index=True)
        names = [*(getattr(one, self.lang) for one in self.facts.domains), self.words["district"]]
        figure = self._slide("domains", self.words["domains_note"])
        axes = self._bars(figure, names)
        for at, row in enumerate(rows.to_dict("records")):
            rate = float(row["item_rate"])
            last = at == len(domains)
            if not math.isnan(rate):
                axes.barh(at, rate, height=0.66, color=INK if last else VERDICT_COLOURS["pass"])
            judged = int(row["passed"] + row["failed"])
            axes.text(1.02, at, f"{text_of_rate(rate)}   {int(row['passed']):,}/{judged:,}", **_beside())
        self._draw_target(axes)
        return figure

    def charts_of_effects(self, by: str) -> dict[str, Callable[[], Figure]]:
        """Return charts of item rates before the projects and with them, of domains or towns, the district last."""
        before, after, names = self._states(by)
        pieces = _pieces(len(names), ROWS_MOST)
        drawn: dict[str, Callable[[], Figure]] = {}
        for number, piece in enumerate(pieces, 1):
            kept = [*piece, len(names)]
            rows = [(before[at], after[at]) for at in kept]
            labels = [*(names[at] for at in piece), self.words["district"]]
            suffix, part = ("", "") if len(pieces) == 1 else (f"_{number}", f" {number}/{len(pieces)}")
            drawn[f"effects_{by}s{suffix}"] = partial(self._chart_of_effects, by, rows, labels, part)
        return drawn

    def _chart_of_effects(
        self, by: str, rows: Sequence[tuple[float, float]], labels: Sequence[str], part: str
    ) -> Figure:
        note = self.words["effects_note"].format(year=self.run.as_of)
        figure = slide(self.words[f"effects_{by}"] + part, note, self._source)
        axes = self._bars(figure, labels)
        height = 0.38
        for at, (old, new) in enumerate(rows):
            axes.barh(at - height / 2, 0 if math.isnan(old) else old, height, color=BEFORE)
            axes.barh(at + height / 2, 0 if math.isnan(new) else new, height, color=VERDICT_COLOURS["pass"])
            axes.text(1.02, at, f"{text_of_rate(old)} → {text_of_rate(new)}", **_beside(len(rows)))
        self._draw_target(axes)
        figure.legend(
            handles=[patch(self.words["before"], BEFORE), patch(self.words["after"], VERDICT_COLOURS["pass"])],
            loc="center right", bbox_to_anchor=(0.975, 0.92), ncols=2, frameon=False, fontsize=TEXT_PT,
        )  # fmt: skip
        return figure

    def _states(self, by: str) -> tuple[list[float], list[float], list[str]]:
        """Return item rates before and after of each domain or town, the district last, and the names of the former."""
        effects = self.run.table("effects")
        pairs = [(one.id, getattr(one, self.lang)) for one in self.facts.domains]
        if by == "town":
            pairs = [(town, short(town)) for town in self.facts.towns]
        first = effects[effects["state"] == "before"].set_index(["by", "key"])["item_rate"].to_dict()
        last = self.run.table("domains" if by == "domain" else "towns")
        now = last.set_index("domain" if by == "domain" else "town_id")["item_rate"].to_dict()
        district = float(self.run.table("district")["item_rate"].iloc[0])
        before = [float(first.get((by, key), math.nan)) for key, _ in pairs]
        after = [float(now.get(key, math.nan)) for key, _ in pairs]
        whole = float(first.get(("district", ""), math.nan))
        return [*before, whole], [*after, district], [name for _, name in pairs]

    def matrices(self) -> dict[str, Callable[[], Figure]]:
        """Return the matrix of headline types and towns, in as many pictures as keep its numbers legible."""
        towns = self.facts.towns
        pieces = [[towns[at] for at in piece] for piece in _pieces(len(towns), TOWNS_MOST)]
        if len(pieces) == 1:
            return {"matrix": partial(self._matrix, towns, "")}
        named = {f"matrix_{number}": (piece, f" {number}/{len(pieces)}") for number, piece in enumerate(pieces, 1)}
        return {name: partial(self._matrix, *given) for name, given in named.items()}

    def _matrix(self, towns: Sequence[str], part: str) -> Figure:
        """Draw the item rate of every headline type (rows) and of some towns (columns), each with its number."""
        heads = [one for one in self.facts.types if one.id in self.facts.headline]
        rates = self.facts.matrix[[one.id for one in heads]].T[list(towns)].to_numpy(dtype=float)
        figure = slide(self.words["matrix"] + part, self.words["matrix_note"], self._source)
        rows, columns = rates.shape
        turned = columns > UPRIGHT_TOWNS
        axes = figure.add_axes((0.27, 0.07, min(0.58, 0.09 * max(columns, 1)), 0.66 if turned else 0.75))
        every = np.array([*STEP_COLOURS, NOTHING])
        colours = every[np.where(np.isnan(rates), len(STEP_COLOURS), np.digitize(rates, STEPS))]
        for (row, column), rate in np.ndenumerate(rates):
            colour = str(colours[row, column])
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white"))
            axes.text(
                column + 0.5, row + 0.53, _whole_percent(float(rate)), fontsize=SMALL_PT, ha="center", va="center",
                color="white" if colour in DARK else INK,
            )  # fmt: skip
        axes.set(xlim=(0, columns), ylim=(rows, 0))
        axes.xaxis.tick_top()
        names = [short(town, 12) for town in towns]
        axes.set_xticks(np.arange(columns) + 0.5, names, fontsize=SMALL_PT, rotation=90 if turned else 0)
        labels = [short(getattr(one, self.lang), 34) for one in heads]
        axes.set_yticks(np.arange(rows) + 0.5, labels, fontsize=_row_size(rows))
        axes.tick_params(length=0, colors=INK)
        _bare(axes)
        self._step_legend(figure)
        return figure

    # -- parts -----------------------------------------------------------------------------------------------------

    def _slide(self, key: str, note: str) -> Figure:
        return slide(self.words[key], note, self._source)

    @cached_property
    def _source(self) -> str:
        document = self.run.document
        streets = str(document["configuration"].get("network", {}).get("source", "–"))
        osm = ATTRIBUTION if any(str(name).lower().endswith(OSM) for name in document["inputs"]) else ""
        return self.words["source"].format(
            run=short(self.run.name, 40), year=self._year, standard=self._standard, osm=osm,
            streets=short(Path(streets).name, 40), version=document["circle15"],
        )  # fmt: skip

    @property
    def _year(self) -> str:
        """The year of the rates, and that projects are in them: a projection must not read as what is."""
        key = "year_projected" if len(self.run.table("effects")) else "year"
        return self.words[key].format(year=self.run.as_of)

    @property
    def _standard(self) -> str:
        label = self.run.document["standard"]
        return str(label["id"]) + self.words[f"standard_{label['status']}"]

    def _counted(self, label: str, count: int) -> str:
        opening, closing = BRACKETS[self.lang]
        return f"{label}{opening}{count:,}{closing}"

    def _code(self, value: str) -> str:
        return self.dictionary.code(value).title(self.lang)

    def _base(self, figure: Figure, colours: Sequence[str], extra: gpd.GeoDataFrame | None = None) -> Axes:
        """Draw the committees, as areas where they have one and points elsewhere, and the towns' borders and names."""
        points = self.facts.committees["geometry"].to_numpy()
        areas = self._areas
        bounds = [gpd.GeoSeries(points).total_bounds]
        bounds += [gpd.GeoSeries(areas).total_bounds] if any(area is not None for area in areas) else []
        bounds += [extra.total_bounds] if extra is not None and len(extra) else []
        corners = np.array(bounds)
        box = [*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)]
        axes = map_axes(figure, box, self.words["north"])
        draw_areas(axes, areas, colours)
        bare = [at for at, area in enumerate(areas) if area is None]
        size = 90 if len(points) <= FEW else 30 if len(points) <= MANY else 12
        axes.scatter(
            [points[at].x for at in bare], [points[at].y for at in bare], c=[colours[at] for at in bare], s=size,
            edgecolors="#555555", linewidths=0.3, zorder=3,
        )  # fmt: skip
        return axes

    def _classed_map(self, figure: Figure, classes: Sequence[tuple[str, str, list[bool]]], title: str) -> None:
        """Draw the committees in the colour of their class, and how many each class has."""
        colours = [NOTHING] * len(self.facts.committees)
        for _, colour, members in classes:
            colours = [colour if member else old for member, old in zip(members, colours, strict=True)]
        axes = self._base(figure, colours)
        handles: list[Artist] = [
            patch(self._counted(label, sum(members)), colour) for label, colour, members in classes if any(members)
        ]
        self._legend(figure, axes, title, handles, [])

    def _legend(self, figure: Figure, axes: Axes, title: str, handles: Sequence[Artist], notes: Sequence[str]) -> None:
        """Draw the towns over a map, and write the legend at its side."""
        towns = self.run.layers.get("towns")
        every = list(handles)
        if draw_borders(axes, towns):
            every.append(Line2D([], [], color=BORDER, linewidth=1.6, label=self.words["borders"]))
        said = list(notes)
        if towns is not None and len(towns):
            ordered = towns.sort_values("town_id")
            places = np.array([_place(one) for one in ordered.geometry], dtype=object)
            if left_out := draw_names(axes, ordered["town_id"].tolist(), places):
                said.append(self.words["names_left_out"].format(count=left_out))
        legend(figure, title, every, said)

    @cached_property
    def _areas(self) -> npt.NDArray[np.object_]:
        """The committees' areas in the order of the committees, None where one has none."""
        layer = self.run.layers.get("committee_areas")
        known = {} if layer is None else dict(zip(layer["committee_id"], layer.geometry, strict=True))
        found = [known.get(one) for one in self.facts.committees["committee_id"]]
        areas = np.empty(len(found), dtype=object)
        areas[:] = [None if area is None or area.is_empty else area for area in found]
        return areas

    def _bars(self, figure: Figure, names: Sequence[str]) -> Axes:
        """Return axes for horizontal bars of rates, the first name above."""
        axes = figure.add_axes((0.24, 0.10, 0.52, 0.75))
        axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
        axes.set_yticks(
            range(len(names)), [short(name, 34) for name in names], fontsize=min(TEXT_PT, _row_size(len(names)))
        )
        ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
        axes.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks], fontsize=SMALL_PT)
        axes.tick_params(length=0, colors=INK)
        axes.grid(axis="x", color="#e3e3e3", linewidth=0.8)
        axes.set_axisbelow(True)
        _bare(axes)
        return axes

    def _draw_target(self, axes: Axes) -> None:
        """Draw the target of the item rate that falls due next, or the last one of all."""
        targets = self.run.table("targets")
        if targets.empty:
            return
        whole = targets[(targets["measured_by"] == "item_rate") & targets["value"].notna()].sort_values("due")
        if whole.empty:
            return
        ahead = whole[whole["due"] >= self.run.as_of]
        row = (ahead if len(ahead) else whole.iloc[::-1]).iloc[0]
        value = float(row["value"]) / 100
        axes.axvline(value, color=VERDICT_COLOURS["fail"], linewidth=2, linestyle=(0, (4, 2)), clip_on=False, zorder=5)
        label = self.words["target"].format(value=f"{value:.4%}".rstrip("0%").rstrip(".") + " %")
        axes.annotate(
            label, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 5), textcoords="offset points",
            ha="right", color=VERDICT_COLOURS["fail"], fontsize=TEXT_PT,
        )  # fmt: skip

    def _step_legend(self, figure: Figure) -> None:
        steps = zip(step_labels(), STEP_COLOURS, strict=True)
        handles = [patch(label, colour) for label, colour in reversed(list(steps))]
        handles.append(patch(self.words["nothing"], NOTHING))
        figure.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(0.99, 0.06), frameon=False, fontsize=SMALL_PT,
            alignment="left", handlelength=1.4,
        )  # fmt: skip


def _pieces(count: int, most: int) -> list[range]:
    """Return the positions of `count` things in as few runs of about the same length as have at most `most` each."""
    parts = max(1, math.ceil(count / most))
    size = math.ceil(count / parts)
    return [range(start, min(start + size, count)) for start in range(0, max(count, 1), max(size, 1))]


def _whole_percent(rate: float) -> str:
    """Return a rate in whole percent, rounded down: 100 means all of them."""
    return "–" if math.isnan(rate) else str(math.floor(round(rate * 100, 6)))


def _place(geometry: Any) -> Any:
    """Return where a town's name goes: within its area, or amid its committees."""
    return geometry.representative_point() if geometry.geom_type.endswith("Polygon") else geometry.centroid


def _mark(label: str, marker: str, colour: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", marker=marker, markersize=9, color=colour, markeredgecolor="#777777", label=label
    )


def _row_size(rows: int) -> float:
    """Return a size of text at which so many rows stand apart."""
    return float(min(TEXT_PT, max(LEAST_PT, 330 / max(rows, 1))))


def _beside(rows: int = 1) -> dict[str, Any]:
    """Return how figures beside a bar are written."""
    return {"fontsize": min(TEXT_PT, _row_size(rows)), "color": INK, "va": "center", "clip_on": False}


def _bare(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
