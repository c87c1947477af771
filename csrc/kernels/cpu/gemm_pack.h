// Copies of A and B in a layout that the tiles can stream, whatever the strides of the originals.
#pragma once

#include <cstdint>

#include "kernels/cpu/transpose.h"
#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// y(p, j) = x(p, j) for p < rows and j < cols, both with contiguous rows.
template <class T>
void copy_rows(std::int64_t rows, std::int64_t cols, const T* x, std::int64_t x_row, T* y,
               std::int64_t y_row) {
  constexpr int L = kLanes<T>;
  for (std::int64_t p = 0; p < rows; ++p) {
    const T* from = x + p * x_row;
    T* to = y + p * y_row;
    std::int64_t j = 0;
    for (; j + L <= cols; j += L) store(to + j, load(from + j));
    for (; j < cols; ++j) to[j] = from[j];
  }
}

// panel(p, j) = b(p, j) for p < k and j < cols, for a B without contiguous rows; those of the panel
// are `width` apart.
template <class T>
void pack(std::int64_t k, std::int64_t cols, const T* b, std::int64_t b_row, std::int64_t b_col,
          T* panel, std::int64_t width) {
  if (b_row == 1) return transpose(cols, k, b, b_col, panel, width);
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t j = 0; j < cols; ++j) panel[p * width + j] = b[p * b_row + j * b_col];
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
