// Pooling of images with channels last. Every function makes each pixel of its result from a box of
// pixels of the other side, a vector of channels at a time, so lines can be computed in any order.
#include "kernels/pool.h"

#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Calls f(load, store, channel) for each vector of channels: `load(p)` and `store(p, v)` move as
// many lanes, of any type, as there are channels left.
template <class T, class F>
PYNN_INLINE void for_each_vector(std::int64_t channels, const F& f, std::int64_t c = 0) {
  constexpr int N = kLanes<T>;
  for (; c + N <= channels; c += N) {
    f([]<class U>(const U* p) { return load<U, N>(p); }, [](auto* p, auto v) { store(p, v); }, c);
  }
  if (c == channels) return;
  const auto left = static_cast<std::size_t>(channels - c);
  f([left]<class U>(const U* p) { return load_first<U, N>(p, left); },
    [left](auto* p, auto v) { store_first(p, v, left); }, c);
}

// The pixels of a window: where in x the first one lies, how far it is to the others, and numbers.
template <class T>
struct Window {
  const T* from;
  std::int64_t slice, row, pixel;
  std::int64_t first, in_slice, in_row;
  std::int64_t size[3];
};

// The greatest of N vectors of each pixel and the pixel's number.
template <class T, int N, class Read>
PYNN_INLINE void find_winner(const Window<T>& w, std::int64_t channel, const Read& read,
                             Vec<T> (&best)[N], Mask<Vec<T>> (&winner)[N]) {
  using V = Vec<T>;
  using M = Mask<V>;
  for (int n = 0; n < N; ++n) {
    best[n] = read(w.from + channel + n * kLanes<T>);
    winner[n] = broadcast<M>(static_cast<Elem<M>>(w.first));
  }
  for (std::int64_t i = 0; i < w.size[0]; ++i) {
    for (std::int64_t j = 0; j < w.size[1]; ++j) {
      const T* at = w.from + channel + i * w.slice + j * w.row;
      M number = broadcast<M>(static_cast<Elem<M>>(w.first + i * w.in_slice + j * w.in_row));
      for (std::int64_t k = w.size[2]; k > 0; --k, at += w.pixel, number += 1) {
        for (int n = 0; n < N; ++n) {
          const V v = read(at + n * kLanes<T>);
          const M better = (v > best[n]) | (v != v);
          best[n] = select(better, v, best[n]);
          winner[n] = select(better, number, winner[n]);
        }
      }
    }
  }
}

// All channels of one window. Two vectors of them go side by side; windows whose pixels a byte
// cannot number are so large that this would gain nothing.
template <class T, class I>
PYNN_INLINE void pool_window(const Window<T>& window, std::int64_t channels, T* y, I* winners) {
  constexpr int L = kLanes<T>;
  std::int64_t done = 0;
  if constexpr (sizeof(I) == 1) {
    for (; done + 2 * L <= channels; done += 2 * L) {
      Vec<T> best[2];
      Mask<Vec<T>> winner[2];
      find_winner(
          window, done, [](const T* at) { return load(at); }, best, winner);
      for (int n = 0; n < 2; ++n) {
        store(y + done + n * L, best[n]);
        store(winners + done + n * L, convert<I>(winner[n]));
      }
    }
  }
  const auto one = [&](const auto& read, const auto& write, std::int64_t c) {
    Vec<T> best[1];
    Mask<Vec<T>> winner[1];
    find_winner(window, c, read, best, winner);
    write(y + c, best[0]);
    write(winners + c, convert<I>(winner[0]));
  };
  for_each_vector<T>(channels, one, done);
}

template <class T, class I>
void max_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y,
              void* winners) {
  const std::int64_t row = p.in[2] * p.channels, slice = p.in[1] * row;
  const auto pool = [&](std::int64_t image, const std::int64_t* o, const Span* box,
                        std::int64_t to) {
    const std::int64_t first[3] = {box[0].begin, box[1].begin, box[2].begin};
    Window<T> window;
    window.from = static_cast<const T*>(x) + (image * p.in[0] + first[0]) * slice + first[1] * row +
                  first[2] * p.channels;
    window.slice = slice;
    window.row = row;
    window.pixel = p.channels;
    window.first = tap(p, o, first);
    window.in_slice = p.window[1] * p.window[2];
    window.in_row = p.window[2];
    for (int axis = 0; axis < 3; ++axis) window.size[axis] = box[axis].size();
    pool_window(window, p.channels, static_cast<T*>(y) + to, static_cast<I*>(winners) + to);
  };
  for_each_pixel(p, p.out, {begin, end}, pixels_of, pool);
}

template <class T, class I>
void max_pool_grad(const Pool& p, std::int64_t begin, std::int64_t end, const void* dy,
                   const void* winners, void* dx) {
  using V = Vec<T>;
  using M = Mask<V>;
  for_each_pixel(
      p, p.in, {begin, end}, outputs_of,
      [&](std::int64_t image, const std::int64_t* i, const Span* box, std::int64_t to) {
        for_each_vector<T>(p.channels, [&](const auto& read, const auto& write, std::int64_t c) {
          V sum = {};
          for_each_in(p, p.out, image, box, [&](const std::int64_t* o, std::int64_t from) {
            const M winner = convert<Elem<M>>(read(static_cast<const I*>(winners) + from + c));
            const V d = read(static_cast<const T*>(dy) + from + c);
            sum += select(winner == static_cast<Elem<M>>(tap(p, o, i)), d, V{});
          });
          write(static_cast<T*>(dx) + to + c, sum);
        });
      });
}

template <class T>
void avg_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y) {
  using V = Vec<T>;
  for_each_pixel(
      p, p.out, {begin, end}, pixels_of,
      [&](std::int64_t image, const std::int64_t* o, const Span* box, std::int64_t to) {
        const T share = T(1) / static_cast<T>(window_size(p, o));
        for_each_vector<T>(p.channels, [&](const auto& read, const auto& write, std::int64_t c) {
          V sum = {};
          for_each_in(p, p.in, image, box, [&](const std::int64_t*, std::int64_t from) {
            sum += read(static_cast<const T*>(x) + from + c);
          });
          write(static_cast<T*>(y) + to + c, sum * share);
        });
      });
}

template <class T>
void avg_pool_grad(const Pool& p, std::int64_t begin, std::int64_t end, const void* dy, void* dx) {
  using V = Vec<T>;
  for_each_pixel(
      p, p.in, {begin, end}, outputs_of,
      [&](std::int64_t image, const std::int64_t*, const Span* box, std::int64_t to) {
        for_each_vector<T>(p.channels, [&](const auto& read, const auto& write, std::int64_t c) {
          V sum = {};
          for_each_in(p, p.out, image, box, [&](const std::int64_t* o, std::int64_t from) {
            const T share = T(1) / static_cast<T>(window_size(p, o));
            sum += read(static_cast<const T*>(dy) + from + c) * share;
          });
          write(static_cast<T*>(dx) + to + c, sum);
        });
      });
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.max_pool[0][d] = max_pool<T, std::uint8_t>;
  t.max_pool[1][d] = max_pool<T, std::int32_t>;
  t.max_pool_grad[0][d] = max_pool_grad<T, std::uint8_t>;
  t.max_pool_grad[1][d] = max_pool_grad<T, std::int32_t>;
  t.avg_pool[d] = avg_pool<T>;
  t.avg_pool_grad[d] = avg_pool_grad<T>;
}

}  // namespace

void fill_pool(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
