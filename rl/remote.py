"""Trainers and writers of answers in Ray actors, on this machine or across a cluster.

All of them need the same file system: for the run's folder, and for the checkpoint to start from.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.exceptions import RayActorError, RayError, RayTaskError

from data.config import ConfigError
from eval.folder import RunError
from lean_env.ray_workers import Cluster
from prover.engines.base import Answer, SamplingParams
from prover.policy import PolicyUnavailable, Prompt
from rl import dpo, sft
from rl.config import DPOConfig, GRPOConfig, ModelSource, SFTConfig, Stage, Writing
from rl.examples import States
from rl.folder import TrainFolder
from rl.learner import Learner, Rewarded
from rl.model import tokenizer_of
from rl.samplers import EngineSampler, Weights, open_engine
from rl.stop import Interrupted

_LOOK = 0.5  # seconds between two looks at what there is to tell
_LOST = 5  # writers in a row that may be lost before it is given up


class TrainersLost(RunError):
    """A process of those that share the model is gone, and with it a part of the model."""


class _Rank:
    """One of the processes that share the model: an actor."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._lines: list[str] = []
        self._stop = threading.Event()
        self._learner: Learner | None = None

    def place(self) -> str:
        """An address at which the processes can find each other, if this is the first one."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
            return f"tcp://{address}:{probe.getsockname()[1]}"

    def join(self, place: str, rank: int, world: int) -> None:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, init_method=place, rank=rank, world_size=world)

    def stage(self, config: Stage, path: Path, states: States) -> None:
        """A whole stage in which all processes do the same."""
        folder = TrainFolder(path, self._lines.append, writes=dist.get_rank() == 0, keep=config.keep)
        folder.stop = self._stop
        try:
            if isinstance(config, SFTConfig):
                sft.run(config, folder, states)
            elif isinstance(config, DPOConfig):
                dpo.run(config, folder)
        finally:
            folder.close()

    def stop(self) -> None:
        """Let the stage end after the update under way."""
        self._stop.set()

    def lines(self) -> list[str]:
        """What there is to tell since the last time."""
        found, self._lines = self._lines, []
        return found

    def learner(self, config: GRPOConfig) -> None:
        self._learner = Learner(config, tokenizer_of(config.model, ()))

    def call(self, method: str, *args: Any) -> Any:
        """A method of the Learner; of `weights` only the first process keeps what comes."""
        assert self._learner is not None
        found = getattr(self._learner, method)(*args)
        if method != "weights":
            return found
        kept = [named for named in found if dist.get_rank() == 0]
        return kept or None


class Trainers:
    """The processes that share the model, on the driver's side. As a Learner, see rl.grpo.Learns.

    Ray numbers what a thread hands over. In threads that outlive one Ray and meet another, an argument was once seen to
    arrive as an earlier one; so calls are made from a thread of this object's own.
    """

    def __init__(self, config: Stage) -> None:
        """Raises ConfigError, LeanUnavailable (if there is no Ray)."""
        placement = config.placement
        Cluster(placement.address or None)
        self._thread = ThreadPoolExecutor(1)
        threads = max((os.cpu_count() or 1) // placement.trainers, 1)
        make: Any = ray.remote(_Rank).options(num_cpus=0, num_gpus=placement.gpus, max_concurrency=2)
        self._ranks: list[Any] = [make.remote(threads) for _ in range(placement.trainers)]
        place = self._get([self._ranks[0].place.remote()])[0]
        world = len(self._ranks)
        self._get([actor.join.remote(place, rank, world) for rank, actor in enumerate(self._ranks)])

    def _get(self, references: Sequence[Any]) -> list[Any]:
        """All results. Raises what a process raised; TrainersLost if one is gone."""
        try:
            return list(ray.get(list(references)))
        except RayTaskError as error:
            if isinstance(error.cause, ConfigError | RunError | Interrupted):
                raise error.cause from None
            raise
        except RayError as error:
            raise TrainersLost(
                f"a trainer was lost ({type(error).__name__}); the same command goes on from the newest checkpoint"
            ) from None

    async def run(self, config: Stage, folder: TrainFolder, states: States) -> None:
        """A whole stage."""
        given = ray.put(states)
        work = [actor.stage.remote(config, folder.path.absolute(), given) for actor in self._ranks]
        running = asyncio.create_task(asyncio.to_thread(self._get, work))
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK)
            if folder.stop.is_set():
                self._ranks[0].stop.remote()
            for line in await asyncio.to_thread(self._lines):
                folder.tell(line)
        running.result()

    def _lines(self) -> list[str]:
        try:
            return list(ray.get(self._ranks[0].lines.remote()))
        except RayError:  # it will be told by what the stage raises
            return []

    def learner(self, config: GRPOConfig) -> Trainers:
        self._get([actor.learner.remote(config) for actor in self._ranks])
        return self

    def _call(self, method: str, *args: Any) -> Any:
        def ask() -> list[Any]:
            return self._get([actor.call.remote(method, *args) for actor in self._ranks])

        return self._thread.submit(ask).result()[0]

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        found: dict[str, float] = self._call("learn", list(groups))
        return found

    def weights(self) -> Weights:
        found: Weights = self._call("weights")
        return found

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        self._call("save", folder.absolute(), state)

    def restore(self, folder: Path) -> dict[str, Any]:
        found: dict[str, Any] = self._call("restore", folder.absolute())
        return found

    def write(self, folder: Path) -> None:
        self._call("write", folder.absolute())

    def close(self) -> None:
        for actor in self._ranks:
            ray.kill(actor)
        self._thread.shutdown(wait=False)


class _Scribe:
    """Writes answers with an engine of its own: an actor."""

    def __init__(self, source: ModelSource, writing: Writing, threads: int) -> None:
        torch.set_num_threads(threads)
        self._source, self._writing = source, writing
        self._sampler: EngineSampler | None = None

    async def start(self, weights: list[Any]) -> None:
        self._sampler = EngineSampler(await open_engine(self._source, tokenizer_of(self._source, ()), self._writing))
        await self.update(weights)

    async def answers(self, prompt: Prompt, family: str, n: int, decoding: SamplingParams) -> list[Answer]:
        assert self._sampler is not None
        return [answer async for answer in self._sampler.answers(prompt, family, n, decoding)]

    async def update(self, weights: list[Any]) -> None:
        """weights: empty for none, otherwise a list of a reference's value."""
        assert self._sampler is not None
        if weights:
            await self._sampler.update(weights)

    async def pid(self) -> int:
        return os.getpid()


