"""The curves show the numbers they are given, and nothing else."""

from figures.fool import first_step, losses, probabilities


def test_probabilities_shows_three_curves_the_step_and_the_flip() -> None:
    figure = probabilities(
        [0, 1, 2],
        [0.9, 0.4, 0.1],
        [0.0, 0.5, 0.8],
        [0, 2],
        [0.9, 0.88],
        truth="cat",
        rival="dog",
        n=2,
        first_fooled=0.7,
    )
    assert [tuple(curve.y) for curve in figure.data] == [(0.9, 0.4, 0.1), (0.0, 0.5, 0.8), (0.9, 0.88)]
    assert ["cat" in figure.data[0].name, "dog" in figure.data[1].name] == [True, True]
    assert sorted(shape.x0 for shape in figure.layout.shapes) == [0.7, 2]
    assert len({curve.line.color for curve in figure.data}) == 3
    assert len({curve.marker.symbol for curve in figure.data}) == 3, "told apart without colour"


def test_probabilities_without_a_flip_marks_none() -> None:
    figure = probabilities([0, 1], [1, 1], [0, 0], [0, 1], [1, 1], truth="a", rival="b", n=1, first_fooled=None)
    assert [shape.x0 for shape in figure.layout.shapes] == [1]


def test_losses_shades_where_the_line_holds_and_is_not_stretched_by_it() -> None:
    figure = losses([0, 16, 32], [1, 2, 3], [1, 100, 200], [0, 32], [1, 1.2], n=16, linear_until=4)
    low, high = figure.layout.yaxis.range
    assert low < 0
    assert 3 < high < 5, "the network's curve fills the figure, the line may leave it"
    assert any((shape.x0, shape.x1) == (0, 4) for shape in figure.layout.shapes)


def test_first_step_is_a_close_up_of_one_step() -> None:
    figure = first_step([0, 0.5, 1], [1, 2, 2.5], [1, 2, 3], linear_until=7)
    assert figure.layout.xaxis.range == (-0.02, 1.02)
    assert any((shape.x0, shape.x1) == (0, 1) for shape in figure.layout.shapes)
