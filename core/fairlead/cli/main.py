"""The `fairlead` command: imports a subcommand when it is asked for, and turns errors into one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from fairlead.errors import FairleadError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "bench": ("fairlead.cli.bench:bench", "Measure Go benchmarks on ports and peers."),
    "boards": ("fairlead.cli.lists:boards", "List the boards that are installed."),
    "build": ("fairlead.cli.build:build", "Build a Go program for a port."),
    "check": ("fairlead.cli.check:check", "Put ports through the conformance kit."),
    "compare": ("fairlead.cli.compare:compare", "Run a program on all ports, side by side."),
    "doctor": ("fairlead.cli.doctor:doctor", "Check that everything needed is there."),
    "env": ("fairlead.cli.env:env", "Print shell lines for a go command that uses a port."),
    "exec": ("fairlead.cli.run:exec_", "Run an image for go test -exec or go run -exec."),
    "new": ("fairlead.cli.new:new", "Write a new port, as a distribution of its own."),
    "ports": ("fairlead.cli.lists:ports", "List the ports that are installed."),
    "run": ("fairlead.cli.run:run", "Run a Go program or an image on a port."),
    "test": ("fairlead.cli.test:test", "Run Go tests on a port."),
    "upgrade": ("fairlead.cli.upgrade:upgrade", "Try ports with other Go versions."),
}
"""Each command: where it lives as MODULE:ATTRIBUTE, and its line in the list of commands."""

_DEBUG = "fairlead.debug"


def _set_debug(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_DEBUG] = True


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show the Python traceback of an error.",
    )


class _Lazy(click.Group):
    """A group that imports a command's module only when that command is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.params.append(_debug_option())
        self.commands[cmd_name] = command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        from fairlead import __version__

        click.echo(f"fairlead {__version__}")
        context.exit(0)


cli = _Lazy(
    name="fairlead",
    help=(
        "Write, test and compare runtime ports: what it takes to make a language runtime live on an "
        "operating system."
    ),
    epilog=(
        "First steps: `fairlead doctor` says whether everything is there, `fairlead ports` what there is "
        "to run on, and `fairlead run --port PORT PROGRAM` runs a Go program. Every command has a --help "
        "of its own."
    ),
    params=[
        _debug_option(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the version.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say(line: str) -> None:
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit code that its error, or its result, stands for."""
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _run(arguments: list[str]) -> int:
    # One dictionary for the group and its commands: --debug is looked up here after the contexts are gone.
    meta: dict[str, Any] = {}
    try:
        with cli.make_context("fairlead", arguments) as context:
            meta = context.meta
            result = cli.invoke(context)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.ctx.get_help() if error.ctx else error.format_message())
        return 2
    except click.ClickException as error:
        if meta.get(_DEBUG):
            _traceback()
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"; see {error.ctx.command_path} --help"
        _say(f"fairlead: {_message(error)}{hint}")
        return 2 if isinstance(error, click.UsageError) else 125
    except (KeyboardInterrupt, click.Abort):
        return 130
    except FairleadError as error:
        if meta.get(_DEBUG):
            _traceback()
        _say(error.line())
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output left; what is still buffered can go nowhere.
        sys.stdout = None
        return 141
    except Exception as error:
        if meta.get(_DEBUG):
            _traceback()
        text = " ".join(str(error).split())
        _say(f"fairlead: internal error: {type(error).__name__}: {text}; --debug shows where")
        return 125


def _message(error: click.ClickException) -> str:
    """Click's sentence as one of ours; where a port is missing, with those that there are."""
    text = error.format_message().rstrip(".")
    if isinstance(error, click.MissingParameter) and error.param is not None and error.param.name == "port":
        from fairlead.plugins import installed

        text += f" (installed: {', '.join(sorted(installed().ports)) or 'none'})"
    return text[:1].lower() + text[1:]


def _traceback() -> None:
    import traceback

    traceback.print_exc()
