// Convolution and its two gradients: three linear maps of two operands, each of
// which has the other two as its gradients, so that they can be differentiated
// any number of times.
#include "ops/conv.h"

#include "ops/launch.h"
#include "ops/ops.h"

namespace pynn {
namespace {

constexpr std::int64_t kMostCopies = 8;  // from here on a group's product has filters enough
constexpr const char* kNames[] = {"conv", "conv_input", "conv_kernel"};

// Attributes of all rows: dims = strides, then dilations; more = padding before
// each spatial axis; steps = groups, then the spatial extents of the result;
// where a row works on what max pooling picks, merge_windows has added to both.
// dtype = bfloat16: float32 operands are rounded to it.
Attrs attributes(const Attrs& a, const Shape& result_like, int first) {
  Attrs out;
  out.dims = a.dims;
  out.more = a.more;
  out.steps = {a.steps[0]};
  for (int i = 0; i < a.more.rank(); ++i) out.steps.push_back(result_like[first + i]);
  out.dtype = a.dtype;
  return out;
}

TensorType operand_type(const char* name, const TensorType& a, const TensorType& b) {
  if (a.dtype != b.dtype || (a.dtype != DType::f32 && a.dtype != DType::f64))
    fail<TypeError>(name, ": expected two tensors of float32 or of float64, got ",
                    pynn::name(a.dtype), " and ", pynn::name(b.dtype));
  if (a.shape.rank() < 3 || a.shape.rank() > 5 || a.shape.rank() != b.shape.rank())
    fail<ValueError>(name, ": expected two tensors of one rank from 3 to 5, got shapes ", a.shape,
                     " and ", b.shape);
  return a;
}

// With the extents of the result, that of the batch or the taps first.
Shape result_shape(const Attrs& a, std::initializer_list<std::int64_t> front,
                   std::initializer_list<std::int64_t> back) {
  Shape shape(front);
  for (int i = 1; i <= a.dims.rank() / 2; ++i) shape.push_back(a.steps[i]);
  for (const std::int64_t d : back) shape.push_back(d);
  return shape;
}

void check_groups(const char* name, std::int64_t groups, std::int64_t channels, const Shape& w) {
  if (groups < 1 || channels % groups != 0 || w.back() % groups != 0 ||
      channels / groups != w[w.rank() - 2])
    fail<ValueError>(name, ": images with ", channels, " channels in ", groups,
                     " groups do not fit a kernel of shape ", w,
                     " (taps..., channels / groups, filters)");
}

std::vector<TensorType> infer_conv(const Attrs& a, std::span<const TensorType> in) {
  const TensorType x = operand_type("conv", in[0], in[1]);
  check_groups("conv", a.steps[0], x.shape.back(), in[1].shape);
  return {{x.dtype, result_shape(a, {x.shape[0]}, {in[1].shape.back()})}};
}

std::vector<TensorType> infer_pooled(const Attrs& a, std::span<const TensorType> in) {
  TensorType y = infer_conv(a, in)[0];
  const int axes = a.dims.rank() / 2;
  std::int64_t taps = 1;
  for (int i = 0; i < axes; ++i) {
    y.shape[1 + i] /= a.more[axes + i];
    taps *= a.more[axes + i];
  }
  return {y, {taps <= 256 ? DType::u8 : DType::i32, y.shape}};
}

std::vector<TensorType> infer_conv_input(const Attrs& a, std::span<const TensorType> in) {
  const TensorType y = operand_type("conv_transpose", in[0], in[1]);
  const Shape& w = in[1].shape;
  if (y.shape.back() != w.back())
    fail<ValueError>("conv_transpose: images with ", y.shape.back(),
                     " channels do not fit a kernel", " of shape ", w,
                     " (taps..., filters / groups, channels)");
  const std::int64_t channels = w[w.rank() - 2] * a.steps[0];
  check_groups("conv_transpose", a.steps[0], channels, w);
  return {{y.dtype, result_shape(a, {y.shape[0]}, {channels})}};
}

std::vector<TensorType> infer_conv_kernel(const Attrs& a, std::span<const TensorType> in) {
  const TensorType x = operand_type("conv_kernel", in[0], in[1]);
  return {{x.dtype, result_shape(a, {}, {x.shape.back() / a.steps[0], in[1].shape.back()})}};
}

// float32 operands rounded to bfloat16, where a launch asks for it: the rounded
// copies.
class Rounded {
 public:
  Rounded(const Attrs& attrs, std::span<const View> in) : views_(in.begin(), in.end()) {
    if (attrs.dtype != DType::bf16 || in[0].dtype != DType::f32) return;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto n = static_cast<std::size_t>(in[i].size());
      copies_.push_back({scratch(n * sizeof(float)), scratch(n * sizeof(bfloat16)), in[i].data, n});
      views_[i].data = copies_.back().wide.get();
    }
  }
  std::span<const View> views() const { return views_; }

