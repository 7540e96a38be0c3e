"""Screening: whether this Lean can express a problem. Its statement is elaborated with `sorry`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from data import Theorem
from data.headers import core
from data.problems import Problem
from data.syntax.keywords import DEFINITIONS, THEOREMS
from data.syntax.lexer import tokens
from data.syntax.unbound import is_variable
from eval.attempts import Entry, Flag
from lean_env import Check, Ended, LeanPool, LeanUnavailable

_SECONDS = 60.0  # to elaborate one statement
_MAX_LENGTH = 200  # characters of Lean's message
_UNKNOWN_NAME = re.compile(r"Unknown identifier `([^`]+)`", re.IGNORECASE)
_NO_AUTO_BOUND, _AUTO_BOUND = "set_option autoImplicit false in\n", "set_option autoImplicit true in\n"


class Screen:
    """Finds out whether, and with which header, this Lean can express a problem.

    A header that this Lean cannot load (it has no Mathlib) is replaced by `data.headers.core` of it. Lean may bind an
    undeclared name itself only if it looks like a variable: an unknown `ℝ` would become one, too.
    """

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool
        self._headers: dict[str, asyncio.Task[str]] = {}

    async def entry(self, problem: Problem) -> Entry:
        """Return the entry of a problem."""
        theorem = problem.theorem
        if not any(token.text in THEOREMS for token in tokens(theorem.statement)):
            return Entry(problem, False, "it asks for a definition, not for a proof")
        if _has_open_definition(theorem):
            return Entry(problem, False, "it asks for a definition, too: one before the theorem is left open")
        header = await self._header(theorem.header)
        replaced = header != theorem.header
        asked_problem = replace(problem, theorem=replace(theorem, header=header))
        strict_check = await self._check(asked_problem.theorem, _NO_AUTO_BOUND)
        if _has_goal(strict_check):
            return Entry(asked_problem, True, goal=strict_check.sorries[-1].goal, replaced=replaced)
        unknown_names = list(dict.fromkeys(name for m in strict_check.errors for name in _UNKNOWN_NAME.findall(m.text)))
        if unknown_names and all(map(is_variable, unknown_names)):
            adds_option = replaced and "autoImplicit" not in theorem.header  # otherwise the header sets the option
            loose_check = await self._check(asked_problem.theorem, _AUTO_BOUND if adds_option else "")
            if _has_goal(loose_check):
                if adds_option:
                    header += "\nset_option autoImplicit true\n"
                asked_problem = replace(problem, theorem=replace(theorem, header=header))
                goal = loose_check.sorries[-1].goal
                odd_names = [name for name in unknown_names if not _is_type_variable(name, goal)]
                detail = f"Lean takes {', '.join(odd_names)} for {_variables(len(odd_names))} nobody declared"
                flags = (Flag("auto-bound", detail),) if odd_names else ()
                return Entry(asked_problem, True, goal=goal, replaced=replaced, flags=flags)
        return Entry(
            asked_problem, False, _first_message(strict_check, _NO_AUTO_BOUND + theorem.challenge), replaced=replaced
        )

    async def _header(self, header: str) -> str:
        """Return a header as this Lean can load it; computed once per header."""
        if header not in self._headers:
            self._headers[header] = asyncio.create_task(self._usable_header(header))
        return await asyncio.shield(self._headers[header])

    async def _usable_header(self, header: str) -> str:
        # As a context, so that the following problems are checked in the same process.
        check = await self._check_twice("", (header,) if header.strip() else ())
        if check.ended not in (Ended.COMPLETED, Ended.CONTEXT):
            raise LeanUnavailable(f"Lean does not get through the header of these problems: {check.detail}")
        return core(header) if check.errors else header

    async def _check_twice(self, code: str, context: tuple[str, ...] = ()) -> Check:
        """Check code; once more if the check did not complete, which may be due to the machine."""
        check = await self.pool.check(code, context=context, timeout=_SECONDS)
        if check.ended in (Ended.COMPLETED, Ended.CONTEXT, Ended.INPUT):
            return check
        return await self.pool.check(code, context=context, timeout=2 * _SECONDS)

    async def _check(self, theorem: Theorem, option: str) -> Check:
        return await self._check_twice(option + theorem.challenge, theorem.context)


def _has_goal(check: Check) -> bool:
    return check.ok and bool(check.sorries)


def _has_open_definition(theorem: Theorem) -> bool:
    """Return whether a definition before the statement has a `sorry`: the place for the answer to the problem."""
    keyword = ""
    for token in (token for piece in theorem.preamble for token in tokens(piece)):
        if token.text in THEOREMS | DEFINITIONS:
            keyword = token.text
        elif token.text == "sorry" and keyword not in THEOREMS:
            return True
    return False


def _first_message(check: Check, code: str) -> str:
    """Return Lean's first message about a statement, in a line."""
    messages = check.errors or check.messages
    if not messages:
        return check.detail or "the statement leaves no goal"
    text, position = " ".join(messages[0].text.split("\n\n")[0].split()), messages[0].position
    if check.ended is Ended.CONTEXT:
        text = f"before the statement: {text}"
    elif position is not None and "`" not in text and position.line <= code.count("\n") + 1:
        tokens_there = code.splitlines()[position.line - 1][position.column :].split()[:3]
        text += f" at `{' '.join(tokens_there)}`" if tokens_there else ""
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


def _is_type_variable(name: str, goal: str) -> bool:
    """Return whether the name is a type called by a Greek letter, which authors leave to Lean on purpose."""
    return re.search(rf"^(?:\S+ )*{name}(?: \S+)* : (?:Type|Sort)\b", goal, re.MULTILINE) is not None and name[0] >= "Α"


def _variables(count: int) -> str:
    return "a variable that" if count == 1 else "variables that"


def with_unique_names(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems; one with a name that was used before gets a number."""
    names: set[str] = set()
    for problem in problems:
        name, number = problem.name, 1
        while name in names:
            number += 1
            name = f"{problem.name} ({number})"
        names.add(name)
        yield problem if number == 1 else replace(problem, name=name)
