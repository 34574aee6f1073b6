"""The catalogue: the shipped standard against facts written down by hand, bad standards, and how rules resolve."""

import copy
import hashlib
import itertools
import tomllib
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from circle15 import tables
from circle15.errors import ConfigError
from circle15.standard.load import load_standard, shipped_standards
from circle15.standard.model import Standard, ZoneModes
from circle15.standard.resolve import Traits, resolve_rules, serving_types, speed_kmh, zone_ids, zone_modes

ROOT = Path(__file__).parent.parent
PLAN = ROOT / "../shared/reference/action_plan_2021-2023.txt"
SHIPPED = ROOT / "configs/standards/pudong-2021.toml"

# Counted by hand from the plan, task by task: project lists, then goals.
TYPES_PER_DOMAIN = {
    "education": 5,
    "health": 3,
    "culture": 3,
    "elderly_care": 7,
    "sports": 6,
    "parks": 3,
    "transport": 3,
    "childcare": 2,
    "commerce": 5,
}
HEADLINE = [
    "junior_middle_school",
    "primary_school",
    "kindergarten",
    "community_health_center",
    "community_health_station",
    "community_cultural_center",
    "cultural_activity_room",
    "elderly_service_center",
    "elderly_care_home",
    "elderly_canteen",
    "elderly_day_care_center",
    "elderly_neighborly_point",
    "elderly_activity_room",
    "community_fitness_center",
    "elderly_fitness_home",
    "multi_sport_court",
    "fitness_trail",
    "fitness_spot",
    "community_park",
    "micro_park",
    "bus_stop",
    "parenting_guidance_station",
    "affordable_nursery",
    "neighborhood_commerce",
    "wet_market",
    "fresh_grocery",
    "convenience_store",
    "pharmacy",
]
DISTRICT = {
    "senior_secondary_school",
    "medical_center",
    "public_cultural_facility",
    "elderly_care_institution",
    "sports_center",
    "comprehensive_park",
}


@pytest.fixture(scope="module")
def pudong() -> Standard:
    return load_standard("pudong-2021", Path())


def small() -> dict:
    """A valid standard of two zones, two domains and three types, as read from TOML."""
    return tomllib.loads(
        """
        id = "small"
        zh = "小"
        en = "small"
        status = "official"
        source = "a test"
        speeds_kmh = { walk = 4, cycle = 12, drive = { default = 30 } }
        service_circle = { minutes = 15 }
        target = { percent = 90, due = 2030, clause = "1" }
        zones = [
          { id = "town", zh = "镇", en = "Town", modes = { residents = "walk", village = "cycle" } },
          { id = "land", zh = "乡", en = "Land", aliases = ["农村"], modes = { residents = "cycle", village = "drive" } },
        ]
        domains = [{ id = "school", zh = "教", en = "School", clause = "2" }, { id = "park", zh = "园", en = "Park", clause = "3" }]
        types = [
          { id = "a", zh = "甲", en = "A", domain = "school", tier = "community", named_in = "list", clause = "4" },
          { id = "b", zh = "乙", en = "B", domain = "school", tier = "community", named_in = "list", clause = "5" },
          { id = "c", zh = "丙", en = "C", domain = "park", tier = "district", named_in = "list", clause = "6" },
        ]
        requirements = [
          { id = "a.reach", kind = "reach", type = "a", minutes = 7.5, mode = "zone", headline = true, clause = "7" },
          { id = "b.town", kind = "reach", type = "b", minutes = 10, mode = "walk", min_count = 2, headline = false, clause = "8", zones = ["town"] },
        ]
        """  # noqa: E501
    )


def problems(raw: dict) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Standard.parse(raw, "my.toml")
    return [str(problem) for problem in caught.value.problems]


def with_provides(provides: dict[str, list[str]]) -> dict:
    raw, one = small(), small()["types"][0]
    raw["types"] = [{**one, "id": name, "provides": list(given)} for name, given in provides.items()]
    raw["requirements"] = [{**raw["requirements"][0], "type": next(iter(provides))}]
    return raw


# the shipped standard ------------------------------------------------------------------------------------------------


def test_shipped_standards_carry_the_names_of_their_files():
    assert "pudong-2021" in shipped_standards()
    for name in shipped_standards():
        assert load_standard(name, Path()).id == name


