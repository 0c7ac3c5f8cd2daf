"""The console's model in Node, held to Python's idea of JSON: a document is edited and merged as text."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WEB = Path(__file__).parents[2] / "gateway" / "web"
ESBUILD = WEB / "node_modules" / ".bin" / "esbuild"

SERVE = """
import { createInterface } from "node:readline";
import { replaced, pretty, read, locate, lineOf } from "./json.js";
import { rebase, applied } from "./merge.js";
const calls = {
  replaced, pretty,
  place: (text, pointer) => lineOf(text, locate(read(text), pointer).offset),
  rebase: (...texts) => { const { text, clashes } = rebase(...texts); return [text, clashes, applied(text, clashes)]; },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  console.log(JSON.stringify(calls[name](...args.map((each) => each ?? undefined)) ?? null));
}
"""

names = st.sampled_from(["a", "b", "size", "~/", "__proto__", "é"])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.text(max_size=6),
    st.lists(st.text(max_size=3), max_size=3),
)
documents = st.dictionaries(names, leaves | st.dictionaries(names, leaves, max_size=3), max_size=4)
layouts = st.sampled_from([{"indent": 2}, {"indent": None}, {"indent": 1, "separators": (" ,", " :")}])
paths = st.lists(names, min_size=1, max_size=2)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Model:
    """The bundled model, a line in and a line out."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, name: str, *args: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([name, *args]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The model in a process of Node."""
    node = shutil.which("node")
    if node is None or not ESBUILD.exists():
        pytest.skip("the pages' packages are not installed; run `make web`")
    script = tmp_path_factory.mktemp("model") / "model.mjs"
    bundle = [
        str(ESBUILD),
        "--bundle",
        "--format=esm",
        "--platform=node",
        "--main-fields=module,main",
        f"--outfile={script}",
    ]
    subprocess.run(
        [*bundle, "--log-level=error"], input=SERVE, text=True, check=True, cwd=WEB / "src" / "console" / "model"
    )
    with subprocess.Popen([node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Model(process)
        assert process.stdin is not None
        process.stdin.close()


def put(document: Any, path: list[str], value: Any) -> Any:
    """What writing a member means; what stands in the way of a path gives way to an object."""
    first, *rest = path
    members = dict(document) if isinstance(document, dict) else {}
    members[first] = put(members.get(first), rest, value) if rest else value
    return members


@given(document=documents, layout=layouts, path=paths, value=leaves)
@thorough
def test_writing_a_member_changes_it_alone(
    model: Model, document: dict[str, Any], layout: dict[str, Any], path: list[str], value: Any
) -> None:
    """Whatever the layout, and with every digit of every number."""
    text = json.dumps(document, ensure_ascii=False, **layout)
    changed = model("replaced", text, path, json.dumps(value))

    assert json.loads(changed) == put(document, path, value)
    assert model("replaced", changed, path, json.dumps(value)) == changed


@given(document=documents, layout=layouts)
@thorough
def test_laying_out_changes_nothing_else(model: Model, document: dict[str, Any], layout: dict[str, Any]) -> None:
    """The same document, in the same order of members, the same way however it came."""
    pretty = model("pretty", json.dumps(document, ensure_ascii=False, **layout))

    assert list(json.loads(pretty).items()) == list(document.items())
    assert model("pretty", pretty) == pretty


@given(base=documents, mine=documents, theirs=documents)
@thorough
def test_merging_takes_every_change_once(
    model: Model, base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """What nobody else touched is theirs to change and mine; with no clash it makes no difference who came first."""
    texts = [json.dumps(each, ensure_ascii=False) for each in (base, mine, theirs)]
    merged, clashes, own = model("rebase", *texts)
    turned, turned_clashes, _ = model("rebase", texts[0], texts[2], texts[1])

    assert sorted(each["pointer"] for each in clashes) == sorted(each["pointer"] for each in turned_clashes)
    if not clashes:
        assert json.loads(merged) == json.loads(turned) == json.loads(own)
    if mine == base:
        assert json.loads(merged) == theirs
    if theirs == base:
        assert json.loads(merged) == mine


@pytest.mark.parametrize(
    ("pointer", "line"),
    [("", 1), ("/a", 2), ("/b/c", 4), ("/b/missing", 3), ("/b/d/1", 5), ("/missing/x", 1), ("/x~1~0", 7)],
)
def test_a_pointer_leads_to_its_line(model: Model, pointer: str, line: int) -> None:
    """Of what is missing, to the nearest part around it."""
    text = '{\n  "a": 1,\n  "b": {\n    "c": 2,\n    "d": [1, 2]\n  },\n  "x/~": 3\n}'

    assert model("place", text, pointer) == line
