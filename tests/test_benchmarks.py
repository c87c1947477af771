"""The benchmarks run, refuse wrong results, and report what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # last: an installed pynn goes before the checkout's

from benchmarks import pages, plot, report, runner  # noqa: E402
from benchmarks.cases import workloads  # noqa: E402
from benchmarks.peak import Peak  # noqa: E402
from benchmarks.peers import formulas  # noqa: E402
from benchmarks.results import default_path, load, record, save  # noqa: E402
from benchmarks.task import Timed  # noqa: E402
from benchmarks.workload import AtMost, Curve, Faster, ShareOfPeak, Workload  # noqa: E402

NAMES = [w.name for w in workloads("", quick=True)]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run of every workload printed and wrote."""
    path = tmp_path_factory.mktemp("benchmarks") / "quick.json"
    done = run("--quick", "--peers", "pynn,NumPy", "--output", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(path.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_every_workload_runs_and_agrees_with_numpy(
    name: str, quick_run: tuple[str, dict[str, Any]]
) -> None:
    [row] = [r for r in quick_run[1]["rows"] if r["workload"] == name]
    assert row["absent"] == {}
    assert all(figure >= 0 for figure in row["figures"]["pynn"]["all"])


def test_the_table_has_a_line_for_every_workload_and_goal(
    quick_run: tuple[str, dict[str, Any]],
) -> None:
    text, content = quick_run
    lines = text.splitlines()
    for name in NAMES:
        assert any(line.startswith(name) and "pynn" not in line[: len(name)] for line in lines)
    goals = [goal["text"] for row in content["rows"] for goal in row["goals"]]
    assert goals
    assert all(any(goal in line for line in lines) for goal in goals)


def test_results_say_which_machine_and_versions_but_name_no_host_or_folder(
    quick_run: tuple[str, dict[str, Any]],
) -> None:
    content = quick_run[1]
    assert content["machine"]["cpu"]
    assert set(content["rows"][0]["versions"]) == {"pynn", "NumPy"}
    assert str(ROOT) not in json.dumps(content)
    assert default_path(2).name.endswith("-2-threads.json")


def test_selection_and_mistakes() -> None:
    listed = run("--list", "--only", "^training: MNIST")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 3
    for arguments, message in (
        (["--only", "no such thing"], "no workload matches"),
        (["--peers", "pynn,Nobody"], "unknown peer 'Nobody'"),
        (["--repeat", "0"], "at least 1"),
    ):
        refused = run("--quick", *arguments)
        assert refused.returncode == 2
        assert message in refused.stderr


def test_a_missing_peer_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runner.PEERS, "Nobody", "nobody:Nobody")
    with runner.workers(["Nobody"], 1) as crew:
        assert "nobody" in crew["Nobody"].missing


def test_a_peer_whose_process_ends_fails_in_each_row_and_stops_nobody() -> None:
    arguments = {"name": "relu", "size": 8, "dtype": "float32", "domain": (-1, 1)}
    workload = Workload("relu", "", "unary", arguments)
    with runner.workers(["NumPy"], 1) as crew:
        crew["NumPy"]._process.kill()
        for _ in range(2):
            word, reason = crew["NumPy"].prepare(workload)
            assert word == "failed" and "its process ended" in reason


def test_a_peer_with_wrong_results_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"name": "relu", "size": 8, "dtype": "float32", "domain": (-1, 1)}
    workload = Workload("relu", "", "unary", arguments)
    monkeypatch.setattr(runner, "difference", lambda a, b: 0.0 if a is b else 0.5)
    with runner.workers(["NumPy", "pynn"], 1) as crew:
        row = runner.measure(workload, crew, Peak(1), runner.Setting(1, 2, 1e-4))
    assert row.absent["pynn"].startswith("wrong")
    assert list(row.best) == ["NumPy"]


def test_difference_is_relative_to_the_largest_magnitude() -> None:
    one = [np.array([1.0, -100.0])]
    assert runner.difference([np.array([1.0, -101.0])], one) == pytest.approx(0.01)
    assert runner.difference([np.array([1.0])], one) == float("inf")
    assert runner.difference([np.array([np.nan, 1.0])], one) == float("inf")
    assert runner.difference([], one) == 0


def test_a_turn_takes_about_as_long_as_asked() -> None:
    calls = 0

    def count(step: int) -> None:
        nonlocal calls
        calls += step

    task = Timed(count, 1)
    figure = task.turn(0.01)
    assert 0 < figure < 1e-4
    assert calls > 100


def row(**best: float) -> runner.Row:
    goals = (AtMost(2.0, "≤ 2 s"), Faster(2.0, ("NumPy", "JAX")), ShareOfPeak(0.5))
    workload = Workload("w", "g", "k", flops=6.0, goals=goals)
    return runner.Row(workload, {k: [3 * v, v] for k, v in best.items()}, peaks=[4.0, 8.0])


def test_goals_look_at_the_best_figures() -> None:
    goals = record(row(pynn=1.0, NumPy=3.0, JAX=4.0), {})["goals"]
    assert [g["reached"] for g in goals] == [2.0, 1.5, 1.5]
    assert all(g["met"] for g in goals)
    alone = record(row(pynn=4.0), {})["goals"]
    assert [g["reached"] for g in alone] == [0.5, None, 0.375]


