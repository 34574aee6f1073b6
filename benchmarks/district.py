"""A district of Pudong's size on real or generated streets, as files in circle15's formats.

Real are the names, kinds and towns of the committees (where the shared data is present) and, with ``porto``, the
streets. Everything else is drawn at random from a seed: where committees, facilities and people are, how many people,
which town lies where. The places follow the density of the streets, for that decides how much work a run is.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import osmium
import pandas as pd
import pyogrio
import pyproj
import shapely
from scipy import ndimage

import city

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
NetworkName = Literal["porto", "city"]

SHARED = Path(__file__).parents[2] / "shared" / "data"
PORTO = SHARED / "porto" / "porto_portugal.osm.pbf"
PUDONG = SHARED / "pudong" / "pudong_committees_2023.csv"

COMMITTEES, FACILITIES, CELLS = 1526, 15_000, 120_000
"""At scale 1."""
CELL_M = 75.0
PERSONS = 5_700_000
STAMP = "2023-01-01T00:00:00Z"
"""Date in the GeoPackages, so that the same seed gives the same bytes."""

SHARES: dict[str, int] = {
    "kindergarten": 420, "primary_school": 240, "junior_middle_school": 140, "nine_year_school": 45,
    "senior_secondary_school": 50, "medical_center": 20, "community_health_center": 60, "community_health_station": 360,
    "public_cultural_facility": 14, "community_cultural_center": 45, "cultural_activity_room": 900,
    "elderly_care_institution": 170, "elderly_service_center": 80, "elderly_care_home": 90, "elderly_canteen": 340,
    "elderly_day_care_center": 230, "elderly_neighborly_point": 700, "elderly_activity_room": 1050, "sports_center": 8,
    "community_fitness_center": 60, "elderly_fitness_home": 50, "multi_sport_court": 340, "fitness_trail": 260,
    "fitness_spot": 1400, "comprehensive_park": 30, "community_park": 150, "micro_park": 320, "bus_hub": 60,
    "bus_stop": 3300, "metro_station": 115, "parenting_guidance_station": 40, "affordable_nursery": 230,
    "neighborhood_commerce": 280, "wet_market": 240, "fresh_grocery": 650, "convenience_store": 1650, "pharmacy": 850,
}  # fmt: skip
"""Guesses at what a district of 5.7 million people has; only their shares count."""

PARK_RADIUS_M = {"micro_park": (25, 55), "community_park": (70, 170), "comprehensive_park": (250, 520)}
BY_COMMITTEE = ("cultural_activity_room", "elderly_neighborly_point", "elderly_activity_room", "fitness_spot")
"""Types that lie within 400 m of a committee, as its own rooms do."""

URBAN, URBANIZING, RURAL = 12, 16, 8
"""Towns of the plan by zone."""


@dataclass(frozen=True)
class Ground:
    """The walkable streets as straight pieces, and how dense they lie.

    Attributes
    ----------
    crs : str
        The local UTM zone.
    a, b : float64 arrays of shape (pieces, 2)
        Ends in metres.
    density : float64 array of shape (pieces,)
        Metres of street per square kilometre around each piece, smoothed over about 500 m, over the mean.
    """

    crs: str
    a: FloatArray
    b: FloatArray
    density: FloatArray

    def sample(self, random: np.random.Generator, count: int, power: float, jitter_m: float) -> FloatArray:
        """Return `count` places beside streets; `power` says how much denser streets attract more of them."""
        weight = np.hypot(*(self.b - self.a).T) * self.density**power
        piece = random.choice(len(weight), count, p=weight / weight.sum())
        on = self.a[piece] + random.random((count, 1)) * (self.b - self.a)[piece]
        # most stand along the street, some inside the block
        reach = jitter_m * random.random(count) ** 2
        turn = random.uniform(0, 2 * np.pi, count)
        return np.asarray(on + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1))


def make_district(network: NetworkName, scale: float, folder: Path, seed: int = 2023) -> Path:
    """Write a district's inputs and its configuration; the same arguments give the same bytes.

    Parameters
    ----------
    network : {"porto", "city"}
        Real streets (the shared file, named by its path) or generated ones (`city`).
    scale : float
        Multiplies the numbers of committees, facilities and cells, and the generated city's area.
    folder : Path
        Where to; made if absent.
    seed : int
        Decides everything that is left to chance.

    Returns
    -------
    Path
        The configuration.

    Raises
    ------
    FileNotFoundError
        If `network` is ``porto`` and its file is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if network == "porto":
        if not PORTO.exists():
            raise FileNotFoundError(f"{PORTO}: the real streets are not here; use the network city")
        source = PORTO
    else:
        source = folder / "network.osm.pbf"
        city.write_city(source, scale, seed)
    random = np.random.default_rng(seed)
    ground = survey_ground(source)
    committees = make_committees(ground, scale, random)
    _write(committees, folder / "committees.gpkg")
    cells = make_cells(ground, round(CELLS * scale), random, scale)
    _write(cells, folder / "cells.gpkg")
    points, parks, stations = make_facilities(ground, committees, round(FACILITIES * scale), random)
    _write(points, folder / "facilities.gpkg")
    _write(parks, folder / "parks.gpkg")
    _write(stations, folder / "stations.gpkg")
    config = folder / "district.toml"
    config.write_text(_toml(network, scale, Path(os.path.relpath(source, folder))), encoding="utf-8")
    return config


