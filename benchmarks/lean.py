"""How fast the embedded Lean is: ratios against peers measured in the same run.

    python benchmarks/lean.py                     two workers against one; what goals and axioms cost when asked for
    python benchmarks/lean.py --batch             … and a warm check against one compiler process per check
    python benchmarks/lean.py --peer repl.cjs     … and start, warm checks and memory against another REPL

The peer is a Node script for the same build that takes LEAN_JS, LEAN_WASM, LEAN_OLEANS from the environment and JSON
lines {"id", "code"} on standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from lean_env import LeanPool, Worker, embedded
from lean_env.embedded import install
from lean_env.embedded.node import node

CODES = {
    "term": "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q := ⟨hp, hq⟩",
    "induction": "theorem t (n : Nat) : 0 + n = n := by\n  induction n with\n  | zero => rfl\n  | succ n ih => omega",
    "simp": "theorem t (xs ys : List Nat) : (xs ++ ys).length = ys.length + xs.length := by simp [Nat.add_comm]",
    "omega": "theorem t (a b c : Int) (h : a < b) (k : b < c) : a + 2 ≤ c := by omega",
    "grind": "theorem t (a b : Int) (h : a = b) : (a + b) ^ 2 = 4 * a * b := by grind",
    "decide": "theorem t : ∀ a b : Fin 8, a + b = b + a := by decide",
    "error": "theorem t (a b : Nat) : a * b = a + b := by omega",
}
START_ROUNDS, ROUNDS, THROUGHPUT = 5, 25, 300


class Peer:
    """Another REPL, one request at a time."""

    def __init__(self, script: Path) -> None:
        found = install.find()
        assert found is not None
        lean = {"LEAN_JS": found.lean_js, "LEAN_WASM": found.lean_wasm, "LEAN_OLEANS": found.oleans}
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [str(node()), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "MODS": "Init", **{k: str(v) for k, v in lean.items()}},
            start_new_session=True,
        )
        self.read()
        self.start = time.perf_counter() - begin

    def read(self) -> dict[str, object]:
        assert self.process.stdout is not None
        answer: dict[str, object] = json.loads(self.process.stdout.readline())
        return answer

    def check(self, code: str) -> float:
        assert self.process.stdin is not None
        begin = time.perf_counter()
        self.process.stdin.write(json.dumps({"id": 0, "code": code}).encode() + b"\n")
        self.process.stdin.flush()
        self.read()
        return time.perf_counter() - begin

    def close(self) -> None:
        os.killpg(self.process.pid, 9)
        self.process.wait()


def memory(root: int) -> int:
    """Resident bytes of a process and all below it. Linux only."""
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        todo += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return total


async def against_peer(script: Path) -> dict[str, float]:
    """Alternating with the peer, so that both meet the same machine."""
    ours, theirs = [], []
    for _ in range(START_ROUNDS):
        worker, begin = Worker(embedded()), time.perf_counter()
        await worker.start()
        ours.append(time.perf_counter() - begin)
        await worker.close()
        peer = Peer(script)
        theirs.append(peer.start)
        peer.close()
    ratios = {"start to ready": statistics.median(ours) / statistics.median(theirs)}
    print(f"start to ready: {statistics.median(ours):.2f} s, peer {statistics.median(theirs):.2f} s")
    worker, peer = Worker(embedded()), Peer(script)
    await worker.start()
    medians = []
    for name, code in CODES.items():
        mine, other = [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            await worker.check(code)
            mine.append(time.perf_counter() - begin)
            other.append(peer.check(code))
        mine_ms, other_ms = statistics.median(mine) * 1000, statistics.median(other) * 1000
        medians.append(mine_ms / other_ms)
        print(f"  {name:10} {mine_ms:7.2f} ms, peer {other_ms:7.2f} ms")
    ratios["warm check (median over codes)"] = statistics.median(medians)
    assert worker.pid is not None
    mine_mb, other_mb = memory(worker.pid) / 1e6, memory(peer.process.pid) / 1e6
    print(f"memory: {mine_mb:.0f} MB, peer {other_mb:.0f} MB")
    ratios["memory per worker"] = mine_mb / other_mb
    await worker.close()
    peer.close()
    return ratios


async def asking() -> dict[str, float]:
    """What goals and axioms cost when they are asked for."""
    worker = Worker(embedded())
    await worker.start()
    plain, asked = [], []
    for _ in range(ROUNDS):
        for code in CODES.values():
            begin = time.perf_counter()
            await worker.check(code)
            plain.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            await worker.check(code, tactics=True, axioms=["t"])
            asked.append(time.perf_counter() - begin)
    await worker.close()
    return {"a check with goals and axioms asked for": sum(asked) / sum(plain)}


async def more_workers() -> dict[str, float]:
    """The same checks on one and on two workers, in turns; not the first rounds: a new process still compiles."""
    codes = list(CODES.values()) * (THROUGHPUT // len(CODES))
    seconds: dict[int, list[float]] = {1: [], 2: []}
    async with LeanPool(workers=1) as one, LeanPool(workers=2) as two:
        await asyncio.gather(one.start(), two.start())
        for pool in (one, one, two, two, two, two):
            await asyncio.gather(*(pool.check(c) for c in codes))
        for _ in range(4):
            for pool in (one, two):
                begin = time.perf_counter()
                await asyncio.gather(*(pool.check(c) for c in codes))
                seconds[pool.size].append(time.perf_counter() - begin)
    one_worker, two_workers = statistics.median(seconds[1]), statistics.median(seconds[2])
    print(f"{len(codes)} checks: one worker {one_worker:.2f} s, two workers {two_workers:.2f} s")
    return {"throughput of two workers to one": one_worker / two_workers}


def batch_seconds() -> float:
    """One check by a compiler process of its own: the same build, run as `lean FILE`."""
    found = install.find()
    assert found is not None
    with tempfile.NamedTemporaryFile("w", suffix=".lean") as file:
        file.write(CODES["omega"])
        file.flush()
        script = Path(__file__).with_name("batch.cjs")
        begin = time.perf_counter()
        done = subprocess.run(
            [str(node()), "--stack-size=50000", str(script), str(found.root), str(found.oleans), file.name], check=False
        )
        assert done.returncode == 0, f"the batch compiler ended with code {done.returncode}"
        return time.perf_counter() - begin


async def against_batch() -> dict[str, float]:
    """A warm check against one compiler process per check."""
    worker = Worker(embedded())
    await worker.start()
    warm = []
    for _ in range(ROUNDS):
        for code in CODES.values():
            begin = time.perf_counter()
            await worker.check(code)
            warm.append(time.perf_counter() - begin)
    await worker.close()
    batch = statistics.median(batch_seconds() for _ in range(3))
    print(f"batch process: {batch:.2f} s, warm check: {statistics.median(warm) * 1000:.1f} ms")
    return {"one batch process per check to a warm check": batch / statistics.median(warm)}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--batch", action="store_true")
    args = parser.parse_args()
    install.install()
    ratios = {}
    if args.peer:
        ratios |= await against_peer(args.peer)
    ratios |= await asking()
    ratios |= await more_workers()
    if args.batch:
        ratios |= await against_batch()
    print()
    for what, ratio in ratios.items():
        print(f"{what:45} {ratio:8.2f}")


if __name__ == "__main__":
    asyncio.run(main())
