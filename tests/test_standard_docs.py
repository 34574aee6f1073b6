"""The pages on standards: examples that load, keys that exist."""

import re
import tomllib
from pathlib import Path

import pytest

from circle15.standard import model, requirements
from circle15.standard.model import Standard

ROOT = Path(__file__).parent.parent
HOW_TO = (ROOT / "docs" / "how-to" / "own-standard.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "standard.md").read_text(encoding="utf-8")
PUDONG = tomllib.loads((ROOT / "configs" / "standards" / "pudong-2021.toml").read_text(encoding="utf-8"))
EXAMPLES = [tomllib.loads(block) for block in re.findall(r"(?s)```toml\n(.*?)```", HOW_TO)]
LISTS = [one for one in EXAMPLES if "run" not in one]

TABLES = {
    "The file itself": (model.Standard, ()),
    "`[speeds_kmh]`": (model.Speeds, ()),
    "`[service_circle]`": (model.ServiceCircle, ()),
    "`[target]`": (model.Target, ()),
    "`[[zones]]`": (model.Zone, ()),
    "`[[domains]]`": (model.Domain, ()),
    "`[[types]]`": (model.FacilityType, ()),
    "`[[targets]]`": (model.DatedTarget, ()),
    "A rule of reach": (requirements.Rule, ()),
    "A band": (requirements.ShareBand, ()),
    "A step of e2sfca": (requirements.Step, ()),
}
COMMON = ("id", "kind", "clause", "note", "headline", "due", "checked")
KINDS = {
    "reach": requirements.Reach,
    "provision": requirements.Provision,
    "quality": requirements.Quality,
    "adjacency": requirements.Adjacency,
    "presence": requirements.Presence,
    "total": requirements.Total,
}
TABLES |= {f'kind = "{kind}"': (cls, COMMON) for kind, cls in KINDS.items()}


def section(heading: str) -> str:
    return re.split(r"(?m)^## ", REFERENCE.split(f"## {heading}\n", 1)[1])[0]


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_documented_and_whether_it_is_required(heading):
    cls, elsewhere = TABLES[heading]
    rows = re.findall(r"(?m)^\| `(\w+)` \| (required)? *\| (.+) \|$", section(heading))
    documented = {key: bool(required) for key, required, _ in rows}
    assert len(rows) == len(documented)
    assert documented == {k: f.is_required() for k, f in cls.model_fields.items() if k not in elsewhere}
    assert all(len(text) > 3 for *_, text in rows)


def test_what_all_requirements_have_is_documented_once():
    documented = set(re.findall(r"(?m)^\| `(\w+)` \|", section("Every requirement")))
    assert documented == set(COMMON)
    assert all(set(COMMON) <= set(cls.model_fields) for cls in KINDS.values())
    assert set(KINDS) == set(requirements.KINDS_OF_REQUIREMENT)


def test_every_example_loads():
    raw = {key: list(value) if isinstance(value, list) else value for key, value in PUDONG.items()}
    for one in LISTS:
        for key, entries in one.items():
            raw[key] += entries
    standard = Standard.parse(raw, "own-standard.md")
    added = standard.requirements[len(PUDONG["requirements"]) :]
    assert {one.kind for one in added} == set(KINDS)
    assert len(standard.targets) == len(PUDONG["targets"]) + 2
    assert len(EXAMPLES) == len(LISTS) + 1


def test_each_example_loads_by_itself():
    for one in LISTS:
        if "requirements" in one:
            raw = PUDONG | {"requirements": [*PUDONG["requirements"], *one["requirements"]]}
            Standard.parse(raw, "own-standard.md")
