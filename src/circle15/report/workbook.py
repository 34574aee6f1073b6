"""A run as a workbook, and a small one for each town.

Rates stay numbers: a cell holds what the CSV file holds, and the format shows two decimals in such a way that none
below 1 reads as 100.00 %. Codes stand in words, since people filter by what they read; the sheet of codes leads back
to those of the CSV files. Ids are kept, with the name beside them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
from openpyxl.styles import Border
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from circle15.outputs.dictionary import Lang, base_of, load_dictionary
from circle15.outputs.manifest import notes_of
from circle15.outputs.towns import folder_names
from circle15.report.facts import ITEM_COUNTS, Facts
from circle15.report.notes import told, word
from circle15.report.reading import RunFolder
from circle15.report.sheets import (
    BOLD,
    HEADER_FILL,
    LARGE,
    LINE,
    WRAPPED,
    Book,
    Column,
    column_of,
    scale_rates,
    text_width,
    verdict_fills,
)
from circle15.report.words import texts
from circle15.tables import VERDICTS

SHEETS = (
    *("targets", "domains", "towns", "zones", "types", "requirements", "gaps", "committees"),
    *("projects", "changes", "effects", "programme", "milestones", "figures", "ledger_targets", "disagreements"),
)
"""Tables that get a sheet each, in this order, where the run has them."""
MATRIX_AFTER = "types"
VERDICT_COLUMNS = ("verdict", "before", "after", "computed_verdict")
RATES = ("item_rate", "item_rate_without_edge", "committee_rate", "population_rate")
COUNTS = ("passed", "failed", "unknown", "exempt", "edge_affected", "overridden")
PAIRS = ("population", "population_covered", "population_unknown")
"""In rates over several types these count each person once for every type."""
NAMED = {
    "committee_id": "committee",
    "type_id": "type",
    "subject": "type",
    "domain": "domain",
    "zone": "zone",
    "facility_id": "facility",
    "target_id": "target",
    "key": "key",
}
"""Columns of ids → what they are ids of: the name stands beside them."""
OWN_KEYS = {"types": "type_id", "domains": "domain", "zones": "zone", "committees": "committee_id"}
OWN_KEYS |= {"targets": "target_id", "figures": "key"}
"""Tables that bring the names of their key."""
TOWN_TABLES = ("gaps", "changes", "projects", "committees")
SUMMARY_WIDTHS = (46, 20, 20, 20, 90, 90)
LINE_PT = 15.0
"""Height of a line of text of the usual size."""
OF_SEVERAL_TYPES = ("domains", "towns", "zones", "district", "effects")
"""Tables whose people are counted once for every type."""


def write_workbook(run: RunFolder, path: Path, lang: Lang) -> None:
    """Write a run as an Excel workbook; the same run gives the same bytes.

    Parameters
    ----------
    run : RunFolder
        Of ``compute``, ``verify`` or ``plan``.
    path : Path
        File to write, in a folder that exists.
    lang : {"zh", "en"}
        Language of headers and codes.

    Raises
    ------
    InputError
        If the run's verdicts don't add up to its rates.
    OutputError
        If a table has more rows than a sheet holds.
    """
    writer = _Writer(Facts(run), lang)
    book = writer.book()
    summary = book.add(writer.words["summary"])
    for name in (name for name in SHEETS if len(writer.table(name).columns)):
        writer.add(book, name, writer.table(name))
        if name == MATRIX_AFTER:
            _add_matrix(writer, book)
    _add_dictionary(writer, book, [name for name in SHEETS if len(writer.table(name).columns)])
    _fill_summary(writer, book, summary)
    book.save(path)


def write_town_workbooks(run: RunFolder, folder: Path, lang: Lang) -> dict[str, Path]:
    """Write a workbook for each town: its rates, types, gaps, projects and committees.

    Parameters
    ----------
    run : RunFolder
        Of ``compute``, ``verify`` or ``plan``.
    folder : Path
        Takes a folder for each town (named by `outputs.towns.folder_names`) with ``<name>.xlsx`` in it.
    lang : {"zh", "en"}
        Language of headers and codes.

    Returns
    -------
    dict of str to Path
        Town's id → its workbook; none of a plan of a ledger alone, which has no detection.
    """
    writer = _Writer(Facts(run), lang)
    if not writer.detected:
        return {}
    paths = {}
    for town, name in folder_names(writer.facts.towns).items():
        paths[town] = folder / name / f"{name}.xlsx"
        paths[town].parent.mkdir(parents=True, exist_ok=True)
        _write_town(writer, town, paths[town])
    return paths


def _write_town(writer: "_Writer", town: str, path: Path) -> None:
    book = writer.book(town)
    summary = book.add(writer.words["summary"])
    book.add_table(writer.words["types"], _town_types(writer, town))
    kept = [name for name in TOWN_TABLES if len(writer.table(name).columns)]
    for name in kept:
        table = writer.table(name)
        writer.add(book, name, table[table["town_id"] == town])
    asked = writer.table("requirements")
    if len(asked):
        writer.add(book, "requirements", asked[(asked["scope"] == "town") & (asked["scope_id"] == town)])
        kept.append("requirements")
    _add_dictionary(writer, book, kept)
    page = _Page(book, summary)
    page.title(town)
    _about_run(writer, page)
    _about_rates(writer, page, "town", town, writer.table("towns").query("town_id == @town"))
    _about_book(writer, book, page, [*kept, "towns", "types"])
    page.close()
    book.save(path)


class _Writer:
    """What all sheets of a run need: facts, texts, the dictionary and the names of ids."""

    def __init__(self, facts: Facts, lang: Lang) -> None:
        self.facts, self.run, self.lang = facts, facts.run, lang
        self.words = texts("workbook", lang)
        self.dictionary = load_dictionary()
        self.detected = "committees" in facts.run.layers

    def book(self, town: str = "") -> Book:
        """Return an empty workbook."""
        footer = " · ".join(part for part in (self.run.name, town, str(self.run.as_of)) if part)
        return Book(footer, (self.words["yes"], self.words["no"]))

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the run; the committees of verify and plan are only in the GeoPackage."""
        found = self.run.table(name)
        if name == "committees" and not len(found.columns) and "committees" in self.run.layers:
            return pd.DataFrame(self.run.layers[name].drop(columns="geometry"))
        return found

    def title(self, name: str) -> str:
        """Return what a table is called."""
        return self.dictionary.table(name).title(self.lang)

    def add(self, book: Book, name: str, table: pd.DataFrame) -> None:
        """Add a table as a sheet."""
        book.add_table(self.title(name), [column for _, column in self.columns(name, table)])

    def columns(self, name: str, table: pd.DataFrame) -> Iterator[tuple[str, Column]]:
        """Yield the columns of a sheet with their names in the CSV file, ``""`` for those that are added.

        Of the names in two languages that of the workbook is taken, the other one where it is empty.
        """
        named = {"name_zh", "name_en"}
        for field in map(str, table.columns):
            if field in named and named <= set(table.columns):  # one of them alone is a column of the user's own
                if field == f"name_{self.lang}":
                    yield field, self._own_name(name, table)
                continue
            yield field, self._column(name, field, table[field])
            of = "" if field == "key" and "by" not in table else NAMED.get(field, "")
            if of and OWN_KEYS.get(base_of(name)) != field and self.names[of]:
                yield "", self._name_column(of, field, table)

    def _own_name(self, name: str, table: pd.DataFrame) -> Column:
        column = f"name_{self.lang}"
        other = table["name_en" if self.lang == "zh" else "name_zh"]
        values = table[column].where(table[column] != "", other)
        return Column(self.dictionary.column(name, "name").title(self.lang), "text", column_of(values))

    def _column(self, name: str, field: str, values: pd.Series) -> Column:
        entry = self.dictionary.column(name, field)
        if entry.kind != "code":
            unit = self.words["pairs"] if name in OF_SEVERAL_TYPES and field in PAIRS else ""
            return Column(entry.title(self.lang) + unit, entry.kind, column_of(values))
        fills = {self.code(verdict): colour for verdict, colour in verdict_fills().items()}
        worded = [None if one is None else self.code(str(one), name) for one in column_of(values)]
        return Column(entry.title(self.lang), "code", list(worded), fills if field in VERDICT_COLUMNS else {})

    def _name_column(self, of: str, field: str, table: pd.DataFrame) -> Column:
        title = self.words[f"name_of_{of}"]
        if of == "key":
            pairs = zip(table["by"], table[field], strict=True)
            return Column(title, "text", [self.names.get(by, {}).get(key) for by, key in pairs])
        return Column(title, "text", [self._name(of, one) for one in table[field]])

    def _name(self, of: str, ids: object) -> str | None:
        """Return the name of an id, or the names of several that are joined."""
        known = self.names[of]
        if not isinstance(ids, str) or not ids:
            return None
        if ids in known:
            return known[ids]
        parts = ids.split("|")
        return "|".join(known.get(part, part) for part in parts) if any(part in known for part in parts) else None

    def code(self, value: str, table: str = "") -> str:
        """Return a code in words."""
        return self.dictionary.code(value, table).title(self.lang)

    @cached_property
    def names(self) -> Mapping[str, Mapping[str, str]]:
        """What is called how: kind of id → id → name; those without a name are left out."""
        facts = self.facts
        if not self.detected:
            return {kind: {} for kind in NAMED.values()}
        found = {
            "type": {one.id: getattr(one, self.lang) for one in facts.types},
            "domain": {one.id: getattr(one, self.lang) for one in facts.domains},
            "zone": _pairs(self.run.table("zones"), "zone", f"name_{self.lang}"),
            "target": _pairs(self.run.table("targets"), "target_id", f"name_{self.lang}"),
            "committee": _pairs(facts.committees, "committee_id", "name"),
            "facility": _pairs(pd.DataFrame(self.run.layers.get("facilities", {})), "facility_id", "name"),
        }
        return found | {"key": {"by": "key"}}  # by what it is differs from row to row


