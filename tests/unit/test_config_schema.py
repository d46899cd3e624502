"""Tests of the config errors: each names its line and does not quote the value."""

from __future__ import annotations

import pytest

from closte_bridge.config.load import load_config
from tests.support.configs import Write, only, problems_of

MISTAKEN = """\
api_url: http://example.org
remvoal_delay: 5m
api_key: MYSECRET
wp:
  command: [wp, 5]
  timeot: 4
  ssh: user:MYSECRET@host
dns:
  resolvers:
    - 1.1.1.1
    - nope
    - "[::1]:99999"
wildcard: yes
removal_grace: 8:53
concurrency: 010
ssh: x
networks:
  Bad Name: {}
  prod:
    keep: [foo_bar.org]
    wp: 5
    networks: {}
  b: 7
wildcard: true
certificate_budget: 2024-01-01
"""
TOLD = [
    '1: "api_url" must begin with https:// (http:// works for this machine only).',
    '2: Unknown key "remvoal_delay"; did you mean "removal_delay"?',
    '3: Unknown key "api_key": do not store secrets here; set "api_key_file" to a file with the key.',
    '5: "wp.command" item 2 must be text (quote numbers and booleans).',
    '6: Unknown key "timeot"; did you mean "timeout"?',
    '7: "wp.ssh" must not contain a password; set "ssh_password_file".',
    '11: "dns.resolvers" item 2 must be an IP address such as "1.1.1.1", "8.8.8.8:53" or "[::1]:53".',
    '12: "dns.resolvers" item 3 must have a port from 1 to 65535.',
    '13: "wildcard" must be true or false (unquoted).',
    '14: "removal_grace" must be a duration such as 300, "5m", "24h" or "1h30m".',
    '15: "concurrency" must be an integer from 1 to 64.',
    '16: Unknown key "ssh"; it belongs under "wp".',
    '18: "Bad Name" is not a valid network name; use up to 63 characters from a-z, 0-9, - and _.',
    '20: "networks.prod.keep" item 1 must be a domain name: has an underscore.',
    '21: "networks.prod.wp" must hold settings, such as "key: value".',
    '22: Unknown key "networks".',
    '23: "networks.b" must hold settings, such as "key: value".',
    '24: Duplicate key "wildcard"; first defined on line 13.',
    '25: "certificate_budget" must be an integer from 1 to 1000000.',
]


@pytest.mark.parametrize("text", ["metrics_file: /", "metrics_file: .", f"removal_delay: {10**400}"])
def test_unusable_values_are_errors(write: Write, text: str) -> None:
    (problem,) = problems_of(write(f"{text}\n"))
    assert problem.startswith(f'1: "{text.partition(":")[0]}" must ')


def test_all_errors_are_reported_with_their_lines(write: Write) -> None:
    assert problems_of(write(MISTAKEN)) == TOLD


@pytest.mark.parametrize(
    "line",
    ["api_key", "apikey", "API_KEY", "api-key", "key", "closte_api_key", "CLOSTE_CLIENT_API_KEY", "token", "password",
     "wp: {api_key", "networks: {a: {api_key"],
)  # fmt: skip
def test_api_key_in_the_file_is_refused_without_quoting_it(write: Write, line: str) -> None:
    text = "\n".join(problems_of(write(f"{line}: MYSECRET{'}' * line.count('{')}\n")))
    assert '"api_key_file"' in text
    assert "SECRET" not in text


