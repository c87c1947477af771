// Threaded code against the kernels of the same rows: the same bits, for every form and type.
#include "tests/kernels.h"

using namespace pynn;
using namespace pynn::kernels;
using namespace pynn::test;

namespace {

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
  Stage chain[] = {{stages.load, acc.data(), nullptr},
                   {code, x.data(), attr},
                   {stages.store, y.data(), nullptr},
                   {stages.finish, nullptr, nullptr}};
  stages.run(chain, n);

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

}  // namespace

TEST_CASE("stages compute what the kernels of their rows compute") {
  for_each_isa([](const Table& t) {
    check_stages<float>(t);
    check_stages<double>(t);
  });
}

TEST_CASE("a stage takes a single value for every element") {
  for_each_isa([](const Table& t) {
    const Stages& stages = t.stages[index(DType::f32)];
    float value = 2.5f;
    Array<float> y(2 * stages.block);
    Stage chain[] = {{stages.load_scalar, &value, nullptr},
                     {stages.store, y.data(), nullptr},
                     {stages.finish, nullptr, nullptr}};
    stages.run(chain, y.size());
    CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v == 2.5f; }));
  });
}
