# The model of RefShapes, fine-tuned with the same data and budget, at half the resolution: objects
# are as large as in RefShapes, and attention at stride 8 would take four times as long at 384x224.
_base_ = ['../../_base_/models/r2vos_tiny.py', './_base_/budget.py']
load_from = '{{ fileDirname }}/../../checkpoints/r2vos_tiny_refshapes.pth'
model = dict(test_cfg=dict(frames_per_pass=8))

half_size = dict(type='Resize', scale=(192, 112))
photographs, videos = _base_.train_dataloader.dataset.datasets
train_frames = videos.pipeline[0]
train_transforms = [*train_frames.transforms[:4], half_size, *train_frames.transforms[5:]]
train_pipeline = [dict(train_frames, transforms=train_transforms), *videos.pipeline[1:]]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(photographs, frame_size=half_size['scale']),
            dict(videos, pipeline=train_pipeline),
        ]
    )
)
test_pipeline = _base_.test_dataloader.dataset.pipeline
test_frames = test_pipeline[0]
load, _, masks = test_frames.transforms
test_dataloader = dict(
    dataset=dict(
        pipeline=[dict(test_frames, transforms=[load, half_size, masks]), *test_pipeline[1:]]
    )
)
