"""What every written table, column and code is called and means, in Chinese and English.

The one source for titles in workbooks and pages, for the dictionary inside a GeoPackage, and for how a column that
was written is read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from circle15.package_files import package_toml
from circle15.tables import OPEN_REASONS, REASONS, SCOPE_REASONS

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")

KINDS = (
    *("id", "text", "code", "flag", "count", "persons", "number", "money", "rate", "percent", "seconds", "metres"),
    *("square_metres", "degrees", "year"),
)
"""What a column holds: text (ids, free text, codes of this dictionary), true or false, and numbers by their unit."""
TEXT_KINDS = ("id", "text", "code")
REASONS_OF = {"requirements": SCOPE_REASONS, "targets": SCOPE_REASONS, "outcomes": OPEN_REASONS}
"""Tables whose reasons may mean something else than those of a committee's verdict."""


@dataclass(frozen=True)
class Entry:
    """A name with its titles and what it means; `kind` (of columns) is one of `KINDS`, ``""`` where it isn't known."""

    name: str
    zh: str
    en: str
    meaning_zh: str = ""
    meaning_en: str = ""
    kind: str = ""

    def title(self, lang: Lang) -> str:
        """Return the title in a language."""
        return self.zh if lang == "zh" else self.en

    def meaning(self, lang: Lang) -> str:
        """Return what it means, in a language."""
        return self.meaning_zh if lang == "zh" else self.meaning_en


@dataclass(frozen=True)
class Dictionary:
    """Every entry by its name.

    Attributes
    ----------
    tables, columns, codes : mapping of str to Entry
        Tables by the name of their CSV file or layer; columns; and codes: verdicts, reasons, statuses, means, modes,
        units and so on.
    own : mapping of (str, str) to Entry
        Columns that mean something else in one table, by table and column.
    own_codes : mapping of (str, str) to Entry
        Codes that mean something else in one table, by table and code.
    like : mapping of str to str
        Table → the table whose columns and codes it has (``verdicts_before`` → ``verdicts``).
    """

    tables: Mapping[str, Entry]
    columns: Mapping[str, Entry]
    codes: Mapping[str, Entry]
    own: Mapping[tuple[str, str], Entry]
    own_codes: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    like: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> Entry:
        """Return the entry of a table; numbers behind its name (``suggestions_2``) are passed over."""
        return self.tables.get(base_of(name), Entry(name, name, name))

    def column(self, table: str, name: str) -> Entry:
        """Return the entry of a column in a table; one of the user's own has its name for a title and no kind."""
        found = self.own.get((self._model(table), name), self.columns.get(name))
        return found or Entry(name, name, name)

    def code(self, value: str, table: str = "") -> Entry:
        """Return the entry of a code; an unknown one stands for itself.

        Parameters
        ----------
        value : str
            The code.
        table : str
            Where it stands: few mean something else there (``open`` is what a project does, and in ``outcomes`` that a
            gap stays).
        """
        found = self.own_codes.get((self._model(table), value), self.codes.get(value))
        return found or Entry(value, value, value)

    def _model(self, table: str) -> str:
        base = base_of(table)
        return self.like.get(base, base)


def base_of(table: str) -> str:
    """Return a table's name without the number behind it."""
    return table.rstrip("0123456789").rstrip("_")


@lru_cache(maxsize=1)
def load_dictionary() -> Dictionary:
    """Return the dictionary of ``dictionary.toml``."""
    document = package_toml("circle15.outputs", "dictionary.toml")
    like = {name: fields.pop("like") for name, fields in document["tables"].items() if "like" in fields}
    return Dictionary(
        tables=_entries(document["tables"]),
        columns=_entries(document["columns"]),
        codes=_codes(document["codes"], OPEN_REASONS | SCOPE_REASONS | REASONS),
        own=_by_table({table: _entries(rows) for table, rows in document["columns_of"].items()}),
        own_codes=_by_table({t: _codes(rows, REASONS_OF.get(t, {})) for t, rows in document["codes_of"].items()}),
        like=like,
    )


def _entries(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    return {name: Entry(name, **fields) for name, fields in rows.items()}


def _codes(rows: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> dict[str, Entry]:
    """Return codes; those that are reasons have their English meaning from the code itself."""
    return _entries({name: _meant(reasons.get(name, "")) | dict(fields) for name, fields in rows.items()})


def _meant(reason: str) -> dict[str, str]:
    return {"meaning_en": f"{reason[0].upper()}{reason[1:]}."} if reason else {}


def _by_table(entries: Mapping[str, Mapping[str, Entry]]) -> dict[tuple[str, str], Entry]:
    return {(table, name): entry for table, rows in entries.items() for name, entry in rows.items()}
