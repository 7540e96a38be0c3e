"""Reports as Markdown tables. Texts from problems and models cannot change the tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_COUNTS = {
    "problems": "problems", "inexpressible": "not expressible", "asked": "asked", "replaced": "with core's header",
    "proved": "proved", "refuted": "refuted", "failed": "failed", "unfinished": "unfinished", "flagged": "flagged",
    "proved_flagged": "proved, but flagged", "one_kernel": "by Lean's kernel alone",
}  # fmt: skip
_SPENT = ("samples", "checks", "tokens", "seconds", "lines")


def dumps(report: Mapping[str, Any]) -> bytes:
    """Return the report as UTF-8 Markdown: everything but statements, proofs and attempts."""
    runs = report["runs"]
    parts = [f"# {_escaped(report['title'])}", *_headline(runs), *_pass_at(runs)]
    if report["pairs"]:
        parts += _pairs(report["pairs"], runs)
    parts += [*_groups(runs), *_cost(runs), *_reasons(runs), *_flags(runs), *_configuration(runs)]
    for run in runs:
        parts += _problems(run, len(runs) > 1)
    return ("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace")


def _headline(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    headlines = [
        run.get("headline") or (run["proved_rate"] and {**run["proved_rate"], "k": run["attempts"]}) for run in runs
    ]
    rates = [f"pass@{_number(headline['k'])}: {_rate(headline)}" if headline else "–" for headline in headlines]
    refuted = any(run["counts"].get("refuted") for run in runs)
    columns = {key: name for key, name in _COUNTS.items() if key != "refuted" or refuted}
    rows = [
        [run["name"], *(_number(run["counts"].get(key, 0)) for key in columns), rate]
        for run, rate in zip(runs, rates, strict=True)
    ]
    yield _table(["run", *columns.values(), "proved of those finished"], rows)
    yield (
        "Problems are those not expressible and those asked; those asked are proved, "
        f"{'refuted, ' if refuted else ''}failed or unfinished. Those are "
        "finished that have had all attempts. "
        "In brackets: 95 % intervals."
    )
    for run in runs:
        if not run["complete"]:
            yield f"**{_escaped(run['name'])} is not finished: its figures will change.**"


def _pass_at(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    rows_by_k = [{entry["k"]: entry for entry in run["pass_at"]} for run in runs]
    ks = sorted(set().union(*rows_by_k))
    if ks:
        yield "## pass@k"
        rows = [[str(k), *(_rate(run.get(k)) for run in rows_by_k)] for k in ks]
        yield _table(["k", *(run["name"] for run in runs)], rows)


def _pairs(pairs: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    names = [(runs[pair["a"]]["name"], runs[pair["b"]]["name"]) for pair in pairs]
    yield "## Pairs of runs"
    yield _table(
        ["A", "B", "finished in both", "both proved", "only A", "only B", "neither", "McNemar's exact p"],
        [
            [*name, *map(_number, (pair["problems"], pair["both"], len(pair["only_a"]), len(pair["only_b"]))),
             _number(pair["neither"]), _p(pair["p"])]
            for name, pair in zip(names, pairs, strict=True)
        ],
    )  # fmt: skip
    for (a, b), pair in zip(names, pairs, strict=True):
        numbers = pair["attempts"]
        for one, other, number, only in ((a, b, numbers[0], pair["only_a"]), (b, a, numbers[1], pair["only_b"])):
            if only:
                first = f" in its first {_number(number)} attempts"
                yield f"Proved by {_escaped(one)}{first}, not by {_escaped(other)}: {', '.join(map(_escaped, only))}."


def _groups(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    groups_by_run = [{(group["kind"], group["name"]): group for group in run["groups"]} for run in runs]
    keys = dict.fromkeys(key for run in groups_by_run for key in run)
    if not keys:
        return
    yield "## Groups"
    names = [part for run in runs for part in (f"{run['name']}: proved / asked / problems", "rate")]
    rows = []
    for key in keys:
        row = [*key]
        for groups in groups_by_run:
            group = groups.get(key)
            row += ["–", "–"] if group is None else [
                " / ".join(_number(group[count]) for count in ("proved", "asked", "problems")), _rate(group)
            ]  # fmt: skip
        rows.append(row)
    yield _table(["kind", "group", *names], rows)


def _cost(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    rows = [
        [run["name"], spent, *(_number(run["per_proved"][spent][what]) for what in ("median", "mean", "max"))]
        for run in runs
        for spent in _SPENT
        if spent in run["per_proved"]
    ]
    if rows:
        yield "## Cost of a proved problem"
        yield _table(["run", "", "median", "mean", "max"], rows)


def _reasons(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    reasons = dict.fromkeys(reason for run in runs for reason in run["reasons"])
    if reasons:
        yield "## How proofs that were tried ended"
        rows = [[reason, *(_number(run["reasons"].get(reason, 0)) for run in runs)] for reason in reasons]
        yield _table(["reason", *(run["name"] for run in runs)], rows)


def _flags(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    rows = [
        [run["name"], problem["name"], problem["status"], flag["kind"], flag["detail"]]
        for run in runs
        for problem in run["problems"]
        for flag in problem["flags"]
    ]
    if rows:
        yield "## Flagged problems"
        yield "These statements may not say what was meant; a proof of one then says nothing about that."
        yield _table(["run", "problem", "status", "flag", "detail"], rows)


def _configuration(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    columns = [
        {
            "started": run["started"], "attempts for each problem": _number(run["attempts"]),
            "attempts done": _number(run["attempts_done"]), "seconds of search": _number(run["seconds"]),
            **dict(_flat(run["config"])), **{f"version of {what}": value for what, value in run["versions"].items()},
        }
        for run in runs
    ]  # fmt: skip
    yield "## Configuration and versions"
    keys = dict.fromkeys(key for run in columns for key in run)
    yield _table(["", *(run["name"] for run in runs)], [[key, *(run.get(key, "–") for run in columns)] for key in keys])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "–" if value in (None, "") else str(value)


def _problems(run: Mapping[str, Any], several: bool) -> Iterable[str]:
    yield f"## Problems: {_escaped(run['name'])}" if several else "## Problems"
    rows = []
    for problem in run["problems"]:
        spent = ["–" if problem[key] is None else _number(problem[key]) for key in _SPENT if key != "tokens"]
        kinds = dict.fromkeys(flag["kind"] for flag in problem["flags"])
        rows.append([problem["name"], problem["status"], *spent, ", ".join(kinds)])
    yield _table(["problem", "status", "samples", "checks", "seconds", "lines", "flags"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *(map(_escaped, row) for row in rows)]
    lines[0] = [_escaped(name) for name in head]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escaped(text: str) -> str:
    """Return one line without any markup. An underscore inside a word is none, and names are full of them."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)
    return re.sub(r"[\\`*\[\]<>|~&$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", line).strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _rate(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "–"
    low, value, high = (f"{100 * entry[key]:.1f}" for key in ("low", "value", "high"))
    return f"{value} % ({low}–{high})"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
