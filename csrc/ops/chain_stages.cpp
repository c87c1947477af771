// Chains as threaded code: an accumulator machine whose operands lie in memory.
#include <algorithm>
#include <utility>

#include "ops/chain_plan.h"

namespace pynn::chains {

namespace {

using kernels::Pointwise;
using kernels::StageForm;

class Threader {
 public:
  explicit Threader(Chain& chain)
      : chain_(chain),
        code_(kernels::table().stages[index(chain.registers[0].dtype)]),
        instructions_(chain.instructions) {}

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
    join_products();
    sort();
    for (std::size_t i = 0; i < instructions_.size(); ++i) add(i);
    emit(code_.finish, -1);
    return stages_.size() <= kMaxStages;
  }

  void install() {
    chain_.threaded = &code_;
    chain_.instructions = std::move(instructions_);
    chain_.stages = std::move(stages_);
    chain_.stage_registers = std::move(registers_);
    for (const int r : scalars_) reg(r).kind = Register::Kind::scalar;
    for (const int r : passing_) reg(r).kind = Register::Kind::accumulator;
    std::erase_if(chain_.constants, [&](int r) { return reg(r).kind == Register::Kind::scalar; });
  }

 private:
  Register& reg(int r) const { return chain_.registers[static_cast<std::size_t>(r)]; }
  static bool is_copy(const Instruction& i) { return i.kernel == nullptr; }
  // Instructions name each operand; those of rows with fewer name one again.
  static int arity(const Instruction& i) { return is_copy(i) ? 1 : i.arity; }

  kernels::StageCode form(const Instruction& i, StageForm f) const {
    return code_.rows[static_cast<std::size_t>(i.row)][static_cast<std::size_t>(f)];
  }
  bool scalar(int r) const {
    return std::find(scalars_.begin(), scalars_.end(), r) != scalars_.end();
  }

  static std::size_t scaled_row(const Instruction& i) {
    return static_cast<std::size_t>(i.row == Pointwise::add        ? kernels::Scaled::add
                                    : i.row == Pointwise::subtract ? kernels::Scaled::subtract
                                                                   : kernels::Scaled::count);
  }
  static bool is_sum(const Instruction& i) { return scaled_row(i) < kernels::kScaled; }
  // The single value that a product multiplies by, or -1.
  int factor_of(const Instruction& i) const {
    if (i.row != Pointwise::multiply || scalar(i.in[0]) == scalar(i.in[1])) return -1;
    const int r = scalar(i.in[0]) ? i.in[0] : i.in[1];
    const bool stays =
        chain_.operands[static_cast<std::size_t>(reg(r).operand)].shift.by == nullptr;
    return stays ? r : -1;
  }
  int count_reads(int r) const {
    int reads = 0;
    for (const Instruction& i : instructions_)
      for (int k = 0; k < arity(i); ++k) reads += i.in[static_cast<std::size_t>(k)] == r;
    return reads;
  }
  bool computed(int r) const {
    return std::any_of(instructions_.begin(), instructions_.end(),
                       [&](const Instruction& i) { return i.out == r; });
  }

  // A sum with x s, of an operand x and a single value s, multiplies while it adds: the product
  // needs no stages of its own and does not go through memory. One product a sum.
  void join_products() {
    for (std::size_t j = 0; j < instructions_.size(); ++j) {
      Instruction& sum = instructions_[j];
      if (!is_sum(sum) || sum.in[0] == sum.in[1]) continue;
      for (std::size_t k = 0; k < 2; ++k) {
        if (!computed(sum.in[1 - k])) continue;
        std::size_t i = 0;
        while (i < j && instructions_[i].out != sum.in[k]) ++i;
        if (i == j || !joins(i, j)) continue;
        const Instruction& product = instructions_[i];
        sum.factor = factor_of(product);
        sum.scaled = static_cast<int>(k);
        sum.in[k] = product.in[0] == sum.factor ? product.in[1] : product.in[0];
        sum.in[2] = sum.in[1];
        instructions_.erase(instructions_.begin() + static_cast<std::ptrdiff_t>(i));
        --j;
        break;
      }
    }
  }

