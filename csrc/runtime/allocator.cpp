#include "runtime/allocator.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>

#include "runtime/spin.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace pynn {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLargestSmall = kMiB;        // up to here blocks are cached per shard
constexpr std::size_t kLargestCached = 64 * kMiB;  // above, straight from and back to the system
constexpr std::size_t kShardLimit = 8 * kMiB;
constexpr std::size_t kSharedLimit = 256 * kMiB;
constexpr std::size_t kHuge = 2 * kMiB;    // a huge page
constexpr std::size_t kHinted = 4 * kMiB;  // from here blocks ask for huge pages
constexpr unsigned kShards = 8;

// Size classes: four steps between powers of two (so at most a quarter is wasted), counted in units
// of kAlignment: 1 2 3 4 5 6 7 8 10 12 14 16 20 24 28 32 ...
constexpr std::size_t class_of(std::size_t bytes) {
  const std::size_t units = bytes <= kAlignment ? 1 : (bytes - 1) / kAlignment + 1;
  if (units <= 4) return units - 1;
  const int step = std::bit_width(units - 1) - 3;
  return static_cast<std::size_t>(4 * step) + ((units - 1) >> step);
}
constexpr std::size_t class_bytes(std::size_t c) {
  if (c < 4) return (c + 1) * kAlignment;
  const std::size_t step = c / 4 - 1;
  return ((c % 4 + 5) << step) * kAlignment;
}
constexpr std::size_t kClasses = class_of(kLargestCached) + 1;
static_assert(class_bytes(kClasses - 1) == kLargestCached);

// While a block is cached, its memory past the link is off limits under AddressSanitizer; while it
// is in use, the part that was not asked for is.
void forbid([[maybe_unused]] void* p, [[maybe_unused]] std::size_t from,
            [[maybe_unused]] std::size_t to) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(static_cast<char*>(p) + from, to - from);
#endif
}
void permit([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(p, bytes);
#endif
}

struct Block {
  Block* next;
};

// Free lists by size class, and the account of what was handed out here. Blocks may come back to
// another cache than they came from: only the sums over all caches mean something. The type is
// trivially destructible, because blocks may come back while static destructors run.
template <std::size_t limit>
class alignas(kAlignment) Cache {
 public:
  void* take(std::size_t c) {
    const std::lock_guard hold(lock_);
    Block* block = lists_[c];
    if (block == nullptr) return nullptr;
    lists_[c] = block->next;
    cached_ -= class_bytes(c);
    in_use_ += class_bytes(c);
    return block;
  }

  void give(void* p, std::size_t c) {
    const std::size_t bytes = class_bytes(c);
    const std::lock_guard hold(lock_);
    // A full cache holds sizes that are no longer asked for: start it anew.
    if (cached_ + bytes > limit) empty();
    lists_[c] = new (p) Block{lists_[c]};
    cached_ += bytes;
    in_use_ -= bytes;
    forbid(p, sizeof(Block), bytes);
  }

  void add_in_use(std::size_t bytes) {
    const std::lock_guard hold(lock_);
    in_use_ += bytes;
  }

  void release() {
    const std::lock_guard hold(lock_);
    empty();
  }

  void add_to(AllocatorStats& stats) {
    const std::lock_guard hold(lock_);
    stats.in_use += in_use_;
    stats.cached += cached_;
  }

  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

 private:
  void empty() {
    for (std::size_t c = 0; c < kClasses; ++c) {
      while (Block* block = lists_[c]) {
        lists_[c] = block->next;
        permit(block, class_bytes(c));
        std::free(block);
      }
    }
    cached_ = 0;
  }

  SpinLock lock_;
  std::size_t cached_ = 0;
  std::size_t in_use_ = 0;  // modulo 2^64
  std::array<Block*, kClasses> lists_{};
};

// Small blocks: a thread keeps to one shard, so that its lock is nearly always free and in its
// cache.
constinit std::array<Cache<kShardLimit>, kShards> shards;
constinit Cache<kSharedLimit> shared;
constinit std::atomic<std::size_t> system_calls{0};

Cache<kShardLimit>& own_shard() {
  constinit static std::atomic<unsigned> threads{0};
  constinit static thread_local unsigned number = 0;  // 0 until the thread's first call
  if (number == 0) number = threads.fetch_add(1, std::memory_order_relaxed) % kShards + 1;
  return shards[number - 1];
}

template <class Visit>
void each_cache(Visit visit) {
  for (auto& shard : shards) visit(shard);
  visit(shared);
}

// Forks only while nobody is inside a cache, so that the child never inherits a half-made change.
void register_fork_handlers() {
  const auto lock_all = [] { each_cache([](auto& cache) { cache.lock(); }); };
  const auto unlock_all = [] { each_cache([](auto& cache) { cache.unlock(); }); };
  pthread_atfork(lock_all, unlock_all, unlock_all);
}

void* try_system(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHinted ? kHuge : kAlignment;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  void* p = std::aligned_alloc(alignment, bytes);
#if defined(__linux__)
  if (p != nullptr && alignment == kHuge) madvise(p, bytes, MADV_HUGEPAGE);  // only a hint
#endif
  return p;
}

void* from_system(std::size_t bytes) {
  [[maybe_unused]] static const bool registered = (register_fork_handlers(), true);
  void* p = try_system(bytes);
  if (p == nullptr) {
    release_cached_memory();
    p = try_system(bytes);
  }
  if (p == nullptr) throw std::bad_alloc();
  system_calls.fetch_add(1, std::memory_order_relaxed);
  return p;
}

void* take_small(std::size_t c) {
  Cache<kShardLimit>& own = own_shard();
  if (void* p = own.take(c)) return p;
  // What one thread frees and another allocates piles up in the first one's shard.
  for (auto& shard : shards) {
    if (void* p = shard.take(c)) return p;
  }
  void* p = from_system(class_bytes(c));
  own.add_in_use(class_bytes(c));
  return p;
}

void* take_large(std::size_t bytes) {
  const std::size_t c = class_of(bytes);
  if (void* p = shared.take(c)) return p;
  void* p = from_system(class_bytes(c));
  shared.add_in_use(class_bytes(c));
  return p;
}

}  // namespace

void* allocate(std::size_t bytes) {
  void* p = nullptr;
  if (bytes <= kLargestSmall) {
    p = take_small(class_of(bytes));
  } else if (bytes <= kLargestCached) {
    p = take_large(bytes);
  } else {
    if (bytes > std::numeric_limits<std::ptrdiff_t>::max()) throw std::bad_alloc();
    p = from_system(bytes);
    shared.add_in_use(bytes);
    return p;
  }
  forbid(p, 0, class_bytes(class_of(bytes)));
  permit(p, bytes);
  return p;
}

void deallocate(void* p, std::size_t bytes) noexcept {
  if (p == nullptr) return;
  if (bytes > kLargestCached) {
    std::free(p);
    shared.add_in_use(0 - bytes);
    return;
  }
  const std::size_t c = class_of(bytes);
  permit(p, class_bytes(c));
  if (bytes <= kLargestSmall) {
    own_shard().give(p, c);
  } else {
    shared.give(p, c);
  }
}

AllocatorStats allocator_stats() {
  AllocatorStats stats{0, 0, system_calls.load(std::memory_order_relaxed)};
  each_cache([&](auto& cache) { cache.add_to(stats); });
  return stats;
}

void release_cached_memory() {
  each_cache([](auto& cache) { cache.release(); });
}

}  // namespace pynn
