"""``here``: what this machine reaches, measured once and remembered as a machine's file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.pytorch.asked import stored_as
from archcalc.spec.machines import Hardware, read

COPIED = 2**28
"""Bytes that are copied, and summed up: far more than a cache has."""

SIDES = {"cpu": (512, 2048), "cuda": (4096, 8192)}
"""Of square matrices that are multiplied: of all products the fastest counts."""

RUNS, SECONDS = 10, 2.0
"""How often each is done at most, and for how long: the fastest counts, for it is to be a bound."""


def remembered() -> Path:
    """Where what was measured is kept: in the folder of the system's caches."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "archcalc" / "machines" / "here.yaml"


def here(again: bool = False) -> Hardware:
    """This machine: the GPU if PyTorch finds one, else the CPU with all of PyTorch's threads.

    A large copy and a large sum say how fast its memory is, products of matrices how fast it
    multiplies, for each dtype; without PyTorch numpy does it in float32. Of several runs the
    fastest counts. What was measured of the same processor is remembered, and measured anew with
    ``again``: what was faster before counts then, for something else may have been running.
    Raises :class:`ArchcalcError` where neither library is installed.

    ::

        >>> import archcalc
        >>> archcalc.here()  # doctest: +SKIP
        <Hardware here: AMD EPYC, 2 threads>
    """
    path = remembered()
    title, measured = _with()
    if not again and path.is_file():
        found = read(path)
        if found.title == title:
            return found
    import yaml

    data = {"name": "here", "title": title, **measured()}
    if path.is_file() and read(path).title == title:
        _faster(data, read(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump(data, sort_keys=False, width=100), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ArchcalcError(f"{path}: can't be written: {error.strerror or error}") from None
    return read(path)


def _faster(data: dict[str, Any], before: Hardware) -> None:
    """What was faster before counts: something else may be running now."""
    stated = [(data, "bandwidth", before.bandwidth)]
    stated += [(data["peaks"], dtype, peak) for dtype, peak in before.peaks.items()]
    for place, key, old in stated:
        if old is not None and float(place[key]["printed"].split()[0]) < float(
            old.printed.split()[0]
        ):
            place[key] = {"printed": old.printed, "source": old.source}


def _with() -> tuple[str, Callable[[], dict[str, Any]]]:
    """What this machine is called, and what measures it."""
    from archcalc.pytorch.measure import processor

    try:
        import torch
    except ImportError:
        try:
            import numpy as np
        except ImportError:
            raise ArchcalcError(
                "measuring needs PyTorch or numpy: pip install 'archcalc[torch]'"
            ) from None
        return f"{processor()}, numpy {np.__version__}", _numpy
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}", _cuda
    threads = torch.get_num_threads()
    return f"{processor()}, {threads} threads, PyTorch {torch.__version__}", _cpu


def _best(once: Callable[[], Any], wait: Callable[[], None] = lambda: None) -> float:
    """Seconds of the fastest run, after one that is not counted."""
    times: list[float] = []
    while len(times) <= RUNS and (len(times) < 2 or sum(times) < SECONDS):
        wait()
        begin = time.perf_counter()
        once()
        wait()
        times.append(time.perf_counter() - begin)
    return min(times[1:])


def _stated(value: float, unit: str, how: str) -> dict[str, str]:
    return {"printed": f"{value:.6f} {unit}", "source": f"measured here: {how}"}


def _cpu() -> dict[str, Any]:
    found = _torch("cpu", ("float32", "bfloat16", "float16"), lambda: None)
    cache = _last_cache()
    if cache:
        found["cache"] = {"printed": f"{cache / 2**20:.6f} MiB", "source": "the operating system"}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found["memory"] = {"printed": f"{memory / 2**30:.6f} GiB", "source": "the operating system"}
    return found


def _cuda() -> dict[str, Any]:
    import torch

    found = _torch("cuda", ("float32", "tf32", "bfloat16", "float16"), torch.cuda.synchronize)
    properties = torch.cuda.get_device_properties(0)
    stated = {"cache": (properties.L2_cache_size / 2**20, "MiB")}
    stated["memory"] = (properties.total_memory / 2**30, "GiB")
    for key, (value, unit) in stated.items():
        found[key] = {"printed": f"{value:.6f} {unit}", "source": "CUDA"}
    return found


def _torch(device: str, dtypes: tuple[str, ...], wait: Callable[[], None]) -> dict[str, Any]:
    import torch

    from archcalc.pytorch.running import precision

    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    copied = 2 * COPIED / _best(lambda: target.copy_(source), wait)
    summed = COPIED / _best(source.sum, wait)
    peaks = {}
    with torch.inference_mode():
        for dtype in dtypes:
            stored = stored_as(dtype)
            rates = []
            for side in SIDES[device]:
                a, b = (torch.randn(side, side, device=device).to(stored) for _ in range(2))
                with precision(dtype):
                    rates.append((2 * side**3 / _best(partial(torch.matmul, a, b), wait), side))
                if device == "cpu" and rates[-1][0] < 1e10:  # emulated: a larger one takes minutes
                    break
            rate, side = max(rates)
            peaks[dtype] = _stated(rate / 1e9, "GFLOP/s", f"a product of {side} x {side} matrices")
    how = "a copy" if copied >= summed else "a sum"
    stated = _stated(max(copied, summed) / 1e9, "GB/s", f"{how} of {COPIED:,} bytes")
    return {"bandwidth": stated, "peaks": peaks}


def _numpy() -> dict[str, Any]:
    import numpy as np

    source = np.ones(COPIED // 4, np.float32)
    target = np.empty_like(source)
    copied = 2 * COPIED / _best(lambda: np.copyto(target, source))
    side = SIDES["cpu"][0]
    a = np.ones((side, side), np.float32)
    rate = 2 * side**3 / _best(lambda: a @ a)
    stated = _stated(rate / 1e9, "GFLOP/s", f"a product of {side} x {side} matrices")
    return {
        "bandwidth": _stated(copied / 1e9, "GB/s", f"a copy of {COPIED:,} bytes"),
        "peaks": {"float32": stated},
    }


def _last_cache() -> int:
    """Bytes of the largest cache that the operating system tells of; 0 where it tells of none."""
    sizes = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text(encoding="utf-8").strip()
        scale = {"K": 2**10, "M": 2**20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM") or 0) * scale)
    return max(sizes)
