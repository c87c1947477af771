// Threads, instruction sets, random state, memory, and the op table.
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "bindings/arguments.h"
#include "bindings/convert.h"
#include "bindings/tensor.h"
#include "kernels/table.h"
#include "ops/op.h"
#include "runtime/allocator.h"
#include "runtime/cpu.h"
#include "runtime/rng.h"
#include "runtime/thread_pool.h"

namespace pynn::bindings {
namespace {

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const char* const* isa = kernels::available_isas(); *isa != nullptr; ++isa)
    names.emplace_back(*isa);
  return names;
}

py::dict features() {
  const CpuFeatures& f = cpu_features();
  py::dict out;
  out["avx2"] = f.avx2;
  out["avx512"] = f.avx512;
  out["avx512_bf16"] = f.avx512_bf16;
  out["neon"] = f.neon;
  return out;
}

constexpr Function set_num_threads_function{
    "set_num_threads", "n", "Sets the number of threads, 1 or more; results do not depend on it.",
    [](Call& call) {
      const std::int64_t n = call.integer(0);
      if (PyBool_Check(call[0])) call.signature().refuse(0, "an integer", call[0]);
      if (!std::in_range<int>(n))
        fail<ValueError>("set_num_threads expects a positive integer of 32 bits, got ", n);
      set_num_threads(static_cast<int>(n));
      return py::none().release().ptr();
    }};

constexpr Function seed_function{
    "seed", "n", "Starts the process's random numbers anew from the int `n`.", [](Call& call) {
      set_generator({call.bits(0), 0});
      return py::none().release().ptr();
    }};

constexpr Function set_random_state_function{
    "set_random_state", "seed, streams", "Goes back to a state of `random_state`.", [](Call& call) {
      set_generator({call.bits(0), call.bits(1)});
      return py::none().release().ptr();
    }};

constexpr Function permutation_function{
    "permutation", "n, key, stream", "The numbers 0 to n - 1 in random order, as int64.",
    [](Call& call) {
      const std::int64_t n = call.integer(0);
      if (n < 0) fail<ValueError>("permutation: n expects an integer of at least 0, got ", n);
      const Array out = Array::empty(DType::i64, {n});
      permutation(call.bits(1), call.bits(2), n, out.as<std::int64_t>());
      return to_numpy(Tensor(out)).release().ptr();
    }};

bool all_finite(PyObject* value) {
  constexpr std::int64_t kFew = 1024;
  if (const std::optional<PlainArray> plain = plain_array(value, DType::f32)) {
    const std::int64_t size = element_count(plain->dims());
    if (size <= kFew)
      return kernels::table().all_finite[index(DType::f32)](static_cast<std::size_t>(size),
                                                            plain->data);
  }
  const Tensor x = to_tensor(value);
  const DType dtype = x.dtype();
  if (!is_float(dtype)) return true;
  const Eager eager;
  const ReleaseGil release(static_cast<double>(x.size()) > kReleaseWork / 16);
  Array values = x.array();
  if (!values.contiguous() || dtype == DType::bf16) {
    values = Array::empty(dtype == DType::bf16 ? DType::f32 : dtype, x.shape());
    copy_into(values, x.array());
  }
  constexpr std::size_t kChunk = 1 << 20;  // elements
  const auto size = static_cast<std::size_t>(values.size());
  const std::size_t width = item_size(values.dtype);
  const auto check = kernels::table().all_finite[index(values.dtype)];
  std::atomic<bool> finite{true};
  parallel_for((size + kChunk - 1) / kChunk, [&](std::size_t c) {
    const std::size_t first = c * kChunk;
    const char* data = static_cast<const char*>(values.data) + first * width;
    if (finite && !check(std::min(kChunk, size - first), data)) finite = false;
  });
  return finite;
}

constexpr Function all_finite_function{
    "all_finite", "array", "Whether no element is NaN or infinite.",
    [](Call& call) { return PyBool_FromLong(all_finite(call[0])); }};

py::dict allocator_statistics() {
  const AllocatorStats stats = allocator_stats();
  py::dict out;
  out["in_use"] = stats.in_use;
  out["cached"] = stats.cached;
  out["system_calls"] = stats.system_calls;
  return out;
}

py::list trait_names(const Op& row) {
  constexpr std::pair<Trait, const char*> kNames[] = {
      {kPointwise, "pointwise"}, {kView, "view"},
      {kRowwise, "rowwise"},     {kContiguous, "contiguous"},
      {kProduct, "product"},     {kRandom, "random"},
      {kEffect, "effect"},       {kActivation, "activation"}};
  py::list names;
  for (const auto& [trait, text] : kNames)
    if (row.is(trait)) names.append(text);
  return names;
}

py::object domain(const std::string& name) {
#define PYNN_ROW(row, saved, low, high) \
  if (name == #row) return py::make_tuple(double{low}, double{high});
  PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
  return py::none();
}

py::list op_table() {
  py::list table;
  for (const Op& row : all_ops()) {
    py::dict entry;
    entry["name"] = row.name;
    entry["arity"] = row.arity;
    entry["traits"] = trait_names(row);
    entry["differentiable"] = row.gradient != nullptr;
    entry["domain"] = domain(row.name);
    table.append(entry);
  }
  return table;
}

}  // namespace

void add_runtime(py::module_& m) {
  m.attr("version") = PYNN_VERSION;
  add_functions(m, "pynn._native",
                {function_row<all_finite_function>(), function_row<set_num_threads_function>(),
                 function_row<seed_function>(), function_row<set_random_state_function>(),
                 function_row<permutation_function>()});
  m.def("num_threads", &num_threads, "num_threads()\n--\n\nThreads that work on one call.");
  m.def("available_cpus", &available_cpus,
        "available_cpus()\n--\n\nCPUs that affinity mask and cgroup quota grant this process.");
  m.def(
      "isa", [] { return std::string(kernels::table().isa); },
      "isa()\n--\n\nThe instruction set in use, as PYNN_ISA or the CPU chose it.");
  m.def("available_isas", &available_isas,
        "available_isas()\n--\n\nInstruction sets that this build and this CPU have, best last.");
  m.def(
      "cpu_name", [] { return std::string(cpu_name()); }, "cpu_name()\n--\n\nThe CPU's name.");
  m.def("cpu_features", &features,
        "cpu_features()\n--\n\nWhich of the instruction sets that kernels use the CPU has.");
  m.def(
      "random_state",
      [] {
        const Generator g = generator();
        return py::make_tuple(g.seed, g.streams);
      },
      "random_state()\n--\n\n(seed, streams drawn since): what `set_random_state` restores.");
  m.def(
      "next_stream",
      [] {
        const auto [key, stream] = next_stream();
        return py::make_tuple(key, stream);
      },
      "next_stream()\n--\n\nA (key, stream) of random numbers that nobody else has.");
  m.def("allocator_stats", &allocator_statistics,
        "allocator_stats()\n--\n\nBytes in use and cached, and blocks obtained from the system.");
  m.def("release_cached_memory", &release_cached_memory,
        "release_cached_memory()\n--\n\nReturns cached memory to the system.");
  m.def("op_table", &op_table,
        "op_table()\n--\n\nEvery op: name, arity (-1: any), traits, differentiable, and the domain "
        "that tests draw from.");
}

}  // namespace pynn::bindings
