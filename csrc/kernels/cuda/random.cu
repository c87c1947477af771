// Philox streams (runtime/rng.h): a thread draws a block of them, four floats or two doubles.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/table.h"
#include "runtime/rng.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class T>
inline constexpr std::size_t kPerBlock = 16 / sizeof(T);

__device__ __forceinline__ void uniform(const PhiloxBlock& words, float* u) {
  for (std::size_t k = 0; k < 4; ++k) u[k] = uniform_float(words[k]);
}
__device__ __forceinline__ void uniform(const PhiloxBlock& words, double* u) {
  for (std::size_t k = 0; k < 2; ++k) u[k] = uniform_double(words[2 * k], words[2 * k + 1]);
}

// (cos, sin) of 2 pi u
__device__ __forceinline__ void circle(float u, float* x, float* y) { sincospif(2 * u, y, x); }
__device__ __forceinline__ void circle(double u, double* x, double* y) { sincospi(2 * u, y, x); }

// Box and Muller (1958): of each pair of uniforms the first gives the radius of a point in the
// plane and the second its angle.
template <class T>
__device__ __forceinline__ void to_normal(T* u) {
  for (std::size_t k = 0; k < kPerBlock<T>; k += 2) {
    const T radius = sqrt(T(-2) * log(T(1) - u[k]));
    circle(u[k + 1], &u[k], &u[k + 1]);
    u[k] *= radius;
    u[k + 1] *= radius;
  }
}

template <bool gaussian, class T>
__global__ void random_kernel(std::uint64_t key, std::uint64_t stream, std::uint64_t first_block,
                              std::size_t n, T* out) {
  for_each_index((n + kPerBlock<T> - 1) / kPerBlock<T>, [&](std::size_t block) {
    T u[kPerBlock<T>];
    uniform(philox(key, stream, first_block + block), u);
    if constexpr (gaussian) to_normal(u);
    for (std::size_t k = 0; k < kPerBlock<T>; ++k) {
      const std::size_t i = block * kPerBlock<T> + k;
      if (i < n) out[i] = u[k];
    }
  });
}

template <bool gaussian, class T>
void random(cudaStream_t queue, std::uint64_t key, std::uint64_t stream, std::uint64_t first,
            std::size_t n, void* out) {
  launch(queue, blocks_for(n, kThreads * kPerBlock<T>), dim3(kThreads), random_kernel<gaussian, T>,
         key, stream, first / kPerBlock<T>, n, static_cast<T*>(out));
}

template <class T>
void fill(Table& t) {
  t.random_uniform[index(dtype_of<T>)] = random<false, T>;
  t.random_normal[index(dtype_of<T>)] = random<true, T>;
}

}  // namespace

void fill_random(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
