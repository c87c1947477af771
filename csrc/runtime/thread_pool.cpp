#include "runtime/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <string_view>
#include <thread>

#include "runtime/cpu.h"
#include "runtime/errors.h"
#include "runtime/spin.h"

namespace pynn {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kLine = 64;
constexpr nanoseconds kSpin = std::chrono::microseconds(40);
constexpr nanoseconds kYield = std::chrono::milliseconds(1);

// Polls until `ready` or until the limit has passed; says whether it became ready. The first polls
// read no clock, so a limit of zero still catches what is about to happen.
template <class Ready>
bool spin(nanoseconds limit, Ready ready) {
  using Clock = std::chrono::steady_clock;
  constexpr int kPolls = 32;
  Clock::time_point end{};
  do {
    for (int i = 0; i < kPolls; ++i) {
      if (ready()) return true;
      relax();
    }
    if (end == Clock::time_point{}) end = Clock::now() + limit;
  } while (Clock::now() < end);
  return ready();
}

// One job at a time. The caller publishes it by storing `left_`; whoever decrements a positive
// `left_` owns one chunk: the caller the next one from the front, a worker the next one from the
// back. So where jobs are alike, a thread works on the same part of each, which its caches still
// hold. The job's fields stay valid while a claimed chunk is unsettled, so a worker reads them only
// after a claim, and a worker that comes late (or never) costs nothing: the caller runs the chunks
// itself. The type is trivially destructible on purpose: workers may outlive static destructors.
class Pool {
 public:
  // The lock is also what makes nested and concurrent calls serial.
  bool try_lock() {
    return !busy_.load(std::memory_order_relaxed) &&
           !busy_.exchange(true, std::memory_order_acquire);
  }
  void unlock() { busy_.store(false, std::memory_order_release); }

  // The following need the lock.
  int threads() const { return threads_; }
  void resize(int threads);
  void run(std::size_t chunks, detail::Chunk body, void* context);

 private:
  // A value of left_ far below what late claims can reach.
  static constexpr std::int64_t kLeave = std::numeric_limits<std::int64_t>::min() / 2;
  static constexpr std::size_t kFanOut = 2;
  static constexpr std::uint64_t kCallerParked = std::uint64_t{1} << 63;

  void stop();
  void start(int workers);
  void work() noexcept;
  int cpu_to_avoid() const;
  void park();
  void wake(std::size_t most);
  template <class Next>
  std::uint64_t drain(unsigned long& mode, Next next) noexcept;
  std::uint64_t run_chunk(std::size_t i) noexcept;
  void wait_for_workers(std::uint64_t settled);

  // Written by callers only.
  alignas(kLine) std::atomic<bool> busy_{false};
  int threads_ = 1;
  nanoseconds spin_{0};

  // The job.
  alignas(kLine) std::atomic<std::int64_t> left_{0};  // chunks not yet claimed, or kLeave
  std::atomic<std::size_t> back_{0};  // the chunks from this one on are claimed by workers
  detail::Chunk body_ = nullptr;
  void* context_ = nullptr;
  unsigned long mode_ = 0;  // the caller's floating-point mode
  std::exception_ptr* error_ = nullptr;
  std::atomic<bool> failed_{false};
  std::atomic<int> caller_cpu_{-1};

  alignas(kLine) std::atomic<std::uint64_t> settled_{0};  // chunks that workers ran or abandoned

