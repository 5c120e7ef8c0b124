"""An account that cannot be read is reported everywhere, with its reason; the others are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.account_failures import CONFIGURED, FAILURES, Asking, Output, Site, mark, site, table
from tests.process_fixtures import RunMain, StartCommand


def mistakes(made: Site, outputs: dict[str, Output]) -> Iterator[str]:
    """Yield what no output may do: call an outage nobody, give no reason, hide the other."""
    for name, output in outputs.items():
        where = f"{name}, {made.configured}: {output.text!r}"
        if output.says_nobody:
            yield f"{where} says that nobody is available"
        if output.shows_beta is False:
            yield f"{where} hides the account that is well"
        if name.startswith("`/sd"):
            if "acme" not in output.text:
                yield f"{where} has no target"
        elif made.code not in output.text:
            yield f"{where} gives no reason"
        elif made.is_read and name != "log" and "3" not in output.text:
            yield f"{where} has no number"


@pytest.mark.parametrize("failure", FAILURES)
def test_every_output_reports_it(
    failure: str,
    tmp_path: Path,
    start_command: StartCommand,
    run_main: RunMain,
    check_table: Callable[[str, str, str], None],
) -> None:
    """The page for people has this table."""
    columns = {}
    wrong: list[str] = []
    for number, configured in enumerate(CONFIGURED):
        folder = tmp_path / str(number)
        folder.mkdir()
        with site(failure, configured, folder) as made:
            exporter = start_command(made.flag, "--web.listen-address=127.0.0.1:0")
            outputs = Asking(made, exporter, run_main).outputs()
        columns[configured] = {name: output.text for name, output in outputs.items()}
        wrong += mistakes(made, outputs)
    assert not wrong, "\n".join(wrong)
    check_table("account-failures.md", mark(failure), table("output", columns))
