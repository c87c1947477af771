// Chains as machine code: what passes between instructions stays in vector registers.
#include <algorithm>
#include <bit>

#include "ops/chain_plan.h"

namespace pynn::chains {

namespace {

using kernels::Assembler;
using kernels::LoopArgs;
using kernels::Pointwise;
using Op = Assembler::Op;
using Test = Assembler::Test;

// Values that formulas need, as float and as double.
enum class Constant : std::uint8_t { zero, one, minus_one, sign, magnitude, count };
const void* address_of(Constant c, bool wide) {
  static const float narrow[] = {0, 1, -1, -0.0f, std::bit_cast<float>(0x7fffffffu)};
  static const double doubles[] = {0, 1, -1, -0.0, std::bit_cast<double>(~0ull >> 1)};
  const auto i = static_cast<std::size_t>(c);
  return wide ? static_cast<const void*>(doubles + i) : narrow + i;
}

// One instruction of the body. Values are numbered; `place` is an array, or a single value.
struct Step {
  enum class Kind : std::uint8_t { load, store, binary, sqrt, minus_square, select } kind;
  int out = -1;
  std::array<int, 4> in = {-1, -1, -1, -1};
  int place = -1;
  Op op{};
  Test test{};
};

class Compiler {
 public:
  explicit Compiler(const Chain& chain)
      : chain_(chain),
        wide_(chain.registers[0].dtype == DType::f64),
        value_of_(chain.registers.size(), -1) {}

  std::shared_ptr<const Loop> compile() {
    for (const Instruction& i : chain_.instructions)
      if (!lower(i)) return nullptr;
    if (loop_.arrays.size() > LoopArgs::kArrays || loop_.values.size() > LoopArgs::kValues)
      return nullptr;
    Assembler code(kernels::table().vector_bytes, wide_);
    if (!assign(code.registers())) return nullptr;
    emit(code);
    loop_.code = code.finish();
    loop_.vector_bytes = code.vector_bytes();
    if (!loop_.code) return nullptr;
    return std::make_shared<const Loop>(std::move(loop_));
  }

 private:
  const Register& reg(int r) const { return chain_.registers[static_cast<std::size_t>(r)]; }

  int array(int r) {
    const auto known = std::find(loop_.arrays.begin(), loop_.arrays.end(), r);
    if (known == loop_.arrays.end()) {
      loop_.arrays.push_back(r);
      return static_cast<int>(loop_.arrays.size()) - 1;
    }
    return static_cast<int>(known - loop_.arrays.begin());
  }
  int single(SingleValue v) {
    const auto known = std::find(loop_.values.begin(), loop_.values.end(), v);
    const auto place = static_cast<std::size_t>(known - loop_.values.begin());
    if (known == loop_.values.end()) {
      loop_.values.push_back(v);
      singles_.push_back(values_++);
    }
    return singles_[place];
  }
  int constant(Constant c) { return single({-1, address_of(c, wide_)}); }

  // The value of a register, loaded where it was not computed.
  int use(int r) {
    int& value = value_of_[static_cast<std::size_t>(r)];
    if (value < 0 && reg(r).kind == Register::Kind::splat) value = single({r, nullptr});
    if (value < 0) value = add({.kind = Step::Kind::load, .place = array(r)});
    return value;
  }
  int add(Step s) {
    s.out = values_++;
    steps_.push_back(s);
    return s.out;
  }
  int binary(Op op, int a, int b) {
    return add({.kind = Step::Kind::binary, .in = {a, b, -1, -1}, .op = op});
  }
  int sqrt(int a) { return add({.kind = Step::Kind::sqrt, .in = {a, -1, -1, -1}}); }
  int minus_square(int a, int c) {  // c - a a as the kernels have it, rounded once; c is single
    return add({.kind = Step::Kind::minus_square, .in = {a, c, -1, -1}});
  }
  // test(a, b) ? yes : no
  int select(Test test, int a, int b, int yes, int no) {
    return add({.kind = Step::Kind::select, .in = {a, b, yes, no}, .test = test});
  }

  // Says whether there is code for the row. The bits are those of the row's kernel.
  bool lower(const Instruction& i) {
    const int value = compute(i);
    if (value < 0) return false;
    value_of_[static_cast<std::size_t>(i.out)] = value;
    if (reg(i.out).kind == Register::Kind::direct)
      steps_.push_back(
          {.kind = Step::Kind::store, .in = {value, -1, -1, -1}, .place = array(i.out)});
    return true;
  }

