// The functions of pynn._native.ops, by family.
#pragma once

#include <string>
#include <vector>

#include "bindings/arguments.h"

namespace pynn::bindings {

void add_pointwise_functions(std::vector<PyMethodDef>& rows);
void add_array_functions(std::vector<PyMethodDef>& rows);
void add_conv_functions(std::vector<PyMethodDef>& rows);
void add_creation_functions(std::vector<PyMethodDef>& rows);
void add_pooling_functions(std::vector<PyMethodDef>& rows);
void add_index_functions(std::vector<PyMethodDef>& rows);

// The docstring's text of an op function: equation, parameters, result, example. A general one for
// a row that has no equation in the table yet.
std::string op_text(std::string_view name, std::string_view signature);

template <const Function& F>
PyMethodDef op_row() {
  const std::string text = op_text(F.name, F.signature);
  return definition({F.name, F.signature, text.c_str(), F.body}, c_function<F>(), false);
}

}  // namespace pynn::bindings
