"""The terminal: questions to a person, progress, and output that is written or raises an error."""

import contextlib
import getpass
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO, TypeVar

from exporter.errors import ExporterError

T = TypeVar("T")


def open_standard_streams() -> None:
    """Replace closed standard streams, and escape what a stream cannot encode or decode.

    Otherwise the next file or socket would get the stream's number, and receive its output. Writing
    to a closed standard output stays an error, as the missing output would go unnoticed.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest free number, which is this one
    sys.stdout = sys.stdout or _open(1)
    sys.stderr = sys.stderr or _open(2)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape" if stream is sys.stdin else "backslashreplace")


def write(text: str) -> None:
    """Write a line, or several, to standard output at once.

    Raises:
        ExporterError: it cannot be written.
        BrokenPipeError: the reader has seen enough.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExporterError(f"the output cannot be written: {error.strerror}") from None


def complain(text: str) -> None:
    """Write a line to standard error; if that fails, the exit code has to be enough."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def settle(stream: TextIO) -> None:
    """Drop what a stream cannot write, so that Python does not fail on it again when it exits."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_interactive() -> bool:
    """Return whether a person can read a question and type the answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def prompt(question: str, default: str, read: Callable[[str], T]) -> T:
    """Ask until the answer can be read; an empty answer is the default.

    ``read`` raises ValueError, with words for the person, for an answer that it cannot read.

    Raises:
        ExporterError: the terminal was closed.
    """
    hint = f" [{default}]" if default else ""
    while True:
        print(f"{question}{hint}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise ExporterError("no answer; nothing was written")
        try:
            return read(line.strip() or default)
        except ValueError as error:
            print(f"  {error}", file=sys.stderr)


def prompt_secret(question: str) -> str:
    """Ask for something that must not be shown while it is typed.

    Raises:
        ExporterError: the terminal cannot hide it or sends no text, or was closed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{question}: ", stream=sys.stderr)
        except (EOFError, UnicodeDecodeError, getpass.GetPassWarning):
            raise ExporterError(
                "no key; nothing was written. Give one with --token-file or --token-env"
            ) from None


def confirm(question: str) -> bool:
    """Ask a question whose answer is no unless it is plainly yes."""
    return prompt(f"{question} [y/N]", "", str.lower) in {"y", "yes"}


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show on a terminal what is being done and for how long; elsewhere show nothing.

    A terminal that calls itself dumb, as an editor's, cannot overwrite a line.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = threading.Event()
    # A line that wraps would be written below itself, again and again.
    doing = doing[: shutil.get_terminal_size().columns - len(" … 3600 s")]

    def show() -> None:
        begun = time.monotonic()
        while not done.wait(0.2):
            seconds = time.monotonic() - begun
            with contextlib.suppress(OSError):
                print(f"\r{doing} … {seconds:.0f} s", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(OSError):
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _open(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
