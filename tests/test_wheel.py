"""An installed copy: a wheel has every file of the package, and every command runs from it, far from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from circle15.report.fonts import chinese_families
from overpass_kit import CROSS, PLACES, Overpass, serving

ROOT = Path(__file__).parent.parent
LEFT_BEHIND = ("__pycache__", "*.pyc", "*.egg-info", "build")
DRIVER = """
import json, os, sys, time
from pathlib import Path
import circle15.cli

told = {"file": circle15.cli.__file__, "codes": [], "seconds": []}
for arguments in json.loads(Path(sys.argv[1]).read_text("utf-8")):
    print("$ circle15", *arguments, file=sys.stderr, flush=True)
    start = time.perf_counter()
    told["codes"].append(circle15.cli.run(arguments))
    told["seconds"].append(round(time.perf_counter() - start, 1))
told["imported"] = [one.__file__ for one in list(sys.modules.values()) if getattr(one, "__file__", None)]
Path(sys.argv[2]).write_text(json.dumps(told), "utf-8")
"""
"""Runs many commands in one process, since starting Python anew for each would take most of the time."""
FETCHED = """
[run]
name = "fetched"
standard = "pudong-2021"
as_of = 2025
[network]
source = "network.graphml"
min_component_nodes = 1
[committees]
source = "committees.csv"
[[facilities]]
source = "osm_facilities.gpkg"
type_column = "type_id"
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What a wheel is built from, apart: building in the checkout leaves files there, and takes in old ones."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder)
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder, source)
    return next(folder.glob("circle15-*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """Python of an environment that has circle15 from the wheel, and the libraries of the tests' own.

    A folder that a .pth file names is searched, but its own .pth files are not read: that is how the checkout, which is
    installed there as editable, stays unseen.
    """
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    binary = folder / ("Scripts" if os.name == "nt" else "bin")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    pip("--python", binary / "python", "install", "--no-deps", "--no-index", wheel)
    libraries = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    return binary / "python"


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def clean_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    return kept | {"NO_PROXY": "127.0.0.1"} | more


def test_a_wheel_holds_every_file_of_the_package(source, wheel):
    """The files of the source tree, found by looking at it, against those of the wheel: no list to keep up."""
    wanted = {f"circle15/{name}" for name in files(source / "src" / "circle15")}
    wanted |= {f"circle15/configs/{name}" for name in files(source / "configs")} - {"circle15/configs/sample.toml"}
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
    assert "circle15/report/assets/leaflet-1.9.4/leaflet.js" in wanted
    assert wanted - held == set()
    assert held - wanted == set()


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def ran(python, tmp_path_factory) -> tuple[Path, dict[str, int], dict]:
    """Every command on the sample: the folder that they ran in, their exit codes, and what the process tells."""
    tmp_path = tmp_path_factory.mktemp("district")
    away = tmp_path / "away"
    away.mkdir()
    sample = tmp_path / "district" / "configs" / "sample.toml"
    sample.parent.mkdir(parents=True)
    shutil.copy2(ROOT / "configs" / "sample.toml", sample)
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "district" / "data" / "sample")
    fetched = tmp_path / "fetched" / "run.toml"
    fetched.parent.mkdir()
    fetched.write_text(FETCHED, encoding="utf-8")
    rows = ("committee_id,name,kind,town_id,zone,lon,lat", "c1,Middle,residents,t,urban,121.5,31.2")
    (fetched.parent / "committees.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    config, figures = str(sample), ["--figures"] if chinese_families() else []
    with serving(Overpass(CROSS, PLACES)) as overpass:
        commands = [
            ["init", "mine"],
            ["standards", "list"],
            ["standards", "show", "gb50180-2018"],
            ["standards", "check", "shanghai-2016"],
            ["standards", "diff", "pudong-2021", "shanghai-2016"],
            ["standards", "schema"],
            ["fetch", str(fetched), "--overpass-url", overpass.url],
            ["check", config],
            ["compute", config, "--out", "run", "--archive"],
            ["explain", config, "--committee", "999001001", "--type", "primary_school"],
            ["suggest", config, "--out", "suggested", "--budget", "500"],
            ["verify", config, "--out", "verified"],
            ["plan", config, "--out", "planned", "--as-of", "2025"],
            ["report", "run", "--out", "shown", *figures],
            ["report", "planned", "--out", "shown-plan", "--no-towns", "--lang", "en"],
            ["compare", "run", "verified", "--out", "compared"],
        ]
        _, told = run_all(python, commands, away)
    codes = dict(zip(map(" ".join, commands), told["codes"], strict=True))
    return away, codes, told


def test_every_command_runs_from_an_installed_copy(python, ran):
    away, codes, told = ran
    assert codes == dict.fromkeys(codes, 0)
    assert Path(told["file"]).is_relative_to(python.parent.parent)
    assert [name for name in told["imported"] if Path(name).is_relative_to(ROOT / "src")] == []
    assert (away / "shown" / "report.html").stat().st_size > 100_000  # the map's script alone is larger


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("report/assets/leaflet-1.9.4/leaflet.js", ["report", "run", "--out", "broken"]),
        ("report/templates/town.html.j2", ["report", "run", "--out", "broken"]),
        ("comparison/templates/compare.html.j2", ["compare", "run", "verified", "--out", "broken"]),
        ("configs/templates", ["init", "broken"]),
        ("configs/standards", ["standards", "show", "pudong-2021"]),
        ("outputs/dictionary.toml", ["report", "run", "--out", "broken"]),
    ],
)
def test_a_file_that_the_installation_lacks_is_told_as_that(python, ran, missing, command):
    """Never as an output that cannot be written (5), nor as a fault of the user's own files (2, 3)."""
    away = ran[0]
    held = Path(ran[2]["file"]).parent.parent / missing
    aside = held.rename(held.with_name("aside"))
    try:
        said, told = run_all(python, [command], away)
    finally:
        aside.rename(held)
    assert told["codes"] == [70]
    assert f"circle15/{missing}: is missing" in said
    assert "install it anew" in said
    assert "cannot be written" not in said
    assert not (away / "broken").exists()


def run_all(python: Path, commands: list[list[str]], cwd: Path) -> tuple[str, dict]:
    driver, asked, answer = cwd / "driver.py", cwd / "commands.json", cwd / "told.json"
    driver.write_text(DRIVER, encoding="utf-8")
    asked.write_text(json.dumps(commands), encoding="utf-8")
    environment = clean_environment(CIRCLE15_CACHE=str(cwd / "cache"), MPLCONFIGDIR=str(cwd / "matplotlib"))
    done = subprocess.run(
        [python, driver, asked, answer],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(answer.read_text("utf-8"))
    print(done.stderr, *zip(commands, told["codes"], told["seconds"], strict=True), sep="\n")
    return done.stderr, told


def test_the_script_starts_and_completes(python, tmp_path):
    """The script that pip makes, and what the shell asks it for; both from an installed copy."""
    script = python.with_name("circle15.exe" if os.name == "nt" else "circle15")

    def said(*arguments: str, **variables: str) -> str:
        environment = clean_environment(**variables)
        run = [script, *arguments]
        return subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    assert "_circle15_completion" in said(_CIRCLE15_COMPLETE="bash_source")
    offered = said(_CIRCLE15_COMPLETE="bash_complete", COMP_WORDS="circle15 standards show gb", COMP_CWORD="3")
    assert "gb50180-2018" in offered
