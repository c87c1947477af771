// Functions that decide about gradients.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "bindings/program.h"
#include "ops/custom.h"

namespace pynn::bindings {
namespace {

constexpr Function stop_gradient_function{
    "stop_gradient", "x", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::stop_gradient(operands.take(call[0])));
    }};

std::vector<Tensor> tensors_of(const py::list& items) {
  std::vector<Tensor> tensors;
  for (const py::handle item : items)
    tensors.push_back(item.is_none() ? Tensor() : to_tensor(item.ptr()));
  return tensors;
}

// Calls Python's rule with tensors.
std::vector<Tensor> call_rule(void* callable, std::span<const Tensor> doutputs) {
  const py::gil_scoped_acquire gil;
  py::list arguments;
  for (const Tensor& dy : doutputs) arguments.append(checked(wrap(dy)));
  const py::handle rule(static_cast<PyObject*>(callable));
  return tensors_of(py::list(rule(*py::tuple(arguments))));
}

py::list custom_gradient(const py::list& inputs, const py::list& values, py::handle rule) {
  const std::vector<Tensor> outputs = tensors_of(values);
  auto custom = std::make_shared<CustomGradient>();
  custom->name = "custom_gradient";
  for (const Tensor& y : outputs) custom->outputs.push_back(y.type());
  custom->differentiate = [keeper =
                               shared_reference(rule.ptr())](std::span<const Tensor> doutputs) {
    return call_rule(keeper.get(), doutputs);
  };
  py::list results;
  for (Tensor& y : ops::custom_gradient(std::move(custom), tensors_of(inputs), outputs))
    results.append(checked(wrap(std::move(y))));
  return results;
}

}  // namespace

void add_gradient_functions(std::vector<PyMethodDef>& rows) {
  rows.push_back(op_row<stop_gradient_function>());
}

void add_custom_gradient(py::module_& m) {
  m.def("custom_gradient", &custom_gradient, py::arg("inputs"), py::arg("outputs"), py::arg("rule"),
        "custom_gradient(inputs, outputs, rule)\n--\n\n"
        "Copies of the outputs, whose gradients with respect to the inputs are those that\n"
        "``rule(*output_gradients)`` returns: a list with a tensor or None for each input.");
}

}  // namespace pynn::bindings
