"""Show which mappings move to another stage in Ultimate Multisite, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from closte_bridge.cli.result import Message, Problem
from closte_bridge.counts import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from closte_bridge.cli.formats import Row
    from closte_bridge.engine.run import RunReport
    from closte_bridge.planning.stages import StagePlan

_SHOWN = 10


def stage_plan(report: RunReport) -> StagePlan | None:
    """Return the stages of a report: of what was looked at in a sync, or of what the ledger knew in a plan."""
    return report.verified.stages if report.verified else report.stages


def stage_lines(report: RunReport) -> list[tuple[str, str, str]]:
    """Return a line for each mapping that moves, and for those that a rule holds."""
    plan = stage_plan(report)
    if plan is None:
        return []
    lines = [(">", c.name, f"stage {c.mapping.stage} -> {c.stage}: {c.reason}") for c in plan.changes]
    lines += [("~>", held.name, f"stage held: {held.reason}") for held in plan.holds[:_SHOWN]]
    if len(plan.holds) > _SHOWN:
        lines.append((" ", "…", f"{counted(len(plan.holds) - _SHOWN, 'more stage')} held"))
    return lines


def stage_rows(report: RunReport, network: str) -> list[Row]:
    """Return a row for each mapping whose stage moves or is held."""
    plan = stage_plan(report)
    if plan is None:
        return []
    results = {moved.name: moved.result for moved in report.verified.moved} if report.verified else {}

    def row(name: str, status: str, reason: str) -> Row:
        return {
            "domain": name,
            "change": "stage",
            "status": status,
            "reason": reason,
            "until": None,
            "network": network,
        }

    words = {"done": "done", "changed": "on-hold"}
    rows = [
        row(
            c.name,
            words.get(results[c.name], "failed") if c.name in results else "planned",
            f"{c.mapping.stage} -> {c.stage}: {c.reason}",
        )
        for c in plan.changes
    ]
    return rows + [row(held.name, "on-hold", held.reason) for held in plan.holds]


def stage_words(report: RunReport) -> tuple[list[Problem], list[Message]]:
    """Return errors and remarks about what a sync did to stages."""
    verified = report.verified
    if verified is None:
        return [], []
    errors = [
        Problem(
            code="stage-refused",
            message=f'Ultimate Multisite did not take the stage "{moved.after}" for "{moved.name}" ({moved.result}).',
            hint="Look at the mapping in Ultimate Multisite; it is tried again after a day.",
            domain=moved.name,
        )
        for moved in verified.moved
        if moved.result.startswith("refused")
    ]
    if verified.trouble:
        text = f"DNS, certificates and stages were not seen to: {verified.trouble.message}"
        errors.append(Problem(code=verified.trouble.code, message=text, hint=verified.trouble.hint))
    done = sum(1 for moved in verified.moved if moved.result == "done")
    remarks = []
    if verified.checked:
        right = sum(1 for checked in verified.checked.values() if checked.has_https)
        remarks.append(
            Message("log", f"Checked {counted(len(verified.checked), 'domain')}: {right} with their padlock.")
        )
    if done:
        remarks.append(Message("log", f"Moved {counted(done, 'mapping')} to another stage."))
    if verified.moves_later:
        remarks.append(
            Message("log", f"{counted(verified.moves_later, 'mapping')} more to move; the next run goes on.")
        )
    if verified.due_later:
        remarks.append(Message("log", f"{counted(verified.due_later, 'check')} more due; the next run goes on."))
    return errors, remarks


def not_revived(report: RunReport, names: Collection[str]) -> list[Problem]:
    """Return an error for each of the `names` that were to be revived and did not move.

    One whose stage Ultimate Multisite refused has an error of its own, and so has a run that may change nothing.
    """
    if report.applied is None:
        return []
    moved = {moved.name: moved.result for moved in report.verified.moved} if report.verified else {}
    reasons: dict[str, str] = {}
    if plan := stage_plan(report):
        reasons |= {hold.name: hold.reason for hold in plan.holds}
        reasons |= {change.name: "Ultimate Multisite has not taken the stage yet" for change in plan.changes}
    reasons |= {name: "its stage was changed meanwhile" for name, result in moved.items() if result == "changed"}
    return [
        Problem(
            code="not-revived",
            message=f'"{name}" was not revived: {reasons.get(name, "DNS and certificate do not prove it now")}.',
            hint=f"`closte-bridge domain explain {name}` says more; then try it again.",
            domain=name,
        )
        for name in sorted(names)
        if moved.get(name, "changed") == "changed"
    ]


def backwards_warnings(report: RunReport) -> list[Problem]:
    """Return a warning when so many mappings that are done seem to be wrong that none goes backwards."""
    from closte_bridge.planning.stages import TOO_MANY  # noqa: PLC0415 - loaded by the sync before

    held = [held.name for held in report.verified.stages.holds if held.code == TOO_MANY] if report.verified else []
    if not held:
        return []
    text = (
        f"{counted(len(held), 'mapping')} of those that are done {'was' if len(held) == 1 else 'were'} seen to be "
        "wrong, and none was moved: so many at once are most likely what this machine alone sees."
    )
    hint = (
        f"Run `closte-bridge doctor` and `closte-bridge domain check {held[0]}`, and look at it from another machine. "
        "What is wrong for everybody can be given another stage in Ultimate Multisite."
    )
    return [Problem(code="backwards-limit", message=text, hint=hint)]


def silence_warnings(report: RunReport) -> list[Problem]:
    """Return a warning when nothing answered this machine, so that the checks of this run ended."""
    silence = report.verified.silence if report.verified else None
    if silence is None:
        return []
    more = [f"{len(silence.peers) - _SHOWN} more"] if len(silence.peers) > _SHOWN else []
    peers = ", ".join([*silence.peers[:_SHOWN], *more])
    if silence.what == "dns":
        return [
            Problem(
                code="dns-silent",
                message=f"None of the resolvers answers: {peers}. Checks of DNS and certificates wait.",
                hint="Check this machine's way out to port 53 over UDP and TCP, or name other servers under "
                "`dns.resolvers` in the config.",
            )
        ]
    return [
        Problem(
            code="tls-silent",
            message=f"No server accepts a connection from this machine, the network's own included: {peers}. "
            "Checks of DNS and certificates wait.",
            hint="Check this machine's way out to port 443, and `tls.port` in the config.",
        )
    ]


def certificate_warnings(expiring: Sequence[tuple[str, float]], now: float) -> list[Problem]:
    """Return warnings about certificates that have ended or soon will; see `expiry_words`."""
    from closte_bridge.engine.expiry import HINT, expiry_words  # noqa: PLC0415 - for those who have one

    return [
        Problem(code=words.code, message=words.message, hint=HINT, domain=words.domain)
        for words in expiry_words(expiring, now)
    ]
