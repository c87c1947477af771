#include "ops/product_bf16.h"

#include "ops/op.h"

namespace pynn {

using kernels::Activation;
using kernels::Gemm;

namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr std::int64_t kPartElements = 32 * 1024;
constexpr double kPackingWork = 16;  // of one element
// Rows of B that are packed together, panel by panel: few enough to be read as streams.
constexpr std::int64_t kRowsAtOnce = 16;
// Between panels of B, so that they don't start in the same cache set.
constexpr std::int64_t kApart = 128;

// Pieces of a block that stay in cache until they are read again: wide, so that a chain runs along
// rows, but narrow where panels of B are long: then those of a piece stay in the second-level cache
// while the rows of A pass by. Rows fill register tiles of every height that a kernel may have.
Extent choose_piece(const Extent& block, std::int64_t pairs, std::int64_t panel) {
  constexpr std::int64_t kPanelPairs = 128 * 1024, kTileRows = 12;
  const std::int64_t width = std::clamp(
      kPanelPairs / std::max<std::int64_t>(pairs, 1) / panel * panel, panel, 512 / panel * panel);
  const std::int64_t rows = divide_up(block.rows, divide_up(block.rows, 64));
  return {std::min(block.rows, divide_up(rows, kTileRows) * kTileRows),
          std::min(block.columns, width)};
}

}  // namespace

PairProduct::PairProduct(const View& a, const View& b, const View& c, const View* bias,
                         const Attrs& attrs, std::shared_ptr<const BlockConsumer> consumer)
    : whole_(first_product(a, b, c)),
      depth_(whole_.k),
      a_(a),
      b_(b),
      activation_(activation_after(attrs.activation, DType::f32)),
      parameters_(attrs.reals),
      consumer_(std::move(consumer)) {
  const Shape batch = batch_of(c.shape);
  a_at_ = matrix_offsets(a, batch);
  b_at_ = matrix_offsets(b, batch);
  const auto products = static_cast<std::int64_t>(a_at_.size());
  whole_.bias = bias == nullptr ? nullptr : bias->data;
  whole_.activation = activation_ ? Activation::linear : attrs.activation;
  whole_.k = divide_up(depth_, 2);
  if (c.size() == 0) return;

  // A chain streams through memory best along whole rows.
  block_ = choose_block(whole_, products, sizeof(float), consumer_ && whole_.m >= whole_.n / 4);
  const std::int64_t width = kernels::table().pair_panel;
  block_.columns = std::min(divide_up(block_.columns, width) * width, whole_.n);
  down_ = divide_up(whole_.m, block_.rows);
  across_ = divide_up(whole_.n, block_.columns);
  const double work = 2.0 * static_cast<double>(whole_.k) * static_cast<double>(whole_.n);
  chunks_ = products > 1 ? Chunks(products, work * static_cast<double>(whole_.m))
                         : Chunks(down_ * across_, work * static_cast<double>(whole_.m) /
                                                       static_cast<double>(down_ * across_));
  if (c.dtype == DType::bf16) {
    rounded_ = static_cast<bfloat16*>(c.data);
    whole_.c = nullptr;
  }
  piece_ = choose_piece(block_, whole_.k, width);
  if (whole_.c == nullptr)
    piece_bytes_ = static_cast<std::size_t>(piece_.rows * piece_.columns) * sizeof(float);
  plan_packing();
}

