"""Measure circle15: ``python benchmarks/run.py --help``. What each command answers stands in README.md."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import click
import pandas as pd

import boarding
import catchments
import engines
import peers as peer_scripts
import variants
from circle15.cache import versions
from district import NetworkName, make_district
from planning import with_candidates, with_projects
from setting import load_district

Row = dict[str, Any]

DATA = Path("out/benchmarks")
CHANGED_TYPE, CHANGED_MINUTES = "convenience_store", 10
MEGABYTE = 1024.0
"""Linux tells the peak of memory in KiB."""


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every command has."""
    for option in (
        click.option("--network", type=click.Choice(["porto", "city"]), default="porto", show_default=True),
        click.option("--seed", default=2023, show_default=True, help="Of the generator."),
        click.option(
            "--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="Scratch folder."
        ),
        click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures there, too."),
    ):
        command = option(command)
    return command


scaled = click.option("--scale", default=1.0, show_default=True, help="1 is a district of Pudong's size.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure circle15 on a district of Pudong's size."""


@main.command()
@options
@scaled
def make(network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None) -> None:
    """Write the district's input files and do nothing else."""
    start = time.perf_counter()
    config = make_district(network, scale, folder_of(data, network, scale, seed), seed)
    tell("make", [{"config": str(config), "seconds": time.perf_counter() - start}], json_file)


@main.command()
@options
@scaled
@click.option("--engine", type=click.Choice(["pandana", "scipy"]), help="Default: what a configuration gets.")
def compute(
    network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None, engine: str | None
) -> None:
    """Run `circle15 compute` cold, again unchanged, and with one requirement changed; time and peak memory of each."""
    config = district(network, scale, data, seed)
    scratch = config.parent / "compute"
    shutil.rmtree(scratch, ignore_errors=True)
    standard = changed_standard(config.parent / "changed.toml")
    rows, stages = [], {}
    for name, extra in (
        ("cold", ()),
        ("unchanged", ()),
        (f"{CHANGED_TYPE} in {CHANGED_MINUTES} min", ("--standard", str(standard))),
    ):
        row, timings = run_compute(config, scratch, (*(("--engine", engine) if engine else ()), *extra))
        rows.append({"run": name, **row})
        if name != "unchanged":  # run.json then still tells of the run before
            stages[name] = timings
    tell("compute", rows, json_file, network=network, scale=scale, engine=engine or "default", stages=stages)


@main.command(name="boarding")
@click.argument("streets", type=click.Path(exists=True, path_type=Path))
@click.option("--places", default=50_000, show_default=True)
@click.option("--seed", default=2023, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures there, too.")
def where_one_boards(streets: Path, places: int, seed: int, json_file: Path | None) -> None:
    """Draw random places on an OSM file and count those that do not get their nearest street."""
    tell("boarding", boarding.random_places(streets, places, seed), json_file, streets=streets.name)


@main.command()
@options
@click.option("--scales", default="0.25,0.5,1", show_default=True)
def growth(network: NetworkName, seed: int, data: Path, json_file: Path | None, scales: str) -> None:
    """Run `circle15 compute` cold on districts of several sizes."""
    rows, stages = [], {}
    for scale in (float(part) for part in scales.split(",")):
        config = district(network, scale, data, seed)
        scratch = config.parent / "growth"
        shutil.rmtree(scratch, ignore_errors=True)
        row, timings = run_compute(config, scratch, ())
        written = json.loads((scratch / "out" / "run.json").read_text(encoding="utf-8"))
        sizes = {key: written["counts"][key] for key in ("committees", "facilities", "cells")}
        sizes |= {f"{mode}_nodes": figures["nodes"] for mode, figures in written["engine"].items()}
        rows.append({"scale": scale, **sizes, **row})
        stages[f"{scale:g}"] = timings
    tell("growth", rows, json_file, network=network, stages=stages)


@main.command(name="engines")
@options
@scaled
def compare_engines(network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None) -> None:
    """Hold pandana's hierarchy against SciPy's searches: time by query, verdicts and times."""
    loaded = load_district(district(network, scale, data, seed))
    agreement, whole = engines.whole_stage(loaded)
    rows = engines.by_query(loaded)
    parts = [{"what": key, **{str(row["mode"]): row[key] for row in rows}} for key in rows[0] if key != "mode"]
    tell("engines", parts, json_file, network=network, scale=scale, stage_seconds=whole, agreement=agreement)


@main.command()
@options
@scaled
@click.option("--rounds", default=3, show_default=True)
@click.option("--reach", default=1.0, show_default=True, help="How far the scripts look, in thresholds; ours: 3.")
@click.option("--only", multiple=True, type=click.Choice(list(peer_scripts.PEERS)), help="Only these (repeatable).")
def peers(
    network: NetworkName,
    scale: float,
    seed: int,
    data: Path,
    json_file: Path | None,
    rounds: int,
    reach: float,
    only: tuple[str, ...],
) -> None:
    """Answer the same questions with other scripts, in turns, and give their times over ours."""
    loaded = load_district(district(network, scale, data, seed))
    chosen = [name for name in peer_scripts.PEERS if not only or name in only]
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    cpu: dict[str, list[float]] = {name: [] for name in chosen}
    answers = {}
    for _ in range(rounds):
        for name in chosen:
            start, busy = time.perf_counter(), time.process_time()
            answers[name] = peer_scripts.PEERS[name](loaded, reach)
            seconds[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
    rows = peer_scripts.ratios(loaded, seconds, answers)
    steps = {name: answer.watch.seconds for name, answer in answers.items()}
    engine = loaded.run.config.network.engine
    watched = {"wall_s": seconds, "cpu_s": cpu, "steps_s": steps}
    tell("peers", rows, json_file, network=network, scale=scale, engine=engine, reach=reach, **watched)


@main.command()
@options
@scaled
def snapping(network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None) -> None:
    """Count the verdicts that node snapping, missing access legs and whole minutes get wrong."""
    rows = variants.snapping(load_district(district(network, scale, data, seed)))
    tell("snapping", rows, json_file, network=network, scale=scale)


@main.command()
@options
@scaled
def speeds(network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None) -> None:
    """Count the verdicts that turn at walking and cycling speeds 10 % lower and higher."""
    rows = variants.speeds(load_district(district(network, scale, data, seed)))
    tell("speeds", rows, json_file, network=network, scale=scale)


@main.command()
@options
@scaled
def catchment(network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None) -> None:
    """Find every cell × facility pair within 15 minutes, and share supply out by the three catchment methods."""
    pairs, methods = catchments.measure(load_district(district(network, scale, data, seed)), seed)
    tell("catchment", pairs, json_file, network=network, scale=scale, methods=methods)


@main.command()
@options
@scaled
@click.option("--budget", type=float, help="Also serve the most people for so much.")
def siting(
    network: NetworkName, scale: float, seed: int, data: Path, json_file: Path | None, budget: float | None
) -> None:
    """Run `circle15 suggest` on 4,000 candidates, then `verify` of 200 of its projects with a warm store."""
    config = with_candidates(district(network, scale, data, seed), network, seed)
    scratch = config.parent / "siting"
    shutil.rmtree(scratch, ignore_errors=True)
    run_command("compute", config, scratch / "warm", scratch)
    rows = []
    row, told = run_command("suggest", config, scratch / "suggest", scratch)
    solver = told["solver"]
    rows.append({"run": "suggest, searches in store", **row})
    if budget is not None:
        row, again = run_command("suggest", config, scratch / "budget", scratch, ("--budget", str(budget)))
        rows.append({"run": f"suggest --budget {budget:g}", **row, "gap": again["solver"]["gap"]})
    ledger = with_projects(config, scratch / "suggest" / "csv" / "suggestions.csv")
    year = ("--as-of", "2026")
    run_command("compute", ledger, scratch / "warm", scratch, year)
    for name in ("verify, searches of the files in store", "verify again"):
        row, _ = run_command("verify", ledger, scratch / "verify", scratch, year)
        rows.append({"run": name, **row})
    tell("siting", rows, json_file, network=network, scale=scale, solver=solver)


# runs --------------------------------------------------------------------------------------------------------------


def folder_of(data: Path, network: str, scale: float, seed: int) -> Path:
    """Return the folder of one district."""
    return data / f"{network}-{scale:g}-{seed}"


def district(network: NetworkName, scale: float, data: Path, seed: int) -> Path:
    """Return a district's configuration; made anew each time, so that no old file is measured."""
    return make_district(network, scale, folder_of(data, network, scale, seed), seed)


def changed_standard(path: Path) -> Path:
    """Write the shipped standard with one type at fewer minutes, as an analyst would edit it."""
    text = (resources.files("circle15.configs") / "standards" / "pudong-2021.toml").read_text(encoding="utf-8")
    pattern = rf'(id = "{CHANGED_TYPE}\.reach"[^\n]*?minutes = )15\b'
    text, changes = re.subn(pattern, rf"\g<1>{CHANGED_MINUTES}", text)
    if changes != 1:
        raise click.ClickException(f"{CHANGED_TYPE}.reach with 15 minutes was found {changes} times in the standard")
    path.write_text(text, encoding="utf-8")
    return path.resolve()


def run_compute(config: Path, scratch: Path, extra: tuple[str, ...]) -> tuple[Row, dict[str, float]]:
    """Run ``circle15 compute`` as a process of its own; return time, memory and the stages that run.json tells of."""
    row, told = run_command("compute", config, scratch / "out", scratch, extra)
    return row, told["timings"]["stages"]


def run_command(
    name: str, config: Path, out: Path, scratch: Path, extra: tuple[str, ...] = ()
) -> tuple[Row, dict[str, Any]]:
    """Run a command of circle15 as a process of its own; return time, memory and its run.json."""
    scratch.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "circle15", name, str(config), "--out", str(out)]
    command += ["--cache", str(scratch / "cache"), *extra]
    log = scratch / "log.txt"
    with log.open("wb") as file:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(
            f"{name} ended with {process.returncode}:\n{log.read_text(encoding='utf-8')[-3000:]}"
        )
    told = json.loads((out / "run.json").read_text(encoding="utf-8"))
    row = {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / MEGABYTE,
        "cache_mb": size_mb(scratch / "cache"),
        "output_mb": size_mb(out),
    }
    return row, told


def size_mb(folder: Path) -> float:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MEGABYTE**2


# words -------------------------------------------------------------------------------------------------------------


def tell(title: str, rows: list[Row], json_file: Path | None, **more: Any) -> None:
    """Print figures as plain tables, and write them as JSON where asked."""
    print(title, *(f"{k}={v}" for k, v in more.items() if isinstance(v, str | float | int)))
    show(pd.DataFrame(rows))
    for name, value in more.items():
        if isinstance(value, dict) and value:
            nested = isinstance(next(iter(value.values())), dict | list)
            table = pd.DataFrame(value) if nested else pd.DataFrame(value, index=["value"]).T
            print(f"\n{name}")
            show(table, index=True)
        elif isinstance(value, list):
            print(f"\n{name}")
            show(pd.DataFrame(value))
    if json_file:
        machine = {"cpus": os.cpu_count(), "platform": platform.platform(), **versions()}
        document = {"command": title, "machine": machine, **more, "rows": rows}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False, default=float), encoding="utf-8")


def show(table: pd.DataFrame, *, index: bool = False) -> None:
    """Print a table with three digits after the point at most."""
    print(table.to_string(index=index, float_format="{:,.3f}".format, na_rep=""))


if __name__ == "__main__":
    main()
