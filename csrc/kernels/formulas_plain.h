// What the rows of lists.h without a derivative of their own compute, as formulas.h does for the
// others.
#pragma once

#include "kernels/formulas.h"

namespace pynn::kernels::PYNN_ISA {
namespace {
namespace formula {

// What a row without a derivative says of itself.
struct Traits {
  static constexpr bool kFloatOnly = false;
  // Integers wrap around: computed on unsigned lanes, where that is defined.
  static constexpr bool kModular = false;
};
struct Modular : Traits {
  static constexpr bool kModular = true;
};
struct FloatOnly : Traits {
  static constexpr bool kFloatOnly = true;
};
template <class V>
inline constexpr bool kIsFloat = std::is_floating_point_v<Elem<V>>;

struct negative : Modular {
  template <class V>
  static PYNN_INLINE V f(V x) {
    return -x;
  }
};

struct sign : Traits {
  template <class V>
  static PYNN_INLINE V f(V x) {
    const V one = lit<V>(1);
    const V up = select(x > V{}, one, x);
    if constexpr (std::is_unsigned_v<Elem<V>>)
      return up;
    else
      return select(x < V{}, -one, up);
  }
};

struct floor : Traits {
  template <class V>
  static PYNN_INLINE V f(V x) {
    if constexpr (kIsFloat<V>)
      return math::floor(x);
    else
      return x;
  }
};

struct ceil : Traits {
  template <class V>
  static PYNN_INLINE V f(V x) {
    if constexpr (kIsFloat<V>)
      return math::ceil(x);
    else
      return x;
  }
};

// Ties to even.
struct round : Traits {
  template <class V>
  static PYNN_INLINE V f(V x) {
    if constexpr (kIsFloat<V>)
      return math::round(x);
    else
      return x;
  }
};

struct logical_not : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V x) {
    return x == V{};
  }
};

struct isfinite : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V x) {
    if constexpr (kIsFloat<V>)
      return x - x == V{};
    else
      return x == x;
  }
};

struct isnan : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V x) {
    return x != x;
  }
};

struct add : Modular {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return a + b;
  }
};

struct subtract : Modular {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return a - b;
  }
};

struct multiply : Modular {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return a * b;
  }
};

struct divide : FloatOnly {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return a / b;
  }
};

// For integers b is not negative: square and multiply.
struct power : Modular {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    if constexpr (kIsFloat<V>) {
      return math::pow(a, b);
    } else {
      V y = lit<V>(1);
      for (; any(b != V{}); b = b >> 1, a = a * a) y = select((b & lit<V>(1)) != V{}, V(y * a), y);
      return y;
    }
  }
};

// NaN where one operand is NaN, as in NumPy.
struct maximum : Traits {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return select(a != a, a, max(a, b));
  }
};

struct minimum : Traits {
  template <class V>
  static PYNN_INLINE V f(V a, V b) {
    return select(a != a, a, min(a, b));
  }
};

struct equal : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a == b;
  }
};

struct not_equal : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a != b;
  }
};

struct less : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a < b;
  }
};

struct less_equal : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a <= b;
  }
};

struct greater : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a > b;
  }
};

struct greater_equal : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return a >= b;
  }
};

struct logical_and : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return (a != V{}) & (b != V{});
  }
};

struct logical_or : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return (a != V{}) | (b != V{});
  }
};

struct logical_xor : Traits {
  template <class V>
  static PYNN_INLINE Mask<V> f(V a, V b) {
    return (a != V{}) ^ (b != V{});
  }
};

struct where : Traits {
  template <class V>
  static PYNN_INLINE V f(Mask<V> mask, V a, V b) {
    return select(mask, a, b);
  }
};

}  // namespace formula
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
