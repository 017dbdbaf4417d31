"""Every value of an input belongs to one player."""

import numpy as np
import pytest

from qatflow.explanation.players import divide


def test_a_feature_of_a_table_is_a_player_however_many_there_are():
    players = divide((640,), 16)

    assert (players.kind, players.count, players.grid) == ("features", 640, (1, 640))
    assert players.owner.tolist() == list(range(640))
    assert players.names[3] == "feature 3"


def test_features_have_their_names_where_they_are_known():
    assert divide((2,), 16, ["age", "<b>"]).names == ("age", "<b>")
    assert divide((3,), 16, ["age", "height"]).names == ("feature 0", "feature 1", "feature 2")


def test_a_series_has_windows_over_all_channels():
    players = divide((10, 3), 4)

    assert (players.kind, players.grid) == ("windows", (1, 4))
    assert players.names == ("steps 0 to 2", "steps 3 to 5", "steps 6 to 8", "step 9")
    assert players.owner.shape == (10, 3)
    assert players.owner[:, 0].tolist() == players.owner[:, 2].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("shape", "most", "grid"),
    [
        ((8, 8, 1), 16, (4, 4)),
        ((8, 8, 1), 64, (8, 8)),
        ((28, 28, 1), 16, (4, 4)),
        ((49, 10, 1), 16, (7, 2)),
        ((32, 32, 3), 1, (1, 1)),
        ((5, 3, 2), 4096, (5, 3)),
    ],
)
def test_an_image_has_the_finest_grid_of_square_patches_with_at_most_so_many(shape, most, grid):
    players = divide(shape, most)

    assert players.grid == grid
    assert players.count == grid[0] * grid[1] <= most
    assert np.unique(players.owner).tolist() == list(range(players.count))
    assert players.owner.shape == shape


def test_patches_are_named_by_their_pixels():
    players = divide((4, 4, 3), 4)

    assert players.owner[:, :, 1].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert players.names[1] == "rows 0 to 1, columns 2 to 3"


def test_sums_are_over_the_values_of_each_player():
    values = np.arange(16, dtype=np.float32).reshape(4, 4, 1)

    assert divide((4, 4, 1), 4).sums(values).tolist() == [10.0, 18.0, 42.0, 50.0]
