"""Reports to test with, as eval/summary.py makes them, with invented problems."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

FLAGS = ("auto-bound", "unbound", "contradictory", "truncated", "idle-hypotheses", "duplicate", "differs")
AREAS = ("algebra", "number_theory", "induction", "analysis")


def problem(name: str, status: str = "failed", **changes: Any) -> dict[str, Any]:
    """One that was tried four times, in vain unless told."""
    proved = status == "proved"
    shown = [attempt(n, "proved" if proved and n == 4 else "error") for n in range(1, 5)]
    if status == "inexpressible":
        shown = []
    return {
        "name": name, "split": "valid", "tags": [], "status": status,
        "why": "unknown identifier 'Finset.sum'" if status == "inexpressible" else "", "flags": [],
        "statement": f"theorem {name} (n : Nat) (h₀ : 0 < n) : n ∣ n * n + n", "informal": f"Show that {name} holds.",
        "attempts": len(shown), "proofs": int(proved), "samples": len(shown), "checks": len(shown),
        "tokens": 90 * len(shown), "seconds": 0.5 * len(shown),
        "proof": "intro h\nomega" if proved else None, "lines": 2 if proved else None,
        "reasons": dict(Counter(each["reason"] for each in shown)), "shown": shown, **changes,
    }  # fmt: skip


def attempt(number: int, reason: str = "error", **changes: Any) -> dict[str, Any]:
    detail = "" if reason == "proved" else f"1:{number}: unknown identifier 'lemma{number}'\nn : Nat\n⊢ n ∣ n * n + n"
    text = "intro h\nomega" if reason == "proved" else f"exact lemma{number}"
    return {
        "number": number, "reason": reason, "detail": detail, "text": text, "family": "cot", "seconds": 0.5, **changes
    }  # fmt: skip


def run(name: str, problems: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A run whose figures follow from its problems; the intervals are wide, and not Wilson's."""
    asked = [each for each in problems if each["status"] != "inexpressible"]
    finished = [each for each in asked if each["status"] != "unfinished"]
    proved = [each for each in asked if each["status"] == "proved"]
    statuses = Counter(each["status"] for each in problems)
    flagged = [each for each in problems if each["flags"]]
    most = max((each["attempts"] for each in problems), default=1)
    ks = [2**n for n in range(11) if 2**n <= most] if asked else []
    keys = [("split", each) for each in dict.fromkeys(p["split"] for p in problems)]
    keys += [("tag", tag) for tag in dict.fromkeys(tag for p in problems for tag in p["tags"])]
    spent = {key: sorted(each[key] for each in proved) for key in ("samples", "checks", "tokens", "seconds", "lines")}
    return {
        "name": name, "started": "2026-11-22T23:00:00Z",
        "config": {
            "problems": "minif2f", "split": "valid", "header": "core", "policy": {"name": "tactics"},
            "search": "sampling", "attempts": most, "budget": {"samples": most, "seconds": 600}, "seed": 0,
        },
        "versions": {"prover": "0.1.0", "lean": "4.28.0 (embedded)", "policy": name},
        "complete": not statuses["unfinished"],
        "counts": {
            "problems": len(problems), "inexpressible": statuses["inexpressible"], "asked": len(asked),
            "proved": len(proved), "failed": statuses["failed"], "unfinished": statuses["unfinished"],
            "finished": len(finished), "replaced": 0,
            "flagged": len(flagged), "proved_flagged": sum(each["status"] == "proved" for each in flagged),
            "one_kernel": 0,
        },
        "attempts": most, "attempts_done": sum(each["attempts"] for each in asked),
        "seconds": sum(each["seconds"] for each in asked),
        "proved_rate": rate(len(proved), len(finished)) if finished else None,
        "pass_at": [{"k": k, **rate(sum(each["samples"] <= k for each in proved), len(asked))} for k in ks],
        "solved_by_samples": steps(spent["samples"]), "solved_by_seconds": steps(spent["seconds"]),
        "groups": [group(problems, *key) for key in keys],
        "per_proved": {
            key: {"median": values[len(values) // 2], "mean": sum(values) / len(values), "max": values[-1]}
            for key, values in spent.items()
            if values
        },
        "reasons": dict(sum((Counter(each["reasons"]) for each in asked), Counter())),
        "problems": problems, **changes,
    }  # fmt: skip


def group(problems: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    here = [p for p in problems if (p["split"] == name if kind == "split" else name in p["tags"])]
    asked = [p for p in here if p["status"] != "inexpressible"]
    proved = sum(p["status"] == "proved" for p in asked)
    return {
        "kind": kind, "name": name, "problems": len(here), "asked": len(asked), "proved": proved,
        **rate(proved, sum(p["status"] != "unfinished" for p in asked)),
    }  # fmt: skip


def rate(part: int, whole: int) -> dict[str, float | None]:
    if not whole:
        return {"value": None, "low": None, "high": None}
    value = part / whole
    return {"value": value, "low": max(0.0, value - 0.07), "high": min(1.0, value + 0.06)}


def steps(values: list[float]) -> list[list[float]]:
    return [[value, sum(each <= value for each in values)] for value in dict.fromkeys(values)]


def report(title: str, *runs: dict[str, Any]) -> dict[str, Any]:
    pairs = [pair(runs, a, b) for b in range(len(runs)) for a in range(b)]
    return {"title": title, "runs": list(runs), "pairs": pairs}


def pair(runs: tuple[dict[str, Any], ...], a: int, b: int) -> dict[str, Any]:
    """Of the problems that both have finished."""
    finished = ([p for p in runs[r]["problems"] if p["status"] in ("proved", "failed")] for r in (a, b))
    one, other = ({p["name"]: p["status"] == "proved" for p in problems} for problems in finished)
    names = [name for name in one if name in other]
    only_a = [name for name in names if one[name] and not other[name]]
    only_b = [name for name in names if other[name] and not one[name]]
    fewer, more = sorted((len(only_a), len(only_b)))
    chance = sum(math.comb(fewer + more, i) for i in range(fewer + 1)) / 2 ** (fewer + more)
    return {
        "a": a, "b": b, "attempts": [min(runs[a]["attempts"], runs[b]["attempts"])] * 2, "different": 0,
        "problems": len(names), "both": sum(one[n] and other[n] for n in names),
        "neither": sum(not one[n] and not other[n] for n in names),
        "only_a": only_a, "only_b": only_b, "p": min(1.0, 2 * chance),
    }  # fmt: skip


def drawn(name: str, count: int, attempts: int, skill: float, seed: int) -> dict[str, Any]:
    """A run of many problems of all kinds; the same seed gives the same problems."""
    kinds, luck = random.Random(seed), random.Random(f"{name} {seed}")
    problems = []
    for n in range(count):
        area, hard, asked = kinds.choice(AREAS), kinds.random(), kinds.random() < 0.6
        flags = [{"kind": kinds.choice(FLAGS), "detail": "h₀ and h₁ give False"}] if kinds.random() < 0.06 else []
        until = min(attempts, int(luck.expovariate(1) * 4 ** (6 * hard) / skill) + 1)
        status = "inexpressible" if not asked else "proved" if until < attempts else "failed"
        shown = [
            attempt(i, luck.choice(["error", "error", "error", "timeout", "sorry"])) for i in range(1, min(until, 20))
        ]
        tried = until if asked else 0
        if status == "proved":
            shown.append(attempt(until, "proved"))
        changes: dict[str, Any] = {
            "attempts": attempts if asked else 0, "proofs": int(status == "proved") * (1 + attempts // until // 2),
            "samples": tried, "checks": tried, "tokens": tried * 93, "seconds": tried * luck.uniform(0.1, 3),
            "reasons": dict(Counter(each["reason"] for each in shown)), "shown": shown if asked else [],
            "flags": flags, "tags": [area, f"level {int(hard * 5) + 1}"], "split": "test" if n % 2 else "valid",
        }  # fmt: skip
        problems.append(problem(f"{area}_{n}", status, **changes))
    return run(name, problems)
