// Aligned, caching memory for tensors and arenas: freed blocks are kept by size class and handed
// out again, so that a loop of eager calls never reaches the system allocator.
#pragma once

#include <cstddef>

namespace pynn {

inline constexpr std::size_t kAlignment = 64;

// At least `bytes` bytes aligned to kAlignment (a valid pointer also for 0). Throws std::bad_alloc.
void* allocate(std::size_t bytes);
// `bytes` is what was asked for at allocation.
void deallocate(void* p, std::size_t bytes) noexcept;

struct AllocatorStats {
  std::size_t in_use;        // bytes handed out
  std::size_t cached;        // bytes kept for reuse
  std::size_t system_calls;  // blocks obtained from the system since the start
};
AllocatorStats allocator_stats();
// Returns every cached block to the system.
void release_cached_memory();

}  // namespace pynn
