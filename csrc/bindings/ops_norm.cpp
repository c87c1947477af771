// Normalization functions.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

constexpr Function standardize_function{
    "standardize", "x, axis=-1, epsilon=1e-05, center=True, gamma=None, beta=None", nullptr,
    [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const std::int64_t axis = call.integer(1, -1);
      const double epsilon = call.real(2, 1e-5);
      const bool center = call.flag(3, true);
      const Tensor none;
      const Tensor& gamma = call.given(4) ? operands.take(call[4]) : none;
      const Tensor& beta = call.given(5) ? operands.take(call[5]) : none;
      return operands.result(
          operands.run([&] { return ops::standardize(x, axis, epsilon, center, gamma, beta); }));
    }};

}  // namespace

void add_normalization_functions(std::vector<PyMethodDef>& rows) {
  rows.push_back(op_row<standardize_function>());
}

}  // namespace pynn::bindings
