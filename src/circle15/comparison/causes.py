"""Which exchanged input turns which verdict.

Let ``S(G)`` be the verdicts with the inputs of run A, those of the groups ``G`` taken from run B. An item that is ``a``
in ``S(∅)`` and ``b`` in ``S(all)`` has as its causes all groups ``g`` with ``S({g}) = b``: those whose exchange alone
turns it. If there is none, it takes several together: ``interaction``. Causes may overlap, so their counts don't sum.

What sums is the sequence: groups are exchanged one after the other in a fixed order, and an item is credited to the
step at which its verdict changes for the last time. Each changed item has one step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.errors import Circle15Error, Notes

INTERACTION = "interaction"
PROGRAM = "program"
"""Of items that this version of circle15 judges otherwise from the same inputs than the version that wrote the run."""
SEPARATOR = "|"

NOT_TOLD = "not_told"
"""Of items that no group turns alone, where some group could not be exchanged: it may have been that one."""

Groups = tuple[str, ...]
TextArray = npt.NDArray[np.object_]
Detect = Callable[[frozenset[str]], pd.Series]
"""From the groups that are taken from B to each item's verdict; an item that there is not has ``""``."""

CAUSE_COLUMNS = ("cause", "alone", "only", "step", "passed_more", "cancelled")


@dataclass(frozen=True)
class Causes:
    """What was found by exchanging inputs.

    Attributes
    ----------
    items : DataFrame
        ``cause`` (groups joined by ``|``) and ``step`` of each changed item, by ``committee_id`` and ``type_id``.
    groups : DataFrame
        Columns of `CAUSE_COLUMNS`, one row a group: changed items that its exchange alone turns; those of them that no
        other alone turns; those credited to its step; by how many items more pass after its step; and items that its
        exchange alone would turn, though A and B agree on them. Then a row of `INTERACTION`, and one of `PROGRAM` if
        any item is its.
    """

    items: pd.DataFrame
    groups: pd.DataFrame


@dataclass
class Reruns:
    """Detects with exchanged inputs, each exchange once; one that can't be made is noted and gives None."""

    detect: Detect
    notes: Notes
    index: pd.Index
    advance: Callable[[], None] = lambda: None
    made: int = 0
    _known: dict[frozenset[str], TextArray | None] = field(default_factory=dict)

    def put(self, groups: frozenset[str], verdicts: TextArray) -> None:
        """Say what an exchange is known to give."""
        self._known[groups] = verdicts

    def of(self, groups: frozenset[str]) -> TextArray | None:
        """Return the verdicts with the groups exchanged, in the order of the index."""
        if groups not in self._known:
            try:
                found = self.detect(groups).reindex(self.index, fill_value="")
                self._known[groups] = found.to_numpy(dtype=object)
            except Circle15Error as error:
                # without the place: it is a file that was written for this, under a name that nobody knows
                why = "; ".join(problem.what for problem in error.problems)
                text = (
                    f"{', '.join(sorted(groups))} of the second run can't be judged with the rest of the first: {why}"
                )
                self.notes.add("compare.exchange_failed", 1, text)
                self._known[groups] = None
            self.made += 1
            self.advance()
        return self._known[groups]


