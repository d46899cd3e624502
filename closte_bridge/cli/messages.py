"""Errors, warnings and remarks about what a run found and did: on both sides, for records and for stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.render import SHOWN, limit_rule, stage_plan
from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted
from closte_bridge.engine.apply import key_rejected
from closte_bridge.engine.expiry import HINT, expiry_words
from closte_bridge.engine.problems import LOST
from closte_bridge.hosting import Action, Completeness
from closte_bridge.ledger.state import FailureCode
from closte_bridge.planning.authority import WRONG_KEY
from closte_bridge.planning.model import Mode
from closte_bridge.planning.stages import StageHoldCode
from closte_bridge.wordpress.results import RecordOutcome, StageOutcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from closte_bridge.engine.apply import Applied
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.model import Plan
    from closte_bridge.wordpress.results import WriteResult
    from closte_bridge.wordpress.snapshot import Snapshot

_IN_SYNC = Message("success", "Nothing to change.")
_FROM_LEDGER = Message("log", "Nothing to change, based on the ledger.")
_ONLY_IN_WORDPRESS = Message("success", "No domains to add or remove.")
NO_CHANGES = (_IN_SYNC, _FROM_LEDGER, _ONLY_IN_WORDPRESS)
"""The summaries of a run that changes nothing on Closte."""
_RETRY = (
    "closte-bridge retries failed changes, with increasing delays. Retry now with `closte-bridge sync --retry`, or see "
    "the next attempt with `closte-bridge domain explain <domain>`."
)
_RELEASE = "Ask Closte's support to release it from the other application. closte-bridge retries once a day."


def approval_problems(plan: Plan) -> list[Problem]:
    """Return an error for each removal limit that is exceeded."""
    problems = []
    for over_limit in plan.over_limit:
        count = counted(len(over_limit.names), "removal needs", "removals need")
        problems.append(
            Problem(
                code="needs-approval",
                message=f"{count} your approval ({limit_rule(over_limit)}): {_listed(over_limit.names)}.",
                hint="If you intend them, review them with `closte-bridge plan --out=FILE` and run "
                "`closte-bridge apply FILE`. To approve them without a file, run "
                f"`closte-bridge sync --allow-removals={over_limit.digest}`.",
            )
        )
    return problems


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:SHOWN])
    rest = len(names) - SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def side_problems(report: RunReport) -> tuple[list[Problem], list[Problem], list[Message]]:
    """Return errors, warnings and remarks about WordPress, Closte and what this installation may change."""
    errors: list[Problem] = []
    warnings: list[Problem] = []
    remarks: list[Message] = []
    plan = report.plan
    # While the integration is disabled, the list need not be readable.
    if plan.authority.mode is not Mode.INACTIVE:
        (errors if not plan.observed.readable else warnings).extend(_list_problems(report))
    warnings += _snapshot_warnings(report.view.snapshot)
    authority = plan.authority
    if only_key_rejected(report):
        return errors, warnings, remarks
    if authority.mode is Mode.INACTIVE:
        note = Problem(
            code=authority.code, message=f"closte-bridge changes nothing: {authority.reason}.", hint=authority.hint
        )
        remarks.append(Message("warning", note.message, note))
    elif authority.mode is not Mode.FULL:
        word = "Read-only" if authority.mode is Mode.READ_ONLY else "Add-only"
        warnings.append(Problem(code=authority.code, message=f"{word}: {authority.reason}.", hint=authority.hint))
    elif authority.rebind:
        text = "The API key changed. It belongs to the same application, so closte-bridge uses it from now on."
        warnings.append(Problem(code="rebind", message=text))
    return errors, warnings, remarks


def _snapshot_warnings(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.faults:
        text = f"Could not read WordPress completely: {'; '.join(snapshot.faults)}. Removals wait."
        yield Problem(code="snapshot-partial", message=text, hint="Run `wp db check`.")
    if snapshot.went_back:
        text = f"WordPress was probably restored from a backup: {snapshot.went_back}. Removals wait."
        hint = "Check in WordPress that no mapping is missing, then run `closte-bridge adopt`."
        yield Problem(code="database-restored", message=text, hint=hint)


def _list_problems(report: RunReport) -> tuple[Problem, ...]:
    """Return the problem with a list that is unreadable or incomplete."""
    observed = report.plan.observed
    if report.view.listing.key_rejected:
        return Problem.of(key_rejected(report.view.key_source))
    if observed.state is Completeness.UNREADABLE:
        text = f"Could not read Closte's list: {observed.reason}"
        hint = "closte-bridge relies on its ledger meanwhile. Find the cause with `closte-bridge integration test`."
        return (Problem(code="list-unreadable", message=text, hint=hint),)
    if report.lost:
        return (_lost(report),)
    if observed.paged:
        text = f"{observed.reason}. Inferred removals wait. For all other domains, closte-bridge relies on its ledger."
        hint = "Ask Closte's support how to get the complete list."
        return (Problem(code="list-paged", message=text, hint=hint),)
    if observed.state is Completeness.PARTIAL:
        text = f"Closte's list is incomplete: {observed.reason}. Inferred removals wait."
        hint = "Check the domains in Closte's dashboard. If you removed some there, run `closte-bridge adopt`."
        return (Problem(code="list-partial", message=text, hint=hint),)
    return ()


def _lost(report: RunReport) -> Problem:
    """Return the alarm that Closte lost many managed aliases."""
    back = sum(1 for c in report.applied.done if c.name in report.lost) if report.applied else 0
    again = f" closte-bridge added {back} of them again." if report.applied else ""
    return Problem(
        code=LOST,
        message=f"Closte lost {counted(len(report.lost), 'managed domain')}: {_listed(sorted(report.lost))}.{again}",
        hint="Ask Closte's support what happened. If you removed them in its dashboard, run `closte-bridge adopt`.",
        loud=True,
    )


def only_key_rejected(report: RunReport) -> bool:
    """Return whether Closte rejected a changed key: then adopting, the hint for a changed key, would not help."""
    return report.view.listing.key_rejected and report.plan.authority.code == WRONG_KEY


def outcome_problems(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return an error for each change that failed, and the summary of a run."""
    applied = report.applied
    if applied is None:
        return [], []
    errors = [
        Problem(
            code=failure.code or f"{failure.change.action.value}-{failure.kind.value}",
            message=f'Could not {failure.change.action.value} "{failure.change.name}": {failure.message}',
            hint=_RELEASE if failure.code is FailureCode.EXISTS_ELSEWHERE else _RETRY,
            domain=failure.change.name,
        )
        for failure in applied.failed
    ]
    if applied.reread_failed:
        text = f"Removals were skipped, because WordPress could not be read again: {applied.reread_failed.message}"
        errors.append(Problem(code=applied.reread_failed.code, message=text, hint=applied.reread_failed.hint))
    if applied.stopped and applied.not_begun:
        text = f"{counted(len(applied.not_begun), 'change')} skipped: {applied.stopped}"
        errors.append(Problem(code="stopped", message=text, hint="The next run continues with them."))
    summary = _summary(report, applied)
    if isinstance(summary, Problem):
        return [*errors, summary], []
    return errors, [summary]


