"""The six kinds of requirement: what each may say, bad ones, and that exactly one rule holds for every committee."""

import json
import tomllib
from itertools import product
from pathlib import Path

import hypothesis.strategies as st
import jsonschema
import numpy as np
import pytest
from hypothesis import given

from circle15.errors import ConfigError
from circle15.standard.load import load_standard, shipped_standards
from circle15.standard.model import Standard
from circle15.standard.partition import unclear_cases
from circle15.standard.requirements import Reach
from circle15.standard.resolve import Traits, resolve_rules
from circle15.standard.schema import schema_text, standard_schema
from circle15.standard.words import in_words, needs
from standard_kit import of_all_kinds

ROOT = Path(__file__).parent.parent
SHELF = ROOT / "configs" / "standards"
TARGETS = ROOT / "../shared/reference/targets.csv"


def changed(number: int, drop: tuple[str, ...] = (), **keys: object) -> dict:
    raw = of_all_kinds()
    entry = raw["requirements"][number]
    raw["requirements"][number] = {k: v for k, v in entry.items() if k not in drop} | keys
    return raw


def problems(raw: dict) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Standard.parse(raw, "my.toml")
    return [str(problem) for problem in caught.value.problems]


REACH, FLOOR, CATCH, QUALITY, ADJACENCY, PRESENCE, TOTAL = range(7)
PLAIN = {"minutes": 10, "mode": "zone"}
TOWN = {"zones": ["town"], "minutes": 10, "mode": "walk"}
LAND = {"zones": ["land"], "minutes": 10, "mode": "walk"}


def dense(at_least: float | None = None, below: float | None = None, **keys: object) -> dict:
    band = {"at_least": at_least, "below": below}
    return {"minutes": 5, "mode": "walk", "density_per_km2": {k: v for k, v in band.items() if v is not None}, **keys}


