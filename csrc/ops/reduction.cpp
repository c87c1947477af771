// Reductions over axes, and the index of the extreme element.
#include <limits>
#include <utility>

#include "ops/axes.h"
#include "ops/launch.h"
#include "ops/strided_copy.h"

namespace pynn {
namespace {

using kernels::Reduce;

constexpr double kElementWork = 4;  // of an element read, beside a multiply-add in registers

// A reduction of (outer, n, inner) over n. Long ones are cut into parts of n, whose results are
// reduced in turn: where the cuts lie depends on the shape alone, so the bits do too.
class Reduction {
 public:
  Reduction(Reduce kind, const View& in, const View& out, std::int64_t outer, std::int64_t n,
            std::int64_t inner)
      : run_(kernels::table().reduce_run[static_cast<int>(kind)][index(in.dtype)]),
        columns_(kernels::table().reduce_columns[static_cast<int>(kind)][index(in.dtype)]),
        item_(static_cast<std::int64_t>(item_size(in.dtype))),
        in_(in.as<const char>()),
        out_(out.as<char>()),
        outer_(outer),
        n_(n),
        inner_(inner) {
    width_ = std::min<std::int64_t>(inner, kWidth);
    across_ = (inner + width_ - 1) / width_;
    length_ = n;
    if (across_ == 1 && n * inner >= 2 * kPart) length_ = std::min(n, (kPart + inner - 1) / inner);
    parts_ = (n + length_ - 1) / length_;
    chunks_ = Chunks(outer * parts_ * across_,
                     kElementWork * static_cast<double>(length_) * static_cast<double>(width_));
    if (parts_ > 1) partial_ = scratch(static_cast<std::size_t>(outer * parts_ * inner * item_));
  }

  void run() const {
    if (outer_ * parts_ * across_ == 1) return reduce(n_, inner_, in_, out_);
    char* target = parts_ > 1 ? static_cast<char*>(partial_.get()) : out_;
    chunks_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / across_;  // of (outer, parts)
        const std::int64_t column = i % across_ * width_;
        const std::int64_t first = row % parts_ * length_;
        reduce(std::min(length_, n_ - first), std::min(width_, inner_ - column),
               in_ + ((row / parts_ * n_ + first) * inner_ + column) * item_,
               target + (row * inner_ + column) * item_);
      }
    });
    if (parts_ == 1) return;
    for (std::int64_t o = 0; o < outer_; ++o)
      reduce(parts_, inner_, target + o * parts_ * inner_ * item_, out_ + o * inner_ * item_);
  }

 private:
  static constexpr std::int64_t kPart = 16384;  // elements
  static constexpr std::int64_t kWidth = 1024;  // columns

  void reduce(std::int64_t rows, std::int64_t columns, const char* in, char* out) const {
    if (inner_ == 1)
      run_(static_cast<std::size_t>(rows), in, out);
    else
      columns_(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), inner_, in, out);
  }

  kernels::ReduceRunFn run_;
  kernels::ReduceColumnsFn columns_;
  std::int64_t item_;
  const char* in_;
  char* out_;
  std::int64_t outer_, n_, inner_;
  std::int64_t length_, parts_;  // of n
  std::int64_t width_, across_;  // of inner
  Chunks chunks_;
  std::shared_ptr<void> partial_;
};

bool reducible(DType d) {
  return d == DType::f32 || d == DType::f64 || d == DType::i32 || d == DType::i64;
}

// dims = axes: sorted, neighbours; flag = keepdims.
std::vector<TensorType> infer_reduction(const char* op, Reduce kind, const Attrs& a,
                                        const TensorType& in) {
  if (!reducible(in.dtype)) fail<TypeError>(op, ": ", name(in.dtype), " has no reduction");
  if (kind == Reduce::max || kind == Reduce::min)
    for (const std::int64_t axis : a.dims)
      if (in.shape[static_cast<int>(axis)] == 0)
        fail<ValueError>(op, ": shape ", in.shape, " has no elements along axis ", axis);
  return {{in.dtype, ops::reduced_shape(in.shape, a.dims, a.flag)}};
}

