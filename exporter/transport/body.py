"""Bodies of answers, read within limits for each answer and for all together."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator

from urllib3 import BaseHTTPResponse

from exporter.errors import ApiError, Failure
from exporter.transport.http1 import StreamedAnswer

#: The largest body that is read, in bytes, as sent and after decompression.
BODY_LIMIT = 10 * 1024 * 1024
#: The same where one row was asked for. A row has some 40 fields, about 1 KiB; an API that ignores
#: `page_size` sends its whole page of at most 250, and its `count` is right all the same.
SMALL_BODY_LIMIT = 512 * 1024
#: What each answer may hold freely: the number of concurrent requests limits it already.
_FREE = 64 * 1024
_PIECE = 64 * 1024


class BodyMemory:
    """A limit on the bytes that answers hold together, until they have been read.

    Args:
        limit: in bytes, beyond what is free for each answer.
        whole: the limit of which this one is a part.
    """

    def __init__(self, limit: int, whole: BodyMemory | None = None) -> None:
        self._limit = limit
        self._whole = whole
        self._lock = threading.Lock()
        self._held = 0

    def take(self, size: int) -> bool:
        """Hold a number of bytes more; return whether there is room for them."""
        with self._lock:
            if self._held + size > self._limit:
                return False
            if self._whole is not None and not self._whole.take(size):
                return False
            self._held += size
        return True

    def give_back(self, size: int) -> None:
        """Release a number of bytes."""
        with self._lock:
            self._held -= size
        if self._whole is not None:
            self._whole.give_back(size)


class BodyShare:
    """The share of the memory that one answer holds."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._held = 0

    def grow(self, size: int) -> bool:
        """Hold what an answer of this size needs; return whether there is room for it."""
        more = size - _FREE - self._held
        if more > 0:
            if not self._memory.take(more):
                return False
            self._held += more
        return True

    def release(self) -> None:
        """Release all of it."""
        held, self._held = self._held, 0
        if held:
            self._memory.give_back(held)


def read_body(
    raw: BaseHTTPResponse | StreamedAnswer, host: str, limit: int, share: BodyShare
) -> bytes:
    """Read a body piece by piece, so that it can be cut at the limit.

    It is decompressed here, as `urllib3` accepts a truncated gzip stream as complete.

    Raises:
        ApiError: `too_large`, `connection` or `unexpected_answer`.
    """
    encoding = raw.headers.get("content-encoding", "identity").strip().lower()
    inflate = zlib.decompressobj(wbits=31) if encoding in {"gzip", "x-gzip"} else None
    if inflate is None and encoding not in {"identity", ""}:
        raise ApiError(
            Failure("unexpected_answer", f"{host} answered with an encoding that was not requested")
        )
    # In pieces, as a body that grows in place is moved, and what it leaves stays with the process.
    pieces, size, received = [], 0, 0
    for piece in raw.stream(_PIECE, decode_content=False):
        received += len(piece)
        for part in _inflated(inflate, piece, host) if inflate else [piece]:
            pieces.append(part)
            size += len(part)
            if max(received, size) > limit:
                shown = f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit // 1024} KiB"
                raise _too_large(f"the answer of {host} is larger than {shown}")
            if not share.grow(size):
                raise _too_large(f"{host} sends too many large answers at once")
    if inflate and received and not inflate.eof:
        raise ApiError(Failure("connection", f"{host}: the answer's gzip was cut short"))
    return b"".join(pieces)


def _too_large(words: str) -> ApiError:
    return ApiError(Failure("too_large", words))


def _inflated(inflate: zlib._Decompress, piece: bytes, host: str) -> Iterator[bytes]:
    """Decompress in small pieces: the process keeps the memory of large ones."""
    full = False
    while piece or full:
        try:
            part = inflate.decompress(piece, _PIECE)
        except zlib.error:
            raise ApiError(Failure("connection", f"{host}: the answer's gzip is broken")) from None
        yield part
        piece, full = inflate.unconsumed_tail, len(part) == _PIECE