def survey_ground(path: Path) -> Ground:
    """Read the streets of an OSM file that people may walk on, coarsely: this only decides where things are put."""
    closed = {"motorway", "motorway_link", "trunk", "construction", "proposed", "raceway", "bus_guideway"}
    lines: list[list[tuple[float, float]]] = []
    streets = osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("highway"))
    for way in streets:
        if not way.is_way() or way.tags.get("highway") in closed:
            continue
        if way.tags.get("access") in ("private", "no") or way.tags.get("foot") == "no":
            continue
        lines.append([(node.lon, node.lat) for node in way.nodes if node.location.valid()])
    lonlat = np.array([point for line in lines for point in line])
    crs = f"EPSG:{32600 + int((np.median(lonlat[:, 0]) + 180) // 6) + 1}"
    xy = np.stack(pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*lonlat.T), axis=1)
    of = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    inner = np.flatnonzero(of[1:] == of[:-1])
    a, b = xy[inner], xy[inner + 1]
    return Ground(crs, a, b, _density((a + b) / 2, np.hypot(*(b - a).T)))


def _density(middle: FloatArray, length_m: FloatArray) -> FloatArray:
    pixel = 250.0
    place = np.floor((middle - middle.min(axis=0)) / pixel).astype(np.int64)
    raster = np.zeros(place.max(axis=0) + 1)
    np.add.at(raster, tuple(place.T), length_m)
    smooth = ndimage.gaussian_filter(raster, 500.0 / pixel)[tuple(place.T)]
    return np.asarray(np.maximum(smooth / smooth.mean(), 1e-3))


# committees --------------------------------------------------------------------------------------------------------


def list_committees(scale: float) -> pd.DataFrame:
    """Return ``committee_id, name, kind, town_id, zone`` of the real committees, or of made ones.

    The zones of single towns are not published: the 12 streets (街道) are urban, the 8 towns with the largest share of
    village committees and the 6 units that are neither street nor town are rural here, the others urbanizing.
    The six virtual communities count as residents' committees.
    """
    if PUDONG.exists():
        raw = pd.read_csv(PUDONG, dtype=str)
        table = pd.DataFrame({
            "committee_id": raw["code"],
            "name": raw["name"],
            "kind": np.where(raw["kind"] == "village_committee", "village", "residents"),
            "town_id": raw["street_code"],
        })  # fmt: skip
    else:
        table = _made_committees()
    unit = table.groupby("town_id")["kind"].agg(lambda kind: (kind == "village").mean()).sort_index()
    number = unit.index.str[6:].astype(int)  # 0xx streets, 1xx towns, 4xx and 5xx farms and development zones
    towns = unit[(number >= 100) & (number < 400)].sort_values(ascending=False, kind="stable")
    zone = dict.fromkeys(unit.index[number < 100], "urban")
    zone |= dict.fromkeys(towns.index[:RURAL], "rural") | dict.fromkeys(towns.index[RURAL:], "urbanizing")
    zone |= dict.fromkeys(unit.index[number >= 400], "rural")
    table["zone"] = table["town_id"].map(zone)
    chosen = np.unique(np.linspace(0, len(table) - 1, max(1, round(len(table) * scale))).round().astype(int))
    return table.iloc[chosen].reset_index(drop=True)


