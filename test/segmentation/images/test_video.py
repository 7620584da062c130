# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Packets of a video: every picture is that of its packet, or refused."""

import contextlib
import fractions
import itertools
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.segmentation.images import video

av = pytest.importorskip('av', reason='PyAV is not installed')

WIDTH, HEIGHT, GOP = 160, 96, 12


def picture(number):
    """Return a picture in which the number can be read: a bright bar at its place."""
    found = np.full((HEIGHT, WIDTH, 3), (30, 60, 90), np.uint8)
    cv2.rectangle(found, (4 * (number % 36), 10), (4 * (number % 36) + 14, 85), (250, 220, 40), -1)
    return found


def stream(count, gop=GOP, **options):
    """Return a message for each of some pictures."""
    context = av.CodecContext.create('libx264', 'w')
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
    context.time_base, context.gop_size = fractions.Fraction(1, 30), gop
    context.options = dict({'tune': 'zerolatency', 'preset': 'ultrafast', 'crf': '12'}, **options)
    packets = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [SimpleNamespace(format='h264', data=bytes(each))
            for each in packets]


def shows(rgb, number):
    """Return whether a decoded picture is that of a number, and no neighbour's."""
    def distance(other):
        return np.abs(rgb.astype(int) - picture(other)).mean()
    return rgb.shape == (HEIGHT, WIDTH, 3) and distance(number) < 6.0 and \
        distance(number) < min(distance(number + 1), distance(max(0, number - 1)) + (number == 0))


@pytest.mark.parametrize('options', [
    {}, {'profile': 'baseline'}, {'profile': 'high', 'preset': 'medium', 'refs': '4'},
    {'profile': 'high', 'x264-params': 'cqm=jvt:sliced-threads=1:slices=4'}])
def test_each_packet_gives_its_own_picture(options):
    decoder = video.VideoDecoder()
    # More pictures than there are numbers.
    for number, message in enumerate(stream(80, gop=300, **options)):
        assert decoder.takes(message)
        decoder.add(message)
        assert shows(decoder.decode(message), number)


def test_packets_whose_pictures_nobody_wants_are_decoded_before_the_next_one():
    decoder = video.VideoDecoder()
    for number, message in enumerate(stream(30)):
        decoder.add(message)
        if number % 7 == 5:
            assert shows(decoder.decode(message), number)


@pytest.mark.parametrize('lost', [(5,), (5, 6), (GOP,), (3, 8, GOP + 1)])
def test_after_a_loss_no_picture_is_guessed_until_the_next_key_frame(lost):
    decoder = video.VideoDecoder()
    whole = True
    for number, message in enumerate(stream(40)):
        whole = number not in lost and (whole or number % GOP == 0)
        if number in lost:
            continue
        decoder.add(message)
        if whole:
            assert shows(decoder.decode(message), number)
        else:
            with pytest.raises(InvalidInputError, match='packets before it were lost'):
                decoder.decode(message)


def test_a_stream_that_is_joined_in_its_middle_gives_pictures_from_a_key_frame_on():
    decoder = video.VideoDecoder()
    for number, message in enumerate(stream(30)):
        if number < 5:
            continue
        decoder.add(message)
        if number < GOP:
            with pytest.raises(InvalidInputError, match='gives no picture'):
                decoder.decode(message)
        else:
            assert shows(decoder.decode(message), number)


def test_damaged_packets_are_errors_of_the_package_and_a_key_frame_mends_the_stream():
    decoder = video.VideoDecoder()
    random = np.random.RandomState(2)
    for number, message in enumerate(stream(30)):
        if 3 <= number < 9:
            message.data = random.bytes(200)
        decoder.add(message)
        try:
            found = decoder.decode(message)
        except InvalidInputError:
            assert 3 <= number < GOP
            continue
        assert number < 3 or number >= 9
        if number >= GOP:
            assert shows(found, number)


def test_pictures_that_come_in_another_order_are_refused_rather_than_mistaken():
    decoder = video.VideoDecoder()
    messages = stream(24, tune='film', bf='2', preset='medium')
    told = []
    for message in messages:
        decoder.add(message)
        try:
            decoder.decode(message)
        except InvalidInputError as error:
            told.append(str(error))
    assert len(told) > 8 and 'without B-frames' in told[0]


def test_what_waits_is_bounded_and_begins_anew_at_a_key_frame(monkeypatch):
    monkeypatch.setattr(video, 'MOST_PACKETS', 20)
    decoder = video.VideoDecoder()
    messages = stream(48)
    for message in messages[:30]:
        decoder.add(message)
    # The first 21 are gone; the next key frames are those of 24 and 36.
    with pytest.raises(InvalidInputError):
        decoder.decode(messages[5])
    with pytest.raises(InvalidInputError):
        decoder.decode(messages[22])
    assert shows(decoder.decode(messages[26]), 26)


def test_packets_that_take_too_long_are_left_until_the_next_key_frame(monkeypatch):
    # Each packet takes half a second: four fit into two seconds.
    clock = itertools.count(100.0, 0.5)
    monkeypatch.setattr(video, 'time', SimpleNamespace(monotonic=lambda: next(clock)))
    decoder = video.VideoDecoder()
    messages = stream(30)
    for message in messages[:4]:
        decoder.add(message)
    assert shows(decoder.decode(messages[3]), 3)
    for message in messages[4:11]:
        decoder.add(message)
    with pytest.raises(InvalidInputError, match=r'took longer than 2\.0 s'):
        decoder.decode(messages[10])
    # What was left out is not guessed; the next key frame is that of 12.
    for number in (11, 12, 13):
        decoder.add(messages[number])
        if number < GOP:
            with pytest.raises(InvalidInputError, match='were lost'):
                decoder.decode(messages[number])
        else:
            assert shows(decoder.decode(messages[number]), number)


