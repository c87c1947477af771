// Python values as tensors and back: NumPy arrays, scalars, nested lists, anything with DLPack.
#pragma once

#include <optional>

#include "bindings/python.h"
#include "ops/tensor.h"

namespace pynn::bindings {

// A dtype from its name, a NumPy dtype or a type. Throws TypeError for what tensors cannot hold.
DType parse_dtype(PyObject* o);
// The same, for an optional argument: null and None give nothing.
std::optional<DType> parse_optional_dtype(PyObject* o);

// An int or a sequence of ints.
Dims parse_dims(PyObject* o);
// A shape: no negative extents, and a size that can be counted (else MemoryError).
Shape parse_shape(PyObject* o);
// None (no axes, meaning all), an int or a sequence of ints.
Dims parse_axes(PyObject* o);
std::int64_t parse_int(PyObject* o);

py::tuple to_tuple(const Dims& dims);

bool is_ndarray(PyObject* o);

// A Python or NumPy number: it takes the dtype of the tensor it meets.
struct Scalar {
  enum class Kind : std::uint8_t { boolean, integer, real } kind;
  double real;
  std::int64_t integer;
  DType own;  // its dtype when it meets none
};
std::optional<Scalar> parse_scalar(PyObject* o);
// The dtype that a scalar of this kind takes beside a tensor of dtype `other`.
DType meet(const Scalar& scalar, DType other);
Tensor scalar_tensor(const Scalar& scalar, DType dtype);

// Any of them as a tensor. Shares memory where the dtype and the layout allow it; a copy otherwise.
Tensor to_tensor(PyObject* o, std::optional<DType> dtype = {});

// The values as a NumPy array that shares the memory of `owner`, a Tensor object (bfloat16: a
// float32 copy).
py::object to_numpy(PyObject* owner);
// A fresh array with the values of `view`.
py::object copy_to_numpy(const View& view);
// `tensor` as an array that nothing else sees.
py::object to_numpy(Tensor tensor);

// Writes `value` (anything to_tensor takes, of the same shape) into `target`.
void copy_into(const View& target, PyObject* value);
void copy_into(const View& target, const View& source);
// An array that can be used as it lies: of a dtype as tensors hold it, aligned and in C order.
struct PlainArray {
  char* data;
  int rank;
  const Py_intptr_t* shape;
  bool writable;

  Shape dims() const {
    return Shape(std::span<const std::int64_t>(shape, static_cast<std::size_t>(rank)));
  }
  bool overlaps(const PlainArray& other, DType dtype) const {
    const auto bytes = [&](const PlainArray& x) {
      return element_count(x.dims()) * static_cast<std::int64_t>(item_size(dtype));
    };
    return data < other.data + bytes(other) && other.data < data + bytes(*this);
  }
};
// `value` as one, or nothing.
std::optional<PlainArray> plain_array(PyObject* value, DType dtype);
// A new NumPy array with undefined values.
py::object empty_array(DType dtype, const Shape& shape);
// A NumPy dtype object; bfloat16 as the float32 that carries it.
py::object numpy_dtype(DType dtype);

// The short way for what is most often given: an array of the target's shape and dtype in C order,
// for a contiguous target. False, and nothing done, for anything else.
bool copy_plain(const View& target, PyObject* value);

// False for memory of a read-only NumPy array.
bool writable(const Array& array);

}  // namespace pynn::bindings
