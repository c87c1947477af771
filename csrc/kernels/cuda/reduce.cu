// Reductions of rows and of columns, and the places of extreme elements.
#include "kernels/cuda/table.h"
#include "kernels/cuda/team.h"
//
#include <limits>

#include "kernels/cmath.h"
#include "kernels/formulas_plain.h"
#include "kernels/wide.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Each operation of PYNN_REDUCTIONS: what it computes in, where it starts, and how two values
// become one. Sums and products of floats are kept in double, of integers modulo 2^bits.
template <Reduce op, class T>
struct Reducer;

template <class F, class T>
struct Combine {
  using Value = T;
  PYNN_INLINE T operator()(T a, T b) const { return F::f(a, b); }
};

template <class T>
struct Reducer<Reduce::sum, T> : Combine<formula::add, Wide<formula::add, T, double>> {
  static constexpr T start = 0;
};
template <class T>
struct Reducer<Reduce::prod, T> : Combine<formula::multiply, Wide<formula::multiply, T, double>> {
  static constexpr T start = 1;
};
template <class T>
struct Reducer<Reduce::max, T> : Combine<formula::maximum, T> {
  using Limits = std::numeric_limits<T>;
  static constexpr T start = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
};
template <class T>
struct Reducer<Reduce::min, T> : Combine<formula::minimum, T> {
  using Limits = std::numeric_limits<T>;
  static constexpr T start = Limits::has_infinity ? Limits::infinity() : Limits::max();
};

template <unsigned kTeam, Reduce op, class T>
__global__ void rows_kernel(std::size_t rows, std::size_t cols, const T* x, T* out) {
  using R = Reducer<op, T>;
  using Value = typename R::Value;
  for_each_row(rows, [&](std::size_t i) {
    const T* xi = x + i * cols;
    const Value y = row_reduce<kTeam>(cols, static_cast<Value>(R::start), R{},
                                      [xi](std::size_t j) { return static_cast<Value>(xi[j]); });
    if (threadIdx.x == 0) out[i] = static_cast<T>(y);
  });
}

template <Reduce op, class T>
void reduce_rows(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
                 void* out) {
  launch_rows(stream, rows, cols, rows_kernel<kWarp, op, T>, rows_kernel<kThreads, op, T>,
              static_cast<const T*>(x), static_cast<T*>(out));
}

constexpr unsigned kLanes = kThreads / kWarp;

// A warp reads 32 neighbouring columns of a row; warp w takes rows w, w + 8, ..., and the first
// combines what the others have.
template <Reduce op, class T>
__global__ void columns_kernel(std::size_t rows, std::size_t cols, std::ptrdiff_t ld, const T* x,
                               T* out) {
  using R = Reducer<op, T>;
  using Value = typename R::Value;
  __shared__ Value partial[kLanes][kWarp];
  const R combine;
  for (std::size_t first = std::size_t{blockIdx.x} * kWarp; first < cols;
       first += std::size_t{gridDim.x} * kWarp) {
    const std::size_t j = first + threadIdx.x;
    Value y = static_cast<Value>(R::start);
    if (j < cols) {
      for (std::size_t i = threadIdx.y; i < rows; i += kLanes) {
        y = combine(y,
                    static_cast<Value>(
                        x[static_cast<std::ptrdiff_t>(i) * ld + static_cast<std::ptrdiff_t>(j)]));
      }
    }
    partial[threadIdx.y][threadIdx.x] = y;
    __syncthreads();
    if (threadIdx.y == 0 && j < cols) {
      for (unsigned w = 1; w < kLanes; ++w) y = combine(y, partial[w][threadIdx.x]);
      out[j] = static_cast<T>(y);
    }
    __syncthreads();  // before the next columns' values are stored
  }
}

template <Reduce op, class T>
void reduce_columns(cudaStream_t stream, std::size_t rows, std::size_t cols, std::ptrdiff_t ld,
                    const void* x, void* out) {
  launch(stream, blocks_for(cols, kWarp), dim3(kWarp, kLanes), columns_kernel<op, T>, rows, cols,
         ld, static_cast<const T*>(x), static_cast<T*>(out));
}

template <class T>
struct Candidate {
  T value;
  std::int64_t at;
};
template <class T>
__device__ __forceinline__ Candidate<T> from_lane(Candidate<T> c, unsigned mask) {
  return {from_lane(c.value, mask), from_lane(c.at, mask)};
}

// The first NaN, else the first of the best values.
template <class Better>
struct FirstBest {
  template <class T>
  PYNN_INLINE Candidate<T> operator()(Candidate<T> a, Candidate<T> b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan ? a : b;
    if (a_nan || a.value == b.value) return a.at < b.at ? a : b;
    return Better::f(a.value, b.value) ? a : b;
  }
};

template <unsigned kTeam, class Better, class T>
__global__ void arg_kernel(std::size_t rows, std::size_t cols, const T* x, std::int64_t* out) {
  for_each_row(rows, [&](std::size_t i) {
    const T* xi = x + i * cols;
    const auto best =
        row_reduce<kTeam>(cols, Candidate<T>{xi[0], 0}, FirstBest<Better>{}, [xi](std::size_t j) {
          return Candidate<T>{xi[j], static_cast<std::int64_t>(j)};
        });
    if (threadIdx.x == 0) out[i] = best.at;
  });
}

template <class Better, class T>
void arg_rows(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x,
              std::int64_t* out) {
  launch_rows(stream, rows, cols, arg_kernel<kWarp, Better, T>, arg_kernel<kThreads, Better, T>,
              static_cast<const T*>(x), out);
}

template <class T>
constexpr void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
#define PYNN_ROW(name)                                                                     \
  t.reduce_rows[static_cast<std::size_t>(Reduce::name)][d] = reduce_rows<Reduce::name, T>; \
  t.reduce_columns[static_cast<std::size_t>(Reduce::name)][d] = reduce_columns<Reduce::name, T>;
  PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
  t.argmax[d] = arg_rows<formula::greater, T>;
  t.argmin[d] = arg_rows<formula::less, T>;
}

}  // namespace

// A reduction without a Reducer does not compile.
void fill_reduce(Table& table) {
  fill<float>(table);
  fill<double>(table);
  fill<std::int32_t>(table);
  fill<std::int64_t>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
