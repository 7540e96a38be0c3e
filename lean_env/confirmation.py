"""Confirmation of a proof: the Verdicts of Lean's kernel in a clean process, and of our own kernel."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from lean_env.embedded import install
from lean_env.kernel import Finding, Kernel
from lean_env.verdict import LEAN, OWN, Claim, Reason, Verdict, conclude


def lean_kernel_verdict(confirmation: dict[str, Any], claim: Claim) -> Verdict:
    """The Verdict of a process that has not seen the solution, whose kernel was given what the solution declares.

    confirmation: that process's answer (protocol.ConfirmationJson); see driver/rebuild.cjs.
    """
    if confirmation["refused"] is not None:
        return Verdict(Reason.KERNEL, f"Lean's kernel does not accept {confirmation['refused']}")
    return replace(conclude(confirmation["facts"], claim), kernels=(LEAN,))


async def own_kernel_verdict(kernel: Kernel, confirmation: dict[str, Any], verdict: Verdict, seconds: float) -> Verdict:
    """The Verdict after our kernel, too, has checked what Lean's found proved: `verdict`, or one with Reason.KERNEL.

    seconds: wall time that our kernel may take. Where it meets a limit of its own, Lean's kernel alone is believed if
    the solution adds no inductive type: the errors found in Lean's kernel so far had to do with these.
    """
    export = confirmation["export"]
    finding = await kernel.check(export["ndjson"], export["given"], seconds)
    if finding.verdict == "accepts" and finding.given + finding.checked != export["declarations"]:
        finding = replace(finding, verdict="undecided", rule="incomplete", detail="it has not checked all declarations")
    wrong = set(finding.axioms) - set(verdict.axioms)
    if finding.verdict == "rejects" or (finding.verdict == "accepts" and wrong):
        why = f"rests on {', '.join(sorted(wrong))}" if finding.verdict == "accepts" else _reason_text(finding)
        path = _save_disagreement(export["ndjson"])
        detail = f"Lean's kernel accepts the proof and ours does not: {why}. Please report it; the proof is in {path}"
        return replace(verdict, reason=Reason.KERNEL, detail=detail)
    if finding.verdict == "accepts":
        return replace(verdict, kernels=(LEAN, OWN))
    undecided = f"our kernel did not decide ({_reason_text(finding)})"
    if confirmation["types"]:
        types = ", ".join(confirmation["types"])
        return replace(verdict, reason=Reason.KERNEL, detail=f"{undecided}, and the solution adds the type {types}")
    return replace(verdict, detail=undecided)


def disagreements_dir() -> Path:
    """The folder of the exports that one kernel accepts and the other rejects."""
    return install.home() / "disagreements"


def require_both_kernels(verdict: Verdict) -> Verdict:
    """The Verdict, but not proved where one kernel alone accepts."""
    return replace(verdict, reason=Reason.KERNEL) if verdict.one_kernel else verdict


def _reason_text(finding: Finding) -> str:
    """The constant, the rule and the detail of a finding, as one line."""
    return ": ".join(filter(None, [finding.constant, finding.rule, finding.detail]))


def _save_disagreement(ndjson: str) -> Path:
    """Write an export on which the kernels disagree to a file, to be reported; returns its path."""
    content = ndjson.encode("utf-8", "surrogatepass")
    path = disagreements_dir() / f"{hashlib.sha256(content).hexdigest()[:16]}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
