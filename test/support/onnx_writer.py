# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write small ONNX files without the onnx package, byte by byte."""

FLOAT = 1
UINT8 = 2
INT64 = 7
FLOAT16 = 10


def varint(value):
    """Encode a number; negative ones as 64-bit two's complement, as protobuf does."""
    value &= (1 << 64) - 1
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7f | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def number(field, value):
    """Encode a number field."""
    return varint(field << 3) + varint(value)


def block(field, content):
    """Encode a field of bytes, text, or a message."""
    content = content.encode('utf-8') if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def value_info(name, shape, dtype=FLOAT):
    """Encode an input or output; a text as dimension is a dynamic one."""
    dims = b''.join(block(1, number(1, size) if isinstance(size, int) else block(2, size))
                    for size in shape)
    return block(1, name) + block(2, block(1, number(1, dtype) + block(2, dims)))


def tensor(name, shape, data, dtype=FLOAT, packed=False):
    """Encode a weight with raw data."""
    if packed:
        dims = block(1, b''.join(varint(size) for size in shape))
    else:
        dims = b''.join(number(1, size) for size in shape)
    return dims + number(2, dtype) + block(8, name) + block(9, data)


def external_tensor(name, shape, location):
    """Encode a weight whose values lie in another file."""
    return (b''.join(number(1, size) for size in shape) + number(2, FLOAT) + block(8, name)
            + block(13, block(1, 'location') + block(2, location)) + number(14, 1))


def node(op, inputs, outputs, domain='', subgraphs=(), attributes=()):
    """
    Encode a node; subgraphs become one attribute each.

    :param attributes: pairs of a name and a whole number, or a list of them
    """
    return (b''.join(block(1, name) for name in inputs)
            + b''.join(block(2, name) for name in outputs) + block(4, op)
            + b''.join(block(5, block(1, 'body') + block(6, graph)) for graph in subgraphs)
            + b''.join(block(5, _attribute(*pair)) for pair in attributes)
            + (block(7, domain) if domain else b''))


def _attribute(name, value):
    if isinstance(value, int):
        return block(1, name) + number(3, value) + number(20, 2)
    return block(1, name) + b''.join(number(8, item) for item in value) + number(20, 7)


def graph(nodes=(), inputs=(), outputs=(), weights=()):
    """Encode a graph."""
    return (b''.join(block(1, item) for item in nodes) + block(2, 'main')
            + b''.join(block(5, item) for item in weights)
            + b''.join(block(11, item) for item in inputs)
            + b''.join(block(12, item) for item in outputs))


def model(main, opset=13, ir_version=7, domains=()):
    """Encode a whole file."""
    return (number(1, ir_version) + block(2, 'by hand') + block(7, main)
            + block(8, number(2, opset))
            + b''.join(block(8, block(1, name) + number(2, version)) for name, version in domains))


def segmenter(input_shape=(1, 3, 64, 64), output_shape=(1, 150, 16, 16), opset=13,
              input_dtype=FLOAT, output_dtype=FLOAT, op='Conv', domain='', tail=()):
    """
    Encode a file that looks like a segmentation network with one convolution.

    :param tail: operators after it
    """
    names = [f't{number}' for number in range(len(tail))] + ['logits']
    channels = next((size for size in output_shape[1:2] if isinstance(size, int)), 150)
    return model(graph(
        [node(op, ['pixel_values', 'w'], names[:1], domain)] + [
            node(step, names[number:number + 1], names[number + 1:number + 2])
            for number, step in enumerate(tail)],
        [value_info('pixel_values', input_shape, input_dtype)],
        [value_info('logits', output_shape, output_dtype)],
        [tensor('w', (channels, 3, 4, 4), bytes(channels * 192))]), opset)
