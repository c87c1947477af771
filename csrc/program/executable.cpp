#include "program/executable.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "ops/chain.h"
#include "program/passes.h"
#include "runtime/cpu.h"
#include "runtime/machine_code.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

constexpr std::size_t kWorthShifting = 32 * 1024;  // bytes; fewer are copied in no time

bool has_effect(const Step& step) { return (traits_of(*step.op, step.attrs) & kEffect) != 0; }

}  // namespace

struct Executable::Plan {
  Plan(Program recorded, Captures captures, BatchRows part)
      : program(std::move(recorded)), rows(std::move(part)) {
    if (captures == Captures::constant) fold_constants(program);
    remove_dead_steps(program);
    join_parts(program);
    split_k(program);
    fuse_epilogues(program);
    keep_winners(program);
    if (captures == Captures::constant) lay_out_rows(program);
    write_touched(program);
    // What a loop runs, or a part of a batch, is cut already.
    const bool cut_already = !rows.axes.empty() || rows.run != nullptr;
    const RowSteps apart = cut_already ? RowSteps{} : region_steps(program);
    std::vector<Cluster> clusters = schedule(program, apart.apart);
    const std::vector<SlotId> parts = place_parts(program, clusters);
    std::vector<Region> regions;
    if (!cut_already) regions = form_regions(program, clusters, apart);
    memory = plan_memory(program, clusters, parts);
    calls_out = std::any_of(program.steps.begin(), program.steps.end(), has_effect);
    if (!calls_out) find_shifting();
    arena = {allocate(memory.bytes), [n = memory.bytes](void* p) { deallocate(p, n); }};
    CodeBatch code;
    bind_all(clusters, regions, apart.axes);
    if (!code.seal()) bind_all(clusters, regions, apart.axes);  // without code, as none can be made
    for (const Store& store : program.stores) written.push_back(view(store.target));
    for (const Step& step : program.steps)
      if (writes_in_place(program, step)) written.push_back(view(step.outputs[0]));
    for (const SlotId in : program.inputs) inputs.push_back(view(in));
    for (const SlotId out : program.outputs) outputs.push_back(view(out));
  }

  // Where a slot lies; null data for what never leaves a chain.
  View view(SlotId slot) const {
    const Slot& s = program.slots[at(slot)];
    const Slot& root = program.slots[at(s.root)];
    const bool outside = root.role == Slot::Role::capture || root.row_bytes != 0;
    char* base = outside ? static_cast<char*>(root.captured.data)
                         : static_cast<char*>(arena.get()) + memory.offsets[at(s.root)];
    View v = s.layout;
    const bool resides = outside || memory.offsets[at(s.root)] >= 0;
    v.data = resides ? base + s.offset_bytes() : nullptr;
    return rows.axes.empty() ? v : cut(v, rows.axes[at(slot)]);
  }
  View cut(View v, int axis) const {
    if (axis < 0) return v;
    if (v.data != nullptr) v.data = v.at(rows.begin * v.strides[axis]);
    v.shape[axis] = rows.count;
    return v;
  }
  // An operand of the pointwise step that computes `out`: with rows too if it has one for each.
  View operand(SlotId slot, SlotId out) const {
    const View v = view(slot);
    if (rows.axes.empty() || rows.axes[at(slot)] >= 0 || rows.axes[at(out)] < 0) return v;
    const int axis = rows.axes[at(out)] - program.slots[at(out)].type.shape.rank() + v.shape.rank();
    return axis < 0 || v.shape[axis] == 1 ? v : cut(v, axis);
  }

  // Chains read large inputs wherever they lie, if nothing else in the program sees them.
  void find_shifting() {
    std::vector<char> still = read_by_others(program);
    for (const SlotId out : program.outputs) still[at(program.slots[at(out)].root)] = 1;
    for (const SlotId in : program.inputs)
      if (still[at(in)] == 0 && program.slots[at(in)].layout.bytes() >= kWorthShifting)
        shifting.emplace(in, 0);
  }
  Shift shift(SlotId slot) const {
    const SlotId root = program.slots[at(slot)].root;
    const std::int64_t row_bytes = program.slots[at(root)].row_bytes;
    if (row_bytes != 0) return {row_bytes, rows.run};
    const auto known = shifting.find(root);
    return known == shifting.end() ? Shift{} : Shift{1, &known->second};
  }

