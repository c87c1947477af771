#include "program/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "ops/launch.h"
#include "runtime/cpu.h"
#include "runtime/rng.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

using Clock = std::chrono::steady_clock;

// Rows copied per chunk when a batch is gathered on several threads.
constexpr std::size_t kGatherBytes = 32 * 1024;
// How much of a row is fetched ahead: behind that the processor sees a run coming.
constexpr std::size_t kFetchBytes = 4096;
constexpr std::size_t kCacheLine = 64;

// The rows of an input, and where a batch of them goes.
struct Gather {
  const char* source;
  char* target;
  std::size_t bytes;  // of a row
  std::int64_t count;

  // target[i] = source[rows[first + i]], or source[first + i] without `rows`.
  void run(const std::int64_t* rows, std::int64_t first) const {
    if (rows == nullptr) {
      std::memcpy(target, source + static_cast<std::size_t>(first) * bytes, total());
      return;
    }
    auto chunks = static_cast<std::int64_t>(total() / kGatherBytes);
    if (const int threads = most_threads(); chunks > threads) chunks -= chunks % threads;
    if (chunks <= 1) return copy(rows + first, 0, count);
    parallel_for(static_cast<std::size_t>(chunks), [&](std::size_t c) {
      const auto i = static_cast<std::int64_t>(c);
      copy(rows + first, count * i / chunks, count * (i + 1) / chunks);
    });
  }

 private:
  std::size_t total() const { return static_cast<std::size_t>(count) * bytes; }

  // Rows lie anywhere in memory: while one is copied, the next is fetched.
  void copy(const std::int64_t* rows, std::int64_t begin, std::int64_t end) const {
    const auto row = [&](std::int64_t i) {
      return source + static_cast<std::size_t>(rows[i]) * bytes;
    };
    for (std::int64_t i = begin; i < end; ++i) {
      if (i + 1 < end)
        for (std::size_t at = 0; at < std::min(bytes, kFetchBytes); at += kCacheLine)
          __builtin_prefetch(row(i + 1) + at);
      std::memcpy(target + static_cast<std::size_t>(i) * bytes, row(i), bytes);
    }
  }
};

// A step with the memory through which it is fed and read: looked up once, as a step may take
// nothing but nanoseconds.
struct Replay {
  Replay(Executable& executable, const std::vector<Array>& data) : step(executable) {
    for (std::size_t i = 0; i < data.size(); ++i) {
      const View& to = step.input(i);
      const std::int64_t count = to.shape[0];
      inputs.push_back({data[i].as<const char>(), to.as<char>(),
                        count == 0 ? 0 : to.bytes() / static_cast<std::size_t>(count), count});
    }
    for (std::size_t i = 0; i < step.output_count(); ++i) outputs.push_back(step.output(i));
  }

  Executable& step;
  std::vector<Gather> inputs;
  std::vector<View> outputs;
};

template <class T>
void add_elements(const View& x, double* totals) {
  for (std::int64_t i = 0; i < x.size(); ++i) totals[i] += static_cast<double>(x.as<T>()[i]);
}

// Adds the elements of x to `totals`; returns how many there were.
std::int64_t accumulate(const View& x, double* totals) {
  switch (x.dtype) {
    case DType::f32:
      add_elements<float>(x, totals);
      break;
    case DType::f64:
      add_elements<double>(x, totals);
      break;
    case DType::i64:
      add_elements<std::int64_t>(x, totals);
      break;
    default:
      fail<TypeError>("a training step returns ", name(x.dtype),
                      " values; they must be float32, float64 or int64");
  }
  return x.size();
}

// The clock is read every few batches, so that reading it costs nothing and a poll is never late.
class PollTimer {
 public:
  explicit PollTimer(double seconds) : period_(seconds), last_(Clock::now()) {}

  bool due() {
    if (++batches_ < stride_) return false;
    const double elapsed = std::chrono::duration<double>(Clock::now() - last_).count();
    if (elapsed < period_ / 8 && batches_ >= stride_) {
      stride_ = batches_ * 2;
      return false;
    }
    if (elapsed < period_) {
      stride_ = batches_ + std::max<std::int64_t>(1, batches_ / 8);
      return false;
    }
    stride_ = std::max<std::int64_t>(1, batches_ / 16);
    batches_ = 0;
    last_ = Clock::now();
    return true;
  }

 private:
  double period_;
  Clock::time_point last_;
  std::int64_t batches_ = 0, stride_ = 1;
};

}  // namespace