def test_a_row_that_a_neighbour_disturbed_is_not_judged() -> None:
    busy = row(pynn=1.0, NumPy=3.0)
    busy.ceiling = 16.0  # twice the best peak of these rounds
    kept = record(busy, {})
    assert kept["disturbed"]
    assert [g["reached"] for g in kept["goals"]] == [None, None, None]
    assert kept["roof"]["share"] is None
    assert "not judged" in report.absences([kept])
    free = row(pynn=1.0)
    free.ceiling = 8.1
    assert not record(free, {})["disturbed"]
    assert row(pynn=0.5).disturbed  # 12 operations a second, more than the best peak of 8


def test_amounts_have_three_digits_and_the_fitting_prefix() -> None:
    assert report.amount(0.99996e-3, "s") == "1.00 ms"
    assert report.amount(754.3e6, "B") == "754 MB"
    assert report.amount(0.0, "s") == "0 ns"


def test_rows_measured_again_replace_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    save(path, {"cpu": "x"}, [record(row(pynn=1.0), {"threads": 1})])
    save(path, {"cpu": "x"}, [record(row(pynn=2.0, NumPy=6.0), {"threads": 2})])
    [kept] = load(path)
    assert kept["threads"] == 2
    assert "3.00× ahead of NumPy" in report.plain(report.rows_tables([kept], list(runner.PEERS))[0])


def test_without_matplotlib_the_plot_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'pynn-native\[bench\]'"):
        plot.draw([], ["pynn"], tmp_path / "p.svg")


def test_the_plot_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "p.svg"
    plot.draw([record(row(pynn=1.0, NumPy=2.0), {})], ["pynn", "NumPy"], path)
    assert path.stat().st_size > 1000


def test_the_readme_shows_the_figures_of_a_result_file() -> None:
    readme = (ROOT / "README.md").read_text()
    path = pages.source(readme)
    assert pages.rewritten(readme, path) == readme
    wide = "MNIST 784-512-512-10, Adam, batch 128, one epoch"
    [record] = [r for r in load(path) if r["workload"] == wide]
    figure = report.amount(record["figures"]["pynn"]["best"], "s")
    [line] = [line for line in readme.splitlines() if line.startswith(f"| {wide}")]
    assert figure in line
    assert pages.rewritten(readme.replace(figure, "1 ns"), path) == readme
    with pytest.raises(ValueError, match="no block"):
        pages.rewritten("# A page without one", path)


def test_the_page_of_a_result_file_has_its_rows_and_targets(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    machine = {"cpu": "x", "cpus": 1, "python": "3", "vector extensions": ["avx2"]}
    save(path, machine, [record(row(pynn=1.0, NumPy=3.0), {"threads": 1})])
    page = pages.page(path)
    assert "| g | pynn | NumPy |" in page
    assert "3.00 s 3.00×" in page
    assert "| ≤ 2 s | 1.00 s | 2.00× | met |" in page


def test_the_roof_is_the_lower_one_of_arithmetic_and_memory() -> None:
    workload = Workload("w", "g", "k", flops=6.0, bytes=12.0)
    kernel = runner.Row(workload, {"pynn": [2.0]}, peaks=[8.0], bandwidths=[10.0])
    assert kernel.roof == (5.0, "memory")
    assert kernel.share_of_roof == pytest.approx(0.6)  # 3 operations a second of 5
    kernel.bandwidths = [100.0]
    assert kernel.roof == (8.0, "arithmetic")
    assert record(kernel, {})["roof"] == {"limited by": "arithmetic", "share": 0.375}


def test_scaling_curves_and_the_roofline_are_drawn_beside_the_ratios(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    point = Workload("w", "scaling", "train", curve=Curve("width", 8, 16))
    kernel = Workload("k", "g", "unary", flops=6.0, bytes=12.0)
    both = {"pynn": [1.0], "NumPy": [2.0]}
    rows = [
        runner.Row(point, dict(both)),
        runner.Row(kernel, dict(both), peaks=[8.0], bandwidths=[10.0]),
    ]
    drawn = plot.draw([record(r, {}) for r in rows], ["pynn", "NumPy"], tmp_path / "p.svg")
    assert [p.name for p in drawn] == ["p.svg", "p-scaling.svg", "p-roofline.svg"]
    assert "width" in drawn[1].read_text()
    assert "GB/s" in drawn[2].read_text()


def test_the_other_networks_are_many_and_different() -> None:
    others = [w for w in workloads("", quick=True) if w.group == "other networks"]
    networks = [w.arguments["network"] for w in others]
    assert len(networks) >= 6
    assert {n.optimizer for n in networks} == {"adam", "sgd", "nesterov", "rmsprop", "adadelta"}
    assert len({n.activation for n in networks}) >= 5


def test_hand_written_slopes_are_derivatives() -> None:
    z = np.linspace(-3, 3, 61)[1::2]  # 0 is not among them
    for name, slope in formulas.SLOPES.items():
        function = formulas.find(name)
        assert function is not None
        y, ahead, behind = (function(z + h, np.empty_like(z)) for h in (0.0, 1e-6, -1e-6))
        np.testing.assert_allclose(slope(z, y), (ahead - behind) / 2e-6, atol=1e-8, err_msg=name)