Launch prepare_reduction(Reduce kind, const Attrs& a, const View& in, const View& out) {
  if (out.size() == 0) return [](const RunState&) {};
  if (in.size() == 0) return strided_fill(kind == Reduce::prod ? 1 : 0, out);
  std::int64_t outer = 1, n = 1, inner = 1;
  for (int i = 0; i < in.shape.rank(); ++i) {
    if (!a.dims.empty() && i < a.dims[0])
      outer *= in.shape[i];
    else if (a.dims.empty() || i > a.dims.back())
      inner *= in.shape[i];
    else
      n *= in.shape[i];
  }
  auto reduction = std::make_shared<const Reduction>(kind, in, out, outer, n, inner);
  return [reduction = std::move(reduction)](const RunState&) { reduction->run(); };
}

// y or dy of g's step with the reduced axes back in place.
Tensor kept(const GradientArgs& g, const Tensor& y) {
  return ops::reshape(y, ops::reduced_shape(g.inputs[0].shape(), g.attrs.dims, true));
}

std::vector<Tensor> gradient_sum(const GradientArgs& g) {
  return {ops::broadcast_to(kept(g, g.doutputs[0]), g.inputs[0].shape())};
}

// Each element's slope is the product of the others: zero where another one is zero.
std::vector<Tensor> gradient_prod(const GradientArgs& g) {
  const Tensor& x = g.inputs[0];
  const Tensor zero = ops::scalar(0, x.dtype());
  const Tensor is_zero = ops::equal(x, zero);
  const Tensor safe = ops::where(is_zero, ops::scalar(1, x.dtype()), x);
  const Tensor others = ops::divide(ops::prod(safe, g.attrs.dims, true), safe);
  const Tensor zeros = ops::cast(is_zero, x.dtype());
  const Tensor alone = ops::equal(ops::sum(zeros, g.attrs.dims, true), zeros);
  return {ops::multiply(kept(g, g.doutputs[0]), ops::where(alone, others, zero))};
}

// Shared equally by the winners.
std::vector<Tensor> gradient_extreme(const GradientArgs& g) {
  const Tensor& x = g.inputs[0];
  const Tensor wins = ops::cast(ops::equal(x, kept(g, g.outputs[0])), x.dtype());
  const Tensor share = ops::divide(kept(g, g.doutputs[0]), ops::sum(wins, g.attrs.dims, true));
  return {ops::multiply(wins, share)};
}

using Gradient = std::vector<Tensor> (*)(const GradientArgs&);

void add_reduction(OpTable& table, const char* name, Reduce kind, Gradient gradient) {
  Op row;
  row.name = name;
  row.traits = kind == Reduce::sum ? kContiguous | kSum : kContiguous;
  row.infer = [name, kind](const Attrs& a, std::span<const TensorType> in) {
    return infer_reduction(name, kind, a, in[0]);
  };
  row.prepare = [kind](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return prepare_reduction(kind, a, in[0], out[0]);
  };
  row.gradient = gradient;
  table.add(std::move(row));
}

// Along the last axis, which stays with extent 1.
using ArgTable = kernels::ArgFn (*)(DType);

void add_arg(OpTable& table, const char* name, ArgTable kernel) {
  Op row;
  row.name = name;
  row.traits = kContiguous | kRowwise;
  row.infer = [name](const Attrs&, std::span<const TensorType> in) {
    Shape shape = in[0].shape;
    if (!reducible(in[0].dtype)) fail<TypeError>(name, " of ", pynn::name(in[0].dtype));
    if (shape.back() == 0) fail<ValueError>(name, ": shape ", shape, " has no elements to compare");
    shape.back() = 1;
    return std::vector<TensorType>{{DType::i64, shape}};
  };
  row.prepare = [kernel](const Attrs&, std::span<const View> in,
                         std::span<const View> out) -> Launch {
    const std::int64_t n = in[0].shape.back();
    const Chunks chunks(out[0].size(), kElementWork * static_cast<double>(n));
    return [chunks, n, arg = kernel(in[0].dtype), x = in[0],
            indices = out[0].as<std::int64_t>()](const RunState&) {
      chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          indices[i] = arg(static_cast<std::size_t>(n), x.at(i * n));
      });
    };
  };
  table.add(std::move(row));
}

}  // namespace

