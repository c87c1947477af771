// Rows of mean 0 and variance 1: what normalization layers are made of.
#include <utility>

#include "ops/axes.h"
#include "ops/launch.h"

namespace pynn {
namespace {

constexpr double kElementWork = 8;  // three passes in cache

// (rows, columns) of a contiguous tensor: `columns` along its last axis.
struct Rows {
  explicit Rows(const View& x)
      : columns(x.shape.back()),
        row_bytes(columns * static_cast<std::int64_t>(item_size(x.dtype))),
        chunks(columns == 0 ? 0 : x.size() / columns,
               16 + kElementWork * static_cast<double>(columns)) {}
  std::int64_t columns, row_bytes;
  Chunks chunks;
};

// One value a row of x.
TensorType row_values(const TensorType& x) {
  TensorType out = x;
  out.shape.back() = 1;
  return out;
}

void check_rows(const char* op, const TensorType& x) {
  if (x.dtype != DType::f32 && x.dtype != DType::f64)
    fail<TypeError>(op, ": expected float32 or float64, got ", name(x.dtype));
  if (x.shape.empty() || x.shape.back() == 0)
    fail<ValueError>(op, ": shape ", x.shape, " has no elements along the last axis");
}

// The mean over each row, kept as an axis of extent 1.
Tensor row_mean(const Tensor& x) { return ops::mean(x, {-1}, true); }

// --- standardize: flag = center, reals = {epsilon}; x -> y, scale

void add_standardize(OpTable& table) {
  Op row;
  row.name = "standardize";
  row.traits = kRowwise | kContiguous;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("standardize", in[0]);
    return std::vector<TensorType>{in[0], row_values(in[0])};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) -> Launch {
    return [rows = Rows(in[0]), map = kernels::table().standardize[index(in[0].dtype)],
            center = a.flag, epsilon = a.reals[0], x = in[0].as<const char>(),
            y = out[0].as<char>(), scale = out[1]](const RunState&) {
      rows.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        const std::int64_t skip = begin * rows.row_bytes;
        map(static_cast<std::size_t>(end - begin), static_cast<std::size_t>(rows.columns), center,
            epsilon, x + skip, y + skip, scale.at(begin));
      });
    };
  };
  // scale changes by -scale^2 y / n with x.
  row.gradient = [](const GradientArgs& g) {
    const Tensor &y = g.outputs[0], &scale = g.outputs[1], &dscale = g.doutputs[1];
    static const Op& backward = op("standardize_grad");
    Tensor dx;
    if (g.doutputs[0].defined()) dx = apply1(backward, g.attrs, {g.doutputs[0], y, scale});
    if (!dscale.defined()) return std::vector<Tensor>{dx};
    const Tensor share = ops::scalar(-1.0 / static_cast<double>(y.shape().back()), y.dtype());
    const Tensor slope = ops::multiply(share, ops::multiply(dscale, ops::square(scale)));
    const Tensor along = ops::multiply(slope, y);
    return std::vector<Tensor>{dx.defined() ? ops::add(dx, along) : along};
  };
  table.add(std::move(row));
}

// --- standardize_grad: attrs as above; dy, y, scale -> dx

// dx = scale (dy - mean(dy) - y mean(dy y)) is symmetric in dy: its gradient is the same map.
std::vector<Tensor> gradient_standardize_grad(const GradientArgs& g) {
  static const Op& row = op("standardize_grad");
  const Tensor &u = g.doutputs[0], &dy = g.inputs[0], &y = g.inputs[1], &scale = g.inputs[2];
  std::vector<Tensor> out(3);
  if (g.wanted[0]) out[0] = apply1(row, g.attrs, {u, y, scale});
  if (g.wanted[1])
    out[1] = ops::negative(
        ops::multiply(scale, ops::add(ops::multiply(u, row_mean(ops::multiply(dy, y))),
                                      ops::multiply(dy, row_mean(ops::multiply(u, y))))));
  if (g.wanted[2])
    out[2] = ops::divide(ops::sum(ops::multiply(u, g.outputs[0]), {-1}, true), scale);
  return out;
}

void add_standardize_grad(OpTable& table) {
  Op row;
  row.name = "standardize_grad";
  row.traits = kRowwise | kContiguous;
  row.arity = 3;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("standardize_grad", in[0]);
    if (!(in[0] == in[1]) || !(in[2] == row_values(in[0])))
      fail<ValueError>("standardize_grad: shapes ", in[0].shape, ", ", in[1].shape, " and ",
                       in[2].shape, " don't belong together");
    return std::vector<TensorType>{in[0]};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) -> Launch {
    return [rows = Rows(in[0]), map = kernels::table().standardize_grad[index(in[0].dtype)],
            center = a.flag, dy = in[0].as<const char>(), y = in[1].as<const char>(), scale = in[2],
            dx = out[0].as<char>()](const RunState&) {
      rows.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        const std::int64_t skip = begin * rows.row_bytes;
        map(static_cast<std::size_t>(end - begin), static_cast<std::size_t>(rows.columns), center,
            dy + skip, y + skip, scale.at(begin), dx + skip);
      });
    };
  };
  row.gradient = gradient_standardize_grad;
  table.add(std::move(row));
}

}  // namespace

void register_norm(OpTable& table) {
  add_standardize(table);
  add_standardize_grad(table);
}

namespace ops {

// Integers are computed in float32, bfloat16 too but goes back.
Tensor standardize(const Tensor& x, std::int64_t axis, double epsilon, bool center) {
  static const Op& row = op("standardize");
  const int at = checked_axis("standardize", axis, x.shape());
  if (!(epsilon >= 0)) fail<ValueError>("standardize: epsilon must not be negative, got ", epsilon);
  Attrs attrs;
  attrs.flag = center;
  attrs.reals = {epsilon, 0};
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y = swap_with_last(apply1(row, attrs, {swap_with_last(cast(x, dtype), at)}), at);
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

}  // namespace ops
}  // namespace pynn
