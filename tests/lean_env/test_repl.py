"""The protocol of the embedded Lean: every field, every error answer, the framing. Requests and whole answers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import pytest_asyncio

from lean_env import embedded
from lean_env.embedded import install
from lean_env.process import OutOfTime, ReplProcess

Answer = dict[str, Any]
DONE = {"env": ANY}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def repl(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplProcess]:
    install.install()
    process = await ReplProcess.start(embedded(read=[tmp_path_factory.getbasetemp()]))
    yield process
    await process.kill()


async def ask(repl: ReplProcess, **request: Any) -> Answer:
    return await repl.request(request, 60)


def raw(text: str) -> tuple[list[Answer], int]:
    """All answers of a process of its own that is given this text and then the end of its input, and its exit code."""
    done = subprocess.run(
        embedded(notices=False).argv, input=text.encode("utf-8"), capture_output=True, timeout=100, check=False
    )
    return [json.loads(block) for block in done.stdout.decode("utf-8").split("\n\n") if block], done.returncode


def at(line: int, column: int) -> dict[str, int]:
    return {"line": line, "column": column}


def span(line: int, column: int, end_line: int, end_column: int) -> Answer:
    return {"pos": at(line, column), "endPos": at(end_line, end_column)}


def message(severity: str, data: str, place: Answer, kind: str | None = None) -> Answer:
    return {"severity": severity, "data": data, **place, **({} if kind is None else {"kind": kind})}


def goal(printed: str, place: Answer) -> Answer:
    """What is told of a `sorry`."""
    return {"goal": printed, **place, "proofState": ANY}


def sorry_warning(line: int, column: int, end: int) -> Answer:
    return message("warning", "declaration uses `sorry`", span(line, column, line, end), "hasSorry")


# ---- commands and environments ----


async def test_a_declaration_leaves_only_an_environment(repl: ReplProcess) -> None:
    assert await ask(repl, cmd="def f : Nat := 37") == DONE


async def test_environments_branch(repl: ReplProcess) -> None:
    base = (await ask(repl, cmd="def f := 1"))["env"]
    left = (await ask(repl, cmd="def g := f + 1", env=base))["env"]
    right = (await ask(repl, cmd="def g := f + 2", env=base))["env"]
    assert len({base, left, right}) == 3
    for env, value in ((left, "2"), (right, "3"), (left, "2")):
        said = message("info", value, span(1, 0, 1, 5))
        assert await ask(repl, cmd="#eval g", env=env) == {"messages": [said], "env": ANY}
    unknown = message("error", "Unknown identifier `g`", span(1, 7, 1, 8), ANY)
    assert await ask(repl, cmd="#check g", env=base) == {"messages": [unknown], "env": ANY}


async def test_scopes_and_options_live_on_in_the_environment(repl: ReplProcess) -> None:
    env = (await ask(repl, cmd="namespace A\nopen Nat\nvariable (n : Nat)\nset_option pp.funBinderTypes true"))["env"]
    answer = await ask(repl, cmd="theorem t : (fun m => n + m) 0 = pred (succ n) := rfl\n#check @A.t", env=env)
    said = message("info", "t : ∀ (n : Nat), (fun (m : Nat) => n + m) 0 = n.succ.pred", span(2, 0, 2, 6))
    assert answer == {"messages": [said], "env": ANY}


async def test_an_unknown_or_dropped_environment(repl: ReplProcess) -> None:
    unknown = {"message": "Unknown environment."}
    assert await ask(repl, cmd="#check f", env=10**6) == unknown
    env = (await ask(repl, cmd="def f := 1"))["env"]
    assert await ask(repl, drop=[env, 10**6]) == {}
    assert await ask(repl, cmd="#check f", env=env) == unknown
    assert await ask(repl, cmd="def f := 1", env=None) == DONE


async def test_discard_keeps_no_environment(repl: ReplProcess) -> None:
    assert await ask(repl, cmd="def f := 1", discard=True) == {}


async def test_a_file(repl: ReplProcess, tmp_path: Path) -> None:
    file = tmp_path / "π.lean"
    file.write_bytes(b"theorem t : 1 = 1 := by\r\n  rfl\r\n#check g")
    env = (await ask(repl, cmd="def g : Nat := 1"))["env"]
    answer = await ask(repl, path=str(file), env=env, allTactics=True)
    assert answer["messages"] == [message("info", "g : Nat", span(3, 0, 3, 6))]
    assert [(t["tactic"], t["pos"]) for t in answer["tactics"]] == [("rfl", at(2, 2))]


async def test_a_file_that_cannot_be_read(repl: ReplProcess, tmp_path: Path) -> None:
    missing = tmp_path / "no.lean"
    assert await ask(repl, path=str(missing)) == {
        "message": f"no such file or directory (error code: 2)\n  file: {missing}"
    }
    assert "directory (error code: 21)" in (await ask(repl, path=str(tmp_path)))["message"]


async def test_definitions_whose_library_code_is_not_shipped_are_whole(repl: ReplProcess) -> None:
    code = (
        "def f (n : Nat) : List Nat := List.replicate n 0\n"
        "def g (n : Nat) (xs : List Nat) : List Nat := if n = 0 then xs.reverse else g (n / 2) xs\n"
        "example : (f 2).length = 2 := by simp [f]\nexample : g 0 [1] = [1] := by unfold g; rfl\n"
        "example (n : Nat) : f n = List.replicate n 0 := f.eq_1 n\n"
        "def h (n : Nat) : Nat := n + 1\n#eval h 1\nnoncomputable def k : Nat := Classical.choice ⟨0⟩"
    )
    assert await ask(repl, cmd=code) == {"messages": [message("info", "2", span(7, 0, 7, 5))], "env": ANY}
    end = await ask(repl, cmd="section\nend\nend")
    assert [(m["pos"], m["severity"]) for m in end["messages"]] == [(at(3, 0), "error")]  # no scope that the text lacks


# ---- imports ----


async def test_imports(repl: ReplProcess) -> None:
    answer = await ask(
        repl, cmd="import Std.Data.HashMap\n\nexample (m : Std.HashMap Nat Nat) : m.size = m.size := rfl"
    )
    assert answer == DONE
    answer = await ask(repl, cmd="import Std.Data.HashMap", env=answer["env"])
    data = "invalid 'import' command, it must be used in the beginning of the file"
    assert answer == {"messages": [message("error", data, span(1, 0, 1, 6))], "env": ANY}


async def test_an_unknown_import_fails_the_text_and_costs_no_memory(repl: ReplProcess) -> None:
    before = (await ask(repl, stats=True))["memory"]
    for module, words in (("Nowhere.To.Be", "unknown module prefix 'Nowhere'"), ("Std.Nowhere", "does not exist")):
        for _ in range(5):
            answer = await ask(repl, cmd=f"import Std.Data.HashMap\nimport {module}\n\ndef f := g")
            assert answer == {"messages": [message("error", ANY, {"pos": at(1, 0), "endPos": None}, "import")]}
            assert words in answer["messages"][0]["data"]
    assert (await ask(repl, stats=True))["memory"] - before < 20 * 1024 * 1024


# ---- messages ----


async def test_columns_count_code_points(repl: ReplProcess) -> None:
    code = "example (𝓧 : Nat) (h : 𝓧 = 1) : 𝓧 = 1 := «é ⊢»\n/- 𝓧𝓧 -/ #check 𝓧"
    answer = await ask(repl, cmd=code)
    assert answer["messages"] == [
        message("error", "Unknown identifier `«é ⊢»`", span(1, 41, 1, 46), ANY),
        message("error", "Unknown identifier `𝓧`", span(2, 16, 2, 17), ANY),
    ]


async def test_carriage_returns_change_no_position(repl: ReplProcess) -> None:
    code = "theorem t : 1 = 2 := by\n  skip\n  rfl\n#check t"
    plain = await ask(repl, cmd=code, allTactics=True, discard=True)
    assert await ask(repl, cmd=code.replace("\n", "\r\n"), allTactics=True, discard=True) == plain
    assert plain["messages"][0]["pos"] == at(3, 2)


async def test_unsolved_goals(repl: ReplProcess) -> None:
    goal = "unsolved goals\ncase left\np q : Prop\nhp : p\n⊢ p\n\ncase right\np q : Prop\nhp : p\n⊢ q"
    answer = await ask(repl, cmd="theorem t (p q : Prop) (hp : p) : p ∧ q := by\n  constructor")
    assert answer == {
        "messages": [message("error", goal, span(1, 43, 2, 13), "Tactic.unsolvedGoals")],
        "env": ANY,
    }


async def test_a_parse_error_does_not_stop_the_rest(repl: ReplProcess) -> None:
    answer = await ask(repl, cmd="theorem t : := by simp\n#eval 1 + 1\ndef f :")
    assert [m["data"] for m in answer["messages"]] == [
        "unexpected token ':='; expected term",
        "2",
        "unexpected end of input",
    ]
    assert [(m["pos"], m["endPos"]) for m in answer["messages"]] == [
        (at(1, 11), at(1, 14)),
        (at(2, 0), at(2, 5)),
        (at(3, 7), None),
    ]


async def test_long_and_many_messages_are_cut(repl: ReplProcess) -> None:
    answer = await ask(repl, cmd=f'#check "{"a" * 30_000}"')
    assert answer["messages"][0]["data"] == '"' + "a" * 19_999 + "… (10011 more characters)"
    answer = await ask(repl, cmd="#check 1\n" * 1005 + "#check nothing\n#check nobody")
    assert answer["droppedMessages"] == 7
    assert len(answer["messages"]) == 1001
    assert answer["messages"][-1]["data"] == "Unknown identifier `nothing`"  # an error is never lost


# ---- sorries, goals, tactics ----


async def test_sorries_in_tactics_and_terms(repl: ReplProcess) -> None:
    code = "theorem t (n : Nat) : n = n ∧ True := by\n  have h : n < 5 := sorry\n  constructor\n  · sorry\n  · admit"
    context = "n : Nat\nh : n < 5\n⊢ "
    assert await ask(repl, cmd=code) == {
        "sorries": [
            goal(f"case left\n{context}n = n", span(4, 4, 4, 9)),
            goal(f"case right\n{context}True", span(5, 4, 5, 9)),
            goal("n : Nat\n⊢ n < 5", span(2, 20, 2, 25)),
        ],
        "messages": [sorry_warning(1, 8, 9)],
        "env": ANY,
    }


async def test_sorries_of_several_declarations_and_of_a_macro(repl: ReplProcess) -> None:
    env = (await ask(repl, cmd='macro "later" : tactic => `(tactic| sorry)'))["env"]
    assert await ask(repl, cmd="theorem a : 1 = 1 := by later\ndef b : Nat → Nat := fun x => sorry", env=env) == {
        "sorries": [goal("⊢ 1 = 1", span(1, 24, 1, 29)), goal("x : Nat\n⊢ Nat", span(2, 30, 2, 35))],
        "messages": [sorry_warning(1, 8, 9), sorry_warning(2, 4, 5)],
        "env": ANY,
    }


async def test_a_sorry_with_nothing_to_prove_is_none(repl: ReplProcess) -> None:
    answer = await ask(repl, cmd="example : True := by\n  sorry\n  sorry")
    assert answer["sorries"] == [goal("⊢ True", span(2, 2, 2, 7))]
    assert answer["messages"] == [message("error", "No goals to be solved", span(3, 2, 3, 7))]


async def test_root_goals(repl: ReplProcess) -> None:
    code = "example : 1 = 1 ∧ True :=\n  ⟨by rfl, by\n    have : 2 = 2 := by rfl\n    trivial⟩"
    assert await ask(repl, cmd=code, rootGoals=True) == {
        "sorries": [goal("⊢ 1 = 1", span(2, 3, 2, 3)), goal("⊢ True", span(2, 11, 2, 11))],
        "env": ANY,
    }


async def test_all_tactics_of_nested_blocks(repl: ReplProcess) -> None:
    code = "theorem t (a b : Nat) (h : a = b) : b = a ∧ True := by\n  constructor\n  · { rw [h] }\n"
    code += "  case right => first | (skip; trivial)"
    before, context = "a b : Nat\nh : a = b\n⊢ b = a ∧ True", "a b : Nat\nh : a = b\n⊢ "
    left, right = f"case left\n{context}b = a", f"case right\n{context}True"
    chosen = f"{context}True"  # `case` takes the goal's tag away

    def tactic(text: str, goals: str, after: str, place: Answer) -> Answer:
        told = {"tactic": text, "goals": goals, "goalsAfter": after, **place}
        return {**told, "usedConstants": ANY, "proofState": ANY}

    answer = await ask(repl, cmd=code, allTactics=True)
    assert "messages" not in answer
    assert answer["tactics"] == [
        tactic("constructor", before, f"{left}\n{right}", span(2, 2, 2, 13)),
        tactic("{ rw [h] }", left, "no goals", span(3, 4, 3, 14)),
        tactic("rw [h]", left, "no goals", span(3, 6, 3, 12)),
        tactic("case right => first | (skip; trivial)", right, "no goals", span(4, 2, 4, 39)),
        tactic("first | (skip; trivial)", chosen, "no goals", span(4, 16, 4, 39)),
        tactic("skip", chosen, chosen, span(4, 25, 4, 29)),
        tactic("trivial", chosen, "no goals", span(4, 31, 4, 38)),
    ]


async def test_used_constants(repl: ReplProcess) -> None:
    env = (await ask(repl, cmd="def f : Nat := 3\ntheorem f_eq : f = 3 := rfl"))["env"]
    code = "example (n : Nat) : f + n = 3 + n := by\n  rw [f_eq]"
    used = (await ask(repl, cmd=code, env=env, allTactics=True))["tactics"][0]["usedConstants"]
    assert {"f", "f_eq", "Eq.mpr", "HAdd.hAdd", "instHAdd"} <= set(used)
    assert len(used) == len(set(used))
    answer = await ask(repl, cmd="example (h : 1 = 2) : 1 = 2 := by exact h", allTactics=True)
    assert answer["tactics"][0]["usedConstants"] == []


async def test_tactics_that_failed_are_listed_up_to_the_failure(repl: ReplProcess) -> None:
    answer = await ask(repl, cmd="example (p : Prop) : p → p := by\n  intro h\n  exact q\n  skip", allTactics=True)
    assert answer["messages"] == [message("error", "Unknown identifier `q`", span(3, 8, 3, 9), ANY)]
    assert [t["tactic"] for t in answer["tactics"]][:2] == ["intro h", "exact q"]


# ---- beyond the community REPL ----


async def test_axioms(repl: ReplProcess) -> None:
    code = (
        "axiom bad : 1 = 2\ntheorem t : 1 = 2 := bad\ntheorem u : 1 = 2 := by sorry\ntheorem v : True := trivial\n"
        "noncomputable def «w x» : Nat := Classical.choice ⟨0⟩"
    )
    answer = await ask(repl, cmd=code, axioms=["t", "u", "v", "«w x»", "nothing"])
    assert answer["axioms"] == {"t": ["bad"], "u": ["sorryAx"], "v": [], "«w x»": ["Classical.choice"], "nothing": None}


async def test_declarations(repl: ReplProcess) -> None:
    code = "/- 𝓧 -/ namespace A\n/-- Doc. -/\nprivate theorem t.u (n : Nat) : n = n := by\n  sorry\nend A"
    answer = await ask(repl, cmd=code, declarations=True)
    first, theorem, last = answer["commands"]
    assert [first["kind"], last["kind"]] == ["Lean.Parser.Command.namespace", "Lean.Parser.Command.end"]
    (said,) = theorem["declarations"]

    def cut(place: list[int]) -> str:
        return code[place[0] : place[1]]

    assert (said["kind"], said["name"], said["namespace"], said["private"]) == ("theorem", "A.t.u", "A", True)
    assert (said["constant"], said["theorem"], said["open"]) == ("_private.0.A.t.u", True, [])
    assert [sorry["proposition"] for sorry in answer["sorries"]] == [True]
    assert cut(theorem["span"]) == code[code.index("/-- Doc") : code.index("\nend A")]
    assert [cut(said[part]) for part in ("keyword", "id", "signature", "value", "doc")] == [
        "theorem",
        "t.u",
        "(n : Nat) : n = n",
        ":= by\n  sorry",
        "/-- Doc. -/",
    ]
    (hole,) = said["holes"]
    assert (cut(hole["span"]), hole["layout"], cut(hole["replaced"])) == ("sorry", "value", ":= by\n  sorry")


async def test_comparing_environments(repl: ReplProcess) -> None:
    a = (await ask(repl, cmd="def f := 1\ntheorem t : f = f := by sorry"))["env"]
    b = (await ask(repl, cmd="def f := 2\ntheorem t : f = f := rfl"))["env"]
    asked = {"challenge": a, "solution": b, "theorem": "t"}
    assert (await ask(repl, compare=asked))["comparison"] == {
        "challenge": "theorem",
        "solution": "theorem",
        "differs": [{"name": "f", "how": "value"}],
        "axioms": [],
        "computedSort": None,
        "sorries": [],
        "additions": None,
    }
    assert await ask(repl, compare={**asked, "solution": 10**6}) == {"message": "Unknown environment."}


async def test_the_limit_of_time(repl: ReplProcess) -> None:
    start = time.perf_counter()
    sums = "∀ a b c d e : Fin 12, a + b + c + d + e = e + d + c + b + a"
    slow = f"set_option maxHeartbeats 0\nset_option maxRecDepth 100000\nexample : {sums} := by decide\n#eval 1"
    answer = await ask(repl, cmd=slow, timeout=1000)
    assert answer["timeout"] is True
    assert 0.9 < time.perf_counter() - start < 13  # it has a second of work, for which it may wait on a busy machine
    assert await ask(repl, cmd="#eval 1", timeout=1000) == {
        "messages": [message("info", "1", span(1, 0, 1, 5))],
        "env": ANY,
    }


async def test_work_is_counted_once(repl: ReplProcess) -> None:
    """Each equation that Lean derives in a proof would double the count, if it were handed to a thread of its own."""
    functions = "\n".join(f"def f{n} : List Nat → Nat\n  | [] => 0\n  | x :: xs => x + f{n} xs" for n in range(8))
    names = ", ".join(f"f{n}" for n in range(8))
    answer = await ask(repl, cmd=f"{functions}\nexample : f0 [] = f7 [] := by simp [{names}]")
    assert [m["data"] for m in answer.get("messages", ()) if m["severity"] == "error"] == []


async def test_code_that_ignores_its_limit_ends_the_process() -> None:
    process = await ReplProcess.start(embedded())
    loop = "partial def f (n : Nat) : IO Nat := if n == 0 then pure 0 else f (n + 1)"
    answer = await process.request({"cmd": loop}, 60)
    with pytest.raises(OutOfTime):
        await process.request({"cmd": "#eval f 1", "env": answer["env"], "timeout": 1000}, 1)
    await process.kill()
    assert_gone(process.pid)


# ---- requests that cannot be served, and framing ----


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"cmd": 3},
        {"cmd": "x", "env": "0"},
        {"cmd": "x", "env": -1},
        {"cmd": "x", "timeout": "1"},
        {"cmd": "x", "axioms": "t"},
        {"path": ["a"]},
        {"drop": 1},
        {"nonsense": True},
    ],
)
async def test_not_a_command(repl: ReplProcess, request_: Answer) -> None:
    assert (await repl.request(request_, 10))["message"].startswith("Could not parse as a valid JSON command:")


def test_framing() -> None:
    """One write, many requests: comments, blank lines, JSON over several lines, errors, 3 MB, no last blank line."""
    number = json.dumps({"cmd": "#eval 1", "discard": True}, indent=2)
    requests = [
        "\n \n\n# not a request {",
        '-- neither\n{"cmd": "#eval 0"}',
        number,
        '{"cmd": "#eval',
        "[1, 2]",
        '{"cmd": "#check\r\n  Nat", "discard": true}\r',  # inside a string a line break does not count
        json.dumps({"cmd": "-- " + "é" * 1_500_000 + "\n#eval 2", "discard": True}, ensure_ascii=False),
        json.dumps({"cmd": "#eval 3", "discard": True}),
    ]
    answers, code = raw("\n\n".join(requests))
    assert code == 0
    shown = [a["message"] if "message" in a else [m["data"] for m in a["messages"]] for a in answers]
    assert [s if isinstance(s, list) else s.split(":")[0] for s in shown] == [
        ["1"],
        "Could not parse JSON",
        "Could not parse as a valid JSON command",
        ["Nat : Type"],
        ["2"],
        ["3"],
    ]


def test_the_end_of_input_inside_a_request_ends_the_process() -> None:
    answers, code = raw('{"cmd": "#eval 1"}\n\n{"cmd": "def')
    assert code == 0
    assert answers[0]["messages"][0]["data"] == "1"
    assert answers[1]["message"].startswith("Could not parse JSON:")
    assert len(answers) == 2


async def test_no_process_is_left() -> None:
    process = await ReplProcess.start(embedded())
    assert await process.request({"cmd": "def f := 1"}, 60) == DONE
    await process.kill()
    assert_gone(process.pid)
    early = await ReplProcess.start(embedded())
    await early.kill()
    assert_gone(early.pid)


def assert_gone(pid: int) -> None:
    """Neither the process nor another of its group is there."""
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
