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
PYNN_INLINE void for_each_vector(std::int64_t channels, const F& f) {
  constexpr int N = kLanes<T>;
  std::int64_t c = 0;
  for (; c + N <= channels; c += N) {
    f([]<class U>(const U* p) { return load<U, N>(p); }, [](auto* p, auto v) { store(p, v); }, c);
  }
  if (c == channels) return;
  const auto left = static_cast<std::size_t>(channels - c);
  f([left]<class U>(const U* p) { return load_first<U, N>(p, left); },
    [left](auto* p, auto v) { store_first(p, v, left); }, c);
}

template <class T, class I>
void max_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y,
              void* winners) {
  using V = Vec<T>;
  using M = Mask<V>;
  for_each_pixel(
      p, p.out, {begin, end}, pixels_of,
      [&](std::int64_t image, const std::int64_t* o, const Span* box, std::int64_t to) {
        const std::int64_t corner[3] = {box[0].begin, box[1].begin, box[2].begin};
        const std::int64_t row = p.in[2] * p.channels, slice = p.in[1] * row;
        const T* const from = static_cast<const T*>(x) + (image * p.in[0] + corner[0]) * slice +
                              corner[1] * row + corner[2] * p.channels;
        const auto first = static_cast<Elem<M>>(tap(p, o, corner));
        const auto in_slice = static_cast<Elem<M>>(p.window[1] * p.window[2]);
        const auto in_row = static_cast<Elem<M>>(p.window[2]);
        for_each_vector<T>(p.channels, [&](const auto& read, const auto& write, std::int64_t c) {
          V best = read(from + c);
          M winner = broadcast<M>(first);
          for (std::int64_t i0 = 0; i0 < box[0].size(); ++i0) {
            for (std::int64_t i1 = 0; i1 < box[1].size(); ++i1) {
              const T* at = from + c + i0 * slice + i1 * row;
              M number = broadcast<M>(static_cast<Elem<M>>(first + i0 * in_slice + i1 * in_row));
              for (std::int64_t i2 = box[2].size(); i2 > 0; --i2, at += p.channels, number += 1) {
                const V v = read(at);
                const M better = (v > best) | (v != v);
                best = select(better, v, best);
                winner = select(better, number, winner);
              }
            }
          }
          write(static_cast<T*>(y) + to + c, best);
          write(static_cast<I*>(winners) + to + c, convert<I>(winner));
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
