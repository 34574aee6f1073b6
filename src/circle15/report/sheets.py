"""Sheets of a workbook: text that can be no formula, formats by kind, widths, print setup, the same bytes each time."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.formatting.rule import CellIsRule, ColorScaleRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem, _HeaderFooterPart
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from circle15.errors import OutputError, Problem
from circle15.outputs.colours import VERDICT_COLOURS
from circle15.outputs.csvfiles import FORMULA

ROWS, CHARACTERS, TITLE_CHARACTERS = 1_048_576, 32_767, 31
"""What Excel holds: rows of a sheet, characters of a cell, characters of a sheet's name."""
UNSAFE_TITLE = re.compile(r"[\[\]:*?/\\]")
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"

RATE = '[>=1]0.00%;[>=0.99995]"<100%";0.00%'
"""Two decimals, and no rate below 1 reads as 100.00 %. The cell holds what the CSV file has."""
GENERAL = "General"
FORMATS = {
    "count": "#,##0",
    "persons": "#,##0",
    "money": "#,##0.00",
    "rate": RATE,
    "seconds": "0.000",
    "metres": "#,##0.0",
    "square_metres": "#,##0.0",
    "degrees": "0.0000000",
    "year": "0",
}
"""How figures are shown, by kind. Times keep their milliseconds: 900.04 s is beyond 900 s. Others are shown whole."""

NARROWEST, WIDEST = 9, 44
"""Of a column, in characters of the Latin alphabet; a Chinese one takes two."""
SCALE = ("F1A340", "F7F7F7", "998EC3")
"""Of rates 0, 0.75 and 1; the colours of rates in pages and pictures."""
SCALE_AT = (0, 0.75, 1)
HEADER_FILL = PatternFill("solid", fgColor="DDE6EE")
LINE = Border(bottom=Side(style="thin", color="7F8C98"))
BOLD, LARGE = Font(bold=True), Font(bold=True, size=15)
TOP = Alignment(vertical="top")
WRAPPED = Alignment(vertical="top", wrap_text=True)


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes
    ----------
    title : str
        What its header says.
    kind : str
        One of `dictionary.KINDS`, ``""`` for figures and text as they come.
    cells : list
        str, bool, int, float; None for an empty cell.
    verdicts : mapping of str to str
        Text → RGB without ``#``, for cells that are coloured by what they say.
    """

    title: str
    kind: str
    cells: list[object]
    verdicts: dict[str, str] = field(default_factory=dict)


class Book:
    """A workbook in the making.

    Parameters
    ----------
    footer : str
        Stands at the foot of each printed page, before the number of the page.
    yes_no : tuple of str
        What true and false are called.

    Attributes
    ----------
    replaced, cut : int
        Cells with characters that a workbook can't hold, and cells with more text than it holds.
    """

    def __init__(self, footer: str, yes_no: tuple[str, str]) -> None:
        self._book = Workbook()
        self._book.remove(self._book.worksheets[0])
        self._footer, self._yes_no = footer, yes_no
        self.replaced = 0
        self.cut = 0

    @property
    def titles(self) -> list[str]:
        """The names of the sheets so far, in order."""
        return [str(name) for name in self._book.sheetnames]

    def add(self, title: str) -> Worksheet:
        """Return a new, empty sheet that prints on landscape pages as wide as the sheet."""
        sheet: Worksheet = self._book.create_sheet(self._free(title))
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        footer = self.clean(self._footer)[:150].replace("&", "&&")
        left, right = _HeaderFooterPart(text=footer), _HeaderFooterPart(text="&P / &N")
        sheet.oddFooter = HeaderFooterItem(left=left, right=right)
        return sheet

    def add_table(self, title: str, columns: Sequence[Column]) -> Worksheet:
        """Add a sheet with a table: a frozen header that repeats in print, a filter, formats and colours.

        Raises
        ------
        OutputError
            If it has more rows than a sheet holds.
        """
        rows = len(columns[0].cells) if columns else 0
        if rows >= ROWS:
            remedy = "Read the CSV file, or make the workbooks of the towns."
            raise OutputError(Problem(f"has {rows:,} rows, more than the {ROWS - 1:,} of a sheet", title, (), remedy))
        sheet = self.add(title)
        for number, column in enumerate(columns, 1):
            self._fill(sheet, number, column)
        sheet.row_dimensions[1].height = 32
        sheet.freeze_panes = "B2"
        sheet.print_title_rows = "1:1"
        if columns:
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{rows + 1}"
        return sheet

    def put(self, sheet: Worksheet, row: int, column: int, value: object, kind: str = "") -> Cell:
        """Write a value and return its cell: text always as text, a figure in the format of its kind."""
        cell = sheet.cell(row, column)
        assert isinstance(cell, Cell)  # nothing is merged here
        if isinstance(value, bool | np.bool_):
            value = self._yes_no[0 if value else 1]
        if isinstance(value, str):
            text = self.clean(value)
            cell.value = text
            cell.data_type = "s"  # what begins with = would be a formula, and #N/A an error
            if FORMULA.match(text):
                cell.quotePrefix = True  # it stays text when somebody edits the cell
        elif value is not None:
            cell.value = value  # type: ignore[assignment]  # int or float
            cell.number_format = FORMATS.get(kind, GENERAL)
        return cell

    def clean(self, text: str) -> str:
        """Return text as a cell can hold it, and count what was replaced or cut."""
        kept, replaced = ILLEGAL_CHARACTERS_RE.subn(REPLACEMENT, text)
        kept, lone = LONE_SURROGATES.subn(REPLACEMENT, kept)
        self.replaced += bool(replaced or lone)
        if len(kept) > CHARACTERS:
            self.cut += 1
            kept = kept[: CHARACTERS - 1] + "…"
        return kept

    def save(self, path: Path) -> None:
        """Write the workbook; the same content makes the same bytes, so no file tells when it was made."""
        self._book.properties.creator = "circle15"
        written = io.BytesIO()
        self._book.save(written)
        with zipfile.ZipFile(written) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "docProps/core.xml":
                    content = TIMES.sub(b"", content)
                new.writestr(zipfile.ZipInfo(name, EARLIEST), content, zipfile.ZIP_DEFLATED)

    def _fill(self, sheet: Worksheet, number: int, column: Column) -> None:
        """Write a column with its header, width and colours."""
        header = self.put(sheet, 1, number, column.title)
        header.font, header.fill, header.border, header.alignment = BOLD, HEADER_FILL, LINE, WRAPPED
        for row, value in enumerate(column.cells, 2):
            if value is not None:
                self.put(sheet, row, number, value, column.kind)
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = _width(column)
        if column.cells:
            _colour(sheet, f"{letter}2:{letter}{len(column.cells) + 1}", column)

    def _free(self, title: str) -> str:
        """Return a name that a sheet may have and none has yet."""
        plain = UNSAFE_TITLE.sub("_", self.clean(title)).strip("'")[:TITLE_CHARACTERS] or "_"
        taken, name, number = {one.lower() for one in self.titles}, plain, 2
        while name.lower() in taken:
            name, number = f"{plain[: TITLE_CHARACTERS - 4]} {number}", number + 1
        return name


EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip file can tell."""
TIMES = re.compile(rb"<dcterms:(created|modified)[^>]*>[^<]*</dcterms:\1>")