  // Parked workers that nobody has woken yet, and wake-ups not yet taken.
  alignas(kLine) std::atomic<std::uint32_t> parked_{0};
  std::atomic<std::uint32_t> wakeups_{0};
  std::atomic<std::uint32_t> alive_{0};
};

constinit Pool pool;
// The number of threads asked for, 0 before that. Outside the pool, so that it survives a fork.
constinit std::atomic<int> wanted{0};

void Pool::run(std::size_t chunks, detail::Chunk body, void* context) {
  std::exception_ptr error;
  back_.store(chunks, std::memory_order_relaxed);
  body_ = body;
  context_ = context;
  unsigned long mode = float_mode();
  mode_ = mode;
  error_ = &error;
  failed_.store(false, std::memory_order_relaxed);
  caller_cpu_.store(current_cpu(), std::memory_order_relaxed);
  settled_.store(0, std::memory_order_relaxed);
  // Sequentially consistent with park(): either the worker sees the chunks or we see it parked.
  left_.store(static_cast<std::int64_t>(chunks - 1), std::memory_order_seq_cst);
  if (const std::uint32_t parked = parked_.load(std::memory_order_seq_cst); parked != 0) {
    const std::uint32_t awake = alive_.load(std::memory_order_relaxed) - parked;
    if (chunks - 1 > awake) wake(std::min<std::size_t>(chunks - 1 - awake, kFanOut));
  }

  std::uint64_t own = 1 + run_chunk(0);
  own += drain(mode, [front = std::size_t{0}]() mutable { return ++front; });
  if (own != chunks) wait_for_workers(chunks - own);
  if (error) std::rethrow_exception(std::move(error));
}

// Claims chunks and runs the `next()` one until none is left; returns how many are settled thereby.
// `mode` is the calling thread's floating-point mode: chunks run under that of the job, so that the
// bits of a result don't depend on who computed it.
template <class Next>
std::uint64_t Pool::drain(unsigned long& mode, Next next) noexcept {
  std::uint64_t settled = 0;
  for (;;) {
    const std::int64_t left = left_.fetch_sub(1, std::memory_order_acquire);
    if (left <= 0) return settled;
    if (mode != mode_) set_float_mode(mode = mode_);
    settled += 1 + run_chunk(next());
    if (left == 1) return settled;  // that was the last one
  }
}

// Returns how many other chunks were abandoned because this one threw.
std::uint64_t Pool::run_chunk(std::size_t i) noexcept {
  try {
    body_(context_, i);
    return 0;
  } catch (...) {
    if (!failed_.exchange(true, std::memory_order_relaxed)) *error_ = std::current_exception();
    const std::int64_t left = left_.exchange(0, std::memory_order_acquire);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0));
  }
}

// A worker that lost its CPU in the middle of a chunk gets ours: we yield it, then sleep, rather
// than spin on. Sleep comes last because the scheduler tends to wake us on the CPU of the worker
// that wakes us, and from there on the two chase each other from job to job.
void Pool::wait_for_workers(std::uint64_t settled) {
  const auto done = [&] { return settled_.load(std::memory_order_acquire) == settled; };
  if (spin(spin_, done)) return;
  if (spin(kYield, [&] { return done() || (std::this_thread::yield(), false); })) return;
  std::uint64_t seen = settled_.fetch_or(kCallerParked, std::memory_order_acquire) | kCallerParked;
  while (seen != (settled | kCallerParked)) {
    settled_.wait(seen, std::memory_order_acquire);
    seen = settled_.load(std::memory_order_acquire);
  }
}

void Pool::work() noexcept {
#ifdef __linux__
  pthread_setname_np(pthread_self(), "pynn");  // in debuggers, profilers and top
#endif
  unsigned long mode = float_mode();
  for (;;) {
    std::int64_t left = 0;
    const auto called = [&] {
      left = left_.load(std::memory_order_relaxed);
      return left > 0 || left < kLeave / 2;
    };
    if (const int cpu = cpu_to_avoid(); cpu >= 0 && cpu == current_cpu()) {
      const AwayFrom moved(cpu);
    }
    if (!spin(spin_, called)) {
      const AwayFrom parked(cpu_to_avoid());
      park();
      left = left_.load(std::memory_order_relaxed);
      if (left > 0) wake(std::min<std::size_t>(left, kFanOut));
      continue;
    }
    if (left < 0) break;
    const std::uint64_t settled =
        drain(mode, [this] { return back_.fetch_sub(1, std::memory_order_relaxed) - 1; });
    if (settled == 0) continue;
    if (settled_.fetch_add(settled, std::memory_order_release) & kCallerParked)
      settled_.notify_one();
  }
  if (alive_.fetch_sub(1, std::memory_order_release) == 1) alive_.notify_one();
}

// The scheduler tends to wake a worker on its waker's CPU (in a virtual machine, where an idle CPU
// that is halted counts as taken, nearly always) and may leave it there, waiting for the caller to
// be preempted, for a tenth of a second. So where there is a CPU for each thread, a worker parks
// with the caller's CPU out of bounds, and moves over if it finds itself there.
int Pool::cpu_to_avoid() const {
  return spin_ == nanoseconds(0) ? -1 : caller_cpu_.load(std::memory_order_relaxed);
}

