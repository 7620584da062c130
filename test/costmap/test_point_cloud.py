# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Points of a cloud, byte by byte, and clouds that lie about their bytes."""

import array
import struct
import types

import numpy as np
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.point_cloud import points_of_cloud

HUGE = 2 ** 32 - 1


def field(name, offset, datatype=7):
    return types.SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1)


def message(points, order='<', kind='f', step=20, padding=3, columns=2, **changes):
    """Return points as rows of a message, with other bytes beside and behind them."""
    size = struct.calcsize(kind)
    data = b''
    for begin in range(0, len(points), columns):
        for point in points[begin:begin + columns]:
            packed = struct.pack(order + 3 * kind, *point)
            data += b'\xff\xfe' + packed + b'\xee' * (step - 2 - len(packed))
        data += b'\xdd' * padding
    return types.SimpleNamespace(**dict({
        'fields': [field('intensity', 0, 4)] + [
            field(axis, 2 + size * number, {'f': 7, 'd': 8}[kind])
            for number, axis in enumerate('xyz')],
        'is_bigendian': order == '>', 'point_step': step, 'row_step': columns * step + padding,
        'width': columns, 'height': len(points) // columns,
        'data': array.array('B', data)}, **changes))


POINTS = [(1.5, -2.25, 0.5), (float('nan'), 1.0, 1.0), (float('inf'), 1.0, 1.0), (4.0, 5.0, 6.5),
          (7.0, 8.0, 9.0), (-1.0, -2.0, -3.0)]
FINITE = [POINTS[number] for number in (0, 3, 4, 5)]


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('kind, step', [('f', 20), ('f', 14), ('d', 26), ('d', 33)])
@pytest.mark.parametrize('columns', [1, 2, 6])
def test_points_are_those_that_were_packed(order, kind, step, columns):
    found = points_of_cloud(message(POINTS, order, kind, step, columns=columns))
    assert found.tolist() == [list(point) for point in FINITE]
    assert found.dtype == np.float64


@pytest.mark.parametrize('order', '<>')
def test_each_axis_has_a_type_and_a_place_of_its_own(order):
    data = b''.join(struct.pack(order + 'fdfd', 9.0, z, x, y) for x, y, z in FINITE)
    fields = [field('y', 16, 8), field('x', 12, 7), field('z', 4, 8), field('intensity', 0, 7)]
    found = points_of_cloud(message([], order, step=24, padding=0, fields=fields, width=4,
                                    height=1, row_step=96, data=array.array('B', data)))
    assert found.tolist() == [list(point) for point in FINITE]


@pytest.mark.parametrize('axis', range(3))
@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_point_of_which_any_axis_is_not_finite_is_left_out(axis, value):
    bad = [1.0, 2.0, 3.0]
    bad[axis] = value
    found = points_of_cloud(message([FINITE[0], tuple(bad), FINITE[1], FINITE[2]]))
    assert found.tolist() == [list(point) for point in FINITE[:3]]


@pytest.mark.parametrize('most, kept', [(6, 6), (5, 3), (3, 3), (2, 2), (1, 1), (100, 6)])
def test_every_so_manieth_of_too_many_is_read(most, kept):
    points = [(float(number), 0.0, 0.0) for number in range(6)]
    found = points_of_cloud(message(points), most)
    assert found[:, 0].tolist() == [float(each) for each in range(0, 6, 6 // kept)]


@pytest.mark.parametrize('changes, problem', [
    ({'fields': []}, 'Not a point cloud: got no fields'),
    ({'fields': [field('x', 0), field('y', 4)]}, 'Not a point cloud: got x, y'),
    ({'fields': [field(axis, 0, 6) for axis in 'xyz']}, 'Not a point cloud'),
    ({'point_step': 13}, 'lie outside its points'), ({'point_step': 0}, 'lie outside'),
    ({'fields': [field(axis, HUGE) for axis in 'xyz']}, 'lie outside its points'),
    ({'height': HUGE}, 'too short'), ({'width': HUGE}, 'too short'), ({'width': 3}, 'too short'),
    ({'row_step': HUGE}, 'too short'), ({'row_step': 0}, 'too short'),
    ({'data': array.array('B')}, 'too short'),
    ({'point_step': HUGE}, 'too short')])
def test_cloud_that_does_not_fit_is_refused(changes, problem):
    with pytest.raises(InvalidInputError, match=problem):
        points_of_cloud(message(POINTS, **changes))


@pytest.mark.parametrize('changes', [
    {'width': 0}, {'height': 0}, {'width': 0, 'row_step': 0}, {'width': 0, 'point_step': HUGE},
    {'height': 0, 'data': array.array('B'), 'width': 2}])
def test_empty_cloud_has_no_points(changes):
    assert points_of_cloud(message(POINTS, **changes)).shape == (0, 3)
