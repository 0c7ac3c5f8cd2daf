"""The snippets of the how-to, as they stand there, in the browser: what is shown is what works."""

import re
from pathlib import Path

import pytest

from tests.browser.stage import HERE, MIB, MODULES, Stage, Visit, bundle, random_file

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        not (MODULES / "esbuild").exists(), reason="The clients are not installed: npm ci in tests/browser"
    ),
]

PAGE = HERE.parents[1] / "docs" / "how-to" / "uppy.md"


def snippets() -> list[tuple[str, str]]:
    """Each snippet with each version that it is for."""
    found = re.findall(r"^```js ([\w ]+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [(version, text) for versions, text in found for version in versions.split()]


@pytest.mark.parametrize("size", [1000, pytest.param(101 * MIB, marks=pytest.mark.long)], ids=["whole", "parts"])
@pytest.mark.parametrize("snippet", snippets(), ids=[version for version, _ in snippets()])
def test_a_snippet_uploads(stage: Stage, visit: Visit, tmp_path: Path, snippet: tuple[str, str], size: int) -> None:
    """In one piece, and in the parts that Uppy makes of a large file; only the address and a token are filled in."""
    version, text = snippet
    entry = tmp_path / "page.js"
    entry.write_text(text.replace("https://uploads.example", stage.url) + "\nwindow.uppy = uppy;\n")
    bundle(entry, stage.pages / f"{tmp_path.name}.js", version, "esm")
    page = stage.pages / f"{tmp_path.name}.html"
    script = f'<script type="module" src="{tmp_path.name}.js"></script>'
    page.write_text(f'<!doctype html><meta charset="utf-8"><input type="file">{script}')
    file = tmp_path / f"{tmp_path.name}.bin"
    digest = random_file(file, size)
    visit.page.add_init_script(f"window.accessToken = () => '{stage.token()}'")
    visit.page.goto(f"{stage.site}/{page.name}")
    visit.page.wait_for_function("window.uppy")
    visit.page.set_input_files("input", str(file))
    stored = visit.page.evaluate(
        """async () => {
          const [data] = document.querySelector("input").files;
          uppy.addFile({ name: data.name, type: data.type, data });
          return (await uppy.upload()).successful.length;
        }"""
    )
    assert stored == 1
    assert stage.stored(f"acme/{file.name}") == digest
