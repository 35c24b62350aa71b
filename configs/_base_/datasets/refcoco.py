# RefCOCO: clips of one frame. 2 images x 8 GPUs.
_base_ = './loaders.py'
data_root = 'data/coco'
train_sides = [480 + 32 * i for i in range(10)]  # 480 to 768
train_scales = [(800, side) for side in train_sides]  # (long side at most, short side)
crop_scales = [(100000, side) for side in (400, 500, 600)]
cropped_scales = [(640, side) for side in (296, 328, 360, 392, 416, 448, 480, 512)]
load = [
    dict(type='LoadVideoFrame'),
    dict(type='LoadMasks'),
    dict(type='RandomFlip', prob=0.5),
]

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            *load,
            dict(
                type='RandomChoice',
                transforms=[
                    [dict(type='RandomChoiceResize', scales=train_scales, keep_ratio=True)],
                    [
                        dict(type='RandomChoiceResize', scales=crop_scales, keep_ratio=True),
                        dict(
                            type='mmdet.RandomCrop',
                            crop_type='absolute_range',
                            crop_size=(384, 600),
                        ),
                        dict(type='RandomChoiceResize', scales=cropped_scales, keep_ratio=True),
                    ],
                ],
            ),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(640, 360), keep_ratio=True),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='RefCOCODataset',
        data_root=data_root,
        ann_file='refcoco/refs(unc).p',
        split='train',
        dataset_name='refcoco',
        clip_length=1,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='RefCOCODataset',
        data_root=data_root,
        ann_file='refcoco/refs(unc).p',
        split='val',
        dataset_name='refcoco',
        test_mode=True,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric', protocols=['refcoco'], groups=['quality'])
test_evaluator = val_evaluator
