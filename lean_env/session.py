"""A session with Lean: one REPL process at a time, with the environments and proof states that it has loaded.

A session starts a new process when the old one died, has served its number of calls or has grown too large.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lean_env import rules
from lean_env.check import Check, Context, ContextError, InputError, Message, Steps, require_readable
from lean_env.lean import Lean
from lean_env.process import START, MemoryRetry, OutOfMemory, OutOfTime, ProcessDied, ReplProcess, StackOverflow
from lean_env.requests import CommandRequest, Guard, Request, TacticRequest, milliseconds

_MAX_ENVIRONMENTS = 64  # environments that a process keeps, of contexts and challenges
_MAX_PROOF_STATES = 4000
_DROP_BATCH = 200  # proof states that are dropped with one request
_MEMORY_CHECK_EVERY = 10  # calls between two looks at the size of the heap


@dataclass(frozen=True)
class WorkerLimits:
    """Limits on one Lean process of a worker."""

    context_seconds: float = 120.0  # processor time to elaborate one piece of a context
    max_calls: int = 20_000  # calls before a process is replaced by a new one
    max_heap_bytes: int = 1200 * 1024 * 1024  # of Lean; above it the process is replaced, too (a heap never shrinks)


class LeanSession:
    """One Lean process at a time, what it has loaded, and the requests to it.

    Where text of a context has run code (`#eval`, a macro), the process serves calls with that context alone, and all
    others get a new one. Where other text has, the process ends with the call. Solutions and steps of a proof run none.

    Not safe for two calls at once. The death of a process comes as ProcessDied; the session is usable again at once.
    """

    def __init__(self, lean: Lean, limits: WorkerLimits) -> None:
        self.lean = lean
        self.limits = limits
        self.calls = 0  # calls that the present process has served
        self.starts = 0  # processes so far
        self.code_runs = 0  # requests so far of which some text ran code
        self._calls_at_memory_check = 0
        self._process: ReplProcess | None = None
        self._environments: OrderedDict[Context, int] = OrderedDict()  # least recently used first, as the next one
        self._proof_states: OrderedDict[Context, int] = OrderedDict()  # by (*context, challenge, tactics so far)
        self._to_drop: list[int] = []  # proof states
        self._bound_to: Context | None = None  # the context whose code the process has run; () if no context's

    @property
    def pid(self) -> int | None:
        """Process id of Lean, None if none is running."""
        return self._process.pid if self._process and not self._process.ended else None

    @property
    def loaded(self) -> frozenset[Context]:
        """Contexts that the process has environments of, and keys of its proof states."""
        return frozenset((*self._environments, *self._proof_states))

    def has(self, context: Context) -> bool:
        """Is this context loaded? Or this proof state, (*context, challenge, tactics)?"""
        return not context or context in self._environments or context in self._proof_states

    def is_ready(self, context: Context) -> bool:
        """Is there a process that may serve calls with this context?"""
        return self.pid is not None and (self._bound_to is None or context[: len(self._bound_to)] == self._bound_to)

    # ---- the process ----

    async def start(self) -> None:
        """Start a process and load Lean's core library, if none is running. Raises ProcessDied."""
        if self._process is None:
            self.calls = self._calls_at_memory_check = 0
            self._process = await ReplProcess.start(self.lean)
            self.starts += 1
            try:
                await self.ask({"cmd": "", "discard": True}, START)
            except ProcessDied as error:  # whatever its kind: it is not about what is to be checked
                raise ProcessDied(f"it did not start: {error}") from None
            if self._process.damaged and self.lean.snapshot is not None:
                with suppress(OSError):  # the next program that needs one makes it again
                    self.lean.snapshot.unlink()

    @asynccontextmanager
    async def call(self, context: Context) -> AsyncIterator[None]:
        """The block of one call, which needs a process that may serve this context."""
        if self._process is not None and self._process.ended:
            self._forget()  # it died between two calls, which is no call's failure
        if self._bound_to is not None and context[: len(self._bound_to)] != self._bound_to:
            await self.close()
        await self.start()
        self.calls += 1
        try:
            yield
        finally:
            if self._bound_to == ():
                await self.close()

    async def recycle(self) -> None:
        """End the process if it has served its calls or its heap is too large. For use between calls."""
        if self._process is None:
            return
        if self.calls >= self.limits.max_calls:
            await self.close()
        # A process that has run code might not answer, and the next call need not be one for its context.
        elif self.calls >= self._calls_at_memory_check + _MEMORY_CHECK_EVERY and self._bound_to is None:
            self._calls_at_memory_check = self.calls
            stats = await self.ask({"stats": True}, START)
            if stats.get("memory", 0) > self.limits.max_heap_bytes:
                await self.close()

    async def close(self) -> None:
        """End the process; a later call starts a new one."""
        process = self._forget()
        if process is not None:
            await process.kill()

    def _forget(self) -> ReplProcess | None:
        """Let go of the process and of all that it had loaded; returns the process."""
        process, self._process = self._process, None
        self._environments.clear()
        self._proof_states.clear()
        self._to_drop.clear()
        self._bound_to = None
        return process

    async def ask(self, request: Request, timeout: float, bind_to: Context = ()) -> dict[str, Any]:
        """Send a request and return its answer; `timeout` in seconds of processor time.

        If the request runs code, the process serves only calls with the context `bind_to` from then on.
        Raises ProcessDied.
        """
        await self.start()
        process = self._process
        assert process is not None
        process.ran_code = False
        try:
            answer = await process.request(request, timeout)
            if process.ran_code:
                self.code_runs += 1
                if not bind_to or self._bound_to is None or len(bind_to) > len(self._bound_to) > 0:
                    self._bound_to = bind_to
        except BaseException as error:  # a cancelled request, too, leaves a process that is busy with it
            self._forget()
            await process.kill()
            if isinstance(error, OutOfMemory) and self.calls > 1:
                raise MemoryRetry(str(error)) from None
            raise
        if "message" in answer:
            raise ProcessDied(f"the REPL refused a request: {answer['message']}")
        return answer

    # ---- environments ----

    async def elaborate(
        self, request: CommandRequest, context: Context, timeout: float, bind_to: Context = ()
    ) -> dict[str, Any]:
        """Elaborate a command after a context; `timeout` in seconds of processor time. See `ask` for `bind_to`."""
        env = await self.environment(context)
        sent: CommandRequest = {**request, "timeout": milliseconds(timeout)}
        if env is not None:
            sent["env"] = env
        return await self.ask(sent, timeout, bind_to)

    async def environment(self, context: Context) -> int | None:
        """Id of a context's environment, which is elaborated piece by piece if need be. None for the empty context.

        Raises ContextError with the errors of the first piece that has some, ProcessDied.
        """
        if not context:
            return None
        if context not in self._environments:
            seconds = self.limits.context_seconds
            try:
                # Solutions may be to any piece.
                piece: CommandRequest = {"cmd": require_readable(context[-1]), "challenge": True}
                answer = await self.elaborate(piece, context[:-1], seconds, bind_to=context)
            except (InputError, OutOfTime, OutOfMemory, StackOverflow) as error:
                raise ContextError([Message("error", f"the text before the code: {error}")]) from None
            if not await self.keep(context, answer):
                errors = Check.from_json(answer, 0).errors
                if answer.get("timeout"):
                    errors = (Message("error", f"the text before the code took more than {seconds:g} s"),)
                raise ContextError(errors)
        for length in range(1, len(context) + 1):  # a context is as recent as what was built on it
            if context[:length] in self._environments:
                self._environments.move_to_end(context[:length])
        return self._environments[context]

    async def keep(self, context: Context, answer: dict[str, Any]) -> bool:
        """Keep the environment that a context's last piece has led to; False if it has errors, and is not kept."""
        if "env" not in answer:
            return False
        if Check.from_json(answer, 0).errors or answer.get("timeout"):
            await self.drop(answer["env"])
            return False
        if context in self._environments:  # the same text once more
            await self.drop(self._environments[context])
        self._environments[context] = answer["env"]
        while len(self._environments) > _MAX_ENVIRONMENTS:
            await self.drop(self._environments.popitem(last=False)[1])
        return True

    async def drop(self, environment: int | None, proof_states: Sequence[int] = ()) -> None:
        """Let the process forget an environment (if there is one) and proof states."""
        dropped = [] if environment is None else [environment]
        await self.ask({"drop": dropped, "dropProofStates": list(proof_states)}, START)

    async def guard(self, challenge: Context) -> Guard:
        """The guard of a request whose text is a solution to a challenge (the last piece of `challenge`)."""
        return {"env": await self.environment(challenge), "rules": rules.to_json()}

    # ---- proof states ----

    async def proof_state(self, key: Context) -> int | None:
        """Id of the proof state (*context, challenge, tactics so far), made again if the process does not have it.

        None if the tactics do not work. Raises ContextError if the challenge has no goal, InputError, ProcessDied.
        """
        if key in self._proof_states:
            self._proof_states.move_to_end(key)
            return self._proof_states[key]
        *pieces, challenge, tactics = key
        context = tuple(pieces)
        initial = (*context, challenge, "")
        if initial not in self._proof_states:
            await self._open_goal(context, challenge)
        if not tactics:
            return self._proof_states[initial]
        lines = tactics.split("\n")
        # A line that only continues a tactic is no place to begin.
        starts = [n for n in range(len(lines)) if lines[n][:1] not in ("", " ", "|", "<", ")") or not n]
        known = next(n for n in reversed(starts) if (*context, challenge, "\n".join(lines[:n])) in self._proof_states)
        before = (*context, challenge, "\n".join(lines[:known]))
        # These tactics worked before: the caller's limit is for what comes after them, so they have the context's.
        rest, seconds = "\n".join(lines[known:]), self.limits.context_seconds
        await self.run_tactics(before, self._proof_states[before], rest, seconds)
        return self._proof_states.get(key)

    async def _open_goal(self, context: Context, challenge: str) -> None:
        """Keep the proof state of the goal that a challenge's last `sorry` leaves. Raises ContextError without one."""
        env = await self.environment(context)
        request: CommandRequest = {"cmd": require_readable(challenge)}
        if env is not None:
            request["env"] = env
        answer = await self.ask(request, self.limits.context_seconds, (*context, challenge))
        await self.drop(answer.get("env"))
        check = Check.from_json(answer, 0)
        if check.errors or not check.sorries:
            raise ContextError(check.errors or [Message("error", "the challenge leaves no goal")])
        states = [sorry["proofState"] for sorry in answer["sorries"]]
        self._to_drop += states[:-1]
        await self._keep_proof_state((*context, challenge, ""), states[-1])

    async def run_tactics(self, key: Context, state: int, text: str, timeout: float) -> Steps:
        """Run tactics on the proof state `state`, whose key is `key`, and keep the states that they lead to.

        `timeout` in seconds of processor time. Raises ProcessDied.
        """
        request: TacticRequest = {
            "tactic": text,
            "proofState": state,
            "steps": True,
            "timeout": milliseconds(timeout),
            "guard": {"rules": rules.to_json()},
        }
        answer = await self.ask(request, timeout)
        *before, tactics = key
        for step in answer.get("steps", ()):
            tactics = f"{tactics}\n{step['tactic']}" if tactics else step["tactic"]
            await self._keep_proof_state((*before, tactics), step["proofState"])
        return Steps.from_json(answer)

    async def _keep_proof_state(self, key: Context, state: int) -> None:
        """Keep the id of a proof state under its key, and drop old ones."""
        if key in self._proof_states:
            self._to_drop.append(self._proof_states.pop(key))
        self._proof_states[key] = state
        while len(self._proof_states) > _MAX_PROOF_STATES:
            self._to_drop.append(self._proof_states.popitem(last=False)[1])
        if len(self._to_drop) >= _DROP_BATCH:
            await self.drop(None, self._to_drop)
            self._to_drop.clear()
