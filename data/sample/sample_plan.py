"""What stands where in the sample district, by hand. Lengths are metres in the local plane of make_sample.py."""

from dataclasses import dataclass

XY = tuple[float, float]


@dataclass(frozen=True)
class Town:
    """A town: its zone, its land as west, south, east, north, and how densely people live there."""

    key: str
    name: str
    zone: str
    box: tuple[float, float, float, float]
    persons_per_pixel: float
    built_within: float


@dataclass(frozen=True)
class Committee:
    """A committee and its centre."""

    town: str
    code: str
    name: str
    kind: str
    xy: XY
    has_zone: bool = True
    on_network: bool = True


@dataclass(frozen=True)
class Place:
    """A facility placed by hand."""

    type_id: str
    name: str
    xy: XY
    capacity: int | None = None
    opens: int | None = None
    closes: int | None = None


@dataclass(frozen=True)
class Park:
    """A rectangular park as west, south, east, north, and the footway that crosses its boundary."""

    type_id: str
    name: str
    box: tuple[float, float, float, float]
    path: tuple[XY, ...] = ()


TOWNS = (
    Town("A", "示例街道", "urban", (-100, -100, 2500, 2700), 130, 120),
    Town("B", "样板镇", "urbanizing", (2600, -100, 5700, 2700), 55, 160),
    Town("C", "模拟镇", "rural", (-300, -4000, 5700, -400), 9, 110),
)

COMMITTEES = (
    Committee("A", "999001001", "示例一村居委会", "居委", (300, 405)),
    Committee("A", "999001002", "示例二村居委会", "居委", (910, 375)),
    Committee("A", "999001003", "示例三村居委会", "居委", (1500, 405)),
    Committee("A", "999001004", "示例四村居委会", "居委", (2300, 405)),
    Committee("A", "999001005", "示例五村居委会", "居委", (500, 1215)),
    Committee("A", "999001006", "示例六村居委会", "居委", (1100, 1215)),
    Committee("A", "999001007", "示例七村居委会", "居委", (1700, 1185)),
    Committee("A", "999001008", "示例滨河居委会", "居委", (2300, 1215)),
    Committee("A", "999001009", "示例八村居委会", "居委", (300, 2225)),
    Committee("A", "999001010", "示例九村居委会", "居委", (900, 2195)),
    Committee("A", "999001011", "示例公园居委会", "居委", (1700, 2225)),
    Committee("A", "999001012", "示例北桥居委会", "居委", (2300, 2195)),
    Committee("B", "999002001", "样板花园第一居委会", "居委", (3085, 960)),
    Committee("B", "999002002", "样板花园第二居委会", "居委", (3660, 310)),
    Committee("B", "999002003", "样板花园第三居委会", "居委", (3660, 1625)),
    Committee("B", "999002004", "样板花园第四居委会", "居委", (4235, 960)),
    Committee("B", "999002005", "样板花园第五居委会", "居委", (4235, 2275)),
    Committee("B", "999002006", "样板花园第六居委会", "居委", (4785, 310)),
    Committee("B", "999002007", "样板花园第七居委会", "居委", (3085, 2275)),
    Committee("B", "999002008", "样板产业园居委会(筹)", "居委", (5300, 15), has_zone=False),
    Committee("B", "999002201", "样板东村村委会", "村委", (5300, 635)),
    Committee("B", "999002202", "样板中村村委会", "村委", (4800, 1315)),
    Committee("B", "999002203", "样板北村村委会", "村委", (5300, 1965)),
    Committee("C", "999003001", "模拟集镇第一居委会", "居委", (1520, -920)),
    Committee("C", "999003002", "模拟集镇第二居委会", "居委", (3350, -1950)),
    Committee("C", "999003201", "模拟西村村委会", "村委", (330, -1500)),
    Committee("C", "999003202", "模拟湖西村村委会", "村委", (350, -3250)),
    Committee("C", "999003203", "模拟湖东村村委会", "村委", (1550, -3350)),
    Committee("C", "999003204", "模拟南村村委会", "村委", (3350, -3250)),
    Committee("C", "999003205", "模拟东村村委会", "村委", (4650, -2050)),
    Committee("C", "999003206", "模拟东南村村委会", "村委", (4650, -3250)),
    Committee("C", "999003207", "模拟芦荡村村委会", "村委", (3950, -2650), on_network=False),
)

