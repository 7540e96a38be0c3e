"""Reads theorems with proofs, from the formats that corpora of proofs are published in.

| a row has | as in |
| --- | --- |
| a statement that ends with `:= by`, and a proof | DeepSeek-Prover-V1; Lean Workbook (its proofs are a list) |
| a whole file | Goedel-Prover's proofs (`full_proof`), NuminaMath-LEAN (`formal_proof`, `formal_ground_truth`) |
| a prompt with a statement in a code block, and its completion | STP (`prompt`, `target`) |
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.problems import INFORMAL, Problem, ProblemError, field, lean_text, problem
from data.records.parsing import ParseError, nonblank_lines, parse_json
from data.syntax.declarations import SourceError, definitions, open_theorems, proved_theorems
from data.syntax.keywords import THEOREMS
from data.syntax.layout import as_exact, block_at, indented
from data.syntax.lexer import is_doc, tokens
from data.theorem import Theorem

# Names of fields, the first that a row has.
_STATEMENT = ("formal_statement", "lean4_statement", "statement", "prompt")
_PROOF = ("formal_proof", "lean4_proof", "lean_proof", "proof", "target")
_WHOLE = ("full_proof", "formal_ground_truth", "lean_code", "lean4_code", "full_code", "code")
_HEADER = ("header", "lean_header", "formal_header")
_TOLD = (*INFORMAL, "natural_language_statement", "informal_problem", "problem")

_HOLES = frozenset(("sorry", "admit"))
_FENCE = re.compile(r"^[ \t]*```.*\n?", re.MULTILINE)
_CONTINUES = frozenset(("|", "_", "<;>", "<|>", ")", "]", "}", "⟩", "at", "using", "with", "else", "then"))
_OPENS = frozenset(("by", "=>", "with", ":=", ",", "(", "[", "⟨", "{", "at", "from", "then", "do", "·", "↦", "calc"))


@dataclass(frozen=True)
class Pair:
    """A problem and a proof of it: the text after `:= by`, from column 0, as a policy writes it."""

    problem: Problem
    proof: str


def read(path: Path, unreadable: list[ProblemError] | None = None, unproved: list[str] | None = None) -> Iterator[Pair]:
    """Read the pairs of a file of JSON lines, a JSON array of rows, a Lean file, or all Lean files of a folder.

    A proof by a term becomes `exact …`. What has no proof, or one with a `sorry`, or one that names a lemma with a
    `sorry`, or definitions with a `sorry` before it, is no pair: its place is appended to `unproved`. What cannot be
    read is appended to `unreadable`, as problems.read does it. Raises ProblemError, OSError.
    """
    for found in _found(path):
        if isinstance(found, Pair):
            yield found
        elif isinstance(found, str):
            if unproved is not None:
                unproved.append(found)
        elif unreadable is None:
            raise found
        else:
            unreadable.append(found)


def as_row(pair: Pair) -> dict[str, Any]:
    """The pair in the format of DeepSeek-Prover-V1's data, which problems.read takes, too.

    `read` gives back what it has read itself, exactly. Of a theorem that was made otherwise, its header may get the
    line end it lacks, and its preamble may be divided otherwise.
    """
    theorem = pair.problem.theorem
    preamble = "".join(theorem.preamble)
    preamble += "\n" if preamble and not preamble.endswith("\n") else ""
    doc = f"/-- {theorem.informal.replace('-/', '- /')} -/\n" if theorem.informal else ""
    return {
        "name": pair.problem.name,
        "split": pair.problem.split,
        "tags": list(pair.problem.tags),
        "header": theorem.header,
        "informal_prefix": "" if preamble else doc,  # otherwise it would be told of the first definition
        "formal_statement": f"{preamble}{doc if preamble else ''}{theorem.statement} := by\n",
        "formal_proof": indented(pair.proof),
        "origin": theorem.source,
    }


def tactics(text: str, span: tuple[int, int]) -> str:
    """The value of a theorem, `:= …` at a span of a text, as a block of tactics from column 0; empty if it has none.

    The lines keep their places to each other; what stands left of the first tactic goes to column 0.
    """
    start, end = span
    code = list(tokens(text[start:end]))
    is_block = len(code) > 1 and code[1].text == "by"
    if len(code) < 2 + is_block:
        return ""
    block = block_at(text, start + code[is_block].end, end)
    return block if is_block else as_exact(block)


def proof_tokens(proof: str) -> list[str]:
    """The tokens of a proof, without comments: equal for proofs that differ in white space."""
    return [token.text for token in tokens(proof) if not is_doc(token)]


# ---- files ----


def _found(path: Path) -> Iterator[Pair | ProblemError | str]:
    if path.is_dir():
        files = sorted(path.rglob("*.lean"))
        if not files:
            raise ProblemError(f"{path}: it has no Lean files")
        for file in files:
            yield from _lean(file)
    elif path.suffix == ".lean":
        yield from _lean(path)
    elif path.suffix == ".parquet":
        raise ProblemError(f"{path}: a Parquet file. Write its rows as JSON lines first, with any tool that reads it")
    else:
        for place, row in _rows(path):
            if isinstance(row, ProblemError):
                yield row
                continue
            try:
                yield from _row(row, place)
            except (SourceError, ProblemError) as error:
                text = str(error)
                yield ProblemError(text if text.startswith(place) else f"{place}: {text}")


def _lean(path: Path) -> Iterator[Pair | ProblemError | str]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        yield ProblemError(f"{path}: not UTF-8 at byte {error.start}")
        return
    for found in proved_theorems(text, str(path)):
        if isinstance(found, SourceError):
            yield ProblemError(str(found))
            continue
        theorem, span = found
        proof = tactics(text, span)
        if not proof or _open(theorem, proof):
            yield theorem.source
        else:
            yield Pair(Problem(theorem.name, _trimmed(theorem)), proof)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any] | ProblemError]]:
    with path.open("rb") as file:
        if path.suffix == ".json" and file.read(64).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
            file.seek(0)
            try:
                rows = parse_json(file.read())
            except ParseError as error:
                raise ProblemError(f"{path}: {error}") from None
            lines: Iterable[Any] = (row if isinstance(row, dict) else None for row in rows)
            yield from ((f"{path}[{k}]", _object(row, f"{path}[{k}]")) for k, row in enumerate(lines))
            return
        file.seek(0)
        for number, line in nonblank_lines(file):
            place = f"{path}:{number}"
            try:
                yield place, _object(parse_json(line), place)
            except ParseError as error:
                yield place, ProblemError(f"{place}: {error}")


def _object(row: Any, place: str) -> Mapping[str, Any] | ProblemError:
    return row if isinstance(row, dict) else ProblemError(f"{place}: not a JSON object")


# ---- rows ----


def _row(row: Mapping[str, Any], place: str) -> Iterator[Pair | str]:
    """The pairs of a row, one for each of its proofs."""
    statement, wholes = _unfenced(field(row, _STATEMENT)), field(row, _WHOLE)
    given = next((row[name] for name in _PROOF if row.get(name)), None)
    proofs = [str(proof) for proof in given if proof] if isinstance(given, list) else [str(given)] if given else []
    if not (statement or wholes or any(map(_declares, proofs))):
        raise ProblemError(f"{place}: none of the fields {', '.join((*_STATEMENT, *_WHOLE))}")
    if not proofs:
        proofs = [wholes or statement]
    head = {"header": field(row, _HEADER), "informal_prefix": field(row, INFORMAL)}
    for proof in map(_unfenced, proofs):
        if _declares(proof):
            text = lean_text({"header": "" if _imports(proof) else head["header"]}, proof)
        elif statement:
            text = lean_text(head if not _imports(statement) else head | {"header": ""}, _joined(statement, proof))
        else:
            raise ProblemError(f"{place}: a proof without a statement")
        yield _pair(row, text.replace("\r\n", "\n"), place)


def _pair(row: Mapping[str, Any], text: str, place: str) -> Pair | str:
    """The last theorem of a text as a pair, or the place if it has no proof."""
    found = list(proved_theorems(text, place))
    if not found:
        raise ProblemError(f"{place}: no theorem")
    last = found[-1]
    if isinstance(last, SourceError):
        raise last
    theorem, span = last
    proof = tactics(text, span)
    if not proof or _open(theorem, proof):
        return place
    told = theorem.informal or field(row, _TOLD).strip().removeprefix("/--").removesuffix("-/").strip()
    theorem = replace(_trimmed(theorem), informal=told, source=field(row, ("origin",)) or place)
    return Pair(problem(row, theorem), proof)


def _joined(statement: str, proof: str) -> str:
    """A statement, with or without a `:= by` or a `sorry` at its end, and a proof, with or without its first words."""
    code = list(tokens(statement))
    for word in ("sorry", "by", ":="):
        if code and code[-1].text == word:
            code.pop()
    statement = statement[: code[-1].end] if code else ""
    first = next((token.text for token in tokens(proof)), "")
    if first in (":=", "by"):
        return f"{statement} {'' if first == ':=' else ':= '}{proof.lstrip()}"
    return f"{statement} := by\n{indented(_aligned(proof))}\n"  # indented: no line of it can pass for a command


def _aligned(proof: str) -> str:
    """A proof whose first line has lost its indentation, as strip() does it, gets it back."""
    code = list(tokens(proof))
    if not code or code[0].column > 0:
        return proof
    margin = min((t.column for t in code[1:] if t.breaks), default=0)
    below = next((k for k, t in enumerate(code) if k and t.breaks and t.column == margin), 0)
    if margin == 0 or code[below].text in _CONTINUES or code[below - 1].text in _OPENS or code[below].depth > 0:
        return proof
    return " " * margin + proof[code[0].start :]


def _declares(text: str) -> bool:
    return any(token.text in THEOREMS or token.text == "import" for token in tokens(text))


def _imports(text: str) -> bool:
    return any(token.text == "import" for token in tokens(text))


def _unfenced(text: str) -> str:
    """What stands in the first code block of a text, if it has one; a block may be left open at either end."""
    fences = list(_FENCE.finditer(text))
    if not fences:
        return text
    opening = next((fence for fence in fences if "lean" in fence[0]), None)
    if opening is None:
        return text[: fences[0].start()]
    closing = next((fence for fence in fences if fence.start() >= opening.end()), None)
    return text[opening.end() : closing.start() if closing else len(text)]


def _open(theorem: Theorem, proof: str) -> bool:
    """Has the proof a hole, or does it name a lemma that has one, or has a definition before it one?"""
    used = {token.text for token in tokens(proof)}
    if used & _HOLES:
        return True
    before = "".join(theorem.preamble)
    if not any(hole in before for hole in _HOLES):
        return False
    lemmas = {name.rpartition(".")[2] for name in open_theorems(before)}
    return bool(lemmas & used) or any(t.text in _HOLES for d in definitions(before) for t in d.after)


def _trimmed(theorem: Theorem) -> Theorem:
    return replace(theorem, preamble=tuple(piece for piece in theorem.preamble if piece.strip()))