// A keeps its runs along k, where it lies if they are pairs already, or else becomes rows of pairs;
// B becomes panels.
void PairProduct::plan_packing() {
  constexpr std::int64_t kLine = kAlignment / sizeof(std::uint32_t);
  const auto spread = [](std::int64_t row) {  // rows that start in different cache sets
    const std::int64_t lines = divide_up(row, kLine);
    return (lines % 8 == 0 ? lines + 1 : lines) * kLine;
  };
  const std::int64_t width = kernels::table().pair_panel;
  const std::int64_t m = whole_.m, n = whole_.n, pairs = whole_.k;
  const bool runs = whole_.a_col == 1;
  const std::int64_t a_row = whole_.a_row, a_col = whole_.a_col, b_row = whole_.b_row,
                     b_col = whole_.b_col;
  const auto even = [](std::int64_t offset) { return offset % 2 == 0; };
  in_place_ = runs && a_.dtype == DType::bf16 && even(depth_) && even(a_row) &&
              reinterpret_cast<std::uintptr_t>(a_.data) % sizeof(std::uint32_t) == 0 &&
              std::all_of(a_at_.begin(), a_at_.end(), even);
  const std::int64_t stride = in_place_ ? a_row / 2 : spread(runs ? pairs : m);
  whole_.a_row = runs ? stride : 1;
  whole_.a_col = runs ? 1 : stride;
  whole_.b_col = pairs * width + kApart;
  b_pairs_ = in_place_ ? 0 : stride * (runs ? m : pairs);
  pair_bytes_ = static_cast<std::size_t>(b_pairs_ + divide_up(n, width) * whole_.b_col) *
                sizeof(std::uint32_t);
  if (runs && !in_place_) {
    const std::int64_t rows =
        std::max<std::int64_t>(1, kPartElements / std::max<std::int64_t>(depth_, 1));
    for (std::int64_t i = 0; i < m; i += rows)
      parts_.push_back({false, i * a_row, i * stride, depth_, std::min(rows, m - i)});
  } else if (!runs) {
    const std::int64_t rows = std::max<std::int64_t>(2, kPartElements / m / 2 * 2);
    for (std::int64_t p = 0; p < depth_; p += rows)
      parts_.push_back({false, p * a_col, p / 2 * stride, std::min(rows, depth_ - p), m});
  }
  if (b_col == 1) {
    const std::int64_t rows = std::max(kRowsAtOnce, kPartElements / n / kRowsAtOnce * kRowsAtOnce);
    for (std::int64_t p = 0; p < depth_; p += rows)
      parts_.push_back({true, p * b_row, b_pairs_ + p / 2 * width, std::min(rows, depth_ - p), n});
  } else {
    for (std::int64_t j = 0; j < n; j += width)
      parts_.push_back(
          {true, j * b_col, b_pairs_ + j / width * whole_.b_col, depth_, std::min(width, n - j)});
  }
  packing_ =
      kPackingWork * static_cast<double>((in_place_ ? 0 : m) + n) * static_cast<double>(depth_);
}

void PairProduct::pack(const Part& part, std::int64_t product, std::uint32_t* pairs) const {
  const View& x = part.right ? b_ : a_;
  const int rank = x.shape.rank();
  const std::int64_t row = x.strides[rank - (part.right ? 2 : 1)];
  const std::int64_t col = x.strides[rank - (part.right ? 1 : 2)];
  const auto at = static_cast<std::size_t>(product);
  const std::int64_t from = part.from + (part.right ? b_at_ : a_at_)[at];
  const auto item = static_cast<std::int64_t>(item_size(x.dtype));
  const char* const data = x.as<char>() + from * item;
  const auto kernel = kernels::table().pack_pairs[index(x.dtype)];
  if (!part.right)
    return kernel(part.k, part.n, data, row, col, pairs + part.to, whole_.a_col, whole_.a_row);
  const std::int64_t width = kernels::table().pair_panel;
  const std::int64_t rows = col == 1 ? kRowsAtOnce : part.k;
  for (std::int64_t p = 0; p < part.k; p += rows)
    for (std::int64_t j = 0; j < part.n; j += width)
      kernel(std::min(rows, part.k - p), std::min(width, part.n - j),
             data + (p * row + j * col) * item, row, col,
             pairs + part.to + p / 2 * width + j / width * whole_.b_col, width, 1);
}

