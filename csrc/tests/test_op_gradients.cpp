// Gradients that ops emit against central differences in float64.
#include "program/executable.h"
#include "program/program.h"
#include "tests/tensors.h"

using namespace pynn;
using namespace pynn::tests;

namespace {

using Function = std::function<Tensor(std::span<const Tensor>)>;

// Replays `f` on the values of `inputs`.
std::vector<Tensor> replay(
    const std::vector<Tensor>& inputs,
    const std::function<std::vector<Tensor>(ProgramRecorder&, std::span<const Tensor>)>& f) {
  auto recorder = std::make_shared<ProgramRecorder>();
  std::vector<Tensor> symbols;
  for (const Tensor& x : inputs) symbols.push_back(recorder->input(x.type()));
  std::vector<Tensor> results;
  {
    const ProgramRecorder::Scope scope(*recorder);
    results = f(*recorder, symbols);
  }
  Executable executable(recorder->finish(results));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto v = values(inputs[i]);
    std::copy(v.begin(), v.end(), executable.input(i).as<double>());
  }
  executable.run({});
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < results.size(); ++i)
    out.push_back(ops::copy(Tensor(Array(executable.output(i), std::make_shared<int>()))));
  return out;
}

// A fixed weight for each element of f's result, so that no gradient cancels.
Tensor weighted(const Tensor& y) {
  return ops::sum(ops::multiply(y, random_tensor(y.shape(), DType::f64, 99)));
}

// The gradient of `target` at each of x; zeros where there is none.
std::vector<Tensor> emit_gradients(ProgramRecorder& recorder, const Tensor& target,
                                   std::span<const Tensor> x) {
  std::vector<Tensor> out = recorder.gradient(target, Tensor(), x);
  for (std::size_t i = 0; i < out.size(); ++i)
    if (!out[i].defined()) out[i] = ops::zeros_like(x[i]);
  return out;
}

std::vector<Tensor> gradients(const Function& f, const std::vector<Tensor>& inputs) {
  return replay(inputs, [&](ProgramRecorder& recorder, std::span<const Tensor> x) {
    return emit_gradients(recorder, weighted(f(x)), x);
  });
}

void check_against_differences(const Function& f, const std::vector<Tensor>& inputs,
                               const std::vector<Tensor>& analytic) {
  constexpr double step = 1e-5;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    CAPTURE(k);
    const auto shifted = [&](std::size_t i, double by) {
      std::vector<double> v = values(inputs[k]);
      v[i] += by;
      std::vector<Tensor> moved = inputs;
      moved[k] = tensor(inputs[k].shape(), v);
      return values(weighted(f(moved)))[0];
    };
    const std::vector<double> slopes = values(analytic[k]);
    REQUIRE(analytic[k].shape() == inputs[k].shape());
    double worst = 0;
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      const double numeric = (shifted(i, step) - shifted(i, -step)) / (2 * step);
      const double error = std::abs(slopes[i] - numeric) / std::max(1.0, std::abs(numeric));
      worst = std::max(worst, std::isnan(error) ? HUGE_VAL : error);
    }
    CHECK(worst < 1e-8);
  }
}

// The gradient of f, and with `twice` the gradient of that gradient.
void check_gradient(const Function& f, const std::vector<Tensor>& inputs, bool twice = false) {
  check_against_differences(f, inputs, gradients(f, inputs));
  if (!twice) return;
  const auto seconds = replay(inputs, [&](ProgramRecorder& recorder, std::span<const Tensor> x) {
    const Tensor first = weighted(recorder.gradient(weighted(f(x)), Tensor(), x)[0]);
    return emit_gradients(recorder, first, x);
  });
  check_against_differences(
      [&](std::span<const Tensor> x) {
        return gradients(f, std::vector<Tensor>(x.begin(), x.end()))[0];
      },
      inputs, seconds);
}

}  // namespace

TEST_CASE("gradients of products") {
  const Function matmul = [](auto x) { return ops::matmul(x[0], x[1]); };
  check_gradient(matmul, {random_tensor({3, 4}), random_tensor({4, 5})}, true);
  check_gradient(matmul, {random_tensor({4}), random_tensor({4, 5})});
  check_gradient(matmul, {random_tensor({3, 4}), random_tensor({4})});
  check_gradient(matmul, {random_tensor({4}), random_tensor({4}, DType::f64, 2)});
  check_gradient(matmul, {random_tensor({2, 3, 4}), random_tensor({4, 5})});
  check_gradient(matmul, {random_tensor({3, 4}), random_tensor({2, 4, 5})});
  check_gradient(matmul, {random_tensor({2, 1, 3, 4}), random_tensor({3, 4, 2})});
  check_gradient([](auto x) { return ops::matmul(ops::swap_last(x[0]), ops::transpose(x[1])); },
                 {random_tensor({4, 3}), random_tensor({5, 4})});
}

