// Convolution of each channel by itself, a vector of channels at a time.
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Results in flight. Doubles are rare: for them, size counts more.
template <class T>
constexpr std::int64_t kPixels = sizeof(T) == 4 ? 8 : 1;
constexpr std::int64_t kTaps = 9;  // sums in flight: a 3x3 kernel's
// Whether part of a vector is read by one instruction: else the last channels go one by one.
constexpr bool kReadsParts = kVectorBytes > 16;

PYNN_INLINE std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
PYNN_INLINE std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

struct Range {
  std::int64_t begin, end;
};
// The pixels from which all of some taps are seen.
PYNN_INLINE Range common(const DepthwiseTap* taps, std::int64_t count, std::int64_t pixels) {
  Range r{0, pixels};
  for (std::int64_t t = 0; t < count; ++t) {
    r.begin = most(r.begin, taps[t].begin);
    r.end = least(r.end, taps[t].end);
  }
  return r.begin < r.end ? r : Range{0, 0};
}

// Whether three taps see pixels that follow each other as results do: then a pixel, once loaded,
// serves them all.
constexpr int kRun = 3;
PYNN_INLINE bool is_run(const DepthwiseTap* tap, std::int64_t x_step) {
  return tap[1].x - tap[0].x == x_step && tap[2].x - tap[1].x == x_step;
}

// N neighbouring results in one vector of channels, of which `lanes` are there; `full` says that
// all are. More than one of them see every tap.
template <class T, int N, bool full>
PYNN_INLINE void results(const Depthwise& d, const T* x, const T* w, T* y, std::int64_t p,
                         std::int64_t c, std::size_t lanes) {
  using V = Vec<T>;
  const auto read = [lanes](const T* from) __attribute__((always_inline)) {
    return full ? load(from) : load_first(from, lanes);
  };
  const std::int64_t x_step = d.x_step, y_step = d.y_step;
  const V start = d.bias ? read(static_cast<const T*>(d.bias) + c) : V{};
  V sum[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) sum[i] = start;
  x += p * x_step + c;
  w += c;
  const DepthwiseTap* const end = d.taps + d.count;
  for (const DepthwiseTap* tap = d.taps; tap != end; ++tap) {
    if (N == 1 && (p < tap->begin || p >= tap->end)) continue;
    const T* from = x + tap->x;
    if (N > 1 && end - tap >= kRun && is_run(tap, x_step)) {
      V factor[kRun];
#pragma GCC unroll 3
      for (int k = 0; k < kRun; ++k) factor[k] = read(w + tap[k].w);
#pragma GCC unroll 16
      for (int i = 0; i < N + kRun - 1; ++i, from += x_step) {
        const V value = read(from);
#pragma GCC unroll 3
        for (int k = 0; k < kRun; ++k)
          if (i - k >= 0 && i - k < N) sum[i - k] = fma(value, factor[k], sum[i - k]);
      }
      tap += kRun - 1;
      continue;
    }
    const V factor = read(w + tap->w);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i, from += x_step) sum[i] = fma(read(from), factor, sum[i]);
  }
  y += p * y_step + c;
  const V bound = broadcast<V>(d.relu ? T(0) : -__builtin_inff());
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i, y += y_step) {
    const V value = max(bound, sum[i]);  // keeps a NaN
    full ? store(y, value) : store_first(y, value, lanes);
  }
}

template <class T>
void depthwise(const Depthwise& d, const void* image, const void* kernel, void* result) {
  constexpr std::int64_t L = kLanes<T>;
  const auto x = static_cast<const T*>(image), w = static_cast<const T*>(kernel);
  const auto y = static_cast<T*>(result);
  const Range inner = common(d.taps, d.count, d.pixels);
  const bool blocks = kPixels<T> > 1 && inner.end - inner.begin >= kPixels<T>;
  for (std::int64_t p = 0; p < d.pixels;) {
    const std::int64_t left = blocks && p >= inner.begin ? inner.end - p : 0;
    const std::int64_t n = left > 0 ? least(left, kPixels<T>) : 1;
    std::int64_t c = 0;
    // The last block begins early rather than late: it computes some results again.
    for (; left > 0 && c + L <= d.channels; c += L)
      results<T, kPixels<T>, true>(d, x, w, y, p + n - kPixels<T>, c, L);
    if (kReadsParts && left > 0 && c < d.channels) {
      results<T, kPixels<T>, !kReadsParts>(d, x, w, y, p + n - kPixels<T>, c,
                                           static_cast<std::size_t>(d.channels - c));
      c = d.channels;
    }
    for (; c < d.channels; c += L)
      for (std::int64_t i = p; i < p + n; ++i)
        results<T, 1, false>(d, x, w, y, i, c, static_cast<std::size_t>(least(d.channels - c, L)));
    p += n;
  }
}

