// Pooling over one, two or three spatial axes of (batch, spatial..., channels).
//
// Every row has dims = window, more = strides, steps = padding before each axis followed by the
// spatial extents of the result, for `d` spatial axes each. Windows lie partly outside where there
// is padding, never wholly; what is outside doesn't count.
#include <utility>

#include "ops/launch.h"
#include "ops/ops.h"

namespace pynn {
namespace {

constexpr double kPixelWork = 4;  // of one channel of one pixel of a window

// The same windows, with a result of other spatial extents.
Attrs aimed_at(Attrs a, const Shape& image) {
  const int d = a.dims.rank();
  for (int i = 0; i < d; ++i) a.steps[d + i] = image[1 + i];
  return a;
}

// The result's shape.
Shape with_extents(const Attrs& a, Shape shape) {
  const int d = a.dims.rank();
  for (int i = 0; i < d; ++i) shape[1 + i] = a.steps[d + i];
  return shape;
}

// Counted within a window, the first winner needs a byte in all but the largest ones.
DType winner_type(const Attrs& a) { return element_count(a.dims) <= 256 ? DType::u8 : DType::i32; }
std::size_t winner_index(DType d) { return d == DType::u8 ? 0 : 1; }

kernels::Pool pool_of(const Attrs& a, const Shape& image, const Shape& pooled) {
  kernels::Pool p{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, image.back()};
  const int d = a.dims.rank();
  for (int i = 0; i < d; ++i) {
    const int to = 3 - d + i;
    p.in[to] = image[1 + i];
    p.out[to] = pooled[1 + i];
    p.window[to] = a.dims[i];
    p.stride[to] = a.more[i];
    p.before[to] = a.steps[i];
  }
  return p;
}

// A launch of kernel(pool, begin, end) over all lines of `result`.
template <class Kernel>
Launch over_lines(const Attrs& a, const Shape& image, const Shape& pooled, const Shape& result,
                  Kernel kernel) {
  if (element_count(result) == 0) return [](const RunState&) {};
  const std::int64_t width = result[result.rank() - 2] * result.back();
  const double taps = static_cast<double>(element_count(a.dims));
  return [pool = pool_of(a, image, pooled), kernel = std::move(kernel),
          chunks = Chunks(element_count(result) / width,
                          kPixelWork * taps * static_cast<double>(width))](const RunState&) {
    chunks.run(
        [&](std::size_t, std::int64_t begin, std::int64_t end) { kernel(pool, begin, end); });
  };
}

// --- max_pool: x -> y, winners (the first pixel of each window that has the maximum, counted
// within the window in C order, padding included; uint8, or int32 for windows of more than 256)

Tensor max_pool_grad(const Attrs& a, const Tensor& dy, const Tensor& winners, const Shape& image) {
  static const Op& row = op("max_pool_grad");
  return apply1(row, aimed_at(a, image), {dy, winners});
}

// The elements of x at the winners: what max_pool_grad is transposed.
Tensor max_pool_take(const Attrs& a, const Tensor& x, const Tensor& winners) {
  static const Op& row = op("max_pool_take");
  return apply1(row, aimed_at(a, winners.shape()), {x, winners});
}

template <class T, class I>
Launch prepare_take(const Attrs& a, const View& x, const View& winners, const View& y) {
  return over_lines(a, x.shape, y.shape, y.shape,
                    [from = x.as<const T>(), to = y.as<T>(), won = winners.as<const I>()](
                        const kernels::Pool& p, std::int64_t begin, std::int64_t end) {
                      const std::int64_t width = p.out[2] * p.channels;
                      for (std::int64_t i = begin * width; i < end * width; ++i) {
                        std::int64_t tap = won[i], pixel = i / p.channels, at = 0, unit = 1;
                        for (int axis = 2; axis >= 0; --axis) {
                          const std::int64_t o = pixel % p.out[axis];
                          at += (o * p.stride[axis] - p.before[axis] + tap % p.window[axis]) * unit;
                          unit *= p.in[axis];
                          pixel /= p.out[axis];
                          tap /= p.window[axis];
                        }
                        to[i] = from[(pixel * unit + at) * p.channels + i % p.channels];
                      }
                    });
}

void add_max_pool(OpTable& table) {
  Op pool;
  pool.name = "max_pool";
  pool.traits = kContiguous | kPool;
  pool.infer = [](const Attrs& a, std::span<const TensorType> in) {
    const Shape out = with_extents(a, in[0].shape);
    return std::vector<TensorType>{{in[0].dtype, out}, {winner_type(a), out}};
  };
  pool.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return over_lines(
        a, in[0].shape, out[0].shape, out[0].shape,
        [kernel = kernels::table().max_pool[winner_index(out[1].dtype)][index(in[0].dtype)],
         x = in[0].data, y = out[0].data,
         winners = out[1].data](const kernels::Pool& p, auto begin, auto end) {
          kernel(p, begin, end, x, y, winners);
        });
  };
  pool.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{
        max_pool_grad(g.attrs, g.doutputs[0], g.outputs[1], g.inputs[0].shape())};
  };
  table.add(std::move(pool));

