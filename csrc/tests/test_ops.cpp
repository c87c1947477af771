// Ops against plain loops: products, reductions, softmax, random numbers and outside code.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/rng.h"
#include "runtime/thread_pool.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

// NumPy's matmul by its definition, for matrices and batches of them.
void check_matmul(const Tensor& a, const Tensor& b, double tolerance) {
  const Tensor c = ops::matmul(a, b);
  const int m = a.rank() - 2, k = a.rank() - 1;
  const auto index_in = [](const Tensor& x, const Dims& out, std::int64_t row,
                           std::int64_t column) {
    Dims at = Dims::filled(x.rank(), 0);
    const int shift = out.rank() - x.rank();
    for (int i = 0; i < x.rank() - 2; ++i) at[i] = x.shape()[i] == 1 ? 0 : out[i + shift];
    at[x.rank() - 2] = row;
    at[x.rank() - 1] = column;
    return at;
  };
  Shape batch_a = a.shape(), batch_b = b.shape();
  batch_a.erase(k);
  batch_a.erase(m);
  batch_b.erase(b.rank() - 1);
  batch_b.erase(b.rank() - 2);
  Shape shape = broadcast_shapes(batch_a, batch_b);
  shape.push_back(a.shape()[m]);
  shape.push_back(b.shape().back());
  check_elements(
      c, shape,
      [&](const Dims& i) {
        double sum = 0;
        for (std::int64_t p = 0; p < a.shape()[k]; ++p)
          sum += at(a, index_in(a, i, i[i.rank() - 2], p)) * at(b, index_in(b, i, p, i.back()));
        return sum;
      },
      tolerance);
}

// f() gives the same bits with every number of threads.
void check_thread_independent(const std::function<Tensor()>& f) {
  const int before = num_threads();
  set_num_threads(1);
  const Array one = f().array();
  for (const int threads : {2, 3, 8}) {
    set_num_threads(threads);
    const Array many = f().array();
    CHECK(std::memcmp(one.data, many.data, one.bytes()) == 0);
  }
  set_num_threads(before);
}

std::vector<Dims> subsets(int rank) {
  std::vector<Dims> all;
  for (int bits = 1; bits < 1 << rank; ++bits) {
    Dims axes;
    for (int i = 0; i < rank; ++i)
      if (bits >> i & 1) axes.push_back(i);
    all.push_back(axes);
  }
  return all;
}

struct Folded {
  const char* name;
  Tensor (*op)(const Tensor&, const Dims&, bool);
  double start;
  double (*fold)(double, double);
};

const Folded kFolds[] = {
    {"sum", ops::sum, 0, [](double a, double b) { return a + b; }},
    {"prod", ops::prod, 1, [](double a, double b) { return a * b; }},
    {"max", ops::max, -HUGE_VAL, [](double a, double b) { return std::max(a, b); }},
    {"min", ops::min, HUGE_VAL, [](double a, double b) { return std::min(a, b); }},
};

// x folded over `axes`, which are sorted, with the reduced axes kept.
Tensor folded(const Tensor& x, const Dims& axes, const Folded& f) {
  Shape shape = x.shape();
  for (const std::int64_t axis : axes) shape[static_cast<int>(axis)] = 1;
  const Array out = Array::empty(DType::f64, shape);
  std::fill_n(out.as<double>(), out.size(), f.start);
  for_each_index(x.shape(), [&](const Dims& i) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < i.rank(); ++axis)
      if (shape[axis] != 1) offset += i[axis] * out.strides[axis];
    out.as<double>()[offset] = f.fold(out.as<double>()[offset], at(x, i));
  });
  return out;
}

}  // namespace