def _made_committees() -> pd.DataFrame:
    """Return committees with made names in as many towns of like sizes, for a checkout without the shared data."""
    sizes = [(4 + k, 36, 0) for k in range(URBAN)]
    sizes += [(103 + k, 45, 10 if k < URBANIZING else 24) for k in range(URBANIZING + RURAL)]
    sizes += [(401 + k, 1, 0) for k in range(6)]
    first, size, villages = sizes[0]
    sizes[0] = (first, size + COMMITTEES - sum(s for _, s, _ in sizes), villages)
    rows = [
        (f"310115{unit:03}{k:03}", f"示例{unit}第{k + 1}", ("residents", "village")[k < villages], f"310115{unit:03}")
        for unit, size, villages in sizes
        for k in range(size)
    ]
    return pd.DataFrame(rows, columns=["committee_id", "name", "kind", "town_id"])


def make_committees(ground: Ground, scale: float, random: np.random.Generator) -> gpd.GeoDataFrame:
    """Place the committees: urban ones around the densest point, others in rings; a town is a sector of its ring."""
    table = list_committees(scale)
    xy = np.zeros((len(table), 2))
    centre = ground.a[np.argmax(ground.density)]
    for kind, power in (("residents", 1.5), ("village", 0.4)):
        rows = np.flatnonzero(table["kind"] == kind)
        place = ground.sample(random, len(rows), power, 60.0)
        place = place[np.argsort(np.hypot(*(place - centre).T), kind="stable")]
        begin = 0
        for zone in ("urban", "urbanizing", "rural"):
            own = rows[(table["zone"].iloc[rows] == zone).to_numpy()]
            ring = place[begin : begin + len(own)]
            begin += len(own)
            xy[own] = ring[np.argsort(np.arctan2(*(ring - centre).T), kind="stable")]  # rows are sorted by town
    return gpd.GeoDataFrame(table, geometry=shapely.points(xy), crs=ground.crs)


# people and facilities ---------------------------------------------------------------------------------------------


def make_cells(ground: Ground, count: int, random: np.random.Generator, scale: float) -> gpd.GeoDataFrame:
    """Return inhabited cells, more where streets are dense, with ``total`` and two age groups."""
    middle = np.floor((ground.a + ground.b) / 2 / CELL_M).astype(np.int64)
    around = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    cell = (middle[:, None] + around[None]).reshape(-1, 2)
    density = np.repeat(ground.density, len(around))
    key = cell[:, 0] * 10_000_000 + cell[:, 1]
    _, first = np.unique(key, return_index=True)
    cell, density = cell[first], density[first]
    if len(cell) < count:
        raise ValueError(f"only {len(cell)} cells of {CELL_M:g} m lie beside streets, {count} were asked for")
    # the largest of density × an exponential variate: a draw without replacement, by weight
    chosen = np.sort(np.argsort(-np.log(density) - random.gumbel(size=len(cell)), kind="stable")[:count])
    weight = density[chosen] ** 1.2 * random.lognormal(0, 0.6, count)
    total = PERSONS * scale * weight / weight.sum()
    old, young = random.beta(6, 18, count), random.beta(2, 60, count)
    return gpd.GeoDataFrame(
        {
            "cell": [f"c{number}" for number in range(count)],
            "pop": total.round(2),
            "age_0_3": (total * young).round(2),
            "age_60_plus": (total * old).round(2),
        },
        geometry=shapely.points((cell[chosen] + 0.5) * CELL_M),
        crs=ground.crs,
    )


