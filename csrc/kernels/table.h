// The kernel table: what an instruction set can override. Each entry is a pure function on raw
// pointers: it neither allocates nor throws nor knows of threads. `reference` fills every row
// first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/lists.h"
#include "runtime/dtype.h"

namespace pynn::kernels {

enum class Pointwise : std::uint16_t {
#define PYNN_ROW(name, ...) name, name##_grad,
  PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) name,
      PYNN_PLAIN_UNARY(PYNN_ROW) PYNN_TEST_UNARY(PYNN_ROW) PYNN_BINARY(PYNN_ROW)
          PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW
              where,  // (condition: bool, a, b)
  count
};

enum class Reduce : std::uint8_t {
#define PYNN_ROW(name) name,
  PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
      count
};

enum class Activation : std::uint8_t {
  linear,
#define PYNN_ROW(name, ...) name,
  PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
      count
};

inline constexpr std::size_t kPointwise = static_cast<std::size_t>(Pointwise::count);
inline constexpr std::size_t kReduce = static_cast<std::size_t>(Reduce::count);

// out[i] = f(in[0][i], in[1][i], ...; attr) over n contiguous elements. `out` may be one of `in`.
// `attr` holds up to two parameters (alpha, ...); null where the formula has none.
using PointwiseFn = void (*)(std::size_t n, void* out, const void* const* in, const double* attr);

// The same rows as stages of threaded code, for chains of them: a stage computes on an accumulator
// of some vectors that stays in registers, and ends in a jump to the stage behind it.
using StageCode = void (*)();  // of a type that only its instruction set knows
struct Stage {
  StageCode code;
  void* data;          // the operand of element 0; of every element, if it is a scalar
  const double* attr;  // as for PointwiseFn
  const void* factor;  // of the stages that multiply by a single value: where it lies
};
enum class StageForm : std::uint8_t {
  array,         // acc = f(acc, data[i]), or f(acc) for a row of one operand
  array_first,   // acc = f(data[i], acc)
  scalar,        // acc = f(acc, data[0])
  scalar_first,  // acc = f(data[0], acc)
  count
};
inline constexpr std::size_t kStageForms = static_cast<std::size_t>(StageForm::count);
// The rows that also exist as one stage with a product by a single value in front of them.
enum class Scaled : std::uint8_t { add, subtract, count };
inline constexpr std::size_t kScaled = static_cast<std::size_t>(Scaled::count);
// The stages for one type. Those that a row does not have are null.
struct Stages {
  std::size_t block;  // elements of the accumulator; 0: this table has no stages
  // Runs `stages`, the last of which is `finish`, over elements [0, n), n a multiple of `block`.
  void (*run)(const Stage* stages, std::size_t n);
  StageCode load, load_scalar, store, finish;  // acc = data[i], acc = data[0], data[i] = acc
  StageCode rows[kPointwise][kStageForms];
  // Rounded as by two stages. scale: acc = data[i] factor. operand_scaled: acc = f(acc, data[i]
  // factor) or f(data[i] factor, acc). scaled: f of acc factor and the operand, in every form.
  StageCode scale, operand_scaled[kScaled][2], scaled[kScaled][kStageForms];
};

// out[i] = (To)in[i]. Float to integer truncates; anything to bool is != 0.
using CastFn = void (*)(std::size_t n, void* out, const void* in);

// One value from a contiguous run, summed in a fixed order with at least pairwise accuracy. n >= 1
// for max and min; NaN propagates.
using ReduceRunFn = void (*)(std::size_t n, const void* x, void* out);

// out[j] = reduce over i of x[i * ld + j], j < cols: the reduction of the leading axis.
using ReduceColumnsFn = void (*)(std::size_t rows, std::size_t cols, std::ptrdiff_t ld,
                                 const void* x, void* out);

// Index of the first extreme element of a run (the first NaN if there is one).
using ArgFn = std::int64_t (*)(std::size_t n, const void* x);

// Row-wise maps over contiguous (rows, cols).
using RowsFn = void (*)(std::size_t rows, std::size_t cols, const void* x, void* y);
using RowsGradFn = void (*)(std::size_t rows, std::size_t cols, const void* dy, const void* y,
                            void* dx);