  // Whether instruction i is a product that its only reader j may compute.
  bool joins(std::size_t i, std::size_t j) const {
    const Instruction& product = instructions_[i];
    const int factor = factor_of(product);
    if (factor < 0 || reg(product.out).kind != Register::Kind::buffer ||
        count_reads(product.out) != 1)
      return false;
    const int x = product.in[0] == factor ? product.in[1] : product.in[0];
    if (computed(x)) return false;
    for (std::size_t between = i + 1; between < j; ++between)
      if (memory(x) != nullptr && memory(instructions_[between].out) == memory(x)) return false;
    return true;
  }

  const void* memory(int r) const {
    return reg(r).operand < 0 ? nullptr
                              : chain_.operands[static_cast<std::size_t>(reg(r).operand)].data;
  }

  // Orders the instructions so that one follows on the other's result where it can: what goes
  // through memory takes longer.
  void sort() {
    const std::vector<Instruction> given = std::exchange(instructions_, {});
    const std::size_t n = given.size();
    std::vector<std::size_t> blockers(n, 0);  // instructions before it that it must stay behind
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) blockers[i] += follows(given[i], given[j]);
    constexpr std::size_t kDone = ~std::size_t{0};
    std::vector<Instruction>& sorted = instructions_;
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
  bool follows(const Instruction& i, const Instruction& j) const {
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

  void emit(kernels::StageCode code, int r, const double* attr = nullptr, int factor = -1) {
    const void* const at = factor < 0 ? nullptr : memory(factor);
    stages_.push_back({code, nullptr, attr, at});
    registers_.push_back(r);
    factor_ = -1;
  }
  void drop_stage() {
    stages_.pop_back();
    registers_.pop_back();
  }

  void load(int r) {
    if (accumulator_ != r) emit(scalar(r) ? code_.load_scalar : code_.load, r);
    accumulator_ = r;
  }

  void add(std::size_t index) {
    const Instruction& i = instructions_[index];
    const int x = i.in[0], y = i.in[1];
    if (is_copy(i)) {
      load(x);
    } else if (arity(i) == 1) {
      load(x);
      emit(form(i, StageForm::array), -1, i.attr.data());
    } else if (i.factor >= 0) {
      load(i.scaled == 0 ? y : x);
      emit(code_.operand_scaled[scaled_row(i)][i.scaled == 0 ? 1 : 0], i.scaled == 0 ? x : y,
           nullptr, i.factor);
    } else if (form(i, StageForm::array_first) != nullptr && x != y &&
               (accumulator_ == y || (accumulator_ != x && scalar(x)))) {
      load(y);
      combine(i, x, StageForm::array_first, StageForm::scalar_first);
    } else {
      load(x);
      combine(i, y, StageForm::array, StageForm::scalar);
    }
    accumulator_ = i.out;
    if (reg(i.out).kind == Register::Kind::direct || !passes(index))
      emit(code_.store, i.out);
    else
      passing_.push_back(i.out);
  }

  // The stage of a row of two operands, the accumulator and r; together with the stage before it
  // where that is a load or a product that can be part of it.
  void combine(const Instruction& i, int r, StageForm array, StageForm scalar_form) {
    const StageForm f = scalar(r) ? scalar_form : array;
    if (factor_of(i) == r && !stages_.empty() && stages_.back().code == code_.load) {
      const int from = registers_.back();
      drop_stage();
      emit(code_.scale, from, nullptr, r);
    } else if (is_sum(i) && factor_ >= 0) {
      const int factor = factor_;
      drop_stage();
      emit(code_.scaled[scaled_row(i)][static_cast<std::size_t>(f)], r, nullptr, factor);
    } else {
      emit(form(i, f), r, i.attr.data());
      factor_ = factor_of(i);
    }
  }

  // Whether the result of an instruction is read by the next one only, out of the accumulator.
  bool passes(std::size_t index) const {
    const int out = instructions_[index].out;
    if (count_reads(out) != 1) return false;
    const Instruction& next = instructions_[index + 1];
    if (next.factor >= 0) return next.in[next.scaled == 0 ? 1 : 0] == out;
    return next.in[0] == out ||
           (arity(next) == 2 && next.in[1] == out && form(next, StageForm::array_first) != nullptr);
  }

  Chain& chain_;
  const kernels::Stages& code_;
  std::vector<Instruction> instructions_;
  int accumulator_ = -1;  // the register it holds the value of
  int factor_ = -1;       // what the last stage multiplies the accumulator by, and does no more
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
