"""Figures of a run, for reports and programs, from the files of its folder alone."""

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

from eval.attempts import REFUTED, Attempt, Entry, proof_lines
from eval.config import SINGLE
from eval.folder import RunFolder
from eval.metrics import mcnemar, mean_interval, pass_at_k, proportion_interval

_MAX_SHOWN = 20  # attempts of a problem in a report
_MAX_TEXT = 4000  # characters of a text in a report
_MAX_POINTS = 400  # of a curve
_UNKNOWN_NAME = re.compile(r"Unknown (identifier|constant) `[^`]+`")

Json = dict[str, Any]


@dataclass
class _Tally:
    """The sums over the attempts at one problem. Costs are those until its first proof, or of all attempts."""

    attempts: int = 0
    proofs: int = 0
    first: int | None = None  # the lowest number of an attempt with a proof
    all_seconds: float = 0.0
    all_tokens: int = 0
    samples: int = 0
    checks: int = 0
    tokens: int = 0
    seconds: float = 0.0
    text: str | None = None
    one_kernel: bool = False  # of the first proof
    refutation: str = ""  # of a statement that does not hold: what its counterexample is
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[Attempt] = field(default_factory=list)

    def count(self, attempt: Attempt) -> None:
        """Add an attempt to the counts."""
        self.attempts += 1
        self.reasons.update(attempt.reasons)
        self.all_seconds += attempt.seconds
        self.all_tokens += attempt.tokens
        if attempt.reason == REFUTED:
            self.refutation = attempt.detail
        if attempt.proved:
            self.proofs += 1
            self.first = attempt.number if self.first is None else min(self.first, attempt.number)

    def add(self, attempt: Attempt, texts: bool) -> None:
        """Add an attempt to the costs, once all are counted. texts: keep some attempts to show."""
        is_first = attempt.number == self.first
        if self.first is None or attempt.number <= self.first:
            self.samples += attempt.samples
            self.checks += attempt.checks
            self.tokens += attempt.tokens
            self.seconds += attempt.seconds
        if is_first:
            self.text, self.one_kernel = attempt.text, attempt.one_kernel
        if texts and (is_first or len(self.shown) < _MAX_SHOWN - (self.first is not None and self.text is None)):
            self.shown.append(_truncate_texts(attempt))


def summarise(folder: RunFolder, texts: bool = True) -> Json:
    """Return all figures of a run, as JSON. Raises RunError.

    texts=False: without statements, proofs and messages about them, to publish results without the problems. Memory
    grows with the problems, not with the attempts.
    """
    header, shortened = folder.manifest, folder.minimised()
    config = header["config"]
    if not texts:  # nor the path of their file
        config = config | {"problems": Path(config["problems"]).name}
    tallies = _tallies(folder, texts)
    problems = [
        _problem_row(e, tallies.get(e.name, _Tally()), config["attempts"], shortened, texts) for e in folder.entries()
    ]
    asked = [p for p in problems if p["status"] != "inexpressible"]
    proved = [p for p in asked if p["status"] == "proved"]
    finished = [p for p in asked if _is_finished(p, config["attempts"])]
    statuses = Counter(p["status"] for p in problems)
    return {
        "name": folder.path.resolve().name,
        "started": header["started"],
        "config": config,
        "versions": header["versions"],
        "complete": len(problems) == header["problems"] and len(finished) == len(asked),
        "counts": {
            "problems": len(problems),
            "inexpressible": statuses["inexpressible"],
            "asked": len(asked),
            "proved": len(proved),
            "refuted": statuses["refuted"],
            "failed": statuses["failed"],
            "unfinished": statuses["unfinished"],
            "finished": len(finished),
            "replaced": sum(p["replaced"] for p in asked),
            "flagged": sum(bool(p["flags"]) for p in problems),
            "proved_flagged": sum(bool(p["flags"]) for p in proved),
            "one_kernel": sum(p["one_kernel"] for p in proved),
        },
        "attempts": config["attempts"],
        "attempts_done": sum(p["attempts"] for p in problems),
        "seconds": round(sum(t.all_seconds for t in tallies.values()), 3),
        "tokens": sum(t.all_tokens for t in tallies.values()),
        "proved_rate": _proved_rate(finished),
        "pass_at": _pass_at(finished, config["attempts"], config),
        "solved_by_samples": _curve(p["samples"] for p in proved),
        "solved_by_seconds": _curve(p["seconds"] for p in proved),
        "groups": list(_group_rows(problems, config["attempts"])),
        "per_proved": {key: _spread([p[key] for p in proved]) for key in _COST_KEYS} if proved else {},
        "reasons": dict(sum((t.reasons for t in tallies.values()), Counter[str]()).most_common()),
        "problems": problems,
    }


