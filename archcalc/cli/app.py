"""The command line: its commands, and what all of them have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import wraps
from importlib import import_module
from inspect import Parameter, signature
from os.path import isfile
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup
from typer.models import OptionInfo

from archcalc import __version__
from archcalc.cli.output import complain, emit, telling
from archcalc.errors import ArchcalcError, nearest

COMMANDS = (
    *("list", "table", "explain", "compare", "diff", "serve"),
    *("check", "audit", "reconcile", "savings"),
    *("import", "build", "export", "crosscheck"),
    *("memory", "roofline", "generate"),
    *("formula", "space", "sweep", "fit"),
    *("validate", "fmt", "ops", "schema", "new"),
)
"""The commands in the order of the help. Each is a function in the module of its name, and calls
the function of the library that has its name."""


class _Commands(TyperGroup):
    """Prints what archcalc raises on purpose, and nothing of how it came about."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("resilient_parsing"):  # a shell asks what completes a word
            asked = typer.Context(self, **self.context_settings)
            for each in (asked, *(typer.Context(c, parent=asked) for c in self.commands.values())):
                for option in each.command.get_params(each):
                    # To check what is given, typer has pydantic make a validator for each word.
                    vars(option)["process_value"] = lambda ctx, value: value
        with _in_a_few_words():  # here help and version are printed
            return super().make_context(*args, **kwargs)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands:
            from archcalc.spec.shelf import find, words

            if isfile(word) or find(word) is not None:
                raise ArchcalcError(f"no command '{word}'\n  write archcalc table {word}")
            near = nearest(word, [*self.commands, *words()])
            if near and near not in self.commands:
                raise ArchcalcError(f"no command '{word}'\n  did you mean 'archcalc table {near}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _in_a_few_words():
            return super().invoke(ctx)


@contextmanager
def _in_a_few_words() -> Iterator[None]:
    try:
        with telling():
            yield
    except ArchcalcError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except MemoryError:
        complain("there is not enough memory for this")
        raise typer.Exit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"archcalc {__version__}\n")
        raise typer.Exit


def _archcalc(
    version: Annotated[
        bool,
        typer.Option(help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


def application(*commands: str) -> typer.Typer:
    """The command line with some of its commands, or with all if none is named.

    Making a command takes longer than running most of them, so only that is made which is run.
    """
    app = typer.Typer(
        cls=_Commands,
        help="Shapes, parameters and multiply-accumulates of every layer of a neural network, "
        "from a declarative spec.\n\nTry: archcalc table googlenet",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
        # rich costs more time than computing a network: it is loaded for terminals only.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_archcalc)
    for name in commands or COMMANDS:
        module = import_module("archcalc.cli." + ("import_" if name == "import" else name))
        command = getattr(module, f"{name}_" if name in ("import", "list") else name)
        app.command(name)(_in_options(command))
    return app


def _in_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose options are called as its parameters, ``set_`` being ``--set``.

    What it takes as a value made of several options (:mod:`archcalc.cli.asked`) it is given by
    these.
    """
    stated = signature(command, eval_str=True)
    kinds = {
        each.name: each.annotation
        for each in stated.parameters.values()
        if hasattr(each.annotation, "_fields")
    }

    @wraps(command)
    def run(**given: Any) -> None:
        for name, kind in kinds.items():
            given[name] = kind(*[given.pop(field) for field in kind._fields])
        command(**given)

    parameters: list[Parameter] = []
    for each in stated.parameters.values():
        kind = kinds.get(each.name)
        parameters += map(_named, signature(kind).parameters.values() if kind else (each,))
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    vars(run)["__signature__"] = stated.replace(parameters=parameters)
    return run


def _named(parameter: Parameter) -> Parameter:
    """An option under its parameter's name, a flag without an opposite, where it has no other."""
    kind, *told = get_args(parameter.annotation)
    told = [copy(each) for each in told]
    for option in told:
        if isinstance(option, OptionInfo) and option.default is ...:
            option.param_decls = (f"--{parameter.name.rstrip('_').replace('_', '-')}",)
    named = parameter.replace(kind=Parameter.KEYWORD_ONLY)
    return named.replace(annotation=Annotated[kind, *told]) if told else named