LAKE = (900.0, -2650.0, 400.0)
ISLAND = (900.0, -2650.0, 130.0)
WETLAND = (3950.0, -2650.0, 450.0)
"""Centre and radius; the ring path on the island has the island's radius, its shore lies 40 m outside."""

CLOSED_LANE = ((2010.0, -2380.0), (2010.0, -2300.0), (2000.0, -2180.0), (2005.0, -2060.0))
"""A lane that bicycles may only leave: its oneway runs from the dead end out; the way in is missing from the map."""

PLANTED = (
    Place("pharmacy", "示例中路药店", (700, 1185)),
    Place("wet_market", "样板河东菜市场", (2850, 1285)),
    Place("community_cultural_center", "示例老文化活动中心", (1100, 405), opens=1988, closes=2022),
    Place("elderly_day_care_center", "示例新日间照料中心", (700, 2225), capacity=40, opens=2025),
    Place("nine_year_school", "示例九年一贯制学校", (1700, 375), capacity=1500, opens=2009),
    Place("parenting_guidance_station", "模拟科学育儿指导站", (2020, -2340), opens=2019),
    Place("kindergarten", "样板墙外幼儿园", (3650, 1962), capacity=240, opens=2015),
    Place("elderly_canteen", "模拟芦荡长者食堂", (3900, -2600), opens=2020),
    Place("elderly_care_home", "样板长者照护之家", (3400, 605), capacity=36, opens=2018),
    Place("public_cultural_facility", "模拟湖心美术馆", (900, -2640), opens=2016),
)

KEEP_AWAY: dict[str, tuple[tuple[float, float, float], ...]] = {
    "pharmacy": ((500, 1215, 400),),
    "wet_market": ((2300, 1215, 1020),),
    "community_cultural_center": ((910, 375, 1020),),
    "elderly_day_care_center": ((900, 2195, 1020),),
    "nine_year_school": ((1500, 405, 400),),
    "primary_school": ((1500, 405, 1020),),
    "kindergarten": ((3660, 1625, 1620),),
    "elderly_canteen": ((4650, -3250, 3020),),
    "community_health_center": ((4650, -3250, 3020),),
    "elderly_care_home": ((5300, 635, 2000), (4785, 310, 1020)),
}
"""Type → x, y, radius where nothing else of that type may stand, so that a planted case stays as planned."""

RANDOM: dict[str, tuple[int, int, int]] = {
    "kindergarten": (6, 5, 3),
    "primary_school": (5, 6, 3),
    "junior_middle_school": (5, 5, 2),
    "nine_year_school": (0, 0, 1),
    "senior_secondary_school": (1, 1, 0),
    "medical_center": (1, 1, 0),
    "community_health_center": (3, 4, 1),
    "community_health_station": (7, 7, 4),
    "public_cultural_facility": (1, 1, 0),
    "community_cultural_center": (5, 5, 1),
    "cultural_activity_room": (9, 10, 6),
    "elderly_care_institution": (1, 1, 1),
    "elderly_service_center": (4, 6, 1),
    "elderly_care_home": (5, 0, 2),
    "elderly_canteen": (6, 7, 2),
    "elderly_day_care_center": (6, 7, 3),
    "elderly_neighborly_point": (9, 8, 5),
    "elderly_activity_room": (9, 9, 6),
    "sports_center": (0, 1, 0),
    "community_fitness_center": (5, 6, 1),
    "elderly_fitness_home": (5, 5, 1),
    "multi_sport_court": (6, 8, 3),
    "fitness_trail": (5, 7, 3),
    "fitness_spot": (10, 9, 7),
    "affordable_nursery": (6, 7, 1),
    "neighborhood_commerce": (5, 7, 1),
    "wet_market": (6, 6, 2),
    "fresh_grocery": (7, 7, 3),
    "convenience_store": (11, 10, 6),
    "pharmacy": (8, 8, 3),
}
"""Type → how many are scattered in each town, near as many committees."""

