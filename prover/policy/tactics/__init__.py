"""Proposes proofs without a model, from the shape of a printed tactic state."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from prover.policy.tactics.algebra import algebra
from prover.policy.tactics.automation import automation
from prover.policy.tactics.induction import inductions, likely_inductions
from prover.policy.tactics.instances import instances
from prover.policy.tactics.normalise import normalised, substituted
from prover.policy.tactics.openings import OPENING, bundles, openings
from prover.policy.tactics.own import SUGGESTION, own
from prover.policy.tactics.proposal import Proposal, Ranking
from prover.policy.tactics.residues import residues
from prover.policy.tactics.search import searches
from prover.policy.tactics.state import Goal, read_goals
from prover.policy.tactics.structure import structures, unfoldings

__all__ = ["Proposal", "Ranking", "own", "proposals", "steps"]

_TEMPLATES_TO_A_STEP = 6
_BEFORE_TIDYING = 6  # proposals from a goal's premises
MAX_PROPOSALS = 300  # what two Lean workers get through in about a minute

Template = Callable[[Goal], Iterator[Proposal]]


def proposals(goal: str, own: Iterable[Proposal] = ()) -> Iterator[Proposal]:
    """Whole proofs of a printed goal, cheap and likely ones first, without repetition; lazily made, none checked.

    Only the first goal of `goal` is looked at. A state that does not parse still gets the plain automation.
    own: those that follow from its premises.
    """
    first = _first(goal)
    whole = (proposal for proposal in own if proposal.family not in (OPENING, SUGGESTION))
    return _distinct(chain(automation(first), whole, _templates(first)))


def steps(goal: str, own: Iterable[Proposal] = ()) -> Iterator[Proposal]:
    """Single tactics for a printed goal, for a tree search that goes on from the goals they leave.

    Automation in bundles, what follows from the goal's premises (a step that others need comes before all), then
    single steps in between the templates of whole proofs.
    """
    first, rest = _first(goal), iter(own)
    begin = list(islice(rest, 1))
    if begin and begin[0].family != OPENING:
        rest, begin = chain(begin, rest), []
    elif begin:
        rest = islice(rest, _BEFORE_TIDYING)  # the others are for the goal that this step leads to
    return _distinct(chain(begin, bundles(), rest, _alternating(_templates(first), openings(normalised(first)))))


def _first(goal: str) -> Goal:
    goals = read_goals(goal)
    return goals[0] if goals else Goal((), goal, None)


def _distinct(found: Iterator[Proposal]) -> Iterator[Proposal]:
    seen: set[str] = set()
    for proposal in found:
        if proposal.text not in seen:
            seen.add(proposal.text)
            yield proposal
            if len(seen) == MAX_PROPOSALS:
                return


def _alternating(most: Iterator[Proposal], some: Iterator[Proposal]) -> Iterator[Proposal]:
    """Interleave two iterators: some of the first for each of the second, and then the rest of either."""
    while group := list(islice(most, _TEMPLATES_TO_A_STEP)):
        yield from group
        yield from islice(some, 1)
    yield from some


def _templates(goal: Goal) -> Iterator[Proposal]:
    plain = normalised(goal)
    forms = list({(form.prefix, form.target): form for form in (substituted(plain), plain)}.values())
    templates: list[Template] = [
        unfoldings,
        searches,
        residues,
        likely_inductions,
        structures,
        algebra,
        instances,
        inductions,
    ]
    for template in templates:
        for form in forms:
            yield from template(form)
