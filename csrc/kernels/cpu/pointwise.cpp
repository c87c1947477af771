// The pointwise rows of lists.h: formulas in loops.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/rows.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// What T is computed on. A bool is a byte that is 0 or 1.
template <class T>
struct LaneOf {
  using type = T;
};
template <>
struct LaneOf<bool> {
  using type = std::uint8_t;
};
template <class F, class T, bool modular>
struct ModularLaneOf : LaneOf<T> {};
template <class F, class T>
struct ModularLaneOf<F, T, true> : std::make_unsigned<typename LaneOf<T>::type> {};
template <class F, class T>
using Lane = typename ModularLaneOf<F, T, F::kModular && !std::is_floating_point_v<T>>::type;

// Values of T as they are stored: arithmetic on bools can leave other bytes than 0 and 1.
template <class T, class V>
PYNN_INLINE auto to_storage(V x) {
  if constexpr (std::is_same_v<T, bool>)
    return as<std::uint8_t>(x != 0) & 1;
  else
    return x;
}

struct Kernels {
  template <class F, class T>
  static void unary(std::size_t n, void* out, const void* const* in, const double* attr) {
    using V = Vec<T>;
    const V p[2] = {broadcast<V>(attr ? static_cast<T>(attr[0]) : T{}),
                    broadcast<V>(attr ? static_cast<T>(attr[1]) : T{})};
    const auto f = [&p](V x) __attribute__((always_inline)) { return F::f(x, p); };
    map(n, f, static_cast<T*>(out), static_cast<const T*>(in[0]));
  }

  // in = (dy, s): dx = dy f'(s)
  template <class F, class T>
  static void gradient(std::size_t n, void* out, const void* const* in, const double* attr) {
    using V = Vec<T>;
    const V p[2] = {broadcast<V>(attr ? static_cast<T>(attr[0]) : T{}),
                    broadcast<V>(attr ? static_cast<T>(attr[1]) : T{})};
    const auto f = [&p](V dy, V s) __attribute__((always_inline)) { return dy * F::df(s, p); };
    map(n, f, static_cast<T*>(out), static_cast<const T*>(in[0]), static_cast<const T*>(in[1]));
  }

  template <class F, class T>
  static void plain(std::size_t n, void* out, const void* const* in, const double*) {
    using L = Lane<F, T>;
    using V = Vec<L>;
    const auto f = [](V x) __attribute__((always_inline)) { return to_storage<T>(F::f(x)); };
    map(n, f, static_cast<L*>(out), static_cast<const L*>(in[0]));
  }

  template <class F, class T>
  static void test(std::size_t n, void* out, const void* const* in, const double*) {
    using L = Lane<F, T>;
    using V = Vec<L>;
    const auto f = [](V x) __attribute__((always_inline)) { return F::f(x); };
    map_to_bool<L>(n, f, static_cast<std::uint8_t*>(out), static_cast<const L*>(in[0]));
  }

  template <class F, class T>
  static void binary(std::size_t n, void* out, const void* const* in, const double*) {
    using L = Lane<F, T>;
    using V = Vec<L>;
    const auto f = [](V a, V b) __attribute__((always_inline)) {
      return to_storage<T>(F::f(a, b));
    };
    map(n, f, static_cast<L*>(out), static_cast<const L*>(in[0]), static_cast<const L*>(in[1]));
  }

  template <class F, class T>
  static void compare(std::size_t n, void* out, const void* const* in, const double*) {
    using L = Lane<F, T>;
    using V = Vec<L>;
    const auto f = [](V a, V b) __attribute__((always_inline)) { return F::f(a, b); };
    map_to_bool<L>(n, f, static_cast<std::uint8_t*>(out), static_cast<const L*>(in[0]),
                   static_cast<const L*>(in[1]));
  }

  // in = (condition, a, b)
  template <class F, class T>
  static void where(std::size_t n, void* out, const void* const* in, const double*) {
    using L = Lane<F, T>;
    using V = Vec<L>;
    const auto f = [](Mask<V> c, V a, V b) __attribute__((always_inline)) { return F::f(c, a, b); };
    map_where(n, f, static_cast<L*>(out), static_cast<const std::uint8_t*>(in[0]),
              static_cast<const L*>(in[1]), static_cast<const L*>(in[2]));
  }
};

}  // namespace

void fill_pointwise(Table& table) {
  table.vector_bytes = kVectorBytes;
  fill_pointwise_rows<Kernels>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
