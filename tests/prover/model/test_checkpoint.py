"""Checkpoints against transformers' reading and writing of the same files, and against kills and damage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard, distribute_tensor
from torch.nn import Parameter
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM
from transformers.modeling_layers import MtpModel

from prover.model import config_file
from prover.model.checkpoint import INDEX_FILE, WEIGHTS_FILE, load, load_into, read_config, save
from prover.model.config import PRESETS, ModelConfig, ModelConfigError, ModelError, Yarn
from prover.model.experts import Experts
from prover.model.transformer import Transformer

TINY = PRESETS["tiny"].replace(initializer_range=0.1, vocab_size=256)
YARN = Yarn(factor=4, original_max_position_embeddings=16, mscale=0.7, mscale_all_dim=1)
KINDS = {
    "tied": TINY,
    "untied with query LoRA": TINY.replace(tie_word_embeddings=False, q_lora_rank=48),
    "YaRN": TINY.replace(yarn=YARN, rope_theta=500.0),
    "YaRN without sharpening": TINY.replace(yarn=Yarn(factor=8, original_max_position_embeddings=16)),
    "without groups, scaled": TINY.replace(n_group=1, topk_group=1, routed_scaling_factor=2.5, norm_topk_prob=False),
    "without shared experts": TINY.replace(n_shared_experts=0),
    "two shared experts, no MTP": TINY.replace(n_shared_experts=2, num_nextn_predict_layers=0),
    "only dense layers": TINY.replace(first_k_dense_replace=4, num_nextn_predict_layers=0),
}
TOKENS = torch.randint(0, 256, (2, 40), generator=torch.Generator().manual_seed(0))


def fresh(config: ModelConfig, seed: int = 0) -> Transformer:
    """Random weights, of which none are alike: not the norms and the routers' biases either."""
    torch.manual_seed(seed)
    model = Transformer(config)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "norm" in name or "bias" in name:
                tensor.add_(torch.randn_like(tensor) * 0.1)
    return model


def assert_same(one: Transformer, other: Transformer) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(TOKENS).logits
    return found


def theirs(config: ModelConfig, **changes: Any) -> DeepseekV3ForCausalLM:
    """transformers' model of a configuration, with random weights."""
    fields = {**config_file.to_fields(config, torch.float32), **changes}
    torch.manual_seed(0)
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**fields)).eval()
    for name, buffer in model.named_buffers():
        if "e_score" in name:
            buffer.normal_(std=0.1)
    return model