// Rows brought to mean 0 (where `center`; else the mean counts as 0) and variance 1, then stretched
// and shifted: y = h gamma + beta, h = (x - mean) scale, scale = 1 / sqrt(mean((x - mean)^2) +
// epsilon). `mean` and `scale` have a value a row.
struct Standardize {
  std::size_t rows, cols;
  bool center;
  double epsilon;
  const void *gamma, *beta;  // cols values each; null: 1 and 0
};
using StandardizeFn = void (*)(const Standardize&, const void* x, void* y, void* mean, void* scale);
// dx = scale (g - mean(g) - h mean(g h)), g = dy gamma, the first mean where `center`. Adds the
// sums of dy h and of dy over the rows to dgamma and dbeta, of `cols` values, where they are not
// null.
using StandardizeGradFn = void (*)(const Standardize&, const void* dy, const void* x,
                                   const void* mean, const void* scale, void* dx, void* dgamma,
                                   void* dbeta);

// Elements [first, first + n) of a random stream: element i depends on (key, stream, i) alone, so
// any partition of the range gives the same bits. `first` is a multiple of 4.
using RandomFn = void (*)(std::uint64_t key, std::uint64_t stream, std::uint64_t first,
                          std::size_t n, void* out);

using FiniteFn = bool (*)(std::size_t n, const void* x);

// y(cols, rows) = transpose of x(rows, cols), element strides ldx and ldy.
using TransposeFn = void (*)(std::size_t rows, std::size_t cols, const void* x, std::ptrdiff_t ldx,
                             void* y, std::ptrdiff_t ldy);

// Runs of memory that C's reader will read next.
struct Ahead {
  static constexpr int kRuns = 4;
  struct Run {
    const char* data;
    std::int64_t bytes;
  };
  Run runs[kRuns];
  int count = 0;
};

// C(m, n) = activation(A(m, k) B(k, n) + bias(n)), or activation(C + A B) when `accumulate`.
// Strides in elements; C's column stride is 1. Every element of C is one chain of fused
// multiply-adds over k in an order that depends on k alone: the bits do not depend on how a caller
// cuts m and n into blocks.
struct Gemm {
  std::int64_t m, n, k;
  const void* a;
  std::int64_t a_row, a_col;
  const void* b;
  std::int64_t b_row, b_col;
  void* c;
  std::int64_t c_row;
  const void* bias;       // n values, or null
  Activation activation;  // linear: none
  const double* attr;     // the activation's parameters
  bool accumulate;
  void* workspace;  // gemm_workspace bytes, 64-byte aligned; null when that is zero
  // Where there are several stretches, k is the length of one: A's columns lie in runs a_stretch
  // elements apart, as a patch of an image does, and B, of stretches * k rows, has b_col = 1.
  std::int64_t stretches = 1, a_stretch = 0;
  const Ahead* ahead = nullptr;  // gemm_pairs asks for it while it multiplies; null: for nothing
};
using GemmFn = void (*)(const Gemm&);
using GemmWorkspaceFn = std::size_t (*)(const Gemm&);
// The same for m = 1, where either B's rows are contiguous (b_col = 1) or its columns and A are
// (b_row = a_col = 1). Without `accumulate` and workspace. The sums run in an order of their own.
using GemvFn = void (*)(const Gemm&);

// Rounds x(k, n), element strides `row` and `col`, to bfloat16 in pairs along k: out(q, j) holds
// x(2q, j) in its low half and x(2q + 1, j), or zero past the end, in its high half. q < (k + 1) /
// 2; one of the strides of `out` is 1.
using PackPairsFn = void (*)(std::int64_t k, std::int64_t n, const void* x, std::int64_t row,
                             std::int64_t col, std::uint32_t* out, std::int64_t out_row,
                             std::int64_t out_col);

// Windows that slide over images (channels last) of three axes, of which the leading ones may have
// extent 1. The window of output o starts at pixel o stride - before; it has a pixel in the image.
struct Pool {
  std::int64_t in[3], out[3];  // extents of an image and of its pooled image
  std::int64_t window[3], stride[3], before[3];
  std::int64_t channels;
};
// Lines [begin, end) of all images' y(out, channels) from x(in, channels); a line is one index of
// (image, axis 0, axis 1).
using AvgPoolFn = void (*)(const Pool&, std::int64_t begin, std::int64_t end, const void* x,
                           void* y);
