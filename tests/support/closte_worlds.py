"""Behaviours of Closte that span several requests, patched into a running sandbox."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from closte_bridge.sandbox.store import Store
from tests.support.sandbox.api import Api
from tests.support.sandbox.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closte_bridge.sandbox.store import Change
    from tests.support.sandbox.server import Sandbox


@contextmanager
def lists_are_refused(sandbox: Sandbox, words: str = "Forbidden.", status: int = 403) -> Iterator[None]:
    """Let a firewall refuse GET, which has the key in its URL, and allow POST."""
    work, usual = Handler._work, sandbox.api.texts

    def refuse(this: Handler, call: Any, *rest: Any) -> Any:  # noqa: ANN401 - as what it replaces
        return work(this, call, *rest) if call != "list" else None

    sandbox.api.texts = replace(usual, wrong_key=words, wrong_key_status=status)
    try:
        with mock.patch.object(Handler, "_work", refuse):
            yield
    finally:
        sandbox.api.texts = usual


@contextmanager
def elsewhere(sandbox: Sandbox, *names: str) -> Iterator[None]:
    """Let these domains belong to another application: Closte says that they exist, but does not list them."""
    add = sandbox.store.add

    def refuse(domain: str, *, wildcard: bool) -> Change:
        return "already" if domain.lower() in names else add(domain, wildcard=wildcard)

    with mock.patch.object(sandbox.store, "add", refuse):
        yield


@contextmanager
def never_shown(sandbox: Sandbox, *names: str) -> Iterator[None]:
    """Let Closte confirm each addition of these domains without adding them."""
    add = sandbox.store.add

    def promise(domain: str, *, wildcard: bool) -> Change:
        return "done" if domain.lower() in names else add(domain, wildcard=wildcard)

    with mock.patch.object(sandbox.store, "add", promise):
        yield


@contextmanager
def undeletable(sandbox: Sandbox, *names: str) -> Iterator[None]:
    """Let Closte answer that these domains are missing when they are removed, but keep them."""
    remove = sandbox.store.remove

    def refuse(domain: str, *, wildcard: bool) -> Change:
        return "already" if domain.lower() in names else remove(domain, wildcard=wildcard)

    with mock.patch.object(sandbox.store, "remove", refuse):
        yield


@contextmanager
def late_list(sandbox: Sandbox) -> Iterator[None]:
    """Freeze the list: later changes do not appear in it."""
    then = Store(sandbox.store.own)
    then.replace(sandbox.store.names)
    with mock.patch.object(sandbox.api, "listing", Api(then, None, sandbox.api.texts).listing):
        yield