BAD = {
    "minutes and metres": (
        changed(REACH, drop=("rules",), metres=500, **PLAIN),
        '"requirements[1]": needs either minutes or metres, and not both',
    ),
    "neither": (changed(REACH, drop=("rules",), mode="walk"), '"requirements[1]": needs either minutes or metres'),
    "no mode": (changed(REACH, drop=("rules",), minutes=5), '"requirements[1]": needs a mode, e.g. mode = "zone"'),
    "metres by car": (
        changed(REACH, drop=("rules",), metres=500, mode="drive"),
        '"requirements[1]": metres can\'t be asked of a car',
    ),
    "rules beside minutes": (
        changed(REACH, minutes=10),
        '"requirements[1]": minutes, metres, mode and min_count belong into the rules',
    ),
    "two limits in a rule": (
        changed(REACH, rules=[{**TOWN, "metres": 5}, LAND]),
        '"requirements[1].rules[1]": needs either minutes or metres',
    ),
    "an exempt rule that asks": (
        changed(REACH, rules=[TOWN, {**LAND, "exempt": True}]),
        '"requirements[1].rules[2]": an exempt rule asks for nothing',
    ),
    "a zone without a rule": (
        changed(REACH, rules=[TOWN, {**TOWN, "kinds": ["village"], "zones": ["land"]}]),
        (
            "of its 2 rules none holds for zone land, kind residents, 0 people per km²; the nearest are "
            "rules[1] and rules[2] (1 row: a.reach)."
        ),
    ),
    "a gap of densities": (
        changed(REACH, rules=[dense(below=1000), dense(at_least=2000)]),
        (
            "of its 2 rules none holds for zone town, kind residents, 1000 people per km²; the nearest are "
            "rules[1] and rules[2] (1 row: a.reach)."
        ),
    ),
    "rules that overlap": (
        changed(REACH, rules=[dense(below=1000), dense(at_least=500)]),
        "rules[1] and rules[2] both hold for zone town, kind residents, 500 people per km² (1 row: a.reach).",
    ),
    "rules that overlap by people": (
        changed(REACH, rules=[{"share_percent": {"group": "old", "below": 20}, **PLAIN}, PLAIN]),
        "rules[1] and rules[2] both hold for zone town, kind residents, 0 people per km², 0 % of old (1 row: a.reach).",
    ),
    "a zone of a rule": (
        changed(REACH, rules=[TOWN, {**LAND, "zones": ["land", "city"]}]),
        '"requirements[1].rules[2].zones" names "city", which is no id of "zones" (1 row: a.reach). Known: town, land.',
    ),
    "a band that is empty": (
        changed(REACH, rules=[dense(at_least=5, below=5), TOWN]),
        '"requirements[1].rules[1].density_per_km2": at_least has to be less than below',
    ),
    "a band of nothing": (
        changed(REACH, rules=[dense(), TOWN]),
        '"requirements[1].rules[1].density_per_km2": needs at_least, below or both',
    ),
    "a share without a group": (
        changed(REACH, rules=[{"share_percent": {"below": 5}, **PLAIN}]),
        'the key "requirements[1].rules[1].share_percent.group" is missing (1 row: a.reach). Add it.',
    ),
    "a misspelt key in a rule": (
        changed(REACH, rules=[{**TOWN, "zone": ["town"]}, LAND]),
        'unknown key "requirements[1].rules[1].zone" (1 row: a.reach). Did you mean "zones"?',
    ),
    "a misspelt key in a band": (
        changed(REACH, rules=[{"density_per_km2": {"bellow": 5}, **PLAIN}]),
        'unknown key "requirements[1].rules[1].density_per_km2.bellow" (1 row: a.reach). Did you mean "below"?',
    ),
    "a headline of the district": (
        changed(FLOOR, headline=True),
        '"requirements[2]": only what is asked of a committee for one type can be headline',
    ),
    "a headline of towns": (changed(PRESENCE, headline=True), '"requirements[6]": only what is asked of a committee'),
    "a headline of two types": (
        changed(CATCH, headline=True, types=["a", "b"]),
        '"requirements[3]": only what is asked of a committee for one type can be headline',
    ),
    "a year for committees": (
        changed(CATCH, due=2030),
        '"requirements[3]": only what is asked of a town or the district can be due in a year',
    ),
    "a reach without headline": (
        changed(REACH, drop=("headline",)),
        'the key "requirements[1].headline" is missing (1 row: a.reach). Add it.',
    ),
    "a catchment of the district": (
        changed(FLOOR, minutes=15, mode="walk"),
        '"requirements[2]": minutes, mode belong to catchments, whose scope is committee',
    ),
    "a catchment without a method": (changed(CATCH, drop=("method", "steps")), '"requirements[3]": a catchment needs'),
    "no steps": (changed(CATCH, drop=("steps",)), '"requirements[3]": steps belong to the method e2sfca'),
    "steps of another method": (
        changed(CATCH, method="gaussian"),
        '"requirements[3]": steps belong to the method e2sfca',
    ),
    "steps that fall": (
        changed(CATCH, steps=[{"minutes": 15, "weight": 1}, {"minutes": 5, "weight": 0.5}]),
        '"requirements[3]": steps have to ascend, and the last one to end at minutes',
    ),
    "steps that end early": (
        changed(CATCH, steps=[{"minutes": 5, "weight": 1}]),
        '"requirements[3]": steps have to ascend, and the last one to end at minutes',
    ),
    "weights that rise": (
        changed(CATCH, steps=[{"minutes": 5, "weight": 0.5}, {"minutes": 15, "weight": 1}]),
        '"requirements[3]": the weights of steps have to fall',
    ),
    "a misspelt key of a provision": (
        changed(FLOOR, atleast=40),
        'unknown key "requirements[2].atleast" (1 row: a.floor). Did you mean "at_least"?',
    ),
    "a key of another kind": (
        changed(PRESENCE, percent=90),
        'unknown key "requirements[6].percent" (1 row: a.presence). ',
    ),
    "a misspelt key of a step": (
        changed(CATCH, steps=[{"minutes": 15, "weight": 1, "minuts": 3}]),
        'unknown key "requirements[3].steps[1].minuts" (1 row: a.catch). Did you mean "minutes"?',
    ),
    "a measure": (
        changed(FLOOR, measure="beds"),
        "\"requirements[2].measure\": Input should be 'count', 'capacity' or 'floor_area_m2' (found 'beds')",
    ),
    "nothing to measure": (changed(FLOOR, at_least=0), '"requirements[2].at_least": Input should be greater than 0'),
    "no types": (changed(FLOOR, types=[]), '"requirements[2].types": has too few entries'),
    "an unknown type": (
        changed(FLOOR, types=["a", "aa"]),
        '"requirements[2].types" names "aa", which is no id of "types" (1 row: a.floor). Did you mean "a"?',
    ),
    "an unknown neighbour": (
        changed(ADJACENCY, to_types=["zz"]),
        '"requirements[5].to_types" names "zz", which is no id of "types" (1 row: a.near_b). Did you mean "z"?',
    ),
    "adjacency by car": (
        changed(ADJACENCY, mode="drive"),
        "\"requirements[5].mode\": Input should be 'walk' or 'cycle' (found 'drive')",
    ),
    "quality of nothing": (
        changed(QUALITY, drop=("one_of",)),
        '"requirements[4]": needs one of equals, one_of and at_least',
    ),
    "quality of two": (changed(QUALITY, equals=True), '"requirements[4]": needs one of equals, one_of and at_least'),
    "quality without a share": (
        changed(QUALITY, drop=("percent",)),
        '"requirements[4]": of a town or district, quality needs percent, and neither minutes nor mode',
    ),
    "quality of a committee": (
        changed(QUALITY, scope="committee"),
        '"requirements[4]": of a committee, quality needs minutes and mode, and no percent',
    ),
    "a total without its year": (
        changed(TOTAL, drop=("due",)),
        'the key "requirements[7].due" is missing (1 row: a.total). Add it.',
    ),
    "a year that is a fraction": (changed(TOTAL, since=2021.5), '"requirements[7].since": Input should be a valid int'),
    "how far checked": (
        changed(TOTAL, checked="yes"),
        "\"requirements[7].checked\": Input should be 'text', 'secondary'",
    ),
}


