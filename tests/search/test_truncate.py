"""Truncation against the real Lean: every place that it cuts at must be one where a proof can go on."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lean_env import Check, Ended, LeanPool, Message, Position
from search.truncate import SHOW_ALL, Segment, segments


async def ask(pool: LeanPool, code: str, timeout: float = 30) -> Check:
    return await pool.check(code, context=(SHOW_ALL,), tactics=True, timeout=timeout)


def after(text: str) -> Position:
    """The place where a text ends."""
    return Position(text.count("\n") + 1, len(text) - text.rfind("\n") - 1)


# ---- going on from a cut ----

_NO_CODE = re.compile(r"""(?P<comment>/-)|--[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])'|«[^»]*»""", re.DOTALL)
_WORD = re.compile(r"=>|<\||[\w.'!?]+|\S")


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
    found: list[tuple[int, tuple[int, int] | None]] = []  # column, and the `|` of the alternative that it belongs to
    opened, depth = True, 0
    bar = alternative = None
    for number, line in enumerate(bare(text).split("\n")):
        for word in _WORD.finditer(line):
            column = word.start()
            if depth == 0 and not line[:column].strip():  # the first one in its line closes what is right of it
                bar = None
                while word[0] != "|" and len(found) > 1 and found[-1][0] > column:
                    found.pop()
            if depth == 0 and word[0] == "|":  # it closes the alternative before it
                bars = [b for _, b in found if b and (b[0] == number if line[:column].strip() else b[1] == column)]
                if bars:
                    del found[[b for _, b in found].index(bars[-1]) :]
                bar = number, column
            if opened and not (word[0] == "by" and depth == 0):
                found.append((column, alternative))
            depth += (word[0] in "([{⟨") - (word[0] in ")]}⟩")
            opened = depth == 0 and word[0] in ("by", "=>", "·", ".")
            alternative = bar if opened else None
    return [column for column, _ in found]


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


# ---- by hand: ¦ stands where a cut is expected ----

