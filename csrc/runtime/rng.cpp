#include "runtime/rng.h"

#include <pthread.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <numeric>
#include <random>

#include "runtime/spin.h"

namespace pynn {
namespace {

constinit SpinLock generator_lock;

// Guarded by generator_lock. Forks only while nobody holds it, so that the child finds it free.
Generator& state() {
  static Generator state = [] {
    const auto unlock = [] { generator_lock.unlock(); };
    pthread_atfork([] { generator_lock.lock(); }, unlock, unlock);
    std::random_device entropy;
    return Generator{std::uint64_t{entropy()} << 32 | entropy(), 0};
  }();
  return state;
}

// The 64-bit words of one stream in order, several blocks ahead: independent blocks overlap in the
// core's pipelines.
class Words {
 public:
  // `few`: words that will do in most cases.
  Words(std::uint64_t key, std::uint64_t stream, std::size_t few)
      : key_(key), stream_(stream), end_(std::min(few + few % 2, words_.size())), used_(end_) {}

  std::uint64_t next() {
    if (used_ == end_) refill();
    return words_[used_++];
  }

 private:
  static constexpr std::size_t kBlocks = 16;

  void refill() {
    for (std::size_t i = 0; i < end_ / 2; ++i) {
      const PhiloxBlock b = philox(key_, stream_, block_++);
      words_[2 * i] = std::uint64_t{b[0]} << 32 | b[1];
      words_[2 * i + 1] = std::uint64_t{b[2]} << 32 | b[3];
    }
    used_ = 0;
  }

  std::uint64_t key_, stream_, block_ = 0;
  std::array<std::uint64_t, 2 * kBlocks> words_;
  std::size_t end_, used_;
};

// Uniform in [0, bound) without bias: Lemire, "Fast random integer generation in an interval"
// (2019).
std::uint64_t below(std::uint64_t bound, Words& words) {
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{words.next()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t biased = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < biased) product = Wide{words.next()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

Generator generator() {
  Generator& shared = state();
  const std::lock_guard hold(generator_lock);
  return shared;
}

void set_generator(Generator next) {
  Generator& shared = state();
  const std::lock_guard hold(generator_lock);
  shared = next;
}

std::pair<std::uint64_t, std::uint64_t> next_stream() {
  Generator& shared = state();
  const std::lock_guard hold(generator_lock);
  return {shared.seed, shared.streams++};
}

void permutation(std::uint64_t key, std::uint64_t stream, std::int64_t n, std::int64_t* out) {
  std::iota(out, out + n, std::int64_t{0});
  Words words(key, stream, static_cast<std::size_t>(std::max<std::int64_t>(n, 2)));
  for (std::int64_t i = n - 1; i > 0; --i) {
    const auto j = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(i) + 1, words));
    std::swap(out[i], out[j]);
  }
}

}  // namespace pynn
