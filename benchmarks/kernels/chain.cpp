// A notebook on chains of pointwise steps: Adam's update of one variable, recorded as an optimizer
// records it. Checks it against a loop in double, times it, prints its share of the bandwidth.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_chain && build/default/notebook_chain [isa]
#include <cstdlib>
#include <memory>

#include "notebook.h"
#include "ops/ops.h"
#include "program/executable.h"
#include "runtime/thread_pool.h"

namespace {

using pynn::Array;
using pynn::DType;
using pynn::Tensor;
namespace ops = pynn::ops;

constexpr double kRate = 1e-3, kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-7;

Array filled(std::int64_t n, double low, double high, unsigned seed) {
  Array a = Array::empty(DType::f32, {n});
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
  for (std::int64_t i = 0; i < n; ++i) a.as<float>()[i] = uniform(random);
  return a;
}

// m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - rate m / (sqrt(v) + epsilon)
std::unique_ptr<pynn::Executable> recorded(const Array& w, const Array& g, const Array& m,
                                           const Array& v) {
  const auto recorder = std::make_shared<pynn::ProgramRecorder>();
  const pynn::ProgramRecorder::Scope scope(*recorder);
  const auto number = [](double x) { return ops::scalar(x, DType::f32); };
  const auto average = [&](const Array& of, double kept, const Tensor& x) {
    const Tensor old = ops::multiply(number(kept), of);
    recorder->assign(of, ops::add(old, ops::multiply(number(1 - kept), x)));
  };
  average(m, kBeta1, g);
  average(v, kBeta2, ops::square(g));
  const Tensor root = ops::add(ops::sqrt(recorder->symbol(v)), number(kEpsilon));
  const Tensor step = ops::divide(ops::multiply(number(kRate), recorder->symbol(m)), root);
  recorder->assign(w, ops::subtract(w, step));
  return std::make_unique<pynn::Executable>(recorder->finish({}));
}

void measure(std::int64_t n) {
  const Array w = filled(n, -1, 1, 1), g = filled(n, -1, 1, 2);
  const Array m = filled(n, -1, 1, 3), v = filled(n, 0, 1, 4);
  std::vector<double> expected(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const double slope = g.as<float>()[i];
    const double mean = kBeta1 * m.as<float>()[i] + (1 - kBeta1) * slope;
    const double square = kBeta2 * v.as<float>()[i] + (1 - kBeta2) * slope * slope;
    expected[static_cast<std::size_t>(i)] =
        w.as<float>()[i] - kRate * mean / (std::sqrt(square) + kEpsilon);
  }
  const auto run = recorded(w, g, m, v);
  run->run({});
  double worst = 0;
  for (std::int64_t i = 0; i < n; ++i)
    worst = std::max(worst, std::abs(w.as<float>()[i] - expected[static_cast<std::size_t>(i)]));
  const double time = notebook::seconds([&] { run->run({}); });
  char what[64];
  std::snprintf(what, sizeof what, "Adam, %ld, %zu launches", long(n), run->step_count());
  notebook::line(what, time, double(n), 28.0 * double(n), worst);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) setenv("PYNN_ISA", argv[1], 1);
  pynn::set_num_threads(1);
  notebook::head(pynn::kernels::table().isa);
  for (const std::int64_t n : {10, 512, 5120, 401408, 669706}) measure(n);
}