  void bind_all(const std::vector<Cluster>& clusters, const std::vector<Region>& regions,
                const std::vector<int>& axes) {
    launches.clear();
    effects.clear();
    lines.clear();
    for (std::size_t c = 0; c < clusters.size(); ++c) {
      const Cluster& cluster = clusters[c];
      if (cluster.region >= 0) {
        const Region& region = regions[static_cast<std::size_t>(cluster.region)];
        launches.push_back(bind_region(clusters, region, axes));
        effects.push_back(false);
        lines.push_back(describe(cluster));
        for (; c < region.last; ++c) lines.back() += " | " + describe(clusters[c + 1]);
        continue;
      }
      launches.push_back(bind(cluster));
      effects.push_back(!cluster.chain && has_effect(program.steps[cluster.steps[0]]));
      lines.push_back(describe(cluster));
    }
  }

  Launch bind(const Cluster& cluster) const {
    return cluster.chain ? bind_chain(cluster) : bind_step(program.steps[cluster.steps[0]]);
  }

  Launch bind_region(const std::vector<Cluster>& clusters, const Region& region,
                     const std::vector<int>& axes) {
    std::vector<std::vector<Launch>> runs;
    for (const Region::Run& run : region.runs) {
      if (region.by_rows) rows = {axes, run.begin, run.count};
      runs.emplace_back();
      for (const std::size_t c : run.clusters) runs.back().push_back(bind(clusters[c]));
    }
    rows = {};
    return [runs = std::move(runs)](const RunState& state) {
      parallel_for(runs.size(), [&](std::size_t i) {
        for (const Launch& launch : runs[i]) launch(state);
      });
    };
  }

  Launch bind_step(const Step& step,
                   std::shared_ptr<const BlockConsumer> consumer = nullptr) const {
    std::vector<View> in, out;
    for (const SlotId i : step.inputs) in.push_back(view(i));
    for (const SlotId o : step.outputs) out.push_back(view(o));
    return consumer ? step.op->prepare_blocks(step.attrs, in, out, std::move(consumer))
                    : step.op->prepare(step.attrs, in, out);
  }

  Launch bind_chain(const Cluster& cluster) const {
    ChainSpec spec;
    std::span<const std::size_t> steps = cluster.steps;
    if (cluster.product) steps = steps.subspan(1);
    std::unordered_map<SlotId, int> nodes;  // slots computed in this chain
    for (std::size_t i = 0; i < steps.size(); ++i)
      nodes[program.steps[steps[i]].outputs[0]] = static_cast<int>(i);

    std::vector<SlotId> sources;
    const auto source = [&](SlotId slot) {
      const auto known = std::find(sources.begin(), sources.end(), slot);
      if (known != sources.end()) return static_cast<int>(known - sources.begin());
      sources.push_back(slot);
      return static_cast<int>(sources.size()) - 1;
    };
    for (const std::size_t s : steps)
      for (const SlotId in : program.steps[s].inputs)
        if (!nodes.contains(in)) source(in);
    for (const std::size_t s : cluster.stores)
      if (!nodes.contains(program.stores[s].value)) source(program.stores[s].value);
    const auto value = [&](SlotId slot) {
      const auto node = nodes.find(slot);
      return node == nodes.end() ? source(slot) : static_cast<int>(sources.size()) + node->second;
    };

    const SlotId result = steps.empty() ? program.stores[cluster.stores[0]].value
                                        : program.steps[steps[0]].outputs[0];
    for (const SlotId slot : sources) {
      spec.sources.push_back(operand(slot, result));
      spec.shifts.push_back(shift(slot));
    }
    for (const std::size_t s : steps) {
      const Step& step = program.steps[s];
      ChainSpec::Node node{step.op, &step.attrs, {}};
      for (std::size_t k = 0; k < step.inputs.size(); ++k) node.inputs[k] = value(step.inputs[k]);
      spec.nodes.push_back(node);
      const SlotId out = step.outputs[0];
      const Shift sink = shift(out);
      if (memory.offsets[at(out)] >= 0 || sink.by != nullptr)
        spec.sinks.push_back({value(out), view(out), sink});
    }
    for (const std::size_t s : cluster.stores) {
      const Store& store = program.stores[s];
      spec.sinks.push_back({value(store.value), view(store.target)});
    }
    spec.shape = spec.sinks[0].target.shape;
    if (!cluster.product) return prepare_chain(spec);
    const Step& product = program.steps[cluster.steps[0]];
    spec.product = source(product.outputs[0]);
    return bind_step(product, prepare_consumer(spec));
  }

