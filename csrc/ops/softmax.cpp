// Softmax, its logarithm and the logarithm of its denominator, along the last axis.
#include <utility>

#include "ops/axes.h"
#include "ops/launch.h"

namespace pynn {
namespace {

constexpr double kElementWork = 32;  // an exponential and two or three passes

void check_rows(const std::string& op, const TensorType& x) {
  if (x.dtype != DType::f32 && x.dtype != DType::f64)
    fail<TypeError>(op, ": expected float32 or float64, got ", name(x.dtype));
  if (x.shape.empty()) fail<ValueError>(op, ": expected at least one axis, got a scalar");
}

// (rows, columns) of a contiguous tensor: `columns` along its last axis.
struct Rows {
  explicit Rows(const View& x)
      : columns(x.shape.back()),
        row_bytes(columns * static_cast<std::int64_t>(item_size(x.dtype))),
        chunks(columns == 0 ? 0 : x.size() / columns, kElementWork * static_cast<double>(columns)) {
  }
  std::int64_t columns, row_bytes;
  Chunks chunks;
};

using Gradient = std::vector<Tensor> (*)(const GradientArgs&);

// y(rows, columns) or y(rows, 1) from x(rows, columns).
void add_map(OpTable& table, const char* name, bool reduces, kernels::RowsFn (*kernel)(DType),
             Gradient gradient) {
  Op row;
  row.name = name;
  row.traits = kRowwise | kContiguous;
  row.infer = [name, reduces](const Attrs&, std::span<const TensorType> in) {
    check_rows(name, in[0]);
    TensorType out = in[0];
    if (reduces && out.shape.back() == 0)
      fail<ValueError>(name, ": shape ", out.shape, " has no elements along the axis");
    if (reduces) out.shape.back() = 1;
    return std::vector<TensorType>{out};
  };
  row.prepare = [kernel](const Attrs&, std::span<const View> in,
                         std::span<const View> out) -> Launch {
    const auto out_bytes = out[0].shape.back() * static_cast<std::int64_t>(item_size(out[0].dtype));
    return [rows = Rows(in[0]), map = kernel(in[0].dtype), x = in[0].data, y = out[0].data,
            out_bytes](const RunState&) {
      rows.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        map(static_cast<std::size_t>(end - begin), static_cast<std::size_t>(rows.columns),
            static_cast<const char*>(x) + begin * rows.row_bytes,
            static_cast<char*>(y) + begin * out_bytes);
      });
    };
  };
  row.gradient = gradient;
  table.add(std::move(row));
}

// dx from (dy, y), all of one shape.
void add_map_gradient(OpTable& table, const char* name, kernels::RowsGradFn (*kernel)(DType),
                      Gradient gradient) {
  Op row;
  row.name = name;
  row.traits = kRowwise | kContiguous;
  row.arity = 2;
  row.infer = [name](const Attrs&, std::span<const TensorType> in) {
    check_rows(name, in[0]);
    if (!(in[0] == in[1]))
      fail<ValueError>(name, ": expected two tensors of one shape and dtype, got ", in[0].shape,
                       " and ", in[1].shape);
    return std::vector<TensorType>{in[0]};
  };
  row.prepare = [kernel](const Attrs&, std::span<const View> in,
                         std::span<const View> out) -> Launch {
    return [rows = Rows(in[0]), map = kernel(in[0].dtype), dy = in[0].as<const char>(),
            y = in[1].as<const char>(), dx = out[0].as<char>()](const RunState&) {
      rows.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        const std::int64_t skip = begin * rows.row_bytes;
        map(static_cast<std::size_t>(end - begin), static_cast<std::size_t>(rows.columns),
            dy + skip, y + skip, dx + skip);
      });
    };
  };
  row.gradient = gradient;
  table.add(std::move(row));
}

Tensor softmax_grad(const Tensor& dy, const Tensor& y) {
  static const Op& row = op("softmax_grad");
  return apply1(row, {}, {dy, y});
}

Tensor log_softmax_grad(const Tensor& dy, const Tensor& y) {
  static const Op& row = op("log_softmax_grad");
  return apply1(row, {}, {dy, y});
}

// The inner product of each row with `b`'s, kept as an axis of extent 1.
Tensor row_dot(const Tensor& a, const Tensor& b) {
  return ops::sum(ops::multiply(a, b), {-1}, true);
}

// dx = y (dy - <dy, y>)
std::vector<Tensor> gradient_softmax_grad(const GradientArgs& g) {
  const Tensor &u = g.doutputs[0], &dy = g.inputs[0], &y = g.inputs[1];
  std::vector<Tensor> out(2);
  if (g.wanted[0]) out[0] = softmax_grad(u, y);
  if (g.wanted[1])
    out[1] = ops::subtract(ops::multiply(u, ops::subtract(dy, row_dot(dy, y))),
                           ops::multiply(dy, row_dot(u, y)));
  return out;
}

// dx = dy - e^y sum(dy)
std::vector<Tensor> gradient_log_softmax_grad(const GradientArgs& g) {
  const Tensor &u = g.doutputs[0], &dy = g.inputs[0], &y = g.inputs[1];
  const Tensor weighted = ops::multiply(u, ops::exp(y));
  std::vector<Tensor> out(2);
  if (g.wanted[0]) out[0] = ops::subtract(u, ops::sum(weighted, {-1}, true));
  if (g.wanted[1]) out[1] = ops::negative(ops::multiply(weighted, ops::sum(dy, {-1}, true)));
  return out;
}

}  // namespace

void register_softmax(OpTable& table) {
  add_map(
      table, "softmax", false, [](DType d) { return kernels::table().softmax[index(d)]; },
      [](const GradientArgs& g) {
        return std::vector<Tensor>{softmax_grad(g.doutputs[0], g.outputs[0])};
      });
  add_map(
      table, "log_softmax", false, [](DType d) { return kernels::table().log_softmax[index(d)]; },
      [](const GradientArgs& g) {
        return std::vector<Tensor>{log_softmax_grad(g.doutputs[0], g.outputs[0])};
      });
  add_map(
      table, "logsumexp", true, [](DType d) { return kernels::table().logsumexp[index(d)]; },
      [](const GradientArgs& g) {
        return std::vector<Tensor>{ops::multiply(g.doutputs[0], ops::softmax(g.inputs[0]))};
      });
  add_map_gradient(
      table, "softmax_grad", [](DType d) { return kernels::table().softmax_grad[index(d)]; },
      gradient_softmax_grad);
  add_map_gradient(
      table, "log_softmax_grad",
      [](DType d) { return kernels::table().log_softmax_grad[index(d)]; },
      gradient_log_softmax_grad);
}

namespace ops {
namespace {

// Applies a row to `axis` of x. Integers are computed in float32, bfloat16 too but goes back.
Tensor along(const Op& row, const Tensor& x, int axis) {
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y = swap_with_last(apply1(row, {}, {swap_with_last(cast(x, dtype), axis)}), axis);
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  static const Op& row = op("softmax");
  return along(row, x, checked_axis("softmax", axis, x.shape()));
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  static const Op& row = op("log_softmax");
  return along(row, x, checked_axis("log_softmax", axis, x.shape()));
}

Tensor logsumexp(const Tensor& x, std::int64_t axis, bool keepdims) {
  static const Op& row = op("logsumexp");
  const int at = checked_axis("logsumexp", axis, x.shape());
  const Tensor y = along(row, x, at);
  return keepdims ? y : squeeze(y, at);
}

}  // namespace ops
}  // namespace pynn
