// Chains as threaded code: an accumulator machine whose operands lie in memory.
#include <algorithm>
#include <utility>

#include "ops/chain_plan.h"

namespace pynn::chains {

namespace {

using kernels::StageForm;

class Threader {
 public:
  explicit Threader(Chain& chain)
      : chain_(chain), code_(kernels::table().stages[index(chain.registers[0].dtype)]) {}

  bool possible() {
    if (code_.block == 0 || chain_.instructions.size() >= kMaxStages) return false;
    const DType dtype = chain_.registers[0].dtype;
    for (const Register& r : chain_.registers)
      if (r.dtype != dtype) return false;
    return std::all_of(
        chain_.instructions.begin(), chain_.instructions.end(),
        [&](const Instruction& i) { return is_copy(i) || form(i, StageForm::array) != nullptr; });
  }

  // Returns whether the stages fit.
  bool build() {
    choose_scalars();
    sort();
    for (std::size_t i = 0; i < chain_.instructions.size(); ++i) add(i);
    emit(code_.finish, -1);
    return stages_.size() <= kMaxStages;
  }

  void install() {
    chain_.threaded = &code_;
    chain_.stages = std::move(stages_);
    chain_.stage_registers = std::move(registers_);
    for (const int r : scalars_) reg(r).kind = Register::Kind::scalar;
    for (const int r : passing_) reg(r).kind = Register::Kind::accumulator;
    std::erase_if(chain_.constants, [&](int r) { return reg(r).kind == Register::Kind::scalar; });
  }

 private:
  Register& reg(int r) { return chain_.registers[static_cast<std::size_t>(r)]; }
  static bool is_copy(const Instruction& i) { return i.kernel == nullptr; }
  // Instructions name each operand; those of rows with fewer name one again.
  static int arity(const Instruction& i) { return is_copy(i) ? 1 : i.arity; }

  kernels::StageCode form(const Instruction& i, StageForm f) const {
    return code_.rows[static_cast<std::size_t>(i.row)][static_cast<std::size_t>(f)];
  }
  bool scalar(int r) const {
    return std::find(scalars_.begin(), scalars_.end(), r) != scalars_.end();
  }

  // Orders the instructions so that one follows on the other's result where it can: what goes
  // through memory takes longer.
  void sort() {
    const std::vector<Instruction> given = std::exchange(chain_.instructions, {});
    const std::size_t n = given.size();
    std::vector<std::size_t> blockers(n, 0);  // instructions before it that it must stay behind
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) blockers[i] += follows(given[i], given[j]);
    constexpr std::size_t kDone = ~std::size_t{0};
    std::vector<Instruction>& sorted = chain_.instructions;
    while (sorted.size() < n) {
      std::size_t next = n;
      for (std::size_t i = 0; i < n; ++i) {
        if (blockers[i] != 0) continue;
        const auto& in = given[i].in;
        const bool reads_last =
            !sorted.empty() && (in[0] == sorted.back().out || in[1] == sorted.back().out);
        if (next == n || reads_last) next = i;
        if (reads_last) break;
      }
      sorted.push_back(given[next]);
      blockers[next] = kDone;
      for (std::size_t i = next + 1; i < n; ++i)
        if (blockers[i] != kDone) blockers[i] -= follows(given[i], given[next]);
    }
  }

  // Whether i must stay behind j: it reads what j computes, or writes where j reads or writes.
  bool follows(const Instruction& i, const Instruction& j) {
    const auto memory = [&](int r) -> const void* {
      return reg(r).operand < 0 ? nullptr
                                : chain_.operands[static_cast<std::size_t>(reg(r).operand)].data;
    };
    const void* target = memory(i.out);
    return std::find(i.in.begin(), i.in.end(), j.out) != i.in.end() ||
           (target != nullptr &&
            (target == memory(j.out) ||
             std::any_of(j.in.begin(), j.in.end(), [&](int r) { return target == memory(r); })));
  }

  // Single values that nothing needs spread over a buffer.
  void choose_scalars() {
    for (const int r : chain_.constants) {
      const bool everywhere = std::all_of(
          chain_.instructions.begin(), chain_.instructions.end(), [&](const Instruction& i) {
            const bool reads = std::find(i.in.begin(), i.in.end(), r) != i.in.end();
            return !reads || arity(i) == 1 || form(i, StageForm::scalar) != nullptr;
          });
      if (everywhere) scalars_.push_back(r);
    }
  }

  void emit(kernels::StageCode code, int r, const double* attr = nullptr) {
    stages_.push_back({code, nullptr, attr});
    registers_.push_back(r);
  }

  void load(int r) {
    if (accumulator_ != r) emit(scalar(r) ? code_.load_scalar : code_.load, r);
    accumulator_ = r;
  }

  void add(std::size_t index) {
    const Instruction& i = chain_.instructions[index];
    const double* attr = i.attr.data();
    const int x = i.in[0], y = i.in[1];
    const auto with = [&](int r, StageForm array, StageForm scalar_form) {
      emit(form(i, scalar(r) ? scalar_form : array), r, attr);
    };
    if (is_copy(i)) {
      load(x);
    } else if (arity(i) == 1) {
      load(x);
      emit(form(i, StageForm::array), -1, attr);
    } else if (form(i, StageForm::array_first) != nullptr && x != y &&
               (accumulator_ == y || (accumulator_ != x && scalar(x)))) {
      load(y);
      with(x, StageForm::array_first, StageForm::scalar_first);
    } else {
      load(x);
      with(y, StageForm::array, StageForm::scalar);
    }
    accumulator_ = i.out;
    if (reg(i.out).kind == Register::Kind::direct || !passes(index))
      emit(code_.store, i.out);
    else
      passing_.push_back(i.out);
  }

  // Whether the result of an instruction is read by the next one only, out of the accumulator.
  bool passes(std::size_t index) const {
    const int out = chain_.instructions[index].out;
    int reads = 0;
    for (const Instruction& i : chain_.instructions)
      for (int k = 0; k < arity(i); ++k) reads += i.in[static_cast<std::size_t>(k)] == out;
    if (reads != 1) return false;
    const Instruction& next = chain_.instructions[index + 1];
    return next.in[0] == out ||
           (arity(next) == 2 && next.in[1] == out && form(next, StageForm::array_first) != nullptr);
  }

  Chain& chain_;
  const kernels::Stages& code_;
  int accumulator_ = -1;  // the register it holds the value of
  std::vector<int> scalars_, passing_;
  std::vector<kernels::Stage> stages_;
  std::vector<int> registers_;
};

}  // namespace

void thread(Chain& chain) {
  if (chain.registers.empty() || chain.instructions.empty()) return;
  Threader threader(chain);
  if (threader.possible() && threader.build()) threader.install();
}

}  // namespace pynn::chains
