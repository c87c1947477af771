// Passes that change what is computed, against the program that they may not touch because it gives
// away what is in between.
#include <algorithm>
#include <cstring>
#include <string>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/program.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

using Recorded = std::vector<Tensor> (*)(ProgramRecorder&, std::span<const Tensor>);

struct Compiled {
  std::shared_ptr<Executable> run;
  std::vector<Tensor> outputs;

  // Of `count` outputs the first, so that a program with more of them can be compared.
  Compiled(const std::vector<Tensor>& captures, Recorded body, std::size_t count) {
    const auto recorder = std::make_shared<ProgramRecorder>();
    const ProgramRecorder::Scope scope(*recorder);
    std::vector<Tensor> found = body(*recorder, captures);
    found.resize(std::min(count, found.size()));
    run = std::make_shared<Executable>(recorder->finish(found));
    run->run({});
    for (std::size_t i = 0; i < found.size(); ++i) outputs.emplace_back(Array(run->output(i), run));
  }
  bool launches(const std::string& name) const {
    for (const std::string& line : run->launches())
      if (line.starts_with(name + ' ')) return true;
    return false;
  }
};

void check_equal(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  for_each_index(a.shape(), [&](const Dims& i) {
    CHECK(at(a, i) == doctest::Approx(at(b, i)).epsilon(1e-5));
  });
}

// Three gradients of what is pooled, then the images before the pool.
std::vector<Tensor> pooled(ProgramRecorder& recorder, std::span<const Tensor> t) {
  const Tensor image = ops::relu(
      ops::add(ops::conv(t[0], t[1], ops::ConvOptions{{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1}), t[2]));
  const Tensor y = ops::max_pool(image, {{2, 2}, {2, 2}, {0, 0}, {0, 0}});
  std::vector<Tensor> out =
      recorder.gradient(ops::sum(ops::multiply(y, y)), Tensor(), {{t[0], t[1], t[2]}});
  out.push_back(y);
  out.push_back(image);
  return out;
}

}  // namespace

TEST_CASE("images before a pool are not stored, and gradients go through the winners") {
  const std::vector<Tensor> t{random_tensor({3, 8, 6, 2}, DType::f32, 1),
                              random_tensor({3, 3, 2, 16}, DType::f32, 2),
                              random_tensor({16}, DType::f32, 3)};
  const Compiled narrow(t, pooled, 4), whole(t, pooled, 5);
  CHECK(narrow.launches("conv_pooled"));
  CHECK(narrow.launches("conv_kernel_unpooling"));
  CHECK_FALSE(whole.launches("conv_pooled"));
  for (std::size_t i = 0; i < 4; ++i) check_equal(narrow.outputs[i], whole.outputs[i]);
}

TEST_CASE("a store behind a scatter writes the rows that it touches") {
  const Tensor indices = ops::cast(tensor({5}, {3, 60, 3, -1, 0}), DType::i64);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto step = [](ProgramRecorder& recorder, std::span<const Tensor> t) {
      const Tensor rows = ops::take(t[0], t[1], 0);
      const Tensor gradient =
          recorder.gradient(ops::sum(ops::multiply(rows, rows)), Tensor(), {{t[0]}})[0];
      const Tensor rate = ops::scalar(0.25, t[0].dtype());
      recorder.assign(t[0], ops::subtract(t[0], ops::multiply(rate, gradient)));
      return std::vector<Tensor>{rows, gradient};
    };
    const Tensor first = random_tensor({64, 7}, dtype);
    const Tensor a = ops::copy(first), b = ops::copy(first);
    const Compiled narrow({a, indices}, step, 1), whole({b, indices}, step, 2);
    CHECK(narrow.launches("sum_equal"));
    CHECK(whole.launches("scatter_add"));
    REQUIRE(narrow.run->written().size() == 1);
    CHECK(narrow.run->written()[0].data == a.array().data);
    check_equal(narrow.outputs[0], whole.outputs[0]);
    for_each_index(first.shape(), [&](const Dims& i) { CHECK(at(a, i) == at(b, i)); });
    CHECK(at(a, {60, 2}) == doctest::Approx(0.5 * at(first, {60, 2})));
    CHECK(at(a, {3, 2}) == doctest::Approx(0));
    CHECK(at(a, {4, 2}) == at(first, {4, 2}));
  }
}

TEST_CASE("a few rows meet a weight that is updated in halves, one for each thread's rows of it") {
  struct Case {
    std::int64_t m, k, n;
    bool updated, halved;
  };
  for (const Case c :
       {Case{32, 512, 64, true, true}, Case{1, 784, 256, true, true}, Case{96, 384, 10, true, true},
        Case{32, 512, 64, false, false}, Case{200, 512, 64, true, false},
        Case{32, 513, 64, true, false}, Case{32, 128, 64, true, false},
        Case{2, 512, 64, true, false}, Case{32, 2048, 512, true, false}}) {
    CAPTURE(c.m);
    CAPTURE(c.k);
    CAPTURE(c.updated);
    const Tensor x = random_tensor({c.m, c.k}, DType::f32, 1),
                 w = random_tensor({c.k, c.n}, DType::f32, 2),
                 b = random_tensor({c.n}, DType::f32, 3);
    const auto layer = [&](const Tensor& in, kernels::Activation f, double alpha) {
      return ops::dense(in, w, b, f, alpha);
    };
    const Tensor expected[] = {ops::copy(layer(x, kernels::Activation::leaky_relu, 0.3)),
                               ops::copy(ops::matmul(x, w))};
    const auto recorder = std::make_shared<ProgramRecorder>();
    const ProgramRecorder::Scope scope(*recorder);
    const Tensor in = recorder->input({DType::f32, {c.m, c.k}});
    const std::vector<Tensor> outputs = {layer(in, kernels::Activation::leaky_relu, 0.3),
                                         ops::matmul(in, w)};
    if (c.updated) recorder->assign(w, ops::multiply(w, ops::scalar(0.5, DType::f32)));
    const auto run = std::make_shared<Executable>(recorder->finish(outputs));
    const std::string left = " (2, " + std::to_string(c.m) + ", " + std::to_string(c.k / 2) + ") ";
    const bool halved =
        std::any_of(run->launches().begin(), run->launches().end(),
                    [&](const std::string& line) { return line.find(left) != std::string::npos; });
    CHECK(halved == c.halved);
    std::memcpy(run->input(0).data, x.array().data, x.array().bytes());
    run->run({});
    for (std::size_t i = 0; i < 2; ++i)
      for_each_index(expected[i].shape(), [&](const Dims& index) {
        const double y = at(Tensor(Array(run->output(i), run)), index);
        CHECK(y == doctest::Approx(at(expected[i], index)).epsilon(1e-4));
      });
  }
}
