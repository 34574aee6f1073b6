"""What a comparison reads like: a short text, and a page of tables that opens without a network."""

import math
from collections.abc import Iterable
from typing import Any

import jinja2
import pandas as pd

from circle15.comparison.causes import NOT_TOLD, SEPARATOR
from circle15.comparison.changes import BETTER, DIRECTIONS, OTHER, SAME, WORSE
from circle15.comparison.run import Comparison
from circle15.outputs.dictionary import Lang, load_dictionary
from circle15.package_files import package_templates
from circle15.percent import text_of_rate
from circle15.report.notes import told, word
from circle15.report.reading import RunFolder
from circle15.report.words import texts

TABLE = "comparison"
"""Name under which the dictionary has the codes of comparisons."""
LINES_SHOWN = 20
"""Changed items and facilities in the short text; all are in the CSV files."""
ROWS_SHOWN = 5000
"""Rows of a table on the page."""
RATES = ("item_rate", "committee_rate", "population_rate")


def summary(found: Comparison, lang: Lang, *, written: bool) -> str:
    """Return what changed and why in a few lines, for a terminal, a commit or a mail.

    `written` is whether the tables lie beside it, to which it can point.
    """
    words = _Words(found, lang)
    lines = [words.t["title"], f"A  {words.label(found.a)}", f"B  {words.label(found.b)}"]
    causes = words.causes()
    if found.unchanged and not any(row["cancelled"] for row in causes):
        return "\n".join([*lines, words.t["nothing"]]) + "\n"
    lines += [*words.headline(), words.counted()]
    if found.why_no_causes:
        lines.append(words.why())
    lines += [f"  {row['label']}{words.t['colon']}{row['text']}" for row in causes]
    changes = words.changes(found.tables["changes"].head(LINES_SHOWN))
    left = len(found.tables["changes"]) - len(changes)
    lines += [
        f"{'+' if row['direction'] == BETTER else '-' if row['direction'] == WORSE else '*'} {row['line']}"
        for row in changes
    ]
    if left:
        lines.append(words.t["more" if written else "more_unwritten"].format(n=left))
    if len(found.tables["others"]):
        lines.append(words.others())
    if len(found.tables["facilities"]):
        lines.append(words.facilities())
    lines += [f"{words.t['note']}{words.t['colon']}{note.text}" for note in told(found.notes.items, lang)]
    return "\n".join(_one_line(line) for line in lines) + "\n"


