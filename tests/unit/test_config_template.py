"""Whatever the API calls its queues, the file that is written means what it says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from exporter import config
from exporter.calltools.rows import read_queue
from exporter.cli.template import ConfigTemplate
from exporter.config import fields
from exporter.scrape.catalog import queue_labels

HOSTILE = (
    *('"', "\\", "'", "#", ": ", "- ", "a: [b", "{x}", "yes", "no", "9:30", "012", "~", "null"),
    *("a/b", "/", ".", "..", " ", "", "\n", "a\n    evil: 1", "\x00", "\x1b[31m", "\u202e", "😀"),
    *(
        "x" * 300,
        "  outer  ",
        "sales",
        "sales",
        "SALES",
        "\u2028",
        "\ud800",
        "&a",
        "*a",
        "!!x",
        "%",
    ),
)
NAMES = st.sampled_from(HOSTILE) | st.text(max_size=120)


def template(queues: Mapping[int, str], name: str = "acme") -> ConfigTemplate:
    return ConfigTemplate(
        name,
        "https://east-2.calltools.io",
        ("token_env", "CALLTOOLS_TOKEN"),
        20561,
        {20561: "Available"},
        "",
        queues,
        "",
    )


def as_read(names: list[str]) -> dict[int, str]:
    """Return queues as the client reads them from the API's rows."""
    rows = (read_queue({"id": id_, "name": name})[1] for id_, name in enumerate(names, 1))
    return {row.id: row.name for row in rows}


@given(names=st.lists(NAMES, min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_queue_is_in_the_file(names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    queues = as_read(names)
    path.write_text(template(queues).text(), encoding="utf-8")
    (account,) = config.load(path, {}).configuration.accounts
    assert {queue.id: queue.name for queue in account.queues} == queue_labels(queues)
    assert all(queue.available_status == (20561,) for queue in account.queues)


def test_hostile_names_all_together(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text(template(as_read(list(HOSTILE)), name="no: #").text(), encoding="utf-8")
    (account,) = config.load(path, {}).configuration.accounts
    assert account.name == "no: #"
    assert len(account.queues) == len(HOSTILE)


def test_names_are_kept_where_they_can_be() -> None:
    assert queue_labels({1: "sales", 2: "a/b", 3: "", 4: "x" * 300}) == {
        1: "sales",
        2: "a-b",
        3: "3",
        4: "x" * 100,
    }


def test_equal_names_are_distinguished_by_their_ids() -> None:
    assert queue_labels({1: "sales", 2: "sales"}) == {1: "sales (1)", 2: "sales (2)"}
    labels = queue_labels({1: "sales", 2: "sales", 3: "sales (1)"})
    assert len(set(labels.values())) == 3
    long = queue_labels({1: "x" * 100, 2: "x" * 101})
    assert sorted(long.values()) == ["x" * 96 + " (1)", "x" * 96 + " (2)"]


@given(names=st.lists(NAMES, min_size=1, max_size=12))
def test_labels_are_distinct_names_that_a_configuration_accepts(names: list[str]) -> None:
    labels = queue_labels(as_read(names))
    assert len(set(labels.values())) == len(names)
    for label in labels.values():
        TypeAdapter(fields.Name).validate_python(label)


def test_a_status_name_cannot_leave_its_comment(tmp_path: Path) -> None:
    # Names of statuses are read as one printable line; the text is what the client returns.
    path = tmp_path / "exporter.yml"
    path.write_text(template({1: "sales"}).text().replace("# Available", "# a: [ \" # '"))
    assert config.load(path, {}).configuration.accounts[0].queues
