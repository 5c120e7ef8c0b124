"""The rules that span several keys, accounts or files.

They check the raw trees, so that a mistake in one key hides none in another. A mistake that only
follows from a reported one is left out.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from exporter.config import fields, urls
from exporter.config.schema import ALL, AccountKeys, File, Tls
from exporter.config.validate import misspelt
from exporter.config.yaml_tree import Location, YamlMapping, YamlSequence, redacted
from exporter.errors import Mistake
from exporter.schedule import DAYS, Span, overlaps
from exporter.text import suggestion

TOKEN_KEYS = ("token_file", "token_env")
_NEEDED = {
    "url": "expected the URL you log in to, such as https://east-2.calltools.io",
    "queues": "expected a list of the queues to ask for, or all",
}


def token_variable(template: str, account: str) -> str:
    """Return the environment variable that holds an account's key."""
    return template.replace("{account}", re.sub("[^A-Z0-9_]", "_", account.upper()))


class UniqueNames:
    """Report a value that is used a second time."""

    def __init__(self, what: str, mistakes: list[Mistake]) -> None:
        self._what = what
        self._mistakes = mistakes
        self._locations: dict[str | int, Location] = {}

    def add(self, value: str | int, location: Location) -> bool:
        """Record a value and its location; return whether it is new."""
        first = self._locations.get(value)
        if first is None:
            self._locations[value] = location
            return True
        shown = redacted(value) if isinstance(value, str) else value
        words = f"found {shown}, which is already {self._what}{first.seen_from(location)}"
        self._mistakes.append(location.mistake(f"{words}, expected each once"))
        return False


