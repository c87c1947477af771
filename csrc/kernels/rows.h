// Fills the pointwise part of a kernel table from lists.h: the reference, every instruction set and
// CUDA bring their own loops as `Kernels`, a struct of function templates over a formula and a
// type. (CUDA's own Table is found by its namespace.)
#pragma once

#include "kernels/formulas_plain.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class Kernels, class T>
struct Rows {
  Table& table;

  constexpr PointwiseFn& operator[](Pointwise row) const {
    return table.pointwise[static_cast<std::size_t>(row)][index(dtype_of<T>)];
  }

  constexpr void fill_differentiable() const {
#define PYNN_ROW(name, ...)                                             \
  (*this)[Pointwise::name] = Kernels::template unary<formula::name, T>; \
  (*this)[Pointwise::name##_grad] = Kernels::template gradient<formula::name, T>;
    PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
  }

  template <class F>
  constexpr void fill_binary(Pointwise row) const {
    if constexpr (is_float(dtype_of<T>) || !F::kFloatOnly) {
      (*this)[row] = Kernels::template binary<F, T>;
    }
  }

  constexpr void fill_plain() const {
#define PYNN_ROW(name) (*this)[Pointwise::name] = Kernels::template plain<formula::name, T>;
    PYNN_PLAIN_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) (*this)[Pointwise::name] = Kernels::template test<formula::name, T>;
    PYNN_TEST_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) fill_binary<formula::name>(Pointwise::name);
    PYNN_BINARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) (*this)[Pointwise::name] = Kernels::template compare<formula::name, T>;
    PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW
    (*this)[Pointwise::where] = Kernels::template where<formula::where, T>;
  }
};

template <class Kernels>
constexpr void fill_pointwise_rows(Table& table) {
  Rows<Kernels, float>{table}.fill_differentiable();
  Rows<Kernels, double>{table}.fill_differentiable();
  Rows<Kernels, float>{table}.fill_plain();
  Rows<Kernels, double>{table}.fill_plain();
  Rows<Kernels, std::int32_t>{table}.fill_plain();
  Rows<Kernels, std::int64_t>{table}.fill_plain();
  Rows<Kernels, std::uint8_t>{table}.fill_plain();
  Rows<Kernels, bool>{table}.fill_plain();
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
