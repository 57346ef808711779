"""Rows of a leaderboard made by hand, and their records as the task writes them."""

import dataclasses
from pathlib import Path

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
    weights = folder / measured.facts.file
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes((0).to_bytes(8, "little") + measured.facts.name.encode())
    files = UsedFiles()
    files.add(weights)
    own = {"result": "LeaderboardRow", "data": measured.source, "images": 200, "arguments": {}, "notes": []}
    shown = measured.table()
    told = {"caption": shown.caption, "header": list(shown.header), "rows": [list(cells) for cells in shown.rows]}
    RecordStore(folder).keep(table, measured.facts.name, {**measured.to_json(), **own, **told}, files)
    return folder / table / f"{measured.facts.name}.json"


def published(measured: LeaderboardRow) -> LeaderboardRow:
    return dataclasses.replace(measured, facts=dataclasses.replace(measured.facts, trained_by="published"))
