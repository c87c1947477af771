// Functions that make tensors from nothing: constants and random numbers.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

// What a function without operands returns: an array, or a Tensor while recording.
PyObject* created(Tensor value) {
  if (active_recorder() != nullptr) return wrap(std::move(value));
  return Operands().result(std::move(value));
}

DType dtype_or_float(Call& call, std::size_t i) {
  return parse_optional_dtype(call[i]).value_or(DType::f32);
}

DType random_dtype(Call& call, std::size_t i) {
  const DType dtype = dtype_or_float(call, i);
  if (dtype != DType::f32 && dtype != DType::f64)
    fail<TypeError>("random numbers are float32 or float64, got dtype ", name(dtype));
  return dtype;
}

std::optional<std::int64_t> seed_of(Call& call, std::size_t i) {
  return call.given(i) ? std::optional(call.integer(i)) : std::nullopt;
}

double elements(const Shape& shape) { return static_cast<double>(element_count(shape)); }

constexpr Function zeros_function{
    "zeros", "shape, dtype='float32'", nullptr, [](Call& call) {
      return created(ops::full(parse_shape(call[0]), 0, dtype_or_float(call, 1)));
    }};
constexpr Function ones_function{
    "ones", "shape, dtype='float32'", nullptr, [](Call& call) {
      return created(ops::full(parse_shape(call[0]), 1, dtype_or_float(call, 1)));
    }};
constexpr Function full_function{
    "full", "shape, value, dtype=None", nullptr, [](Call& call) {
      const std::optional<Scalar> value = parse_scalar(call[1]);
      if (!value) fail<TypeError>("full takes a number, got ", Py_TYPE(call[1])->tp_name);
      const DType dtype = parse_optional_dtype(call[2]).value_or(value->own);
      const Shape shape = parse_shape(call[0]);
      const Array result = Array::empty(dtype, shape);
      copy_into(result, broadcast_view(scalar_tensor(*value, dtype).array(), shape));
      return created(result);
    }};
constexpr Function zeros_like_function{"zeros_like", "x", nullptr, [](Call& call) {
                                         Operands operands;
                                         const Tensor& x = operands.take(call[0]);
                                         return operands.result(ops::full(x.shape(), 0, x.dtype()));
                                       }};
constexpr Function ones_like_function{"ones_like", "x", nullptr, [](Call& call) {
                                        Operands operands;
                                        const Tensor& x = operands.take(call[0]);
                                        return operands.result(ops::full(x.shape(), 1, x.dtype()));
                                      }};

constexpr Function random_uniform_function{
    "random_uniform", "shape, low=0.0, high=1.0, dtype='float32', seed=None", nullptr,
    [](Call& call) {
      const Shape shape = parse_shape(call[0]);
      const double low = call.real(1, 0), high = call.real(2, 1);
      const DType dtype = random_dtype(call, 3);
      const auto seed = seed_of(call, 4);
      return created(Operands().run(elements(shape) * 16, [&] {
        return ops::random_uniform(shape, low, high, dtype, seed);
      }));
    }};
constexpr Function random_normal_function{
    "random_normal", "shape, mean=0.0, stddev=1.0, dtype='float32', seed=None", nullptr,
    [](Call& call) {
      const Shape shape = parse_shape(call[0]);
      const double mean = call.real(1, 0), stddev = call.real(2, 1);
      const DType dtype = random_dtype(call, 3);
      const auto seed = seed_of(call, 4);
      return created(Operands().run(elements(shape) * 16, [&] {
        return ops::random_normal(shape, mean, stddev, dtype, seed);
      }));
    }};

}  // namespace

void add_creation_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(),
              {op_row<zeros_function>(), op_row<ones_function>(), op_row<full_function>(),
               op_row<zeros_like_function>(), op_row<ones_like_function>(),
               op_row<random_uniform_function>(), op_row<random_normal_function>()});
}

}  // namespace pynn::bindings
