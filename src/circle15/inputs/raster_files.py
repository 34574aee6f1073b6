"""The files that rasters come in: by their endings, with what has to stand beside them, and packed."""

import zipfile
from pathlib import Path

import pandas as pd

from circle15.errors import InputError, Problem
from circle15.tables import some_of

WITH_HEADER = (".bil", ".bip", ".bsq", ".flt")
"""Endings of rasters that have nothing but numbers in them."""
RASTERS = (".tif", ".tiff", ".vrt", ".img", ".asc", *WITH_HEADER)
"""Endings of rasters; any other file is a table or a layer."""
ARCHIVES = (".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz")
"""Endings of archives that are not looked into."""


def is_raster(path: Path) -> bool:
    """Return whether a file is one of pixels, by its ending.

    Raises
    ------
    InputError
        If it is an archive that holds a raster, or one that isn't looked into; a packed layer is read as it is.
    """
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        remedy = "Unpack it and name the file in it."
        raise InputError(Problem("is an archive, which is not read", str(path), remedy=remedy))
    if suffix == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            held = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in RASTERS)
        if held:
            remedy = f'Unpack all of it and name the raster: source = "{Path(held[0]).name}".'
            raise InputError(Problem(f"is an archive that holds {some_of(pd.Series(held))}", str(path), remedy=remedy))
    return suffix in RASTERS


def require_header(path: Path) -> None:
    """Refuse a raster of bare numbers without the file that says how many pixels there are, and where."""
    if path.suffix.lower() not in WITH_HEADER:
        return
    headers = [path.with_suffix(ending) for ending in (".hdr", ".HDR")]
    if not any(header.is_file() for header in headers):
        remedy = "It came with the file and says how many pixels there are and where: put it beside it, under its name."
        raise InputError(Problem(f"has no {headers[0].name} beside it", str(path), remedy=remedy))
