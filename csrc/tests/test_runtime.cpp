#include <doctest/doctest.h>
#include <sched.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/cpu.h"
#include "runtime/rng.h"

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % pynn::kAlignment == 0; }

TEST_CASE("blocks are aligned, hold what was asked for and do not overlap") {
  std::vector<std::size_t> sizes = {0, 1, 63, 64, 65, 255, 256, 257, 320, 321};
  for (std::size_t bytes = 512; bytes <= 128 * kMiB; bytes *= 2) {
    for (const std::size_t near : {bytes - 1, bytes, bytes + 1}) sizes.push_back(near);
  }
  std::vector<unsigned char*> blocks;
  for (const std::size_t bytes : sizes) {
    auto* p = static_cast<unsigned char*>(pynn::allocate(bytes));
    CHECK(p != nullptr);
    CHECK(aligned(p));
    const auto mark = static_cast<unsigned char>(blocks.size());
    if (bytes <= kMiB) std::memset(p, mark, bytes);
    if (bytes > 0) p[0] = p[bytes - 1] = mark;
    blocks.push_back(p);
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto mark = static_cast<unsigned char>(i);
    const std::size_t checked = sizes[i] <= kMiB ? sizes[i] : 1;
    CHECK(std::all_of(blocks[i], blocks[i] + checked, [&](auto b) { return b == mark; }));
    if (sizes[i] > 0) CHECK(blocks[i][sizes[i] - 1] == mark);
    pynn::deallocate(blocks[i], sizes[i]);
  }
  pynn::deallocate(nullptr, 100);
}

TEST_CASE("freed blocks are handed out again without the system") {
  pynn::release_cached_memory();
  for (const std::size_t bytes : {std::size_t{100}, 50000 * sizeof(float), 5 * kMiB}) {
    CAPTURE(bytes);
    pynn::deallocate(pynn::allocate(bytes), bytes);
    const auto before = pynn::allocator_stats();
    for (int i = 0; i < 100; ++i) pynn::deallocate(pynn::allocate(bytes), bytes);
    const auto after = pynn::allocator_stats();
    CHECK(after.system_calls == before.system_calls);
    CHECK(after.in_use == before.in_use);
    CHECK(after.cached == before.cached);
  }
}

TEST_CASE("the account of memory is exact up to a quarter of rounding") {
  pynn::release_cached_memory();
  const auto before = pynn::allocator_stats();
  CHECK(before.cached == 0);
  for (const std::size_t bytes : {std::size_t{1000}, 3 * kMiB, 100 * kMiB}) {
    CAPTURE(bytes);
    void* p = pynn::allocate(bytes);
    const std::size_t used = pynn::allocator_stats().in_use - before.in_use;
    CHECK(used >= bytes);
    CHECK(used <= bytes + bytes / 4 + pynn::kAlignment);
    pynn::deallocate(p, bytes);
    CHECK(pynn::allocator_stats().in_use == before.in_use);
    CHECK(pynn::allocator_stats().cached == (bytes > 64 * kMiB ? 0 : used));
    pynn::release_cached_memory();
    CHECK(pynn::allocator_stats().cached == 0);
  }
}

TEST_CASE("the cache is bounded") {
  for (const std::size_t bytes : {200 * std::size_t{1024}, 20 * kMiB}) {
    std::vector<void*> blocks;
    for (std::size_t total = 0; total < 600 * kMiB; total += bytes) {
      blocks.push_back(pynn::allocate(bytes));
    }
    for (void* p : blocks) {
      pynn::deallocate(p, bytes);
      REQUIRE(pynn::allocator_stats().cached <= 320 * kMiB);
    }
  }
  pynn::release_cached_memory();
}

TEST_CASE("impossible sizes are refused") {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {most, most - 1, most - 63, most - 64, most / 2 + 1}) {
    CHECK_THROWS_AS(pynn::allocate(bytes), std::bad_alloc);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // The sanitizers' own allocators end the process instead of refusing.
  const auto before = pynn::allocator_stats();
  CHECK_THROWS_AS(pynn::allocate(most / 2), std::bad_alloc);
  CHECK_THROWS_AS(pynn::allocate(std::size_t{1} << 50), std::bad_alloc);
  CHECK(pynn::allocator_stats().in_use == before.in_use);
#endif
}

