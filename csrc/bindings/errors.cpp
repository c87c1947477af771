// C++ exceptions as Python's.
#include <new>
#include <string>

#include "bindings/python.h"
#include "program/training.h"
#include "runtime/errors.h"

namespace pynn::bindings {
namespace {

PyObject* non_finite_loss_error = nullptr;

void set_non_finite_loss(const NonFiniteLoss& e) {
  const py::object error = py::reinterpret_borrow<py::object>(non_finite_loss_error)(
      "the loss became " + std::to_string(e.value) + " at epoch " + std::to_string(e.epoch) +
      ", batch " + std::to_string(e.batch));
  error.attr("epoch") = e.epoch;
  error.attr("batch") = e.batch;
  error.attr("value") = e.value;
  PyErr_SetObject(non_finite_loss_error, error.ptr());
}

}  // namespace

void set_python_error() noexcept {
  try {
    try {
      throw;
    } catch (const NonFiniteLoss& e) {
      set_non_finite_loss(e);
    }
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "unknown C++ exception");
  }
}

void add_errors(py::module_& m) {
  non_finite_loss_error =
      PyErr_NewExceptionWithDoc("pynn._native.NonFiniteLossError",
                                "The loss became NaN or infinite during training.\n\n"
                                "Attributes\n----------\n"
                                "epoch, batch : int\n    Where, counted from 0.\n"
                                "value : float\n    The loss of that batch.",
                                PyExc_ArithmeticError, nullptr);
  m.add_object("NonFiniteLossError", checked(non_finite_loss_error));
  py::register_local_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (...) {
      set_python_error();
    }
  });
}

}  // namespace pynn::bindings
