"""``circle15 init``: what it writes loads, names every key, and fits the tables' contracts."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from circle15 import cli
from circle15.cli.init import template_texts
from circle15.config import CensusConfig, Config, TypeFigures, load_config
from circle15.inputs.census import ID_OF
from circle15.inputs.entrances import ENTRANCES
from circle15.inputs.land import LAND
from circle15.inputs.overrides import OVERRIDES, VERDICTS
from circle15.tables import ACTIONS, CANDIDATES, COMMITTEES, FACILITIES, KINDS, MEANS, POPULATION, PROJECTS, STATUSES

TABLES = {"committees.csv", "population.csv", "facilities.csv", "overrides.csv", "census.csv", "entrances.csv"}
TABLES |= {"candidates.csv", "projects.csv"}
COORDINATES = ["lon", "lat"]
GROUPS = {"age_0_2", "age_60_plus"}


@pytest.fixture
def folder(tmp_path) -> Path:
    assert cli.run(["init", str(tmp_path / "new"), "-q"]) == 0
    return tmp_path / "new"


def header(name: str) -> list[str]:
    (line,) = template_texts()[name].decode("utf-8").splitlines()
    return line.split(",")


def switched_on(text: str) -> str:
    return re.sub(r"(?m)^#(?=\S)", "", text)


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, object]:
    """Return every dotted key that a model knows, with its default."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        inner = re.findall(r"config\.(\w+Config)", str(field.annotation))
        if inner and prefix + name != "facilities.entrances":  # an inline table there
            for one in inner:
                found |= keys_of(getattr(__import__("circle15.config", fromlist=[one]), one), f"{prefix}{name}.")
        else:
            found[prefix + name] = field.get_default(call_default_factory=True)
    return found


def flat(table: dict, prefix: str = "") -> dict[str, object]:
    """Return every dotted key of a document that is no group, column or constant of its own."""
    free = {"columns", "set", "groups", "entrances", "fixed_cost", "types", "towns", "zones", "kinds"}
    found: dict[str, object] = {}
    for name, value in table.items():
        items = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for item in items:
            if isinstance(item, dict) and name not in free:
                found |= flat(item, f"{prefix}{name}.")
            else:
                found[prefix + name] = item
    return found


