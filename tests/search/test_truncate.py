"""Truncation against the real Lean: every place that it cuts at must be one where a proof can go on."""

from __future__ import annotations

import asyncio
import re
import textwrap
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lean_env import Check, LeanPool, Position
from search.truncate import SHOW_ALL, Segment, segments

HEAD = "theorem t (p q : Prop) (n : Nat) (hp : p) (hq : q) : p ∧ q := by\n"
EQUAL = "theorem t (n : Nat) : n + 0 = n := by\n"
EXISTS = "theorem t (n : Nat) : ∃ x : Nat, x = n := by\n"


async def ask(pool: LeanPool, code: str, timeout: float = 30) -> Check:
    return await pool.check(code, context=(SHOW_ALL,), tactics=True, timeout=timeout)


def after(text: str) -> Position:
    """The place where a text ends."""
    return Position(text.count("\n") + 1, len(text) - text.rfind("\n") - 1)


# ---- going on from a cut ----

_NO_CODE = re.compile(r"""(?P<comment>/-)|--[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])'""", re.DOTALL)
_WORD = re.compile(r"=>|[\w.'!?]+|\S")


def bare(text: str) -> str:
    """The text with comments and strings made blank."""
    at = 0
    while found := _NO_CODE.search(text, at):
        end = found.end()
        if found["comment"]:
            depth = 1
            while depth and (sign := re.compile("/-|-/").search(text, end)):
                end, depth = sign.end(), depth + (1 if sign[0] == "/-" else -1)
        text = text[: found.start()] + re.sub(r"[^\n]", " ", text[found.start() : end]) + text[end:]
        at = end
    return text


def blocks(text: str) -> list[int]:
    """The columns of the blocks that are open at the end of a text that starts with its outermost block."""
    columns: list[int] = []
    opened, depth = True, 0
    for line in bare(text).split("\n"):
        for word in _WORD.finditer(line):
            if depth == 0 and not line[: word.start()].strip():  # the first one in its line closes what is right of it
                while len(columns) > 1 and columns[-1] > word.start():
                    columns.pop()
            if opened and not (word[0] == "by" and depth == 0):
                columns.append(word.start())
            depth += (word[0] in "([{⟨") - (word[0] in ")]}⟩")
            opened = depth == 0 and word[0] in ("by", "=>", "·", ".")
    return columns


async def assert_goes_on(pool: LeanPool, head: str, prefix: str, segment: Segment) -> None:
    """Lean takes the prefix with `sorry` for all that is left, in the state that the segment says."""
    text = head + prefix
    margin = " " * after(head).column

    def open_at(end: int) -> list[int]:
        return sorted(set(blocks(margin + text[len(head) : end])))

    columns = [c for c in open_at(len(text)) if c < segment.column]
    assert len(columns) == len(segment.outer), (text, segment)
    lines = [(column, "all_goals sorry") for column in (segment.column, *reversed(columns))]
    for _ in range(5):
        code = text + "".join(f"\n{' ' * column}{line}" for column, line in lines)
        check = await ask(pool, code)
        missing = [e.position for e in check.errors if re.match("Alternative .* has not|Missing cases", e.text)]
        if not missing or missing[0] is None:
            break
        above = "".join(line + "\n" for line in code.split("\n")[: missing[0].line - 1])
        holder = max(c for c in open_at(len(above) + missing[0].column + 1) if c <= missing[0].column)
        lines.insert(lines.index((holder, "all_goals sorry")), (99, "| _ => sorry"))
    assert check.ok, (code, [str(e) for e in check.errors])
    place = Position(after(text).line + 1, segment.column)
    assert [t.goals for t in check.tactics if t.position == place] == [segment.goals], code