CORNERS = ((-1385.0, 3885.0), (5585.0, 3885.0), (-1385.0, -4885.0), (5635.0, -4885.0))
OUTSKIRTS = tuple((t, xy) for t in ("kindergarten", "cultural_activity_room", "convenience_store") for xy in CORNERS)
"""Facilities of the neighbours at the corners of the map: what the sources know reaches as far as the streets."""

PARKS = (
    Park("comprehensive_park", "示例中央公园", (1225, 1815, 1585, 2195)),
    Park("community_park", "示例南公园", (1415, 215, 1585, 375), ((1500, 200), (1500, 390))),
    Park("community_park", "示例西公园", (415, 1415, 585, 1595), ((450, 1200), (450, 1610))),
    Park("community_park", "样板绿道公园", (2725, 1700, 2795, 1900), ((2675, 1800), (2800, 1800))),
    Park("community_park", "样板墙边公园", (3365, 2050, 3435, 2350), ((3350, 2200), (3440, 2200))),
    Park("community_park", "样板公园", (4600, 1450, 4900, 1750)),
    Park("community_park", "模拟公园", (1620, -1180, 1780, -1030), ((1420, -1100), (1700, -1105), (1900, -1100))),
    Park("micro_park", "示例东口袋公园", (1070, 660, 1140, 730), ((1000, 700), (1210, 700))),
    Park("micro_park", "示例西口袋公园", (60, 1060, 130, 1130), ((0, 1100), (190, 1100))),
    Park("micro_park", "示例滨河口袋公园", (2260, 1660, 2330, 1730), ((2200, 1700), (2400, 1700))),
    Park("micro_park", "示例南口袋公园", (650, 430, 720, 500), ((690, 390), (690, 600))),
    Park("micro_park", "样板绿道口袋公园", (2735, 880, 2785, 940), ((2675, 910), (2800, 910))),
    Park("micro_park", "样板西北口袋公园", (4530, 1850, 4580, 1900), ((4500, 1875), (4730, 1875))),
    Park("micro_park", "模拟东口袋公园", (3380, -1860, 3440, -1800), ((3220, -1830), (3500, -1830))),
    Park("micro_park", "模拟湖西口袋公园", (390, -3200, 450, -3140), ((220, -3170), (480, -3170))),
    Park("micro_park", "邻区西北小游园", (-1340, 3780, -1280, 3840), ((-1400, 3810), (-1250, 3810))),
    Park("micro_park", "邻区东北小游园", (5500, 3780, 5560, 3840), ((5450, 3810), (5600, 3810))),
    Park("micro_park", "邻区西南小游园", (-1340, -4860, -1280, -4800), ((-1400, -4830), (-1250, -4830))),
    Park("micro_park", "邻区东南小游园", (5540, -4880, 5600, -4820), ((5570, -4900), (5570, -4790))),
)

STATIONS: tuple[tuple[str, str, tuple[XY, ...]], ...] = (
    ("metro_station", "示例西站", ((-1385, 1190), (-1385, 1210))),
    ("metro_station", "示例中心站", ((985, 1190), (1015, 1210), (1015, 1190))),
    ("metro_station", "样板站", ((3340, 1290), (3360, 1310))),
    ("metro_station", "样板东站", ((5590, 1310), (5590, 1290))),
    ("metro_station", "邻区北站", ((990, 3890), (1010, 3890))),
    ("metro_station", "邻区南站", ((1490, -4890), (1510, -4890))),
    ("bus_hub", "示例公交枢纽", ((20, 2590),)),
    ("bus_hub", "样板公交枢纽", ((2820, 10),)),
    ("bus_hub", "模拟公交枢纽", ((1530, -880),)),
)

