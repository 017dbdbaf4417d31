from qatflow.report.figures.labels import Place, place

FRAME = (0.0, 0.0, 300.0, 300.0)


def test_a_lonely_name_stands_to_the_right():
    assert place(["float"], [(100, 100)], FRAME) == [Place(113.0, 104.0, "start")]


def test_a_name_that_would_leave_the_frame_stands_to_the_left():
    assert place(["a long name"], [(290, 100)], FRAME) == [Place(277.0, 104.0, "end")]


def test_names_of_equal_points_do_not_cover_each_other():
    places = place(["first", "second", "third"], [(150, 150)] * 3, FRAME)
    assert len(set(places)) == 3


def test_a_name_avoids_a_neighbouring_point():
    first, _ = place(["name", "x"], [(100, 100), (125, 100)], FRAME)
    assert first.anchor == "end"
