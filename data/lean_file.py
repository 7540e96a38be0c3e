"""A Lean file as declarations, cut by Lean's own parser: their places, kinds and names come from Lean."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from data.holes import LEFT_OPEN, STAND_IN, Edit, Hole, left_open, spliced
from data.other_theorems import OtherTheorem, other_theorems
from data.records.parsing import BYTE_ORDER_MARK
from data.syntax.layout import INDENT
from data.theorem import Theorem, TheoremInPlace, informal_text
from lean_env import Check, Claim, LeanPool, Message
from lean_env.check import Context
from lean_env.subgoals import Subgoal

# Commands that may stand in a header: they bring nothing into the environment that a statement could be about.
_HEADER = frozenset(f"Lean.Parser.Command.{name}" for name in ("open", "set_option", "universe", "moduleDoc"))
_THEOREMS = frozenset({"theorem", "lemma"})
_KEYWORDS = {"definition": "def"}  # what a kind is called in a file, where that is another word


class FileError(Exception):
    """The file cannot be worked on: `messages` are Lean's errors outside of proofs."""

    def __init__(self, text: str, messages: tuple[Message, ...] = ()) -> None:
        super().__init__(text)
        self.messages = messages


@dataclass(frozen=True)
class Declaration:
    """A declaration of a file that has a value. Spans are [start, end) in code points.

    name: full name, one for each declaration of the file; an `example` is called after its line, an instance as Lean
        calls it. constant: the name in Lean's environment of what the claims about it declare.
    kind: its keyword.
    theorem: what it states is a proposition. renamed: it is asked about as a theorem, though the file has none there.
    command: of the command that it is in, from `set_option … in` to the end of a `mutual` block.
    column: where that begins in its line.
    head: the span that gives way to `heading` where it is asked about as a theorem. stated: where its statement ends.
    value: what stands from `:=` on.
    written: each `sorry` in it. errors: what Lean says against its proof.
    rests_on: names of what its statement rests on and that is left open.
    """

    name: str
    constant: str
    kind: str
    line: int
    theorem: bool
    renamed: bool
    command: tuple[int, int]
    column: int
    head: tuple[int, int]
    heading: str
    doc: tuple[int, int] | None
    stated: int
    value: tuple[int, int]
    informal: str = ""
    written: tuple[Hole, ...] = ()
    errors: tuple[Message, ...] = ()
    rests_on: tuple[str, ...] = ()

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The holes in it that are open."""
        return tuple(hole for hole in self.written if hole.reached)

    @property
    def open(self) -> bool:
        return bool(self.holes)

    @property
    def is_blank(self) -> bool:
        """Is nothing of its value written but one `sorry`?"""
        return len(self.written) == 1 and self.written[0].replaced == self.value


@dataclass(frozen=True)
class LeanFile:
    """A file and its declarations in order. `text` is what Lean reads: line ends are \\n, there is no byte order mark.

    A proof of a declaration, or of a hole in it, is an Edit; several methods take those that are known, by name.
    """

    text: str
    raw: str  # as it stands in the file
    path: str
    header_end: int
    declarations: tuple[Declaration, ...]
    others: tuple[OtherTheorem, ...] = ()

    @property
    def theorems(self) -> tuple[Declaration, ...]:
        """What states a proposition, so that it can be proved and checked."""
        return tuple(d for d in self.declarations if d.theorem)

    # ---- as theorems to be proved ----

    def theorem(self, declaration: Declaration, known: Mapping[str, Sequence[Edit]]) -> Theorem:
        """A declaration as a theorem whose proof is to be written anew. What stands before it is its context, with the
        edits that are known of it (name to edits), as it is written, or, where Lean refuses that, with `sorry`."""
        start, end = declaration.value
        return self._asked(declaration, Edit(start, end, "", "value"), known, ())

    def hole(
        self, declaration: Declaration, hole: Hole, filled: Sequence[Edit], known: Mapping[str, Sequence[Edit]]
    ) -> Theorem:
        """A hole of a declaration as a theorem. `filled`: of its other holes. What is open beside it is LEFT_OPEN."""
        return self._asked(declaration, Edit(*hole.replaced, "", hole.layout), known, filled)

    def written(self, declaration: Declaration, known: Mapping[str, Sequence[Edit]]) -> Claim:
        """That a declaration's proof in the file proves it."""
        theorem = self.theorem(declaration, known)
        start, end = declaration.value
        solution = self._command(
            declaration, declaration.command, tuple(self._elsewhere(declaration, (start, end), ()))
        )
        return Claim(theorem.challenge, solution, theorem.constant or theorem.name, theorem.context)

    def proof(self, declaration: Declaration, hole: Hole | None, proof: str) -> Edit:
        """A proof (a tactic block from column 0) as an edit: of a hole, or of the declaration's whole value."""
        span, layout = (declaration.value, "value") if hole is None else (hole.replaced, hole.layout)
        return Edit(*span, proof, layout, declaration.column + INDENT)

    def value(self, declaration: Declaration, edits: Iterable[Edit]) -> str:
        """The text from `:=` on, with edits made."""
        return spliced(self.text, *declaration.value, edits)

    def assumed(self, declaration: Declaration) -> tuple[Edit, ...]:
        """The edits that close a theorem's holes by LEFT_OPEN, so that proofs below may use it; none where its
        statement is open."""
        return () if declaration.rests_on or not declaration.theorem else tuple(self._closed(declaration))

    def _closed(self, declaration: Declaration) -> Iterator[Edit]:
        return (left_open(hole, self.text, n) for n, hole in enumerate(declaration.written) if hole.layout)

    def _asked(
        self, declaration: Declaration, at: Edit, known: Mapping[str, Sequence[Edit]], filled: Sequence[Edit]
    ) -> Theorem:
        start, end = declaration.command
        others = tuple(self._elsewhere(declaration, at.span, filled))
        # A comment before `:=` must not swallow another one.
        before = self._command(declaration, (start, declaration.stated if at.layout == "value" else at.start), others)
        after = self._command(declaration, (at.end, end), others)
        preamble = tuple(self._before(start, known))
        if any(STAND_IN in edit.text for edit in (*others, *chain.from_iterable(known.values()))):
            preamble = (LEFT_OPEN, *preamble)
        facts: dict[str, Any] = {
            "name": declaration.name,
            "header": self.text[: self.header_end],
            "preamble": preamble,
            "informal": declaration.informal,
            "source": f"{self.path}:{declaration.line}",
            "constant": declaration.constant,
        }
        if at.layout == "value" and not after.strip():
            return Theorem(statement=before.rstrip(), **facts)
        shown = self._command(declaration, (start, declaration.stated), others)
        column = declaration.column + INDENT if at.layout == "value" else self._column(start, before)
        return TheoremInPlace(
            statement=shown,
            before=f"{before} " if at.layout == "value" else before,
            after=after,
            layout=at.layout,
            column=column,
            definition=not declaration.theorem,
            **facts,
        )

    def _column(self, start: int, written: str) -> int:
        """The column after a text that begins at `start`."""
        line = written.rfind("\n") + 1
        return len(written) - line + (0 if line else start - (self.text.rfind("\n", 0, start) + 1))

    def _elsewhere(self, declaration: Declaration, at: tuple[int, int], filled: Sequence[Edit]) -> Iterator[Edit]:
        """The edits of a command where a span of one of its declarations is asked about."""
        edits = [*filled]
        for other in (d for d in self.declarations if d.command == declaration.command):
            edits += self._closed(other)
        taken = [at]
        for edit in edits:
            if all(edit.end <= start or end <= edit.start for start, end in taken):
                taken.append(edit.span)
                yield edit

    def _command(self, declaration: Declaration, span: tuple[int, int], edits: Sequence[Edit]) -> str:
        """A part of a declaration's command, without its doc comment, and as a theorem."""
        own = [Edit(*declaration.head, declaration.heading)] if declaration.renamed else []
        if declaration.doc:
            start, end = declaration.doc
            own.append(Edit(start, _next(self.text, end), ""))
        return spliced(self.text, *span, (*own, *edits))

    def _before(self, end: int, known: Mapping[str, Sequence[Edit]]) -> Iterator[str]:
        """The text from the header to an offset, command by command."""
        begin, after = self.header_end, self.header_end
        for earlier in self.declarations:
            if earlier.command[0] >= end:
                break
            if earlier.command[0] < after:
                continue  # of the same command as the one before
            after = earlier.command[1]
            yield self._with(begin, after, known)
            begin = after
        yield self._with(begin, end, known)

    def _with(self, start: int, end: int, known: Mapping[str, Sequence[Edit]]) -> str:
        """A part of the text, with what is known, and `sorry` for what Lean refuses."""
        edits: list[Edit] = []
        for d in self.declarations:
            if start <= d.command[0] < end:
                edits += known.get(d.name) or ([Edit(*d.value, ":= by sorry")] if d.errors else [])
        return spliced(self.text, start, end, edits)

    # ---- the file again ----

    def with_proofs(self, known: Mapping[str, Sequence[Edit]]) -> str:
        """The file with edits made (name to edits) and nothing else changed, not even its line ends."""
        raw, newline = self.raw, "\r\n" if "\r\n" in self.raw else "\n"
        for declaration in reversed(self.declarations):
            if edits := known.get(declaration.name):
                first, last = map(self._raw_offset, declaration.value)
                raw = raw[:first] + self.value(declaration, edits).replace("\n", newline) + raw[last:]
        return raw

    def with_headings(self, declarations: Sequence[Declaration], headings: Sequence[str]) -> str:
        """The text with other words in the place of declarations' keywords (and modifiers), while there are some."""
        edits = [Edit(*d.head, heading) for d, heading in zip(declarations, headings, strict=False)]
        return spliced(self.text, 0, len(self.text), edits)

    def _raw_offset(self, offset: int) -> int:
        """Where an offset in `text` is in `raw`."""
        mark = len(self.raw) - len(self.raw.removeprefix(BYTE_ORDER_MARK))
        if "\r\n" not in self.raw:
            return mark + offset
        lines = self.raw.removeprefix(BYTE_ORDER_MARK).split("\n")
        for line in lines:
            length = len(line.removesuffix("\r"))
            if offset <= length:
                return mark + offset
            offset -= length + 1
            mark += len(line) + 1
        raise ValueError("an offset beyond the end of the file")


