#include <algorithm>
#include <array>
#include <queue>

#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// Longer chains gain nothing: their tiles would no longer fit in L1.
constexpr std::size_t kMaxChain = 48;
constexpr std::int64_t kSmallChain = 64;  // elements

// Steps and stores as nodes 0 .. n-1 of a dependency graph, merged into clusters by contraction.
class Clustering {
 public:
  Clustering(const Program& program, std::span<const char> apart)
      : program_(program),
        apart_(apart),
        steps_(program.steps.size()),
        next_(steps_ + program.stores.size()),
        solid_(next_.size()),
        cluster_(next_.size()),
        members_(next_.size()),
        chain_(next_.size()) {
    for (std::size_t i = 0; i < next_.size(); ++i) {
      cluster_[i] = i;
      members_[i] = {i};
      chain_[i] = chainable(i);
    }
    connect();
  }

  std::vector<Cluster> run() {
    for (std::size_t i = 0; i < next_.size(); ++i)
      if (chainable(i))
        for (const SlotId in : reads(i)) {
          const Slot& slot = program_.slots[at(in)];
          if (slot.root == in && slot.step >= 0) merge(static_cast<std::size_t>(slot.step), i);
        }
    for (std::size_t i = 0; i < steps_; ++i)
      if (is_product(i)) feed_chain(i);
    gather_small();
    return in_order();
  }

 private:
  std::vector<SlotId> reads(std::size_t node) const {
    if (node < steps_) return program_.steps[node].inputs;
    return {program_.stores[node - steps_].value};
  }
  bool is_view(std::size_t node) const {
    return node < steps_ && program_.steps[node].op->is(kView);
  }
  bool chainable(std::size_t node) const {
    return node >= steps_ || program_.steps[node].op->is(kPointwise);
  }
  // Products whose blocks a chain can consume.
  bool is_product(std::size_t node) const {
    if (!program_.steps[node].op->is(kProduct)) return false;
    const TensorType& type = program_.slots[at(program_.steps[node].outputs[0])].type;
    return type.shape.rank() == 2 && is_float(type.dtype);
  }
  const Shape& shape(std::size_t node) const {
    const SlotId slot =
        node < steps_ ? program_.steps[node].outputs[0] : program_.stores[node - steps_].value;
    return program_.slots[at(slot)].type.shape;
  }

  // An edge is solid when its ends must not share a cluster: the reader needs more than its own
  // elements, because it is no pointwise step or sees the memory through a view or stretched.
  void edge(std::size_t from, std::size_t to, bool solid) {
    next_[from].push_back(to);
    if (solid) solid_[from].push_back(to);
  }

  void connect() {
    std::vector<std::vector<std::size_t>> stores_to(program_.slots.size());
    for (std::size_t s = 0; s < program_.stores.size(); ++s)
      stores_to[at(program_.stores[s].target)].push_back(steps_ + s);
    for (std::size_t i = 0; i < steps_; ++i)
      if (writes_in_place(program_, program_.steps[i]))
        stores_to[at(program_.slots[at(program_.steps[i].outputs[0])].root)].push_back(i);
    for (std::size_t i = 0; i < next_.size(); ++i) {
      if (is_view(i)) continue;
      for (const SlotId in : reads(i)) {
        const Slot& slot = program_.slots[at(in)];
        const Slot& root = program_.slots[at(slot.root)];
        const bool own_elements = slot.root == in && slot.type.shape == shape(i);
        const bool solid = !own_elements || !chainable(i);
        if (root.step >= 0) edge(static_cast<std::size_t>(root.step), i, solid);
        for (const std::size_t store : stores_to[at(slot.root)])
          if (store != i) edge(i, store, solid);
      }
    }
  }

  // Whether a path leads from cluster a to cluster b through a third one, or by a solid edge.
  bool blocked(std::size_t a, std::size_t b) const {
    std::vector<char> seen(next_.size(), 0);
    std::vector<std::size_t> stack;
    const auto step_out = [&](std::size_t cluster, bool from_a) {
      for (const std::size_t m : members_[cluster]) {
        if (from_a)
          for (const std::size_t to : solid_[m])
            if (cluster_[to] == b) return true;
        for (const std::size_t to : next_[m]) {
          const std::size_t c = cluster_[to];
          if (c == cluster || (from_a && c == b)) continue;
          if (c == b) return true;
          if (!seen[c]) {
            seen[c] = 1;
            stack.push_back(c);
          }
        }
      }
      return false;
    };
    if (step_out(a, true)) return true;
    while (!stack.empty()) {
      const std::size_t c = stack.back();
      stack.pop_back();
      if (step_out(c, false)) return true;
    }
    return false;
  }

  void merge(std::size_t producer, std::size_t node) {
    const std::size_t a = cluster_[producer], b = cluster_[node];
    if (a == b || !chainable(producer) || shape(producer) != shape(node)) return;
    if (members_[a].size() + members_[b].size() > kMaxChain) return;
    if (!blocked(a, b) && !blocked(b, a)) join(a, b);
  }

