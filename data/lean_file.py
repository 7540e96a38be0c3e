"""A Lean file as theorems, cut by Lean's own parser: positions and kinds come from the syntax tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.parsing import BYTE_ORDER_MARK
from data.theorem import Theorem, indented, informal_text
from lean_env import Check, LeanPool, Message

# Commands that may stand in a header: they bring nothing into the environment that a statement could be about.
_HEADER = frozenset(f"Lean.Parser.Command.{name}" for name in ("open", "set_option", "universe", "moduleDoc"))
_THEOREMS = frozenset({"theorem", "lemma", "example"})


class FileError(Exception):
    """The file cannot be worked on: `messages` are Lean's errors outside of proofs."""

    def __init__(self, text: str, messages: tuple[Message, ...] = ()) -> None:
        super().__init__(text)
        self.messages = messages


@dataclass(frozen=True)
class Place:
    """A theorem in a file: the spans [start, end) in code points of its command and of its proof (`:= …`)."""

    name: str  # full name; an `example` is called after its line
    line: int
    start: int
    end: int
    keyword: tuple[int, int]
    anonymous: bool
    statement: tuple[int, int]  # modifiers (without doc comment) to signature
    proof: tuple[int, int]
    informal: str
    open: bool  # its proof contains `sorry`
    errors: tuple[Message, ...]  # what Lean says against its proof
    column: int  # of its first character


@dataclass(frozen=True)
class LeanFile:
    """A file and its theorems in order. `text` is what Lean reads: line ends are \\n, there is no byte order mark."""

    text: str
    raw: str  # as it stands in the file
    path: str
    header_end: int
    places: tuple[Place, ...]

    def statement(self, place: Place) -> str:
        """The statement as a theorem; an `example` gets a name, so that it can be asked about."""
        return self._named(place, place.statement[1]).rstrip()

    def as_written(self, place: Place) -> str:
        """The theorem with the proof it has in the file."""
        return self._named(place, place.end)

    def _named(self, place: Place, end: int) -> str:
        start = place.statement[0]
        if not place.anonymous:
            return self.text[start:end]
        return f"{self.text[start : place.keyword[0]]}theorem {place.name}{self.text[place.keyword[1] : end]}"

    def theorem(self, place: Place, proofs: Mapping[str, str]) -> Theorem:
        """The theorem at a place. Theorems before it stand in its context with the given proofs (name to proof text),
        their own ones, or, where neither is known to hold, `sorry`."""
        pieces, begin = [], self.header_end
        for earlier in self.places:
            if earlier.start >= place.start:
                break
            piece = self.text[begin : earlier.end]
            if earlier.name in proofs or earlier.open or earlier.errors:
                proof = self.filled(earlier, proofs[earlier.name]) if earlier.name in proofs else ":= by sorry"
                piece = self.text[begin : earlier.proof[0]] + proof + self.text[earlier.proof[1] : earlier.end]
            pieces.append(piece)
            begin = earlier.end
        pieces.append(self.text[begin : place.start])
        return Theorem(
            name=place.name,
            statement=self.statement(place),
            header=self.text[: self.header_end],
            preamble=tuple(pieces),
            informal=place.informal,
            source=f"{self.path}:{place.line}",
        )

    def filled(self, place: Place, proof: str) -> str:
        """What stands in the place of its proof, with this proof text."""
        return ":= by\n" + indented(proof, place.column + 2)

    def with_proofs(self, proofs: Mapping[str, str]) -> str:
        """The file with these proofs filled in and nothing else changed, not even its line ends."""
        raw, newline = self.raw, "\r\n" if "\r\n" in self.raw else "\n"
        for place in reversed(self.places):
            if place.name in proofs:
                start, end = (self._raw_offset(offset) for offset in place.proof)
                raw = raw[:start] + self.filled(place, proofs[place.name]).replace("\n", newline) + raw[end:]
        return raw

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


async def parse(pool: LeanPool, text: str, path: str = "<input>", keep: bool = False) -> LeanFile:
    """Cut a Lean file into theorems. `keep`: solutions to it as a whole will be judged.

    Raises FileError if Lean reports an error outside of the theorems' proofs, InputError for what is no text.
    """
    raw, text = text, text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    answer = await pool.declarations(text, timeout=300, keep=keep)
    check = Check.read(answer, 0)
    if answer.get("timeout"):
        raise FileError(f"{path}: Lean needs more than 300 s for this file")
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    offsets = [(lines[m.position.line - 1] + m.position.column if m.position else -1, m) for m in check.errors]
    places: list[Place] = []
    header_end, in_header = 0, True
    for command in answer.get("commands", ()):
        if in_header and command["kind"] in _HEADER:
            header_end = command["span"][1]
            continue
        in_header = False
        place = _place(command, text, offsets)
        if place:
            places.append(place)
    inside = {id(m) for p in places for m in p.errors}
    outside = tuple(m for m in check.errors if id(m) not in inside)
    if outside:
        raise FileError(f"{path}: Lean reports errors", outside)
    header_end = header_end or answer.get("headerEnd", 0)
    return LeanFile(text, raw, path, header_end, tuple(places))


async def with_header(pool: LeanPool, text: str, header: str) -> str:
    """The text with its imports replaced by a header."""
    body = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    answer = await pool.declarations(body, timeout=300)
    return f"{header.rstrip()}\n\n{body[answer['headerEnd'] :]}"


def _place(command: dict[str, Any], text: str, errors: list[tuple[int, Message]]) -> Place | None:
    declared = command.get("declaration")
    if not declared or declared["kind"] not in _THEOREMS or not declared["value"] or not declared["signature"]:
        return None
    start, end = command["span"]
    doc, proof = declared["doc"], declared["value"]
    line = text.count("\n", 0, declared["keyword"][0]) + 1
    anonymous = not declared["name"]
    begin = doc[1] + len(text[doc[1] :]) - len(text[doc[1] :].lstrip()) if doc else start
    return Place(
        name=f"example_line_{line}" if anonymous else declared["name"],
        line=line,
        start=start,
        end=end,
        keyword=tuple(declared["keyword"]),
        anonymous=anonymous,
        statement=(begin, declared["signature"][1]),
        proof=tuple(proof),
        informal=informal_text(text[doc[0] : doc[1]]) if doc else "",
        open=bool(declared["holes"]),
        errors=tuple(m for offset, m in errors if _within(offset, proof) or _within(offset, declared.get("id"))),
        column=start - (text.rfind("\n", 0, start) + 1),
    )


def _within(offset: int, span: Sequence[int] | None) -> bool:
    """Errors about a proof as a whole (termination, the kernel's) stand at the theorem's name."""
    return span is not None and span[0] <= offset <= span[1]