def _pairs(table: pd.DataFrame, key: str, name: str) -> dict[str, str]:
    if key not in table or name not in table:
        return {}
    pairs = zip(table[key], table[name], strict=True)
    return {str(one): text for one, text in pairs if isinstance(text, str) and text}


def _add_matrix(writer: _Writer, book: Book) -> None:
    """Add item rates of towns (rows) and types (columns), the district last; empty where nothing was judged."""
    facts, words = writer.facts, writer.words
    rates = facts.matrix
    district = facts.run.table("types").set_index("type_id")["item_rate"]
    last = writer.code("district")
    columns = [Column(words["town"], "id", [*rates.index.tolist(), last])]
    for one in facts.types:
        title = getattr(one, writer.lang)
        title = title if one.id in facts.headline else f"{title} ({words['not_headline']})"
        values = pd.Series([*rates[one.id].tolist(), district[one.id]], dtype="float64")
        columns.append(Column(title, "rate", column_of(values)))
    sheet = book.add_table(words["matrix"], columns)
    sheet.row_dimensions[1].height = 64
    for number in range(2, len(columns) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = 12
    for cell in sheet[len(rates) + 2]:
        cell.font = BOLD


def _town_types(writer: _Writer, town: str) -> list[Column]:
    """Return a town's types: how many of its committees have each verdict, and the item rate."""
    facts, lang = writer.facts, writer.lang
    mine = facts.items[(facts.committees["town_id"] == town).to_numpy()]
    types, entry = facts.types, writer.dictionary.column
    domain_of = facts.run.table("types").set_index("type_id")["domain"]
    domains = [writer.names["domain"].get(domain_of[one.id], domain_of[one.id]) for one in types]
    counts = [
        Column(
            entry("types", ITEM_COUNTS[verdict]).title(lang),
            "count",
            [int((mine[t.id] == verdict).sum()) for t in types],
        )
        for verdict in VERDICTS
    ]
    rates = facts.matrix.T[town].reindex([one.id for one in types])
    return [
        Column(entry("types", "domain").title(lang), "text", list(domains)),
        Column(entry("types", "type_id").title(lang), "id", [one.id for one in types]),
        Column(writer.words["name_of_type"], "text", [getattr(one, lang) for one in types]),
        Column(entry("types", "headline").title(lang), "flag", [one.id in facts.headline for one in types]),
        *counts,
        Column(entry("types", "item_rate").title(lang), "rate", column_of(rates)),
    ]


def _add_dictionary(writer: _Writer, book: Book, tables: Sequence[str]) -> None:
    """Add what every column of the sheets means, and every code."""
    words, lang, dictionary = writer.words, writer.lang, writer.dictionary
    rows: list[tuple[object, ...]] = []
    for name in tables:
        for field, column in writer.columns(name, writer.table(name).iloc[:0]):
            entry = dictionary.column(name, field)
            meaning = words["added"] if not field else entry.meaning(lang) if entry.kind else words["own"]
            kind = writer.code(entry.kind) if entry.kind else None
            rows.append((writer.title(name), f"{name}.csv", column.title, field or None, kind, meaning))
    titles = ("table", "file", "title", "column", "kind", "meaning")
    book.add_table(words["dictionary"], _transposed([words[title] for title in titles], rows))
    codes: list[tuple[object, ...]] = [
        (entry.title(lang), code, entry.meaning(lang), None) for code, entry in dictionary.codes.items()
    ]
    codes += [
        (entry.title(lang), code, entry.meaning(lang), writer.title(table))
        for (table, code), entry in dictionary.own_codes.items()
    ]
    book.add_table(words["codes"], _transposed([words[one] for one in ("title", "code", "meaning", "table")], codes))


def _transposed(titles: Sequence[str], rows: Sequence[tuple[object, ...]]) -> list[Column]:
    return [Column(title, "text", [row[number] for row in rows]) for number, title in enumerate(titles)]


class _Page:
    """A sheet that is filled from top to bottom, in blocks with a heading."""

    def __init__(self, book: Book, sheet: Worksheet) -> None:
        self.book, self.sheet, self.at = book, sheet, 1

    def title(self, text: str) -> None:
        """Write the sheet's title."""
        self.book.put(self.sheet, self.at, 1, text).font = LARGE
        self.at += 1

    def block(self, *headings: str) -> None:
        """Begin a block, after an empty line."""
        self.at += 1
        for number, heading in enumerate(headings, 1):
            cell = self.book.put(self.sheet, self.at, number, heading)
            cell.font, cell.fill, cell.border = BOLD, HEADER_FILL, Border(bottom=LINE.bottom)
        self.at += 1

    def line(self, label: str, *values: object, kind: str = "") -> None:
        """Write one line of a block: what it is, and figures or text."""
        self.book.put(self.sheet, self.at, 1, label).alignment = WRAPPED
        for number, value in enumerate(values, 2):
            cell = self.book.put(self.sheet, self.at, number, value, kind)
            cell.alignment = WRAPPED
            if kind == "rate" and value is not None:
                scale_rates(self.sheet, cell.coordinate)
        self.at += 1

    def close(self) -> None:
        """Set the widths, and the heights of lines whose text is wrapped: not every program finds them by itself."""
        for number, width in enumerate(SUMMARY_WIDTHS, 1):
            self.sheet.column_dimensions[get_column_letter(number)].width = width
        for number, row in enumerate(self.sheet.iter_rows(max_col=len(SUMMARY_WIDTHS)), 1):
            taken = [
                math.ceil(text_width(str(cell.value)) / width)
                for cell, width in zip(row, SUMMARY_WIDTHS, strict=False)
                if cell.value is not None and cell.font != LARGE
            ]
            if max(taken, default=1) > 1:
                self.sheet.row_dimensions[number].height = LINE_PT * max(taken)


def _fill_summary(writer: _Writer, book: Book, sheet: Worksheet) -> None:
    page = _Page(book, sheet)
    page.title(writer.run.name)
    _about_run(writer, page)
    if writer.detected:
        _about_rates(writer, page, "district", "", writer.run.table("district"))
        _about_targets(writer, page)
        _about_counts(writer, page)
        for verdict in ("unknown", "exempt"):
            _about_reasons(writer, page, verdict)
    _about_quality(writer, page)
    _about_book(writer, book, page, [*SHEETS, "district"])
    page.close()


def _about_run(writer: _Writer, page: _Page) -> None:
    run, words = writer.run, writer.words
    page.block(words["run"], "")
    page.line(words["command"], words[f"command_{run.command}"])
    page.line(words["as_of"], run.as_of, kind="year")
    page.line(words["standard"], str(run.document["standard"]["id"]))
    if run.document["crs"] is not None:  # a ledger alone has none
        page.line(words["crs"], str(run.document["crs"]))
    page.line(words["fingerprint"], str(run.document["fingerprint"]))
    page.line(words["version"], str(run.document["circle15"]))


def _about_rates(writer: _Writer, page: _Page, by: str, key: str, now: pd.DataFrame) -> None:
    """Write the rates of the district or a town, of verify and plan those before beside them."""
    effects = writer.run.table("effects")
    states = [now]
    headings = [writer.words["value"]]
    if len(effects):
        before = effects[(effects["by"] == by) & (effects["key"] == key) & (effects["state"] == "before")]
        states, headings = [before, now], [writer.words["before"], f"{writer.words['after']} ({writer.run.as_of})"]
    page.block(writer.words["measure"], *headings)
    for field in (*RATES, *COUNTS, *PAIRS):
        entry = writer.dictionary.column("district", field)
        unit = writer.words["pairs"] if field in PAIRS else ""
        page.line(entry.title(writer.lang) + unit, *(_first(state, field) for state in states), kind=entry.kind)


def _first(table: pd.DataFrame, field: str) -> object:
    return column_of(table[field].head(1))[0] if field in table and len(table) else None


def _about_targets(writer: _Writer, page: _Page) -> None:
    """Write the targets that the item rate is held against, and how many of all are met."""
    targets, words, lang = writer.run.table("targets"), writer.words, writer.lang
    if targets.empty:
        return
    heads = [writer.dictionary.column("targets", name).title(lang) for name in ("due", "measured", "verdict", "clause")]
    page.block(words["targets"], *heads)
    for row in targets[targets["measured_by"] == "item_rate"].to_dict("records"):
        measured = None if pd.isna(row["measured"]) else float(row["measured"])
        due = None if pd.isna(row["due"]) else int(row["due"])
        name = row[f"name_{lang}"] or row["name_zh"] or row["name_en"]
        of = f"{writer.code(row['operator'], 'targets')} {row['value']:g} {writer.code(row['unit'], 'targets')}"
        page.line(f"{name}: {of}", due, measured, writer.code(row["verdict"]), row["clause"])
    page.block(words["target_count"], words["count"])
    for verdict in VERDICTS:
        page.line(writer.code(verdict), int((targets["verdict"] == verdict).sum()), kind="count")


def _about_counts(writer: _Writer, page: _Page) -> None:
    document, words = writer.run.document, writer.words
    page.block(words["counts"], words["count"])
    counts = dict(document["counts"]) | {"gaps": len(writer.run.table("gaps"))}
    for name in ("committees", "facilities", "cells", "gaps"):
        if name in counts:
            page.line(words[f"count_{name}"], counts[name], kind="count")
    if document["people"]:
        page.block(words["people"], words["count"])
        for name, value in document["people"].items():
            page.line(words[f"people_{name}"], value, kind="persons")
    if "verify" in document:
        page.block(words["projects"], words["count"])
        for name, value in document["verify"].items():
            if f"verify_{name}" in words:
                page.line(words[f"verify_{name}"], value, kind="count")


def _about_reasons(writer: _Writer, page: _Page, verdict: str) -> None:
    """Write why headline verdicts are unknown or exempt, by how many."""
    verdicts = writer.run.table("verdicts")
    rows = verdicts[verdicts["headline"].astype(bool) & (verdicts["verdict"] == verdict)]
    counts = rows["reason"].value_counts(sort=False).sort_index()
    if counts.empty:
        return
    page.block(writer.words[verdict], writer.words["count"], writer.words["code"])
    for reason, count in counts.items():
        page.line(writer.code(str(reason), "verdicts"), int(count), str(reason), kind="count")


def _about_quality(writer: _Writer, page: _Page) -> None:
    """Write the run's notes, each with its count; those in Chinese with their English text beside them."""
    words, lang = writer.words, writer.lang
    notes = told(notes_of(writer.run.document).items, lang, writer.names["type"])
    heads = [word(name, lang) for name in ("text", "original")]
    page.block(words["quality"], words["count"], "", "", *heads[: 2 if lang == "zh" else 1])
    for note in notes:
        page.line(
            note.code, note.count, None, None, note.text, *([note.original] if note.original else []), kind="count"
        )
    if not notes:
        page.line(words["quality_none"])


def _about_book(writer: _Writer, book: Book, page: _Page, tables: Sequence[str]) -> None:
    """Write what a reader of this workbook has to know; last, when all cells were written."""
    words = writer.words
    page.block(words["about"])
    for text in ("rates_of", "rates", "colours", "codes"):
        page.book.put(page.sheet, page.at, 1, words[f"about_{text}"])
        page.at += 1
    only = [name for name in writer.run.tables if name not in tables]
    page.line(words["about_csv"], ", ".join(sorted(only)) or None)
    counts: Sequence[tuple[str, Callable[[], int]]] = (("replaced", lambda: book.replaced), ("cut", lambda: book.cut))
    for name, count in counts:
        if count():
            page.line(words[f"about_{name}"], count(), kind="count")
