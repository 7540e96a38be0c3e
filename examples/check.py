"""Uses Lean from a program: checks, goals and verdicts on a pool of processes."""

import asyncio

from lean_env import Claim, LeanPool
from lean_env.embedded.install import install

STATEMENT = "theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b"


async def main() -> None:
    """Check one proof, and judge four."""
    install()  # returns at once if it is installed
    async with LeanPool(workers=2) as pool:
        check = await pool.check(f"{STATEMENT} := by\n  have := h\n  sorry", tactics=True, axioms=["t"])
        print("goal at the sorry:", check.sorries[0].goal.replace("\n", ", "))
        print("rests on:", check.axioms["t"])
        proofs = ["rfl", "omega", "exact h", "native_decide"]
        verdicts = await asyncio.gather(
            *(pool.judge(Claim(f"{STATEMENT} := by sorry", f"{STATEMENT} := by {p}", "t"), timeout=10) for p in proofs)
        )
        for proof, verdict in zip(proofs, verdicts, strict=True):
            print(f"{proof}: {verdict.reason} ({verdict.seconds * 1000:.0f} ms)")


asyncio.run(main())
