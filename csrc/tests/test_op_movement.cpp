// Views, copies and indexing against index arithmetic.
#include <cstdint>
#include <numeric>

#include "ops/indices.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16,   DType::i32,
                          DType::i64, DType::u8,  DType::boolean};

Dims permuted(const Dims& x, const Dims& axes) {
  Dims out;
  for (const std::int64_t axis : axes) out.push_back(x[static_cast<int>(axis)]);
  return out;
}

}  // namespace

TEST_CASE("views share memory") {
  const Tensor x = random_tensor({2, 3, 4});
  const auto shares = [&](const Tensor& y) { return y.array().owner == x.array().owner; };

  const Tensor flat = ops::reshape(x, {4, -1});
  CHECK(shares(flat));
  CHECK(flat.shape() == Shape{4, 6});
  CHECK(values(flat) == values(x));

  for (const Dims& axes : {Dims{2, 0, 1}, Dims{0, 2, 1}, Dims{-1, 1, 0}}) {
    const Tensor y = ops::transpose(x, axes);
    CHECK(shares(y));
    Dims plain = axes;
    for (std::int64_t& axis : plain) axis = normalize_axis(axis, 3);
    check_elements(y, permuted(x.shape(), plain), [&](const Dims& i) {
      Dims from = i;
      for (int k = 0; k < 3; ++k) from[static_cast<int>(plain[k])] = i[k];
      return at(x, from);
    });
  }
  check_same(ops::transpose(x), ops::transpose(x, {2, 1, 0}));
  check_same(ops::swap_last(x), ops::transpose(x, {0, 2, 1}));

  const Tensor wide = ops::broadcast_to(ops::expand_dims(x, 1), {5, 2, 6, 3, 4});
  CHECK(shares(wide));
  check_elements(wide, {5, 2, 6, 3, 4}, [&](const Dims& i) { return at(x, {i[1], i[3], i[4]}); });
  CHECK(ops::expand_dims(x, -1).shape() == Shape{2, 3, 4, 1});
  check_same(ops::squeeze(ops::expand_dims(x, 2), 2), x);

  const Tensor cut = ops::slice(x, {1, 2, 0}, {2, -1, 4}, {1, -2, 3});
  CHECK(shares(cut));
  check_elements(cut, {1, 2, 2}, [&](const Dims& i) {
    return at(x, {1 + i[0], 2 - 2 * i[1], 3 * i[2]});
  });
  CHECK(ops::slice(x, {0, 3, 0}, {2, 1, 4}, {1, 1, 1}).shape() == Shape{2, 0, 4});
}

TEST_CASE("views refuse what cannot be") {
  const Tensor x = random_tensor({2, 3});
  CHECK(message_of<ValueError>([&] {
          ops::reshape(x, {4, 2});
        }) == "reshape: a tensor of shape (2, 3) has 6 elements and cannot take the shape (4, 2)");
  CHECK_THROWS_AS(ops::reshape(x, {-1, -1}), ValueError);
  CHECK_THROWS_AS(ops::reshape(x, {-1, 4}), ValueError);
  CHECK_THROWS_AS(ops::reshape(x, {-6, -1}), ValueError);
  CHECK_THROWS_AS(ops::transpose(x, {0, 0}), ValueError);
  CHECK_THROWS_AS(ops::transpose(x, {0}), ValueError);
  CHECK_THROWS_AS(ops::swap_last(random_tensor({3})), ValueError);
  CHECK_THROWS_AS(ops::broadcast_to(x, {3, 2}), ValueError);
  CHECK_THROWS_AS(ops::broadcast_to(x, {3}), ValueError);
  CHECK_THROWS_AS(ops::expand_dims(x, 3), ValueError);
  CHECK_THROWS_AS(ops::squeeze(x, 0), ValueError);
  CHECK_THROWS_AS(ops::slice(x, {0, 0}, {3, 3}, {1, 1}), ValueError);
  CHECK_THROWS_AS(ops::slice(x, {0, 0}, {2, 3}, {1, 0}), ValueError);
  CHECK_THROWS_AS(ops::slice(x, {0}, {2}, {1}), ValueError);
}

