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

// The pixels of a window, as far as they lie in the image, from the first one on.
struct Pixels {
  std::int64_t count;
  std::int64_t at[256];      // in elements
  std::int32_t number[256];  // as pixels of the whole window are counted

  __attribute__((noinline)) void set(const Pool& p, const Span* window) {
    count = 0;
    for (std::int64_t i0 = window[0].begin; i0 < window[0].end; ++i0)
      for (std::int64_t i1 = window[1].begin; i1 < window[1].end; ++i1)
        for (std::int64_t i2 = window[2].begin; i2 < window[2].end; ++i2) {
          at[count] = (((i0 - window[0].begin) * p.in[1] + i1 - window[1].begin) * p.in[2] + i2 -
                       window[2].begin) *
                      p.channels;
          number[count++] = static_cast<std::int32_t>((i0 * p.window[1] + i1) * p.window[2] + i2);
        }
  }
};

// The greatest of N vectors of each pixel, and the pixel's number.
template <class T, int N, class Read>
PYNN_INLINE void find_winner(const Pixels& pixels, const T* x, const Read& read, Vec<T> (&best)[N],
                             Mask<Vec<T>> (&winner)[N]) {
  using V = Vec<T>;
  using M = Mask<V>;
  for (int n = 0; n < N; ++n) {
    best[n] = read(x + n * kLanes<T>);
    winner[n] = broadcast<M>(pixels.number[0]);
  }
  for (std::int64_t i = 1; i < pixels.count; ++i) {
    const M number = broadcast<M>(pixels.number[i]);
    for (int n = 0; n < N; ++n) {
      const V v = read(x + pixels.at[i] + n * kLanes<T>);
      const M better = (v > best[n]) | (v != v);
      best[n] = select(better, v, best[n]);
      winner[n] = select(better, number, winner[n]);
    }
  }
}

template <class T>
void max_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y,
              void* winners) {
  constexpr int L = kLanes<T>;
  Pixels all, some;
  const Span whole[3] = {{0, p.window[0]}, {0, p.window[1]}, {0, p.window[2]}};
  all.set(p, whole);
  const auto pool = [&](std::int64_t image, const std::int64_t* o, const Span* box,
                        std::int64_t to) {
    const Pixels* pixels = &all;
    if (box[0].size() * box[1].size() * box[2].size() < all.count) {
      Span inside[3];
      for (int axis = 0; axis < 3; ++axis)
        inside[axis] = {place(p, axis, o[axis], box[axis].begin),
                        place(p, axis, o[axis], box[axis].end)};
      some.set(p, inside);
      pixels = &some;
    }
    const std::int64_t first = (image * p.in[0] + box[0].begin) * p.in[1] * p.in[2] +
                               box[1].begin * p.in[2] + box[2].begin;
    const T* const from = static_cast<const T*>(x) + first * p.channels;
    T* const best_to = static_cast<T*>(y) + to;
    std::uint8_t* const winner_to = static_cast<std::uint8_t*>(winners) + to;
    std::int64_t done = 0;
    for (; done + 2 * L <= p.channels; done += 2 * L) {
      Vec<T> best[2];
      Mask<Vec<T>> winner[2];
      find_winner(
          *pixels, from + done, [](const T* at) { return load(at); }, best, winner);
      for (int n = 0; n < 2; ++n) {
        store(best_to + done + n * L, best[n]);
        store(winner_to + done + n * L, convert<std::uint8_t>(winner[n]));
      }
    }
    const auto one = [&](const auto& read, const auto& write, std::int64_t c) {
      Vec<T> best[1];
      Mask<Vec<T>> winner[1];
      find_winner(*pixels, from + c, read, best, winner);
      write(best_to + c, best[0]);
      write(winner_to + c, convert<std::uint8_t>(winner[0]));
    };
    for_each_vector<T>(p.channels, one, done);
  };
  for_each_pixel(p, p.out, {begin, end}, pixels_of, pool);
}

// For windows whose pixels a byte cannot number.
template <class T>
void max_pool_large(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y,
                    void* winners) {
  using V = Vec<T>;
  using M = Mask<V>;
  for_each_pixel(
      p, p.out, {begin, end}, pixels_of,
      [&](std::int64_t image, const std::int64_t* o, const Span* box, std::int64_t to) {
        for_each_vector<T>(p.channels, [&](const auto& read, const auto& write, std::int64_t c) {
          V best = broadcast<V>(reducer::max::identity<T>);
          M winner = broadcast<M>(-1);
          for_each_in(p, p.in, image, box, [&](const std::int64_t* i, std::int64_t from) {
            const V v = read(static_cast<const T*>(x) + from + c);
            const M better = (v > best) | (v != v) | (winner < 0);
            best = select(better, v, best);
            winner = select(better, broadcast<M>(static_cast<Elem<M>>(tap(p, o, i))), winner);
          });
          write(static_cast<T*>(y) + to + c, best);
          write(static_cast<std::int32_t*>(winners) + to + c, convert<std::int32_t>(winner));
        });
      });
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
  t.max_pool[0][d] = max_pool<T>;
  t.max_pool[1][d] = max_pool_large<T>;
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
