// Machine code of x86-64 for loops over arrays, in AVX2 or AVX-512: for each row, for each vector
// of it, a body of vector instructions. Encodings: Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "runtime/machine_code.h"

namespace pynn::kernels {

// What the code is called with. It counts `rows` down and leaves the rest as it is.
struct LoopArgs {
  static constexpr std::size_t kArrays = 12, kValues = 16;
  std::int64_t rows;        // >= 1
  std::int64_t bytes;       // of a row, whole vectors
  std::int64_t ahead;       // bytes from what is loaded to what is asked for beforehand
  std::uint64_t tail_mask;  // a bit for each lane behind those, none if there are none
  alignas(32) std::array<std::uint32_t, 8> tail_lanes;  // the same for AVX2: all ones or zero
  std::array<char*, kArrays> at;                        // first element of each array
  std::array<std::int64_t, kArrays> step;               // bytes from row to row
  std::array<const void*, kValues> values;              // single values

  // Sets bytes and tail for rows of n elements of `item` bytes.
  void set_row(std::int64_t n, std::int64_t item, std::int64_t vector_bytes);
};
using LoopFn = void(LoopArgs*);

class Assembler {
 public:
  // Of the instruction sets of a kernel table, those with vectors of 32 bytes are AVX2 and those of
  // 64 AVX-512. For others there is no code.
  static bool knows(std::size_t vector_bytes) { return vector_bytes == 32 || vector_bytes == 64; }
  // `wide`: values are double.
  Assembler(std::size_t vector_bytes, bool wide) : evex_(vector_bytes == 64), wide_(wide) {}

  // Vector registers 0 ... registers() - 1 are free for use.
  int registers() const { return evex_ ? 31 : 14; }
  std::int64_t vector_bytes() const { return evex_ ? 64 : 32; }

  // In this order: begin, the single values, start_rows, the body, end_vectors, the body again,
  // end_rows. The second body computes the tail: its loads and stores are masked.
  void begin(int arrays);
  void load_value(int v, int value);
  void start_rows();
  void end_vectors();
  void end_rows();

  void load(int v, int array);
  void store(int v, int array);
  void ask_ahead(int array);

  // The opcodes of v = a op b.
  enum class Op : std::uint8_t {
    bit_and = 0x54,
    bit_xor = 0x57,
    add = 0x58,
    multiply = 0x59,
    subtract = 0x5c,
    divide = 0x5e,
    max = 0x5f,  // b where either is NaN
  };
  void binary(Op op, int v, int a, int b);
  void sqrt(int v, int a);
  void minus_square(int v, int a, int c);  // v = c - a a, rounded once; v is not c
  // v = a ? b : c, lane by lane. Of NaNs, `greater` says no.
  enum class Test : std::uint8_t { unordered = 0x03, greater = 0x1e };
  void select(int v, Test test, int a, int b, int yes, int no);

  MachineCode finish() { return MachineCode(code_); }

 private:
  enum Map : std::uint8_t { k0F = 1, k0F38 = 2, k0F3A = 3 };
  struct Memory {
    int base, index;  // index 4: none
  };

  void byte(int b) { code_.push_back(static_cast<std::uint8_t>(b)); }
  void bytes(std::initializer_list<int> list) {
    for (const int b : list) byte(b);
  }
  void word(std::int64_t x);  // 32 bits
  void prefix(Map map, bool w, int pp, int reg, int second, bool rm_bit3, bool rm_bit4, int mask,
              bool zero);
  void vector(Map map, bool w, int pp, int opcode, int reg, int second, int rm);
  void vector(Map map, bool w, int pp, int opcode, int reg, int second, Memory m, int mask = 0,
              bool zero = false);
  void address(int reg, Memory m);
  void with_args(int opcode, int reg, std::size_t offset);
  std::size_t jump(int condition);
  void land(std::size_t jump, std::size_t target);
  int array_register(int array) const;
  int packed() const { return wide_ ? 1 : 0; }

  bool evex_, wide_;
  bool tail_ = false;
  int arrays_ = 0;
  std::size_t row_ = 0, vectors_ = 0, skip_ = 0, next_ = 0;  // places in the code
  std::vector<std::uint8_t> code_;
};

}  // namespace pynn::kernels