TEST_CASE("threads may allocate, hand over and free at once") {
  const std::size_t before = pynn::allocator_stats().in_use;
  constexpr int kBlocks = 4000;
  std::vector<std::atomic<unsigned char*>> slots(kBlocks);
  const auto size_of = [](int i) { return static_cast<std::size_t>(i % 97) * 100 + 1; };
  std::thread producer([&] {
    for (int i = 0; i < kBlocks; ++i) {
      auto* p = static_cast<unsigned char*>(pynn::allocate(size_of(i)));
      std::memset(p, i % 251, size_of(i));
      slots[static_cast<std::size_t>(i)].store(p, std::memory_order_release);
    }
  });
  std::atomic<int> wrong{0};
  std::thread consumer([&] {
    for (int i = 0; i < kBlocks; ++i) {
      auto& slot = slots[static_cast<std::size_t>(i)];
      unsigned char* p = nullptr;
      while ((p = slot.load(std::memory_order_acquire)) == nullptr) std::this_thread::yield();
      if (p[0] != i % 251 || p[size_of(i) - 1] != i % 251) wrong.fetch_add(1);
      pynn::deallocate(p, size_of(i));
    }
  });
  producer.join();
  consumer.join();
  CHECK(wrong == 0);
  CHECK(pynn::allocator_stats().in_use == before);
}

TEST_CASE("what an ended thread freed is handed out again") {
  pynn::release_cached_memory();
  constexpr std::size_t kBytes = 3000;
  std::vector<void*> blocks(100);
  for (void*& p : blocks) p = pynn::allocate(kBytes);
  std::thread([&] {
    for (void* p : blocks) pynn::deallocate(p, kBytes);
  }).join();
  const std::size_t calls = pynn::allocator_stats().system_calls;
  for (void*& p : blocks) p = pynn::allocate(kBytes);
  CHECK(pynn::allocator_stats().system_calls == calls);
  for (void* p : blocks) pynn::deallocate(p, kBytes);
}

