"""Goals as lemmas of their own: what stands at a `sorry`, stated as a theorem that Lean reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Binder:
    """A variable or hypothesis of a goal.

    name: unique among the goal's binders. hidden: where the goal stands, it has no name or a shadowed one; `rename_i`
    gives it this one.
    brackets: `()`, `{}`, `⦃⦄` or `[]`. value: of a `let`, else None.
    step: a `have` of the proof brought it. uses: numbers of the binders that its type or value mentions.
    """

    name: str
    type: str
    brackets: str
    value: str | None
    hidden: bool
    step: bool
    uses: tuple[int, ...]

    @property
    def quantified(self) -> str:
        """As it stands in front of a proposition."""
        return f"∀ {self}, " if self.value is None else f"let {self.name} : {self.type} := {self.value}; "

    def __str__(self) -> str:
        return f"{self.brackets[0]}{self.name} : {self.type}{self.brackets[1]}"


@dataclass(frozen=True, slots=True)
class Subgoal:
    """A goal as the signature of a theorem that can stand in front of the one whose proof the goal is in.

    target: what is to be shown. needs: numbers of the binders that it mentions.
    """

    universes: tuple[str, ...]
    binders: tuple[Binder, ...]
    target: str
    needs: tuple[int, ...]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """From the REPL's answer."""

        def numbers(listed: Sequence[int], binders: int) -> tuple[int, ...]:
            return tuple(n for n in listed if n < binders)

        binders = tuple(
            Binder(b["name"], b["type"], b["brackets"], b["value"], b["hidden"], b["step"], numbers(b["uses"], number))
            for number, b in enumerate(found["binders"])
        )
        return cls(tuple(found["universes"]), binders, found["target"], numbers(found["needs"], len(binders)))

    def without_steps(self) -> Self:
        """The goal without the facts that earlier `have`s of its proof brought, but for those that it mentions.

        The lemma (a) of DeepSeek-Prover-V2 (arXiv:2504.21801, section 2.1); the goal itself is the lemma (b).
        """
        kept = self._mentioned([*self.needs, *(n for n, binder in enumerate(self.binders) if not binder.step)])
        number = {old: new for new, old in enumerate(kept)}
        binders = tuple(replace(self.binders[n], uses=tuple(number[m] for m in self.binders[n].uses)) for n in kept)
        return type(self)(self.universes, binders, self.target, tuple(number[n] for n in self.needs))

    def _mentioned(self, numbers: Collection[int]) -> Sequence[int]:
        """The binders of these numbers and all that they mention, in order."""
        found, rest = set(numbers), list(numbers)
        while rest:
            new = set(self.binders[rest.pop()].uses) - found
            found |= new
            rest += new
        return sorted(found)

    def theorem(self, name: str) -> str:
        """The signature of a theorem of this name, up to its target."""
        lets = next((n for n, binder in enumerate(self.binders) if binder.value is not None), len(self.binders))
        universes = f".{{{', '.join(self.universes)}}}" if self.universes else ""
        before = "".join(f" {binder}" for binder in self.binders[:lets])
        return f"theorem {name}{universes}{before} : {self._quantified(lets)}"

    @property
    def proposition(self) -> str:
        """The goal as one closed proposition."""
        return self._quantified(0)

    def _quantified(self, start: int) -> str:
        return "".join(binder.quantified for binder in self.binders[start:]) + self.target

    @property
    def naming(self) -> str:
        """The tactic that gives the hidden variables of the goal's context their names here; empty without any."""
        hidden = [binder.name for binder in self.binders if binder.hidden]
        return f"rename_i {' '.join(hidden)}\n" if hidden else ""

    def applied(self, name: str, whole: Subgoal | None = None) -> str:
        """Tactics that close the goal by the theorem of this name; `whole`: the goal, if this is a part of it."""
        return f"{(whole or self).naming}{self._exact(name)}"

    def inlined(self, name: str, proof: str, whole: Subgoal | None = None) -> str:
        """Tactics that state the goal under this name, prove it by a tactic block from column 0, and close the goal."""
        intro = f"intro {' '.join(binder.name for binder in self.binders)}\n" if self.binders else ""
        body = (intro + proof.strip("\n")).split("\n")
        lines = "\n".join(f"  {line}" if line.strip() else "" for line in body)
        return f"{(whole or self).naming}have {name} : {self.proposition} := by\n{lines}\n{self._exact(name)}"

    def _exact(self, name: str) -> str:
        return f"exact @{name}" + "".join(f" {binder.name}" for binder in self.binders if binder.value is None)
