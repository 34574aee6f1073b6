"""Make the sample district: a synthetic place of three towns, in the formats that real districts use.

Everything here is invented; the coordinates only put it on a map (UTM 51N, near 121.6 E 31.1 N). Lengths are metres
in a local plane whose origin is `ORIGIN`, so that distances can be worked out by hand from the numbers in
sample_plan.py and sample_streets.py. The same script writes the same bytes.

Run: ``python data/sample/make_sample.py [FOLDER]`` (default: the folder of this file). See README.md for the plan.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import rasterio
import shapely
from sample_plan import (
    COMMITTEES,
    EXPECTED,
    KEEP_AWAY,
    LAKE,
    OUTSKIRTS,
    PARKS,
    PLANTED,
    RANDOM,
    STATIONS,
    TOWNS,
    TYPE_ZH,
    WETLAND,
)
from sample_sites import sites
from sample_streets import CRS, EAST, NORTH, ORIGIN, RIVER, SOUTH, WEST, XY, Streets, make_streets, write_pbf
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

SEED = 2023
RASTER = (-1500, -5000, 5800, 4000)
"""West, south, east, north of the population raster; outside of the streets' box it holds no data."""
PIXEL = 100
NODATA = -9999.0
AGE_SHARES = {"age_0_2": (0.02, 0.0175, 0.025, 0.0125), "age_60_plus": (0.25, 0.3125, 0.1875, 0.375)}
"""Share of each group among the people outside of the towns, and in each of `TOWNS`; sums of powers of two, so that
nothing is rounded where it matters."""


def moved(geometries: Iterable[shapely.Geometry]) -> npt.NDArray[np.object_]:
    """Return local geometries in the metric CRS."""
    return np.asarray(shapely.transform(np.asarray(list(geometries), dtype=object), lambda xy: xy + ORIGIN))


Columns = dict[str, list[object]]


def write_layer(path: Path, layer: str, columns: Columns, geometries: Iterable[shapely.Geometry]) -> None:
    """Add one layer to a GeoPackage; a column of whole numbers with gaps stays one."""
    frame = gpd.GeoDataFrame(columns, geometry=moved(geometries), crs=CRS).convert_dtypes()
    frame.to_file(path, layer=layer, driver="GPKG", engine="pyogrio", mode="a" if path.exists() else "w")


def committee_areas() -> list[shapely.Geometry]:
    """Return each committee's land: the part of its town that is nearest to it, in the order of `COMMITTEES`."""
    areas: list[shapely.Geometry] = [Polygon()] * len(COMMITTEES)
    for town in TOWNS:
        rows = [i for i, c in enumerate(COMMITTEES) if c.town == town.key]
        cells = shapely.voronoi_polygons(MultiPoint([COMMITTEES[i].xy for i in rows]), extend_to=box(*town.box)).geoms
        for i in rows:
            cell = next(c for c in cells if c.contains(Point(COMMITTEES[i].xy)))
            areas[i] = cell.intersection(box(*town.box)).normalize()
    return areas


def write_committees(folder: Path) -> None:
    """Centres and polygons as two layers of one file, joined by their code."""
    towns = {town.key: town for town in TOWNS}
    path = folder / "committees.gpkg"
    columns: Columns = {
        "code": [c.code for c in COMMITTEES],
        "名称": [c.name for c in COMMITTEES],
        "kind": [c.kind for c in COMMITTEES],
        "街镇": [towns[c.town].name for c in COMMITTEES],
        "zone": [towns[c.town].zone if c.has_zone else None for c in COMMITTEES],
    }
    write_layer(path, "committees", columns, (Point(c.xy) for c in COMMITTEES))
    write_layer(path, "committee_areas", {"code": columns["code"]}, committee_areas())


