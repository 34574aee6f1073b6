"""An Excel sheet → its rows as text, as a CSV of the same cells would give them.

The first row holds the names of the columns, each row below one thing. Sheets made for reading (titles, merged cells,
names in two rows) are refused with the cells named: what such a cell means for its neighbours is not for a program to
guess. The sheet is read as a stream: a cell far below costs nothing but its own place.
"""

import datetime as dt
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell
from openpyxl.utils.cell import get_column_letter, range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.xml.functions import iterparse

from circle15.errors import ConfigError, InputError, Notes, Problem, counted
from circle15.inputs.formats import SHOWN
from circle15.inputs.numberformats import shown_as

ZEROS = re.compile(r"0{2,}")
"""A number format that shows 123 as 000123: what is shown is the code, what is stored has lost its zeros."""
ISO_DATES = re.compile(r"yyyy\\?-mm\\?-dd", re.IGNORECASE)
"""A number format that shows a date as it is read."""
EXCEL_DIGITS = 15
"""Excel keeps this many digits of a number; further ones become 0."""
CELLS_SHOWN = 8
STRICT = b"http://purl.oclc.org/ooxml/"
"""Begins the names of the "Strict Open XML" kind of workbook, which openpyxl takes for one without sheets."""

AnyCell = ReadOnlyCell | EmptyCell


@dataclass
class _Sheet:
    """A sheet's cells as text with their rows of the sheet, and what was found on the way.

    Attributes
    ----------
    where : str
        File and sheet, for messages.
    names : list of str
        Of the columns; empty for columns without one.
    rows, blank : list of int
        Rows of the sheet, counted from 1: with cells, and empty ones between them.
    cells : list of list of str
        One list for each of `rows`.
    shown : dict of int to dict of int to (str or None)
        By column, counted from 0: what the sheet shows in a row, where that is not the text in `cells`.
    errors, too_long : list of str
        Cells with an error for a value, and with numbers that lost digits.
    widest : int
        How many cells the fullest row has.
    problems : list of Problem
        What makes it no table.
    """

    where: str
    names: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    shown: dict[int, dict[int, str | None]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)
    nameless: set[int] = field(default_factory=set)
    widest: int = 0
    problems: list[Problem] = field(default_factory=list)

    def report(self, what: str, cells: Sequence[str], remedy: str) -> None:
        """Add a problem that names its cells, if there are any."""
        if cells:
            more = f" and {len(cells) - CELLS_SHOWN} more" if len(cells) > CELLS_SHOWN else ""
            self.problems.append(Problem(f"{what}: {', '.join(cells[:CELLS_SHOWN])}{more}", self.where, remedy=remedy))


@dataclass
class _Marks:
    """What a sheet says beside the values of its cells.

    Attributes
    ----------
    merged : list of str
        Areas of merged cells, e.g. ``A1:B1``.
    hidden : set of int
        Rows that are hidden, counted from 1.
    valueless : list of (int, str)
        Row and name of cells with a formula and no value: a program wrote them that doesn't calculate.
    """

    merged: list[str] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    valueless: list[tuple[int, str]] = field(default_factory=list)


def read_excel(path: Path, layer: str | None, topic: str, notes: Notes) -> pd.DataFrame:
    """Read a sheet of an ``.xlsx`` or ``.xlsm`` file.

    Parameters
    ----------
    path : Path
        The file.
    layer : str or None
        The sheet; by default the first that is not hidden.
    topic : str
        First part of the codes of `notes`.
    notes : Notes
        Gets ``<topic>.sheets`` if the sheet was chosen among several, ``<topic>.hidden_rows`` (they are read) and
        ``<topic>.blank_rows`` (left out).

    Returns
    -------
    DataFrame
        Text in every cell: whole numbers without ``.0``, numbers formatted as ``0000`` with the zeros shown, dates as
        ``2021-09-01``, empty cells as ``""``. The index counts the rows below the names from 0. Its attribute
        `formats.SHOWN` has, by column, what the sheet shows where that is another text.

    Raises
    ------
    InputError
        If the file can't be read or the sheet is no table: an empty first row, a title, merged cells, columns without a
        name or with the same one, values that are errors, formulas without a stored value, numbers that lost digits.
    ConfigError
        If `layer` is no sheet.
    """
    with closing(_open(path)) as book:
        sheet = _choose_sheet(book, path, layer, topic, notes)
        found = _Sheet(f"{path}, sheet {sheet.title}")
        try:
            marks = _read_marks(sheet)
            _read_sheet(sheet, marks, found)
        except UNREADABLE as error:
            raise InputError(_no_excel(path, error)) from None
    _check_cells(marks, found)
    if found.problems:
        raise InputError(*found.problems)
    _note_rows(marks, found, path, topic, notes)
    return _table(found)


