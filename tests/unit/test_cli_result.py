from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from closte_bridge.cli.console import Console
from closte_bridge.cli.formats import Format
from closte_bridge.cli.result import STATUS, Message, Output, Problem, Result, envelope, show
from closte_bridge.config.problems import InvalidConfigError
from closte_bridge.errors import BridgeError, ConfigError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = [{"domain": "a.example", "stage": "wanted", "more": 1}, {"domain": "b.example", "stage": "https-ok", "more": 2}]
LISTED = Result(
    data=ROWS, fields=("domain", "stage"), messages=(Message("log", "Two."), Message("success", "Listed 2 domains."))
)
ONE = Result(data={"domain": "a.example", "stage": "wanted"}, fields=("domain", "stage"))


def shown(result: Result, output: Output | None = None, command: str = "domain list") -> tuple[str, str]:
    output = output or Output()
    out, err = io.StringIO(), io.StringIO()
    console = Console(io.StringIO(), out, err, environ={})
    console.data_only = output.is_data
    show(result, console, output, command)
    return out.getvalue(), err.getvalue()


def test_envelope_keys_are_a_contract() -> None:
    result = Result(
        exit_code=ExitCode.SOME_FAILED,
        data=ROWS,
        fields=("domain",),
        errors=(Problem(code="refused", message="Refused.", domain="a.example", hint="Ask."),),
        warnings=(Problem(code="slow", message="Slow."),),
        cost={"requests": 3, "seconds": 1.5},
        messages=(
            Message("success", "Done."),
            Message("log", "Off. Switch it on.", Problem(code="off", message="Off.", hint="Switch it on.")),
        ),
    )
    out, err = shown(result, Output(format=Format.JSON))
    assert err == ""
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "version": 1,
        "command": "domain list",
        "status": "some-failed",
        "exit_code": 4,
        "data": ROWS,
        "errors": [{"code": "refused", "message": "Refused.", "domain": "a.example", "hint": "Ask."}],
        "warnings": [{"code": "slow", "message": "Slow.", "domain": None, "hint": ""}],
        "notes": [{"code": "off", "message": "Off.", "domain": None, "hint": "Switch it on."}],
        "cost": {"requests": 3, "seconds": 1.5},
    }
    assert [*envelope(Result(), "", None)] == [
        "version", "command", "status", "exit_code", "data", "errors", "warnings", "notes", "cost",
    ]  # fmt: skip


def test_each_exit_code_has_a_status() -> None:
    assert set(STATUS) == set(ExitCode)
    assert len(set(STATUS.values())) == len(ExitCode)
    assert Result(exit_code=ExitCode.CHANGES_PENDING).status == "changes"


def test_porcelain_lists_the_requested_changes_only() -> None:
    """A mapping whose stage changed in the same run is not an added domain."""
    rows = [
        {"domain": "record.example", "change": "record", "status": "done"},
        {"domain": "new.example", "change": "add", "status": "done"},
        {"domain": "failed.example", "change": "add", "status": "failed"},
        {"domain": "old.example", "change": "stage", "status": "done"},
    ]
    result = Result(data=rows, fields=("domain", "change", "status"))
    assert shown(result, Output(porcelain=True)) == ("new.example\n", "")


def test_rows_are_rendered_as_text() -> None:
    assert shown(LISTED) == (
        "domain\tstage\na.example\twanted\nb.example\thttps-ok\nTwo.\nSuccess: Listed 2 domains.\n",
        "",
    )
    assert shown(LISTED, Output(format=Format.CSV)) == (
        "domain,stage\na.example,wanted\nb.example,https-ok\n",
        "Two.\nSuccess: Listed 2 domains.\n",
    )
    assert shown(LISTED, Output(fields=("more", "domain")))[0].startswith("more\tdomain\n1\ta.example\n")
    assert shown(LISTED, Output(field="more"))[0] == "1\n2\n"
    assert shown(LISTED, Output(porcelain=True)) == ("a.example\nb.example\n", "")
    assert shown(Result(data=[], fields=("domain",)), Output(format=Format.IDS)) == ("", "")


