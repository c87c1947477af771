#define PYNN_ISA reference

#include "kernels/reference.h"

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/cast.h"
#include "kernels/cmath.h"
#include "kernels/rows.h"
#include "kernels/wide.h"
#include "runtime/rng.h"

namespace pynn::kernels::reference {
namespace {

struct Kernels {
  template <class F, class T>
  static void unary(std::size_t n, void* out, const void* const* in, const double* attr) {
    const double none[2] = {};
    const auto x = static_cast<const T*>(in[0]);
    for (std::size_t i = 0; i < n; ++i) {
      static_cast<T*>(out)[i] = static_cast<T>(F::f(static_cast<double>(x[i]), attr ? attr : none));
    }
  }

  template <class F, class T>
  static void gradient(std::size_t n, void* out, const void* const* in, const double* attr) {
    const double none[2] = {};
    const auto dy = static_cast<const T*>(in[0]), s = static_cast<const T*>(in[1]);
    for (std::size_t i = 0; i < n; ++i) {
      const double df = F::df(static_cast<double>(s[i]), attr ? attr : none);
      static_cast<T*>(out)[i] = static_cast<T>(static_cast<double>(dy[i]) * df);
    }
  }

  template <class F, class T>
  static void plain(std::size_t n, void* out, const void* const* in, const double*) {
    using W = Wide<F, T, double>;
    const auto x = static_cast<const T*>(in[0]);
    for (std::size_t i = 0; i < n; ++i) {
      static_cast<T*>(out)[i] = static_cast<T>(F::f(static_cast<W>(x[i])));
    }
  }

  template <class F, class T>
  static void test(std::size_t n, void* out, const void* const* in, const double*) {
    const auto x = static_cast<const T*>(in[0]);
    for (std::size_t i = 0; i < n; ++i) static_cast<bool*>(out)[i] = F::f(x[i]);
  }

  template <class F, class T>
  static void binary(std::size_t n, void* out, const void* const* in, const double*) {
    using W = Wide<F, T, double>;
    const auto a = static_cast<const T*>(in[0]), b = static_cast<const T*>(in[1]);
    for (std::size_t i = 0; i < n; ++i) {
      static_cast<T*>(out)[i] = static_cast<T>(F::f(static_cast<W>(a[i]), static_cast<W>(b[i])));
    }
  }

  template <class F, class T>
  static void compare(std::size_t n, void* out, const void* const* in, const double*) {
    const auto a = static_cast<const T*>(in[0]), b = static_cast<const T*>(in[1]);
    for (std::size_t i = 0; i < n; ++i) static_cast<bool*>(out)[i] = F::f(a[i], b[i]);
  }

