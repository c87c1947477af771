#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/program.h"
#include "program/training.h"
#include "runtime/thread_pool.h"

using namespace pynn;

namespace {

Array array(const Shape& shape, const std::function<double(std::int64_t)>& value) {
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.size(); ++i) a.as<double>()[i] = value(i);
  return a;
}

Array wave(const Shape& shape, double phase) {
  return array(shape,
               [=](std::int64_t i) { return std::sin(phase + 1.7 * static_cast<double>(i)); });
}

std::vector<double> values(const View& v) { return {v.as<double>(), v.as<double>() + v.size()}; }

// Records `body` and compiles what it returns.
std::shared_ptr<Executable> compile(
    const std::function<std::vector<Tensor>(ProgramRecorder&)>& body,
    Executable::Captures captures = Executable::Captures::variable) {
  const auto recorder = std::make_shared<ProgramRecorder>();
  const ProgramRecorder::Scope scope(*recorder);
  return std::make_shared<Executable>(recorder->finish(body(*recorder)), captures);
}

}  // namespace

TEST_CASE("pointwise steps of one shape become one launch") {
  const Array x = wave({37, 5}, 0.1), w = wave({37, 5}, 0.4);
  const auto run = compile([&](ProgramRecorder&) {
    const Tensor t = ops::multiply(ops::tanh(x), w);
    return std::vector<Tensor>{ops::add(t, ops::square(x)), ops::exp(t)};
  });
  CHECK(run->step_count() == 1);
  run->run({});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double a = x.as<double>()[i], t = std::tanh(a) * w.as<double>()[i];
    CHECK(run->output(0).as<double>()[i] == doctest::Approx(t + a * a).epsilon(1e-13));
    CHECK(run->output(1).as<double>()[i] == doctest::Approx(std::exp(t)).epsilon(1e-13));
  }
}

TEST_CASE("chains read large inputs where they lie") {
  const Array state = wave({64, 96}, 0.1), x = wave({64, 96}, 0.4), y = wave({64, 96}, 0.7);
  const Array square = wave({64, 64}, 0.2);
  const TensorType type{DType::f64, {64, 96}};
  const std::vector<double> old = values(state);
  const auto run = compile([&](ProgramRecorder& r) {
    const Tensor a = r.input(type), b = r.input(type), few = r.input({DType::f64, {96}});
    r.assign(state, ops::add(state, ops::multiply(a, few)));
    return std::vector<Tensor>{ops::matmul(square, b), ops::subtract(b, a), ops::negative(a)};
  });
  CHECK(run->reads_anywhere(0));
  CHECK_FALSE(run->reads_anywhere(1));  // a product reads it too
  CHECK_FALSE(run->reads_anywhere(2));  // it is small
  CHECK_FALSE(run->read_at(1, x.data));
  CHECK_FALSE(run->read_at(0, state.data));  // which the replay changes
  const auto expect = [&](const Array& a) {
    std::memcpy(state.data, old.data(), state.bytes());
    std::memcpy(run->input(0).data, y.data, y.bytes());
    std::memcpy(run->input(1).data, y.data, y.bytes());
    std::fill_n(run->input(2).as<double>(), 96, 1.0);
    run->run({});
    for (std::size_t i = 0; i < old.size(); ++i) {
      CHECK(state.as<double>()[i] == old[i] + a.as<double>()[i]);
      CHECK(run->output(1).as<double>()[i] == y.as<double>()[i] - a.as<double>()[i]);
      CHECK(run->output(2).as<double>()[i] == -a.as<double>()[i]);
    }
  };
  expect(y);
  CHECK(run->read_at(0, x.data));
  expect(x);
  CHECK(run->read_at(0, nullptr));
  expect(y);
}

