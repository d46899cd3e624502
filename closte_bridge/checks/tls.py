"""Check which certificate waits for a visitor: a handshake with SNI against every address, and nothing after it.

The chain is verified by OpenSSL against the system's roots or `tls.ca_file`; the name is matched by RFC 9525 (`names`).
A certificate that does not verify is read in a second handshake that verifies nothing, for the diagnosis alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
import ssl
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.checks import advice
from closte_bridge.checks.certificate import read
from closte_bridge.checks.model import AddressVerdict, Certificate, TlsCode, TlsVerdict
from closte_bridge.checks.names import any_covers
from closte_bridge.checks.silence import Uplink
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from closte_bridge.config.model import TlsSettings

DAY = 86_400.0
_TRIES = 2
_MOST_ADDRESSES = 16
# An address that accepted no connection so many times in a row is not waited for again in this pass.
_GIVEN_UP_AFTER = 8
# Silence of fewer addresses may be theirs; that of the network's own address among more is this machine's.
_LEAST_SILENT = 3
_LARGEST = 65_536  # bytes read at a time
# There is no way from here: that says nothing about the server.
_LOCAL = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM})

# OpenSSL's numbers (x509_vfy.h), which are the same in every release.
_NOT_YET_VALID, _HAS_EXPIRED, _SELF_SIGNED_LEAF = 9, 10, 18
# A signature in the chain that leads to no known root, or an authority that may not be one.
_CHAIN_ERRORS = frozenset({2, 7, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 79})

# Of several addresses the one that tells most about what is to be done.
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
_TRY_AGAIN = frozenset({TlsCode.NO_LISTENER, TlsCode.HANDSHAKE_FAILED, TlsCode.TIMEOUT})


class _Handshake(NamedTuple):
    """What one handshake came to: a certificate, or why there is none to trust. `error` is OpenSSL's number."""

    code: TlsCode
    certificate: Certificate | None = None
    error: int = 0
    detail: str = ""


def _verifying(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The name is matched here, so that a right chain for a wrong name shows its names.
    context.check_hostname = False
    if settings.ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f'The file "{settings.ca_file}" (`tls.ca_file`) cannot be read as certificates in PEM.',
            code="ca-file",
            hint="Set `tls.ca_file` to a readable file of PEM certificates, or remove the key for the system's roots.",
        ) from None
    return context