@pytest.mark.parametrize(("raw", "message"), BAD.values(), ids=BAD)
def test_a_bad_requirement_is_refused_with_one_message(raw, message):
    found = problems(raw)
    assert len(found) == 1, found
    assert found[0].startswith(f"my.toml: {message}")


def with_target(**keys: object) -> dict:
    raw = of_all_kinds()
    raw["targets"][0] = {k: v for k, v in (raw["targets"][0] | keys).items() if v is not None}
    return raw


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            with_target(requirement="a.totel"),
            '"targets[1].requirement" names "a.totel", which is no id of "requirements" (1 row: beds). Did you mean',
        ),
        (with_target(measured_by="ledger"), '"targets[1]": needs either requirement or measured_by, and not both'),
        (with_target(requirement=None), '"targets[1]": needs either requirement or measured_by, and not both'),
        (with_target(operator=">"), "\"targets[1].operator\": Input should be '>=', '<=' or '=' (found '>')"),
        (with_target(id="projects"), '"targets": an id occurs more than once (1 row: projects).'),
        (with_target(domain="al"), '"targets[1].domain" names "al", which is no id of "domains" (1 row: beds).'),
    ],
)
def test_a_bad_target_is_refused_with_one_message(raw, message):
    found = problems(raw)
    assert len(found) == 1, found
    assert found[0].startswith(f"my.toml: {message}")


def test_the_elderly_need_a_speed():
    raw = changed(CATCH, mode="elderly_walk")
    del raw["speeds_kmh"]["elderly_walk"]
    assert problems(raw) == [
        'my.toml: mode = "elderly_walk" without its speed (1 row: a.catch). Add speeds_kmh.elderly_walk in km/h.'
    ]
    raw = changed(REACH, rules=[TOWN, {**LAND, "mode": "elderly_walk"}])
    del raw["speeds_kmh"]["elderly_walk"]
    assert len(problems(raw)) == 1


def test_problems_of_several_kinds_are_told_at_once():
    raw = changed(FLOOR, atleast=40)
    raw["requirements"][TOTAL].pop("due")
    raw["requirements"][QUALITY]["percent"] = 120
    raw["requirements"][PRESENCE]["kind"] = "pressence"
    assert len(problems(raw)) == 4


