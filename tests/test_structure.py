"""The rules of docs/design.md about what may be where, checked on the sources."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from pynn import layers

ROOT = Path(__file__).resolve().parents[1]
NATIVE = ROOT / "csrc"
# Data goes from left to right; a file may include from its own layer and those to its right.
LAYERS = ["bindings", "program", "ops", "kernels", "runtime"]
SOURCES = sorted(
    f for f in NATIVE.rglob("*") if f.suffix in {".h", ".cpp", ".cu"} and "tests" not in f.parts
)
KERNEL_FILES = [f for f in SOURCES if f.parent == NATIVE / "kernels" / "cpu"]
CUDA_FILES = [f for f in SOURCES if f.parent == NATIVE / "kernels" / "cuda"]


def layer(path: Path) -> str:
    return path.relative_to(NATIVE).parts[0]


def code(path: Path) -> str:
    """The file without its comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_sources_are_where_the_rules_look() -> None:
    assert {layer(f) for f in SOURCES} == set(LAYERS)
    assert KERNEL_FILES and CUDA_FILES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_includes_go_one_way(path: Path) -> None:
    included = re.findall(r'#include "(\w+)/', code(path))
    allowed = LAYERS[LAYERS.index(layer(path)) :]
    assert set(included) <= set(allowed), f"{name(path)} may include {allowed}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_pybind11_and_python_stay_in_bindings(path: Path) -> None:
    mentions = re.search(r"pybind11|Python\.h|PyObject", code(path))
    assert layer(path) == "bindings" or mentions is None


@pytest.mark.parametrize("path", [f for f in SOURCES if layer(f) == "program"], ids=name)
def test_programs_ask_traits_and_name_no_op(path: Path) -> None:
    rows = set(re.findall(r"ROW\((\w+)[,)]", (NATIVE / "kernels" / "lists.h").read_text()))
    assert len(rows) > 30
    text = code(path)
    assert not re.search(r'\bop\("', text)
    assert not {s for s in re.findall(r'"(\w+)"', text) if s in rows}
    assert "Pointwise::" not in text


@pytest.mark.parametrize("path", [f for f in SOURCES if layer(f) == "ops"], ids=name)
def test_gradient_rules_emit_ops_and_call_no_kernel(path: Path) -> None:
    # From the line that opens the rule to the brace that closes it, at the same indentation.
    pattern = r"^( *)([^\n]*\(const GradientArgs&[^\n]*\{\n.*?)\n\1\}"
    for _, rule in re.findall(pattern, code(path), flags=re.S | re.M):
        assert "kernels::table" not in rule and "parallel_for" not in rule


@pytest.mark.parametrize("path", [*KERNEL_FILES, *CUDA_FILES], ids=name)
def test_kernel_files_are_self_contained(path: Path) -> None:
    banned = r"#include <(vector|string|map|algorithm|functional|memory|array|iostream|stdexcept)>"
    text = code(path)
    assert not re.search(banned, text)
    assert not re.search(r"\bthrow\b|\bnew\b|\bmalloc\b|std::vector|std::string", text)
    if path.suffix == ".cu" or (path.suffix == ".cpp" and path in KERNEL_FILES):
        filled = re.findall(r"^void (fill_\w+)\(Table& \w+\)", text, flags=re.M)
        assert set(filled) == {f"fill_{path.stem}"}


def test_every_family_of_cuda_kernels_enters_the_table() -> None:
    table = code(NATIVE / "kernels" / "cuda" / "table.cpp")
    families = re.search(r"#define PYNN_FAMILIES\(ROW\)(.*)", table)
    assert families is not None
    rows = re.findall(r"ROW\((\w+)\)", families[1])
    assert sorted(rows) == sorted(f.stem for f in CUDA_FILES if f.suffix == ".cu")


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_isa_macros_are_tested_in_the_vector_header_only(path: Path) -> None:
    allowed = path.name == "vec.h" or layer(path) == "runtime"
    isa = re.search(r"__AVX|__SSE|__ARM_NEON|__FMA__|__aarch64__|__x86_64__", code(path))
    assert allowed or isa is None


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_cuda_macros_stay_where_cuda_is(path: Path) -> None:
    relative = path.relative_to(NATIVE)
    allowed = (
        relative.parts[:2] == ("kernels", "cuda")
        or path.name == "formulas.h"
        or layer(path) == "runtime"
    )
    cuda = r"__CUDA|PYNN_CUDA|__(device|global|host|shared)__|#include <cuda|\bcuda[A-Z]\w*"
    assert allowed or not re.search(cuda, code(path))


@pytest.mark.parametrize("path", sorted((ROOT / "pynn" / "layers").glob("*.py")), ids=name)
def test_layers_do_no_numpy_arithmetic(path: Path) -> None:
    """Layers may name NumPy's types and convert arrays; they compute with tensor operations."""
    conversions = {"asarray", "ascontiguousarray", "empty", "zeros", "ndarray", "ndim", "shape"}
    tree = ast.parse(path.read_text())
    used = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"np", "numpy"}
    }
    assert used <= conversions


def test_nothing_generated_is_committed() -> None:
    """The only generated text is the extension's stub, which CI regenerates and compares."""
    marked = [
        name(f)
        for f in [*SOURCES, *(ROOT / "pynn").rglob("*.py")]
        if re.search(r"(auto-?generated|do not edit)", f.read_text(), flags=re.I)
    ]
    assert marked == []


def test_what_layers_are_is_the_same_to_type_checkers_and_at_run_time() -> None:
    stub = ast.parse(Path(layers.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    told = {(node.module, alias.name) for node in imports for alias in node.names}
    for module, name in told:
        assert getattr(layers, name) is getattr(importlib.import_module(str(module)), name)
    [listed] = [node.value for node in stub.body if isinstance(node, ast.Assign)]
    assert sorted(ast.literal_eval(listed)) == sorted(name for _, name in told) == layers.__all__
    assert set(layers.__all__) <= set(dir(layers))
    with pytest.raises(AttributeError, match=r"'pynn\.layers' has no attribute 'Dens'"):
        getattr(layers, "Dens")  # noqa: B009
