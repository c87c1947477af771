// Native functions called by CPython's fast protocol (METH_FASTCALL): parameters are declared once,
// as the Python signature that help() shows, and bound without building tuples or dictionaries.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/python.h"

namespace pynn::bindings {

inline constexpr std::size_t kMaxParameters = 8;

// The parameters of `function`, from a Python signature such as "x, alpha=0.2, *, out=None".
class Signature {
 public:
  Signature(const char* function, std::string_view text);

  // Fills `bound` by position and by name; null where an optional parameter is not given. Throws
  // TypeError as Python does.
  void bind(PyObject* const* args, Py_ssize_t count, PyObject* keywords,
            std::array<PyObject*, kMaxParameters>& bound) const;
  // Throws TypeError: argument i is not `what` ("a number").
  [[noreturn]] void refuse(std::size_t i, const char* what, PyObject* given) const;
  // Names and defaults ("" where required), in order.
  struct Parameter {
    std::string name, otherwise;
  };
  static std::vector<Parameter> parse(std::string_view text);

 private:
  std::size_t position(PyObject* keyword) const;

  const char* function_;
  std::vector<PyObject*> names_;  // interned, immortal
  std::size_t required_ = 0;
  std::size_t positional_ = 0;
};

class Call;

// A native function: its name, its parameters, its docstring's text and its body.
struct Function {
  const char* name;
  const char* signature;
  const char* text;
  PyObject* (*body)(Call&);
};

// The arguments of one call.
class Call {
 public:
  Call(PyObject* self, const Signature& signature, PyObject* const* args, Py_ssize_t count,
       PyObject* keywords)
      : self_(self), signature_(signature) {
    signature.bind(args, count, keywords, bound_);
  }

  PyObject* self() const { return self_; }
  const Signature& signature() const { return signature_; }
  PyObject* operator[](std::size_t i) const { return bound_[i]; }
  // Whether argument i is there and not None.
  bool given(std::size_t i) const { return bound_[i] != nullptr && bound_[i] != Py_None; }

  double real(std::size_t i, double otherwise) const;
  std::int64_t integer(std::size_t i) const;
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  std::uint64_t bits(std::size_t i) const;  // the lowest 64 of a whole number
  bool flag(std::size_t i, bool otherwise) const;

 private:
  PyObject* self_;
  const Signature& signature_;
  std::array<PyObject*, kMaxParameters> bound_{};
};

// The C function of `F`.
template <const Function& F>
PyObject* entry(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    static const Signature signature(F.name, F.signature);
    Call call(self, signature, args, count, keywords);
    return F.body(call);
  });
}

// The row that makes `F` a function of a module, or a method when `method` is set (its signature
// then starts with self). The docstring lives as long as the process.
PyMethodDef definition(const Function& function, PyCFunction entry, bool method);

template <const Function& F>
PyCFunction c_function() {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&entry<F>));
}
template <const Function& F>
PyMethodDef function_row() {
  return definition(F, c_function<F>(), false);
}
template <const Function& F>
PyMethodDef method_row() {
  return definition(F, c_function<F>(), true);
}

// Adds functions to a module, each saying that it lives in the module called `home`.
void add_functions(py::module_& m, const char* home, const std::vector<PyMethodDef>& rows);

}  // namespace pynn::bindings
