#include "bindings/ops.h"

namespace pynn::bindings {

void add_ops(py::module_& m) {
  py::module_ ops = m.def_submodule("ops", "Operations on tensors and arrays.");
  std::vector<PyMethodDef> rows;
  add_pointwise_functions(rows);
  add_array_functions(rows);
  add_conv_functions(rows);
  add_creation_functions(rows);
  add_normalization_functions(rows);
  add_image_functions(rows);
  add_index_functions(rows);
  add_composed_functions(rows);
  add_gradient_functions(rows);
  add_functions(ops, "pynn.ops", rows);
}

}  // namespace pynn::bindings
