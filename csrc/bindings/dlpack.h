// DLPack, the exchange of tensors between packages without a copy:
// https://dmlc.github.io/dlpack/latest/ (C structures of versions 0.8 and 1.0).
#pragma once

#include <optional>

#include "bindings/python.h"
#include "ops/tensor.h"

namespace pynn::bindings {

// What object.__dlpack__() exports, sharing its memory; converted where `dtype` or the source's
// type asks for it. Throws TypeError for memory off the CPU.
Tensor from_dlpack(PyObject* object, std::optional<DType> dtype);

// A capsule with the memory of the tensor: "dltensor_versioned" from version 1 on, else "dltensor".
py::object to_dlpack(const Tensor& tensor, bool versioned);

inline constexpr int kDLCpu = 1;  // the device type of what to_dlpack exports

}  // namespace pynn::bindings
