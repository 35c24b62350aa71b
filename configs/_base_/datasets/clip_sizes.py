# Sizes of training clips of videos: resized, or cropped and then resized.
short_sides = (288, 320, 352, 392, 416, 448, 480, 512)
train_scales = [(640, side) for side in short_sides]  # (long side at most, short side)
# Before a crop. A long side without a limit: only the short side counts.
crop_scales = [(100000, side) for side in (400, 500, 600)]
resize = dict(type='RandomChoiceResize', scales=train_scales, keep_ratio=True)
crop_and_resize = [
    dict(type='RandomChoiceResize', scales=crop_scales, keep_ratio=True),
    dict(type='mmdet.RandomCrop', crop_type='absolute_range', crop_size=(384, 600)),
    resize,
]