async def truncated(pool: LeanPool, head: str, proof: str) -> list[Segment]:
    """The segments of a proof; each of them is gone on from."""
    found = segments(proof, await ask(pool, head + proof), after(head))
    prefixes = ["".join(s.text for s in found[: k + 1]) for k in range(len(found))]
    assert proof.startswith(prefixes[-1] if prefixes else "")
    await asyncio.gather(*(assert_goes_on(pool, head, p, s) for p, s in zip(prefixes, found, strict=True)))
    return found


# ---- proofs from a grammar ----

Lines = list[str]  # one tactic, its first line at column 0

STATEMENTS = {
    "N": "n + 0 = n",
    "T": "True",
    "A": "True ∧ n + 0 = n",
    "B": "(n + 0 = n ∧ True) ∧ True",
    "I": "True → n + 0 = n",
    "U": "∀ k : Nat, k + 0 = k",
    "E": "∃ x : Nat, x = 3",
}
COMMENTS = ("-- by simp; (", "/- · /- => -/ by\n ( -/", "/- 😀 𝓝 -/", "-- | zero => \"")
NOISE = (
    "skip",
    "have : '(' = '(' := rfl",
    'have : "by \\" -- (" = "by \\" -- (" := rfl',
    "have «a -- (b» : 1 = 1 := by rfl",
    "have h₁' : ∀ x : Nat, x = x := fun x => by rfl",
    "have h : ∀ x : Nat, x = x\n  | 0 => rfl\n  | x + 1 => by\n    skip\n    rfl",
    "first\n  | fail\n  | skip",
    "try (have : 1 = 2 := by skip)",
    "all_goals skip",
    "(skip; skip)",
    "skip <;> skip",
    "iterate 2 skip",
    "have : 1 = 1 := calc\n  1 = 1 := by rfl\n  _ = 1 := by\n    skip\n    rfl",
    "have : 1 = 1 := calc 1 = 1 := rfl",
    "let z : Nat := by\n  skip\n  exact 3",
    "have : 2 = 2 := by rfl; skip",
)
WRONG = (
    "foo",
    "foo bar",
    "fail",
    "exact undefined",
    "exact (",
    "simp [",
    "rw [undefined] at",
    "have h : 1 = 2 :=",
    "have h : 1 = 2 := by",
    "have h : 1 = 2 := by omega",
    ")",
    "·",
    'exact "abc',
    "/- open",
    "/-- doc -/",
    "case zork => simp",
    "| succ k => simp",
    "done",
    "intro x y z w",
    "have : undefined := by simp",
    "have : 1 = 1 := undefined",
    "skip <;>",
    "first |",
    "calc 1 = 1",
)


def shifted(lines: Lines, columns: int) -> Lines:
    return [" " * columns + line for line in lines]


@st.composite
def opened(draw: st.DrawFn, head: str, block: st.SearchStrategy[Lines]) -> Lines:
    """A block after its opening, on the same line or on the next."""
    lines = draw(block)
    *above, last = head.split("\n")
    if draw(st.booleans()):
        column = len(last) + 1
        return [*above, f"{last} {lines[0]}", *shifted(lines[1:], column)]
    indent = len(last) - len(last.lstrip()) + draw(st.sampled_from((2, 4)))
    return [*above, last, *shifted(lines, indent)]


@st.composite
def rows(draw: st.DrawFn, tactics: list[Lines]) -> Lines:
    """Tactics one after the other, with what may stand around them."""
    lines: Lines = []
    for tactic in tactics:
        if draw(st.integers(0, 9)) == 7:
            lines += draw(st.sampled_from(COMMENTS)).split("\n")
        if lines and len(lines[-1]) < 30 and draw(st.integers(0, 9)) == 7 and "-" not in lines[-1]:
            column = len(lines[-1]) + 2
            lines[-1] += "; " + tactic[0]
            lines += shifted(tactic[1:], column)
        else:
            lines += tactic
        if draw(st.integers(0, 9)) == 7:
            lines[-1] += " " + draw(st.sampled_from(COMMENTS[1:2])).replace("\n", " ")
    return lines


