// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11): a random word
// is a function of (key, counter), so a stream does not depend on who draws which part of it.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace pynn {

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox(std::uint64_t key, std::uint64_t stream, std::uint64_t block) {
  PhiloxBlock c = {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                   static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Float in [0, 1) from 24 bits, double in [0, 1) from 53.
constexpr float uniform_float(std::uint32_t u) { return static_cast<float>(u >> 8) * 0x1p-24f; }
constexpr double uniform_double(std::uint32_t hi, std::uint32_t lo) {
  return static_cast<double>((std::uint64_t{hi} << 32 | lo) >> 11) * 0x1p-53;
}

// The process-wide generator behind pynn.seed: a seed and the number of streams handed out since.
struct Generator {
  std::uint64_t seed;
  std::uint64_t streams;
};
Generator generator();
void set_generator(Generator state);
// A key and stream that nobody else has; consecutive calls after one seed give the same sequence.
std::pair<std::uint64_t, std::uint64_t> next_stream();

// Writes a permutation of 0 .. n-1 (Fisher-Yates over the stream).
void permutation(std::uint64_t key, std::uint64_t stream, std::int64_t n, std::int64_t* out);

}  // namespace pynn
