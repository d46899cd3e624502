"""Command results and their rendering as text or JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from closte_bridge.cli.formats import Format, check_fields, render_field, render_rows, to_json, to_yaml
from closte_bridge.errors import BridgeError, ExitCode, secondary_errors

if TYPE_CHECKING:
    from closte_bridge.cli.console import Console
    from closte_bridge.cli.formats import Row

ENVELOPE_VERSION = 1
STATUS = {
    ExitCode.OK: "ok",
    ExitCode.FAILURE: "failed",
    ExitCode.USAGE: "invalid",
    ExitCode.NEEDS_APPROVAL: "needs-approval",
    ExitCode.SOME_FAILED: "some-failed",
    ExitCode.UNREADABLE: "unreadable",
    ExitCode.CHANGES_PENDING: "changes",
    ExitCode.READ_ONLY: "read-only",
    ExitCode.LOCKED: "locked",
    ExitCode.INTERRUPTED: "interrupted",
}


# Changes in Ultimate Multisite, which a sync of any domains can include.
_IN_WORDPRESS = frozenset({"stage", "record"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error or a warning. `code` is for programs, `hint` says what to do, `domain` is the affected domain.

    A `loud` warning is shown also with `--quiet`.
    """

    code: str
    message: str
    domain: str | None = None
    hint: str = ""
    loud: bool = False

    @classmethod
    def of(cls, error: BridgeError) -> tuple[Problem, ...]:
        """Return the problem of `error`, or one for each problem that it contains."""
        messages = getattr(error, "problems", None) or (error.message,)
        return tuple(
            cls(code=error.code, message=message, domain=error.domain, hint=error.hint) for message in messages
        )


def secondary_problems(failure: BaseException) -> tuple[Problem, ...]:
    """Return the secondary errors of an exception as warnings."""
    return tuple(problem for error in secondary_errors(failure) for problem in Problem.of(error))


@dataclass(frozen=True, slots=True)
class Message:
    """A human-readable message. `note` is its machine-readable equivalent; a warning shows its hint, too."""

    kind: Literal["log", "success", "warning"]
    text: str
    note: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a command.

    `data` is a list of rows, one mapping, or None. `fields` are the default columns, of which the first is the id.
    `rendered` has the text of formats that are not made from `data`. `colours` are the codes of cells on a terminal, by
    their text. `cost` are counts and seconds, such as API calls.
    """

    exit_code: ExitCode = ExitCode.OK
    data: Sequence[Row] | Row | None = None
    fields: tuple[str, ...] = ()
    rendered: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Return the status for the exit code."""
        return STATUS[self.exit_code]

    @classmethod
    def of_error(cls, error: BridgeError) -> Result:
        """Return the result of a command that `error` stopped."""
        return cls(exit_code=error.exit_code, errors=Problem.of(error), warnings=secondary_problems(error))


@dataclass(slots=True)
class Output:
    """Values of `--format`, `--fields`, `--field` and `--porcelain`."""

    format: Format = Format.TABLE
    fields: tuple[str, ...] = ()
    field: str | None = None
    porcelain: bool = False

    @property
    def is_data(self) -> bool:
        """Return whether stdout is for a program."""
        return self.format is not Format.TABLE or self.field is not None or self.porcelain

    def wants_rows(self, rendered: Collection[str]) -> bool:
        """Return whether the output needs rows, because the chosen format is not among the `rendered` ones."""
        chosen = bool(self.fields) or self.field is not None or self.porcelain
        return chosen or self.format.value not in rendered


def envelope(result: Result, command: str, data: object) -> dict[str, Any]:
    """Return the versioned document of `--format=json`. It always has all of its keys, which are a contract."""
    return {
        "version": ENVELOPE_VERSION,
        "command": command,
        "status": result.status,
        "exit_code": int(result.exit_code),
        "data": data,
        "errors": [problem_data(problem) for problem in result.errors],
        "warnings": [problem_data(problem) for problem in result.warnings],
        "notes": [problem_data(message.note) for message in result.messages if message.note],
        "cost": dict(result.cost),
    }


def show(result: Result, console: Console, output: Output, command: str) -> None:
    """Write `result` to the console in the requested format."""
    if output.format is Format.JSON:
        console.line(to_json(envelope(result, command, _json_data(result, output))))
        return
    boxes = console.stdout_is_terminal
    text = _text(result, output, boxes=boxes, columns=console.columns)
    if text and boxes and output.format is Format.TABLE:
        console.table(text, result.colours)
    elif text:
        console.line(text)
    for (warning, hint), problem in zip(_with_hints(result.warnings), result.warnings, strict=True):
        console.warning(warning, hint, loud=problem.loud)
    for error, hint in _with_hints(result.errors):
        console.error(error, hint)
    for message in () if output.porcelain else result.messages:
        match message.kind:
            case "warning":
                console.warning(message.text, message.note.hint if message.note else "")
            case "success":
                console.success(message.text)
            case "log":
                console.log(message.text)


def _with_hints(problems: Sequence[Problem]) -> Iterator[tuple[str, str]]:
    """Yield messages with hints; consecutive messages with the same hint show it once, after the last."""
    for index, problem in enumerate(problems):
        following = problems[index + 1 : index + 2]
        repeated = bool(following) and following[0].hint == problem.hint
        yield problem.message, "" if repeated else problem.hint


def problem_data(problem: Problem) -> dict[str, str | None]:
    """Return a problem as in the envelope."""
    return {
        "code": problem.code,
        "message": problem.message,
        "domain": problem.domain,
        "hint": problem.hint,
    }


def _columns(result: Result, rows: Sequence[Row], output: Output) -> tuple[str, ...]:
    available = tuple(dict.fromkeys([*result.fields, *(key for row in rows for key in row)]))
    wanted = (output.field,) if output.field is not None else output.fields
    # Without rows, the other fields are unknown.
    if rows:
        check_fields(wanted, available)
    return wanted or result.fields or available


def _json_data(result: Result, output: Output) -> object:
    data = result.data
    if data is None or not (output.fields or output.field is not None):
        return data
    rows = [data] if isinstance(data, Mapping) else data
    columns = _columns(result, rows, output)
    if output.field is not None:
        picked: list[object] = [row.get(output.field) for row in rows]
    else:
        picked = [{name: row.get(name) for name in columns} for row in rows]
    return picked[0] if isinstance(data, Mapping) else picked


def _text(result: Result, output: Output, *, boxes: bool, columns: int | None) -> str:
    data = result.data
    if not output.wants_rows(result.rendered):
        return result.rendered[output.format.value]
    if data is None:
        return ""
    rows = [data] if isinstance(data, Mapping) else data
    names = _columns(result, rows, output)
    if output.field is not None:
        return render_field(rows, output.field)
    if output.porcelain:
        # Only the requested changes that are done, each once.
        wanted = [row for row in rows if row.get("status", "done") == "done" and row.get("change") not in _IN_WORDPRESS]
        done = dict.fromkeys(row[names[0]] for row in wanted)
        return render_field([{names[0]: value} for value in done], names[0])
    if isinstance(data, Mapping):
        if output.format is Format.YAML:
            return to_yaml({name: data.get(name) for name in names})
        if output.format in {Format.TABLE, Format.CSV}:
            rows = [{"Field": name, "Value": data.get(name)} for name in names]
            names = ("Field", "Value")
    return render_rows(rows, names, output.format, boxes=boxes, columns=columns)