def test_domains_and_types_are_those_of_the_plan_in_its_order(pudong):
    assert [d.id for d in pudong.domains] == list(TYPES_PER_DOMAIN)
    assert len(pudong.types) == 37
    assert Counter(t.domain for t in pudong.types) == TYPES_PER_DOMAIN
    assert [t.domain for t in pudong.types] == [d for d, n in TYPES_PER_DOMAIN.items() for _ in range(n)]
    assert {t.id for t in pudong.types if t.tier == "district"} == DISTRICT
    goals = ["metro_station", "wet_market", "fresh_grocery", "convenience_store", "pharmacy"]
    assert [t.id for t in pudong.types if t.named_in == "goal_text"] == goals
    assert {t.named_in for t in pudong.types} == {"goal_text", "project_list"}


def test_it_says_that_it_is_reconstructed_and_why(pudong):
    assert pudong.status == "reconstructed"
    assert "not public" in pudong.note


def test_departments_are_those_of_the_plan(pudong):
    departments = {d.id: d.departments for d in pudong.domains}
    assert departments["health"] == ("区卫生健康委", "相关街镇")
    assert departments["sports"] == ("区文体旅游局", "区民政局", "区生态环境局", "区教育局", "相关街镇")
    assert departments["commerce"] == ("区商务委", "区民政局", "区地区工作党委", "相关街镇")


@pytest.mark.parametrize(
    ("zone", "kind", "mode"),
    [
        ("urban", "residents", "walk"),
        ("urban", "village", "walk"),
        ("urbanizing", "residents", "walk"),
        ("urbanizing", "village", "cycle"),
        ("rural", "residents", "cycle"),
        ("rural", "village", "cycle"),
    ],
)
def test_zone_and_kind_decide_the_mode(pudong, zone, kind, mode):
    assert list(zone_modes(pudong, [zone], [kind])) == [mode]


def test_every_type_has_one_reach_of_15_minutes_and_28_are_headline(pudong):
    reach = [r for r in pudong.requirements if r.id.endswith(".reach")]
    assert [r.id for r in reach] == [f"{t.id}.reach" for t in pudong.types]
    assert [r.type for r in reach] == [t.id for t in pudong.types]
    assert {(r.minutes, r.metres, r.mode, r.min_count, r.rules) for r in reach} == {(15, None, "zone", 1, ())}
    assert [r.type for r in pudong.requirements if r.headline] == HEADLINE
    assert len(HEADLINE) == 28


def test_the_figures_for_green_stand_beside_the_15_minutes(pudong):
    others = {
        r.id: r for r in pudong.requirements if r.kind == "reach" and not r.id.endswith((".reach", ".reach_elderly"))
    }
    asked = {name: (r.type, r.minutes, r.mode, r.headline) for name, r in others.items()}
    assert asked == {
        "comprehensive_park.large_park": ("comprehensive_park", 30, "drive", False),
        "community_park.scenery": ("community_park", 15, "cycle", False),
        "micro_park.green": ("micro_park", 10, "walk", False),
        "micro_park.green_5": ("micro_park", 5, "walk", False),
    }


def test_speeds_circle_and_target(pudong):
    assert (speed_kmh(pudong, "walk"), speed_kmh(pudong, "cycle")) == (4.0, 12.0)
    assert pudong.speeds_kmh.elderly_walk == 2.9
    assert pudong.speeds_kmh.drive.default == 30.0
    assert "default" not in pudong.speeds_kmh.drive.by_class
    assert pudong.speeds_kmh.drive.by_class["motorway"] == 80.0
    assert pudong.service_circle.minutes == 15
    assert (pudong.target.percent, pudong.target.due) == (100, 2023)


@pytest.mark.parametrize(
    ("type_id", "serving"),
    [
        ("primary_school", ("primary_school", "nine_year_school")),
        ("junior_middle_school", ("junior_middle_school", "nine_year_school")),
        ("nine_year_school", ("nine_year_school",)),
        ("micro_park", ("micro_park", "comprehensive_park", "community_park")),
        ("community_park", ("community_park", "comprehensive_park")),
        ("comprehensive_park", ("comprehensive_park",)),
        ("pharmacy", ("pharmacy",)),
        ("elderly_day_care_center", ("elderly_day_care_center", "elderly_service_center")),
        ("elderly_care_home", ("elderly_care_home", "elderly_service_center")),
        ("elderly_canteen", ("elderly_canteen", "elderly_service_center")),
        ("elderly_service_center", ("elderly_service_center",)),
        ("elderly_activity_room", ("elderly_activity_room",)),
    ],
)
def test_what_serves_a_type(pudong, type_id, serving):
    assert serving_types(pudong, type_id) == serving


