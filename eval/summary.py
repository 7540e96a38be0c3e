"""A run in figures: what reports show and programs read, from the files of its folder alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean, median
from typing import Any

from eval.attempts import Attempt, Entry, proof_lines
from eval.config import SINGLE
from eval.folder import RunFolder
from eval.metrics import interval, mcnemar, pass_at_k, proportion

_SHOWN = 20  # attempts of a problem that a report shows
_TEXT = 4000  # characters of a text that it shows
_POINTS = 400  # of a curve
_NAME = re.compile(r"Unknown (identifier|constant) `[^`]+`")

Json = dict[str, Any]


@dataclass
class _Tally:
    """What the attempts at one problem come to. Costs are those until its first proof, or of all attempts."""

    attempts: int = 0
    proofs: int = 0
    first: int | None = None  # the attempt that proved it, the lowest by number
    all_seconds: float = 0.0
    all_tokens: int = 0
    samples: int = 0
    checks: int = 0
    tokens: int = 0
    seconds: float = 0.0
    text: str | None = None
    one_kernel: bool = False  # of the first proof
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[Attempt] = field(default_factory=list)

    def count(self, attempt: Attempt) -> None:
        self.attempts += 1
        self.reasons.update(attempt.reasons)
        self.all_seconds += attempt.seconds
        self.all_tokens += attempt.tokens
        if attempt.proved:
            self.proofs += 1
            self.first = attempt.number if self.first is None else min(self.first, attempt.number)

    def add(self, attempt: Attempt, texts: bool) -> None:
        """After all have been counted; `texts`: keep some of them to be shown."""
        is_first = attempt.number == self.first
        if self.first is None or attempt.number <= self.first:
            self.samples += attempt.samples
            self.checks += attempt.checks
            self.tokens += attempt.tokens
            self.seconds += attempt.seconds
        if is_first:
            self.text, self.one_kernel = attempt.text, attempt.one_kernel
        if texts and (is_first or len(self.shown) < _SHOWN - (self.first is not None and self.text is None)):
            self.shown.append(_cut(attempt))


def summary(folder: RunFolder, texts: bool = True) -> Json:
    """All figures of a run, as JSON. `texts=False`: without statements, proofs and what Lean said of them, to publish
    results without giving the problems away. Memory grows with the problems, not with the attempts. Raises RunError.
    """
    head, short = folder.manifest, folder.minimised()
    config = head["config"]
    if not texts:  # nor where on somebody's machine they lie
        config = config | {"problems": Path(config["problems"]).name}
    tallies = _tallies(folder, texts)
    problems = [_problem(e, tallies.get(e.name, _Tally()), config["attempts"], short, texts) for e in folder.entries()]
    asked = [p for p in problems if p["status"] != "inexpressible"]
    proved = [p for p in asked if p["status"] == "proved"]
    full = [p for p in asked if _finished(p, config["attempts"])]
    statuses = Counter(p["status"] for p in problems)
    return {
        "name": folder.path.resolve().name,
        "started": head["started"],
        "config": config,
        "versions": head["versions"],
        "complete": len(problems) == head["problems"] and len(full) == len(asked),
        "counts": {
            "problems": len(problems),
            "inexpressible": statuses["inexpressible"],
            "asked": len(asked),
            "proved": len(proved),
            "failed": statuses["failed"],
            "unfinished": statuses["unfinished"],
            "finished": len(full),
            "replaced": sum(p["replaced"] for p in asked),
            "flagged": sum(bool(p["flags"]) for p in problems),
            "proved_flagged": sum(bool(p["flags"]) for p in proved),
            "one_kernel": sum(p["one_kernel"] for p in proved),
        },
        "attempts": config["attempts"],
        "attempts_done": sum(p["attempts"] for p in problems),
        "seconds": round(sum(t.all_seconds for t in tallies.values()), 3),
        "tokens": sum(t.all_tokens for t in tallies.values()),
        "proved_rate": _rate(full),
        "pass_at": _pass_at(full, config["attempts"], config),
        "solved_by_samples": _curve(p["samples"] for p in proved),
        "solved_by_seconds": _curve(p["seconds"] for p in proved),
        "groups": list(_groups(problems, config["attempts"])),
        "per_proved": {key: _spread([p[key] for p in proved]) for key in _COSTS} if proved else {},
        "reasons": dict(sum((t.reasons for t in tallies.values()), Counter[str]()).most_common()),
        "problems": problems,
    }


_COSTS = ("samples", "checks", "tokens", "seconds", "lines")


def report(summaries: Sequence[Json]) -> Json:
    """Runs side by side, each pair of them compared."""
    pairs = [compare(summaries, a, b) for a, b in combinations(range(len(summaries)), 2)]
    same = len({run["config"].get("search") for run in summaries}) == 1
    least = min(run["attempts"] for run in summaries)
    runs = [{**run, "headline": _headline(run, least if same else run["attempts"])} for run in summaries]
    return {"title": ", ".join(run["name"] for run in summaries), "runs": runs, "pairs": pairs}


def _headline(run: Json, k: int) -> Json | None:
    """pass@k of a run, to stand beside other runs' at the same k."""
    asked = [p for p in run["problems"] if p["status"] != "inexpressible"]
    full = [p for p in asked if _finished(p, run["attempts"])]
    return _pass_at(full, run["attempts"], run["config"], (k,))[0] if full else None