AND = "theorem t (p q : Prop) (n : Nat) (hp : p) (hq : q) : p ∧ q := by\n"
NAT = "theorem t (n : Nat) : n + 0 = n := by\n"
CASES = {
    "an error ends what holds": (AND, "  constructor¦\n  · exact hp¦\n  · exact hp\n"),
    "a proof that leaves goals holds": (AND, "  constructor¦\n  · exact hp¦\n  skip¦\n"),
    "a whole proof holds": (AND, "  constructor¦\n  · exact hp¦\n  · exact hq¦\n"),
    "a sorry is a tactic": (AND, "  constructor¦\n  sorry¦\n  exact hp"),
    "the earliest of several errors counts": (AND, "  constructor¦\n  · fail\n  · fail"),
    "an error in a term": (AND, "  have h : p := hp¦\n  have h' : q := (fun x => x) hp\n  exact ⟨h, h'⟩"),
    "a tactic after the end": (AND, "  exact ⟨hp, hq⟩¦\n  skip¦\n  rfl"),
    "nothing holds": (AND, "  exact hp\n  skip"),
    "an error in the statement": ("theorem t (n : Nat) : n + = n := by\n", "  skip\n  rfl"),
    "no proof at all": (AND, "  -- nothing\n"),
    # blocks
    "a block of have that is not finished": (AND, "  have h : p := by\n    skip¦\n    skip¦\n  exact ⟨h, hq⟩"),
    "an error in a block": (AND, "  have h : p := by\n    skip¦\n    exact hq\n  exact ⟨h, hq⟩"),
    "an error at the start of a block": (AND, "  skip¦\n  have h : p := by\n    exact hq\n  exact ⟨h, hq⟩"),
    "a finished block": (AND, "  have h : p := by\n    skip¦\n    exact hp¦\n  exact h"),
    "a block that goes on after its end": (AND, "  have h : p := by\n    exact hp¦\n    exact hq\n  exact ⟨h, hq⟩"),
    "a block of data that goes on after its end": (NAT, "  let z : Nat := by\n    exact 3\n    exact 4\n  rfl"),
    "a bullet that goes on after its end": (AND, "  constructor¦\n  · exact hp¦\n    exact hq\n  · exact hq"),
    "two blocks finished at once": (
        AND,
        "  constructor¦\n  · have h : p := by\n      skip¦\n      exact hp¦\n    exact h¦\n  fail",
    ),
    "a block on the line of its head": (AND, "  have h : p := by skip¦; skip¦\n  exact ⟨h, hq⟩"),
    "a block in a block": (AND, "  have : p ∧ q := by\n    constructor¦\n    · skip¦\n      fail\n"),
    "suffices": (AND, "  suffices h : q ∧ p by\n    skip¦\n    exact ⟨h.2, h.1⟩¦\n  fail"),
    "obtain": (AND, "  obtain ⟨x, hx⟩ : ∃ x, x = n := by\n    skip¦\n    exact ⟨n, rfl⟩¦\n  fail"),
    "exact fun": (NAT, "  have h : ∀ x : Nat, x + 0 = x := fun x => by\n    skip¦\n    fail"),
    "exact from": (NAT, "  exact show n + 0 = n from by\n    skip¦\n    fail"),
    "case and next": (AND, "  constructor¦\n  case left => skip¦; exact hp¦\n  next =>\n    skip¦\n    fail"),
    "a block that ends the whole proof": (NAT, "  exact by\n    skip¦\n    rfl¦"),
    "a block with its own braces": (NAT, "  skip¦\n  exact by {\n    skip\n    fail }"),
    "a bullet written as a point": (AND, "  constructor¦\n  . skip¦\n    fail"),
    # alternatives
    "the head of the next alternative": (
        NAT,
        "  induction n with\n  | zero =>\n    skip¦\n    rfl\n  | succ n ih =>¦ fail",
    ),
    "alternatives that are not there": (NAT, "  induction n with\n  | zero =>\n    skip¦\n    rfl"),
    "an alternative that is not finished": (NAT, "  cases n with\n  | zero => skip¦\n  | succ n => rfl"),
    "alternatives on one line": (NAT, "  cases n with | zero => skip¦; rfl | succ n =>¦ skip¦; fail"),
    "an alternative with a wrong name": (NAT, "  cases n with\n  | zero => skip¦; rfl\n  | zork => rfl"),
    "an alternative for several cases": (NAT, "  skip¦\n  cases n with\n  | _ =>\n    skip\n    fail"),
    "all alternatives": (NAT, "  induction n with\n  | zero => rfl\n  | succ n ih =>¦\n    skip¦\n    rfl¦\n"),
    "match": (NAT, "  match n with\n  | 0 => skip¦; rfl\n  | n + 1 =>¦\n    skip¦\n    fail"),
    "match as a term": (NAT, "  exact match n with\n  | 0 => by skip¦; rfl\n  | n + 1 => by¦\n    skip¦\n    fail"),
    # what is not cut inside
    "chains": (AND, "  constructor <;> skip¦\n  · exact hp¦\n  · skip <;> exact hp"),
    "parentheses": (AND, "  (skip; constructor)\n  (skip; exact hp)\n  (skip; fail)"),
    "combinators": (AND, "  skip¦\n  first\n  | exact by\n      skip\n      fail\n"),
    "terms in brackets": (AND, "  skip¦\n  exact ⟨by skip; exact hp, by\n    skip\n    fail⟩"),
    "calc": (
        NAT,
        "  skip¦\n  calc\n    n + 0 = n := by\n      skip\n      rfl\n    _ = n := by\n      skip\n      fail",
    ),
    "no line can follow a calc of one step": (AND, "  skip¦\n  have : n = n := calc n = n := rfl\n  · fail"),
    "lines can follow other calcs": (AND, "  have : n = n := calc n = n := rfl\n    _ = n := rfl¦\n  fail"),
    "alternatives left of the block": (NAT, "  skip¦\n  exact match n with\n | 0 => rfl\n | n + 1 => by fail"),
    "conditions": (NAT, "  skip¦\n  exact if h : n = 0 then by\n    skip\n    fail\n  else by rfl"),
    "a term that a block is not the end of": (NAT, "  skip¦\n  exact have : n = n := by\n    skip\n    fail\n  rfl"),
    "what takes up the following lines": (NAT, "  skip¦\n  open Nat in\n  skip\n  fail"),
    # text
    "comments": (AND, "  -- by (\n  skip¦ /- · /- => -/ { -/\n  /- a -/\n  skip¦ -- end\n  fail"),
    "strings": (AND, '  have : "by (\\" --" = "by (\\" --" := rfl¦\n  have : \'(\' = \'(\' := rfl¦\n  fail'),
    "raw strings": (AND, '  have : r#"by ("-- {"# = "by (\\"-- {" := rfl¦\n  fail'),
    "names": (AND, "  have «by (--» : n = n := rfl¦\n  have h₁'' : p := hp¦\n  fail"),
    "wide characters": (AND, '  have : "😀𝓝" = "😀𝓝" := by skip¦; rfl¦ /- 😀 -/; fail'),
    "semicolons": (AND, "  constructor¦; exact hp¦; exact hp"),
    "lines further to the right": (AND, "      constructor¦\n      · skip¦\n        fail"),
    "no indentation": (AND, "constructor¦\n· skip¦\n  fail"),
    "on the line of the statement": (AND.rstrip("\n") + " ", f"constructor¦\n{' ' * len(AND)}· skip¦; fail"),
    # syntax errors
    "an unknown tactic": (AND, "  constructor¦\n  foo bar\n  exact hp"),
    "an unknown tactic in a block": (AND, "  have h : p := by\n    skip¦\n    foo bar\n  exact ⟨h, hq⟩"),
    "an open bracket": (AND, "  constructor¦\n  · simp [foo\n  · exact hq"),
    "a closing bracket": (AND, "  constructor¦\n  )\n  skip"),
    "something after a tactic": (AND, "  constructor¦\n  skip )\n  skip"),
    "half a tactic": (AND, "  constructor¦\n  rw [hp] at\n  exact hp"),
    "half a have": (AND, "  constructor¦\n  · exact hp¦\n  have h : p :="),
    "a have without a proof": (AND, "  constructor¦\n  have h : p := by"),
    "a bullet without a tactic": (AND, "  constructor¦\n  ·"),
    "half a chain": (AND, "  constructor¦\n  skip <;>"),
    "an open comment": (AND, "  constructor¦\n  skip /- foo\n  skip"),
    "an open string": (AND, '  constructor¦\n  exact "foo\n  skip'),
    "an open character": (AND, "  constructor¦\n  exact 'foo\n  skip"),
    "half a tactic at the end of a block": (AND, "  skip¦\n  have h : p := by obtain h | h : p ='"),
    "a doc comment": (AND, "  constructor¦\n  /-- doc -/\n  exact hp"),
    "an error before a syntax error": (AND, "  constructor¦\n  exact foo\n  exact (hq"),
    "a line between two columns": (AND, "  skip¦\n  have : p := by\n    skip\n   skip\n  skip"),
}