def tensors(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def rewrite(folder: Path, changed: dict[str, Tensor | None], **fields: Any) -> None:
    """Change tensors (None: away with it) of a checkpoint in one file, and fields of its configuration."""
    found = {**tensors(folder), **changed}
    save_file({name: tensor for name, tensor in found.items() if tensor is not None}, folder / WEIGHTS_FILE)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


# With transformers


@pytest.mark.parametrize("shard_bytes", [10**9, 10**6], ids=["one file", "shards"])
@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_transformers_reads_what_we_write(config: ModelConfig, shard_bytes: int, tmp_path: Path) -> None:
    model = fresh(config)
    save(model, tmp_path, shard_bytes=shard_bytes)
    assert (tmp_path / INDEX_FILE).exists() == (shard_bytes == 10**6)
    read = DeepseekV3ForCausalLM.from_pretrained(tmp_path)
    assert read.config.num_mtp_layers == config.num_nextn_predict_layers
    assert read.dtype == torch.float32
    assert (logits(read) - logits(model)).abs().max() < 1e-4
    assert logits(model).abs().max() > 0.5


@pytest.mark.parametrize("shards", ["1GB", "1MB"])
@pytest.mark.parametrize("interleave", [True, False], ids=["interleaved", "half-split"])
@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_we_read_what_transformers_writes(config: ModelConfig, interleave: bool, shards: str, tmp_path: Path) -> None:
    model = theirs(config, rope_interleave=interleave)
    model.save_pretrained(tmp_path, max_shard_size=shards)
    read = load(tmp_path)
    assert read.config == config.replace(num_nextn_predict_layers=0)
    assert (logits(read) - logits(model)).abs().max() < 1e-4
    save(read, tmp_path / "again")  # which is always interleaved
    assert (logits(DeepseekV3ForCausalLM.from_pretrained(tmp_path / "again")) - logits(model)).abs().max() < 1e-4


def test_transformers_reads_our_mtp_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh(TINY)
    save(model, tmp_path, shard_bytes=10**6)
    # It knows V3's own MTP layer by its number only.
    monkeypatch.setattr(DeepseekV3ForCausalLM, "_keys_to_ignore_on_load_unexpected", [r"model\.layers\.4.*"])
    main = DeepseekV3ForCausalLM.from_pretrained(tmp_path)
    module = MtpModel.from_pretrained(main).eval()
    with torch.no_grad():
        hidden = main.model(TOKENS).last_hidden_state[:, :-2]
        places = torch.arange(1, TOKENS.shape[1] - 1).unsqueeze(0)
        out = module.forward_layer(0, hidden, places, None, input_ids=TOKENS[:, 1:-1])
        expected = main.lm_head(out).log_softmax(-1).gather(2, TOKENS[:, 2:, None])[..., 0]
        ours = model(TOKENS[:, :-1], TOKENS[:, 1:]).mtp_logprobs[0]
    assert (ours - expected).abs().max() < 1e-4


# By ourselves


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_written_is_read_bit_for_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    model = fresh(TINY.replace(num_nextn_predict_layers=2)).to(dtype)
    save(model, tmp_path, shard_bytes=300_000)
    read = load(tmp_path)
    assert_same(read, model)
    assert read.lm_head.weight is read.embed_tokens.weight
    assert read.embed_tokens.weight.dtype == dtype
    assert read.config == model.config
    layer = {name for name in tensors(tmp_path) if name.startswith("model.layers.5.")}
    assert {"model.layers.5.eh_proj.weight", "model.layers.5.shared_head.norm.weight"} < layer
    assert "model.layers.5.mlp.experts.7.up_proj.weight" in layer


def test_shards_are_no_larger_than_asked_and_the_index_tells_where_all_is(tmp_path: Path) -> None:
    save(fresh(TINY), tmp_path, shard_bytes=300_000)
    index = json.loads((tmp_path / INDEX_FILE).read_text())
    files = sorted(tmp_path.glob("*.safetensors"))
    assert [file.name for file in files] == [
        f"model-{n:05}-of-{len(files):05}.safetensors" for n in range(1, len(files) + 1)
    ]
    held = {file.name: load_file(file) for file in files}
    assert index["weight_map"] == {name: file for file, found in held.items() for name in found}
    sizes = [sum(t.nbytes for t in found.values()) for found in held.values()]
    assert max(sizes) <= 300_000
    assert sum(sizes) == index["metadata"]["total_size"]


def test_a_type_may_be_asked_for_and_the_routers_bias_stays_exact(tmp_path: Path) -> None:
    model = fresh(TINY)
    save(model, tmp_path)
    read = load(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in read.parameters()} == {torch.bfloat16}
    name = "layers.1.mlp.gate.e_score_correction_bias"
    assert torch.equal(read.state_dict()[name], model.state_dict()[name])


def test_a_model_without_mtp_modules_reads_a_checkpoint_that_has_them_but_not_the_other_way(tmp_path: Path) -> None:
    save(fresh(TINY), tmp_path / "with")
    without = Transformer(TINY.replace(num_nextn_predict_layers=0))
    load_into(without, tmp_path / "with")
    save(without, tmp_path / "without")
    with pytest.raises(ModelError, match=r"missing: model\.layers\.4\.eh_proj\.weight.* and \d+ more"):
        load_into(Transformer(TINY), tmp_path / "without")
    assert load(tmp_path / "without").config.num_nextn_predict_layers == 0


def test_an_mtp_layers_copies_of_the_embedding_and_the_head_are_passed_over(tmp_path: Path) -> None:
    model = fresh(TINY)
    save(model, tmp_path)
    copy = model.embed_tokens.weight.detach().clone()
    layer = "model.layers.4."
    rewrite(
        tmp_path,
        {
            name: copy.clone()
            for name in ("lm_head.weight", f"{layer}embed_tokens.weight", f"{layer}shared_head.head.weight")
        },
    )
    assert_same(load(tmp_path), model)


@pytest.mark.parametrize("block", [(128, 128), (48, 80)])
def test_weights_in_eight_bits_are_multiplied_with_the_scale_of_their_block(
    block: tuple[int, int], tmp_path: Path
) -> None:
    save(fresh(TINY).to(torch.bfloat16), tmp_path)
    changed: dict[str, Tensor | None] = {}
    expected = {}
    for name, weight in tensors(tmp_path).items():
        if "_proj" not in name or "eh_proj" in name:
            continue
        rows, columns = weight.shape
        small = (weight.float() * 100).to(torch.float8_e4m3fn)
        scales = torch.rand(-(-rows // block[0]), -(-columns // block[1])) / 50
        changed |= {name: small, f"{name}_scale_inv": scales}
        by_number = scales[torch.arange(rows)[:, None] // block[0], torch.arange(columns) // block[1]]
        expected[name] = (small.float() * by_number).bfloat16()
    quantised = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": list(block)}
    rewrite(tmp_path, changed, quantization_config=quantised)
    read = load(tmp_path)
    assert read.embed_tokens.weight.dtype == torch.bfloat16
    save(read, tmp_path / "plain")
    plain = tensors(tmp_path / "plain")
    assert not any(name.endswith("scale_inv") for name in plain)
    assert [name for name in expected if not torch.equal(plain[name], expected[name])] == []
    one = "model.layers.0.mlp.down_proj.weight"
    rewrite(tmp_path, {f"{one}_scale_inv": torch.rand(7, 7)})
    with pytest.raises(ModelError, match=rf"{one}: its scales are \[7, 7\]"):
        load(tmp_path)
    rewrite(tmp_path, {f"{one}_scale_inv": None})
    with pytest.raises(ModelError, match=rf"it has no {one}_scale_inv"):
        load(tmp_path)


def test_a_checkpoint_of_a_deeper_model_is_refused(tmp_path: Path) -> None:
    save(fresh(TINY.replace(num_nextn_predict_layers=0)), tmp_path)
    with pytest.raises(ModelError, match="it has 4 layers, the model 3"):
        load_into(Transformer(TINY.replace(num_hidden_layers=3, num_nextn_predict_layers=0)), tmp_path)


# Damage


def damaged(tmp_path: Path, **changed: Tensor | None) -> Path:
    save(fresh(TINY), tmp_path)
    rewrite(tmp_path, {name.replace("__", "."): tensor for name, tensor in changed.items()})
    return tmp_path


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing: model\.norm\.weight$"):
        load(damaged(tmp_path, model__norm__weight=None))


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.norm\.weight is \[7\], should be \[128\]"):
        load(damaged(tmp_path, model__norm__weight=torch.ones(7)))


def test_a_tensor_too_many_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"does not have: model\.layers\.0\.self_attn\.q_proj\.bias"):
        load(damaged(tmp_path, model__layers__0__self_attn__q_proj__bias=torch.ones(7)))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    save(fresh(TINY), tmp_path, shard_bytes=10**6)
    first = min(tmp_path.glob("model-00002*"))
    first.unlink()
    with pytest.raises(ModelError, match=f"missing: {first.name}"):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
@pytest.mark.parametrize("shard_bytes", [10**9, 10**6])
def test_a_file_that_was_cut_off_is_named(shard_bytes: int, kept: int, tmp_path: Path) -> None:
    save(fresh(TINY), tmp_path, shard_bytes=shard_bytes)
    file = max(tmp_path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelError, match=file.name):
        load(tmp_path)


def test_a_folder_without_weights_or_with_a_broken_index_or_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        load(tmp_path)
    save(fresh(TINY), tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="it has neither"):
        load(tmp_path)
    (tmp_path / INDEX_FILE).write_text("{}")
    with pytest.raises(ModelError, match="it is no index"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="no JSON object"):
        load(tmp_path)


# Replacing a checkpoint


def test_a_checkpoint_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(fresh(TINY), folder, shard_bytes=10**6)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "state").mkdir()
    (folder / "state" / "model.safetensors").write_text("not ours")
    (folder / "latest").symlink_to("state")
    after = fresh(TINY, seed=1)
    save(after, folder)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/state/model.safetensors",
    }
    assert (folder / "latest").readlink() == Path("state")
    assert_same(load(folder), after)


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)  # a fork has no other
from prover.model import swap
from prover.model.checkpoint import load, save
from prover.model.config import PRESETS
from prover.model.transformer import Transformer

