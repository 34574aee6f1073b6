"""What every stage of a run shares: its settings, its store, and whoever is told of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import geopandas as gpd
import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely

from circle15.cache import kept
from circle15.config import Config
from circle15.errors import Notes
from circle15.network.graph import Network
from circle15.network.snap import Snapped, snap_to_begin, snap_to_end
from circle15.standard.model import Standard
from circle15.standard.resolve import CommitteeRequirement, Rules
from circle15.tables import FacilityTable
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]

RuleBook = list[tuple[CommitteeRequirement, Rules]]
"""Every requirement that speaks of committees with the rule that holds for each of them."""


class Progress(Protocol):
    """Where a run tells how far it is."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps, if they can be counted."""

    def advance(self, n: int = 1) -> None:
        """Finish `n` steps of the stage."""

    def tell(self, text: str) -> None:
        """Say how far a stage is that has no steps to count."""

    def done(self) -> None:
        """End the last stage."""


@dataclass
class Clock:
    """Times the stages and tells of them."""

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Time the body as stage `name`."""
        self.progress.stage(name, total)
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start
        self.progress.done()


@dataclass(frozen=True)
class Run:
    """The settings of a run, where it keeps what took long, and what it has to tell.

    Attributes
    ----------
    config, standard
        What is asked, after overrides.
    hashes : dict of str to str
        sha256 of each input file.
    store : joblib.Memory
        Intermediate results on disk.
    notes : Notes
        Grows while the run goes on.
    clock : Clock
        Times the stages.
    sensitivity : float or None
        Percent by which speeds are lowered and raised to find the verdicts that turn.
    """

    config: Config
    standard: Standard
    hashes: dict[str, str]
    store: joblib.Memory
    notes: Notes
    clock: Clock
    sensitivity: float | None = None

    def kept(self, make: Callable[[Notes], Any], *key: Any) -> Any:
        """Return ``make(notes)`` or what it gave for the same `key` before; its notes are kept and told again."""

        def run() -> tuple[Any, Notes]:
            own = Notes()
            return make(own), own

        value, told = kept(self.store, run, *key)
        self.notes.items += told.items
        return value

    def snap_to_end(self, networks: "Networks", mode: str, xy: FloatArray) -> Snapped:
        """Put the ends of journeys, shape (points, 2), on the streets that are open to everybody by a mode."""
        limit_m = self.config.network.max_snap_m
        found: Snapped = self.kept(
            lambda _: snap_to_end(networks.of[mode], xy, limit_m), "snap to end", networks.key, mode, xy, limit_m
        )
        return found

    def snap_to_begin(self, networks: "Networks", mode: str, xy: FloatArray) -> Snapped:
        """Put people on the streets that are open to them: those of the compound that they live in, too."""
        limit_m = self.config.network.max_snap_m
        found: Snapped = self.kept(
            lambda _: snap_to_begin(networks.of[mode], xy, limit_m), "snap to begin", networks.key, mode, xy, limit_m
        )
        return found


@dataclass(frozen=True)
class Networks:
    """A network for each mode, and the hash of all that they were made from."""

    of: dict[str, Network]
    key: str


@dataclass(frozen=True)
class Inputs:
    """The checked tables of a run.

    Attributes
    ----------
    crs : pyproj.CRS
        Metric CRS of all geometry.
    committees : GeoDataFrame
        Columns of `tables.COMMITTEES` and ``area``; geometry is the centre.
    cells : GeoDataFrame or None
        Columns of `tables.POPULATION` and age groups; geometry is the point. Until people are placed, `tables.SHAPE`
        has the polygons; from then on a row is what one committee has of a cell.
    facilities : FacilityTable
        Those open in the run's year.
    cell_committee : int64 array of shape (cells,)
        Row of each cell's committee, -1 for none; empty until people are placed.
    cell_status : object array of str, shape (cells,)
        ``assigned``, ``outside`` or ``off_network``; empty until people are placed.
    facility_town : object array of str, shape (facilities,)
        Each facility's town, ``""`` for none; empty until people are placed.
    water : object array of shapely polygons or None
        What is no land; None until people are placed.
    """

    crs: pyproj.CRS
    committees: gpd.GeoDataFrame
    cells: gpd.GeoDataFrame | None
    facilities: FacilityTable
    cell_committee: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    cell_status: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, dtype=object))
    facility_town: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, dtype=object))
    water: npt.NDArray[np.object_] | None = None

    @property
    def persons(self) -> FloatArray:
        """People of each cell."""
        return np.empty(0) if self.cells is None else self.cells["total"].to_numpy(dtype=np.float64)

    @property
    def groups(self) -> tuple[str, ...]:
        """Population groups that the cells have, ``total`` first; empty without a population."""
        if self.cells is None:
            return ()
        cells = self.cells
        others = (c for c in cells.columns if c not in ("cell_id", "geometry", "total"))
        return ("total", *(str(c) for c in others if pd.api.types.is_numeric_dtype(cells[c])))

    @property
    def population(self) -> dict[str, FloatArray]:
        """The people of each committee by group, arrays of shape (committees,); empty without a population."""
        inside, found = self.cell_committee >= 0, {}
        for name in self.groups:
            persons = self.group(name)
            assert persons is not None
            found[name] = np.bincount(
                self.cell_committee[inside], weights=persons[inside], minlength=len(self.committees)
            ).astype(np.float64)
        return found

    def group(self, name: str) -> FloatArray | None:
        """Return the persons of a group in each cell; None if there are no figures for it."""
        if self.cells is None or name not in self.groups:
            return None
        persons: FloatArray = self.cells[name].to_numpy(dtype=np.float64)
        return persons


def xy_of(points: gpd.GeoDataFrame) -> FloatArray:
    """Return the coordinates of point geometries, shape (points, 2)."""
    shapes = points.geometry.to_numpy()
    return np.stack([shapely.get_x(shapes), shapely.get_y(shapes)], axis=1)