// Sleeps until wake(), unless a job or the order to leave arrives first. Every decrement of parked_
// by wake() comes with one wake-up, so the two counts cannot drift apart.
void Pool::park() {
  parked_.fetch_add(1, std::memory_order_seq_cst);
  const std::int64_t left = left_.load(std::memory_order_seq_cst);
  if (left > 0 || left < kLeave / 2) {
    std::uint32_t parked = parked_.load(std::memory_order_relaxed);
    while (parked != 0) {
      if (parked_.compare_exchange_weak(parked, parked - 1, std::memory_order_relaxed)) return;
    }
  }
  for (;;) {
    std::uint32_t wakeups = wakeups_.load(std::memory_order_relaxed);
    while (wakeups != 0) {
      if (wakeups_.compare_exchange_weak(wakeups, wakeups - 1, std::memory_order_relaxed)) return;
    }
    wakeups_.wait(0, std::memory_order_relaxed);
  }
}

// Waking takes microseconds each, so nobody wakes more than kFanOut workers: those wake the next
// ones, if chunks are left by then.
void Pool::wake(std::size_t most) {
  std::uint32_t parked = parked_.load(std::memory_order_relaxed);
  std::uint32_t count = 0;
  do {
    count = static_cast<std::uint32_t>(std::min<std::size_t>(most, parked));
    if (count == 0) return;
  } while (!parked_.compare_exchange_weak(parked, parked - count, std::memory_order_relaxed));
  wakeups_.fetch_add(count, std::memory_order_seq_cst);
  for (; count != 0; --count) wakeups_.notify_one();
}

// In a forked child only the calling thread exists: a new pool takes the place of the old one,
// whose workers, locks and job are gone.
void forget_workers() { std::construct_at(&pool); }

void Pool::resize(int threads) {
  stop();
  // More threads than CPUs: a spinning thread would keep a working one from its CPU.
  static const int cpus = available_cpus();
  spin_ = threads <= cpus ? kSpin : nanoseconds(0);
  start(threads - 1);
  threads_ = threads;
}

void Pool::stop() {
  left_.store(kLeave, std::memory_order_seq_cst);
  wake(std::numeric_limits<std::size_t>::max());
  for (std::uint32_t n; (n = alive_.load(std::memory_order_acquire)) != 0;) alive_.wait(n);
  left_.store(0, std::memory_order_relaxed);
}

void Pool::start(int workers) {
  if (workers == 0) return;
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, forget_workers);
  // Signals belong to the host program's threads; a fault still reaches its handler.
  sigset_t blocked, previous;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  try {
    for (int i = 0; i < workers; ++i) {
      alive_.fetch_add(1, std::memory_order_relaxed);
      std::thread([this] { work(); }).detach();
    }
  } catch (const std::exception&) {
    // The system gives no more threads: those that there are do all the work.
    alive_.fetch_sub(1, std::memory_order_relaxed);
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

}  // namespace

int detail::default_threads() {
  const char* text = std::getenv("PYNN_NUM_THREADS");
  if (text == nullptr || *text == '\0') return available_cpus();
  const std::string_view view = text;
  int n = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), n);
  if (error != std::errc{} || end != view.data() + view.size() || n < 1) {
    fail<ValueError>("PYNN_NUM_THREADS expects a positive integer, got '", view, "'");
  }
  return n;
}

int num_threads() {
  int n = wanted.load(std::memory_order_relaxed);
  if (n != 0) return n;
  const int chosen = detail::default_threads();
  return wanted.compare_exchange_strong(n, chosen, std::memory_order_relaxed) ? chosen : n;
}

int most_threads() {
  static const int cpus = available_cpus();  // reads files
  return std::max(num_threads(), cpus);
}

void set_num_threads(int n) {
  if (n < 1) fail<ValueError>("set_num_threads expects a positive integer, got ", n);
  wanted.store(n, std::memory_order_relaxed);
  // Surplus workers leave now, or when the job that is running ends; new ones come with the next
  // job.
  if (pool.try_lock()) {
    if (pool.threads() > n) pool.resize(n);
    pool.unlock();
  }
}

void detail::parallel_for(std::size_t chunks, Chunk body, void* context) {
  const int threads = num_threads();
  if (threads == 1 || !pool.try_lock()) {
    for (std::size_t i = 0; i < chunks; ++i) body(context, i);
    return;
  }
  struct Unlock {
    ~Unlock() {
      if (pool.threads() > wanted.load(std::memory_order_relaxed)) pool.resize(wanted);
      pool.unlock();
    }
  } unlock;
  if (pool.threads() != threads) pool.resize(threads);
  pool.run(chunks, body, context);
}

}  // namespace pynn