  Launch before(Launch launch) const {
    if (copies_.empty()) return launch;
    return [copies = copies_, launch = std::move(launch)](const RunState& state) {
      constexpr std::size_t f32 = index(DType::f32), bf16 = index(DType::bf16);
      for (const Copy& c : copies) {
        const Chunks chunks(static_cast<std::int64_t>(c.size), 4);
        chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
          const auto n = static_cast<std::size_t>(end - begin);
          const auto narrow = static_cast<bfloat16*>(c.narrow.get()) + begin;
          kernels::table().cast[bf16][f32](n, narrow, static_cast<const float*>(c.from) + begin);
          kernels::table().cast[f32][bf16](n, static_cast<float*>(c.wide.get()) + begin, narrow);
        });
      }
      launch(state);
    };
  }

 private:
  struct Copy {
    std::shared_ptr<void> wide, narrow;
    const void* from;
    std::size_t size;
  };
  std::vector<View> views_;
  std::vector<Copy> copies_;
};

Launch prepare_forward(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Rounded rounded(a, in);
  const auto v = rounded.views();
  const ConvGeometry g(a, v[0].shape, v[1].shape, out[0].shape);
  return rounded.before(
      prepare_conv(g, a, Images(v[0]), v[1], v.size() > 2 ? &v[2] : nullptr, out[0]));
}

Launch prepare_pooled(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Rounded rounded(a, in);
  const auto v = rounded.views();
  const ConvGeometry g(a, v[0].shape, v[1].shape, unpooled_shape(a, out[0].shape));
  return rounded.before(
      prepare_conv_pooled(g, a, v[0], v[1], v.size() > 2 ? &v[2] : nullptr, out[0], out[1]));
}

// The images v[i], or those of which they are the winners that v[2] names.
Images images_of(const Attrs& a, std::span<const View> v, std::size_t i) {
  return v.size() > 2 ? Images(a, v[i], v[2]) : Images(v[i]);
}

Launch prepare_input(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Rounded rounded(a, in);
  const auto v = rounded.views();
  const Images y = images_of(a, v, 0);
  const ConvGeometry g(a, out[0].shape, v[1].shape, y.shape());
  if (v.size() > 2 && has_winner_launches(g, v[2]))
    return rounded.before(prepare_conv_input_winners(g, a, v[0], v[2], v[1], out[0]));
  return rounded.before(prepare_conv_input(g, y, v[1], out[0]));
}

Launch prepare_kernel(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Rounded rounded(a, in);
  const auto v = rounded.views();
  const Images y = images_of(a, v, 1);
  const ConvGeometry g(a, v[0].shape, out[0].shape, y.shape());
  if (v.size() > 2 && has_winner_launches(g, v[2]))
    return rounded.before(prepare_conv_kernel_winners(g, a, v[0], v[1], v[2], out[0]));
  return rounded.before(prepare_conv_kernel(g, v[0], y, out[0]));
}

