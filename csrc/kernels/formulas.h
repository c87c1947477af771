// What the differentiable rows of lists.h compute: a function and its derivative side by side,
// written once for vectors of every instruction set, for scalars (the reference) and for CUDA.
//
// The includer brings the names used here for its own value type V first: cpu/vec_math.h or
// cmath.h. `p` holds the row's parameters (alpha, ...). Where a product with x would be inf * 0, x
// is first limited to a range outside of which the other factor is exactly 0 or 1.
#pragma once

#include <type_traits>

#include "runtime/inline.h"

namespace pynn::kernels::PYNN_ISA {
namespace {
namespace formula {

template <class V>
PYNN_INLINE V lit(double c) {
  return broadcast<V>(static_cast<Elem<V>>(c));
}
// x limited to [lo, hi]; NaN stays.
template <class V>
PYNN_INLINE V clamp(V x, double lo, double hi) {
  return min(lit<V>(hi), max(lit<V>(lo), x));
}
// 1 inside the open interval, else 0.
template <class V>
PYNN_INLINE V inside(V x, double lo, double hi) {
  return select((x > lit<V>(lo)) & (x < lit<V>(hi)), lit<V>(1), lit<V>(0));
}

// sigmoid and its derivative, which loses no precision where the sigmoid is nearly 1.
template <class V>
struct Logistic {
  V value, slope;
};
template <class V>
PYNN_INLINE Logistic<V> logistic(V x) {
  const V z = math::exp(-math::abs(x));
  const V q = lit<V>(1) / (lit<V>(1) + z);
  return {select(x < lit<V>(0), z * q, q), z * q * q};
}

#define PYNN_F                \
  template <class V, class P> \
  static PYNN_INLINE V f(V x, [[maybe_unused]] const P& p)
#define PYNN_DF               \
  template <class V, class P> \
  static PYNN_INLINE V df(V x, [[maybe_unused]] const P& p)
// The derivative as a function of y = f(x), for rows saved as Output.
#define PYNN_DF_OF_Y          \
  template <class V, class P> \
  static PYNN_INLINE V df(V y, [[maybe_unused]] const P& p)

// max(x, 0)
struct relu {
  PYNN_F { return max(lit<V>(0), x); }
  PYNN_DF_OF_Y { return select(y > lit<V>(0), lit<V>(1), lit<V>(0)); }
};

// x for x > 0, alpha x below
struct leaky_relu {
  PYNN_F { return select(x > lit<V>(0), x, p[0] * x); }
  PYNN_DF { return select(x > lit<V>(0), lit<V>(1), p[0]); }
};

// x for x > 0, alpha (e^x - 1) below (Clevert et al. 2015)
struct elu {
  PYNN_F { return select(x > lit<V>(0), x, p[0] * math::expm1(x)); }
  PYNN_DF { return select(x > lit<V>(0), lit<V>(1), p[0] * math::exp(x)); }
};

// elu times a scale, with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017)
struct selu {
  static constexpr double kScale = 1.0507009873554804934193349852946;
  static constexpr double kScaleAlpha = kScale * 1.6732632423543772848170429916717;
  PYNN_F { return select(x > lit<V>(0), lit<V>(kScale) * x, lit<V>(kScaleAlpha) * math::expm1(x)); }
  PYNN_DF { return select(x > lit<V>(0), lit<V>(kScale), lit<V>(kScaleAlpha) * math::exp(x)); }
};

// x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016), as what x > 0 leaves
// of x less a bump around zero.
struct gelu {
  template <class V>
  static PYNN_INLINE V magnitude(V x) {
    return min(lit<V>(100), math::abs(x));
  }
  PYNN_F {
    const V a = magnitude(x);
    return max(lit<V>(0), x) - a * math::normal_tail(a);
  }
  PYNN_DF {
    const V a = magnitude(x), tail = math::normal_tail(a);
    const V pdf = lit<V>(0.39894228040143267794) * math::exp(lit<V>(-0.5) * a * a);
    const V slope = tail - a * pdf;
    return select(x > lit<V>(0), lit<V>(1) - slope, slope);
  }
};

// x (1 + tanh u) / 2 = x sigmoid(2u), 2u = 2 sqrt(2/pi) (x + 0.044715 x^3)
struct gelu_tanh {
  static constexpr double kLinear = 1.5957691216057307117597842397375;
  static constexpr double kCubic = kLinear * 0.044715;
  PYNN_F {
    return max(lit<V>(-100), x) * math::sigmoid(x * (lit<V>(kLinear) + lit<V>(kCubic) * x * x));
  }
  PYNN_DF {
    const V c = clamp(x, -100, 100);
    const auto s = logistic(c * (lit<V>(kLinear) + lit<V>(kCubic) * c * c));
    return s.value + s.slope * c * (lit<V>(kLinear) + lit<V>(3 * kCubic) * c * c);
  }
};

// 1 / (1 + e^-x)
struct sigmoid {
  PYNN_F { return math::sigmoid(x); }
  PYNN_DF_OF_Y { return y * (lit<V>(1) - y); }
};

struct tanh {
  PYNN_F { return math::tanh(x); }
  PYNN_DF_OF_Y { return lit<V>(1) - y * y; }
};

// log(1 + e^x)
struct softplus {
  PYNN_F { return math::softplus(x); }
  PYNN_DF { return math::sigmoid(x); }
};

// x / (1 + |x|)
struct softsign {
  PYNN_F {
    const V c = clamp(x, -1e30, 1e30);
    return c / (lit<V>(1) + math::abs(c));
  }
  PYNN_DF {
    const V q = lit<V>(1) / (lit<V>(1) + math::abs(x));
    return q * q;
  }
};

// x sigmoid(x), also called swish (Elfwing et al. 2017, Ramachandran et al. 2017)
struct silu {
  PYNN_F { return max(lit<V>(-1000), x) * math::sigmoid(x); }
  PYNN_DF {
    const V c = clamp(x, -1000, 1000);
    const auto s = logistic(c);
    return s.value + s.slope * c;
  }
};

// x tanh(softplus(x)) (Misra 2019). With e = e^x and n = e (e + 2), tanh(log(1 + e)) = n / (n + 2),
// which is 1 to the last bit from x = 40 on.
struct mish {
  PYNN_F {
    const V c = clamp(x, -1000, 40);
    const V e = math::exp(c);
    const V n = e * (e + lit<V>(2));
    return max(lit<V>(-1000), x) * (n / (n + lit<V>(2)));
  }
  PYNN_DF {
    const V c = clamp(x, -1000, 40);
    const V e = math::exp(c);
    const V n = e * (e + lit<V>(2));
    const V w = n + lit<V>(2);
    return n / w + c * (lit<V>(4) * e * (lit<V>(1) + e) / w / w);
  }
};

// relu6(x + 3) / 6, Keras 3's definition
struct hard_sigmoid {
  PYNN_F { return clamp(x + lit<V>(3), 0, 6) / lit<V>(6); }
  PYNN_DF { return inside(x, -3, 3) / lit<V>(6); }
};

// min(max(x, 0), 6)
struct relu6 {
  PYNN_F { return clamp(x, 0, 6); }
  PYNN_DF { return inside(x, 0, 6); }
};

// min(max(x, -1), 1)
struct hard_tanh {
  PYNN_F { return clamp(x, -1, 1); }
  PYNN_DF { return inside(x, -1, 1); }
};

// x relu6(x + 3) / 6 (Howard et al. 2019)
struct hard_silu {
  PYNN_F { return max(lit<V>(-3), x) * (clamp(x + lit<V>(3), 0, 6) / lit<V>(6)); }
  PYNN_DF {
    const V slope = select(x < lit<V>(3), x / lit<V>(3) + lit<V>(0.5), lit<V>(1));
    return select(x > lit<V>(-3), slope, lit<V>(0));
  }
};

// log(sigmoid(x)) = -softplus(-x)
struct log_sigmoid {
  PYNN_F { return -math::softplus(-x); }
  PYNN_DF { return math::sigmoid(-x); }
};

struct exp {
  PYNN_F { return math::exp(x); }
  PYNN_DF_OF_Y { return y; }
};

struct expm1 {
  PYNN_F { return math::expm1(x); }
  PYNN_DF_OF_Y { return y + lit<V>(1); }
};

struct log {
  PYNN_F { return math::log(x); }
  PYNN_DF { return lit<V>(1) / x; }
};

struct log1p {
  PYNN_F { return math::log1p(x); }
  PYNN_DF { return lit<V>(1) / (lit<V>(1) + x); }
};

struct sqrt {
  PYNN_F { return math::sqrt(x); }
  PYNN_DF_OF_Y { return lit<V>(0.5) / y; }
};

struct rsqrt {
  PYNN_F { return lit<V>(1) / math::sqrt(x); }
  PYNN_DF_OF_Y { return lit<V>(-0.5) * y * y * y; }
};

struct reciprocal {
  PYNN_F { return lit<V>(1) / x; }
  PYNN_DF_OF_Y { return -(y * y); }
};

struct square {
  PYNN_F { return x * x; }
  PYNN_DF { return x + x; }
};

// The subgradient at zero is 0, as for relu.
struct abs {
  PYNN_F { return math::abs(x); }
  PYNN_DF { return select(x > lit<V>(0), lit<V>(1), select(x < lit<V>(0), lit<V>(-1), lit<V>(0))); }
};

struct sin {
  PYNN_F { return math::sin(x); }
  PYNN_DF { return math::cos(x); }
};

struct cos {
  PYNN_F { return math::cos(x); }
  PYNN_DF { return -math::sin(x); }
};

// 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x
struct erf {
  PYNN_F { return math::erf(x); }
  PYNN_DF { return lit<V>(1.1283791670955125739) * math::exp(-(x * x)); }
};

#undef PYNN_F
#undef PYNN_DF
#undef PYNN_DF_OF_Y

}  // namespace formula
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
