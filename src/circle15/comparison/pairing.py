"""Which committees and types of two runs are the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from circle15.errors import InputError, Notes, Problem, raise_if_any
from circle15.report.reading import RunFolder
from circle15.tables import clean_text

COLUMNS = ("committee_a", "committee_b")
REMEDY = "Give --mapping FILE, a CSV of committee_a,committee_b: one row a pair; leave the other one empty for none."


@dataclass(frozen=True)
class Pairs:
    """Committees of two runs.

    Attributes
    ----------
    same : dict of str to str
        Id in A → id in B, of committees that are one and the same.
    only_a, only_b : tuple of str
        Committees that the other run has no single one for: merged, divided, new or gone. Their items are left out.
    """

    same: Mapping[str, str]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    @property
    def rename_b(self) -> dict[str, str]:
        """From every id of B to the id that it goes by in the comparison: A's, or its own with ``B:`` before it."""
        return {b: a for a, b in self.same.items()} | {one: f"B:{one}" for one in self.only_b}


def committees_of(run: RunFolder) -> pd.DataFrame:
    """Return ``committee_id``, ``name`` and ``town_id`` of a run's committees.

    Raises
    ------
    InputError
        If the folder holds no committees.
    """
    table = run.table("committees")
    if not len(table):
        table = pd.DataFrame(run.layers.get("committees", pd.DataFrame()))
    if "committee_id" not in table:
        raise InputError(Problem("holds no committees", str(run.folder), remedy="Run the command again."))
    return pd.DataFrame({name: table[name].fillna("").astype(object) for name in ("committee_id", "name", "town_id")})


def pair(a: RunFolder, b: RunFolder, mapping: Path | None, notes: Notes) -> Pairs:
    """Return which committees of two runs are the same: those of one id, and those that a mapping names.

    Parameters
    ----------
    a, b : RunFolder
        The runs.
    mapping : Path or None
        A CSV file with ``committee_a`` and ``committee_b``. Rows that stand alone on both sides are pairs; where one
        id stands in several rows, or the other side is empty, those committees have no counterpart. What it does not
        name goes by its id.
    notes : Notes
        Gets the committees without a counterpart.

    Raises
    ------
    InputError
        If a committee has no counterpart and the mapping does not say so, or the mapping is wrong.
    """
    ids_a, ids_b = (list(committees_of(run)["committee_id"]) for run in (a, b))
    rows = [] if mapping is None else _read(mapping, set(ids_a), set(ids_b))
    named_a, named_b = {one for one, _ in rows}, {one for _, one in rows}
    free_b = set(ids_b) - named_b
    rows += [(one, one) for one in ids_a if one not in named_a and one in free_b]
    told_a, told_b = {one for one, _ in rows}, {one for _, one in rows}
    problems = _strangers(a, [one for one in ids_a if one not in told_a], "second", mapping)
    problems += _strangers(b, [one for one in ids_b if one not in told_b], "first", mapping)
    raise_if_any(problems)
    count_a, count_b = (
        Counter(one for one, _ in rows),
        Counter(b for _, b in rows),
    )
    same = {x: y for x, y in rows if x and y and count_a[x] == 1 and count_b[y] == 1}
    found = set(same.values())
    pairs = Pairs(same, tuple(one for one in ids_a if one not in same), tuple(one for one in ids_b if one not in found))
    if not same:
        raise InputError(Problem("not one committee is the same in both runs", str(mapping or b.folder), remedy=REMEDY))
    left = [*pairs.only_a, *pairs.only_b]
    text = (
        f"{len(pairs.only_a)} committees of the first run and {len(pairs.only_b)} of the second have no single "
        "counterpart (merged, divided, new or gone): they are in the rates, and not among the verdicts that changed"
    )
    notes.add("compare.no_counterpart", len(left), text, left)
    return pairs


def _strangers(run: RunFolder, ids: Sequence[str], other: str, mapping: Path | None) -> list[Problem]:
    if not ids:
        return []
    what = f"committees that the {other} run does not have{' and the mapping does not name' if mapping else ''}"
    return [Problem(what, str(run.folder), tuple(ids), REMEDY)]


def _read(path: Path, known_a: set[str], known_b: set[str]) -> list[tuple[str, str]]:
    """Return the pairs of a mapping; an empty cell is ``""``."""
    where = str(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=True)
    except (OSError, ValueError) as error:
        what = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        remedy = "Save it as CSV in UTF-8." if isinstance(error, UnicodeError) else REMEDY
        raise InputError(Problem(what, where, remedy=remedy)) from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(Problem(f"has no column {', '.join(missing)}", where, remedy=REMEDY))
    cells = {name: clean_text(table[name]) for name in COLUMNS}
    problems = []
    for name, known in zip(COLUMNS, (known_a, known_b), strict=True):
        strange = tuple(dict.fromkeys(one for one in cells[name] if one and one not in known))
        if strange:
            problems.append(Problem(f'"{name}" has ids that the run does not have', where, strange, "Correct them."))
    rows = list(zip(*cells.values(), strict=True))
    twice = tuple(f"row {n + 1}" for n, row in enumerate(rows) if rows.index(row) < n and any(row))
    if twice:
        problems.append(Problem("a pair stands twice", where, twice, "Keep one."))
    raise_if_any(problems)
    return [row for row in rows if any(row)]


def common_types(a: RunFolder, b: RunFolder, notes: Notes) -> list[str]:
    """Return the types that count in the rates of both runs, in B's order; those of one run alone are noted.

    Raises
    ------
    InputError
        If they have none in common.
    """
    tables = (run.table("types") for run in (a, b))
    types_a, types_b = (list(one.loc[one["headline"].astype(bool), "type_id"]) for one in tables)
    both = [one for one in types_b if one in set(types_a)]
    left = [*(one for one in types_a if one not in set(types_b)), *(one for one in types_b if one not in set(types_a))]
    if left and not both:
        what = "the runs have no type in common: their standards speak of different facilities"
        raise InputError(Problem(what, f"{a.folder}, {b.folder}", tuple(left), "Compare runs of related standards."))
    text = f"{len(left)} types count in one run alone: they are in its rates, and not among the verdicts that changed"
    notes.add("compare.other_types", len(left), text, left)
    return both