def _reading() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Nothing is sent over this connection, and nothing that it shows is believed.
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsCheck:
    """Checks many names in one pass and one event loop. `now` is in seconds since the epoch.

    `public` says whether an address may be connected to at all. Raises ConfigError for a bad `tls.ca_file`.
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
        self.line = Uplink("tls", timeout=settings.timeout, reached=self._reached, least=_LEAST_SILENT)
        self._contexts = {True: _verifying(settings), False: _reading()}

    def expect(self, addresses: Iterable[str]) -> None:
        """Name the network's own addresses: one that accepts a connection shows that there is a way out."""
        self._own = tuple(addresses)[:_MOST_ADDRESSES]

    async def _reached(self) -> bool:
        async def reaches(address: str) -> bool:
            with contextlib.suppress(OSError), _socket_for(address) as line:
                async with asyncio.timeout(self.line.patience):
                    await asyncio.get_running_loop().sock_connect(line, (address, self._settings.port))
                return True
            return False

        # Without one of these nobody can tell.
        return not self._own or any(await asyncio.gather(*map(reaches, self._own)))

    async def check(
        self, name: str, addresses: Iterable[str], *, managed: Collection[str] = (), probe: str | None = None
    ) -> TlsVerdict:
        """Return the verdict on `name` at these addresses, of which `ours` belong to the network.

        `probe` is the host name to ask for in place of a wildcard.
        """
        host = probe or name
        wanted = list(dict.fromkeys(addresses))[:_MOST_ADDRESSES]
        found = await asyncio.gather(*(self._address(host, a, managed=a in managed) for a in wanted))
        return summarise(name, found, self._now())

    async def _address(self, host: str, address: str, *, managed: bool) -> AddressVerdict:
        if not managed and not self._public(address):
            return AddressVerdict(address, TlsCode.UNKNOWN, detail="not a public address")
        met = await self._patiently(address, host, verify=True)
        if met.code is TlsCode.OK:
            if met.certificate is None:
                return AddressVerdict(address, TlsCode.HANDSHAKE_FAILED, detail="a certificate that cannot be read")
            if any_covers(met.certificate.names, host):
                return AddressVerdict(address, TlsCode.OK, met.certificate)
        elif met.error:
            # The chain does not verify: look at it once more, to say why.
            shown = await self._patiently(address, host, verify=False)
            met = met._replace(certificate=shown.certificate)
        else:
            return AddressVerdict(address, met.code, detail=met.detail)
        code = diagnose(met.certificate, host, met.error, self._now())
        if managed and code is TlsCode.WRONG_NAME and await self._is_default(address, met.certificate):
            code = TlsCode.DEFAULT_CERTIFICATE
        return AddressVerdict(address, code, met.certificate, met.detail)

    async def _is_default(self, address: str, certificate: Certificate | None) -> bool:
        """Tell whether the server shows the same certificate for a name that nobody has."""
        nobody = f"{secrets.token_hex(8)}.invalid"
        shown = (await self._patiently(address, nobody, verify=False)).certificate
        return certificate is not None and shown is not None and shown.fingerprint == certificate.fingerprint

    async def _patiently(self, address: str, host: str, *, verify: bool) -> _Handshake:
        met = _Handshake(TlsCode.UNKNOWN)
        for _ in range(_TRIES):
            async with self._slots:
                if self._silent[address] >= _GIVEN_UP_AFTER:
                    return _Handshake(TlsCode.TIMEOUT)
                self.line.ask(address)
                met = await self._once(address, host, verify=verify)
            if met.code not in _TRY_AGAIN or met.error:
                break
        return met

    async def _once(self, address: str, host: str, *, verify: bool) -> _Handshake:
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._handshake(address, host, verify=verify)
        except TimeoutError:
            return _Handshake(TlsCode.TIMEOUT)
        except ssl.SSLCertVerificationError as error:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, error=error.verify_code, detail=error.verify_message)
        except ssl.SSLError as error:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, detail=error.reason or "")
        except ConnectionRefusedError:
            return _Handshake(TlsCode.NO_LISTENER)
        except ConnectionError:
            return _Handshake(TlsCode.HANDSHAKE_FAILED, detail="the connection was cut")
        except OSError as error:
            return _Handshake(
                TlsCode.UNKNOWN if error.errno in _LOCAL else TlsCode.NO_LISTENER, detail=error.strerror or ""
            )

    async def _handshake(self, address: str, host: str, *, verify: bool) -> _Handshake:
        """Shake hands over a bare socket: of what asyncio's own TLS does around it, nothing is needed here."""
        loop = asyncio.get_running_loop()
        heard, to_say = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._contexts[verify].wrap_bio(heard, to_say, server_hostname=host)
        with _socket_for(address) as line:
            try:
                await loop.sock_connect(line, (address, self._settings.port))
            except asyncio.CancelledError:
                # The time-out: what answers with a no keeps nobody waiting.
                self._silent[address] += 1
                raise
            self._silent[address] = 0
            self.line.hear()
            while not _done(tls):
                await loop.sock_sendall(line, to_say.read())
                data = await loop.sock_recv(line, _LARGEST)
                if not data:
                    raise ConnectionResetError
                heard.write(data)
            with contextlib.suppress(OSError):
                # The last word, so that the server does not take it for a failure; then the connection is cut.
                line.send(to_say.read())
        der = tls.getpeercert(binary_form=True)
        try:
            return _Handshake(TlsCode.OK, read(der) if der else None)
        except ValueError:
            return _Handshake(TlsCode.OK)


def _socket_for(address: str) -> socket.socket:
    line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    line.setblocking(False)
    return line


def _done(tls: ssl.SSLObject) -> bool:
    """Go on with a handshake as far as it goes; tell whether that was its end."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def diagnose(certificate: Certificate | None, host: str, error: int, now: float) -> TlsCode:
    """Return what is wrong with a certificate that is not right: the name first, then what OpenSSL found."""
    if certificate is not None and not any_covers(certificate.names, host):
        return TlsCode.WRONG_NAME
    if error == _SELF_SIGNED_LEAF:
        return TlsCode.SELF_SIGNED
    if error == _HAS_EXPIRED and (certificate is None or certificate.not_after <= now):
        return TlsCode.EXPIRED
    if error == _NOT_YET_VALID and (certificate is None or certificate.not_before > now):
        return TlsCode.NOT_YET_VALID
    # The leaf is in time: it is a certificate above it that is not.
    if error in _CHAIN_ERRORS or error in {_HAS_EXPIRED, _NOT_YET_VALID}:
        return TlsCode.UNKNOWN_ISSUER
    return TlsCode.HANDSHAKE_FAILED


def summarise(name: str, found: Iterable[AddressVerdict], now: float) -> TlsVerdict:
    """Return one verdict from those of the addresses: what could not be tried from here counts only when all was so."""
    addresses = tuple(found)
    worst = min(addresses, key=lambda a: _WORST_FIRST.index(a.code), default=AddressVerdict("", TlsCode.UNKNOWN))
    ends = [a.certificate for a in addresses if a.certificate is not None]
    certificate = worst.certificate or min(ends, key=lambda c: c.not_after, default=None)
    if worst.code is TlsCode.OK:
        certificate = min(ends, key=lambda c: c.not_after)
    return TlsVerdict(
        name=name,
        code=worst.code,
        advice=advice.for_tls(name, worst),
        addresses=addresses,
        certificate=certificate,
        days_left=int((certificate.not_after - now) // DAY) if certificate else None,
    )
