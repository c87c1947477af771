// Rows of mean 0 and variance 1: what normalization layers are made of.
#include <cstring>
#include <limits>
#include <utility>

#include "ops/axes.h"
#include "ops/launch.h"
#include "ops/norm_columns.h"

namespace pynn {
namespace {

constexpr double kElementWork = 8;  // three passes in cache
constexpr std::int64_t kRuns = 32;  // of rows, whose gradients by gamma and beta are summed apart

// (rows, columns) of a contiguous tensor: `columns` along its last axis.
struct Rows {
  // In at most `runs` chunks.
  explicit Rows(const View& x, std::int64_t runs = std::numeric_limits<std::int64_t>::max())
      : columns(x.shape.back()),
        row_bytes(columns * static_cast<std::int64_t>(item_size(x.dtype))) {
    const std::int64_t rows = columns == 0 ? 0 : x.size() / columns;
    chunks = Chunks(rows, 16 + kElementWork * static_cast<double>(columns),
                    rows / runs + (rows % runs != 0));
  }
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

Tensor column_sum(const Tensor& x) {
  Dims axes;
  for (int i = 0; i + 1 < x.rank(); ++i) axes.push_back(i);
  return axes.empty() ? x : ops::sum(x, axes);
}
// The sum of x over what is standardized together, so that it broadcasts over x: each column
// (flag2) or each row.
Tensor sum_together(const Attrs& a, const Tensor& x) {
  return a.flag2 ? column_sum(x) : ops::sum(x, {-1}, true);
}
// 1 / the number of elements that are standardized together.
Tensor share_of_each(const Attrs& a, const Tensor& x) {
  const auto n = static_cast<double>(x.shape().back());
  return ops::scalar(a.flag2 ? n / static_cast<double>(x.size()) : 1 / n, x.dtype());
}
Tensor mean_together(const Attrs& a, const Tensor& x) {
  return ops::multiply(sum_together(a, x), share_of_each(a, x));
}

Tensor plus(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() ? ops::add(a, b) : a.defined() ? a : b;
}

void check_row_weight(const char* op, const TensorType& weight, const TensorType& x) {
  if (!(weight == TensorType{x.dtype, {x.shape.back()}}))
    fail<ValueError>(op, ": expected a ", name(x.dtype), " weight of shape (", x.shape.back(),
                     ",), got a ", name(weight.dtype), " one of shape ", weight.shape);
}

kernels::Standardize problem(const Attrs& a, const Rows& rows, const View* gamma,
                             const View* beta) {
  kernels::Standardize s{};
  s.cols = static_cast<std::size_t>(rows.columns);
  s.center = a.flag;
  s.epsilon = a.reals[0];
  s.gamma = gamma == nullptr ? nullptr : gamma->data;
  s.beta = beta == nullptr ? nullptr : beta->data;
  return s;
}

const Op& gradient_row(const Attrs& a) {
  static const Op &rows = op("standardize_grad"), &columns = op("standardize_columns_grad");
  return a.flag2 ? columns : rows;
}

// With x the mean changes by 1 / n, the scale by -scale^2 h / n, the variance by 2 (x - mean) / n.
std::vector<Tensor> gradient_standardize(const GradientArgs& g) {
  const Tensor &x = g.inputs[0], &mean = g.outputs[1], &scale = g.outputs[2];
  const Tensor &dy = g.doutputs[0], &dmean = g.doutputs[1], &dscale = g.doutputs[2];
  const Op& backward = gradient_row(g.attrs);
  std::vector<Tensor> out(g.inputs.size());
  if (dy.defined()) {
    std::vector<Tensor> operands = {dy, x, mean, scale};
    if (g.inputs.size() > 1) operands.push_back(g.inputs[1]);
    const std::vector<Tensor> made = apply(backward, g.attrs, operands);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = made[i];
  }
  const Tensor share = share_of_each(g.attrs, x);
  if (dmean.defined() && g.attrs.flag)
    out[0] = plus(out[0], ops::broadcast_to(ops::multiply(dmean, share), x.shape()));
  if (dscale.defined()) {
    const Tensor cube = ops::multiply(scale, ops::square(scale));
    const Tensor slope = ops::negative(ops::multiply(share, ops::multiply(dscale, cube)));
    out[0] = plus(out[0], ops::multiply(slope, ops::subtract(x, mean)));
  }
  if (g.outputs.size() > 3 && g.doutputs[3].defined()) {
    const Tensor slope = ops::multiply(g.doutputs[3], ops::add(share, share));
    out[0] = plus(out[0], ops::multiply(slope, ops::subtract(x, mean)));
  }
  return out;
}

// --- standardize: flag = center, reals = {epsilon}; x[, gamma[, beta]] -> y, mean, scale

void add_standardize(OpTable& table) {
  Op row;
  row.name = "standardize";
  row.traits = kRowwise | kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("standardize", in[0]);
    for (const TensorType& weight : in.subspan(1)) check_row_weight("standardize", weight, in[0]);
    return std::vector<TensorType>{in[0], row_values(in[0]), row_values(in[0])};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) -> Launch {
    const Rows rows(in[0]);
    return [rows, map = kernels::table().standardize[index(in[0].dtype)],
            whole = problem(a, rows, in.size() > 1 ? &in[1] : nullptr,
                            in.size() > 2 ? &in[2] : nullptr),
            x = in[0].as<const char>(), y = out[0].as<char>(), mean = out[1],
            scale = out[2]](const RunState&) {
      rows.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        const std::int64_t skip = begin * rows.row_bytes;
        kernels::Standardize part = whole;
        part.rows = static_cast<std::size_t>(end - begin);
        map(part, x + skip, y + skip, mean.at(begin), scale.at(begin));
      });
    };
  };
  row.gradient = gradient_standardize;
  table.add(std::move(row));
}

