"""Write metric families as text, for Prometheus' own format and for OpenMetrics.

`prometheus_client` does it as well, and checks each name of each sample on the way, which is a
fifth of what a scrape costs. Here all names are known to be letters, digits and underscores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.utils import floatToGoString


def write_families(
    families: Iterable[Metric], *, openmetrics: bool, name_as: Callable[[str], str] = str
) -> bytes:
    """Return gauges, counters and histograms as text.

    Args:
        families: hold neither exemplars nor timestamps.
        openmetrics: in its format, else in Prometheus' own.
        name_as: how a client wants the names of metrics and labels.
    """
    lines: list[str] = []
    # Most samples share their labels with samples of other families.
    written: dict[tuple[tuple[str, str], ...], str] = {}
    for family in families:
        suffix = "_total" if family.type == "counter" and not openmetrics else ""
        name = name_as(family.name + suffix)
        about = _escape(family.documentation)
        if not openmetrics:
            about = about.replace('\\"', '"')
        lines.append(f"# HELP {name} {about}\n# TYPE {name} {family.type}\n")
        for sample in family.samples:
            key = tuple(sample.labels.items())
            labels = written.get(key)
            if labels is None:
                pairs = (f'{name_as(label)}="{_escape(value)}"' for label, value in sorted(key))
                labels = written[key] = f"{{{','.join(pairs)}}}" if key else ""
            lines.append(f"{name_as(sample.name)}{labels} {floatToGoString(sample.value)}\n")
    if openmetrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
