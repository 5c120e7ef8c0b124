"""HTTP/1.1 on a socket: the request as it is sent, and its answer as it comes.

`http.client` reads the head of an answer as it reads mail, which was a third of what a request
cost. Here it is split by hand, and whatever leaves in doubt where an answer ends is refused. Bodies
are read within limits, for each answer and for all together.
"""

from __future__ import annotations

import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected

from urllib3 import BaseHTTPResponse

from exporter.errors import ApiError, Failure

#: The largest head in bytes, the most fields in it, and the longest line between chunks.
_HEAD_LIMIT = 64 * 1024
_MOST_FIELDS = 100
_LINE_LIMIT = 8 * 1024
#: The most interim answers, and the most chunks of a body: endless tiny ones would keep the thread,
#: and with it the interpreter that all scrapes share, busy until the deadline.
_MOST_INTERIM = 20
_MOST_CHUNKS = 4096
#: TLS hands out no more at once.
_PIECE = 16 * 1024

#: The largest body that is read, in bytes, as sent and after decompression.
BODY_LIMIT = 10 * 1024 * 1024
#: The same where one row was asked for. A row has some 40 fields, about 1 KiB; an API that ignores
#: `page_size` sends its whole page of at most 250, and its `count` is right all the same.
SMALL_BODY_LIMIT = 512 * 1024
#: What each answer may hold freely: the number of concurrent requests limits it already.
_FREE = 64 * 1024
_BODY_PIECE = 64 * 1024

_PROTOCOL = b"HTTP/1."
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) +([1-9][0-9]{2})( .*)?")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?")


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a request that has no body.

    Raises:
        ValueError: a header would end early, or go on as another one.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    text = "\n".join(lines)
    if "\r" in text or text.count("\n") != len(headers):
        raise ValueError("a line break within a header")
    return (text.replace("\n", "\r\n") + "\r\n\r\n").encode("latin-1")


class AnswerTooLarge(HTTPException):
    """What surrounds the body exceeds a limit; the text completes "the answer of HOST has …"."""


class StreamedAnswer:
    """The answer to a request, of which the head has been read and the body is yet to come.

    Args:
        sock: the socket on which the request was sent.
        on_end: is called once at the end, with whether the connection may be used again.
    """

    def __init__(self, sock: socket.socket, on_end: Callable[[bool], None]) -> None:
        self._sock = sock
        self._on_end: Callable[[bool], None] | None = on_end
        self._buffer = bytearray()
        self.status = 0
        # Interim answers (RFC 9110, 15.2) are passed over: one taken for the final answer would
        # leave that on the connection, where it would be taken for the answer to the next request.
        for _ in range(_MOST_INTERIM + 1):
            minor, self.status, self.headers = _parse_head(self._take_head())
            if self.status >= 200:
                break
        else:
            raise AnswerTooLarge(f"more than {_MOST_INTERIM} interim answers")
        options = self.headers.get("connection", "").lower()
        self._keep = "close" not in options if minor else "keep-alive" in options

    def stream(self, amt: int = _PIECE, decode_content: bool = False) -> Iterator[bytes]:  # noqa: ARG002, FBT001, FBT002 - as `urllib3` has it
        """Yield the body as it comes, not decoded.

        Raises:
            HTTPException: it ends before its time, or where it ends cannot be known.
        """
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        clear = length is None or _LENGTH.fullmatch(length)
        if not clear or (coding is not None and coding.lower() != "chunked"):
            raise BadStatusLine("where the body ends is in doubt")
        if self.status in {204, 304}:
            pass
        elif coding is not None:
            # With a length as well, it may have been read otherwise on the way (RFC 9112, 6.3).
            self._keep = self._keep and length is None
            yield from self._chunks()
        elif length is not None:
            yield from self._exactly(int(length))
        else:
            self._keep = False
            while piece := self._take(amt):
                yield piece
        self._end()

    def close(self) -> None:
        """Give up what is left of the body, and the connection with it."""
        self._keep = False
        self._end()

    def _end(self) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            # Nobody has asked for what came beyond the answer.
            on_end(self._keep and not self._buffer)

    def _chunks(self) -> Iterator[bytes]:
        chunks = 0
        while size := self._chunk_size():
            chunks += 1
            if chunks > _MOST_CHUNKS:
                raise AnswerTooLarge(f"more than {_MOST_CHUNKS} chunks")
            yield from self._exactly(size)
            if self._take_line():
                raise BadStatusLine("chunk")
        for _ in range(_MOST_FIELDS + 1):
            if not self._take_line():
                return
        raise AnswerTooLarge(f"more than {_MOST_FIELDS} trailers")

    def _chunk_size(self) -> int:
        found = _CHUNK.fullmatch(self._take_line())
        if found is None:
            raise BadStatusLine("chunk")
        return int(found[1], 16)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._take(size)
            if not piece:
                raise IncompleteRead(b"")
            size -= len(piece)
            yield piece

    def _take(self, most: int) -> bytes:
        """Return up to a number of bytes that have arrived; none if the connection was closed."""
        if not self._buffer:
            self._buffer += self._sock.recv(_PIECE)
        piece = bytes(self._buffer[:most])
        del self._buffer[:most]
        return piece

    def _take_line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._receive_more(_LINE_LIMIT)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def _take_head(self) -> str:
        while (end := _HEAD_END.search(self._buffer)) is None:
            if not _PROTOCOL.startswith(bytes(self._buffer[: len(_PROTOCOL)])):
                raise BadStatusLine("")
            self._receive_more(_HEAD_LIMIT)
        head = self._buffer[: end.start()].decode("latin-1")
        del self._buffer[: end.end()]
        return head

    def _receive_more(self, limit: int) -> None:
        if len(self._buffer) > limit:
            part = "head" if limit == _HEAD_LIMIT else "line between chunks"
            raise AnswerTooLarge(f"a {part} larger than {limit // 1024} KiB")
        piece = self._sock.recv(_PIECE)
        if not piece:
            begun = self._buffer or self.status >= 200
            raise IncompleteRead(b"") if begun else RemoteDisconnected("no answer")
        self._buffer += piece


def _parse_head(head: str) -> tuple[int, int, dict[str, str]]:
    """Return the minor version, the status, and the fields by name in lower case.

    Raises:
        HTTPException: it is none.
    """
    first, *lines = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ").split("\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise BadStatusLine(first)
    if len(lines) > _MOST_FIELDS:
        raise AnswerTooLarge(f"more than {_MOST_FIELDS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or name != name.strip():
            raise BadStatusLine(line)
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(found[1]), int(found[2]), headers


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
    for piece in raw.stream(_BODY_PIECE, decode_content=False):
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
            part = inflate.decompress(piece, _BODY_PIECE)
        except zlib.error:
            raise ApiError(Failure("connection", f"{host}: the answer's gzip is broken")) from None
        yield part
        piece, full = inflate.unconsumed_tail, len(part) == _BODY_PIECE
