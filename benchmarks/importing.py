"""Takes in other people's networks: one of every model file of timm, all of torchvision's models,
architectures of transformers made small, and all of keras.applications.

    pip install torchvision timm transformers keras
    python benchmarks/importing.py [LIBRARY|NETWORK ...]

Each is imported by the address that a user would write, and made a second time on the meta device,
which holds no numbers: its parameters are counted there, and its multiply-accumulates by PyTorch's
FlopCounterMode. A line is written to ``importing.csv`` as soon as it is known; networks that stand
there are passed over, unless they are named.

Where FlopCounterMode sees less than runs it is asked otherwise: it counts nothing for attention
that is fused on the CPU, nor for transformers' experts in one operator.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from math import prod
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from unittest.mock import patch

os.environ |= {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "meta", "HF_HUB_OFFLINE": "1"}

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.frontends.fold import readable, same_layers
from archcalc.frontends.sources import graph as graph_of
from archcalc.spec.form import SCHEMA, as_yaml

RECORD = Path(__file__).with_suffix(".csv")

LIMIT = 300
"""Seconds that a network may take."""


class Line(NamedTuple):
    """What came of one network."""

    library: str
    version: str
    network: str
    captured: str
    """How: ``torch.export`` and the like; ``no`` and the reason where it was not."""
    not_counted: str
    """Operators that archcalc lacks, and what it says of them; ``""`` where all is counted."""
    params: str
    """Of the library."""
    our_params: str
    macs: str
    """FlopCounterMode's, halved; ``""`` where it can't be run without numbers."""
    our_macs: str
    seconds: str
    """To import it, with making it and counting."""
    layers: str
    lines: str
    """Of the spec that is written."""
    same: str
    """Whether that spec expands to the very same layers."""


class Subject(NamedTuple):
    """A network to import."""

    library: str
    network: str
    address: Callable[[Path], str]
    """What a user would write; a folder is given, where files may be put."""
    made: Callable[[], tuple[Any, Mapping[str, Any]]]
    """The network and what it is called with."""


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """A network without numbers."""
    try:
        with torch.device("meta"):
            return make().eval()
    except (NotImplementedError, RuntimeError):  # it computes sizes with tensors
        return make().eval().to("meta")


def image(*shape: int) -> torch.Tensor:
    return torch.empty(1, *shape, device="meta")


def _constantly(address: str) -> Callable[[Path], str]:
    return lambda _: address


# The libraries ------------------------------------------------------------------------------------

_SMALL = ("tiny", "_t", "nano", "pico", "atto", "small", "_s", "b0", "18", "26", "mini", "xs")


def of_timm() -> Iterator[Subject]:
    """One network of every model file: one that is named as a small one."""
    timm = import_module("timm")
    for file in sorted(timm.list_modules()):
        names = timm.list_models(module=file)
        if not names:
            continue
        name = min(names, key=lambda n: (not any(word in n for word in _SMALL), len(n), n))

        def made(name: str = name) -> tuple[nn.Module, Mapping[str, Any]]:
            model = on_meta(lambda: timm.create_model(name))
            said: Any = model.default_cfg
            size = said.get("input_size", (3, 224, 224))
            return model, {"": image(*size)}

        yield Subject("timm", name, _constantly(f"torch:timm:create_model('{name}')"), made)


def keeping_all(model: Any) -> nn.Module:
    """A detector that keeps all the boxes that it may keep, whatever its numbers."""
    boxes = import_module("torchvision.ops.boxes")
    forward = model.forward
    heads = getattr(model, "roi_heads", None)
    if heads is not None:
        heads.score_thresh = -1.0

    def everything(given: torch.Tensor, *_rest: Any, **_named: Any) -> torch.Tensor:
        return torch.arange(len(given))

    def run(images: torch.Tensor) -> Any:
        with (
            patch.object(boxes, "remove_small_boxes", everything),
            patch.object(boxes, "batched_nms", everything),
        ):
            return forward(images)

    model.forward = run
    return model  # type: ignore[no-any-return]


VIDEO = {"mc3_18": 112, "r2plus1d_18": 112, "r3d_18": 112}
"""Videos of 16 frames, of this height and width; of others of 224."""


def of_torchvision() -> Iterator[Subject]:
    """All networks; those that find boxes on a square of 320."""
    models = import_module("torchvision.models")
    video = models.list_models(module=models.video)
    segmentation = models.list_models(module=models.segmentation)
    detection = models.list_models(module=models.detection)
    flow = models.list_models(module=models.optical_flow)
    for name in models.list_models():
        shape = [3, 299 if name.endswith("inception_v3") else 224]
        shape.append(shape[1])
        if name in video:
            side = VIDEO.get(name, 224)
            shape = [3, 16, side, side]
        if name in detection or name in flow:
            shape = [3, 320, 320]
        extra: dict[str, Any] = {}
        if name in detection or name in segmentation:
            extra = {"weights_backbone": None}
        elif name in ("googlenet", "inception_v3"):
            extra = {"init_weights": False}

        def made(
            name: str = name, shape: list[int] = shape, extra: dict[str, Any] = extra
        ) -> tuple[nn.Module, Mapping[str, Any]]:
            if name in detection:
                model = models.get_model(name, weights=None, **extra).eval()
                return keeping_all(model), {"": torch.zeros(1, *shape)}
            model = on_meta(lambda: models.get_model(name, weights=None, **extra))
            if name in flow:
                return model, {"image1": image(*shape), "image2": image(*shape)}
            return model, {"": image(*shape)}

        size = "x".join(map(str, shape))
        said = f"image1={size};image2={size}" if name in flow else size
        call = "".join(f", {key}={value!r}" for key, value in extra.items())
        address = f"torch:torchvision.models:get_model('{name}'{call})@{said}"
        yield Subject("torchvision", name, _constantly(address), made)


_NARROW = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_TEXT = {**_NARROW, "vocab_size": 1000}
_GROUPED = {**_TEXT, "num_key_value_heads": 2}
IDS, IMAGE = "input_ids=int64:32", "pixel_values=3x224x224"

CONFIGS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "bert": ("BertConfig", _TEXT, IDS),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 1000}, IDS),
    "llama": ("LlamaConfig", _GROUPED, IDS),
    "mistral": ("MistralConfig", _GROUPED, IDS),
    "qwen3": ("Qwen3Config", {**_GROUPED, "head_dim": 16}, IDS),
    "t5": (
        "T5Config",
        {"d_model": 64, "num_layers": 2, "num_heads": 4, "d_ff": 128, "vocab_size": 1000},
        f"{IDS};decoder_input_ids=int64:16",
    ),
    "vit": ("ViTConfig", _NARROW, IMAGE),
    "clip": ("CLIPVisionConfig", _NARROW, IMAGE),
    "whisper": (
        "WhisperConfig",
        {
            "d_model": 64,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "vocab_size": 1000,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        "input_features=80x3000;decoder_input_ids=int64:16",
    ),
    "mamba": ("MambaConfig", {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 1000}, IDS),
    "segformer": ("SegformerConfig", {}, IMAGE),
    "detr": (
        "DetrConfig",
        {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2},
        IMAGE,
    ),
    "mixtral": ("MixtralConfig", {**_GROUPED, "num_local_experts": 4}, IDS),
    "deepseek_v3": (
        "DeepseekV3Config",
        {
            **_TEXT,
            "num_key_value_heads": 4,
            "n_routed_experts": 8,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "first_k_dense_replace": 1,
            "q_lora_rank": 32,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
        IDS,
    ),
}
"""Architecture -> the class of its config, what is small in it, and what it is given."""


def of_transformers() -> Iterator[Subject]:
    """Architectures of transformers, by configs that are written and read again."""
    transformers = import_module("transformers")
    for name, (kind, fields, inputs) in CONFIGS.items():

        def config(name: str = name, kind: str = kind, fields: dict[str, Any] = fields) -> Any:
            made = getattr(transformers, kind)(**fields)
            if name == "detr":  # its backbone would be fetched otherwise
                made.use_timm_backbone = False
                made.backbone_config = transformers.ResNetConfig(out_features=["stage4"])
                made.backbone = None
            return made

        def address(folder: Path, config: Callable[[], Any] = config, inputs: str = inputs) -> str:
            config().save_pretrained(folder)
            return f"hf:{folder}@{inputs}"

        def made(
            config: Callable[[], Any] = config, inputs: str = inputs
        ) -> tuple[nn.Module, Mapping[str, Any]]:
            # On the CPU: masks are looked into. FlopCounterMode misses what is fused there.
            model = transformers.AutoModel.from_config(
                config(), attn_implementation="eager", experts_implementation="eager"
            )
            given = {}
            for text in inputs.split(";"):
                key, _, shape = text.partition("=")
                dtype, _, sizes = shape.rpartition(":")
                given[key] = torch.zeros(
                    1, *map(int, sizes.split("x")), dtype=getattr(torch, dtype or "float32")
                )
            settings: Any = model.config
            if getattr(settings, "use_cache", None) is True:
                settings.use_cache = False
            return model.eval(), given

        yield Subject("transformers", name, address, made)


def of_keras() -> Iterator[Subject]:
    """All of keras.applications, by the files that Keras writes."""
    applications = import_module("keras").applications
    for name in dir(applications):
        if not name[0].isupper():
            continue

        def model(name: str = name) -> Any:
            # Keras makes MobileNetV3 for images of any size, and NASNetMobile not with PyTorch.
            fixed = {"input_shape": (224, 224, 3)} if name.startswith("MobileNetV3") else {}
            kind = getattr(applications, name)
            if name != "NASNetMobile":
                return kind(weights=None, **fixed)
            with patch("keras.src.backend.backend", return_value="none"):
                return kind(weights=None)

        def address(folder: Path, name: str = name, model: Callable[[], Any] = model) -> str:
            file = folder / f"{name}.json"
            file.write_text(model().to_json())
            return str(file)

        def made(model: Callable[[], Any] = model) -> tuple[Any, Mapping[str, Any]]:
            found = model()
            return found, {"": torch.empty(1, *found.input_shape[1:], device="meta")}

        yield Subject("keras", name, address, made)


LIBRARIES: Mapping[str, Callable[[], Iterator[Subject]]] = {
    "timm": of_timm,
    "torchvision": of_torchvision,
    "transformers": of_transformers,
    "keras": of_keras,
}


# What is asked ------------------------------------------------------------------------------------


def truth(subject: Subject) -> tuple[str, str]:
    """Parameters and multiply-accumulates, by the library and by PyTorch."""
    model, given = subject.made()
    if subject.library == "keras":
        params = model.count_params()
    else:
        params = sum(p.numel() for p in model.parameters())
        model.requires_grad_(False)
    macs = ""
    try:
        named = dict(given)
        first = [named.pop(key) for key in [""] if key in named]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(*first, **named)
        macs = str(counter.get_total_flops() // 2)
    except Exception as error:  # whatever a stranger's code raises
        print(f"{subject.network}: not run: {error!r}"[:200], file=sys.stderr)
    return str(params), macs


def asked(subject: Subject) -> Line:
    """Import one network, and hold it against the library."""
    params, macs = truth(subject)
    gc.collect()
    known = Line(subject.library, version(subject.library), subject.network, *[""] * 10)
    known = known._replace(params=params, macs=macs)
    with tempfile.TemporaryDirectory() as folder:
        address = subject.address(Path(folder))
        start = time.perf_counter()
        try:
            graph = graph_of(address)
            analysis = archcalc.analyze(graph, allow_unknown=True)
        except archcalc.ArchcalcError as error:
            return known._replace(captured=f"no: {str(error)[:200]}".replace("\n", " "))
        seconds = time.perf_counter() - start
    data, named = readable(graph)
    same = ""
    try:
        spec = archcalc.load(data, allow_unknown=True)
        same = "yes" if same_layers(archcalc.expand(spec, allow_unknown=True), named) else "no"
    except archcalc.ArchcalcError as error:
        same = f"no: {str(error).splitlines()[0]}"
    ours = analysis.params
    if subject.library == "keras":  # it counts moving statistics, and has no counter of batches
        ours += sum(
            prod(shape)
            for row in analysis.rows
            for name, shape in (row.buffer_shapes.items() if row.node.share is None else ())
            if not name.endswith("num_batches_tracked")
        )
    return known._replace(
        captured="its file"
        if subject.library == "keras"
        else graph.edition.removeprefix("captured by ") or "torch.export",
        not_counted="; ".join(analysis.not_counted),
        our_params=str(ours),
        our_macs=str(analysis.macs),
        seconds=f"{seconds:.1f}",
        layers=str(len(graph.nodes)),
        lines=str(as_yaml(data, SCHEMA).count("\n")),
        same=same,
    )


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises :class:`TimeoutError` in what takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def main() -> None:
    """Import all networks, or those that are named, and write down what came of it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    named = set(sys.argv[1:])
    known: dict[tuple[str, str], Line] = {}
    if RECORD.exists():
        with RECORD.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                known[row["library"], row["network"]] = Line(**row)
    for library, subjects in LIBRARIES.items():
        if named & {*LIBRARIES} and library not in named:
            continue
        for subject in subjects():
            key = subject.library, subject.network
            if subject.network not in named and (key in known or named - {*LIBRARIES}):
                continue
            try:
                with limited(LIMIT):
                    line = asked(subject)
            except Exception as error:  # whatever a stranger's code raises
                line = Line(
                    library, version(library), subject.network, f"no: {error!r}"[:300], *[""] * 9
                )
            known[key] = line
            print(*line, sep=" | ", flush=True)
            with RECORD.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(Line._fields)
                writer.writerows(known[each] for each in sorted(known))


if __name__ == "__main__":
    main()
