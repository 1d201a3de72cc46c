"""How fast archcalc counts, against the tools that count PyTorch modules.

    pip install torch torchinfo fvcore ptflops thop
    python benchmarks/peers.py

Each tool that is installed counts AlexNet, VGG-16, GoogLeNet and ResNet-152 of ``networks.py``,
already built, on the meta device where it can and on the CPU; archcalc analyzes the same networks,
already loaded, and with another batch or side every time: the totals alone, and with all layers.
The first few of these, which the engine counts, are in the round that is not measured. Then each
counts ResNet-50 of several widths in a loop, which has to build every one of them, against a sweep.
Ratios are of medians of one run, the contestants taking turns. What is not installed, or fails, is
said. With ``--devices meta`` it is processor time that is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

NETWORKS = ("alexnet", "vgg16", "googlenet", "resnet152")
SIDE = {"alexnet": 227}

OURS = "archcalc"
"""The same network again."""

NEW = ("archcalc, another batch", "archcalc, another side")
"""Another batch or side every time: the totals."""

ROWS = tuple(f"{name}, rows" for name in NEW)
"""The same with all layers."""

Count = Callable[[Any, tuple[int, ...], str], object]


def with_torchinfo(model: Any, shape: tuple[int, ...], device: str) -> object:
    import torchinfo

    return torchinfo.summary(model, shape, device=device, verbose=0).total_mult_adds


def with_fvcore(model: Any, shape: tuple[int, ...], device: str) -> object:
    import torch

    counted = importlib.import_module("fvcore.nn").FlopCountAnalysis(
        model, torch.empty(shape, device=device)
    )
    return counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


def with_ptflops(model: Any, shape: tuple[int, ...], device: str) -> object:
    import torch

    macs, _ = importlib.import_module("ptflops").get_model_complexity_info(
        model,
        shape[1:],
        as_strings=False,
        print_per_layer_stat=False,
        input_constructor=lambda _: torch.empty(shape, device=device),
    )
    if macs is None:
        raise RuntimeError("gives nothing")
    return macs


def with_thop(model: Any, shape: tuple[int, ...], device: str) -> object:
    import torch

    profile = importlib.import_module("thop").profile
    return profile(model, (torch.empty(shape, device=device),), verbose=False)[0]


def with_torch(model: Any, shape: tuple[int, ...], device: str) -> object:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.empty(shape, device=device))
    return counter.get_total_flops()


PEERS: Mapping[str, tuple[str, Count]] = {
    "torchinfo": ("torchinfo", with_torchinfo),
    "fvcore": ("fvcore", with_fvcore),
    "ptflops": ("ptflops", with_ptflops),
    "thop": ("thop", with_thop),
    "torch's counter": ("torch", with_torch),
}


DEVICE = {"fvcore": "cpu"}
"""Where a tool is used that fails on the meta device, as fvcore does with PyTorch 2.13."""


Clock = Callable[[], float]


def seconds(run: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """The best of as many runs as fit into a tenth of a second, and of one at least.

    Short ones are done many times between two looks at the clock, which takes its time, too.
    """
    best, spent, times = float("inf"), 0.0, 1
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        while spent < 0.1:
            began = clock()
            for _ in range(times):
                run()
            took = clock() - began
            best, spent = min(best, took / times), spent + took
            times = max(1, min(1000, int(1e-3 / best)))
    return best


def turns(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Clock = time.perf_counter,
) -> dict[str, float | str]:
    """Median seconds of each contestant, taking turns; why, of one that fails."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    failed: dict[str, str] = {}
    for count in range(rounds + 1):
        for name, run in contestants.items():
            if name in failed:
                continue
            try:
                spent = seconds(run, clock)
            except Exception as error:
                failed[name] = "fails"
                print(f"{name} fails: {error!r:.100}", file=sys.stderr)
                continue
            if count:
                taken[name].append(spent)
    return {name: failed.get(name) or median(taken[name]) for name in contestants}


def built(network: str, device: str) -> Any:
    import networks
    import torch

    with torch.device(device):
        return getattr(networks, network)().eval()


def resnet50(width: int, device: str) -> Any:
    """ResNet-50 of ``width`` channels in its first stage."""
    import torch
    from networks import Bottleneck
    from torch import nn

    with torch.device(device):
        stem: list[nn.Module] = [
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ]
        channels = width
        for stage, depth in enumerate((3, 4, 6, 3)):
            for unit in range(depth):
                planes = width * 2**stage
                stem.append(Bottleneck(channels, planes, 2 if stage and not unit else 1))
                channels = 4 * planes
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)]
        return nn.Sequential(*stem, *head).eval()


def printed(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value * 1e3:.3f}"