Checkpoint::Checkpoint(std::vector<Array> arrays) : arrays_(std::move(arrays)) {
  for (const Array& a : arrays_) {
    offsets_.push_back(bytes_);
    bytes_ += (a.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
}

// One block, which huge pages make ready where it is large, and each array on a thread: half of the
// first copy's time goes into its pages.
void Checkpoint::save(Copy& to) const {
  if (!to) to = scratch(bytes_);
  const auto one = [&](std::size_t i) {
    std::memcpy(static_cast<char*>(to.get()) + offsets_[i], arrays_[i].data, arrays_[i].bytes());
  };
  if (static_cast<double>(bytes_) > kParallelWork) return parallel_for(arrays_.size(), one);
  for (std::size_t i = 0; i < arrays_.size(); ++i) one(i);
}

void Checkpoint::begin() {
  pending_ = good_ != nullptr;
  save(pending_ ? candidate_ : good_);
}

void Checkpoint::confirm() {
  if (std::exchange(pending_, false)) std::swap(candidate_, good_);
}

void Checkpoint::restore() const {
  for (std::size_t i = 0; i < arrays_.size(); ++i)
    std::memcpy(arrays_[i].data, static_cast<const char*>(good_.get()) + offsets_[i],
                arrays_[i].bytes());
}

EpochLoop::History EpochLoop::run() {
  const std::int64_t rows = data.empty() ? 0 : data[0].shape[0];
  const std::int64_t batches = (rows + batch_size - 1) / batch_size;
  const bool accumulating = gathered.empty();
  const auto replay_of = [&](const std::shared_ptr<Executable>& step) {
    return step ? std::make_unique<Replay>(*step, data) : nullptr;
  };
  const std::unique_ptr<Replay> whole = replay_of(full), rest = replay_of(tail);
  History history;
  if (accumulating)
    for (const View& output : (whole ? *whole : *rest).outputs)
      history.width += static_cast<std::size_t>(output.size());

  std::unique_lock<std::mutex> full_lock, tail_lock;
  if (full) full_lock = std::unique_lock(full->lock());
  if (tail && tail != full) tail_lock = std::unique_lock(tail->lock());

  std::vector<std::int64_t> order(shuffle ? static_cast<std::size_t>(rows) : 0);
  PollTimer timer(poll_seconds);
  bool stopped = false;
  // Between replays the float mode stays, but for outside code.
  const bool calls_out = (full && full->calls_out()) || (tail && tail->calls_out());
  std::optional<FlushDenormals> flush;
  const auto asked = [&](const Progress& progress, bool epoch_end) {
    flush.reset();
    return poll(progress, epoch_end);
  };

  for (std::int64_t epoch = 0; epoch < epochs && !stopped; ++epoch) {
    const auto number = static_cast<std::uint64_t>(first_epoch + epoch);
    // Streams of shuffles and of the steps' random ops differ in the top bit.
    if (shuffle) permutation(key, number | std::uint64_t{1} << 63, rows, order.data());
    if (checkpoint) checkpoint->begin();
    history.totals.resize(++history.epochs * history.width);
    const std::span<double> totals = std::span(history.totals).last(history.width);

    for (std::int64_t b = 0; b < batches && !stopped; ++b) {
      const std::int64_t first = b * batch_size;
      const Replay& replay = rows - first >= batch_size ? *whole : *rest;
      for (const Gather& input : replay.inputs) input.run(shuffle ? order.data() : nullptr, first);
      if (!flush && !calls_out) flush.emplace();
      replay.step.run(
          {key, number * static_cast<std::uint64_t>(batches) + static_cast<std::uint64_t>(b)});

      if (check_loss) {
        double loss = 0;
        accumulate(replay.outputs[0], &loss);
        if (!std::isfinite(loss)) {
          if (checkpoint) checkpoint->restore();
          throw NonFiniteLoss{first_epoch + epoch, b, loss};
        }
        if (checkpoint && b == 0) checkpoint->confirm();
      }
      if (accumulating) {
        double* at = totals.data();
        for (const View& output : replay.outputs) at += accumulate(output, at);
      } else {
        for (std::size_t i = 0; i < gathered.size(); ++i) {
          const View& out = replay.outputs[i];
          const std::size_t bytes = out.bytes() / static_cast<std::size_t>(out.shape[0]);
          std::memcpy(gathered[i].as<char>() + static_cast<std::size_t>(first) * bytes, out.data,
                      out.bytes());
        }
      }
      if (poll && timer.due())
        stopped = !asked({first_epoch + epoch, std::min(first + batch_size, rows), totals}, false);
    }
    if (poll && !stopped && report_epochs)
      stopped = !asked({first_epoch + epoch, rows, totals}, true);
  }
  return history;
}

}  // namespace pynn
