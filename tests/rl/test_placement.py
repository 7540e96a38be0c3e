from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from data.records.config import ConfigError
from prover.model import config_file
from prover.model.config import PRESETS
from prover.model.transformer import Transformer
from prover.prompts import FAMILIES
from prover.serving.model import Machine
from rl import placement
from rl.config import DPOConfig, GRPOConfig, SFTConfig, read
from rl.model import ModelSource, Placement, TransformersModel
from rl.placement import PlacementPlan, Process, lines, plan
from rl.samplers import RolloutConfig
from rl.shape import shape_of

ROOT = Path(__file__).parents[2]
LLAMA = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SERVED = RolloutConfig(base_url="http://127.0.0.1:8000/v1", max_tokens=256)


def grpo(
    where: Placement | None = None, rollout: RolloutConfig = SERVED, preset: str = "tiny", **fields: object
) -> GRPOConfig:
    source = fields.pop("model", ModelSource(preset=preset))
    base = {"model": source, "problems": [Path("p.jsonl")], "rollout": rollout, "placement": where or Placement()}
    return GRPOConfig(**{**base, **fields})


def planned(config: GRPOConfig | SFTConfig | DPOConfig) -> PlacementPlan:
    return plan(config, shape_of(config.model))


def of(found: PlacementPlan, role: str) -> Process:
    return next(process for process in found.processes if process.role == role)


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "machine", Machine)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


# Shapes


@pytest.mark.parametrize(
    ("preset", "total", "active"),
    [("16b", 15.7e9, 2.66e9), ("236b", 235.7e9, 21.4e9), ("671b", 671.0e9, 37.55e9)],  # V2 §3.1.2 and App. B, V3 §4.2
)
def test_parameters_as_published(preset: str, total: float, active: float) -> None:
    shape = shape_of(ModelSource(preset=preset, vocabulary=PRESETS[preset].vocab_size))
    assert shape.total_params - shape.mtp_params == pytest.approx(total, rel=0.003)
    assert shape.active_params == pytest.approx(active, rel=0.01)


@pytest.mark.parametrize("preset", ["tiny", "30m"])
def test_parameters_of_a_real_model(preset: str) -> None:
    shape = shape_of(ModelSource(preset=preset, vocabulary=700))
    model = Transformer(PRESETS[preset].replace(vocab_size=700))
    assert shape.total_params == sum(p.numel() for p in model.parameters())
    routed = sum(p.numel() for layer in model.layers[1:] for p in layer.mlp.experts.parameters())
    config = model.config
    assert shape.expert_params * config.num_moe_layers == routed
    unused = routed * (config.n_routed_experts - config.num_experts_per_tok) // config.n_routed_experts
    assert shape.active_params == shape.total_params - unused - sum(p.numel() for p in model.mtp.parameters())
    assert shape.cache_per_token == config.num_hidden_layers * config.latent_dim


def test_the_shape_of_a_llama_in_a_folder(tmp_path: Path) -> None:
    LlamaConfig(**LLAMA).save_pretrained(tmp_path)
    shape = shape_of(ModelSource(folder=str(tmp_path)))
    model = LlamaForCausalLM(LlamaConfig(**LLAMA))
    assert shape.total_params == shape.active_params == sum(p.numel() for p in model.parameters())
    assert shape.cache_per_token == 3 * 2 * 2 * 32
    assert not shape.from_table


def test_the_shape_of_a_model_of_our_own_in_a_folder(tmp_path: Path) -> None:
    config_file.write(PRESETS["tiny"], torch.float32, tmp_path)
    found = shape_of(ModelSource(folder=str(tmp_path)))
    assert found.config == PRESETS["tiny"]


def test_published_shapes_need_no_checkpoint() -> None:
    small = shape_of(ModelSource(folder="deepseek-ai/DeepSeek-Prover-V2-7B"))
    assert small.from_table
    assert small.total_params == pytest.approx(6.91e9, rel=0.001)
    large = shape_of(ModelSource(folder="models/DeepSeek-Prover-V2-671B"))
    assert large.from_table
    assert large.config == PRESETS["671b"]


