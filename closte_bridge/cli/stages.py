"""Render the stage changes in Ultimate Multisite, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.plan_lines import SHOWN, more, plan_row
from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted
from closte_bridge.wordpress.results import StageOutcome

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from closte_bridge.cli.formats import Row
    from closte_bridge.cli.plan_lines import Line
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.stages import StagePlan


def stage_plan(report: RunReport) -> StagePlan | None:
    """Return the stages of a report: after the checks of a sync, or from the ledger in a plan."""
    return report.verified.stages if report.verified else report.stages


def stage_lines(report: RunReport) -> list[Line]:
    """Return a line for each stage change, and for the first ones that are on hold."""
    plan = stage_plan(report)
    if plan is None:
        return []
    lines = [(">", c.name, f"stage {c.mapping.stage} -> {c.stage}: {c.reason}") for c in plan.changes]
    lines += [("~>", held.name, f"stage on hold: {held.reason}") for held in plan.holds[:SHOWN]]
    return lines + more(len(plan.holds), "stage", "on hold")


def stage_rows(report: RunReport, network: str) -> list[Row]:
    """Return a row for each stage change, including those on hold."""
    plan = stage_plan(report)
    if plan is None:
        return []
    results = {moved.name: moved.result.outcome for moved in report.verified.moved} if report.verified else {}
    statuses = {None: "planned", StageOutcome.DONE: "done", StageOutcome.CHANGED: "on-hold"}
    rows = []
    for c in plan.changes:
        status = statuses.get(results.get(c.name), "failed")
        rows.append(plan_row(network, c.name, "stage", status, f"{c.mapping.stage} -> {c.stage}: {c.reason}"))
    return rows + [plan_row(network, held.name, "stage", "on-hold", held.reason) for held in plan.holds]


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
        valid = sum(1 for checked in verified.checked.values() if checked.has_https)
        remarks.append(Message("log", f"Checked {counted(len(verified.checked), 'domain')}: {valid} with valid HTTPS."))
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
    from closte_bridge.planning.stages import StageHoldCode  # noqa: PLC0415 - loaded by the sync before

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
    from closte_bridge.engine.expiry import HINT, expiry_words  # noqa: PLC0415 - rarely needed

    return [
        Problem(code=words.code, message=words.message, hint=HINT, domain=words.domain)
        for words in expiry_words(expiring, now)
    ]
