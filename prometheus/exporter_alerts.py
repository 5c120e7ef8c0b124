"""The alerts about the exporter itself, and the Watchdog."""

from __future__ import annotations

from prometheus.model import REPLICA, Alert, Dashboard, Group, promql
from prometheus.thresholds import Thresholds

__all__ = ["exporter", "watchdog"]


def exporter(limits: Thresholds) -> Group:
    """Return the alerts about the exporter itself."""
    down, most = limits.down_window, f"{limits.read_share:.0%}"
    read = f"{100 * limits.read_share:g}"
    return Group(
        "calltools-exporter",
        limits.evaluation,
        (
            Alert(
                "CallToolsExporterAbsent",
                "critical",
                f"Prometheus has scraped no exporter at all for {limits.absent_for}",
                "Nothing is watched, and with no series no other alert can say so. Longer than a"
                " restart.",
                "absent(calltools_exporter_build_info)",
                "No calltools-exporter is scraped",
                "Prometheus has no exporter to scrape, or can scrape none: no queue is watched."
                " Look at Prometheus' targets, then at the exporter's log.",
                Dashboard.EXPORTER,
                wait=limits.absent_for,
            ),
            Alert(
                "CallToolsExporterDown",
                "warning",
                f"an exporter, or a target of /probe, was scraped in less than {most} of {down}",
                f"By share, so that one that restarts over and over is told of too, and for"
                f" {limits.down_for}, so that a new one may start. A warning: where another reads"
                " the same queues nothing is lost. Where none does CallToolsQueueGone tells of it;"
                " CallToolsExporterAbsent is for when none at all is scraped. Not for a target that"
                " discovery no longer has.",
                promql(f"""
                    100 * avg_over_time(up{{job=~"calltools.*"}}[{down}]) < {read}
                    and up{{job=~"calltools.*"}}
                """),
                "A target of calltools-exporter cannot be scraped",
                "Target {{ $labels.instance }} of job {{ $labels.job }}: only"
                f" {{{{ printf `%.0f%%` $value }}}} of the scrapes of {down} succeeded. It is an"
                " exporter, or the account or queue that one is asked for by /probe. Look at the"
                " error that Prometheus' targets page shows for it, then at the exporter's log.",
                Dashboard.EXPORTER,
                wait=limits.down_for,
                keep=limits.keep,
            ),
            Alert(
                "CallToolsReloadFailed",
                "warning",
                f"a configuration was refused {limits.lasting} ago and not mended since",
                "The old configuration stays in force, so nothing burns; but the next restart"
                " would fail. Long enough to mend a mistake at once.",
                promql(f"""
                    min without ({REPLICA}) (
                      calltools_exporter_config_last_reload_successful
                    ) == 0
                """),
                "A configuration was refused",
                "An exporter of job {{ $labels.job }} refused its configuration and works with the"
                " one before. `calltools-exporter check` lists every mistake.",
                Dashboard.EXPORTER,
                wait=limits.lasting,
            ),
        ),
    )


def watchdog(limits: Thresholds) -> Group:
    """Return an alert that always fires, for those who watch that alerts arrive."""
    return Group(
        "calltools-watchdog",
        limits.evaluation,
        (
            Alert(
                "CallToolsWatchdog",
                "none",
                "always",
                "Route it to a service that tells when it stops: then Prometheus or Alertmanager"
                " is broken, which no rule can say.",
                "vector(1)",
                "Alerts arrive",
                "This alert always fires. When it stops, Prometheus or Alertmanager is broken.",
                Dashboard.EXPORTER,
            ),
        ),
    )
