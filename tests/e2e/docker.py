"""docker, as far as README needs it: it runs the files of a built image without an engine.

usage: docker.py ROOT CONFIG PORT (build | run) ...

ROOT holds the image's files, CONFIG its configuration as JSON. A published port is PORT, any free
one, on this machine's loopback. It takes root.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

# What an engine does with a read-only container, a volume, and a user by number.
CONFINED = """
mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"
if [ -n "$1" ]; then
  mount --bind "$1" "$0$2" && mount -o "remount,$3,bind" "$0$2"
fi
user="$4" folder="$2" && shift 4
exec chroot --userspec="$user" "$0" sh -c 'cd "$0" && exec "$@"' "${folder:-/}" "$@"
"""


def main() -> int:
    """Do as docker does."""
    root, config, port = sys.argv[1:4]
    parser = argparse.ArgumentParser("docker")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("-t", required=True)
    build.add_argument("folder")
    run = commands.add_parser("run")
    run.add_argument("--rm", action="store_true")
    run.add_argument("-i", action="store_true")
    run.add_argument("-t", action="store_true")
    run.add_argument("-p")
    run.add_argument("-v", default="")
    run.add_argument("--user")
    run.add_argument("image")
    run.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args(sys.argv[4:])
    if options.command == "run":
        _run(Path(root), json.loads(Path(config).read_text()), port, options)
    return 0


def _run(
    root: Path, config: dict[str, list[str]], port: str, options: argparse.Namespace
) -> NoReturn:
    here, _, rest = options.v.partition(":")
    there, _, mode = rest.partition(":")
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    if options.p:
        environment["CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS"] = f"127.0.0.1:{port}"
    volume = (here, there, mode or "rw")
    user = options.user or str(config["User"])
    words = (*config["Entrypoint"], *options.words)
    command = ("unshare", "--mount", "sh", "-e", "-c", CONFINED, str(root), *volume, user, *words)
    os.execvpe("/usr/bin/unshare", command, environment)


if __name__ == "__main__":
    sys.exit(main())