def test_a_model_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no preset is called 'huge'"):
        shape_of(ModelSource(preset="huge"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such"}))
    with pytest.raises(ConfigError, match=r"^model: "):
        shape_of(ModelSource(folder=str(tmp_path)))


# Memory


@pytest.mark.parametrize("kind", ["tiny", "llama"])
def test_what_layers_keep_is_what_autograd_keeps(kind: str, tmp_path: Path) -> None:
    if kind == "llama":
        LlamaConfig(**LLAMA).save_pretrained(tmp_path)
        source = ModelSource(folder=str(tmp_path))
        model: TransformersModel | Transformer = TransformersModel(LlamaForCausalLM(LlamaConfig(**LLAMA)))
    else:
        source, model = ModelSource(preset=kind, vocabulary=512), Transformer(PRESETS[kind].replace(vocab_size=512))
    shape, batch, tokens = shape_of(source), 2, 256
    layers = shape.config.num_hidden_layers if shape.config else 3
    seen: dict[int, tuple[int, tuple[int, ...]]] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = (storage.nbytes(), tuple(tensor.shape))
        return tensor

    rows = torch.randint(0, 512, (batch, tokens))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(rows, rows, torch.zeros_like(rows), run_mtp=False)
    held = [(size, dims) for at, (size, dims) in seen.items() if at not in weights]
    masks = sum(size for size, dims in held if dims[-2:] == (tokens, tokens))
    assert masks == 4 * layers * batch * tokens**2
    activations = sum(size for size, dims in held if dims[-2:] != (tokens, tokens) and dims[-1:] != (512,))
    del output
    assert sum(shape.saved_activations[:layers]) * 4 * batch * tokens == pytest.approx(activations, rel=0.25)


_MEASURE = """
import json, resource, sys
import torch
from prover.model.tokenizer import train
from rl.batch import TrainingSample
from rl.config import GRPOConfig
from rl.learner import Learner
from rl.placement import plan
from rl.shape import shape_of

torch.set_num_threads(1)
config = GRPOConfig.model_validate_json(sys.argv[1])
words = train([f"theorem t{n} (a{n} b : Nat) : a{n} + {n * n} = b" for n in range(4000)], config.model.vocabulary)
chance = torch.Generator().manual_seed(0)
size = (config.prompts_per_step, config.rollout.num_generations, config.context + 1)
texts = torch.randint(len(words), size, generator=chance)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
torch.nn.functional.grouped_mm(torch.ones(8, 8), torch.ones(1, 8, 8), offs=torch.tensor([8], dtype=torch.int32))
before = peak()
learner = Learner(config, words)
for _ in range(2):
    groups = [[TrainingSample(tuple(t), 9, (-1.0,) * (len(t) - 9)) for t in g.tolist()] for g in texts]
    learner.learn([(group, [0.0, 1.0]) for group in groups])
source = config.model.model_copy(update={"vocabulary": len(words)})
print(json.dumps([peak() - before, plan(config, shape_of(source)).processes[0].needed]))
"""


@pytest.mark.slow
def test_a_trainer_takes_about_what_is_foretold() -> None:
    model = ModelSource(preset="30m", vocabulary=2048)
    config = grpo(
        rollout=SERVED.model_copy(update={"num_generations": 2}),
        model=model,
        prompts_per_step=2,
        micro_batch=4,
        context=512,
    )
    command = [sys.executable, "-c", _MEASURE, config.model_dump_json()]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not ran.returncode, ran.stderr
    measured, foretold = json.loads(ran.stdout)
    print(f"measured {measured / 1e6:.0f} MB, foretold {foretold / 1e6:.0f} MB")
    assert 1 / 1.5 < foretold / measured < 1.5


def test_trainers_share_the_state_and_not_the_activations() -> None:
    one, four = (of(planned(grpo(Placement(trainers=n, bfloat16=True))), "trainer").memory for n in (1, 4))
    for name in ("weights", "gradients", "moments", "batch"):
        assert four[name] == pytest.approx(one[name] / 4)
    assert four["activations"] == one["activations"]
    assert one["moments"] == 2 * one["weights"] == 8 * planned(grpo()).parameters[0]


def test_what_is_not_held() -> None:
    plain = of(planned(grpo()), "trainer").memory
    assert "reference" in plain
    assert "gathered" not in plain  # nothing is spread
    assert "reference" not in of(planned(grpo(loss={"kl": 0.0})), "trainer").memory
    again = of(planned(grpo(Placement(activation_checkpointing=True))), "trainer").memory
    assert again["activations"] < 0.6 * plain["activations"]
    assert again["masks"] < 0.5 * plain["masks"]
    model, files = ModelSource(preset="tiny"), [Path("x")]
    assert "reference" in of(planned(DPOConfig(model=model, answers=files)), "trainer").memory
    ahead, not_ahead = (of(planned(SFTConfig(model=model, data=files, mtp=m)), "trainer").memory for m in (0.3, 0.0))
    assert ahead["activations"] > not_ahead["activations"]
    assert ahead["gradients"] > not_ahead["gradients"]


def test_a_whole_tensor_can_be_more_than_a_step() -> None:
    config = grpo(
        Placement(trainers=64, expert_parallel_degree=64, gpus=1, bfloat16=True, activation_checkpointing=True),
        preset="671b",
        context=512,
    )
    memory = of(planned(config), "trainer").memory
    assert memory["a whole tensor"] == 4 * 256 * 2 * 2048 * 7168
    assert "activations" not in memory


# Processes


def test_processes_of_the_stages() -> None:
    model, files = ModelSource(preset="tiny"), [Path("x")]
    assert [p.role for p in planned(DPOConfig(model=model, answers=files)).processes] == ["trainer"]
    assert [p.role for p in planned(SFTConfig(model=model, data=files)).processes] == ["trainer"]
    states = SFTConfig(model=model, data=files, kinds=["continuation"], placement=Placement(lean_workers=3))
    assert [(p.role, p.count) for p in planned(states).processes] == [("trainer", 1), ("lean", 3)]
    found = planned(grpo(Placement(trainers=2, rollouts=3, lean_workers=5, gpus=1), RolloutConfig()))
    counted = [(p.role, p.count, p.gpus) for p in found.processes]
    assert counted == [("trainer", 2, 1), ("rollout", 3, 1), ("lean", 5, 0), ("controller", 1, 0)]


def test_one_process_that_also_writes() -> None:
    found = planned(grpo(rollout=RolloutConfig(max_num_seqs=10)))
    assert [p.role for p in found.processes] == ["trainer", "lean", "controller"]
    shape = shape_of(ModelSource(preset="tiny"))
    memory = found.processes[0].memory
    assert memory["rollout: cache of 10 answers"] == 4 * 10 * 4096 * shape.cache_per_token
    assert memory["rollout: weights"] == 2 * 4 * shape.total_params


def test_a_server_is_not_of_this_run() -> None:
    found = planned(grpo())
    assert of(found, "rollout").count == 0
    assert "http://127.0.0.1:8000/v1" in of(found, "rollout").note


# Problems


def problems(*args: object, **fields: object) -> str:
    return "\n".join(planned(grpo(*args, **fields)).problems)  # type: ignore[arg-type]


def test_a_plan_that_works_has_no_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert not problems(Placement(trainers=2, expert_parallel_degree=2, lean_workers=2))


def test_experts_that_do_not_fall_evenly() -> None:
    assert "6 processes do not fall into groups of 4" in problems(
        Placement(trainers=6, expert_parallel_degree=4, address="auto")
    )
    assert "8 experts do not fall evenly on 3" in problems(
        Placement(trainers=3, expert_parallel_degree=3, address="auto")
    )


def test_what_others_models_cannot(tmp_path: Path) -> None:
    LlamaConfig(**LLAMA).save_pretrained(tmp_path)
    found = problems(
        Placement(trainers=2, expert_parallel_degree=2), RolloutConfig(), model=ModelSource(folder=str(tmp_path))
    )
    assert "our own architecture only" in found
    assert "rollout.engine can be vllm" in found


def test_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    config = grpo(Placement(trainers=8, gpus=1, bfloat16=True), preset="16b")
    assert any("there is no GPU" in note for note in planned(config).notes)
    needed = of(planned(config), "trainer").needed
    for room, fits in ((needed + 1e6, True), (needed - 1e6, False)):
        monkeypatch.setattr(placement, "machine", lambda size=int(room): Machine(8, size))
        assert bool([text for text in planned(config).problems if "a trainer needs" in text]) is not fits
    monkeypatch.setattr(placement, "machine", lambda: Machine(4, int(1e12)))
    assert "8 GPUs are wanted, and this machine has 4" in planned(config).problems


def test_too_much_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    found = problems(Placement(trainers=3, lean_workers=4), RolloutConfig(), preset="671b")
    assert "3 of trainer are wanted, and this machine has 2 cores" in found
    assert "4 of lean are wanted" in found
    assert "GB of memory are wanted" in found
    assert not problems(Placement(trainers=3, lean_workers=4, address="auto"), preset="671b")


# The configurations that are shown


@pytest.mark.parametrize(("name", "room"), [("grpo-7b", 80e9), ("grpo-671b", 141e9)])
def test_configurations_fit_the_gpus_that_they_name(name: str, room: float, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(GRPOConfig, ROOT / "configs" / f"{name}.yaml")
    assert set(config.rollout.families) <= set(FAMILIES)
    assert config.rollout.max_tokens < config.context
    monkeypatch.setattr(placement, "machine", lambda: Machine(1024, int(room)))
    monkeypatch.setattr("os.cpu_count", lambda: 128)
    monkeypatch.setattr("os.sysconf", lambda name: 1 << 21)
    assert not planned(config).problems


def test_what_people_are_told() -> None:
    told = lines(planned(read(GRPOConfig, ROOT / "configs" / "grpo-671b.yaml")))
    assert told[0] == "682.6 billion parameters, of which a token uses 37.6 billion"
    assert told[2].startswith("trainer           512          1")
    assert any(line.endswith("the run wants such with 114.3 GB") for line in told)
    assert not any(line.startswith("Problem") for line in told)
    assert any(line.startswith("Note: models/DeepSeek-Prover-V2-671B is not on this machine") for line in told)
    assert max(map(len, told)) < 200
