from dataclasses import replace

import pytest

from qatflow.visualize.pictures import PICTURES, draw_all, file_name

WEIGHTS = ["weights-00-conv.png", "weights-01-depthwise.png", "weights-02-classes.png"]


@pytest.mark.slow
def test_everything_is_drawn_where_everything_is_at_hand(subject, tmp_path):
    drawn = draw_all(subject, tmp_path / "new" / "folder", "png")
    assert [file.name for file in drawn.files] == [*(f"{name}.png" for name in PICTURES), *WEIGHTS]
    assert drawn.left_out == ()
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in drawn.files)


@pytest.mark.slow
def test_what_needs_more_than_the_bundle_is_left_out_in_a_line(bare, tmp_path):
    drawn = draw_all(bare, tmp_path, "svg")
    assert [file.name for file in drawn.files] == ["sizes.svg", *(name.replace("png", "svg") for name in WEIGHTS)]
    assert drawn.left_out == (
        "without a float model (--float) there is no picture of: noise, channels, lost",
        "without data (--data) there is no picture of: confusion, lost",
    )


@pytest.mark.slow
def test_a_float_model_of_other_layers_is_told(subject, golden, tmp_path):
    drawn = draw_all(replace(subject, float_model=golden["regressor"], data=None), tmp_path, "png")
    assert "3 of 3 layers have no counterpart of their shape in the float model" in drawn.left_out


@pytest.mark.parametrize(
    ("name", "safe"),
    [("conv", "conv"), ("block/conv 1", "block-conv-1"), ("<script>", "script"), ("../../x", "x"), ("…", "layer")],
)
def test_names_of_layers_become_names_of_files(name, safe):
    assert file_name(name) == safe


def test_a_folder_that_cannot_be_written_is_an_os_error(subject, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        draw_all(subject, tmp_path / "file", "png")