@pytest.mark.parametrize(("head", "marked"), CASES.values(), ids=CASES)
async def test_it_cuts_where_a_proof_can_go_on(pool: LeanPool, head: str, marked: str) -> None:
    *held, _ = marked.split("¦")
    assert [s.text for s in await truncated(pool, head, marked.replace("¦", ""))] == held


async def test_states_columns_and_what_is_left(pool: LeanPool) -> None:
    context = "p q : Prop\nn : Nat\nhp : p\nhq : q\n"
    left, right = f"case left\n{context}⊢ p", f"case right\n{context}⊢ q"
    proof = "  constructor\n  · have h : p := by skip; exact hp\n    fail"
    assert await truncated(pool, AND, proof) == [
        Segment("  constructor", f"{left}\n{right}", 2, ()),
        Segment(
            "\n  · have h : p := by skip",
            f"{context}⊢ p",
            21,
            (f"{left}\n{right}\n·", f"{left}\nhave h : p := by"),
        ),
        Segment("; exact hp", f"case left\n{context}h : p\n⊢ p", 4, (f"{left}\n{right}\n·",)),
    ]


async def test_what_is_left_does_not_depend_on_how_alternatives_were_proved(pool: LeanPool) -> None:
    one, other = [
        (await truncated(pool, NAT, f"  induction n with\n  | zero => {zero}\n  | succ n ih =>\n    fail"))[-1]
        for zero in ("rfl", "skip; simp -- or so")
    ]
    assert one.text != other.text
    assert (one.goals, one.outer) == (other.goals, other.outer)


async def test_what_is_left_tells_places_with_the_same_goals_apart(pool: LeanPool) -> None:
    one, other = [
        (await truncated(pool, AND, f"  have h : {what} := by\n    have : p := by\n      skip\n      fail"))[-1]
        for what in ("p", "p ∧ p")
    ]
    assert one.goals == other.goals
    assert one.outer != other.outer


async def test_a_tactic_that_was_stopped_does_not_hold(pool: LeanPool) -> None:
    slow = "have : ∀ i : Fin 3000000, i.val * 0 = 0 := by decide +kernel"
    proof = f"  skip\n  have h : p := by\n    skip\n    {slow}\n    exact hp"
    check = await ask(pool, AND + proof, timeout=2)
    assert check.ended is Ended.TIMEOUT
    found = segments(proof, check, after(AND))
    assert [s.text for s in found] == ["  skip", "\n  have h : p := by\n    skip"]


async def test_an_error_of_the_kernel_leaves_nothing(pool: LeanPool) -> None:
    check = await ask(pool, AND + "  exact ⟨hp, hq⟩")
    error = Message("error", "(kernel) declaration type mismatch", Position(1, 8), Position(1, 9))
    for message in (error, Message("error", "something went wrong")):
        assert segments("  exact ⟨hp, hq⟩", replace(check, messages=(message,)), after(AND)) == []


async def test_without_a_list_of_tactics_nothing_is_cut(pool: LeanPool) -> None:
    check = await pool.check(AND + "  constructor\n  fail")
    assert segments("  constructor\n  fail", check, after(AND)) == []


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
COMMENTS = ("-- by simp; (", "/- · /- => -/ by\n ( -/", "/- 😀 𝓝 -/", '-- | zero => "')
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
        head = draw(
            st.sampled_from(("exact by", "show _; exact by", "·", ".", "next =>", "case _ =>", "refine id <| by"))
        )
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
    last = draw(
        st.sampled_from(("rfl", "simp", "omega", "simp <;> omega", "skip", "· rfl", "exact by rfl", "exact foo"))
    )
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
