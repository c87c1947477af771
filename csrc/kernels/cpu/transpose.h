// Transposition by blocks that stay in registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Rows and columns of a block.
template <class T>
constexpr int kBlock = kLanes<T> < kRegisters / 2 ? kLanes<T> : kRegisters / 2;

// log2(N) perfect shuffles of the rows: row i and row i + N/2 interleave to rows 2i and 2i + 1.
template <int N, class V>
PYNN_INLINE void transpose_registers(V (&row)[N]) {
#pragma GCC unroll 4
  for (int step = 1; step < N; step *= 2) {
    V next[N];
#pragma GCC unroll 8
    for (int i = 0; i < N / 2; ++i) {
      next[2 * i] = interleave<0>(row[i], row[i + N / 2]);
      next[2 * i + 1] = interleave<1>(row[i], row[i + N / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) row[i] = next[i];
  }
}

template <class T>
PYNN_INLINE void transpose_full_block(const T* x, std::ptrdiff_t ldx, T* y, std::ptrdiff_t ldy) {
  constexpr int N = kBlock<T>;
  Vec<T, N> row[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) row[i] = load<T, N>(x + i * ldx);
  transpose_registers(row);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) store(y + i * ldy, row[i]);
}

// At most N rows and columns, with partial loads and stores.
template <class T>
void transpose_edge_block(std::ptrdiff_t rows, std::ptrdiff_t cols, const T* x, std::ptrdiff_t ldx,
                          T* y, std::ptrdiff_t ldy) {
  constexpr int N = kBlock<T>;
  Vec<T, N> row[N] = {};
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    if (i < rows) row[i] = load_first<T, N>(x + i * ldx, static_cast<std::size_t>(cols));
  }
  transpose_registers(row);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    if (i < cols) store_first(y + i * ldy, row[i], static_cast<std::size_t>(rows));
  }
}

// y(j, i) = x(i, j) for i < rows and j < cols; the rows of x and y are ldx and ldy apart.
template <class T>
void transpose(std::ptrdiff_t rows, std::ptrdiff_t cols, const T* x, std::ptrdiff_t ldx, T* y,
               std::ptrdiff_t ldy) {
  constexpr std::ptrdiff_t N = kBlock<T>;
  // Down the rows of x first: y is then written in runs of whole cache lines.
  for (std::ptrdiff_t j = 0; j < cols; j += N) {
    for (std::ptrdiff_t i = 0; i < rows; i += N) {
      const T* from = x + i * ldx + j;
      T* to = y + j * ldy + i;
      if (rows - i >= N && cols - j >= N) {
        transpose_full_block(from, ldx, to, ldy);
      } else {
        transpose_edge_block(rows - i < N ? rows - i : N, cols - j < N ? cols - j : N, from, ldx,
                             to, ldy);
      }
    }
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
