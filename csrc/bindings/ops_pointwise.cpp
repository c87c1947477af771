// Functions of the kernel lists: a row there is a function here.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

// Parameters beside x, with their defaults, of the few formulas that have any.
constexpr const char* unary_signature(std::string_view name) {
  if (name == "leaky_relu") return "x, alpha=0.2, out=None";
  if (name == "elu") return "x, alpha=1.0, out=None";
  return "x, out=None";
}
constexpr double default_alpha(std::string_view name) {
  return name == "leaky_relu" ? 0.2 : name == "elu" ? 1.0 : 0.0;
}

template <class Compute>
PyObject* unary(Call& call, std::size_t out, Compute compute) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  return operands.result(call[out], [&] { return compute(x); });
}

template <bool is_power, class Compute>
PyObject* binary(Call& call, Compute compute) {
  Operands operands;
  const auto [a, b] = operands.take_pair(call[0], call[1]);
  if constexpr (is_power) check_power(a, b);
  return operands.result(call[2], [&, &a = a, &b = b] { return compute(a, b); });
}

#define PYNN_ROW(NAME, ...)                                                                \
  constexpr Function NAME##_function{                                                      \
      #NAME, unary_signature(#NAME), nullptr, [](Call& call) {                             \
        if constexpr (default_alpha(#NAME) == 0) {                                         \
          return unary(call, 1, [](const Tensor& x) { return ops::NAME(x); });             \
        } else {                                                                           \
          const double alpha = call.real(1, default_alpha(#NAME));                         \
          return unary(call, 2, [alpha](const Tensor& x) { return ops::NAME(x, alpha); }); \
        }                                                                                  \
      }};
PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW

#define PYNN_ROW(NAME)                \
  constexpr Function NAME##_function{ \
      #NAME, "x, out=None", nullptr,  \
      [](Call& call) { return unary(call, 1, [](const Tensor& x) { return ops::NAME(x); }); }};
PYNN_PLAIN_UNARY(PYNN_ROW)
PYNN_TEST_UNARY(PYNN_ROW)
#undef PYNN_ROW

#define PYNN_ROW(NAME)                                                               \
  constexpr Function NAME##_function{                                                \
      #NAME, "a, b, out=None", nullptr, [](Call& call) {                             \
        return binary<std::string_view(#NAME) == "power">(                           \
            call, [](const Tensor& a, const Tensor& b) { return ops::NAME(a, b); }); \
      }};
PYNN_BINARY(PYNN_ROW)
PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW

constexpr Function where_function{
    "where", "condition, a, b, out=None", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& condition = operands.take(call[0]);
      const auto [a, b] = operands.take_pair(call[1], call[2]);
      return operands.result(call[3], [&, &a = a, &b = b] { return ops::where(condition, a, b); });
    }};

constexpr Function cast_function{
    "cast", "x, dtype", nullptr, [](Call& call) {
      const DType dtype = parse_dtype(call[1]);
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      return operands.result(operands.run([&] { return ops::cast(x, dtype); }));
    }};

}  // namespace

void add_pointwise_functions(std::vector<PyMethodDef>& rows) {
#define PYNN_ROW(NAME, ...) rows.push_back(op_row<NAME##_function>());
  PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
  PYNN_PLAIN_UNARY(PYNN_ROW)
  PYNN_TEST_UNARY(PYNN_ROW)
  PYNN_BINARY(PYNN_ROW)
  PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW
  rows.push_back(op_row<where_function>());
  rows.push_back(op_row<cast_function>());
}

}  // namespace pynn::bindings
