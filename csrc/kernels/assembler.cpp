#include "kernels/assembler.h"

#include <algorithm>
#include <cstddef>

namespace pynn::kernels {
namespace {

// General registers: the arguments lie at rdi, rax counts the bytes of a row, rsi runs ahead of it.
constexpr int kRax = 0, kRsp = 4, kRsi = 6, kRdi = 7;
constexpr int kNone = kRsp;  // as an index
constexpr std::array<int, LoopArgs::kArrays> kBases = {1, 2, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15};
constexpr int kCalleeSaved = 6;  // from this one on

// Vector registers of the assembler's own.
constexpr int kScratch = 14, kLanes = 15;

// Conditions of jumps.
constexpr int kBelow = 2, kNotBelow = 3, kEqual = 4, kNotEqual = 5;

}  // namespace

void LoopArgs::set_row(std::int64_t n, std::int64_t item, std::int64_t vector_bytes) {
  bytes = n * item / vector_bytes * vector_bytes;
  const std::int64_t rest = n - bytes / item;
  tail_mask = (std::uint64_t{1} << rest) - 1;
  for (std::size_t i = 0; i < tail_lanes.size(); ++i)
    tail_lanes[i] = static_cast<std::int64_t>(i) * 4 < rest * item ? ~0u : 0u;
}

void Assembler::word(std::int64_t x) {
  for (int i = 0; i < 4; ++i) byte(static_cast<int>(x >> 8 * i & 0xff));
}

// The prefix of a vector instruction. reg, second: vector registers; rm_bit3, rm_bit4: the high
// bits of the third operand, or of base and index.
void Assembler::prefix(Map map, bool w, int pp, int reg, int second, bool rm_bit3, bool rm_bit4,
                       int mask, bool zero) {
  const auto bit = [](int r, int i) { return r >> i & 1; };
  if (evex_) {
    byte(0x62);
    byte((1 - bit(reg, 3)) << 7 | !rm_bit4 << 6 | !rm_bit3 << 5 | (1 - bit(reg, 4)) << 4 | map);
    byte(w << 7 | (~second & 15) << 3 | 4 | pp);
    byte(zero << 7 | 2 << 5 | (1 - bit(second, 4)) << 3 | mask);
  } else {
    byte(0xc4);
    byte((1 - bit(reg, 3)) << 7 | !rm_bit4 << 6 | !rm_bit3 << 5 | map);
    byte(w << 7 | (~second & 15) << 3 | 1 << 2 | pp);
  }
}

void Assembler::vector(Map map, bool w, int pp, int opcode, int reg, int second, int rm) {
  prefix(map, w, pp, reg, second, rm >> 3 & 1, evex_ && rm >> 4 & 1, 0, false);
  bytes({opcode, 0xc0 | (reg & 7) << 3 | (rm & 7)});
}

void Assembler::vector(Map map, bool w, int pp, int opcode, int reg, int second, Memory m, int mask,
                       bool zero) {
  prefix(map, w, pp, reg, second, m.base >> 3 & 1, m.index >> 3 & 1, mask, zero);
  byte(opcode);
  address(reg, m);
}

// Base plus index plus a displacement of zero, which every base takes.
void Assembler::address(int reg, Memory m) {
  bytes({0x44 | (reg & 7) << 3, (m.index & 7) << 3 | (m.base & 7), 0});
}

// An instruction on a general register and a field of the arguments.
void Assembler::with_args(int opcode, int reg, std::size_t offset) {
  bytes({0x48 | (reg >> 3) << 2, opcode, 0x80 | (reg & 7) << 3 | kRdi});
  word(static_cast<std::int64_t>(offset));
}

std::size_t Assembler::jump(int condition) {
  bytes({0x0f, 0x80 | condition});
  word(0);
  return code_.size();
}

void Assembler::land(std::size_t jump, std::size_t target) {
  const auto distance = static_cast<std::int64_t>(target) - static_cast<std::int64_t>(jump);
  for (std::size_t i = 0; i < 4; ++i)
    code_[jump - 4 + i] = static_cast<std::uint8_t>(distance >> 8 * i & 0xff);
}

int Assembler::array_register(int array) const { return kBases[static_cast<std::size_t>(array)]; }

void Assembler::begin(int arrays) {
  arrays_ = arrays;
  bytes({0xf3, 0x0f, 0x1e, 0xfa});  // endbr64: a target of indirect calls
  for (int k = kCalleeSaved; k < arrays; ++k) {
    const int r = array_register(k);
    if (r > 7) byte(0x41);
    byte(0x50 | (r & 7));  // push
  }
  for (int k = 0; k < arrays; ++k)
    with_args(0x8b, array_register(k),
              offsetof(LoopArgs, at) + static_cast<std::size_t>(k) * sizeof(char*));
  if (evex_) {
    bytes({0xc4, 0xe1, 0xf8, 0x90, 0x97});  // kmovq k2, [rdi + ...]
    word(offsetof(LoopArgs, tail_mask));
  } else {
    with_args(0x8d, kRax, offsetof(LoopArgs, tail_lanes));  // lea
    vector(k0F, false, 0, 0x28, kLanes, 0, Memory{kRax, kNone});
  }
}

void Assembler::load_value(int v, int value) {
  with_args(0x8b, kRax,
            offsetof(LoopArgs, values) + static_cast<std::size_t>(value) * sizeof(void*));
  vector(k0F38, wide_ && evex_, 1, wide_ ? 0x19 : 0x18, v, 0, Memory{kRax, kNone});
}

void Assembler::start_rows() {
  row_ = code_.size();
  bytes({0x31, 0xc0});  // xor eax, eax
  with_args(0x8b, kRsi, offsetof(LoopArgs, ahead));
  with_args(0x3b, kRax, offsetof(LoopArgs, bytes));  // cmp
  skip_ = jump(kNotBelow);
  while (code_.size() % 32 != 0) byte(0x90);
  vectors_ = code_.size();
}

void Assembler::end_vectors() {
  const int n = static_cast<int>(vector_bytes());
  bytes({0x48, 0x83, 0xc0, n, 0x48, 0x83, 0xc6, n});  // add rax, n; add rsi, n
  with_args(0x3b, kRax, offsetof(LoopArgs, bytes));
  land(jump(kBelow), vectors_);
  land(skip_, code_.size());
  bytes({0x48, 0x83, 0xbf});  // cmp qword [rdi + ...], 0
  word(offsetof(LoopArgs, tail_mask));
  byte(0);
  next_ = jump(kEqual);
  tail_ = true;
}

void Assembler::end_rows() {
  land(next_, code_.size());
  for (int k = 0; k < arrays_; ++k)
    with_args(0x03, array_register(k),
              offsetof(LoopArgs, step) + static_cast<std::size_t>(k) * sizeof(std::int64_t));
  bytes({0x48, 0xff, 0x8f});  // dec qword [rdi + ...]
  word(offsetof(LoopArgs, rows));
  land(jump(kNotEqual), row_);
  for (int k = arrays_ - 1; k >= kCalleeSaved; --k) {
    const int r = array_register(k);
    if (r > 7) byte(0x41);
    byte(0x58 | (r & 7));  // pop
  }
  bytes({0xc5, 0xf8, 0x77, 0xc3});  // vzeroupper; ret
}

void Assembler::load(int v, int array) {
  const Memory m{array_register(array), kRax};
  if (!tail_ || evex_)
    vector(k0F, wide_ && evex_, packed(), 0x10, v, 0, m, tail_ ? 2 : 0, tail_);
  else
    vector(k0F38, false, 1, wide_ ? 0x2d : 0x2c, v, kLanes, m);
}

void Assembler::store(int v, int array) {
  const Memory m{array_register(array), kRax};
  if (!tail_ || evex_)
    vector(k0F, wide_ && evex_, packed(), 0x11, v, 0, m, tail_ ? 2 : 0, false);
  else
    vector(k0F38, false, 1, wide_ ? 0x2f : 0x2e, v, kLanes, m);
}

void Assembler::ask_ahead(int array) {
  if (tail_) return;
  const int base = array_register(array);
  bytes({0x40 | base >> 3, 0x0f, 0x18});  // prefetcht0
  address(1, {base, kRsi});
}

void Assembler::binary(Op op, int v, int a, int b) {
  vector(k0F, wide_ && evex_, packed(), static_cast<int>(op), v, a, b);
}

void Assembler::sqrt(int v, int a) { vector(k0F, wide_ && evex_, packed(), 0x51, v, 0, a); }

void Assembler::minus_square(int v, int a, int c) {
  if (v != a) vector(k0F, wide_ && evex_, packed(), 0x28, v, 0, a);  // vmovaps
  vector(k0F38, wide_, 1, 0xac, v, a, c);                            // vfnmadd213ps
}

void Assembler::select(int v, Test test, int a, int b, int yes, int no) {
  constexpr int kMask = 1;
  const bool w = wide_ && evex_;
  vector(k0F, w, packed(), 0xc2, evex_ ? kMask : kScratch, a, b);
  byte(static_cast<int>(test));
  if (evex_) {
    prefix(k0F38, w, 1, v, no, yes >> 3 & 1, yes >> 4 & 1, kMask, false);
    bytes({0x65, 0xc0 | (v & 7) << 3 | (yes & 7)});
  } else {
    vector(k0F3A, false, 1, wide_ ? 0x4b : 0x4a, v, no, yes);
    byte(kScratch << 4);
  }
}

}  // namespace pynn::kernels