def attribute(before: pd.Series, after: pd.Series, groups: Sequence[Groups], reruns: Reruns) -> Causes:
    """Attribute each changed item to the groups of inputs that turn it.

    Parameters
    ----------
    before, after : Series of str
        Verdicts of the runs A and B as they were written, by the same index of ``committee_id`` and ``type_id``.
    groups : sequence of tuple of str
        Groups that differ, in the order of the sequence; groups of one tuple are exchanged together.
    reruns : Reruns
        Knows ``S(∅)`` and ``S(all)``, or finds them.

    Notes
    -----
    With ``n`` groups it takes ``n`` detections for the causes and ``n - 2`` more for the sequence; of one group alone
    none, since its exchange is B itself.
    """
    was, now = before.to_numpy(dtype=object), after.to_numpy(dtype=object)
    every = frozenset(one for together in groups for one in together)
    start, end = reruns.of(frozenset()), reruns.of(every)
    start, end = (was if start is None else start), (now if end is None else end)
    names = [SEPARATOR.join(together) for together in groups]
    changed = was != now
    ours = changed & (start == was) & (end == now)
    found = [reruns.of(frozenset(together)) for together in groups]
    alone = np.zeros((len(found), len(was)), dtype=bool)
    for row, one in enumerate(found):
        alone[row] = False if one is None else one == now
    alone &= ours
    steps, labels, passed_more = _sequence(was, start, groups, end, now, reruns)
    step = np.array([*labels, PROGRAM], dtype=object)[steps]
    failed = [one is None for one in found]
    cause = _joined(names, alone)
    cause[ours & (cause == "")] = NOT_TOLD if any(failed) else INTERACTION
    cause[changed & ~ours] = PROGRAM
    items = pd.DataFrame({"cause": cause, "step": step}, index=before.index)[changed]
    cancelled = [None if one is None else int(((one != start) & ~changed).sum()) for one in found]
    table = _groups(names, labels, alone, items, passed_more, cancelled)
    table.loc[np.flatnonzero(failed), "alone"] = pd.NA
    if any(failed):
        table.loc[: len(names) - 1, "only"] = pd.NA  # the one that failed may turn them, too
    return Causes(items, table)


def _sequence(
    was: TextArray, start: TextArray, groups: Sequence[Groups], end: TextArray, now: TextArray, reruns: Reruns
) -> tuple[npt.NDArray[np.int64], list[str], list[int | None]]:
    """Return the step at which each item changed last, the steps' names, and how many more items pass after each.

    The last step is the program's: what it judges otherwise than it was written, of A and of B. A step that can't be
    made is taken together with the next, which then has the names of both; its own number is None.
    """
    step = np.full(len(was), len(groups), dtype=np.int64)
    labels, waiting = [SEPARATOR.join(together) for together in groups], list[str]()
    more: list[int | None] = [0] * (len(groups) + 1)
    state, taken = start, frozenset[str]()
    for number, together in enumerate(groups):
        taken |= frozenset(together)
        after = end if number == len(groups) - 1 else reruns.of(taken)
        waiting.append(labels[number])
        if after is None:
            more[number] = None
            continue
        labels[number], waiting = SEPARATOR.join(waiting), []
        step[state != after] = number
        more[number] = _passes(after) - _passes(state)
        state = after
    other = (start != was) | (end != now)
    step[other] = len(groups)
    more[-1] = _passes(start) - _passes(was) + _passes(now) - _passes(end)
    return step, labels, more


def _passes(verdicts: TextArray) -> int:
    return int((verdicts == "pass").sum())


def _joined(names: Sequence[str], alone: npt.NDArray[np.bool_]) -> TextArray:
    joined = [SEPARATOR.join(n for n, one in zip(names, column, strict=True) if one) for column in alone.T]
    return np.array([*joined, ""], dtype=object)[:-1]


def _groups(
    names: Sequence[str],
    labels: Sequence[str],
    alone: npt.NDArray[np.bool_],
    items: pd.DataFrame,
    passed_more: Sequence[int | None],
    cancelled: Sequence[int | None],
) -> pd.DataFrame:
    only = alone.sum(axis=0) == 1
    rows = [
        {
            "cause": name,
            "alone": int(alone[n].sum()),
            "only": int((alone[n] & only).sum()),
            "step": None if passed_more[n] is None else int((items["step"] == labels[n]).sum()),
            "passed_more": passed_more[n],
            "cancelled": cancelled[n],
        }
        for n, name in enumerate(names)
    ]
    for name in (INTERACTION, NOT_TOLD):
        together = int((items["cause"] == name).sum())
        if together:
            rows.append({"cause": name, "alone": together, "only": together})
    other = int((items["cause"] == PROGRAM).sum())
    if other or passed_more[-1]:
        step = int((items["step"] == PROGRAM).sum())
        rows.append({"cause": PROGRAM, "alone": other, "only": other, "step": step, "passed_more": passed_more[-1]})
    table = pd.DataFrame(rows, columns=CAUSE_COLUMNS)
    return table.astype(dict.fromkeys(CAUSE_COLUMNS[1:], "Int64"))
