"""The check itself is checked: each kind of violation is found, and correct code is not accused."""
import pathlib
import unittest

import check_tree


def found(path, text):
    return list(check_tree.check_primitives(pathlib.PurePosixPath(path), text))


class Primitives(unittest.TestCase):
    def test_raw_locks_are_found_in_tests_too_but_not_in_base(self):
        for line in ("std::mutex mutex_;", "mutable std::shared_mutex m;", "std::condition_variable_any c;",
                     "std::lock_guard lock(m);", "std::unique_lock<Mutex> lock(m);", "std::timed_mutex m;"):
            self.assertEqual(1, len(found("src/deploy/a.h", line)), line)
            self.assertEqual(1, len(found("src/deploy/a_test.cc", line)), line)
            self.assertEqual([], found("src/base/mutex.h", line), line)

    def test_the_line_is_named(self):
        self.assertTrue(found("src/deploy/a.h", "\n\nstd::mutex m;\n")[0].startswith("src/deploy/a.h:3: "))

    def test_threads_are_found_outside_of_tests(self):
        for line in ("std::thread([] {}).detach();", "std::jthread thread_;", "std::vector<std::thread> all;",
                     "auto f = std::async(work);"):
            self.assertEqual(1, len(found("src/router/a.cc", line)), line)
            self.assertEqual([], found("src/router/a_test.cc", line), line)
            self.assertEqual([], found("src/router/testing/a.h", line), line)
        for line in ("std::thread::hardware_concurrency()", "std::this_thread::yield();", "// unlike std::thread"):
            self.assertEqual([], found("src/router/a.cc", line), line)

    def test_time_beside_the_clock_is_found(self):
        for line in ("const auto now = ::time(nullptr);", "std::time(nullptr)", "std::chrono::system_clock::now()",
                     "fs::file_time_type::clock::now()"):
            self.assertEqual(1, len(found("src/store/a.cc", line)), line)
            self.assertEqual([], found("src/sys/file_time.h", line), line)
        for line in ("clock.now()", "steady_clock::now()", "runtime(nullptr)", "file_time_now()"):
            self.assertEqual([], found("src/store/a.cc", line), line)

    def test_loops_over_a_directory_iterator_are_found(self):
        for text in ("for (const auto& e : fs::directory_iterator(path, error)) {",
                     "for (const fs::directory_entry& e :\n       std::filesystem::recursive_directory_iterator(p))"):
            self.assertEqual(1, len(found("src/store/a.cc", text)), text)
        for text in ("for (fs::directory_iterator at(p, error), end; at != end; at.increment(error))",
                     "for (const auto& e : entries_of(path, error)) {"):
            self.assertEqual([], found("src/store/a.cc", text), text)


if __name__ == "__main__":
    unittest.main()
