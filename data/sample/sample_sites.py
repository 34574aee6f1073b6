"""Sites that could be had in the sample district, and a ledger of projects, by hand; metres as in sample_plan.py."""

from collections.abc import Iterator

from sample_plan import COMMITTEES, TOWNS, XY

SMALL = (
    "community_health_station|cultural_activity_room|elderly_canteen|elderly_day_care_center|elderly_neighborly_point|"
    "elderly_activity_room|elderly_fitness_home|parenting_guidance_station|affordable_nursery|fresh_grocery|pharmacy"
)
"""What has room beside a committee's service station."""
LARGE = (
    f"{SMALL}|community_health_center|community_cultural_center|elderly_service_center|elderly_care_home|"
    "community_fitness_center|neighborhood_commerce|wet_market|convenience_store"
)
"""What has room in an idle building, too."""

LOTS: dict[str, tuple[XY, ...]] = {
    "A": ((600, 800), (1500, 800), (2200, 800), (700, 1750), (1900, 1750), (2300, 2500), (1100, 100), (1300, 2500)),
    "B": (
        *((3085, 560), (3085, 1500), (3700, 960), (4235, 310), (3660, 2275), (4235, 1700), (4785, 960), (4785, 2000)),
        *((5300, 1300), (3025, 990), (3720, 340), (3600, 1655), (4295, 2245)),
    ),
    "C": ((1000, -1500), (2400, -1950), (3900, -1950), (2400, -3250), (600, -3300), (4650, -2650)),
}
"""Planned lots by town."""

Site = tuple[str, str, str, str, str, int, int, int | None, XY]
"""Id, name, means, town, types, floor area in m², fixed cost in 万元, earliest year, place."""


def sites() -> Iterator[Site]:
    """Yield every site: idle buildings, service stations, planned lots."""
    name_of = {town.key: town.name for town in TOWNS}
    for number, one in enumerate(COMMITTEES):
        x, y = one.xy
        town, short = name_of[one.town], one.name.removesuffix("居委会").removesuffix("村委会")
        if not one.on_network or not one.has_zone:
            continue
        yield (f"Z{number:03}", f"{short}家门口服务站", "复合利用", town, SMALL, 260, 20, None, (x, y))
        if number % 2 == 0:
            area, cost = 2400 + 300 * (number % 5), 160 + 20 * (number % 5)
            yield (f"R{number:03}", f"{short}闲置用房", "盘活存量", town, LARGE, area, cost, None, (x + 60, y - 40))
    for key, places in LOTS.items():
        for number, place in enumerate(places, start=1):
            year = 2025 if number % 3 == 0 else None
            lot = (f"L{key}{number:02}", f"{name_of[key]}规划地块{number}", "规划完善", name_of[key], "")
            yield (*lot, 12000 + 1500 * number, 400 + 50 * number, year, place)
