// Threads that work on one row together: a warp for short rows, a block for long ones. Thread
// threadIdx.x of a team takes elements x, x + team, ...; partial results are combined in a tree
// whose shape depends on the team alone, so the bits are the same in every run.
#pragma once

#include "kernels/cuda/launch.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

inline constexpr unsigned kWarp = 32;
inline constexpr std::size_t kShortRow = 1024;

// The value of the lane whose number differs in the bits of `mask`.
template <class T>
__device__ __forceinline__ T from_lane(T x, unsigned mask) {
  return __shfl_xor_sync(~0u, x, static_cast<int>(mask));
}

// The combination of every thread's x, known to all of them.
template <unsigned kTeam, class Combine, class T>
__device__ __forceinline__ T team_reduce(T x, const Combine& combine) {
  for (unsigned mask = kWarp / 2; mask > 0; mask /= 2) x = combine(x, from_lane(x, mask));
  if constexpr (kTeam > kWarp) {
    __shared__ T warps[kTeam / kWarp];
    __syncthreads();  // what an earlier call left has been read
    if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = x;
    __syncthreads();
    x = warps[0];
    for (unsigned w = 1; w < kTeam / kWarp; ++w) x = combine(x, warps[w]);
  }
  return x;
}

// The combination of start and every f(j), j < cols.
template <unsigned kTeam, class Combine, class T, class F>
__device__ __forceinline__ T row_reduce(std::size_t cols, T start, const Combine& combine,
                                        const F& f) {
  T x = start;
  for (std::size_t j = threadIdx.x; j < cols; j += kTeam) x = combine(x, f(j));
  return team_reduce<kTeam>(x, combine);
}

// f(i) for the rows that belong to this team.
template <class F>
__device__ __forceinline__ void for_each_row(std::size_t rows, const F& f) {
  const std::size_t step = std::size_t{gridDim.x} * blockDim.y;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.y + threadIdx.y; i < rows; i += step) {
    f(i);
  }
}

// Starts `by_warp` or `by_block` (the same kernel for teams of both sizes) on (rows, cols).
template <class... Parameters, class... Arguments>
void launch_rows(cudaStream_t stream, std::size_t rows, std::size_t cols,
                 void (*by_warp)(Parameters...), void (*by_block)(Parameters...),
                 Arguments... arguments) {
  const unsigned team = cols <= kShortRow ? kWarp : kThreads;
  launch(stream, blocks_for(rows, kThreads / team), dim3(team, kThreads / team),
         team == kWarp ? by_warp : by_block, rows, cols, arguments...);
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
