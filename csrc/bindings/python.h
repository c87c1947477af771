// What every binding file needs of Python: pybind11, error translation, the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <utility>

namespace pynn::bindings {

namespace py = pybind11;

// Sets the Python error that belongs to the C++ exception being handled.
void set_python_error() noexcept;

// Runs the body of a function that CPython calls directly; an exception becomes the Python error
// and the result that announces it.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}
template <class Result, class Body>
Result guarded(Result on_error, Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return on_error;
  }
}

// A new reference, or the Python error that `object` being null announces.
inline py::object checked(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}
inline void checked(int status) {
  if (status < 0) throw py::error_already_set();
}

// Throws `type` with the pieces joined, for Python types that errors.h does not have.
template <class... Parts>
[[noreturn]] void raise(PyObject* type, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  PyErr_SetString(type, text.str().c_str());
  throw py::error_already_set();
}

// Drops a Python reference, from any thread, when the last owner of a shared_ptr goes.
struct DropReference {
  bool writable = true;  // of NumPy memory: may be written through the array
  void operator()(void* object) const noexcept {
    if (!Py_IsInitialized()) return;
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(static_cast<PyObject*>(object));
    PyGILState_Release(state);
  }
};
inline std::shared_ptr<void> shared_reference(PyObject* object, bool writable = true) {
  Py_INCREF(object);
  return {static_cast<void*>(object), DropReference{writable}};
}

// Calls shorter than this, in floating-point operations or equivalent (about 50 us), keep the GIL:
// giving it up and waiting for it again would cost more than other threads gain.
inline constexpr double kReleaseWork = 2e6;

class ReleaseGil {
 public:
  explicit ReleaseGil(bool release = true) : state_(release ? PyEval_SaveThread() : nullptr) {}
  ~ReleaseGil() {
    if (state_ == nullptr) return;
    // When the interpreter is shutting down, taking the GIL ends a daemon thread by unwinding it,
    // which a destructor must not let out: the thread waits here for the end of the process
    // instead.
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();
    }
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};

// Parts of the module, one per file.
void add_errors(py::module_& m);
void add_tensor(py::module_& m);
void add_ops(py::module_& m);
void add_recorder(py::module_& m);
void add_executable(py::module_& m);
void add_tape(py::module_& m);
void add_custom_gradient(py::module_& m);
void add_frozen(py::module_& m);
void add_training(py::module_& m);
void add_host_call(py::module_& m);
void add_control(py::module_& m);
void add_runtime(py::module_& m);
void add_cuda(py::module_& m);

}  // namespace pynn::bindings