TEST_CASE("copies of every layout and dtype are in row-major order") {
  for (const DType d : kAll) {
    const Tensor x = random_tensor({4, 5, 6, 7}, d);
    Dims axes = {0, 1, 2, 3};
    do {
      const Tensor y = ops::transpose(x, axes);
      const Tensor z = ops::copy(y);
      CHECK(z.contiguous());
      CHECK(z.array().owner != x.array().owner);
      check_same(z, y);
    } while (std::next_permutation(axes.begin(), axes.end()));
    const Tensor cut = ops::slice(x, {3, 0, 5, 0}, {-1, 5, -1, 7}, {-2, 1, -1, 2});
    check_same(ops::copy(cut), cut);
    const Tensor wide =
        ops::broadcast_to(ops::slice(x, {0, 0, 0, 0}, {4, 5, 6, 1}, {1, 1, 1, 1}), {3, 4, 5, 6, 8});
    check_same(ops::copy(wide), wide);
    check_same(ops::copy(ops::transpose(wide)), ops::transpose(wide));
  }
  // Long enough for several chunks, along each kind of copy.
  const Tensor big = random_tensor({301, 517}, DType::f32);
  for (const Tensor& y : {big, ops::transpose(big), ops::slice(big, {0, 516}, {301, -1}, {2, -2}),
                          ops::broadcast_to(big, {3, 301, 517})})
    check_same(ops::copy(y), y);
  const Tensor tall = random_tensor({40000, 3}, DType::f32);
  check_same(ops::copy(ops::transpose(tall)), ops::transpose(tall));
  check_same(ops::copy(ops::transpose(ops::copy(ops::transpose(tall)))), tall);
  CHECK(ops::copy(random_tensor({3, 0})).shape() == Shape{3, 0});
  CHECK(values(ops::copy(tensor({}, {4}))) == std::vector<double>{4});
}

TEST_CASE("contiguous copies only what is not") {
  const Tensor x = random_tensor({3, 4});
  CHECK(ops::contiguous(x).array().data == x.array().data);
  CHECK(ops::contiguous(ops::transpose(x)).contiguous());
  check_same(ops::reshape(ops::transpose(x), {12}),
             ops::reshape(ops::copy(ops::transpose(x)), {12}));
}

TEST_CASE("concatenate joins along an axis") {
  const Tensor a = random_tensor({2, 3, 4}, DType::f32),
               b = random_tensor({2, 1, 4}, DType::f32, 2),
               none = random_tensor({2, 0, 4}, DType::f32);
  const Tensor c = ops::transpose(random_tensor({4, 2, 2}, DType::f32, 3), {1, 2, 0});
  const Tensor parts[] = {a, none, b, c};
  check_elements(ops::concatenate(parts, -2), {2, 6, 4}, [&](const Dims& i) {
    if (i[1] < 3) return at(a, i);
    return i[1] < 4 ? at(b, {i[0], 0, i[2]}) : at(c, {i[0], i[1] - 4, i[2]});
  });
  const Tensor mixed[] = {random_tensor({2}, DType::i32), random_tensor({3}, DType::f64)};
  CHECK(ops::concatenate(mixed, 0).dtype() == DType::f64);
  const Tensor wrong[] = {a, random_tensor({2, 3, 5}, DType::f32)};
  CHECK(message_of<ValueError>([&] { ops::concatenate(wrong, 0); }) ==
        "concatenate: input 1 has shape (2, 3, 5), which differs from (2, 3, 4) in another axis "
        "than 0");
  CHECK_THROWS_AS(ops::concatenate({}, 0), ValueError);
  CHECK_THROWS_AS(ops::concatenate(parts, 3), ValueError);
}

TEST_CASE("pad surrounds with a value") {
  for (const DType d : kAll) {
    const Tensor x = ops::transpose(random_tensor({3, 2}, d));
    check_elements(ops::pad(x, {1, 0}, {2, 1}, 1), {5, 4}, [&](const Dims& i) {
      return i[0] >= 1 && i[0] < 3 && i[1] < 3 ? at(x, {i[0] - 1, i[1]}) : 1;
    });
  }
  CHECK(values(ops::pad(random_tensor({0}), {1}, {1}, 7)) == std::vector<double>{7, 7});
  CHECK_THROWS_AS(ops::pad(random_tensor({2}), {-1}, {0}), ValueError);
  CHECK_THROWS_AS(ops::pad(random_tensor({2}), {1, 1}, {0, 0}), ValueError);
}

TEST_CASE("sum_to undoes broadcasting") {
  const Tensor x = random_tensor({2, 3, 4});
  check_same(ops::sum_to(x, {3, 4}), ops::sum(x, {0}), 1e-15);
  check_same(ops::sum_to(x, {3, 1}), ops::reshape(ops::sum(x, {0, 2}), {3, 1}), 1e-15);
  CHECK(ops::sum_to(x, {}).shape() == Shape{});
  CHECK(ops::sum_to(x, {1, 1, 1}).shape() == Shape{1, 1, 1});
}

