// Recorder: Python's hold on a recording.
#include <vector>

#include "bindings/program.h"

namespace pynn::bindings {
namespace {

class PyRecorder {
 public:
  PyRecorder(bool training, bool body, bool assigns)
      : program_(std::make_shared<ProgramRecorder>(!body     ? ProgramRecorder::Kind::program
                                                   : assigns ? ProgramRecorder::Kind::function
                                                             : ProgramRecorder::Kind::body)),
        training_(training) {}
  PyRecorder(const PyRecorder&) = delete;
  PyRecorder& operator=(const PyRecorder&) = delete;

  bool training() const { return training_; }
  const py::list& losses() const { return losses_; }
  const py::dict& masks() const { return masks_; }
  const std::shared_ptr<ProgramRecorder>& program() const { return program_; }

  void enter(py::object self) {
    scopes_.push_back(std::make_unique<ProgramRecorder::Scope>(*program_));
    active().push_back(std::move(self));
  }
  void exit() {
    if (scopes_.empty()) fail<RuntimeError>("this recorder is not active");
    scopes_.pop_back();
    active().pop_back();
  }

  // The recorders entered on this thread, innermost last.
  static std::vector<py::object>& active() {
    thread_local std::vector<py::object> stack;
    return stack;
  }

 private:
  std::shared_ptr<ProgramRecorder> program_;
  std::vector<std::unique_ptr<ProgramRecorder::Scope>> scopes_;
  bool training_;
  py::list losses_;
  py::dict masks_;
};

// Ends what is being recorded on this thread for a while.
class Paused {
 public:
  Paused() = default;
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

  void enter() { scopes_.push_back(std::make_unique<Eager>()); }
  void exit() {
    if (!scopes_.empty()) scopes_.pop_back();
  }

