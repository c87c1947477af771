#include <doctest/doctest.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cpu.h"
#include "runtime/errors.h"
#include "runtime/thread_pool.h"

namespace {

using pynn::parallel_for;
using namespace std::chrono_literals;

// Sets the number of threads for one test.
class Threads {
 public:
  explicit Threads(int n) { pynn::set_num_threads(n); }
  ~Threads() { pynn::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_ = pynn::num_threads();
};

// True when every chunk of a region ran exactly once.
bool covers(std::size_t chunks) {
  std::vector<int> runs(chunks, 0);
  parallel_for(chunks, [&](std::size_t i) { ++runs[i]; });
  return std::all_of(runs.begin(), runs.end(), [](int n) { return n == 1; });
}

// Waits until `count` chunks are inside at once, which takes as many threads.
void meet(std::atomic<int>& inside, int count) {
  inside.fetch_add(1);
  while (inside.load() < count) std::this_thread::yield();
}

// By their names: other threads may come and go, such as a sanitizer's.
std::int64_t live_workers() {
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
  return std::count_if(begin(tasks), end(tasks), [](const auto& task) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    return name == "pynn";
  });
}

double process_cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

TEST_CASE("a thread pool's caller takes chunks from the front, its workers from the back") {
  for (const int threads : {2, 3}) {
    const Threads use(threads);
    for (int job = 0; job < 50; ++job) {
      const auto caller = std::this_thread::get_id();
      std::vector<std::thread::id> by(40);
      std::atomic<int> inside{0};
      parallel_for(by.size(), [&](std::size_t i) {
        if (i == 0 || i + 1 == by.size()) meet(inside, 2);
        by[i] = std::this_thread::get_id();
      });
      CHECK(by.back() != caller);
      CHECK(std::is_partitioned(by.begin(), by.end(), [&](auto id) { return id == caller; }));
    }
  }
}

TEST_CASE("every chunk runs once, whatever the numbers of chunks and threads") {
  for (const int threads : {1, 2, 3, 8}) {
    const Threads use(threads);
    for (const std::size_t chunks : {0, 1, 2, 3, 7, 8, 9, 64, 1000, 100000}) {
      CAPTURE(threads);
      CAPTURE(chunks);
      CHECK(covers(chunks));
    }
  }
}

TEST_CASE("a region's writes are visible to its caller and to the next region") {
  for (const int threads : {2, 8}) {
    const Threads use(threads);
    std::vector<long> values(64, 0);
    for (int round = 0; round < 3000; ++round) {
      parallel_for(values.size(), [&](std::size_t i) { values[i] += static_cast<long>(i); });
      // Another split of the same data, so that most values change hands.
      parallel_for(4, [&](std::size_t part) {
        for (std::size_t i = part; i < values.size(); i += 4) ++values[i];
      });
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i] == 3000 * (static_cast<long>(i) + 1));
    }
  }
}

TEST_CASE("as many threads as asked for work at once") {
  for (const int threads : {2, 3, 8}) {
    const Threads use(threads);
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> inside{0};
      parallel_for(static_cast<std::size_t>(threads), [&](std::size_t) { meet(inside, threads); });
      CHECK(inside == threads);
    }
  }
}

TEST_CASE("parked workers wake up for the next region") {
  const Threads use(3);
  for (int round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(2ms);
    std::atomic<int> inside{0};
    parallel_for(3, [&](std::size_t) { meet(inside, 3); });
    CHECK(inside == 3);
  }
}

TEST_CASE("a nested region runs serially on the thread that asks for it") {
  const Threads use(4);
  std::atomic<int> runs{0}, strays{0};
  parallel_for(8, [&](std::size_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(16, [&](std::size_t) {
      runs.fetch_add(1);
      if (std::this_thread::get_id() != self) strays.fetch_add(1);
    });
  });
  CHECK(runs == 8 * 16);
  CHECK(strays == 0);
}

TEST_CASE("two user threads may use the pool at once") {
  const Threads use(2);
  std::vector<long> totals(3, 0);
  std::vector<std::thread> users;
  for (auto& total : totals) {
    users.emplace_back([&total] {
      for (int round = 0; round < 2000; ++round) {
        std::vector<long> parts(16, 0);
        parallel_for(parts.size(), [&](std::size_t i) { parts[i] = static_cast<long>(i); });
        for (const long part : parts) total += part;
      }
    });
  }
  for (auto& user : users) user.join();
  for (const long total : totals) CHECK(total == 2000 * 120);
}

