// Data movement: conversion between element types, transposition, and the test for finite values.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/table.h"
//
#include "kernels/cast.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class To, class From>
struct Cast {
  PYNN_INLINE To operator()(From x) const { return cast<To>(x); }
};

template <class To, class From>
void cast_all(cudaStream_t stream, std::size_t n, void* out, const void* in) {
  map(stream, n, Cast<To, From>{}, static_cast<To*>(out), static_cast<const From*>(in));
}

// `out` holds true at the start; threads that store write the same value.
template <class T>
__global__ void all_finite_kernel(std::size_t n, const T* x, bool* out) {
  for_each_index(n, [&](std::size_t i) {
    if (x[i] - x[i] != 0) *out = false;
  });
}

template <class T>
void all_finite(cudaStream_t stream, std::size_t n, const void* x, bool* out) {
  pynn::cuda::check(cudaMemsetAsync(out, 1, sizeof(bool), stream), "cudaMemsetAsync");
  launch(stream, blocks_for(n, kThreads), dim3(kThreads), all_finite_kernel<T>, n,
         static_cast<const T*>(x), out);
}

constexpr unsigned kTile = 32;
constexpr unsigned kTileRows = kThreads / kTile;  // of a tile at once

// A block a tile, through shared memory, so that reads and writes both run along rows. A row of the
// tile is one longer than it need be: columns then lie in different banks.
template <class T>
__global__ void transpose_kernel(std::size_t rows, std::size_t cols, const T* x, std::ptrdiff_t ldx,
                                 T* y, std::ptrdiff_t ldy) {
  __shared__ T tile[kTile][kTile + 1];
  const std::size_t across = (cols + kTile - 1) / kTile, down = (rows + kTile - 1) / kTile;
  for (std::size_t t = blockIdx.x; t < across * down; t += gridDim.x) {
    const std::size_t i0 = t / across * kTile, j0 = t % across * kTile;
    for (unsigned r = threadIdx.y; r < kTile; r += kTileRows) {
      const std::size_t i = i0 + r, j = j0 + threadIdx.x;
      if (i < rows && j < cols)
        tile[r][threadIdx.x] =
            x[static_cast<std::ptrdiff_t>(i) * ldx + static_cast<std::ptrdiff_t>(j)];
    }
    __syncthreads();
    for (unsigned r = threadIdx.y; r < kTile; r += kTileRows) {
      const std::size_t j = j0 + r, i = i0 + threadIdx.x;
      if (i < rows && j < cols)
        y[static_cast<std::ptrdiff_t>(j) * ldy + static_cast<std::ptrdiff_t>(i)] =
            tile[threadIdx.x][r];
    }
    __syncthreads();  // before the tile is overwritten
  }
}

template <class T>
void transpose(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
               std::ptrdiff_t ldx, void* y, std::ptrdiff_t ldy) {
  launch(stream, blocks_for(rows, kTile) * blocks_for(cols, kTile), dim3(kTile, kTileRows),
         transpose_kernel<T>, rows, cols, static_cast<const T*>(x), ldx, static_cast<T*>(y), ldy);
}

constexpr void fill(Table& table) {
  for_each_cast([&table]<class To, class From>(To, From) {
    table.cast[index(dtype_of<To>)][index(dtype_of<From>)] = cast_all<To, From>;
  });
  table.all_finite[index(DType::f32)] = all_finite<float>;
  table.all_finite[index(DType::f64)] = all_finite<double>;
  table.transpose[1] = transpose<std::uint8_t>;
  table.transpose[2] = transpose<std::uint16_t>;
  table.transpose[4] = transpose<std::uint32_t>;
  table.transpose[8] = transpose<std::uint64_t>;
}

constexpr bool complete() {
  Table t{};
  fill(t);
  for (const auto& to : t.cast) {
    for (const CastFn from : to) {
      if (from == nullptr) return false;
    }
  }
  for (const std::size_t size : kItemSize) {
    if (t.transpose[size] == nullptr) return false;
  }
  return true;
}
static_assert(complete(), "a pair of types has no conversion, or an item size no transposition");

}  // namespace

void fill_move(Table& table) { fill(table); }

}  // namespace pynn::kernels::PYNN_ISA
