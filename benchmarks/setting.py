"""What the in-process measurements share: a district read and placed, the questions of each mode, a watch."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circle15.cache import open_cache
from circle15.config import load_config
from circle15.errors import Notes
from circle15.inputs.streets import read_streets
from circle15.network.entrances import find_entrances
from circle15.network.graph import ModeSpeeds, Network, build_network
from circle15.stages.people import place_people
from circle15.stages.read import mode_speeds, read_inputs, resolve
from circle15.stages.run import Clock, Inputs, Networks, RuleBook, Run, xy_of
from circle15.standard.load import load_standard
from circle15.standard.resolve import serving_types
from circle15.tables import Streets
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]


class Silent:
    """A progress that tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Ignore the stage."""

    def advance(self, n: int = 1) -> None:
        """Ignore the steps."""

    def tell(self, text: str) -> None:
        """Ignore how far it is."""

    def done(self) -> None:
        """Ignore the end."""


@dataclass
class Watch:
    """Seconds by name; the same name adds up."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Time the body as `name`."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Questions:
    """Everything that is asked of one mode; whoever answers may use nothing else.

    Attributes
    ----------
    mode : str
        ``walk`` or ``cycle``.
    speeds : ModeSpeeds
        How fast it moves.
    threshold_s : float
        Seconds, inclusive; the nearest is looked for up to three times as far.
    committee_row, cell_row : int64 arrays
        Rows of the committees and cells that travel by this mode.
    committee_xy, cell_xy : float64 arrays of shape (…, 2)
        Their places.
    entrances : dict of str to (float64 array of shape (entrances, 2), int64 array of shape (entrances,))
        By type: places of the entrances and the facility, numbered from 0, that each belongs to. Parks are handed
        over as the points where streets meet their boundary.
    """

    mode: str
    speeds: ModeSpeeds
    threshold_s: float
    committee_row: IntArray
    cell_row: IntArray
    committee_xy: FloatArray
    cell_xy: FloatArray
    entrances: dict[str, tuple[FloatArray, IntArray]]


@dataclass(frozen=True)
class District:
    """A district in memory.

    Attributes
    ----------
    run : Run
        The settings; nothing is kept on disk.
    inputs : Inputs
        Tables; people are placed.
    book : RuleBook
        The requirements by the zone's mode (walk and cycle) alone.
    streets : Streets
        As read.
    networks : dict of str to Network
        Contracted, for walk and cycle.
    questions : tuple of Questions
        For walk and cycle.
    serving : dict of str to tuple of str
        Type → the types that serve it.
    """

    run: Run
    inputs: Inputs
    book: RuleBook
    streets: Streets
    networks: dict[str, Network]
    questions: tuple[Questions, ...]
    serving: dict[str, tuple[str, ...]]

    @property
    def thresholds_s(self) -> FloatArray:
        """Threshold of each committee × requirement of the book, NaN where none; shape (committees, requirements)."""
        return np.stack([rules.threshold_s for _, rules in self.book], axis=1)


def load_district(path: Path) -> District:
    """Read a district and place its people, by circle15's own stages."""
    config = load_config(path)
    standard = load_standard(config.run.standard, config.folder)
    # joblib would otherwise hash every array only to store nothing; no stage is asked for twice here
    run = Run(config, standard, {}, open_cache(None), Notes(), Clock(Silent()))
    inputs = read_inputs(run)
    book = [(one, rules) for one, rules in resolve(standard, inputs.committees) if one.mode == "zone"]
    streets = read_streets(
        config.resolve(config.network.source),
        inputs.crs,
        layer=config.network.layer,
        source_crs=config.network.crs,
        ferries=config.network.ferries,
        notes=run.notes,
    )
    networks = {
        mode: build_network(streets, mode_speeds(standard, mode), config.network.min_component_nodes, run.notes)
        for mode in ("walk", "cycle")
    }
    inputs = place_people(run, inputs, Networks(networks, "benchmark"))
    serving = {one.type: serving_types(standard, one.type) for one, _ in book}
    questions = tuple(_ask(run, inputs, book, networks[mode]) for mode in networks)
    return District(run, inputs, book, streets, networks, questions, serving)


def _ask(run: Run, inputs: Inputs, book: RuleBook, network: Network) -> Questions:
    _, rules = book[0]
    mine = rules.mode == network.mode
    committee_row = np.flatnonzero(mine)
    cell_row = np.flatnonzero((inputs.cell_committee >= 0) & mine[inputs.cell_committee])
    table = inputs.facilities.table
    xy, facility = find_entrances(network, table.geometry.to_numpy(), run.config.network.max_snap_m, Notes())
    entrances = {}
    for requirement, _ in book:
        rows = np.flatnonzero((table["type_id"] == requirement.type).to_numpy())
        own = np.isin(facility, rows)
        entrances[requirement.type] = (xy[own], np.searchsorted(rows, facility[own]))
    assert inputs.cells is not None
    return Questions(
        network.mode,
        mode_speeds(run.standard, network.mode),
        float(np.nanmax(rules.threshold_s[mine])),
        committee_row,
        cell_row,
        xy_of(inputs.committees)[committee_row],
        xy_of(inputs.cells)[cell_row],
        entrances,
    )


def with_engine(run: Run, engine: str) -> Run:
    """Return the run with another engine and a clock of its own."""
    network = run.config.network.model_copy(update={"engine": engine})
    config = run.config.model_copy(update={"network": network})
    return dataclasses.replace(run, config=config, notes=Notes(), clock=Clock(Silent()))