def test_names_and_quotations_stand_in_the_plan(pudong):
    if not PLAN.exists():
        pytest.skip("the plan's text is not part of the project")
    text = PLAN.read_text(encoding="utf-8")
    place = places_of(text)
    # Two names are longer than the plan's words for them.
    short = {"nine_year_school": "九年一贯制", "bus_stop": "公交线路", "metro_station": "轨交站"}
    assert [t.id for t in pudong.types if short.get(t.id, t.zh) not in place[t.clause]] == []
    for domain in pudong.domains:
        assert "责任单位:" + "、".join(domain.departments) in place[f"{domain.clause}(2)"]
        assert domain.slogan in text
    quotes = [one.clause.split(" ", 1) for one in [*pudong.requirements, *pudong.targets, pudong.target]]
    assert [quote for quote in quotes if quote[-1] != quote[0] and quote[1] not in place[quote[0]]] == []
    assert [quote[0] for quote in quotes if quote[0] not in place] == []
    assert sum(len(quote) == 2 for quote in quotes) > 50


def places_of(text: str) -> dict[str, str]:
    """Return the plan's paragraphs by how clauses name them; a task by all of its paragraphs, too."""
    place: dict[str, str] = {}
    part = section = number = ""
    for line in text.split("\n"):
        if line[1:2] == "、" and line[0] in "一二三四":
            part = line[0]
        elif line.startswith("(") and line[1] in "一二三":
            section = f"{part}({line[1]})"
        elif line[:1].isdigit():
            number = f"{section}{line.split('.')[0]}"
            place[number] = line
        elif line.startswith("(") and line[1].isdigit():
            place[f"{number}{line[:3]}"] = line
        if section:
            place[section] = place.get(section, "") + line
    return place


# loading -------------------------------------------------------------------------------------------------------------


def test_a_standard_of_ones_own_is_found_beside_the_configuration(tmp_path):
    data = SHIPPED.read_bytes().replace(b'id = "pudong-2021"', b'id = "mine"')
    (tmp_path / "standards").mkdir()
    (tmp_path / "standards" / "mine.toml").write_bytes(data)
    standard = load_standard("standards/mine.toml", tmp_path)
    assert standard.id == "mine"
    assert standard.sha256 == hashlib.sha256(data).hexdigest()
    assert standard.origin == str(tmp_path / "standards/mine.toml")
    assert load_standard(str(tmp_path / "standards/mine.toml"), Path("elsewhere")) == standard


def test_the_shipped_file_is_the_one_in_the_checkout(pudong):
    assert pudong.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert pudong.origin == "standards/pudong-2021.toml"


def test_an_unknown_id_names_the_nearest_and_the_other_way():
    with pytest.raises(
        ConfigError, match=r'no standard "pudong-2012" is shipped. Did you mean "pudong-2021"\?'
    ) as caught:
        load_standard("pudong-2012", Path())
    assert "ending in .toml" in str(caught.value)


