// Pooling functions.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "bindings/windows.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

template <Tensor (*pool)(const Tensor&, const ops::Windows&)>
PyObject* pooling(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const int axes = std::max(x.rank() - 2, 0);
  ops::Windows windows;
  windows.size = parse_per_axis(call[1], "pool_size", axes);
  windows.strides = call.given(2) ? parse_per_axis(call[2], "strides", axes) : windows.size;
  const Padding padding = parse_padding(call[3], axes);
  windows.before = padding.before;
  windows.after = padding.after;
  for (int i = 0; padding.same && i < axes; ++i) {
    const std::int64_t all = same_padding(x.shape()[1 + i], windows.size[i], windows.strides[i]);
    windows.before[i] = all / 2;
    windows.after[i] = all - all / 2;
  }
  return operands.result(operands.run([&] { return pool(x, windows); }));
}

constexpr const char* kPooling = "x, pool_size, strides=None, padding='valid'";
constexpr Function max_pool_function{"max_pool", kPooling, nullptr, pooling<ops::max_pool>};
constexpr Function avg_pool_function{"avg_pool", kPooling, nullptr, pooling<ops::avg_pool>};

}  // namespace

void add_pooling_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(), {op_row<max_pool_function>(), op_row<avg_pool_function>()});
}

}  // namespace pynn::bindings
