// The reference of Winograd's transforms: products with their matrices (Lavin and Gray, 2016).
#include "kernels/reference.h"

namespace pynn::kernels::reference {
namespace {

// out(i, j) of T X T^t, where X(N, N) are values x(k, l).
template <int M, int N, class X, class Out>
void transform(const double (&t)[M][N], const X& x, const Out& out) {
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < M; ++j) {
      double sum = 0;
      for (int k = 0; k < N; ++k)
        for (int l = 0; l < N; ++l) sum += t[i][k] * static_cast<double>(x(k, l)) * t[j][l];
      out(i, j, sum);
    }
}

void winograd_image(std::int64_t channels, const float* const* x, float* v, std::int64_t v_step) {
  constexpr double kB[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  for (std::int64_t c = 0; c < channels; ++c)
    transform(
        kB, [&](int k, int l) { return x[4 * k + l][c]; },
        [&](int i, int j, double s) { v[(4 * i + j) * v_step + c] = static_cast<float>(s); });
}

void winograd_kernel(std::int64_t filters, const float* w, std::int64_t w_step, float* u,
                     std::int64_t u_step) {
  constexpr double kG[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  for (std::int64_t f = 0; f < filters; ++f)
    transform(
        kG, [&](int k, int l) { return w[(3 * k + l) * w_step + f]; },
        [&](int i, int j, double s) { u[(4 * i + j) * u_step + f] = static_cast<float>(s); });
}

void winograd_result(const WinogradResult& r) {
  constexpr double kA[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
  for (std::int64_t f = 0; f < r.filters; ++f) {
    float pixels[4];
    transform(
        kA, [&](int k, int l) { return r.m[(4 * k + l) * r.m_step + f]; },
        [&](int i, int j, double s) {
          if (r.bias != nullptr) s += static_cast<double>(r.bias[f]);
          pixels[2 * i + j] = static_cast<float>(r.relu && s < 0 ? 0 : s);
        });
    if (r.winners == nullptr) {
      for (int i = 0; i < 4; ++i) r.y[i][f] = pixels[i];
      continue;
    }
    std::uint8_t winner = 0;
    for (std::uint8_t i = 1; i < 4; ++i)
      if (pixels[i] > pixels[winner] || pixels[i] != pixels[i]) winner = i;
    r.y[0][f] = pixels[winner];
    r.winners[f] = winner;
  }
}

void winograd_result_grad(std::int64_t filters, const float* const* y, float* d,
                          std::int64_t d_step) {
  constexpr double kA[4][2] = {{1, 0}, {1, 1}, {1, -1}, {0, -1}};
  for (std::int64_t f = 0; f < filters; ++f)
    transform(
        kA, [&](int k, int l) { return y[2 * k + l][f]; },
        [&](int i, int j, double s) { d[(4 * i + j) * d_step + f] = static_cast<float>(s); });
}

void winograd_kernel_grad(std::int64_t filters, const float* s, std::int64_t s_step, float* dw,
                          std::int64_t dw_step) {
  constexpr double kG[3][4] = {{1, 0.5, 0.5, 0}, {0, 0.5, -0.5, 0}, {0, 0.5, 0.5, 1}};
  for (std::int64_t f = 0; f < filters; ++f)
    transform(
        kG, [&](int k, int l) { return s[(4 * k + l) * s_step + f]; },
        [&](int i, int j, double w) { dw[(3 * i + j) * dw_step + f] = static_cast<float>(w); });
}

}  // namespace

void fill_winograd(Table& table) {
  table.winograd_image = winograd_image;
  table.winograd_kernel = winograd_kernel;
  table.winograd_result = winograd_result;
  table.winograd_result_grad = winograd_result_grad;
  table.winograd_kernel_grad = winograd_kernel_grad;
}

}  // namespace pynn::kernels::reference
