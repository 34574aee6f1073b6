"""Make a spoiled copy of the sample district: 15 faults of the kinds that districts' files have.

Run: ``python docs/examples/spoil.py FOLDER``, then ``circle15 check FOLDER/circle15.toml``. `FAULTS` lists what is
wrong; everything else is the sample.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import rasterio

from circle15.inputs.datum import from_wgs84

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"

FAULTS = (
    ("committees.gpkg", "999001001", "two committees have one code"),
    ("committees.gpkg", "999002003", "no town"),
    ("facilities.gpkg", "F010", "a type that the standard does not have: community_libary"),
    ("facilities.gpkg", "F020", "closes before it opens"),
    ("schools.csv", "S003", "text in a column of numbers: 约300"),
    ("schools.csv", "S005", "longitude and latitude swapped"),
    ("shops_gb18030.csv", "", "its encoding, GB18030, is not declared"),
    ("parks.shp", "", "has lost its .prj, and with it the CRS"),
    ("population.tif", "", "a pixel with -5 people"),
    ("census.xlsx", "", "a title over merged cells above the names of the columns"),
    ("overrides.csv", "999009999", "a verdict on a committee that does not exist"),
    ("entrances.csv", "M099", "an entrance of a station that does not exist"),
    ("bus_stops.csv", "017", "a code that has lost a leading zero"),
    ("bus_stops.csv", "0100", "a typing error in a longitude: 112 instead of 121 degrees"),
    ("bus_stops.csv", "", "its coordinates are GCJ-02, which is not declared"),
)
"""File, id of the row (if it is one row), and what is wrong. The last three stop no run, and spoil its results."""

CONFIG = """\
# The sample district with 15 faults; docs/examples/spoil.py says which.
[run]
name = "spoiled"
standard = "pudong-2021"
as_of = 2023
out = "out/spoiled"

[network]
source = "network.osm.pbf"

[committees]
source = "committees.gpkg"
layer = "committees"
columns = { committee_id = "code", name = "名称", kind = "kind", town_id = "街镇", zone = "zone" }

[committees.areas]
source = "committees.gpkg"
layer = "committee_areas"
columns = { committee_id = "code" }

[population]
source = "population.tif"

[population.census]
source = "census.xlsx"
by = "town"
columns = { town_id = "街镇", total = "常住人口" }

[[facilities]]
source = "facilities.gpkg"
type_column = "type"
columns = { facility_id = "id" }
covers = [
    "medical_center", "community_health_center", "community_health_station",
    "public_cultural_facility", "community_cultural_center", "cultural_activity_room",
    "elderly_care_institution", "elderly_service_center", "elderly_care_home", "elderly_canteen",
    "elderly_day_care_center", "elderly_neighborly_point", "elderly_activity_room",
    "sports_center", "community_fitness_center", "elderly_fitness_home", "multi_sport_court", "fitness_trail",
    "fitness_spot", "parenting_guidance_station", "affordable_nursery",
]

[[facilities]]
source = "schools.csv"
type_column = "type"
columns = { facility_id = "id" }
covers = ["kindergarten", "primary_school", "junior_middle_school", "nine_year_school", "senior_secondary_school"]

[[facilities]]
source = "shops_gb18030.csv"
crs = "EPSG:32651"
type_column = "类型"
columns = { facility_id = "编号", name = "名称", floor_area_m2 = "建筑面积", opens = "启用年", closes = "停用年" }
covers = ["neighborhood_commerce", "wet_market", "fresh_grocery", "convenience_store", "pharmacy"]

[[facilities]]
source = "bus_stops.csv"
type = "bus_stop"
columns = { facility_id = "id" }

[[facilities]]
source = "parks.shp"
type_column = "type"
columns = { facility_id = "id" }
covers = ["comprehensive_park", "community_park", "micro_park"]

[[facilities]]
source = "stations.gpkg"
type_column = "type"
columns = { facility_id = "id" }
covers = ["metro_station", "bus_hub"]

[facilities.entrances]
source = "entrances.csv"

