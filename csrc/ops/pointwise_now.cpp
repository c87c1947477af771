// An eager pointwise op: its kernel called for runs of the result, without a chain where it can be.
#include "ops/chain.h"
#include "ops/chain_plan.h"
#include "ops/launch.h"

namespace pynn {

namespace {

constexpr std::int64_t kSpread = 1024;  // items that a repeated value is spread over, at most
constexpr std::int64_t kShortRun = 32;  // below, calls cost more than a chain
constexpr std::size_t kMostSources = 3;

struct Source {
  const char* data = nullptr;
  std::int64_t item = 0;  // bytes
  bool repeats = false;   // along a run it is one value; else items side by side
  Strides strides{};      // in items, of the axes outside of runs
};

// The result cut into runs, its last axes.
class Runs {
 public:
  // As many of the last axes as each source walks with one stride make a run.
  Runs(std::span<const View> in, const View& out) : outer_(out.shape), count_(in.size()) {
    for (std::size_t i = 0; i < count_; ++i) {
      Source& s = sources_[i];
      s.data = in[i].as<char>();
      s.item = static_cast<std::int64_t>(item_size(in[i].dtype));
      s.strides = broadcast_view(in[i], out.shape).strides;
    }
    for (; !outer_.empty() && joins(outer_.rank() - 1); outer_.erase(outer_.rank() - 1))
      length_ *= outer_.back();
    for (std::size_t i = 0; i < count_; ++i) repeats_ |= sources_[i].repeats;
  }

  std::int64_t length() const { return length_; }

  // Calls kernel(n, first, in) for pieces of the items [begin, end): those from `first` on.
  template <class Kernel>
  void visit(std::int64_t begin, std::int64_t end, const Kernel& kernel) const {
    alignas(kAlignment) char spread[kMostSources][kSpread * sizeof(double)];
    const char* known[kMostSources] = {};  // the values that lie spread there
    std::int64_t run = 0, inside = begin;
    if (begin >= length_) run = begin / length_, inside = begin % length_;
    while (begin < end) {
      std::int64_t n = std::min(length_ - inside, end - begin);
      if (repeats_) n = std::min(n, kSpread);
      const void* in[kMostSources] = {};
      for (std::size_t i = 0; i < count_; ++i) {
        const Source& s = sources_[i];
        const char* const start = s.data + offset(s.strides, run) * s.item;
        in[i] = s.repeats ? spread[i] : start + inside * s.item;
        if (!s.repeats || start == known[i]) continue;
        chains::splat(spread[i], start, static_cast<std::size_t>(s.item),
                      std::min(length_, kSpread));
        known[i] = start;
      }
      kernel(n, begin, in);
      begin += n;
      inside += n;
      if (inside == length_) inside = 0, ++run;
    }
  }

 private:
  bool joins(int axis) {
    if (outer_[axis] == 1) return true;
    for (std::size_t i = 0; i < count_; ++i) {
      Source& s = sources_[i];
      if (length_ == 1) s.repeats = s.strides[axis] == 0;
      if (s.strides[axis] != (s.repeats ? 0 : length_)) return false;
    }
    return true;
  }
  std::int64_t offset(const Strides& strides, std::int64_t run) const {
    std::int64_t at = 0;
    for (int i = outer_.rank() - 1; i >= 0; run /= outer_[i--]) at += run % outer_[i] * strides[i];
    return at;
  }

  Shape outer_;
  std::int64_t length_ = 1;
  std::size_t count_;
  bool repeats_ = false;
  std::array<Source, kMostSources> sources_;
};

}  // namespace

void run_pointwise(const Op& op, const Attrs& attrs, std::span<const View> in, const View& out) {
  const auto takes = [](const View& v) { return v.dtype != DType::bf16; };
  const auto kernel =
      op.pointwise == kernels::Pointwise::count || !std::all_of(in.begin(), in.end(), takes)
          ? nullptr
          : kernels::table()
                .pointwise[static_cast<std::size_t>(op.pointwise)][index(in.back().dtype)];
  if (kernel != nullptr) {
    const auto call = [&](std::int64_t n, std::int64_t first, const void* const* from) {
      kernel(static_cast<std::size_t>(n), out.at(first), from, attrs.reals.data());
    };
    constexpr double kWork = 4;  // of an item: what it takes to read and write it
    const Chunks chunks(out.size(), kWork, kSpread);
    const auto same = [&](const View& v) { return v.shape == out.shape && v.contiguous(); };
    if (std::all_of(in.begin(), in.end(), same)) {
      return chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        const void* from[kMostSources] = {};
        for (std::size_t i = 0; i < in.size(); ++i) from[i] = in[i].at(begin);
        call(end - begin, begin, from);
      });
    }
    const Runs runs(in, out);
    if (runs.length() >= kShortRun || runs.length() == out.size()) {
      return chunks.run(
          [&](std::size_t, std::int64_t begin, std::int64_t end) { runs.visit(begin, end, call); });
    }
  }
  ChainSpec spec;
  spec.shape = out.shape;
  spec.sources.assign(in.begin(), in.end());
  ChainSpec::Node node{&op, &attrs, {}};
  for (std::size_t i = 0; i < in.size(); ++i) node.inputs[i] = static_cast<int>(i);
  spec.nodes.push_back(node);
  spec.sinks.push_back({static_cast<int>(in.size()), out});
  run_chain(spec);
}

}  // namespace pynn