def _table(found: _Sheet) -> pd.DataFrame:
    """Return the cells in columns with a name, the others being empty."""
    kept = [at for at, name in enumerate(found.names) if name]
    index = pd.Index(np.array(found.rows, dtype=np.int64) - 2)
    cells = [[row[at] for at in kept] for row in found.cells]
    table = pd.DataFrame(cells, columns=[found.names[at] for at in kept], index=index, dtype=object)
    shown = {found.names[at]: by_row for at, by_row in found.shown.items() if at in set(kept)}
    table.attrs[SHOWN] = {
        name: pd.Series({number - 2: text for number, text in by_row.items()}, dtype=object)
        for name, by_row in shown.items()
    }
    return table


UNREADABLE = (
    *(InvalidFileException, zipfile.BadZipFile, zlib.error),
    *(KeyError, ValueError, OSError, SyntaxError, TypeError, NotImplementedError),
)
"""What openpyxl ends with on files that are damaged or none of its own."""


def _open(path: Path) -> openpyxl.Workbook:
    """Open the file with the values that formulas had."""
    try:
        _refuse_strict(path)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # parts of a workbook that openpyxl does not keep: charts, rules
            return openpyxl.load_workbook(path, data_only=True, read_only=True)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(_no_excel(path, error)) from None


def _no_excel(path: Path, error: Exception) -> Problem:
    reason = str(error).strip().splitlines()
    what = f"cannot be read as Excel ({reason[0] if reason else type(error).__name__})"
    remedy = "Open it in a spreadsheet program and save it as .xlsx, without a password."
    return Problem(what, str(path), remedy=remedy)


def _refuse_strict(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        name = "xl/workbook.xml"
        strict = name in parts.namelist() and STRICT in parts.read(name)
    if strict:
        remedy = 'Open it in a spreadsheet program and save it as "Excel Workbook (*.xlsx)", not as the Strict kind.'
        raise InputError(Problem('is a "Strict Open XML" workbook, which is not read', str(path), remedy=remedy))


def _choose_sheet(
    book: openpyxl.Workbook, path: Path, layer: str | None, topic: str, notes: Notes
) -> ReadOnlyWorksheet:
    sheets = {str(sheet.title): sheet for sheet in book.worksheets}
    shown = [name for name, sheet in sheets.items() if sheet.sheet_state == "visible"]
    if layer is not None:
        if layer not in sheets:
            remedy = f"There are: {', '.join(sheets)}."
            raise ConfigError(Problem(f'no sheet "{layer}"', str(path), remedy=remedy))
        return sheets[layer]
    if not shown:
        raise InputError(Problem("has no sheet that is not hidden", str(path), remedy="Name one with layer."))
    others = [name for name in sheets if name != shown[0]]
    text = f'{path.name}: sheet "{shown[0]}" is read, others are not ({", ".join(others)}); layer names the one to read'
    notes.add(f"{topic}.sheets", len(others), text, others)
    return sheets[shown[0]]


# what the sheet says beside its values -----------------------------------------------------------------------------


def _read_marks(sheet: ReadOnlyWorksheet) -> _Marks:
    """Read merged cells, hidden rows and formulas without a value, which openpyxl leaves out where it streams."""
    marks, number = _Marks(), 0
    with sheet._get_source() as source:  # type: ignore[attr-defined]  # noqa: SLF001 - where openpyxl itself streams the sheet from
        for event, element in iterparse(source, events=("start", "end")):
            name = element.tag.rpartition("}")[2]
            if event == "start":
                if name == "row":
                    number = int(element.get("r") or number + 1)
                    if element.get("hidden") in ("1", "true"):
                        marks.hidden.add(number)
                continue
            if name == "mergeCell":
                marks.merged.append(str(element.get("ref")))
            elif name == "c" and _lacks_value(element):
                marks.valueless.append((number, str(element.get("r"))))
            if name in ("row", "c", "mergeCell"):
                element.clear()
    return marks


def _lacks_value(cell: Any) -> bool:
    """Return whether a cell has a formula and no value; a formula that gives "" is stored as an empty text."""
    parts = {part.tag.rpartition("}")[2]: part for part in cell}
    if "f" not in parts:
        return False
    return "v" not in parts or (not parts["v"].text and cell.get("t") != "str")


# rows --------------------------------------------------------------------------------------------------------------


def _rows(sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, tuple[AnyCell, ...]]]:
    """Yield every row with its number, which is that of the sheet."""
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    yield from enumerate(sheet.rows, start=1)


def _read_sheet(sheet: ReadOnlyWorksheet, marks: _Marks, found: _Sheet) -> None:
    """Read the names of the columns and the cells below; a first row that can't be one of names is a problem."""
    rows = _rows(sheet)
    number, first = next(((number, row) for number, row in rows if any(_text(cell) for cell in row)), (0, ()))
    if not number:
        raise InputError(Problem("has no rows", found.where, remedy="Name a file or sheet that holds some."))
    found.names = [_text(cell).strip() for cell in first]
    for later, row in rows:
        _read_row(later, row, found)
    if found.rows:
        found.blank = [blank for blank in found.blank if blank < found.rows[-1]]
    _check_names(number, marks, found)