  template <class F, class T>
  static void where(std::size_t n, void* out, const void* const* in, const double*) {
    const auto condition = static_cast<const bool*>(in[0]);
    const auto a = static_cast<const T*>(in[1]), b = static_cast<const T*>(in[2]);
    for (std::size_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = F::f(condition[i], a[i], b[i]);
  }
};

template <class To, class From>
void cast_all(std::size_t n, void* out, const void* in) {
  for (std::size_t i = 0; i < n; ++i) {
    static_cast<To*>(out)[i] = cast<To>(static_cast<const From*>(in)[i]);
  }
}

// A reduction of x[0], x[stride], ... in double, or for integers modulo 2^bits.
template <Reduce op, class T>
T reduce(std::size_t n, const T* x, std::ptrdiff_t stride) {
  using W = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
  using U = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  const auto at = [&](std::size_t i) {
    return static_cast<W>(x[static_cast<std::ptrdiff_t>(i) * stride]);
  };
  if constexpr (op == Reduce::sum) {
    U y = 0;
    for (std::size_t i = 0; i < n; ++i) y += static_cast<U>(at(i));
    return static_cast<T>(y);
  } else if constexpr (op == Reduce::prod) {
    U y = 1;
    for (std::size_t i = 0; i < n; ++i) y *= static_cast<U>(at(i));
    return static_cast<T>(y);
  } else {
    using F = std::conditional_t<op == Reduce::max, formula::maximum, formula::minimum>;
    W y = at(0);
    for (std::size_t i = 1; i < n; ++i) y = F::f(y, at(i));
    return static_cast<T>(y);
  }
}

template <Reduce op, class T>
void reduce_run(std::size_t n, const void* x, void* out) {
  *static_cast<T*>(out) = reduce<op>(n, static_cast<const T*>(x), 1);
}

template <Reduce op, class T>
void reduce_columns(std::size_t rows, std::size_t cols, std::ptrdiff_t ld, const void* x,
                    void* out) {
  for (std::size_t j = 0; j < cols; ++j) {
    static_cast<T*>(out)[j] = reduce<op>(rows, static_cast<const T*>(x) + j, ld);
  }
}

template <class Better, class T>
std::int64_t arg_extreme(std::size_t n, const void* x) {
  const auto p = static_cast<const T*>(x);
  std::size_t best = 0;
  for (std::size_t i = 0; i < n && p[best] == p[best]; ++i) {
    if (Better::f(p[i], p[best]) || p[i] != p[i]) best = i;
  }
  return static_cast<std::int64_t>(best);
}

template <class T>
double row_max(std::size_t cols, const T* x) {
  return reduce<Reduce::max>(cols, x, 1);
}
// log(sum(e^(x - shift)))
template <class T>
double row_log_sum(std::size_t cols, const T* x, double shift) {
  double sum = 0;
  for (std::size_t j = 0; j < cols; ++j) sum += std::exp(static_cast<double>(x[j]) - shift);
  return std::log(sum);
}

template <class T, bool logarithm>
void softmax(std::size_t rows, std::size_t cols, const void* x, void* y) {
  for (std::size_t i = 0; i < rows; ++i) {
    const auto xi = static_cast<const T*>(x) + i * cols;
    const auto yi = static_cast<T*>(y) + i * cols;
    const double m = row_max(cols, xi), log_sum = row_log_sum(cols, xi, m);
    for (std::size_t j = 0; j < cols; ++j) {
      const double log_y = (static_cast<double>(xi[j]) - m) - log_sum;
      yi[j] = static_cast<T>(logarithm ? log_y : std::exp(log_y));
    }
  }
}

// An infinite maximum is its own log-sum-exp.
template <class T>
void logsumexp(std::size_t rows, std::size_t cols, const void* x, void* y) {
  for (std::size_t i = 0; i < rows; ++i) {
    const auto xi = static_cast<const T*>(x) + i * cols;
    const double m = row_max(cols, xi);
    static_cast<T*>(y)[i] = static_cast<T>(std::isinf(m) ? m : m + row_log_sum(cols, xi, m));
  }
}

// softmax: dx = y (dy - sum(dy y)); log_softmax: dx = dy - e^y sum(dy)
template <class T, bool logarithm>
void softmax_grad(std::size_t rows, std::size_t cols, const void* dy, const void* y, void* dx) {
  for (std::size_t i = 0; i < rows; ++i) {
    const auto dyi = static_cast<const T*>(dy) + i * cols, yi = static_cast<const T*>(y) + i * cols;
    const auto dxi = static_cast<T*>(dx) + i * cols;
    double sum = 0;
    for (std::size_t j = 0; j < cols; ++j) {
      sum += static_cast<double>(dyi[j]) * (logarithm ? 1.0 : static_cast<double>(yi[j]));
    }
    for (std::size_t j = 0; j < cols; ++j) {
      const double d = dyi[j], v = yi[j];
      dxi[j] = static_cast<T>(logarithm ? d - std::exp(v) * sum : v * (d - sum));
    }
  }
}

// Element i of a uniform stream: four floats or two doubles a block.
template <class T>
double uniform_at(std::uint64_t key, std::uint64_t stream, std::uint64_t i) {
  if constexpr (sizeof(T) == 4) {
    return uniform_float(philox(key, stream, i / 4)[i % 4]);
  } else {
    const PhiloxBlock b = philox(key, stream, i / 2);
    return uniform_double(b[i % 2 * 2], b[i % 2 * 2 + 1]);
  }
}

template <class T>
void random_uniform(std::uint64_t key, std::uint64_t stream, std::uint64_t first, std::size_t n,
                    void* out) {
  for (std::size_t i = 0; i < n; ++i) {
    static_cast<T*>(out)[i] = static_cast<T>(uniform_at<T>(key, stream, first + i));
  }
}

// Box and Muller (1958): elements 2i and 2i + 1 are the polar form of uniforms 2i and 2i + 1.
template <class T>
void random_normal(std::uint64_t key, std::uint64_t stream, std::uint64_t first, std::size_t n,
                   void* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t pair = (first + i) / 2 * 2;
    const double radius = std::sqrt(-2 * std::log(1 - uniform_at<T>(key, stream, pair)));
    const double angle = 6.283185307179586477 * uniform_at<T>(key, stream, pair + 1);
    static_cast<T*>(out)[i] =
        static_cast<T>(radius * ((first + i) % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  }
}

template <class T>
bool all_finite(std::size_t n, const void* x) {
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(static_cast<const T*>(x)[i])) return false;
  }
  return true;
}

template <class T>
void transpose(std::size_t rows, std::size_t cols, const void* x, std::ptrdiff_t ldx, void* y,
               std::ptrdiff_t ldy) {
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) {
      static_cast<T*>(y)[static_cast<std::ptrdiff_t>(j) * ldy + static_cast<std::ptrdiff_t>(i)] =
          static_cast<const T*>(
              x)[static_cast<std::ptrdiff_t>(i) * ldx + static_cast<std::ptrdiff_t>(j)];
    }
  }
}

double activate(Activation activation, double x, const double* p) {
  switch (activation) {
#define PYNN_ROW(name, ...) \
  case Activation::name:    \
    return formula::name::f(x, p);
    PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
    default:
      return x;
  }
}

