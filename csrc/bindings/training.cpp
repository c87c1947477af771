// run_epochs: the epoch loop, with Python called for progress and signals only.
#include <chrono>

#include "bindings/program.h"
#include "program/training.h"

namespace pynn::bindings {
namespace {

// The rows of `value` in the layout that a step's input has.
Array rows_of(py::handle value, const View& input, std::size_t i) {
  const Tensor x = to_tensor(value.ptr(), input.dtype);
  Shape row = x.shape();
  Shape expected = input.shape;
  if (row.empty()) fail<ValueError>("data ", i, " has no rows: it is a number");
  row.erase(0);
  expected.erase(0);
  if (row != expected)
    fail<ValueError>("rows of data ", i, " have shape ", row, ", the program expects ", expected);
  const Eager eager;
  if (x.array().contiguous()) return x.array();
  const Array copy = Array::empty(x.dtype(), x.shape());
  copy_into(copy, x.array());
  return copy;
}

// Memory that the loop writes to: `what` names it in errors.
std::vector<Array> written(py::handle sequence, const char* what) {
  std::vector<Array> arrays;
  if (sequence.is_none()) return arrays;
  for (const py::handle item : py::reinterpret_borrow<py::object>(sequence)) {
    const Array array = to_tensor(item.ptr()).array();
    const bool shared =
        is_tensor(item.ptr()) ||
        (is_ndarray(item.ptr()) && py::detail::array_proxy(item.ptr())->data == array.data);
    if (!shared || !writable(array) || !array.contiguous())
      fail<ValueError>(what, " takes writable contiguous arrays");
    arrays.push_back(array);
  }
  return arrays;
}

void check(const EpochLoop& loop) {
  if (loop.batch_size < 1) fail<ValueError>("batch_size must be positive, got ", loop.batch_size);
  if (loop.epochs < 0) fail<ValueError>("epochs must not be negative, got ", loop.epochs);
  const std::int64_t rows = loop.data.empty() ? 0 : loop.data[0].shape[0];
  for (const Array& x : loop.data)
    if (x.shape[0] != rows)
      fail<ValueError>("all data must have the same number of rows, got ", rows, " and ",
                       x.shape[0]);
  const auto check_step = [&](const Executable* step, std::int64_t expected, const char* name) {
    if (step == nullptr)
      fail<ValueError>("no program for the ", name, " batch of ", expected, " rows");
    for (std::size_t i = 0; i < step->input_count(); ++i)
      if (step->input(i).shape.empty() || step->input(i).shape[0] != expected)
        fail<ValueError>("the ", name, " program must take ", expected, " rows, its input ", i,
                         " has shape ", step->input(i).shape);
  };
  if (rows >= loop.batch_size) check_step(loop.full.get(), loop.batch_size, "full");
  if (rows % loop.batch_size != 0) check_step(loop.tail.get(), rows % loop.batch_size, "last");
  const Executable& step = loop.full ? *loop.full : *loop.tail;
  if (!loop.gathered.empty() && loop.gathered.size() != step.output_count())
    fail<ValueError>("gathered takes ", step.output_count(), " arrays, got ", loop.gathered.size());
  for (std::size_t i = 0; i < loop.gathered.size(); ++i) {
    Shape expected = step.output(i).shape;
    if (expected.empty()) fail<ValueError>("output ", i, " has no rows to gather");
    expected[0] = rows;
    const Array& out = loop.gathered[i];
    if (out.shape != expected || out.dtype != step.output(i).dtype)
      fail<ValueError>("gathered ", i, " must have shape ", expected, " and dtype ",
                       name(step.output(i).dtype), ", got ", out.shape, " and ", name(out.dtype));
  }
}

py::object to_matrix(const EpochLoop::History& history) {
  return py::array_t<double>({history.epochs, history.width}, history.totals.data());
}

// Takes the GIL, lets pending signals act, and asks Python's `poll`, if there is one.
std::function<bool(const EpochLoop::Progress&, bool)> make_poll(py::handle poll) {
  return [poll](const EpochLoop::Progress& progress, bool epoch_end) {
    const py::gil_scoped_acquire gil;
    checked(PyErr_CheckSignals());
    if (poll.is_none()) return true;
    const py::array_t<double> totals(static_cast<py::ssize_t>(progress.totals.size()),
                                     progress.totals.data());
    const py::object answer = poll(progress.epoch, progress.rows_done, totals, epoch_end);
    return answer.is_none() || answer.cast<bool>();
  };
}

py::object run_epochs(py::handle full, py::handle tail, py::handle data, std::int64_t batch_size,
                      std::int64_t epochs, bool shuffle, py::handle key, std::int64_t first_epoch,
                      bool check_loss, py::handle gathered, std::shared_ptr<Checkpoint> checkpoint,
                      py::handle poll, double poll_seconds) {
  EpochLoop loop;
  loop.full = executable_of(full);
  loop.tail = executable_of(tail);
  loop.batch_size = batch_size;
  loop.epochs = epochs;
  loop.shuffle = shuffle;
  loop.key = PyLong_AsUnsignedLongLongMask(checked(PyNumber_Index(key.ptr())).ptr());
  loop.first_epoch = first_epoch;
  loop.check_loss = check_loss;
  if (!loop.full && !loop.tail) fail<TypeError>("run_epochs needs a program");
  const Executable& step = loop.full ? *loop.full : *loop.tail;
  const auto items = py::reinterpret_borrow<py::object>(data);
  if (py::len(items) != step.input_count())
    fail<ValueError>("the program has ", step.input_count(), " inputs, got ", py::len(items));
  for (const py::handle item : items)
    loop.data.push_back(rows_of(item, step.input(loop.data.size()), loop.data.size()));
  loop.gathered = written(gathered, "gathered");
  loop.checkpoint = std::move(checkpoint);
  check(loop);
  loop.poll = make_poll(poll);
  loop.poll_seconds = poll_seconds;
  loop.report_epochs = !poll.is_none();

  EpochLoop::History history;
  {
    const Inside inside_full(loop.full.get());
    const Inside inside_tail(loop.tail == loop.full ? nullptr : loop.tail.get());
    const ReleaseGil release;
    history = loop.run();
  }
  return to_matrix(history);
}

}  // namespace

void add_training(py::module_& m) {
  py::class_<Checkpoint, std::shared_ptr<Checkpoint>>(
      m, "Checkpoint",
      "Copies of tensors from a moment at which they were known to be good: the start of the last\n"
      "epoch whose first loss was finite.")
      .def(py::init([](py::handle tensors) {
             return std::make_shared<Checkpoint>(written(tensors, "Checkpoint"));
           }),
           py::arg("tensors"));
  m.def(
      "run_epochs", &run_epochs, py::arg("full"), py::arg("tail"), py::arg("data"), py::kw_only(),
      py::arg("batch_size"), py::arg("epochs") = 1, py::arg("shuffle") = false, py::arg("key") = 0,
      py::arg("first_epoch") = 0, py::arg("check_loss") = false, py::arg("gathered") = py::none(),
      py::arg("checkpoint") = py::none(), py::arg("poll") = py::none(),
      py::arg("poll_seconds") = 0.05,
      "run_epochs(full, tail, data, *, batch_size, epochs=1, shuffle=False, key=0, first_epoch=0, "
      "check_loss=False, gathered=None, checkpoint=None, poll=None, poll_seconds=0.05)\n--\n\n"
      "Replays a program over the rows of `data`, batch by batch, without the GIL.\n\n"
      "Parameters\n----------\n"
      "full, tail : Executable or None\n"
      "    The program for `batch_size` rows, and the one for the rows of the last batch.\n"
      "data : sequence of array_like\n    One for each input; the first axis counts rows.\n"
      "batch_size, epochs : int\n"
      "shuffle : bool\n    Visit the rows of epoch e in the order of stream e of `key`.\n"
      "key, first_epoch : int\n    The random numbers of the run; the number of its first epoch.\n"
      "check_loss : bool\n    Stop when the first output is not finite.\n"
      "gathered : sequence of arrays, optional\n"
      "    Filled with the outputs, row by row; without, the outputs are summed over the batches.\n"
      "checkpoint : Checkpoint, optional\n"
      "    What a loss that is not finite puts back.\n"
      "poll : callable, optional\n"
      "    ``poll(epoch, rows_done, totals, epoch_end)``, called about every `poll_seconds` and "
      "at\n"
      "    the end of each epoch; False stops.\n\n"
      "Returns\n-------\nndarray, shape (epochs run, total elements of the outputs)\n"
      "    The sums over each epoch.\n\n"
      "Raises\n------\nNonFiniteLossError\n    If `check_loss` finds NaN or infinity.\n"
      "KeyboardInterrupt\n    After Ctrl-C, within `poll_seconds`.");
}

}  // namespace pynn::bindings