TEST_CASE("matmul multiplies matrices of every size and dtype") {
  const std::int64_t sizes[][3] = {{1, 1, 1},    {2, 3, 4},     {5, 1, 7},     {0, 3, 4},
                                   {3, 0, 4},    {3, 4, 0},     {33, 65, 17},  {70, 31, 130},
                                   {200, 90, 3}, {1, 300, 500}, {130, 257, 66}};
  for (const auto& [m, k, n] : sizes) {
    CAPTURE(m);
    CAPTURE(k);
    CAPTURE(n);
    for (const DType d : {DType::f32, DType::f64, DType::i32, DType::i64})
      check_matmul(random_tensor({m, k}, d), random_tensor({k, n}, d, 2),
                   d == DType::f32 ? 1e-4 : 1e-12);
  }
  CHECK(values(ops::matmul(tensor({1, 2}, {200, 100}, DType::u8),
                           tensor({2, 1}, {2, 1}, DType::u8))) == std::vector<double>{244});
}

TEST_CASE("matmul reads operands where they lie, whatever their strides") {
  const Tensor x = random_tensor({6, 40, 50}, DType::f32);
  const Tensor left = ops::slice(x, {0, 39, 0}, {6, -1, 50}, {2, -3, 2});  // (3, 14, 25)
  const Tensor right = ops::transpose(random_tensor({9, 25}, DType::f32, 3));
  check_matmul(left, right, 1e-5);
  check_matmul(ops::swap_last(left), random_tensor({14, 5}, DType::f32), 1e-5);
  const Tensor stretched = ops::broadcast_to(random_tensor({1, 25}, DType::f32), {8, 25});
  check_matmul(stretched, right, 1e-5);
  check_matmul(ops::swap_last(stretched), random_tensor({8, 3}, DType::f32), 1e-5);
}

TEST_CASE("matmul broadcasts batches and promotes vectors") {
  for (const DType d : {DType::f32, DType::i32}) {
    check_matmul(random_tensor({3, 4, 5}, d), random_tensor({3, 5, 6}, d), 1e-5);
    check_matmul(random_tensor({3, 1, 4, 5}, d), random_tensor({2, 5, 6}, d), 1e-5);
    check_matmul(random_tensor({4, 5}, d), random_tensor({7, 5, 6}, d), 1e-5);
    check_matmul(random_tensor({2, 3, 4, 5}, d), random_tensor({5, 6}, d), 1e-5);
    check_matmul(random_tensor({0, 4, 5}, d), random_tensor({5, 6}, d), 1e-5);
    check_matmul(random_tensor({70, 9, 8}, d), random_tensor({70, 8, 11}, d), 1e-5);
  }
  const Tensor v = random_tensor({5}), m = random_tensor({5, 3}), b = random_tensor({2, 4, 5});
  check_same(ops::matmul(v, m), ops::squeeze(ops::matmul(ops::expand_dims(v, 0), m), 0));
  check_same(ops::matmul(b, v), ops::squeeze(ops::matmul(b, ops::expand_dims(v, 1)), -1));
  CHECK(ops::matmul(v, v).shape() == Shape{});
  CHECK(ops::matmul(v, ops::swap_last(b)).shape() == Shape{2, 4});
}

TEST_CASE("matmul promotes dtypes and explains mismatches") {
  const Tensor f = random_tensor({2, 3}, DType::f32), i = random_tensor({3, 2}, DType::i32);
  CHECK(ops::matmul(f, i).dtype() == DType::f32);
  CHECK(ops::matmul(ops::cast(f, DType::bf16), i).dtype() == DType::bf16);
  CHECK(message_of<ValueError>([] {
          ops::matmul(random_tensor({3, 4}), random_tensor({5, 6}));
        }) ==
        "matmul: shapes (3, 4) and (5, 6) do not match: the last axis of the first must equal the "
        "last but one of the second");
  CHECK_THROWS_AS(ops::matmul(tensor({}, {1}), f), ValueError);
  CHECK_THROWS_AS(ops::matmul(random_tensor({2, 3, 4}), random_tensor({3, 4, 5})), ValueError);
  const Tensor yes = tensor({1, 1}, {1}, DType::boolean);
  CHECK_THROWS_AS(ops::matmul(yes, yes), TypeError);
}

