// Functions of images: pooling, affine sampling.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "bindings/windows.h"
#include "ops/ops.h"
#include "ops/warp.h"

namespace pynn::bindings {
namespace {

template <Tensor (*pool)(const Tensor&, const ops::Windows&)>
PyObject* pooling(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const int axes = std::max(x.rank() - 2, 0);
  ops::Windows windows;
  windows.size = parse_per_axis(call[1], "pool_size", axes);
  windows.strides = call.given(2) ? parse_per_axis(call[2], "strides", axes) : windows.size;
  const Padding padding = parse_padding(call[3], axes);
  windows.before = padding.before;
  windows.after = padding.after;
  for (int i = 0; padding.same && i < axes; ++i) {
    const std::int64_t all = same_padding(x.shape()[1 + i], windows.size[i], windows.strides[i]);
    windows.before[i] = all / 2;
    windows.after[i] = all - all / 2;
  }
  return operands.result(operands.run([&] { return pool(x, windows); }));
}

constexpr const char* kPooling = "x, pool_size, strides=None, padding='valid'";
constexpr Function max_pool_function{"max_pool", kPooling, nullptr, pooling<ops::max_pool>};
constexpr Function avg_pool_function{"avg_pool", kPooling, nullptr, pooling<ops::avg_pool>};

// Which of `names` an argument is, or the first where it is not given.
template <std::size_t N>
std::size_t parse_choice(PyObject* o, const char* argument, const char* const (&names)[N]) {
  if (o == nullptr) return 0;
  for (std::size_t i = 0; PyUnicode_Check(o) && i < N; ++i)
    if (PyUnicode_CompareWithASCIIString(o, names[i]) == 0) return i;
  std::string known;
  for (const char* name : names) known += (known.empty() ? "'" : ", '") + std::string(name) + "'";
  fail<ValueError>(argument, ": expected one of ", known, ", got ",
                   py::repr(py::handle(o)).cast<std::string>());
}

constexpr Function warp_function{
    "warp", "x, matrix, interpolation='bilinear', fill_mode='constant', fill_value=0.0", nullptr,
    [](Call& call) {
      using ops::Border;
      using ops::Interpolation;
      constexpr const char* kInterpolations[] = {"bilinear", "nearest"};
      constexpr const char* kBorders[] = {"constant", "nearest", "reflect", "wrap"};
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& matrix = operands.take(call[1]);
      const auto interpolation = parse_choice(call[2], "interpolation", kInterpolations) == 0
                                     ? Interpolation::bilinear
                                     : Interpolation::nearest;
      const auto border = static_cast<Border>(parse_choice(call[3], "fill_mode", kBorders));
      const double outside = call.real(4, 0);
      return operands.result(
          operands.run([&] { return ops::warp(x, matrix, interpolation, border, outside); }));
    }};

}  // namespace

void add_image_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(),
              {op_row<max_pool_function>(), op_row<avg_pool_function>(), op_row<warp_function>()});
}

}  // namespace pynn::bindings
