#include "ops/strided_copy.h"

#include <cstdlib>
#include <cstring>

#include "ops/launch.h"

namespace pynn {
namespace {

struct Loop {
  std::int64_t count, in, out;  // extent, and strides in bytes
};

// The axes ordered as `out` lies in memory, without those of extent 1, neighbours that step as one
// merged.
std::vector<Loop> loops_over(const View& in, const View& out) {
  const auto item = static_cast<std::int64_t>(item_size(out.dtype));
  std::vector<Loop> loops;
  for (int i = 0; i < out.shape.rank(); ++i)
    if (out.shape[i] != 1)
      loops.push_back({out.shape[i], in.strides[i] * item, out.strides[i] * item});
  std::stable_sort(loops.begin(), loops.end(),
                   [](const Loop& a, const Loop& b) { return std::abs(a.out) > std::abs(b.out); });
  std::vector<Loop> merged;
  for (const Loop& loop : loops) {
    if (!merged.empty() && merged.back().in == loop.in * loop.count &&
        merged.back().out == loop.out * loop.count)
      merged.back() = {merged.back().count * loop.count, loop.in, loop.out};
    else
      merged.push_back(loop);
  }
  return merged;
}

struct Copy;
// Copies `count` steps along the axis that is cut.
using Block = void (*)(const Copy& c, const char* in, char* out, std::int64_t count);

struct Copy {
  const char* in;
  char* out;
  std::int64_t item;
  std::vector<Loop> outer;  // the last one counts the pieces of the axis that is cut
  Loop inner;               // innermost in `out`
  Loop cut;                 // `inner`, or for transposing copies the axis innermost in `in`
  std::int64_t piece;
  Block block;
  Chunks chunks;

  void run(std::int64_t begin, std::int64_t end) const {
    std::array<std::int64_t, kMaxRank + 1> at{};
    const char* from = in;
    char* to = out;
    std::int64_t rest = begin;
    for (std::size_t i = outer.size(); i-- > 0; rest /= outer[i].count) {
      at[i] = rest % outer[i].count;
      from += at[i] * outer[i].in;
      to += at[i] * outer[i].out;
    }
    for (std::int64_t task = begin; task < end; ++task) {
      block(*this, from, to, std::min(piece, cut.count - at[outer.size() - 1] * piece));
      for (std::size_t i = outer.size(); i-- > 0;) {
        from += outer[i].in;
        to += outer[i].out;
        if (++at[i] < outer[i].count) break;
        from -= outer[i].count * outer[i].in;
        to -= outer[i].count * outer[i].out;
        at[i] = 0;
      }
    }
  }
};

void copy_run(const Copy& c, const char* in, char* out, std::int64_t count) {
  std::memcpy(out, in, static_cast<std::size_t>(count * c.item));
}

template <class T>
void copy_items(const Copy& c, const char* in, char* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(out + i * c.inner.out, in + i * c.inner.in, sizeof(T));
}

void copy_transposed(const Copy& c, const char* in, char* out, std::int64_t count) {
  kernels::table().transpose[c.item](static_cast<std::size_t>(c.inner.count),
                                     static_cast<std::size_t>(count), in, c.inner.in / c.item, out,
                                     c.cut.out / c.item);
}

}  // namespace

Launch strided_copy(const View& in, const View& out) {
  if (out.size() == 0) return [](const RunState&) {};
  Copy c{};
  c.in = in.as<const char>();
  c.out = out.as<char>();
  c.item = static_cast<std::int64_t>(item_size(out.dtype));
  c.outer = loops_over(in, out);
  c.inner = {1, c.item, c.item};
  if (!c.outer.empty()) {
    c.inner = c.outer.back();
    c.outer.pop_back();
  }
  c.cut = c.inner;

  constexpr std::int64_t kPiece = 16384;  // elements: enough work to be worth handing out
  c.piece = kPiece;
  double work = 4;  // of one step along the cut, by what a copy costs beside a multiply-add
  const auto across = std::find_if(c.outer.begin(), c.outer.end(),
                                   [&](const Loop& loop) { return loop.in == c.item; });
  if (c.inner.in == c.item && c.inner.out == c.item) {
    c.block = copy_run;
  } else if (c.inner.out == c.item && c.inner.in != 0 && across != c.outer.end()) {
    c.block = copy_transposed;
    c.cut = *across;
    c.outer.erase(across);
    c.piece = std::max<std::int64_t>(kPiece / c.inner.count / 16 * 16, 16);
    work = 16.0 * static_cast<double>(c.inner.count);
  } else {
    c.block = with_item(item_size(out.dtype),
                        [](auto item) -> Block { return copy_items<decltype(item)>; });
    work = 32;
  }
  c.piece = std::min(c.piece, c.cut.count);
  const std::int64_t pieces = (c.cut.count + c.piece - 1) / c.piece;
  c.outer.push_back({pieces, c.cut.in * c.piece, c.cut.out * c.piece});
  std::int64_t tasks = 1;
  for (const Loop& loop : c.outer) tasks *= loop.count;
  if (tasks == 1 && c.block == copy_run)
    return [to = c.out, from = c.in, bytes = static_cast<std::size_t>(c.cut.count * c.item)](
               const RunState&) { std::memcpy(to, from, bytes); };
  c.chunks = Chunks(tasks, work * static_cast<double>(c.piece));
  return [c = std::move(c)](const RunState&) {
    c.chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) { c.run(begin, end); });
  };
}

Launch strided_fill(double value, const View& out) {
  const std::shared_ptr<void> item = scratch(item_size(out.dtype));
  kernels::table().cast[index(out.dtype)][index(DType::f64)](1, item.get(), &value);
  const View in{item.get(), out.dtype, out.shape, Dims::filled(out.shape.rank(), 0)};
  return [item, copy = strided_copy(in, out)](const RunState& state) { copy(state); };
}

}  // namespace pynn
