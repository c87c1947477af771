// Loops as steps: values and gradients against the same steps written out.
#include "ops/ops.h"
#include "program/body.h"
#include "program/executable.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

// carry, row -> tanh(carry w + row), the same squared.
std::pair<Tensor, Tensor> turn(const Tensor& carry, const Tensor& row, const Tensor& w) {
  const Tensor next = ops::tanh(ops::add(ops::matmul(carry, w), row));
  return {next, ops::multiply(next, next)};
}

Tensor row_of(const Tensor& xs, std::int64_t i) {
  return ops::squeeze(ops::slice(xs, {i, 0, 0}, {i + 1, xs.shape()[1], xs.shape()[2]}, {1, 1, 1}),
                      0);
}

// first, xs (length, batch, width), w -> the last carry, the stacked squares.
std::vector<Tensor> looped(std::span<const Tensor> t, bool reverse) {
  const auto body = std::make_shared<ProgramRecorder>(ProgramRecorder::Kind::body);
  std::vector<Tensor> outputs;
  {
    const ProgramRecorder::Scope scope(*body);
    const Tensor carry = body->input(t[0].type());
    const Tensor row = body->input(t[0].type());
    const auto [next, square] = turn(carry, row, t[2]);
    outputs = {next, square};
  }
  return ops::scan(make_body(*body, outputs), {&t[0], 1}, {&t[1], 1}, body->closures(),
                   t[1].shape()[0], reverse);
}

std::vector<Tensor> unrolled(std::span<const Tensor> t, bool reverse) {
  const std::int64_t length = t[1].shape()[0];
  Tensor carry = t[0];
  std::vector<Tensor> squares(static_cast<std::size_t>(length));
  for (std::int64_t k = 0; k < length; ++k) {
    const std::int64_t i = reverse ? length - 1 - k : k;
    const auto [next, square] = turn(carry, row_of(t[1], i), t[2]);
    carry = next;
    squares[static_cast<std::size_t>(i)] = square;
  }
  return {carry, ops::stack(squares, 0)};
}

template <class Make>
std::vector<Tensor> with_gradients(const std::vector<Tensor>& t, Make make, bool reverse) {
  const auto recorder = std::make_shared<ProgramRecorder>();
  const ProgramRecorder::Scope scope(*recorder);
  std::vector<Tensor> out = make(t, reverse);
  const Tensor loss = ops::add(ops::sum(ops::multiply(out[1], out[1])), ops::sum(out[0]));
  for (const Tensor& g : recorder->gradient(loss, Tensor(), t)) out.push_back(g);
  const auto run = std::make_shared<Executable>(recorder->finish(out));
  run->run({});
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = Tensor(Array(run->output(i), run));
  return out;
}

}  // namespace

TEST_CASE("a scan computes what its turns written out compute, and so does its gradient") {
  const std::vector<Tensor> t{random_tensor({2, 3}, DType::f64, 1),
                              random_tensor({5, 2, 3}, DType::f64, 2),
                              random_tensor({3, 3}, DType::f64, 3)};
  for (const bool reverse : {false, true}) {
    const std::vector<Tensor> a = with_gradients(t, looped, reverse),
                              b = with_gradients(t, unrolled, reverse);
    REQUIRE(a.size() == 5);
    for (std::size_t k = 0; k < a.size(); ++k)
      for_each_index(a[k].shape(), [&](const Dims& i) {
        CHECK(at(a[k], i) == doctest::Approx(at(b[k], i)).epsilon(1e-12));
      });
  }
}

TEST_CASE("a conditional scan ends with its condition, and its other rows are zero") {
  const auto body = std::make_shared<ProgramRecorder>(ProgramRecorder::Kind::body);
  std::vector<Tensor> outputs;
  {
    const ProgramRecorder::Scope scope(*body);
    body->input({DType::boolean, {}});
    const Tensor count = body->input({DType::i64, {}}), x = body->input({DType::f64, {}});
    const Tensor twice = ops::add(x, x);
    outputs = {ops::less(twice, ops::scalar(10, DType::f64)),
               ops::add(count, ops::scalar(1, DType::i64)), twice, twice};
  }
  const std::vector<Tensor> first{ops::scalar(1, DType::boolean), ops::scalar(0, DType::i64),
                                  ops::scalar(1, DType::f64)};
  const std::vector<Tensor> out =
      ops::scan(make_body(*body, outputs), first, {}, body->closures(), 6, false, true);
  CHECK(out[1].array().as<std::int64_t>()[0] == 4);
  CHECK(at(out[2], {}) == 16);
  const double expected[] = {2, 4, 8, 16, 0, 0};
  for (std::int64_t i = 0; i < 6; ++i) CHECK(at(out[3], {i}) == expected[i]);
}