class _Offsets:
    """Positions as Lean has them (lines end with \\n alone) and offsets in a text."""

    def __init__(self, text: str) -> None:
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def position(self, offset: int) -> tuple[int, int]:
        """Line from 1 on, column from 0 on."""
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1]


async def parse(
    pool: LeanPool, text: str, path: str = "<input>", keep: bool = False, subgoals: bool = False
) -> LeanFile:
    """Cut a Lean file into declarations.

    keep: solutions to the file as a whole will be judged; what it leaves open has no goals then.
    subgoals: each hole's goal is stated as a lemma, too.

    Raises FileError if Lean reports an error outside of proofs, InputError for what is no text.
    """
    raw, text = text, text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    answer = await pool.declarations(text, timeout=300, keep=keep, subgoals=subgoals)
    check = Check.from_json(answer, 0)
    if answer.get("timeout"):
        raise FileError(f"{path}: Lean needs more than 300 s for this file")
    cut = _Cut(text, answer, check.errors, keep)
    outside = tuple(m for m in check.errors if id(m) not in {id(e) for d in cut.found for e in d.errors})
    if outside:
        raise FileError(f"{path}: Lean reports errors", outside)
    others = tuple(other_theorems(answer.get("commands", ())))
    return LeanFile(text, raw, path, cut.header_end or answer.get("headerEnd", 0), tuple(cut.found), others)


