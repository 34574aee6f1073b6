"""What the three commands begin with, and how their searches end."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from circle15.cache import code_key, open_cache, versions
from circle15.config import Config
from circle15.errors import Notes
from circle15.outputs.manifest import Manifest
from circle15.outputs.write import check_writable
from circle15.pipeline import Judgement
from circle15.plan.solver import Limits
from circle15.stages.read import hash_inputs, hash_sources
from circle15.stages.record import balance, engine_figures
from circle15.stages.run import Clock, Inputs, Progress, Run
from circle15.standard.load import load_standard


@dataclass
class Stop:
    """A wish to end a search with the best found; it means so only while one goes on.

    Attributes
    ----------
    asked : Event
        Set by whoever wishes it.
    listening : bool
        Whether a search goes on that ends with its best when asked.
    """

    asked: threading.Event = field(default_factory=threading.Event)
    listening: bool = False


@dataclass(frozen=True)
class Started:
    """A command under way: its run, what its manifest begins with, and when it began."""

    run: Run
    manifest: Manifest
    began: datetime


def start(
    config: Config,
    command: str,
    sources: Sequence[str],
    options: Mapping[str, Any],
    *,
    out: Path,
    cache: Path | None,
    bom: bool,
    progress: Progress,
) -> Started:
    """Begin a command: read the standard, hash the inputs, see that the folder can be written.

    Parameters
    ----------
    sources : sequence of str
        Inputs beside those of a detection.
    options : mapping
        What the command line asks for and the configuration doesn't know.
    """
    clock, notes, began = Clock(progress), Notes(), datetime.now(UTC)
    with clock.stage("check"):
        catalogue = load_standard(config.run.standard, config.folder)
        hashes = hash_inputs(config)
        manifest = Manifest(
            config=config,
            standard=catalogue,
            inputs=hashes | hash_sources(config, sources),
            code=code_key(),
            versions=versions(),
            bom=bom,
            command=command,
            options=options,
        )
    check_writable(out, command, [config.resolve(one) for one in sources])
    return Started(Run(config, catalogue, hashes, open_cache(cache), notes, clock), manifest, began)


def told_of(inputs: Inputs, judgement: Judgement) -> dict[str, Any]:
    """Return what every manifest tells of its inputs: how many there are, where people went, the engine's figures."""
    cells = 0 if inputs.cells is None else len(inputs.cells)
    counts = {"committees": len(inputs.committees), "facilities": len(inputs.facilities.table), "cells": cells}
    figures = engine_figures(judgement.surveys)
    return {"counts": counts, "people": balance(inputs), "engine": figures, "crs": inputs.crs}


def limits_of(run: Run, time_limit_s: float | None, stop: Stop) -> Limits:
    """Return when a search ends, and how it tells how far it is."""

    def tell(best: float, bound: float) -> None:
        if np.isfinite(best) and np.isfinite(bound):
            run.clock.progress.tell(f"best {best:,.6g}, bound {bound:,.6g}")

    deadline = float("inf") if time_limit_s is None else time.monotonic() + time_limit_s
    return Limits(run.config.suggest.gap, deadline, stop.asked, tell)