TEST_CASE("what constant captures alone decide is computed once") {
  const Array x = wave({1, 6}, 0.1), w = wave({6, 4}, 0.4),
              count = array({4}, [](auto) { return 7; });
  const auto body = [&](ProgramRecorder& r) {
    const Tensor scale = ops::sqrt(ops::add(ops::square(count), ops::scalar(1, DType::f64)));
    r.assign(count, ops::add(count, ops::scalar(1, DType::f64)));
    const Tensor y = ops::matmul(r.input({DType::f64, {1, 6}}), ops::exp(w));
    return std::vector<Tensor>{ops::divide(y, scale), scale};
  };
  const auto variable = compile(body);
  const auto constant = compile(body, Executable::Captures::constant);
  CHECK(constant->step_count() == 1);
  const auto again = std::make_shared<Executable>(constant->program());
  for (const auto& run : {variable, constant, again}) {
    std::memcpy(run->input(0).data, x.data, x.bytes());
    run->run({});
    CHECK(values(run->output(1)) == values(variable->output(1)));
  }
  CHECK(values(constant->output(0)) == values(again->output(0)));
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(constant->output(0).as<double>()[i] ==
          doctest::Approx(variable->output(0).as<double>()[i]).epsilon(1e-13));
  CHECK(count.as<double>()[0] == 8);  // stored once, by the replay of `variable`
}

TEST_CASE("a product takes bias and activation into its launch") {
  const Array x = wave({9, 6}, 0.1), w = wave({6, 4}, 0.4), b = wave({4}, 0.9);
  const auto layer = [&] { return ops::tanh(ops::add(ops::matmul(x, w), b)); };
  const auto run = compile([&](ProgramRecorder&) { return std::vector<Tensor>{layer()}; });
  CHECK(run->step_count() == 1);
  run->run({});
  const std::vector<double> expected = values(layer().array());
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(run->output(0).as<double>()[i] == doctest::Approx(expected[i]).epsilon(1e-13));
}

TEST_CASE("a pre-activation that is read again stays visible") {
  const Array x = wave({9, 6}, 0.1), w = wave({6, 4}, 0.4), b = wave({4}, 0.9);
  const auto run = compile([&](ProgramRecorder&) {
    const Tensor z = ops::add(ops::matmul(x, w), b);
    return std::vector<Tensor>{z, ops::tanh(z)};
  });
  run->run({});
  for (std::int64_t i = 0; i < 36; ++i)
    CHECK(run->output(1).as<double>()[i] ==
          doctest::Approx(std::tanh(run->output(0).as<double>()[i])).epsilon(1e-13));
}

TEST_CASE("a product hands its blocks to the chain that follows") {
  // Wide, narrow and tall results, row-major and transposed right operands, kept or not.
  for (const std::int64_t n : {1, 10, 70, 600}) {
    for (const std::int64_t m : {1, 37, 700}) {
      for (const bool transposed : {false, true}) {
        for (const bool kept : {false, true}) {
          CAPTURE(m);
          CAPTURE(n);
          const Array x = wave({m, 21}, 0.1), w = wave({21, n}, 0.4), wt = wave({n, 21}, 0.4);
          const Array row = wave({n}, 0.9), column = wave({m, 1}, 0.2), v = wave({m, n}, 0.6);
          const std::vector<double> old = values(v);
          const auto product = [&] {
            return ops::matmul(x, transposed ? ops::transpose(wt) : Tensor(w));
          };
          const auto chain = [&](const Tensor& y, const Tensor& state) {
            return ops::add(ops::multiply(ops::multiply(y, column), row), ops::square(state));
          };
          const std::vector<double> y = values(product().array());
          const std::vector<double> expected = values(chain(product(), v).array());
          const auto run = compile([&](ProgramRecorder& r) {
            const Tensor out = product();
            r.assign(v, chain(out, r.symbol(v)));
            return kept ? std::vector<Tensor>{out} : std::vector<Tensor>{};
          });
          CHECK(run->step_count() == 1);
          run->run({});
          CHECK(values(v) == expected);
          if (kept) CHECK(values(run->output(0)) == y);
        }
      }
    }
  }
}

