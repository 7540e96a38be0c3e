"""Confirming a proof: what a process says that has not seen the solution, and what our own kernel says."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from lean_env.embedded import install
from lean_env.kernel import Finding, Kernel
from lean_env.verdict import LEAN, OWN, Claim, Reason, Verdict, conclude


def second_look(confirmation: dict[str, Any], claim: Claim) -> Verdict:
    """The Verdict of the process to whose kernel the solution's declarations were given (driver/rebuild.cjs)."""
    if confirmation["refused"] is not None:
        return Verdict(Reason.KERNEL, f"Lean's kernel does not accept {confirmation['refused']}")
    return replace(conclude(confirmation["facts"], claim), kernels=(LEAN,))


async def third_look(kernel: Kernel, confirmation: dict[str, Any], verdict: Verdict, seconds: float) -> Verdict:
    """The Verdict once our kernel has checked what the second look has found proved.

    Where ours meets a limit of its own, Lean's kernel alone is believed if the solution adds no inductive type: what
    went wrong in Lean's kernel so far had to do with these.
    """
    export = confirmation["export"]
    finding = await kernel.check(export["ndjson"], export["given"], seconds)
    if finding.verdict == "accepts" and finding.given + finding.checked != export["declarations"]:
        finding = replace(finding, verdict="undecided", rule="incomplete", detail="it has not checked all declarations")
    wrong = set(finding.axioms) - set(verdict.axioms)
    if finding.verdict == "rejects" or (finding.verdict == "accepts" and wrong):
        why = f"rests on {', '.join(sorted(wrong))}" if finding.verdict == "accepts" else _why(finding)
        kept = _keep(export["ndjson"])
        detail = f"Lean's kernel accepts the proof and ours does not: {why}. Please report it; the proof is in {kept}"
        return replace(verdict, reason=Reason.KERNEL, detail=detail)
    if finding.verdict == "accepts":
        return replace(verdict, kernels=(LEAN, OWN))
    undecided = f"our kernel did not decide ({_why(finding)})"
    if confirmation["types"]:
        types = ", ".join(confirmation["types"])
        return replace(verdict, reason=Reason.KERNEL, detail=f"{undecided}, and the solution adds the type {types}")
    return replace(verdict, detail=undecided)


def disagreements() -> Path:
    """Where the proofs lie that one kernel accepts and the other does not."""
    return install.home() / "disagreements"


def strictly(verdict: Verdict) -> Verdict:
    """The Verdict of somebody who believes nothing that one kernel alone accepts."""
    return replace(verdict, reason=Reason.KERNEL) if verdict.one_kernel else verdict


def _why(finding: Finding) -> str:
    return ": ".join(filter(None, [finding.constant, finding.rule, finding.detail]))


def _keep(ndjson: str) -> Path:
    """Keep an export on which the kernels disagree, to be reported; its path."""
    content = ndjson.encode("utf-8", "surrogatepass")
    path = disagreements() / f"{hashlib.sha256(content).hexdigest()[:16]}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