def compare(summaries: Sequence[Json], a: int, b: int) -> Json:
    """Two runs on the problems that both have finished.

    Runs of the same search are compared by as many attempts as the one with fewer has, others by all they have: a
    search and a single proof are no like things to count. A problem of the same name that says something else in the
    other run is left out, and counted in `different`.
    """
    attempts = [summaries[k]["attempts"] for k in (a, b)]
    if summaries[a]["config"].get("search") == summaries[b]["config"].get("search"):
        attempts = [min(attempts)] * 2

    def solved(run: Json, attempts: int) -> dict[str, bool]:
        done = (p for p in run["problems"] if p["status"] != "inexpressible" and _finished(p, run["attempts"]))
        return {p["name"]: p["first"] is not None and p["first"] < attempts for p in done}

    ours, theirs = solved(summaries[a], attempts[0]), solved(summaries[b], attempts[1])
    said = [{p["name"]: p["digest"] for p in summaries[k]["problems"]} for k in (a, b)]
    shared = [name for name in ours if name in theirs]
    common = [name for name in shared if said[0][name] == said[1][name]]
    only_a = [name for name in common if ours[name] and not theirs[name]]
    only_b = [name for name in common if theirs[name] and not ours[name]]
    return {
        "a": a,
        "b": b,
        "attempts": attempts,
        "problems": len(common),
        "different": len(shared) - len(common),
        "both": sum(ours[name] and theirs[name] for name in common),
        "neither": sum(not ours[name] and not theirs[name] for name in common),
        "only_a": only_a,
        "only_b": only_b,
        "p": mcnemar(len(only_a), len(only_b)),
    }


def _tallies(folder: RunFolder, texts: bool) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    for attempt in folder.attempts():
        tallies.setdefault(attempt.problem, _Tally()).count(attempt)
    for attempt in folder.attempts():  # once more: now it is known which were before the first proof
        if attempt.problem in tallies:
            tallies[attempt.problem].add(attempt, texts)
    return tallies


def _cut(attempt: Attempt) -> Attempt:
    failures = tuple((reason, detail[:_TEXT], text[:_TEXT]) for reason, detail, text in attempt.failures)
    return replace(attempt, detail=attempt.detail[:_TEXT], text=attempt.text[:_TEXT], failures=failures)


def _finished(problem: Json, attempts: int) -> bool:
    """Has it had all attempts? Until then the proved ones would count for more than the others."""
    return bool(problem["attempts"] >= attempts)


