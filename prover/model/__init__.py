"""A DeepSeek-V3-style language model in plain PyTorch: latent attention, mixture of experts, multi-token prediction.

config.py → rope.py, norm.py → attention.py, router.py, experts.py → block.py, mtp.py → transformer.py is the model as
it is trained; balance.py balances the experts' load; parallel.py and expert_parallel.py shard it over processes.
checkpoint.py reads and writes Hugging Face checkpoints (config_file.py, tensor_names.py, fp8.py; swap.py makes a save
atomic). tokenizer.py turns text to token ids and back; generate/ generates text. Needs the extra `train`.

Papers, by the names that the modules cite:
    DeepSeekMath (arXiv:2402.03300), DeepSeekMoE (arXiv:2401.06066), DeepSeek-V2 (arXiv:2405.04434), DeepSeek-Coder-V2
    (arXiv:2406.11931), DeepSeek-V3 (arXiv:2412.19437), DeepSeek-V3.2 (arXiv:2512.02556).
"""
