"""Environment variables that look like the exporter's but are not used: often a misspelt flag."""

import re
from collections.abc import Mapping

import structlog

from exporter import config
from exporter.cli.flags import VARIABLES
from exporter.config import Loaded
from exporter.settings import TokenEnvironment
from exporter.text import nearest

log = structlog.get_logger(__name__)

#: Set by Kubernetes and Docker in every container, for a service whose name begins so.
_SERVICE_LINK = re.compile(
    "CALLTOOLS_(.*_)?(SERVICE_(HOST|PORT(_.*)?)|PORT(_[0-9]+_(TCP|UDP)(_[A-Z]+)?)?)$"
)


def warn_of_unused_variables(environ: Mapping[str, str], loaded: Loaded) -> None:
    """Log the variables called ``CALLTOOLS_*`` that neither a flag nor the configuration reads."""
    keys = {
        account.token.variable
        for account in loaded.configuration.accounts
        if isinstance(account.token, TokenEnvironment)
    }
    known = {*config.VARIABLES, *VARIABLES, *keys}
    for name in sorted(environ):
        if name.startswith("CALLTOOLS_") and name not in known and not _SERVICE_LINK.match(name):
            meant = nearest(name, known)
            log.warning(
                "Unknown environment variable",
                variable=name,
                **({"did_you_mean": meant} if meant else {}),
            )
    unused = [name for name in config.VARIABLES if environ.get(name) and name not in keys]
    if loaded.files and unused:
        log.warning(
            "Environment variables without effect, as a file has the accounts",
            variables=" ".join(unused),
            file=str(loaded.files[0]),
        )