// --- standardize_grad: attrs as above; dy, x, mean, scale[, gamma] -> dx[, dgamma, dbeta]

// With h = (x - mean) scale and g = dy gamma, dx = G(g) = scale (g - mean(g) - h mean(g h)) is
// symmetric in g: the gradient by g is G again. dgamma and dbeta are the sums of dy h and dy.
std::vector<Tensor> gradient_standardize_grad(const GradientArgs& args) {
  const Op& row = gradient_row(args.attrs);
  const bool weighted = args.inputs.size() > 4;
  const Tensor &dy = args.inputs[0], &x = args.inputs[1], &mean = args.inputs[2];
  const Tensor& scale = args.inputs[3];
  const Tensor& u = args.doutputs[0];
  const Tensor a = weighted ? args.doutputs[1] : Tensor(), b = weighted ? args.doutputs[2] : a;
  const Tensor away = ops::subtract(x, mean), h = ops::multiply(away, scale);
  const Tensor g = weighted ? ops::multiply(dy, args.inputs[4]) : dy;
  Tensor ddy, dh, dgamma, dscale;
  if (u.defined()) {
    const Tensor back = apply1(row, args.attrs, {u, x, mean, scale});
    ddy = weighted ? ops::multiply(back, args.inputs[4]) : back;
    if (weighted) dgamma = column_sum(ops::multiply(dy, back));
    dh = ops::negative(ops::multiply(
        scale, ops::add(ops::multiply(u, mean_together(args.attrs, ops::multiply(g, h))),
                        ops::multiply(g, mean_together(args.attrs, ops::multiply(u, h))))));
    dscale = ops::divide(sum_together(args.attrs, ops::multiply(u, args.outputs[0])), scale);
  }
  if (a.defined()) {
    ddy = plus(ddy, ops::multiply(h, a));
    dh = plus(dh, ops::multiply(dy, a));
  }
  if (b.defined()) ddy = plus(ddy, ops::broadcast_to(b, dy.shape()));
  std::vector<Tensor> out(args.inputs.size());
  out[0] = ddy;
  if (dh.defined()) {
    out[1] = ops::multiply(dh, scale);
    out[2] = ops::negative(sum_together(args.attrs, out[1]));
    out[3] = plus(dscale, sum_together(args.attrs, ops::multiply(dh, away)));
  }
  if (weighted) out[4] = dgamma;
  return out;
}

// The gradients of gamma and beta are summed over fixed runs of rows, each with sums of its own.
Launch prepare_standardize_grad(const Attrs& a, std::span<const View> in,
                                std::span<const View> out) {
  const bool weighted = in.size() > 4;
  const Rows rows = weighted ? Rows(in[0], kRuns) : Rows(in[0]);
  const auto columns = static_cast<std::size_t>(rows.columns);
  const auto d = index(in[0].dtype);
  return [=, map = kernels::table().standardize_grad[d],
          add = kernels::table().pointwise[static_cast<std::size_t>(kernels::Pointwise::add)][d],
          whole = problem(a, rows, weighted ? &in[4] : nullptr, nullptr),
          dy = in[0].as<const char>(), x = in[1].as<const char>(), mean = in[2], scale = in[3],
          dx = out[0].as<char>(), dgamma = weighted ? out[1].as<char>() : nullptr,
          dbeta = weighted ? out[2].as<char>() : nullptr](const RunState&) {
    const auto bytes = static_cast<std::size_t>(rows.row_bytes);
    const auto runs = static_cast<std::size_t>(rows.chunks.count());
    const std::shared_ptr<void> memory = scratch(weighted ? 2 * bytes * runs : 0);
    char* const sums = static_cast<char*>(memory.get());
    rows.chunks.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      const std::int64_t skip = begin * rows.row_bytes;
      kernels::Standardize part = whole;
      part.rows = static_cast<std::size_t>(end - begin);
      char* const sum = weighted ? sums + 2 * bytes * chunk : nullptr;
      if (weighted) std::memset(sum, 0, 2 * bytes);
      map(part, dy + skip, x + skip, mean.at(begin), scale.at(begin), dx + skip, sum,
          weighted ? sum + bytes : nullptr);
    });
    if (!weighted) return;
    std::memset(dgamma, 0, bytes);
    std::memset(dbeta, 0, bytes);
    for (std::size_t run = 0; run < runs; ++run) {
      const char* const sum = sums + 2 * bytes * run;
      const void* const to_gamma[] = {dgamma, sum};
      const void* const to_beta[] = {dbeta, sum + bytes};
      add(columns, dgamma, to_gamma, nullptr);
      add(columns, dbeta, to_beta, nullptr);
    }
  };
}