def column_of(values: pd.Series) -> list[object]:
    """Return a table's column as the values of cells: empty text and missing figures as None."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return [None if pd.isna(one) else bool(one) for one in values]
    if pd.api.types.is_numeric_dtype(values.dtype):
        return [_number(one) for one in values.to_numpy(dtype=np.float64, na_value=np.nan).tolist()]
    return [one if isinstance(one, str) and one else None for one in values.tolist()]


def _number(value: float) -> object:
    if not np.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def scale_rates(sheet: Worksheet, cells: str) -> None:
    """Colour rates from orange (0) over white (0.75) to purple (1), the same in every run."""
    low, middle, high = SCALE_AT
    rule = ColorScaleRule(  # type: ignore[no-untyped-call]
        start_type="num", start_value=low, start_color=SCALE[0],
        mid_type="num", mid_value=middle, mid_color=SCALE[1],
        end_type="num", end_value=high, end_color=SCALE[2],
    )  # fmt: skip
    sheet.conditional_formatting.add(cells, rule)


def verdict_fills() -> dict[str, str]:
    """Return verdict → RGB for the colours of cells: those of the maps, paler, so that black text is read on them."""
    return {verdict: _paler(colour) for verdict, colour in VERDICT_COLOURS.items()}


def _paler(colour: str, share: float = 0.55) -> str:
    parts = (int(colour.lstrip("#")[i : i + 2], 16) for i in (0, 2, 4))
    return "".join(f"{round(part + (255 - part) * share):02X}" for part in parts)


def _colour(sheet: Worksheet, cells: str, column: Column) -> None:
    if column.kind == "rate":
        scale_rates(sheet, cells)
    for text, colour in column.verdicts.items():
        quoted = text.replace('"', '""')
        fill = PatternFill("solid", bgColor=colour, fgColor=colour)
        rule = CellIsRule(operator="equal", formula=[f'"{quoted}"'], fill=fill)  # type: ignore[no-untyped-call]
        sheet.conditional_formatting.add(cells, rule)


def _width(column: Column) -> float:
    """Return a width that shows every cell up to `WIDEST`, and the header in two lines with the filter's button."""
    cells = max((display_width(_shown(one, column.kind)) for one in _distinct(column.cells)), default=0)
    header = display_width(column.title)
    return float(min(max(NARROWEST, cells + 2, header // 2 + 5), WIDEST))


def _distinct(values: Iterable[object]) -> set[object]:
    return {value for value in values if value is not None}


def _shown(value: object, kind: str) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        decimals = {"rate": 5, "seconds": 3, "metres": 1, "square_metres": 1, "degrees": 7, "money": 2}.get(kind)
        return str(value) if decimals is None else f"{value:,.{decimals}f}"
    return str(value)


def display_width(text: str) -> int:
    """Return how many columns the longest line takes; wide characters take two."""
    lines = text.splitlines() or [""]
    return max(text_width(line[:200]) for line in lines)


def text_width(text: str) -> int:
    """Return the width of a line in characters of the Latin alphabet; a Chinese one takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WFA" else 1 for one in text)
