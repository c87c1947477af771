// The transforms of Winograd's convolution, a vector of channels at a time: each tile is a 4 x 4
// matrix of vectors, of which first the columns, then the rows are transformed.
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// B^T x, in place.
template <class V>
PYNN_INLINE void image_line(V& a, V& b, V& c, V& d) {
  a -= c;
  d = b - d;
  const V sum = b + c;
  c -= b;
  b = sum;
}
// G x, of which d receives the last and c the last but one.
template <class V>
PYNN_INLINE void kernel_line(V& a, V& b, V& c, V& d) {
  const V half = 0.5f * (a + c);
  const V middle = 0.5f * b;
  d = c;
  b = half + middle;
  c = half - middle;
}
// A^T x, in a and b.
template <class V>
PYNN_INLINE void result_line(V& a, V& b, V& c, V& d) {
  a += b + c;
  b -= c + d;
}

// A x, of which a and b hold x.
template <class V>
PYNN_INLINE void result_grad_line(V& a, V& b, V& c, V& d) {
  c = a - b;
  d = -b;
  b += a;
}
// G^t x, in a, b and c.
template <class V>
PYNN_INLINE void kernel_grad_line(V& a, V& b, V& c, V& d) {
  const V half = 0.5f * (b + c);
  a += half;
  b = 0.5f * (b - c);
  c = half + d;
}

// Calls f(lanes, channel) for vectors that cover n channels: the last one begins early rather than
// late.
template <class F>
PYNN_INLINE void for_each_vector(std::int64_t n, const F& f) {
  constexpr std::int64_t L = kLanes<float>;
  if (n < L) {
    for (std::int64_t c = 0; c < n; ++c) f(std::integral_constant<int, 1>{}, c);
    return;
  }
  for (std::int64_t c = 0; c < n; c += L)
    f(std::integral_constant<int, L>{}, c + L <= n ? c : n - L);
}

// y = T x T^t for a matrix x of kIn x kIn vectors and a y of kOut x kOut: `line` is T, in(k) points
// at the k-th element of x by rows, y's lie `step` apart.
template <int kIn, int kOut, class Line, class In>
PYNN_INLINE void transform(std::int64_t n, const Line& line, const In& in, float* y,
                           std::int64_t step) {
  for_each_vector(
      n, [&](auto lanes, std::int64_t c) __attribute__((always_inline)) {
        Vec<float, lanes> x[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < kIn; ++j) {
#pragma GCC unroll 4
          for (int i = 0; i < kIn; ++i) x[i][j] = load<float, lanes>(in(kIn * i + j) + c);
          line(x[0][j], x[1][j], x[2][j], x[3][j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < kOut; ++i) {
          line(x[i][0], x[i][1], x[i][2], x[i][3]);
#pragma GCC unroll 4
          for (int j = 0; j < kOut; ++j) store(y + (kOut * i + j) * step + c, x[i][j]);
        }
      });
}
// A line's template as an argument.
#define PYNN_LINE(name) \
  [](auto& a, auto& b, auto& c, auto& d) __attribute__((always_inline)) { name(a, b, c, d); }

void winograd_image(std::int64_t channels, const float* const* x, float* v, std::int64_t v_step) {
  const auto in = [=](int k) { return x[k]; };
  transform<4, 4>(channels, PYNN_LINE(image_line), in, v, v_step);
}

void winograd_kernel(std::int64_t filters, const float* w, std::int64_t w_step, float* u,
                     std::int64_t u_step) {
  const auto in = [=](int k) { return w + k * w_step; };
  transform<3, 4>(filters, PYNN_LINE(kernel_line), in, u, u_step);
}

void winograd_result(const WinogradResult& r) {
  const float least = r.relu ? 0.0f : -__builtin_inff();
  for_each_vector(
      r.filters, [&](auto lanes, std::int64_t f) __attribute__((always_inline)) {
        using V = Vec<float, lanes>;
        using M = Mask<V>;
        V d[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i)
            d[i][j] = load<float, lanes>(r.m + (4 * i + j) * r.m_step + f);
          result_line(d[0][j], d[1][j], d[2][j], d[3][j]);
        }
        const V start = r.bias ? load<float, lanes>(r.bias + f) : V{};
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          result_line(d[i][0], d[i][1], d[i][2], d[i][3]);
#pragma GCC unroll 2
          for (int j = 0; j < 2; ++j)
            d[i][j] = max(broadcast<V>(least), d[i][j] + start);  // keeps a NaN
        }
        if (r.winners == nullptr) {
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) store(r.y[i] + f, d[i / 2][i % 2]);
          return;
        }
        V best = d[0][0];
        M winner = {};
#pragma GCC unroll 4
        for (int i = 1; i < 4; ++i) {
          const V v = d[i / 2][i % 2];
          const M better = (v > best) | (v != v);
          best = select(better, v, best);
          winner = select(better, broadcast<M>(i), winner);
        }
        store(r.y[0] + f, best);
        store(r.winners + f, convert<std::uint8_t>(winner));
      });
}

void winograd_result_grad(std::int64_t filters, const float* const* y, float* d,
                          std::int64_t d_step) {
  const auto in = [=](int k) { return y[k]; };
  transform<2, 4>(filters, PYNN_LINE(result_grad_line), in, d, d_step);
}

void winograd_kernel_grad(std::int64_t filters, const float* s, std::int64_t s_step, float* dw,
                          std::int64_t dw_step) {
  const auto in = [=](int k) { return s + k * s_step; };
  transform<4, 3>(filters, PYNN_LINE(kernel_grad_line), in, dw, dw_step);
}
#undef PYNN_LINE

}  // namespace

void fill_winograd(Table& table) {
  table.winograd_image = winograd_image;
  table.winograd_kernel = winograd_kernel;
  table.winograd_result = winograd_result;
  table.winograd_result_grad = winograd_result_grad;
  table.winograd_kernel_grad = winograd_kernel_grad;
}

}  // namespace pynn::kernels::PYNN_ISA
