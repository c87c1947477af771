// The kernel table of CUDA: the rows of kernels/table.h, queued on a stream. Data pointers are
// device memory, `in` and `attr` themselves host memory that is read before the call returns. The
// calling thread's current device is the stream's. A launch that fails throws RuntimeError.
//
// Matrix products are not among the rows yet.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace pynn::kernels::cuda {

using PointwiseFn = void (*)(cudaStream_t stream, std::size_t n, void* out, const void* const* in,
                             const double* attr);

using CastFn = void (*)(cudaStream_t stream, std::size_t n, void* out, const void* in);

// out[i] = reduction of row i of contiguous (rows, cols). The order is fixed by cols, so the bits
// are the same in every run. A run too long for one row's threads is cut into rows by the caller,
// whose results are one more run. cols >= 1 for max and min; NaN propagates.
using ReduceRowsFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols,
                              const void* x, void* out);

// out[j] = reduce over i of x[i * ld + j], j < cols; the order is fixed by rows.
using ReduceColumnsFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols,
                                 std::ptrdiff_t ld, const void* x, void* out);

// out[i] = index of the first extreme element of row i (the first NaN if there is one). cols >= 1.
using ArgRowsFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
                           std::int64_t* out);

using RowsFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
                        void* y);
using RowsGradFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* dy,
                            const void* y, void* dx);

using RandomFn = void (*)(cudaStream_t queue, std::uint64_t key, std::uint64_t stream,
                          std::uint64_t first, std::size_t n, void* out);

// Stores the answer on the device.
using FiniteFn = void (*)(cudaStream_t stream, std::size_t n, const void* x, bool* out);

using TransposeFn = void (*)(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
                             std::ptrdiff_t ldx, void* y, std::ptrdiff_t ldy);

struct Table {
  PointwiseFn pointwise[kPointwise][kDTypes];  // null where the op has no meaning for the type
  CastFn cast[kDTypes][kDTypes];               // [to][from]
  ReduceRowsFn reduce_rows[kReduce][kDTypes];  // f32 f64 i32 i64
  ReduceColumnsFn reduce_columns[kReduce][kDTypes];
  ArgRowsFn argmax[kDTypes], argmin[kDTypes];                         // f32 f64 i32 i64
  RowsFn softmax[kDTypes], log_softmax[kDTypes], logsumexp[kDTypes];  // f32 f64
  RowsGradFn softmax_grad[kDTypes], log_softmax_grad[kDTypes];        // (dy, y) -> dx
  RandomFn random_uniform[kDTypes], random_normal[kDTypes];           // f32 f64; [0, 1) and N(0, 1)
  FiniteFn all_finite[kDTypes];                                       // f32 f64
  TransposeFn transpose[9];                                           // by item size: 1 2 4 8
};

// The CPU's table has stages (of vectors in registers) and, from pooling on, windows, products and
// normalization. Any other row of it that is forgotten here does not compile.
static_assert(sizeof(Table) + sizeof(kernels::Table::stages) ==
              offsetof(kernels::Table, max_pool) - offsetof(kernels::Table, pointwise));

const Table& table();

}  // namespace pynn::kernels::cuda