TEST_CASE("matmul gives the same bits with any number of threads") {
  const Tensor a = random_tensor({130, 300}, DType::f32), b = random_tensor({300, 520}, DType::f32);
  check_thread_independent([&] { return ops::matmul(a, b); });
  check_thread_independent([&] { return ops::matmul(ops::swap_last(b), ops::swap_last(a)); });
  const Tensor tall = random_tensor({5000, 64}, DType::f32), thin = random_tensor({64, 10});
  check_thread_independent([&] { return ops::matmul(tall, thin); });
}

TEST_CASE("dense is a product, a bias and an activation") {
  using kernels::Activation;
  const Tensor a = random_tensor({9, 20}), b = random_tensor({20, 37}, DType::f64, 2),
               bias = random_tensor({37}, DType::f64, 3);
  const Tensor plain = ops::matmul(a, b);
  check_same(ops::dense(a, b, Tensor(), Activation::linear), plain, 1e-14);
  check_same(ops::dense(a, b, bias, Activation::linear), ops::add(plain, bias), 1e-13);
#define PYNN_ROW(name, ...)                                                                        \
  check_same(ops::dense(a, b, bias, Activation::name, 0.3), ops::name(ops::add(plain, bias), 0.3), \
             1e-12);
  PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
  const Tensor spaced = ops::slice(random_tensor({74}), {0}, {74}, {2});
  check_same(ops::dense(a, b, spaced, Activation::linear), ops::add(plain, spaced), 1e-13);
  const Tensor batch = random_tensor({3, 4, 20});
  CHECK(ops::dense(batch, b, bias, Activation::relu).shape() == Shape{3, 4, 37});
  CHECK(ops::dense(random_tensor({2, 20}, DType::i32), ops::cast(b, DType::f32), Tensor(),
                   Activation::linear)
            .dtype() == DType::f32);
  CHECK_THROWS_AS(ops::dense(a, b, random_tensor({36}), Activation::linear), ValueError);
  CHECK_THROWS_AS(ops::dense(b, b, bias, Activation::linear), ValueError);
}

TEST_CASE("reductions fold any axes of any dtype") {
  for (const DType d : {DType::f32, DType::f64, DType::i32, DType::i64, DType::u8}) {
    const Tensor x = random_tensor({3, 4, 5, 2}, d);
    for (const Folded& f : kFolds) {
      CAPTURE(f.name);
      for (const Dims& axes : subsets(4)) {
        const double tolerance = d == DType::f32 ? 1e-5 : 1e-12;
        const Tensor expected = folded(x, axes, f);
        const Tensor kept = f.op(x, axes, true);
        check_elements(
            kept, expected.shape(), [&](const Dims& i) { return at(expected, i); }, tolerance);
        CHECK(values(f.op(x, axes, false)) == values(kept));
        CHECK(f.op(x, axes, false).rank() == 4 - axes.rank());
      }
    }
  }
}

TEST_CASE("reductions of other layouts, of scalars and of nothing") {
  const Tensor x = random_tensor({6, 7});
  const Tensor turned = ops::slice(ops::transpose(x), {6, 0}, {-1, 6}, {-2, 1});
  check_same(ops::sum(turned, {0}), ops::sum(ops::copy(turned), {0}));
  CHECK(values(ops::sum(tensor({}, {3}))) == std::vector<double>{3});
  CHECK(values(ops::sum(random_tensor({0, 3}), {0})) == std::vector<double>{0, 0, 0});
  CHECK(values(ops::prod(random_tensor({2, 0}), {-1})) == std::vector<double>{1, 1});
  CHECK(ops::sum(random_tensor({3, 0}), {0}).shape() == Shape{0});
  CHECK_THROWS_AS(ops::max(random_tensor({0, 3}), {0}), ValueError);
  CHECK_THROWS_AS(ops::sum(x, {2}), ValueError);
  CHECK_THROWS_AS(ops::sum(x, {0, -2}), ValueError);
  CHECK(std::isnan(values(ops::mean(random_tensor({0})))[0]));
}

