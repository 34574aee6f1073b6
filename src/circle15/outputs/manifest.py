"""``run.json``: what a run was made from and what it left behind, and whether that still holds."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from circle15 import __version__
from circle15.config import LedgerConfig
from circle15.errors import Note, Notes

RUN_JSON = "run.json"
FORMAT = 2
"""Of a run's folder: it counts up when tables or columns that are read again change their name or meaning."""
PLANNING = {"candidates", "projects", "suggest", "plan"}
"""Sections of a configuration that a detection does not read."""
NOTE_ROWS = 20
"""Of the rows that a note concerns, so many are named; its count tells how many there are."""


class StandardLabel(Protocol):
    """What the manifest tells of a standard."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def sha256(self) -> str:
        """Hash of its file."""

    @property
    def zh(self) -> str:
        """What it is called in Chinese."""

    @property
    def en(self) -> str:
        """What it is called in English."""

    @property
    def status(self) -> str:
        """Whether its text is ``official``, ``reconstructed`` or a ``draft``."""


@dataclass(frozen=True)
class Manifest:
    """Everything that ``run.json`` tells, but for the outputs.

    Attributes
    ----------
    config : LedgerConfig
        The configuration after the command line's overrides.
    standard : StandardLabel
        The standard.
    inputs : mapping of str to str
        Input file as the configuration names it → sha256; mappings included.
    code : str
        Hash of circle15's own source.
    versions : mapping of str to str
        Libraries that results depend on; GDAL, GEOS and PROJ are added.
    bom : bool
        Whether the CSV files begin with a byte order mark.
    sensitivity : float or None
        Percent by which speeds were varied to find the verdicts that turn.
    command : str
        What was run. The sections of the configuration that only siting and plans read decide nothing of ``compute``.
    options : mapping
        Further options of the command line that decide the outputs.
    figures : mapping
        What a command has to tell beside, by topic (the solver's figures, say).
    notes : Notes
        What was dropped, assumed or left out.
    counts, people, engine : mapping
        Numbers of things, where every person went, and the engine's figures.
    crs : CRS or None
        The metric CRS of the run.
    started : datetime or None
        When the run began.
    timings : mapping of str to float
        Seconds by stage. With the two stamps beside them they are all that differs between two runs of the same.
    """

    config: LedgerConfig
    standard: StandardLabel
    inputs: Mapping[str, str]
    code: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    bom: bool = False
    sensitivity: float | None = None
    command: str = "compute"
    options: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    counts: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    crs: pyproj.CRS | None = None
    started: datetime | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 over all that decides the outputs, but for the folder that they go to."""
        decides = self._decides()
        decides["configuration"]["run"].pop("out", None)
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def document(self, outputs: Mapping[str, str], rows: Mapping[str, int]) -> dict[str, Any]:
        """Return the content of ``run.json``.

        Parameters
        ----------
        outputs : mapping of str to str
            File written, relative to the run's folder → sha256.
        rows : mapping of str to int
            Table written → number of its rows.
        """
        document: dict[str, Any] = plain(
            {
                "format": FORMAT,
                "fingerprint": self.fingerprint,
                **self._decides(),
                "as_of": self.config.run.as_of,
                "crs": None if self.crs is None else _crs_label(self.crs),
                "counts": self.counts,
                "people": self.people,
                "engine": self.engine,
                **self.figures,
                "notes": [asdict(replace(note, rows=note.rows[:NOTE_ROWS])) for note in self.notes.items],
                "rows": rows,
                "outputs": outputs,
                "timings": {"started": self.started, "finished": datetime.now(UTC), "stages": self.timings},
            }
        )
        return document

    def _decides(self) -> dict[str, Any]:
        native = {
            "gdal": pyogrio.__gdal_version_string__,
            "geos": shapely.geos_version_string,
            "proj": pyproj.proj_version_str,
        }
        return {
            "circle15": __version__,
            "code": self.code,
            "command": self.command,
            "options": dict(self.options),
            "configuration": self.config.model_dump(
                mode="json", exclude_none=True, exclude=PLANNING if self.command == "compute" else set()
            ),
            "standard": {name: getattr(self.standard, name) for name in ("id", "sha256", "zh", "en", "status")},
            "inputs": dict(self.inputs),
            "versions": {**self.versions, **native},
            "bom": self.bom,
            "sensitivity": self.sensitivity,
        }


def is_current(folder: Path, fingerprint: str) -> bool:
    """Return whether `folder` holds a whole run of this fingerprint: every output is there and has its hash."""
    document = read_manifest(folder)
    if document is None or document.get("fingerprint") != fingerprint:
        return False
    outputs = document.get("outputs")
    if not isinstance(outputs, dict) or not outputs:
        return False
    try:
        return all(sha256_of(folder / name) == sha256 for name, sha256 in outputs.items())
    except OSError:
        return False


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the content of a folder's ``run.json``, or None if there is none that can be read."""
    try:
        document = json.loads((folder / RUN_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def notes_of(document: Mapping[str, Any]) -> Notes:
    """Return the notes that a ``run.json`` tells."""
    return Notes([Note(n["code"], n["count"], n["text"], tuple(n["rows"])) for n in document["notes"]])


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(value: Any) -> Any:
    """Return `value` in the types of JSON; what is missing or not a finite number becomes null."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def _crs_label(crs: pyproj.CRS) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()