def write_population(streets: Streets, rng: np.random.Generator, path: Path) -> int:
    """Write whole persons per pixel and return their sum."""
    west, south, east, north = RASTER
    x = np.arange(west, east, PIXEL) + PIXEL / 2
    y = np.arange(north, south, -PIXEL) - PIXEL / 2
    grid = np.asarray(shapely.points(*np.meshgrid(x, y)))
    near = shapely.distance(grid, shapely.union_all(streets.lines(walkable=True)))
    persons = np.where(near < 120, rng.integers(2, 9, grid.shape), 0)  # the neighbours
    for town in TOWNS:
        inside = shapely.contains(box(*town.box), grid)
        density = np.round(rng.gamma(4.0, town.persons_per_pixel / 4.0, grid.shape))
        persons = np.where(inside, np.where(near < town.built_within, density, 0), persons)
    wet = [Point(x, y).buffer(radius) for x, y, radius in (LAKE, WETLAND)]
    empty = shapely.union_all([RIVER, *wet, *(box(*park.box) for park in PARKS)])
    persons = np.where(shapely.contains(empty, grid), 0, persons)
    known = shapely.contains(box(WEST, SOUTH, EAST + 50, NORTH), grid)
    write_raster(path, np.where(known, persons, NODATA))
    for group, (elsewhere, *shares) in AGE_SHARES.items():
        share = np.full(grid.shape, elsewhere)
        for town, own in zip(TOWNS, shares, strict=True):
            share[shapely.contains(box(*town.box), grid)] = own
        write_raster(path.with_name(f"{group}.tif"), np.where(known, persons * share, NODATA))
    return int(persons[known].sum())


def write_raster(path: Path, values: npt.NDArray[np.float64]) -> None:
    """Write one band over the whole of `RASTER`."""
    height, width = values.shape
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": height, "width": width, "nodata": NODATA}
    corner = rasterio.transform.from_origin(ORIGIN[0] + RASTER[0], ORIGIN[1] + RASTER[3], PIXEL, PIXEL)
    with rasterio.open(path, "w", crs=CRS, transform=corner, compress="deflate", **profile) as raster:
        raster.write(values.astype(np.float32), 1)


Facility = tuple[str, str, XY, int | None, int | None, int | None, int | None]
"""Type, name, place, capacity, floor area in m², opening year, closing year."""

CAPACITY = {
    "kindergarten": (180, 360),
    "primary_school": (600, 1400),
    "junior_middle_school": (500, 1100),
    "nine_year_school": (1200, 1800),
    "senior_secondary_school": (900, 1500),
    "elderly_care_institution": (120, 400),
    "elderly_care_home": (25, 50),
    "elderly_day_care_center": (20, 60),
    "affordable_nursery": (20, 90),
}
"""Places or beds, from and to."""
SMALL_AREA_M2 = {"elderly_neighborly_point": 60, "elderly_activity_room": 120}
"""Floor area that does not differ."""
HOSTED = ("elderly_care_home", "elderly_canteen", "elderly_day_care_center")
"""What an integrated centre provides beside itself (pudong-2021)."""
FLOOR_AREA_M2 = {
    "elderly_service_center": (600, 1500),
    "elderly_care_home": (500, 1200),
    "elderly_care_institution": (4000, 9000),
    "elderly_day_care_center": (200, 700),
    "elderly_canteen": (120, 400),
    "wet_market": (800, 2500),
}


