// The Python type Tensor: a thin object around pynn::Tensor.
#pragma once

#include <vector>

#include "bindings/python.h"
#include "ops/tensor.h"

namespace pynn::bindings {

struct TensorHead {
  PyObject ob_base;
  PyObject* weak_references;
};
struct TensorObject : TensorHead {
  Tensor value;
};

extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type);
}
inline const Tensor& tensor_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->value; }

// A new Tensor object.
PyObject* wrap(Tensor value);

// Slots of the type for arithmetic and comparison.
std::vector<PyType_Slot> tensor_operator_slots();

// Those for indexing.
std::vector<PyType_Slot> tensor_index_slots();

// Methods that are ops, as reshape and sum.
std::vector<PyMethodDef> tensor_op_methods();

}  // namespace pynn::bindings
