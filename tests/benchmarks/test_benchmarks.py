"""The benchmarks run: the smallest form of each that is cheap, and the others when the long tests are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._harness import in_turns

ROOT = Path(__file__).parents[2]

CHEAP = {"signing": ("--rounds", "1", "--urls", "20"), "deciding": ("--rounds", "1", "--count", "50")}
LONG = {
    "throughput": ("--rounds", "1", "--seconds", "0.3", "--mebibytes", "8"),
    "throughput small": ("--workers", "2", "--rounds", "1", "--seconds", "0.3"),
    "slow_clients": ("--clients", "40", "--seconds", "2", "--windows", "2", "--hurry", "2"),
    "memory": ("--gib", "0.05", "--many", "4", "--mebibytes", "8"),
    "plans": ("--rounds", "1", "--seconds", "0.3"),
    "tus": ("--rounds", "1", "--mebibytes", "32"),
    "parts": ("--rounds", "1"),
    "cold_start": ("--rounds", "1"),
}


def run(what: str, arguments: tuple[str, ...]) -> str:
    """What a benchmark says."""
    module, *parts = what.split()
    command = [sys.executable, "-m", f"benchmarks.{module}", *parts, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("what", CHEAP)
def test_a_cheap_benchmark_comes_to_its_figures(what: str) -> None:
    """In its smallest form."""
    assert run(what, CHEAP[what])


@pytest.mark.long
@pytest.mark.parametrize("what", LONG)
def test_a_benchmark_comes_to_its_figures(what: str) -> None:
    """In its smallest form, with all that it starts."""
    said = run(what, LONG[what])

    assert "nan" not in said
    assert "NOT ENDED" not in said


def test_everybody_begins_a_round_in_turn() -> None:
    """What warms up is not counted."""
    asked: list[str] = []

    def turn(name: str) -> int:
        asked.append(name)
        return len(asked)

    turns = in_turns("abc", 3, turn, warm=1)

    assert "".join(asked) == "abc" + "bca" + "cab" + "abc"
    assert turns == {"a": [6, 8, 10], "b": [4, 9, 11], "c": [5, 7, 12]}
