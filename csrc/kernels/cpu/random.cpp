// Philox streams (runtime/rng.h) on vectors: one block in each 64-bit lane.
#include "kernels/cpu/vec_math.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

using Words = Vec<std::uint64_t>;
constexpr std::uint64_t kLow = 0xffffffffu;

// A word of a block lies in the lower half of its lane; what the upper half holds is ignored.
struct Blocks {
  Words w0, w1, w2, w3;
};

PYNN_INLINE Blocks philox_blocks(std::uint64_t key, std::uint64_t stream, Words block) {
  const Words m0 = broadcast<Words>(0xD2511F53u), m1 = broadcast<Words>(0xCD9E8D57u);
  Blocks c = {block, block >> 32, broadcast<Words>(stream), broadcast<Words>(stream >> 32)};
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const Words p0 = multiply_even(m0, c.w0), p1 = multiply_even(m1, c.w2);
    c = {(p1 >> 32) ^ c.w1 ^ std::uint64_t{k0}, p1, (p0 >> 32) ^ c.w3 ^ std::uint64_t{k1}, p0};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Two vectors of consecutive elements of a stream.
template <class T>
struct Two {
  Vec<T> a, b;
};

template <class T>
PYNN_INLINE Two<T> uniform(const Blocks& c);

// Four floats a block, from the upper 24 bits of each word.
template <>
PYNN_INLINE Two<float> uniform<float>(const Blocks& c) {
  const Words first = (c.w0 & kLow) | (c.w1 << 32), second = (c.w2 & kLow) | (c.w3 << 32);
  const auto to_float = [](Words words) {
    return convert<float>((Vec<std::int32_t>)(as<std::uint32_t>(words) >> 8)) * 0x1p-24f;
  };
  return {to_float(interleave<0>(first, second)), to_float(interleave<1>(first, second))};
}

// Two doubles a block, from the upper 53 bits of two words.
template <>
PYNN_INLINE Two<double> uniform<double>(const Blocks& c) {
  const Words first = (c.w0 << 32) | (c.w1 & kLow), second = (c.w2 << 32) | (c.w3 & kLow);
  const auto to_double = [](Words bits) {
    // An integer below 2^32 becomes a double by being the fraction of 2^52 (or of 2^84, times
    // 2^32).
    bits = bits >> 11;
    const auto upper = as<double>((bits >> 32) | __builtin_bit_cast(std::uint64_t, 0x1p84));
    const auto lower = as<double>((bits & kLow) | __builtin_bit_cast(std::uint64_t, 0x1p52));
    return ((upper - 0x1p84) + (lower - 0x1p52)) * 0x1p-53;
  };
  return {to_double(interleave<0>(first, second)), to_double(interleave<1>(first, second))};
}

// Box and Muller (1958): elements 2i and 2i + 1 are a point in the plane, of which uniform 2i gives
// the radius and uniform 2i + 1 the angle.
template <class T>
PYNN_INLINE Two<T> normal(const Two<T>& u) {
  using V = Vec<T>;
  const V logarithm = math::log(T(1) - deinterleave<0>(u.a, u.b));
  const V radius = math::sqrt(logarithm * T(-2));
  const V turns = deinterleave<1>(u.a, u.b) * T(4);  // of a quarter each
  const V quadrant = math::round(turns);
  const V r = (turns - quadrant) * T(1.57079632679489661923);
  const V x = radius * math::sin_of_quadrant(r, math::low_bits(quadrant) + 1);
  const V y = radius * math::sin_of_quadrant(r, math::low_bits(quadrant));
  return {interleave<0>(x, y), interleave<1>(x, y)};
}

template <class T, bool gaussian>
void random(std::uint64_t key, std::uint64_t stream, std::uint64_t first, std::size_t n,
            void* out) {
  constexpr std::size_t N = kLanes<T>;
  constexpr std::size_t kPerBlock = 16 / sizeof(T);
  const auto p = static_cast<T*>(out);
  Words block = broadcast<Words>(first / kPerBlock);
  for (int lane = 0; lane < kLanes<std::uint64_t>; ++lane)
    block[lane] += static_cast<unsigned>(lane);
  for (std::size_t i = 0; i < n; i += 2 * N, block += std::uint64_t{2 * N / kPerBlock}) {
    Two<T> x = uniform<T>(philox_blocks(key, stream, block));
    if constexpr (gaussian) x = normal(x);
    const std::size_t left = n - i;
    if (left >= 2 * N) {
      store(p + i, x.a);
      store(p + i + N, x.b);
    } else {
      store_first(p + i, x.a, left < N ? left : N);
      if (left > N) store_first(p + i + N, x.b, left - N);
    }
  }
}

template <class T>
void fill(Table& t) {
  t.random_uniform[index(dtype_of<T>)] = random<T, false>;
  t.random_normal[index(dtype_of<T>)] = random<T, true>;
}

}  // namespace

void fill_random(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
