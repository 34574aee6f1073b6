"""A run's folder as it was written, read again: the tables by the dictionary's kinds, the layers, the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from circle15.errors import InputError, Problem, raise_if_any
from circle15.outputs.csvfiles import undefuse
from circle15.outputs.dictionary import TEXT_KINDS, load_dictionary
from circle15.outputs.manifest import FORMAT, RUN_JSON, read_manifest, sha256_of
from circle15.outputs.write import GEOPACKAGE

COMMANDS = ("compute", "verify", "plan")
"""Whose folders hold a detection."""
RUN_AGAIN = "Run the command again into this folder, or name another folder."


@dataclass(frozen=True)
class RunFolder:
    """What a command left in its folder.

    Attributes
    ----------
    folder : Path
        Where it lies.
    document : mapping
        Content of ``run.json``.
    tables : mapping of str to DataFrame
        Every file of ``csv/`` by its name: text columns hold str (``""`` for empty), figures float64 (NaN), flags
        nullable booleans.
    layers : mapping of str to GeoDataFrame
        Every layer of the GeoPackage but those that are only a table with points (``verdicts``), in the run's CRS.
        Facilities of all geometry types together are in ``facilities``.
    """

    folder: Path
    document: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    layers: Mapping[str, gpd.GeoDataFrame]

    @property
    def command(self) -> str:
        """Which command wrote it."""
        return str(self.document["command"])

    @property
    def as_of(self) -> int:
        """The year of the rates; of a plan, which is told in an earlier one, that of its last projects."""
        years = [float(year) for year in self.table("effects").get("year", []) if not np.isnan(year)]
        return int(max(years, default=self.document["as_of"]))

    @property
    def name(self) -> str:
        """The name that the configuration gives the run."""
        return str(self.document["configuration"]["run"].get("name") or self.folder.name)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, empty if the run has none of that name."""
        return self.tables.get(name, pd.DataFrame())


def read_run(folder: Path, commands: tuple[str, ...] = COMMANDS) -> RunFolder:
    """Read a run's folder.

    Parameters
    ----------
    folder : Path
        What `--out` named.
    commands : tuple of str
        Whose folders are taken.

    Raises
    ------
    InputError
        If there is no run, it is another command's or another version's, or files are missing or not those that the
        run wrote.
    """
    document = _manifest(folder, commands)
    outputs: Mapping[str, str] = document["outputs"]
    raise_if_any([problem for name, sha256 in outputs.items() for problem in _fault(folder, name, sha256)])
    tables = {Path(name).stem: _read_csv(folder / name) for name in outputs if _is_table(name)}
    layers = _read_layers(folder / GEOPACKAGE) if GEOPACKAGE in outputs else {}
    return RunFolder(folder, document, tables, layers)


def _is_table(name: str) -> bool:
    return name.startswith("csv/") and name.endswith(".csv")


def _manifest(folder: Path, commands: tuple[str, ...]) -> dict[str, Any]:
    where = str(folder)
    if not folder.is_dir():
        raise InputError(Problem("no such folder", where, remedy="Name the folder that a run wrote (--out)."))
    if not (folder / RUN_JSON).is_file():
        remedy = "Name the folder that a run wrote (--out); run.json is written last, so an unfinished run has none."
        raise InputError(Problem(f"holds no {RUN_JSON}, so no whole run", where, remedy=remedy))
    document = read_manifest(folder)
    if document is None or not isinstance(document.get("outputs"), dict):
        raise InputError(Problem(f"{RUN_JSON} cannot be read as one of circle15", where, remedy=RUN_AGAIN))
    if document.get("format") != FORMAT:
        written = document.get("circle15", "an unknown version")
        what = f"was written by another version of circle15 ({written}, format {document.get('format', 'none')}; "
        raise InputError(Problem(f"{what}this one reads format {FORMAT})", where, remedy=RUN_AGAIN))
    if document.get("command") not in commands:
        what = f"holds a run of {document.get('command')}, not of {' or '.join(commands)}"
        raise InputError(Problem(what, where, remedy="Name the folder of another run."))
    return document


def _fault(folder: Path, name: str, sha256: str) -> list[Problem]:
    path = folder / name
    if not path.is_file():
        return [Problem("is missing, though the run wrote it", str(path), remedy=RUN_AGAIN)]
    if sha256_of(path) != sha256:
        return [Problem("has been changed since the run wrote it", str(path), remedy=RUN_AGAIN)]
    return []


def _read_csv(path: Path) -> pd.DataFrame:
    """Return a table as it was before it was written: the defusing undone, every column by its kind."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8-sig")
    return pd.DataFrame({name: _typed(text[name], path.stem, str(name)) for name in text}, index=text.index)


def _typed(values: pd.Series, table: str, name: str) -> pd.Series:
    """Return a column by its kind; what does not fit it is the user's own under a name of ours, and stays text."""
    kind = load_dictionary().column(table, name).kind
    filled = values[values != ""]
    if kind == "flag" and filled.isin(["true", "false"]).all():
        return values.map({"true": True, "false": False}).astype("boolean")
    if kind == "flag" or kind in TEXT_KINDS or pd.to_numeric(filled, errors="coerce").isna().any():
        return undefuse(values)
    if not kind and (not len(filled) or filled.str.match(r"0\d").any()):  # empty, or codes and no figures
        return undefuse(values)
    return pd.to_numeric(values.where(values != "", None)).astype(np.float64)


def _read_layers(path: Path) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of a GeoPackage, facilities of all families as one."""
    names = [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is not None]
    layers = {name: pyogrio.read_dataframe(path, layer=name) for name in names if name != "verdicts"}
    families = [
        layers.pop(name)
        for name in names
        if name == "facilities" or (name.startswith("facility_") and name != "facility_checks")
    ]
    if families:
        every = pd.concat(families, ignore_index=True)
        layers["facilities"] = gpd.GeoDataFrame(every, geometry="geometry", crs=families[0].crs)
    return layers
