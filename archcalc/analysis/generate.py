"""A decoder at work: a prompt at once, then token after token, with what is kept of those before.

In a spec the variable ``past`` says how many tokens were kept of (``Cache``), and ``last``, if it
has one, whether only the last token is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archcalc.analysis.batches import LARGEST_BATCH, boundary
from archcalc.analysis.kernels import Kernel
from archcalc.analysis.memory import Memory, held
from archcalc.analysis.roofline import Roofline, bound
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, load
from archcalc.spec.bits import Formats, Rule
from archcalc.spec.machines import Hardware, find
from archcalc.spec.model import Spec
from archcalc.spec.quantized import with_rules
from archcalc.spec.question import Question, with_options
from archcalc.values import Remembering

PAST, LAST = "past", "last"
"""The variables of a decoder."""


@shown
@dataclass(frozen=True)
class Generation(Remembering):
    """What a prompt and the tokens after it take on a machine, at the least.

    ::

        >>> import archcalc
        >>> found = archcalc.generate("llama3_8b", "h100-sxm", prompt=1000, tokens=100)
        >>> found.prompt, found.tokens, found.batch
        (1000, 100, 1)
    """

    network: str
    machine: Hardware
    dtype: str
    bits: tuple[Rule, ...]
    """What numbers are stored in, where it is not the dtype."""
    kept: str
    """The format of keys and values."""
    batch: int
    """Texts at once, all of them as long."""
    prompt: int
    tokens: int
    variables: Mapping[str, Any]
    """What else was set."""
    reading: Roofline
    """The prompt, at once."""
    first: Roofline
    """The second token: the first one follows from the prompt."""
    last: Roofline
    """The last one, after all others."""
    seconds_writing: float
    """The least time of all tokens after the first."""
    macs_writing: int
    stored: Memory
    """What is there with the last token: the most."""
    prompted: Memory
    """What is there with the prompt."""
    largest: int | None
    """The largest batch that fits into the machine's memory; None where that is not known."""
    crossing: int | None
    """The batch from which on products with weights are bound by work, no more by memory; None
    where there is none. What is kept is read for each text anew, so that its products never are."""

    @property
    def cache_per_token(self) -> int:
        """Bytes that are kept of each token of each text."""
        return -(-int(self.stored.cache) // (self.batch * (self.prompt + self.tokens - 1)))

    @property
    def seconds(self) -> float:
        """The least time of the prompt and all tokens."""
        return self.reading.seconds + self.seconds_writing

    @property
    def rate(self) -> float:
        """Tokens a second at best, of all texts together, once the prompt was read."""
        return self.batch * (self.tokens - 1) / self.seconds_writing

    @cached_property
    def needed(self) -> int:
        """Bytes at the peak: with the prompt, room being left for what follows, or at the end."""
        read = int(self.prompted.total - self.prompted.cache + self.stored.cache)
        return max(read, int(self.stored.total))


@with_options
def generate(
    network: NetworkLike,
    on: str | Hardware = "h100-sxm",
    *,
    prompt: int,
    tokens: int,
    batch: int = 1,
    dtype: str = "bfloat16",
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    cache: str | None = None,
    **variables: Any,
) -> Generation:
    """What a prompt and the tokens after it take: work, bytes, the least time, and memory.

    The prompt is read at once, and the first token follows from it. Each further one reads all
    weights and what is kept of the tokens before it, and adds its own; ``batch`` texts share the
    weights. ``weights`` and ``cache`` are the formats of matrices and of keys and values, such as
    ``int4:128`` and ``float8``, ``activations``, ``density`` and ``exclude`` as in
    :func:`archcalc.quantize`; products are in ``dtype``.
    Times are bounds, as in :func:`archcalc.roofline`. The memory is that of weights, of what is
    kept of all tokens, for which room is left from the beginning, and of the tensors at the peak.

    Raises :class:`ArchcalcError` for a network that keeps nothing: it has no variable ``past``.

    ::

        >>> import archcalc
        >>> found = archcalc.generate("llama3_8b", "h100-sxm", prompt=1000, tokens=100)
        >>> found.cache_per_token
        131072
    """
    machine = find(on) if isinstance(on, str) else on
    formats = Formats.of(dtype, weights, activations, density, exclude, cache)
    question = Question(None, batch, variables, formats=formats)
    return generation(load(network), machine, question, prompt, tokens)


def generation(
    network: Spec, machine: Hardware, question: Question, prompt: int, tokens: int
) -> Generation:
    """The work and the times that are asked for: :func:`generate`."""
    batch, variables, said = int(question.batch), question.variables, question.formats
    if PAST not in network.vars:
        raise ArchcalcError(
            f"'{network.label}' keeps nothing of the tokens before: it has no variable '{PAST}'\n"
            "  docs/generation.md says how a spec is given a cache"
        )
    if min(prompt, tokens - 1, batch) < 1:
        raise ArchcalcError(
            "at least one token is read, two are written, of which the first follows from what was "
            "read, and there is at least one text"
        )
    if len(network.inputs) != 1:
        raise ArchcalcError(f"'{network.label}' has several inputs: which are tokens is not known")
    scored = {LAST: True} if LAST in network.vars else {}
    network, formats = with_rules(network, said.rules), said._replace(rules=())

    def asked(given: int, past: int, batch: int) -> Question:
        return Question([given], batch, {**variables, PAST: past, **scored}, formats=formats)

    def time(given: int, past: int, batch: int = batch) -> Roofline:
        return bound(network, machine, asked(given, past, batch))

    def room(given: int, past: int, batch: int = batch) -> Memory:
        return held(network, asked(given, past, batch))

    end = prompt + tokens - 2
    seconds, macs = _summed(lambda past: time(1, past), prompt, end)

    def found(largest: int | None, crossing: int | None) -> Generation:
        return Generation(
            network.label,
            machine,
            said.dtype,
            tuple(each.rule for each in network.bits),
            said.cache or said.dtype,
            batch,
            prompt,
            tokens,
            variables,
            time(prompt, 0),
            time(1, prompt),
            time(1, end),
            seconds,
            macs,
            room(1, end),
            room(prompt, 0),
            largest,
            crossing,
        )

    def over(many: int) -> float:
        assert machine.memory is not None
        kept, read = room(1, end, many), room(prompt, 0, many)
        most = max(kept.total, read.total - read.cache + kept.cache)
        return float(int(most) - machine.memory.value - 1)

    def computing(many: int) -> float:
        kernels = [k for k in time(1, prompt, many).kernels if k.weights and k.macs]
        moving = sum(kernel.seconds_moving for kernel in kernels)
        return sum(kernel.seconds_computing for kernel in kernels) - moving

    full = boundary(over, LARGEST_BATCH) if machine.memory is not None else 1
    largest = None if machine.memory is None else (full or LARGEST_BATCH + 1) - 1
    crossing = boundary(computing, LARGEST_BATCH) if machine.bandwidth is not None else 1
    return found(largest, crossing)


def _summed(bound: Callable[[int], Roofline], begin: int, end: int) -> tuple[float, int]:
    """The times and the multiply-accumulates of all steps from one to another.

    What a kernel multiplies and moves grows by as much with each step, until a window is full:
    where it does, the steps between are known from the ends.
    """
    first, last = bound(begin), bound(end)
    steps = end - begin
    if steps < 2:
        each = [first, last][: steps + 1]
        return sum(b.seconds for b in each), sum(b.macs for b in each)
    half = begin + steps // 2
    if not _straight(first, bound(half), last, steps // 2, steps):
        left = _summed(bound, begin, half)
        right = _summed(bound, half + 1, end)
        return left[0] + right[0], left[1] + right[1]
    seconds = 0.0
    for a, b in zip(first.kernels, last.kernels, strict=True):
        pairs = (
            (a.seconds_computing, b.seconds_computing),
            (a.seconds_moving, b.seconds_moving),
        )
        seconds += _longest(pairs, steps)
    return seconds, (first.macs + last.macs) * (steps + 1) // 2


def _straight(first: Roofline, middle: Roofline, last: Roofline, at: int, steps: int) -> bool:
    """Whether each kernel's numbers lie on a line."""
    if not len(first.kernels) == len(middle.kernels) == len(last.kernels):
        return False

    def on(a: int, m: int, b: int) -> bool:
        return abs((m - a) * steps - (b - a) * at) <= steps * max(1, abs(b) // 10**9)

    def alike(a: Kernel, m: Kernel, b: Kernel) -> bool:
        return on(a.macs, m.macs, b.macs) and on(a.bytes, m.bytes, b.bytes)

    kernels = zip(first.kernels, middle.kernels, last.kernels, strict=True)
    return all(alike(*each) for each in kernels)


def _longest(pairs: tuple[tuple[float, float], tuple[float, float]], steps: int) -> float:
    """The sum over all steps of the larger of two numbers that change by as much with each."""
    (a, b), (c, d) = pairs
    if (a >= c) == (b >= d):  # one of them is larger all the way
        low, high = (a, b) if a + b >= c + d else (c, d)
        return (low + high) / 2 * (steps + 1)
    return sum(max(a + (b - a) * k / steps, c + (d - c) * k / steps) for k in range(steps + 1))