_COST_KEYS = ("samples", "checks", "tokens", "seconds", "lines")


def build_report(summaries: Sequence[Json]) -> Json:
    """Return the report of several runs, each pair of them compared."""
    pairs = [compare_runs(summaries, a, b) for a, b in combinations(range(len(summaries)), 2)]
    same_search = len({run["config"].get("search") for run in summaries}) == 1
    min_attempts = min(run["attempts"] for run in summaries)
    runs = [{**run, "headline": _headline(run, min_attempts if same_search else run["attempts"])} for run in summaries]
    return {"title": ", ".join(run["name"] for run in summaries), "runs": runs, "pairs": pairs}


def _headline(run: Json, k: int) -> Json | None:
    """Return pass@k of a run, for comparison with other runs at the same k."""
    asked = [p for p in run["problems"] if p["status"] != "inexpressible"]
    finished = [p for p in asked if _is_finished(p, run["attempts"])]
    return _pass_at(finished, run["attempts"], run["config"], (k,))[0] if finished else None


def compare_runs(summaries: Sequence[Json], a: int, b: int) -> Json:
    """Compare two runs on the problems that both have finished.

    Runs of the same search are compared at the smaller number of attempts, others at all they have: a search and a
    single proof cannot be counted alike. A problem with the same name but another statement in the other run is left
    out, and counted in `different`.
    """
    attempts = [summaries[k]["attempts"] for k in (a, b)]
    if summaries[a]["config"].get("search") == summaries[b]["config"].get("search"):
        attempts = [min(attempts)] * 2

    def solved(run: Json, attempts: int) -> dict[str, bool]:
        finished = (p for p in run["problems"] if p["status"] != "inexpressible" and _is_finished(p, run["attempts"]))
        return {p["name"]: p["first"] is not None and p["first"] < attempts for p in finished}

    solved_by_a, solved_by_b = solved(summaries[a], attempts[0]), solved(summaries[b], attempts[1])
    digests = [{p["name"]: p["digest"] for p in summaries[k]["problems"]} for k in (a, b)]
    shared = [name for name in solved_by_a if name in solved_by_b]
    common = [name for name in shared if digests[0][name] == digests[1][name]]
    only_a = [name for name in common if solved_by_a[name] and not solved_by_b[name]]
    only_b = [name for name in common if solved_by_b[name] and not solved_by_a[name]]
    return {
        "a": a,
        "b": b,
        "attempts": attempts,
        "problems": len(common),
        "different": len(shared) - len(common),
        "both": sum(solved_by_a[name] and solved_by_b[name] for name in common),
        "neither": sum(not solved_by_a[name] and not solved_by_b[name] for name in common),
        "only_a": only_a,
        "only_b": only_b,
        "p": mcnemar(len(only_a), len(only_b)),
    }


def _tallies(folder: RunFolder, texts: bool) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    for attempt in folder.attempts():
        tallies.setdefault(attempt.problem, _Tally()).count(attempt)
    for attempt in folder.attempts():  # a second pass, once the first proofs are known
        if attempt.problem in tallies:
            tallies[attempt.problem].add(attempt, texts)
    return tallies


def _truncate_texts(attempt: Attempt) -> Attempt:
    failures = tuple((reason, detail[:_MAX_TEXT], text[:_MAX_TEXT]) for reason, detail, text in attempt.failures)
    return replace(attempt, detail=attempt.detail[:_MAX_TEXT], text=attempt.text[:_MAX_TEXT], failures=failures)


