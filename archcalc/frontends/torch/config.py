"""``hf:FOLDER``: the model of a config that transformers saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archcalc.errors import ArchcalcError
from archcalc.frontends.torch.source import of_factory, require_torch
from archcalc.spec.graph import Graph


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of the model of a folder or a ``config.json``, as transformers saves them.

    ``AutoModel.from_config`` makes it, without weights; nothing is fetched, and no code of the
    folder is run. ``inputs`` are as for :func:`archcalc.frontends.torch.source.read`. Raises
    :class:`ArchcalcError`.
    """
    require_torch()
    try:
        from transformers import AutoConfig, AutoModel
    except ModuleNotFoundError as error:
        raise ArchcalcError("transformers is not installed: pip install transformers") from error
    if not Path(path).exists():
        raise ArchcalcError(f"hf:{path}: no such file or folder; nothing is fetched")
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever the library raises
        said = str(error).strip().splitlines() or [""]
        raise ArchcalcError(f"hf:{path}: {said[0]}") from error
    name = str(getattr(config, "model_type", "model"))
    return of_factory(f"hf:{path}", AutoModel.from_config, (config,), {}, inputs, name)
