"""The statements that are run are those that SQLAlchemy composes, and running them needs no SQLAlchemy."""

import inspect
import subprocess
import sys

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from kubesim.storage import sql_sqlite_statements
from kubesim.storage.sql_schema import compile_statements, module_text


def test_the_generated_statements_are_those_of_the_schema():
    assert compile_statements(SQLiteDialect_pysqlite()) == sql_sqlite_statements.STATEMENTS


def test_the_generated_module_is_what_make_docs_writes():
    written = inspect.getsource(sql_sqlite_statements)
    assert module_text(SQLiteDialect_pysqlite(), "SQLite") == written


def test_a_store_in_a_file_is_used_without_sqlalchemy(tmp_path):
    program = f"""
import sys
from kubesim.storage.sql import SQLStorage
storage = SQLStorage({str(tmp_path / "cluster.db")!r})
with storage.transaction() as tx:
    revision = tx.create("/a", b"1", [("label", "x=1")])
    tx.update("/a", b"2", revision, [("label", "x=2")])
assert [r.value for r in storage.lookup("/", "label", ["x=2"]).rows] == [b"2"]
storage.compact(2)
sys.exit(any(name.startswith("sqlalchemy") for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
