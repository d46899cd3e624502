"""The listener of `watch`: its settings, and what it answers about the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from closte_bridge.config.model import Endpoint
from closte_bridge.engine.listener import Health, Listener, Pages
from closte_bridge.engine.wake import WakeGate
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from closte_bridge.cli.commands.watch_network import WatchedNetwork
    from closte_bridge.config.model import Settings

DEFAULT = Endpoint("127.0.0.1", 8377)
T = TypeVar("T")


class Listening:
    """A listener with the networks that it serves: `networks` has those of the moment. `alive`: `watch` works."""

    def __init__(
        self,
        settings: Sequence[Settings],
        endpoint: Endpoint,
        networks: Callable[[], Mapping[str, WatchedNetwork]],
        alive: Callable[[], bool],
    ) -> None:
        self._networks = networks
        self._alive = alive
        self._gate = WakeGate(settings)
        cert = _common("listen_cert", [one.listen_cert for one in settings])
        key = _common("listen_key", [one.listen_key for one in settings])
        self._listener = Listener(endpoint, self._gate, self._pages(settings), cert=cert, key=key)
        self._endpoint = endpoint

    def start(self) -> str:
        """Start the listener, and return its address. Raises BridgeError if that fails."""
        self._listener.start()
        return str(self._endpoint._replace(port=self._listener.port))

    def use(self, settings: Sequence[Settings]) -> None:
        """Serve these networks from now on, with a renewed certificate. Raises ConfigError if that is invalid."""
        self._gate.use(settings)
        self._listener.pages = self._pages(settings)
        self._listener.reload_certificate()

    def _pages(self, settings: Sequence[Settings]) -> Pages:
        return Pages(
            health=self._health if any(one.listen_health for one in settings) else None,
            metrics=self._metrics if any(one.listen_metrics for one in settings) else None,
        )

    def _health(self) -> Health:
        networks = [*self._networks().values()]
        return Health(self._alive(), len(networks), sum(1 for network in networks if network.failing))

    def _metrics(self) -> bytes:
        from closte_bridge.engine.metrics import together  # noqa: PLC0415 - 60 ms, only for this page

        return together([network.metrics for network in self._networks().values()], self._gate.counts)


def endpoint_of(settings: Sequence[Settings], option: str | None) -> Endpoint | None:
    """Return where to listen, or None. `option` is the value of `--listen`, "" without an address.

    Raises ConfigError for an invalid address, and if the networks name several.
    """
    if option:
        return _parsed(option)
    found = _common("listen", [one.listen for one in settings])
    return found or (DEFAULT if option is not None else None)


def _parsed(option: str) -> Endpoint:
    import voluptuous  # noqa: PLC0415 - 25 ms, only for this option

    from closte_bridge.config.values import endpoint  # noqa: PLC0415 - voluptuous: 25 ms, only for this option

    try:
        return endpoint(option)
    except voluptuous.Invalid as error:
        raise ConfigError(f'"--listen" {error.msg}.', code="usage", hint="See `closte-bridge watch --help`.") from None


def _common(name: str, values: Sequence[T | None]) -> T | None:
    """Return the value of a setting that all networks of a process share. Raises ConfigError if they differ."""
    found = {value for value in values if value is not None}
    if len(found) > 1:
        raise ConfigError(
            f"The networks have different values of `{name}`, but one `watch` has one listener.",
            code="listen-differs",
            hint=f"Set `{name}` once, at the top level of the config.",
        )
    return next(iter(found), None)