@pytest.mark.parametrize('field', ['format', 'frame_id'])
def test_texts_of_packets_count_in_what_waits(field, monkeypatch):
    messages = stream(3)
    most = 4 * sum(len(each.data) for each in messages)
    monkeypatch.setattr(video, 'MOST_BYTES', most)
    decoder = video.VideoDecoder()
    for message in messages:
        if field == 'format':
            message.format += ' ' * most
        else:
            message.header = SimpleNamespace(frame_id='x' * most)
        decoder.add(message)
        with pytest.raises(InvalidInputError):
            decoder.decode(message)


def test_packets_that_were_decoded_wait_no_more(monkeypatch):
    messages = stream(30)
    monkeypatch.setattr(video, 'MOST_BYTES', 2 * max(len(each.data) for each in messages))
    decoder = video.VideoDecoder()
    for number, message in enumerate(messages):
        decoder.add(message)
        assert shows(decoder.decode(message), number)


def test_pictures_are_not_taken_for_a_video():
    decoder = video.VideoDecoder()
    for text in ('jpeg', 'png', 'rgb8; jpeg compressed bgr8', '16UC1; png compressed ',
                 'H.265'):
        assert not decoder.takes(SimpleNamespace(format=text, data=b''))


ENCODERS = {'libx264': {'tune': 'zerolatency'},
            'libx265': {'x265-params': 'log-level=none:bframes=0'},
            'libsvtav1': {'preset': '10'},
            'libvpx': {'deadline': 'realtime'}, 'libvpx-vp9': {'deadline': 'realtime'}}
"""Encoders of ffmpeg_image_transport, by the names that it gives them, with their options."""


def transported(encoder, count, gop=GOP):
    """Return the packets that ffmpeg_image_transport makes of some pictures."""
    context = av.CodecContext.create(encoder, 'w')
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
    context.time_base, context.gop_size = fractions.Fraction(1, 30), gop
    context.max_b_frames, context.bit_rate = 0, 4000000
    context.options = ENCODERS[encoder]
    packets = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    assert [each.pts for each in packets] == list(range(count))
    return [SimpleNamespace(encoding=encoder, pts=each.pts, flags=int(each.is_keyframe),
                            width=WIDTH, height=HEIGHT, data=bytes(each)) for each in packets]


def numbers_shown(messages):
    """Return the number of each packet whose picture is given, after looking at the picture."""
    decoder, found = video.VideoDecoder(), []
    for message in messages:
        assert decoder.takes(message)
        decoder.add(message)
        try:
            rgb = decoder.decode(message)
        except InvalidInputError:
            continue
        assert shows(rgb, message.pts), message.pts
        found.append(message.pts)
    return found


@pytest.mark.parametrize('encoder', sorted(ENCODERS))
def test_each_packet_of_the_transport_gives_its_own_picture_and_none_after_a_loss(encoder):
    messages = transported(encoder, 30)
    assert numbers_shown(messages) == list(range(30))
    newer = [SimpleNamespace(**dict(vars(each), encoding=encoder + ';yuv420p;bgr8;bgr8'))
             for each in messages]
    assert numbers_shown(newer[:3]) == [0, 1, 2]
    lost = [each for each in messages if each.pts not in (5, GOP + 3)]
    assert numbers_shown(lost) == list(range(5)) + list(range(GOP, GOP + 3)) + list(
        range(2 * GOP, 30))
    # One that is marked as a key frame and is none would be made of what did not come.
    messages[5].flags = 1
    assert numbers_shown(messages[5:]) == list(range(GOP, 30))


@pytest.mark.parametrize('encoder', sorted(ENCODERS))
def test_damage_in_the_transport_gives_errors_of_the_package_and_ends_with_a_key_frame(encoder):
    messages = transported(encoder, 30)
    random = np.random.RandomState(3)
    for message in messages[3:9]:
        message.data = random.bytes(200)
    decoder = video.VideoDecoder()
    for number, message in enumerate(messages):
        decoder.add(message)
        if 3 <= number < GOP:
            # Of AV1 other bytes may be a picture, since it has no checksums.
            with contextlib.suppress(InvalidInputError):
                assert decoder.decode(message).shape == (HEIGHT, WIDTH, 3)
        else:
            assert shows(decoder.decode(message), number), number


@pytest.mark.parametrize('encoder', sorted(ENCODERS))
def test_pictures_of_the_transport_are_bounded_in_size(encoder, monkeypatch):
    message = transported(encoder, 1)[0]
    monkeypatch.setattr(video, 'MOST_PIXELS', WIDTH * HEIGHT // 4)
    assert numbers_shown([message]) == []
    monkeypatch.setattr(video, 'MOST_PIXELS', 2 * WIDTH * HEIGHT)
    assert numbers_shown([message]) == [0]


def test_another_codec_in_the_middle_begins_with_its_key_frame():
    messages = transported('libx264', 6) + transported('libx265', 6)[2:] + transported('libvpx', 6)
    assert numbers_shown(messages) == list(range(6)) * 2


def test_a_codec_that_nobody_knows_names_the_republisher():
    decoder = video.VideoDecoder()
    message = SimpleNamespace(encoding='wavelets;yuv420p', pts=0, flags=1, data=b'0' * 99)
    decoder.add(message)
    with pytest.raises(InvalidInputError, match="'wavelets.*expected H.264.*republish"):
        decoder.decode(message)
