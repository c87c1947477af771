#include "ops/norm_columns.h"

#include <array>
#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#include "ops/launch.h"

namespace pynn {
namespace {

constexpr std::int64_t kRuns = 32;             // of rows, whose sums are added up in order
constexpr std::int64_t kTileBytes = 8 * 1024;  // several tiles stay in the first-level cache
constexpr double kElementWork = 6;

// A matrix (rows, columns) computed a tile of whole rows at a time, so that the passes over a tile
// find it in cache. What is the same for all rows lies beside it as often as the tile has rows.
class RowTiles {
 public:
  explicit RowTiles(const View& x)
      : columns(x.shape.back()),
        rows(x.size() / columns),
        row_bytes(columns * static_cast<std::int64_t>(item_size(x.dtype))),
        tile_(std::clamp<std::int64_t>(kTileBytes / row_bytes, 1, rows)),
        chunks_(rows, kElementWork * static_cast<double>(columns), (rows + kRuns - 1) / kRuns),
        dtype_(x.dtype) {}

  std::size_t runs() const { return static_cast<std::size_t>(chunks_.count()); }

  // body(run, byte offset of a tile, its rows, repeated vectors..., memory for one more tile)
  template <class Body, class... Vectors>
  void run(Body&& body, const Vectors*... vectors) const {
    const std::int64_t bytes = tile_ * row_bytes;
    chunks_.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory =
          scratch((sizeof...(vectors) + 1) * static_cast<std::size_t>(bytes));
      char* at = static_cast<char*>(memory.get());
      const auto repeated = [&](const void* vector) {
        char* const copies = std::exchange(at, at + bytes);
        for (std::int64_t i = 0; i < tile_; ++i)
          std::memcpy(copies + i * row_bytes, vector, static_cast<std::size_t>(row_bytes));
        return static_cast<const void*>(copies);
      };
      const std::array<const void*, sizeof...(vectors)> all{repeated(vectors)...};
      for (std::int64_t i = begin; i < end; i += tile_)
        std::apply(
            [&](auto... each) {
              body(chunk, i * row_bytes, static_cast<std::size_t>(std::min(tile_, end - i)),
                   each..., at);
            },
            all);
    });
  }

  // to = a `row` b, of so many rows.
  void map(kernels::Pointwise row, std::size_t n, void* to, const void* a, const void* b) const {
    const void* const in[] = {a, b};
    kernels::table().pointwise[static_cast<std::size_t>(row)][index(dtype_)](
        n * static_cast<std::size_t>(columns), to, in, nullptr);
  }
  // to(columns) += the sum of n rows of x; `sum` is memory for one row.
  void add_up(std::size_t n, const void* x, void* sum, void* to) const {
    kernels::table().reduce_columns[static_cast<std::size_t>(kernels::Reduce::sum)][index(dtype_)](
        n, static_cast<std::size_t>(columns), columns, x, sum);
    map(kernels::Pointwise::add, 1, to, to, sum);
  }

  std::int64_t columns, rows, row_bytes;

 private:
  std::int64_t tile_;
  Chunks chunks_;
  DType dtype_;
};

using kernels::Pointwise;

// dots(columns) = the sum over rows of (x - mean) d, sums(columns) = that of d; without d: the sum
// of (x - mean)^2 alone.
void sum_columns(const RowTiles& tiles, const char* x, const void* mean, const char* d, void* dots,
                 void* sums) {
  // Of each run: dots, sums, a row to add up in.
  const auto bytes = static_cast<std::size_t>(tiles.row_bytes);
  const std::shared_ptr<void> all = scratch(3 * bytes * tiles.runs());
  std::memset(all.get(), 0, 3 * bytes * tiles.runs());
  const auto part = [&](std::size_t run, std::size_t i) {
    return static_cast<char*>(all.get()) + (3 * run + i) * bytes;
  };
  tiles.run(
      [&](std::size_t run, std::int64_t at, std::size_t n, const void* means, void* product) {
        tiles.map(Pointwise::subtract, n, product, x + at, means);
        tiles.map(Pointwise::multiply, n, product, product, d == nullptr ? product : d + at);
        tiles.add_up(n, product, part(run, 2), part(run, 0));
        if (d != nullptr) tiles.add_up(n, d + at, part(run, 2), part(run, 1));
      },
      mean);
  std::memset(dots, 0, bytes);
  if (d != nullptr) std::memset(sums, 0, bytes);
  for (std::size_t run = 0; run < tiles.runs(); ++run) {
    tiles.map(Pointwise::add, 1, dots, dots, part(run, 0));
    if (d != nullptr) tiles.map(Pointwise::add, 1, sums, sums, part(run, 1));
  }
}

