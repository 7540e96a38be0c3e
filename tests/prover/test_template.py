"""Prompt formats of the user's own, in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import Theorem
from prover.prompts import PreviousAttempt, Prompt, prompt_format

THEOREM = Theorem("t", "theorem t : 1 = 1", preamble=("open Nat\n",))
TEMPLATE = """\
system: You know Lean 4.
prompt: |
  Prove this:
  {code}
correction: "Wrong: {feedback}"
max_tokens: 100
"""


def written(place: Path, text: str) -> str:
    (place / "own.yaml").write_text(text, "utf-8")
    return str(place / "own.yaml")


def test_a_template_asks_reads_and_renders(tmp_path: Path) -> None:
    name = written(tmp_path, TEMPLATE)
    own = prompt_format(name)
    assert (own.name, own.max_tokens, own.corrects) == (name, 100, True)
    prompt = Prompt(THEOREM, rounds=(PreviousAttempt("omega", "line 1: {code}"),))
    system, asked, answer, said = own.request(prompt).messages
    assert (system.role, system.content, asked.role) == ("system", "You know Lean 4.", "user")
    assert asked.content.startswith("Prove this:\n")
    assert "theorem t : 1 = 1 := by\n  sorry" in asked.content
    assert (answer.role, said.content) == ("assistant", "Wrong: line 1: {code}")
    assert own.proof(prompt, own.render(prompt, "rfl"), True) == "rfl"


def test_without_a_correction_it_does_not_correct(tmp_path: Path) -> None:
    assert not prompt_format(written(tmp_path, "prompt: '{code}'\n")).corrects


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt: prove it\n", "prompt: Value error, it must have {code}, the place of the theorem"),
        ("system: x\n", "prompt: Field required"),
        ("prompt: '{code}'\nstystem: x\n", "stystem: there is no such field; do you mean system?"),
        ("- 1\n", "not a configuration"),
        ("a: [\n", "own.yaml: "),
    ],
)
def test_what_is_wrong_with_a_template_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"own\.yaml") as error:
        prompt_format(written(tmp_path, text))
    assert said in str(error.value)


def test_what_is_no_format_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no family is called 'gpt'; there are: deepseek"):
        prompt_format("gpt")
    with pytest.raises(ValueError, match=r"none\.yaml: No such file"):
        prompt_format(str(tmp_path / "none.yaml"))
