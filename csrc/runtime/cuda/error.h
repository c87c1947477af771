// Errors of the CUDA runtime as exceptions.
#pragma once

#include <cuda_runtime_api.h>

namespace pynn::cuda {

// Throws unless the call that is named succeeded: std::bad_alloc where memory ran out, else
// RuntimeError with CUDA's own words.
void check(cudaError_t status, const char* call);

}  // namespace pynn::cuda
