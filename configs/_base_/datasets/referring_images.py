# Your own annotated images with generated expressions about one object, several, or none, as
# `r2vos data images` writes them; for a CPU.
_base_ = ['./loaders.py', '../pipelines/real_clips.py']
referring_images = dict(
    type='GRefCOCODataset',
    data_root='data/coco_mini',
    ann_file='grefcoco/grefs(generated).json',
    image_folder='images',
    dataset_name='referring_images',
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        **referring_images,
        split='train',
        clip_length=1,
        positives_per_clip=2,
        negatives=dict(
            type='TrainNegatives', per_clip=2, shares=dict(no_target=0.6, other_video=0.4)
        ),
        pipeline=_base_.whole_image_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        **referring_images, split='val', test_mode=True, pipeline=_base_.real_test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='JFRMetric',
    protocols=['refcoco', 'per_expression'],
    groups=['quality', 'robustness', 'cgf1', 'verdict', 'no_target', 'boxes'],
)
test_evaluator = val_evaluator
