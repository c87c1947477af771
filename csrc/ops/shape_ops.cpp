// Views and movement: reshape, transpose, broadcast, slice, copy, concatenate, pad.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "ops/axes.h"
#include "ops/ops.h"
#include "ops/strided_copy.h"

namespace pynn {
namespace ops {
namespace {

std::int64_t slice_extent(std::int64_t start, std::int64_t stop, std::int64_t step) {
  const std::int64_t span = step > 0 ? stop - start : start - stop;
  return span <= 0 ? 0 : (span - 1) / std::abs(step) + 1;
}

std::int64_t spread_extent(std::int64_t extent, std::int64_t step) {
  return extent == 0 ? 0 : (extent - 1) * step + 1;
}

// x spread out with steps[i] - 1 gaps between neighbours along axis i, with `before` and `after`
// around it; what is not x is `value`.
Tensor spread(const Tensor& x, const Dims& before, const Dims& after, const Dims& steps,
              double value) {
  static const Op& row = op("pad");
  Attrs attrs;
  attrs.dims = before;
  attrs.more = after;
  attrs.steps = steps;
  attrs.reals[0] = value;
  return apply1(row, attrs, {x});
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  static const Op& row = op("reshape");
  Attrs attrs;
  attrs.dims = shape;
  const auto unknown = std::count(shape.begin(), shape.end(), -1);
  if (unknown == 1) {
    const std::int64_t known = -element_count(shape);
    std::int64_t& extent = *std::find(attrs.dims.begin(), attrs.dims.end(), -1);
    extent = known > 0 && x.size() % known == 0 ? x.size() / known : -1;
  }
  const bool valid = std::all_of(attrs.dims.begin(), attrs.dims.end(),
                                 [](std::int64_t extent) { return extent >= 0; });
  if (!valid || element_count(attrs.dims) != x.size())
    fail<ValueError>("reshape: a tensor of shape ", x.shape(), " has ", x.size(),
                     " elements and cannot take the shape ", shape);
  return attrs.dims == x.shape() ? x : apply1(row, attrs, {x});
}

Tensor transpose(const Tensor& x, const Dims& axes) {
  static const Op& row = op("transpose");
  Dims identity = Dims::filled(x.rank(), 0);
  std::iota(identity.begin(), identity.end(), 0);
  Attrs attrs;
  if (axes.empty()) {
    attrs.dims = identity;
    std::reverse(attrs.dims.begin(), attrs.dims.end());
  } else {
    if (!(checked_axes("transpose", axes, x.shape()) == identity))
      fail<ValueError>("transpose: axes ", axes, " do not name every axis of shape ", x.shape());
    for (const std::int64_t axis : axes) attrs.dims.push_back(normalize_axis(axis, x.rank()));
  }
  return attrs.dims == identity ? x : apply1(row, attrs, {x});
}

Tensor swap_last(const Tensor& x) {
  if (x.rank() < 2)
    fail<ValueError>("swap_last: expected at least two axes, got shape ", x.shape());
  return swap_with_last(x, x.rank() - 2);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  static const Op& row = op("broadcast_to");
  if (x.shape() == shape) return x;
  Attrs attrs;
  attrs.dims = shape;
  return apply1(row, attrs, {x});
}

Tensor expand_dims(const Tensor& x, std::int64_t axis) {
  static const Op& row = op("expand_dims");
  if (axis < -x.rank() - 1 || axis > x.rank())
    fail<ValueError>("expand_dims: axis ", axis, " is out of range for shape ", x.shape());
  Attrs attrs;
  attrs.dims = {normalize_axis(axis, x.rank() + 1)};
  return apply1(row, attrs, {x});
}

Tensor squeeze(const Tensor& x, std::int64_t axis) {
  static const Op& row = op("squeeze");
  Attrs attrs;
  attrs.dims = {checked_axis("squeeze", axis, x.shape())};
  return apply1(row, attrs, {x});
}

Tensor slice(const Tensor& x, const Dims& start, const Dims& stop, const Dims& step) {
  static const Op& row = op("slice");
  Attrs attrs;
  attrs.dims = start;
  attrs.more = stop;
  attrs.steps = step;
  return apply1(row, attrs, {x});
}

Tensor copy(const Tensor& x) {
  static const Op& row = op("copy");
  return apply1(row, {}, {x});
}

Tensor contiguous(const Tensor& x) { return x.contiguous() ? x : copy(x); }

Tensor concatenate(std::span<const Tensor> xs, std::int64_t axis) {
  static const Op& row = op("concatenate");
  if (xs.empty()) fail<ValueError>("concatenate: expected at least one tensor, got none");
  if (xs.size() == 1) return xs[0];
  Attrs attrs;
  attrs.dims = {checked_axis("concatenate", axis, xs[0].shape())};
  DType dtype = xs[0].dtype();
  for (const Tensor& x : xs) dtype = promote(dtype, x.dtype());
  std::vector<Tensor> inputs;
  for (const Tensor& x : xs) inputs.push_back(cast(x, dtype));
  return apply(row, attrs, inputs)[0];
}

Tensor pad(const Tensor& x, const Dims& before, const Dims& after, double value) {
  return spread(x, before, after, Dims::filled(x.rank(), 1), value);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int shift = x.rank() - shape.rank();
  Dims axes;
  for (int i = 0; i < x.rank(); ++i)
    if (i < shift || (shape[i - shift] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  return reshape(axes.empty() ? x : sum(x, axes), shape);
}

}  // namespace ops

namespace {

using ops::slice_extent;
using ops::spread_extent;

// --- slice: dims = starts, more = stops, steps

void check_slice(const Attrs& a, const Shape& shape) {
  if (a.dims.rank() != shape.rank() || a.more.rank() != shape.rank() ||
      a.steps.rank() != shape.rank())
    fail<ValueError>("slice: expected a start, a stop and a step for each axis of shape ", shape);
  for (int i = 0; i < shape.rank(); ++i) {
    if (a.steps[i] == 0) fail<ValueError>("slice: the step of axis ", i, " is zero");
    const std::int64_t extent = slice_extent(a.dims[i], a.more[i], a.steps[i]);
    const std::int64_t last = a.dims[i] + (extent - 1) * a.steps[i];
    if (extent > 0 && (std::min(a.dims[i], last) < 0 || std::max(a.dims[i], last) >= shape[i]))
      fail<ValueError>("slice: ", a.dims[i], ":", a.more[i], ":", a.steps[i], " leaves axis ", i,
                       " of shape ", shape);
  }
}

View view_slice(const Attrs& a, const View& in) {
  View out = in;
  std::int64_t offset = 0;
  for (int i = 0; i < in.shape.rank(); ++i) {
    out.shape[i] = slice_extent(a.dims[i], a.more[i], a.steps[i]);
    out.strides[i] = in.strides[i] * a.steps[i];
    if (out.shape[i] > 0) offset += a.dims[i] * in.strides[i];
  }
  // Without memory only the shape is asked for.
  if (in.data != nullptr && out.size() > 0) out.data = in.at(offset);
  return out;
}

// Each element goes back to where it came from. Axes that were read backwards are turned first.
Tensor gradient_slice(const Attrs& a, const Tensor& dy, const Shape& shape) {
  const Shape& taken = dy.shape();
  const int rank = shape.rank();
  Dims start = Dims::filled(rank, 0), stop = taken, step = Dims::filled(rank, 1);
  Dims before = a.dims, after = before, gaps = before;
  bool turned = false;
  for (int i = 0; i < rank; ++i) {
    gaps[i] = std::abs(a.steps[i]);
    if (a.steps[i] < 0) {
      turned = true;
      start[i] = taken[i] - 1;
      stop[i] = step[i] = -1;
      before[i] += (taken[i] - 1) * a.steps[i];
    }
    if (taken[i] == 0) before[i] = 0;
    after[i] = shape[i] - before[i] - spread_extent(taken[i], gaps[i]);
  }
  return ops::spread(turned ? ops::slice(dy, start, stop, step) : dy, before, after, gaps, 0);
}

// --- pad: dims = before, more = after, steps = distance between neighbours, reals[0] = value

std::vector<TensorType> infer_pad(const Attrs& a, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  if (a.dims.rank() != shape.rank() || a.more.rank() != shape.rank())
    fail<ValueError>("pad: expected a width before and after each axis of shape ", shape, ", got ",
                     a.dims, " and ", a.more);
  Shape out = shape;
  for (int i = 0; i < shape.rank(); ++i) {
    if (a.dims[i] < 0 || a.more[i] < 0)
      fail<ValueError>("pad: widths must not be negative, got ", a.dims, " and ", a.more);
    out[i] = a.dims[i] + spread_extent(shape[i], a.steps[i]) + a.more[i];
  }
  return {{in[0].dtype, out}};
}

Launch prepare_pad(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  if (out[0].size() == 0) return [](const RunState&) {};
  View inside = out[0];
  inside.shape = in[0].shape;
  std::int64_t offset = 0;
  for (int i = 0; i < inside.shape.rank(); ++i) {
    inside.strides[i] *= a.steps[i];
    offset += a.dims[i] * out[0].strides[i];
  }
  inside.data = out[0].at(in[0].size() == 0 ? 0 : offset);
  return [fill = strided_fill(a.reals[0], out[0]),
          copy = strided_copy(in[0], inside)](const RunState& state) {
    fill(state);
    copy(state);
  };
}

std::vector<Tensor> gradient_pad(const GradientArgs& g) {
  const Shape& shape = g.inputs[0].shape();
  Dims stop = g.attrs.dims;
  for (int i = 0; i < shape.rank(); ++i) stop[i] += spread_extent(shape[i], g.attrs.steps[i]);
  return {ops::slice(g.doutputs[0], g.attrs.dims, stop, g.attrs.steps)};
}

// --- concatenate: dims = {axis}

std::vector<TensorType> infer_concatenate(const Attrs& a, std::span<const TensorType> in) {
  const auto axis = static_cast<int>(a.dims[0]);
  TensorType out = in[0];
  for (std::size_t i = 1; i < in.size(); ++i) {
    Shape expected = in[0].shape;
    if (in[i].shape.rank() == expected.rank()) expected[axis] = in[i].shape[axis];
    if (!(in[i].shape == expected))
      fail<ValueError>("concatenate: input ", i, " has shape ", in[i].shape,
                       ", which differs from ", in[0].shape, " in another axis than ", axis);
    out.shape[axis] += in[i].shape[axis];
  }
  return {out};
}

Launch prepare_concatenate(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const auto axis = static_cast<int>(a.dims[0]);
  std::vector<Launch> copies;
  std::int64_t at = 0;
  for (const View& x : in) {
    const View part{out[0].at(at * out[0].strides[axis]), x.dtype, x.shape, out[0].strides};
    if (x.data != part.data) copies.push_back(strided_copy(x, part));
    at += x.shape[axis];
  }
  return [copies = std::move(copies)](const RunState& state) {
    for (const Launch& copy : copies) copy(state);
  };
}

std::vector<Tensor> gradient_concatenate(const GradientArgs& g) {
  const auto axis = static_cast<int>(g.attrs.dims[0]);
  const int rank = g.outputs[0].rank();
  Dims start = Dims::filled(rank, 0), stop = g.outputs[0].shape();
  const Dims step = Dims::filled(rank, 1);
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    stop[axis] = start[axis] + g.inputs[i].shape()[axis];
    out.push_back(g.wanted[i] ? ops::slice(g.doutputs[0], start, stop, step) : Tensor());
    start[axis] = stop[axis];
  }
  return out;
}

// --- views: what each `dims` holds stands beside its row

View with_axis(const View& in, int axis) {
  View out = in;
  out.shape.insert(axis, 1);
  out.strides.insert(axis, 0);
  return out;
}

View without_axis(const View& in, int axis) {
  View out = in;
  out.shape.erase(axis);
  out.strides.erase(axis);
  return out;
}

View permuted(const View& in, const Dims& axes) {
  View out = in;
  for (int i = 0; i < axes.rank(); ++i) {
    out.shape[i] = in.shape[static_cast<int>(axes[i])];
    out.strides[i] = in.strides[static_cast<int>(axes[i])];
  }
  return out;
}

void check_broadcast(const Attrs& a, const Shape& shape) {
  bool fits = shape.rank() <= a.dims.rank();
  for (int i = 1; fits && i <= shape.rank(); ++i) {
    const std::int64_t extent = shape[shape.rank() - i];
    fits = extent == 1 || extent == a.dims[a.dims.rank() - i];
  }
  if (!fits) fail<ValueError>("broadcast_to: shape ", shape, " cannot be broadcast to ", a.dims);
}

void check_squeeze(const Attrs& a, const Shape& shape) {
  if (shape[static_cast<int>(a.dims[0])] != 1)
    fail<ValueError>("squeeze: axis ", a.dims[0], " of shape ", shape, " is not of extent 1");
}

// The row of a view: `check` may refuse a shape, `view` says the output's shape and strides, and
// `gradient` turns dy (of that shape) into dx (of x's shape).
using Check = void (*)(const Attrs&, const Shape&);
using ViewOf = View (*)(const Attrs&, const View&);
using Back = Tensor (*)(const Attrs&, const Tensor& dy, const Shape& x);

void add_view(OpTable& table, const char* name, Check check, ViewOf view, Back back,
              std::uint32_t traits = 0) {
  Op row;
  row.name = name;
  row.traits = kView | traits;
  row.infer = [check, view](const Attrs& a, std::span<const TensorType> in) {
    if (check != nullptr) check(a, in[0].shape);
    const View out = view(a, contiguous_view(nullptr, in[0].dtype, in[0].shape));
    return std::vector<TensorType>{{out.dtype, out.shape}};
  };
  row.view = view;
  row.gradient = [back](const GradientArgs& g) {
    return std::vector<Tensor>{back(g.attrs, g.doutputs[0], g.inputs[0].shape())};
  };
  table.add(std::move(row));
}

void register_views(OpTable& table) {
  add_view(  // shape
      table, "reshape", nullptr,
      [](const Attrs& a, const View& in) { return contiguous_view(in.data, in.dtype, a.dims); },
      [](const Attrs&, const Tensor& dy, const Shape& x) { return ops::reshape(dy, x); },
      kContiguous);
  add_view(  // permutation
      table, "transpose", nullptr,
      [](const Attrs& a, const View& in) { return permuted(in, a.dims); },
      [](const Attrs& a, const Tensor& dy, const Shape&) {
        Dims inverse = a.dims;
        for (int i = 0; i < inverse.rank(); ++i) inverse[static_cast<int>(a.dims[i])] = i;
        return ops::transpose(dy, inverse);
      });
  add_view(  // shape
      table, "broadcast_to", check_broadcast,
      [](const Attrs& a, const View& in) { return broadcast_view(in, a.dims); },
      [](const Attrs&, const Tensor& dy, const Shape& x) { return ops::sum_to(dy, x); });
  add_view(  // axis
      table, "expand_dims", nullptr,
      [](const Attrs& a, const View& in) { return with_axis(in, static_cast<int>(a.dims[0])); },
      [](const Attrs& a, const Tensor& dy, const Shape&) { return ops::squeeze(dy, a.dims[0]); });
  add_view(  // axis
      table, "squeeze", check_squeeze,
      [](const Attrs& a, const View& in) { return without_axis(in, static_cast<int>(a.dims[0])); },
      [](const Attrs& a, const Tensor& dy, const Shape&) {
        return ops::expand_dims(dy, a.dims[0]);
      });
  add_view(table, "slice", check_slice, view_slice, gradient_slice);  // starts; stops; steps
}

}  // namespace

void register_shape_ops(OpTable& table) {
  register_views(table);

  Op copy;
  copy.name = "copy";
  copy.traits = kRowwise;
  copy.infer = [](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{in[0]};
  };
  copy.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return strided_copy(in[0], out[0]);
  };
  copy.gradient = [](const GradientArgs& g) { return std::vector<Tensor>{g.doutputs[0]}; };
  table.add(std::move(copy));

  Op concatenate;
  concatenate.name = "concatenate";
  concatenate.traits = kJoin;
  concatenate.arity = -1;
  concatenate.infer = infer_concatenate;
  concatenate.prepare = prepare_concatenate;
  concatenate.gradient = gradient_concatenate;
  table.add(std::move(concatenate));

  Op pad;
  pad.name = "pad";
  pad.traits = kPart;
  pad.joined = "concatenate";
  pad.infer = infer_pad;
  pad.prepare = prepare_pad;
  pad.gradient = gradient_pad;
  table.add(std::move(pad));
}

}  // namespace pynn