TEST_CASE("gradients of dense for every activation") {
  using kernels::Activation;
  std::vector<Activation> all = {Activation::linear};
#define PYNN_ROW(name, ...) all.push_back(Activation::name);
  PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
  for (const Activation activation : all) {
    CAPTURE(static_cast<int>(activation));
    check_gradient([&](auto x) { return ops::dense(x[0], x[1], x[2], activation, 0.3); },
                   {random_tensor({3, 4}), random_tensor({4, 5}, DType::f64, 2),
                    random_tensor({5}, DType::f64, 3)});
  }
  check_gradient([](auto x) { return ops::dense(x[0], x[1], Tensor(), Activation::tanh); },
                 {random_tensor({2, 3, 4}), random_tensor({4, 5})});
}

TEST_CASE("gradients of reductions") {
  const Tensor x = random_tensor({3, 4, 2});
  for (const bool keepdims : {false, true})
    for (const Dims& axes : {Dims{}, Dims{1}, Dims{-1, 0}, Dims{0, 1}}) {
      check_gradient([&](auto t) { return ops::sum(t[0], axes, keepdims); }, {x});
      check_gradient([&](auto t) { return ops::mean(t[0], axes, keepdims); }, {x});
      check_gradient([&](auto t) { return ops::prod(t[0], axes, keepdims); }, {x}, true);
      check_gradient([&](auto t) { return ops::max(t[0], axes, keepdims); }, {x});
      check_gradient([&](auto t) { return ops::min(t[0], axes, keepdims); }, {x});
    }
}

TEST_CASE("gradients where a reduction has zeros or ties") {
  const Function prod = [](auto x) { return ops::prod(x[0], {1}); };
  check_gradient(prod, {tensor({3, 3}, {2, 0, 3, 0, 0, 4, 5, 6, 7})});
  const Function sum_of_max = [](auto x) { return ops::max(x[0]); };
  const Tensor seed = random_tensor({}, DType::f64, 99);  // what weighted() multiplies by
  const double half = values(seed)[0] / 2;
  CHECK(values(gradients(sum_of_max, {tensor({3}, {2, 1, 2})})[0]) ==
        std::vector<double>{half, 0, half});
}

TEST_CASE("gradients of softmax and its kin") {
  const Tensor x = random_tensor({3, 4, 2});
  for (const int axis : {0, 1, 2}) {
    check_gradient([&](auto t) { return ops::softmax(t[0], axis); }, {x}, true);
    check_gradient([&](auto t) { return ops::log_softmax(t[0], axis); }, {x}, true);
    check_gradient([&](auto t) { return ops::logsumexp(t[0], axis); }, {x}, true);
  }
}

TEST_CASE("gradients of views and movement") {
  const Tensor x = random_tensor({3, 4, 5});
  check_gradient([](auto t) { return ops::reshape(t[0], {6, 10}); }, {x});
  check_gradient([](auto t) { return ops::transpose(t[0], {2, 0, 1}); }, {x});
  check_gradient([](auto t) { return ops::swap_last(t[0]); }, {x});
  check_gradient([](auto t) { return ops::broadcast_to(t[0], {2, 3, 4, 5}); }, {x});
  check_gradient([](auto t) { return ops::broadcast_to(t[0], {4, 5}); }, {random_tensor({4, 1})});
  check_gradient([](auto t) { return ops::expand_dims(t[0], 1); }, {x});
  check_gradient([](auto t) { return ops::squeeze(t[0], 1); }, {random_tensor({3, 1, 2})});
  check_gradient([](auto t) { return ops::copy(ops::swap_last(t[0])); }, {x});
  check_gradient([](auto t) { return ops::slice(t[0], {1, 0, 0}, {3, 3, 5}, {1, 1, 3}); }, {x});
  check_gradient(
      [](auto t) {
        return ops::slice(t[0], {2, 3, 4}, {-1, 0, -1}, {-1, -2, -3});
      },
      {x}, true);
  check_gradient([](auto t) { return ops::slice(t[0], {0, 3, 0}, {3, 1, 5}, {1, 1, 1}); }, {x});
  check_gradient([](auto t) { return ops::pad(t[0], {1, 0, 2}, {0, 3, 1}, 5); }, {x}, true);
  check_gradient(
      [](auto t) {
        const Tensor parts[] = {t[0], ops::swap_last(t[1]), t[0]};
        return ops::concatenate(parts, 1);
      },
      {x, random_tensor({3, 5, 2})});
  check_gradient([](auto t) { return ops::sum_to(t[0], {4, 1}); }, {x});
}

