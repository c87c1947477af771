// How small functions of the kernels are declared: never called, because a call spills every vector
// register and a function that is not inlined could be emitted as a symbol of its own.
#pragma once

#if defined(__CUDACC__)
#define PYNN_INLINE __host__ __device__ __forceinline__
#else
#define PYNN_INLINE inline __attribute__((always_inline))
#endif
