// Recordings as steps of other programs: calls, conditions, loops.
#include "bindings/program.h"
#include "ops/ops.h"
#include "program/body.h"
#include "program/gradient_tape.h"

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

// A recording as a function of its inputs.
class PyBody {
 public:
  PyBody(py::handle recorder, py::handle outputs)
      : body_(make_body(*recorder_of(recorder), tensors_of(outputs))),
        closures_(recorder_of(recorder)->closures()) {}

  py::list closures() const {
    py::list out;
    for (const Tensor& x : closures_) out.append(py::make_tuple(x.id(), checked(wrap(x))));
    return out;
  }
  py::list call(py::handle inputs, py::handle closures) const {
    std::vector<Tensor> in = tensors_of(inputs);
    const std::size_t varying = in.size();
    in = joined(std::move(in), tensors_of(closures));
    const std::vector<char> followed = GradientTape::followed(in);
    return results_of(body_->traits(), [&] { return ops::call(body_, in, varying, followed); });
  }

 private:
  std::shared_ptr<const Body> body_;
  std::vector<Tensor> closures_;
};

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
              py::handle length, bool reverse, bool conditional) {
  ProgramRecorder& program = *recorder_of(recorder);
  const auto body = make_body(program, tensors_of(outputs));
  const std::vector<Tensor> first = tensors_of(carries), rows = tensors_of(xs);
  const std::int64_t count = length.is_none() ? ops::kUnbounded : length.cast<std::int64_t>();
  return results_of(body->traits(), [&] {
    return ops::scan(body, first, rows, program.closures(), count, reverse, conditional);
  });
}

}  // namespace

void add_control(py::module_& m) {
  py::class_<PyBody>(
      m, "Body",
      "Body(recorder, outputs)\n--\n\n"
      "What a `Recorder` with ``body=True`` has recorded, to be run at once: one step "
      "for a tape.")
      .def(py::init<py::handle, py::handle>(), py::arg("recorder"), py::arg("outputs"))
      .def("__call__", &PyBody::call, py::arg("inputs"), py::arg("closures"),
           "__call__($self, inputs, closures)\n--\n\nThe outputs for these values.")
      .def_property_readonly("closures", &PyBody::closures,
                             "The tensors outside that it reads, each with its number for tapes.");
  m.def("cond", &cond, py::arg("condition"), py::arg("recorder"), py::arg("outputs"),
        py::arg("otherwise"), py::arg("other_outputs"), py::arg("inputs"),
        "cond(condition, recorder, outputs, otherwise, other_outputs, inputs)\n--\n\n"
        "Runs one of two recordings of the same inputs, as one step.");
  m.def(
      "scan", &scan, py::arg("recorder"), py::arg("outputs"), py::arg("carries"), py::arg("xs"),
      py::arg("length"), py::arg("reverse") = false, py::arg("conditional") = false,
      "scan(recorder, outputs, carries, xs, length, reverse=False, conditional=False)\n--\n\n"
      "Runs a recording once for each row of `xs`, as one step. Its inputs are the carries and\n"
      "a row of each of `xs`, its outputs the new carries and what is stacked. A conditional one\n"
      "ends where its first carry is false; its second must count the runs.");
}

}  // namespace pynn::bindings
