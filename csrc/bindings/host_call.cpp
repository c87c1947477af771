// host_call: Python functions as steps of a program.
#include "bindings/program.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

std::string text_of(py::handle o) { return py::str(o).cast<std::string>(); }

// Writes what the function returned into the outputs of its step.
void store_results(const std::string& name, const py::object& result,
                   std::span<const View> outputs) {
  const bool several = py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result);
  const std::size_t count = several ? py::len(result) : 1;
  if (count != outputs.size())
    fail<ValueError>("'", name, "' must return ", outputs.size(), " arrays, got ", count);
  for (std::size_t i = 0; i < count; ++i) {
    const View& out = outputs[i];
    const py::object item = several ? py::object(result[py::int_(i)]) : result;
    if (item.is_none()) {  // of a backward: no gradient
      std::memset(out.data, 0, out.bytes());
      continue;
    }
    const Tensor value = to_tensor(item.ptr());
    if (value.shape() != out.shape)
      fail<ValueError>("'", name, "' must return shape ", out.shape, " as output ", i, ", got ",
                       value.shape());
    copy_into(out, value.array());
  }
}

std::shared_ptr<HostFunction> host_function(std::string name, py::handle function,
                                            std::vector<TensorType> outputs) {
  if (PyCallable_Check(function.ptr()) == 0)
    fail<TypeError>("'", name, "' must be callable, got ", Py_TYPE(function.ptr())->tp_name);
  auto host = std::make_shared<HostFunction>();
  host->name = name;
  host->outputs = std::move(outputs);
  host->call = [name, keeper = shared_reference(function.ptr())](std::span<const View> inputs,
                                                                 std::span<const View> results) {
    const py::gil_scoped_acquire gil;
    const Eager eager;
    // Copies: the function may keep its arguments, the program's memory will be written again.
    py::tuple arguments(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) arguments[i] = copy_to_numpy(inputs[i]);
    const py::handle callable(static_cast<PyObject*>(keeper.get()));
    store_results(name, callable(*arguments), results);
  };
  return host;
}

py::list host_call(py::handle function, py::handle inputs, py::handle output_types,
                   py::handle backward, py::handle name) {
  std::vector<TensorType> outputs;
  for (const py::handle type : py::reinterpret_borrow<py::object>(output_types))
    outputs.push_back(parse_type(type));
  std::vector<Tensor> tensors;
  std::vector<TensorType> input_types;
  for (const py::handle item : py::reinterpret_borrow<py::object>(inputs)) {
    tensors.push_back(to_tensor(item.ptr()));
    input_types.push_back(tensors.back().type());
  }
  const std::shared_ptr<HostFunction> host =
      host_function(text_of(name), function, std::move(outputs));
  if (!backward.is_none())
    host->backward = host_function(text_of(name) + "_backward", backward, std::move(input_types));
  py::list results;
  for (Tensor& x : ops::host_call(host, tensors)) results.append(checked(wrap(std::move(x))));
  return results;
}

}  // namespace

void add_host_call(py::module_& m) {
  m.def(
      "host_call", &host_call, py::arg("fn"), py::arg("inputs"), py::arg("output_types"),
      py::arg("backward") = py::none(), py::arg("name") = "python_call",
      "host_call(fn, inputs, output_types, backward=None, name='python_call')\n--\n\n"
      "Calls a Python function of NumPy arrays: at once, or as one step of the program being\n"
      "recorded, at every replay.\n\n"
      "Parameters\n----------\n"
      "fn : callable\n    ``fn(*arrays)`` returns an array, or a list with one for each output.\n"
      "inputs : sequence of array_like\n"
      "output_types : sequence of (shape, dtype)\n"
      "backward : callable, optional\n"
      "    ``backward(*inputs, *outputs, *output_gradients)`` returns the gradient of each input,\n"
      "    or None for zero. Without one the step cannot be differentiated.\n"
      "name : str\n    Of the step, in errors and listings.\n\n"
      "Returns\n-------\nlist of Tensor");
}

}  // namespace pynn::bindings