# rules ---------------------------------------------------------------------------------------------------------------


def test_each_committee_gets_the_rule_of_its_case():
    standard = Standard.parse(of_all_kinds(), "my.toml")
    traits = Traits(
        np.array(["town", "town", "land", "land", "land", "land", ""], dtype=object),
        np.array(["residents", "village", "village", "village", "village", "residents", "village"], dtype=object),
        np.array([np.nan, 5.0, 999.9, 1000.0, np.nan, 3e4, 2e3]),
        {},
    )
    rules = resolve_rules(standard, standard.requirements[REACH], traits)
    assert list(rules.rule) == [1, 1, 3, 2, 0, 2, 0]
    assert list(rules.mode) == ["walk", "walk", "", "walk", "", "walk", ""]
    # 500 m at 4 km/h are 7.5 minutes
    np.testing.assert_array_equal(rules.threshold_s, [600.0, 600.0, np.nan, 450.0, np.nan, 450.0, np.nan])
    assert list(rules.min_count) == [1, 1, 1, 2, 1, 2, 1]
    assert list(rules.reason) == ["", "", "not_required", "", "condition_unknown", "", "no_zone"]


def test_a_share_decides():
    by_share = [
        {"share_percent": {"group": "old", "at_least": 30}, "minutes": 5, "mode": "elderly_walk"},
        {"share_percent": {"group": "old", "below": 30}, "minutes": 15, "mode": "zone"},
    ]
    standard = Standard.parse(changed(REACH, rules=by_share), "my.toml")
    traits = Traits.of(["town"] * 4, ["village"] * 4)
    traits.share["old"] = np.array([29.99, 30.0, 100.0, np.nan])
    rules = resolve_rules(standard, standard.requirements[REACH], traits)
    assert list(rules.mode) == ["cycle", "elderly_walk", "elderly_walk", ""]
    assert list(rules.threshold_s[:3]) == [900.0, 300.0, 300.0]
    assert rules.reason[3] == "condition_unknown"


def test_nobody_has_more_than_all():
    """A share below 101 % is every share, so nothing is left over."""
    rules = [{"share_percent": {"group": "old", "below": 101}, **PLAIN}]
    assert (
        Standard.parse(changed(REACH, rules=rules), "my.toml").requirements[REACH].rules[0].share_percent.below == 101
    )


ENDS = st.sampled_from([0.0, 10.0, 20.0, 50.0, 100.0])
PIECES = (0.0, 4.0, 10.0, 15.0, 20.0, 35.0, 50.0, 99.0, 100.0)
"""A figure at and within every piece that ends of these can cut, and no share above 100."""
LARGE = 1e6
ZONES = ("z1", "z2", "z3")


@st.composite
def bands(draw) -> dict:
    low, high = sorted(draw(st.lists(ENDS, min_size=2, max_size=2, unique=True)))
    return draw(st.sampled_from([{"at_least": low}, {"below": high}, {"at_least": low, "below": high}]))


@st.composite
def condition(draw) -> dict:
    found: dict = {}
    if draw(st.booleans()):
        found["zones"] = draw(st.lists(st.sampled_from(ZONES), min_size=1, unique=True))
    if draw(st.integers(0, 3)) == 0:
        found["kinds"] = [draw(st.sampled_from(["residents", "village"]))]
    if draw(st.booleans()):
        found["density_per_km2"] = draw(bands())
    if draw(st.integers(0, 2)) == 0:
        found["share_percent"] = {"group": draw(st.sampled_from(["g", "h"])), **draw(bands())}
    return found


def reach(rules: list[dict], **own: object) -> Reach:
    rules = [{"minutes": 5, "mode": "walk", **rule} for rule in rules]
    entry = {"id": "r", "kind": "reach", "type": "a", "headline": True, "clause": "1", "rules": rules, **own}
    return Reach.model_validate(entry)


