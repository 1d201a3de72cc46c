"""The page in a notebook, with the kernel as what answers it (extra ``widget``)."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from archcalc.errors import ArchcalcError, needing
from archcalc.frontends.network import NetworkLike, load
from archcalc.page.engine import Engine
from archcalc.page.serve import BUILT, NOT_BUILT, Opened
from archcalc.spec import text, zoo
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

if TYPE_CHECKING:
    from anywidget import AnyWidget


def widget(network: NetworkLike = "googlenet", height: int = 640) -> AnyWidget:
    """A network in a notebook, as the page shows it: edit the spec and see its numbers.

    The page is a frame ``height`` pixels high that asks this process, where nothing else than the
    numbers of specs can be asked for. ``text`` of what is returned is the spec as it was written
    last, and ``spec()`` is that spec. Raises :class:`ArchcalcError` where anywidget is not
    installed, the page is not built, or the network can't be read.

    ::

        >>> import archcalc
        >>> archcalc.widget("resnet50")  # doctest: +SKIP
    """
    return _class()(_begun(network), height)


def _begun(network: NetworkLike) -> dict[str, Any]:
    if isinstance(network, (str, Path)):
        told = Opened(str(network)).data()
        return {key: told[key] for key in ("name", "text") if key in told}
    from archcalc.spec.form import as_yaml

    if isinstance(network, Graph):
        from archcalc.frontends.fold import written

        return {"text": as_yaml(written(network))}
    spec = load(network)
    return {"text": as_yaml(spec.document.short or spec.document.data), "variant": spec.variant}


def _page() -> str:
    """The page in one text. Raises :class:`ArchcalcError` where it is not built."""
    try:
        found = {path.name: path.read_text(encoding="utf-8") for path in BUILT.iterdir()}
        html = found["index.html"]
        script = found["page.js"].replace("</script", "<\\/script")
        icon = f"data:image/svg+xml,{re.sub(r'[#%<>]', _percent, found['icon.svg'])}"
        html = html.replace('"icon.svg"', f'"{icon.replace(chr(34), chr(39))}"')
        style = f"<style>{found['page.css']}</style>"
        html = html.replace('<link rel="stylesheet" href="page.css">', style)
        before, after = html.split('<script type="module" src="page.js"></script>')
    except (OSError, KeyError):
        raise ArchcalcError(NOT_BUILT) from None
    return f'{before}<script type="module">{script}</script>{after}'


def _percent(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


@cache
def _class() -> Any:
    with needing("a widget needs", "anywidget", "'archcalc[widget]'"):
        from anywidget import AnyWidget
        from traitlets import Int, Unicode

    class Widget(AnyWidget):  # type: ignore[misc]  # anywidget has no types
        """A network in a notebook."""

        _esm = Path(__file__).with_name("widget.js")
        _page = Unicode().tag(sync=True)
        height = Int().tag(sync=True)
        text = Unicode()

        def __init__(self, begun: dict[str, Any], height: int) -> None:
            super().__init__(_page=_page(), height=height, text=begun.get("text") or "")
            self._begun = self._shown = begun
            self._engine: Engine | None = None
            self.on_msg(self._answer)

        def spec(self) -> Spec:
            """The network that is shown, as it was written last.

            Raises :class:`SpecError` where it can't be read.
            """
            if not self.text:
                return zoo.load(self._shown["name"])
            found = Spec.of(text.parse(self.text, "<widget>"))
            variant = self._shown.get("variant")
            return found.choose(variant) if variant else found

        def close(self) -> None:
            super().close()
            if self._engine is not None:
                self._engine.close()

        def _answer(self, _: Any, message: Any, __: Any) -> None:
            number = message.get("number")
            if message.get("opened"):
                self.send({"number": number, "answer": self._begun})
                return
            if self._engine is None:  # a process of its own, for who only looks at a notebook
                self._engine = Engine()
                finalize(self, self._engine.close)
            asked = message.get("request")
            if asked.get("ask") == "analyze":
                self._shown, self.text = asked, asked.get("text") or ""
            answer = json.loads(self._engine.respond(json.dumps(asked)))
            self.send({"number": number, "answer": answer})

    return Widget