TEST_CASE("integers and bool are summed as int64, means are floating-point") {
  const Tensor b = tensor({4}, {1, 0, 1, 1}, DType::boolean);
  CHECK(ops::sum(b).dtype() == DType::i64);
  CHECK(values(ops::sum(b)) == std::vector<double>{3});
  CHECK(ops::sum(tensor({2}, {2e9, 2e9}, DType::i32)).dtype() == DType::i64);
  CHECK(values(ops::sum(tensor({2}, {2e9, 2e9}, DType::i32))) == std::vector<double>{4e9});
  CHECK(ops::max(b).dtype() == DType::boolean);
  CHECK(ops::max(random_tensor({3}, DType::bf16)).dtype() == DType::bf16);
  CHECK(ops::mean(b).dtype() == DType::f32);
  CHECK(values(ops::mean(b)) == std::vector<double>{0.75});
  CHECK(ops::mean(random_tensor({3}, DType::f64)).dtype() == DType::f64);
  CHECK(values(ops::mean(tensor({2, 2}, {1, 2, 3, 5}), {0})) == std::vector<double>{2, 3.5});
}

TEST_CASE("long reductions are accurate and do not depend on threads") {
  for (const Shape& shape : {Shape{1000003}, Shape{100003, 7}, Shape{40, 5000}, Shape{3, 70001}}) {
    const Tensor x = ops::add(random_tensor(shape, DType::f32), tensor({}, {1}, DType::f32));
    for (const Dims& axes : subsets(shape.rank())) {
      const Tensor expected = folded(x, axes, kFolds[0]);
      check_elements(
          ops::sum(x, axes, true), expected.shape(), [&](const Dims& i) { return at(expected, i); },
          2e-6);
      check_thread_independent([&] { return ops::sum(x, axes); });
    }
    const Tensor top = folded(x, {0}, kFolds[2]);
    check_elements(
        ops::max(x, {0}, true), top.shape(), [&](const Dims& i) { return at(top, i); }, 0);
  }
}

TEST_CASE("argmax and argmin give the first extreme element along any axis") {
  const Tensor x = tensor({2, 3}, {1, 5, 5, 7, 2, 2});
  CHECK(values(ops::argmax(x, 1)) == std::vector<double>{1, 0});
  CHECK(values(ops::argmin(x, 1)) == std::vector<double>{0, 1});
  CHECK(values(ops::argmax(x, 0)) == std::vector<double>{1, 0, 0});
  CHECK(ops::argmax(x, 0).dtype() == DType::i64);
  CHECK(ops::argmax(x, -1, true).shape() == Shape{2, 1});
  CHECK(values(ops::argmax(tensor({3}, {0, 1, 1}, DType::boolean), 0)) == std::vector<double>{1});
  const Tensor y = random_tensor({4, 5, 6}, DType::f32);
  for (const int axis : {0, 1, 2}) {
    const Tensor best = ops::max(y, {axis});
    const Tensor where = ops::argmax(y, axis);
    check_elements(best, where.shape(), [&](const Dims& i) {
      Dims from = i;
      from.insert(axis, static_cast<std::int64_t>(at(where, i)));
      return at(y, from);
    });
  }
  CHECK_THROWS_AS(ops::argmax(random_tensor({3, 0}), 1), ValueError);
  CHECK_THROWS_AS(ops::argmax(x, 2), ValueError);
}