TEST_CASE("a product that reads what its chain stores keeps the old values") {
  const Array w = wave({30, 30}, 0.3), before = wave({30, 30}, 0.3);
  const auto run = compile([&](ProgramRecorder& r) {
    r.assign(w, ops::subtract(w, ops::matmul(w, w)));
    return std::vector<Tensor>{};
  });
  run->run({});
  CHECK(values(w) == values(ops::subtract(before, ops::matmul(before, before)).array()));
}

TEST_CASE("steps that nothing needs are dropped") {
  const Array x = wave({8}, 0.1);
  const auto run = compile([&](ProgramRecorder&) {
    ops::exp(ops::sin(x));
    return std::vector<Tensor>{ops::sum(x)};
  });
  CHECK(run->step_count() == 1);
}

TEST_CASE("stores happen after every read of the old contents") {
  const Array a = wave({1000}, 0.1), b = wave({1000}, 0.7);
  const std::vector<double> a0 = values(a), b0 = values(b);
  SUBCASE("two variables swap") {
    const auto run = compile([&](ProgramRecorder& r) {
      const Tensor old_a = r.symbol(a), old_b = r.symbol(b);
      r.assign(a, old_b);
      r.assign(b, old_a);
      return std::vector<Tensor>{};
    });
    run->run({});
    CHECK(values(a) == b0);
    CHECK(values(b) == a0);
  }
  SUBCASE("an update reads the old value, and later reads see the new one") {
    const auto run = compile([&](ProgramRecorder& r) {
      const Tensor old = r.symbol(a);
      r.assign(a, ops::add(a, b));
      return std::vector<Tensor>{ops::subtract(a, old), ops::sum(old)};
    });
    run->run({});
    double sum = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
      CHECK(a.as<double>()[i] == a0[i] + b0[i]);
      CHECK(run->output(0).as<double>()[i] == doctest::Approx(b0[i]).epsilon(1e-12));
      sum += a0[i];
    }
    CHECK(*run->output(1).as<double>() == doctest::Approx(sum).epsilon(1e-12));
  }
  SUBCASE("a variable is replaced by its own transpose") {
    const Array square = wave({20, 20}, 0.3);
    const std::vector<double> before = values(square);
    const auto run = compile([&](ProgramRecorder& r) {
      r.assign(square, ops::add(ops::transpose(r.symbol(square)), r.symbol(square)));
      return std::vector<Tensor>{};
    });
    run->run({});
    for (std::size_t i = 0; i < 20; ++i)
      for (std::size_t j = 0; j < 20; ++j)
        CHECK(square.as<double>()[i * 20 + j] == before[i * 20 + j] + before[j * 20 + i]);
  }
  SUBCASE("the last of several stores counts") {
    const auto run = compile([&](ProgramRecorder& r) {
      r.assign(a, ops::add(a, b));
      r.assign(a, ops::subtract(a, b));
      r.assign(a, ops::multiply(a, b));
      return std::vector<Tensor>{};
    });
    run->run({});
    for (std::size_t i = 0; i < 1000; ++i)
      CHECK(a.as<double>()[i] == doctest::Approx(a0[i] * b0[i]).epsilon(1e-12));
  }
}

TEST_CASE("memory is shared by values that do not live at once") {
  const Array x = wave({64, 64}, 0.1), w = wave({64, 64}, 0.2);
  const auto run = compile([&](ProgramRecorder&) {
    Tensor h = x;
    for (int layer = 0; layer < 10; ++layer) h = ops::matmul(h, w);
    return std::vector<Tensor>{ops::sum(h)};
  });
  CHECK(run->arena_bytes() < 4 * x.bytes());
}

