// Pooling kernels against the reference.
#include "tests/kernels.h"

using namespace pynn;
using namespace pynn::test;

namespace {

struct Images {
  kernels::Pool pool;
  std::int64_t count;
  std::size_t in() const { return elements(pool.in); }
  std::size_t out() const { return elements(pool.out); }
  std::int64_t in_lines() const { return count * pool.in[0] * pool.in[1]; }
  std::int64_t out_lines() const { return count * pool.out[0] * pool.out[1]; }

 private:
  std::size_t elements(const std::int64_t (&e)[3]) const {
    return static_cast<std::size_t>(count * e[0] * e[1] * e[2] * pool.channels);
  }
};

// Windows apart, touching and overlapping, with and without padding, over one to three axes.
std::vector<Images> all_images() {
  std::vector<Images> out;
  for (const std::int64_t channels : {1, 3, 16, 37}) {
    out.push_back({{{1, 1, 9}, {1, 1, 4}, {1, 1, 2}, {1, 1, 2}, {0, 0, 0}, channels}, 3});
    out.push_back({{{1, 6, 7}, {1, 3, 3}, {1, 2, 3}, {1, 2, 2}, {0, 0, 0}, channels}, 2});
    out.push_back({{{1, 5, 6}, {1, 5, 6}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, channels}, 2});
    out.push_back({{{4, 5, 3}, {3, 2, 1}, {2, 2, 2}, {2, 3, 2}, {1, 0, 0}, channels}, 2});
  }
  out.push_back({{{1, 20, 20}, {1, 2, 2}, {1, 17, 18}, {1, 3, 2}, {0, 0, 0}, 5}, 1});
  return out;
}

template <class T, class I>
void check_max_pool(const kernels::Table& t) {
  constexpr std::size_t d = index(dtype_of<T>), w = sizeof(I) == 1 ? 0 : 1;
  for (const Images& images : all_images()) {
    const kernels::Pool& p = images.pool;
    if (sizeof(I) == 1 && p.window[0] * p.window[1] * p.window[2] > 256) continue;
    CAPTURE(p.channels);
    CAPTURE(p.window[2]);
    // Few values: windows have ties, of which the first wins.
    Array<T> x = random_array<T>(images.in(), -3, 3, 1);
    for (T& v : x) v = std::round(v);
    x[images.in() / 2] = std::numeric_limits<T>::quiet_NaN();
    Array<T> y(images.out()), expected(images.out());
    Array<I> won(images.out()), winners(images.out());
    const std::int64_t half = images.out_lines() / 2;
    t.max_pool[w][d](p, 0, half, x.data(), y.data(), won.data());
    t.max_pool[w][d](p, half, images.out_lines(), x.data(), y.data(), won.data());
    reference().max_pool[w][d](p, 0, images.out_lines(), x.data(), expected.data(), winners.data());
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(ulps(y[i], expected[i]) == 0);
    CHECK(same_bits(won, winners));

    const Array<T> dy = random_array<T>(images.out(), -1, 1, 2);
    Array<T> dx(images.in()), dx_expected(images.in());
    t.max_pool_grad[w][d](p, 0, images.in_lines(), dy.data(), won.data(), dx.data());
    reference().max_pool_grad[w][d](p, 0, images.in_lines(), dy.data(), won.data(),
                                    dx_expected.data());
    check_close(dx, dx_expected);
  }
}

template <class T>
void check_avg_pool(const kernels::Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const Images& images : all_images()) {
    const kernels::Pool& p = images.pool;
    CAPTURE(p.channels);
    const Array<T> x = random_array<T>(images.in(), -1, 1, 3);
    const Array<T> dy = random_array<T>(images.out(), -1, 1, 4);
    Array<T> y(images.out()), expected(images.out()), dx(images.in()), dx_expected(images.in());
    t.avg_pool[d](p, 0, images.out_lines(), x.data(), y.data());
    reference().avg_pool[d](p, 0, images.out_lines(), x.data(), expected.data());
    check_close(y, expected);
    t.avg_pool_grad[d](p, 0, images.in_lines(), dy.data(), dx.data());
    reference().avg_pool_grad[d](p, 0, images.in_lines(), dy.data(), dx_expected.data());
    check_close(dx, dx_expected);
  }
}

}  // namespace

TEST_CASE("max pooling finds the first greatest pixel and leads gradients back to it") {
  for_each_isa([](const kernels::Table& t) {
    check_max_pool<float, std::uint8_t>(t);
    check_max_pool<float, std::int32_t>(t);
    check_max_pool<double, std::uint8_t>(t);
    check_max_pool<double, std::int32_t>(t);
  });
}

TEST_CASE("average pooling and its gradient") {
  for_each_isa([](const kernels::Table& t) {
    check_avg_pool<float>(t);
    check_avg_pool<double>(t);
  });
}

TEST_CASE("the reference's max pooling: an overlapping window, a tie, padding") {
  const kernels::Pool p{{1, 1, 5}, {1, 1, 3}, {1, 1, 3}, {1, 1, 2}, {0, 0, 1}, 1};
  const std::vector<double> x = {1, 4, 4, 4, 0}, dy = {10, 20, 30};
  std::vector<double> y(3), dx(5);
  std::vector<std::uint8_t> won(3);
  constexpr std::size_t d = index(DType::f64);
  reference().max_pool[0][d](p, 0, 1, x.data(), y.data(), won.data());
  CHECK(y == std::vector<double>{4, 4, 4});
  CHECK(won == std::vector<std::uint8_t>{2, 0, 0});
  reference().max_pool_grad[0][d](p, 0, 1, dy.data(), won.data(), dx.data());
  CHECK(dx == std::vector<double>{0, 30, 0, 30, 0});
  reference().avg_pool[d](p, 0, 1, x.data(), y.data());
  CHECK(y == std::vector<double>{2.5, 4, 2});
  reference().avg_pool_grad[d](p, 0, 1, dy.data(), dx.data());
  CHECK(dx[0] == doctest::Approx(5));
  CHECK(dx[1] == doctest::Approx(5 + 20.0 / 3));
  CHECK(dx[3] == doctest::Approx(20.0 / 3 + 15));
}
