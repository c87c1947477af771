"""The gate counts the same programs again, and says by name what grew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # last: an installed pynn goes before the checkout's

from benchmarks import gate  # noqa: E402
from benchmarks.programs import PROGRAMS  # noqa: E402


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_can_be_repeated(name: str) -> None:
    step = PROGRAMS[name]()
    step()
    step()


def test_every_program_has_a_stored_count_in_each_setting() -> None:
    stored = json.loads(gate.STORED.read_text())
    assert stored
    for counts in stored.values():
        assert counts.keys() == PROGRAMS.keys()
        assert all(count > 0 for count in counts.values())


def test_what_grew_is_named() -> None:
    lines, grown = gate.compare(
        {"a": 1040, "b": 1020, "c": 900, "d": 5}, {"a": 1000, "b": 1000, "c": 1000}
    )
    assert grown == ["a"]
    verdicts = [line.split("  ")[-1] for line in lines]
    assert verdicts == ["grew", "as stored", "fell", "not stored yet"]


def test_the_exit_status_tells_whether_something_grew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = dict.fromkeys(PROGRAMS, 1000)
    monkeypatch.setattr(gate, "STORED", tmp_path / "gate.json")
    monkeypatch.setattr(gate, "missing", lambda: "")
    monkeypatch.setattr(gate, "count", lambda names: {name: counts[name] for name in names})
    assert gate.main([]) == 0
    assert "no counts are stored for Python" in capsys.readouterr().out
    assert gate.main(["--update"]) == 0
    assert gate.main([]) == 0
    counts["one row"] = 1100
    assert gate.main([]) == 1
    assert "3 % grew: one row." in capsys.readouterr().out
    assert gate.main(["--only", "xor"]) == 0
    assert gate.main(["--update", "--only", "one"]) == 0
    assert gate.main([]) == 0


def test_without_valgrind_it_is_skipped_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert gate.main([]) == 0
    assert capsys.readouterr().out == "instruction counts skipped: there is no valgrind\n"


def test_the_compiler_of_the_extension_is_found() -> None:
    assert gate.setting().startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}, ")
    assert "unknown" not in gate.setting()
