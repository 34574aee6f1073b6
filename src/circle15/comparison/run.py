"""``compare``: from two runs' folders to what changed and why."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from circle15 import __version__
from circle15.cache import code_key, open_cache, trim
from circle15.comparison.causes import CAUSE_COLUMNS, Causes, Reruns, attribute
from circle15.comparison.changes import (
    change_table,
    facility_table,
    item_count,
    item_rate,
    item_tables,
    note_attributes,
    other_table,
    rate_table,
)
from circle15.comparison.pairing import Pairs, common_types, pair
from circle15.comparison.rerun import differing, exchange, items_of, read_kept
from circle15.errors import Notes
from circle15.outputs.archive import has_archive
from circle15.outputs.columns import OTHERS, Layout, arrange
from circle15.outputs.csvfiles import write_tables
from circle15.outputs.dictionary import Lang
from circle15.outputs.manifest import FORMAT, plain, sha256_of
from circle15.outputs.write import check_writable, publish
from circle15.pipeline import Progress
from circle15.report.reading import RunFolder, read_run
from circle15.report.words import texts
from circle15.stages.changes import RATE_COLUMNS
from circle15.stages.run import Clock

COMMANDS = ("compute", "verify")
"""Whose folders have one table of verdicts each that can be held against another."""
KEPT_BY = "compute"
"""Whose folders may hold an archive."""
LAYOUT = Layout((), (OTHERS,))
"""Tables have their order."""
TABLES = ("changes", "others", "rates", "causes", "facilities")


NO_ARCHIVE, NEVER_KEPT, TWO_CRS = "why_no_archive", "why_never_kept", "why_two_crs"


@dataclass(frozen=True)
class Why:
    """Why inputs could not be exchanged: one of `NO_ARCHIVE`, `NEVER_KEPT`, `TWO_CRS`, and of which runs."""

    code: str
    names: tuple[str, ...]

    def text(self, lang: Lang) -> str:
        """Return it as a sentence that ends in what to do."""
        words = texts("compare", lang)
        return words[self.code].format(names=words["and"].join(self.names))


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other.

    Attributes
    ----------
    a, b : RunFolder
        The runs.
    pairs : Pairs
        Which committees are the same.
    types : list of str
        Which types both judge.
    tables : dict of str to DataFrame
        ``changes``, ``others``, ``rates``, ``causes``, ``facilities``.
    items : int
        How many items both runs judge.
    alike : bool
        Whether neither run judges any other: else their rates are of different items.
    common_rates : tuple of float
        Item rates of A and B over the items that both judge, as shares of 1; NaN where none could be judged.
    why_no_causes : Why or None
        Why inputs could not be exchanged; None if they were, or no verdict changed.
    reruns : int
        How many detections that took.
    notes : Notes
        What is to be known beside.
    files : dict of str to str
        What was written → sha256; empty without a folder.
    timings : dict of str to float
        Seconds by stage.
    """

    a: RunFolder
    b: RunFolder
    pairs: Pairs
    types: list[str]
    tables: dict[str, pd.DataFrame]
    items: int
    alike: bool
    common_rates: tuple[float, float]
    why_no_causes: Why | None
    reruns: int
    notes: Notes
    files: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def unchanged(self) -> bool:
        """Whether no verdict, counted or not, no rate and no facility differs."""
        rates = self.tables["rates"]
        differ = any(not rates[f"a_{name}"].equals(rates[f"b_{name}"]) for name in RATE_COLUMNS)
        return not differ and not any(len(self.tables[name]) for name in ("changes", "others", "facilities"))


def compare(
    folder_a: Path,
    folder_b: Path,
    *,
    out: Path | None = None,
    mapping: Path | None = None,
    lang: Lang = "en",
    cache: Path | None = None,
    bom: bool = False,
    progress: Progress,
) -> Comparison:
    """Compare two runs of `compute` or `verify`: rates, changed verdicts, and by which input they changed.

    Causes are found by detecting anew with one group of A's inputs exchanged for B's at a time; `causes` defines what
    is a cause. That needs the inputs that ``compute --archive`` keeps, of both runs.

    Parameters
    ----------
    folder_a, folder_b : Path
        The runs' folders: what was, and what is.
    out : Path or None
        Folder to write; None writes nothing.
    mapping : Path or None
        Which committees are the same (`pairing.pair`).
    lang : {"zh", "en"}
        Of the page and the summary.
    cache : Path or None
        Folder for intermediate results; None keeps none.
    bom : bool
        Whether CSV files begin with a byte order mark.
    progress : Progress
        Told of every stage.

    Raises
    ------
    InputError
        If a folder holds no run that can be read, or the two can't be compared: it says why.
    OutputError
        If `out` cannot be written.
    """
    clock, notes, began = Clock(progress), Notes(), datetime.now(UTC)
    with clock.stage("read"):
        if out is not None:
            check_writable(out, "compare")
        a, b = (read_run(folder, COMMANDS) for folder in (folder_a, folder_b))
        pairs, types = pair(a, b, mapping, notes), common_types(a, b, notes)
    with clock.stage("changes"):
        facilities = facility_table(a, b)
        note_attributes(a, b, notes)
        before, after = item_tables(a, b, pairs, types)
        changes = change_table(a, pairs, before, after, facilities)
    causes, why, reruns = _causes(a, b, pairs, before["verdict"], after["verdict"], open_cache(cache), clock, notes)
    if causes is not None and len(changes):
        found = causes.items.reindex(pd.MultiIndex.from_frame(changes[["committee_id", "type_id"]]))
        changes = changes.assign(cause=found["cause"].to_numpy(), step=found["step"].to_numpy())
    groups = pd.DataFrame(columns=list(CAUSE_COLUMNS)) if causes is None else causes.groups
    tables = {
        "changes": changes,
        "others": other_table(a, b, pairs),
        "rates": rate_table(a, b),
        "causes": groups,
        "facilities": facilities,
    }
    alike = all(item_count(run) == len(before) for run in (a, b))
    rates = item_rate(before["verdict"]), item_rate(after["verdict"])
    comparison = Comparison(
        a, b, pairs, types, tables, len(before), alike, rates, why, reruns, notes, timings=clock.timings
    )
    if out is None:
        return comparison
    return dataclasses.replace(comparison, files=_write(comparison, out, lang, mapping, began, bom=bom))