 private:
  std::vector<std::unique_ptr<Eager>> scopes_;
};

py::object tensor_or_none(const Tensor& x) { return x.defined() ? checked(wrap(x)) : py::none(); }

// A plain C function: layers ask at every call.
PyObject* current(PyObject*, PyObject*) {
  // A host function that runs eagerly inside a recording is not being recorded.
  const std::vector<py::object>& stack = PyRecorder::active();
  const py::object& recorder =
      stack.empty() || active_recorder() == nullptr ? py::none() : stack.back();
  return py::object(recorder).release().ptr();
}

const Tensor& require_tensor(py::handle o) {
  if (!is_tensor(o.ptr())) fail<TypeError>("expected a Tensor, got ", Py_TYPE(o.ptr())->tp_name);
  return tensor_of(o.ptr());
}

void assign(PyRecorder& self, py::handle target, py::handle value) {
  const Tensor& variable = require_tensor(target);
  if (!writable(variable.array()))
    fail<ValueError>("this tensor shares the memory of a read-only array");
  self.program()->assign(variable, to_tensor(value.ptr(), variable.dtype()));
}

py::list gradient(PyRecorder& self, py::handle target, py::handle sources, py::handle seed) {
  const ProgramRecorder::Scope scope(*self.program());
  const Tensor start = seed.is_none() ? Tensor() : to_tensor(seed.ptr());
  py::list gradients;
  for (const Tensor& g :
       self.program()->gradient(require_tensor(target), start, tensors_of(sources)))
    gradients.append(tensor_or_none(g));
  return gradients;
}

py::object producer(PyRecorder& self, py::handle x) {
  const Tensor& tensor = require_tensor(x);
  if (!tensor.symbolic() || tensor.recorder() != self.program()) return py::none();
  const Step* step = self.program()->producer(tensor);
  if (step == nullptr) return py::none();
  py::list inputs;
  for (const SlotId slot : step->inputs) inputs.append(checked(wrap(self.program()->tensor(slot))));
  return py::make_tuple(step->op->name, inputs);
}

}  // namespace

std::vector<Tensor> tensors_of(py::handle sequence) {
  std::vector<Tensor> tensors;
  for (const py::handle item : py::reinterpret_borrow<py::object>(sequence)) {
    if (!is_tensor(item.ptr()))
      fail<TypeError>("expected tensors, got ", Py_TYPE(item.ptr())->tp_name);
    tensors.push_back(tensor_of(item.ptr()));
  }
  return tensors;
}

const std::shared_ptr<ProgramRecorder>& recorder_of(py::handle object) {
  return object.cast<PyRecorder&>().program();
}

TensorType parse_type(py::handle pair) {
  const auto items = py::reinterpret_borrow<py::object>(pair);
  if (py::len(items) != 2) fail<ValueError>("a type is a pair (shape, dtype)");
  return {parse_dtype(py::object(items[py::int_(1)]).ptr()),
          parse_shape(py::object(items[py::int_(0)]).ptr())};
}

void add_recorder(py::module_& m) {
  py::class_<Paused>(m, "PausedRecording", "What `Recorder.paused` returns.")
      .def("__enter__", &Paused::enter, "__enter__($self)\n--\n\nStops recording.")
      .def(
          "__exit__", [](Paused& self, const py::args&) { self.exit(); },
          "__exit__($self, *args)\n--\n\nGoes on recording.");
  py::class_<PyRecorder> recorder(
      m, "Recorder",
      "Recorder(training=False, body=False, assigns=False)\n--\n\n"
      "Records the tensor operations of its thread, between ``with`` and the "
      "end of the block, as a\n"
      "program that `compile` makes executable.\n\n"
      "Parameters\n----------\n"
      "training : bool\n    What layers such as dropout ask for.\n"
      "body : bool\n    Whether it becomes a `Body`, or part of a step by `cond` or `scan`.\n"
      "assigns : bool\n    Whether variables may be assigned to in a body: `assigned` says "
      "which.\n\n"
      "Examples\n--------\n"
      ">>> from pynn._native import Recorder\n"
      ">>> with Recorder() as recorder:\n"
      "...     x = recorder.input((2,), \"float32\")\n"
      "...     y = x * x\n"
      "...     (dx,) = recorder.gradient(y, [x])\n"
      ">>> recorder.compile([y, dx])([1.0, 3.0])\n"
      "[array([1., 9.], dtype=float32), array([2., 6.], dtype=float32)]");
  static PyMethodDef current_row = {
      "current", current, METH_NOARGS,
      "current()\n--\n\nThe recorder of this thread, or None outside recordings."};
  recorder.attr("current") = py::staticmethod(checked(PyCFunction_New(&current_row, nullptr)));
  recorder
      .def(py::init<bool, bool, bool>(), py::arg("training") = false, py::arg("body") = false,
           py::arg("assigns") = false)
      .def_property_readonly("training", &PyRecorder::training,
                             "Whether a training step is being recorded.")
      .def_property_readonly(
          "assigned",
          [](PyRecorder& self) {
            py::list pairs;
            for (const auto& [target, value] : self.program()->assigned())
              pairs.append(py::make_tuple(checked(wrap(target)), checked(wrap(value))));
            return pairs;
          },
          "What a body has assigned to: tensors, and their values after it has run.")
      .def_property_readonly("losses", &PyRecorder::losses,
                             "What layers add to the loss, as scalar tensors.")
      .def_property_readonly("masks", &PyRecorder::masks,
                             "Masks of tensors: by a tensor's id, the tensor and its mask.")
      .def_property(
          "rounds_products",
          [](const PyRecorder& self) { return self.program()->rounds_products(); },
          [](PyRecorder& self, bool rounds) { self.program()->round_products(rounds); },
          "Whether float32 matrix products recorded from here on, and their gradients, round "
          "their\noperands to bfloat16. Sums and results are float32.")
      .def_static(
          "paused", [] { return std::make_unique<Paused>(); },
          "paused()\n--\n\nA context manager in which this thread records nothing.")
      .def(
          "__enter__",
          [](const py::object& self) {
            self.cast<PyRecorder&>().enter(self);
            return self;
          },
          "__enter__($self)\n--\n\nBecomes the active recorder of this thread.")
      .def(
          "__exit__", [](PyRecorder& self, const py::args&) { self.exit(); },
          "__exit__($self, *args)\n--\n\nEnds the recording.")
      .def(
          "input",
          [](PyRecorder& self, py::handle shape, py::handle dtype) {
            return checked(
                wrap(self.program()->input({parse_dtype(dtype.ptr()), parse_shape(shape.ptr())})));
          },
          py::arg("shape"), py::arg("dtype") = "float32",
          "input($self, shape, dtype='float32')\n--\n\nA tensor that each call of the executable "
          "is given.")
      .def("assign", &assign, py::arg("target"), py::arg("value"),
           "assign($self, target, value)\n--\n\n"
           "From here on `target` reads as `value`; each replay stores it into its memory.")
      .def("gradient", &gradient, py::arg("target"), py::arg("sources"),
           py::arg("seed") = py::none(),
           "gradient($self, target, sources, seed=None)\n--\n\n"
           "The gradient of ``sum(target * seed)`` for each of `sources` (None where it does not\n"
           "depend on one), by recording the operations that compute it.")
      .def("producer", &producer, py::arg("x"),
           "producer($self, x)\n--\n\n"
           "The name of the op that made `x` and its inputs, or None for inputs and variables.")
      .def(
          "compile",
          [](PyRecorder& self, py::handle outputs, bool constant, bool stores) {
            return checked(wrap_executable(
                self.program()->finish(tensors_of(outputs), stores),
                constant ? Executable::Captures::constant : Executable::Captures::variable));
          },
          py::arg("outputs"), py::arg("constant") = false, py::arg("stores") = true,
          "compile($self, outputs, constant=False, stores=True)\n--\n\n"
          "The program that computes `outputs` and, with `stores`, stores what was assigned, ready "
          "to\n"
          "run.\n\n"
          "With `constant`, variables keep the values that they have now: what depends on them\n"
          "alone is computed already, and nothing is stored. They must not be changed any more.");
}

}  // namespace pynn::bindings