Tensor apply_conv(const Attrs& a, const Tensor& x, const Tensor& w, const Tensor& like) {
  return apply1(op("conv"), attributes(a, like.shape(), 1), {x, w});
}
Tensor apply_input(const Attrs& a, const Tensor& y, const Tensor& w, const Tensor& like) {
  return apply1(op("conv_input"), attributes(a, like.shape(), 1), {y, w});
}
Tensor apply_kernel(const Attrs& a, const Tensor& x, const Tensor& y, const Tensor& like) {
  return apply1(op("conv_kernel"), attributes(a, like.shape(), 0), {x, y});
}

std::vector<Tensor> gradient_conv(const GradientArgs& g) {
  const Tensor &x = g.inputs[0], &w = g.inputs[1], &dy = g.doutputs[0];
  return {g.wanted[0] ? apply_input(g.attrs, dy, w, x) : Tensor(),
          g.wanted[1] ? apply_kernel(g.attrs, x, dy, w) : Tensor()};
}

std::vector<Tensor> gradient_conv_input(const GradientArgs& g) {
  const Tensor &y = g.inputs[0], &w = g.inputs[1], &dx = g.doutputs[0];
  return {g.wanted[0] ? apply_conv(g.attrs, dx, w, y) : Tensor(),
          g.wanted[1] ? apply_kernel(g.attrs, dx, y, w) : Tensor()};
}

std::vector<Tensor> gradient_conv_kernel(const GradientArgs& g) {
  const Tensor &x = g.inputs[0], &y = g.inputs[1], &dw = g.doutputs[0];
  return {g.wanted[0] ? apply_input(g.attrs, y, dw, x) : Tensor(),
          g.wanted[1] ? apply_conv(g.attrs, x, dw, y) : Tensor()};
}

}  // namespace

ConvGeometry::ConvGeometry(const Attrs& attrs, const Shape& x, const Shape& w, const Shape& y)
    : batch(x[0]), groups(attrs.steps[0]), channels(x.back()), filters(y.back()) {
  const int rank = attrs.dims.rank() / 2;
  for (int i = 0; i < rank; ++i) {
    const auto axis = static_cast<std::size_t>(3 - rank + i);
    in[axis] = x[1 + i];
    out[axis] = y[1 + i];
    kernel[axis] = w[i];
    stride[axis] = attrs.dims[i];
    dilation[axis] = attrs.dims[rank + i];
    before[axis] = attrs.more[i];
  }
}

void register_conv(OpTable& table) {
  const auto add = [&](const char* name, auto infer, auto prepare, auto gradient) -> Op& {
    Op row;
    row.name = name;
    row.traits = kProduct | kContiguous;
    row.arity = 2;
    row.infer = infer;
    row.prepare = prepare;
    row.gradient = gradient;
    return table.add(std::move(row));
  };
  const auto pools = [](Op& row, const char* pooled, const char* unpooling) {
    row.pooled = pooled;
    row.unpooling = unpooling;
    row.merge_pool = merge_windows;
  };
  Op& forward = add(kNames[0], infer_conv, prepare_forward, gradient_conv);
  forward.fused = "conv_epilogue";
  pools(forward, "conv_pooled", "");
  pools(add(kNames[1], infer_conv_input, prepare_input, gradient_conv_input), "",
        "conv_input_unpooling");
  pools(add(kNames[2], infer_conv_kernel, prepare_kernel, gradient_conv_kernel), "",
        "conv_kernel_unpooling");

  // What only a program's passes make, after differentiation.
  // activation(conv(x, w) + bias):
  Op& fused = add("conv_epilogue", infer_conv, prepare_forward, nullptr);
  fused.arity = -1;
  fused.fused = "conv_epilogue";
  pools(fused, "conv_pooled", "");
  // Its max pool, with the winners:
  Op& pooled = add("conv_pooled", infer_pooled, prepare_pooled, nullptr);
  pooled.arity = -1;
  // The gradients, of y's gradient as values and winners:
  add("conv_input_unpooling", infer_conv_input, prepare_input, nullptr).arity = 3;
  add("conv_kernel_unpooling", infer_conv_kernel, prepare_kernel, nullptr).arity = 3;
}