def _causes(
    a: RunFolder,
    b: RunFolder,
    pairs: Pairs,
    before: pd.Series,
    after: pd.Series,
    store: joblib.Memory,
    clock: Clock,
    notes: Notes,
) -> tuple[Causes | None, Why | None, int]:
    """Return the causes of what changed; else why there are none; and how many detections it took."""
    same = before.equals(after)
    without = tuple(run for run in (a, b) if not has_archive(run.document["outputs"]))
    if without and same:
        return None, None, 0
    if without:
        names = tuple(str(run.folder) for run in without)
        return None, Why(NO_ARCHIVE if all(run.command == KEPT_BY for run in without) else NEVER_KEPT, names), 0
    with clock.stage("kept inputs"):
        rename_a = {one: f"A:{one}" for one in pairs.only_a if one in set(pairs.same.values())}
        kept_a, kept_b = read_kept(a.folder, rename_a), read_kept(b.folder, pairs.rename_b)
    crs_a, crs_b = kept_a.archive.crs, kept_b.archive.crs
    if crs_a != crs_b:
        return None, None if same else Why(TWO_CRS, (crs_a.name, crs_b.name)), 0
    groups = differing(kept_a, kept_b)
    if same and not groups:
        return None, None, 0
    together = len([g for g in groups if len(g) > 1])
    text = "the standard lacks zones of the other run's committees: boundary and standard are exchanged together"
    notes.add("compare.exchanged_together", together, text)
    silent = Clock(_Silent())

    def detect(exchanged: frozenset[str]) -> pd.Series:
        return items_of(exchange(kept_a, kept_b, exchanged), store, silent)

    reruns = Reruns(detect, notes, before.index, clock.progress.advance)
    every = frozenset(one for group in groups for one in group)
    old = 0
    for run, exchanged, verdicts in ((a, frozenset[str](), before), (b, every, after)):
        if run.document["code"] == code_key():  # the same program on the same inputs: no need to ask again
            reruns.put(exchanged, verdicts.to_numpy(dtype=object))
        else:
            old += 1
    with clock.stage("causes", old + max(0, 2 * len(groups) - 2)):
        causes = attribute(before, after, groups, reruns)
    trim(store)
    return causes, None, reruns.made


class _Silent:
    """A progress of detections within a stage: the stage counts them."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, n: int = 1) -> None:
        """Say nothing."""

    def tell(self, text: str) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class _Manifest:
    """What ``run.json`` of a comparison tells."""

    comparison: Comparison
    options: Mapping[str, Any]
    inputs: Mapping[str, str]
    began: datetime
    bom: bool

    def document(self, outputs: Mapping[str, str], rows: Mapping[str, int]) -> dict[str, Any]:
        found = self.comparison
        document: dict[str, Any] = plain(
            {
                "format": FORMAT,
                "circle15": __version__,
                "code": code_key(),
                "command": "compare",
                "options": dict(self.options),
                "inputs": self.inputs,
                "bom": self.bom,
                "runs": {"a": label_of(found.a), "b": label_of(found.b)},
                "counts": {
                    "items": found.items,
                    "alike": found.alike,
                    "committees": len(found.pairs.same),
                    "types": len(found.types),
                    "only_a": list(found.pairs.only_a),
                    "only_b": list(found.pairs.only_b),
                },
                "causes": {
                    "why_not": found.why_no_causes and found.why_no_causes.text("en"),
                    "detections": found.reruns,
                },
                "notes": [dataclasses.asdict(note) for note in found.notes.items],
                "rows": rows,
                "outputs": outputs,
                "timings": {"started": self.began, "finished": datetime.now(UTC), "stages": found.timings},
            }
        )
        return document


def label_of(run: RunFolder) -> dict[str, Any]:
    """Return what identifies a run: where it lies, what made it, its year and standard."""
    document = run.document
    return {
        "folder": str(run.folder),
        "name": run.name,
        "command": run.command,
        "as_of": run.as_of,
        "standard": document["standard"]["id"],
        "circle15": document["circle15"],
        "fingerprint": document["fingerprint"],
    }


def _write(
    comparison: Comparison, out: Path, lang: Lang, mapping: Path | None, began: datetime, *, bom: bool
) -> dict[str, str]:
    from circle15.comparison.page import page, summary  # noqa: PLC0415 - it knows `Comparison`

    def fill(staging: Path) -> tuple[list[str], dict[str, int]]:
        tables = {name: arrange(comparison.tables[name], LAYOUT) for name in TABLES}
        csvs = write_tables(tables, staging / "csv", comparison.notes, bom=bom)
        texts = {"summary.txt": summary(comparison, lang, written=True), "compare.html": page(comparison, lang)}
        for name, text in texts.items():
            (staging / name).write_text(text, encoding="utf-8", newline="\n")
        return [*sorted(f"csv/{path.name}" for path in csvs), *texts], {name: len(t) for name, t in tables.items()}

    options = {"lang": lang, "mapping": None if mapping is None else str(mapping)}
    inputs = {} if mapping is None else {str(mapping): sha256_of(mapping)}
    return publish(out, _Manifest(comparison, options, inputs, began, bom), fill)
