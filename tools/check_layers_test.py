"""The check itself is checked: each kind of violation is found, and correct code is not accused."""
import pathlib
import re
import tempfile
import unittest

import check_layers

TOP = pathlib.Path(__file__).parents[1]


def problems_of(**files):
    """Runs the check over a tree with these files; a key `detect__a_h` is src/detect/a.h."""
    with tempfile.TemporaryDirectory() as directory:
        top = pathlib.Path(directory)
        for key, text in files.items():
            folder, name = key.split("__")
            path = top / "src" / folder / re.sub(r"_(?=[^_]*$)", ".", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_layers.check_tree(top)


class Directions(unittest.TestCase):
    def test_table_has_no_cycle_and_follows_the_order_of_the_build(self):
        seen = []
        for folder, allowed in check_layers.ALLOWED.items():
            self.assertLessEqual(set(allowed), set(seen), folder)
            seen.append(folder)
        cmake = (TOP / "CMakeLists.txt").read_text()
        order = re.search(r"foreach\(folder IN ITEMS ([^)]*)\)", cmake).group(1).split()
        self.assertEqual(set(order), set(seen))

    def test_allowed_includes_pass(self):
        self.assertEqual([], problems_of(store__a_cc='#include "store/a.h"\n#include "sys/fd.h"\n'
                                                     '#include <fcntl.h>\n#include <vector>\n'))

    def test_wrong_direction_is_named_with_file_and_line(self):
        found = problems_of(model__a_h='#pragma once\n#include "store/blob_store.h"\n')
        self.assertEqual(1, len(found))
        self.assertTrue(found[0].startswith("src/model/a.h:2: model may not include store"), found)

    def test_includes_are_written_from_src(self):
        self.assertIn("write the path from src/", problems_of(model__a_cc='#include "a.h"\n')[0])

    def test_unknown_folder_is_refused(self):
        self.assertIn("no row", problems_of(misc__a_h="")[0])

    def test_library_dependencies_follow_the_same_table(self):
        self.assertEqual(["src/engine/CMakeLists.txt: slipway_library(engine) may not depend on http"],
                         problems_of(engine__CMakeLists_txt="slipway_library(engine DEPS sys http LINK x)\n"))


class Headers(unittest.TestCase):
    def test_domain_makes_no_system_calls(self):
        for header in ["unistd.h", "sys/stat.h", "sys/socket.h", "netinet/in.h", "linux/fs.h"]:
            self.assertEqual(1, len(problems_of(detect__a_cc=f"#include <{header}>\n")), header)

    def test_a_test_of_pure_code_may_touch_files(self):
        self.assertEqual([], problems_of(detect__a_test_cc="#include <unistd.h>\n"))

    def test_sqlite_only_in_db(self):
        self.assertEqual(1, len(problems_of(ledger__a_cc="#include <sqlite3.h>\n")))
        self.assertEqual([], problems_of(db__a_cc="#include <sqlite3.h>\n"))

    def test_beast_and_tls_only_in_http(self):
        for header in ["boost/asio/io_context.hpp", "boost/beast/http.hpp", "openssl/ssl.h"]:
            self.assertEqual(1, len(problems_of(router__a_cc=f"#include <{header}>\n")), header)
            self.assertEqual([], problems_of(http__a_cc=f"#include <{header}>\n"), header)
        self.assertEqual([], problems_of(base__a_cc="#include <openssl/evp.h>\n"))

    def test_cli11_only_in_cli(self):
        self.assertEqual(1, len(problems_of(api__a_cc="#include <CLI/CLI.hpp>\n")))


class ThisTree(unittest.TestCase):
    def test_every_include_goes_in_an_allowed_direction(self):
        self.assertEqual([], check_layers.check_tree(TOP))


if __name__ == "__main__":
    unittest.main()