LEAVES = {
    "N": ("rfl", "simp", "omega", "exact Nat.add_zero _", "cases n <;> rfl", "induction n <;> simp"),
    "T": ("trivial", "exact True.intro", "{ trivial }", "(skip; trivial)", "first | omega | trivial", "sorry"),
    "A": ("exact ⟨by trivial, by omega⟩", "constructor <;> simp", "refine ⟨?_, by rfl⟩\ntrivial"),
    "B": ("exact ⟨⟨by rfl, trivial⟩, trivial⟩", "simp", "refine ⟨⟨?_, ?_⟩, ?_⟩ <;> trivial"),
    "I": ("exact fun _ => rfl", "intro _; rfl", "intros\nomega"),
    "U": ("intro k\nrfl", "exact fun | 0 => rfl | k + 1 => rfl", "simp"),
    "E": ("exact ⟨3, rfl⟩", "exists 3", "constructor\n· exact rfl", "refine ⟨?_, ?_⟩\n· exact 3\n· exact rfl"),
}


@st.composite
def block(draw: st.DrawFn, goal: str, depth: int) -> Lines:
    """Tactics that prove a goal, most of the time."""
    tactics: list[Lines] = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
        tactics.append(draw(step(goal, depth)))
    tactics += draw(finish(goal, depth))
    if draw(st.integers(0, 15)) == 7:
        tactics.insert(draw(st.integers(0, len(tactics))), draw(st.sampled_from(WRONG)).split("\n"))
    return draw(rows(tactics))


@st.composite
def step(draw: st.DrawFn, goal: str, depth: int) -> Lines:
    """A tactic that leaves the goal as it is."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(NOISE)).split("\n")
    other = draw(st.sampled_from(list(STATEMENTS)))
    head = draw(
        st.sampled_from(
            (
                f"have h : {STATEMENTS[other]} := by",
                f"have :\n    {STATEMENTS[other]} :=\n  by",
                f"have h : True → {STATEMENTS[other]} := fun h =>  by",
                f"obtain ⟨h₁, -⟩ : True ∧ {STATEMENTS[other]} := ⟨trivial, by",
                f"suffices h : {STATEMENTS[goal]} by",
                f"try have : {STATEMENTS[other]} := by",
                f"have h : {STATEMENTS[other]} := id <| show {STATEMENTS[other]} from by",
                f"replace hp : {STATEMENTS[other]} := by",
            )
        )
    )
    if head.startswith("suffices"):
        return draw(opened(head, st.just(["exact h"])))
    lines = draw(opened(head, block(other, depth - 1)))
    return [*lines[:-1], lines[-1] + "⟩"] if "⟨trivial, by" in head else lines


@st.composite
def finish(draw: st.DrawFn, goal: str, depth: int) -> list[Lines]:
    """Tactics that close the goal."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return [line.split("\n") for line in draw(st.sampled_from(LEAVES[goal])).split("\n")]
    d = depth - 1
    if draw(st.integers(0, 3)) == 0:
        head = draw(st.sampled_from(("exact by", "show _; exact by", "·", ".", "next =>", "case _ =>", "refine id <| by")))
        return [draw(opened(head, block(goal, d)))]
    if goal in "AB":
        left, right = ("T", "N") if goal == "A" else ("A", "T")
        if goal == "B":
            split = ["constructor", "refine ⟨⟨?l, ?r⟩, ?s⟩", "refine ⟨⟨?l, ?r⟩, ?s⟩ <;> skip"]
            return [
                [draw(st.sampled_from(split[1:]))],
                draw(opened(draw(st.sampled_from(("·", "case l =>"))), block("N", d))),
                *draw(st.sampled_from(([["trivial"]], [["· trivial"]], [["skip"], ["case r => trivial"]]))),
                *draw(block("T", d).map(lambda lines: [lines])),
            ]
        split = ["constructor", "refine ⟨?left, ?right⟩", "apply And.intro", "constructor <;> skip", "(constructor)"]
        form = draw(st.integers(0, 3))
        heads = (("·", "·"), ("case left =>", "case right =>"), ("next =>", "·"), ("·", ""))[form]
        parts = [[draw(st.sampled_from(split))], draw(opened(heads[0], block(left, d)))]
        return [*parts, draw(opened(heads[1], block(right, d)) if heads[1] else block(right, d))]
    if goal == "N":
        form = draw(st.sampled_from(("induction", "cases", "match", "exact match", "rcases")))
        if form == "rcases":
            return [["rcases n with _ | n"], draw(opened("·", leaf())), draw(opened("·", leaf()))]
        zero, succ = ("0", "n + 1") if "match" in form else ("zero", "succ n ih" if form == "induction" else "succ n")
        by = " by" if form == "exact match" else ""
        alternatives = [draw(opened(f"| {zero} =>{by}", leaf())), draw(opened(f"| {succ} =>{by}", leaf()))]
        wild = draw(st.integers(0, 5))
        if wild == 0:
            alternatives[1] = draw(opened(f"| _ =>{by}", leaf()))
        elif wild == 1:
            alternatives = [draw(opened(f"| _ =>{by}", leaf()))]
        elif wild == 2:
            alternatives.pop()
        indent = draw(st.sampled_from((0, 2)))
        return [[f"{form} n with", *(line for a in alternatives for line in shifted(a, indent))]]
    if goal in "IU":
        name, inner = ("h", "N") if goal == "I" else ("n", "N")
        if draw(st.booleans()):
            return [[f"intro {name}"], *draw(finish(inner, d))]
        return [draw(opened(f"exact fun {name} => by", block(inner, d)))]
    if goal == "E":
        return [["refine ⟨3, ?_⟩"], draw(opened("·", st.just(["skip", "rfl"])))]
    return [["skip"], *draw(finish(goal, d))]


