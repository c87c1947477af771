#include "kernels/cuda/table.h"

// One row per .cu file beside this one. There is no fallback: each file asserts at compile time
// that its part of the table is complete.
#define PYNN_FAMILIES(ROW) ROW(pointwise) ROW(reduce) ROW(softmax) ROW(random) ROW(move)

namespace pynn::kernels::cuda {

#define PYNN_ROW(family) void fill_##family(Table&);
PYNN_FAMILIES(PYNN_ROW)
#undef PYNN_ROW

const Table& table() {
  static const Table all = [] {
    Table t{};
#define PYNN_ROW(family) fill_##family(t);
    PYNN_FAMILIES(PYNN_ROW)
#undef PYNN_ROW
    return t;
  }();
  return all;
}

}  // namespace pynn::kernels::cuda
