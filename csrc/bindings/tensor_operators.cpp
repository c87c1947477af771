// Python's operators on tensors: arithmetic, comparison, logic.
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

PyObject* divide_with_rest(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    if (!mixes(a) || !mixes(b)) Py_RETURN_NOTIMPLEMENTED;
    const py::object quotient = checked(binary<ops::floor_divide>(a, b));
    const py::object rest = checked(binary<ops::mod>(a, b));
    return py::make_tuple(quotient, rest).release().ptr();
  });
}

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
          {Py_nb_floor_divide, slot(binary<ops::floor_divide>)},
          {Py_nb_remainder, slot(binary<ops::mod>)},
          {Py_nb_divmod, slot(divide_with_rest)},
          {Py_nb_power, slot(power)},
          {Py_nb_matrix_multiply, slot(binary<ops::matmul>)},
          {Py_nb_negative, slot(unary<ops::negative>)},
          {Py_nb_positive, slot(positive)},
          {Py_nb_absolute, slot(unary<absolute>)},
          {Py_nb_invert, slot(unary<invert>)},
          {Py_nb_and, slot(binary<on_bools<ops::logical_and>>)},
          {Py_nb_or, slot(binary<on_bools<ops::logical_or>>)},
          {Py_nb_xor, slot(binary<on_bools<ops::logical_xor>>)},
          {Py_tp_richcompare, slot(compare)}};
}

}  // namespace pynn::bindings
