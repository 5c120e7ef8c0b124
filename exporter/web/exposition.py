"""The exposition formats: choosing one for a client, and writing metric families in it.

`prometheus_client` writes them as well, and checks each name of each sample on the way, which is a
fifth of what a scrape costs. Here all names are known to be letters, digits and underscores.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

#: Smaller responses, in bytes, fit one packet or two, so gzip would only cost time.
COMPRESS_FROM_BYTES = 1024
#: Level 9 costs twice as much for two per cent fewer bytes.
COMPRESS_LEVEL = 6

#: No browser or scraper sends more: Prometheus sends 5 entries.
_MOST_ENTRIES = 32
_MOST_PARAMETERS = 8
#: The clients of an exporter send few different headers, again and again.
_REMEMBERED = 16

_OPENMETRICS = "application/openmetrics-text"
_TEXT = "text/plain"

#: How names outside the old character set would be written; ours are all inside it.
_ESCAPING = {"allow-utf-8", "underscores", "dots", "values"}


@dataclass(frozen=True, slots=True)
class ExpositionFormat:
    """An exposition format; ``escaping`` is empty where the format knows no such parameter."""

    media_type: str
    version: str
    escaping: str = ""

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        content_type = f"{self.media_type}; version={self.version}; charset=utf-8"
        return f"{content_type}; escaping={self.escaping}" if self.escaping else content_type

    def render(self, collector: Collector) -> bytes:
        """Render the families of a collector."""
        name_as = _with_dots if self.escaping == "dots" else str
        openmetrics = self.media_type == _OPENMETRICS
        return write_families(collector.collect(), openmetrics=openmetrics, name_as=name_as)


def _with_dots(name: str) -> str:
    """Return a name that holds no dot as a client wants it that would have one as `_dot_`."""
    return name.replace("_", "__")


# In the order of preference if the client prefers none, as with `*/*`.
_OFFERS = (
    ExpositionFormat(_TEXT, "0.0.4"),
    ExpositionFormat(_TEXT, "1.0.0", "underscores"),
    ExpositionFormat(_OPENMETRICS, "1.0.0", "underscores"),
)


class _Range(NamedTuple):
    """One entry of an Accept header that could be read."""

    value: str
    parameters: dict[str, str]
    quality: float


def _ranges(header: str) -> Iterator[_Range]:
    """Read an Accept or Accept-Encoding header; leave out what is broken (RFC 9110, 12.4.2)."""
    for entry in header.split(",", _MOST_ENTRIES)[:_MOST_ENTRIES]:
        value, *rest = (part.strip() for part in entry.split(";", _MOST_PARAMETERS))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip().lower(): word.strip().strip('"') for name, _, word in pairs}
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            continue
        if value and 0 <= quality <= 1:
            yield _Range(value.lower(), parameters, quality)


def _specificity(wanted: _Range, offer: ExpositionFormat) -> int:
    """Return how specifically a range names a format, 0 for no match; the highest decides."""
    if wanted.value == offer.media_type:
        version = wanted.parameters.get("version")
        return {None: 3, offer.version: 4}.get(version, 0)
    return {f"{offer.media_type.partition('/')[0]}/*": 2, "*/*": 1}.get(wanted.value, 0)


def _match(
    offer: ExpositionFormat, ranges: list[_Range]
) -> tuple[tuple[float, int], ExpositionFormat]:
    """Return the quality and place of the most specific range, and the format that it asks for."""
    places = range(len(ranges))
    place = max(places, key=lambda at: _specificity(ranges[at], offer), default=-1)
    if place < 0 or not _specificity(ranges[place], offer):
        return (0.0, 0), offer
    escaping = ranges[place].parameters.get("escaping")
    if offer.escaping and escaping in _ESCAPING:
        offer = replace(offer, escaping=escaping)
    return (ranges[place].quality, -place), offer


@lru_cache(_REMEMBERED)
def choose_format(accept: str) -> ExpositionFormat:
    """Choose the format that an Accept header prefers; among equals, the one named first.

    Text 0.0.4, which every client reads, is the answer to a header that is missing, broken or names
    no supported format: never an error. Clients that ask for protobuf or OpenMetrics 0.0.1 also
    accept a supported format, with a lower q.
    """
    ranges = list(_ranges(accept))
    (quality, _), best = max((_match(offer, ranges) for offer in _OFFERS), key=itemgetter(0))
    return best if quality else _OFFERS[0]


@lru_cache(_REMEMBERED)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client accepts gzip, and does not prefer the uncompressed response."""
    qualities = {wanted.value: wanted.quality for wanted in _ranges(accept_encoding)}
    quality = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return quality > 0 and quality >= qualities.get("identity", 0.0)


def compress(page: bytes) -> bytes:
    """Compress a response with gzip; equal responses give equal bytes."""
    return gzip.compress(page, COMPRESS_LEVEL, mtime=0)


def write_families(
    families: Iterable[Metric], *, openmetrics: bool, name_as: Callable[[str], str] = str
) -> bytes:
    """Return gauges, counters and histograms as text.

    Args:
        families: hold neither exemplars nor timestamps.
        openmetrics: in its format, else in Prometheus' own.
        name_as: how a client wants the names of metrics and labels.
    """
    pieces: list[bytes] = []
    # Most samples share their labels with samples of other families, or else some of them, and many
    # their value. What a key is the id of is kept, so that no other has its id.
    labels: dict[int, tuple[Mapping[str, str], str]] = {}
    pairs: dict[tuple[str, str], str] = {}
    values: dict[float, str] = {}

    def write_pair(pair: tuple[str, str]) -> str:
        if pair not in pairs:
            pairs[pair] = f'{name_as(pair[0])}="{_escape(pair[1])}"'
        return pairs[pair]

    for family in families:
        suffix = "_total" if family.type == "counter" and not openmetrics else ""
        name = name_as(family.name + suffix)
        about = _escape(family.documentation)
        if not openmetrics:
            about = about.replace('\\"', '"')
        lines = [f"# HELP {name} {about}\n# TYPE {name} {family.type}\n"]
        for sample in family.samples:
            written = labels.get(id(sample.labels))
            if written is None:
                text = ",".join(map(write_pair, sorted(sample.labels.items())))
                written = labels[id(sample.labels)] = sample.labels, f"{{{text}}}" if text else ""
            value = values.get(sample.value)
            if value is None:
                value = values[sample.value] = floatToGoString(sample.value)
            lines.append(f"{name_as(sample.name)}{written[1]} {value}\n")
        # One family after the other, as thousands of queues take some MiB.
        pieces.append("".join(lines).encode())
    if openmetrics:
        pieces.append(b"# EOF\n")
    return b"".join(pieces)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
