#include "runtime/cuda.h"

#include "runtime/errors.h"

#if defined(PYNN_CUDA)

#include "runtime/cuda/error.h"

namespace pynn::cuda {

bool built() { return true; }

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // or the next launch would report it
  return 0;
}

Device device(int index) {
  const int count = device_count();
  if (index < 0 || index >= count) {
    fail<IndexError>("there is no CUDA device ", index, ": this machine has ", count);
  }
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return {properties.name, properties.totalGlobalMem, properties.major, properties.minor};
}

}  // namespace pynn::cuda

#else

namespace pynn::cuda {

bool built() { return false; }

int device_count() { return 0; }

Device device(int) { fail<RuntimeError>("this build of pynn has no CUDA"); }

}  // namespace pynn::cuda

#endif