  // The first chain that can take the blocks of a product becomes part of its cluster.
  void feed_chain(std::size_t product) {
    for (const std::size_t reader : next_[product]) {
      const std::size_t chain = cluster_[reader];
      if (!is_chain(chain) || shape(product) != shape(reader) || blocked(product, chain) ||
          blocked(chain, product))
        continue;
      join(product, chain);
      return;
    }
  }

  // Small chains of one shape run as one, related or not: starting a launch costs more than their
  // work. But what does not wait for the inputs is not made to.
  void gather_small() {
    const std::vector<char> waits = wait_for_inputs();
    std::vector<std::size_t> seen;
    for (std::size_t i = 0; i < next_.size(); ++i) {
      if (is_view(i) || !chainable(i) || element_count(shape(i)) > kSmallChain) continue;
      for (const std::size_t earlier : seen)
        if (waits[earlier] == waits[i] && is_chain(cluster_[earlier]) && is_chain(cluster_[i]))
          merge(earlier, i);
      seen.push_back(i);
    }
  }

  std::vector<char> wait_for_inputs() const {
    std::vector<char> slots(program_.slots.size(), 0), nodes(next_.size(), 0);
    for (const SlotId in : program_.inputs) slots[at(in)] = 1;
    for (std::size_t i = 0; i < next_.size(); ++i) {
      const std::vector<SlotId> in = reads(i);
      nodes[i] = std::any_of(in.begin(), in.end(), [&](SlotId s) { return slots[at(s)] != 0; });
      if (i < steps_)
        for (const SlotId out : program_.steps[i].outputs) slots[at(out)] = nodes[i];
    }
    return nodes;
  }

  bool is_chain(std::size_t cluster) const { return chain_[cluster] != 0; }

  void join(std::size_t a, std::size_t b) {
    for (const std::size_t m : members_[a]) cluster_[m] = b;
    members_[b].insert(members_[b].end(), members_[a].begin(), members_[a].end());
    members_[a].clear();
    chain_[b] &= chain_[a];
  }

  std::size_t last(std::size_t cluster) const {
    return *std::max_element(members_[cluster].begin(), members_[cluster].end());
  }

  // Whether every member is a step that keeps rows apart.
  bool keeps_rows(std::size_t cluster) const {
    return !apart_.empty() &&
           std::all_of(members_[cluster].begin(), members_[cluster].end(),
                       [&](std::size_t m) { return m < steps_ && apart_[m] != 0; });
  }

  // Kahn's order over clusters; among the ready ones the one whose last member was recorded first,
  // but those that keep rows apart follow each other as long as there are any, and so do others.
  std::vector<Cluster> in_order() const {
    std::vector<Cluster> clusters(next_.size());
    std::vector<std::vector<std::size_t>> out(next_.size());
    std::vector<int> waits(next_.size(), 0);
    std::size_t count = 0;
    for (std::size_t i = 0; i < next_.size(); ++i) {
      if (is_view(i)) continue;
      const std::size_t c = cluster_[i];
      count += c == i;
      (i < steps_ ? clusters[c].steps : clusters[c].stores).push_back(i < steps_ ? i : i - steps_);
      clusters[c].chain |= chainable(i);
      clusters[c].product |= !chainable(i) && members_[c].size() > 1;
      for (const std::size_t to : next_[i]) {
        if (cluster_[to] == c) continue;
        out[c].push_back(cluster_[to]);
        ++waits[cluster_[to]];
      }
    }
    using Ready = std::pair<std::size_t, std::size_t>;  // (last member, cluster)
    std::array<std::priority_queue<Ready, std::vector<Ready>, std::greater<>>, 2> ready;
    const auto add = [&](std::size_t c) { ready[keeps_rows(c)].emplace(last(c), c); };
    for (std::size_t i = 0; i < next_.size(); ++i)
      if (!is_view(i) && cluster_[i] == i && waits[i] == 0) add(i);
    std::vector<Cluster> ordered;
    std::vector<std::vector<std::size_t>> after(next_.size());
    for (std::size_t kind = 0; !ready[0].empty() || !ready[1].empty();) {
      if (ready[kind].empty()) kind = 1 - kind;
      const std::size_t c = ready[kind].top().second;
      ready[kind].pop();
      // A product comes before the chain that it feeds.
      std::stable_partition(clusters[c].steps.begin(), clusters[c].steps.end(),
                            [&](std::size_t i) { return !chainable(i); });
      for (const std::size_t to : out[c]) {
        after[to].push_back(ordered.size());
        if (--waits[to] == 0) add(to);
      }
      clusters[c].after = std::move(after[c]);
      ordered.push_back(std::move(clusters[c]));
    }
    if (ordered.size() != count)
      fail<RuntimeError>("the program's steps depend on each other in a circle");
    return ordered;
  }

