"""Who did not get the nearest street, since no journey may begin or end on it: told once by mode and kind of place."""

import numpy as np
import numpy.typing as npt

from circle15.errors import counted
from circle15.network.graph import Network
from circle15.network.snap import PassedOver, Snapped, passed_over
from circle15.network.travel import Places
from circle15.stages.run import Inputs, IntArray, Run, xy_of

CANNOT_BOARD = "is one that nobody steps onto there (a tunnel, a bridge, a ferry, a motorway)"
NO_WAY_OUT = "cannot be left by the mode"
NO_WAY_IN = "cannot be entered by the mode"


def note_committees_passed(
    run: Run, inputs: Inputs, network: Network, origins: Snapped, asked: npt.NDArray[np.bool_]
) -> None:
    """Note the committees asked about (a mask) that did not get their nearest street, and how much farther they go."""
    over = passed_over(network, xy_of(inputs.committees), origins, run.config.network.max_snap_m, begins=True)
    ids = inputs.committees["committee_id"].to_numpy(dtype=object)
    closed, blind = np.flatnonzero(over.cannot_board & asked), np.flatnonzero(over.leads_nowhere & asked)
    text = _passed(network.mode, counted(len(closed), "committee", "committees"), CANNOT_BOARD, over, closed)
    run.notes.add(f"committees.{network.mode}.cannot_board", len(closed), text, ids[closed])
    text = _passed(network.mode, counted(len(blind), "committee", "committees"), NO_WAY_OUT, over, blind)
    run.notes.add(f"committees.{network.mode}.leads_nowhere", len(blind), text, ids[blind])


def note_people_passed(run: Run, inputs: Inputs, network: Network, rows: IntArray, cells: Snapped) -> None:
    """Note the cells in `rows` that did not get their nearest street."""
    if inputs.cells is None or not len(rows):
        return
    own = inputs.cells.iloc[rows]
    over = passed_over(network, xy_of(own), cells, run.config.network.max_snap_m, begins=True)
    ids, persons = own["cell_id"].to_numpy(dtype=object), inputs.persons[rows]
    closed, blind = np.flatnonzero(over.cannot_board), np.flatnonzero(over.leads_nowhere)
    who = f"{persons[closed].sum():,.0f} people ({counted(len(closed), 'cell', 'cells')})"
    text = _passed(network.mode, who, CANNOT_BOARD, over, closed)
    run.notes.add(f"population.{network.mode}.cannot_board", len(closed), text, ids[closed])
    who = f"{persons[blind].sum():,.0f} people ({counted(len(blind), 'cell', 'cells')})"
    text = _passed(network.mode, who, NO_WAY_OUT, over, blind)
    run.notes.add(f"population.{network.mode}.leads_nowhere", len(blind), text, ids[blind])


def note_facilities_passed(run: Run, network: Network, places: Places, ids: npt.NDArray[np.object_]) -> None:
    """Note the entrances that did not get their nearest street; `ids` are those of all facilities."""
    over = passed_over(network, places.xy, places.snapped, run.config.network.max_snap_m, begins=False)
    closed, blind = np.flatnonzero(over.cannot_board), np.flatnonzero(over.leads_nowhere)
    labels = ids[np.unique(places.facility[closed])]
    who = f"{counted(len(closed), 'entrance', 'entrances')} of {counted(len(labels), 'facility', 'facilities')}"
    text = _passed(network.mode, who, CANNOT_BOARD, over, closed)
    run.notes.add(f"facilities.{network.mode}.cannot_board", len(closed), text, labels)
    labels = ids[np.unique(places.facility[blind])]
    who = f"{counted(len(blind), 'entrance', 'entrances')} of {counted(len(labels), 'facility', 'facilities')}"
    text = _passed(network.mode, who, NO_WAY_IN, over, blind)
    run.notes.add(f"facilities.{network.mode}.leads_nowhere", len(blind), text, labels)


def _passed(mode: str, who: str, why: str, over: PassedOver, rows: IntArray) -> str:
    """Return the sentence on places that did not get their nearest street."""
    farther_m = over.farther_m[rows]
    known = farther_m[np.isfinite(farther_m)]
    lost = len(farther_m) - len(known)
    next_one = []
    if len(known):
        farther = f"up to {known.max():,.0f} m farther away" if known.max() >= 1 else "less than 1 m farther away"
        next_one = [f"the next one counts, {farther}"]
    if lost:
        next_one.append(f"for {lost:,} of them no other is near enough" if len(known) else "no other is near enough")
    return f"{mode}: the nearest street of {who} {why}; {', and '.join(next_one)}"
