// Convolutions: their options as Keras gives them.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

// One number for every spatial axis, or one for each, each at least `least`.
Dims per_axis(const Call& call, std::size_t i, const char* name, int rank, std::int64_t least) {
  Dims values = call.given(i) ? parse_dims(call[i]) : Dims{1};
  if (values.rank() == 1) values = Dims::filled(rank, values[0]);
  if (values.rank() != rank)
    fail<ValueError>(name, ": expected a number or one for each of ", rank, " axes, got ", values);
  for (const std::int64_t v : values)
    if (v < least) fail<ValueError>(name, ": expected at least ", least, ", got ", values);
  return values;
}

// Whether `padding` is 'same'; widths that are given as numbers go to `options`.
bool parse_padding(const Call& call, std::size_t i, int rank, ops::ConvOptions& options) {
  options.before = options.after = Dims::filled(rank, 0);
  if (!call.given(i)) return false;
  PyObject* const o = call[i];
  if (PyUnicode_Check(o)) {
    if (PyUnicode_CompareWithASCIIString(o, "same") == 0) return true;
    if (PyUnicode_CompareWithASCIIString(o, "valid") == 0) return false;
    fail<ValueError>("padding: expected 'valid', 'same', or widths, got '",
                     py::str(py::handle(o)).cast<std::string>(), "'");
  }
  if (PyIndex_Check(o)) {
    options.before = options.after = Dims::filled(rank, parse_dims(o)[0]);
  } else {
    const py::object items = checked(PySequence_Fast(o, "padding: expected a name or widths"));
    if (PySequence_Fast_GET_SIZE(items.ptr()) != rank)
      fail<ValueError>("padding: expected a width or a pair for each of ", rank, " axes, got ",
                       PySequence_Fast_GET_SIZE(items.ptr()));
    for (int axis = 0; axis < rank; ++axis) {
      const Dims pair = parse_dims(PySequence_Fast_GET_ITEM(items.ptr(), axis));
      if (pair.rank() < 1 || pair.rank() > 2)
        fail<ValueError>("padding: expected a width or a pair for each axis, got ", pair);
      options.before[axis] = pair[0];
      options.after[axis] = pair.back();
    }
  }
  for (int axis = 0; axis < rank; ++axis)
    if (options.before[axis] < 0 || options.after[axis] < 0)
      fail<ValueError>("padding must not be negative, got ", options.before, " before and ",
                       options.after, " after");
  return false;
}

// The arguments that both functions have; `at` is the first of dilation_rate and groups.
struct Convolution {
  Convolution(const char* name, const Call& call, std::size_t at, const Tensor& x,
              const Tensor& kernel)
      : rank(x.rank() - 2) {
    if (rank < 1 || rank > 3 || kernel.rank() != x.rank())
      fail<ValueError>(
          name, ": expected images (n, spatial..., channels) with one to three spatial ",
          "axes and a kernel of as many axes, got shapes ", x.shape(), " and ", kernel.shape());
    options.strides = per_axis(call, 2, "strides", rank, 1);
    same = parse_padding(call, 3, rank, options);
    options.dilation = per_axis(call, at, "dilation_rate", rank, 1);
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
        const std::int64_t size = x.shape()[i + 1], stride = c.options.strides[i];
        const std::int64_t covered = ((size + stride - 1) / stride - 1) * stride + c.reach[i];
        const std::int64_t missing = std::max<std::int64_t>(covered - size, 0);
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
      if (chosen) more = per_axis(call, 4, "output_padding", c.rank, 0);
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
