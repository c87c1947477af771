// Python's operators on tensors: arithmetic, comparison, logic, indexing.
#include "bindings/operands.h"
#include "bindings/tensor.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Unary = Tensor (*)(const Tensor&);

bool mixes(PyObject* o) {
  return is_tensor(o) || PyFloat_Check(o) || PyLong_Check(o) || is_ndarray(o) || PyList_Check(o) ||
         PyTuple_Check(o) || parse_scalar(o).has_value();
}

PyObject* apply_binary(Binary op, PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    if (!mixes(a) || !mixes(b)) Py_RETURN_NOTIMPLEMENTED;
    Operands operands;
    const auto [x, y] = operands.take_pair(a, b);
    return wrap(operands.run([&, &x = x, &y = y] { return op(x, y); }));
  });
}

template <Binary op>
PyObject* binary(PyObject* a, PyObject* b) {
  return apply_binary(op, a, b);
}

template <Unary op>
PyObject* unary(PyObject* a) {
  return guarded([&] {
    Operands operands;
    const Tensor& x = operands.take(a);
    return wrap(operands.run([&] { return op(x); }));
  });
}

Tensor require_bool(const Tensor& x) {
  if (x.dtype() != DType::boolean)
    fail<TypeError>("& | ^ ~ are for bool tensors, got dtype ", name(x.dtype()));
  return x;
}

template <Binary op>
Tensor on_bools(const Tensor& a, const Tensor& b) {
  return op(require_bool(a), require_bool(b));
}
Tensor invert(const Tensor& x) { return ops::logical_not(require_bool(x)); }
Tensor absolute(const Tensor& x) {
  return is_float(x.dtype()) ? ops::abs(x) : ops::maximum(x, ops::negative(x));
}

Tensor checked_power(const Tensor& base, const Tensor& exponent) {
  check_power(base, exponent);
  return ops::power(base, exponent);
}
Tensor squared(const Tensor& x) { return ops::square(x); }
Tensor square_root(const Tensor& x) { return ops::sqrt(x); }

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  if (is_tensor(a) && (PyLong_Check(b) || PyFloat_Check(b)) && is_float(tensor_of(a).dtype())) {
    const double exponent = PyFloat_AsDouble(b);
    if (exponent == 2) return unary<squared>(a);
    if (exponent == 0.5) return unary<square_root>(a);
  }
  return apply_binary(checked_power, a, b);
}

PyObject* positive(PyObject* a) {
  Py_INCREF(a);
  return a;
}

// --- indexing

// What a key says about each axis, and what to do to the slice afterwards.
struct Slicing {
  Dims start, stop, step;
  bool partial = false;  // some axis is cut
  Dims squeezed;         // axes of the slice that an int removes
  Dims inserted;         // axes of the result that None adds
};

void take_whole(Slicing& s, std::int64_t extent) {
  s.start.push_back(0);
  s.stop.push_back(extent);
  s.step.push_back(1);
}

void take_slice(Slicing& s, PyObject* slice, std::int64_t extent) {
  Py_ssize_t start = 0, stop = 0, step = 0;
  checked(PySlice_Unpack(slice, &start, &stop, &step));
  const Py_ssize_t length = PySlice_AdjustIndices(extent, &start, &stop, step);
  s.partial = s.partial || length != extent || step != 1;
  s.start.push_back(start);
  s.stop.push_back(stop);
  s.step.push_back(step);
}

void take_index(Slicing& s, std::int64_t i, std::int64_t extent, int axis) {
  if (i < -extent || i >= extent)
    fail<IndexError>("index ", i, " is out of range for axis ", axis, " with ", extent,
                     " elements");
  i = i < 0 ? i + extent : i;
  s.squeezed.push_back(s.start.rank());
  s.start.push_back(i);
  s.stop.push_back(i + 1);
  s.step.push_back(1);
  s.partial = true;
}

bool is_integer_index(PyObject* o) {
  return PyIndex_Check(o) && !PyBool_Check(o) && !is_tensor(o) && !is_ndarray(o);
}

