"""Trainers and rollout workers in Ray actors, on this machine or across a cluster.

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
from torch import Tensor

from data.records.config import ConfigError
from data.records.run_folder import RunError
from lean_env.ray_cluster import RayCluster
from lean_env.ray_workers import as_future
from prover.engines.base import Answer
from prover.model.sampling_params import SamplingParams
from prover.policy import PolicyUnavailable, Prompt
from rl import dpo, sft
from rl.config import DPOConfig, GRPOConfig, SFTConfig
from rl.examples import States
from rl.folder import TrainFolder
from rl.learner import Learner, Rewarded
from rl.model import ModelSource, tokenizer_of
from rl.samplers import EngineSampler, RolloutConfig, Weights, open_engine
from rl.stop import Interrupted
from rl.trainer import Stage

_LOOK = 0.5  # seconds between two looks at what there is to tell
_LOST = 5  # writers in a row that may be lost before it is given up


class TrainersLost(RunError):
    """A process of those that share the model is gone, and with it a part of the model."""


class _TrainerActor:
    """A Ray actor: one of the processes that share the model."""

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

    # What follows are the methods of the Learner, which all processes call.

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        assert self._learner is not None
        return self._learner.learn(groups)

    def weights(self) -> list[tuple[str, Tensor]]:
        """All weights in the first process, none in the others."""
        assert self._learner is not None
        return [named for named in self._learner.weights() if dist.get_rank() == 0]

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        assert self._learner is not None
        self._learner.save(folder, state)

    def restore(self, folder: Path) -> dict[str, Any]:
        assert self._learner is not None
        return self._learner.restore(folder)

    def write(self, folder: Path) -> None:
        assert self._learner is not None
        self._learner.write(folder)


class TrainerGroup:
    """The processes that share the model, on the driver's side; a Learner, as rl.grpo.LearnerProtocol says.

    Ray numbers what a thread hands over. In threads that outlive one Ray and meet another, an argument was once seen to
    arrive as an earlier one; so calls are made from a thread of this object's own.
    """

    def __init__(self, config: Stage) -> None:
        """Raises ConfigError, LeanUnavailable (if there is no Ray)."""
        placement = config.placement
        RayCluster(placement.address or None)
        self._thread = ThreadPoolExecutor(1)
        threads = max((os.cpu_count() or 1) // placement.trainers, 1)
        make: Any = ray.remote(_TrainerActor).options(num_cpus=0, num_gpus=placement.gpus, max_concurrency=2)
        self._actors: list[Any] = [make.remote(threads) for _ in range(placement.trainers)]
        place = self._get([self._actors[0].place.remote()])[0]
        world = len(self._actors)
        self._get([actor.join.remote(place, rank, world) for rank, actor in enumerate(self._actors)])

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
        work = [actor.stage.remote(config, folder.path.absolute(), given) for actor in self._actors]
        running = asyncio.create_task(asyncio.to_thread(self._get, work))
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK)
            if folder.stop.is_set():
                self._actors[0].stop.remote()
            for line in await asyncio.to_thread(self._lines):
                folder.tell(line)
        running.result()

    def _lines(self) -> list[str]:
        try:
            return list(ray.get(self._actors[0].lines.remote()))
        except RayError:  # it will be told by what the stage raises
            return []

    def learner(self, config: GRPOConfig) -> TrainerGroup:
        self._get([actor.learner.remote(config) for actor in self._actors])
        return self

    def _on_all(self, start: Callable[[Any], Any]) -> Any:
        """What the first process returns. start: calls a remote method of an actor."""

        def results() -> list[Any]:
            return self._get([start(actor) for actor in self._actors])

        return self._thread.submit(results).result()[0]

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        found: dict[str, float] = self._on_all(lambda actor: actor.learn.remote(list(groups)))
        return found

    def weights(self) -> Weights:
        found: Weights = self._on_all(lambda actor: actor.weights.remote())
        return found

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        self._on_all(lambda actor: actor.save.remote(folder.absolute(), state))

    def restore(self, folder: Path) -> dict[str, Any]:
        found: dict[str, Any] = self._on_all(lambda actor: actor.restore.remote(folder.absolute()))
        return found

    def write(self, folder: Path) -> None:
        self._on_all(lambda actor: actor.write.remote(folder.absolute()))

    def close(self) -> None:
        for actor in self._actors:
            ray.kill(actor)
        self._thread.shutdown(wait=False)


class _RolloutActor:
    """A Ray actor that writes answers with an engine of its own."""

    def __init__(self, source: ModelSource, rollout: RolloutConfig, threads: int) -> None:
        torch.set_num_threads(threads)
        self._source, self._rollout = source, rollout
        self._sampler: EngineSampler | None = None

    async def start(self, weights: list[Any]) -> None:
        self._sampler = EngineSampler(await open_engine(self._source, tokenizer_of(self._source, ()), self._rollout))
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


class RolloutWorkers:
    """Several processes that write answers, as a Sampler. One that is lost is replaced, and its work done again."""

    def __init__(self, source: ModelSource, rollout: RolloutConfig, count: int, gpus: float) -> None:
        threads = max((os.cpu_count() or 1) // count, 1)
        options: Any = ray.remote(_RolloutActor).options(num_cpus=0, num_gpus=gpus, max_concurrency=10_000)
        self._make: Callable[[], Any] = lambda: options.remote(source, rollout, threads)
        self._weights: Any = ray.put([])
        self._thread = ThreadPoolExecutor(1)  # of its own, as the TrainerGroup's is
        self._slots = [_WorkerSlot(self) for _ in range(count)]

    async def start(self) -> None:
        await asyncio.gather(*(slot.actor() for slot in self._slots))

    async def answers(self, prompt: Prompt, family: str, n: int, decoding: SamplingParams) -> AsyncGenerator[Answer]:
        slot = min(self._slots, key=lambda slot: slot.load)
        slot.load += n
        try:
            for answer in await slot.call(lambda actor: actor.answers.remote(prompt, family, n, decoding)):
                yield answer
        finally:
            slot.load -= n

    async def update(self, weights: Weights) -> None:
        held = list(weights)
        self._weights = await asyncio.get_running_loop().run_in_executor(self._thread, ray.put, held)
        await asyncio.gather(*(slot.call(lambda actor: actor.update.remote(self._weights)) for slot in self._slots))

    async def close(self) -> None:
        for slot in self._slots:
            slot.kill()
        self._thread.shutdown(wait=False)


class _WorkerSlot:
    """One of the RolloutWorkers' places: an actor, and after its loss another one."""

    def __init__(self, workers: RolloutWorkers) -> None:
        self._workers, self.load = workers, 0
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
        actor = self._workers._make()
        await as_future(actor.start.remote(self._workers._weights))
        return actor

    async def call(self, start: Callable[[Any], Any]) -> Any:
        """The result of what `start` calls: a remote method of the slot's actor.

        Raises PolicyUnavailable if the engine does, or if one actor after the other is lost.
        """
        for _ in range(_LOST):
            actor = None
            try:
                actor = await self.actor()
                return await as_future(start(actor))
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
