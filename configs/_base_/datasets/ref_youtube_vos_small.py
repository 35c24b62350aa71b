# Small videos in the layout of Refer-YouTube-VOS, to train on your own data on a CPU. Set
# train_dataloader.dataset.data_root and val_dataloader.dataset.data_root.
_base_ = ['./ref_youtube_vos.py', '../pipelines/small_videos.py']
clip_length = 3
train_pipeline = _base_.small_train_pipeline
test_pipeline = _base_.small_test_pipeline
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        clip_length=clip_length,
        positives_per_clip=2,
        negatives=dict(per_clip=2),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline)
)
