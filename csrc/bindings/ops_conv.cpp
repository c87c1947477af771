// Convolutions: their options as Keras gives them.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "bindings/windows.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

// The arguments that both functions have; `at` is the first of dilation_rate and groups.
struct Convolution {
  Convolution(const char* name, const Call& call, std::size_t at, const Tensor& x,
              const Tensor& kernel)
      : rank(x.rank() - 2) {
    if (rank < 1 || rank > 3 || kernel.rank() != x.rank())
      fail<ValueError>(
          name, ": expected images (n, spatial..., channels) with one to three spatial ",
          "axes and a kernel of as many axes, got shapes ", x.shape(), " and ", kernel.shape());
    const Dims ones = Dims::filled(rank, 1);
    options.strides = call.given(2) ? parse_per_axis(call[2], "strides", rank) : ones;
    const Padding padding = parse_padding(call[3], rank);
    options.before = padding.before;
    options.after = padding.after;
    same = padding.same;
    options.dilation = call.given(at) ? parse_per_axis(call[at], "dilation_rate", rank) : ones;
    options.groups = call.integer(at + 1, 1);
    if (options.groups < 1) fail<ValueError>("groups: expected at least 1, got ", options.groups);
    for (int i = 0; i < rank; ++i)
      reach.push_back((kernel.shape()[i] - 1) * options.dilation[i] + 1);
  }

  void pad(int axis, std::int64_t before, std::int64_t all) {
    options.before[axis] = before;
    options.after[axis] = all - before;
  }

  int rank;
  ops::ConvOptions options;
  bool same = false;
  Dims reach;  // from the first tap to the last
};

// Multiply-adds of `pixels` patches, as operations.
double conv_work(std::int64_t pixels, const Tensor& kernel) {
  return 2 * static_cast<double>(pixels) * static_cast<double>(kernel.size());
}

constexpr Function conv_function{
    "conv", "x, kernel, strides=1, padding='valid', dilation_rate=1, groups=1", nullptr,
    [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& kernel = operands.take(call[1]);
      Convolution c("conv", call, 4, x, kernel);
      for (int i = 0; c.same && i < c.rank; ++i) {
        const std::int64_t missing =
            same_padding(x.shape()[i + 1], c.reach[i], c.options.strides[i]);
        c.pad(i, missing / 2, missing);
      }
      const std::int64_t pixels = x.size() / std::max<std::int64_t>(x.shape().back(), 1);
      return operands.result(
          operands.run(conv_work(pixels, kernel), [&] { return ops::conv(x, kernel, c.options); }));
    }};

constexpr Function conv_transpose_function{
    "conv_transpose",
    "x, kernel, strides=1, padding='valid', output_padding=None, dilation_rate=1, groups=1",
    nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& kernel = operands.take(call[1]);
      Convolution c("conv_transpose", call, 5, x, kernel);
      const bool chosen = call.given(4);
      Dims more = Dims::filled(c.rank, 0);
      if (chosen) more = parse_per_axis(call[4], "output_padding", c.rank, 0);
      for (int i = 0; i < c.rank; ++i) {
        const std::int64_t reach = c.reach[i], stride = c.options.strides[i];
        if (chosen && more[i] >= std::max(stride, c.options.dilation[i]))
          fail<ValueError>("output_padding must be smaller than strides or dilation_rate, got ",
                           more);
        const bool named = !call.given(3) || PyUnicode_Check(call[3]);
        if (c.same && chosen) c.pad(i, reach / 2, reach / 2 * 2);
        // Results as large as size * stride, but for 'valid' no smaller than taps reach.
        if (c.same && !chosen)
          c.pad(i, std::max<std::int64_t>(reach - stride, 0) / 2, reach - stride);
        if (!c.same && !chosen && named) more[i] = std::max<std::int64_t>(stride - reach, 0);
      }
      return operands.result(
          operands.run(conv_work(x.size() / std::max<std::int64_t>(x.shape().back(), 1), kernel),
                       [&] { return ops::conv_transpose(x, kernel, c.options, more); }));
    }};

}  // namespace

void add_conv_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(), {op_row<conv_function>(), op_row<conv_transpose_function>()});
}

}  // namespace pynn::bindings
