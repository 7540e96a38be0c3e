"""Can a problem be asked at all? It is elaborated with `sorry`; what this Lean cannot express has a reason."""

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
_LONGEST = 200  # characters of what Lean says of it
_UNKNOWN = re.compile(r"Unknown identifier `([^`]+)`", re.IGNORECASE)
_STRICT, _LOOSE = "set_option autoImplicit false in\n", "set_option autoImplicit true in\n"


class Screen:
    """Finds out for problem after problem whether, and how, this Lean can be asked for it.

    A header that this Lean does not take (it has no Mathlib) is replaced by `data.headers.core` of it. Of names that
    nobody declared, only such may be bound by Lean itself as look like variables: `ℝ`, unknown, would be one, too.
    """

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool
        self._headers: dict[str, asyncio.Task[str]] = {}

    async def entry(self, problem: Problem) -> Entry:
        """One problem as an entry."""
        theorem = problem.theorem
        if not any(token.text in THEOREMS for token in tokens(theorem.statement)):
            return Entry(problem, False, "it asks for a definition, not for a proof")
        if _open_definition(theorem):
            return Entry(problem, False, "it asks for a definition, too: one before the theorem is left open")
        header = await self._header(theorem.header)
        replaced = header != theorem.header
        asked = replace(problem, theorem=replace(theorem, header=header))
        strict = await self._check(asked.theorem, _STRICT)
        if _states(strict):
            return Entry(asked, True, goal=strict.sorries[-1].goal, replaced=replaced)
        bound = list(dict.fromkeys(name for m in strict.errors for name in _UNKNOWN.findall(m.text)))
        if bound and all(map(is_variable, bound)):
            loosens = replaced and "autoImplicit" not in theorem.header  # else the header says itself what Lean does
            loose = await self._check(asked.theorem, _LOOSE if loosens else "")
            if _states(loose):
                if loosens:
                    header += "\nset_option autoImplicit true\n"
                asked = replace(problem, theorem=replace(theorem, header=header))
                goal = loose.sorries[-1].goal
                odd = [name for name in bound if not _is_usual(name, goal)]
                said = f"Lean takes {', '.join(odd)} for {_variables(len(odd))} nobody declared"
                flags = (Flag("auto-bound", said),) if odd else ()
                return Entry(asked, True, goal=goal, replaced=replaced, flags=flags)
        return Entry(asked, False, _why(strict, _STRICT + theorem.challenge), replaced=replaced)

    async def _header(self, header: str) -> str:
        """A header as this Lean can have it; looked into once."""
        if header not in self._headers:
            self._headers[header] = asyncio.create_task(self._usable(header))
        return await asyncio.shield(self._headers[header])

    async def _usable(self, header: str) -> str:
        # As a context, so that the process that has it is the one that the problems after it are looked at in.
        check = await self._look("", (header,) if header.strip() else ())
        if check.ended not in (Ended.COMPLETED, Ended.CONTEXT):
            raise LeanUnavailable(f"Lean does not get through the header of these problems: {check.detail}")
        return core(header) if check.errors else header

    async def _look(self, code: str, context: tuple[str, ...] = ()) -> Check:
        """What Lean says; asked once more if it did not come to an end, which may be the machine's fault."""
        check = await self.pool.check(code, context=context, timeout=_SECONDS)
        if check.ended in (Ended.COMPLETED, Ended.CONTEXT, Ended.INPUT):
            return check
        return await self.pool.check(code, context=context, timeout=2 * _SECONDS)

    async def _check(self, theorem: Theorem, option: str) -> Check:
        return await self._look(option + theorem.challenge, theorem.context)


def _states(check: Check) -> bool:
    return check.ok and bool(check.sorries)


def _open_definition(theorem: Theorem) -> bool:
    """Does a definition before the statement stand open? The answer to the problem is to be filled in there."""
    word = ""
    for token in (token for piece in theorem.preamble for token in tokens(piece)):
        if token.text in THEOREMS | DEFINITIONS:
            word = token.text
        elif token.text == "sorry" and word not in THEOREMS:
            return True
    return False


def _why(check: Check, code: str) -> str:
    """The first thing that Lean has against a statement, in a line."""
    said = check.errors or check.messages
    if not said:
        return check.detail or "the statement leaves no goal"
    text, place = " ".join(said[0].text.split("\n\n")[0].split()), said[0].position
    if check.ended is Ended.CONTEXT:
        text = f"before the statement: {text}"
    elif place is not None and "`" not in text and place.line <= code.count("\n") + 1:
        at = code.splitlines()[place.line - 1][place.column :].split()[:3]
        text += f" at `{' '.join(at)}`" if at else ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _is_usual(name: str, goal: str) -> bool:
    """Is it a type called by a Greek letter? Authors leave it to Lean on purpose to bind these."""
    return re.search(rf"^(?:\S+ )*{name}(?: \S+)* : (?:Type|Sort)\b", goal, re.MULTILINE) is not None and name[0] >= "Α"


def _variables(count: int) -> str:
    return "a variable that" if count == 1 else "variables that"


def unique(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The same problems; one whose name was there before gets a number."""
    seen: set[str] = set()
    for problem in problems:
        name, number = problem.name, 1
        while name in seen:
            number += 1
            name = f"{problem.name} ({number})"
        seen.add(name)
        yield problem if number == 1 else replace(problem, name=name)
