// The pointwise rows of lists.h: the formulas on one element a thread.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/table.h"
//
#include "kernels/cmath.h"
#include "kernels/rows.h"
#include "kernels/wide.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class F, class T>
struct Unary {
  T p[2];
  PYNN_INLINE T operator()(T x) const { return F::f(x, p); }
};

template <class F, class T>
struct Gradient {
  T p[2];
  PYNN_INLINE T operator()(T dy, T s) const { return dy * F::df(s, p); }
};

template <class F, class T>
struct Plain {
  using W = Wide<F, T, T>;
  template <class... X>
  PYNN_INLINE T operator()(X... x) const {
    return static_cast<T>(F::f(static_cast<W>(x)...));
  }
};

// What F makes of its operands as they are.
template <class F>
struct Direct {
  template <class... X>
  PYNN_INLINE auto operator()(X... x) const {
    return F::f(x...);
  }
};

struct Kernels {
  template <class F, class T>
  static void unary(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                    const double* attr) {
    const Unary<F, T> f = {attr ? static_cast<T>(attr[0]) : T{},
                           attr ? static_cast<T>(attr[1]) : T{}};
    map(stream, n, f, static_cast<T*>(out), static_cast<const T*>(in[0]));
  }

  // in = (dy, s): dx = dy f'(s)
  template <class F, class T>
  static void gradient(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                       const double* attr) {
    const Gradient<F, T> f = {attr ? static_cast<T>(attr[0]) : T{},
                              attr ? static_cast<T>(attr[1]) : T{}};
    map(stream, n, f, static_cast<T*>(out), static_cast<const T*>(in[0]),
        static_cast<const T*>(in[1]));
  }

  template <class F, class T>
  static void plain(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                    const double*) {
    map(stream, n, Plain<F, T>{}, static_cast<T*>(out), static_cast<const T*>(in[0]));
  }

  template <class F, class T>
  static void test(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                   const double*) {
    map(stream, n, Direct<F>{}, static_cast<bool*>(out), static_cast<const T*>(in[0]));
  }

  template <class F, class T>
  static void binary(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                     const double*) {
    map(stream, n, Plain<F, T>{}, static_cast<T*>(out), static_cast<const T*>(in[0]),
        static_cast<const T*>(in[1]));
  }

  template <class F, class T>
  static void compare(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                      const double*) {
    map(stream, n, Direct<F>{}, static_cast<bool*>(out), static_cast<const T*>(in[0]),
        static_cast<const T*>(in[1]));
  }

  // in = (condition, a, b)
  template <class F, class T>
  static void where(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                    const double*) {
    map(stream, n, Direct<F>{}, static_cast<T*>(out), static_cast<const bool*>(in[0]),
        static_cast<const T*>(in[1]), static_cast<const T*>(in[2]));
  }
};

constexpr bool complete() {
  Table t{};
  fill_pointwise_rows<Kernels>(t);
  for (const auto& row : t.pointwise) {
    if (row[index(DType::f32)] == nullptr || row[index(DType::f64)] == nullptr) return false;
  }
  return true;
}
static_assert(complete(), "a row of Pointwise has no kernel");

}  // namespace

void fill_pointwise(Table& table) { fill_pointwise_rows<Kernels>(table); }

}  // namespace pynn::kernels::PYNN_ISA