def _read_row(number: int, row: tuple[AnyCell, ...], found: _Sheet) -> None:
    texts = [_text(cell) for cell in row]
    filled = [at for at, text in enumerate(texts) if text.strip()]
    found.widest = max(found.widest, sum(bool(text) for text in texts))
    named = [at for at in filled if at < len(found.names) and found.names[at]]
    found.nameless.update(at for at in filled if at not in named)
    if not named:
        found.blank.append(number)
        return
    found.errors += [f"{_place(number, at)} ({row[at].value})" for at in named if row[at].data_type == "e"]
    found.too_long += [_place(number, at) for at in named if _lost_digits(row[at].value)]
    for at in named:
        text = _shown(row[at])
        if text != texts[at]:
            found.shown.setdefault(at, {})[number] = text
    found.rows.append(number)
    found.cells.append((texts + [""] * (len(found.names) - len(texts)))[: len(found.names)])


def _check_names(number: int, marks: _Marks, found: _Sheet) -> None:
    """Report a first row that is not one of names."""
    merged = [area for area in marks.merged if _first_cell(area)[0] == 1]
    remedy = "The first row has to hold one name for each column: unmerge it, and delete titles above the names."
    found.report("merged cells in the first row", merged, remedy)
    if number > 1:
        remedy = f"The first row has to hold the names of the columns: delete the {number - 1} above."
        found.report("the first row is empty, the first that is not is row", [str(number)], remedy)
        return
    named = [at for at, name in enumerate(found.names) if name]
    if not merged and len(named) == 1 and found.widest > 1:
        remedy = "The first row has to hold the names of the columns: delete what stands above them."
        found.report(f'"{found.names[named[0]]}" looks like a title', [_place(1, named[0])], remedy)
        return
    nameless = [get_column_letter(at + 1) for at in sorted(found.nameless)]
    found.report("columns with values and no name", nameless, "Name them in the first row, or delete them.")
    twice = sorted({name for name in found.names if name and found.names.count(name) > 1})
    found.report("two columns have one name", twice, "Rename one of them.")


def _check_cells(marks: _Marks, found: _Sheet) -> None:
    """Report cells whose value isn't theirs, or isn't known, unless the sheet is no table at all."""
    if found.problems:
        return
    merged = sorted((area for area in marks.merged if _first_cell(area)[0] > 1), key=_first_cell)
    remedy = "Only the first of such cells has a value: unmerge them and fill in every row."
    found.report("merged cells", merged, remedy)
    found.report("values that are errors", found.errors, "Correct the formulas, or enter the values.")
    remedy = "Open the file in a spreadsheet program, let it calculate, and save it."
    last = found.rows[-1] if found.rows else 1
    valueless = [name for number, name in marks.valueless if number <= last]
    found.report("formulas without a stored value", valueless, remedy)
    remedy = (
        f"A spreadsheet keeps {EXCEL_DIGITS} digits of a number: format the column as text and enter the codes again."
    )
    found.report(f"numbers of more than {EXCEL_DIGITS} digits", found.too_long, remedy)


def _first_cell(area: str) -> tuple[int, int]:
    """Return row and column of an area's first cell, counted from 1."""
    column, row, _, _ = range_boundaries(area)
    return row or 1, column or 1


def _note_rows(marks: _Marks, found: _Sheet, path: Path, topic: str, notes: Notes) -> None:
    hidden = [number for number in found.rows if number in marks.hidden]
    text = (
        f"{path.name}: {counted(len(hidden), 'row is', 'rows are')} hidden in the sheet (by a filter?) and read as well"
    )
    notes.add(f"{topic}.hidden_rows", len(hidden), text, _row_names(hidden))
    text = f"{path.name}: {counted(len(found.blank), 'empty row', 'empty rows')} between others left out"
    notes.add(f"{topic}.blank_rows", len(found.blank), text, _row_names(found.blank))


def _row_names(numbers: Iterable[int]) -> list[str]:
    return [f"row {number} of the sheet" for number in numbers]


def _place(number: int, at: int) -> str:
    """Return how a spreadsheet calls the cell in row `number` and the column `at`, counted from 0."""
    return f"{get_column_letter(at + 1)}{number}"


def _lost_digits(value: Any) -> bool:
    """Return whether a whole number is so long that its last digits may be lost."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) < 10.0**EXCEL_DIGITS:
        return False
    return isinstance(value, float) or not str(abs(value))[EXCEL_DIGITS:].strip("0")


def _text(cell: AnyCell) -> str:
    """Return a cell's value as text."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number_text(value, str(cell.number_format))
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _shown(cell: AnyCell) -> str | None:
    """Return what the sheet shows in a cell, as far as it matters for a code; None if it can't be told."""
    value = cell.value
    if value is None or isinstance(value, str | bool):
        return _text(cell)
    number_format = str(cell.number_format)
    if isinstance(value, int | float):
        shown = shown_as(value, number_format)
        return None if shown is None else shown.strip()
    return _text(cell) if ISO_DATES.fullmatch(number_format) else None


def _number_text(value: float, shown_as_: str) -> str:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 10.0**EXCEL_DIGITS)
    if not whole:
        return repr(float(value))
    text = str(int(value))
    return text.zfill(len(shown_as_)) if value >= 0 and ZEROS.fullmatch(shown_as_) else text
