// Recordings as steps of other programs: calls, conditions, loops.
#include "bindings/program.h"
#include "ops/ops.h"
#include "program/body.h"

namespace pynn::bindings {
namespace {

// The tensors that `compute` gives, which runs a body without the GIL where it needs no Python.
template <class Compute>
py::list results_of(std::uint32_t traits, Compute&& compute) {
  std::vector<Tensor> tensors;
  {
    const ReleaseGil release(active_recorder() == nullptr && (traits & kEffect) == 0);
    tensors = compute();
  }
  py::list out;
  for (Tensor& x : tensors) out.append(checked(wrap(std::move(x))));
  return out;
}

std::vector<Tensor> joined(std::vector<Tensor> a, std::span<const Tensor> b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

py::list call(py::handle recorder, py::handle outputs, py::handle inputs) {
  ProgramRecorder& program = *recorder_of(recorder);
  const auto body = make_body(program, tensors_of(outputs));
  const std::vector<Tensor> in = joined(tensors_of(inputs), program.closures());
  return results_of(body->traits(), [&] { return ops::call(body, in); });
}

std::vector<TensorType> types_of(std::span<const Tensor> tensors) {
  std::vector<TensorType> types;
  for (const Tensor& x : tensors) types.push_back(x.type());
  return types;
}

py::list cond(py::handle condition, py::handle recorder, py::handle outputs, py::handle otherwise,
              py::handle other_outputs, py::handle inputs) {
  ProgramRecorder &yes = *recorder_of(recorder), &no = *recorder_of(otherwise);
  const std::vector<Tensor> operands = tensors_of(inputs);
  const auto true_body = make_body(yes, tensors_of(outputs));
  const auto false_body = make_body(no, tensors_of(other_outputs));
  // Both take the operands and the closures of both.
  const std::size_t count = operands.size();
  const auto first = widened(*true_body, count + yes.closures().size(), types_of(no.closures()));
  const auto second = widened(*false_body, count, types_of(yes.closures()));
  const std::vector<Tensor> in = joined(joined(operands, yes.closures()), no.closures());
  const Tensor which = tensors_of(py::make_tuple(condition))[0];
  return results_of(first->traits() | second->traits(),
                    [&] { return ops::cond(which, first, second, in); });
}

py::list scan(py::handle recorder, py::handle outputs, py::handle carries, py::handle xs,
              std::int64_t length, bool reverse) {
  ProgramRecorder& program = *recorder_of(recorder);
  const auto body = make_body(program, tensors_of(outputs));
  const std::vector<Tensor> first = tensors_of(carries), rows = tensors_of(xs);
  return results_of(body->traits(), [&] {
    return ops::scan(body, first, rows, program.closures(), length, reverse);
  });
}

}  // namespace

void add_control(py::module_& m) {
  m.def("call", &call, py::arg("recorder"), py::arg("outputs"), py::arg("inputs"),
        "call(recorder, outputs, inputs)\n--\n\n"
        "Runs what a `Recorder` with ``body=True`` has recorded, as one step.");
  m.def("cond", &cond, py::arg("condition"), py::arg("recorder"), py::arg("outputs"),
        py::arg("otherwise"), py::arg("other_outputs"), py::arg("inputs"),
        "cond(condition, recorder, outputs, otherwise, other_outputs, inputs)\n--\n\n"
        "Runs one of two recordings of the same inputs, as one step.");
  m.def("scan", &scan, py::arg("recorder"), py::arg("outputs"), py::arg("carries"), py::arg("xs"),
        py::arg("length"), py::arg("reverse"),
        "scan(recorder, outputs, carries, xs, length, reverse)\n--\n\n"
        "Runs a recording once for each row of `xs`, as one step. Its inputs are the carries and\n"
        "a row of each of `xs`, its outputs the new carries and what is stacked.");
}

}  // namespace pynn::bindings
