import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import distance_transform_edt

from ipiu.models.clicks import dice, next_click, refine
from ipiu.models.promptable import Outline


def square(top, left, bottom, right, shape=(30, 40)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_the_first_click_is_the_middle_of_the_structure():
    assert next_click(square(4, 10, 13, 19)) == (8, 14, True)


def test_the_first_click_lies_inside_a_ring():
    row, column = np.ogrid[:41, :41]
    far = np.hypot(row - 20, column - 20)
    ring = (far < 18) & (far > 9)
    y, x, positive = next_click(ring)
    assert positive
    assert ring[y, x]
    assert distance_transform_edt(ring)[y, x] == distance_transform_edt(ring).max()


def test_the_rim_of_the_picture_counts_as_a_rim():
    # a strip along the edge: its middle is half its width from the picture's rim
    assert next_click(square(0, 0, 30, 9))[1] == 4


def test_the_next_click_says_no_where_more_is_too_much_than_missing():
    truth = square(5, 5, 15, 15)
    assert next_click(truth, truth | square(5, 20, 16, 31)) == (10, 25, False)
    assert next_click(truth, square(5, 5, 15, 8) | square(20, 30, 23, 33))[2]


def test_the_largest_mistake_in_one_piece_counts_not_the_sum_of_small_ones():
    truth = square(10, 10, 19, 19)
    dust = np.zeros_like(truth)
    dust[::2, 22:] = True  # many rows, none of them large
    row, column, positive = next_click(truth, dust)
    assert (row, column, positive) == (14, 14, True)


def test_nothing_is_clicked_where_nothing_is_wrong():
    truth = square(5, 5, 15, 15)
    assert next_click(truth, truth.copy()) is None


def test_dice_is_twice_the_overlap_over_both():
    assert dice(square(0, 0, 10, 10), square(0, 5, 10, 15)) == pytest.approx(0.5)


class Discs:
    """Draws a disc at every positive click and takes one away at every negative one."""

    def __init__(self):
        self.asked = []

    def segment(self, encoded, *, points, negative, mask):
        self.asked.append((list(points), list(negative), mask))
        row, column = np.ogrid[:40, :40]
        drawn = np.zeros((40, 40), bool)
        for there, kind in ((points, True), (negative, False)):
            for y, x in there:
                drawn[np.hypot(row - y, column - x) <= 7] = kind
        return Outline(MetaTensor(torch.from_numpy(drawn[None].astype(np.uint8))), np.ones(1), torch.zeros(1, 4, 4))


def test_each_click_refines_the_answer_before_it():
    model, truth = Discs(), square(5, 5, 35, 20, shape=(40, 40))
    outlines = list(refine(model, None, truth, 4))
    assert len(outlines) == 4
    [(row, column)], negative, mask = model.asked[0]
    assert 12 <= row <= 27, "anywhere on the ridge"
    assert (column, negative, mask) == (12, [], None)
    assert [asked[2] for asked in model.asked[1:]] == outlines[:3]
    assert all(len(p) + len(q) == n + 1 for n, (p, q, _) in enumerate(model.asked))


def test_an_answer_without_mistakes_stays():
    class Oracle(Discs):
        def segment(self, encoded, **asked):
            self.asked.append(asked)
            return Outline(MetaTensor(torch.from_numpy(truth[None].astype(np.uint8))), np.ones(1), torch.zeros(1, 4, 4))

    truth, model = square(5, 5, 35, 20), Oracle()
    outlines = list(refine(model, None, truth, 5))
    assert len(model.asked) == 1
    assert all(outline is outlines[0] for outline in outlines)