def applies(rule: dict, zone: str, kind: str, density: float, share: dict[str, float]) -> bool:
    """Say whether a rule's conditions hold, written down a second time."""

    def inside(band: dict, value: float) -> bool:
        return not band or band.get("at_least", -1.0) <= value < band.get("below", float("inf"))

    return (
        zone in rule.get("zones", ZONES)
        and kind in rule.get("kinds", ("residents", "village"))
        and inside(rule.get("density_per_km2", {}), density)
        and inside(rule.get("share_percent", {}), share.get(rule.get("share_percent", {}).get("group", "g"), 0.0))
    )


@given(st.lists(condition(), min_size=1, max_size=4), condition())
def test_rules_are_clear_exactly_where_one_holds_in_every_sampled_case(rules, own):
    numbers = {
        sum(applies(rule, zone, kind, density, {"g": g, "h": h}) for rule in rules)
        for zone, kind, density, g, h in product(ZONES, ("residents", "village"), (*PIECES, LARGE), PIECES, PIECES)
        if applies(own, zone, kind, density, {"g": g, "h": h})
    }
    found = [problem.what for problem in unclear_cases(reach(rules, **own), ZONES, "my.toml")]
    assert any("none holds" in text for text in found) == (0 in numbers)
    assert any("hold for" in text and "none" not in text for text in found) == any(n > 1 for n in numbers)


FIGURES = st.floats(0, 100).map(lambda figure: round(figure, 6))
"""A figure nearer to a limit than a billionth counts as being at it."""


@st.composite
def clear_rules(draw) -> list[dict]:
    """Rules that share all committees: each zone and kind has cuts of its own, of density or of a group's share."""
    rules: list[dict] = []
    for zone, kind in product(("town", "land"), ("residents", "village")):
        ends = sorted(draw(st.sets(ENDS.filter(lambda end: end > 0), max_size=3)))
        what = draw(st.sampled_from(["density_per_km2", "share_percent"]))
        for low, high in zip([None, *ends], [*ends, None], strict=True):
            band = {k: v for k, v in (("at_least", low), ("below", high)) if v is not None}
            if band and what == "share_percent":
                band["group"] = "old"
            rules.append({"zones": [zone], "kinds": [kind], **({what: band} if band else {})})
    return draw(st.permutations(rules))


@given(clear_rules(), st.lists(st.tuples(st.integers(0, 3), *[FIGURES | st.just(np.nan)] * 2), min_size=1))
def test_exactly_one_rule_holds_wherever_figures_are_known(rules, committees):
    rules = [{"minutes": 5.0 + number, "mode": "walk", **rule} for number, rule in enumerate(rules)]
    standard = Standard.parse(changed(REACH, rules=rules), "my.toml")
    cases = list(product(("town", "land"), ("residents", "village")))
    traits = Traits.of(*zip(*(cases[number] for number, _, _ in committees), strict=True))
    traits.density[:] = [density for _, density, _ in committees]
    traits.share["old"] = np.array([share for _, _, share in committees])
    found = resolve_rules(standard, standard.requirements[REACH], traits)
    for row, (number, density, share) in enumerate(committees):
        zone, kind = cases[number]
        mine = [rule for rule in rules if rule["zones"] == [zone] and rule["kinds"] == [kind]]
        asks = {key for rule in mine for key in ("density_per_km2", "share_percent") if key in rule}
        if ("density_per_km2" in asks and np.isnan(density)) or ("share_percent" in asks and np.isnan(share)):
            assert (found.reason[row], found.mode[row], found.rule[row]) == ("condition_unknown", "", 0)
            continue
        shares = {"g": 0.0, "old": share}
        holding = [n for n, rule in enumerate(rules, 1) if applies(rule, zone, kind, density, shares)]
        assert holding == [found.rule[row]]
        assert found.threshold_s[row] == (4.0 + holding[0]) * 60


# words, schema and the shipped files ---------------------------------------------------------------------------------


def test_every_kind_in_words():
    standard = Standard.parse(of_all_kinds(), "my.toml")
    assert [in_words(one) for one in standard.requirements] == [
        (
            "1 within 10 min on foot where zone town; 2 within 500 m on foot where zone land, at least 1000 people per "
            "km²; nothing where zone land, below 1000 people per km²"
        ),
        "40 m² (floor_area_m2) per 1000 people in the district",
        "5 beds (capacity) per 1000 people of old by catchment (e2sfca) of 15 min on foot",
        "80 % of those of every town with grade = A or B",
        "95 % of those of the district with z within 100 m on foot",
        "at least 1 in every town",
        "at least 100 beds (capacity) in the district, added since 2021, by 2025",
    ]


