"""An account that cannot be read is reported everywhere, with its reason; the others are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.account_failures import CONFIGURED, FAILURES, Asking, Output, Site, mark, site, table
from tests.process_fixtures import RunMain, StartCommand

#: Whatever is said here of a failure is said in the other tests as well.
pytestmark = pytest.mark.usefixtures("untraced")


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
    with ExitStack() as sites, ThreadPoolExecutor(len(CONFIGURED)) as clients:
        asking = []
        for number, configured in enumerate(CONFIGURED):
            folder = tmp_path / str(number)
            folder.mkdir()
            made = sites.enter_context(site(failure, configured, folder))
            exporter = start_command(made.flag, "--web.listen-address=127.0.0.1:0")
            asking.append(Asking(made, exporter, run_main))
        # Together, as an account that is slow is mostly waited for.
        for one, served in zip(asking, clients.map(Asking.served, asking), strict=True):
            outputs = {**served, **one.written()}
            columns[one.site.configured] = {name: out.text for name, out in outputs.items()}
            wrong += mistakes(one.site, outputs)
    assert not wrong, "\n".join(wrong)
    check_table("account-failures.md", mark(failure), table("output", columns))
