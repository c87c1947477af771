// Chains in machine code against the kernels of their rows, one after another: the same bits.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "ops/chain.h"
#include "ops/chain_plan.h"
#include "ops/product.h"

using namespace pynn;

namespace {

template <class T>
constexpr DType kType = sizeof(T) == 8 ? DType::f64 : DType::f32;

template <class T>
View view(std::vector<T>& values, const Shape& shape) {
  return {values.data(), kType<T>, shape, contiguous_strides(shape)};
}

// With what formulas treat apart: zeros of both signs, infinities, NaN.
template <class T>
std::vector<T> numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> x(n);
  for (T& v : x) v = static_cast<T>(normal(random));
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const T odd[] = {
      0, static_cast<T>(-0.0), kInfinity, -kInfinity, std::numeric_limits<T>::quiet_NaN(), 1};
  for (std::size_t i = 0; i < n; i += 5) x[i] = odd[random() % std::size(odd)];
  return x;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(a[i] != a[i] && b[i] != b[i])) return false;
  return a.size() == b.size();
}

// y = row(a, b) by the row's kernel.
template <class T>
std::vector<T> by_kernel(const std::string& row, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> y(a.size());
  const void* in[] = {a.data(), b.data(), b.data()};
  const double none[2] = {};
  kernels::table().pointwise[static_cast<std::size_t>(op(row).pointwise)][index(kType<T>)](
      a.size(), y.data(), in, none);
  return y;
}

const char* const kRows[] = {"add",       "subtract",     "multiply",   "divide", "maximum",
                             "sqrt",      "minimum",      "square",     "rsqrt",  "reciprocal",
                             "abs",       "negative",     "sign",       "relu",   "relu_grad",
                             "tanh_grad", "sigmoid_grad", "square_grad"};

bool has_code() { return kernels::Assembler::knows(kernels::table().vector_bytes); }

// m = m s + row(g, x), x = x m: both stored in place, g handed over by a product or in memory.
template <class T>
struct Update {
  std::string row;
  Shape shape;
  std::vector<T> g, m, x, s = {static_cast<T>(0.7)};
  Attrs attrs;

  Update(std::string name, const Shape& of) : row(std::move(name)), shape(of) {
    const auto n = static_cast<std::size_t>(element_count(shape));
    g = numbers<T>(n, 1);
    m = numbers<T>(n, 2);
    x = numbers<T>(n, 3);
  }
  ChainSpec spec(bool product) {
    ChainSpec c;
    c.shape = shape;
    c.product = product ? 0 : -1;
    c.sources = {view(g, shape), view(m, shape), view(x, shape), view(s, {})};
    if (product) c.sources[0].data = nullptr;
    const int second = op(row).arity == 1 ? 0 : 2;
    c.nodes = {{&op("multiply"), &attrs, {1, 3, 3}},
               {&op(row), &attrs, {0, second, second}},
               {&op("add"), &attrs, {4, 5, 5}},
               {&op("multiply"), &attrs, {2, 6, 6}}};
    c.sinks = {{6, view(m, shape)}, {7, view(x, shape)}};
    return c;
  }
  Update expected() const {
    Update e = *this;
    const std::vector<T> factor(g.size(), s[0]);
    e.m = by_kernel<T>("add", by_kernel<T>("multiply", m, factor), by_kernel<T>(row, g, x));
    e.x = by_kernel<T>("multiply", x, e.m);
    return e;
  }
};

template <class T>
void check_rows() {
  for (const std::string row : kRows) {
    CAPTURE(row);
    for (const std::int64_t n : {129, 1000, 5003}) {
      CAPTURE(n);
      Update<T> u(row, {n});
      const Update<T> expected = u.expected();
      prepare_chain(u.spec(false))(RunState{});
      CHECK(same(u.m, expected.m));
      CHECK(same(u.x, expected.x));
    }
    // Blocks of a matrix, of any width.
    Update<T> u(row, {11, 37});
    const Update<T> expected = u.expected();
    const auto consumer = prepare_consumer(u.spec(true));
    CHECK((dynamic_cast<const chains::Chain&>(*consumer).loop != nullptr) == has_code());
    for (const auto& [left, columns] : {std::pair<std::int64_t, std::int64_t>{0, 16}, {16, 21}}) {
      for (const auto& [top, rows] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 7}}) {
        View block = view(u.g, u.shape);
        block.data = u.g.data() + top * 37 + left;
        block.shape = {rows, columns};
        consumer->consume({top, rows, left, columns}, block);
      }
    }
    CHECK(same(u.m, expected.m));
    CHECK(same(u.x, expected.x));
  }
}

}  // namespace

TEST_CASE("chains in machine code compute what the kernels of their rows compute") {
  check_rows<float>();
  check_rows<double>();
}

TEST_CASE("a chain tells which runs it reads beside a block of whole rows") {
  Update<float> u("relu_grad", {11, 37});
  const auto consumer = prepare_consumer(u.spec(true));
  const kernels::Ahead ahead = consumer->reads({4, 7, 0, 37});
  REQUIRE(ahead.count == 2);  // each once, though it is also written
  for (int i = 0; i < 2; ++i) CHECK(ahead.runs[i].bytes == 7 * 37 * 4);
  CHECK(ahead.runs[0].data == reinterpret_cast<const char*>(u.m.data() + 4 * 37));
  CHECK(ahead.runs[1].data == reinterpret_cast<const char*>(u.x.data() + 4 * 37));
  CHECK(consumer->reads({4, 7, 16, 21}).count == 0);
}

TEST_CASE("a chain of too many values for the registers runs without machine code") {
  constexpr int kValues = 40;
  std::vector<float> x = numbers<float>(1000, 1), y(1000);
  Attrs attrs;
  ChainSpec c;
  c.shape = {1000};
  c.sources = {view(x, c.shape)};
  for (int i = 0; i < kValues; ++i) c.nodes.push_back({&op("square"), &attrs, {i, i, i}});
  // Each of them is read once more, after the last.
  int sum = kValues;
  for (int i = 0; i < kValues; ++i, ++sum) c.nodes.push_back({&op("add"), &attrs, {sum, i, i}});
  c.sinks = {{sum, view(y, c.shape)}};
  std::vector<std::vector<float>> values = {x};
  for (int i = 0; i < kValues; ++i)
    values.push_back(by_kernel<float>("square", values.back(), values.back()));
  std::vector<float> expected = values.back();
  for (int i = 0; i < kValues; ++i)
    expected = by_kernel<float>("add", expected, values[static_cast<std::size_t>(i)]);
  prepare_chain(c)(RunState{});
  CHECK(same(y, expected));
}
