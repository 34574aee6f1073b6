"""`report`: everything that people read of one run, written together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from circle15 import __version__
from circle15.errors import Notes
from circle15.outputs.dictionary import Lang
from circle15.outputs.manifest import FORMAT
from circle15.outputs.towns import folder_names
from circle15.outputs.write import check_writable, publish
from circle15.report.facts import Facts
from circle15.report.page import page_html
from circle15.report.reading import read_run
from circle15.report.towns import town_html
from circle15.report.workbook import write_town_workbooks, write_workbook
from circle15.stages.run import Clock, Progress

PAGE = "report.html"
WORKBOOK = "report.xlsx"


@dataclass(frozen=True)
class Reported:
    """What `report` leaves behind.

    Attributes
    ----------
    folder : Path
        Where the files are.
    files : dict of str to str
        Relative name → sha256.
    timings : dict of str to float
        Seconds by stage.
    notes : Notes
        What was noticed while writing.
    """

    folder: Path
    files: dict[str, str]
    timings: dict[str, float]
    notes: Notes


@dataclass(frozen=True)
class _Document:
    """What ``run.json`` of a report tells: of which run it is."""

    of: Mapping[str, Any]
    options: Mapping[str, Any]
    started: datetime
    timings: Mapping[str, float]
    notes: Notes = field(default_factory=Notes)

    def document(self, outputs: Mapping[str, str], rows: Mapping[str, int]) -> dict[str, Any]:
        """Return the content of ``run.json``."""
        del rows
        return {
            "format": FORMAT,
            "circle15": __version__,
            "command": "report",
            "options": dict(self.options),
            "of": {key: self.of[key] for key in ("command", "fingerprint", "circle15", "as_of")},
            "notes": [{"code": n.code, "count": n.count, "text": n.text} for n in self.notes.items],
            "outputs": dict(outputs),
            "timings": {
                "started": self.started.isoformat(),
                "finished": datetime.now(UTC).isoformat(),
                "stages": dict(self.timings),
            },
        }


def report(
    run_folder: Path, *, out: Path, lang: Lang = "zh", towns: bool = True, figures: bool = False, progress: Progress
) -> Reported:
    """Write the page, the workbook, a page and a workbook for each town, and the pictures if they are asked for.

    Parameters
    ----------
    run_folder : Path
        What ``compute``, ``verify`` or ``plan`` wrote.
    out : Path
        Folder to write; made if absent.
    lang : {"zh", "en"}
        The language of the workbook and the pictures, and that the page opens in.
    towns, figures : bool
        Whether to write each town's page and workbook, and the pictures.
    progress : Progress
        Told of every stage.

    Raises
    ------
    InputError
        If the folder holds no whole run of this version.
    OutputError
        If anything cannot be written; nothing half written stays behind.
    """
    clock, began, notes = Clock(progress), datetime.now(UTC), Notes()
    check_writable(out, "report")
    with clock.stage("read"):
        facts = Facts(read_run(run_folder))
        judged = "verdicts" in facts.run.tables
        folders = folder_names(facts.towns) if towns and judged else {}
    if not judged:
        notes.add(
            "report.ledger_alone", 1, "the run only counts a ledger, without a district: there is a workbook, no page"
        )

    def fill(staging: Path) -> tuple[list[str], dict[str, int]]:
        if judged:
            with clock.stage("page"):
                (staging / PAGE).write_text(page_html(facts, lang), encoding="utf-8", newline="\n")
        with clock.stage("workbook"):
            write_workbook(facts.run, staging / WORKBOOK, lang)
        with clock.stage("towns", len(folders)):
            for town, folder in folders.items():
                page = staging / "towns" / folder / "index.html"
                page.parent.mkdir(parents=True)
                page.write_text(town_html(facts, town, lang, PAGE), encoding="utf-8", newline="\n")
                progress.advance()
            if folders:
                write_town_workbooks(facts.run, staging / "towns", lang)
        if figures and judged:
            from circle15.report.figures import draw_figures  # noqa: PLC0415 - matplotlib, only where it is asked for

            with clock.stage("figures"):
                draw_figures(facts.run, staging / "figures", lang)
        names = sorted(path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
        return names, {}

    options = {"lang": lang, "towns": towns, "figures": figures}
    document = _Document(facts.run.document, options, began, clock.timings, notes)
    files = publish(out, document, fill, tables=False)
    return Reported(out, files, clock.timings, notes)