TEST_CASE("gradients of a two-layer network agree with finite differences") {
  const Array x = wave({7, 5}, 0.1), w1 = wave({5, 6}, 0.2), b1 = wave({6}, 0.3),
              w2 = wave({6, 3}, 0.4), y = wave({7, 3}, 0.5);
  const auto loss = [&] {
    const Tensor h = ops::tanh(ops::add(ops::matmul(x, w1), b1));
    return ops::mean(ops::square(ops::subtract(ops::matmul(h, w2), y)));
  };
  const std::vector<Array> variables = {x, w1, b1, w2};
  const std::vector<Tensor> sources(variables.begin(), variables.end());
  const auto run = compile([&](ProgramRecorder& r) { return r.gradient(loss(), {}, sources); });
  run->run({});
  for (std::size_t v = 0; v < variables.size(); ++v) {
    for (std::int64_t i = 0; i < variables[v].size(); ++i) {
      double& p = variables[v].as<double>()[i];
      const double kept = p, h = 1e-5;
      p = kept + h;
      const double up = *loss().array().as<double>();
      p = kept - h;
      const double down = *loss().array().as<double>();
      p = kept;
      CHECK(run->output(v).as<double>()[i] == doctest::Approx((up - down) / (2 * h)).epsilon(1e-6));
    }
  }
}

TEST_CASE("a target that does not depend on a source has no gradient") {
  const Array a = wave({3}, 0.1), b = wave({3}, 0.2);
  compile([&](ProgramRecorder& r) {
    const std::vector<Tensor> g =
        r.gradient(ops::sum(ops::square(a)), {}, std::vector<Tensor>{Tensor(a), Tensor(b)});
    CHECK(g[0].defined());
    CHECK_FALSE(g[1].defined());
    return std::vector<Tensor>{g[0]};
  });
}

TEST_CASE("random steps depend on the state of the replay alone") {
  const auto run = compile([](ProgramRecorder&) {
    return std::vector<Tensor>{ops::random_uniform({100}, 0, 1, DType::f64),
                               ops::random_uniform({100}, 0, 1, DType::f64)};
  });
  run->run({5, 0});
  const std::vector<double> first = values(run->output(0));
  CHECK(first != values(run->output(1)));
  run->run({5, 1});
  CHECK(first != values(run->output(0)));
  run->run({5, 0});
  CHECK(first == values(run->output(0)));
}

TEST_CASE("values of a recording cannot be asked for") {
  const auto recorder = std::make_shared<ProgramRecorder>();
  const ProgramRecorder::Scope scope(*recorder);
  const Tensor x = recorder->input({DType::f32, {3}});
  CHECK_THROWS_AS(ops::exp(x).array(), TypeError);
}

namespace {

// A step over `rows` samples that adds them to a captured total and returns (mean, sum).
std::shared_ptr<Executable> summing_step(const Array& total, std::int64_t rows) {
  return compile([&](ProgramRecorder& r) {
    const Tensor x = r.input({DType::f64, {rows, 2}});
    const Tensor sum = ops::sum(x, {0});
    r.assign(total, ops::add(total, sum));
    return std::vector<Tensor>{ops::mean(x), sum};
  });
}

}  // namespace

TEST_CASE("an epoch visits every row once") {
  const Array data = array({23, 2}, [](std::int64_t i) { return static_cast<double>(i); });
  const Array total = array({2}, [](std::int64_t) { return 0.0; });
  for (const bool shuffle : {false, true}) {
    EpochLoop loop;
    loop.full = summing_step(total, 5);
    loop.tail = summing_step(total, 3);
    loop.data = {data};
    loop.batch_size = 5;
    loop.epochs = 3;
    loop.shuffle = shuffle;
    std::memset(total.data, 0, total.bytes());
    const auto history = loop.run();
    REQUIRE(history.epochs == 3);
    REQUIRE(history.totals.size() == 3 * history.width);
    for (std::size_t epoch = 0; epoch < 3; ++epoch) {
      const double* totals = &history.totals[epoch * history.width];
      CHECK(totals[1] == 22 * 23);
      CHECK(totals[2] == 22 * 23 + 23);
    }
    CHECK(total.as<double>()[0] == 3 * 22 * 23);
  }
}

TEST_CASE("predictions come back in the order of the rows") {
  const Array data = array({23, 2}, [](std::int64_t i) { return static_cast<double>(i); });
  const auto step = [](std::int64_t rows) {
    return compile([&](ProgramRecorder& r) {
      return std::vector<Tensor>{ops::negative(r.input({DType::f64, {rows, 2}}))};
    });
  };
  EpochLoop loop;
  loop.full = step(10);
  loop.tail = step(3);
  loop.data = {data};
  loop.batch_size = 10;
  loop.gathered = {Array::empty(DType::f64, {23, 2})};
  loop.run();
  for (std::int64_t i = 0; i < 46; ++i)
    CHECK(loop.gathered[0].as<double>()[i] == -static_cast<double>(i));
}

TEST_CASE("a loss that is not finite puts back the last good state") {
  const Array total = array({2}, [](std::int64_t) { return 7.0; });
  const Array clean = array({20, 2}, [](std::int64_t i) { return static_cast<double>(i); });
  const auto with_nan = [&](std::int64_t row) {
    return array({20, 2}, [=](std::int64_t i) { return i / 2 == row ? std::nan("") : 1.0; });
  };
  EpochLoop loop;
  loop.full = summing_step(total, 5);
  loop.batch_size = 5;
  loop.check_loss = true;
  loop.checkpoint = std::make_shared<Checkpoint>(std::vector<Array>{total});
  const auto fails_in = [&](const Array& data, std::int64_t batch) {
    loop.data = {data};
    try {
      loop.run();
      FAIL("the loop ran through");
    } catch (const NonFiniteLoss& failure) {
      CHECK(failure.epoch == 0);
      CHECK(failure.batch == batch);
    }
  };
  SUBCASE("from the start of the epoch, whose first loss was finite") {
    fails_in(with_nan(12), 2);
    CHECK(values(total) == std::vector<double>{7, 7});
  }
  SUBCASE("from the epoch before, where the first loss is not") {
    loop.data = {clean};
    loop.run();
    fails_in(with_nan(0), 0);
    CHECK(values(total) == std::vector<double>{7, 7});
  }
  SUBCASE("as it was, where no loss was finite") {
    fails_in(with_nan(0), 0);
    CHECK(values(total) == std::vector<double>{7, 7});
  }
}

TEST_CASE("the poll can stop the loop") {
  const Array data = wave({1000, 2}, 0.1), total = wave({2}, 0.2);
  EpochLoop loop;
  loop.full = summing_step(total, 1);
  loop.data = {data};
  loop.epochs = 1'000'000'000;
  loop.poll_seconds = 0.005;
  int polls = 0;
  loop.report_epochs = false;
  loop.poll = [&](const EpochLoop::Progress&, bool) { return ++polls < 3; };
  loop.run();
  CHECK(polls == 3);
}

TEST_CASE("training is bit-identical for any number of threads") {
  const auto train = [](int threads) {
    set_num_threads(threads);
    const Array x = wave({256, 64}, 0.1), y = wave({256, 32}, 0.2);
    const Array w1 = wave({64, 128}, 0.3), w2 = wave({128, 32}, 0.4);
    const auto step = compile([&](ProgramRecorder& r) {
      const Tensor in = r.input({DType::f64, {128, 64}}), out = r.input({DType::f64, {128, 32}});
      const Tensor h = ops::tanh(ops::multiply(ops::matmul(in, w1), ops::scalar(0.1, DType::f64)));
      const Tensor loss = ops::mean(ops::square(ops::subtract(ops::matmul(h, w2), out)));
      const auto g = r.gradient(loss, {}, std::vector<Tensor>{Tensor(w1), Tensor(w2)});
      for (std::size_t i = 0; i < 2; ++i) {
        const Array& w = i == 0 ? w1 : w2;
        r.assign(w, ops::subtract(w, ops::multiply(g[i], ops::scalar(0.01, DType::f64))));
      }
      return std::vector<Tensor>{loss};
    });
    EpochLoop loop;
    loop.full = step;
    loop.data = {x, y};
    loop.batch_size = 128;
    loop.epochs = 5;
    loop.shuffle = true;
    loop.run();
    std::vector<double> all = values(w1);
    const std::vector<double> rest = values(w2);
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  };
  const int before = num_threads();
  const std::vector<double> one = train(1);
  for (const int threads : {2, 3, 8}) CHECK(train(threads) == one);
  set_num_threads(before);
}