namespace ops {
namespace {

// x and w in the type that the rows take; bfloat16 is computed in float32 from
// rounded operands.
struct Operands {
  Operands(const Tensor& x, const Tensor& w) {
    dtype = promote(x.dtype(), w.dtype());
    if (!is_float(dtype)) dtype = DType::f32;
    if (dtype == DType::bf16) attrs.dtype = dtype;
    const DType computed = dtype == DType::f64 ? dtype : DType::f32;
    a = cast(x, computed);
    b = cast(w, computed);
  }
  void set(const ConvOptions& o, const Dims& extents) {
    attrs.dims = o.strides;
    for (const std::int64_t d : o.dilation) attrs.dims.push_back(d);
    attrs.more = o.before;
    attrs.steps = {o.groups};
    for (const std::int64_t d : extents) attrs.steps.push_back(d);
  }

  Attrs attrs;
  DType dtype;
  Tensor a, b;
};

}  // namespace

Tensor conv(const Tensor& x, const Tensor& kernel, const ConvOptions& options) {
  const int rank = options.before.rank();
  Operands o(x, kernel);
  Dims extents;
  bool pointwise = options.groups == 1 && x.rank() == kernel.rank();
  for (int i = 0; i < rank; ++i) {
    const std::int64_t padded = x.shape()[i + 1] + options.before[i] + options.after[i];
    const std::int64_t reach = (kernel.shape()[i] - 1) * options.dilation[i] + 1;
    if (reach > padded || kernel.shape()[i] < 1)
      fail<ValueError>("conv: a kernel of shape ", kernel.shape(), " with dilation ",
                       options.dilation, " does not fit into images of shape ", x.shape(),
                       " with padding ", options.before, " before and ", options.after, " after");
    extents.push_back((padded - reach) / options.strides[i] + 1);
    pointwise = pointwise && reach == 1 && options.strides[i] == 1 && padded == x.shape()[i + 1];
  }
  // A few filters for each channel by itself: one for each of as many copies of the channel.
  const std::int64_t filters = kernel.shape().back() / std::max<std::int64_t>(options.groups, 1);
  if (options.groups > 1 && options.groups == x.shape().back() && kernel.shape()[rank] == 1 &&
      filters > 1 && filters <= kMostCopies && kernel.shape().back() % options.groups == 0) {
    ConvOptions single = options;
    single.groups *= filters;
    return conv(repeat(x, filters, -1), kernel, single);
  }
  // One tap is a product of matrices.
  if (pointwise && x.shape().back() == kernel.shape()[rank])
    return matmul(x, reshape(kernel, {kernel.shape()[rank], kernel.shape().back()}));
  o.set(options, extents);
  return cast(apply1(op("conv"), o.attrs, {o.a, o.b}), o.dtype);
}

Tensor conv_transpose(const Tensor& x, const Tensor& kernel, const ConvOptions& options,
                      const Dims& output_padding) {
  Operands o(x, kernel);
  Dims extents;
  for (int i = 0; i < options.before.rank(); ++i) {
    const std::int64_t reach = (kernel.shape()[i] - 1) * options.dilation[i] + 1;
    extents.push_back((x.shape()[i + 1] - 1) * options.strides[i] + reach - options.before[i] -
                      options.after[i] + output_padding[i]);
    if (extents.back() < 1 || kernel.shape()[i] < 1 || x.shape()[i + 1] < 1)
      fail<ValueError>("conv_transpose: images of shape ", x.shape(), " and a kernel of shape ",
                       kernel.shape(), " leave nothing with padding ", options.before,
                       " before and ", options.after, " after");
  }
  o.set(options, extents);
  return cast(apply1(op("conv_input"), o.attrs, {o.a, o.b}), o.dtype);
}

}  // namespace ops
}  // namespace pynn
