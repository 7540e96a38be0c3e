"""A worker checks and judges Lean code, one call at a time, in a Lean process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lean_env.check import Check, Context, ContextError, Ended, InputError, Steps, refusal_text, require_readable
from lean_env.confirmation import lean_kernel_verdict, own_kernel_verdict
from lean_env.kernel import Kernel
from lean_env.lean import Lean
from lean_env.premises import Premises
from lean_env.process import OutOfMemory, OutOfTime, ProcessDied, StackOverflow
from lean_env.requests import CommandRequest, CompareArguments, PremisesArguments, milliseconds
from lean_env.session import LeanSession, WorkerLimits
from lean_env.verdict import Claim, Reason, Verdict, conclude, error_verdict, stopped_verdict


class Worker:
    """A LeanSession for untrusted and trusted code, and our own kernel beside it.

    Not safe for two calls at once. The death of the Lean process is raised as ProcessDied where a method does not
    return it as a result; the worker is usable again at once.
    """

    def __init__(self, lean: Lean, limits: WorkerLimits | None = None) -> None:
        self.session = LeanSession(lean, limits or WorkerLimits())
        self._kernel = Kernel()

    @property
    def pid(self) -> int | None:
        """Process id of Lean, None if none is running."""
        return self.session.pid

    def has(self, context: Context) -> bool:
        """Is this context loaded, or this proof state: (*context, challenge, tactics)?"""
        return self.session.has(context)

    def is_ready(self, context: Context) -> bool:
        """Is there a Lean process that may serve calls with this context?"""
        return self.session.is_ready(context)

    async def start(self) -> None:
        """Start a Lean process and load Lean's core library, if none is running. Raises ProcessDied."""
        await self.session.start()

    async def load(self, context: Context) -> None:
        """Start a Lean process, if none is running, and load a context. Raises ContextError, ProcessDied."""
        async with self.session.call(context):
            await self.session.environment(context)

    async def recycle(self) -> None:
        """End the Lean process if it has served its calls or its heap is too large. For use between calls."""
        await self.session.recycle()

    async def close(self) -> None:
        """End the processes, Lean's and our kernel's; a later call starts new ones."""
        await self._kernel.close()
        await self.session.close()

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
        """Elaborate `code` after `context`. Raises ProcessDied, and nothing for what is in the code.

        timeout: seconds of processor time.
        tactics: report every tactic with its goals. axioms: constants to report the axioms of.
        reuse: take over the tactics that an earlier code with `reuse` begins with. Messages, tactics and proofs are
        those of a full run; the limit then counts only what is new.
        challenge: the code is a solution to it, and the rules for solutions apply before anything of it is run.
        Whatever a policy wrote is given to Lean with a challenge. Without one the code is trusted as the context is.
        """
        request: CommandRequest = {"cmd": code, "discard": True, "allTactics": tactics, "reuse": reuse}
        if axioms:
            request["axioms"] = list(axioms)
        solved = () if challenge is None else (*context, challenge)
        start = time.perf_counter()
        try:
            require_readable(code)
            async with self.session.call(solved or context):
                if solved:
                    request["guard"] = await self.session.guard(solved)
                answer = await self.session.elaborate(request, context, timeout, bind_to=solved)
                return Check.from_json(answer, time.perf_counter() - start)
        except InputError as error:
            return Check(Ended.INPUT, detail=str(error))
        except ContextError as error:
            return Check(Ended.CONTEXT, messages=error.messages, detail="the text before the code has errors")
        except (OutOfTime, OutOfMemory, StackOverflow) as error:
            return Check(_ended(error), seconds=time.perf_counter() - start, detail=str(error))

    async def steps(
        self, challenge: str, text: str, *, after: str = "", context: Context = (), timeout: float = 60.0
    ) -> Steps:
        """Run tactics one by one on the goal that the challenge's `sorry` leaves. Raises ProcessDied, nothing else.

        text, after: lines of a tactic block that begins at column 0; those of `after` are run before `text`. Proof
        states are kept: only tactics that are new to the worker are run. The rules for solutions apply to both.
        timeout: seconds of processor time for `text`.
        """
        key = (*context, challenge, after)
        try:
            require_readable(text)
            async with self.session.call(key):
                state = await self.session.proof_state(key)
                if state is None:
                    return Steps(problem="the tactics before it do not work", ended=Ended.CONTEXT)
                return await self.session.run_tactics(key, state, text, timeout)
        except InputError as error:
            return Steps(problem=str(error), ended=Ended.INPUT)
        except ContextError as error:
            return Steps(problem=str(error), ended=Ended.CONTEXT)
        except (OutOfTime, OutOfMemory, StackOverflow) as error:
            return Steps(problem=str(error), ended=_ended(error))

    async def premises(self, challenge: str, *, after: str = "", context: Context = ()) -> Premises | None:
        """The premises of the first goal after the tactics `after`, which begin at the goal of the challenge's `sorry`.

        None if there is no goal, or Lean cannot tell in time. Raises ProcessDied.
        """
        key = (*context, challenge, after)
        try:
            async with self.session.call(key):
                state = await self.session.proof_state(key)
                if state is None:
                    return None
                goal: PremisesArguments = {"proofState": state}
                env = await self.session.environment(context)
                if env is not None:
                    goal["env"] = env
                answer = await self.session.ask({"premises": goal}, self.session.limits.context_seconds)
                return Premises.from_json(answer["premises"])
        except (InputError, ContextError, OutOfTime, OutOfMemory, StackOverflow):
            return None

    async def judge(self, claim: Claim, timeout: float = 60.0) -> Verdict:
        """Does the claim's solution prove its challenge's theorem? `timeout` in seconds is for the solution alone.

        Here one Lean process elaborates the solution and confirms it; LeanPool.judge asks two. Raises ProcessDied.
        """
        verdict, additions = await self.elaborate_solution(claim, timeout)
        return replace(await self.confirm(claim, additions), check=verdict.check) if verdict.proved else verdict

    async def elaborate_solution(self, claim: Claim, timeout: float = 60.0) -> tuple[Verdict, str]:
        """Elaborate the claim's solution: the Verdict of this process alone, and an export for `confirm`.

        The export holds what the solution adds, in lean4export's format; it is empty where nothing is proved.
        `timeout` in seconds of processor time. Raises ProcessDied.
        """
        start, additions = time.perf_counter(), ""
        try:
            require_readable(claim.solution)
            async with self.session.call((*claim.context, claim.challenge)):
                verdict, additions = await self._compare_solution(claim, timeout, start)
        except InputError as error:
            verdict = stopped_verdict(Check(Ended.INPUT, detail=str(error)))
        except ContextError as error:
            verdict = Verdict(Reason.CHALLENGE, str(error))
        except (OutOfTime, OutOfMemory, StackOverflow) as error:
            verdict = stopped_verdict(Check(_ended(error), detail=str(error)))
        return replace(verdict, seconds=time.perf_counter() - start), additions

    async def _compare_solution(self, claim: Claim, timeout: float, start: float) -> tuple[Verdict, str]:
        """`elaborate_solution` inside of a call that began at `start` (time.perf_counter)."""
        challenge = (*claim.context, claim.challenge)
        guard = await self.session.guard(challenge)
        guard["single"] = claim.single
        # What code the solution and the challenge have in common may run: a macro of the file that both are.
        request: CommandRequest = {"cmd": claim.solution, "guard": guard}
        answer = await self.session.elaborate(request, claim.context, timeout, bind_to=challenge)
        check = Check.from_json(answer, time.perf_counter() - start)
        verdict, additions = error_verdict(check), ""
        if "env" not in answer:
            return verdict or stopped_verdict(Check(Ended.CRASH, detail="Lean kept no environment of the solution")), ""
        if verdict is None:
            compared: CompareArguments = {
                "challenge": guard["env"],
                "solution": answer["env"],
                "theorem": claim.theorem,
                "definition": claim.definition,
            }
            facts = await self.session.ask({"compare": compared}, timeout)
            if "refused" in facts:
                return Verdict(Reason.FORBIDDEN, refusal_text(facts["refused"]), check), ""
            if "comparison" not in facts:
                raise ProcessDied("it did not answer what it was asked")
            verdict = conclude(facts["comparison"], claim, check, holes=bool(answer.get("holes")))
            additions = facts["comparison"]["additions"] or ""
        await self.session.drop(answer["env"])
        return verdict, additions

    async def confirm(self, claim: Claim, additions: str, timeout: float = 60.0) -> Verdict:
        """Check an export of `elaborate_solution` with Lean's kernel, then with ours, and compare the statement again.

        This process has elaborated nothing of the solution, if the export is another worker's: what counts as proved
        rests on that. `timeout` in seconds of processor time is for each kernel. Raises ProcessDied.
        """
        start = time.perf_counter()
        challenge = (*claim.context, claim.challenge)
        try:
            async with self.session.call(challenge):
                env = await self.session.environment(challenge)
                answer = await self.session.ask(
                    {
                        "confirm": {
                            "challenge": env,
                            "additions": additions,
                            "theorem": claim.theorem,
                            "definition": claim.definition,
                            "timeout": milliseconds(timeout),
                        }
                    },
                    timeout,
                )
        except ContextError as error:
            return Verdict(Reason.CHALLENGE, str(error))
        except (OutOfTime, OutOfMemory, StackOverflow) as error:
            return stopped_verdict(Check(_ended(error), detail=str(error)))
        if "refused" in answer:
            verdict = Verdict(Reason.FORBIDDEN, refusal_text(answer["refused"]))
        elif "confirmation" not in answer:
            verdict = Verdict(Reason.TIMEOUT, "Lean's kernel reached the time limit")
        else:
            verdict = lean_kernel_verdict(answer["confirmation"], claim)
            if verdict.proved:
                verdict = await own_kernel_verdict(self._kernel, answer["confirmation"], verdict, timeout)
        return replace(verdict, seconds=time.perf_counter() - start)

    async def declarations(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        keep: bool = False,
        challenge: str | None = None,
        subgoals: bool = False,
    ) -> dict[str, Any]:
        """The REPL's answer to `code`, with its `commands` and their declarations (protocol.CommandJson).

        timeout: seconds of processor time. keep: the code will be a context, and stays loaded as one.
        challenge: as in `check`; the code is then not kept. subgoals: each `sorry` comes with its goal as a lemma (see
        Subgoal). Raises InputError, ContextError, ProcessDied.
        """
        require_readable(code)
        if challenge is not None:
            solved = (*context, challenge)
            async with self.session.call(solved):
                guard = await self.session.guard(solved)
                guarded: CommandRequest = {"cmd": code, "discard": True, "declarations": True, "guard": guard}
                guarded["subgoals"] = subgoals
                return await self.session.elaborate(guarded, context, timeout, bind_to=solved)
        kept = (*context, code) if keep else ()
        request: CommandRequest = {"cmd": code, "discard": not keep, "challenge": keep, "declarations": True}
        request["subgoals"] = subgoals
        async with self.session.call(kept or context):
            answer = await self.session.elaborate(request, context, timeout, bind_to=kept)
            if keep:
                await self.session.keep(kept, answer)
            return answer

    async def export(self, code: str, names: Sequence[str]) -> tuple[str, int]:
        """Export constants of `code` with all that they rest on, in lean4export's format (NDJSON 3.1).

        Returns the export and the number of its declarations, the first ones, that are the library's own. A name that
        does not exist is left out. Raises InputError, ContextError, ProcessDied.
        """
        async with self.session.call((code,)):
            env = await self.session.environment((code,))
            asked = await self.session.ask(
                {"export": {"env": env, "names": list(names)}}, self.session.limits.context_seconds
            )
            return asked["export"]["ndjson"], asked["export"]["given"]


def _ended(error: ProcessDied) -> Ended:
    """How a check ended whose process ended with this error."""
    if isinstance(error, OutOfTime):
        return Ended.TIMEOUT
    return Ended.MEMORY if isinstance(error, OutOfMemory) else Ended.CRASH
