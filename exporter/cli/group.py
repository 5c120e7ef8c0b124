"""How commands are found among flags, and how mistakes and exit codes are described."""

import re

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from exporter.cli import exits
from exporter.text import suggestion

#: The command where none is given.
DEFAULT_COMMAND = "serve"


class CommandWithExitCodes(click.Command):
    """A command whose help lists its exit codes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the flags; `-config.file`, as other programs have it, is one unknown word."""
        short = {name for option in self.get_params(ctx) for name in option.opts if len(name) == 2}
        for word in args[: args.index("--")] if "--" in args else args:
            if re.match("-[^-][^-]", word) and word[:2] not in short and not word[1].isdigit():
                known = [name for option in self.get_params(ctx) for name in option.opts]
                raise click.NoSuchOption(word.partition("=")[0], possibilities=known, ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, with the logs as its flags say."""
        if "log_level" in ctx.params:
            from exporter import logs  # noqa: PLC0415 - takes long to import

            logs.configure(ctx.params.pop("log_level"), ctx.params.pop("log_format"))
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, with room for the longest variable: a broken one cannot be copied."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        records = [option.get_help_record(ctx) for option in options]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record], col_max=24)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of exit codes."""
        super().format_epilog(ctx, formatter)
        meanings = exits.MEANINGS[self.name or ""]
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), words) for code, words in meanings.items()])


class CommandGroup(click.Group):
    """A group whose command may come before its flags or after them, or be left out.

    The command's name is kept as the context's ``obj``.
    """

    command_class = CommandWithExitCodes

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command first; the words before it are its flags."""
        if "--version" in args:
            return super().parse_args(ctx, ["--version"])
        at = self._find_command(args)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        elif {"-h", "--help"}.intersection(args):
            args = ["--help"]
        elif args or not ctx.resilient_parsing:  # with nothing typed, complete commands
            args = [DEFAULT_COMMAND, *args]
        ctx.obj = next(iter(args), None)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or suggest the one that was meant."""
        name = args[0]
        if name not in self.commands and not ctx.resilient_parsing:
            # What looks like a command may be the value of a misspelt flag.
            commands = self.commands.values()
            options = [option for command in commands for option in command.get_params(ctx)]
            known = [flag for option in options for flag in (*option.opts, *option.secondary_opts)]
            for word in args[1:]:
                if word.startswith("--") and word.partition("=")[0] not in known:
                    raise click.NoSuchOption(word.partition("=")[0], possibilities=known, ctx=ctx)
            hint = suggestion(name, self.commands, f"the commands are {', '.join(self.commands)}")
            raise click.UsageError(f"unknown command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands, and the flags of the one that is meant where none is given."""
        found = super().shell_complete(ctx, incomplete)
        return found + self.commands[DEFAULT_COMMAND].shell_complete(ctx, incomplete)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which people need them."""
        return list(self.commands)

    def _find_command(self, args: list[str]) -> int | None:
        """Return the position of the command: the first word that is one, else the first word."""
        valued = {
            name
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        words = [
            at
            for at, word in enumerate(args)
            if not word.startswith("-") and not (at and args[at - 1] in valued)
        ]
        return next((at for at in words if args[at] in self.commands), next(iter(words), None))


def describe_mistake(error: click.ClickException, command: str) -> str:
    """Return a mistake on the command line in two lines, the second of which says where to look."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else command
    return f"{path}: {_words(error, context)}\nTry '{path} --help'."


def _words(error: click.ClickException, context: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        meant = f"; did you mean {error.possibilities[0]!r}?" if error.possibilities else ""
        return f"unknown {error.option_name!r}{meant}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"missing {error.param.param_type_name} {error.param.get_error_hint(context)}"
    if isinstance(error, click.BadParameter) and error.param is not None and context is not None:
        parameter, message = error.param, error.message
        if isinstance(parameter.type, click.types.BoolParamType):
            found = message.partition(" is not a valid boolean")[0]
            message = f"found {found}, expected true or false"
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.ENVIRONMENT:
            message += f" (from ${parameter.envvar})"
        return f"{parameter.opts[0]}: {message.rstrip('.')}"
    message = error.format_message().removeprefix("Got ").rstrip(".")
    return message[:1].lower() + message[1:]