@pytest.mark.parametrize(
    ("output", "data"),
    [
        (Output(format=Format.JSON), ROWS),
        (Output(format=Format.JSON, fields=("more",)), [{"more": 1}, {"more": 2}]),
        (Output(format=Format.JSON, field="more"), [1, 2]),
    ],
)
def test_rows_are_rendered_as_json(output: Output, data: object) -> None:
    assert json.loads(shown(LISTED, output)[0])["data"] == data
    assert json.loads(shown(Result(data=[], fields=("more",)), output)[0])["data"] == []


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output(), "Field\tValue\ndomain\ta.example\nstage\twanted\n"),
        (Output(format=Format.CSV), "Field,Value\ndomain,a.example\nstage,wanted\n"),
        (Output(format=Format.YAML), "domain: a.example\nstage: wanted\n"),
        (Output(format=Format.COUNT), "1\n"),
        (Output(format=Format.IDS), "a.example\n"),
        (Output(field="stage"), "wanted\n"),
        (Output(fields=("stage",)), "Field\tValue\nstage\twanted\n"),
    ],
)
def test_single_object_is_rendered_as_text(output: Output, text: str) -> None:
    assert shown(ONE, output)[0] == text


def test_single_object_is_rendered_as_json() -> None:
    def data(output: Output) -> object:
        return json.loads(shown(ONE, output)[0])["data"]

    assert data(Output(format=Format.JSON)) == ONE.data
    assert data(Output(format=Format.JSON, fields=("stage",))) == {"stage": "wanted"}
    assert data(Output(format=Format.JSON, field="stage")) == "wanted"
    assert json.loads(shown(Result(), Output(format=Format.JSON))[0])["data"] is None


def test_unknown_field_is_an_error() -> None:
    for fmt in (Format.TABLE, Format.JSON):
        with pytest.raises(ConfigError, match='Unknown field: "nope"'):
            shown(LISTED, Output(format=fmt, fields=("nope",)))


def test_prerendered_text_is_used_for_its_format_only() -> None:
    result = Result(data=ROWS, fields=("domain",), rendered={"table": "As people like it."})
    assert shown(result)[0] == "As people like it.\n"
    assert shown(result, Output(format=Format.IDS))[0] == "a.example b.example\n"
    assert shown(result, Output(field="domain"))[0] == "a.example\nb.example\n"


@pytest.mark.parametrize(
    ("hints", "lines"),
    [
        (("Same.", "Same."), ["Error: One.", "Error: Two.", "Same."]),
        (("First.", "Second."), ["Error: One.", "First.", "Error: Two.", "Second."]),
        (("", "Second."), ["Error: One.", "Error: Two.", "Second."]),
    ],
)
def test_errors_share_equal_hints(hints: Sequence[str], lines: Sequence[str]) -> None:
    errors = tuple(
        Problem(code="x", message=text, hint=hint) for text, hint in zip(("One.", "Two."), hints, strict=True)
    )
    result = Result(errors=errors, warnings=(Problem(code="y", message="Careful."),))
    assert shown(result) == ("", "\n".join(["Warning: Careful.", *lines, ""]))


def test_error_becomes_a_result() -> None:
    error = BridgeError("No.", code="no", hint="Try.", exit_code=ExitCode.UNREADABLE, domain="a.example")
    assert Result.of_error(error) == Result(
        exit_code=ExitCode.UNREADABLE, errors=(Problem(code="no", message="No.", domain="a.example", hint="Try."),)
    )
    several = Result.of_error(InvalidConfigError(("f:1: a.", "f:2: b."), hint="Mend it."))
    assert [problem.message for problem in several.errors] == ["f:1: a.", "f:2: b."]
