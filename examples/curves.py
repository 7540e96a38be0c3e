"""Draws the curves of examples/learn.py: the loss of SFT, GRPO's three seeds, and the proved share.

pip install matplotlib && python examples/curves.py FOLDER PICTURE.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt

STAGES = {"before": "before", "sft": "SFT", "expert-iteration": "expert\niteration"}


def column(file: Path, name: str) -> list[float]:
    """Return the values of a metric in a run."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [row[name] for row in rows if name in row]


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return running means."""
    return [fmean(values[max(0, n - width) : n + 1]) for n in range(len(values))]


def main(folder: Path, picture: Path) -> None:
    """Draw the picture."""
    results: dict[str, Any] = json.loads((folder / "learning.json").read_text("utf-8"))
    seeds = sorted(name for name in results if name.startswith("grpo-"))
    figure, (loss, tokens, rates) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")

    loss.plot(smooth(column(folder / "sft" / "metrics.jsonl", "loss"), 20))
    loss.set(title="SFT", xlabel="update", ylabel="loss")
    for number, name in enumerate(seeds):
        for metric, style in (("entropy", "-"), ("kl", ":")):
            values = smooth(column(folder / name / "metrics.jsonl", metric), 5)
            tokens.plot(values, style, color=f"C{number}", label=f"{metric}, seed {number}")
    tokens.set(title="GRPO: entropy, distance from the start", xlabel="update", ylabel="nats")
    tokens.legend(fontsize="small")

    labels = {**STAGES, **{name: name.upper().replace("-", "\n") for name in seeds}}
    for k, colour in ((8, "tab:cyan"), (1, "tab:blue")):
        rows = [next(row for row in results[name]["all"]["pass"] if row[0] == k) for name in labels]
        values = [100 * value for _, value, _, _ in rows]
        errors = [[100 * (v - low) for _, v, low, _ in rows], [100 * (high - v) for _, v, _, high in rows]]
        rates.errorbar(range(len(labels)), values, errors, fmt="o-", capsize=3, color=colour, label=f"pass@{k}")
        tactics = next(100 * row[1] for row in results["tactics"]["all"]["pass"] if row[0] == k)
        rates.axhline(tactics, color=colour, linestyle=":", label=f"tactics, {k} check{'s' * (k > 1)}")
    rates.set(title="Held-out theorems", xticks=range(len(labels)), xticklabels=labels.values(), ylabel="% proved")
    rates.legend(fontsize="small")
    figure.savefig(picture, metadata={"Creator": None, "Date": None} if picture.suffix == ".svg" else None)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/curves.py FOLDER PICTURE")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
