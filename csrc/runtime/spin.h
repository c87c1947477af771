// Short waits: a polite busy loop, and a lock for sections of a few nanoseconds.
#pragma once

#include <atomic>
#include <thread>

namespace pynn {

// Tells the core that this is a spin loop.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // `yield` is a no-op on most Arm cores
#endif
}

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) {
      // The holder may have lost its CPU: give it ours instead of burning a time slice.
      for (int polls = 0; held_.load(std::memory_order_relaxed); ++polls) {
        if (polls < 64) {
          relax();
        } else {
          std::this_thread::yield();
        }
      }
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace pynn
