# Photographs as clips, and videos; with the data of docs/real_video.md, about the same number of
# each.
_base_ = './instance_clips.py'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['dataset_name'],  # differs between the data sets
        datasets=[
            dict(_base_.train_dataloader.dataset, clips_per_image=2),
            dict(
                type='R2VOSDataset',
                data_root=_base_.video_root,
                split='train',
                video_subset=dict(part='train', **_base_.fold),  # None: all videos
                clip_length=_base_.clip_length,
                positives_per_clip=2,
                negatives=dict(type='TrainNegatives', per_clip=2),
                pipeline=_base_.real_train_pipeline,
            ),
        ],
    )
)
