// Convolution channel by channel, and its sums, against the reference.
#include "tests/kernels.h"

using namespace pynn;
using kernels::Depthwise;
using kernels::DepthwiseTap;
using kernels::Table;
using namespace pynn::test;

namespace {

struct Line {
  std::int64_t pixels, kernel, stride, dilation, before, rows;
};

// Lines shorter and longer than a block of results, taps that miss both ends, no taps at all.
constexpr Line kLines[] = {{1, 1, 1, 1, 0, 1},  {5, 3, 1, 1, 1, 3},  {32, 3, 1, 1, 1, 3},
                           {9, 3, 2, 1, 1, 2},  {19, 5, 1, 2, 4, 5}, {8, 7, 3, 1, 3, 7},
                           {11, 2, 1, 9, 0, 1}, {12, 3, 1, 1, 0, 0}};

// Taps over `rows` rows of an image whose pixels are `channels` elements long.
std::vector<DepthwiseTap> taps_of(const Line& line, std::int64_t channels, std::int64_t width) {
  std::vector<DepthwiseTap> taps;
  for (std::int64_t r = 0; r < line.rows; ++r)
    for (std::int64_t k = 0; k < line.kernel; ++k) {
      const std::int64_t first = k * line.dilation - line.before;
      std::int64_t begin = 0, end = line.pixels;
      while (begin < end && begin * line.stride + first < 0) ++begin;
      while (end > begin && (end - 1) * line.stride + first >= width) --end;
      taps.push_back(
          {(r * width + first) * channels, (r * line.kernel + k) * channels, begin, end});
    }
  return taps;
}

// Equal up to a rounding for each summand.
template <class T>
void check_sums(const Array<T>& y, const Array<T>& expected, std::int64_t summands) {
  const double bound = std::numeric_limits<T>::epsilon() * static_cast<double>(4 + summands);
  for (std::size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(static_cast<double>(y[i]) - expected[i]) <= bound);
}

template <class T>
void check_line(const Table& t, const Line& line, std::int64_t channels) {
  constexpr std::size_t d = index(dtype_of<T>);
  CAPTURE(line.pixels);
  CAPTURE(line.kernel);
  CAPTURE(channels);
  const std::int64_t width = line.pixels * line.stride;
  const std::vector<DepthwiseTap> taps = taps_of(line, channels, width);
  Depthwise problem{line.pixels,  channels,    line.stride * channels,
                    channels + 1, taps.data(), static_cast<std::int64_t>(taps.size()),
                    nullptr,      false};
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const auto x =
      random_array<T>(size(std::max<std::int64_t>(line.rows, 1) * width * channels), -1, 1, 1);
  const auto w = random_array<T>(
      size(std::max<std::int64_t>(line.rows, 1) * line.kernel * channels), -1, 1, 2);
  const auto bias = random_array<T>(size(channels), -1, 1, 3);
  // Between the results' pixels lies an element that stays as it is.
  const auto before = random_array<T>(size(line.pixels * (channels + 1)), -1, 1, 4);
  for (const bool fused : {false, true}) {
    problem.bias = fused ? bias.data() : nullptr;
    problem.relu = fused;
    Array<T> y = before, expected = before;
    t.depthwise[d](problem, x.data(), w.data(), y.data());
    reference().depthwise[d](problem, x.data(), w.data(), expected.data());
    check_sums(y, expected, problem.count);
  }
  Array<T> sums = w, expected = w;
  t.depthwise_grad[d](problem, x.data(), before.data(), sums.data());
  reference().depthwise_grad[d](problem, x.data(), before.data(), expected.data());
  check_sums(sums, expected, line.pixels);
}

}  // namespace

TEST_CASE_TEMPLATE("lines convolved by channel agree with the reference", T, float, double) {
  for_each_isa([](const Table& t) {
    for (const Line& line : kLines)
      for (const std::int64_t channels : {1, 3, 16, 37}) check_line<T>(t, line, channels);
  });
}

TEST_CASE("a channel that overflowed stays NaN behind relu") {
  for_each_isa([](const Table& t) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const DepthwiseTap tap{0, 0, 0, 1};
    const float x[] = {nan, 2}, w[] = {1, -1};
    float y[2];
    t.depthwise[index(DType::f32)]({1, 2, 2, 2, &tap, 1, nullptr, true}, x, w, y);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 0);
  });
}