// Calls f with a value of the type that `dtype` names, float or double.
template <class F>
void with_float(DType dtype, F&& f) {
  dtype == DType::f64 ? f(double{}) : f(float{});
}

}  // namespace

Launch prepare_standardize_columns(const Attrs& a, std::span<const View> in,
                                   std::span<const View> out) {
  Attrs leading;
  for (int i = 0; i + 1 < in[0].shape.rank(); ++i) leading.dims.push_back(i);
  return [tiles = RowTiles(in[0]), sum = op("sum").prepare(leading, in.first(1), out.subspan(1, 1)),
          dtype = in[0].dtype, epsilon = a.reals[0], x = in[0].as<const char>(),
          gamma = in.size() > 1 ? in[1].data : nullptr, beta = in.size() > 2 ? in[2].data : nullptr,
          y = out[0].as<char>(), mean = out[1].data, scale = out[2].data,
          variance = out[3].data](const RunState& state) {
    const std::shared_ptr<void> memory = scratch(static_cast<std::size_t>(tiles.row_bytes));
    void* const factor = memory.get();
    sum(state);
    with_float(dtype, [&]<class T>(T) {
      for (std::int64_t j = 0; j < tiles.columns; ++j)
        static_cast<T*>(mean)[j] /= static_cast<T>(tiles.rows);
    });
    sum_columns(tiles, x, mean, nullptr, variance, nullptr);
    with_float(dtype, [&]<class T>(T) {
      const auto row = [](void* p) { return static_cast<T*>(p); };
      for (std::int64_t j = 0; j < tiles.columns; ++j) {
        const T power = row(variance)[j] /= static_cast<T>(tiles.rows);
        const T s = row(scale)[j] = 1 / std::sqrt(power + static_cast<T>(epsilon));
        row(factor)[j] = gamma == nullptr ? s : s * row(gamma)[j];
      }
    });
    const void* const shift = beta == nullptr ? mean : beta;
    tiles.run(
        [&](std::size_t, std::int64_t i, std::size_t n, const void* means, const void* factors,
            const void* shifts, void*) {
          tiles.map(Pointwise::subtract, n, y + i, x + i, means);
          tiles.map(Pointwise::multiply, n, y + i, y + i, factors);
          if (beta != nullptr) tiles.map(Pointwise::add, n, y + i, y + i, shifts);
        },
        mean, factor, shift);
  };
}

// dx = (dy - mean(dy) - (x - mean) slope) scale gamma, slope = scale^2 mean(dy (x - mean)).
Launch prepare_standardize_columns_grad(const Attrs&, std::span<const View> in,
                                        std::span<const View> out) {
  const bool weighted = in.size() > 4;
  return [tiles = RowTiles(in[1]), dtype = in[1].dtype, weighted, dy = in[0].as<const char>(),
          x = in[1].as<const char>(), mean = in[2].data, scale = in[3].data,
          gamma = weighted ? in[4].data : nullptr, dx = out[0].as<char>(),
          dgamma = weighted ? out[1].data : nullptr,
          dbeta = weighted ? out[2].data : nullptr](const RunState&) {
    const auto bytes = static_cast<std::size_t>(tiles.row_bytes);
    const std::shared_ptr<void> memory = scratch(3 * bytes);
    char* const slope = static_cast<char*>(memory.get());
    char *const level = slope + bytes, *const factor = level + bytes;
    sum_columns(tiles, x, mean, dy, slope, level);
    with_float(dtype, [&]<class T>(T) {
      const auto row = [](void* p) { return static_cast<T*>(p); };
      const T share = T(1) / static_cast<T>(tiles.rows);
      for (std::int64_t j = 0; j < tiles.columns; ++j) {
        const T s = row(scale)[j], dot = row(slope)[j], sum = row(level)[j];
        row(slope)[j] = s * s * dot * share;
        row(level)[j] = sum * share;
        row(factor)[j] = weighted ? s * row(gamma)[j] : s;
        if (!weighted) continue;
        row(dgamma)[j] = dot * s;
        row(dbeta)[j] = sum;
      }
    });
    tiles.run(
        [&](std::size_t, std::int64_t i, std::size_t n, const void* means, const void* slopes,
            const void* levels, const void* factors, void* away) {
          tiles.map(Pointwise::subtract, n, away, x + i, means);
          tiles.map(Pointwise::multiply, n, away, away, slopes);
          tiles.map(Pointwise::subtract, n, dx + i, dy + i, levels);
          tiles.map(Pointwise::subtract, n, dx + i, dx + i, away);
          tiles.map(Pointwise::multiply, n, dx + i, dx + i, factors);
        },
        mean, slope, level, factor);
  };
}

}  // namespace pynn
