"""Memory that is no longer used goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.process_fixtures import ENVIRON, ROOT

#: A body of 8 MiB comes and goes; then the bytes of one of 4 MiB that glibc maps are printed.
BODIES = """
import ctypes
from exporter.web.server.process import give_back_large_blocks

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
{first}
body = bytes(8 << 20)
del body
before = mallinfo().hblkhd
body = bytes(4 << 20)
print(mallinfo().hblkhd - before >= 4 << 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps large blocks")
@pytest.mark.parametrize(("first", "mapped"), [("give_back_large_blocks()", True), ("", False)])
def test_a_large_body_is_given_back_also_after_a_larger_one(first: str, mapped: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BODIES.format(first=first)],
        cwd=ROOT,
        env={**ENVIRON, "COVERAGE_PROCESS_START": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"{mapped}\n"