@st.composite
def leaf(draw: st.DrawFn) -> Lines:
    """Tactics that prove `0 + 0 = 0` and the like, most of the time."""
    tactics = [draw(st.sampled_from(NOISE)).split("\n") for _ in range(draw(st.integers(0, 2)))]
    last = draw(st.sampled_from(("rfl", "simp", "omega", "simp <;> omega", "skip", "· rfl", "exact by rfl", "exact foo")))
    return draw(rows([*tactics, [last]]))


@dataclass(frozen=True)
class Attempt:
    head: str
    proof: str


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    """A statement and a proof of it with a fault or two."""
    goal = draw(st.sampled_from(list(STATEMENTS)))
    statement = f"theorem t (n : Nat) (hp : True) : {STATEMENTS[goal]} := by"
    lines = draw(block(goal, 2))
    if draw(st.integers(0, 5)) == 3:
        head = statement + " "
        proof = "\n".join([lines[0], *shifted(lines[1:], len(head))])
    else:
        head = statement + "\n"
        proof = "\n".join(shifted(lines, 2))
    fault = draw(st.sampled_from(("", "line", "line", "cut", "insert", "drop")))
    at = draw(st.integers(0, len(proof)))
    if fault == "drop":
        proof = proof[:at] + proof[at + 1 :]
    elif fault == "insert":
        proof = proof[:at] + draw(st.sampled_from("()[]{}⟨⟩;|·.,:=\"'- \n")) + proof[at:]
    elif fault == "cut":
        proof = proof[:at]
    elif fault == "line":
        rows_ = proof.split("\n")
        k = draw(st.integers(0, len(rows_) - 1))
        indent = " " * (len(rows_[k]) - len(rows_[k].lstrip()))
        proof = "\n".join([*rows_[:k], *(indent + w for w in draw(st.sampled_from(WRONG)).split("\n")), *rows_[k:]])
    return Attempt(head, proof)


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(attempts())
async def test_every_cut_can_be_gone_on_from(pool: LeanPool, attempt: Attempt) -> None:
    await truncated(pool, attempt.head, attempt.proof)
