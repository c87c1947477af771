#include <algorithm>
#include <cstring>

#include "ops/chain_plan.h"
#include "runtime/thread_pool.h"

namespace pynn::chains {

void splat(char* buffer, const char* item, std::size_t size, std::int64_t n) {
  // A loop over some items, then copies that double.
  const auto first = std::min<std::int64_t>(n, 16);
  switch (size) {
    case 1:
      std::memset(buffer, *item, static_cast<std::size_t>(n));
      return;
    case 2:
      std::fill_n(reinterpret_cast<std::uint16_t*>(buffer), first,
                  *reinterpret_cast<const std::uint16_t*>(item));
      break;
    case 4:
      std::fill_n(reinterpret_cast<std::uint32_t*>(buffer), first,
                  *reinterpret_cast<const std::uint32_t*>(item));
      break;
    default:
      std::fill_n(reinterpret_cast<std::uint64_t*>(buffer), first,
                  *reinterpret_cast<const std::uint64_t*>(item));
  }
  const std::size_t bytes = static_cast<std::size_t>(n) * size;
  for (std::size_t done = static_cast<std::size_t>(first) * size; done < bytes; done *= 2)
    std::memcpy(buffer + done, buffer, std::min(done, bytes - done));
}

namespace {

template <class T>
void gather_run(T* out, const T* in, std::int64_t n, std::int64_t stride) {
  if (stride == 1) {
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(T));
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
  }
}

void gather_bytes(char* out, const char* in, std::size_t item, std::int64_t n,
                  std::int64_t stride) {
  if (stride == 0) return splat(out, in, item, n);
  switch (item) {
    case 1:
      return gather_run(reinterpret_cast<std::uint8_t*>(out),
                        reinterpret_cast<const std::uint8_t*>(in), n, stride);
    case 2:
      return gather_run(reinterpret_cast<std::uint16_t*>(out),
                        reinterpret_cast<const std::uint16_t*>(in), n, stride);
    case 4:
      return gather_run(reinterpret_cast<std::uint32_t*>(out),
                        reinterpret_cast<const std::uint32_t*>(in), n, stride);
    default:
      return gather_run(reinterpret_cast<std::uint64_t*>(out),
                        reinterpret_cast<const std::uint64_t*>(in), n, stride);
  }
}

// The position in the outer extents and in the innermost one, walked in row-major order.
struct Walk {
  const Shape& shape;
  Dims outer;
  std::int64_t inner;