// The activation, where it is not the kernel's, on a block of results.
void PairProduct::finish(const Gemm& g) const {
  if (activation_ == nullptr) return;
  for (std::int64_t i = 0; i < g.m; ++i) {
    void* const row = static_cast<float*>(g.c) + i * g.c_row;
    const void* in = row;
    activation_(static_cast<std::size_t>(g.n), row, &in, parameters_.data());
  }
}

void PairProduct::multiply(std::int64_t block, std::int64_t product, const std::uint32_t* pairs,
                           float* scratch) const {
  const std::int64_t top = block / across_ * block_.rows, left = block % across_ * block_.columns;
  const std::int64_t bottom = std::min(top + block_.rows, whole_.m);
  const std::int64_t right = std::min(left + block_.columns, whole_.n);
  const auto at = static_cast<std::size_t>(product);
  const std::int64_t width = kernels::table().pair_panel;
  for (std::int64_t j = left; j < right; j += piece_.columns) {
    for (std::int64_t i = top; i < bottom; i += piece_.rows) {
      Gemm g = whole_;
      g.m = std::min(piece_.rows, bottom - i);
      g.n = std::min(piece_.columns, right - j);
      g.a = (in_place_ ? a_.as<std::uint32_t>() + a_at_[at] / 2 : pairs) + i * g.a_row;
      g.b = pairs + b_pairs_ + j / width * whole_.b_col;
      if (g.c == nullptr) {
        g.c = scratch;
        g.c_row = g.n;
      } else {
        g.c = static_cast<float*>(g.c) + (product * whole_.m + i) * whole_.c_row + j;
      }
      if (g.bias != nullptr) g.bias = static_cast<const float*>(g.bias) + j;
      kernels::Ahead ahead;
      if (consumer_) {
        ahead = consumer_->reads({i, g.m, j, g.n});
        g.ahead = &ahead;
      }
      kernels::table().gemm_pairs(g);
      finish(g);
      for (std::int64_t r = 0; rounded_ != nullptr && r < g.m; ++r)
        kernels::table().cast[index(DType::bf16)][index(DType::f32)](
            static_cast<std::size_t>(g.n), rounded_ + (i + r) * whole_.n + j,
            static_cast<float*>(g.c) + r * g.c_row);
      if (consumer_)
        consumer_->consume({i, g.m, j, g.n}, {g.c, DType::f32, {g.m, g.n}, {g.c_row, 1}});
    }
  }
}

void PairProduct::run() const {
  const auto products = static_cast<std::int64_t>(a_at_.size());
  const auto count = static_cast<std::size_t>(chunks_.count());
  if (count == 0) return;
  const auto aligned = [](std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
  const std::size_t pieces = aligned(pair_bytes_);
  const std::size_t per_chunk = aligned(piece_bytes_) + (products > 1 ? pieces : 0);
  const std::shared_ptr<void> memory = scratch((products > 1 ? 0 : pieces) + count * per_chunk);
  char* const base = static_cast<char*>(memory.get());
  if (products > 1) {
    chunks_.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      const auto pairs = reinterpret_cast<std::uint32_t*>(base + chunk * per_chunk);
      for (std::int64_t i = begin; i < end; ++i) {
        for (const Part& part : parts_) pack(part, i, pairs);
        for (std::int64_t b = 0; b < down_ * across_; ++b) multiply(b, i, pairs, nullptr);
      }
    });
    return;
  }
  const auto pairs = reinterpret_cast<std::uint32_t*>(base);
  if (packing_ < kParallelWork) {
    for (const Part& part : parts_) pack(part, 0, pairs);
  } else {
    parallel_for(parts_.size(), [&](std::size_t i) { pack(parts_[i], 0, pairs); });
  }
  chunks_.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
    const auto piece = reinterpret_cast<float*>(base + pieces + chunk * per_chunk);
    for (std::int64_t b = begin; b < end; ++b) multiply(b, 0, pairs, piece);
  });
}

}  // namespace pynn