[overrides]
source = "overrides.csv"
"""


def committees(folder: Path) -> None:
    """Give two committees one code, and one no town."""
    table = gpd.read_file(SAMPLE / "committees.gpkg", layer="committees")
    table.loc[table["code"] == "999001002", "code"] = "999001001"
    table.loc[table["code"] == "999002003", "街镇"] = None
    table.to_file(folder / "committees.gpkg", layer="committees")
    areas = gpd.read_file(SAMPLE / "committees.gpkg", layer="committee_areas")
    areas[areas["code"] != "999001002"].to_file(folder / "committees.gpkg", layer="committee_areas")


def facilities(folder: Path) -> None:
    """Misspell a type, and let a facility close before it opens."""
    table = gpd.read_file(SAMPLE / "facilities.gpkg")
    table.loc[table["id"] == "F010", "type"] = "community_libary"
    table.loc[table["id"] == "F020", ["opens", "closes"]] = (2015, 2005)
    table.to_file(folder / "facilities.gpkg")


def schools(folder: Path) -> None:
    """Write a number as text, and swap the coordinates of a school."""
    table = pd.read_csv(SAMPLE / "schools.csv", dtype=str, keep_default_na=False)
    table.loc[table["id"] == "S003", "capacity"] = "约300"
    row = table["id"] == "S005"
    table.loc[row, ["lon", "lat"]] = table.loc[row, ["lat", "lon"]].to_numpy()
    table.to_csv(folder / "schools.csv", index=False)


def parks(folder: Path) -> None:
    """Write a shapefile and lose the file that says in which CRS it is."""
    gpd.read_file(SAMPLE / "parks.gpkg").to_file(folder / "parks.shp", encoding="utf-8")
    (folder / "parks.prj").unlink()


def population(folder: Path) -> None:
    """Take five people from a pixel that has none."""
    with rasterio.open(SAMPLE / "population.tif") as raster:
        persons, profile = raster.read(1), raster.profile
    persons[tuple(np.argwhere(persons == 0)[0])] = -5
    with rasterio.open(folder / "population.tif", "w", **profile) as raster:
        raster.write(persons, 1)


def census(folder: Path) -> None:
    """Write a sheet as people read it: a title over merged cells, then the names of the columns."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ("2023年常住人口", None),
        ("街镇", "常住人口"),
        ("示例街道", 61000),
        ("样板镇", 60000),
        ("模拟镇", 29000),
    ):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    book.save(folder / "census.xlsx")


def overrides(folder: Path) -> None:
    """Judge a committee that there is not."""
    lines = (
        "committee_id,type_id,verdict,author,date,reason",
        "999001003,wet_market,pass,王,2023-05-31,菜市场已开业",
        "999009999,pharmacy,pass,王,2023-05-31,药店步行可达",
    )
    (folder / "overrides.csv").write_text("\n".join([*lines, ""]), "utf-8")


def entrances(folder: Path) -> None:
    """Write the stations' entrances to a table of their own, and one of a station that there is not."""
    stations = gpd.read_file(SAMPLE / "stations.gpkg")
    table = stations[["id", "geometry"]].to_crs(4326).explode(index_parts=False)
    table = pd.DataFrame({"facility_id": table["id"], "lon": table.geometry.x, "lat": table.geometry.y})
    table.loc[len(table) + 1] = ["M099", 121.59, 31.09]
    table.round(7).to_csv(folder / "entrances.csv", index=False)


def bus_stops(folder: Path) -> None:
    """Move every stop as Amap does; take a zero from a code and swap two digits of a longitude."""
    table = pd.read_csv(SAMPLE / "bus_stops.csv", dtype=str)
    lon, lat = from_wgs84(table["lon"].to_numpy(dtype=float), table["lat"].to_numpy(dtype=float), "gcj02")
    table["lon"], table["lat"] = [f"{x:.7f}" for x in lon], [f"{y:.7f}" for y in lat]
    table["id"] = table["id"].str.replace("B", "0")
    wrong = table["id"] == "0100"
    table.loc[wrong, "lon"] = table.loc[wrong, "lon"].str.replace("121.", "112.")
    table.loc[table["id"] == "0017", "id"] = "017"
    table.to_csv(folder / "bus_stops.csv", index=False)


def spoil(folder: Path) -> Path:
    """Write the spoiled copy into `folder` and return its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("network.osm.pbf", "shops_gb18030.csv", "stations.gpkg"):
        shutil.copyfile(SAMPLE / name, folder / name)
    steps: tuple[Callable[[Path], None], ...] = (
        committees, facilities, schools, parks, population, census, overrides, entrances, bus_stops,
    )  # fmt: skip
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2023-12-31T00:00:00.000Z"})
    try:
        for step in steps:
            step(folder)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    path = folder / "circle15.toml"
    path.write_text(CONFIG, "utf-8")
    return path


if __name__ == "__main__":
    print(spoil(Path(sys.argv[1])))
