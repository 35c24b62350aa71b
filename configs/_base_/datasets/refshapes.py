# RefShapes, the embedded set (tools/dataset_converters/make_refshapes.py): 128x128 on disk, proven
# negatives.
_base_ = './loaders.py'
dataset_type = 'R2VOSDataset'
data_root = 'data/refshapes'
image_size = (128, 128)  # (w, h)
clip_length = 3

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            # Sentences name colours and sizes: little hue, and a crop that keeps relations.
            dict(
                type='ClipPhotoMetricDistortion',
                brightness_delta=20,
                contrast_range=(0.8, 1.2),
                saturation_range=(0.8, 1.2),
                hue_delta=4,
            ),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.85, 0.85)),
            dict(type='Resize', scale=image_size),
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
            dict(type='Resize', scale=image_size),
            # Behind the resize: ground truth stays at the size of the files.
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]

# At this size an item takes about 4 ms, so one worker feeds a CPU training.
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        clip_length=clip_length,
        positives_per_clip=2,
        negatives=dict(
            type='PairsFileNegatives',
            pairs_file='pairs/train.json',
            per_clip=2,
            shares=dict(other_video=0.4, attribute=0.35, relation=0.25),
        ),
        dataset_name='refshapes',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='valid',
        pairs_file='pairs/valid.json',
        test_mode=True,
        dataset_name='refshapes',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric')
test_evaluator = val_evaluator
