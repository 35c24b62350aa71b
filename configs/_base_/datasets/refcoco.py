# RefCOCO: clips of one frame, 8 GPUs with 2 images each.
_base_ = ['./loaders.py', './refcoco_files.py', '../pipelines/images.py']
refcoco = dict(
    type='RefCOCODataset',
    data_root=_base_.coco_root,
    ann_file=_base_.ann_files['refcoco'],
    dataset_name='refcoco',
)

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        **refcoco,
        split='train',
        clip_length=1,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(**refcoco, split='val', test_mode=True, pipeline=_base_.test_pipeline)
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric', protocols=['refcoco'], groups=['quality'])
test_evaluator = val_evaluator
