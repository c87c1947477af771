// Regions: neighbouring clusters become one launch of several runs, which threads take as they are.
// Steps that keep the rows of a batch apart run for some rows at a time; others, such as the
// updates of several weights, run side by side where they are independent.
#include <algorithm>
#include <numeric>

#include "program/passes.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// Of a larger right operand, in bytes, each thread had better read the columns that it computes
// than all of them for its rows.
constexpr std::int64_t kLargest = 512 * 1024;
// A right operand that is not row-major, or rounded, is laid out anew by every thread of a region,
// where else they share that: up to so many elements it costs less than waiting for each other.
constexpr std::int64_t kLaidOutAgain = 16 * 1024;
// A run of rows is a multiple of so many: a few cache lines of anything.
constexpr std::int64_t kRows = 8;
// Starting a cluster takes as long as so many operations.
constexpr double kStart = 4e4;
// Independent clusters run side by side if threads then work for so much of the time. A product of
// more than kAlone keeps all threads busy by itself.
constexpr double kBusy = 0.8, kAlone = 4 * kParallelWork;

std::int64_t batch_rows(const Program& program) {
  if (program.inputs.empty()) return 0;
  const Shape& shape = program.slots[at(program.inputs[0])].type.shape;
  return shape.empty() ? 0 : shape[0];
}

bool cuts_well(const Program& program, const Step& step) {
  if (!step.op->is(kProduct)) return true;
  const Slot& right = program.slots[at(step.inputs[1])];
  const bool as_it_lies = right.layout.strides.back() == 1 && step.attrs.dtype != DType::bf16;
  return static_cast<std::int64_t>(right.layout.bytes()) <= kLargest &&
         (as_it_lies || right.layout.size() <= kLaidOutAgain);
}

class RegionFormer {
 public:
  RegionFormer(const Program& program, std::vector<Cluster>& clusters, const RowSteps& steps)
      : program_(program), clusters_(clusters), steps_(steps), rows_(batch_rows(program)) {}

  std::vector<Region> run() {
    for (std::size_t c = 0; c < clusters_.size();) {
      const std::size_t first = c;
      const Kind kind = kind_of(clusters_[c]);
      while (++c < clusters_.size() && kind_of(clusters_[c]) == kind) continue;
      if (c - first < 2) continue;
      if (kind == Kind::rows) cut_rows(first, c - 1);
      if (kind == Kind::plain) side_by_side(first, c - 1);
    }
    return std::move(regions_);
  }

 private:
  enum class Kind : std::uint8_t { rows, plain, other };

  Kind kind_of(const Cluster& cluster) const {
    const auto all = [&](const auto& test) {
      return std::all_of(cluster.steps.begin(), cluster.steps.end(), test);
    };
    if (cluster.stores.empty() && !steps_.apart.empty() &&
        all([&](std::size_t s) { return steps_.apart[s] != 0; }))
      return Kind::rows;
    const bool plain = all([&](std::size_t s) {
      const Step& step = program_.steps[s];
      const Op& op = *step.op;
      return (traits_of(op, step.attrs) & (kRandom | kEffect)) == 0 &&
             (op.is(kPointwise) || op.is(kRowwise) || op.is(kSum) || is_matrix_product(step));
    });
    return plain && work(cluster) <= kAlone ? Kind::plain : Kind::other;
  }
  const View& layout(SlotId slot) const { return program_.slots[at(slot)].layout; }
  bool is_matrix_product(const Step& step) const {
    return step.op->is(kProduct) && layout(step.outputs[0]).shape.rank() == 2;
  }

  // In floating-point operations, or what takes as long.
  double work(const Step& step) const {
    constexpr double kEach = 8;
    const auto results = static_cast<double>(layout(step.outputs[0]).size());
    if (is_matrix_product(step))
      return 2 * results * static_cast<double>(layout(step.inputs[1]).shape[0]);
    double most = results;
    for (const SlotId in : step.inputs)
      most = std::max(most, static_cast<double>(layout(in).size()));
    return step.op->is(kPointwise) ? results : kEach * most;
  }
  double work(const Cluster& cluster) const {
    double sum = kStart;
    for (const std::size_t s : cluster.steps) sum += work(program_.steps[s]);
    return sum;
  }

