"""Check the certificate that visitors get: one handshake with SNI per address.

The handshake itself sends no request. A caller may use the connection for one (`Use`), to save a second handshake.

OpenSSL verifies the chain against the system's trust store or `tls.ca_file`; `names` matches the name (RFC 9525). If
the chain does not verify, a second handshake without verification reads the certificate, only for the diagnosis.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from closte_bridge.checks import advice
from closte_bridge.checks.certificate import of_peer
from closte_bridge.checks.connection import Connection, socket_for
from closte_bridge.checks.model import AddressVerdict, Certificate, TlsCode, TlsVerdict
from closte_bridge.checks.names import any_covers
from closte_bridge.checks.silence import Uplink
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from closte_bridge.config.model import TlsSettings

Use: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Uses a connection whose certificate is valid for the domain. Raises nothing but cancellation."""

DAY = 86_400.0
_TRIES = 2
_MOST_ADDRESSES = 16
# After this many failed connections in a row, an address is skipped for the rest of the pass.
_GIVEN_UP_AFTER = 8
# If fewer addresses do not answer, the problem may be theirs.
_LEAST_SILENT = 3
# Errors of this machine, which say nothing about the server.
_LOCAL = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM})

# OpenSSL's numbers (x509_vfy.h), which are the same in every release.
_NOT_YET_VALID, _HAS_EXPIRED, _SELF_SIGNED_LEAF = 9, 10, 18
# A chain without a known root, or with a certificate that is not a valid authority.
_CHAIN_ERRORS = frozenset({2, 7, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 79})

# If addresses differ, the first of these codes decides the next step.
_WORST_FIRST = (
    TlsCode.WRONG_NAME,
    TlsCode.SELF_SIGNED,
    TlsCode.EXPIRED,
    TlsCode.NOT_YET_VALID,
    TlsCode.UNKNOWN_ISSUER,
    TlsCode.DEFAULT_CERTIFICATE,
    TlsCode.NO_LISTENER,
    TlsCode.HANDSHAKE_FAILED,
    TlsCode.TIMEOUT,
    TlsCode.OK,
    TlsCode.UNKNOWN,
)
_RETRIABLE = frozenset({TlsCode.NO_LISTENER, TlsCode.HANDSHAKE_FAILED, TlsCode.TIMEOUT})


class _Handshake(NamedTuple):
    """Result of one handshake: a certificate, or the reason to reject it. `error` is OpenSSL's number."""

    code: TlsCode
    certificate: Certificate | None = None
    error: int = 0
    detail: str = ""


def _verifying(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # `any_covers` matches the name, so that a valid chain for a different domain can show its names.
    context.check_hostname = False
    if settings.ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f'Could not read "{settings.ca_file}" (`tls.ca_file`) as PEM certificates.',
            code="ca-file",
            hint="Set `tls.ca_file` to a PEM file, or remove it to use the system's trust store.",
        ) from None
    return context


