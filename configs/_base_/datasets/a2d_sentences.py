# A2D-Sentences: each item is one annotated frame. Losses are taken on that frame alone, so a
# backbone that sees single frames is trained on it alone, too (window 1).
_base_ = ['./loaders.py', './clip_sizes.py']
data_root = 'data/a2d_sentences'
window = 1
backend = 'opencv'  # or 'av', 'decord', where they are installed
masks_and_flip = [dict(type='LoadMasks'), dict(type='RandomFlip', prob=0.5)]

train_pipeline = [
    dict(type='DecodeVideoFrames', backend=backend),
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[*masks_and_flip, _base_.resize],
                )
            ],
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[*masks_and_flip, *_base_.crop_and_resize],
                )
            ],
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='ClipPhotoMetricDistortion')],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
test_pipeline = [
    dict(type='DecodeVideoFrames', backend=backend),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='Resize', scale=(640, 360), keep_ratio=True),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='A2DSentencesDataset',
        data_root=data_root,
        split='train',
        window=window,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='A2DSentencesDataset',
        data_root=data_root,
        split='test',
        window=window,
        test_mode=True,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric', protocols=['a2d'], groups=['quality'])
test_evaluator = val_evaluator