  void launch(std::size_t i, const RunState& state, std::optional<FlushDenormals>& guard) const {
    // Outside code keeps the float mode that its process chose.
    if (effects[i])
      guard.reset();
    else if (!guard)
      guard.emplace();
    launches[i](state);
  }

  // "product (a) (b) -> (c) chain(op op store) (shape)"
  std::string describe(const Cluster& cluster) const {
    std::ostringstream text;
    const auto shape = [&](SlotId slot) { return program.slots[at(slot)].type.shape; };
    std::span<const std::size_t> steps = cluster.steps;
    if (!cluster.chain || cluster.product) {
      const Step& step = program.steps[steps[0]];
      text << step.op->name;
      for (const SlotId in : step.inputs) text << ' ' << shape(in);
      text << " ->";
      for (const SlotId out : step.outputs) text << ' ' << shape(out);
      steps = steps.subspan(1);
    }
    if (!cluster.chain) return text.str();
    std::vector<std::string> names;
    for (const std::size_t s : steps) names.push_back(program.steps[s].op->name);
    names.resize(names.size() + cluster.stores.size(), "store");
    text << (cluster.product ? " chain(" : "chain(");
    for (std::size_t i = 0; i < names.size(); ++i) text << (i == 0 ? "" : " ") << names[i];
    text << ") "
         << shape(steps.empty() ? program.stores[cluster.stores[0]].value
                                : program.steps[steps[0]].outputs[0]);
    return text.str();
  }

  Program program;
  BatchRows rows;  // that views are cut to
  MemoryPlan memory;
  std::shared_ptr<void> arena;
  std::vector<Launch> launches;
  std::vector<char> effects;  // whether a launch is outside code
  bool calls_out;             // whether any is
  std::vector<std::string> lines;
  std::vector<View> inputs, outputs, written;
  std::unordered_map<SlotId, std::int64_t> shifting;  // inputs, and how far from the arena they are
};

Executable::Executable(Program program, Captures captures, BatchRows rows)
    : plan_(std::make_unique<Plan>(std::move(program), captures, std::move(rows))) {}
Executable::~Executable() = default;

const View& Executable::input(std::size_t i) const { return plan_->inputs.at(i); }
const View& Executable::output(std::size_t i) const { return plan_->outputs.at(i); }
bool Executable::reads_anywhere(std::size_t i) const {
  return plan_->shifting.contains(plan_->program.inputs.at(i));
}
bool Executable::read_at(std::size_t i, const void* data) {
  const auto shift = plan_->shifting.find(plan_->program.inputs.at(i));
  if (shift == plan_->shifting.end()) return false;
  const View& own = plan_->inputs[i];
  View there = own;
  if (data != nullptr) there.data = const_cast<void*>(data);
  const auto changes = [&](const View& view) { return overlaps(view, there); };
  if (std::any_of(plan_->written.begin(), plan_->written.end(), changes)) return false;
  shift->second = there.as<const char>() - own.as<const char>();
  return true;
}
std::size_t Executable::input_count() const { return plan_->inputs.size(); }
std::size_t Executable::output_count() const { return plan_->outputs.size(); }
const std::vector<View>& Executable::written() const { return plan_->written; }
const Program& Executable::program() const { return plan_->program; }
bool Executable::calls_out() const { return plan_->calls_out; }
std::size_t Executable::arena_bytes() const { return plan_->memory.bytes; }
std::size_t Executable::step_count() const { return plan_->launches.size(); }

void Executable::run(const RunState& state) {
  std::optional<FlushDenormals> guard;
  if (!plan_->calls_out) {
    guard.emplace();
    for (const Launch& launch : plan_->launches) launch(state);
    return;
  }
  for (std::size_t i = 0; i < plan_->launches.size(); ++i) plan_->launch(i, state, guard);
}

void Executable::profile(const RunState& state, std::vector<double>& seconds) {
  using Clock = std::chrono::steady_clock;
  std::optional<FlushDenormals> guard;
  for (std::size_t i = 0; i < plan_->launches.size(); ++i) {
    const auto start = Clock::now();
    plan_->launch(i, state, guard);
    seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
  }
}

const std::vector<std::string>& Executable::launches() const { return plan_->lines; }

}  // namespace pynn