TEST_CASE("a user thread finds the pool busy and goes on alone") {
  const Threads use(2);
  std::atomic<bool> held{false}, release{false};
  std::thread holder([&] {
    parallel_for(2, [&](std::size_t i) {
      if (i == 0) held = true;
      while (!release) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  std::set<std::thread::id> runners;
  parallel_for(8, [&](std::size_t) { runners.insert(std::this_thread::get_id()); });
  CHECK(runners == std::set{std::this_thread::get_id()});
  release = true;
  holder.join();
}

TEST_CASE("an exception of a chunk reaches the caller, and the pool goes on") {
  for (const int threads : {1, 2, 8}) {
    const Threads use(threads);
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> running{0};
      CHECK_THROWS_WITH_AS(parallel_for(1000,
                                        [&](std::size_t i) {
                                          running.fetch_add(1);
                                          if (i == 37) throw std::runtime_error("chunk 37");
                                          running.fetch_sub(1);
                                        }),
                           "chunk 37", std::runtime_error);
      CHECK(running == 1);  // nothing but the thrower was left half done
      CHECK(covers(100));
    }
  }
}

TEST_CASE("one exception is rethrown when every chunk throws") {
  const Threads use(4);
  for (int round = 0; round < 200; ++round) {
    CHECK_THROWS_AS(parallel_for(64, [](std::size_t) { pynn::fail<pynn::ValueError>("bad"); }),
                    pynn::ValueError);
  }
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST_CASE("chunks run under the caller's floating-point mode, whoever runs them") {
  volatile float tiny = std::numeric_limits<float>::min();
  const Threads use(3);
  const auto flushed = [&] {
    std::atomic<int> inside{0}, zeros{0};
    parallel_for(3, [&](std::size_t) {
      meet(inside, 3);
      if (tiny / 2 == 0) zeros.fetch_add(1);
    });
    return zeros.load();
  };
  for (int round = 0; round < 3; ++round) {
    {
      const pynn::FlushDenormals flush;  // the first round starts the workers in this scope
      CHECK(flushed() == 3);
    }
    CHECK(flushed() == 0);
  }
}
#endif

TEST_CASE("the number of threads follows set_num_threads") {
  const Threads use(1);
  for (const int threads : {4, 2, 3, 1}) {
    pynn::set_num_threads(threads);
    CHECK(pynn::num_threads() == threads);
    CHECK(covers(64));
    // A worker that was told to leave may need a moment to disappear from the list.
    for (int i = 0; i < 2000 && live_workers() != threads - 1; ++i)
      std::this_thread::sleep_for(1ms);
    CHECK(live_workers() == threads - 1);
  }
  CHECK_THROWS_WITH_AS(pynn::set_num_threads(0),
                       "set_num_threads expects a positive integer, got 0", pynn::ValueError);
  CHECK_THROWS_AS(pynn::set_num_threads(-2), pynn::ValueError);
  CHECK(pynn::num_threads() == 1);
}

TEST_CASE("the number of threads may change inside a region and beside one") {
  const Threads use(4);
  parallel_for(8, [](std::size_t i) { pynn::set_num_threads(static_cast<int>(i % 4) + 1); });
  pynn::set_num_threads(3);
  CHECK(covers(100));
  std::atomic<bool> stop{false};
  std::thread other([&] {
    for (int n = 1; !stop; n = n % 4 + 1) pynn::set_num_threads(n);
  });
  for (int round = 0; round < 500; ++round) CHECK(covers(32));
  stop = true;
  other.join();
}

TEST_CASE("PYNN_NUM_THREADS sets the default") {
  const char* before = std::getenv("PYNN_NUM_THREADS");
  const std::string restored = before ? before : "";
  setenv("PYNN_NUM_THREADS", "3", 1);
  CHECK(pynn::detail::default_threads() == 3);
  for (const char* bad : {"0", "-1", "two", "2.5", "4x", " 4", "99999999999"}) {
    setenv("PYNN_NUM_THREADS", bad, 1);
    const std::string message =
        "PYNN_NUM_THREADS expects a positive integer, got '" + std::string(bad) + "'";
    CHECK_THROWS_WITH_AS(pynn::detail::default_threads(), message.c_str(), pynn::ValueError);
  }
  unsetenv("PYNN_NUM_THREADS");
  CHECK(pynn::detail::default_threads() == pynn::available_cpus());
  if (before) setenv("PYNN_NUM_THREADS", restored.c_str(), 1);
}

TEST_CASE("after work the pool uses no CPU") {
  for (const int threads : {2, 8}) {
    const Threads use(threads);
    for (int round = 0; round < 100; ++round) CHECK(covers(64));
    std::this_thread::sleep_for(5ms);
    const double before = process_cpu_seconds();
    std::this_thread::sleep_for(200ms);
    CHECK(process_cpu_seconds() - before < 0.01);
  }
}

#if !defined(__SANITIZE_THREAD__)  // which supports no threads that a forked child starts
// Runs `body` in a forked child and returns its exit status, or -1 if it crashed or hung.
template <class Body>
int in_child(Body body) {
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(body());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("a forked child has a working pool of the same size") {
  const Threads use(3);
  REQUIRE(covers(64));
  for (int round = 0; round < 5; ++round) {
    const int status = in_child([] {
      if (pynn::num_threads() != 3) return 1;
      for (int i = 0; i < 50; ++i) {
        if (!covers(64)) return 2;
      }
      std::atomic<int> inside{0};
      parallel_for(3, [&](std::size_t) { meet(inside, 3); });
      // A grandchild too.
      return in_child([] { return covers(64) ? 0 : 3; });
    });
    CHECK(status == 0);
    CHECK(covers(64));
  }
}

TEST_CASE("a fork while another thread is in a region leaves both sides working") {
  const Threads use(2);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) parallel_for(64, [](std::size_t) { std::this_thread::yield(); });
  });
  for (int round = 0; round < 10; ++round) {
    CHECK(in_child([] { return covers(64) ? 0 : 1; }) == 0);
  }
  stop = true;
  busy.join();
  CHECK(covers(64));
}

TEST_CASE("a process ends cleanly while its workers spin, park or work") {
  for (const auto pause : {0ms, 2ms}) {
    CHECK(in_child([&] {
            const Threads use(4);
            if (!covers(64)) return 1;
            std::this_thread::sleep_for(pause);
            std::exit(0);
          }) == 0);
  }
  CHECK(in_child([]() -> int {
          pynn::set_num_threads(2);
          std::atomic<int> inside{0};
          std::thread([&] {
            parallel_for(2, [&](std::size_t) {
              meet(inside, 2);
              for (;;) std::this_thread::sleep_for(1ms);
            });
          }).detach();
          while (inside < 2) std::this_thread::yield();
          std::exit(0);
        }) == 0);
}
#endif

}  // namespace