// The same, with the first pixel of each window that has its maximum, counted within the window in
// C order. NaN is greater than any number.
using MaxPoolFn = void (*)(const Pool&, std::int64_t begin, std::int64_t end, const void* x,
                           void* y, void* winners);
// Lines of dx(in, channels): each element gets the dy of all windows that it won.
using MaxPoolGradFn = void (*)(const Pool&, std::int64_t begin, std::int64_t end, const void* dy,
                               const void* winners, void* dx);
// By the size of an item of `winners`: uint8 or int32.
constexpr std::size_t kWinnerTypes = 2;

// A line of pixels that are convolved channel by channel. Tap t sees, from pixel p in [begin, end),
// the pixel at x + p x_step; outside of that it sees nothing. Offsets and steps in elements.
struct DepthwiseTap {
  std::int64_t x, w;  // of the first of its channels
  std::int64_t begin, end;
};
struct Depthwise {
  std::int64_t pixels, channels;
  std::int64_t x_step, y_step;  // from one pixel to the next
  const DepthwiseTap* taps;
  std::int64_t count;
  const void* bias;  // a value a channel, or null
  bool relu;
};
// y = the sum over taps of x w, plus the bias.
using DepthwiseFn = void (*)(const Depthwise&, const void* x, const void* w, void* y);
// w += the sum over pixels of x y, for each tap; without bias and relu.
using DepthwiseGradFn = void (*)(const Depthwise&, const void* x, const void* y, void* w);

// Sums of a few rows each: c(to[i] + j) += the sum over its terms t of values(i, t) x(at(i, t) +
// j), for j < columns; the first terms[i] of a row of `at` and `values` count. The same for as many
// stretches of x and c, which lie x_stretch and c_stretch apart. The order of the terms depends on
// their number and that of the columns and stretches alone.
struct RowSums {
  std::int64_t sums, capacity, columns;
  const std::int32_t* terms;  // (sums)
  const std::int32_t* at;     // (sums, capacity)
  const void* values;         // (sums, capacity)
  const void* x;
  const std::int32_t* to;  // (sums)
  void* c;
  std::int64_t stretches = 1, x_stretch = 0, c_stretch = 0;
};
using RowSumsFn = void (*)(const RowSums&);

// Packs terms of such a sum: of `count` values those, in order, that are not zero and whose key is
// in [begin, end), to `packed` and, with places at(i) + key_at(key - begin), to `packed_at`. What
// follows them there is overwritten up to the end of a vector that begins within `count`. Returns
// how many there are.
struct PackTerms {
  std::int64_t count;
  const void* values;
  const std::int32_t* at;
  const std::uint8_t* keys;
  std::int64_t begin, end;
  const std::int32_t* key_at;
  void* packed;
  std::int32_t* packed_at;
};
using PackTermsFn = std::int32_t (*)(const PackTerms&);

// c(r, f) += the sum over windows i and their pixels p of x(window_at[i] + pixel_at[p] + row_at[r])
// times values(i, f), where winners(i, f) is p: the product of x and the unpooled values. The order
// depends on the numbers of windows and pixels alone.
struct WinnerProduct {
  std::int64_t windows, pixels, rows, filters;
  const std::int32_t *window_at, *pixel_at, *row_at;
  const void* x;
  const void* values;           // (windows, filters)
  const std::uint8_t* winners;  // (windows, filters)
  void* c;                      // (rows, filters)
};
using WinnerProductFn = void (*)(const WinnerProduct&);

// Winograd's convolution F(2 x 2, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016): the 2 x 2 results that 4 x 4 pixels d give under a kernel g are A^t [(G g G^t)
// * (B^t d B)] A, the product in the middle element by element and summed over channels. So 16
// products of matrices take the place of 36. Matrices are stored by rows, the elements of one,
// which are rows of channels or filters, `step` apart.
// v(16, channels) from the pixels x[16].
using WinogradImageFn = void (*)(std::int64_t channels, const float* const* x, float* v,
                                 std::int64_t v_step);
// u(16, filters) from the taps w(9, filters) of one channel.
using WinogradKernelFn = void (*)(std::int64_t filters, const float* w, std::int64_t w_step,
                                  float* u, std::int64_t u_step);