TEST_CASE("take picks along any axis, negative indices count from the end") {
  const Tensor x = random_tensor({3, 4, 5});
  for (const DType d : {DType::i32, DType::i64, DType::u8}) {
    const bool sign = d != DType::u8;
    const Tensor indices = tensor({2, 2}, {2, sign ? -1.0 : 2, 0, sign ? -3.0 : 0}, d);
    for (const int axis : {0, 1, 2}) {
      Shape shape = x.shape();
      const std::int64_t extent = shape[axis];
      shape[axis] = 2;
      shape.insert(axis, 2);
      check_elements(ops::take(x, indices, axis - 3), shape, [&](const Dims& i) {
        auto picked = static_cast<std::int64_t>(at(indices, {i[axis], i[axis + 1]}));
        if (picked < 0) picked += extent;
        Dims from = i;
        from.erase(axis);
        from[axis] = picked;
        return at(x, from);
      });
    }
  }
  CHECK(ops::take(x, tensor({}, {1}, DType::i64)).shape() == Shape{4, 5});
  CHECK(message_of<IndexError>([&] {
          ops::take(x, tensor({2}, {0, 3}, DType::i32));
        }) == "take: index 3 is out of range for an axis of extent 3");
  CHECK_THROWS_AS(ops::take(x, tensor({1}, {-4}, DType::i64)), IndexError);
  CHECK_THROWS_AS(ops::take(x, tensor({1}, {0})), TypeError);
  CHECK_THROWS_AS(ops::take(x, tensor({1}, {0}, DType::boolean)), TypeError);
}

TEST_CASE("take_along_last picks one element of each row") {
  for (const DType d : kAll) {
    const Tensor x = random_tensor({2, 3, 4}, d);
    const Tensor indices = tensor({2, 3}, {0, 1, 2, 3, -1, -4}, DType::i32);
    check_elements(ops::take_along_last(x, indices), {2, 3}, [&](const Dims& i) {
      const auto picked = static_cast<std::int64_t>(at(indices, i));
      return at(x, {i[0], i[1], (picked + 4) % 4});
    });
  }
  const Tensor x = random_tensor({2, 4});
  CHECK_THROWS_AS(ops::take_along_last(x, tensor({2}, {0, 4}, DType::i32)), IndexError);
  CHECK_THROWS_AS(ops::take_along_last(x, tensor({3}, {0, 0, 0}, DType::i32)), ValueError);
  CHECK_THROWS_AS(ops::take_along_last(x, tensor({2}, {0, 1})), TypeError);
}

TEST_CASE("checked_indices refuses what is no index") {
  for (const DType d : {DType::i32, DType::i64, DType::u8, DType::f32, DType::f64, DType::bf16}) {
    const Tensor x = tensor({3}, {2, 0, 1}, d);
    const Tensor y = ops::checked_indices(x, 3, "who");
    CHECK(values(y) == values(x));
    CHECK(y.dtype() == (is_float(d) || d == DType::i64 ? DType::i64 : DType::i32));
    CHECK(message_of<IndexError>([&] { ops::checked_indices(x, 2, "who"); }) ==
          "who expects whole numbers from 0 to 1, got 2");
  }
  for (const double wrong : {-1.0, 1.5, 3.0, 1e30, -0.5}) {
    CHECK_THROWS_AS(ops::checked_indices(tensor({1}, {wrong}, DType::f64), 3, "x"), IndexError);
    CHECK_THROWS_AS(ops::checked_indices(tensor({1}, {wrong}, DType::f32), 3, "x"), IndexError);
  }
  CHECK_THROWS_AS(ops::checked_indices(tensor({1}, {-1}, DType::i32), 3, "x"), IndexError);
  CHECK_THROWS_AS(ops::checked_indices(tensor({1}, {NAN}, DType::f32), 3, "x"), IndexError);
}

TEST_CASE("one_hot marks the label of each row") {
  const Tensor labels = tensor({2, 2}, {0, 2, 1, 2}, DType::i64);
  for (const DType d : kAll) {
    const Tensor y = ops::one_hot(labels, 3, d);
    CHECK(y.dtype() == d);
    check_elements(y, {2, 2, 3}, [&](const Dims& i) {
      return at(labels, {i[0], i[1]}) == static_cast<double>(i[2]) ? 1 : 0;
    });
  }
  CHECK(message_of<IndexError>([&] { ops::one_hot(labels, 2, DType::f32); }) ==
        "one_hot: label 2 is out of range for depth 2");
  CHECK_THROWS_AS(ops::one_hot(tensor({1}, {-1}, DType::i32), 2, DType::f32), IndexError);
  CHECK_THROWS_AS(ops::one_hot(tensor({1}, {0}), 2, DType::f32), TypeError);
  CHECK_THROWS_AS(ops::one_hot(labels, 0, DType::f32), ValueError);
}
