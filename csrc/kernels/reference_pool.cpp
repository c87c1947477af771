// The reference of pooling.
#define PYNN_ISA reference

#include "kernels/pool.h"

#include "kernels/reference.h"

namespace pynn::kernels::reference {
namespace {

template <class T, class I>
void max_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y,
              void* winners) {
  for_each_pixel(p, p.out, {begin, end}, pixels_of,
                 [&](std::int64_t image, const std::int64_t* o, const Span* box, std::int64_t to) {
                   for (std::int64_t c = 0; c < p.channels; ++c) {
                     T best = 0;
                     std::int64_t winner = -1;
                     for_each_in(p, p.in, image, box,
                                 [&](const std::int64_t* i, std::int64_t from) {
                                   const T v = static_cast<const T*>(x)[from + c];
                                   if (winner >= 0 && !(v > best) && v == v) return;
                                   best = v;
                                   winner = tap(p, o, i);
                                 });
                     static_cast<T*>(y)[to + c] = best;
                     static_cast<I*>(winners)[to + c] = static_cast<I>(winner);
                   }
                 });
}

template <class T, class I>
void max_pool_grad(const Pool& p, std::int64_t begin, std::int64_t end, const void* dy,
                   const void* winners, void* dx) {
  for_each_pixel(p, p.in, {begin, end}, outputs_of,
                 [&](std::int64_t image, const std::int64_t* i, const Span* box, std::int64_t to) {
                   for (std::int64_t c = 0; c < p.channels; ++c) {
                     double sum = 0;
                     for_each_in(p, p.out, image, box,
                                 [&](const std::int64_t* o, std::int64_t from) {
                                   if (static_cast<const I*>(winners)[from + c] == tap(p, o, i))
                                     sum += static_cast<const T*>(dy)[from + c];
                                 });
                     static_cast<T*>(dx)[to + c] = static_cast<T>(sum);
                   }
                 });
}

// Of dy with `back`, which gives the gradient.
template <class T, bool back>
void avg_pool(const Pool& p, std::int64_t begin, std::int64_t end, const void* x, void* y) {
  for_each_pixel(p, back ? p.in : p.out, {begin, end}, back ? outputs_of : pixels_of,
                 [&](std::int64_t image, const std::int64_t* at, const Span* box, std::int64_t to) {
                   for (std::int64_t c = 0; c < p.channels; ++c) {
                     double sum = 0;
                     for_each_in(p, back ? p.out : p.in, image, box,
                                 [&](const std::int64_t* other, std::int64_t from) {
                                   sum += static_cast<double>(static_cast<const T*>(x)[from + c]) /
                                          static_cast<double>(window_size(p, back ? other : at));
                                 });
                     static_cast<T*>(y)[to + c] = static_cast<T>(sum);
                   }
                 });
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.max_pool[0][d] = max_pool<T, std::uint8_t>;
  t.max_pool[1][d] = max_pool<T, std::int32_t>;
  t.max_pool_grad[0][d] = max_pool_grad<T, std::uint8_t>;
  t.max_pool_grad[1][d] = max_pool_grad<T, std::int32_t>;
  t.avg_pool[d] = avg_pool<T, false>;
  t.avg_pool_grad[d] = avg_pool<T, true>;
}

}  // namespace

void fill_pool(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::reference