  const Program& program_;
  std::span<const char> apart_;
  std::size_t steps_;
  std::vector<std::vector<std::size_t>> next_, solid_;
  std::vector<std::size_t> cluster_;               // of each node, named by one of its members
  std::vector<std::vector<std::size_t>> members_;  // by cluster
  std::vector<char> chain_;                        // by cluster: whether all are chainable
};

}  // namespace

std::vector<Cluster> schedule(const Program& program, std::span<const char> apart) {
  return Clustering(program, apart).run();
}

MemoryPlan plan_memory(const Program& program, const std::vector<Cluster>& clusters,
                       const std::vector<SlotId>& part_of) {
  struct Life {
    SlotId slot;
    std::size_t bytes, first, last;
  };
  const std::size_t end = clusters.size();
  std::vector<std::size_t> made(program.slots.size(), 0), last(program.slots.size(), 0);
  std::vector<char> needed(program.slots.size(), 0);
  std::vector<std::size_t> cluster_of(program.steps.size(), end);
  // Within a region every thread is somewhere else: what one of its clusters needs, all do.
  std::vector<std::size_t> opens(end), closes(end);
  for (std::size_t c = 0; c < end; ++c) {
    const bool goes_on =
        c > 0 && clusters[c].region >= 0 && clusters[c].region == clusters[c - 1].region;
    opens[c] = goes_on ? opens[c - 1] : c;
  }
  for (std::size_t c = end; c-- > 0;)
    closes[c] = c + 1 < end && opens[c + 1] == opens[c] ? closes[c + 1] : c;
  for (std::size_t c = 0; c < end; ++c)
    for (const std::size_t s : clusters[c].steps) {
      cluster_of[s] = c;
      for (const SlotId out : program.steps[s].outputs) made[at(out)] = opens[c];
      if (!clusters[c].chain)
        for (const SlotId out : program.steps[s].outputs) needed[at(out)] = 1;
    }
  const auto read = [&](SlotId slot, std::size_t c) {
    const Slot& root = program.slots[at(program.slots[at(slot)].root)];
    const SlotId id = program.slots[at(slot)].root;
    last[at(id)] = std::max(last[at(id)], closes[c]);
    // Within its own chain a value stays in the tile.
    if (root.role == Slot::Role::value && cluster_of[static_cast<std::size_t>(root.step)] != c)
      needed[at(id)] = 1;
  };
  for (std::size_t c = 0; c < end; ++c) {
    for (const std::size_t s : clusters[c].steps)
      for (const SlotId in : program.steps[s].inputs) read(in, c);
    for (const std::size_t s : clusters[c].stores) read(program.stores[s].value, c);
  }
  for (const SlotId out : program.outputs) {
    needed[at(out)] = 1;
    last[at(out)] = end;
  }

  // What has parts lives from the first of them on.
  for (std::size_t i = 0; i < program.slots.size(); ++i) {
    if (part_of[i] < 0) continue;
    made[at(part_of[i])] = std::min(made[at(part_of[i])], made[i]);
    last[at(part_of[i])] = std::max(last[at(part_of[i])], last[i]);
  }

  std::vector<std::size_t> dies(program.slots.size(), 0);  // what nobody reads
  for (std::size_t c = 0; c < end; ++c)
    for (const std::size_t s : clusters[c].steps)
      for (const SlotId out : program.steps[s].outputs) dies[at(out)] = closes[c];

  std::vector<Life> lives;
  for (std::size_t i = 0; i < program.slots.size(); ++i) {
    const Slot& slot = program.slots[i];
    const bool input = slot.role == Slot::Role::input;
    const bool own = slot.role == Slot::Role::value && slot.root == static_cast<SlotId>(i);
    if (part_of[i] >= 0 || slot.row_bytes != 0 || (!input && !(own && needed[i]))) continue;
    // Padding keeps buffers from starting at the same offset of every page.
    const std::size_t bytes = (slot.layout.bytes() + 2 * kAlignment) / kAlignment * kAlignment;
    lives.push_back(
        {static_cast<SlotId>(i), bytes, input ? 0 : made[i], std::max(last[i], dies[i])});
  }
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });

  MemoryPlan plan;
  plan.offsets.assign(program.slots.size(), -1);
  std::vector<const Life*> placed;  // by offset
  const auto offset = [&](const Life* l) {
    return static_cast<std::size_t>(plan.offsets[at(l->slot)]);
  };
  for (const Life& life : lives) {
    std::size_t start = 0;
    for (const Life* other : placed) {
      if (other->last < life.first || life.last < other->first) continue;
      if (start + life.bytes <= offset(other)) break;
      start = std::max(start, offset(other) + other->bytes);
    }
    plan.offsets[at(life.slot)] = static_cast<std::int64_t>(start);
    plan.bytes = std::max(plan.bytes, start + life.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), start,
                                   [&](std::size_t s, const Life* l) { return s < offset(l); }),
                  &life);
  }
  for (std::size_t i = 0; i < program.slots.size(); ++i)
    if (part_of[i] >= 0) plan.offsets[i] = plan.offsets[at(part_of[i])];
  return plan;
}

}  // namespace pynn
