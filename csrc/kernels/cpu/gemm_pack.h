// Copies of A and B in a layout that the tiles can stream, whatever the strides of the originals.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// A step of the transpose of L vectors of L lanes: log2(L) perfect shuffles of their rows.
template <class T>
PYNN_INLINE void shuffle_rows(Vec<T> (&x)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
  Vec<T> y[L];
#pragma GCC unroll 16
  for (int i = 0; i < L / 2; ++i) {
    y[2 * i] = interleave<0>(x[i], x[i + L / 2]);
    y[2 * i + 1] = interleave<1>(x[i], x[i + L / 2]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) x[i] = y[i];
}

// y(p, j) = x(j, p) for p < k and j < L: L rows of x become a column of vectors.
template <class T>
void transpose_rows(std::int64_t k, const T* x, std::int64_t x_row, T* y, std::int64_t y_row) {
  constexpr int L = kLanes<T>;
  for (std::int64_t p = 0; p < k; p += L) {
    const std::int64_t left = k - p;
    Vec<T> block[L];
    if (left >= L) {
#pragma GCC unroll 16
      for (int j = 0; j < L; ++j) block[j] = load(x + j * x_row + p);
    } else {
      for (int j = 0; j < L; ++j) {
        block[j] = load_first(x + j * x_row + p, static_cast<std::size_t>(left));
      }
    }
#pragma GCC unroll 4
    for (int step = 1; step < L; step *= 2) shuffle_rows<T>(block);
    const std::int64_t rows = left < L ? left : L;
#pragma GCC unroll 16
    for (int j = 0; j < L; ++j) {
      if (j < rows) store(y + (p + j) * y_row, block[j]);
    }
  }
}

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

// panel(p, j) = b(p, j) for p < k and j < cols; the rows of the panel are `width` apart.
template <class T>
void pack(std::int64_t k, std::int64_t cols, const T* b, std::int64_t b_row, std::int64_t b_col,
          T* panel, std::int64_t width) {
  constexpr int L = kLanes<T>;
  if (b_col == 1) return copy_rows(k, cols, b, b_row, panel, width);
  std::int64_t j = 0;
  if (b_row == 1) {
    for (; j + L <= cols; j += L) transpose_rows(k, b + j * b_col, b_col, panel + j, width);
  }
  for (; j < cols; ++j) {
    for (std::int64_t p = 0; p < k; ++p) panel[p * width + j] = b[p * b_row + j * b_col];
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