TEST_CASE("gradients of indexing") {
  const Tensor x = random_tensor({4, 5, 3});
  const Tensor indices = tensor({2, 3}, {2, -1, 0, 2, 2, 1}, DType::i32);
  for (const int axis : {0, 1, 2})
    check_gradient([&](auto t) { return ops::take(t[0], indices, axis); }, {x}, true);
  const Tensor columns =
      tensor({4, 5}, {0, 1, 2, -1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0}, DType::i64);
  check_gradient([&](auto t) { return ops::take_along_last(t[0], columns); }, {x}, true);
}

TEST_CASE("gradients of pooling") {
  const ops::Windows lines{{3}, {2}, {1}, {1}}, images{{2, 3}, {2, 2}, {0, 1}, {1, 1}},
      volumes{{2, 2, 1}, {1, 2, 1}, {0, 0, 0}, {0, 1, 0}};
  const std::pair<Shape, ops::Windows> all[] = {
      {{2, 7, 3}, lines}, {{2, 5, 6, 2}, images}, {{1, 3, 4, 2, 2}, volumes}};
  for (const auto& [shape, windows] : all) {
    const Tensor x = random_tensor(shape);
    const Function maxima = [&w = windows](auto t) { return ops::max_pool(t[0], w); };
    const Function means = [&w = windows](auto t) { return ops::avg_pool(t[0], w); };
    check_gradient(maxima, {x});
    check_gradient(means, {x});
    check_gradient([&](auto t) { return ops::max_pool(ops::multiply(t[0], t[0]), windows); }, {x},
                   true);
    check_gradient(
        [&](auto t) {
          const Tensor y = ops::avg_pool(t[0], windows);
          return ops::multiply(y, y);
        },
        {x}, true);
  }
  // A window of more pixels than a byte counts.
  const ops::Windows large{{300}, {1}, {0}, {0}};
  check_gradient([&](auto t) { return ops::max_pool(t[0], large); }, {random_tensor({1, 301, 1})});
}

TEST_CASE("a random step draws anew at each replay, and the same for the same state") {
  auto recorder = std::make_shared<ProgramRecorder>();
  std::vector<Tensor> outputs;
  {
    const ProgramRecorder::Scope scope(*recorder);
    outputs = {ops::random_normal({64}, 0, 1, DType::f64),
               ops::random_normal({64}, 0, 1, DType::f64)};
  }
  Executable executable(recorder->finish(outputs));
  const auto drawn = [&](std::size_t output, RunState state) {
    executable.run(state);
    return values(Tensor(Array(executable.output(output), std::make_shared<int>())));
  };
  CHECK(drawn(0, {5, 0}) == drawn(0, {5, 0}));
  CHECK(drawn(0, {5, 0}) != drawn(0, {5, 1}));
  CHECK(drawn(0, {5, 0}) != drawn(0, {6, 0}));
  CHECK(drawn(0, {5, 0}) != drawn(1, {5, 0}));
}

TEST_CASE("outside code has the gradient that its backward computes") {
  auto backward = std::make_shared<HostFunction>();
  backward->name = "cube backward";
  backward->outputs = {{DType::f64, {3}}};
  backward->call = [](std::span<const View> in, std::span<const View> out) {
    for (int i = 0; i < 3; ++i) {  // x, y, dy -> dx
      const double x = in[0].as<double>()[i];
      out[0].as<double>()[i] = 3 * x * x * in[2].as<double>()[i];
    }
  };
  auto cube = std::make_shared<HostFunction>();
  cube->name = "cube";
  cube->outputs = {{DType::f64, {3}}};
  cube->call = [](std::span<const View> in, std::span<const View> out) {
    for (int i = 0; i < 3; ++i) {
      const double x = in[0].as<double>()[i];
      out[0].as<double>()[i] = x * x * x;
    }
  };
  const Function apply_cube = [&](std::span<const Tensor> x) { return ops::host_call(cube, x)[0]; };
  CHECK(message_of<RuntimeError>([&] { gradients(apply_cube, {random_tensor({3})}); }) ==
        "cube has no backward: its gradient is needed here");
  cube->backward = backward;
  check_gradient(apply_cube, {random_tensor({3})});
}
