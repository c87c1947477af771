// The functions of pynn._native.ops, by family.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "bindings/arguments.h"

namespace pynn::bindings {

void add_pointwise_functions(std::vector<PyMethodDef>& rows);
void add_array_functions(std::vector<PyMethodDef>& rows);
void add_conv_functions(std::vector<PyMethodDef>& rows);
void add_creation_functions(std::vector<PyMethodDef>& rows);
void add_normalization_functions(std::vector<PyMethodDef>& rows);
void add_image_functions(std::vector<PyMethodDef>& rows);
void add_index_functions(std::vector<PyMethodDef>& rows);
void add_composed_functions(std::vector<PyMethodDef>& rows);

// Functions that are methods of Tensor too.
void add_index_methods(std::vector<PyMethodDef>& rows);
void add_composed_methods(std::vector<PyMethodDef>& rows);
void add_gradient_functions(std::vector<PyMethodDef>& rows);

// The docstring's text of an op function: equation, parameters, result, example. A general one for
// a row that has no equation in the table yet.
std::string op_text(std::string_view name, std::string_view signature);

template <const Function& F>
PyMethodDef op_row() {
  const std::string text = op_text(F.name, F.signature);
  return definition({F.name, F.signature, text.c_str(), F.body}, c_function<F>(), false);
}

// The method of Tensor that calls `F` with the tensor as its first argument, x.
template <const Function& F>
PyObject* method_entry(PyObject* self, PyObject* const* args, Py_ssize_t count,
                       PyObject* keywords) {
  const Py_ssize_t total = count + (keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords));
  if (total >= static_cast<Py_ssize_t>(kMaxParameters)) return entry<F>(self, args, total, nullptr);
  std::array<PyObject*, kMaxParameters + 1> all{self};
  std::copy(args, args + total, all.begin() + 1);
  return entry<F>(nullptr, all.data(), count + 1, keywords);
}

template <const Function& F>
PyMethodDef op_method() {
  constexpr std::string_view kFirst = "x, ";
  const char* const rest = F.signature + (F.signature[1] == '\0' ? 1 : kFirst.size());
  const std::string text = "As `pynn.ops." + std::string(F.name) + "`.";
  const auto function = reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&method_entry<F>));
  return definition({F.name, rest, text.c_str(), F.body}, function, true);
}

}  // namespace pynn::bindings
