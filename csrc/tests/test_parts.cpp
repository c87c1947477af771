// Passes about parts of tensors: slices whose gradients lie side by side, rows that are kept apart.
#include <doctest/doctest.h>

#include <cmath>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/passes.h"

using namespace pynn;

namespace {

Array wave(const Shape& shape, double phase) {
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.size(); ++i)
    a.as<double>()[i] = std::sin(phase + 1.7 * static_cast<double>(i));
  return a;
}

Tensor columns(const Tensor& x, std::int64_t begin, std::int64_t end) {
  return ops::slice(x, {0, begin}, {x.shape()[0], end}, {1, 1});
}

std::string listing(const Executable& e) {
  std::string text;
  for (const std::string& line : e.launches()) text += line + '\n';
  return text;
}

// sum(w tanh(a) b) of the columns a and b of x, whose shares are `left` and the rest.
std::unique_ptr<Executable> gradient_of_columns(const Array& x, std::int64_t left,
                                                std::int64_t right) {
  const auto recorder = std::make_shared<ProgramRecorder>();
  const ProgramRecorder::Scope scope(*recorder);
  const Tensor in = recorder->symbol(x);
  const Tensor a = columns(in, 0, left), b = columns(in, right, x.shape[1]);
  const Tensor y = ops::add(ops::sum(ops::tanh(a), {}), ops::sum(ops::square(b), {}));
  const Tensor sources[] = {in};
  const std::vector<Tensor> d = recorder->gradient(y, Tensor(), sources);
  return std::make_unique<Executable>(recorder->finish(d));
}

void check_gradient(const Executable& e, const Array& x, std::int64_t left, std::int64_t right) {
  const double* d = e.output(0).as<double>();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t column = i % x.shape[1];
    const double v = x.as<double>()[i], t = std::tanh(v);
    const double expected = (column < left ? 1 - t * t : 0) + (column >= right ? 2 * v : 0);
    CHECK(d[i] == doctest::Approx(expected).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("gradients of slices that fill the whole are put side by side") {
  const Array x = wave({7, 9}, 0.3);
  const auto e = gradient_of_columns(x, 4, 4);
  CHECK(listing(*e).find("pad") == std::string::npos);
  CHECK(listing(*e).find("concatenate") != std::string::npos);
  e->run({});
  check_gradient(*e, x, 4, 4);
}

TEST_CASE("gradients of slices that overlap or leave a gap are added up") {
  const Array x = wave({7, 9}, 0.3);
  for (const std::int64_t right : {2, 6}) {
    const auto e = gradient_of_columns(x, 4, right);
    CHECK(listing(*e).find("pad") != std::string::npos);
    e->run({});
    check_gradient(*e, x, 4, right);
  }
}

TEST_CASE("a program's rows can be cut where its steps keep them apart") {
  const Array w = wave({3, 4}, 0.1), row = wave({1, 4}, 0.2);
  const auto axes = [&](auto body) {
    const auto recorder = std::make_shared<ProgramRecorder>();
    const ProgramRecorder::Scope scope(*recorder);
    const Tensor x = recorder->input({DType::f64, {5, 3}});
    const Program program = recorder->finish(std::vector<Tensor>{body(x)});
    const char batched[] = {1};
    const RowSteps found = row_steps(program, 5, batched);
    return found.all ? found.axes[static_cast<std::size_t>(program.outputs[0])] : -2;
  };
  const auto product = [&](const Tensor& x) { return ops::add(ops::matmul(x, w), row); };
  CHECK(axes(product) == 0);
  CHECK(axes([&](const Tensor& x) { return ops::softmax(columns(product(x), 1, 3)); }) == 0);
  CHECK(axes([&](const Tensor& x) { return ops::sum(x, {1}); }) == 0);
  CHECK(axes([&](const Tensor& x) { return ops::exp(ops::swap_last(x)); }) == 1);
  CHECK(axes([&](const Tensor& x) { return ops::sum(x, {0}); }) == -2);
  CHECK(axes([&](const Tensor& x) { return ops::matmul(ops::swap_last(x), x); }) == -2);
  CHECK(axes([&](const Tensor& x) {
          return ops::slice(x, {4, 0}, {-1, 3}, {-1, 1});  // the rows from the last to the first
        }) == -2);
  CHECK(axes([&](const Tensor& x) { return ops::random_uniform(x.shape(), 0, 1, DType::f64); }) ==
        -2);
}