folder, exchange = Path(sys.argv[1]), sys.argv[2] == "exchange"
if not exchange:
    swap._exchange = lambda one, other: False
config = PRESETS["tiny"].replace(num_hidden_layers=1, num_nextn_predict_layers=0)
old, new = Transformer(config), Transformer(config)
mark = lambda model: float(model.embed_tokens.weight[0, 0])
steps = ("os.", "shutil.", "open", "ctypes.dlsym")

def attempt(kill_at):
    if pid := os.fork():
        return os.waitpid(pid, 0)[1]
    seen = 0
    def audit(event, arguments):
        nonlocal seen
        if event.startswith(steps) and event != "os.kill":
            seen += 1
            if seen > kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(audit)
    save(new, folder, shard_bytes=400_000)
    os._exit(0)

found, kills = [], 0
while True:
    save(old, folder, shard_bytes=700_000)
    (folder / "tokenizer.json").write_text("{}")
    ended = attempt(kills)
    if folder.exists() or exchange:
        read = load(folder)
        found.append(mark(read) == mark(new))
        assert found[-1] or mark(read) == mark(old)
        assert (folder / "tokenizer.json").exists()
    if ended == 0:
        break
    kills += 1
assert found == sorted(found) and found[0] is False and found[-1] is True
save(old, folder)
assert [path.name for path in folder.parent.iterdir()] == [folder.name], "leftovers"
print(kills, len(found), found.count(True))
"""


@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_a_kill_before_any_step_of_a_save_leaves_the_old_or_the_new_checkpoint(way: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "model"), way]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kills, looked, replaced = map(int, done.stdout.split())
    assert kills > 20
    assert replaced > 1, "killed after the replacement too"
    assert looked == kills + (way == "exchange"), "only between two renames there is no folder"


def test_a_full_disk_is_said_and_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh(TINY)
    save(model, tmp_path / "model")

    def full(held: dict[str, Tensor], file: Path, **_: Any) -> None:
        if "00003" in file.name:
            raise OSError(28, "No space left on device")
        save_file(held, file)

    monkeypatch.setattr("prover.model.checkpoint.save_file", full)
    with pytest.raises(ModelError, match=r"cannot be written: .*No space left"):
        save(fresh(TINY, seed=1), tmp_path / "model", shard_bytes=10**6)
    assert_same(load(tmp_path / "model"), model)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# Memory

_MEASURED = """
import sys
from pathlib import Path
import torch
from prover.model.checkpoint import load, save
from prover.model.config import PRESETS
from prover.model.transformer import Transformer

