"""The fields of requests and answers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from data.choices import choose
from data.headers import HEADERS
from lean_env import Reason
from search.prove import Status
from search.searches import SEARCHES

_TEXT: dict[str, JsonValue] = {"type": "string"}
_NULL: dict[str, JsonValue] = {"type": "null"}
# As JSON Schema has it, for programs that make requests from the schema; the validator below does the refusing.
_CODE_OR_STATEMENT: list[JsonValue] = [
    {"required": ["code"], "properties": {"code": _TEXT, "statement": _NULL}},
    {"required": ["statement"], "properties": {"statement": _TEXT, "code": _NULL}},
]


def _search(name: str) -> str:
    return choose("search", name, SEARCHES)


def _unicode(text: str) -> str:
    """Return the text; raise ValueError for lone surrogates, which JSON can write and Unicode forbids."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"not valid Unicode at character {error.start}") from None
    return text


Text = Annotated[str, AfterValidator(_unicode)]
Names = Annotated[
    list[Text],
    AfterValidator(lambda names: list(dict.fromkeys(names))),
    Field(description="Only these theorems (full names), each once. Default: all, see each path."),
]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Request(BaseModel):
    """A request: values are not converted, and unknown fields are errors, so that a misspelt field is not ignored."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ProveRequest(_Request):
    """Either `code` or `statement`, and how to search."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": _CODE_OR_STATEMENT,
            "examples": [
                {"statement": "∀ a b : Nat, a + b = b + a"},
                {"code": "theorem t (p q : Prop) : p ∧ q → q ∧ p := by\n  sorry", "search": "rmaxts", "seconds": 20},
                {"statement": "theorem m (n : ℕ) (h : 3 < n) : 2 < n", "header": "core"},
            ],
        }
    )

    code: Text | None = Field(None, description="A Lean file with `sorry` where proofs are wanted.")
    statement: Text | None = Field(None, description="A theorem without its proof, or only a proposition.")
    theorems: Names = []
    search: Annotated[str, AfterValidator(_search)] = Field(
        "auto", description="How the time is spent.", json_schema_extra={"enum": list(SEARCHES)}
    )
    seconds: Seconds | None = Field(
        None,
        description="For each theorem. Default: 60, or what the server allows at most if that is less. "
        "A request as a whole has a limit, too: what is not reached by then is `unproved`.",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="The same seed tries the same things in the same order.")
    header: Text | None = Field(
        None,
        description=f"Lean text that replaces the imports of `code`, or precedes `statement`. "
        f"There are some ready ones: {', '.join(HEADERS)}.",
    )

    @model_validator(mode="after")
    def _code_or_statement(self) -> Self:
        if (self.code is None) == (self.statement is None):
            raise ValueError("give either `code` or `statement`")
        return self


class CheckRequest(_Request):
    """A Lean file that states theorems, and one that claims to prove them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "challenge": "theorem c (n : Nat) : n + 0 = n := by sorry",
                    "solution": "theorem c (n : Nat) : n + 0 = n := rfl",
                }
            ]
        }
    )

    challenge: Text
    solution: Text
    theorems: Names = []
    seconds: Seconds | None = Field(
        None,
        description="For each theorem's verdict. Default: 60, or what the server allows at most if that is less. "
        "A request as a whole has a limit, too: what is not judged by then gets the reason `timeout`.",
    )


_KERNELS = (
    "Those that accept the proof: `lean`, and `open-prover` unless that one met a limit of its own (see `detail`)."
)


class ProveRow(BaseModel):
    """The result for one theorem."""

    name: str = Field(description="Full name; an `example` is called after its line.")
    line: int = Field(description="Its line in the text that Lean read (with `header`, if one was given).")
    status: Status = Field(
        description="`proved`: we found a proof; `refuted`: it does not hold, see `negation`; `unproved`: neither; "
        "`holds` and `fails`: it had a proof, which was only checked; `open`: it rests on what is left open, or is a "
        "definition that is."
    )
    proof: str | None = Field(
        description="What stands after `:= by`, if we found all of it; or after `:=`, if we completed what was written."
    )
    reason: Reason | None = Field(description="The verdict on its proof, if there is one.")
    detail: str = Field(description="What is wrong with its proof, or why nothing could be tried.")
    kernels: list[str] = Field(description=_KERNELS)
    samples: int = Field(description="Proofs asked of the policy.")
    checks: int = Field(description="Questions to Lean.")
    seconds: float
    counterexample: dict[str, str] | None = Field(
        None, description="Of a refuted theorem: values of its variables for which it does not hold; may be empty."
    )
    negation: str | None = Field(
        None, description="Of a refuted theorem: its negation with a proof, as Lean text that goes after the theorem."
    )


class ProveAnswer(BaseModel):
    """The theorems of a request, with the proofs that were found."""

    theorems: list[ProveRow]
    code: str = Field(description="What was sent, with the found proofs filled in and nothing else changed.")


class CheckRow(BaseModel):
    """The verdict on one theorem of the challenge."""

    theorem: str
    proved: bool
    reason: Reason
    detail: str
    axioms: list[str] = Field(description="Those that the proof rests on.")
    kernels: list[str] = Field(description=_KERNELS)
    seconds: float


class CheckAnswer(BaseModel):
    """The verdicts on the challenge's theorems."""

    theorems: list[CheckRow]


class Health(BaseModel):
    """The state of the service."""

    status: str = Field(examples=["ok"])
    lean: str | None = Field(description="Lean's version; null where Lean runs on other machines.")
    policy: str = Field(description="What writes the proofs.")


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="What is wrong, in a line.")
    messages: list[str] = Field(description="Lean's errors (`line:column: error: …`), or each field that is wrong.")


class Failure(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorBody
