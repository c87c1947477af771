// Threaded code against the kernels of the same rows: the same bits, for every form and type.
#include "tests/kernels.h"

#include <vector>

using namespace pynn;
using namespace pynn::kernels;
using namespace pynn::test;

namespace {

// y = what `stages` make of the accumulator `acc`.
template <class T>
void run(const Stages& set, std::vector<Stage> stages, Array<T>& acc, Array<T>& y) {
  stages.insert(stages.begin(), {set.load, acc.data(), nullptr, nullptr});
  stages.push_back({set.store, y.data(), nullptr, nullptr});
  stages.push_back({set.finish, nullptr, nullptr, nullptr});
  set.run(stages.data(), y.size());
}

template <class T>
void check_form(const Table& t, std::size_t row, StageForm form) {
  const Stages& stages = t.stages[index(dtype_of<T>)];
  const StageCode code = stages.rows[row][static_cast<std::size_t>(form)];
  if (code == nullptr) return;
  CAPTURE(row);
  CAPTURE(static_cast<int>(form));
  const double attr[2] = {0.3, 0};
  const std::size_t n = 3 * stages.block;
  Array<T> acc = random_array<T>(n, 0.1, 0.9, 1), x = random_array<T>(n, 0.1, 0.9, 2), y(n);
  run(stages, {{code, x.data(), attr, nullptr}}, acc, y);

  if (form == StageForm::scalar || form == StageForm::scalar_first)
    std::fill(x.begin(), x.end(), x[0]);
  const bool swapped = form == StageForm::array_first || form == StageForm::scalar_first;
  const void* in[] = {swapped ? x.data() : acc.data(), swapped ? acc.data() : x.data()};
  Array<T> expected(n);
  t.pointwise[row][index(dtype_of<T>)](n, expected.data(), in, attr);
  CHECK(same_bits(y, expected));
}

template <class T>
void check_stages(const Table& t) {
  const Stages& stages = t.stages[index(dtype_of<T>)];
  REQUIRE(stages.block > 0);
  for (std::size_t row = 0; row < kPointwise; ++row) {
    for (std::size_t form = 0; form < kStageForms; ++form) {
      check_form<T>(t, row, static_cast<StageForm>(form));
    }
  }
  // Every row of the lists of floating-point results has its form with both operands at hand.
#define PYNN_ROW(name, ...) \
  CHECK((stages.rows[static_cast<std::size_t>(Pointwise::name)][0] != nullptr));
  PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
  PYNN_PLAIN_UNARY(PYNN_ROW)
  PYNN_BINARY(PYNN_ROW)
#undef PYNN_ROW
}

// Sums and differences with a product in front of them round twice, as two stages do.
template <class T>
void check_scaled(const Table& t) {
  const Stages& stages = t.stages[index(dtype_of<T>)];
  T s = static_cast<T>(0.7);
  const std::size_t n = 2 * stages.block;
  Array<T> acc = random_array<T>(n, 0.1, 0.9, 1), x = random_array<T>(n, 0.1, 0.9, 2);
  Array<T> scaled_x(n), y(n), expected(n);
  const auto multiply = static_cast<std::size_t>(Pointwise::multiply);
  const StageCode times = stages.rows[multiply][static_cast<std::size_t>(StageForm::scalar)];
  run(stages, {{times, &s, nullptr, nullptr}}, x, scaled_x);
  run(stages, {{stages.scale, x.data(), nullptr, &s}}, acc, y);
  CHECK(same_bits(y, scaled_x));
  constexpr Pointwise rows[kScaled] = {Pointwise::add, Pointwise::subtract};
  for (std::size_t r = 0; r < kScaled; ++r) {
    const StageCode* forms = stages.rows[static_cast<std::size_t>(rows[r])];
    for (std::size_t form = 0; form < 2; ++form) {
      run(stages, {{forms[form], scaled_x.data(), nullptr, nullptr}}, acc, expected);
      run(stages, {{stages.operand_scaled[r][form], x.data(), nullptr, &s}}, acc, y);
      CHECK(same_bits(y, expected));
    }
    for (std::size_t form = 0; form < kStageForms; ++form) {
      const Stage then{forms[form], x.data(), nullptr, nullptr};
      run(stages, {{times, &s, nullptr, nullptr}, then}, acc, expected);
      run(stages, {{stages.scaled[r][form], x.data(), nullptr, &s}}, acc, y);
      CHECK(same_bits(y, expected));
    }
  }
}

}  // namespace

TEST_CASE("stages compute what the kernels of their rows compute") {
  for_each_isa([](const Table& t) {
    check_stages<float>(t);
    check_stages<double>(t);
  });
}

TEST_CASE("a product by a single value joins the sum behind it") {
  for_each_isa([](const Table& t) {
    check_scaled<float>(t);
    check_scaled<double>(t);
  });
}

TEST_CASE("a stage takes a single value for every element") {
  for_each_isa([](const Table& t) {
    const Stages& stages = t.stages[index(DType::f32)];
    float value = 2.5f;
    Array<float> y(2 * stages.block);
    run(stages, {{stages.load_scalar, &value, nullptr, nullptr}}, y, y);
    CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v == 2.5f; }));
  });
}
