"""The exit codes, and what each says of each command: for `--help` and the documentation."""

from collections.abc import Mapping

OK = 0
#: A mistake in what was given, or a command that failed.
WRONG = 1
#: `ping`: everything was read, and no call can be taken.
NOBODY = 1
#: `ping`: something is not known, or `ping` itself failed. Also a mistake on the command line.
UNKNOWN = 2
#: Ctrl-C, and a reader who closed the pipe: as shells report SIGINT and SIGPIPE.
INTERRUPTED = 130
BROKEN_PIPE = 141

_USAGE = {UNKNOWN: "a mistake on the command line, or in the variable of a flag"}
_ENDED = {
    INTERRUPTED: "ended by Ctrl-C",
    BROKEN_PIPE: "the reader of the output closed the pipe",
}
_PRINTED = {OK: "printed", WRONG: "the output cannot be written", **_USAGE, **_ENDED}

#: What the exit codes of each command mean.
MEANINGS: Mapping[str, Mapping[int, str]] = {
    "serve": {
        OK: "stopped by a signal",
        WRONG: "the configuration has mistakes, or it cannot listen on an address",
        **_USAGE,
    },
    "check": {
        OK: "no mistakes",
        WRONG: "a mistake; with --online also an account that failed a check or cannot be read",
        **_USAGE,
        **_ENDED,
    },
    "ping": {
        OK: "a call can be taken",
        NOBODY: "nobody can take a call, and everything was read",
        UNKNOWN: (
            "not known: something could not be read, and nothing that was read can take a call; or"
            " `ping` itself failed: a mistake in its flags or its configuration, output that"
            " cannot be written"
        ),
        **_ENDED,
    },
    "init": {
        OK: "the file was written, and passed every check with the API",
        WRONG: "nothing was written; or the file has a part to fill in, or failed a check",
        **_USAGE,
        **_ENDED,
    },
    "demo": {OK: "stopped by a signal", WRONG: "it cannot listen on an address", **_USAGE},
    "files": {
        OK: "written",
        WRONG: "a file exists already with other contents, or cannot be written",
        **_USAGE,
        **_ENDED,
    },
    "schema": _PRINTED,
    "completion": _PRINTED,
    "help": _PRINTED,
    "version": _PRINTED,
}
