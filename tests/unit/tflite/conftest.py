import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder


@pytest.fixture(scope="session")
def edited():
    """Return a model after `change` was applied to its flatbuffer tree."""

    def edit(model, change):
        tree = schema.ModelT.InitFromPackedBuf(model, 0)
        change(tree)
        builder = Builder()
        builder.Finish(tree.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    return edit
