"""People: which of them are within the threshold, each cell judged by its committee's rule from its own place."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15.units import FloatArray, within

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OUTSIDE = "outside"
OFF_NETWORK = "off_network"
ASSIGNED = "assigned"


@dataclass(frozen=True)
class CellVerdicts:
    """Arrays of shape (cells,): whether each cell is judged at all, and whether it is covered.

    Attributes
    ----------
    known : bool array
        The requirement applies to the cell's committee, the type is covered and the cell is on the network.
    asked : bool array
        The requirement applies to the cell's committee.
    covered : bool array
        Known, and within the threshold.
    """

    asked: BoolArray
    known: BoolArray
    covered: BoolArray


@dataclass(frozen=True)
class People:
    """Arrays of shape (committees,), in persons.

    Attributes
    ----------
    population : float64 array
        Everybody in the committee's cells.
    covered : float64 array
        Those within the threshold; NaN where the requirement does not apply or nothing is known.
    unknown : float64 array
        Those of whom it can't be said; they leave both sides of a rate.
    """

    population: FloatArray
    covered: FloatArray
    unknown: FloatArray


def judge_cells(
    time_s: FloatArray,
    on_network: BoolArray,
    committee: IntArray,
    threshold_s: FloatArray,
    covered_type: bool,
    lost_nearby: BoolArray,
    enough: BoolArray | None = None,
    undecided: BoolArray | None = None,
) -> CellVerdicts:
    """Judge each cell by its committee's threshold.

    Parameters
    ----------
    time_s : float64 array of shape (cells,)
        Time to the nearest facility by the mode of the cell's committee; NaN where none is within the search limit.
    on_network : bool array of shape (cells,)
        Whether the cell lies near enough to that mode's network.
    committee : int64 array of shape (cells,)
        Row of the committee, -1 for none.
    threshold_s : float64 array of shape (committees,)
        Inclusive; NaN where the requirement does not apply.
    covered_type : bool
        Whether it can be said of the type at all: a source claims to know every facility of it.
    lost_nearby : bool array of shape (cells,)
        Whether a facility that is off the network lies within the threshold by straight line; such a cell is covered
        by another facility or unknown.
    enough : bool array of shape (cells,), optional
        Whether as many facilities as are asked for are within the threshold, where that is more than one.
    undecided : bool array of shape (committees,), optional
        Whether it isn't known which rule holds for the committee: its people are asked about, and unknown.
    """
    limit = np.where(committee >= 0, threshold_s[committee], np.nan)
    asked = np.isfinite(limit)
    reached = within(time_s, np.where(asked, limit, -1.0)) if enough is None else asked & enough
    known = asked & on_network & covered_type & (reached | ~lost_nearby)
    if undecided is not None:
        asked = asked | ((committee >= 0) & undecided[committee])
    return CellVerdicts(asked, known, known & reached)


def both(a: CellVerdicts, b: CellVerdicts) -> CellVerdicts:
    """Return the verdicts of two requirements that must both hold; one that isn't asked leaves the other."""
    asked = a.asked | b.asked
    fails = (a.known & ~a.covered) | (b.known & ~b.covered)
    knows_all = (a.known | ~a.asked) & (b.known | ~b.asked)
    known = asked & (fails | knows_all)
    return CellVerdicts(asked, known, known & ~fails)


def sum_people(cells: CellVerdicts, persons: FloatArray, committee: IntArray, committees: int) -> People:
    """Add up the cells by committee.

    Parameters
    ----------
    cells : CellVerdicts
        The verdicts.
    persons : float64 array of shape (cells,)
        People in each cell.
    committee : int64 array of shape (cells,)
        Row of the committee, -1 for none (such people are in nobody's rate).
    committees : int
        Number of committees.
    """

    def total(chosen: BoolArray) -> FloatArray:
        use = chosen & (committee >= 0)
        return np.bincount(committee[use], weights=persons[use], minlength=committees).astype(np.float64)

    applies = np.zeros(committees, dtype=bool)
    applies[committee[cells.asked]] = True
    return People(
        population=total(np.ones(len(persons), dtype=bool)),
        covered=np.where(applies, total(cells.covered), np.nan),
        unknown=np.where(applies, total(cells.asked & ~cells.known), np.nan),
    )
