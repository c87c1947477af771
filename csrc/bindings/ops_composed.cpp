// Functions made of other ops. Most are methods of Tensor too.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

constexpr Function clip_function{
    "clip", "x, min=None, max=None", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const auto bound = [&](std::size_t i) {
        return call.given(i) ? operands.take_beside(x, call[i]) : Tensor();
      };
      const Tensor low = bound(1), high = bound(2);
      return operands.result(operands.run([&] { return ops::clip(x, low, high); }));
    }};

using Binary = Tensor (*)(const Tensor&, const Tensor&);

template <Binary compute>
PyObject* binary(Call& call) {
  Operands operands;
  const auto [a, b] = operands.take_pair(call[0], call[1]);
  return operands.result(operands.run([&, &a = a, &b = b] { return compute(a, b); }));
}
constexpr Function floor_divide_function{"floor_divide", "a, b", nullptr,
                                         binary<ops::floor_divide>};
constexpr Function mod_function{"mod", "a, b", nullptr, binary<ops::mod>};

using Reduction = Tensor (*)(const Tensor&, const Dims&, bool);

template <Reduction reduce>
PyObject* reduction(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const Dims axes = parse_axes(call[1]);
  const bool keepdims = call.flag(2, false);
  return operands.result(operands.run([&] { return reduce(x, axes, keepdims); }));
}
constexpr const char* kReduction = "x, axis=None, keepdims=False";
constexpr Function any_function{"any", kReduction, nullptr, reduction<ops::any>};
constexpr Function all_function{"all", kReduction, nullptr, reduction<ops::all>};

template <bool root>
PyObject* variance(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const Dims axes = parse_axes(call[1]);
  const bool keepdims = call.flag(2, false);
  const double ddof = call.real(3, 0);
  return operands.result(operands.run([&] {
    const Tensor y = ops::var(x, axes, keepdims, ddof);
    return root ? ops::sqrt(y) : y;
  }));
}
constexpr const char* kVariance = "x, axis=None, keepdims=False, ddof=0";
constexpr Function var_function{"var", kVariance, nullptr, variance<false>};
constexpr Function std_function{"std", kVariance, nullptr, variance<true>};

constexpr Function swapaxes_function{
    "swapaxes", "x, axis1, axis2", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      return operands.result(ops::swapaxes(x, call.integer(1), call.integer(2)));
    }};
constexpr Function flip_function{"flip", "x, axis=None", nullptr, [](Call& call) {
                                   Operands operands;
                                   const Tensor& x = operands.take(call[0]);
                                   return operands.result(ops::flip(x, parse_axes(call[1])));
                                 }};

constexpr Function repeat_function{
    "repeat", "x, repeats, axis=None", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const std::int64_t times = call.integer(1);
      const bool flat = !call.given(2);
      const std::int64_t axis = call.integer(2, 0);
      return operands.result(operands.run(
          [&] { return ops::repeat(flat ? ops::reshape(x, Shape{-1}) : x, times, axis); }));
    }};
constexpr Function stack_function{
    "stack", "tensors, axis=0", nullptr, [](Call& call) {
      Operands operands;
      const std::vector<Tensor> tensors = operands.take_all(call[0]);
      const std::int64_t axis = call.integer(1, 0);
      return operands.result(operands.run([&] { return ops::stack(tensors, axis); }));
    }};

}  // namespace

void add_composed_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(),
              {op_row<clip_function>(), op_row<floor_divide_function>(), op_row<mod_function>(),
               op_row<any_function>(), op_row<all_function>(), op_row<var_function>(),
               op_row<std_function>(), op_row<swapaxes_function>(), op_row<flip_function>(),
               op_row<repeat_function>(), op_row<stack_function>()});
}

void add_composed_methods(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(),
              {op_method<clip_function>(), op_method<any_function>(), op_method<all_function>(),
               op_method<var_function>(), op_method<std_function>(), op_method<swapaxes_function>(),
               op_method<repeat_function>()});
}

}  // namespace pynn::bindings
