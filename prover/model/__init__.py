"""A DeepSeek-V3-style language model in plain torch: latent attention, mixtures of experts, multi-token prediction.

config.py → rope.py, norm.py → attention.py, router.py, experts.py → block.py, mtp.py → transformer.py is the model as
it is trained; balance.py keeps its experts busy; checkpoint.py reads and writes it; generate/ writes text with it.
Needs the extra `train`.
"""
