// Functions that are a few other ops, and have no row of their own.
#include <numeric>
#include <utility>

#include "ops/axes.h"
#include "ops/custom.h"
#include "ops/ops.h"

namespace pynn::ops {

// Comparisons, not maximum and minimum: at a bound the gradient is that of x.
Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high) {
  const Tensor raised = low.defined() ? where(less(x, low), low, x) : x;
  return high.defined() ? where(greater(raised, high), high, raised) : raised;
}

Tensor any(const Tensor& x, const Dims& axes, bool keepdims) {
  return cast(sum(cast(x, DType::boolean), axes, keepdims), DType::boolean);
}

Tensor all(const Tensor& x, const Dims& axes, bool keepdims) {
  return logical_not(any(logical_not(x), axes, keepdims));
}

Tensor var(const Tensor& x, const Dims& axes, bool keepdims, double ddof) {
  const Tensor centred = subtract(x, mean(x, axes, true));
  const Tensor spread = mean(multiply(centred, centred), axes, keepdims);
  if (ddof == 0) return spread;
  const double n = static_cast<double>(x.size()) / static_cast<double>(spread.size());
  return multiply(spread, scalar(n / (n - ddof), spread.dtype()));
}

namespace {

// hi + lo = x, each of half the digits: products of such parts are exact (Veltkamp, 1968).
std::pair<Tensor, Tensor> halves(const Tensor& x) {
  const Tensor c = multiply(x, scalar(134217729, DType::f64));  // 2^27 + 1
  const Tensor hi = subtract(c, subtract(c, x));
  return {hi, subtract(x, hi)};
}

struct Divided {
  Tensor quotient, rest;
};

// a / b, rounded down, and what is left, both exact for quotients below 2^53. The quotient of
// doubles may have been rounded up to a whole number: the rest, without an error by Dekker's
// product (1971), tells.
Divided divided(const Tensor& a, const Tensor& b) {
  const Tensor zero = scalar(0, DType::f64), one = scalar(1, DType::f64);
  const Tensor q = floor(divide(a, b)), product = multiply(q, b);
  const auto [qh, ql] = halves(q);
  const auto [bh, bl] = halves(b);
  const Tensor error = add(add(subtract(multiply(qh, bh), product), multiply(qh, bl)),
                           add(multiply(ql, bh), multiply(ql, bl)));
  const Tensor left = subtract(subtract(a, product), stop_gradient(error));
  const Tensor rest = where(equal(q, zero), a, left);  // also by infinity
  const Tensor apart =
      logical_and(not_equal(rest, zero), logical_xor(less(rest, zero), less(b, zero)));
  const Tensor unknown = logical_and(isnan(rest), not_equal(b, zero));
  return {where(unknown, rest, where(apart, subtract(q, one), q)),
          where(apart, add(rest, b), rest)};
}

Divided divided_floats(const Tensor& a, const Tensor& b, DType dtype) {
  const Divided d = divided(cast(a, DType::f64), cast(b, DType::f64));
  return {cast(d.quotient, dtype), cast(d.rest, dtype)};
}

}  // namespace

// Whole numbers up to 2^53 are divided exactly; by zero gives zero, as in NumPy.
Tensor floor_divide(const Tensor& a, const Tensor& b) {
  const DType dtype = promote(a.dtype(), b.dtype());
  if (is_float(dtype)) return divided_floats(a, b, dtype).quotient;
  const Tensor divisor = cast(b, DType::f64);
  const Tensor quotient = floor(divide(cast(a, DType::f64), divisor));
  const Tensor zero = scalar(0, DType::f64);
  return cast(where(equal(divisor, zero), zero, quotient),
              dtype == DType::boolean ? DType::i32 : dtype);
}

Tensor mod(const Tensor& a, const Tensor& b) {
  const DType dtype = promote(a.dtype(), b.dtype());
  if (is_float(dtype)) return divided_floats(a, b, dtype).rest;
  const Tensor rest = subtract(a, multiply(b, floor_divide(a, b)));
  return where(equal(b, scalar(0, b.dtype())), zeros_like(rest), rest);
}

Tensor swapaxes(const Tensor& x, std::int64_t a, std::int64_t b) {
  Dims axes = Dims::filled(x.rank(), 0);
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[checked_axis("swapaxes", a, x.shape())],
            axes[checked_axis("swapaxes", b, x.shape())]);
  return transpose(x, axes);
}

Tensor flip(const Tensor& x, const Dims& axes) {
  Dims start = Dims::filled(x.rank(), 0), stop = x.shape(), step = Dims::filled(x.rank(), 1);
  for (const std::int64_t axis : checked_axes("flip", axes, x.shape())) {
    const auto i = static_cast<int>(axis);
    start[i] = x.shape()[i] - 1;
    stop[i] = step[i] = -1;
  }
  return slice(x, start, stop, step);
}

Tensor repeat(const Tensor& x, std::int64_t times, std::int64_t axis) {
  if (times < 0) fail<ValueError>("repeat: expected a number of times, got ", times);
  const int at = checked_axis("repeat", axis, x.shape());
  Shape wide = x.shape(), shape = x.shape();
  wide.insert(at + 1, times);
  shape[at] *= times;
  return reshape(broadcast_to(expand_dims(x, at + 1), wide), shape);
}

Tensor stack(std::span<const Tensor> xs, std::int64_t axis) {
  std::vector<Tensor> wide;
  for (const Tensor& x : xs) {
    if (!(x.shape() == xs[0].shape()))
      fail<ValueError>("stack: expected tensors of one shape, got ", xs[0].shape(), " and ",
                       x.shape());
    wide.push_back(expand_dims(x, axis));
  }
  if (wide.empty()) fail<ValueError>("stack: expected at least one tensor, got none");
  return concatenate(wide, axis < 0 ? axis + wide[0].rank() : axis);
}

}  // namespace pynn::ops
