"""The entrances of a source's facilities, from a table of points with the facility's id.

A facility that has entrances is reached at them and nowhere else, so they take the place of its own geometry: as the
ends of routes, in distances to other facilities, and on maps. How streets lead to an entrance is told in
`circle15.network.entrances`.
"""

from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.config import EntrancesConfig
from circle15.errors import Notes
from circle15.inputs.ids import match_ids
from circle15.inputs.vector import POINTS, Layer, Wanted, load_layer
from circle15.tables import Column, check_columns

ENTRANCES = (Column("facility_id", required=True),)

FAR_M = 500.0
"""An entrance farther than this from its facility, in metres, is worth a look: the point of a large school or of a park
of 50 ha lies 400 m from its farthest gate, and an entrance with another's id lies farther as a rule."""

UNKNOWN = "entrances of facilities that do not exist"


def load_entrances(
    source: EntrancesConfig, path: Path, facility_ids: pd.Series, notes: Notes, *, filtered: bool
) -> Layer:
    """Read a table of entrances and hold its ids against those of the facilities.

    Parameters
    ----------
    source : EntrancesConfig
        How to read it.
    path : Path
        Points with ``facility_id``; a facility has a row for each of its entrances.
    facility_ids : Series of str
        The ids of the source's facilities.
    notes : Notes
        Gets entrances of facilities that ``where`` left out.
    filtered : bool
        Whether ``where`` may have left facilities out. If so, entrances of none that is there are no error as long as
        some others fit.

    Returns
    -------
    Layer
        Rows whose facility is there, with what is wrong: a missing id, a facility that does not exist.
    """
    wanted = Wanted("facilities.entrances", ENTRANCES, shapes=POINTS, other_columns=False)
    layer = load_layer(source, path, wanted, notes)
    layer.problems += check_columns(layer.table, ENTRANCES, layer.where, layer.label)
    if "facility_id" not in layer.table:
        return layer
    ids = layer.table["facility_id"]
    found = match_ids(ids, facility_ids, layer.where, partial(_named, layer), of="the facilities", what=UNKNOWN)
    stray = (~ids.isin(facility_ids) & (ids != "")).to_numpy()
    if filtered and not stray.all():
        elsewhere = [row for one in found if one.what == UNKNOWN for row in one.rows]
        found = [one for one in found if one.what != UNKNOWN]
        text = f"{path.name}: {len(elsewhere)} entrances not used: where left out their facilities, or there are none"
        notes.add("facilities.entrances_elsewhere", len(elsewhere), text, elsewhere)
    layer.problems += found
    layer.table = layer.table.loc[~stray]
    return layer


def _named(layer: Layer, mask: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    ids = layer.table["facility_id"][mask]
    return tuple(f"{row} ({one})" for row, one in zip(layer.label(mask), ids, strict=True))


def join_entrances(table: gpd.GeoDataFrame, entrances: gpd.GeoDataFrame, name: str, notes: Notes) -> gpd.GeoDataFrame:
    """Give facilities their entrances as geometry.

    Parameters
    ----------
    table : GeoDataFrame
        Facilities of one source with unique ``facility_id``, in metres.
    entrances : GeoDataFrame
        ``facility_id`` and points in the same CRS; every id is in `table`.
    name : str
        The source, for the notes.
    notes : Notes
        Gets facilities without entrances, which keep their own geometry, and entrances farther than `FAR_M` from it.

    Returns
    -------
    GeoDataFrame
        As `table`, with a MultiPoint (sorted by x, then y; each point once) for each facility that has entrances.
    """
    row = pd.Series(np.arange(len(table)), index=table["facility_id"].to_numpy())
    of = row[entrances["facility_id"].to_numpy()].to_numpy()
    shapes = table.geometry.to_numpy().copy()
    away_m = shapely.distance(entrances.geometry.to_numpy(), shapes[of])
    far = away_m > FAR_M
    rows = [f"{i} ({m:,.0f} m)" for i, m in zip(entrances["facility_id"][far], away_m[far], strict=True)]
    text = f"{name}: {far.sum()} entrances lie farther than {FAR_M:g} m from their facility"
    notes.add("facilities.entrances_far", far.sum(), text, rows)

    xy, owner = shapely.get_coordinates(entrances.geometry.to_numpy(), return_index=True)
    placed = np.unique(np.column_stack([of[owner], xy]), axis=0)
    numbers, first = np.unique(placed[:, 0].astype(np.int64), return_index=True)
    for number, points in zip(numbers, np.split(placed[:, 1:], first[1:]), strict=True):
        shapes[number] = shapely.MultiPoint(points)
    without = ~np.isin(np.arange(len(table)), of)
    text = f"{name}: {without.sum()} of {len(table)} facilities have no entrances and keep their own geometry"
    notes.add("facilities.no_entrances", without.sum(), text, table["facility_id"][without])
    return table.set_geometry(gpd.GeoSeries(shapes, index=table.index, crs=table.crs))
