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
  Dims extents;
  for (int i = 0; i < axes; ++i) extents.push_back(x.shape()[1 + i]);
  ops::Windows windows;
  windows.size = parse_per_axis(call[1], "pool_size", axes);
  windows.strides = call.given(2) ? parse_per_axis(call[2], "strides", axes) : windows.size;
  const Padding padding = parse_padding(call[3], extents, windows.size, windows.strides);
  windows.before = padding.before;
  windows.after = padding.after;
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
