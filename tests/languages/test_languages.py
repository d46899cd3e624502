"""The translations are current, complete and shipped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from closte_bridge.shim.files import texts
from tests.languages.files import LANGUAGES, POT, SHIM, entries, outdated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.languages.files import Entry

TRANSLATIONS = [path.name for path in sorted(LANGUAGES.glob("*.po"))]
CODE = re.compile(r"`[^`]+`")
PLACEHOLDER = re.compile(r"%(?:\d+\$)?[sd]")
CALL = re.compile(r"(?<![\w\\>:])(\\?(?:__|_e|_x|_n|_nx|esc_html__|esc_attr__|esc_html_e|esc_attr_e|esc_html_x))\(")


@pytest.mark.real
def test_files_follow_the_sources() -> None:
    """If this fails, run `python -m tests.languages --write`, and translate what is new."""
    assert list(outdated()) == []


def sources(suffix: str = "*.php") -> list[Path]:
    return [path for path in SHIM.rglob(suffix) if path.parent != LANGUAGES]


def test_bengali_is_shipped() -> None:
    assert TRANSLATIONS == ["closte-bridge-bn_BD.po"]
    assert "closte-bridge/languages/closte-bridge-bn_BD.l10n.php" in texts()


def mistakes(entry: Entry) -> list[str]:
    """Return what is wrong with a translation."""
    if "fuzzy" in entry.flags or not all(entry.translations):
        return ["untranslated"]
    found = []
    for text in entry.translations:
        # A plural form may leave out the number, but nothing else.
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(entry.text)):
            found.append("placeholders")
        if sorted(CODE.findall(text)) != sorted(CODE.findall(entry.text)):
            found.append("commands")
        if text.count("\n") != entry.text.count("\n"):
            found.append("lines")
    return found


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_every_text_is_translated(name: str) -> None:
    known = {(entry.context, entry.text, entry.plural) for entry in entries(name)}
    wanted = [(entry.context, entry.text, entry.plural) for entry in entries(POT)]
    assert [text for text in wanted if text not in known] == []
    assert [(entry.text, found) for entry in entries(name) if (found := mistakes(entry))] == []


def test_every_text_of_the_shim_can_be_translated() -> None:
    """Tools find only these calls, with literal texts and the text domain; the others stay English forever."""
    found = []
    for path in sources():
        source = path.read_text(encoding="utf-8")
        for call in CALL.finditer(source):
            rest = source[call.end() :]
            if call[1].startswith("\\") or not re.match(r"""\s*['"]""", rest):
                found.append(f"{path.name}: {rest[:60]}")
            elif "'closte-bridge'" not in rest[: rest.index(";") if ";" in rest else None]:
                found.append(f"{path.name}: no text domain: {rest[:60]}")
    assert found == []


def test_each_class_with_texts_loads_the_translations() -> None:
    without = [
        path.name
        for path in sources()
        if CALL.search(text := path.read_text(encoding="utf-8"))
        and not re.search(r"self::load\(\)|run\( 'Messages', 'load' \)", text)
    ]
    # `Phrases` is their only caller.
    assert sorted(set(without) - {"class-advice.php", "class-instructions.php", "class-labels.php"}) == []


def test_styles_fit_languages_that_are_written_from_right_to_left() -> None:
    """Logical properties, such as `margin-inline-start`, follow the direction of the language."""
    physical = re.compile(
        r"(?:margin|padding|border)-(?:left|right)|(?:float|text-align|clear): *(?:left|right)"
        r"|[;{\s\"'](?:left|right) *:"
    )
    styles = [*sources("*.css"), *sources()]
    assert [
        (path.name, found[0]) for path in styles if (found := physical.search(path.read_text(encoding="utf-8")))
    ] == []
