// How every kernel of this folder is started, and the loop that maps over elements.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "runtime/cuda/error.h"
#include "runtime/inline.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

inline constexpr unsigned kThreads = 256;  // of a block
// Enough blocks to fill any device many times over; kernels loop over what is left.
inline constexpr std::size_t kMostBlocks = std::size_t{1} << 16;

template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, std::size_t blocks, dim3 threads, void (*kernel)(Parameters...),
            Arguments... arguments) {
  if (blocks == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks));
  config.blockDim = threads;
  config.stream = stream;
  pynn::cuda::check(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...),
                    "cudaLaunchKernelEx");
}

// Blocks for n items, `each` a block.
constexpr std::size_t blocks_for(std::size_t n, std::size_t each) { return (n + each - 1) / each; }

// f(i) for the i < n that belong to this thread.
template <class F>
__device__ __forceinline__ void for_each_index(std::size_t n, const F& f) {
  const std::size_t step = std::size_t{gridDim.x} * kThreads;
  for (std::size_t i = std::size_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) f(i);
}

template <class F, class Out, class... In>
__global__ void map_kernel(std::size_t n, F f, Out* out, const In*... in) {
  for_each_index(n, [&](std::size_t i) { out[i] = f(in[i]...); });
}

// out[i] = f(in[i]...) for i < n; `out` may be one of `in`.
template <class F, class Out, class... In>
void map(cudaStream_t stream, std::size_t n, const F& f, Out* out, const In*... in) {
  launch(stream, blocks_for(n, kThreads), dim3(kThreads), map_kernel<F, Out, In...>, n, f, out,
         in...);
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