async def parse_solution(
    pool: LeanPool,
    challenge: str,
    text: str,
    timeout: float = 60.0,
    context: Context = (),
    subgoals: bool = False,
) -> LeanFile:
    """Cut a solution, which nobody trusts, into declarations, whatever Lean says against it.

    context: the text before it. subgoals: each hole's goal is stated as a lemma, too.
    Raises InputError for what is no text, ContextError, ProcessDied.
    """
    text = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    answer = await pool.declarations(text, context=context, timeout=timeout, challenge=challenge, subgoals=subgoals)
    return LeanFile(text, text, "<solution>", 0, tuple(_Cut(text, answer, (), not subgoals).found))


async def with_header(pool: LeanPool, text: str, header: str) -> str:
    """The text with its imports replaced by a header."""
    body = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    answer = await pool.declarations(body, timeout=300)
    return f"{header.rstrip()}\n\n{body[answer['headerEnd'] :]}"


class _Cut:
    """The declarations of an answer of Lean's. `header_end`: 0 where no command is the header's."""

    def __init__(self, text: str, answer: dict[str, Any], errors: Sequence[Message], keep: bool) -> None:
        self.text, self.keep, self.offsets = text, keep, _Offsets(text)
        self.errors = [
            (self.offsets.offset(m.position.line, m.position.column) if m.position else -1, m) for m in errors
        ]
        self.goals: dict[int, list[dict[str, Any]]] = {}
        for sorry in answer.get("sorries", ()):
            if place := sorry.get("pos"):
                self.goals.setdefault(self.offsets.offset(place["line"], place["column"]), []).append(sorry)
        commands = answer.get("commands", ())
        self.names = {d["name"] for command in commands for d in command["declarations"]}
        self.found: list[Declaration] = []
        self.header_end, in_header = 0, True
        for command in commands:
            if in_header and command["kind"] in _HEADER:
                self.header_end = command["span"][1]
                continue
            in_header = False
            for declared in command["declarations"]:
                if declared["value"] and declared["keyword"] and command["span"]:
                    self.found.append(self._declaration(declared, command["span"]))

    def _declaration(self, declared: dict[str, Any], command: list[int]) -> Declaration:
        kind, doc, value, signature = declared["kind"], declared["doc"], declared["value"], declared["signature"]
        line, _ = self.offsets.position(declared["keyword"][0])
        # An example whose type is not written may prove something, but there is nothing to ask for.
        theorem = bool(signature) and bool(declared["theorem"] or (kind in _THEOREMS and not declared["constant"]))
        renamed = kind not in _THEOREMS
        name = declared["name"] or self._name(declared, line)
        space = declared["namespace"]
        short = name.removeprefix(f"{space}.") if space else name
        constant = declared["constant"] or name
        # The theorem that stands for an instance without a name takes the name that Lean has for it.
        written = self.text[slice(*declared["id"])] if declared["id"] else short
        begin = _next(self.text, doc[1]) if doc else declared["span"][0]
        end = signature[0] if signature else value[0]
        return Declaration(
            name=name,
            constant=constant,
            kind=_KEYWORDS.get(kind, kind),
            line=line,
            theorem=theorem,
            renamed=renamed and theorem,
            command=(command[0], command[1]),
            column=self.offsets.position(command[0])[1],
            head=(begin, end),
            heading=f"{'private ' if declared['private'] else ''}theorem {written} ",
            doc=(doc[0], doc[1]) if doc else None,
            stated=(signature or declared["id"] or declared["keyword"])[1],
            value=(value[0], value[1]),
            informal=informal_text(self.text[doc[0] : doc[1]]) if doc else "",
            written=tuple(self._holes(declared["holes"])),
            errors=tuple(
                m
                for offset, m in self.errors
                if theorem and (_within(offset, value) or _within(offset, declared.get("id")))
            ),
            rests_on=tuple(declared["open"]),
        )

    def _name(self, declared: dict[str, Any], line: int) -> str:
        """A name for what has none, that nothing else in the file has."""
        if declared["constant"]:
            return str(declared["constant"])
        space, number = declared["namespace"], 1
        base = f"{space}.example_line_{line}" if space else f"example_line_{line}"
        name = base
        while name in self.names:
            number += 1
            name = f"{base}_{number}"
        self.names.add(name)
        return name

    def _holes(self, written: Collection[dict[str, Any]]) -> Iterator[Hole]:
        """Where the environment is kept, no goals are told: all count as reached then."""
        for hole in written:
            start, end = hole["span"]
            goals = self.goals.get(start, [])
            yield Hole(
                *self.offsets.position(start),
                span=(start, end),
                replaced=(hole["replaced"][0], hole["replaced"][1]),
                layout=hole["layout"],
                reached=bool(goals) or self.keep,
                goal="\n\n".join(g["goal"] for g in goals),
                proposition=all(g.get("proposition", False) for g in goals),
                subgoal=_subgoal(goals),
            )


def _subgoal(goals: Sequence[dict[str, Any]]) -> Subgoal | str:
    """The lemma of a hole, of which Lean tells these goals."""
    if len(goals) != 1:
        return "Lean does not come to it" if not goals else "it closes several goals at once"
    found = goals[0].get("subgoal", {})
    return (
        Subgoal.from_json(found)
        if {"universes", "binders", "target", "needs"} <= {*found}
        else found.get("problem", "")
    )


def _next(text: str, offset: int) -> int:
    """The next offset at which something stands."""
    return offset + len(text[offset:]) - len(text[offset:].lstrip())


def _within(offset: int, span: Sequence[int] | None) -> bool:
    """Errors about a proof as a whole (termination, the kernel's) stand at the theorem's name."""
    return span is not None and span[0] <= offset <= span[1]
