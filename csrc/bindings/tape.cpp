// Tape: Python's hold on a gradient tape; the structures of targets and sources are
// pynn.autodiff's.
#include "program/gradient_tape.h"

#include "bindings/arguments.h"
#include "bindings/program.h"
#include "bindings/tensor.h"

namespace pynn::bindings {
namespace {

// The tensor in a Tensor object, to be given an id.
Tensor& value_of(py::handle o) {
  if (!is_tensor(o.ptr())) fail<TypeError>("expected a Tensor, got ", Py_TYPE(o.ptr())->tp_name);
  return reinterpret_cast<TensorObject*>(o.ptr())->value;
}

ValueId identified(Tensor& x) {
  if (x.id() == 0) x.identify(new_value_id());
  return x.id();
}

// Tensors or None, which becomes an undefined tensor.
std::vector<Tensor> tensors_of(const py::list& items) {
  std::vector<Tensor> tensors;
  for (const py::handle item : items) tensors.push_back(item.is_none() ? Tensor() : value_of(item));
  return tensors;
}

class PyTape {
 public:
  explicit PyTape(bool follows_variables)
      : tape_(std::make_shared<GradientTape>(follows_variables)) {}

  void start() { tape_->start(); }
  void stop() { tape_->stop(); }
  void clear() { tape_->clear(); }
  bool running() const { return tape_->running(); }
  const std::vector<ValueId>& variables() const { return tape_->variables(); }

  void watch(py::handle tensor) {
    Tensor& x = value_of(tensor);
    identified(x);
    tape_->watch(x);
  }

  py::list gradient(const py::list& targets, const py::list& seeds, const py::list& sources) {
    const std::vector<Tensor> y = tensors_of(targets), dy = tensors_of(seeds),
                              x = tensors_of(sources);
    std::vector<Tensor> found;
    {
      const ReleaseGil release(active_recorder() == nullptr);
      found = tape_->gradient(y, dy, x);
    }
    py::list gradients;
    for (Tensor& g : found)
      gradients.append(g.defined() ? checked(wrap(std::move(g))) : py::object(py::none()));
    return gradients;
  }

 private:
  std::shared_ptr<GradientTape> tape_;
};

// Plain C functions: every call of a layer asks, and every use of `Variable.trainable`.
PyObject* is_idle(PyObject*, PyObject*) {
  return PyBool_FromLong(active_recorder() == nullptr && !GradientTape::active());
}

PyObject* is_trainable(PyObject*, PyObject* variable) {
  return guarded([&] { return PyBool_FromLong(value_of(variable).trainable()); });
}

constexpr Function set_trainable_function{
    "set_trainable", "variable, trainable",
    "Says whether tapes follow a tensor unasked. Returns the number by which they know it.",
    [](Call& call) {
      Tensor& x = value_of(call[0]);
      x.set_trainable(call.flag(1, true));
      return PyLong_FromUnsignedLongLong(identified(x));
    }};

}  // namespace

void add_tape(py::module_& m) {
  static PyMethodDef rows[] = {
      {"is_idle", is_idle, METH_NOARGS,
       "is_idle()\n--\n\nWhether nothing that this thread does is recorded or on a tape."},
      {"is_trainable", is_trainable, METH_O,
       "is_trainable(variable)\n--\n\nWhat `set_trainable` said."}};
  add_functions(m, "pynn._native", {rows[0], rows[1], function_row<set_trainable_function>()});
  py::class_<PyTape>(m, "Tape",
                     "Tape(follows_variables)\n--\n\n"
                     "Remembers the ops of its thread, between `start` and `stop`, on values that "
                     "it follows.\n"
                     "`pynn.GradientTape` is its public face.")
      .def(py::init<bool>(), py::arg("follows_variables"))
      .def("start", &PyTape::start, "start($self)\n--\n\nRemembers ops from here on.")
      .def("stop", &PyTape::stop, "stop($self)\n--\n\nRemembers no more ops.")
      .def("clear", &PyTape::clear, "clear($self)\n--\n\nForgets everything.")
      .def("watch", &PyTape::watch, py::arg("tensor"),
           "watch($self, tensor)\n--\n\nFollows a tensor and what is computed from it.")
      .def("gradient", &PyTape::gradient, py::arg("targets"), py::arg("seeds"), py::arg("sources"),
           "gradient($self, targets, seeds, sources)\n--\n\n"
           "The gradient of each source, None where no target depends on it. A seed of None is 1.")
      .def_property_readonly("running", &PyTape::running, "Whether it remembers ops.")
      .def_property_readonly(
          "variables",
          [](const PyTape& self) {
            py::tuple ids(self.variables().size());
            for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = self.variables()[i];
            return ids;
          },
          "Numbers of the trainable variables that ops have read.");
}

}  // namespace pynn::bindings
