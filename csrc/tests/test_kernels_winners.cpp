// Products with what max pooling picks, against the reference.
#include "tests/kernels.h"

using namespace pynn;
using namespace pynn::test;

namespace {

template <class T>
void check_row_sums(const kernels::Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::int64_t columns : {1, 3, 8, 16, 31, 48, 96, 111, 193}) {
    CAPTURE(columns);
    constexpr std::int64_t kRows = 9, kCapacity = 7;
    const std::vector<std::int32_t> terms = {0, 1, 2, 7, 3};
    const auto sums = static_cast<std::int64_t>(terms.size());
    std::mt19937 random(1);
    std::vector<std::int32_t> at, to;
    for (std::int64_t i = 0; i < sums * kCapacity; ++i)
      at.push_back(static_cast<std::int32_t>(random() % kRows * columns));
    for (std::int64_t i = 0; i < sums; ++i)  // overlapping, as patches do
      to.push_back(static_cast<std::int32_t>((sums - i) * (columns / 2 + 1)));
    const Array<T> values = random_array<T>(at.size(), -1, 1, 2);
    const Array<T> x = random_array<T>(static_cast<std::size_t>(kRows * columns + 3 * 5), -1, 1, 3);
    for (const std::int64_t stretches : {1, 2, 3, 4}) {
      CAPTURE(stretches);
      constexpr std::int64_t kFurther = 5;  // overlapping, too
      Array<T> c = random_array<T>(
          static_cast<std::size_t>(to[0] + columns + (stretches - 1) * (columns + 3) + 1), -1, 1,
          4);
      Array<T> expected = c;
      kernels::RowSums s{sums,     kCapacity, columns,  terms.data(), at.data(), values.data(),
                         x.data(), to.data(), c.data(), stretches,    kFurther,  columns + 3};
      t.row_sums[d](s);
      s.c = expected.data();
      reference().row_sums[d](s);
      check_close(c, expected);
      CHECK(c.back() == expected.back());  // past the last column
    }
  }
}

template <class T>
void check_pack_terms(const kernels::Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::size_t n : {0, 1, 7, 8, 16, 17, 50}) {
    Array<T> values = random_array<T>(n, -1, 1, 1);
    for (std::size_t i = 0; i < n; i += 3) values[i] = 0;
    if (n > 16) values[16] = std::numeric_limits<T>::quiet_NaN();  // is not zero
    const Array<std::uint8_t> keys = random_array<std::uint8_t>(n, 0, 5, 2);
    Array<std::int32_t> at(n);
    for (std::size_t i = 0; i < n; ++i) at[i] = static_cast<std::int32_t>(100 * i);
    const std::vector<std::int32_t> key_at = {1, 30, 70};
    for (const std::int64_t end : {1, 2, 4}) {
      CAPTURE(n);
      CAPTURE(end);
      Array<T> packed(n + 16), expected = packed;
      Array<std::int32_t> packed_at(n + 16), expected_at = packed_at;
      kernels::PackTerms p{static_cast<std::int64_t>(n),
                           values.data(),
                           at.data(),
                           keys.data(),
                           1,
                           end,
                           key_at.data(),
                           packed.data(),
                           packed_at.data()};
      const auto count = static_cast<std::size_t>(t.pack_terms[d](p));
      p.packed = expected.data();
      p.packed_at = expected_at.data();
      REQUIRE(count == static_cast<std::size_t>(reference().pack_terms[d](p)));
      packed.resize(count);
      expected.resize(count);
      packed_at.resize(count);
      expected_at.resize(count);
      CHECK(same_bits(packed, expected));
      CHECK(packed_at == expected_at);
    }
  }
}

void check_winner_product(const kernels::Table& t) {
  for (const std::int64_t filters : {1, 5, 8, 16, 24, 32, 37}) {
    for (const std::int64_t rows : {1, 8, 9, 10, 27}) {
      CAPTURE(filters);
      CAPTURE(rows);
      const std::vector<std::int32_t> window = {0, 2, 4, 20, 22, 24}, pixel = {0, 1, 10, 11};
      std::vector<std::int32_t> row;
      for (std::int32_t r = 0; r < rows; ++r) row.push_back(r / 3 * 10 + r % 3);
      const auto size = window.size() * static_cast<std::size_t>(filters);
      const Array<float> values = random_array<float>(size, -1, 1, 1);
      const Array<std::uint8_t> winners = random_array<std::uint8_t>(size, 0, 4, 2);
      const Array<float> x =
          random_array<float>(static_cast<std::size_t>(24 + 11 + row.back() + 1), -1, 1, 3);
      Array<float> c = random_array<float>(static_cast<std::size_t>(rows * filters), -1, 1, 4);
      Array<float> expected = c;
      kernels::WinnerProduct p{
          6,          4,        rows,          filters,        window.data(), pixel.data(),
          row.data(), x.data(), values.data(), winners.data(), c.data()};
      t.winner_product(p);
      p.c = expected.data();
      reference().winner_product(p);
      check_close(c, expected);
    }
  }
}

}  // namespace

TEST_CASE("sums of a few rows each, of any width") {
  for_each_isa([](const kernels::Table& t) {
    check_row_sums<float>(t);
    check_row_sums<double>(t);
  });
}

TEST_CASE("the terms of a sum that are not zero and have one of some keys") {
  for_each_isa([](const kernels::Table& t) {
    check_pack_terms<float>(t);
    check_pack_terms<double>(t);
  });
}

TEST_CASE("products with what is zero but for the winners") {
  for_each_isa([](const kernels::Table& t) { check_winner_product(t); });
}

TEST_CASE("the reference's product with winners: two windows, one filter") {
  const std::vector<std::int32_t> window = {0, 2}, pixel = {0, 1}, row = {0, 1};
  const std::vector<float> x = {1, 2, 3, 4, 5}, values = {10, 100};
  const std::vector<std::uint8_t> winners = {1, 0};
  std::vector<float> c = {0.5, 0};
  const kernels::WinnerProduct p{2,
                                 2,
                                 2,
                                 1,
                                 window.data(),
                                 pixel.data(),
                                 row.data(),
                                 x.data(),
                                 values.data(),
                                 winners.data(),
                                 c.data()};
  reference().winner_product(p);
  CHECK(c == std::vector<float>{10 * 2 + 100 * 3 + 0.5, 10 * 3 + 100 * 4});
}