def test_an_id_like_none_names_those_that_there_are():
    with pytest.raises(ConfigError, match=r"Shipped: .*pudong-2021"):
        load_standard("xyz", Path())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"id = ", "is not valid TOML: Invalid value"),
        (b'zh = "\xc6\xd6"', "is not UTF-8 \\(byte 6\\)"),
    ],
)
def test_an_unreadable_file(tmp_path, content, message):
    if content is not None:
        (tmp_path / "my.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=f"my.toml: {message}"):
        load_standard("my.toml", tmp_path)


# bad standards -------------------------------------------------------------------------------------------------------


def test_the_small_standard_is_valid():
    standard = Standard.parse(small(), "my.toml")
    assert standard.requirements[0].min_count == 1
    assert standard.origin == "my.toml"


def _set(*path):
    *way, key, value = path

    def change(raw):
        for part in way:
            raw = raw[part]
        raw[key] = value

    return change


def _drop(*path):
    *way, key = path

    def change(raw):
        for part in way:
            raw = raw[part]
        del raw[key]

    return change


def _repeat(section, number):
    return lambda raw: raw[section].append(copy.deepcopy(raw[section][number]))


BAD = {
    "unknown type": (
        _set("requirements", 0, "type", "aa"),
        '"requirements[1].type" names "aa", which is no id of "types" (1 row: a.reach). Did you mean "a"?',
    ),
    "unknown domain": (
        _set("types", 2, "domain", "parc"),
        '"types[3].domain" names "parc", which is no id of "domains" (1 row: c). Did you mean "park"?',
    ),
    "unknown zone": (
        _set("requirements", 1, "zones", ["city"]),
        '"requirements[2].zones" names "city", which is no id of "zones" (1 row: b.town). Known: town, land.',
    ),
    "provides unknown": (
        _set("types", 0, "provides", ["b", "zz"]),
        '"types[1].provides" names "zz", which is no id of "types" (1 row: a). Known: a, b, c.',
    ),
    "provides itself": (
        _set("types", 0, "provides", ["a"]),
        '"provides" goes in a circle: a → a. Take one of them out.',
    ),
    "twice a zone": (_repeat("zones", 0), '"zones": an id occurs more than once (1 row: town). Make each one unique.'),
    "twice a domain": (_repeat("domains", 0), '"domains": an id occurs more than once (1 row: school). '),
    "twice a type": (_repeat("types", 1), '"types": an id occurs more than once (1 row: b). '),
    "twice a requirement": (
        _repeat("requirements", 0),
        '"requirements": an id occurs more than once (1 row: a.reach). ',
    ),
    "two zones of one name": (
        _set("zones", 1, "zh", "Town"),
        '"zones[1]" and "zones[2]" are both called "Town". Let each name mean one zone.',
    ),
    "no time": (
        _set("requirements", 0, "minutes", 0),
        '"requirements[1].minutes": Input should be greater than 0 (found 0) (1 row: a.reach).',
    ),
    "negative time": (
        _set("service_circle", "minutes", -15),
        '"service_circle.minutes": Input should be greater than 0',
    ),
    "time that is a truth": (
        _set("requirements", 0, "minutes", True),
        '"requirements[1].minutes": Input should be a valid number',
    ),
    "speed NaN": (_set("speeds_kmh", "walk", float("nan")), '"speeds_kmh.walk": Input should be a finite number'),
    "speed infinite": (
        _set("speeds_kmh", "cycle", float("inf")),
        '"speeds_kmh.cycle": Input should be a finite number',
    ),
    "speed 0": (_set("speeds_kmh", "walk", 0.0), '"speeds_kmh.walk": Input should be greater than 0'),
    "class speed": (
        _set("speeds_kmh", "drive", "trunk", -1),
        '"speeds_kmh.drive.trunk": Input should be greater than 0',
    ),
    "no default speed": (
        _drop("speeds_kmh", "drive", "default"),
        'the key "speeds_kmh.drive.default" is missing. Add it.',
    ),
    "misspelt class": (
        _set("speeds_kmh", "drive", "motorwy", 80),
        'unknown street class "speeds_kmh.drive.motorwy". Did you mean "motorway"?',
    ),
    "unknown mode": (
        _set("requirements", 0, "mode", "bike"),
        (
            "\"requirements[1].mode\": Input should be 'zone', 'walk', 'elderly_walk', 'cycle' or 'drive' (found "
            "'bike') (1 row: a.reach)."
        ),
    ),
    "unknown mode of a zone": (
        _set("zones", 0, "modes", "village", "zone"),
        "\"zones[1].modes.village\": Input should be 'walk', 'cycle' or 'drive' (found 'zone') (1 row: town).",
    ),
    "unknown kind": (
        _set("requirements", 0, "kind", "supply"),
        (
            '"requirements[1].kind": no such kind of requirement; known: reach, provision, quality, adjacency, '
            "presence, total (found 'supply') (1 row: a.reach)."
        ),
    ),
    "kind that is no text": (
        _set("requirements", 0, "kind", 3),
        '"requirements[1].kind": no such kind of requirement; known: reach, provision, quality',
    ),
    "no kind": (
        _drop("requirements", 0, "kind"),
        'the key "requirements[1].kind" is missing (1 row: a.reach). Add it.',
    ),
    "no clause": (
        _drop("requirements", 1, "clause"),
        'the key "requirements[2].clause" is missing (1 row: b.town). Add it.',
    ),
    "blank clause": (
        _set("requirements", 1, "clause", "  "),
        '"requirements[2].clause": String should have at least 1',
    ),
    "zone without a kind": (
        _drop("zones", 0, "modes", "village"),
        'the key "zones[1].modes.village" is missing (1 row: town). Add it.',
    ),
    "count 0": (
        _set("requirements", 1, "min_count", 0),
        '"requirements[2].min_count": Input should be greater than or equal to 1 (found 0) (1 row: b.town).',
    ),
    "unknown key": (
        _set("requirements", 0, "minute", 15),
        'unknown key "requirements[1].minute" (1 row: a.reach). Did you mean "minutes"?',
    ),
    "unknown section": (_set("speed_kmh", {}), 'unknown key "speed_kmh". Did you mean "speeds_kmh"?'),
    "missing section": (_drop("target"), 'the key "target" is missing. Add it.'),
    "empty section": (_set("zones", []), '"zones": has too few entries (found [])'),
    "not a list": (
        _set("types", 0, "provides", "b"),
        '"types[1].provides": should be a list, e.g. ["…"] (found \'b\')',
    ),
    "not a table": (_set("zones", 0, "modes", "walk"), '"zones[1].modes": should be a table, e.g. { key = … }'),
    "an id with a bar": (
        _set("zones", 1, "id", "a|b"),
        '"zones[2].id": an id has only letters, digits, "_", "-" and "."',
    ),
    "percent": (_set("target", "percent", 120), '"target.percent": Input should be less than or equal to 100'),
    "reconstructed": (
        _set("status", "reconstructed"),
        'a standard whose "status" is "reconstructed" has to say why. Add a "note".',
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_bad_standard_is_refused_with_one_message(change, message):
    raw = small()
    change(raw)
    found = problems(raw)
    assert len(found) == 1
    assert found[0].startswith(f"my.toml: {message}")


def test_all_problems_are_told_at_once():
    raw, names = small(), ("speed NaN", "no clause", "twice a type", "unknown mode", "unknown domain", "unknown zone")
    for name in names:
        BAD[name][0](raw)
    found = problems(raw)
    assert len(found) == len(names)
    for name in names:
        assert any(text.startswith(f"my.toml: {BAD[name][1]}") for text in found), name


@pytest.mark.parametrize("section", ["zones", "domains", "types", "requirements", "speeds_kmh"])
@pytest.mark.parametrize("junk", [3, "x", [3], {"id": 3}, [{"id": 3, "zh": [1], "provides": 2}], [[]]])
def test_junk_is_a_message_not_a_crash(section, junk):
    raw = small()
    raw[section] = junk
    assert any(section in text for text in problems(raw))


def test_every_circle_of_provides_is_named():
    raw = with_provides({"a": ["b"], "b": ["c"], "c": ["a"], "x": ["y"], "y": ["x"], "z": []})
    found = problems(raw)
    circles = [
        text.removeprefix('my.toml: "provides" goes in a circle: ').split(". ")[0].split(" → ") for text in found
    ]
    arrows = {frozenset(itertools.pairwise(circle)) for circle in circles}
    assert arrows == {frozenset({("a", "b"), ("b", "c"), ("c", "a")}), frozenset({("x", "y"), ("y", "x")})}


def test_the_zone_kinds_are_those_of_the_tables():
    assert tuple(ZoneModes.model_fields) == tables.KINDS


def test_a_class_of_ones_own_may_have_a_speed():
    raw = small()
    raw["speeds_kmh"]["drive"]["arterial"] = 45
    assert Standard.parse(raw, "my.toml").speeds_kmh.drive.by_class == {"arterial": 45.0}


# rules ---------------------------------------------------------------------------------------------------------------

ZONE = np.array(["town", "town", "land", "land", ""], dtype=object)
KIND = np.array(["residents", "village", "residents", "village", "village"], dtype=object)


def test_a_rule_by_zone():
    standard = Standard.parse(small(), "my.toml")
    rules = resolve_rules(standard, standard.requirements[0], Traits.of(ZONE, KIND))
    assert (rules.requirement_id, rules.type_id, rules.headline) == ("a.reach", "a", True)
    assert list(rules.min_count) == [1, 1, 1, 1, 1]
    assert list(rules.rule) == [1, 1, 1, 1, 0]
    assert list(rules.mode) == ["walk", "cycle", "cycle", "drive", ""]
    np.testing.assert_array_equal(rules.threshold_s, [450.0, 450.0, 450.0, 450.0, np.nan])
    assert list(rules.reason) == ["", "", "", "", "no_zone"]
    assert rules.mode.dtype == rules.reason.dtype == object
    assert rules.threshold_s.dtype == np.float64


def test_a_rule_of_a_fixed_mode_in_some_zones():
    standard = Standard.parse(small(), "my.toml")
    rules = resolve_rules(standard, standard.requirements[1], Traits.of(ZONE, KIND))
    assert not rules.headline
    assert list(rules.min_count[:2]) == [2, 2]
    assert list(rules.rule) == [1, 1, 0, 0, 0]
    assert list(rules.mode) == ["walk", "walk", "", "", ""]
    np.testing.assert_array_equal(rules.threshold_s, [600.0, 600.0, np.nan, np.nan, np.nan])
    assert list(rules.reason) == ["", "", "not_required", "not_required", "no_zone"]


def test_no_committees_no_rules(pudong):
    rules = resolve_rules(pudong, pudong.requirements[0], Traits.of([], []))
    assert rules.mode.shape == rules.threshold_s.shape == rules.reason.shape == (0,)


@pytest.mark.parametrize("number", [0, 1])
def test_a_zone_or_kind_that_slipped_through_is_no_exemption(number):
    standard = Standard.parse(small(), "my.toml")
    with pytest.raises(ValueError, match="no mode in the standard 'small' for zone × kind: 'city' × 'residents'"):
        resolve_rules(standard, standard.requirements[number], Traits.of(["city", "town"], ["residents", "village"]))
    with pytest.raises(ValueError, match="'town' × '居委'"):
        resolve_rules(standard, standard.requirements[number], Traits.of(["town"], ["居委"]))
    with pytest.raises(ValueError, match="differ in shape"):
        resolve_rules(standard, standard.requirements[number], Traits.of(["town", "town"], ["village"]))


def test_zones_by_id_name_or_alias():
    standard = Standard.parse(small(), "my.toml")
    ids, unknown = zone_ids(standard, ["town", "镇", "Land", "农村", "", "town ", "city"])
    assert list(ids) == ["town", "town", "land", "land", "", "town ", "city"]
    assert list(unknown) == [False, False, False, False, False, True, True]


def test_zones_of_pudong_as_its_papers_write_them(pudong):
    ids, unknown = zone_ids(pudong, ["城市地区", "城镇化地区", "城镇化(拓展)地区", "远郊地区"])
    assert list(ids) == ["urban", "urbanizing", "urbanizing", "rural"]
    assert not unknown.any()


def test_a_car_has_no_single_speed(pudong):
    with pytest.raises(ValueError, match="'drive' has no single speed"):
        speed_kmh(pudong, "drive")


def test_an_unknown_type_serves_nobody(pudong):
    with pytest.raises(ValueError, match="no type 'school'"):
        serving_types(pudong, "school")


@st.composite
def acyclic(draw) -> dict[str, list[str]]:
    """Types in random catalogue order, each of which provides some of those that come later in another order."""
    names = [f"t{i}" for i in range(draw(st.integers(1, 8)))]
    provides = {name: draw(st.lists(st.sampled_from(names[i + 1 :]), unique=True)) if names[i + 1 :] else []
                for i, name in enumerate(names)}  # fmt: skip
    return {name: provides[name] for name in draw(st.permutations(names))}


@given(acyclic())
def test_serving_types_are_all_that_lead_to_the_type(provides):
    standard = Standard.parse(with_provides(provides), "my.toml")
    names = list(provides)
    adjacency = np.array([[b in provides[a] for b in names] for a in names], dtype=int).reshape(len(names), len(names))
    leads = np.linalg.matrix_power(adjacency + np.eye(len(names), dtype=int), len(names)) > 0
    for column, name in enumerate(names):
        serving = serving_types(standard, name)
        others = [a for row, a in enumerate(names) if leads[row, column] and a != name]
        assert serving == (name, *others)
        again = {s for one in serving for s in serving_types(standard, one)}
        assert again == set(serving)
