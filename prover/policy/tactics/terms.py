"""A small parser of terms as Lean prints them: arithmetic, logic and function application.

A term that uses notation beyond this grammar does not parse; the templates then leave that hypothesis alone.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST = 1000  # characters of a term: its tree may be as deep as half of that


@dataclass(frozen=True)
class Term:
    """A node: `head` is an operator, a name or a numeral; `names` and `type` belong to the binders ∀, ∃ and λ.

    Application of a compound function has the head `$` and the function as first argument. Method calls `a.gcd b`
    keep the head `.gcd` and the receiver as first argument, because the receiver's type is not known here.
    """

    head: str
    args: tuple["Term", ...] = ()
    names: tuple[str, ...] = ()
    type: str = ""

    @property
    def number(self) -> int | None:
        """The value of a numeral, else none."""
        return int(self.head) if self.head.isdecimal() and not self.args else None

    @property
    def is_name(self) -> bool:
        return not self.args and not self.names and self.number is None

    def walk(self) -> Iterator["Term"]:
        """This term and all terms inside it, outermost first."""
        yield self
        for arg in self.args:
            yield from arg.walk()

    def mentions(self, name: str) -> bool:
        return any(t.head == name for t in self.walk())

    def replace(self, name: str, value: "Term") -> "Term":
        """Substitute a term for a free name; a binder of the same name shields it."""
        if self.head == name and not self.args:
            return value
        if name in self.names:
            return self
        return Term(self.head, tuple(a.replace(name, value) for a in self.args), self.names, self.type)

    def __str__(self) -> str:
        args = [str(a) for a in self.args]
        if self.names:
            binder = " ".join(self.names) + (f" : {self.type}" if self.type else "")
            arrow = " =>" if self.head == "fun" else ","
            return f"({self.head} {binder}{arrow} {args[0]})"
        if not args:
            return self.head
        if self.head == "$":
            return f"({' '.join(args)})"
        if self.head in BINARY and len(args) == 2:
            return f"({args[0]} {self.head} {args[1]})"
        if self.head in ("-", "¬", "!", "↑"):
            return f"({self.head}{args[0]})"
        if self.head.startswith("."):
            return f"({args[0]}{self.head}{''.join(' ' + a for a in args[1:])})"
        return f"({self.head} {' '.join(args)})"


# operator: (precedence, precedence of the left operand, of the right operand), as in core Lean
BINARY: dict[str, tuple[int, int, int]] = {
    "↔": (20, 21, 21), "→": (25, 26, 25), "∨": (30, 31, 30), "∧": (35, 36, 35),
    "=": (50, 51, 51), "≠": (50, 51, 51), "<": (50, 51, 51), "≤": (50, 51, 51), ">": (50, 51, 51), "≥": (50, 51, 51),
    "∣": (50, 51, 51), "∈": (50, 51, 51), "∉": (50, 51, 51), "==": (50, 51, 51), "!=": (50, 51, 51),
    "||": (30, 30, 31), "&&": (35, 35, 36), "::": (67, 68, 67), "++": (65, 65, 66),
    "+": (65, 65, 66), "-": (65, 65, 66), "*": (70, 70, 71), "/": (70, 70, 71), "%": (70, 70, 71), "^": (75, 76, 75),
    "∘": (90, 91, 90), "×": (35, 36, 35),
}  # fmt: skip
PREFIX = {"-": 75, "¬": 40, "!": 40, "↑": 1024}
TOKEN = re.compile(
    r"\s*(\d+|[^\W\d][\w'!?₀-₉✝¹²³⁴-⁹]*(?:\.[^\W\d][\w'!?₀-₉✝]*|\.\d+)*|\.[^\W\d]\w*|==|!=|&&|\|\||::|\+\+|:=|=>|\S)"
)
RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, "≠": operator.ne, "<": operator.lt, "≤": operator.le, ">": operator.gt, "≥": operator.ge,
    "∣": lambda a, b: b % a == 0 if a else b == 0,
}  # fmt: skip
"""What relations of whole numbers say."""


class ParseError(ValueError):
    """A text is outside the parser's grammar."""


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = [m.group(1) for m in TOKEN.finditer(text)] + [""]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at]

    def take(self, wanted: str | None = None) -> str:
        token = self.tokens[self.at]
        if wanted is not None and token != wanted:
            raise ParseError(f"expected {wanted!r}, found {token!r}")
        self.at += 1
        return token

    def term(self, level: int = 0) -> Term:
        left = self.prefix()
        while (op := self.peek()) in BINARY:
            precedence, left_level, right_level = BINARY[op]
            if precedence < level or self.level(left) < left_level:
                break
            self.take()
            left = Term(op, (left, self.term(right_level)))
        return left

    def level(self, term: Term) -> int:
        # parentheses are kept as a head "()" until the end so that `(a + b) * c` is not taken apart again
        if term.head == "-" and len(term.args) == 1:
            return 75
        return BINARY[term.head][0] if term.head in BINARY and len(term.args) == 2 else 1024

    def prefix(self) -> Term:
        token = self.peek()
        if token in PREFIX:
            self.take()
            if token == "↑":
                return Term("↑", (self.atom(),))
            return Term(token, (self.term(PREFIX[token]),))
        if token in ("∀", "∃", "fun", "λ"):
            return self.binder()
        head = self.atom()
        args = []
        while self.starts_atom():
            args.append(self.atom())
        if not args:
            return head
        if head.is_name:
            return Term(head.head, tuple(args))
        if head.head.startswith("."):
            return Term(head.head, head.args + tuple(args))
        return Term("$", (head, *args))

    def starts_atom(self) -> bool:
        token = self.peek()
        return bool(token) and (token in "([↑" or token[0].isalnum() or token[0] == "_") and token != "fun"

    def atom(self) -> Term:
        token = self.take()
        if token == "↑":
            result = Term("↑", (self.atom(),))
        elif token == "(":
            inner = self.term()
            if self.peek() == ":":  # a type ascription; the printed type adds nothing the templates use
                while self.peek() not in (")", ""):
                    self.take()
            self.take(")")
            result = Term("()", (inner,))
        elif token == "[":
            items = []
            while self.peek() != "]":
                items.append(self.term())
                if self.peek() != "]":
                    self.take(",")
            self.take("]")
            result = Term("[]", tuple(items))
        elif token and (token[0].isalnum() or token[0] == "_"):
            first, *fields = token.split(".") if not token[0].isdecimal() else [token]
            # `Nat.gcd` is one name, `a.gcd` is a call on a variable: names of types start with a capital
            result = Term(token) if first[:1].isupper() or not fields else Term(first)
            if result.head == first:
                for name in fields:
                    result = Term("." + name, (result,))
        else:
            raise ParseError(f"unexpected {token!r}")
        while re.fullmatch(r"\.[^\W\d]\w*", self.peek()):
            result = Term(self.take(), (result,))
        return result

    def binder(self) -> Term:
        head = self.take()
        names: list[str] = []
        kind = ""
        groups: list[tuple[tuple[str, ...], str]] = []
        guard: tuple[str, Term] | None = None
        while self.peek() not in (",", "=>"):
            token = self.take()
            if token == "(":
                inner = []
                while self.peek() != ":":
                    inner.append(self.take())
                self.take(":")
                groups.append((tuple(inner), self.type_text({")"})))
                self.take(")")
            elif token == ":":
                kind = self.type_text({",", "=>"})
            elif token in ("<", "≤", ">", "≥", "∈", "≠") and names:
                guard = (token, self.term(51))
            elif token and (token[0].isalpha() or token[0] == "_"):
                names.append(token)
            else:
                raise ParseError(f"unexpected {token!r} in a binder")
        self.take()
        body = self.term()
        if guard:
            op, bound = guard
            body = Term("→" if head == "∀" else "∧", (Term(op, (Term(names[0]), bound)), body))
        if names:
            groups.append((tuple(names), kind))
        for group, type_ in reversed(groups):
            body = Term("fun" if head == "λ" else head, (body,), group, type_)
        return body

    def type_text(self, stops: set[str]) -> str:
        parts = []
        depth = 0
        while depth or self.peek() not in stops:
            token = self.take()
            if not token:
                raise ParseError("unfinished type")
            depth += (token == "(") - (token == ")")
            parts.append(token)
        return " ".join(parts)