def page(found: Comparison, lang: Lang) -> str:
    """Return one HTML page with all tables; it asks nobody for anything, and every name in it is escaped."""
    words = _Words(found, lang)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(package_templates("circle15.comparison")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    changes, facilities = found.tables["changes"], found.tables["facilities"]
    rates = found.tables["rates"]
    return environment.get_template("compare.html.j2").render(
        lang="zh-CN" if lang == "zh" else "en",
        t=words.t,
        found=found,
        a=words.label(found.a),
        b=words.label(found.b),
        counted=words.counted(),
        headline=words.headline(),
        causes=words.causes(),
        why=words.why(),
        changes=words.changes(changes.head(ROWS_SHOWN)),
        changes_left=max(0, len(changes) - ROWS_SHOWN),
        others=words.other_rows(found.tables["others"].head(ROWS_SHOWN)),
        others_left=max(0, len(found.tables["others"]) - ROWS_SHOWN),
        rates=[(by, words.t[f"by_{by}"], words.rate_rows(table)) for by, table in rates.groupby("by", sort=False)],
        facilities=words.facility_rows(facilities.head(ROWS_SHOWN)),
        facilities_left=max(0, len(facilities) - ROWS_SHOWN),
        notes=told(found.notes.items, lang),
        note_original=word("original", lang),
    )


class _Words:
    """The texts of a comparison in one language."""

    def __init__(self, found: Comparison, lang: Lang) -> None:
        self.found, self.lang = found, lang
        self.t = texts("compare", lang)
        self._dictionary = load_dictionary()
        self._types: dict[str, str] = {}
        for run in (found.a, found.b):
            table = run.table("types")
            self._types |= dict(zip(table["type_id"], table[f"name_{lang}"], strict=True))

    def code(self, value: str) -> str:
        """Return what a code is called; several are joined by ``|``."""
        names = [self._dictionary.code(one, TABLE).title(self.lang) for one in value.split(SEPARATOR)]
        return self.t["and"].join(names)

    def type(self, name: str) -> str:
        return self._types.get(name) or name

    def label(self, run: RunFolder) -> str:
        standard = run.document["standard"]["id"]
        projects = self.t["with_projects"] if len(run.table("effects")) else ""
        return self.t["label"].format(
            name=run.name, as_of=run.as_of, projects=projects, standard=standard, folder=run.folder.resolve().name
        )

    def counted(self) -> str:
        """Return how many verdicts changed, and which way."""
        changes = self.found.tables["changes"]
        by = changes["direction"].value_counts()
        parts = [f"{int(by[one])} {self.code(one)}" for one in DIRECTIONS if by.get(one)]
        text = self.t["counted"].format(n=len(changes), items=self.found.items)
        return f"{text}{self.t['colon']}{self.t['comma'].join(parts)}" if parts else text

    def headline(self) -> list[str]:
        """Return the district's rates of both runs, a line each."""
        rates = self.found.tables["rates"]
        rows = _records(rates[rates["by"] == "district"])
        own = [f"{self.t[name]}{self.t['colon']}{self.rates(row, name)}" for row in rows for name in RATES]
        if self.found.alike:
            return own
        a, b = self.found.common_rates
        told = "" if math.isnan(b - a) else self.t["difference"].format(points=self.points(100 * (b - a)))
        common = f"{self.t['common_rate']}{self.t['colon']}{text_of_rate(a)} → {text_of_rate(b)}{told}"
        return [common, self.t["own_rates"], *own]

    def why(self) -> str:
        """Return why there are no causes; ``""`` if there are."""
        why = self.found.why_no_causes
        return f"{self.t['no_causes']}{self.t['colon']}{why.text(self.lang)}" if why else ""

    def causes(self) -> list[dict[str, Any]]:
        """Return the causes with their numbers as text."""
        rows = []
        for row in _records(self.found.tables["causes"]):
            own = {name: None if pd.isna(value) else value for name, value in row.items()}
            kind = "cause" if own["step"] is not None else "cause_alone"
            kind = "cause_failed" if own["alone"] is None else "cause_not_told" if own["cause"] == NOT_TOLD else kind
            text = self.t[kind].format(
                **{k: "–" if v is None else v for k, v in own.items()}
                | {"passed_more": f"{own['passed_more'] or 0:+d}"}
            )
            if own["cancelled"]:
                text += self.t["cause_cancelled"].format(n=own["cancelled"])
            rows.append({**own, "label": self.code(str(row["cause"])), "text": text})
        return rows

    def rates(self, row: dict[str, Any], name: str) -> str:
        """Return a rate of both runs and their difference."""
        points = row[f"points_{name.removesuffix('_rate')}"]
        told = "" if math.isnan(points) else self.t["difference"].format(points=self.points(points))
        return f"{text_of_rate(row[f'a_{name}'])} → {text_of_rate(row[f'b_{name}'])}{told}"

    def points(self, value: float) -> str:
        """Return a difference in percentage points, signed; rounding hides none that there is."""
        if math.isnan(value):
            return "–"
        places = 1 if round(value, 1) or not round(value, 4) else 3
        return f"{value:+.{places}f} {self.t['points']}" if round(value, 4) else f"±0 {self.t['points']}"

    def rate_rows(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        rows, whole = [], not (self.found.pairs.only_a or self.found.pairs.only_b)
        for row in _records(table):
            counts = {name: _counts(row, name) for name in ("passed", "failed", "unknown")}
            rates = {name: (text_of_rate(row[f"a_{name}"]), text_of_rate(row[f"b_{name}"])) for name in RATES}
            points = {name: self.points(row[f"points_{name.removesuffix('_rate')}"]) for name in RATES}
            name = row[f"name_{self.lang}"] or row["key"] or self.t["all"]
            # a rate of other items is no better or worse
            comparable = self.found.alike or (row["by"] == "type" and whole)
            sign = {n: _sign(row[f"points_{n.removesuffix('_rate')}"]) if comparable else OTHER for n in RATES}
            rows.append({"name": name, "counts": counts, "rates": rates, "points": points, "sign": sign})
        return rows

    def changes(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        """Return the changed items as text."""
        rows = []
        for row in _records(table):
            row["type"] = self.type(row["type_id"])
            row["committee"] = " ".join(dict.fromkeys(one for one in (row["name"], row["committee_id"]) if one))
            row["from"], row["to"] = self.code(row["before"]), self.code(row["after"])
            row["why_from"], row["why_to"] = self.code(row["reason_before"]), self.code(row["reason_after"])
            row["way"] = self.code(row["direction"])
            row["because"] = self.code(row["cause"]) if row["cause"] else ""
            row["stepped"] = self.code(row["step"]) if row["step"] else ""
            row["facilities"] = self.t["comma"].join(self._nearest(row))
            told = self.t["comma"].join(one for one in (row["because"], row["facilities"]) if one)
            turned = self.t["turned"].format(**row)
            row["line"] = f"{row['committee']} · {row['type']}{self.t['colon']}{turned}{f' — {told}' if told else ''}"
            rows.append(row)
        return rows

    def _nearest(self, row: dict[str, Any]) -> Iterable[str]:
        """Return what became of the nearest facility before and after, if anything."""
        told = {}
        facilities = self.found.tables["facilities"]
        name_of = dict(zip(facilities["facility_id"], facilities["name"], strict=True))
        for facility, became in (
            ("facility_before", "facility_before_became"),
            ("facility_after", "facility_after_was"),
        ):
            if row[facility] and row[became] not in ("", SAME):
                one = row[facility]
                told[one] = " ".join(text for text in (name_of.get(one, ""), one, self.code(row[became])) if text)
        return told.values()

    def others(self) -> str:
        """Return how many targets, requirements of towns and the district, and uncounted verdicts changed."""
        table = self.found.tables["others"]
        target, committee = table["target_id"] != "", table["scope"] == "committee"
        counts = {"targets": target.sum(), "of_towns": (~target & ~committee).sum(), "uncounted": committee.sum()}
        parts = [self.t[f"others_{name}"].format(n=number) for name, number in counts.items() if number]
        return f"{self.t['others']}{self.t['colon']}{self.t['comma'].join(parts)}"

    def other_rows(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        """Return what changed beside the items as text."""
        targets = pd.concat([run.table("targets") for run in (self.found.a, self.found.b)])
        names = dict(zip(targets["target_id"], targets[f"name_{self.lang}"], strict=True)) if len(targets) else {}
        rows = []
        for row in _records(table):
            scope = self.t["by_district"] if row["scope"] in ("district", "") else row["scope_id"]
            rows.append(
                {
                    "what": names.get(row["target_id"]) or row["target_id"] or row["requirement_id"],
                    "where": scope,
                    "from": self.code(row["before"]),
                    "to": self.code(row["after"]),
                    "why_from": self.code(row["reason_before"]),
                    "why_to": self.code(row["reason_after"]),
                }
            )
        return rows

    def facilities(self) -> str:
        """Return how many facilities came, went, moved or changed."""
        by = self.found.tables["facilities"]["change"].value_counts().sort_index()
        parts = self.t["comma"].join(f"{int(number)} {self.code(str(change))}" for change, number in by.items())
        return f"{self.t['facilities']}{self.t['colon']}{parts}"

    def facility_rows(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        rows = []
        for row in _records(table):
            moved = "" if math.isnan(row["moved_m"]) or not row["moved_m"] else f"{row['moved_m']:.0f} m"
            altered = row["altered"].replace(SEPARATOR, ", ")
            rows.append(
                {
                    **row,
                    "type": self.type(row["type_id"]),
                    "what": self.code(row["change"]),
                    "more": " ".join(one for one in (moved, altered) if one),
                }
            )
        return rows


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _counts(row: dict[str, Any], name: str) -> str:
    a, b = ("–" if math.isnan(row[f"{side}_{name}"]) else f"{row[f'{side}_{name}']:.0f}" for side in "ab")
    return a if a == b else f"{a} → {b}"


def _sign(points: float) -> str:
    return BETTER if points > 0 else WORSE if points < 0 else OTHER


def _one_line(text: str) -> str:
    """Return text without line breaks and other control characters, which a name may hold."""
    return "".join(one if one.isprintable() else " " for one in text)