def beside_street(rng: np.random.Generator, around: XY, walkable: shapely.Geometry) -> XY:
    """Return a place 8 to 20 m from a street, 40 to 300 m from `around`."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(40, 300)
    wish = Point(around[0] + reach * np.cos(angle), around[1] + reach * np.sin(angle))
    on = shapely.line_interpolate_point(walkable, shapely.line_locate_point(walkable, wish))
    angle, off = rng.uniform(0, 2 * np.pi), rng.uniform(8, 20)
    return round(on.x + off * np.cos(angle), 1), round(on.y + off * np.sin(angle), 1)


def make_facilities(streets: Streets, rng: np.random.Generator) -> list[Facility]:
    """Return planted places first, then those scattered near committees, none of which may spoil a planted case."""
    walkable = shapely.union_all(streets.lines(walkable=True))
    found: list[Facility] = [(p.type_id, p.name, p.xy, p.capacity, None, p.opens, p.closes) for p in PLANTED]
    found += [(type_id, f"邻区{TYPE_ZH[type_id]}", xy, None, None, None, None) for type_id, xy in OUTSKIRTS]
    for type_id, counts in RANDOM.items():
        for town, count in zip(TOWNS, counts, strict=True):
            hosts = [c.xy for c in COMMITTEES if c.town == town.key and c.has_zone and c.on_network]
            order = rng.permutation(len(hosts))
            placed = 0
            for host in order:
                xy = beside_street(rng, hosts[host], walkable)
                if placed < count and all(np.hypot(xy[0] - x, xy[1] - y) > r for x, y, r in KEEP_AWAY.get(type_id, ())):
                    placed += 1
                    found.append((type_id, f"{town.name}{TYPE_ZH[type_id]}{placed}", xy, *figures(type_id, rng)))
    return [one for one in found if not spoils(one[0], one[2])]


def spoils(type_id: str, xy: XY) -> bool:
    """Return whether a scattered place would provide what a planted case is to lack."""
    provided = HOSTED if type_id == "elderly_service_center" else ()
    return any(np.hypot(xy[0] - x, xy[1] - y) <= r for kind in provided for x, y, r in KEEP_AWAY.get(kind, ()))


def figures(type_id: str, rng: np.random.Generator) -> tuple[int | None, int | None, int | None, None]:
    """Return capacity, floor area, opening and closing year of a scattered facility; one in four has no year."""
    capacity = int(rng.integers(*CAPACITY[type_id])) if type_id in CAPACITY else None
    area = int(rng.integers(*FLOOR_AREA_M2[type_id])) if type_id in FLOOR_AREA_M2 else SMALL_AREA_M2.get(type_id)
    opens = int(rng.integers(1985, 2023)) if rng.random() < 0.75 else None
    return capacity, area, opens, None


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], encoding: str = "utf-8") -> None:
    """Write a CSV file whose lines end alike on every system."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if v is None else v for v in row] for row in rows)


SCHOOLS = ("kindergarten", "primary_school", "junior_middle_school", "nine_year_school", "senior_secondary_school")
SHOPS = ("neighborhood_commerce", "wet_market", "fresh_grocery", "convenience_store", "pharmacy")


def write_facilities(facilities: list[Facility], folder: Path) -> None:
    """Spread the facilities over files as a district's bureaus would: education, commerce, everyone else."""
    to_lonlat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    schools = [f for f in facilities if f[0] in SCHOOLS]
    rows = []
    for n, (type_id, name, (x, y), capacity, _, opens, closes) in enumerate(schools, start=1):
        lon, lat = to_lonlat.transform(x + ORIGIN[0], y + ORIGIN[1])
        rows.append((f"S{n:03}", type_id, name, f"{lon:.7f}", f"{lat:.7f}", capacity, opens, closes))
    header = ("id", "type", "name", "lon", "lat", "capacity", "opens", "closes")
    write_csv(folder / "schools.csv", header, rows)
    shops = [f for f in facilities if f[0] in SHOPS]
    markets = [f for f in shops if f[0] == "wet_market"]
    rows = [
        (
            *(f"P{n:03}", f[0], f[1], f"{f[2][0] + ORIGIN[0]:.1f}", f"{f[2][1] + ORIGIN[1]:.1f}", *f[4:]),
            ("否" if f in markets[-2:] else "是") if f in markets else None,
        )
        for n, f in enumerate(shops, start=1)
    ]
    header = ("编号", "类型", "名称", "x", "y", "建筑面积", "启用年", "停用年", "标准化")
    write_csv(folder / "shops_gb18030.csv", header, rows, "gb18030")
    rest = [f for f in facilities if f[0] not in SCHOOLS + SHOPS]
    keys = ("type", "name", "xy", "capacity", "floor_area_m2", "opens", "closes")
    columns: Columns = {"id": [f"F{n:03}" for n in range(1, len(rest) + 1)]}
    columns |= {key: [f[i] for f in rest] for i, key in enumerate(keys) if key != "xy"}
    write_layer(folder / "facilities.gpkg", "facilities", columns, (Point(f[2]) for f in rest))