// The pixels y[4] from the sums m(16, filters), plus the bias, which may be null. With `winners`:
// y[0] gets the greatest of them, and `winners` its number, as max_pool has it.
struct WinogradResult {
  std::int64_t filters, m_step;
  const float *m, *bias;
  bool relu;
  float* y[4];
  std::uint8_t* winners;
};
using WinogradResultFn = void (*)(const WinogradResult&);

// What the gradient by the kernel, G^t [(A dy A^t) * (B^t d B)] G, has beside v, by transposing the
// maps: d(16, filters) from the pixels y[4], and dw(9, filters) of one channel from the sums s(16,
// filters).
using WinogradResultGradFn = void (*)(std::int64_t filters, const float* const* y, float* d,
                                      std::int64_t d_step);
using WinogradKernelGradFn = void (*)(std::int64_t filters, const float* s, std::int64_t s_step,
                                      float* dw, std::int64_t dw_step);

struct Table {
  const char* isa;
  std::size_t vector_bytes;
  PointwiseFn pointwise[kPointwise][kDTypes];  // null where the op has no meaning for the type
  Stages stages[kDTypes];                      // f32 f64, of an instruction set's own vectors
  CastFn cast[kDTypes][kDTypes];               // [to][from]
  ReduceRunFn reduce_run[kReduce][kDTypes];    // f32 f64 i32 i64
  ReduceColumnsFn reduce_columns[kReduce][kDTypes];
  ArgFn argmax[kDTypes], argmin[kDTypes];                             // f32 f64 i32 i64
  RowsFn softmax[kDTypes], log_softmax[kDTypes], logsumexp[kDTypes];  // f32 f64
  RowsGradFn softmax_grad[kDTypes], log_softmax_grad[kDTypes];        // (dy, y) -> dx
  RandomFn random_uniform[kDTypes], random_normal[kDTypes];           // f32 f64; [0, 1) and N(0, 1)
  FiniteFn all_finite[kDTypes];                                       // f32 f64
  TransposeFn transpose[9];                                           // by item size: 1 2 4 8
  MaxPoolFn max_pool[kWinnerTypes][kDTypes];                          // f32 f64
  MaxPoolGradFn max_pool_grad[kWinnerTypes][kDTypes];
  AvgPoolFn avg_pool[kDTypes], avg_pool_grad[kDTypes];  // the gradient: lines of dx from dy
  RowSumsFn row_sums[kDTypes];                          // f32 f64
  PackTermsFn pack_terms[kDTypes];                      // f32 f64
  WinnerProductFn winner_product;                       // f32
  WinogradImageFn winograd_image;
  WinogradKernelFn winograd_kernel;
  WinogradResultFn winograd_result;
  WinogradResultGradFn winograd_result_grad;
  WinogradKernelGradFn winograd_kernel_grad;
  GemmFn gemm[kDTypes];  // f32 f64
  GemmWorkspaceFn gemm_workspace[kDTypes];
  GemvFn gemv[kDTypes];             // f32 f64
  PackPairsFn pack_pairs[kDTypes];  // f32 bf16: the operands of gemm_pairs
  // The same product of bfloat16 values with float32 C and bias; linear or relu, no workspace. A
  // and B hold pairs and k counts them. B comes in panels of pair_panel columns, b_col items apart;
  // in a panel rows are pair_panel items long, whether they are used or not.
  GemmFn gemm_pairs;
  std::int64_t pair_panel;
  StandardizeFn standardize[kDTypes];  // f32 f64
  StandardizeGradFn standardize_grad[kDTypes];
  DepthwiseFn depthwise[kDTypes];  // f32 f64
  DepthwiseGradFn depthwise_grad[kDTypes];
};

// The table in use: chosen once by what the CPU has, or by PYNN_ISA. Throws ValueError for a name
// that is unknown or that this CPU cannot run.
const Table& table();
// The table of one instruction set by name ("reference", "baseline", "avx2", "avx512",
// "avx512_bf16", "neon"), or null if this build or this CPU does not have it.
const Table* table_for(const char* isa);
// Names of the tables that this CPU can run, best last; null-terminated.
const char* const* available_isas();

}  // namespace pynn::kernels
