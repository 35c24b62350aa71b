# RefShapes, the synthetic data set (tools/dataset_converters/make_refshapes.py): frames of 128x128,
# verified negative pairs.
_base_ = ['./loaders.py', '../pipelines/refshapes.py']
dataset_type = 'R2VOSDataset'
data_root = 'data/refshapes'
clip_length = 3

# Loading an item takes about 4 ms, so one worker is enough for training on a CPU.
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
        pipeline=_base_.train_pipeline,
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
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric')
test_evaluator = val_evaluator