class CrossChecks:
    """Check the trees of all files, whose accounts have been completed with the defaults."""

    def __init__(self, roots: Sequence[YamlMapping]) -> None:
        self.mistakes: list[Mistake] = []
        self._roots = roots
        self._variables: dict[str, str] = {}
        self._schedules = [
            name for root in roots for name in root.mapping("schedules").key_locations
        ]
        self._schedules_known = not any(_is_wrong(root, "schedules") for root in roots)
        self._defaults = [root.mapping("defaults") for root in roots if root.has_key("defaults")]
        # Else it is not known what an account lacks.
        self._defaults_known = len(self._defaults) < 2 and not any(
            _is_wrong(root, "defaults") for root in roots
        )

    def run(self) -> None:
        """Record the mistakes."""
        only = UniqueNames("the key", self.mistakes)
        schedules = UniqueNames("the name of a schedule", self.mistakes)
        accounts = UniqueNames("the name of an account", self.mistakes)
        for root in self._roots:
            if root.has_key("defaults"):
                only.add("defaults", root.key_locations["defaults"])
                self._check_schedule_name(root.mapping("defaults"))
            for name, location in root.mapping("schedules").key_locations.items():
                schedules.add(name, location)
                self._check_hours(root.mapping("schedules").mapping(name).mapping("open"))
            for account in root.sequence("accounts").mappings():
                own_name = account.get("name")
                if isinstance(own_name, str):
                    accounts.add(own_name, account.location_of("name"))
                self._check_account(account)

    def _add(self, location: Location, message: str) -> None:
        self.mistakes.append(location.mistake(message))

    def _check_account(self, account: YamlMapping) -> None:
        for key, wanted in _NEEDED.items():
            if self._lacks(account, key):
                self._add(account.location, f"has no {key}, {wanted}, here or under defaults")
        self._check_url(account)
        self._check_token(account)
        self._check_tls(account.mapping("tls"))
        self._check_schedule_name(account)
        self._check_queues(account)

    def _lacks(self, account: YamlMapping, *keys: str) -> bool:
        """Return whether an account has none of the keys, not even a misspelt one."""
        return (
            self._defaults_known
            and not any(account.has_key(key) for key in keys)
            and not any(
                misspelt(mapping, AccountKeys, key)
                for key in keys
                for mapping in (account, *self._defaults)
            )
        )

    def _check_url(self, account: YamlMapping) -> None:
        try:
            url = urls.parse_account_url(str(account["url"]))
        except (KeyError, ValueError):
            return  # reported where this one key is validated
        # Anything but a boolean is reported there, too.
        forbidden = account.get("allow_http", account.has_key("allow_http")) is False
        in_the_open = forbidden and url.startswith("http://")
        if in_the_open and not urls.is_loopback(url):
            message = (
                "found http://, which sends the API key unencrypted; expected https://, or"
                " allow_http: true"
            )
            self._add(account.location_of("url"), message)
        elif in_the_open and account.get("proxy_url"):
            message = (
                "found a proxy for http://, which gets the API key unencrypted; expected https://"
                " as url, no proxy, or allow_http: true"
            )
            self._add(account.location_of("proxy_url"), message)

    def _check_token(self, account: YamlMapping) -> None:
        if all(account.has_key(key) for key in TOKEN_KEYS):
            message = "found token_file and token_env, expected one of them"
            self._add(account.location_of("token_env"), message)
        if self._lacks(account, *TOKEN_KEYS) and not any(
            mapping.has_key(key)
            for key in AccountKeys.refused
            for mapping in (account, *self._defaults)
        ):
            message = (
                "has no token_file or token_env, expected one of them, here or under defaults, to"
                " name where the API key is"
            )
            self._add(account.location, message)
        template, name = account.get("token_env"), account.get("name")
        if isinstance(template, str) and isinstance(name, str) and "{account}" in template:
            variable = token_variable(template, name)
            other = self._variables.setdefault(variable, name)
            if other != name:
                message = (
                    f"{template} is {variable} for the accounts '{other}' and '{name}', expected a"
                    " variable for each; set token_env for one of them"
                )
                self._add(account.location_of("token_env"), message)

    def _check_tls(self, tls: YamlMapping) -> None:
        for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if tls.has_key(key) and not tls.has_key(other) and not misspelt(tls, Tls, other):
                message = f"found {key} without {other}, expected both"
                self._add(tls.location_of(key), message)

    def _check_schedule_name(self, mapping: YamlMapping) -> None:
        name = mapping.get("schedule")
        if isinstance(name, str) and self._schedules_known and name not in self._schedules:
            known = ", ".join(self._schedules) or "one under the key 'schedules'"
            hint = suggestion(name, self._schedules, f"expected {known}")
            message = f"found {redacted(name)}, which is not a schedule, {hint}"
            self._add(mapping.location_of("schedule"), message)

    def _check_queues(self, account: YamlMapping) -> None:
        queues = account.sequence("queues")
        every = ALL in queues
        words = UniqueNames("an item of this list", self.mistakes)
        ids = UniqueNames("the id of a queue of this account", self.mistakes)
        names = UniqueNames("the name of a queue of this account", self.mistakes)
        for queue, location in zip(queues, queues.item_locations, strict=True):
            if queue == ALL:
                words.add(ALL, location)
                continue
            mapping = queue if isinstance(queue, YamlMapping) else YamlMapping(location)
            id_ = queue if mapping is not queue else mapping.get("id")
            is_id = isinstance(id_, int) and not isinstance(id_, bool)
            name = mapping.get("name", str(id_) if is_id and not every else None)
            self._check_schedule_name(mapping)
            if every and (is_id or mapping is queue):
                self._check_exception(mapping)
            if isinstance(id_, int) and is_id and not ids.add(id_, mapping.location_of("id")):
                continue
            if isinstance(name, str):
                names.add(name, mapping.location_of("name"))

    def _check_exception(self, queue: YamlMapping) -> None:
        """Check an item beside `all`: it must name a queue, and say what differs for it."""
        keys = queue.key_locations.keys()
        if keys and keys.isdisjoint({"id", "name"}):
            message = "has no id and no name, expected one of them, to say which queue it is"
            self._add(queue.location, message)
        elif len(keys) < 2:
            message = (
                "found only the id or the name, expected also what differs for this queue, such as"
                " {id: 5457, required_agents: 2}"
            )
            self._add(queue.location, message)
        elif queue.has_key("id") and not fields.is_name(name := str(queue.get("name", "-"))):
            message = (
                f"found {redacted(name)}, which is a label as there is an id, expected it without"
                " '/'"
            )
            self._add(queue.location_of("name"), message)
        elif queue.get("ignore") is True and (more := keys - {"id", "name", "ignore"}):
            message = f"found ignore together with {', '.join(more)}, expected ignore alone"
            self._add(queue.location_of("ignore"), message)

    def _check_hours(self, hours: YamlMapping) -> None:
        """Check that each day is named once and that no hours overlap."""
        week: list[list[Span]] = [[] for _ in DAYS]
        written: dict[int, str] = {}
        locations: dict[tuple[str, Span], Location] = {}
        for text, key_location in hours.key_locations.items():
            spans = list(_spans(hours, text))
            locations |= {(text, span): location for span, location in spans}
            for day in _days(text):
                if day in written:
                    message = f"found {DAYS[day]}, which is already in '{written[day]}'"
                    self._add(key_location, f"{message}, expected it once")
                else:
                    written[day] = text
                    week[day] = [span for span, _ in spans]
        for day, span in overlaps(week):
            message = f"found {span}, which begins before other hours have ended"
            self._add(locations[written[day], span], f"{message}, expected no overlap")


def _is_wrong(root: YamlMapping, key: str) -> bool:
    """Return whether a key of a file is misspelt or not a mapping, which is reported elsewhere."""
    return misspelt(root, File, key) or (
        root.has_key(key) and not isinstance(root.get(key), YamlMapping)
    )


def _days(text: str) -> tuple[int, ...]:
    try:
        return fields.parse_days(text)
    except ValueError:
        return ()


def _spans(hours: YamlMapping, days: str) -> Iterator[tuple[Span, Location]]:
    """Iterate over the valid hours of a key, each with its location."""
    value = hours.get(days)
    items, locations = [value], [hours.location_of(days)]
    if isinstance(value, YamlSequence):
        items, locations = list(value), value.item_locations
    for item, location in zip(items, locations, strict=True):
        with suppress(ValueError):
            yield fields.parse_hours(item), location
