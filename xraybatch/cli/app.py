"""The program: commands are imported when they are called, errors become words."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import NoReturn

import click

from xraybatch.core.errors import (
    EXIT_DONE,
    EXIT_FAULT,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    PluginError,
    XraybatchError,
)
from xraybatch.core.log import LOGGER, log_end, log_error
from xraybatch.core.names import did_you_mean

COMMANDS_GROUP = "xraybatch.commands"
# what a disk says to whoever writes, of which no program is the cause
_OF_THE_DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
)

# name → one-line help; each lives in xraybatch.cli.<name> as `command`. Help is written from here,
# so that `--help` imports none of them; a test compares it with the commands' own.
SECTIONS: dict[str, dict[str, str]] = {
    "The way from films to numbers": {
        "train": "Train a model on labelled films and seal it into one file.",
        "predict": "Classify films: one row for every film.",
        "score": "Compare results with labels: numbers with intervals.",
        "compare": "Set models side by side on the same films, with what they cost.",
    },
    "Around it": {
        "prepare": "Make data as they are distributed ready for train.",
        "audit": "Look for what spoils a folder of films before anyone trains on it.",
        "sample": "Write the synthetic sample films into a folder.",
        "show": "Show one film with the model's answer, and where it is sensitive.",
        "export": "Write a run's model in another format or precision.",
        "inspect": "Show a model's card and check its seal, or check a results table.",
        "adopt": "Make a sealed model of an ONNX classifier from elsewhere.",
        "calibrate": "Fit probabilities, thresholds and sets of classes to labelled films.",
        "list": "Write down which films there are, for machines that share a run.",
        "merge": "Put the shards of a run together: the table of one run.",
        "sr": "Write results as DICOM structured reports, one for each film.",
        "plugins": "List architectures, exporters, metrics and readers.",
        "doctor": "Examine this machine: what works, and what to type where it does not.",
    },
}
OURS = {name: text for section in SECTIONS.values() for name, text in section.items()}


class LazyGroup(click.Group):
    """A group that knows its commands by a table and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of our commands, then those of other distributions."""
        return [*OURS, *sorted(set(_strangers()) - set(OURS))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command of that name; None where there is none."""
        if name in OURS:
            found = import_module(f"xraybatch.cli.{name}").command
        elif name in _strangers():
            try:
                found = _strangers()[name].load()
            except (Exception, SystemExit) as error:
                raise PluginError(
                    f"The command '{name}' of another package cannot be loaded: {error}.",
                    "Tell its author, or uninstall it.",
                ) from error
        else:
            return None
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        try:
            command = self.get_command(ctx, name)
        except PluginError:
            if not ctx.resilient_parsing:
                raise
            command = None
        if ctx.resilient_parsing:  # a shell asks for completions: an error would be one of them
            return name, command, args[1:]
        if command is None:
            ctx.fail(f"There is no command '{name}'. {did_you_mean(name, self.list_commands(ctx))}")
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from what is known without importing them."""
        sections = dict(SECTIONS)
        strangers = {
            name: f"(from {entry.dist.name if entry.dist else 'another package'})"
            for name, entry in _strangers().items()
            if name not in OURS
        }
        if strangers:
            sections["From other packages"] = strangers
        for title, commands in sections.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete command names without importing any, and the program's own options."""
        from click.shell_completion import CompletionItem

        known = [n for n in self.list_commands(ctx) if n.startswith(incomplete)]
        commands = [CompletionItem(name, help=OURS.get(name)) for name in known]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


def _strangers() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=COMMANDS_GROUP)}


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
    Try it on synthetic films:
      xraybatch sample films
      xraybatch predict films --out results.csv
      xraybatch score results.csv films/labels.csv

    Research use only; not a medical device.""",
)
@click.version_option(package_name="xraybatch", prog_name="xraybatch")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def app(debug: bool) -> None:
    """Classify radiographs in batches and score the results against labels."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and leave with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    LOGGER.propagate = False  # TensorFlow's handler at the root would say everything twice
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a class called Ödem on a terminal in ASCII
            stream.reconfigure(errors="backslashreplace")
    with ExitStack() as opened:  # the log outlives the command, so that it says how it ended
        code = _run(arguments, opened, debug=debug)
        log_end(code)
    sys.exit(code)


def _run(arguments: list[str], opened: ExitStack, *, debug: bool) -> int:
    try:
        code = app.main(arguments, prog_name="xraybatch", standalone_mode=False, obj=opened)
    except XraybatchError as error:
        log_error(error)
        if debug:
            raise
        _say(error.message, error.hint)
        code = error.exit_code
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        _say("Stopped.", "")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_DONE
    except Exception as error:
        log_error(error)
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK and error.filename:
            _say(f"{error.filename}: {error.strerror}.", "Is the disk full, or not yours to write?")
            return EXIT_INPUT
        text = str(error).strip().splitlines()
        _say(
            f"A fault of xraybatch: {type(error).__name__}: {text[0] if text else ''}",
            "Run again with `xraybatch --debug …` and report what it shows.",
        )
        code = EXIT_FAULT
    return code if isinstance(code, int) else EXIT_DONE


def _say(message: str, hint: str) -> None:
    # names in it come from files: nothing that a terminal would execute
    message, hint = ("".join(c if c.isprintable() else "?" for c in s) for s in (message, hint))
    with suppress(OSError):  # nobody listens any more
        click.secho(f"Error: {message}", err=True, fg="red")
        if hint:
            click.echo(hint, err=True)


def _as_ctrl_c(*_: object) -> NoReturn:
    raise KeyboardInterrupt
