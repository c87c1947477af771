#include "runtime/cuda/error.h"

#include <new>

#include "runtime/errors.h"

namespace pynn::cuda {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it again
  if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
  fail<RuntimeError>(call, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

}  // namespace pynn::cuda