TEST_CASE("allocation works in a forked child while other threads allocate") {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      for (const std::size_t bytes : {std::size_t{1000}, 2 * kMiB}) {
        pynn::deallocate(pynn::allocate(bytes), bytes);
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      for (int i = 0; i < 100; ++i) {
        for (const std::size_t bytes : {std::size_t{1000}, 2 * kMiB}) {
          pynn::deallocate(pynn::allocate(bytes), bytes);
        }
        pynn::next_stream();
      }
      _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  stop = true;
  busy.join();
}

// Known answers of Philox4x32-10 from kat_vectors of Random123 (Salmon et al., SC11).
TEST_CASE("Philox gives the published words") {
  constexpr std::uint64_t zeros = 0, ones = ~std::uint64_t{0};
  CHECK(pynn::philox(zeros, zeros, zeros) ==
        pynn::PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(pynn::philox(ones, ones, ones) ==
        pynn::PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // The digits of pi: counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0.
  CHECK(pynn::philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        pynn::PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform numbers stay inside [0, 1)") {
  CHECK(pynn::uniform_float(0) == 0.0f);
  CHECK(pynn::uniform_float(0xffffffffu) == 1.0f - 0x1p-24f);
  CHECK(pynn::uniform_double(0, 0) == 0.0);
  CHECK(pynn::uniform_double(0xffffffffu, 0xffffffffu) == 1.0 - 0x1p-53);
}

TEST_CASE("one seed gives one sequence of streams, and the state can be restored") {
  const pynn::Generator before = pynn::generator();
  pynn::set_generator({42, 0});
  for (std::uint64_t i = 0; i < 5; ++i)
    CHECK(pynn::next_stream() == std::pair{std::uint64_t{42}, i});
  const pynn::Generator saved = pynn::generator();
  CHECK(saved.seed == 42);
  CHECK(saved.streams == 5);
  const auto next = pynn::next_stream();
  pynn::set_generator(saved);
  CHECK(pynn::next_stream() == next);
  pynn::set_generator(before);
}

TEST_CASE("threads never share a stream") {
  const pynn::Generator before = pynn::generator();
  pynn::set_generator({7, 0});
  constexpr std::size_t kEach = 2000;
  std::array<std::vector<std::uint64_t>, 3> drawn;
  std::vector<std::thread> threads;
  for (auto& mine : drawn) {
    threads.emplace_back([&mine] {
      for (std::size_t i = 0; i < kEach; ++i) mine.push_back(pynn::next_stream().second);
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 3 * kEach);
  CHECK(*all.rbegin() == 3 * kEach - 1);
  pynn::set_generator(before);
}

std::vector<std::int64_t> permuted(std::uint64_t key, std::uint64_t stream, std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  pynn::permutation(key, stream, n, out.data());
  return out;
}

TEST_CASE("a permutation holds every index once and depends on key and stream alone") {
  for (const std::int64_t n : {0, 1, 2, 3, 31, 32, 33, 1000, 60000}) {
    auto p = permuted(1, 2, n);
    CHECK(p == permuted(1, 2, n));
    if (n >= 31) {
      CHECK(p != permuted(1, 3, n));
      CHECK(p != permuted(2, 2, n));
    }
    std::sort(p.begin(), p.end());
    for (std::int64_t i = 0; i < n; ++i) REQUIRE(p[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("permutations are the same on every machine and in every release") {
  CHECK(permuted(1, 2, 10) == std::vector<std::int64_t>{0, 8, 6, 4, 7, 3, 1, 5, 2, 9});
}

TEST_CASE("all permutations are equally likely") {
  constexpr int kDraws = 24000;
  std::array<int, 256> counts{};
  for (std::uint64_t stream = 0; stream < kDraws; ++stream) {
    const auto p = permuted(5, stream, 4);
    ++counts[static_cast<std::size_t>(p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3])];
  }
  double chi_squared = 0;
  int seen = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++seen;
    chi_squared += std::pow(count - kDraws / 24.0, 2) / (kDraws / 24.0);
  }
  CHECK(seen == 24);
  CHECK(chi_squared < 49.7);  // 23 degrees of freedom, p = 0.001
}

TEST_CASE("the CPU's description is consistent") {
  const pynn::CpuFeatures& f = pynn::cpu_features();
  CHECK((!f.avx512 || f.avx2));
  CHECK((!f.avx512_bf16 || f.avx512));
#if defined(__aarch64__)
  CHECK(f.neon);
#else
  CHECK(!f.neon);
#endif
  CHECK(std::string(pynn::cpu_name()) != "");
  CHECK(pynn::available_cpus() >= 1);
}

#if defined(__linux__)
TEST_CASE("a thread stays off a CPU for a while and keeps its affinity") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  for (const int cpu : {pynn::current_cpu(), -1, CPU_SETSIZE - 1}) {
    {
      const pynn::AwayFrom away(cpu);
      if (CPU_COUNT(&before) > 1) CHECK(pynn::current_cpu() != cpu);
    }
    cpu_set_t after;
    REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
    CHECK(CPU_EQUAL(&before, &after));
  }
  // A change that somebody else makes meanwhile stays.
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  {
    const pynn::AwayFrom away(pynn::current_cpu());
    CPU_SET(pynn::current_cpu(), &chosen);
    REQUIRE(sched_setaffinity(0, sizeof chosen, &chosen) == 0);
  }
  cpu_set_t after;
  REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
  if (CPU_COUNT(&before) > 2) CHECK(CPU_EQUAL(&chosen, &after));
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}
#endif

// A folder that looks like /sys/fs/cgroup.
class CgroupTree {
 public:
  CgroupTree() { CHECK(mkdtemp(root_.data()) != nullptr); }
  ~CgroupTree() { std::filesystem::remove_all(root_); }
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;

  void write(const std::string& file, const std::string& text) const {
    const auto path = std::filesystem::path(root_) / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  double quota(const std::string& membership) const {
    return pynn::detail::cgroup_cpu_quota(membership, root_);
  }

 private:
  std::string root_ = (std::filesystem::temp_directory_path() / "cgroup-XXXXXX").string();
};

TEST_CASE("the cgroup quota is the tightest on the way to the root") {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  SUBCASE("version 2") {
    const CgroupTree tree;
    CHECK(tree.quota("0::/a/b\n") == kNone);
    tree.write("a/b/cpu.max", "max 100000\n");
    CHECK(tree.quota("0::/a/b\n") == kNone);
    tree.write("a/cpu.max", "150000 100000\n");
    CHECK(tree.quota("0::/a/b\n") == 1.5);
    CHECK(tree.quota("0::/\n") == kNone);
    tree.write("a/b/cpu.max", "50000 100000\n");
    CHECK(tree.quota("0::/a/b\n") == 0.5);
    // A path that only the host sees: the mount's root holds the container's own limit.
    tree.write("cpu.max", "300000 100000\n");
    CHECK(tree.quota("0::/docker/0123\n") == 3);
  }
  SUBCASE("version 1") {
    const CgroupTree tree;
    const std::string membership = "5:memory:/m\n4:cpu,cpuacct:/a/b\n1:name=systemd:/\n";
    CHECK(tree.quota(membership) == kNone);
    tree.write("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    tree.write("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    CHECK(tree.quota(membership) == kNone);
    tree.write("cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    tree.write("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    CHECK(tree.quota(membership) == 2.5);
  }
  SUBCASE("nonsense") {
    const CgroupTree tree;
    tree.write("cpu.max", "what is this\n");
    for (const char* text : {"", "\n", "0", "0:", "0::", "::\n:\n", "0::/x"}) {
      CHECK(tree.quota(text) == kNone);
    }
  }
}

TEST_CASE("denormals are flushed inside the scope alone") {
  volatile float tiny = std::numeric_limits<float>::min();
  CHECK(tiny / 2 > 0);
  {
    const pynn::FlushDenormals flush;
    CHECK(tiny / 2 == 0);
    {
      const pynn::FlushDenormals nested;
      CHECK(tiny / 2 == 0);
    }
    CHECK(tiny / 2 == 0);
  }
  CHECK(tiny / 2 > 0);
}

}  // namespace
