"""Small training runs: a toy corpus, and a program that trains on it and can be killed."""

from __future__ import annotations

import json
import random
from pathlib import Path

SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_nextn_predict_layers": 1}
MODEL = {"preset": "tiny", "changes": SHAPE, "vocabulary": 320}


def corpus(file: Path, count: int = 60, first: int = 0) -> Path:
    """Pairs of two kinds, the one or the other of them first, whose proofs follow from the statement."""
    chance, rows = random.Random(0), []
    for number in range(count):
        a, b, c = chance.sample("abcdefgk", 3)
        if (number + first) % 2:
            said, proof = f"({a} {b} {c} : Nat) (h : {a} < {b}) : {c} + {a} < {c} + {b}", "omega"
        else:
            said, proof = f"({a} {b} : Prop) (h : {a} ∧ {b}) : {b} ∧ {a}", "have g := h\nexact ⟨g.2, g.1⟩"
        row = {"name": f"t{number}", "header": "", "formal_statement": f"theorem t{number} {said} := by"}
        rows.append(json.dumps({**row, "formal_proof": proof}) + "\n")
    file.write_text("".join(rows), encoding="utf-8")
    return file


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