  int compute(const Instruction& i) {
    const int a = use(i.in[0]), b = use(i.in[1]);
    if (i.kernel == nullptr) return a;
    const auto is = [this](Constant c) { return constant(c); };
    switch (i.row) {
      case Pointwise::add:
        return binary(Op::add, a, b);
      case Pointwise::subtract:
        return binary(Op::subtract, a, b);
      case Pointwise::multiply:
        return binary(Op::multiply, a, b);
      case Pointwise::divide:
        return binary(Op::divide, a, b);
      case Pointwise::maximum:
        return select(Test::unordered, a, a, a, select(Test::greater, a, b, a, b));
      case Pointwise::minimum:
        return select(Test::unordered, a, a, a, select(Test::greater, b, a, a, b));
      case Pointwise::square:
        return binary(Op::multiply, a, a);
      case Pointwise::sqrt:
        return sqrt(a);
      case Pointwise::rsqrt:
        return binary(Op::divide, is(Constant::one), sqrt(a));
      case Pointwise::reciprocal:
        return binary(Op::divide, is(Constant::one), a);
      case Pointwise::negative:
        return binary(Op::bit_xor, a, is(Constant::sign));
      case Pointwise::abs:
        return binary(Op::bit_and, a, is(Constant::magnitude));
      case Pointwise::sign: {
        const int zero = is(Constant::zero);
        const int up = select(Test::greater, a, zero, is(Constant::one), a);
        return select(Test::greater, zero, a, is(Constant::minus_one), up);
      }
      case Pointwise::relu:
        return binary(Op::max, is(Constant::zero), a);
      case Pointwise::square_grad:
        return binary(Op::multiply, a, binary(Op::add, b, b));
      case Pointwise::tanh_grad:
        return binary(Op::multiply, a, minus_square(b, is(Constant::one)));
      case Pointwise::sigmoid_grad:
        return binary(Op::multiply, a,
                      binary(Op::multiply, b, binary(Op::subtract, is(Constant::one), b)));
      case Pointwise::relu_grad: {
        const int zero = is(Constant::zero);
        return binary(Op::multiply, a, select(Test::greater, b, zero, is(Constant::one), zero));
      }
      default:
        return -1;
    }
  }

  // Gives each value a vector register: single values keep theirs, others until their last use.
  bool assign(int registers) {
    std::vector<std::size_t> last(static_cast<std::size_t>(values_), 0);
    for (std::size_t s = 0; s < steps_.size(); ++s)
      for (const int v : steps_[s].in)
        if (v >= 0) last[static_cast<std::size_t>(v)] = s;
    register_of_.assign(static_cast<std::size_t>(values_), -1);
    std::vector<int> free;
    for (int r = registers; r-- > 0;) free.push_back(r);
    const auto take = [&](int v) {
      if (free.empty()) return false;
      register_of_[static_cast<std::size_t>(v)] = free.back();
      free.pop_back();
      return true;
    };
    for (const int v : singles_)
      if (!take(v)) return false;
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      for (std::size_t k = 0; k < 4; ++k) {
        const int v = steps_[s].in[k];
        const auto end = steps_[s].in.begin() + static_cast<std::ptrdiff_t>(k);
        if (v < 0 || last[static_cast<std::size_t>(v)] != s ||
            std::find(steps_[s].in.begin(), end, v) != end ||
            std::find(singles_.begin(), singles_.end(), v) != singles_.end())
          continue;
        free.push_back(register_of_[static_cast<std::size_t>(v)]);
      }
      if (steps_[s].out >= 0 && !take(steps_[s].out)) return false;
      // What nothing reads gives its register back at once.
      if (steps_[s].out >= 0 && last[static_cast<std::size_t>(steps_[s].out)] == 0)
        free.push_back(register_of_[static_cast<std::size_t>(steps_[s].out)]);
    }
    return true;
  }

  void emit(Assembler& code) const {
    code.begin(static_cast<int>(loop_.arrays.size()));
    for (std::size_t v = 0; v < singles_.size(); ++v)
      code.load_value(at(singles_[v]), static_cast<int>(v));
    code.start_rows();
    for (std::size_t a = 0; a < loop_.arrays.size(); ++a)
      if (reg(loop_.arrays[a]).kind == Register::Kind::direct) code.ask_ahead(static_cast<int>(a));
    body(code);
    code.end_vectors();
    body(code);
    code.end_rows();
  }

  int at(int value) const { return register_of_[static_cast<std::size_t>(value)]; }

  void body(Assembler& code) const {
    for (const Step& s : steps_) {
      const auto in = [&](std::size_t k) { return at(s.in[k]); };
      switch (s.kind) {
        case Step::Kind::load:
          code.load(at(s.out), s.place);
          break;
        case Step::Kind::store:
          code.store(in(0), s.place);
          break;
        case Step::Kind::binary:
          code.binary(s.op, at(s.out), in(0), in(1));
          break;
        case Step::Kind::sqrt:
          code.sqrt(at(s.out), in(0));
          break;
        case Step::Kind::minus_square:
          code.minus_square(at(s.out), in(0), in(1));
          break;
        case Step::Kind::select:
          code.select(at(s.out), s.test, in(0), in(1), in(2), in(3));
          break;
      }
    }
  }

  const Chain& chain_;
  const bool wide_;
  std::vector<Step> steps_;
  int values_ = 0;
  std::vector<int> value_of_;     // of a register of the chain, or -1
  std::vector<int> singles_;      // the values of loop_.values
  std::vector<int> register_of_;  // of a value
  Loop loop_;
};

}  // namespace

void compile(Chain& chain) {
  if (!Assembler::knows(kernels::table().vector_bytes) || chain.registers.empty() ||
      chain.instructions.empty())
    return;
  const DType dtype = chain.registers[0].dtype;
  if ((dtype != DType::f32 && dtype != DType::f64) ||
      !std::all_of(chain.registers.begin(), chain.registers.end(),
                   [&](const Register& r) { return r.dtype == dtype; }))
    return;
  chain.loop = Compiler(chain).compile();
  if (chain.loop == nullptr) return;
  for (Register& r : chain.registers) {
    if (r.kind == Register::Kind::splat) r.kind = Register::Kind::scalar;
    if (r.kind == Register::Kind::buffer) r.kind = Register::Kind::accumulator;
  }
  chain.constants.clear();
}

}  // namespace pynn::chains