TEST_CASE("softmax, log_softmax and logsumexp along any axis") {
  const Tensor x = ops::multiply(random_tensor({4, 7, 3}), tensor({}, {30}));
  for (const int axis : {0, 1, 2}) {
    const Tensor highest = ops::max(x, {axis}, true);
    const Tensor e = ops::exp(ops::subtract(x, highest));
    const Tensor total = ops::sum(e, {axis}, true);
    const Tensor log_total = ops::add(ops::log(total), highest);
    check_same(ops::softmax(x, axis), ops::divide(e, total), 1e-13);
    check_same(ops::log_softmax(x, axis), ops::subtract(x, log_total), 1e-12);
    check_same(ops::logsumexp(x, axis, true), log_total, 1e-12);
    check_same(ops::logsumexp(x, axis - 3), ops::squeeze(log_total, axis), 1e-12);
  }
  CHECK(ops::softmax(random_tensor({2, 0}, DType::f32)).shape() == Shape{2, 0});
  CHECK(ops::softmax(random_tensor({2, 2}, DType::bf16)).dtype() == DType::bf16);
  CHECK(ops::softmax(random_tensor({2, 2}, DType::i32)).dtype() == DType::f32);
  CHECK_THROWS_AS(ops::logsumexp(random_tensor({2, 0})), ValueError);
  CHECK_THROWS_AS(ops::softmax(tensor({}, {1})), ValueError);
}

TEST_CASE("random tensors: one seed, one sequence, whatever the threads") {
  set_generator({7, 0});
  const Tensor first = ops::random_uniform({100003}, -2, 3, DType::f32);
  const Tensor second = ops::random_uniform({100003}, -2, 3, DType::f32);
  CHECK(values(first) != values(second));
  const auto drawn = values(first);
  CHECK(*std::min_element(drawn.begin(), drawn.end()) >= -2);
  CHECK(*std::max_element(drawn.begin(), drawn.end()) <= 3);
  CHECK(values(ops::mean(first))[0] == doctest::Approx(0.5).epsilon(0.02));
  check_thread_independent([] {
    set_generator({7, 0});
    return ops::random_uniform({100003}, -2, 3, DType::f32);
  });
  check_thread_independent([] {
    set_generator({7, 1});
    return ops::random_normal({50, 1001}, 1, 2, DType::f64);
  });
  set_generator({7, 0});
  CHECK(values(ops::random_uniform({100003}, -2, 3, DType::f32)) == drawn);

  const Tensor normal = ops::random_normal({200000}, 1, 2, DType::f64);
  const Tensor deviation = ops::subtract(normal, tensor({}, {1}));
  CHECK(values(ops::mean(deviation))[0] == doctest::Approx(0).epsilon(0.02));
  CHECK(values(ops::mean(ops::square(deviation)))[0] == doctest::Approx(4).epsilon(0.02));
  CHECK(ops::random_normal({3}, 0, 1, DType::bf16).dtype() == DType::bf16);
  CHECK(ops::random_uniform({0, 3}, 0, 1, DType::f32).size() == 0);
  CHECK_THROWS_AS(ops::random_uniform({3}, 1, 0, DType::f32), ValueError);
  CHECK_THROWS_AS(ops::random_normal({3}, 0, -1, DType::f32), ValueError);
  CHECK_THROWS_AS(ops::random_normal({-3}, 0, 1, DType::f32), ValueError);
  CHECK_THROWS_AS(ops::random_uniform({3}, 0, 1, DType::i32), TypeError);
}

TEST_CASE("outside code reads contiguous inputs and writes its outputs") {
  auto function = std::make_shared<HostFunction>();
  function->name = "double";
  function->outputs = {{DType::f64, {3, 2}}};
  function->call = [](std::span<const View> in, std::span<const View> out) {
    CHECK(in[0].contiguous());
    for (std::int64_t i = 0; i < in[0].size(); ++i)
      out[0].as<double>()[i] = 2 * in[0].as<double>()[i];
  };
  const Tensor x = ops::transpose(random_tensor({2, 3}));
  const Tensor inputs[] = {x};
  check_same(ops::host_call(function, inputs)[0], ops::add(x, x));
}
