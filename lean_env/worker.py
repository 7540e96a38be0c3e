"""A worker: one Lean process at a time, with the contexts it has loaded, its limits, and what it can be asked."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from lean_env import rules
from lean_env.check import Check, Ended, InputError, Message, Steps, readable, refusal
from lean_env.confirmation import second_look, third_look
from lean_env.kernel import Kernel
from lean_env.lean import Lean
from lean_env.premises import Premises
from lean_env.process import START, Crowded, OutOfMemory, OutOfTime, Overflow, ProcessDied, ReplProcess
from lean_env.verdict import Claim, Reason, Verdict, conclude, rejected, stopped

_KEPT = 64  # environments a process keeps for contexts and challenges
_STATES = 4000  # proof states it keeps
_AT_ONCE = 200  # unwanted proof states before it is told
_LOOK_EVERY = 10  # uses between two looks at a process's memory

Context = tuple[str, ...]
"""Trusted text that stands before the code, in pieces: each is elaborated once after the ones before it, and kept."""


@dataclass(frozen=True)
class Limits:
    """What one process may use."""

    context_seconds: float = 120.0  # to elaborate one piece of a context
    uses: int = 20_000  # calls before a process is replaced by a new one
    memory: int = 1200 * 1024 * 1024  # bytes of Lean heap above which it is replaced, too (a heap never shrinks)


class ContextError(Exception):
    """A context does not elaborate."""

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__("; ".join(str(m) for m in messages[:3]))
        self.messages = tuple(messages)


class Worker:
    """Asks one process at a time; starts a new one when the old one died, grew too large or was used up.

    Where text of a context has run code (`#eval`, a macro), the process serves calls with that context alone, and all
    others get a new one. Where other text has, the process ends with the call. Solutions and steps of a proof run none.

    Not safe for two calls at once. Deaths of the process come as ProcessDied; the worker is usable again at once.
    """

    def __init__(self, lean: Lean, limits: Limits | None = None) -> None:
        self.lean = lean
        self.limits = limits or Limits()
        self.used = 0  # calls that the present process has served
        self.started = 0  # processes so far
        self._looked = 0  # how many of them at the last look at its memory
        self._process: ReplProcess | None = None
        self._kernel = Kernel()  # ours
        self._kept: OrderedDict[Context, int] = OrderedDict()
        self._states: OrderedDict[Context, int] = OrderedDict()  # proof states by (*context, challenge, proof so far)
        self._unwanted: list[int] = []
        self._bound: Context | None = None  # the context whose code the process has run; () if no context's
        self.code_runs = 0  # calls, so far, of which some text ran code

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and not self._process.ended else None

    def has(self, context: Context) -> bool:
        """Is this context loaded, so that a check in it is quick? Or this proof state, (*context, challenge, proof)?"""
        return not context or context in self._kept or context in self._states

    def is_ready(self, context: Context) -> bool:
        """Is there a process that may serve calls with this context?"""
        return self.pid is not None and (self._bound is None or context[: len(self._bound)] == self._bound)

    async def start(self) -> None:
        """Start a process and load Lean's core library, if none is running."""
        if self._process is None:
            self.used = self._looked = 0
            self._process = await ReplProcess.start(self.lean)
            self.started += 1
            try:
                await self._ask({"cmd": "", "discard": True}, START)
            except ProcessDied as error:  # whatever its kind: it is not about what is to be checked
                raise ProcessDied(f"it did not start: {error}") from None
            if self._process.damaged and self.lean.snapshot is not None:
                with suppress(OSError):  # the next program that needs one makes it again
                    self.lean.snapshot.unlink()

    async def load(self, context: Context) -> None:
        """Start a process, if none is running, and load a context. Raises ContextError, ProcessDied."""
        async with self._call(context):
            await self._environment(context)

    @asynccontextmanager
    async def _call(self, context: Context) -> AsyncIterator[None]:
        """A call that needs a process fit for this context."""
        if self._process is not None and self._process.ended:
            self._forget()  # it died between two calls, which is no call's failure
        if self._bound is not None and context[: len(self._bound)] != self._bound:
            await self._end()
        await self.start()
        self.used += 1
        try:
            yield
        finally:
            if self._bound == ():
                await self._end()

    async def close(self) -> None:
        """End the processes; a later call starts new ones."""
        await self._kernel.close()
        await self._end()

    async def _end(self) -> None:
        """End Lean's process."""
        process = self._forget()
        if process is not None:
            await process.kill()

    def _forget(self) -> ReplProcess | None:
        """The process, which the worker lets go of together with what it had loaded."""
        process, self._process = self._process, None
        self._kept.clear()
        self._states.clear()
        self._unwanted.clear()
        self._bound = None
        return process

    # ---- what it can be asked ----

    async def check(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        tactics: bool = False,
        axioms: Sequence[str] = (),
        reuse: bool = False,
        challenge: str | None = None,
    ) -> Check:
        """Elaborate `code` after `context`; `timeout` in seconds of processor time. Never raises for what is in it.

        `challenge`: the code is a solution to it, to which the rules for solutions apply before anything of it is run.
        Whatever a policy wrote is given to Lean with one. Without, the code is trusted as the context is.
        `reuse`: take over the tactics that an earlier code with `reuse` begins with, too. Messages, tactics and proofs
        are those of a full run; the limit then counts only what is new.
        """
        request: dict[str, Any] = {"cmd": code, "discard": True, "allTactics": tactics, "reuse": reuse}
        if axioms:
            request["axioms"] = list(axioms)
        start = time.perf_counter()
        try:
            readable(code)
            async with self._call(context if challenge is None else (*context, challenge)):
                if challenge is not None:
                    request["guard"] = await self._guard((*context, challenge))
                bind = () if challenge is None else (*context, challenge)
                answer = await self._elaborate(request, context, timeout, bind)
                return Check.read(answer, time.perf_counter() - start)
        except InputError as error:
            return Check(Ended.INPUT, detail=str(error))
        except ContextError as error:
            return Check(Ended.CONTEXT, messages=error.messages, detail="the text before the code has errors")
        except (OutOfTime, OutOfMemory, Overflow) as error:
            return Check(ended(error), seconds=time.perf_counter() - start, detail=str(error))

    async def steps(
        self, challenge: str, text: str, *, after: str = "", context: Context = (), timeout: float = 60.0
    ) -> Steps:
        """Run tactics one by one on the goal that the challenge's `sorry` leaves, after the tactics `after`.

        `text` and `after` are lines of a tactic block that begins at column 0. Proof states are kept: only tactics that
        are new to the worker are run. The rules for solutions apply to both. `timeout` in seconds of processor time for
        `text`. Never raises for what is in it.
        """
        place = (*context, challenge, after)
        try:
            readable(text)
            async with self._call(place):
                state = await self._state(place)
                if state is None:
                    return Steps(problem="the tactics before it do not work", ended=Ended.CONTEXT)
                return await self._run_steps(place, state, text, timeout)
        except InputError as error:
            return Steps(problem=str(error), ended=Ended.INPUT)
        except ContextError as error:
            return Steps(problem=str(error), ended=Ended.CONTEXT)
        except (OutOfTime, OutOfMemory, Overflow) as error:
            return Steps(problem=str(error), ended=ended(error))

    async def premises(self, challenge: str, *, after: str = "", context: Context = ()) -> Premises | None:
        """The premises of the goal that the challenge's `sorry` leaves, or of the first one after the tactics `after`.

        None if there is no goal, or Lean cannot tell in time. Raises ProcessDied.
        """
        place = (*context, challenge, after)
        try:
            async with self._call(place):
                state = await self._state(place)
                if state is None:
                    return None
                env = await self._environment(context)
                request = {"proofState": state, **({} if env is None else {"env": env})}
                return Premises.read((await self._ask({"premises": request}, self.limits.context_seconds))["premises"])
        except (InputError, ContextError, OutOfTime, OutOfMemory, Overflow):
            return None

    async def judge(self, claim: Claim, timeout: float = 60.0) -> Verdict:
        """Does the claim's solution prove its challenge's theorem? `timeout` in seconds is for the solution alone.

        This one process is asked for everything; LeanPool.judge asks two.
        """
        verdict, additions = await self.first_look(claim, timeout)
        return replace(await self.confirm(claim, additions), check=verdict.check) if verdict.proved else verdict

    async def first_look(self, claim: Claim, timeout: float = 60.0) -> tuple[Verdict, str]:
        """The first look: the solution is elaborated. Where it seems proved, an export of what it adds comes with the
        Verdict, for `confirm`."""
        start, additions = time.perf_counter(), ""
        try:
            readable(claim.solution)
            async with self._call((*claim.context, claim.challenge)):
                verdict, additions = await self._first_look(claim, timeout, start)
        except InputError as error:
            verdict = stopped(Check(Ended.INPUT, detail=str(error)))
        except ContextError as error:
            verdict = Verdict(Reason.CHALLENGE, str(error))
        except (OutOfTime, OutOfMemory, Overflow) as error:
            verdict = stopped(Check(ended(error), detail=str(error)))
        return replace(verdict, seconds=time.perf_counter() - start), additions

    async def confirm(self, claim: Claim, additions: str, timeout: float = 60.0) -> Verdict:
        """The second look and the third: Lean's kernel checks what another process has exported, here, where nothing of
        the solution has been elaborated; then our kernel does. `timeout` in seconds is for each of the two."""
        start = time.perf_counter()
        challenge = (*claim.context, claim.challenge)
        try:
            async with self._call(challenge):
                request = {"challenge": await self._environment(challenge), "additions": additions}
                request |= {"theorem": claim.theorem, "definition": claim.definition}
                request["timeout"] = _milliseconds(timeout)
                answer = await self._ask({"confirm": request}, timeout)
        except ContextError as error:
            return Verdict(Reason.CHALLENGE, str(error))
        except (OutOfTime, OutOfMemory, Overflow) as error:
            return stopped(Check(ended(error), detail=str(error)))
        if "refused" in answer:
            verdict = Verdict(Reason.FORBIDDEN, refusal(answer["refused"]))
        elif "confirmation" not in answer:
            verdict = Verdict(Reason.TIMEOUT, "Lean's kernel reached the time limit")
        else:
            verdict = second_look(answer["confirmation"], claim)
            if verdict.proved:
                verdict = await third_look(self._kernel, answer["confirmation"], verdict, timeout)
        return replace(verdict, seconds=time.perf_counter() - start)

    async def declarations(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        keep: bool = False,
        challenge: str | None = None,
    ) -> dict[str, Any]:
        """The answer to `code` with the `commands` it consists of (see embedded/driver/declarations.cjs).

        `keep`: the code will be a context, and stays loaded as one. `challenge`: as in `check`.
        Raises InputError, ContextError, ProcessDied.
        """
        readable(code)
        if challenge is not None:
            place = (*context, challenge)
            async with self._call(place):
                guarded = {"cmd": code, "discard": True, "declarations": True, "guard": await self._guard(place)}
                return await self._elaborate(guarded, context, timeout, place)
        place = (*context, code)
        request = {"cmd": code, "discard": not keep, "challenge": keep, "declarations": True}
        async with self._call(place if keep else context):
            answer = await self._elaborate(request, context, timeout, place if keep else ())
            if keep:
                await self._keep(place, answer)
            return answer

    async def export(self, code: str, names: Sequence[str]) -> tuple[str, int]:
        """Constants of a text with all that they rest on, in lean4export's format (NDJSON 3.1); and how many of the
        declarations in it, the first ones, are the library's own. A name that there is not is left out.

        Raises InputError, ContextError, ProcessDied.
        """
        async with self._call((code,)):
            env = await self._environment((code,))
            answer = await self._ask({"export": {"env": env, "names": list(names)}}, self.limits.context_seconds)
            return answer["export"]["ndjson"], answer["export"]["given"]

    # ---- how the calls above are made ----

    async def _first_look(self, claim: Claim, timeout: float, start: float) -> tuple[Verdict, str]:
        """See `first_look`; `start` is when it began."""
        challenge = (*claim.context, claim.challenge)
        guard = {**await self._guard(challenge), "single": claim.single}
        # What code the solution and the challenge have in common may run: a macro of the file that both are.
        answer = await self._elaborate({"cmd": claim.solution, "guard": guard}, claim.context, timeout, challenge)
        check = Check.read(answer, time.perf_counter() - start)
        verdict, additions = rejected(check), ""
        if "env" not in answer:
            return verdict or stopped(Check(Ended.CRASH, detail="Lean kept no environment of the solution")), ""
        if verdict is None:
            request = {"challenge": guard["env"], "solution": answer["env"], "theorem": claim.theorem}
            request["definition"] = claim.definition
            facts = await self._ask({"compare": request}, timeout)
            if "refused" in facts:
                return Verdict(Reason.FORBIDDEN, refusal(facts["refused"]), check), ""
            if "comparison" not in facts:
                raise ProcessDied("it did not answer what it was asked")
            verdict = conclude(facts["comparison"], claim, check, holes=bool(answer.get("holes")))
            additions = facts["comparison"]["additions"] or ""
        await self._drop(answer["env"])
        return verdict, additions

    async def _guard(self, challenge: Context) -> dict[str, Any]:
        """What a request needs so that its text is taken for a solution to a challenge (the last piece)."""
        return {"env": await self._environment(challenge), "rules": rules.request()}

    async def _elaborate(
        self, request: dict[str, Any], context: Context, timeout: float, bind: Context = ()
    ) -> dict[str, Any]:
        """Send a `cmd` to run after a context, within `timeout` seconds. See `_ask` for `bind`."""
        env = await self._environment(context)
        limit = _milliseconds(timeout)
        return await self._ask({**request, "timeout": limit, **({} if env is None else {"env": env})}, timeout, bind)

    async def _environment(self, context: Context) -> int | None:
        """Environment id of a context; elaborated piece by piece if it is not loaded. None for the empty one.

        Raises ContextError with the errors of the first piece that has some.
        """
        if not context:
            return None
        if context not in self._kept:
            seconds = self.limits.context_seconds
            try:
                request = {"cmd": readable(context[-1]), "challenge": True}  # solutions may be to any piece
                answer = await self._elaborate(request, context[:-1], seconds, bind=context)
            except (InputError, OutOfTime, OutOfMemory, Overflow) as error:
                raise ContextError([Message("error", f"the text before the code: {error}")]) from None
            if not await self._keep(context, answer):
                errors = Check.read(answer, 0).errors
                if answer.get("timeout"):
                    errors = (Message("error", f"the text before the code took more than {seconds:g} s"),)
                raise ContextError(errors)
        for length in range(1, len(context) + 1):  # a context is as recent as what was built on it
            if context[:length] in self._kept:
                self._kept.move_to_end(context[:length])
        return self._kept[context]

    async def _keep(self, context: Context, answer: dict[str, Any]) -> bool:
        """Keep the environment that a context's last piece has led to; False if it has errors, and is not kept."""
        if "env" not in answer:
            return False
        if Check.read(answer, 0).errors or answer.get("timeout"):
            await self._drop(answer["env"])
            return False
        if context in self._kept:  # the same text once more
            await self._drop(self._kept[context])
        self._kept[context] = answer["env"]
        while len(self._kept) > _KEPT:
            await self._drop(self._kept.popitem(last=False)[1])
        return True

    async def _state(self, place: Context) -> int | None:
        """Id of a proof state, (*context, challenge, proof so far); made again if the process does not have it.

        None if the tactics do not work. Raises ContextError if the challenge has no goal.
        """
        if place in self._states:
            self._states.move_to_end(place)
            return self._states[place]
        *context, challenge, proof = place
        start = (*context, challenge, "")
        if start not in self._states:
            env = await self._environment(tuple(context))
            base = {} if env is None else {"env": env}
            request = {"cmd": readable(challenge), **base}
            answer = await self._ask(request, self.limits.context_seconds, (*context, challenge))
            await self._drop(answer.get("env"))
            check = Check.read(answer, 0)
            if check.errors or not check.sorries:
                raise ContextError(check.errors or [Message("error", "the challenge leaves no goal")])
            states = [s["proofState"] for s in answer["sorries"]]
            self._unwanted += states[:-1]
            await self._keep_state(start, states[-1])
        if not proof:
            return self._states[start]
        lines = proof.split("\n")
        # A line that only goes on with a tactic is no place to begin.
        places = [n for n in range(len(lines)) if lines[n][:1] not in ("", " ", "|", "<", ")") or not n]
        known = next(n for n in reversed(places) if (*start[:-1], "\n".join(lines[:n])) in self._states)
        before = (*start[:-1], "\n".join(lines[:known]))
        # It worked before: what is asked for now has its own limit, and must not pay for what was lost.
        await self._run_steps(before, self._states[before], "\n".join(lines[known:]), self.limits.context_seconds)
        return self._states.get(place)

    async def _run_steps(self, place: Context, state: int, text: str, timeout: float) -> Steps:
        """Run tactics on a proof state and keep the states they lead to."""
        request = {"tactic": text, "proofState": state, "steps": True, "timeout": _milliseconds(timeout)}
        answer = await self._ask({**request, "guard": {"rules": rules.request()}}, timeout)
        proof = place[-1]
        for step in answer.get("steps", ()):
            proof = f"{proof}\n{step['tactic']}" if proof else step["tactic"]
            await self._keep_state((*place[:-1], proof), step["proofState"])
        return Steps.read(answer)

    async def _keep_state(self, place: Context, state: int) -> None:
        if place in self._states:
            self._unwanted.append(self._states.pop(place))
        self._states[place] = state
        while len(self._states) > _STATES:
            self._unwanted.append(self._states.popitem(last=False)[1])
        if len(self._unwanted) >= _AT_ONCE:
            await self._drop(None, self._unwanted)
            self._unwanted.clear()

    async def _drop(self, environment: int | None, states: Sequence[int] = ()) -> None:
        """Let the process forget an environment (if there is one) and proof states."""
        await self._ask({"drop": [] if environment is None else [environment], "dropProofStates": list(states)}, START)

    async def _ask(self, request: dict[str, Any], timeout: float, bind: Context = ()) -> dict[str, Any]:
        """Send a request. If it runs code, the process is only for calls with the context `bind` from then on."""
        await self.start()
        process = self._process
        assert process is not None
        process.ran_code = False
        try:
            answer = await process.request(request, timeout)
            if process.ran_code:
                self.code_runs += 1
                if not bind or self._bound is None or len(bind) > len(self._bound) > 0:
                    self._bound = bind
        except BaseException as error:  # a cancelled request, too, leaves a process that is busy with it
            self._forget()
            await process.kill()
            if isinstance(error, OutOfMemory) and self.used > 1:
                raise Crowded(str(error)) from None
            raise
        if "message" in answer:
            raise ProcessDied(f"the REPL refused a request: {answer['message']}")
        return answer

    async def recycle(self) -> None:
        """End the process if it is used up or its heap has grown too large. To be called between requests."""
        if self._process is None:
            return
        if self.used >= self.limits.uses:
            await self._end()
        # What has run code might not answer, and the next call need not be its own.
        elif self.used >= self._looked + _LOOK_EVERY and self._bound is None:
            self._looked = self.used
            stats = await self._ask({"stats": True}, START)
            if stats.get("memory", 0) > self.limits.memory:
                await self._end()


def ended(error: ProcessDied) -> Ended:
    """How a check ended whose process ended with this error."""
    if isinstance(error, OutOfTime):
        return Ended.TIMEOUT
    return Ended.MEMORY if isinstance(error, OutOfMemory) else Ended.CRASH


def _milliseconds(seconds: float) -> int:
    """A limit as the driver takes it, where 0 would be none."""
    return max(1, round(seconds * 1000))
