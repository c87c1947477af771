// Keys, picks along an axis, sorting and recurrences against index arithmetic, with their
// gradients.
#include <algorithm>
#include <numeric>

#include "ops/indexing.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

Tensor indices(const Shape& shape, const std::vector<double>& values) {
  return tensor(shape, values, DType::i64);
}

// x[:, i, j] or, with `apart`, x[i, :, j].
Index pair_key(const Shape& x, const Tensor& i, const Tensor& j, bool apart) {
  Index key;
  key.start = Dims::filled(x.rank(), 0);
  key.stop = x;
  key.step = Dims::filled(x.rank(), 1);
  key.arrays = {{apart ? 0 : 1, i}, {2, j}};
  key.in_front = apart;
  return key;
}

}  // namespace

TEST_CASE("arrays of indices pick from several axes") {
  const Tensor x = random_tensor({3, 4, 5});
  const Tensor i = indices({2, 1}, {2, -1}), j = indices({3}, {0, -5, 4});
  const std::int64_t rows[] = {2, 3}, front[] = {2, 2}, columns[] = {0, 0, 4};
  check_elements(ops::index(x, pair_key(x.shape(), i, j, false)), {3, 2, 3}, [&](const Dims& at_) {
    return at(x, {at_[0], rows[at_[1]], columns[at_[2]]});
  });
  check_elements(ops::index(x, pair_key(x.shape(), i, j, true)), {2, 3, 4}, [&](const Dims& at_) {
    return at(x, {front[at_[0]], at_[2], columns[at_[1]]});
  });
  const Index outside = pair_key(x.shape(), i, indices({1}, {5}), false);
  CHECK_THROWS_AS(ops::index(x, outside), IndexError);
}

TEST_CASE("values are put and added where a key points") {
  for (const bool apart : {false, true}) {
    const Tensor x = random_tensor({3, 4, 5});
    const Index key = pair_key(x.shape(), indices({3}, {0, 2, 0}), indices({3}, {1, 4, 1}), apart);
    const Tensor picked = ops::index(x, key);
    const Tensor values = random_tensor(picked.shape(), DType::f64, 2);
    const Tensor put = ops::index_put(x, key, values);
    const Tensor last = ops::index(put, key);
    // Of the first and the last index, which are equal, the last value is there.
    check_elements(last, picked.shape(), [&](const Dims& at_) {
      Dims from = at_;
      std::int64_t& place = from[apart ? 0 : 1];
      place = place == 0 ? 2 : place;
      return at(values, from);
    });
    const Tensor sum = ops::subtract(ops::sum(ops::index_add(x, key, values)), ops::sum(x));
    check_same(sum, ops::sum(values), 1e-12);
  }
}

TEST_CASE("take_along_axis and put_along_axis use an index for every element") {
  const Tensor x = random_tensor({2, 3, 4}, DType::f32);
  const Tensor order = ops::argsort(x, 1);
  const Tensor sorted = ops::take_along_axis(x, order, 1);
  check_same(sorted, ops::sort(x, 1));
  check_elements(sorted, x.shape(), [&](const Dims& i) {
    std::vector<double> line;
    for (int k = 0; k < 3; ++k) line.push_back(at(x, {i[0], k, i[2]}));
    std::sort(line.begin(), line.end());
    return line[static_cast<std::size_t>(i[1])];
  });
  check_same(ops::put_along_axis(ops::zeros_like(x), order, sorted, 1), x);
  CHECK_THROWS_AS(ops::take_along_axis(x, indices({2, 3, 1}, {0, 0, 0, 4, 0, 0}), 2), IndexError);
  CHECK(ops::argsort(x, 2, true, 2).shape() == Shape{2, 3, 2});
}

TEST_CASE("recurrences run along any axis, from either end") {
  const Tensor a = random_tensor({3, 4, 5}), b = random_tensor({3, 4, 5}, DType::f64, 2);
  for (int axis = 0; axis < 3; ++axis)
    for (const bool reverse : {false, true}) {
      const Tensor h = ops::linear_recurrence(a, b, axis, reverse);
      check_elements(
          h, b.shape(),
          [&](const Dims& i) {
            Dims last = i;
            last[axis] += reverse ? 1 : -1;
            const bool first = last[axis] < 0 || last[axis] == b.shape()[axis];
            return at(b, i) + (first ? 0 : at(a, i) * at(h, last));
          },
          1e-12);
    }
  const Tensor wide = random_tensor({3, 700, 5}, DType::f32);
  const Tensor sums = ops::cumsum(wide, 1);
  check_same(ops::slice(sums, {0, 699, 0}, {3, 700, 5}, {1, 1, 1}), ops::sum(wide, {1}, true),
             1e-4);
}