  Walk(const Shape& s, std::int64_t flat) : shape(s), outer(Dims::filled(s.rank() - 1, 0)) {
    inner = flat % s.back();
    flat /= s.back();
    for (int i = s.rank() - 2; i >= 0; --i) {
      outer[i] = flat % s[i];
      flat /= s[i];
    }
  }
  void advance(std::int64_t n) {  // n <= what is left of the run
    inner += n;
    if (inner < shape.back()) return;
    inner = 0;
    for (int i = shape.rank() - 2; i >= 0; --i) {
      if (++outer[i] < shape[i]) return;
      outer[i] = 0;
    }
  }
  std::int64_t offset(const Operand& o) const {  // in bytes
    std::int64_t at = inner * o.strides.back();
    for (int i = 0; i < outer.rank(); ++i) at += outer[i] * o.strides[i];
    return at * static_cast<std::int64_t>(o.item);
  }
};

// A chain at work on one thread: its registers, and the scratch they lie in.
class Worker {
 public:
  explicit Worker(const Chain& chain) : chain_(chain) {
    if (chain.scratch > sizeof(local_)) {
      heap_ = {allocate(chain.scratch), [n = chain.scratch](void* p) { deallocate(p, n); }};
      base_ = static_cast<char*>(heap_.get());
    }
    for (std::size_t r = 0; r < chain.registers.size(); ++r)
      at_[r] = base_ + chain.registers[r].buffer;
    for (const int r : chain.constants) {
      const Operand& o = operand(r);
      splat(at(r), start(o), o.item, std::min(chain.tile, chain.elements));
    }
    std::copy(chain.stages.begin(), chain.stages.end(), stages_.begin());
    for (std::size_t r = 0; r < chain.registers.size(); ++r)
      if (chain.registers[r].kind == Register::Kind::scalar)
        at_[r] = start(operand(static_cast<int>(r)));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  char*& at(int r) { return at_[static_cast<std::size_t>(r)]; }

  // Computes elements [first, first + n) in row-major order.
  void tile(std::int64_t first, std::int64_t n) {
    for (const int r : chain_.fills) {
      const Operand& o = operand(r);
      if (o.flat) {
        at(r) = start(o) + first * static_cast<std::int64_t>(o.item);
        continue;
      }
      Walk walk(chain_.shape, first);
      const Register& reg = chain_.registers[static_cast<std::size_t>(r)];
      if (reg.kind == Register::Kind::direct) {
        at(r) = start(o) + walk.offset(o);
        continue;
      }
      char* out = base_ + reg.buffer;
      for (std::int64_t done = 0; done < n;) {
        const std::int64_t part = std::min(n - done, chain_.shape.back() - walk.inner);
        gather_bytes(out + done * static_cast<std::int64_t>(o.item), start(o) + walk.offset(o),
                     o.item, part, o.strides.back());
        walk.advance(part);
        done += part;
      }
    }
    execute(n);
  }

  // Computes a block of a matrix in machine code, where no operand has to be brought into a tile.
  bool matrix(const MatrixBlock& block, const View& values) {
    if (chain_.loop == nullptr || chain_.gathers()) return false;
    const Loop& loop = *chain_.loop;
    const bool one_row = chain_.one_run && block.columns == chain_.shape[1] && values.contiguous();
    const std::int64_t columns = one_row ? block.rows * block.columns : block.columns;
    kernels::LoopArgs args;
    args.rows = one_row ? 1 : block.rows;
    args.set_row(columns, item(), loop.vector_bytes);
    std::int64_t step = 0;
    for (std::size_t a = 0; a < loop.arrays.size(); ++a) {
      const int r = loop.arrays[a];
      if (r == chain_.product) {
        args.at[a] = static_cast<char*>(values.data);
        args.step[a] = values.strides[0] * item();
        continue;
      }
      const Operand& o = operand(r);
      args.at[a] = start(o) + (block.row * o.strides[0] + block.column * o.strides[1]) * item();
      args.step[a] = o.strides[0] * item();
      step = std::max(step, args.step[a]);
    }
    // In a narrow block what comes next is in the rows below.
    args.ahead = one_row ? kAhead : step * (kAhead / (columns * item()) + 1);
    run_loop(args);
    return true;
  }

  // Computes elements [column, column + n) of one row of a matrix.
  void row_tile(std::int64_t row, std::int64_t column, std::int64_t n) {
    for (const int r : chain_.fills) {
      const Operand& o = operand(r);
      const std::int64_t offset = row * o.strides[0] + column * o.strides[1];
      char* from = start(o) + offset * static_cast<std::int64_t>(o.item);
      const Register& reg = chain_.registers[static_cast<std::size_t>(r)];
      if (reg.kind == Register::Kind::direct)
        at(r) = from;
      else
        gather_bytes(base_ + reg.buffer, from, o.item, n, o.strides[1]);
    }
    execute(n);
  }

 private:
  void execute(std::int64_t n) {
    const auto count = static_cast<std::size_t>(n);
    if (chain_.loop != nullptr) return run_loop(n);
    if (chain_.threaded != nullptr) return run_stages(count);
    for (const Instruction& i : chain_.instructions) {
      if (i.kernel != nullptr) {
        const void* in[3] = {at(i.in[0]), at(i.in[1]), at(i.in[2])};
        i.kernel(count, at(i.out), in, i.attr.data());
      } else {
        i.cast(count, at(i.out), at(i.in[0]));
      }
    }
  }

  // What lies beyond the caches takes longer than a few vectors in flight can hide.
  static constexpr std::int64_t kAhead = 2560;  // bytes

  std::int64_t item() const {
    return static_cast<std::int64_t>(item_size(chain_.registers[0].dtype));
  }

  void run_loop(std::int64_t n) {
    kernels::LoopArgs args;
    args.rows = 1;
    args.ahead = kAhead;
    args.set_row(n, item(), chain_.loop->vector_bytes);
    for (std::size_t a = 0; a < chain_.loop->arrays.size(); ++a)
      args.at[a] = at(chain_.loop->arrays[a]);
    run_loop(args);
  }

  void run_loop(kernels::LoopArgs& args) const {
    const Loop& loop = *chain_.loop;
    for (std::size_t v = 0; v < loop.values.size(); ++v) {
      const int r = loop.values[v].register_index;
      args.values[v] = r < 0 ? loop.values[v].at : at_[static_cast<std::size_t>(r)];
    }
    loop.code.as<kernels::LoopFn>()(&args);
  }

  void run_stages(std::size_t n) {
    for (std::size_t s = 0; s < chain_.stages.size(); ++s)
      if (chain_.stage_registers[s] >= 0) stages_[s].data = at(chain_.stage_registers[s]);
    const std::size_t whole = n / chain_.threaded->block * chain_.threaded->block;
    chain_.threaded->run(stages_.data(), whole);
    if (whole < n) run_rest(whole, n - whole);
  }

  // The last elements of a tile, fewer than a block: in copies as long as a block.
  void run_rest(std::size_t first, std::size_t n) {
    const std::size_t item = item_size(chain_.registers[0].dtype);
    const std::size_t block = chain_.threaded->block;
    std::array<char*, kMaxStages> originals;
    std::size_t count = 0;
    const auto pad = [&](std::size_t i) { return base_ + chain_.pads + i * block * item; };
    std::array<std::size_t, kMaxStages> stored;
    std::size_t stores = 0;
    for (std::size_t s = 0; s < chain_.stages.size(); ++s) {
      const int r = chain_.stage_registers[s];
      if (r < 0) continue;
      const Register::Kind kind = chain_.registers[static_cast<std::size_t>(r)].kind;
      if (kind == Register::Kind::scalar) continue;
      char* const original = at(r) + first * item;
      stages_[s].data = original;
      if (kind != Register::Kind::direct && kind != Register::Kind::block) continue;
      const auto known = std::find(originals.begin(), originals.begin() + count, original);
      const auto i = static_cast<std::size_t>(known - originals.begin());
      if (i == count) {
        originals[count++] = original;
        std::memcpy(pad(i), original, n * item);
      }
      stages_[s].data = pad(i);
      if (stages_[s].code == chain_.threaded->store) stored[stores++] = i;
    }
    chain_.threaded->run(stages_.data(), block);
    for (std::size_t i = 0; i < stores; ++i)
      std::memcpy(originals[stored[i]], pad(stored[i]), n * item);
  }

  char* start(const Operand& o) const { return o.data + o.shift.now(); }
  const Operand& operand(int r) const {
    const Register& reg = chain_.registers[static_cast<std::size_t>(r)];
    return chain_.operands[static_cast<std::size_t>(reg.operand)];
  }

  alignas(kAlignment) char local_[kScratchBytes + 4096];
  const Chain& chain_;
  std::shared_ptr<void> heap_;  // only for chains of very many values
  char* base_ = local_;
  std::array<char*, kMaxRegisters> at_;
  std::array<kernels::Stage, kMaxStages> stages_;
};

}  // namespace

void Chain::bind() {
  if (threaded != nullptr || !one_run || elements == 0 || elements > tile || moves()) return;
  if (loop != nullptr) return bind_call();
  memory = {allocate(scratch), [n = scratch](void* p) { deallocate(p, n); }};
  const auto address = [&](int r) -> char* {
    const Register& reg = registers[static_cast<std::size_t>(r)];
    if (reg.kind == Register::Kind::block) return nullptr;
    if (reg.kind == Register::Kind::direct)
      return operands[static_cast<std::size_t>(reg.operand)].data;
    return static_cast<char*>(memory.get()) + reg.buffer;
  };
  for (const int r : constants) {
    const Operand& o =
        operands[static_cast<std::size_t>(registers[static_cast<std::size_t>(r)].operand)];
    spreads.push_back({address(r), o.data, o.item});
  }
  for (const Instruction& i : instructions) {
    Bound b{i.kernel,       i.cast,
            address(i.out), {address(i.in[0]), address(i.in[1]), address(i.in[2])},
            i.attr.data(),  false};
    b.handed = std::find(b.in.begin(), b.in.end(), nullptr) != b.in.end();
    bound.push_back(b);
  }
}

void Chain::bind_call() {
  call = std::make_unique<kernels::LoopArgs>();
  call->set_row(elements, static_cast<std::int64_t>(item_size(registers[0].dtype)),
                loop->vector_bytes);
  const auto memory_of = [&](int r) {
    return operands[static_cast<std::size_t>(registers[static_cast<std::size_t>(r)].operand)].data;
  };
  for (std::size_t a = 0; a < loop->arrays.size(); ++a) {
    if (loop->arrays[a] == product)
      handed = static_cast<int>(a);
    else
      call->at[a] = memory_of(loop->arrays[a]);
  }
  for (std::size_t v = 0; v < loop->values.size(); ++v) {
    const SingleValue& value = loop->values[v];
    call->values[v] = value.register_index < 0 ? value.at : memory_of(value.register_index);
  }
}

void Chain::run_bound(const void* values) const {
  if (call != nullptr) {
    call->rows = 1;
    if (handed >= 0)
      call->at[static_cast<std::size_t>(handed)] = static_cast<char*>(const_cast<void*>(values));
    return loop->code.as<kernels::LoopFn>()(call.get());
  }
  const auto n = static_cast<std::size_t>(elements);
  for (const Spread& s : spreads) splat(s.to, s.from, s.item, elements);
  for (const Bound& b : bound) {
    const void* const* in = b.in.data();
    std::array<const void*, 3> filled;
    if (b.handed) {
      for (std::size_t k = 0; k < 3; ++k) filled[k] = b.in[k] == nullptr ? values : b.in[k];
      in = filled.data();
    }
    if (b.kernel != nullptr)
      b.kernel(n, b.out, in, b.attr);
    else
      b.cast(n, b.out, in[0]);
  }
}

void Chain::launch() const {
  if (is_bound()) return run_bound(nullptr);
  const auto run = [this](std::int64_t first, std::int64_t last) {
    Worker worker(*this);
    if (loop != nullptr && one_run) {  // machine code needs no tiles
      if (first < last) worker.tile(first * tile, std::min(last * tile, elements) - first * tile);
      return;
    }
    for (std::int64_t t = first; t < last; ++t) {
      if (by_runs) {
        const std::int64_t inner = (t % tiles_per_run) * tile;
        worker.tile(t / tiles_per_run * shape.back() + inner, std::min(tile, shape.back() - inner));
      } else {
        worker.tile(t * tile, std::min(tile, elements - t * tile));
      }
    }
  };
  const double work = static_cast<double>(elements) * static_cast<double>(instructions.size() + 1);
  if (tiles <= 1 || work * 2 < kParallelWork) return run(0, tiles);
  const auto chunks = std::min<std::int64_t>(tiles, 4 * num_threads());
  parallel_for(static_cast<std::size_t>(chunks), [&](std::size_t c) {
    const auto i = static_cast<std::int64_t>(c);
    run(tiles * i / chunks, tiles * (i + 1) / chunks);
  });
}

kernels::Ahead Chain::reads(const MatrixBlock& block) const {
  kernels::Ahead ahead;
  if (block.columns != shape.back()) return ahead;
  for (const Operand& o : operands) {
    if (!o.flat || o.scalar || o.data == nullptr) continue;
    const auto item = static_cast<std::int64_t>(o.item);
    const char* const data = o.data + o.shift.now() + block.row * block.columns * item;
    const auto known = [&](const kernels::Ahead::Run& r) { return r.data == data; };
    if (std::any_of(ahead.runs, ahead.runs + ahead.count, known)) continue;
    ahead.runs[ahead.count++] = {data, block.rows * block.columns * item};
    if (ahead.count == kernels::Ahead::kRuns) break;
  }
  return ahead;
}

void Chain::consume(const MatrixBlock& block, const View& values) const {
  if (is_bound() && block.rows * block.columns == elements && values.contiguous())
    return run_bound(values.data);
  Worker worker(*this);
  if (worker.matrix(block, values)) return;
  // Whole rows of row-major operands are one run.
  if (one_run && block.columns == shape[1] && values.contiguous()) {
    const std::int64_t n = block.rows * block.columns;
    for (std::int64_t j = 0; j < n; j += tile) {
      worker.at(product) = static_cast<char*>(values.at(j));
      worker.tile(block.row * shape[1] + j, std::min(tile, n - j));
    }
    return;
  }
  for (std::int64_t i = 0; i < block.rows; ++i) {
    for (std::int64_t j = 0; j < block.columns; j += tile) {
      worker.at(product) = static_cast<char*>(values.at(i * values.strides[0] + j));
      worker.row_tile(block.row + i, block.column + j, std::min(tile, block.columns - j));
    }
  }
}

}  // namespace pynn::chains
