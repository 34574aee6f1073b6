"""The files of `suggest`, `verify` and `plan`: any tables as CSV, those with places as layers, texts beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyproj
import shapely

from circle15.outputs.columns import GAPS, OTHERS, RATE_LAYOUTS, REQUIREMENTS, TARGETS, VERDICTS, Layout, arrange
from circle15.outputs.csvfiles import with_degrees, write_tables
from circle15.outputs.geopackage import Layer, write_layers
from circle15.outputs.manifest import Manifest
from circle15.outputs.write import GEOPACKAGE, publish
from circle15.tables import PROJECTS, TextArray

LEDGER = Layout(("project_id",), (*(c.name for c in PROJECTS), OTHERS), optional=tuple(c.name for c in PROJECTS))
LAYOUTS: Mapping[str, Layout] = {
    "suggestions": LEDGER,
    "projects": LEDGER,
    "ledger": LEDGER,
    "verdicts": VERDICTS,
    "verdicts_before": VERDICTS,
    "requirements": REQUIREMENTS,
    "gaps": GAPS,
    "targets": TARGETS,
    **RATE_LAYOUTS,
}
AS_THEY_COME = Layout((), (OTHERS,))
"""Tables that have an order of their own."""


@dataclass(frozen=True)
class Sheet:
    """A table to be written.

    Attributes
    ----------
    name : str
        Of the CSV file and the layer; numbers behind a name of `LAYOUTS` (``suggestions_2``) keep its layout.
    table : DataFrame
        Its rows.
    points : object array of shapely Points or None, shape (rows,)
        Where its rows lie; None for a table without places.
    degrees_after : str
        Column after which ``lon`` and ``lat`` stand in the CSV; ``""`` leaves them out.
    description : str
        What a GIS shows of the layer.
    """

    name: str
    table: pd.DataFrame
    points: TextArray | None = None
    degrees_after: str = ""
    description: str = ""


def write_plan(
    folder: Path,
    manifest: Manifest,
    sheets: Sequence[Sheet],
    crs: pyproj.CRS | None,
    texts: Mapping[str, str] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    beneath: Sequence[Layer] = (),
) -> dict[str, str]:
    """Write tables and texts into a run's folder.

    Parameters
    ----------
    folder : Path
        Made if absent; what is in it from an earlier run of the same kind is replaced together.
    manifest : Manifest
        What ``run.json`` tells.
    sheets : sequence of Sheet
        The tables; those with points become layers of the GeoPackage.
    crs : CRS or None
        What points are in; None where there are none.
    texts : mapping of str to str
        Further files, by name relative to `folder`.
    tables : mapping of str to DataFrame
        Further CSV files, by name relative to `folder`, without their ending.
    beneath : sequence of Layer
        Further layers of the GeoPackage, below those of the sheets: what their map stands on.

    Returns
    -------
    dict of str to str
        Name of each file → sha256.

    Raises
    ------
    OutputError
        As `outputs.write.publish`.
    """

    def fill(staging: Path) -> tuple[list[str], dict[str, int]]:
        arranged = {one.name: arrange(one.table, _layout(one.name)) for one in sheets}
        layers = [*(_layer(one, arranged[one.name]) for one in sheets if one.points is not None), *beneath]
        names = []
        if layers and crs is not None:
            write_layers(layers, staging / GEOPACKAGE, crs, manifest.notes)
            names.append(GEOPACKAGE)
        in_degrees = {one.name: _with_degrees(one, arranged[one.name], crs) for one in sheets}
        write_tables(in_degrees, staging / "csv", manifest.notes, bom=manifest.bom)
        names += sorted(f"csv/{name}.csv" for name in in_degrees)
        for name, table in (tables or {}).items():
            at = staging / PurePosixPath(name).parent
            at.mkdir(parents=True, exist_ok=True)
            base = PurePosixPath(name).name
            layout = LEDGER if "project_id" in table else AS_THEY_COME
            write_tables({base: arrange(table, layout)}, at, manifest.notes, bom=manifest.bom)
            names.append(f"{name}.csv")
        for name, text in (texts or {}).items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            names.append(name)
        return names, {name: len(table) for name, table in arranged.items()}

    return publish(folder, manifest, fill)


def _layout(name: str) -> Layout:
    base = name.rstrip("0123456789").rstrip("_")
    return LAYOUTS.get(name, LAYOUTS.get(base, AS_THEY_COME))


def _layer(one: Sheet, table: pd.DataFrame) -> Layer:
    assert one.points is not None
    points = np.array(one.points, dtype=object)[table.index]
    points[pd.isna(points)] = None
    return Layer(one.name, table, points, "Point", one.description)


def _with_degrees(one: Sheet, table: pd.DataFrame, crs: pyproj.CRS | None) -> pd.DataFrame:
    if one.points is None or not one.degrees_after or crs is None:
        return table
    points = np.array(one.points, dtype=object)[table.index]
    points[shapely.is_missing(points)] = None
    return with_degrees(table, points, crs, one.degrees_after)
