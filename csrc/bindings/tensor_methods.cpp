// Methods of Tensor that are ops.
#include <cmath>

#include "bindings/operands.h"
#include "bindings/ops.h"
#include "bindings/tensor.h"
#include "ops/axes.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

// The arguments of f(2, 3) and of f((2, 3)).
Dims spread(PyObject* const* args, Py_ssize_t count) {
  if (count == 1) return parse_dims(args[0]);
  Dims dims;
  for (Py_ssize_t i = 0; i < count; ++i) dims.push_back(parse_int(args[i]));
  return dims;
}

PyObject* reshape(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded([&] { return wrap(ops::reshape(tensor_of(self), spread(args, count))); });
}

PyObject* transpose(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded([&] {
    const bool reversed = count == 1 && args[0] == Py_None;
    return wrap(ops::transpose(tensor_of(self), reversed ? Dims() : spread(args, count)));
  });
}

constexpr Function astype_function{"astype", "dtype", "The tensor with elements of another type.",
                                   [](Call& call) {
                                     const Tensor& x = tensor_of(call.self());
                                     return wrap(ops::cast(x, parse_dtype(call[0])));
                                   }};

constexpr Function ravel_function{
    "ravel", "", "The elements in one dimension, in C order; a view where they lie so.",
    [](Call& call) { return wrap(ops::reshape(tensor_of(call.self()), Shape{-1})); }};

constexpr Function squeeze_function{
    "squeeze", "axis=None", "The tensor without axes of extent 1 (default: all of them).",
    [](Call& call) {
      Tensor x = tensor_of(call.self());
      Dims axes = ops::checked_axes("squeeze", parse_axes(call[0]), x.shape());
      for (int i = axes.rank() - 1; i >= 0; --i)
        if (call.given(0) || x.shape()[static_cast<int>(axes[i])] == 1)
          x = ops::squeeze(x, axes[i]);
      return wrap(x);
    }};

constexpr Function round_function{
    "round", "decimals=0", "Rounded to so many decimals; halves go to the even digit.",
    [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call.self());
      const double scale = std::pow(10.0, static_cast<double>(call.integer(0, 0)));
      return wrap(operands.run([&] {
        if (scale == 1 || !is_float(x.dtype())) return ops::round(x);
        const Tensor factor = ops::scalar(scale, x.dtype());
        return ops::divide(ops::round(ops::multiply(x, factor)), factor);
      }));
    }};

constexpr Function dot_function{
    "dot", "other", "The matrix product of vectors and matrices, as ``@``.", [](Call& call) {
      Operands operands;
      const auto [a, b] = operands.take_pair(call.self(), call[0]);
      return wrap(operands.run([&, &a = a, &b = b] { return ops::matmul(a, b); }));
    }};

constexpr Function take_function{
    "take", "indices, axis=None", "The elements at `indices` of an axis (default: of all).",
    [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call.self());
      const Tensor& indices = operands.take(call[0]);
      const bool flat = !call.given(1);
      const std::int64_t axis = call.integer(1, 0);
      return wrap(operands.run(
          [&] { return ops::take(flat ? ops::reshape(x, Shape{-1}) : x, indices, axis); }));
    }};

constexpr Function flatten_function{
    "flatten", "", "The elements in one dimension, in C order.",
    [](Call& call) { return wrap(ops::reshape(tensor_of(call.self()), Shape{-1})); }};

using Reduction = Tensor (*)(const Tensor&, const Dims&, bool);

template <Reduction reduce>
PyObject* reduction(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call.self());
  const Dims axes = parse_axes(call[0]);
  const bool keepdims = call.flag(1, false);
  return wrap(operands.run([&] { return reduce(x, axes, keepdims); }));
}
constexpr const char* kReduction = "axis=None, keepdims=False";
constexpr Function sum_function{"sum", kReduction, "Sum over axes (default: all).",
                                reduction<ops::sum>};
constexpr Function mean_function{"mean", kReduction, "Mean over axes (default: all).",
                                 reduction<ops::mean>};
constexpr Function prod_function{"prod", kReduction, "Product over axes (default: all).",
                                 reduction<ops::prod>};
constexpr Function max_function{"max", kReduction, "Greatest value over axes (default: all).",
                                reduction<ops::max>};
constexpr Function min_function{"min", kReduction, "Least value over axes (default: all).",
                                reduction<ops::min>};

using ArgReduction = Tensor (*)(const Tensor&, std::int64_t, bool);

template <ArgReduction reduce>
PyObject* arg_reduction(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call.self());
  const Tensor line = call.given(0) ? x : ops::reshape(x, Shape{-1});
  const std::int64_t axis = call.integer(0, 0);
  return wrap(operands.run([&] { return reduce(line, axis, false); }));
}
constexpr Function argmax_function{
    "argmax", "axis=None", "Index of the first greatest value along an axis (default: of all).",
    arg_reduction<ops::argmax>};
constexpr Function argmin_function{
    "argmin", "axis=None", "Index of the first least value along an axis (default: of all).",
    arg_reduction<ops::argmin>};

template <PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)>
PyMethodDef spread_row(const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function)), METH_FASTCALL,
          doc};
}

}  // namespace

std::vector<PyMethodDef> tensor_op_methods() {
  std::vector<PyMethodDef> rows = {
      spread_row<reshape>("reshape",
                          "reshape($self, *shape)\n--\n\n"
                          "The same elements in another shape; one extent may be -1."),
      spread_row<transpose>("transpose",
                            "transpose($self, *axes)\n--\n\n"
                            "The tensor with its axes permuted (default: reversed)."),
      method_row<astype_function>(),
      method_row<flatten_function>(),
      method_row<sum_function>(),
      method_row<mean_function>(),
      method_row<prod_function>(),
      method_row<max_function>(),
      method_row<min_function>(),
      method_row<argmax_function>(),
      method_row<argmin_function>(),
      method_row<ravel_function>(),
      method_row<squeeze_function>(),
      method_row<round_function>(),
      method_row<dot_function>(),
      method_row<take_function>()};
  add_index_methods(rows);
  add_composed_methods(rows);
  return rows;
}

}  // namespace pynn::bindings
