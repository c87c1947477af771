// Softmax and its kin over rows. Every sum is kept in double.
#include "kernels/cuda/table.h"
#include "kernels/cuda/team.h"
//
#include "kernels/cmath.h"
#include "kernels/formulas_plain.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

struct Sum {
  PYNN_INLINE double operator()(double a, double b) const { return a + b; }
};

template <unsigned kTeam, class T>
__device__ __forceinline__ T row_max(std::size_t cols, const T* x) {
  const auto larger = [](T a, T b) { return formula::maximum::f(a, b); };
  return row_reduce<kTeam>(cols, x[0], larger, [x](std::size_t j) { return x[j]; });
}

// sum(e^(x - shift))
template <unsigned kTeam, class T>
__device__ __forceinline__ T row_sum_exp(std::size_t cols, const T* x, T shift) {
  const auto term = [x, shift](std::size_t j) {
    return static_cast<double>(math::exp(x[j] - shift));
  };
  return static_cast<T>(row_reduce<kTeam>(cols, 0.0, Sum{}, term));
}

// y = e^(x - max) / sum, or its logarithm. `y` may be `x`: all of a row is read before it is
// written.
template <unsigned kTeam, bool logarithm, class T>
__global__ void softmax_kernel(std::size_t rows, std::size_t cols, const T* x, T* y) {
  for_each_row(rows, [&](std::size_t i) {
    const T* xi = x + i * cols;
    T* yi = y + i * cols;
    const T shift = row_max<kTeam>(cols, xi), sum = row_sum_exp<kTeam>(cols, xi, shift);
    const T log_sum = math::log(sum);
    for (std::size_t j = threadIdx.x; j < cols; j += kTeam) {
      const T centred = xi[j] - shift;
      yi[j] = logarithm ? centred - log_sum : math::exp(centred) / sum;
    }
  });
}

template <bool logarithm, class T>
void softmax(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x, void* y) {
  launch_rows(stream, cols == 0 ? 0 : rows, cols, softmax_kernel<kWarp, logarithm, T>,
              softmax_kernel<kThreads, logarithm, T>, static_cast<const T*>(x), static_cast<T*>(y));
}

// An infinite maximum is its own log-sum-exp.
template <unsigned kTeam, class T>
__global__ void logsumexp_kernel(std::size_t rows, std::size_t cols, const T* x, T* y) {
  for_each_row(rows, [&](std::size_t i) {
    const T* xi = x + i * cols;
    const T shift = row_max<kTeam>(cols, xi), sum = row_sum_exp<kTeam>(cols, xi, shift);
    const bool infinite = shift - shift != 0 && shift == shift;
    if (threadIdx.x == 0) y[i] = infinite ? shift : shift + math::log(sum);
  });
}

template <class T>
void logsumexp(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* x, void* y) {
  launch_rows(stream, rows, cols, logsumexp_kernel<kWarp, T>, logsumexp_kernel<kThreads, T>,
              static_cast<const T*>(x), static_cast<T*>(y));
}

// softmax: dx = y (dy - sum(dy y)); log_softmax: dx = dy - e^y sum(dy)
template <unsigned kTeam, bool logarithm, class T>
__global__ void softmax_grad_kernel(std::size_t rows, std::size_t cols, const T* dy, const T* y,
                                    T* dx) {
  for_each_row(rows, [&](std::size_t i) {
    const T *dyi = dy + i * cols, *yi = y + i * cols;
    T* dxi = dx + i * cols;
    const auto term = [dyi, yi](std::size_t j) {
      return static_cast<double>(dyi[j]) * (logarithm ? 1.0 : static_cast<double>(yi[j]));
    };
    const T sum = static_cast<T>(row_reduce<kTeam>(cols, 0.0, Sum{}, term));
    for (std::size_t j = threadIdx.x; j < cols; j += kTeam) {
      dxi[j] = logarithm ? dyi[j] - math::exp(yi[j]) * sum : yi[j] * (dyi[j] - sum);
    }
  });
}

template <bool logarithm, class T>
void softmax_grad(cudaStream_t stream, std::size_t rows, std::size_t cols, const void* dy,
                  const void* y, void* dx) {
  launch_rows(stream, rows, cols, softmax_grad_kernel<kWarp, logarithm, T>,
              softmax_grad_kernel<kThreads, logarithm, T>, static_cast<const T*>(dy),
              static_cast<const T*>(y), static_cast<T*>(dx));
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.softmax[d] = softmax<false, T>;
  t.log_softmax[d] = softmax<true, T>;
  t.logsumexp[d] = logsumexp<T>;
  t.softmax_grad[d] = softmax_grad<false, T>;
  t.log_softmax_grad[d] = softmax_grad<true, T>;
}

}  // namespace

void fill_softmax(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
