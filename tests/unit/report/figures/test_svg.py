from qatflow.report.figures import svg


def test_a_drawing_has_words_for_those_who_cannot_see_it():
    assert svg.to_text(svg.canvas(10, 20.04, "a <b>")) == (
        '<svg viewBox="0 0 10 20" role="img" aria-label="a &lt;b&gt;" />'
    )


def test_numbers_keep_one_decimal_and_names_get_hyphens():
    drawing = svg.canvas(1, 1, "")
    svg.add(drawing, "rect", x=1.25001, width=3.0, class_="bar", font_size=11)
    assert '<rect x="1.3" width="3" class="bar" font-size="11" />' in svg.to_text(drawing)


def test_text_is_escaped_and_may_read_upwards():
    drawing = svg.canvas(1, 1, "")
    svg.text(drawing, "<b>&", (1, 2), "tick", "end", turned=True)
    assert (
        '<text x="1" y="2" text-anchor="end" class="tick" transform="rotate(-90 1 2)">&lt;b&gt;&amp;</text>'
        in svg.to_text(drawing)
    )


def test_a_mark_has_a_hint():
    drawing = svg.canvas(1, 1, "")
    svg.hint(svg.add(drawing, "circle", r=1), "here")
    assert '<circle r="1"><title>here</title></circle>' in svg.to_text(drawing)


def test_a_polyline_lists_its_points():
    assert svg.polyline([(0, 1), (2.25, 3)]) == "0,1 2.2,3"
