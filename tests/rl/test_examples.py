"""What models are shown: the prompts are those that will be sent, the answers are read back as the same proofs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from data import Theorem
from data.pairs import Pair
from data.problems import Problem
from data.records.config import ConfigError
from data.syntax.layout import indented
from data.syntax.lexer import tokens as lexed
from lean_env import LeanPool
from prover.engines.tokens import prompt_tokens
from prover.model import tokenizer
from prover.policy import Prompt
from prover.prompts import FAMILIES, PromptFormat
from prover.prompts.completion import COT, Completion
from rl.continuations import states
from rl.examples import Example, ExampleWriter, examples, uncommented
from search import Budget, RMaxTS
from tests.rl.conftest import LEAN
from tests.search.policies import Scripted

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
FEW_SHOT = "deepseek-v1.5-fewshot"


def pair(name: str, statement: str, proof: str, **more: Any) -> Pair:
    return Pair(Problem(name, Theorem(name, f"theorem {name} {statement}", **more)), proof)


PAIRS = [
    pair("plain", ": 1 + 1 = 2", "rfl"),
    pair("swap", "(p q : Prop) : p ∧ q → q ∧ p", "intro h\n-- both halves\nexact ⟨h.2, h.1⟩"),
    pair(
        "nested",
        "(p q : Prop) (hp : p) (hq : q) : (p ∧ q) ∧ q",
        "/- two goals -/\nconstructor\n· constructor\n  -- again\n  · exact hp\n  · exact hq\n\n· exact hq -- done",
    ),
    pair(
        "cases",
        "(n : Nat) : 0 + n = n",
        "induction n with\n| zero => rfl -- clear\n| succ n ih =>\n  -- so\n  rw [\n    ← Nat.add_assoc,\n    ih]",
    ),
    pair("beside", ": True ∧ True", "/- c -/ constructor\n        · trivial\n        · trivial"),
    pair(
        "defined",
        ": twice 2 = 4",
        "have h : twice 2 = 2 + 2 := by\n  /- its\n  definition -/ unfold twice\n                rfl\n\nexact h",
        header="set_option maxHeartbeats 400000",
        preamble=("def twice (n : Nat) := n + n",),
        informal="Twice 2 is 4.",
    ),
    pair("told", ': "a -- b\\n".length = 7', 'show "a -- b\\n".length = 7 -- a string\nrfl'),
]
EXPLAINED = [pair for pair in PAIRS[1:] if pair.problem.name != "beside"]
IDS = [pair.problem.name for pair in PAIRS]


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    made = tokenizer.train([*LEAN, *(p.proof for p in PAIRS)], 320)
    made.chat_template = TEMPLATE
    return made


def parts(words: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], str]:
    """The ids of the prompt, and the text of the answer, which ends with the token that ends texts."""
    assert example.tokens[-1] == words.eos_token_id
    return list(example.tokens[: example.start]), words.decode(example.tokens[example.start : -1])


def asked(words: PreTrainedTokenizerFast, family: PromptFormat, prompt: Prompt) -> list[int]:
    """As the policy asks it; its text is looked at, too."""
    request = family.request(prompt)
    text = request.text or "".join(f"[{m.role}]{m.content}" for m in request.messages) + "[assistant]"
    ids = prompt_tokens(words, request)
    assert words.decode(ids, skip_special_tokens=True) == text
    assert (ids[0] == words.bos_token_id) is bool(request.text)
    return ids


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
def test_whole_proofs_come_back(words: PreTrainedTokenizerFast, family: str, pair: Pair) -> None:
    prompt, form = Prompt(pair.problem.theorem), FAMILIES[family]
    ids, answer = parts(words, ExampleWriter(words, family).proof(pair))
    assert ids == asked(words, form, prompt)
    assert form.proof(prompt, answer, True) == indented(uncommented(pair.proof), 0)
    if isinstance(form, Completion):
        assert form.request(prompt).stop == (answer[-3:],)
    elif family.startswith(("deepseek-v2", "goedel")):  # the others end only after they have thought
        assert form.complete(prompt, f"{answer}\n")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", EXPLAINED, ids=lambda pair: pair.problem.name)
def test_proofs_with_comments_come_back_with_them(words: PreTrainedTokenizerFast, family: str, pair: Pair) -> None:
    example = ExampleWriter(words, family).cot(pair)
    assert example is not None
    prompt, form = Prompt(pair.problem.theorem), FAMILIES[family]
    form = COT if isinstance(form, Completion) else form
    ids, answer = parts(words, example)
    assert ids == asked(words, form, prompt)
    assert form.proof(prompt, answer, True).strip() == pair.proof


@pytest.mark.parametrize("proof", ["rfl", "rfl\n", "\nintro h\n\nexact h  \n", 'exact f "-- a"'])
def test_without_comments_there_is_nothing_to_explain(words: PreTrainedTokenizerFast, proof: str) -> None:
    assert ExampleWriter(words, FEW_SHOT).cot(pair("t", ": True", proof)) is None


@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
async def test_proofs_hold_without_their_comments(pool: LeanPool, pair: Pair) -> None:
    theorem = pair.problem.theorem
    for proof in (pair.proof, uncommented(pair.proof)):
        verdict = await pool.judge(theorem.claim(proof))
        assert verdict.proved, verdict.detail


# ---- continuations ----


@pytest.mark.parametrize("family", ["deepseek-v1.5-noncot", "deepseek-v1.5", "deepseek-v2-noncot", "instruct"])
@pytest.mark.parametrize("pair", [PAIRS[k] for k in (1, 2, 3, 5)], ids=[IDS[k] for k in (1, 2, 3, 5)])
async def test_continuations_are_asked_as_the_tree_search_asks(
    pool: LeanPool, words: PreTrainedTokenizerFast, tmp_path: Any, family: str, pair: Pair
) -> None:
    """The search is given the proof with a last line that fails, and asks how to go on from each place before that."""
    theorem, form, writer = pair.problem.theorem, FAMILIES[family], ExampleWriter(words, family)
    places = (await states(pool, [pair], tmp_path / "states.jsonl"))[pair]
    assert places
    policy = Scripted(lambda prompt: () if prompt.prefix else (f"{pair.proof}\nexact nothing",), stepwise=False)
    await RMaxTS(pool, policy).prove(theorem, Budget(samples=40))
    sent = {prompt.prefix.strip("\n"): prompt for prompt, _, _ in policy.asked if prompt.prefix}
    for prefix, column, goal in places:
        ids, answer = parts(words, writer.continuation(pair, prefix, column, goal))
        prompt = sent[prefix.strip("\n")]
        assert ids == asked(words, form, prompt)
        rest = form.proof(prompt, answer, True)
        assert rest.strip("\n") == pair.proof[len(prefix) :].strip("\n")
        assert (await pool.judge(theorem.claim(f"{prompt.prefix}\n{rest}"))).proved


async def test_states_are_read_once(pool: LeanPool, tmp_path: Any) -> None:
    file = tmp_path / "states.jsonl"
    first = await states(pool, PAIRS[:2], file)
    assert await states(pool, PAIRS[:3], file) == first | await states(pool, PAIRS[2:3], tmp_path / "other.jsonl")
    assert len(file.read_text("utf-8").splitlines()) == 3


# ---- holes ----


@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
def test_holes_and_what_is_around_them_make_up_the_theorem(words: PreTrainedTokenizerFast, pair: Pair) -> None:
    writer, lines = ExampleWriter(words, FEW_SHOT), pair.proof.count("\n") + 1
    begin, hole, end = words.convert_tokens_to_ids(["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"])
    for first in range(lines):
        for last in range(first + 1, lines + 1):
            example = writer.fim(pair, first, last)
            assert example is not None
            ids, middle = parts(words, example)
            assert ids[:2] == [words.bos_token_id, begin]
            assert ids[-1] == end
            place = ids.index(hole)
            before, after = words.decode(ids[2:place]), words.decode(ids[place + 1 : -1])
            file = before + middle + after
            statement = f"{pair.problem.theorem.statement} := by\n"
            assert file.count(statement) == 1
            proof = file.partition(statement)[2].split("\n")
            assert [line.removeprefix("  ") for line in proof] == pair.proof.split("\n")
            assert all(line.startswith("  ") for line in proof if line.strip())
            assert len(middle.splitlines()) == last - first
    for first, last in ((0, 0), (1, 1), (0, lines + 1), (-1, 1)):
        assert writer.fim(pair, first, last) is None


def test_a_tokenizer_without_holes_is_refused() -> None:
    class Words:
        unk_token_id = None
        bos_token_id = 0

        def convert_tokens_to_ids(self, token: str) -> None:
            return None

    with pytest.raises(ConfigError, match="fim_prefix"):
        ExampleWriter(Words(), FEW_SHOT).fim(PAIRS[0], 0, 1)  # type: ignore[arg-type]


# ---- all of them ----


def test_each_pair_gives_what_it_has(words: PreTrainedTokenizerFast) -> None:
    writer = ExampleWriter(words, "deepseek-v1.5-noncot")
    known = {PAIRS[1]: [("intro h\n", 0, "p q : Prop\nh : p ∧ q\n⊢ q ∧ p")], PAIRS[2]: []}
    kinds: Any = ["proof", "cot", "continuation", "fim"]
    found = list(examples(writer, PAIRS, kinds, known, seed=3))
    assert [e.theorem for e in found if e.kind == "proof"] == IDS
    assert [e.theorem for e in found if e.kind == "cot"] == IDS[1:]
    assert [e.theorem for e in found if e.kind == "continuation"] == ["swap"]
    assert [e.theorem for e in found if e.kind == "fim"] == IDS
    assert list(examples(writer, PAIRS, kinds, known, seed=3)) == found
    assert any(list(examples(writer, PAIRS, kinds, known, seed=s)) != found for s in range(4, 8))
    for example in found:
        assert 0 < example.start < len(example.tokens)


def test_a_family_that_is_not_there_is_refused(words: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ConfigError, match="no family"):
        ExampleWriter(words, "deepseek")


# ---- comments ----

PIECES = [
    *("intro h", "exact ⟨h, h⟩", "· simp", "(", ")", "-", "/", "x", "«a -- b»"),
    *(" ", "  ", "\n", "\n\n", "\n  ", "\t", "\r\n"),
    *("-- said\n", "--", "/- said -/", "/- a\n b -/", "/-- doc\n\n doc -/", "/- /- in -/ -/", "/-", "-/"),
    *('"s"', '"a\n\n -- b "', "'\"'", 'r#"-- "#'),
]
SNIPPETS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def columns(code: str) -> list[tuple[str, int]]:
    """The first token of each line, and where it stands."""
    return [(token.text, token.column) for token in lexed(code) if token.breaks]


@given(SNIPPETS)
def test_comments_go_and_nothing_else_does(proof: str) -> None:
    found = uncommented(proof)
    assert [t.text for t in lexed(found)] == [t.text for t in lexed(proof)]
    assert columns(found) == columns(proof)
    at, between = 0, []
    for token in lexed(found):
        between.append(found[at : token.start])
        at = token.end
    assert not "".join([*between, found[at:]]).strip()  # what is left beside tokens is white space
    assert all(gap.count("\n") <= 1 for gap in between)  # no empty lines
    assert not found[at:]
    assert uncommented(found) == found
