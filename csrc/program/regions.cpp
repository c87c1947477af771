// Regions: neighbouring clusters that keep the rows of a batch apart become one launch, in which
// each thread takes its rows through all of them.
#include <algorithm>

#include "program/passes.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// A right operand that is not row-major is laid out anew by every thread of a region, where else
// they share that: up to so many elements it costs less than waiting for each other.
constexpr std::int64_t kLaidOutAgain = 16 * 1024;
// A run of rows is a multiple of so many: a few cache lines of anything.
constexpr std::int64_t kRows = 8;
// What the runs of a region should not exceed, in bytes, if its matrices do not: then both stay in
// a thread's second-level cache.
constexpr std::int64_t kNear = 256 * 1024;
constexpr std::int64_t kMostRuns = 64;

std::int64_t batch_rows(const Program& program) {
  if (program.inputs.empty()) return 0;
  const Shape& shape = program.slots[at(program.inputs[0])].type.shape;
  return shape.empty() ? 0 : shape[0];
}

bool cuts_well(const Program& program, const Step& step) {
  if (!step.op->is(kProduct)) return true;
  const Slot& right = program.slots[at(step.inputs[1])];
  const bool packed = step.attrs.dtype == DType::bf16;  // by all threads for all
  return !packed && (right.layout.strides.back() == 1 || right.layout.size() <= kLaidOutAgain);
}

class RegionFormer {
 public:
  RegionFormer(const Program& program, std::vector<Cluster>& clusters, const RowSteps& steps)
      : program_(program), clusters_(clusters), steps_(steps), rows_(batch_rows(program)) {}

  std::vector<Region> run() {
    for (std::size_t c = 0; c < clusters_.size(); ++c) {
      if (!keeps_rows(clusters_[c])) continue;
      Region region{c, c, {}};
      while (c + 1 < clusters_.size() && keeps_rows(clusters_[c + 1])) region.last = ++c;
      if (region.last > region.first) add(std::move(region));
    }
    return std::move(regions_);
  }

 private:
  bool keeps_rows(const Cluster& cluster) const {
    return cluster.stores.empty() &&
           std::all_of(cluster.steps.begin(), cluster.steps.end(),
                       [&](std::size_t s) { return steps_.apart[s] != 0; });
  }

  void add(Region region) {
    double work = 0;
    std::int64_t bytes = 0, shared = 0;  // of a row of everything; of matrices
    for (std::size_t c = region.first; c <= region.last; ++c)
      for (const std::size_t s : clusters_[c].steps) {
        const Step& step = program_.steps[s];
        const View& out = program_.slots[at(step.outputs[0])].layout;
        double each = 8;
        if (step.op->is(kProduct)) {
          const View& right = program_.slots[at(step.inputs[1])].layout;
          each = 2 * static_cast<double>(right.shape[0]);
          shared += static_cast<std::int64_t>(right.bytes());
        }
        work += each * static_cast<double>(out.size());
        bytes += static_cast<std::int64_t>(out.bytes()) / rows_;
      }
    const std::int64_t threads = most_threads();
    if (threads == 1 || work <= kParallelWork) return;
    std::int64_t runs = threads;
    if (shared <= kNear) runs = std::max(runs, std::min(kMostRuns, bytes * rows_ / kNear));
    const std::int64_t units = rows_ / kRows;
    runs = std::min(runs, units);
    if (runs < 2) return;
    for (std::int64_t i = 0; i < runs; ++i) region.cuts.push_back(units * i / runs * kRows);
    region.cuts.push_back(rows_);
    for (std::size_t c = region.first; c <= region.last; ++c)
      clusters_[c].region = static_cast<int>(regions_.size());
    regions_.push_back(std::move(region));
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
  if (steps.apart.empty()) return {};
  return RegionFormer(program, clusters, steps).run();
}

}  // namespace pynn
