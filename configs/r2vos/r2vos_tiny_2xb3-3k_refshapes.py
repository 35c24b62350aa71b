# Small R2-VOS on the synthetic data set RefShapes. It is trained in three stages, each starting
# from the last checkpoint of the previous one. Together they take two hours on two CPU cores:
#   tools/dist_train.sh configs/r2vos/pretrain/resnet18_2xb16-2400iter_refshapes.py 2
#   tools/dist_train.sh configs/r2vos/pretrain/r2vos_tiny_2xb4-5k_refshapes-stills.py 2
#   tools/dist_train.sh configs/r2vos_tiny_refshapes.py 2 \
#       --cfg-options load_from=work_dirs/r2vos_tiny_2xb4-5k_refshapes-stills/iter_5000.pth
_base_ = [
    '../_base_/models/r2vos_tiny.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py',
]
# The best of 0.1, 0.15, ..., 0.6 by J&F&R on 60 training videos.
gate_threshold = 0.3
model = dict(test_cfg=dict(gate_threshold=gate_threshold))
val_evaluator = dict(gate_threshold=gate_threshold)
test_evaluator = val_evaluator
visualizer = dict(threshold=gate_threshold)
max_iters = 3000
warmup = 100
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
# Objects move by one cell of the grounding map per frame. With gaps between the frames of a clip,
# the motion exceeds the receptive field of TemporalMixing.
train_dataloader = dict(
    batch_size=3, dataset=dict(clip_length=4, frame_sampling=dict(type='ConsecutiveFrames'))
)
val_dataloader = dict(dataset=dict(indices=32))  # videos; all in testing
optim_wrapper = dict(
    optimizer=dict(lr=4e-4), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5)))
)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