// Adds to the weights of N taps, in one vector of channels, what pixels [begin, end), which see all
// of them, contribute.
template <class T, int N, bool full>
PYNN_INLINE void sums(const Depthwise& d, const DepthwiseTap* taps, Range pixels, const T* x,
                      const T* y, T* w, std::int64_t c, std::size_t lanes) {
  using V = Vec<T>;
  const auto read = [lanes](const T* from) __attribute__((always_inline)) {
    return full ? load(from) : load_first(from, lanes);
  };
  const std::int64_t x_step = d.x_step, y_step = d.y_step;
  V sum[N] = {};
  const T* from[N];
#pragma GCC unroll 9
  for (int t = 0; t < N; ++t) from[t] = x + taps[t].x + c;
  std::int64_t at = pixels.begin * x_step;
  y += pixels.begin * y_step + c;
  if (N == kTaps && is_run(taps, x_step) && is_run(taps + kRun, x_step) &&
      is_run(taps + 2 * kRun, x_step)) {
    // The results that a pixel meets at the taps of a run; zero beyond the ends.
    V factor[kRun] = {};
    for (std::int64_t p = pixels.begin; p < pixels.end + kRun - 1; ++p, at += x_step) {
#pragma GCC unroll 3
      for (int k = kRun - 1; k > 0; --k) factor[k] = factor[k - 1];
      factor[0] = p < pixels.end ? read(y) : V{};
      y += y_step;
#pragma GCC unroll 3
      for (int t = 0; t + kRun <= N; t += kRun) {
        const V value = read(from[t] + at);
#pragma GCC unroll 3
        for (int k = 0; k < kRun; ++k) sum[t + k] = fma(value, factor[k], sum[t + k]);
      }
    }
  } else {
    for (std::int64_t p = pixels.begin; p < pixels.end; ++p, at += x_step, y += y_step) {
      const V factor = read(y);
#pragma GCC unroll 9
      for (int t = 0; t < N; ++t) sum[t] = fma(read(from[t] + at), factor, sum[t]);
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < N; ++t) {
    T* const to = w + taps[t].w + c;
    full ? store(to, read(to) + sum[t]) : store_first(to, read(to) + sum[t], lanes);
  }
}

// The same of all channels from `c` on, for one tap.
template <class T>
__attribute__((noinline)) void sums_of_one(const Depthwise& d, const DepthwiseTap* tap,
                                           Range pixels, const T* x, const T* y, T* w,
                                           std::int64_t c) {
  constexpr std::int64_t L = kLanes<T>;
  if (pixels.begin >= pixels.end) return;
  for (; c < d.channels; c += L)
    sums<T, 1, false>(d, tap, pixels, x, y, w, c,
                      static_cast<std::size_t>(least(d.channels - c, L)));
}

template <class T, int N>
PYNN_INLINE void sums_of_several(const Depthwise& d, const DepthwiseTap* taps, const T* x,
                                 const T* y, T* w) {
  constexpr std::int64_t L = kLanes<T>;
  const Range inner = common(taps, N, d.pixels);
  std::int64_t c = 0;
  if (inner.begin < inner.end) {
    for (; c + L <= d.channels; c += L) sums<T, N, true>(d, taps, inner, x, y, w, c, L);
    if (kReadsParts && c < d.channels) {
      sums<T, N, !kReadsParts>(d, taps, inner, x, y, w, c,
                               static_cast<std::size_t>(d.channels - c));
      c = d.channels;
    }
  }
  for (const DepthwiseTap* tap = taps; tap != taps + N; ++tap) {
    // What not all of them see, and the last channels.
    sums_of_one(d, tap, Range{tap->begin, least(tap->end, inner.begin)}, x, y, w, 0);
    sums_of_one(d, tap, Range{most(tap->begin, inner.end), tap->end}, x, y, w, 0);
    sums_of_one(d, tap, inner, x, y, w, c);
  }
}

template <class T>
void depthwise_grad(const Depthwise& d, const void* image, const void* gradient, void* kernel) {
  const auto x = static_cast<const T*>(image), y = static_cast<const T*>(gradient);
  const auto w = static_cast<T*>(kernel);
  const DepthwiseTap *tap = d.taps, *const end = d.taps + d.count;
  if constexpr (kPixels < T >> 1) {
    for (; end - tap >= kTaps; tap += kTaps) sums_of_several<T, kTaps>(d, tap, x, y, w);
    for (; end - tap >= kRun; tap += kRun) sums_of_several<T, kRun>(d, tap, x, y, w);
  }
  for (; tap != end; ++tap) sums_of_one(d, tap, Range{tap->begin, tap->end}, x, y, w, 0);
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.depthwise[d] = depthwise<T>;
  t.depthwise_grad[d] = depthwise_grad<T>;
}

}  // namespace

void fill_depthwise(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