Slicing read_key(const Shape& shape, std::span<PyObject* const> items) {
  int named = 0;
  for (PyObject* item : items) named += item != Py_None && item != Py_Ellipsis;
  if (named > shape.rank())
    fail<IndexError>("too many indices: a tensor of shape ", shape, " was given ", named);
  Slicing s;
  bool seen_ellipsis = false;
  int result_axis = 0;
  for (PyObject* item : items) {
    const int axis = s.start.rank();
    if (item == Py_None) {
      s.inserted.push_back(result_axis++);
    } else if (item == Py_Ellipsis) {
      if (seen_ellipsis) fail<IndexError>("an index can have one ellipsis ('...')");
      seen_ellipsis = true;
      for (int i = 0; i < shape.rank() - named; ++i, ++result_axis) take_whole(s, shape[axis + i]);
    } else if (PySlice_Check(item)) {
      take_slice(s, item, shape[axis]);
      ++result_axis;
    } else if (is_integer_index(item)) {
      take_index(s, parse_int(item), shape[axis], axis);
    } else {
      fail<TypeError>(
          "tensors are indexed by ints, slices, None and '...', or by one array of ints, got ",
          Py_TYPE(item)->tp_name);
    }
  }
  while (s.start.rank() < shape.rank()) take_whole(s, shape[s.start.rank()]);
  return s;
}

Tensor slice_tensor(const Tensor& x, std::span<PyObject* const> items) {
  const Slicing s = read_key(x.shape(), items);
  Tensor y = s.partial ? ops::slice(x, s.start, s.stop, s.step) : x;
  for (int i = s.squeezed.rank() - 1; i >= 0; --i) y = ops::squeeze(y, s.squeezed[i]);
  for (const std::int64_t axis : s.inserted) y = ops::expand_dims(y, axis);
  return y;
}

Tensor take_rows(const Tensor& x, PyObject* key) {
  const Tensor indices = to_tensor(key);
  if (is_float(indices.dtype()) || indices.dtype() == DType::boolean)
    fail<TypeError>("tensors are indexed by arrays of ints, got dtype ", name(indices.dtype()));
  return ops::take(x, indices, 0);
}

PyObject* index(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    if (is_tensor(key) || is_ndarray(key) || PyList_Check(key)) return wrap(take_rows(x, key));
    if (PyTuple_Check(key))
      return wrap(slice_tensor(
          x, {PySequence_Fast_ITEMS(key), static_cast<std::size_t>(PyTuple_GET_SIZE(key))}));
    return wrap(slice_tensor(x, {&key, 1}));
  });
}

PyObject* item(PyObject* self, Py_ssize_t i) {
  return guarded([&] {
    const py::int_ key(i);
    PyObject* only = key.ptr();
    return wrap(slice_tensor(tensor_of(self), {&only, 1}));
  });
}

PyObject* compare(PyObject* a, PyObject* b, int operation) {
  switch (operation) {
    case Py_LT:
      return apply_binary(ops::less, a, b);
    case Py_LE:
      return apply_binary(ops::less_equal, a, b);
    case Py_EQ:
      return apply_binary(ops::equal, a, b);
    case Py_NE:
      return apply_binary(ops::not_equal, a, b);
    case Py_GT:
      return apply_binary(ops::greater, a, b);
    default:
      return apply_binary(ops::greater_equal, a, b);
  }
}

}  // namespace

std::vector<PyType_Slot> tensor_operator_slots() {
  const auto slot = [](auto function) { return reinterpret_cast<void*>(function); };
  return {{Py_nb_add, slot(binary<ops::add>)},
          {Py_nb_subtract, slot(binary<ops::subtract>)},
          {Py_nb_multiply, slot(binary<ops::multiply>)},
          {Py_nb_true_divide, slot(binary<ops::divide>)},
          {Py_nb_power, slot(power)},
          {Py_nb_matrix_multiply, slot(binary<ops::matmul>)},
          {Py_nb_negative, slot(unary<ops::negative>)},
          {Py_nb_positive, slot(positive)},
          {Py_nb_absolute, slot(unary<absolute>)},
          {Py_nb_invert, slot(unary<invert>)},
          {Py_nb_and, slot(binary<on_bools<ops::logical_and>>)},
          {Py_nb_or, slot(binary<on_bools<ops::logical_or>>)},
          {Py_nb_xor, slot(binary<on_bools<ops::logical_xor>>)},
          {Py_tp_richcompare, slot(compare)},
          {Py_mp_subscript, slot(index)},
          {Py_sq_item, slot(item)}};
}

}  // namespace pynn::bindings