class Scribes:
    """Several processes that write answers, as a Sampler. One that is lost is replaced, and its work done again."""

    def __init__(self, source: ModelSource, writing: Writing, count: int, gpus: float) -> None:
        threads = max((os.cpu_count() or 1) // count, 1)
        options: Any = ray.remote(_Scribe).options(num_cpus=0, num_gpus=gpus, max_concurrency=10_000)
        self._make: Callable[[], Any] = lambda: options.remote(source, writing, threads)
        self._weights: Any = ray.put([])
        self._thread = ThreadPoolExecutor(1)  # of its own, as the Trainers' is
        self._free = [_Place(self) for _ in range(count)]

    async def start(self) -> None:
        await asyncio.gather(*(place.actor() for place in self._free))

    async def answers(self, prompt: Prompt, family: str, n: int, decoding: SamplingParams) -> AsyncGenerator[Answer]:
        place = min(self._free, key=lambda place: place.load)
        place.load += n
        try:
            for answer in await place.call("answers", prompt, family, n, decoding):
                yield answer
        finally:
            place.load -= n

    async def update(self, weights: Weights) -> None:
        held = list(weights)
        self._weights = await asyncio.get_running_loop().run_in_executor(self._thread, ray.put, held)
        await asyncio.gather(*(place.call("update", self._weights) for place in self._free))

    async def close(self) -> None:
        for place in self._free:
            place.kill()
        self._thread.shutdown(wait=False)


class _Place:
    """Where a scribe is, and after its loss another one."""

    def __init__(self, scribes: Scribes) -> None:
        self._scribes, self.load = scribes, 0
        self._actor: Any = None
        self._starting: asyncio.Task[Any] | None = None

    async def actor(self) -> Any:
        if self._actor is None:
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            try:
                self._actor = await asyncio.shield(self._starting)
            finally:
                self._starting = None
        return self._actor

    async def _start(self) -> Any:
        actor = self._scribes._make()
        await _result(actor.start.remote(self._scribes._weights))
        return actor

    async def call(self, method: str, *args: Any) -> Any:
        """Raises PolicyUnavailable if the engine does, or if one actor after the other is lost."""
        for _ in range(_LOST):
            actor = None
            try:
                actor = await self.actor()
                return await _result(getattr(actor, method).remote(*args))
            except RayTaskError as error:
                if isinstance(error.cause, PolicyUnavailable | ConfigError):
                    raise error.cause from None
                raise
            except RayActorError:
                if self._actor is actor:
                    self._actor = None
        raise PolicyUnavailable(f"{_LOST} processes that write answers were lost one after the other")

    def kill(self) -> None:
        if self._actor is not None:
            ray.kill(self._actor)


async def _result(reference: Any) -> Any:
    return await asyncio.wrap_future(reference.future())