def _reading() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # This connection sends no data, and its certificate is only used for the diagnosis.
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsCheck:
    """Checks many domains in one pass and one event loop. `now` returns seconds since the epoch.

    `public` returns whether an address may be contacted. Raises ConfigError for an invalid `tls.ca_file`.
    """

    def __init__(
        self,
        settings: TlsSettings,
        *,
        now: Callable[[], float] = time.time,
        public: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._settings = settings
        self._now = now
        self._public = public
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._own: tuple[str, ...] = ()
        self._silent: Counter[str] = Counter()
        self.uplink = Uplink("tls", timeout=settings.timeout, reached=self._reached, least=_LEAST_SILENT)
        self._contexts = {True: _verifying(settings), False: _reading()}

    def expect(self, addresses: Iterable[str]) -> None:
        """Set the network's own addresses, which are used to test this machine's internet connection."""
        self._own = tuple(addresses)[:_MOST_ADDRESSES]

    async def _reached(self) -> bool:
        async def reaches(address: str) -> bool:
            with contextlib.suppress(OSError), socket_for(address) as sock:
                async with asyncio.timeout(self.uplink.timeout):
                    await asyncio.get_running_loop().sock_connect(sock, (address, self._settings.port))
                return True
            return False

        # Without an address of the network, the connection cannot be tested.
        return not self._own or any(await asyncio.gather(*map(reaches, self._own)))

    async def check(
        self,
        name: str,
        addresses: Iterable[str],
        *,
        managed: Collection[str] = (),
        probe: str | None = None,
        use: Use | None = None,
    ) -> TlsVerdict:
        """Return the verdict on `name` at these addresses. `managed` are the addresses of the network.

        `probe` is the host name to use instead of a wildcard. `use` gets each connection with a valid certificate.
        """
        host = probe or name
        wanted = list(dict.fromkeys(addresses))[:_MOST_ADDRESSES]
        found = await asyncio.gather(*(self._address(host, a, managed=a in managed, use=use) for a in wanted))
        return summarise(name, found, self._now())

    async def _address(self, host: str, address: str, *, managed: bool, use: Use | None) -> AddressVerdict:
        if not managed and not self._public(address):
            return AddressVerdict(address, TlsCode.UNKNOWN, detail="not a public address")
        result = await self._retry(address, host, verify=True, use=use)
        if result.code is TlsCode.OK:
            if result.certificate is None:
                return AddressVerdict(address, TlsCode.HANDSHAKE_FAILED, detail="unreadable certificate")
            if any_covers(result.certificate.names, host):
                return AddressVerdict(address, TlsCode.OK, result.certificate)
        elif result.error:
            # The chain does not verify: read it without verification, for the diagnosis.
            shown = await self._retry(address, host, verify=False)
            result = result._replace(certificate=shown.certificate)
        else:
            return AddressVerdict(address, result.code, detail=result.detail)
        code = diagnose(result.certificate, host, result.error, self._now())
        if managed and code is TlsCode.WRONG_NAME and await self._is_default(address, result.certificate):
            code = TlsCode.DEFAULT_CERTIFICATE
        return AddressVerdict(address, code, result.certificate, result.detail)

    async def _is_default(self, address: str, certificate: Certificate | None) -> bool:
        """Return whether the server has the same certificate for a domain that does not exist."""
        missing = f"{secrets.token_hex(8)}.invalid"
        shown = (await self._retry(address, missing, verify=False)).certificate
        return certificate is not None and shown is not None and shown.fingerprint == certificate.fingerprint

    async def _retry(self, address: str, host: str, *, verify: bool, use: Use | None = None) -> _Handshake:
        result = _Handshake(TlsCode.UNKNOWN)
        for _ in range(_TRIES):
            async with self._slots:
                if self._silent[address] >= _GIVEN_UP_AFTER:
                    return _Handshake(TlsCode.TIMEOUT)
                self.uplink.record_request(address)
                with Connection(address, self._settings.port, host, self._contexts[verify]) as connection:
                    result = await self._once(connection, address)
                    if use and result.certificate and any_covers(result.certificate.names, host):
                        await use(connection)
            if result.code not in _RETRIABLE or result.error:
                break
        return result

    async def _once(self, connection: Connection, address: str) -> _Handshake:
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._handshake(connection, address)
        except TimeoutError:
            return _Handshake(TlsCode.TIMEOUT)
        except ssl.SSLCertVerificationError as error:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, error=error.verify_code, detail=error.verify_message)
        except ssl.SSLError as error:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, detail=error.reason or "")
        except ConnectionRefusedError:
            return _Handshake(TlsCode.NO_LISTENER)
        except ConnectionError:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, detail="connection closed")
        except OSError as error:
            return _Handshake(
                TlsCode.UNKNOWN if error.errno in _LOCAL else TlsCode.NO_LISTENER, detail=error.strerror or ""
            )

    async def _handshake(self, connection: Connection, address: str) -> _Handshake:
        try:
            await connection.connect()
        except asyncio.CancelledError:
            # A time-out. Servers that refuse connections cost no time and do not count.
            self._silent[address] += 1
            raise
        self._silent[address] = 0
        self.uplink.record_answer()
        await connection.handshake()
        try:
            return _Handshake(TlsCode.OK, of_peer(connection.tls))
        except ValueError:
            return _Handshake(TlsCode.OK)


def diagnose(certificate: Certificate | None, host: str, error: int, now: float) -> TlsCode:
    """Return the problem of an invalid certificate: a different name first, then OpenSSL's error."""
    if certificate is not None and not any_covers(certificate.names, host):
        return TlsCode.WRONG_NAME
    if error == _SELF_SIGNED_LEAF:
        return TlsCode.SELF_SIGNED
    if error == _HAS_EXPIRED and (certificate is None or certificate.not_after <= now):
        return TlsCode.EXPIRED
    if error == _NOT_YET_VALID and (certificate is None or certificate.not_before > now):
        return TlsCode.NOT_YET_VALID
    # If the leaf is within its validity period, another certificate of the chain is not.
    if error in _CHAIN_ERRORS or error in {_HAS_EXPIRED, _NOT_YET_VALID}:
        return TlsCode.UNKNOWN_ISSUER
    return TlsCode.HANDSHAKE_FAILED


def summarise(name: str, found: Iterable[AddressVerdict], now: float) -> TlsVerdict:
    """Return one verdict from those of the addresses. UNKNOWN counts only if all addresses are UNKNOWN."""
    addresses = tuple(found)
    worst = min(addresses, key=lambda a: _WORST_FIRST.index(a.code), default=AddressVerdict("", TlsCode.UNKNOWN))
    ends = [a.certificate for a in addresses if a.certificate is not None]
    certificate = worst.certificate or min(ends, key=lambda c: c.not_after, default=None)
    if worst.code is TlsCode.OK:
        certificate = min(ends, key=lambda c: c.not_after)
    return TlsVerdict(
        name=name,
        code=worst.code,
        next_step=advice.for_tls(name, worst),
        addresses=addresses,
        certificate=certificate,
        days_left=int((certificate.not_after - now) // DAY) if certificate else None,
    )
