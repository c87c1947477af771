// Elementary functions on vectors, for float and double from one source. Bounds of the
// error in units in the last place, float and double, as measured over the whole range:
//   exp 1.2, expm1 2, log 0.8, log1p 0.8, softplus 2.6, tanh 2.4, sigmoid 2.4, erf 1.3, sin and
//   cos 1.5 (double 2), pow 1.
#pragma once

#include <limits>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_constants.h"

namespace pynn::kernels::PYNN_ISA {
namespace {
namespace math {

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();

// c[0] + c[1] x + ... by Horner's rule; long ones as even + x odd, which halves the chain.
template <class V, std::size_t N>
PYNN_INLINE V polynomial(V x, const Elem<V> (&c)[N]) {
  const auto horner = [&c](V z, int step, int last) __attribute__((always_inline)) {
    V y = broadcast<V>(c[last]);
    for (int i = last - step; i >= 0; i -= step) y = fma(y, z, broadcast<V>(c[i]));
    return y;
  };
  constexpr int kLast = static_cast<int>(N) - 1;
  if constexpr (N < 7) return horner(x, 1, kLast);
  const V square = x * x;
  const V even = horner(square, 2, kLast - kLast % 2);
  const V odd = horner(square, 2, kLast - 1 + kLast % 2);
  return fma(odd, x, even);
}

// x = n ln 2 + r with |r| <= ln(2)/2
template <class V>
struct Reduced {
  V n, r;
};
template <class V>
PYNN_INLINE Reduced<V> reduce(V x) {
  using C = Constants<Elem<V>>;
  const V n = round_small(x * Elem<V>(1.44269504088896340736));
  return {n, fma(n, broadcast<V>(-C::kLn2Lo), fma(n, broadcast<V>(-C::kLn2Hi), x))};
}

// The same, and e^r - 1 to full relative precision.
template <class V>
struct ReducedExp {
  V n, expm1_r;
};
template <class V>
PYNN_INLINE ReducedExp<V> reduce_exp(V x) {
  const auto [n, r] = reduce(x);
  return {n, fma(r * r, polynomial(r, Constants<Elem<V>>::kExp), r)};
}

// e^r for a reduced r
template <class V>
PYNN_INLINE V exp_small(V r) {
  const V one = broadcast<V>(Elem<V>(1));
  return fma(fma(polynomial(r, Constants<Elem<V>>::kExp), r, one), r, one);
}

// e^(x + tail)
template <class V, class... Tail>
PYNN_INLINE V exp(V x, Tail... tail) {
  using C = Constants<Elem<V>>;
  x = min(broadcast<V>(C::kExpMax), max(broadcast<V>(C::kExpMin), x));
  const auto [n, r] = reduce(x);
  return ldexp(exp_small(V((r + ... + tail))), n);
}

template <class V>
PYNN_INLINE V expm1(V x) {
  using T = Elem<V>;
  // Below -50 the result is -1. Half of it is computed: 2^n itself can be out of range.
  const V limited = min(broadcast<V>(Constants<T>::kExpMax), max(broadcast<V>(T(-50)), x));
  const auto [n, p] = reduce_exp(limited);
  const V half_power = pow2(n - T(1));
  const V y = fma(p, half_power, half_power - T(0.5)) * T(2);
  return select(x == V{}, x, y);
}

// u > 0, normal: u = 2^exponent mantissa, mantissa in [sqrt(1/2), sqrt(2)).
template <class V>
struct Decomposed {
  V exponent, mantissa;
};
template <class V>
PYNN_INLINE Decomposed<V> decompose(V u) {
  using T = Elem<V>;
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr Bits kOne = Bits{F::kBias} << F::kFraction;
  constexpr Bits kSqrtHalf = __builtin_bit_cast(Bits, T(0.70710678118654752440));
  const auto shifted = as<Bits>(u) + (kOne - kSqrtHalf);
  // The biased exponent, put into the fraction of 2^kFraction.
  constexpr T kTwo = T(Bits{1} << F::kFraction);
  const auto biased = (shifted >> F::kFraction) | __builtin_bit_cast(Bits, kTwo);
  constexpr Bits kFractionMask = (Bits{1} << F::kFraction) - 1;
  return {(V)biased - (kTwo + T(F::kBias)), (V)((shifted & kFractionMask) + kSqrtHalf)};
}

// exponent ln 2 + log(1 + f) + correction, for f as large as decompose leaves it.
template <class V>
PYNN_INLINE V log_of_parts(V exponent, V f, V correction) {
  using T = Elem<V>;
  using C = Constants<T>;
  const V s = f / (f + T(2));
  const V z = s * s;
  const V half_square = T(0.5) * f * f;
  const V low = fma(exponent, broadcast<V>(C::kLn2Lo), correction);
  const V tail = half_square - fma(s, fma(z, polynomial(z, C::kLog), half_square), low);
  return fma(exponent, broadcast<V>(C::kLn2Hi), -(tail - f));
}

// y where the argument 0 <= u < infinity, and the limits of the logarithm elsewhere.
template <class V>
PYNN_INLINE V log_limits(V u, V y) {
  using T = Elem<V>;
  y = select(u < broadcast<V>(kInf<T>), y, u);
  const V outside = select(u == V{}, broadcast<V>(-kInf<T>), broadcast<V>(kNaN<T>));
  return select(u > V{}, y, outside);
}

template <class V>
PYNN_INLINE V log(V x) {
  using T = Elem<V>;
  constexpr int kShift = Format<T>::kFraction + 1;
  const auto small = x < broadcast<V>(std::numeric_limits<T>::min());
  const auto [e, m] = decompose(select(small, x * T(std::uint64_t{1} << kShift), x));
  const V exponent = e - select(small, broadcast<V>(T(kShift)), V{});
  return log_limits(x, log_of_parts(exponent, m - T(1), V{}));
}

template <class V>
PYNN_INLINE V log1p(V x) {
  using T = Elem<V>;
  const V u = x + T(1);
  const V rounded = u - T(1);
  const V error = (T(1) - (u - rounded)) + (x - rounded);  // u + error = 1 + x exactly
  const auto [e, m] = decompose(u);
  const auto near = e == V{};
  const V y = log_of_parts(e, select(near, x, m - T(1)), select(near, V{}, error / u));
  return select(x == V{}, x, log_limits(u, y));
}

// With t = e^(2|x|) - 1, t / (t + 2).
template <class V>
PYNN_INLINE V tanh(V x) {
  using T = Elem<V>;
  const V magnitude = min(broadcast<V>(Constants<T>::kTanhOne), abs(x));
  const auto [n, p] = reduce_exp(V(magnitude + magnitude));
  const V power = pow2(n);
  const V t = fma(p, power, power - T(1));
  return copysign(V(t / (t + T(2))), x);
}

// log(1 + e^x). With z = e^-|x| in (0, 1], log(1 + z) = 2 artanh(z / (2 + z)).
template <class V>
PYNN_INLINE V softplus(V x) {
  using T = Elem<V>;
  const V z = exp(-abs(x));
  const V s = z / (z + T(2));
  const V square = s * s;
  const V log1p_z = fma(s * square, polynomial(square, Constants<T>::kLogOnePlus), s + s);
  return max(V{}, x) + log1p_z;
}

// 1 / (1 + e^-x): where e^-x overflows, the result is less than the normal numbers.
template <class V>
PYNN_INLINE V sigmoid(V x) {
  using T = Elem<V>;
  return T(1) / (exp(-x) + T(1));
}

template <class V>
PYNN_INLINE V erf(V x) {
  using T = Elem<V>;
  using C = Constants<T>;
  const V magnitude = abs(x);
  const V small = fma(x, polynomial(x * x, C::kErf), x);
  const V limited = min(broadcast<V>(C::kErfOne), magnitude);
  const auto [n, r] = reduce(polynomial(limited, C::kLogErfc));
  const V large = T(1) - scale(exp_small(r), n);
  return select(magnitude < T(0.9), small, copysign(large, x));
}

// 1 - Phi(x) for x >= 0, Phi the standard normal distribution. In float from a polynomial for
// y = (2 - 2 Phi(x))^(-1/8) - 1, so that the tail needs no exponential, with an error below 2^-22.
// The square of 1 + y is taken as 1 + y (2 + y): around x = 0 the digits are in y.
template <class V>
PYNN_INLINE V normal_tail(V x) {
  using T = Elem<V>;
  if constexpr (sizeof(T) == 4) {
    const V slope = polynomial(x, Constants<T>::kNormalTail);  // y / x
    const V square = fma(slope * x, fma(slope, x, broadcast<V>(T(2))), broadcast<V>(T(1)));
    const V fourth = square * square;
    return T(0.5) / (fourth * fourth);
  } else {
    return T(0.5) - T(0.5) * erf(x * T(0.70710678118654752440));
  }
}

// sin (quadrant 0) and its shifts by quarter turns, for r in [-pi/4, pi/4].
template <class V, class M>
PYNN_INLINE V sin_of_quadrant(V r, M quadrant) {
  using T = Elem<V>;
  using C = Constants<T>;
  using Bits = typename Format<T>::Bits;
  const V z = r * r;
  const V s = fma(r * z, polynomial(z, C::kSin), r);
  const V c = fma(z, fma(z, polynomial(z, C::kCos), broadcast<V>(T(-0.5))), broadcast<V>(T(1)));
  const V y = select((quadrant & 1) != 0, c, s);
  constexpr int kSignShift = sizeof(T) * 8 - 2;
  return (V)(as<Bits>(y) ^ (as<Bits>(quadrant & 2) << kSignShift));
}

// The low bits of an integral n, as integer lanes.
template <class V>
PYNN_INLINE Mask<V> low_bits(V n) {
  using F = Format<Elem<V>>;
  return (Mask<V>)(n + Elem<V>(3ull << (F::kFraction - 1)));
}

// x = n pi/2 + r, exact products while n < 2^20: pi/2 in parts of 33 bits (Cody and Waite).
constexpr double kQuarterTurnLimit = 0x1p20;
PYNN_INLINE Vec<double> reduce_quarter_turns(Vec<double> x, Vec<double>& n) {
  using V = Vec<double>;
  n = round_small(x * 0.63661977236758134308) + 0.0;  // + 0: a negative zero would lose that of x
  V r = fma(n, broadcast<V>(-0x1.921fb544p+0), x);
  r = fma(n, broadcast<V>(-0x1.0b4611a6p-34), r);
  return fma(n, broadcast<V>(-0x1.3198a2e037073p-69), r);
}

template <int shift>
PYNN_INLINE Vec<double> sine(Vec<double> x) {
  Vec<double> n;
  const auto r = reduce_quarter_turns(x, n);
  return sin_of_quadrant(r, low_bits(n) + shift);
}

// Reduced in double: in float the parts of pi/2 would be too short without fused multiply-add.
template <int shift>
PYNN_INLINE Vec<float> sine(Vec<float> x) {
  Vec<double> n0, n1;
  const auto r0 = reduce_quarter_turns(convert<double>(half_of<0>(x)), n0);
  const auto r1 = reduce_quarter_turns(convert<double>(half_of<1>(x)), n1);
  const Vec<float> r = join(convert<float>(r0), convert<float>(r1));
  const Vec<float> n = join(convert<float>(n0), convert<float>(n1));
  return sin_of_quadrant(r, low_bits(n) + shift);
}

// Arguments too large for the reduction, and NaN, are rare: the C library takes them one by one.
template <class V>
PYNN_INLINE V sin(V x) {
  const auto large = ~(abs(x) < Elem<V>(kQuarterTurnLimit));
  V y = sine<0>(x);
  if (__builtin_expect(any(large), 0)) {
    for (int i = 0; i < kLanesOf<V>; ++i) {
      if (large[i]) y[i] = static_cast<Elem<V>>(__builtin_sin(x[i]));
    }
  }
  return y;
}

template <class V>
PYNN_INLINE V cos(V x) {
  const auto large = ~(abs(x) < Elem<V>(kQuarterTurnLimit));
  V y = sine<1>(x);
  if (__builtin_expect(any(large), 0)) {
    for (int i = 0; i < kLanesOf<V>; ++i) {
      if (large[i]) y[i] = static_cast<Elem<V>>(__builtin_cos(x[i]));
    }
  }
  return y;
}

// A number as an unevaluated sum, for what one double cannot hold.
struct TwoDoubles {
  Vec<double> hi, lo;
};

// a * b = hi + lo exactly; without fused multiply-add by Dekker's splitting (|a|, |b| < 2^990).
PYNN_INLINE TwoDoubles exact_product(Vec<double> a, Vec<double> b) {
  using V = Vec<double>;
  const V p = a * b;
  if constexpr (kIsFma) return {p, fma(a, b, -p)};
  constexpr double kSplit = 0x1p27 + 1;
  const V a_hi = a * kSplit - (a * kSplit - a);
  const V b_hi = b * kSplit - (b * kSplit - b);
  const V a_lo = a - a_hi;
  const V b_lo = b - b_hi;
  return {p, ((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo};
}
// a + b = hi + lo exactly, if |a| >= |b| or a = 0.
PYNN_INLINE TwoDoubles exact_sum(Vec<double> a, Vec<double> b) {
  const Vec<double> s = a + b;
  return {s, b - (s - a)};
}

// log(x) for finite x > 0 to some 2^-65.
PYNN_INLINE TwoDoubles log_two_doubles(Vec<double> x) {
  using V = Vec<double>;
  using C = Constants<double>;
  const auto small = x < broadcast<V>(std::numeric_limits<double>::min());
  auto [e, m] = decompose(select(small, x * 0x1p54, x));
  e -= select(small, broadcast<V>(54.0), V{});
  // s = f / (2 + f), to two doubles through the remainder of the division
  const V f = m - 1.0;
  const V d = f + 2.0;
  const V d_lo = f - (d - 2.0);
  const V s = f / d;
  const auto [sd, sd_lo] = exact_product(s, d);
  const V s_lo = ((f - sd) - sd_lo - s * d_lo) / d;
  // log m = 2 s + 2/3 s^3 + s^5 (...)
  auto [z, z_lo] = exact_product(s, s);
  z_lo += 2.0 * s * s_lo;
  auto [cube, cube_lo] = exact_product(s, z);
  cube_lo += s * z_lo + s_lo * z;
  auto [third, third_lo] = exact_product(cube, broadcast<V>(2.0 / 3.0));
  third_lo += cube * 0x1.5555555555555p-55 + cube_lo * (2.0 / 3.0);
  const V tail = cube * z * polynomial(z, C::kLogTail);
  const auto [s0, e0] = exact_sum(e * C::kLn2Hi, 2.0 * s);
  const auto [s1, e1] = exact_sum(s0, third);
  return exact_sum(s1, e0 + e1 + (2.0 * s_lo + third_lo + tail + e * C::kLn2Lo));
}

// a^y for finite a > 0 and |y| <= 2^80: e^(y log a).
PYNN_INLINE Vec<double> positive_power(Vec<double> a, Vec<double> y) {
  using V = Vec<double>;
  using C = Constants<double>;
  const auto [l, l_lo] = log_two_doubles(a);
  auto [x, x_lo] = exact_product(y, l);
  x_lo += y * l_lo;
  const auto inside = (x > broadcast<V>(C::kExpMin)) & (x < broadcast<V>(C::kExpMax));
  return exp(x, select(inside, x_lo, V{}));
}
// Eleven bits of the exponent's range are lost to y log a: in float nothing is left, in double
// enough.
PYNN_INLINE Vec<float> positive_power(Vec<float> a, Vec<float> y) {
  const auto wide = [](auto a2, auto y2) {
    return convert<float>(exp(convert<double>(y2) * log(convert<double>(a2))));
  };
  return join(wide(half_of<0>(a), half_of<0>(y)), wide(half_of<1>(a), half_of<1>(y)));
}

// IEEE 754's pow, with all of its limits.
template <class V>
PYNN_INLINE V pow(V x, V y) {
  using T = Elem<V>;
  const V zero = {}, one = broadcast<V>(T(1)), infinity = broadcast<V>(kInf<T>);
  const V a = abs(x);
  // Beyond 2^80 only the sign of y counts, and whether a is 1.
  y = min(broadcast<V>(T(0x1p80)), max(broadcast<V>(T(-0x1p80)), y));
  V r = positive_power(a, y);
  r = select((a == zero) | (a == infinity), select((a == zero) == (y < zero), infinity, zero), r);
  const V half = y * T(0.5);
  const auto odd = (round(y) == y) & (round(half) != half);
  r = select(odd, copysign(r, x), r);
  const auto undefined = (x < zero) & (a < infinity) & (round(y) != y);
  r = select(undefined, broadcast<V>(kNaN<T>), r);
  r = select(x == x, r, x);
  r = select(y == y, r, y);
  return select((x == one) | (y == zero), one, r);
}

}  // namespace math
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