def test_it_writes_every_template_and_prints_the_paths(tmp_path, capsys):
    folder = tmp_path / "a" / "new"
    assert cli.run(["init", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert {path.name for path in folder.iterdir()} == TABLES | {"circle15.toml", "README.md"}
    assert sorted(out.splitlines()) == sorted(str(path) for path in folder.iterdir())
    assert out.splitlines()[0].endswith("circle15.toml")
    assert "committees.csv" in err
    assert f"circle15 fetch {folder / 'circle15.toml'}" in err


def test_it_overwrites_nothing_unless_told(folder, capsys):
    mine = folder / "committees.csv"
    mine.write_text("mine")
    (folder / "census.csv").unlink()
    assert cli.run(["init", str(folder)]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert "committees.csv" in err
    assert "--force" in err
    assert mine.read_text() == "mine"
    assert not (folder / "census.csv").exists()
    assert cli.run(["init", str(folder), "--force", "-q"]) == 0
    assert mine.read_bytes() == template_texts()["committees.csv"]


def test_other_files_of_the_folder_are_no_obstacle(tmp_path):
    (tmp_path / "streets.osm.pbf").write_bytes(b"x")
    assert cli.run(["init", str(tmp_path), "-q"]) == 0
    assert (tmp_path / "streets.osm.pbf").read_bytes() == b"x"


def test_a_file_where_the_folder_should_be(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert cli.run(["init", str(tmp_path / "taken")]) == 5
    assert "taken" in capsys.readouterr().err


def test_the_configuration_loads(folder):
    config = load_config(folder / "circle15.toml")
    assert config.network.source.endswith(".graphml")
    assert config.committees.source == "committees.csv"
    assert [item.source for item in config.facilities] == ["facilities.csv"]
    for name in (config.committees.source, config.facilities[0].source):
        assert config.resolve(name).is_file()


def test_the_configuration_loads_with_everything_switched_on(folder):
    path = folder / "circle15.toml"
    path.write_text(switched_on(path.read_text(encoding="utf-8")), encoding="utf-8")
    config = load_config(path)
    assert config.population.census.by in CensusConfig.model_fields["by"].annotation.__args__
    assert config.fetch.facilities == "osm_facilities.gpkg"
    (figures,) = config.suggest.types.values()
    assert figures.model_fields_set == set(TypeFigures.model_fields)
    assert len(config.plan.budgets) == len(config.plan.years)
    sources = [config.population.source, config.population.census.source, config.overrides.source]
    sources += [config.candidates.source, config.projects.source]
    assert set(sources) | {config.facilities[0].entrances.source} <= TABLES


def test_every_key_is_in_the_configuration():
    text = switched_on(template_texts()["circle15.toml"].decode("utf-8"))
    shown, known = flat(tomllib.loads(text)), keys_of(Config)
    assert len(known) > 60
    assert set(shown) == set(known)


def test_what_a_switched_off_line_shows_is_the_default_unless_it_says_example():
    text = template_texts()["circle15.toml"].decode("utf-8")
    section, known, checked = "", keys_of(Config), 0
    for line in text.splitlines():
        if found := re.match(r"#?\[+([\w.]+)\]+$", line):
            section = found[1]
        elif (found := re.match(r"#(\w+) = (.*?)(?: +# (.*))?$", line)) and not (found[3] or "").startswith("e.g."):
            default = known[f"{section}.{found[1]}"]
            if section != "facilities" or found[1] not in {"source", "type_column"}:
                assert tomllib.loads(f"v = {found[2]}")["v"] == default, line
                checked += 1
    assert checked > 15


def test_headers_are_those_of_the_contracts():
    for name, contract in (("committees.csv", (*COMMITTEES, LAND)), ("entrances.csv", ENTRANCES)):
        assert header(name) == [column.name for column in contract] + COORDINATES
    assert header("overrides.csv") == [column.name for column in OVERRIDES]
    assert header("facilities.csv") == [c.name for c in FACILITIES if c.name != "source"] + COORDINATES
    assert header("candidates.csv") == [c.name for c in CANDIDATES] + COORDINATES
    assert header("projects.csv") == [c.name for c in PROJECTS] + COORDINATES
    assert header("population.csv") == [c.name for c in POPULATION] + sorted(GROUPS) + COORDINATES
    assert header("census.csv") == [ID_OF["town"], "total", *sorted(GROUPS)]


def test_the_readme_explains_every_column():
    page = template_texts()["README.md"].decode("utf-8")
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    assert set(sections) == TABLES
    for name, section in sections.items():
        rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
        explained = [column for row in rows for column in re.findall(r"`(\w+)`", row[1])]
        assert explained == header(name)
        for row in rows:
            assert len(row) == 7, row
            assert all(cell.strip() for cell in row[1:-1]), row
    for word in KINDS:
        assert f"`{word}`" in sections["committees.csv"]
    for name, column, words in (
        ("candidates.csv", "means", MEANS),
        ("projects.csv", "means", MEANS),
        ("projects.csv", "action", ACTIONS),
        ("projects.csv", "status", STATUSES),
    ):
        (line,) = (line for line in sections[name].splitlines() if line.startswith(f"| `{column}`"))
        assert re.findall(r"`(\w+)`", line) == [column, *words]
    (verdict,) = (line for line in sections["overrides.csv"].splitlines() if line.startswith("| `verdict`"))
    assert re.findall(r"`(\w+)`", verdict) == ["verdict", *VERDICTS]


def test_tables_without_rows_are_named(folder, capsys):
    config = str(folder / "circle15.toml")
    assert cli.run(["compute", config, "--no-cache", "-q", "--out", str(folder / "out")]) == 3
    err = capsys.readouterr().err
    assert "committees.csv: has no rows" in err
    (folder / "committees.csv").write_text(
        f"{','.join(header('committees.csv'))}\n1,one,residents,t,urban,,121.5,31.2\n", encoding="utf-8"
    )
    assert cli.run(["compute", config, "--no-cache", "-q", "--out", str(folder / "out")]) == 3
    assert "facilities.csv: has no rows" in capsys.readouterr().err
