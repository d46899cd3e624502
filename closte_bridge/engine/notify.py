"""Send notifications: to the command `on_domain`, and with Apprise to the URLs in `notify`.

The URLs contain passwords and tokens: no message, log or ledger names more than their scheme.
"""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from closte_bridge.engine.delivery import deliver, forget_channels
from closte_bridge.engine.notification_text import Text, document, text_of
from closte_bridge.engine.user_command import run_user_command
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.meta import CONFIG_PATH, LOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from closte_bridge.config.model import Settings
    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.notifications import Notification
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.secret import Secret

_COMMAND, _URL = "on_domain", "notify:"
_INSTALL = "Install it with `pip install 'closte-bridge[notify]'`, or use `on_domain`."


def has_channels(settings: Settings) -> bool:
    """Return whether something gets notifications."""
    return bool(settings.on_domain or settings.notify)


def deliver_all(ledger: Ledger, settings: Settings, now: float) -> list[BridgeError]:
    """Deliver what each channel of the config has not got yet; return the errors. What failed is tried again later."""
    failures = []
    channels = dict(_channels(settings))
    for channel, send in channels.items():
        try:
            deliver(ledger, channel, now, send)
        except BridgeError as error:
            failures.append(error)
    forget_channels(ledger, _URL, channels)
    return failures


def report_silence(engine: Engine, tried: float | None, limit: float) -> list[BridgeError]:
    """Report once that the last run ended at `tried`, more than `limit` seconds ago; return the errors.

    Only the owner of the network reports it: a copy of its ledger has no runs.
    """
    now, settings = engine.clock.now(), engine.settings
    if tried is None or now - tried <= limit or not has_channels(settings):
        return []
    from closte_bridge.engine.notifications import note_silence  # noqa: PLC0415 - the checks: 100 ms, rarely needed

    with engine.opened():
        if engine.ledger is None:
            return []
        meta = engine.ledger.meta()
        if LOCATION.of(meta) != engine.location() or engine.lacks_config(CONFIG_PATH.of(meta)):
            return []
        note_silence(engine.ledger, tried, now)
        return deliver_all(engine.ledger, settings, now)


def _channels(settings: Settings) -> Iterator[tuple[str, Callable[[list[Notification]], None]]]:
    if settings.on_domain:
        yield _COMMAND, partial(_run_command, settings)
    for number, url in enumerate(settings.notify, 1):
        # A new password is a new channel: nothing is sent twice, and nothing old.
        yield f"{_URL}{url.fingerprint()}", partial(_send_notifications, settings, number, url)


def _run_command(settings: Settings, notifications: list[Notification]) -> None:
    run_user_command(_COMMAND, settings.on_domain, document(notifications, settings.name))


def _send_notifications(settings: Settings, number: int, url: Secret, notifications: list[Notification]) -> None:
    send_text(number, url, text_of(notifications, settings.name))


def scheme_of(url: Secret) -> str:
    """Return the scheme of a URL, such as `mailto`: the part that is no secret."""
    return url.reveal().partition("://")[0]


def send_text(number: int, url: Secret, text: Text) -> None:
    """Send one message to the URL with this number in `notify`. Raises BridgeError, which does not contain the URL."""
    name = f'`notify` URL {number} ("{scheme_of(url)}://")'
    try:
        with warnings.catch_warnings():
            # Apprise and its services import deprecated modules.
            warnings.simplefilter("ignore")
            sent = _apprise_sent(url, text)
    except ImportError:
        raise BridgeError("Apprise is not installed.", code="notify", hint=_INSTALL) from None
    except Exception as error:  # the text of a library's exception may contain the URL
        raise _failed(f"Could not send a message to {name}: {type(error).__name__}.") from None
    if sent is None:
        raise BridgeError(
            f"Apprise does not understand {name}.",
            code="notify",
            hint="Compare it with Apprise's documentation of this service, then run `closte-bridge notify test`.",
        )
    if not sent:
        raise _failed(f"Could not send a message to {name}.")


def _apprise_sent(url: Secret, text: Text) -> bool | None:
    """Return whether the message was sent, or None if the URL is invalid."""
    import apprise  # noqa: PLC0415 - 330 ms, and an optional dependency

    # Its messages contain URLs.
    logging.getLogger("apprise").disabled = True
    service: Any = apprise.Apprise.instantiate(url.reveal(), suppress_exceptions=True)
    if service is None:
        return None
    if "overflow=" not in url.reveal():
        # A long message becomes several instead of an error.
        service.overflow_mode = apprise.OverflowMode.SPLIT
    kind = apprise.NotifyType.SUCCESS if text.good else apprise.NotifyType.WARNING
    return bool(service.notify(body=text.body, title=text.title, notify_type=kind))


def _failed(message: str) -> BridgeError:
    hint = "closte-bridge tries again later. Check the URL and the service with `closte-bridge notify test`."
    return BridgeError(message, code="notify", hint=hint)


def try_channels(settings: Settings) -> list[tuple[str, BridgeError | None]]:
    """Send a test message by each channel; return each channel's name for people and its error, if any."""
    text = Text("Test of closte-bridge", f'Notifications of network "{settings.name}" arrive here.', good=True)
    found: list[tuple[str, BridgeError | None]] = []
    if settings.on_domain:
        test = {"version": 1, "network": settings.name, "digest": False, "counts": {}, "events": [], "test": True}
        found.append((_COMMAND, _error_of(partial(run_user_command, _COMMAND, settings.on_domain, test))))
    for number, url in enumerate(settings.notify, 1):
        found.append((f"{scheme_of(url)}:// ({number})", _error_of(partial(send_text, number, url, text))))
    return found


def _error_of(call: Callable[[], None]) -> BridgeError | None:
    try:
        call()
    except BridgeError as error:
        return error
    return None