  // (dy, winners) -> dx
  Op grad;
  grad.name = "max_pool_grad";
  grad.traits = kContiguous | kUnpool;
  grad.arity = 2;
  grad.infer = [](const Attrs& a, std::span<const TensorType> in) {
    return std::vector<TensorType>{{in[0].dtype, with_extents(a, in[0].shape)}};
  };
  grad.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return over_lines(
        a, out[0].shape, in[0].shape, out[0].shape,
        [kernel = kernels::table().max_pool_grad[winner_index(in[1].dtype)][index(in[0].dtype)],
         dy = in[0].data, winners = in[1].data,
         dx = out[0].data](const kernels::Pool& p, auto begin, auto end) {
          kernel(p, begin, end, dy, winners, dx);
        });
  };
  grad.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{max_pool_take(g.attrs, g.doutputs[0], g.inputs[1]), Tensor()};
  };
  table.add(std::move(grad));

  // (x, winners) -> y
  Op take;
  take.name = "max_pool_take";
  take.traits = kContiguous;
  take.arity = 2;
  take.infer = [](const Attrs& a, std::span<const TensorType> in) {
    return std::vector<TensorType>{{in[0].dtype, with_extents(a, in[0].shape)}};
  };
  take.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return with_item(item_size(in[0].dtype), [&](auto item) {
      using T = decltype(item);
      return in[1].dtype == DType::u8 ? prepare_take<T, std::uint8_t>(a, in[0], in[1], out[0])
                                      : prepare_take<T, std::int32_t>(a, in[0], in[1], out[0]);
    });
  };
  take.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{
        max_pool_grad(g.attrs, g.doutputs[0], g.inputs[1], g.inputs[0].shape()), Tensor()};
  };
  table.add(std::move(take));
}

// --- avg_pool: x -> y, and its transpose avg_pool_grad: dy -> dx

void add_average(OpTable& table, bool back) {
  Op row;
  row.name = back ? "avg_pool_grad" : "avg_pool";
  row.traits = kContiguous;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    return std::vector<TensorType>{{in[0].dtype, with_extents(a, in[0].shape)}};
  };
  row.prepare = [back](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    const std::size_t dtype = index(in[0].dtype);
    const auto& table = kernels::table();
    return over_lines(a, (back ? out : in)[0].shape, (back ? in : out)[0].shape, out[0].shape,
                      [kernel = back ? table.avg_pool_grad[dtype] : table.avg_pool[dtype],
                       x = in[0].data, y = out[0].data](const kernels::Pool& p, auto begin,
                                                        auto end) { kernel(p, begin, end, x, y); });
  };
  row.gradient = [back](const GradientArgs& g) {
    static const Op& forward = op("avg_pool");
    static const Op& backward = op("avg_pool_grad");
    return std::vector<Tensor>{
        apply1(back ? forward : backward, aimed_at(g.attrs, g.inputs[0].shape()), {g.doutputs[0]})};
  };
  table.add(std::move(row));
}

}  // namespace

void register_pool(OpTable& table) {
  add_max_pool(table);
  add_average(table, false);
  add_average(table, true);
}

namespace ops {
namespace {

// Applies a row to x. Integers are computed in float32, bfloat16 too but goes back.
Tensor pooled(const char* name, const Op& row, const Tensor& x, const Windows& w) {
  const int d = x.rank() - 2;
  if (d < 1 || d > 3)
    fail<ValueError>(name,
                     ": expected (batch, spatial..., channels) with one to three spatial axes, "
                     "got shape ",
                     x.shape());
  if (w.size.rank() != d || w.strides.rank() != d || w.before.rank() != d || w.after.rank() != d)
    fail<ValueError>(name, ": expected window, strides and padding for ", d,
                     " spatial axes of shape ", x.shape());
  Attrs attrs;
  attrs.dims = w.size;
  attrs.more = w.strides;
  attrs.steps = w.before;
  for (int i = 0; i < d; ++i) {
    if (w.size[i] < 1 || w.strides[i] < 1)
      fail<ValueError>(name, ": windows and strides must be positive, got ", w.size, " and ",
                       w.strides);
    if (w.before[i] < 0 || w.after[i] < 0 || w.before[i] >= w.size[i] || w.after[i] >= w.size[i])
      fail<ValueError>(name, ": padding must be at least 0 and less than the window ", w.size,
                       ", got ", w.before, " before and ", w.after, " after");
    const std::int64_t room = x.shape()[1 + i] + w.before[i] + w.after[i] - w.size[i];
    if (room < 0)
      fail<ValueError>(name, ": the window ", w.size, " is larger than the padded image of shape ",
                       x.shape());
    attrs.steps.push_back(room / w.strides[i] + 1);
  }
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y = apply1(row, attrs, {cast(x, dtype)});
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

}  // namespace

Tensor max_pool(const Tensor& x, const Windows& windows) {
  static const Op& row = op("max_pool");
  return pooled("max_pool", row, x, windows);
}

Tensor avg_pool(const Tensor& x, const Windows& windows) {
  static const Op& row = op("avg_pool");
  return pooled("avg_pool", row, x, windows);
}

}  // namespace ops
}  // namespace pynn