def make_facilities(
    ground: Ground, committees: gpd.GeoDataFrame, count: int, random: np.random.Generator
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return facilities as points, parks as polygons, and metro stations with three entrances each."""
    near = shapely.get_coordinates(committees.geometry.to_numpy())
    points: list[dict[str, Any]] = []
    parks: list[dict[str, Any]] = []
    stations: list[dict[str, Any]] = []
    for type_id, number in allot(count).items():
        xy = ground.sample(random, number, 0.9, 80.0)
        if type_id in BY_COMMITTEE:
            xy = _near(ground, near[random.integers(len(near), size=number)], random)
        if type_id in PARK_RADIUS_M:
            low, high = PARK_RADIUS_M[type_id]
            shapes = [_blob(at, random.uniform(low, high), random) for at in xy]
            rows = parks
        elif type_id == "metro_station":
            shapes = [shapely.MultiPoint(at + random.uniform(-70, 70, (3, 2))) for at in xy]
            rows = stations
        else:
            shapes, rows = list(shapely.points(xy)), points
        rows += [
            {"id": f"{type_id}-{k}", "type": type_id, "name": f"{type_id} {k}", **_figures(k), "geometry": shape}
            for k, shape in enumerate(shapes)
        ]
    return (
        gpd.GeoDataFrame(points, crs=ground.crs),
        gpd.GeoDataFrame(parks, crs=ground.crs),
        gpd.GeoDataFrame(stations, crs=ground.crs),
    )


def _figures(number: int) -> dict[str, Any]:
    """Return what requirements of provision, quality and totals ask of a facility; any figures do."""
    return {
        "capacity": 20 + 13 * number % 200,
        "floor_area_m2": 100 + 37 * number % 900,
        "opens": 1990 + number % 34,
        "standardised": int(number % 5 > 0),
    }


def allot(count: int) -> dict[str, int]:
    """Return how many of `count` facilities each type gets, by largest remainder; every type gets one at least."""
    share = pd.Series(SHARES, dtype=float) / sum(SHARES.values()) * count
    whole = np.floor(share).clip(lower=1).astype(int)
    rest = (share - whole).sort_values(ascending=False, kind="stable")
    whole[rest.index[: max(0, count - int(whole.sum()))]] += 1
    return {name: int(number) for name, number in whole.items()}


def _near(ground: Ground, at: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return places beside streets within about 400 m of the points `at`."""
    wanted = at + random.normal(0, 130.0, at.shape)
    tree = shapely.STRtree(shapely.linestrings(np.stack([ground.a, ground.b], axis=1)))
    point, piece = tree.query_nearest(shapely.points(wanted), all_matches=False)
    on = ground.a[piece] + random.random((len(piece), 1)) * (ground.b - ground.a)[piece]
    wanted[point] = on + random.normal(0, 12.0, on.shape).clip(-50, 50)
    return wanted


def _blob(at: FloatArray, radius_m: float, random: np.random.Generator) -> shapely.Polygon:
    """Return an irregular park; its middle lies half a radius from the street that it was drawn at."""
    corners = int(random.integers(7, 14))
    turn = np.sort(random.uniform(0, 2 * np.pi, corners))
    reach = radius_m * random.uniform(0.7, 1.2, corners)
    shift = random.normal(0, 0.35 * radius_m, 2)
    ring = at + shift + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    shape = shapely.Polygon(ring)
    return shape if shape.is_valid and shape.area > 0 else shapely.Point(at + shift).buffer(radius_m, 4)


# files -------------------------------------------------------------------------------------------------------------


def _write(table: gpd.GeoDataFrame, path: Path) -> None:
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": STAMP})
    try:
        pyogrio.write_dataframe(table, path, layer=path.stem)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _toml(network: NetworkName, scale: float, source: Path) -> str:
    covers = [t for t in SHARES if t not in PARK_RADIUS_M and t != "metro_station"]
    return f"""# Made by benchmarks/district.py: invented but for the committees' names and, with porto, the streets.
[run]
name = "{network}-{scale:g}"
standard = "pudong-2021"
as_of = 2023

[network]
source = "{source.as_posix()}"

[committees]
source = "committees.gpkg"

[population]
source = "cells.gpkg"
columns = {{ cell_id = "cell", total = "pop", age_0_3 = "age_0_3", age_60_plus = "age_60_plus" }}

[[facilities]]
source = "facilities.gpkg"
type_column = "type"
columns = {{ facility_id = "id" }}
covers = {covers!r}

[[facilities]]
source = "parks.gpkg"
type_column = "type"
columns = {{ facility_id = "id" }}
covers = {list(PARK_RADIUS_M)!r}

[[facilities]]
source = "stations.gpkg"
type = "metro_station"
columns = {{ facility_id = "id" }}
""".replace("'", '"')