  void add(Region region) {
    for (std::size_t c = region.first; c <= region.last; ++c)
      clusters_[c].region = static_cast<int>(regions_.size());
    regions_.push_back(std::move(region));
  }

  void cut_rows(std::size_t first, std::size_t last) {
    double total = 0;
    for (std::size_t c = first; c <= last; ++c) total += work(clusters_[c]);
    const std::int64_t units = rows_ / kRows, runs = std::min<std::int64_t>(most_threads(), units);
    if (total <= kParallelWork || runs < 2) return;
    Region region{first, last, true, {}};
    std::vector<std::size_t> all(last - first + 1);
    std::iota(all.begin(), all.end(), first);
    for (std::int64_t i = 0; i < runs; ++i) {
      const std::int64_t begin = units * i / runs * kRows;
      const std::int64_t end = i + 1 == runs ? rows_ : units * (i + 1) / runs * kRows;
      region.runs.push_back({all, begin, end - begin});
    }
    add(std::move(region));
  }

  // Clusters that depend on each other stay together; the groups go to as many runs as there are
  // threads, the one with the most work first, each to the run with the least.
  void side_by_side(std::size_t first, std::size_t last) {
    std::vector<std::size_t> group(last - first + 1);
    std::iota(group.begin(), group.end(), first);
    for (std::size_t c = first; c <= last; ++c)
      for (const std::size_t before : clusters_[c].after) {
        if (before < first) continue;
        const std::size_t joined = group[before - first], own = group[c - first];
        std::replace(group.begin(), group.end(), std::max(joined, own), std::min(joined, own));
      }
    struct Group {
      double work;
      std::size_t first;
    };
    std::vector<Group> groups;
    double total = 0;
    for (std::size_t g = first; g <= last; ++g) {
      double sum = 0;
      for (std::size_t c = first; c <= last; ++c)
        if (group[c - first] == g) sum += work(clusters_[c]);
      if (group[g - first] == g) groups.push_back({sum, g});
      total += sum;
    }
    const auto threads = static_cast<std::size_t>(most_threads());
    if (threads == 1 || total <= kParallelWork) return;
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group& a, const Group& b) { return a.work > b.work; });
    std::vector<double> loads(std::min(threads, groups.size()), 0);
    Region region{first, last, false, std::vector<Region::Run>(loads.size())};
    for (const Group& g : groups) {
      const auto least = std::min_element(loads.begin(), loads.end());
      *least += g.work;
      Region::Run& run = region.runs[static_cast<std::size_t>(least - loads.begin())];
      for (std::size_t c = first; c <= last; ++c)
        if (group[c - first] == g.first) run.clusters.push_back(c);
    }
    const double longest = *std::max_element(loads.begin(), loads.end());
    if (total < kBusy * longest * static_cast<double>(threads)) return;
    for (Region::Run& run : region.runs) std::sort(run.clusters.begin(), run.clusters.end());
    add(std::move(region));
  }

  const Program& program_;
  std::vector<Cluster>& clusters_;
  const RowSteps& steps_;
  const std::int64_t rows_;
  std::vector<Region> regions_;
};

}  // namespace

RowSteps region_steps(const Program& program) {
  const std::int64_t rows = batch_rows(program);
  if (rows < 2 * kRows) return {};
  std::vector<char> batched;
  for (const SlotId in : program.inputs) {
    const Shape& shape = program.slots[at(in)].type.shape;
    batched.push_back(!shape.empty() && shape[0] == rows);
  }
  RowSteps found = row_steps(program, rows, batched);
  for (std::size_t s = 0; s < program.steps.size(); ++s)
    if (found.apart[s] != 0 && !cuts_well(program, program.steps[s])) found.apart[s] = 0;
  return found;
}

std::vector<Region> form_regions(const Program& program, std::vector<Cluster>& clusters,
                                 const RowSteps& steps) {
  return RegionFormer(program, clusters, steps).run();
}

}  // namespace pynn
