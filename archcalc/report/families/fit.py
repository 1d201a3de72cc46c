"""The network that fits a budget, as text and JSON, and as a spec to be written out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from archcalc.report.choice import choose
from archcalc.space.fit import Fit, Over

NAMES = {"macs": "MACs", "flops": "FLOPs", "weight_bytes": "weight bytes"}


def render(found: Fit, format: str = "text") -> str:
    """A fit in one of ``FORMATS``. Raises :class:`ArchcalcError` for any other."""
    return FORMATS[choose("format", format, FORMATS)](found)


def text(found: Fit) -> str:
    """For a terminal."""
    budget = ", ".join(f"{NAMES.get(n, n)} {limit:,}" for n, limit in found.at_most.items())
    phi = f"phi = {found.phi:g}: " if found.phi is not None else ""
    lines = [
        f"{found.network}: the largest of {found.looked_at:,} with at most {budget}",
        "",
        f"{phi}{_values(found.values)}",
        "",
    ]
    rows = [("", "total", "of the budget")]
    for name, number in found.totals.items():
        limit = found.at_most.get(name)
        share = f"{100 * number / limit:.2f}%" if limit else ""
        rows.append((NAMES.get(name, name), f"{number:,}", share))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += [
        f"{name.ljust(widths[0])}  {number.rjust(widths[1])}  {share.rjust(widths[2])}".rstrip()
        for name, number, share in rows
    ]
    if found.beyond:
        lines += ["", "one step up:"]
        lines += [f"  {_over(found, over)}" for over in found.beyond]
    return "\n".join(lines) + "\n"


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.10g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in values.items()
    )


def _over(found: Fit, over: Over) -> str:
    changed = {name: v for name, v in over.values.items() if v != found.values[name]}
    told = _values(changed)
    if over.reason:
        return f"{told}: no network: {over.reason}"
    exceeded = ", ".join(f"{over.totals[n]:,} {NAMES.get(n, n)}" for n in over.exceeded)
    return f"{told}: {exceeded}"


def as_json(found: Fit) -> str:
    """Everything but the spec."""
    data = {
        "network": found.network,
        "values": dict(found.values),
        "phi": found.phi,
        "totals": dict(found.totals),
        "at_most": dict(found.at_most),
        "beyond": [
            {
                "values": dict(over.values),
                "totals": dict(over.totals),
                "exceeded": list(over.exceeded),
                "reason": over.reason,
            }
            for over in found.beyond
        ],
    }
    return json.dumps(data, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Fit], str]] = {"text": text, "json": as_json}
"""The forms of a fit."""


def as_yaml(found: Fit) -> str:
    """The network as a spec, a line a layer as far as lines reach."""
    import yaml

    class Flow(dict[str, Any]):
        """A mapping on one line."""

    class Dumper(yaml.SafeDumper):
        """Writes layers on a line."""

    def flow(dumper: Any, data: Any) -> Any:
        return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)

    Dumper.add_representer(Flow, flow)

    def on_lines(layers: Mapping[str, Any]) -> dict[str, Any]:
        return {n: Flow(layer) if isinstance(layer, dict) else layer for n, layer in layers.items()}

    data: dict[str, Any] = dict(found.spec)
    if "blocks" in data:
        data["blocks"] = {
            name: {
                key: on_lines(value) if key == "layers" else Flow(value) if key == "args" else value
                for key, value in block.items()
            }
            for name, block in data["blocks"].items()
        }
    data["layers"] = on_lines(data["layers"])
    data["budget"] = [Flow(entry) for entry in data["budget"]]
    written: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, width=10**6, allow_unicode=True)
    return written