template <class T>
void gemm(const Gemm& g) {
  const auto a = static_cast<const T*>(g.a), b = static_cast<const T*>(g.b);
  const auto bias = static_cast<const T*>(g.bias);
  const double none[2] = {};
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j = 0; j < g.n; ++j) {
      double sum = 0;
      for (std::int64_t p = 0; p < g.stretches * g.k; ++p) {
        sum += static_cast<double>(a[i * g.a_row + p / g.k * g.a_stretch + p % g.k * g.a_col]) *
               static_cast<double>(b[p * g.b_row + j * g.b_col]);
      }
      T& c = static_cast<T*>(g.c)[i * g.c_row + j];
      if (g.accumulate) sum += static_cast<double>(c);
      if (bias && !g.accumulate) sum += static_cast<double>(bias[j]);
      c = static_cast<T>(activate(g.activation, sum, g.attr ? g.attr : none));
    }
  }
}

template <class T>
void pack_pairs(std::int64_t k, std::int64_t n, const void* x, std::int64_t row, std::int64_t col,
                std::uint32_t* out, std::int64_t out_row, std::int64_t out_col) {
  const auto bits = [&](std::int64_t p, std::int64_t j) {
    const T value = static_cast<const T*>(x)[p * row + j * col];
    return std::uint32_t{bfloat16(static_cast<float>(value)).bits};
  };
  for (std::int64_t p = 0; p < k; p += 2) {
    for (std::int64_t j = 0; j < n; ++j) {
      out[p / 2 * out_row + j * out_col] = bits(p, j) | (p + 1 < k ? bits(p + 1, j) << 16 : 0u);
    }
  }
}

constexpr std::int64_t kPairPanel = 4;

void gemm_pairs(const Gemm& g) {
  const auto low = [](std::uint32_t pair) { return double{std::bit_cast<float>(pair << 16)}; };
  const auto high = [&](std::uint32_t pair) { return low(pair >> 16); };
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j = 0; j < g.n; ++j) {
      const auto b = static_cast<const std::uint32_t*>(g.b) + j / kPairPanel * g.b_col;
      double sum = 0;
      for (std::int64_t q = 0; q < g.k; ++q) {
        const std::uint32_t x = static_cast<const std::uint32_t*>(g.a)[i * g.a_row + q * g.a_col];
        const std::uint32_t y = b[q * kPairPanel + j % kPairPanel];
        sum += low(x) * low(y) + high(x) * high(y);
      }
      float& c = static_cast<float*>(g.c)[i * g.c_row + j];
      if (g.accumulate) sum += c;
      if (g.bias && !g.accumulate) sum += static_cast<const float*>(g.bias)[j];
      c = static_cast<float>(activate(g.activation, sum, nullptr));
    }
  }
}

template <class T>
void fill_reductions(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
#define PYNN_ROW(name)                                                                   \
  t.reduce_run[static_cast<std::size_t>(Reduce::name)][d] = reduce_run<Reduce::name, T>; \
  t.reduce_columns[static_cast<std::size_t>(Reduce::name)][d] = reduce_columns<Reduce::name, T>;
  PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
  t.argmax[d] = arg_extreme<formula::greater, T>;
  t.argmin[d] = arg_extreme<formula::less, T>;
}

template <class T>
void fill_floats(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.softmax[d] = softmax<T, false>;
  t.log_softmax[d] = softmax<T, true>;
  t.logsumexp[d] = logsumexp<T>;
  t.softmax_grad[d] = softmax_grad<T, false>;
  t.log_softmax_grad[d] = softmax_grad<T, true>;
  t.random_uniform[d] = random_uniform<T>;
  t.random_normal[d] = random_normal<T>;
  t.all_finite[d] = all_finite<T>;
  t.gemm[d] = gemm<T>;
  t.gemm_workspace[d] = [](const Gemm&) { return std::size_t{0}; };
  t.gemv[d] = gemm<T>;
}

}  // namespace

void fill(Table& table) {
  table.vector_bytes = sizeof(double);
  fill_pointwise_rows<Kernels>(table);
  for_each_cast([&table]<class To, class From>(To, From) {
    table.cast[index(dtype_of<To>)][index(dtype_of<From>)] = cast_all<To, From>;
  });
  fill_reductions<float>(table);
  fill_reductions<double>(table);
  fill_reductions<std::int32_t>(table);
  fill_reductions<std::int64_t>(table);
  fill_floats<float>(table);
  fill_floats<double>(table);
  table.transpose[1] = transpose<std::uint8_t>;
  table.transpose[2] = transpose<std::uint16_t>;
  table.transpose[4] = transpose<std::uint32_t>;
  table.transpose[8] = transpose<std::uint64_t>;
  table.pack_pairs[index(DType::f32)] = pack_pairs<float>;
  table.pack_pairs[index(DType::bf16)] = pack_pairs<bfloat16>;
  table.gemm_pairs = gemm_pairs;
  table.pair_panel = kPairPanel;
  fill_pool(table);
  fill_depthwise(table);
  fill_norm(table);
  fill_winners(table);
  fill_winograd(table);
}

}  // namespace pynn::kernels::reference