def _without_changes(report: RunReport) -> Message:
    """Return the summary of a run without changes on Closte; it may have changed stages or domain records."""
    if not report.plan.observed.readable:
        return _FROM_LEDGER
    outcomes = {moved.result.outcome for moved in report.verified.moved} if report.verified else set()
    made = {result.outcome for result in report.records.results.values()} if report.records else set()
    return _ONLY_IN_WORDPRESS if StageOutcome.DONE in outcomes or RecordOutcome.MADE in made else _IN_SYNC


def unknown_domain(name: str, near: str) -> Problem:
    """Return the error for a domain that neither side knows; `near` is a known domain that it resembles, or ""."""
    hint = f"Compare it with `closte-bridge domain list`, or add it with `closte-bridge domain add {name}`."
    return Problem(
        code="unknown-domain",
        message=f'Unknown domain "{name}": not found in WordPress or on Closte.',
        hint=f'Did you mean "{near}"? If not: {hint[0].lower()}{hint[1:]}' if near else hint,
        domain=name,
    )


def unmanaged_requests(report: RunReport) -> list[Problem]:
    """Return a warning for each requested domain on Closte that closte-bridge does not manage."""
    unused = {*report.plan.unmanaged}
    return [
        Problem(
            code="not-managed",
            message=f'"{name}" is on Closte, but '
            f"{'this network does not use it' if name in unused else 'closte-bridge does not manage it'}.",
            hint=f"To use it, map it in WordPress or run `closte-bridge domain add {name}`. "
            "To remove it, use Closte's dashboard."
            if name in unused
            else "Run `closte-bridge adopt` to manage it.",
            domain=name,
        )
        for name in report.unmanaged
    ]


