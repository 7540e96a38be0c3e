"""A DeepSeek-V3-style language model in plain torch: latent attention, mixtures of experts, multi-token prediction.

config.py → rope.py, norm.py → attention.py, router.py, experts.py → block.py, mtp.py → transformer.py is the model as
it is trained; balance.py keeps its experts busy; parallel.py and expert_parallel.py spread it over processes.
checkpoint.py reads and writes it as Hugging Face does (config_file.py, names.py, fp8.py; swap.py makes a save whole or
not at all). tokenizer.py turns text to tokens and back, generate/ writes text. Needs the extra `train`.
"""
