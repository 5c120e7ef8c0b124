"""By hour of the week and of the day, in the time zone of each queue."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.common import (
    TableCellBackgroundDisplayMode,
    TableColoredBackgroundCellOptions,
)

from grafana.coverage.series import (
    DAYS,
    HOUR,
    HOUR_OF_WEEK,
    NOTHING,
    share_by_hour,
)
from grafana.panels import Panels
from grafana.rows import rows
from grafana.words import NEUTRAL, nothing, steps, words

__all__ = ["by_hour"]

_CELL: Final = TableColoredBackgroundCellOptions(mode=TableCellBackgroundDisplayMode.BASIC)
_AN_HOUR: Final = {
    "decimals": 0,
    "align": "center",
    "mappings": nothing("", "transparent"),
}
_HEAT: Final = steps("dark-red", (0.5, "red"), (0.8, "orange"), (0.9, "#b5a316"), (0.95, "green"))


def by_hour() -> Panels:
    """Return the tables by hour."""
    split = (
        'label_replace(label_replace({share}, "day", "$1", "hour", "(.).."),'
        ' "hour", "$1", "hour", ".(..)")'
    )
    hours = [f"{hour:02}" for hour in range(24)]
    two_digits = 'label_replace({share}, "hour", "0$1", "hour", "(.)")'
    where = 'label_join({share}, "queue", " · ", "queue", "account")'
    days = {str(number): name for number, name in enumerate(DAYS, 1)}

    def matrix(row: str, heading: str) -> tuple[tuple[str, dict[str, object]], ...]:
        """Return the steps from rows of (row, hour, value) to a column for each hour."""
        field = f"{row}\\hour"
        return (
            ("sortBy", {"sort": [{"field": row}]}),
            (
                "groupingToMatrix",
                {
                    "columnField": "hour",
                    "rowField": row,
                    "valueField": "Value",
                    "emptyValue": "null",
                },
            ),
            (
                "organize",
                {
                    "excludeByName": {},
                    "indexByName": {name: place for place, name in enumerate([field, *hours])},
                    "renameByName": {field: heading},
                },
            ),
        )

    return (
        rows(
            "Hour of the week",
            "Share of the readable open time in which somebody was available, by day and hour in"
            " each queue's own time zone; each hour of each queue has equal weight. Blank: closed,"
            " or not read.",
            (split.format(share=share_by_hour(HOUR_OF_WEEK, by="hour")),),
            {},
            empty=NOTHING,
            width=24,
            height=10,
            unit="percentunit",
            cell=_CELL,
            levels=_HEAT,
            overrides={
                "Day": {
                    "mappings": words({number: (name, NEUTRAL) for number, name in days.items()}),
                    "cell": {"type": "auto"},
                    "width": 70,
                    "unit": "none",
                },
                "/^\\d\\d$/": _AN_HOUR,
            },
            transformations=matrix("day", "Day"),
        ),
        rows(
            "Where to send calls, by hour",
            "The same for each queue by hour in its own time zone: green hours can take a"
            " transfer. Blank: closed, or not read.",
            (
                where.format(
                    share=two_digits.format(share=share_by_hour(HOUR, by="account, queue, hour"))
                ),
            ),
            {},
            empty=NOTHING,
            width=24,
            height=14,
            unit="percentunit",
            cell=_CELL,
            levels=_HEAT,
            overrides={
                "Queue": {"cell": {"type": "auto"}, "width": 190, "unit": "none"},
                "/^\\d\\d$/": _AN_HOUR,
            },
            transformations=matrix("queue", "Queue"),
        ),
    )