void register_reduction(OpTable& table) {
  add_reduction(table, "sum", Reduce::sum, gradient_sum);
  add_reduction(table, "prod", Reduce::prod, gradient_prod);
  add_reduction(table, "max", Reduce::max, gradient_extreme);
  add_reduction(table, "min", Reduce::min, gradient_extreme);
  add_arg(table, "argmax", [](DType d) { return kernels::table().argmax[index(d)]; });
  add_arg(table, "argmin", [](DType d) { return kernels::table().argmin[index(d)]; });
}

namespace ops {
namespace {

// Small integers and bool are compared as int32, bfloat16 as float32.
DType comparable(DType d) {
  if (d == DType::bf16) return DType::f32;
  return reducible(d) ? d : DType::i32;
}

// Integers and bool are added as int64, bfloat16 as float32.
DType addable(DType d) {
  if (d == DType::bf16) return DType::f32;
  return is_float(d) ? d : DType::i64;
}

// The row wants neighbouring axes: others are first brought together, behind the axes that stay.
Tensor reduce(const Op& row, const Tensor& x, const Dims& axes, bool keepdims) {
  const Dims reduced = checked_axes(row.name.c_str(), axes, x.shape());
  // One element is its own reduction. (An eager result must not share memory with x.)
  const bool single = std::all_of(reduced.begin(), reduced.end(),
                                  [&](auto i) { return x.shape()[static_cast<int>(i)] == 1; });
  if (single && active_recorder() != nullptr)
    return reshape(x, reduced_shape(x.shape(), reduced, keepdims));
  Attrs attrs;
  attrs.flag = keepdims;
  attrs.dims = reduced;
  if (reduced.empty() || reduced.back() - reduced[0] == reduced.rank() - 1)
    return apply1(row, attrs, {x});
  Dims order;
  for (int i = 0; i < x.rank(); ++i)
    if (!std::binary_search(reduced.begin(), reduced.end(), i)) order.push_back(i);
  const int first = order.rank();
  for (int i = 0; i < reduced.rank(); ++i) {
    order.push_back(reduced[i]);
    attrs.dims[i] = first + i;
  }
  attrs.flag = false;
  const Tensor y = apply1(row, attrs, {transpose(x, order)});
  return keepdims ? reshape(y, reduced_shape(x.shape(), reduced, true)) : y;
}

Tensor arg(const Op& row, const Tensor& x, std::int64_t axis, bool keepdims) {
  const int at = checked_axis(row.name.c_str(), axis, x.shape());
  const Tensor turned = swap_with_last(cast(x, comparable(x.dtype())), at);
  const Tensor y = swap_with_last(apply1(row, {}, {turned}), at);
  return keepdims ? y : squeeze(y, at);
}

DType bf16_or(DType original, DType computed) {
  return original == DType::bf16 ? original : computed;
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& axes, bool keepdims) {
  static const Op& row = op("sum");
  const DType dtype = addable(x.dtype());
  return cast(reduce(row, cast(x, dtype), axes, keepdims), bf16_or(x.dtype(), dtype));
}

Tensor prod(const Tensor& x, const Dims& axes, bool keepdims) {
  static const Op& row = op("prod");
  const DType dtype = addable(x.dtype());
  return cast(reduce(row, cast(x, dtype), axes, keepdims), bf16_or(x.dtype(), dtype));
}

Tensor max(const Tensor& x, const Dims& axes, bool keepdims) {
  static const Op& row = op("max");
  return cast(reduce(row, cast(x, comparable(x.dtype())), axes, keepdims), x.dtype());
}

Tensor min(const Tensor& x, const Dims& axes, bool keepdims) {
  static const Op& row = op("min");
  return cast(reduce(row, cast(x, comparable(x.dtype())), axes, keepdims), x.dtype());
}

Tensor mean(const Tensor& x, const Dims& axes, bool keepdims) {
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor total = sum(cast(x, dtype), axes, keepdims);
  if (x.size() == total.size()) return cast(total, bf16_or(x.dtype(), dtype));
  const double count = x.size() == 0 ? 0 : static_cast<double>(x.size() / total.size());
  return cast(multiply(total, scalar(1 / count, dtype)), bf16_or(x.dtype(), dtype));
}

Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdims) {
  static const Op& row = op("argmax");
  return arg(row, x, axis, keepdims);
}

Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdims) {
  static const Op& row = op("argmin");
  return arg(row, x, axis, keepdims);
}

}  // namespace ops
}  // namespace pynn