EXPECTED = (
    ("999001005", "pharmacy", "pass", "within", "false", "207.0",
     "15 + 200 + 15 m along one street at 4 km/h"),
    ("999001003", "primary_school", "pass", "within", "false", "207.0",
     "no primary school within 1 km; a nine-year school 15 + 200 + 15 m away provides it"),
    ("999001011", "community_park", "pass", "within", "false", "297.0",
     "a comprehensive park provides it; 15 + 300 + 15 m to where a footway meets its boundary"),
    ("999001008", "wet_market", "fail", "too_far", "false", "",
     "554 m away across the river, 3080 m by the bridge; none on its own bank within 1 km in a straight line"),
    ("999001002", "community_cultural_center", "fail", "too_far", "false", "",
     "the one 220 m away closed in 2022; all others lie beyond 1 km in a straight line"),
    ("999001010", "elderly_day_care_center", "fail", "too_far", "false", "",
     "the one 230 m away opens in 2025; all others lie beyond 1 km in a straight line"),
    ("999001005", "parenting_guidance_station", "fail", "too_far", "false", "",
     "the only one lies 3.9 km away; people on foot may enter its lane, so a path exists"),
    ("999002003", "kindergarten", "fail", "too_far", "false", "1437.3",
     "337 m away over the wall; 10 + 325 + 300 + 650 + 300 + 12 m by the one open gate (the second is private)"),
    ("999002006", "elderly_care_home", "fail", "too_far", "true", "",
     "residents' committee on foot, nearest 1.4 km away in a straight line; the map ends 865 m to the east"),
    ("999002201", "elderly_care_home", "pass", "within", "false", "579.0",
     "village committee by bicycle: 15 + 1900 + 15 m along one street at 12 km/h"),
    ("999002008", "pharmacy", "exempt", "no_zone", "false", "", "the committee has no zone"),
    ("999002008", "bus_stop", "exempt", "no_zone", "false", "", "the committee has no zone"),
    ("999003201", "parenting_guidance_station", "unknown", "facility_off_network", "", "",
     "the only one lies on a lane that bicycles may leave but not enter, and on no other street: a mistake of the map"),
    ("999003206", "community_health_center", "fail", "too_far", "true", "",
     "none within 3 km in a straight line; the 3 km disc leaves the map"),
    ("999003206", "elderly_canteen", "unknown", "facility_off_network", "", "",
     "the only one within 3 km stands in the wetland, more than 300 m from any street"),
    ("999003207", "pharmacy", "unknown", "off_network", "false", "", "it lies more than 300 m from any street"),
    ("999003207", "wet_market", "unknown", "off_network", "false", "", "it lies more than 300 m from any street"),
)  # fmt: skip
"""Committee, type, verdict, reason, edge_affected (empty: not stated), seconds (empty: not stated), why."""

TYPE_ZH = {
    "kindergarten": "幼儿园",
    "primary_school": "小学",
    "junior_middle_school": "初中",
    "nine_year_school": "九年一贯制学校",
    "senior_secondary_school": "高级中学",
    "medical_center": "医疗中心",
    "community_health_center": "社区卫生服务中心",
    "community_health_station": "社区卫生服务站",
    "public_cultural_facility": "图书馆",
    "community_cultural_center": "社区文化活动中心",
    "cultural_activity_room": "文化活动室",
    "elderly_care_institution": "养老院",
    "elderly_service_center": "综合为老服务中心",
    "elderly_care_home": "长者照护之家",
    "elderly_canteen": "社区长者食堂",
    "elderly_day_care_center": "日间照料中心",
    "elderly_neighborly_point": "睦邻点",
    "elderly_activity_room": "老年活动室",
    "sports_center": "体育中心",
    "community_fitness_center": "市民健身中心",
    "elderly_fitness_home": "长者运动健康之家",
    "multi_sport_court": "多功能运动场",
    "fitness_trail": "健身步道",
    "fitness_spot": "健身苑点",
    "affordable_nursery": "普惠托育点",
    "neighborhood_commerce": "邻里中心",
    "wet_market": "菜市场",
    "fresh_grocery": "生鲜菜店",
    "convenience_store": "便利店",
    "pharmacy": "药店",
}
"""Type → the word in the names of scattered facilities."""