def peak():  # bytes, the highest so far of this program
    line, = (l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

config = PRESETS["tiny"].replace(hidden_size=512, vocab_size=4096, n_routed_experts=64, moe_intermediate_size=128)
if sys.argv[1] == "save":
    model = Transformer(config)
    before = peak()
    save(model, sys.argv[2], shard_bytes=20_000_000)
else:
    before = peak()
    model = load(sys.argv[2])
print(sum(p.nbytes for p in model.parameters()), peak() - before)
"""


@pytest.mark.slow
def test_memory_stays_near_the_model_and_one_shard(tmp_path: Path) -> None:
    def measured(what: str) -> tuple[int, int]:
        command = [sys.executable, "-c", _MEASURED, what, str(tmp_path / "model")]
        size, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(size), int(grown)

    size, grown = measured("save")
    assert size > 200_000_000
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 10
    assert grown < 50_000_000
    size, grown = measured("load")
    assert size < grown < size + 70_000_000


# Several processes


def _process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    model = fresh(TINY)
    for layer in (*model.layers, *model.mtp, model):
        fully_shard(layer)
    save(model, folder / "fsdp", shard_bytes=10**6)

    experts = fresh(TINY)
    mesh = init_device_mesh("cpu", (2,))
    for module in experts.modules():
        if isinstance(module, Experts):
            for name, weight in module.named_parameters():
                setattr(module, name, Parameter(distribute_tensor(weight.detach(), mesh, [Shard(0)])))
    save(experts, folder / "experts")

    with torch.device("meta"):
        empty = Transformer(TINY)
    for layer in (*empty.layers, *empty.mtp, empty):
        fully_shard(layer)
    empty.to_empty(device="cpu")
    load_into(empty, folder / "experts")
    assert torch.equal(logits(empty), logits(model))
    load_into(experts, folder / "other")
    save(experts, folder / "other again")
    load_into(empty, folder / "other")
    save(empty, folder / "other again by FSDP")  # after a forward pass, when the root is still gathered
    dist.destroy_process_group()


def test_a_model_on_two_processes_writes_and_reads_what_one_process_does(tmp_path: Path) -> None:
    one, other = fresh(TINY), fresh(TINY, seed=1)
    save(other, tmp_path / "other")
    torch.multiprocessing.spawn(_process, (tmp_path,), nprocs=2)
    assert_same(load(tmp_path / "fsdp"), one)
    assert_same(load(tmp_path / "experts"), one)
    assert_same(load(tmp_path / "other again"), other)
    assert_same(load(tmp_path / "other again by FSDP"), other)


# config.json

V3: dict[str, Any] = {  # as DeepSeek published it
    "architectures": ["DeepseekV3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
    "bos_token_id": 0,
    "eos_token_id": 1,
    "ep_size": 1,
    "first_k_dense_replace": 3,
    "hidden_act": "silu",
    "hidden_size": 7168,
    "initializer_range": 0.02,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "model_type": "deepseek_v3",
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_group": 8,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
    "rms_norm_eps": 1e-06,
    "rope_scaling": {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
    "rope_theta": 10000,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "tie_word_embeddings": False,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "transformers_version": "4.33.1",
    "use_cache": True,
    "v_head_dim": 128,
    "vocab_size": 129280,
}


def written(tmp_path: Path, **changes: Any) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({**V3, **changes}))
    return tmp_path


def test_the_published_configuration_is_the_preset(tmp_path: Path) -> None:
    assert read_config(written(tmp_path)).replace(initializer_range=0.006) == PRESETS["671b"]


@pytest.mark.parametrize("config", [*PRESETS.values(), *KINDS.values()])
def test_a_configuration_comes_back_and_transformers_reads_the_same(config: ModelConfig, tmp_path: Path) -> None:
    config_file.write(config, torch.bfloat16, tmp_path)
    assert read_config(tmp_path) == config
    read = DeepseekV3Config.from_pretrained(tmp_path)
    assert read.dtype == torch.bfloat16
    read.save_pretrained(tmp_path)  # in transformers' own words: rope_parameters
    assert "rope_parameters" in json.loads((tmp_path / "config.json").read_text())
    assert read_config(tmp_path) == config


def test_what_null_means(tmp_path: Path) -> None:
    changes = {"rope_scaling": None, "n_group": None, "topk_group": None, "n_shared_experts": None, "q_lora_rank": None}
    config = read_config(written(tmp_path, **changes))
    assert (config.yarn, config.n_group, config.topk_group, config.n_shared_experts) == (None, 1, 1, 0)
    assert config.q_lora_rank is None
    assert read_config(written(tmp_path, num_nextn_predict_layers=None)).num_nextn_predict_layers == 0


def test_of_several_ends_the_first_is_taken(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, eos_token_id=[7, 8])).eos_token_id == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "deepseek_v2"),
        ("model_type", "llama"),
        ("attention_bias", True),
        ("attention_dropout", 0.1),
        ("scoring_func", "softmax"),
        ("topk_method", "group_limited_greedy"),
        ("hidden_act", "gelu"),
        ("moe_layer_freq", 2),
        ("num_key_value_heads", 8),
        ("hidden_size", "wide"),
        ("hidden_size", None),
        ("first_k_dense_replace", 99),
        ("rope_scaling", {"type": "linear", "factor": 2}),
        ("rope_scaling", {"type": "yarn", "factor": 2, "attention_factor": 1.5}),
        ("rope_scaling", {"rope_type": "yarn", "factor": 2, "truncate": False}),
        ("quantization_config", {"quant_method": "awq", "bits": 4}),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": None}),
    ],
)
def test_what_the_architecture_cannot_be_is_refused_by_name(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match=rf"config\.json: .*{field}"):
        read_config(written(tmp_path, **{field: value}))


def test_a_field_that_libraries_guess_differently_must_be_there(tmp_path: Path) -> None:
    fields = {key: value for key, value in V3.items() if key not in ("n_group", "routed_scaling_factor")}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(ModelConfigError, match="n_group, routed_scaling_factor: not said"):
        read_config(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_the_tensors_name(value: float, tmp_path: Path) -> None:
    save(fresh(TINY), tmp_path)
    held = load_file(tmp_path / WEIGHTS_FILE)
    name = next(name for name in held if name.endswith("e_score_correction_bias"))
    held[name][0] = value
    save_file(held, tmp_path / WEIGHTS_FILE, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"{name} has numbers that are not finite"):
        load(tmp_path)
