// The project's own fork-join pool: a few workers that spin for a bounded time, then park at zero
// CPU.
#pragma once

#include <cstddef>
#include <type_traits>

namespace pynn {

// Threads used by parallel_for, the caller's included. Default: PYNN_NUM_THREADS, else the CPUs
// that the affinity mask and the cgroup quota grant.
int num_threads();
void set_num_threads(int n);  // throws ValueError for n < 1
// As many as may come: what is cut once, for many launches, is cut for so many.
int most_threads();

namespace detail {
int default_threads();  // throws ValueError for a PYNN_NUM_THREADS that is not a positive integer
using Chunk = void (*)(void* context, std::size_t chunk);
void parallel_for(std::size_t chunks, Chunk body, void* context);
}  // namespace detail

// Runs body(0) ... body(chunks - 1), each once, in any order on any thread, and returns when all
// are done. A nested call, or a call while another thread holds the pool, runs serially on its
// caller: so `body` must give the same result either way. Rethrows the first exception a chunk
// threw.
template <class Body>
void parallel_for(std::size_t chunks, Body&& body) {
  if (chunks <= 1) {
    if (chunks == 1) body(std::size_t{0});
    return;
  }
  using B = std::remove_reference_t<Body>;
  detail::parallel_for(
      chunks, [](void* context, std::size_t i) { (*static_cast<B*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Smallest work, in floating-point operations or equivalent, worth a second thread.
inline constexpr double kParallelWork = 4e5;

}  // namespace pynn