def _unwrap(term: Term) -> Term:
    if term.head == "()":
        return _unwrap(term.args[0])
    return Term(term.head, tuple(_unwrap(a) for a in term.args), term.names, term.type)


def parse(text: str) -> Term | None:
    """Parse a term; None if the text is outside the grammar, or so long that no template would help."""
    if len(text) > LONGEST:
        return None
    parser = _Parser(text)
    try:
        term = parser.term()
    except (ParseError, IndexError, RecursionError):
        return None
    return _unwrap(term) if parser.peek() == "" else None


def value(term: Term, values: dict[str, int] | None = None, natural: bool = True, limit: int = 1 << 20) -> int | None:
    """The value of an arithmetic term under `values`, or none where it has none; `natural` truncates subtraction.

    Powers beyond `limit` bits have no value, so that a printed tower of powers costs nothing.
    """
    if term.number is not None:
        return term.number
    if term.is_name:
        return (values or {}).get(term.head)
    args = [value(a, values, natural, limit) for a in term.args]
    if any(a is None for a in args):
        return None
    got = [a for a in args if a is not None]
    match term.head, got:
        case "↑", [a]:
            return a
        case "-", [a]:
            return -a
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return max(a - b, 0) if natural else a - b
        case "*", [a, b]:
            return a * b
        case "/", [a, b]:
            return (a // b if b > 0 else -(a // -b)) if b else 0
        case "%", [a, b]:
            return a % abs(b) if b else a
        case "^", [a, b] if b >= 0 and b * max(a.bit_length(), 1) <= limit:
            return int(a**b)
        case (("Nat.gcd" | ".gcd"), [a, b]):
            return math.gcd(a, b)
        case (("Nat.lcm" | ".lcm"), [a, b]):
            return math.lcm(a, b)
        case ("max" | "min") as which, [a, b]:
            return max(a, b) if which == "max" else min(a, b)
        case _:
            return None


def parts(term: Term, op: str) -> list[Term]:
    """The operands of a chain of one right- or left-associative operator."""
    if term.head == op and len(term.args) == 2:
        return [p for a in term.args for p in parts(a, op)]
    return [term]
