"""A first process that says "proved" of everything, and exports what it likes: nothing of it gets past the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lean_env import Claim, LeanPool, Reason, Verdict, Worker, embedded

FALSE = Claim("theorem t : 1 + 1 = 3 := by sorry", "theorem t : 1 + 1 = 3 := by decide", "t")
TRUE = "theorem t : 1 + 1 = 2 := rfl"

Row = dict[str, Any]


@pytest.fixture(scope="module")
async def confirmer() -> AsyncIterator[Worker]:
    worker = Worker(embedded())
    yield worker
    await worker.close()


async def exported(worker: Worker, solution: str) -> str:
    """What an honest process exports of a solution of `t`."""
    statement = solution[solution.index("theorem t") :].split(":=")[0]
    prelude = solution[: solution.index("theorem t")]
    verdict, additions = await worker.elaborate_solution(Claim(f"{prelude}{statement}:= by sorry", solution, "t"))
    assert additions, verdict
    return additions


def edited(additions: str, edit: Callable[[Row], None]) -> str:
    rows = [json.loads(line) for line in additions.splitlines()]
    for row in rows:
        edit(row)
    return "".join(json.dumps(row) + "\n" for row in rows)


def literal(row: Row) -> None:
    """2 becomes 3, in the statement as well."""
    if row.get("natVal") == "2":
        row["natVal"] = "3"


def as_axiom(row: Row) -> None:
    if "thm" in row:
        theorem = row.pop("thm")
        row["axiom"] = {**{key: theorem[key] for key in ("name", "levelParams", "type")}, "isUnsafe": False}


def unsafe(row: Row) -> None:
    if "thm" in row:
        row["opaque"] = {**row.pop("thm"), "isUnsafe": True}


def loose(row: Row) -> None:
    if "const" in row:
        row["bvar"] = row.pop("const")["name"]


def undefined(row: Row) -> None:
    if "thm" in row:
        row["thm"]["value"] = 10**9


def huge(row: Row) -> None:
    for key in ("bvar", "sort"):
        if key in row:
            row[key] = 2**40


def negative(row: Row) -> None:
    if "app" in row:
        row["app"]["fn"] = -1


def proto(row: Row) -> None:
    if "app" in row:
        row["app"]["fn"] = "__proto__"


def no_kind(row: Row) -> None:
    if "thm" in row:
        row["constructor"] = row.pop("thm")


EDITS = [literal, as_axiom, unsafe, loose, undefined, huge, negative, proto, no_kind]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_a_changed_export_proves_nothing(confirmer: Worker, edit: Callable[[Row], None]) -> None:
    additions = edited(await exported(confirmer, TRUE), edit)
    verdict = await confirmer.confirm(FALSE, additions)
    assert verdict.reason in (Reason.KERNEL, Reason.AXIOM, Reason.STATEMENT, Reason.MISSING), verdict


@pytest.mark.parametrize(
    "text", ["", "\n", "[]", "{", '{"meta":{}}\n[1]\n', '{"meta":{}}\nnull\n', '{"meta":{}}\n{"thm":{}}\n']
)
async def test_what_is_no_export_proves_nothing(confirmer: Worker, text: str) -> None:
    assert (await confirmer.confirm(FALSE, text)).reason in (Reason.KERNEL, Reason.MISSING)
    assert (await confirmer.confirm(FALSE, (await exported(confirmer, TRUE))[:-20])).reason in (
        Reason.KERNEL,
        Reason.MISSING,
    )


async def test_a_process_that_lies_in_every_answer(confirmer: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pool believes it of nothing; and an honest export in the same place is believed, so that this can fail."""
    told = ""

    async def lie(self: Worker, claim: Claim, timeout: float = 60.0) -> tuple[Verdict, str]:
        return Verdict(Reason.PROVED, kernels=("lean", "open-prover")), told

    honest = await exported(confirmer, TRUE)
    async with LeanPool(workers=1) as pool:
        monkeypatch.setattr(Worker, "elaborate_solution", lie)
        assert (await pool.judge(FALSE)).reason is Reason.UNCONFIRMED
        told = honest
        assert (await pool.judge(FALSE)).reason is Reason.UNCONFIRMED
        told = edited(honest, literal)
        assert (await pool.judge(FALSE)).reason is Reason.KERNEL
        told = honest
        claim = Claim("theorem t : 1 + 1 = 2 := by sorry", "nonsense", "t")
        assert (await pool.judge(claim)).kernels == ("lean", "open-prover")


async def test_definitions_of_the_challenge_cannot_be_exchanged(confirmer: Worker) -> None:
    additions = await exported(confirmer, "def one := 2\ntheorem t : 1 + 1 = one := rfl")
    claim = Claim("def one := 1\ntheorem t : 1 + 1 = one := by sorry", "", "t")
    assert (await confirmer.confirm(claim, additions)).reason is Reason.STATEMENT
    claim = Claim("def one := 2\ntheorem t : 1 + 1 = one := by sorry", "", "t")
    assert (await confirmer.confirm(claim, additions)).proved
