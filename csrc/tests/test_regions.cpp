// Regions: steps that run for some rows at a time, or side by side, give what they give alone.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/passes.h"
#include "program/program.h"
#include "runtime/thread_pool.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

struct Recorded {
  Program program;
  std::shared_ptr<Executable> run() const { return std::make_shared<Executable>(program); }
  // As a loop runs it: without regions.
  std::shared_ptr<Executable> alone() const {
    static const std::int64_t first = 0;
    return std::make_shared<Executable>(program, Executable::Captures::variable,
                                        BatchRows{{}, 0, 0, &first});
  }
};

template <class Body>
Recorded record(const Shape& shape, const Body& body) {
  const auto recorder = std::make_shared<ProgramRecorder>();
  const ProgramRecorder::Scope scope(*recorder);
  return {recorder->finish(body(recorder->input({DType::f32, shape})))};
}

void fill(Executable& e, std::size_t input, const Tensor& values) {
  std::memcpy(e.input(input).data, values.array().data, values.array().bytes());
}

bool same(const View& a, const View& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data, b.data, a.bytes()) == 0;
}

// Both give the same bits, again and again.
void check_same(Executable& run, Executable& alone, const Tensor& x) {
  fill(alone, 0, x);
  alone.run({});
  for (int replay = 0; replay < 3; ++replay) {
    fill(run, 0, x);
    run.run({});
    for (std::size_t i = 0; i < run.output_count(); ++i)
      CHECK(same(run.output(i), alone.output(i)));
  }
}

int count(const Executable& e, const std::string& name) {
  int found = 0;
  for (const std::string& line : e.launches()) found += line.find(name) != std::string::npos;
  return found;
}

}  // namespace

TEST_CASE("rows go through all steps that keep them apart in one launch") {
  const Threads threads(3);
  const Tensor w = random_tensor({40, 64}, DType::f32, 1),
               v = random_tensor({64, 48}, DType::f32, 2);
  const Tensor bias = random_tensor({64}, DType::f32, 3);
  for (const std::int64_t rows : {64, 101, 1000}) {
    CAPTURE(rows);
    const Tensor x = random_tensor({rows, 40}, DType::f32, 4);
    const auto body = [&](const Tensor& in) {
      const Tensor h = ops::tanh(ops::add(ops::matmul(in, w), bias));
      const Tensor y = ops::log_softmax(ops::matmul(h, v));
      const Tensor centred = ops::subtract(y, ops::mean(y, {0}));  // mixes rows
      return std::vector<Tensor>{ops::exp(ops::matmul(centred, ops::swap_last(v))), y};
    };
    const Recorded recorded = record({rows, 40}, body);
    const auto run = recorded.run(), alone = recorded.alone();
    CHECK(count(*run, " | ") >= 1);
    CHECK(count(*alone, " | ") == 0);
    check_same(*run, *alone, x);
  }
}

TEST_CASE("independent updates run side by side, dependent steps in order") {
  const Threads threads(2);
  const Tensor x = random_tensor({48, 90}, DType::f32, 1);
  std::vector<Tensor> weights;
  for (unsigned i = 0; i < 5; ++i) weights.push_back(random_tensor({90, 64}, DType::f32, 10 + i));
  const auto body = [&](const Tensor& in) {
    std::vector<Tensor> out;
    for (const Tensor& w : weights) {
      const Tensor g = ops::matmul(ops::swap_last(in), ops::matmul(in, w));
      out.push_back(ops::subtract(w, ops::multiply(g, ops::square(g))));
      out.push_back(ops::sum(out.back(), {0}));
    }
    return out;
  };
  const Recorded recorded = record({48, 90}, body);
  const auto run = recorded.run(), alone = recorded.alone();
  CHECK(run->step_count() < alone->step_count());
  CHECK(count(*run, "sum (90, 64)") == 1);  // all of them in one launch
  check_same(*run, *alone, x);
}

TEST_CASE("what is too small for a second thread stays as it is") {
  const Threads threads(2);
  const auto body = [](const Tensor& x) {
    return std::vector<Tensor>{ops::softmax(ops::softmax(x))};
  };
  CHECK(count(*record({16, 4}, body).run(), " | ") == 0);
}
