// The pointwise rows of lists.h, for tests that go over all of them.
#pragma once

#include "kernels/table.h"

namespace pynn::test {

using kernels::Pointwise;

enum class Saved { Output, Input };

struct Row {
  const char* name;
  Pointwise f, df;
  Saved saved;
  double lo, hi;
};
inline const Row kDifferentiable[] = {
#define PYNN_ROW(name, saved, lo, hi) \
  {#name, Pointwise::name, Pointwise::name##_grad, Saved::saved, lo, hi},
    PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
};
inline const Row kActivations[] = {
#define PYNN_ROW(name, saved, lo, hi) \
  {#name, Pointwise::name, Pointwise::name##_grad, Saved::saved, lo, hi},
    PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
};

struct PlainRow {
  const char* name;
  Pointwise f;
};
#define PYNN_ROW(name) {#name, Pointwise::name},
inline const PlainRow kPlain[] = {PYNN_PLAIN_UNARY(PYNN_ROW)};
inline const PlainRow kTests[] = {PYNN_TEST_UNARY(PYNN_ROW)};
inline const PlainRow kBinary[] = {PYNN_BINARY(PYNN_ROW)};
inline const PlainRow kCompare[] = {PYNN_COMPARE(PYNN_ROW)};
#undef PYNN_ROW

}  // namespace pynn::test
