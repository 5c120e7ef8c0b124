"""Files that the configuration names: certificates and keys in PEM form, and files that change."""

import errno
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import structlog

from exporter.text import path_text

log = structlog.get_logger(__name__)

T = TypeVar("T")
Stamp: TypeAlias = tuple[int, int, int]

#: More than any configuration, key or bundle of certificates has.
_LARGEST = 16 * 1024 * 1024
#: What `Watched` collects: the state of each file before it was read.
_READ: ContextVar[dict[Path, Stamp | None] | None] = ContextVar("read", default=None)
#: What OpenSSL refuses at its security level.
_WEAKNESSES = {
    "EE_KEY_TOO_SMALL": "a short key; expected RSA with 2048 bits or more, or ECDSA",
    "CA_KEY_TOO_SMALL": "a CA with a short key; expected RSA with 2048 bits or more, or ECDSA",
    "CA_MD_TOO_WEAK": "a signature with an old hash such as SHA-1; expected SHA-256 or better",
}
_CHAIN = "a PEM certificate and, in key_file, its key without a passphrase"


def read_file(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: it cannot be read, has no end, or has a name that no file can have here.
    """
    if (read := _READ.get()) is not None:
        read.setdefault(path, _stamp(path))
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except UnicodeEncodeError:
        words = "this locale has no such characters; expected one with UTF-8, such as LANG=C.UTF-8"
        raise OSError(errno.EILSEQ, words) from None
    if len(data) > _LARGEST:
        raise OSError(errno.EFBIG, f"found more than {_LARGEST >> 20} MiB")
    return data


class Watched(Generic[T]):
    """A value loaded from files, which can be loaded again when a file has changed.

    Args:
        load: returns the value; what it raises is raised to the caller. It reads its files with
            `read_file`, which are then watched, also those of a load that failed.
        folders: watched as well, for files that are added or removed.
    """

    def __init__(self, load: Callable[[], T], folders: Iterable[Path] = ()) -> None:
        self._load = load
        self._folders = tuple(folders)
        self._stamps: dict[Path, Stamp | None] = {}
        self.value = self.reload()

    def has_changed(self) -> bool:
        """Return whether a file has changed since the last load, whether or not that succeeded."""
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def reload(self) -> T:
        """Load the value again; keep the previous one if that fails."""
        stamps = {path: _stamp(path) for path in self._folders}
        before = _READ.set(stamps)
        try:
            self.value = value = self._load()
        finally:
            _READ.reset(before)
            self._stamps = stamps
        return value


def follow(look: Callable[[], object], seconds: float) -> None:
    """Call what looks for changed files, at an interval; never return.

    It is for a thread of its own: storage that hangs must stop nothing else.
    """
    while True:
        time.sleep(seconds)
        try:
            look()
        except Exception:
            log.exception("Internal error while following files")


def _stamp(path: Path) -> Stamp | None:
    """Return what changes with a file, its permissions, or where a link points; None without it."""
    try:
        found = path.stat()
    except (OSError, UnicodeEncodeError):
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def load_pem(context: ssl.SSLContext, files: Mapping[str, Path]) -> dict[str, str]:
    """Load certificates and keys into a context.

    Args:
        context: receives them. After a mistake it must not be used.
        files: by configuration key: ``cert_file`` with ``key_file``, and any ``...ca_file``.

    Returns:
        For each key whose file cannot be used, what was found and what is expected.
    """
    mistakes = dict(_unreadable(files))
    for key, path in files.items():
        if key.endswith("ca_file") and key not in mistakes:
            mistakes.update(_load_authorities(context, key, path))
    if "cert_file" in files and mistakes.keys().isdisjoint({"cert_file", "key_file"}):
        mistakes.update(_load_chain(context, files["cert_file"], files.get("key_file")))
    return {key: mistakes[key] for key in files if key in mistakes}


def _unreadable(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    for key, path in files.items():
        try:
            read_file(path)
        except OSError as error:
            yield key, f"{path_text(path)} cannot be read: {error.strerror}"


def _load_authorities(context: ssl.SSLContext, key: str, path: Path) -> Iterator[tuple[str, str]]:
    before = context.cert_store_stats()["x509"]
    try:
        context.load_verify_locations(path)
        found = context.cert_store_stats()["x509"] > before
    except (OSError, ValueError):
        found = False
    if not found:
        yield key, f"{path_text(path)} has no PEM certificate; expected at least one"


def _load_chain(
    context: ssl.SSLContext, cert_file: Path, key_file: Path | None
) -> Iterator[tuple[str, str]]:
    encrypted = False

    def refuse_passphrase() -> str:
        # Otherwise OpenSSL asks for the passphrase on the terminal, and waits.
        nonlocal encrypted
        encrypted = True
        return ""

    try:
        context.load_cert_chain(cert_file, key_file, password=refuse_passphrase)
    except (OSError, ValueError) as error:
        key = "key_file" if key_file else "cert_file"
        cert, path = path_text(cert_file), path_text(key_file or cert_file)
        reason = getattr(error, "reason", None) or ""
        if encrypted:
            yield key, f"{path} is encrypted; expected a key without a passphrase"
        elif reason == "KEY_VALUES_MISMATCH":
            yield key, f"{path} is not the key of the certificate in {cert}"
        elif reason in _WEAKNESSES:
            yield "cert_file", f"{cert} is too weak for OpenSSL: found {_WEAKNESSES[reason]}"
        else:
            yield "cert_file", f"{cert} is not usable; expected {_CHAIN}"
