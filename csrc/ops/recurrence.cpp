// The linear recurrence h[t] = a[t] h[t - 1] + b[t] along an axis, with h[-1] = 0. Its gradient is
// the same recurrence from the other end; cumulative sums and products are special cases.
#include "ops/axes.h"
#include "ops/indices.h"
#include "ops/launch.h"

namespace pynn {
namespace {

// dims = {axis}; flag = from the end, where h[t + 1] takes the place of h[t - 1]; `a` has the shape
// of b or is one number.
template <class T>
Launch prepare_recurrence(const Attrs& attrs, const View& a, const View& b, const View& h) {
  const TakeSizes s(b.shape, {}, attrs.dims[0]);
  if (b.size() == 0) return [](const RunState&) {};
  // A task is a run of columns of one outer index, some cache lines wide.
  const auto width = std::min<std::int64_t>(s.inner, 8 * kAlignment / sizeof(T));
  const std::int64_t across = (s.inner + width - 1) / width;
  const Chunks chunks(s.outer * across, kItemWork * static_cast<double>(s.n * width));
  const std::int64_t stride = a.shape.empty() ? 0 : 1;
  return [=, down = attrs.flag, slope = a.as<const T>(), from = b.as<const T>(),
          to = h.as<T>()](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t first = task % across * width;
        const std::int64_t columns = std::min(width, s.inner - first);
        const std::int64_t step = down ? -s.inner : s.inner;
        std::int64_t at = task / across * s.n * s.inner + first + (down ? (s.n - 1) * s.inner : 0);
        std::copy_n(from + at, columns, to + at);
        for (std::int64_t t = 1; t < s.n; ++t) {
          at += step;
          const T* const x = from + at;
          const T* const last = to + at - step;
          const T* const factor = slope + at * stride;
          T* const y = to + at;
          for (std::int64_t j = 0; j < columns; ++j) y[j] = factor[j * stride] * last[j] + x[j];
        }
      }
    });
  };
}

Tensor recurrence(const Tensor& a, const Tensor& b, std::int64_t axis, bool down) {
  static const Op& row = op("recurrence");
  Attrs attrs;
  attrs.dims = {axis};
  attrs.flag = down;
  return apply1(row, attrs, {a, b});
}

// x moved by one along `axis`, towards the end or the start; zero where nothing was.
Tensor shifted(const Tensor& x, int axis, bool up) {
  Dims start = Dims::filled(x.rank(), 0), stop = x.shape();
  const Dims zero = start, step = Dims::filled(x.rank(), 1);
  Dims gap = zero;
  gap[axis] = 1;
  if (up)
    --stop[axis];
  else
    ++start[axis];
  const Tensor rest = ops::slice(x, start, stop, step);
  return up ? ops::pad(rest, gap, zero) : ops::pad(rest, zero, gap);
}

// g[t] = dh[t] + a[t + 1] g[t + 1]; db = g, da[t] = g[t] h[t - 1].
std::vector<Tensor> gradient_recurrence(const GradientArgs& g) {
  const Tensor &a = g.inputs[0], &h = g.outputs[0];
  const auto axis = static_cast<int>(g.attrs.dims[0]);
  const bool down = g.attrs.flag;
  if (h.size() == 0) return {ops::zeros_like(a), ops::zeros_like(h)};
  const Tensor slope = a.rank() == 0 ? a : shifted(a, axis, down);
  const Tensor db = recurrence(slope, g.doutputs[0], axis, !down);
  std::vector<Tensor> out = {Tensor(), db};
  if (g.wanted[0]) out[0] = ops::sum_to(ops::multiply(db, shifted(h, axis, !down)), a.shape());
  return out;
}

}  // namespace

void register_recurrence(OpTable& table) {
  Op row;
  row.name = "recurrence";
  row.arity = 2;
  row.traits = kContiguous;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    if (in[0].dtype != in[1].dtype || in[0].dtype != added_as(in[0].dtype))
      fail<TypeError>("recurrence: expected two tensors of float32, float64 or int64, got ",
                      name(in[0].dtype), " and ", name(in[1].dtype));
    if (!in[0].shape.empty() && !(in[0].shape == in[1].shape))
      fail<ValueError>("recurrence: a of shape ", in[0].shape, " does not fit b of ", in[1].shape);
    return std::vector<TensorType>{in[1]};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return with_addable(in[0].dtype, [&](auto item) {
      return prepare_recurrence<decltype(item)>(a, in[0], in[1], out[0]);
    });
  };
  row.gradient = gradient_recurrence;
  table.add(std::move(row));
}

namespace ops {

Tensor linear_recurrence(const Tensor& a, const Tensor& b, std::int64_t axis, bool reverse) {
  const int at = checked_axis("linear_recurrence", axis, b.shape());
  const DType dtype = promote(a.dtype(), b.dtype()), wide = added_as(dtype);
  const Tensor slope = a.rank() == 0 ? a : broadcast_to(a, b.shape());
  return cast(recurrence(cast(slope, wide), cast(b, wide), at, reverse),
              is_float(dtype) ? dtype : wide);
}

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  return linear_recurrence(scalar(1, added_as(x.dtype())), x, axis, false);
}

// The first element alone comes from b.
Tensor cumprod(const Tensor& x, std::int64_t axis) {
  const int at = checked_axis("cumprod", axis, x.shape());
  if (x.size() == 0) return linear_recurrence(x, x, axis, false);
  Dims stop = x.shape(), after = Dims::filled(x.rank(), 0);
  stop[at] = 1;
  after[at] = x.shape()[at] - 1;
  const Dims zero = Dims::filled(x.rank(), 0), one = Dims::filled(x.rank(), 1);
  return linear_recurrence(x, pad(slice(x, zero, stop, one), zero, after), axis, false);
}

}  // namespace ops
}  // namespace pynn
