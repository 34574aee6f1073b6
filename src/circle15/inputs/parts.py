"""How much of a facility's capacity or floor area is for what it provides: columns ``capacity_as_<type>`` and so on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from circle15.errors import Problem
from circle15.inputs.formats import nearest
from circle15.inputs.vector import Layer
from circle15.standard.model import Standard
from circle15.standard.resolve import serving_types
from circle15.tables import Column, check_columns

MEASURES = ("capacity", "floor_area_m2")
ROUNDING = 1e-9
"""By so much, relatively, parts may be more than the whole that they add up to on paper."""


def check_parts(layer: Layer, standard: Standard) -> list[Problem]:
    """Convert the parts' columns to numbers in place, and return what is wrong with them.

    A part has to be of a type that the standard has and that the facility's type provides, and no more than the whole.

    Parameters
    ----------
    layer : Layer
        Facilities with ``type_id`` and the columns of `MEASURES`, checked already.
    standard : Standard
        Knows what provides what.
    """
    return [problem for measure in MEASURES for problem in _of_measure(layer, standard, measure)]


def _of_measure(layer: Layer, standard: Standard, measure: str) -> list[Problem]:
    start = f"{measure}_as_"
    columns = [str(name) for name in layer.table.columns if str(name).startswith(start)]
    contract = [Column(name, "number", minimum=0.0) for name in columns]
    problems = check_columns(layer.table, contract, layer.where, layer.label)
    known = [t.id for t in standard.types]
    for name in columns:
        type_id = name.removeprefix(start)
        if type_id not in known:
            problems.append(
                Problem(f'"{name}" is of no type of the standard', layer.where, (), nearest(type_id, known))
            )
            continue
        given = layer.table[name].notna().to_numpy()
        other = given & ~layer.table["type_id"].isin(serving_types(standard, type_id)[1:]).to_numpy()
        if other.any():
            what = f'"{name}" is filled in for facilities whose type does not provide {type_id}'
            remedy = "Leave it empty there, or let the standard's type provide it."
            problems.append(Problem(what, layer.where, layer.label(other), remedy))
    return problems + _more_than_whole(layer, measure, columns)


def _more_than_whole(layer: Layer, measure: str, columns: Sequence[str]) -> list[Problem]:
    if not columns:
        return []
    parts = np.nansum(np.stack([layer.table[name].to_numpy(dtype=np.float64) for name in columns]), axis=0)
    whole = layer.table[measure].to_numpy(dtype=np.float64)
    more: npt.NDArray[np.bool_] = parts > whole * (1.0 + ROUNDING)  # NaN is no whole that could be exceeded
    if not more.any():
        return []
    what = f'the parts {", ".join(columns)} add up to more than "{measure}"'
    return [Problem(what, layer.where, layer.label(more), "Correct them: a part is of the whole, and counts once.")]