def _summary(report: RunReport, applied: Applied) -> Message | Problem:
    readable = report.plan.observed.readable
    total = {a: sum(1 for c in report.plan.changes if c.action is a) for a in Action}
    for hold in applied.held:
        total[hold.action] -= 1
    done = {a: sum(1 for c in applied.done if c.action is a) for a in Action}
    if not any(total.values()):
        return _without_changes(report)
    parts = [
        f"{verb} {done[action]} of {counted(total[action], 'domain')}"
        for action, verb in ((Action.ADD, "added"), (Action.REMOVE, "removed"))
        if total[action]
    ]
    text = " and ".join(parts).capitalize()
    left = sum(total.values()) - sum(done.values())
    if not left:
        return Message("success" if readable else "log", f"{text}.")
    skipped = min(left, len(applied.not_begun))
    why = ", ".join(f"{n} {word}" for n, word in ((left - skipped, "failed"), (skipped, "skipped")) if n)
    return Problem(code="incomplete", message=f"{text}; {why}.", hint=_RETRY)


def record_messages(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the domain records that a sync created."""
    records = report.records
    if records is None:
        return [], []
    domains = {missing_record.site: missing_record.domain for missing_record in records.due}
    errors = [refusal(site, domains[site], result) for site, result in records.results.items() if result.refused]
    if records.trouble:
        text = f"Could not create domain records: {records.trouble.message}"
        errors.append(Problem(code=records.trouble.code, message=text, hint=records.trouble.hint))
    made = sum(result.outcome is RecordOutcome.MADE for result in records.results.values())
    remarks = [Message("log", f"Created {counted(made, 'domain record')}.")] if made else []
    if records.later:
        remarks.append(Message("log", f"{counted(records.later, 'domain record')} left for the next run."))
    return errors, remarks


def refusal(site: int, domain: str, result: WriteResult[RecordOutcome]) -> Problem:
    """Return the error for a domain record that Ultimate Multisite rejected."""
    return Problem(
        code="record-refused",
        message=f'Ultimate Multisite rejected the domain record "{domain}" of site {site} ({result.text}).',
        domain=domain,
        hint="Check the site in the network admin. closte-bridge retries in an hour.",
    )


def stage_messages(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about the checks and stage changes of a sync."""
    verified = report.verified
    if verified is None:
        return [], []
    errors = [
        Problem(
            code="stage-refused",
            message=f'Ultimate Multisite rejected the stage "{moved.after}" for "{moved.name}" ({moved.result.text}).',
            hint="Check the mapping in Ultimate Multisite. closte-bridge retries in 24 hours.",
            domain=moved.name,
        )
        for moved in verified.moved
        if moved.result.refused
    ]
    if verified.trouble:
        text = f"Could not complete the checks and stage changes: {verified.trouble.message}"
        errors.append(Problem(code=verified.trouble.code, message=text, hint=verified.trouble.hint))
    done = sum(moved.result.outcome is StageOutcome.DONE for moved in verified.moved)
    remarks = []
    if verified.checked:
        valid = sum(1 for one in verified.checked.values() if one.has_https)
        live = f", {sum(verified.live.values())} live" if any(one.http for one in verified.checked.values()) else ""
        checked = counted(len(verified.checked), "domain")
        remarks.append(Message("log", f"Checked {checked}: {valid} with valid HTTPS{live}."))
    if done:
        remarks.append(Message("log", f"Changed the stage of {counted(done, 'mapping')}."))
    if verified.moves_later:
        remarks.append(Message("log", f"{counted(verified.moves_later, 'stage change')} left for the next run."))
    if verified.due_later:
        remarks.append(Message("log", f"{counted(verified.due_later, 'check')} left for the next run."))
    return errors, remarks


def not_revived(report: RunReport, names: Collection[str]) -> list[Problem]:
    """Return an error for each of the `names` to revive whose stage did not change.

    A stage that Ultimate Multisite rejected has its own error, and so has a run that may not change anything.
    """
    if report.applied is None:
        return []
    moved = {moved.name: moved.result.outcome for moved in report.verified.moved} if report.verified else {}
    reasons: dict[str, str] = {}
    if plan := stage_plan(report):
        reasons |= {hold.name: hold.reason for hold in plan.holds}
        reasons |= {change.name: "Ultimate Multisite has not accepted the stage yet" for change in plan.changes}
    changed = "its stage changed in WordPress during the run"
    reasons |= {name: changed for name, outcome in moved.items() if outcome is StageOutcome.CHANGED}
    return [
        Problem(
            code="not-revived",
            message=f'Could not revive "{name}": {reasons.get(name, "its DNS or certificate is not valid now")}.',
            hint=f"See the details with `closte-bridge domain explain {name}`, then try again.",
            domain=name,
        )
        for name in sorted(names)
        if moved.get(name, StageOutcome.CHANGED) is StageOutcome.CHANGED
    ]


def backwards_warnings(report: RunReport) -> list[Problem]:
    """Return a warning if too many working domains failed their checks, so that their stages stay."""
    held = (
        [held.name for held in report.verified.stages.holds if held.code is StageHoldCode.BACKWARDS_LIMIT]
        if report.verified
        else []
    )
    if not held:
        return []
    text = (
        "Too many working domains failed their checks, probably because of a problem on this machine. "
        f"{counted(len(held), 'domain keeps its stage', 'domains keep their stage')}."
    )
    hint = (
        f"Run `closte-bridge doctor`, then `closte-bridge domain check {held[0]}` here and on another machine. "
        "If the domains really are down, change their stage in Ultimate Multisite."
    )
    return [Problem(code="backwards-limit", message=text, hint=hint)]


def silence_warnings(report: RunReport) -> list[Problem]:
    """Return a warning if no DNS or web server answered this machine, so that the checks stopped."""
    silence = report.verified.silence if report.verified else None
    if silence is None:
        return []
    more = [f"{len(silence.peers) - SHOWN} more"] if len(silence.peers) > SHOWN else []
    peers = ", ".join([*silence.peers[:SHOWN], *more])
    if silence.what == "dns":
        return [
            Problem(
                code="dns-silent",
                message=f"No DNS resolver responds: {peers}. DNS and certificate checks wait.",
                hint="Allow outgoing UDP and TCP to port 53, or set other servers under `dns.resolvers` in the config.",
            )
        ]
    return [
        Problem(
            code="tls-silent",
            message=f"No server accepts a connection from this machine, not even the network's own: {peers}. "
            "DNS and certificate checks wait.",
            hint="Allow outgoing connections to port 443, and check `tls.port` in the config.",
        )
    ]


def certificate_warnings(expiring: Sequence[tuple[str, float]], now: float) -> list[Problem]:
    """Return warnings about certificates that expired or expire soon; see `expiry_words`."""
    return [
        Problem(code=words.code, message=words.message, hint=HINT, domain=words.domain)
        for words in expiry_words(expiring, now)
    ]
