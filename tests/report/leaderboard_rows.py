"""Rows of a leaderboard made by hand, and records of results as the tasks write them."""

import dataclasses
from pathlib import Path

from interp.core.results import Result
from interp.core.used_files import UsedFiles
from interp.evaluation import Flag, LeaderboardRow, Mean, MovedExplanation, NetworkFacts
from interp.report.records import RecordStore


def mean(value, error=0.01, count=50):
    return Mean(value, error, count)


def moved(name, tau, noise=0.9):
    return MovedExplanation(name, mean(tau), mean(noise), mean(noise - 0.05), 60)


def row(name, strong, taus, *, clean=0.9, **facts):
    """A row of mnist in balls of 0.3, whose explanations have these Kendall taus by name."""
    known = {"method": "Adv", "architecture": "small", "dataset": "mnist", "trained_by": "here", "minutes": 1.5}
    return LeaderboardRow(
        NetworkFacts(name, file=f"{name}.safetensors", **{**known, **facts}),
        0.3,
        "linf",
        mean(clean, 0.02, 200),
        mean(strong, 0.03, 200),
        tuple(moved(explanation, tau) for explanation, tau in taus.items()),
        "all attacks",
        "all searches",
        (Flag("restarts", "five find more"), Flag("cam: noise", "cam: noise finds as much")),
        "official files",
    )


def keep(folder: Path, measured: LeaderboardRow, table: str = "leaderboard_mnist") -> Path:
    """Write the record of a row, of a file of weights with something in it, and return its path."""
    return keep_result(folder, measured, table, measured.facts.name, measured.source)


def keep_result(folder: Path, measured: Result, table: str, name: str, data: str) -> Path:
    """The same of any result of a network."""
    weights = folder / f"{name}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes((0).to_bytes(8, "little") + name.encode())
    files = UsedFiles()
    files.add(weights)
    own = {"result": type(measured).__name__, "data": data, "images": 200, "arguments": {}, "notes": []}
    shown = measured.table()
    told = {"caption": shown.caption, "header": list(shown.header), "rows": [list(cells) for cells in shown.rows]}
    RecordStore(folder).keep(table, name, {**own, **measured.to_json(), **told}, files)
    return folder / table / f"{name}.json"


def published(measured: LeaderboardRow) -> LeaderboardRow:
    return dataclasses.replace(measured, facts=dataclasses.replace(measured.facts, trained_by="published"))