void add_standardize_grad(OpTable& table) {
  Op row;
  row.name = "standardize_grad";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("standardize_grad", in[0]);
    if (!(in[0] == in[1]) || !(in[2] == row_values(in[0])) || !(in[3] == in[2]))
      fail<ValueError>("standardize_grad: shapes ", in[0].shape, ", ", in[1].shape, ", ",
                       in[2].shape, " and ", in[3].shape, " don't belong together");
    if (in.size() == 4) return std::vector<TensorType>{in[0]};
    check_row_weight("standardize_grad", in[4], in[0]);
    return std::vector<TensorType>{in[0], in[4], in[4]};
  };
  row.prepare = prepare_standardize_grad;
  row.gradient = gradient_standardize_grad;
  table.add(std::move(row));
}

// --- the same of columns: flag = flag2 = true; standardize_columns has a fourth output, the
// variance

void add_standardize_columns(OpTable& table) {
  Op row;
  row.name = "standardize_columns";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("standardize_columns", in[0]);
    for (const TensorType& weight : in.subspan(1))
      check_row_weight("standardize_columns", weight, in[0]);
    const TensorType column{in[0].dtype, {in[0].shape.back()}};
    return std::vector<TensorType>{in[0], column, column, column};
  };
  row.prepare = prepare_standardize_columns;
  row.gradient = gradient_standardize;
  table.add(std::move(row));
}

void add_standardize_columns_grad(OpTable& table) {
  Op row;
  row.name = "standardize_columns_grad";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    if (in.size() == 4) return std::vector<TensorType>{in[0]};
    return std::vector<TensorType>{in[0], in[4], in[4]};
  };
  row.prepare = prepare_standardize_columns_grad;
  row.gradient = gradient_standardize_grad;
  table.add(std::move(row));
}

}  // namespace

void register_norm(OpTable& table) {
  add_standardize(table);
  add_standardize_grad(table);
  add_standardize_columns(table);
  add_standardize_columns_grad(table);
}

namespace ops {

namespace {

// x, gamma and beta as far as they are there; beta comes with a gamma.
std::vector<Tensor> with_weights(const Tensor& x, const Tensor& gamma, const Tensor& beta) {
  std::vector<Tensor> operands = {x};
  if (gamma.defined()) operands.push_back(cast(gamma, x.dtype()));
  if (beta.defined() && !gamma.defined())
    operands.push_back(full({x.shape().back()}, 1, x.dtype()));
  if (beta.defined()) operands.push_back(cast(beta, x.dtype()));
  return operands;
}

}  // namespace

// Integers are computed in float32, bfloat16 too but goes back.
Tensor standardize(const Tensor& x, std::int64_t axis, double epsilon, bool center,
                   const Tensor& gamma, const Tensor& beta) {
  static const Op& row = op("standardize");
  const int at = checked_axis("standardize", axis, x.shape());
  if (!(epsilon >= 0)) fail<ValueError>("standardize: epsilon must not be negative, got ", epsilon);
  Attrs attrs;
  attrs.flag = center;
  attrs.reals = {epsilon, 0};
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const auto operands = with_weights(swap_with_last(cast(x, dtype), at), gamma, beta);
  const Tensor y = swap_with_last(apply(row, attrs, operands)[0], at);
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

std::vector<Tensor> batch_standardize(const Tensor& x, double epsilon, const Tensor& gamma,
                                      const Tensor& beta) {
  static const Op& row = op("standardize_columns");
  if (!(epsilon >= 0))
    fail<ValueError>("batch_standardize: epsilon must not be negative, got ", epsilon);
  if (x.rank() < 2 || x.size() == 0)
    fail<ValueError>("batch_standardize: expected rows of features, got shape ", x.shape());
  Attrs attrs;
  attrs.flag = attrs.flag2 = true;
  attrs.reals = {epsilon, 0};
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const std::vector<Tensor> made = apply(row, attrs, with_weights(cast(x, dtype), gamma, beta));
  return {made[0], made[1], made[3]};
}

}  // namespace ops
}  // namespace pynn