def _is_finished(problem: Json, attempts: int) -> bool:
    """Return whether the problem has had all attempts. Before, proved problems would count for more than others."""
    return bool(problem["attempts"] >= attempts)


def _problem_row(entry: Entry, tally: _Tally, attempts: int, shortened: Mapping[str, str], texts: bool) -> Json:
    statement = "\n".join([*entry.theorem.preamble, entry.theorem.statement])
    if not entry.asked:
        status = "inexpressible"
    elif tally.proofs:
        status = "proved"
    elif tally.refutation:
        status = "refuted"
    else:
        status = "failed" if tally.attempts >= attempts else "unfinished"
    proof = shortened.get(entry.name, tally.text) if tally.proofs else None
    return {
        "name": entry.name,
        "split": entry.problem.split,
        "tags": list(entry.problem.tags),
        "status": status,
        "why": (entry.why or tally.refutation) if texts else _redacted(entry.why),
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
        "shown": list(_shown_rows(tally)) if texts else [],
    }


def _shown_rows(tally: _Tally) -> Iterator[Json]:
    for attempt in sorted(tally.shown, key=lambda a: a.number):
        row = {"number": attempt.number, "family": attempt.family, "seconds": attempt.seconds}
        yield row | {"reason": attempt.reason, "detail": attempt.detail, "text": attempt.text}
        for reason, detail, text in attempt.failures:
            yield row | {"reason": reason, "detail": detail, "text": text, "family": ""}


def _redacted(why: str) -> str:
    """Return Lean's message about a statement, without any text of it but a single name."""
    name = _UNKNOWN_NAME.match(why)
    return name[0] if name else " ".join(why.partition("`")[0].split()[:4])


def _proved_rate(finished: Sequence[Json]) -> Json | None:
    """Return the proved share of the finished problems; None if there are none."""
    return (
        asdict(proportion_interval(sum(p["status"] == "proved" for p in finished), len(finished))) if finished else None
    )


def _pass_at(finished: Sequence[Json], attempts: int, config: Json, ks: Iterable[int] = ()) -> list[Json]:
    """Return pass@k over the finished problems, by default for powers of two and for all attempts.

    Attempts in a fixed order are no random draws: there it is the share that the first k attempts proved.
    """
    ordered = config.get("search") == SINGLE and config["policy"]["name"] == "tactics"
    ks = ks or (sorted({attempts, *(2**i for i in range(attempts.bit_length()))}) if finished else [])

    def value(problem: Json, k: int) -> float:
        if ordered:
            return float(problem["first"] is not None and problem["first"] < k)
        return pass_at_k(attempts, problem["proofs"], k)

    values = {k: [value(p, k) for p in finished] for k in ks if k <= attempts}
    return [{"k": k, **asdict(mean_interval(numbers))} for k, numbers in values.items()]


def _curve(costs: Iterable[float]) -> list[list[float]]:
    """Return points [cost, number of problems proved at that cost or less], thinned if there are very many."""
    steps = {cost: number for number, cost in enumerate(sorted(costs), start=1)}
    points = [[cost, number] for cost, number in steps.items()]
    every = -(-len(points) // _MAX_POINTS) or 1
    return [p for i, p in enumerate(points) if i % every == 0 or i == len(points) - 1]


def _group_rows(problems: Sequence[Json], attempts: int) -> Iterator[Json]:
    members: dict[tuple[str, str], list[Json]] = {}
    for problem in problems:
        for kind, name in [("split", problem["split"]), *(("tag", tag) for tag in problem["tags"])]:
            if name:
                members.setdefault((kind, name), []).append(problem)
    for (kind, name), group in sorted(members.items()):
        asked = [p for p in group if p["status"] != "inexpressible"]
        proved = sum(p["status"] == "proved" for p in asked)
        rate = _proved_rate([p for p in asked if _is_finished(p, attempts)]) or {
            "value": None,
            "low": None,
            "high": None,
        }
        yield {"kind": kind, "name": name, "problems": len(group), "asked": len(asked), "proved": proved, **rate}


def _spread(values: Sequence[float]) -> Json:
    return {"median": median(values), "mean": round(fmean(values), 3), "max": max(values)}
