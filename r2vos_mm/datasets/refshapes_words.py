"""List the words for the attributes of RefShapes' objects."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    'size': ('small', 'large'),
    'texture': ('plain', 'striped', 'dotted'),
    'colour': ('red', 'yellow', 'green', 'blue', 'purple', 'white'),
    'shape': ('circle', 'square', 'triangle', 'star', 'ring', 'heart'),
}