def warm(peers: Mapping[str, Count], rounds: int, devices: Sequence[str]) -> float:
    """Print milliseconds a network; the least ratio of the fastest peer to archcalc."""
    import archcalc

    # On the meta device one thread does it all: its own time is not that of other programs.
    clock = time.process_time if set(devices) == {"meta"} else time.perf_counter
    rows: dict[str, list[float | str]] = {}
    for network in NETWORKS:
        side = SIDE.get(network, 224)
        spec = archcalc.load(network)
        contestants: dict[str, Callable[[], object]] = {
            OURS: lambda spec=spec: archcalc.analyze(spec).macs  # type: ignore[misc]
        }
        for name, of in itertools.product(NEW, ("macs", "rows")):
            numbers = itertools.count(2 if name == NEW[0] else side + 1)

            def another(
                spec: Any = spec, numbers: Any = numbers, batch: bool = name == NEW[0], of: str = of
            ) -> object:
                n = next(numbers)
                found = archcalc.analyze(spec, **({"batch": n} if batch else {"input": [3, n, n]}))
                return getattr(found, of)

            contestants[f"{name}, rows" if of == "rows" else name] = another
        for device in devices:
            for name, count in peers.items():
                model = built(network, device)

                def run(
                    count: Count = count, model: Any = model, side: int = side, device: str = device
                ) -> object:
                    return count(model, (1, 3, side, side), device)

                contestants[f"{name}, {device}"] = run
        for name, spent in turns(contestants, rounds, clock).items():
            rows.setdefault(name, []).append(spent)
    print(f"{'milliseconds, warm':36}" + "".join(f"{network:>14}" for network in NETWORKS))
    for name, row in rows.items():
        print(f"{name:36}" + "".join(f"{printed(value):>14}" for value in row))
    least = float("inf")
    for device, ours in itertools.product(devices, (OURS, *NEW, *ROWS)):
        theirs = [row for name, row in rows.items() if name.endswith(f", {device}")]
        ratios = []
        for k in range(len(NETWORKS)):
            fastest = min(taken for row in theirs if isinstance(taken := row[k], float))
            own = rows[ours][k]
            assert isinstance(own, float)
            ratios.append(fastest / own)
        least = min(least, *ratios)
        ratio = "".join(f"{ratio:>13,.0f}x" for ratio in ratios)
        print(f"{f'fastest, {device} / {ours}':36}{ratio}")
    return least


def once(count: Count, width: int, device: str) -> object:
    return count(resnet50(width, device), (1, 3, 224, 224), device)


def swept(peers: Mapping[str, Count], widths: int) -> None:
    """Print configurations of ResNet-50 a second: loops over peers, loop and sweep of archcalc."""
    import archcalc

    spec = archcalc.load("resnet50")
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        rows = len(archcalc.sweep(spec, width=range(16, 1016), side=range(64, 1064)))
        spent.append(time.perf_counter() - began)
    ours = rows / median(spent)
    print(f"{'configurations a second':34}{'':>14}{'sweep / loop':>14}")
    print(f"{'archcalc, sweep of ' + format(rows, ','):34}{ours:>14,.0f}")
    began = time.perf_counter()
    for width in range(16, 16 + 8 * widths):
        archcalc.analyze(spec, width=width)
    loop = 8 * widths / (time.perf_counter() - began)
    print(f"{'archcalc, a loop over analyze':34}{loop:>14,.1f}{ours / loop:>13,.0f}x")
    for name, count in peers.items():
        device = DEVICE.get(name, "meta")
        try:
            once(count, 16, device)
            taken = sum(
                seconds(partial(once, count, width, device)) for width in range(17, 17 + widths)
            )
        except Exception as error:
            print(f"{f'{name}, {device}':34}{'fails':>14}  {error!r:.60}")
            continue
        rate = widths / taken
        print(f"{f'a loop over {name}, {device}':34}{rate:>14,.1f}{ours / rate:>13,.0f}x")


def cold(peers: Mapping[str, Count], rounds: int) -> None:
    """Print seconds from nothing to GoogLeNet's number, a process each."""
    here = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path[1:]])}
    programs = {"archcalc table googlenet": "from archcalc.cli import main; main()"}
    for name in peers:
        device = DEVICE.get(name, "meta")
        programs[f"{name}, {device}"] = (
            "import peers, torch; torch.set_grad_enabled(False); "
            f"peers.PEERS[{name!r}][1](peers.built('googlenet', {device!r}), "
            f"(1, 3, 224, 224), {device!r})"
        )

    def process(name: str, program: str) -> Callable[[], object]:
        arguments = ["table", "googlenet"] if name.startswith("archcalc") else []
        command = [sys.executable, "-c", program, *arguments]
        return lambda: subprocess.run(command, env=environment, capture_output=True, check=True)

    found = turns({name: process(name, text) for name, text in programs.items()}, rounds)
    ours = found["archcalc table googlenet"]
    assert isinstance(ours, float)
    print(f"{'milliseconds, a cold process':34}")
    for name, spent in found.items():
        ratio = f"{spent / ours:>13,.1f}x" if isinstance(spent, float) else ""
        print(f"{name:34}{printed(spent):>14}{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, default=5, help="how many a loop over a peer takes")
    parser.add_argument("--devices", default="meta,cpu", help="the CPU takes many minutes")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    try:
        import torch
    except ImportError:
        raise SystemExit("pip install torch torchinfo fvcore ptflops thop") from None
    torch.set_grad_enabled(False)
    peers: dict[str, Count] = {}
    missing: list[str] = []
    for name, (module, count) in PEERS.items():
        try:
            importlib.import_module(module)
        except (ImportError, RuntimeError):  # or installed with another torch than it was made for
            missing.append(name)
            continue
        peers[name] = count
    versions = []
    for library in ("torch", "torchinfo", "fvcore", "ptflops", "thop", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{library} {version(library)}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(", ".join(versions))
    if missing:
        print(f"not installed, and left out: {', '.join(missing)}")
    print()
    least = warm(peers, given.rounds, given.devices.split(","))
    print(f"least of these ratios: {least:,.0f} (goal: at least 100)\n")
    swept(peers, given.widths)
    print()
    cold(peers, given.rounds)


if __name__ == "__main__":
    main()