def _problem(entry: Entry, tally: _Tally, attempts: int, short: Mapping[str, str], texts: bool) -> Json:
    statement = "\n".join([*entry.theorem.preamble, entry.theorem.statement])
    if not entry.asked:
        status = "inexpressible"
    elif tally.proofs:
        status = "proved"
    else:
        status = "failed" if tally.attempts >= attempts else "unfinished"
    proof = short.get(entry.name, tally.text) if tally.proofs else None
    return {
        "name": entry.name,
        "split": entry.problem.split,
        "tags": list(entry.problem.tags),
        "status": status,
        "why": entry.why if texts else _public(entry.why),
        "replaced": entry.replaced,
        "flags": [asdict(flag) for flag in entry.flags],
        "digest": hashlib.sha256(statement.encode()).hexdigest()[:16],
        "statement": statement.strip() if texts else "",
        "informal": entry.theorem.informal if texts else "",
        "attempts": tally.attempts,
        "proofs": tally.proofs,
        "first": tally.first,
        "samples": tally.samples,
        "checks": tally.checks,
        "tokens": tally.tokens,
        "seconds": round(tally.seconds, 3),
        "proof": proof if texts else None,
        "one_kernel": tally.one_kernel,
        "lines": None if proof is None else proof_lines(proof),
        "reasons": dict(tally.reasons.most_common()),
        "shown": list(_shown(tally)) if texts else [],
    }


def _shown(tally: _Tally) -> Iterator[Json]:
    for attempt in sorted(tally.shown, key=lambda a: a.number):
        row = {"number": attempt.number, "family": attempt.family, "seconds": attempt.seconds}
        yield row | {"reason": attempt.reason, "detail": attempt.detail, "text": attempt.text}
        for reason, detail, text in attempt.failures:
            yield row | {"reason": reason, "detail": detail, "text": text, "family": ""}


def _public(why: str) -> str:
    """What Lean says of a statement, without any piece of it but a single name."""
    name = _NAME.match(why)
    return name[0] if name else " ".join(why.partition("`")[0].split()[:4])


def _rate(full: Sequence[Json]) -> Json | None:
    """The share that was proved of those that have had all attempts."""
    return asdict(proportion(sum(p["status"] == "proved" for p in full), len(full))) if full else None


def _pass_at(full: Sequence[Json], attempts: int, config: Json, ks: Iterable[int] = ()) -> list[Json]:
    """pass@k, by default for powers of two and for all attempts, over the problems that have had them all.

    Attempts that come in a fixed order are no random draws: there it is the share that the first k proved.
    """
    ordered = config.get("search") == SINGLE and config["policy"]["name"] == "tactics"
    ks = ks or (sorted({attempts, *(2**i for i in range(attempts.bit_length()))}) if full else [])

    def value(problem: Json, k: int) -> float:
        if ordered:
            return float(problem["first"] is not None and problem["first"] < k)
        return pass_at_k(attempts, problem["proofs"], k)

    values = {k: [value(p, k) for p in full] for k in ks if k <= attempts}
    return [{"k": k, **asdict(interval(found))} for k, found in values.items()]


def _curve(costs: Iterable[float]) -> list[list[float]]:
    """[cost, how many were proved for at most that], thinned where there are very many."""
    steps = {cost: number for number, cost in enumerate(sorted(costs), start=1)}
    points = [[cost, number] for cost, number in steps.items()]
    every = -(-len(points) // _POINTS) or 1
    return [p for i, p in enumerate(points) if i % every == 0 or i == len(points) - 1]


def _groups(problems: Sequence[Json], attempts: int) -> Iterator[Json]:
    members: dict[tuple[str, str], list[Json]] = {}
    for problem in problems:
        for kind, name in [("split", problem["split"]), *(("tag", tag) for tag in problem["tags"])]:
            if name:
                members.setdefault((kind, name), []).append(problem)
    for (kind, name), group in sorted(members.items()):
        asked = [p for p in group if p["status"] != "inexpressible"]
        proved = sum(p["status"] == "proved" for p in asked)
        rate = _rate([p for p in asked if _finished(p, attempts)]) or {"value": None, "low": None, "high": None}
        yield {"kind": kind, "name": name, "problems": len(group), "asked": len(asked), "proved": proved, **rate}


def _spread(values: Sequence[float]) -> Json:
    return {"median": median(values), "mean": round(fmean(values), 3), "max": max(values)}