def test_unknown_keys_are_shortened_and_sanitised(write: Write) -> None:
    found = problems_of(write('"\\e[31m\\nx": MYSECRET\n' + "k" * 100 + ": MYSECRET\n"))
    assert found == ['1: Unknown key "?[31m?x".', f'2: Unknown key "{"k" * 60}…".']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wildcard: 'true'", '"wildcard" must be true or false (unquoted).'),
        ("wildcard: 1", '"wildcard" must be true or false.'),
        ("wildcard: null", '"wildcard" must be true or false.'),
        ("concurrency: '4'", '"concurrency" must be an integer from 1 to 64.'),
        ("concurrency: true", '"concurrency" must be an integer from 1 to 64.'),
        ("concurrency: 0", '"concurrency" must be an integer from 1 to 64.'),
        ("concurrency: 1.0", '"concurrency" must be an integer from 1 to 64.'),
        ("rate_limit: -1", '"rate_limit" must be a number from 0.01 to 1000.'),
        ("rate_limit: true", '"rate_limit" must be a number from 0.01 to 1000.'),
        ("removal_delay: 0", '"removal_delay" must be greater than 0 and at most 365d.'),
        ("removal_delay: 400d", '"removal_delay" must be greater than 0 and at most 365d.'),
        ("removal_delay: '300'", '"removal_delay" must be a duration such as 300, "5m", "24h" or "1h30m".'),
        ("removal_delay: true", '"removal_delay" must be a duration such as 300, "5m", "24h" or "1h30m".'),
        ("tls: {port: 65536}", '"tls.port" must be an integer from 1 to 65535.'),
        ("pulse: 500ms", '"pulse" must be a duration such as 300, "5m", "24h" or "1h30m", or "off".'),
        ("pulse: 0.5", '"pulse" must be at least 1s, or "off".'),
        ("pulse: false", '"pulse" must be a duration such as 300, "5m", "24h" or "1h30m", or "off".'),
        ("listen: 8377", '"listen" must be text (quote numbers and booleans).'),
        ("listen: 127.0.0.1",
         '"listen" must be an IP address with a port such as "127.0.0.1:8377" or "[::]:8377".'),
        ("listen: localhost:8377",
         '"listen" must be an IP address with a port such as "127.0.0.1:8377" or "[::]:8377".'),
        ("listen: 127.0.0.1:0", '"listen" must have a port from 1 to 65535.'),
        ("wake_url: http://ops.example.org/",
         '"wake_url" must begin with https:// (http:// works for this machine only).'),
        ("wake_url: https://u:p@ops.example.org/",
         '"wake_url" must not contain a user, a password, a "?" or a "#".'),
        ("keep: example.org", '"keep" must be a list, such as [first, second].'),
        ("keep: null", '"keep" must be a list, such as [first, second].'),
        ("keep: [localhost]", '"keep" item 1 must be a fully qualified domain name such as "example.org".'),
        ("keep: [192.0.2.1]", '"keep" item 1 must be a fully qualified domain name such as "example.org".'),
        ("keep: ['*']", '"keep" item 1 must be a wildcard such as "*.example.org".'),
        ("wildcards: [example.org]", '"wildcards" item 1 must be a wildcard such as "*.example.org".'),
        ("wildcards: ['*.*.org']", '"wildcards" item 1 must be a domain name: not a host name.'),
        ("api_url: ftp://example.org", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: 'https://'", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: 'https://h:99999/'", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: https://exämple.org/", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: 'https://h\\x'", '"api_url" must be a URL such as "https://app.closte.com/api/client".'),
        ("api_url: https://u:p@h/", '"api_url" must not contain a user, a password, a "?" or a "#".'),
        ("api_url: https://h/?apikey=x", '"api_url" must not contain a user, a password, a "?" or a "#".'),
        ("api_url: http://127.0.0.1.example.org/",
         '"api_url" must begin with https:// (http:// works for this machine only).'),
        ("wp: {command: []}", '"wp.command" must be a list with at least one item.'),
        ("wp: {command: wp}", '"wp.command" must be a list, such as [first, second].'),
        ("wp: {alias: '@all'}", '"wp.alias" must point to a single network; define several under "networks".'),
        ("wp: {alias: prod}", '"wp.alias" must be an alias such as "@prod", in quotes.'),
        ("wp: {ssh: -oProxyCommand=x}", '"wp.ssh" must look like "user@host:22/path".'),
        ("wp: {url: 'https://u:p@h'}",
         '"wp.url" must be the URL of a site such as "https://example.org".'),
        ("wp: {path: ''}", '"wp.path" must not be empty.'),
        ('wp: {path: "a\\0b"}', '"wp.path" must be text on one line without control characters.'),
        ("state_dir: ~no-such-user/x", '"state_dir" begins with the home folder of an unknown user.'),
        ("environments: []", '"environments" must be a list with at least one item.'),
        ("environments: [live]", '"environments" item 1 must be one of local, development, staging, production.'),
        ("dns: {resolvers: [dns.example.org]}",
         '"dns.resolvers" item 1 must be an IP address such as "1.1.1.1", "8.8.8.8:53" or "[::1]:53".'),
        ("networks: [a]", '"networks" must be a mapping of names to settings.'),
        ("networks: {" + "n" * 64 + ": {}}",
         f'"{"n" * 60}…" is not a valid network name; use up to 63 characters from a-z, 0-9, - and _.'),
    ],
)  # fmt: skip
def test_values_are_validated_without_coercion(write: Write, text: str, message: str) -> None:
    assert problems_of(write(text)) == [f"1: {message}"]


@pytest.mark.parametrize("url", ["http://localhost:1/a", "http://[::1]/a", "http://127.9.9.9/a", "https://h/a"])
def test_plain_http_is_accepted_for_localhost(write: Write, url: str) -> None:
    assert only(load_config(write(f"api_url: '{url}'\n"), {"HOME": "/h"})).api_url == url
