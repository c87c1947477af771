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

constexpr Function batch_standardize_function{
    "batch_standardize", "x, epsilon=1e-05, gamma=None, beta=None", nullptr,
    [](Call& call) -> PyObject* {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const double epsilon = call.real(1, 1e-5);
      const Tensor none;
      const Tensor& gamma = call.given(2) ? operands.take(call[2]) : none;
      const Tensor& beta = call.given(3) ? operands.take(call[3]) : none;
      const std::vector<Tensor> made =
          operands.run([&] { return ops::batch_standardize(x, epsilon, gamma, beta); });
      py::list results;
      for (const Tensor& value : made) results.append(checked(operands.result(value)));
      return py::tuple(results).release().ptr();
    }};

}  // namespace

void add_normalization_functions(std::vector<PyMethodDef>& rows) {
  rows.push_back(op_row<standardize_function>());
  rows.push_back(op_row<batch_standardize_function>());
}

}  // namespace pynn::bindings
