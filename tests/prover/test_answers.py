"""Proofs are read back from answers in the styles of published models, and nothing else than a proof is."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable
from dataclasses import replace

import pytest

from data import Theorem
from prover.policy import Prompt
from prover.prompts import FAMILIES, AnswerParseError, PromptFormat, ProofReader
from prover.prompts.completion import Completion

HEADER = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n"
)
THEOREMS = (
    Theorem(
        "swap",
        "theorem swap (p q : Prop) (h : p ∧ q)\n    (n : ℕ) : q ∧ p",
        HEADER,
        ("def two : ℕ := 2",),
        "Show that $q$ and $p$ hold.",
    ),
    Theorem("Foo.add_zero'", "theorem Foo.add_zero' {n : ℕ} (m : ℕ := 3) : let x := n; x + 0 = n ∧ m = m", HEADER),
    Theorem("s", "theorem s : \":= by (\" ≠ \"/- -/\" ∧ '(' ≠ ')' ∧ («a := b» : ℕ) = «a := b»", HEADER),
)
PROOFS = (
    "simp",
    "exact ⟨h.2, h.1⟩",
    "constructor\n· exact h.2\n· exact h.1",
    "obtain ⟨hp, hq⟩ := h\nconstructor\n· -- right\n  exact hq\n\n· /- the left one,\n     in two -/\n  exact hp",
    "induction n with\n| zero => exact ⟨h.2, h.1⟩\n| succ n ih =>\n  have h₁ : n + 1 ≠ 0 := by\n    omega\n  exact ih",
    "calc\n  q ∧ p ↔ p ∧ q := and_comm\n  _ ↔ p ∧ q := by\n    rfl",
    "have h₂ : q := by\n  cases h with\n  | intro a b =>\n    exact b\nhave h₃ : p := h.1\nexact ⟨h₂, h₃⟩",
    'have : "theorem foo : p := by\\n  sorry" = s! "{1}" := by decide\nhave c : \'"\' = \'"\' := rfl\nexact ⟨h.2, h.1⟩',
    "match n with\n| 0 => simp_all\n| k + 1 =>\n  match k with\n  | 0 => simp_all\n  | _ + 1 => exact ⟨h.2, h.1⟩",
    "-- We show both parts.\nrefine ⟨?_, ?_⟩ <;>\n  first\n  | exact h.2\n  | exact h.1",
    "nlinarith [sq_nonneg (a - b), mul_pos (show (0 : ℝ) < 1 by simp) hα,\n  sqrt_nonneg 2, (by\n    ring : 1 = 1)]",
    "have «weird := by» : ∀ ε > (0 : ℝ), ∃ δ, |δ| < ε := fun ε hε ↦ ⟨0, by simpa⟩\n"
    "open Nat in\nset_option maxRecDepth 1000 in\nsimp [h]",
    "by_cases hn : n = 0\n· subst hn\n  exact ⟨h.2, h.1⟩\n· push_neg at hn\n"
    "  rcases n with _ | n\n  · contradiction\n  · exact ⟨h.2, h.1⟩ -- done",
    "let x := 3\nshow q ∧ p\nsuffices hs : q ∧ p by\n  exact hs\nexact (fun ⟨a, b⟩ => ⟨b, a⟩ : p ∧ q → q ∧ p) h",
)


def fenced(code: str, language: str = "lean4") -> str:
    return f"```{language}\n{code}\n```\n"


def full(theorem: Theorem, proof: str, by: str = " := by\n") -> str:
    return f"{theorem.statement}{by}{textwrap.indent(proof, '  ')}"


def file(theorem: Theorem, proof: str) -> str:
    doc = f"/-- {theorem.informal} -/\n" if theorem.informal else ""
    before = "".join(f"{piece}\n\n" for piece in theorem.preamble)
    return f"{theorem.header}{before}{doc}{full(theorem, proof)}"


def other_space(theorem: Theorem, proof: str) -> str:
    # The words of the statement are far enough apart for this, but for those in strings and names.
    return full(
        replace(theorem, statement=theorem.statement.replace(" : ", "\n      :  ").replace(" ∧ ", " ∧\n  ")), proof
    )


PLAN = '### Detailed Proof\n\nWe prove `swap`. It\'s "easy": use /- this.\n\n'
HEADING = "### Complete Lean 4 Proof\n\n"
SKETCH = "have h : p := by sorry\nsorry"
Style = Callable[[Theorem, str], str]

COMPLETIONS: dict[str, Style] = {
    "V1.5": lambda t, p: textwrap.indent(p, "  ") + "\n```",
    "V1.5 with empty lines": lambda t, p: "\n" + textwrap.indent(p, "  ") + "\n\n```\nMore words.",
    "V1.5 with four columns": lambda t, p: textwrap.indent(p, "    ") + "\n```\n",
    "V1.5 stopped": lambda t, p: textwrap.indent(p, "  ") + "\n",
    "V1.5 that goes on": lambda t, p: textwrap.indent(p, "  ") + "\n\ntheorem other : True := by\n  trivial\n```",
}
CHATS: dict[str, Style] = {
    "V2": lambda t, p: (
        f"{PLAN}### Lean 4 Proof Sketch with `have` Statements\n\n{fenced(full(t, SKETCH))}\n"
        f"{HEADING}{fenced(full(t, p))}"
    ),
    "V2 with the file": lambda t, p: f"{PLAN}{HEADING}{fenced(file(t, p))}\nThis ends the proof: it's done.\n",
    "Goedel-V2 without a last line break": lambda t, p: f"{PLAN}{HEADING}```lean4\n{full(t, p)}```",
    "Kimina": lambda t, p: (
        f"<think>\n{PLAN}Let's try\n{fenced(full(t, 'simp_all'))}\nor\n{fenced('exact foo', 'tactics')}</think>\n\n"
        f"{fenced(file(t, p))}"
    ),
    "reasoning without its first tag": lambda t, p: (
        f"Let me see.\n{fenced(full(t, 'aesop'))}</think>\n{fenced(full(t, p))}"
    ),
    "reasoning without its last tag": lambda t, p: f"<think>\nLet me see.\n{fenced(full(t, p))}",
    "reasoning with an open fence": lambda t, p: f"<think>\nSo\n```lean4\nsimp\n</think>\n{fenced(full(t, p))}",
    "lean": lambda t, p: fenced(full(t, p), "lean"),
    "Lean": lambda t, p: fenced(full(t, p), "Lean"),
    "no language": lambda t, p: fenced(full(t, p), ""),
    "four backticks": lambda t, p: f"````lean4\n{full(t, p)}\n````",
    "a fence in a fence": lambda t, p: f"````markdown\nHere:\n{fenced(full(t, p))}````\n",
    "tildes": lambda t, p: f"~~~lean\n{full(t, p)}\n~~~\n",
    "doubled fences": lambda t, p: f"```lean4\n```lean4\n{full(t, p)}\n```\n```\n",
    "an unclosed fence": lambda t, p: f"Here:\n```lean4\n{full(t, p)}\n",
    "an indented block": lambda t, p: "1. So:\n\n" + textwrap.indent(fenced(full(t, p)), "   "),
    "a fence after words": lambda t, p: f"The proof is ```lean4\n{full(t, p)}\n```\n",
    "CRLF": lambda t, p: f"{HEADING}{fenced(file(t, p))}".replace("\n", "\r\n"),
    "no fences": lambda t, p: f"Here's the proof:\n\n{file(t, p)}\n\nIt works since this is true.",
    "only a closing fence": lambda t, p: f"{full(t, p)}\n```\n",
    "several blocks": lambda t, p: (
        f"{fenced(full(t, 'sorry'))}That's the task.\n{fenced(full(t, p))}{fenced('#eval 1')}Done"
    ),
    "another language after it": lambda t, p: f"{fenced(full(t, p))}\n{fenced('print(1)', 'python')}",
    "other white space": lambda t, p: fenced(other_space(t, p)),
    "lemma": lambda t, p: fenced(full(t, p).replace("theorem", "lemma", 1)),
    "renamed": lambda t, p: fenced(full(t, p).replace(t.name, "main_theorem", 1)),
    "another namespace": lambda t, p: fenced(
        f"namespace Bar\n{full(t, p).replace(t.name, 'Bar.' + t.name, 1)}\nend Bar"
    ),
    "attributes": lambda t, p: fenced(f"@[simp, norm_cast]\nprivate {full(t, p)}"),
    "a comment in the statement": lambda t, p: fenced(full(t, p).replace(" : ", " /- a := by -/ : -- b\n ", 1)),
    "by on the next line": lambda t, p: fenced(full(t, p, " :=\nby\n")),
    "by after an indented line break": lambda t, p: fenced(full(t, p, " :=\n  by\n")),
    "text after the proof": lambda t, p: fenced(f"{full(t, p)}\n\n#check {t.name}\n\nend Foo"),
    "a theorem after the proof": lambda t, p: fenced(f"{full(t, p)}\n\n-- next\n/-- b -/\ntheorem b : True := trivial"),
    "tactics": lambda t, p: fenced(p, "tactics"),
    "tactics of no language": lambda t, p: f"Use this:\n{fenced(p, '')}" if p[0] != "-" else fenced(p),
    "tactics after by": lambda t, p: fenced(":= by\n" + textwrap.indent(p, "  ")),
    "tactics after imports": lambda t, p: fenced(f"import Mathlib\nopen Nat Real\n\n{p}") if p[0] != "-" else fenced(p),
    "no indentation": lambda t, p: fenced(f"{t.statement} := by\n{p}"),
    "a draft in front": lambda t, p: f"{fenced(full(t, 'norm_num'))}Better:\n{fenced(full(t, p))}",
}
WELL_FORMED = [
    (family, f"{name}, {k}.{j}", theorem, proof, style(theorem, proof))
    for families, styles in (
        (("deepseek-v1.5",), COMPLETIONS),
        (("deepseek-v2", "kimina", "instruct"), CHATS),
    )
    for j, theorem in enumerate(THEOREMS)
    for k, proof in enumerate(PROOFS)
    for n, (name, style) in enumerate(styles.items())
    for family in (families[(n + j + k) % len(families)],)
]


def read(family: str, theorem: Theorem, answer: str, finished: bool = True) -> str:
    return FAMILIES[family].proof(Prompt(theorem), answer, finished)


def test_proofs_are_recovered_exactly() -> None:
    assert len(WELL_FORMED) > 200
    wrong = []
    for family, name, theorem, proof, answer in WELL_FORMED:
        try:
            found = read(family, theorem, answer)
        except AnswerParseError as reason:
            found = f"AnswerParseError: {reason}"
        if found != proof:
            wrong.append((name, family, found, proof))
    assert not wrong, (len(wrong), wrong[:3])


def one_of_each(seed: int) -> list[tuple[str, Theorem, str]]:
    """An answer in each style, each with another proof."""
    chance = random.Random(seed)
    return [
        (chance.choice(("deepseek-v2", "goedel-v2", "deepseek-v2-noncot", "kimina", "instruct", "sketch")), t, s(t, p))
        for s in CHATS.values()
        for t, p in [(chance.choice(THEOREMS), chance.choice(PROOFS))]
    ] + [
        (chance.choice(("deepseek-v1.5", "deepseek-v1.5-fewshot")), t, s(t, p))
        for s in COMPLETIONS.values()
        for t, p in [(chance.choice(THEOREMS), chance.choice(PROOFS))]
    ]


def settled(family: PromptFormat, prompt: Prompt, answer: str, finished: bool = True) -> str | None:
    try:
        return family.proof(prompt, answer, finished)
    except AnswerParseError:
        return None


ENDING = (*COMPLETIONS, "V2", "V2 with the file", "Kimina", "reasoning without its first tag", "lean", "several blocks",
          "CRLF", "a draft in front")  # fmt: skip


@pytest.mark.parametrize("style", ENDING)
def test_what_comes_after_a_complete_answer_does_not_change_its_proof(style: str) -> None:
    prompt, proof = Prompt(THEOREMS[0]), PROOFS[2]
    answer = (COMPLETIONS | CHATS)[style](THEOREMS[0], proof)
    completed = 0
    for family in FAMILIES.values():
        if isinstance(family, Completion) != (style in COMPLETIONS):
            continue
        whole = settled(family, prompt, answer)
        for end in range(len(answer) + 1):
            if family.complete(prompt, answer[:end]):
                completed += 1
                assert whole is not None
                assert settled(family, prompt, answer[:end]) == whole
        later = answer + fenced(full(THEOREMS[0], "other")) + "</think>\n" + fenced(full(THEOREMS[0], "last"))
        if family.complete(prompt, answer):
            assert settled(family, prompt, later) == whole
    assert completed or style == "V1.5 stopped"


@pytest.mark.parametrize(
    ("heading", "ends"),
    [
        ("### Complete Lean 4 Proof", True),
        ("### Complete Proof", True),
        ("## Complete Lean 4 proof with explanations", True),
        ("### 3. **Complete Formal Proof in Lean 4:**", True),
        ("# The complete `Lean4` code", True),
        ("### Plan to complete the proof", False),
        ("### Incomplete proof", False),
        ("### Incomplete Lean 4 proof", False),
        ("### Complete proof sketch", False),
        ("### Why this proof is complete", False),
        ("Complete Lean 4 Proof", False),
    ],
)
def test_a_heading_promises_the_complete_proof_in_these_words(heading: str, ends: bool) -> None:
    answer = f"{PLAN}{heading}\n\n{fenced(full(THEOREMS[0], 'simp'))}"
    assert FAMILIES["deepseek-v2"].complete(Prompt(THEOREMS[0]), answer) == ends


def test_of_several_proofs_after_the_heading_the_first_one_counts() -> None:
    theorem = THEOREMS[0]
    first, second = fenced(full(theorem, "simp")), fenced(full(theorem, "omega"))
    sketch = fenced(full(theorem, SKETCH))
    assert read("deepseek-v2", theorem, PLAN + sketch + HEADING + sketch + first + second) == "simp"
    assert read("deepseek-v2", theorem, PLAN + sketch + first + second) == "omega"


def test_an_answer_is_complete_where_its_format_ends() -> None:
    theorem, proof = THEOREMS[0], PROOFS[2]
    prompt = Prompt(theorem)
    draft, done = fenced(full(theorem, "have h : p := by sorry\nsimp")), fenced(full(theorem, proof))
    for name, before in {
        "deepseek-v2": PLAN + draft + HEADING,
        "goedel-v2": PLAN + draft + HEADING,
        "deepseek-v2-noncot": "",
        "kimina": f"<think>{done}</think>",
        "instruct": f"<think>{done}</think>",
        "sketch": "<think>No.</think>",
    }.items():
        complete = [FAMILIES[name].complete(prompt, (before + done)[:end]) for end in range(len(before + done) + 1)]
        assert complete.index(True) == len(before + done), name
        assert not FAMILIES[name].complete(prompt, before), name
    assert not FAMILIES["deepseek-v2"].complete(prompt, PLAN + done)
    assert not FAMILIES["instruct"].complete(prompt, done)
    assert FAMILIES["sketch"].complete(prompt, f"<think></think>{draft}")
    assert FAMILIES["deepseek-v1.5"].complete(prompt, "  simp\n```")
    assert not FAMILIES["deepseek-v1.5"].complete(prompt, "  simp\n``")
    assert not FAMILIES["deepseek-v1.5"].complete(prompt, "```")


# ---- nonsense ----


def mutated(answer: str, chance: random.Random) -> str:
    pieces = ("```", "```lean4\n", "<think>", "</think>", "\n", ":=", " by", '"', "/-", "-/", "--", "«", "(", "⟩", "'",
              "@[", "theorem ", "\0", "\ufffd", "\ud800", "\t", "| ", "sorry", "end\n", "open Foo in\n")  # fmt: skip
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randint(0, len(answer)) for _ in range(2))
        lines = answer.split("\n")
        k = chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                answer = answer[:at] + answer[at + 1 :]
            case 1:
                answer = answer[:at] + chance.choice(pieces) + answer[at:]
            case 2:
                answer = answer[:to]
            case 3:
                answer = "\n".join((*lines[:k], *lines[k + 1 :]))
            case 4:
                answer = "\n".join((*lines[:k], lines[k], *lines[k:]))
            case 5:
                answer = answer[:at] + answer[at:to][:40] + answer[at:]
            case 6:
                answer = answer[:at] + answer[min(to, at + 20) :]
    return answer


def test_broken_answers_are_unreadable_at_worst() -> None:
    chance = random.Random(0)
    found = 0
    for number in range(25):
        for name, theorem, answer in one_of_each(number):
            family = FAMILIES[name]
            prompt = Prompt(theorem, "⊢ q", "skip", 0) if chance.random() < 0.2 else Prompt(theorem)
            broken = mutated(answer, chance)
            family.complete(prompt, broken)
            proof = settled(family, prompt, broken, chance.random() < 0.8)
            found += proof is not None
            if proof is not None:
                assert proof.strip()
                assert "\0" not in proof
                proof.encode()
    assert found > 300  # most of them still hold a proof


@pytest.mark.parametrize(
    "unit",
    ["a", "«", "(", "/-", "-/ ", '"', "r#\"", "```\n", "```", "`", "~", "<think>", "</think>", "theorem a\n", "@[\n",
     "| x\n", "private\n", "/-- a -/\n", "open a\n", ",\n", "# complete ", "#", "a := by ", " ", "\n",
     "theorem a : b := by\n  simp\n", "\ud800", "let x := "],
)  # fmt: skip
def test_a_million_characters_of_nonsense_are_read_in_no_time(unit: str) -> None:
    for family, head in (("deepseek-v1.5", "  "), ("deepseek-v2", "### Complete proof\n```lean4\ntheorem swap :\n")):
        # What could be a proof by its length goes through all of the reading.
        for length in (10**6, 3 * 10**4) if family == "deepseek-v2" else (3 * 10**4,):
            text = head + unit * (length // len(unit))
            FAMILIES[family].complete(Prompt(THEOREMS[0]), text)
            settled(FAMILIES[family], Prompt(THEOREMS[0]), text)


# ---- what else stands in a block ----

SWAP = THEOREMS[0].statement
OTHER = "theorem other (n : ℕ) : n = n := by\n  rfl\n\n"
ODDITIES = {
    "a term": (f"{SWAP} := ⟨h.2, h.1⟩", "exact ⟨h.2, h.1⟩"),
    "a term on the next line": (f"{SWAP} :=\n  foo h\n    bar", "exact\n  foo h\n    bar"),
    "a term with a block": (f"{SWAP} := fun x => by\n  simp\n  rfl", "exact\n  fun x => by\n    simp\n    rfl"),
    "a term with lines at column 0": (
        f"{SWAP} := match n with\n| 0 => a\n| _ => b",
        "exact\n  match n with\n  | 0 => a\n  | _ => b",
    ),
    "one tactic on the line of the statement": (f"{SWAP} := by simp [h,\n  foo]", "simp [h,\n  foo]"),
    "tactics at the column of the first": (f"lemma swap : a := by skip{chr(10)}{' ' * 21}simp", "skip\nsimp"),
    "alternatives after one tactic": (
        f"{SWAP} := by cases n with\n  | zero => a\n  | _ => b",
        "cases n with\n  | zero => a\n  | _ => b",
    ),
    "a comment after by": (f"{SWAP} := by -- so\n  simp", "-- so\nsimp"),
    "a comment at column 0": (f"{SWAP} := by\n/- We\nsimplify -/\n  simp", "/- We\nsimplify -/\nsimp"),
    "a comment at the end": (f"{SWAP} := by\n  simp\n  -- done\n-- all done\n", "simp\n-- done"),
    "a changed statement": ("theorem swap (p q : Prop) (h : q ∧ p := by simp) : let x := 2; x = 2 := by\n  rfl", "rfl"),
    "a statement in other signs": (f"{SWAP.replace('ℕ', 'Nat')} := by\n  simp", "simp"),
    "an example": (f"{SWAP.replace('theorem swap', 'example')} := by\n  simp", "simp"),
    "equations": (
        f"{SWAP}\n  | 0 => a\n  | n + 1 => by\n    simp",
        "exact fun\n  | 0 => a\n  | n + 1 => by\n    simp",
    ),
    "termination": (f"{SWAP} := by\n  simp\ntermination_by n", "simp\ntermination_by n"),
    # what stands before the theorem
    "what is given": (f"{HEADER}def two : ℕ := 2\n{SWAP} := by\n  simp", "simp"),
    "a definition of the same name": (f"def two := 1 + 1\n{SWAP} := by\n  simp", "simp"),
    "a namespace that is not open": (f"import Mathlib\nopen Nat Finset\n{SWAP} := by\n  simp", "open Finset in\nsimp"),
    "a scope": (f"open scoped Finset Nat\n{SWAP} := by\n  simp", "open scoped Finset in\nsimp"),
    "a namespace for the theorem only": (f"open Finset in\n{SWAP} := by\n  simp", "open Finset in\nsimp"),
    "a namespace on its line": (f"open Finset in {SWAP} := by\n  simp", "open Finset in\nsimp"),
    "a part of a namespace": (f"open Nat hiding add_comm\n{SWAP} := by\n  simp", "open Nat hiding add_comm in\nsimp"),
    "an option": (
        f"set_option maxHeartbeats 400000\nset_option maxRecDepth 999 in\n/-- a -/\n@[simp]\n{SWAP} := by\n  simp",
        "set_option maxRecDepth 999 in\nsimp",
    ),
    "a lemma": (f"{OTHER}{SWAP} := by\n  simp", "have other (n : ℕ) : n = n := by\n  rfl\nsimp"),
    "a lemma as a term": (
        f"lemma a\n  {{n : ℕ}} :\n  n = n := rfl\n\n-- so\n{SWAP} := by\n  simp",
        "have a\n  {n : ℕ} :\n  n = n := by\n  exact rfl\nsimp",
    ),
    "a lemma with lines at column 0": (
        f"lemma a\n(n : ℕ) : b := by\nsimp\n{SWAP} := c",
        "have a\n    (n : ℕ) : b := by\n  simp\nexact c",
    ),
    "two lemmas and a namespace": (
        f"open Finset\nlemma a : b := c\n@[inline, nolint unusedArguments]\nprivate lemma d : e := by\n  f\n"
        f"{SWAP} := by\n  simp",
        "open Finset in\nhave a : b := by\n  exact c\nhave d : e := by\n  f\nsimp",
    ),
    "an earlier attempt": (f"theorem swap : a := by\n  b\n\n{SWAP} := by\n  simp", "simp"),
    "tactics with a namespace": ("import Mathlib\nopen Finset\n\nsimp\nrfl", "open Finset in\nsimp\nrfl"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "proof"), ODDITIES.values(), ids=ODDITIES)
def test_a_proof_is_put_as_the_text_after_by(code: str, proof: str) -> None:
    assert read("instruct", THEOREMS[0], f"So:\n{fenced(code)}") == proof


def test_given_theorems_are_not_proved_again() -> None:
    theorem = replace(THEOREMS[0], preamble=(OTHER,))
    assert read("kimina", theorem, fenced(f"{OTHER}{SWAP} := by\n  simp")) == "simp"


LEAN_3 = "theorem swap (p q : Prop) (h : p ∧ q) :\n  q ∧ p :=\nbegin\n  cases h with hp hq,\n  exact ⟨hq, hp⟩,\nend"
NO_WHERE = "definitions after the proof: where"
REFUSED = {
    "": "an empty answer",
    " \n": "an empty answer",
    "I do not know how to prove this.": "no Lean code",
    fenced("print(1)", "python"): "no Lean code",
    fenced("-- nothing"): "no proof of the theorem",
    fenced("#check foo"): "no proof of the theorem",
    fenced(f"{SWAP} := by sorry"): "only sorry",
    fenced(f"{SWAP} := sorry"): "only sorry",
    fenced(f"{SWAP} := by"): "no proof after the statement",
    fenced(SWAP): "no proof after the statement",
    fenced("sorry"): "only sorry",
    fenced(OTHER): "a proof of another theorem",
    fenced(f"axiom a : False\n{SWAP} := by\n  exact a.elim"): "it adds to what is given: axiom",
    fenced(f"@[simp] noncomputable def f := 1\n{SWAP} := by\n  simp"): "it adds to what is given: def",
    fenced(f'notation "N" => Nat\n{SWAP} := by\n  simp'): "it adds to what is given: notation",
    fenced(f"lemma A.b : c := d\n{SWAP} := by\n  simp"): "a helper lemma in a namespace",
    fenced(f"lemma a : b := by\n  exact a\n{SWAP} := by\n  simp"): "a recursive helper lemma",
    fenced(f"@[simp] lemma a : b := c\n{SWAP} := by\n  simp"): "a helper lemma with an attribute: simp",
    fenced(f"/-- b -/\n@[reducible, norm_cast]\ntheorem a : b := by\n  c\n{SWAP} := by\n  simp"): (
        "a helper lemma with an attribute: norm_cast"
    ),
    fenced(f"lemma a : b := by\n  exact c\nwhere c : b := d\n{SWAP} := by\n  simp"): NO_WHERE,
    fenced(f"{SWAP} := ⟨hp, aux⟩ where aux : p := h.1"): NO_WHERE,
    fenced(f"{SWAP} :=\n  ⟨hp, aux⟩\nwhere\n  aux : p := h.1\n  hp := h.2"): NO_WHERE,
    fenced(f"{SWAP}\n  | 0 => aux\n  | n + 1 => aux\nwhere aux := h"): NO_WHERE,
    fenced(":= ⟨hp, aux⟩ where aux : p := h.1"): NO_WHERE,
    fenced(f"{SWAP}\n  | 0 => a\n  | n + 1 => swap n"): "a recursive proof by equations",
    fenced(LEAN_3): "Lean 3 syntax",
    fenced(f"import data.real.basic\n{SWAP} := by simp"): "Lean 3 syntax",
    fenced("begin\n  simp,\nend"): "Lean 3 syntax",
    fenced("intro h,\nexact h.2,"): "Lean 3 syntax",
    fenced(f"{SWAP} := by {{\n  simp,\n  exact h,\n}}"): "Lean 3 syntax",
    fenced(f"{SWAP} := by\n  have a : ∀ n, n = n ∧ ∃ m, m = n,\n  exact b,\n  simp"): "Lean 3 syntax",
    fenced("have a : p := (λ x, x) b,\nexact h.2"): "Lean 3 syntax",
    fenced(f"{SWAP} := by {{ cases h with hp hq,\n  exact ⟨hq, hp⟩ }}"): "Lean 3 syntax",
    fenced(f"{SWAP} := by\n  exact \0"): "characters that are no text",
    fenced(f"{SWAP} := by\n  exact \ud800"): "characters that are no text",
    "x " * 200_000: "no Lean code",
    fenced(f"{SWAP} := by\n{'  simp' * 60_000}"): "more code than a proof can have",
}


@pytest.mark.parametrize(("answer", "reason"), REFUSED.items(), ids=[str(k) for k in range(len(REFUSED))])
def test_what_is_no_proof_is_refused_with_a_reason(answer: str, reason: str) -> None:
    with pytest.raises(AnswerParseError) as refused:
        read("instruct", THEOREMS[0], answer)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "proof",
    [
        "have a : ∃ x,\n    x = 1 := ⟨1, rfl⟩\nsimp only [a,\n  b]\nuse 1,\n  2",
        "have a : ∑ k ∈ Finset.range (n + 1),\n  choose n k = 2 ^ n := b\nsimp",
        "show ∀ x,\nlet y := x + 1; y > x\nsimp",
        "have a : ∃! x, ∀ y, x = y ∧ ∏ k ∈ s y,\n  match k with\n  | 0 => 1\n  | _ => 2 := b\nsimp",
        "have a : (∀ x, p x) ∧ ∫ x in a..b,\nset x = 0 := b\nexact fun x => ∃ y,\nbound x y",
        "refine (fun x ↦ ∃ y, p y) = fun x ↦ ⨆ y ∈ (Σ z, s z),\ngroup x y",
        "use 1,\n  rfl",
        "have b : c := by\n  use 1, 2,\n    trivial\nexists 1,\n  show a = a from rfl",
    ],
)
def test_commas_at_the_ends_of_lines_may_be_lean_4(proof: str) -> None:
    assert read("instruct", THEOREMS[0], fenced(full(THEOREMS[0], proof))) == proof
    assert read("instruct", THEOREMS[0], fenced(proof)) == proof


def test_fields_with_the_names_of_tactics_are_lean_4() -> None:
    term = textwrap.indent("{ left := h.2,\n  right := h.1 }", "  ")
    assert (
        read("instruct", THEOREMS[0], fenced(f"{SWAP} :=\n{term}")) == f"exact\n{term}"
    )  # in line, as Lean wants them


def test_what_was_asked_for_may_be_no_theorem() -> None:
    theorem = Theorem("two", "def two : ℕ → ℕ", HEADER)
    assert read("deepseek-v2", theorem, fenced("def two : ℕ → ℕ := by\n  exact id")) == "exact id"
    assert read("deepseek-v1.5", theorem, "  exact id\n") == "exact id"


def test_a_sketch_keeps_its_holes() -> None:
    sketch = "have a : p := by sorry\nhave b : q := by\n  sorry\nexact ⟨b, a⟩"
    assert read("sketch", THEOREMS[0], f"The plan\n{fenced(full(THEOREMS[0], sketch))}") == sketch
    with pytest.raises(AnswerParseError, match="only sorry"):
        read("sketch", THEOREMS[0], fenced(full(THEOREMS[0], "sorry")))


# ---- cut off ----


def test_of_an_answer_that_was_cut_off_the_whole_lines_count() -> None:
    theorem = THEOREMS[0]
    code = f"```lean4\n{full(theorem, PROOFS[3])}"
    assert read("kimina", theorem, code[:-4], finished=False) == PROOFS[3].removesuffix("\n  exact hp")
    assert read("kimina", theorem, code[:-4]) == PROOFS[3][:-4]
    assert read("kimina", theorem, f"{code}\n```\nThus", finished=False) == PROOFS[3]
    assert read("kimina", theorem, f"<think>\n{fenced(full(theorem, 'simp'))}Now", finished=False) == "simp"
    assert read("deepseek-v1.5", theorem, "  simp\n  exact h.", finished=False) == "simp"
    assert read("deepseek-v1.5", theorem, "  simp\n  exact h\n```\n", finished=False) == "simp\nexact h"


@pytest.mark.parametrize(
    ("family", "answer", "reason"),
    [
        ("kimina", "<think>\nLet me", "cut off before any code"),
        ("deepseek-v2", "### Plan\nWe prove", "cut off before any code"),
        ("deepseek-v2", f"```lean4\n{SWAP[:40]}", "no proof after the statement"),
        ("deepseek-v2", f"```lean4\n{SWAP} := by\n  si", "no proof after the statement"),
        ("deepseek-v1.5", "  si", "cut off in its first line"),
    ],
)
def test_an_answer_that_was_cut_off_too_early_is_refused(family: str, answer: str, reason: str) -> None:
    with pytest.raises(AnswerParseError, match=f"^{reason}$"):
        read(family, THEOREMS[0], answer, finished=False)


# ---- going on ----

PREFIX = "have hp := h.1\ncases n with\n| zero =>\n  skip"
GOING_ON = Prompt(THEOREMS[0], "⊢ q ∧ p", PREFIX, 2)
STATE = "  /- tactic state:\n    ⊢ q ∧ p\n  -/\n"
REST = "  constructor\n  · exact h.2\n  · exact h.1\n| succ n ih =>\n  exact ih"


@pytest.mark.parametrize("between", ["", STATE, "  -- now\n"])
def test_an_answer_that_goes_on_is_what_follows_the_beginning(between: str) -> None:
    code = fenced(full(THEOREMS[0], f"{PREFIX}\n{between}{REST}"))
    kept = between if "now" in between else ""
    assert FAMILIES["deepseek-v2"].proof(GOING_ON, HEADING + code, True) == kept + REST
    assert (
        FAMILIES["kimina"].proof(GOING_ON, fenced(f"{PREFIX} -- so\n{between}{REST}", "tactics"), True) == kept + REST
    )


def test_a_completed_text_goes_on_two_columns_right_of_the_proof() -> None:
    for answer in (f"{textwrap.indent(REST, '  ')}\n```", f"{textwrap.indent(REST, '  ')}\n\ntheorem a : b := c\n```"):
        assert FAMILIES["deepseek-v1.5"].proof(GOING_ON, answer, True) == REST
    assert FAMILIES["deepseek-v1.5"].proof(GOING_ON, "    simp\n    exact (", False) == "  simp"


def test_other_columns_of_the_same_beginning_are_moved() -> None:
    proof = "have hp := h.1\ncases n with\n  | zero =>\n      skip\n      constructor\n      · simp"
    assert FAMILIES["instruct"].proof(GOING_ON, fenced(proof), True) == "  constructor\n  · simp"


def test_the_rest_of_a_line_begins_a_line() -> None:
    prompt = Prompt(THEOREMS[0], "⊢ q ∧ p", "cases n with\n| zero =>", 10)
    code = fenced("cases n with\n| zero => constructor\n          · simp\n| succ n => rfl")
    assert FAMILIES["instruct"].proof(prompt, code, True) == " " * 10 + "constructor\n          · simp\n| succ n => rfl"
    chained = Prompt(THEOREMS[0], "⊢ q ∧ p", "skip", 0)
    assert FAMILIES["instruct"].proof(chained, fenced("skip; simp"), True) == "simp"


@pytest.mark.parametrize(
    "code", ["constructor\nsimp", "have hp := h.1\nsimp", f"{PREFIX} <;> simp", f"{PREFIX}_all\nrfl"]
)
def test_another_beginning_is_refused(code: str) -> None:
    with pytest.raises(AnswerParseError, match=r"^does not continue the given beginning$"):
        FAMILIES["instruct"].proof(GOING_ON, fenced(full(THEOREMS[0], code)), True)


def test_going_on_with_nothing_is_refused() -> None:
    for code, reason in ((PREFIX, "nothing after the given beginning"), (f"{PREFIX}\n  sorry", "only sorry")):
        with pytest.raises(AnswerParseError, match=f"^{reason}$"):
            FAMILIES["instruct"].proof(GOING_ON, fenced(code), True)


def test_what_an_answer_brings_along_stands_in_the_open_block() -> None:
    code = f"open Finset\nlemma a : b := c\n{full(THEOREMS[0], f'{PREFIX}{chr(10)}  simp')}"
    assert FAMILIES["kimina"].proof(GOING_ON, fenced(code), True) == (
        "  open Finset in\n  have a : b := by\n    exact c\n  simp"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_format_renders_it_reads(family: str) -> None:
    """Rendering is the inverse of reading; the first proof is complete where the rendered answer ends."""
    format_ = FAMILIES[family]
    for theorem, proof in zip(THEOREMS, PROOFS, strict=False):
        for prompt in (Prompt(theorem), Prompt(theorem, prefix="skip")):
            answer = format_.render(prompt, proof)
            assert ProofReader(format_, prompt).proof(answer, True) == proof
    assert format_.commented.render(Prompt(THEOREMS[0]), PROOFS[0]) == format_.render(Prompt(THEOREMS[0]), PROOFS[0])


def test_a_reader_that_follows_an_answer_says_what_the_format_says() -> None:
    """In whatever parts it comes: complete behind the line of the fence, and not before."""
    format_, prompt = FAMILIES["deepseek-v2-noncot"], Prompt(THEOREMS[0])
    answer = f"Here it is.\n{format_.render(prompt, PROOFS[0])}\n"
    for size in (1, 2, 5, len(answer)):
        reader = ProofReader(format_, prompt)
        parts = [answer[at : at + size] for at in range(0, len(answer), size)]
        assert [reader.push(part) for part in parts] == [False] * (len(parts) - 1) + [True]


def test_an_answer_full_of_fences_is_not_read_again_and_again() -> None:
    read = []

    class Counting(type(FAMILIES["instruct"])):  # type: ignore[misc]
        def complete(self, prompt: Prompt, answer: str) -> bool:
            read.append(len(answer))
            return False

    format_ = Counting(**vars(FAMILIES["instruct"]))
    reader = ProofReader(format_, Prompt(THEOREMS[0]))
    for _ in range(1000):
        assert not reader.push("```\n")
    assert len(read) == 64
