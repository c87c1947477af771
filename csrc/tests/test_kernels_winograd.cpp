// Winograd's transforms against the reference, and the reference against the convolution.
#include "tests/kernels.h"

using namespace pynn;
using namespace pynn::test;

namespace {

constexpr std::size_t kWidths[] = {1, 3, 8, 15, 16, 17, 40};

std::int64_t step_of(std::size_t n) { return static_cast<std::int64_t>(n) + 3; }
Array<float> elements(std::size_t count, std::size_t n, unsigned seed) {
  return random_array<float>(count * static_cast<std::size_t>(step_of(n)), -1, 1, seed);
}
// The pixels of a tile in any order in memory.
template <std::size_t N>
std::array<float*, N> pixels(Array<float>& x, std::size_t n) {
  std::array<float*, N> at;
  for (std::size_t i = 0; i < N; ++i)
    at[i] = x.data() + (i * 7 + 3) % N * static_cast<std::size_t>(step_of(n));
  return at;
}

void check_image(const kernels::Table& t, std::size_t n) {
  Array<float> x = elements(16, n, 1), v = elements(16, n, 2), expected = v;
  const auto at = pixels<16>(x, n);
  t.winograd_image(static_cast<std::int64_t>(n), at.data(), v.data(), step_of(n));
  reference().winograd_image(static_cast<std::int64_t>(n), at.data(), expected.data(), step_of(n));
  check_close(v, expected);
}

void check_kernel(const kernels::Table& t, std::size_t n) {
  const Array<float> w = elements(9, n, 1);
  Array<float> u = elements(16, n, 2), expected = u;
  const auto filters = static_cast<std::int64_t>(n);
  t.winograd_kernel(filters, w.data(), step_of(n), u.data(), step_of(n));
  reference().winograd_kernel(filters, w.data(), step_of(n), expected.data(), step_of(n));
  check_close(u, expected);
}

void check_result(const kernels::Table& t, std::size_t n, bool bias, bool relu, bool pool) {
  const Array<float> m = elements(16, n, 1), b = elements(1, n, 2);
  Array<float> y = elements(4, n, 3), expected = y;
  Array<std::uint8_t> winners(n + 1, 9), expected_winners = winners;
  const auto run = [&](const kernels::Table& table, Array<float>& to, Array<std::uint8_t>& won) {
    const auto at = pixels<4>(to, n);
    table.winograd_result({static_cast<std::int64_t>(n),
                           step_of(n),
                           m.data(),
                           bias ? b.data() : nullptr,
                           relu,
                           {at[0], at[1], at[2], at[3]},
                           pool ? won.data() : nullptr});
  };
  run(t, y, winners);
  run(reference(), expected, expected_winners);
  check_close(y, expected);
  CHECK(winners == expected_winners);
}

void check_gradients(const kernels::Table& t, std::size_t n) {
  const auto filters = static_cast<std::int64_t>(n);
  Array<float> y = elements(4, n, 1), d = elements(16, n, 2), expected_d = d;
  const auto at = pixels<4>(y, n);
  t.winograd_result_grad(filters, at.data(), d.data(), step_of(n));
  reference().winograd_result_grad(filters, at.data(), expected_d.data(), step_of(n));
  check_close(d, expected_d);
  Array<float> dw = elements(9, n, 3), expected = dw;
  t.winograd_kernel_grad(filters, d.data(), step_of(n), dw.data(), step_of(n));
  reference().winograd_kernel_grad(filters, d.data(), step_of(n), expected.data(), step_of(n));
  check_close(dw, expected);
}

}  // namespace

TEST_CASE("Winograd's transforms, of any number of channels and filters") {
  for_each_isa([](const kernels::Table& t) {
    for (const std::size_t n : kWidths) {
      CAPTURE(n);
      check_image(t, n);
      check_kernel(t, n);
      check_gradients(t, n);
      for (int options = 0; options < 8; ++options) {
        CAPTURE(options);
        check_result(t, n, options & 1, options & 2, options & 4);
      }
    }
  });
}

TEST_CASE("the reference's transforms give a tile of the convolution") {
  const Array<float> w = random_array<float>(9, -1, 1, 1);
  Array<float> x = random_array<float>(16, -1, 1, 2), y(4);
  Array<float> u(16), v(16), m(16);
  std::array<const float*, 16> at;
  for (std::size_t i = 0; i < 16; ++i) at[i] = &x[i];
  reference().winograd_kernel(1, w.data(), 1, u.data(), 1);
  reference().winograd_image(1, at.data(), v.data(), 1);
  for (std::size_t i = 0; i < 16; ++i) m[i] = u[i] * v[i];
  reference().winograd_result(
      {1, 1, m.data(), nullptr, false, {&y[0], &y[1], &y[2], &y[3]}, nullptr});
  for (std::size_t i = 0; i < 4; ++i) {
    double sum = 0;
    for (std::size_t tap = 0; tap < 9; ++tap)
      sum += static_cast<double>(x[(i / 2 + tap / 3) * 4 + i % 2 + tap % 3]) *
             static_cast<double>(w[tap]);
    CHECK(static_cast<double>(y[i]) == doctest::Approx(sum).epsilon(1e-5));
  }
}

TEST_CASE("the reference's gradient by the kernel is that of a tile of the convolution") {
  const Array<float> x = random_array<float>(16, -1, 1, 1), y = random_array<float>(4, -1, 1, 2);
  Array<float> v(16), d(16), w(9);
  std::array<const float*, 16> at;
  for (std::size_t i = 0; i < 16; ++i) at[i] = &x[i];
  const std::array<const float*, 4> results = {&y[0], &y[1], &y[2], &y[3]};
  reference().winograd_image(1, at.data(), v.data(), 1);
  reference().winograd_result_grad(1, results.data(), d.data(), 1);
  for (std::size_t i = 0; i < 16; ++i) d[i] *= v[i];
  reference().winograd_kernel_grad(1, d.data(), 1, w.data(), 1);
  for (std::size_t tap = 0; tap < 9; ++tap) {
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i)
      sum += static_cast<double>(x[(i / 2 + tap / 3) * 4 + i % 2 + tap % 3]) *
             static_cast<double>(y[i]);
    CHECK(static_cast<double>(w[tap]) == doctest::Approx(sum).epsilon(1e-5));
  }
}

TEST_CASE("a pooled tile's winner is the first greatest pixel, or the last that is not a number") {
  for (const char* const* isa = kernels::available_isas(); *isa != nullptr; ++isa) {
    CAPTURE(std::string(*isa));
    Array<float> m(16, 0), y(1);
    std::uint8_t winner = 9;
    const auto expect = [&](float value, int number) {
      kernels::table_for(*isa)->winograd_result(
          {1, 1, m.data(), nullptr, true, {y.data()}, &winner});
      CHECK(same_bits(y, Array<float>{value}));
      CHECK(winner == number);
    };
    m[0] = 2;  // of the first result alone
    expect(2, 0);
    m[0] = -2;  // all are zero after the relu
    expect(0, 0);
    m[15] = 3;  // of the last result alone
    expect(3, 3);
    m[15] = -3;
    m[3] = -1;  // of the second, from which it is subtracted
    expect(1, 1);
    m[5] = std::numeric_limits<float>::quiet_NaN();  // of all
    kernels::table_for(*isa)->winograd_result({1, 1, m.data(), nullptr, true, {y.data()}, &winner});
    CHECK(std::isnan(y[0]));
    CHECK(winner == 3);
  }
}
