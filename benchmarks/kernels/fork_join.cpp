// What a parallel region costs: hot, cold, idle and beside a busy neighbour, with libgomp as the
// peer.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_fork_join && build/default/notebook_fork_join
//
// Without OpenMP the peer is left out. Pool and peer take turns, each from rest, so that neither
// measures the other one's spinning threads.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/thread_pool.h"

namespace {

using Clock = std::chrono::steady_clock;
using Body = std::function<void(std::size_t)>;
using std::chrono::milliseconds;

struct Candidate {
  std::string name;
  std::function<void(std::size_t chunks, const Body& body)> region;
  std::vector<double> times = {};
};

std::vector<Candidate> candidates() {
  return {
    {"pynn", [](std::size_t chunks, const Body& body) { pynn::parallel_for(chunks, body); }},
#if defined(_OPENMP)
        {"libgomp",
         [](std::size_t chunks, const Body& body) {
#pragma omp parallel for schedule(dynamic, 1)
           for (std::size_t i = 0; i < chunks; ++i) body(i);
         }},
#endif
        {"serial", [](std::size_t chunks, const Body& body) {
           for (std::size_t i = 0; i < chunks; ++i) body(i);
         }},
  };
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double process_cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// A dependent chain of additions: its time follows the core's clock, not the memory.
void work(long steps) {
  double x = 0;
  for (long i = 0; i < steps; ++i) {
    x += 1e-9;
    asm volatile("" : "+x"(x));
  }
}

double steps_per_microsecond() {
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const auto start = Clock::now();
    work(200000);
    best = std::max(best, 0.2 / seconds_since(start));
  }
  return best;
}

// One line: best and median over the turns, in microseconds.
void compare(const std::string& title, std::vector<Candidate> all, int turns,
             const std::function<double(const Candidate&)>& turn) {
  for (int i = 0; i < turns; ++i) {
    for (auto& c : all) {
      std::this_thread::sleep_for(milliseconds(12));
      c.times.push_back(1e6 * turn(c));
    }
  }
  std::printf("%-40s", title.c_str());
  for (const auto& c : all) {
    const double best = *std::min_element(c.times.begin(), c.times.end());
    std::printf("  %s %7.4g / %7.4g", c.name.c_str(), best, median(c.times));
  }
  std::printf("\n");
  std::fflush(stdout);
}

// Mean time of one region out of `count`.
double regions(const Candidate& c, int count, std::size_t chunks, long steps) {
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) c.region(chunks, [&](std::size_t) { work(steps); });
  return seconds_since(start) / count;
}

// Median time of one region in which all threads meet.
double meetings(const Candidate& c, int count, std::size_t threads) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    std::atomic<std::size_t> inside{0};
    const auto start = Clock::now();
    c.region(threads, [&](std::size_t) {
      inside.fetch_add(1);
      for (long polls = 0; inside.load() < threads; ++polls) {
        if (polls > 100000) std::this_thread::yield();
      }
    });
    times.push_back(seconds_since(start));
  }
  return median(times);
}

std::string sized(const std::string& situation, std::size_t chunks, double microseconds) {
  char text[80];
  std::snprintf(text, sizeof text, "%s, %zu chunks of %g us", situation.c_str(), chunks,
                microseconds);
  return text;
}

}  // namespace

int main() {
  const auto threads = static_cast<std::size_t>(pynn::num_threads());
  const double rate = steps_per_microsecond();
  const auto steps = [&](double microseconds) { return static_cast<long>(microseconds * rate); };
  const auto all = candidates();
  const std::vector<Candidate> pools(all.begin(), all.end() - 1);
  std::printf("%zu threads; microseconds a region, best / median of the turns\n", threads);

  compare("hot, all threads meet", pools, 15,
          [&](const Candidate& c) { return meetings(c, 5000, threads); });
  for (const double us : {0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1000.0}) {
    const int count = std::max(4, static_cast<int>(5000 / us));
    compare(sized("hot", threads, us), all, 9,
            [&](const Candidate& c) { return regions(c, count, threads, steps(us)); });
  }
  compare(sized("from rest", threads, 100), all, 31,
          [&](const Candidate& c) { return regions(c, 1, threads, steps(100)); });

  for (const auto& c : all) {
    std::this_thread::sleep_for(milliseconds(100));
    regions(c, 100, threads, steps(10));
    const double end = process_cpu_seconds();
    std::this_thread::sleep_for(milliseconds(1));
    const double rest = process_cpu_seconds();
    std::this_thread::sleep_for(milliseconds(200));
    std::printf("idle, %-8s CPU in the first ms %.0f us, in the next 200 ms %.0f us\n",
                c.name.c_str(), 1e6 * (rest - end), 1e6 * (process_cpu_seconds() - rest));
  }

  const pid_t neighbour = fork();
  if (neighbour == 0) {
    alarm(60);  // should we not live to end it
    for (;;) work(1000000);
  }
  for (const double us : {2.0, 20.0, 200.0}) {
    for (const std::size_t chunks : {threads, 8 * threads}) {
      const int count = static_cast<int>(4e4 / us / static_cast<double>(chunks));
      compare(sized("busy neighbour", chunks, us), all, 9,
              [&](const Candidate& c) { return regions(c, count, chunks, steps(us)); });
    }
  }
  kill(neighbour, SIGKILL);
  waitpid(neighbour, nullptr, 0);
}
