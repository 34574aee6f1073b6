"""Configurations and small files for the tests of ``inputs``."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from circle15.config import Config
from circle15.standard.load import load_standard

EAST, NORTH = 350_000.0, 3_450_000.0
"""A corner in UTM zone 51N near Shanghai; tests count metres from it."""

STANDARD = load_standard("pudong-2021", Path())


def make_config(folder: Path, as_of: int = 2023, crs: str | None = "EPSG:32651", **sections) -> Config:
    """Return a configuration in `folder` with the sections given and fillers for those that must be there."""
    config = Config.model_validate(
        {
            "run": {"name": "test", "standard": "test", "as_of": as_of, "crs": crs},
            "network": {"source": "streets.osm.pbf"},
            "committees": {"source": "committees.csv"},
            "facilities": [{"source": "facilities.csv", "type": "kindergarten"}],
            **sections,
        }
    )
    config._path = folder / "run.toml"
    return config


def write_text(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


def write_raster(path: Path, values, nodata=-9999.0, crs="EPSG:32651", dtype="float32", pixel=100.0, **more) -> Path:
    """Write `values` with their upper left corner `pixel` × rows above (EAST, NORTH)."""
    bands = np.atleast_3d(np.asarray(values, dtype=dtype).T).T
    count, height, width = bands.shape
    where = from_origin(EAST, NORTH + pixel * height, pixel, pixel)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=dtype, nodata=nodata, crs=crs,
        transform=where, **more,
    ) as file:  # fmt: skip
        file.write(bands)
    return path


def codes(notes) -> dict[str, int]:
    return {note.code: note.count for note in notes.items}