def write_bus_stops(streets: Streets, path: Path) -> None:
    """Put a stop every 700 m along the larger streets, 8 m beside them."""
    to_lonlat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    rows: list[tuple[str, str, str, str, Point]] = []
    for points, tags in streets.ways:
        line = LineString(points)
        if tags.get("highway") not in ("secondary", "tertiary") or tags.get("bridge"):
            continue
        for at in np.arange(min(240.0, line.length / 2), line.length, 700.0):
            on = line.interpolate(at)
            if any(near.distance(on) < 150 for *_, near in rows):
                continue
            n = len(rows) + 1
            lon, lat = to_lonlat.transform(on.x + 8 + ORIGIN[0], on.y + 8 + ORIGIN[1])
            rows.append((f"B{n:03}", f"{tags['name']}{n}站", f"{lon:.7f}", f"{lat:.7f}", on))
    write_csv(path, ("id", "name", "lon", "lat"), (row[:4] for row in rows))


def write_parks_and_stations(folder: Path) -> None:
    """Parks as polygons without entrances; stations as multipoints, one point an entrance."""
    columns: Columns = {
        "id": [f"G{n:03}" for n in range(1, len(PARKS) + 1)],
        "name": [park.name for park in PARKS],
        "type": [park.type_id for park in PARKS],
    }
    write_layer(folder / "parks.gpkg", "parks", columns, (box(*park.box) for park in PARKS))
    columns = {
        "id": [f"M{n:03}" for n in range(1, len(STATIONS) + 1)],
        "name": [name for _, name, _ in STATIONS],
        "type": [type_id for type_id, _, _ in STATIONS],
    }
    write_layer(folder / "stations.gpkg", "stations", columns, (MultiPoint(gates) for *_, gates in STATIONS))


def write_sites(path: Path) -> None:
    """Write the sites that could be had, as a planning office keeps them."""
    to_lonlat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    rows = []
    for *figures, (x, y) in sites():
        lon, lat = to_lonlat.transform(x + ORIGIN[0], y + ORIGIN[1])
        rows.append((*figures, f"{lon:.7f}", f"{lat:.7f}"))
    header = ("编号", "名称", "方式", "街镇", "types", "建筑面积", "固定费用", "最早年", "lon", "lat")
    write_csv(path, header, rows)


def make(folder: Path) -> dict[str, int]:
    """Write the whole sample into `folder` and return the counts that the README states."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2023-12-31T00:00:00.000Z"})
    try:
        for old in folder.glob("*.gpkg"):
            old.unlink()
        rng = np.random.default_rng(SEED)
        streets = make_streets(rng)
        nodes = write_pbf(streets, folder / "network.osm.pbf")
        persons = write_population(streets, rng, folder / "population.tif")
        facilities = make_facilities(streets, rng)
        write_committees(folder)
        write_facilities(facilities, folder)
        write_bus_stops(streets, folder / "bus_stops.csv")
        write_parks_and_stations(folder)
        write_sites(folder / "candidates.csv")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    header = ("committee_id", "type_id", "verdict", "reason", "edge_affected", "time_s", "why")
    write_csv(folder / "expected.csv", header, EXPECTED)
    return {"nodes": nodes, "persons": persons, "committees": len(COMMITTEES), "facilities": len(facilities)}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    print(make(target))
