"""The template (`.pot`), the translations (`.po`), and the files that WordPress loads (`.l10n.php`)."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.parts import REPOSITORY, find_parts

SHIM = REPOSITORY / "php-shim"
LANGUAGES = SHIM / "closte-bridge" / "languages"
POT = "closte-bridge.pot"
# WP-CLI adds no dates and names then, so that the files change only with the texts.
_HEADERS = (
    '{"POT-Creation-Date":"","PO-Revision-Date":"","Report-Msgid-Bugs-To":"","Last-Translator":"","Language-Team":""}'
)
_OPTIONS = (
    "--domain=closte-bridge",
    "--slug=closte-bridge",
    "--package-name=closte-bridge",
    "--file-comment=Texts that closte-bridge shows in WordPress. License: MIT.",
    "--skip-js",
    "--no-location",
    f"--headers={_HEADERS}",
)


def outdated() -> dict[str, str]:
    """Return the files that differ from what the sources give, with their new text, by their names.

    New texts are added to the translations without a translation, and texts that are gone are removed.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _wp("make-pot", str(SHIM), str(folder / POT), *_OPTIONS)
        for path in LANGUAGES.glob("*.po"):
            shutil.copy(path, folder)
        _strip(folder / POT)
        _wp("update-po", str(folder / POT), scratch)
        _wp("make-php", scratch)
        return {
            path.name: text
            for path in sorted(folder.iterdir())
            if (text := path.read_text(encoding="utf-8")) != _current(path.name)
        }


def _current(name: str) -> str | None:
    path = LANGUAGES / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _strip(pot: Path) -> None:
    """Remove the version of WP-CLI."""
    pot.write_text(re.sub(r'^"X-Generator: .*\n', "", pot.read_text(encoding="utf-8"), flags=re.MULTILINE))


def _wp(*args: str) -> None:
    parts = find_parts()
    argv = [parts.php, str(parts.wp_cli), "--allow-root", "i18n", *args]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    # `make-pot` warns if one text has several comments for translators, or a placeholder has none.
    if done.returncode or "Warning:" in done.stderr:
        raise AssertionError(f"{args[0]}:\n{done.stdout}\n{done.stderr}")


@dataclass
class Entry:
    """One text of a `.po` or `.pot` file. `translations` has one text per plural form."""

    text: str = ""
    plural: str = ""
    context: str = ""
    flags: str = ""
    translations: list[str] = field(default_factory=list)


def entries(name: str) -> list[Entry]:
    """Return the texts of a file, without the header."""
    found = [_entry(block) for block in (LANGUAGES / name).read_text(encoding="utf-8").split("\n\n")]
    return [entry for entry in found if entry.text]


_LINE = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr)(?:\[\d\])? )?"(.*)"')


def _entry(block: str) -> Entry:
    entry, last = Entry(), ""
    for line in block.splitlines():
        if line.startswith("#,"):
            entry.flags += line
        if not (found := _LINE.fullmatch(line)):
            continue
        last, text = found[1] or last, found[2].replace(r"\"", '"').replace(r"\n", "\n").replace(r"\\", "\\")
        if found[1] == "msgstr":
            entry.translations.append(text)
        elif last == "msgstr":
            entry.translations[-1] += text
        else:
            name = {"msgctxt": "context", "msgid": "text", "msgid_plural": "plural"}[last]
            setattr(entry, name, getattr(entry, name) + text)
    return entry