def test_what_data_a_standard_needs():
    found = needs(Standard.parse(of_all_kinds(), "my.toml"))
    assert found == {
        "density": ["a.reach"],
        "group total": ["a.floor"],
        "floor_area_m2 of a": ["a.floor"],
        "floor_area_m2 of b": ["a.floor"],
        "group old": ["a.catch", "a"],
        "capacity of a": ["a.catch", "a.total"],
        "attribute grade of a": ["a.good"],
        "opens of a": ["a.total"],
    }


def test_the_schema_in_the_checkout_is_current():
    assert (SHELF / "standard.schema.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("name", shipped_standards())
def test_shipped_standards_fit_the_schema_and_name_it(name):
    text = (SHELF / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema ./standard.schema.json\n")
    jsonschema.Draft202012Validator.check_schema(standard_schema())
    jsonschema.validate(json.loads(json.dumps(tomllib.loads(text))), standard_schema())


def test_the_schema_knows_every_kind_and_refuses_what_loading_refuses():
    validator = jsonschema.Draft202012Validator(standard_schema())
    assert validator.is_valid(of_all_kinds())
    names = ("a misspelt key of a provision", "a misspelt key in a rule", "a measure", "nothing to measure", "no types")
    names += ("adjacency by car", "a total without its year", "how far checked", "a share without a group")
    for name in names:
        assert not validator.is_valid(BAD[name][0]), name
    definitions = standard_schema()["$defs"]
    assert definitions["Provision"]["properties"]["at_least"]["description"] == "What is asked for, inclusive."
    assert definitions["Rule"]["properties"]["zones"]["description"] == "Empty for all."


def test_pudong_has_all_six_kinds():
    standard = load_standard("pudong-2021", Path())
    ids = {one.id: one for one in standard.requirements}
    assert {one.kind for one in standard.requirements} == {
        "reach", "provision", "quality", "adjacency", "presence", "total"
    }  # fmt: skip
    community = {t.id for t in standard.types if t.domain == "elderly_care" and t.tier == "community"}
    for name, scope in (("floor_area", "district"), ("floor_area_town", "town"), ("floor_area_catchment", "committee")):
        one = ids[f"elderly_care.{name}"]
        assert (one.scope, one.at_least, one.per, one.measure) == (scope, 40, 1000, "floor_area_m2")
        assert set(one.types) == community
    link = ids["metro_station.bus_link"]
    assert (link.metres, link.percent, link.to_types, link.due) == (100, 95, ("bus_stop",), 2023)
    assert (ids["wet_market.standardised"].attribute, ids["wet_market.standardised"].percent) == ("standardised", 100)
    totals = {n: (one.at_least, one.since, one.due) for n, one in ids.items() if one.kind == "total"}
    assert totals == {
        "parks.total": (200, None, 2025),
        "elderly_care_institution.new_beds": (5590, 2021, 2023),
        "elderly_care_institution.new": (5, 2021, 2023),
        "affordable_nursery.new_places": (3000, 2021, 2023),
    }
    presence = {one.types[0] for one in standard.requirements if one.kind == "presence"}
    assert presence == {"community_fitness_center", "elderly_fitness_home", "parenting_guidance_station"}
    assert all(one.note for one in standard.requirements if "reading" in one.note)


def test_every_type_for_the_elderly_is_tested_at_their_speed_too():
    standard = load_standard("pudong-2021", Path())
    slow = {one.type: one for one in standard.requirements if one.id.endswith(".reach_elderly")}
    assert set(slow) == {t.id for t in standard.types if t.group == "age_60_plus"}
    assert {(one.minutes, one.mode, one.headline) for one in slow.values()} == {(15, "elderly_walk", False)}
    assert len(slow) == 8


@pytest.mark.parametrize("name", ["gb50180-2018", "shanghai-2016"])
def test_other_standards_know_the_types_and_zones_of_pudong(name):
    """So that whatever district runs with one runs with the other."""
    pudong, other = load_standard("pudong-2021", Path()), load_standard(name, Path())
    assert [t.id for t in other.types] == [t.id for t in pudong.types]
    assert [t.provides[:2] for t in other.types] == [t.provides[:2] for t in pudong.types]
    assert [(z.id, z.zh, z.en, z.aliases) for z in other.zones] == [(z.id, z.zh, z.en, z.aliases) for z in pudong.zones]
    assert {mode for zone in other.zones for _, mode in zone.modes} == {"walk"}
    assert all(one.checked for one in other.requirements)
    asked = {type_id for one in other.requirements for type_id in one.types}
    assert {t.id for t in other.types if t.named_in == "not_used"} == {t.id for t in other.types} - asked


MARKS = {
    "read in the text": "text",
    "quoted by a secondary text": "secondary",
    "widely cited, text not checked": "widely_cited",
    "commonly cited, text not checked": "commonly_cited",
}


def test_radii_of_gb50180_are_those_of_the_collected_figures():
    rows = reference("standards.csv")
    radii = {
        r["type_id"]: (float(r["value"]), MARKS[r["confidence"]], r["source"].removeprefix("GB 50180-2018 "))
        for r in rows
        if r["standard"] == "GB 50180-2018" and r["metric"] == "service_radius_max"
    }
    standard = load_standard("gb50180-2018", Path())
    found = {one.type: one for one in standard.requirements if one.kind == "reach"}
    assert {t: (one.metres, one.checked) for t, one in found.items()} == {t: r[:2] for t, r in radii.items()}
    for type_id, one in found.items():
        assert radii[type_id][2].startswith(one.clause.split(" (")[0].split(" 商场")[0]), type_id
    shop = next(one for one in standard.requirements if one.kind == "provision")
    (cited,) = [r for r in rows if r["type_id"] == "convenience_store" and r["metric"] == "population_served_min"]
    assert cited["source"].endswith("1000-3000人设置1处")
    assert (shop.per, shop.at_least, shop.measure, shop.checked) == (3000, 1, "count", MARKS[cited["confidence"]])


def test_figures_of_shanghai_2016_are_those_of_the_collected_figures():
    rows = [r for r in reference("standards.csv") if r["standard"].endswith("规划导则(试行)2016")]
    general = {r["metric"]: float(r["value"]) for r in rows if not r["type_id"]}
    standard = load_standard("shanghai-2016", Path())
    by_kind = {
        end: [r for r in standard.requirements if r.id.endswith(end)] for end in (".reach", ".base", ".preferred")
    }
    assert {one.minutes for one in by_kind[".reach"]} == {general["walk_minutes"]}
    assert {one.metres for one in by_kind[".base"]} == {general["elderly_child_facility_base_distance"]}
    preferred = {r["type_id"]: float(r["value"]) for r in rows if r["metric"] == "walk_minutes_preferred"}
    assert {one.type: one.minutes for one in by_kind[".preferred"]} == preferred
    assert sum(len(part) for part in by_kind.values()) == len(standard.requirements)


def reference(name: str) -> list[dict[str, str]]:
    import csv  # noqa: PLC0415

    path = TARGETS.with_name(name)
    if not path.exists():
        pytest.skip("the reference tables are not part of the project")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_targets_are_those_of_the_plan():
    """Ids are the table's; where it uses one several times, the domain stands before it."""
    rows = reference("targets.csv")
    ids = [r["target_id"] for r in rows]
    standard = load_standard("pudong-2021", Path())
    assert len(standard.targets) == len(rows) == 30
    for row, one in zip(rows, standard.targets, strict=True):
        name = f"{row['domain']}.{row['target_id']}" if ids.count(row["target_id"]) > 1 else row["target_id"]
        assert one.id == name
        assert (one.domain or "ALL", one.zh, one.operator) == (row["domain"], row["description_zh"], row["operator"])
        assert (one.value, one.unit, one.due) == (float(row["value"]), row["unit"], int(row["due_year"]))
        assert (one.measured_by == "ledger") == ("project" in row["metric"] or "started" in row["metric"])
